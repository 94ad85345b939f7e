//! im-user owns who people are: accounts, the proof of being one (password and token), and who is
//! whose friend.
//!
//! Other services ask it over mprpc (`UserService` of `mpim-proto`); people reach it through the
//! gateway. The callers are trusted to say for whom they ask: the gateway fills in the user of the
//! authenticated session.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = im_user::Config { data_dir: "data/user".into(), ..im_user::Config::default() };
//! let memory = mprpc::discovery::Memory::new();
//! let running = im_user::start(config, im_common::Deps::new(memory)).await?;
//! println!("im-user answers on {}", running.addr);
//! running.join().await?;
//! # Ok(()) }
//! ```
//!
//! # What holds
//!
//! * A name belongs to one account, whatever the number of callers: the store's unique index
//!   decides, everything before it only saves work.
//! * A failed log-in does not tell whether the name exists: same answer, same work.
//! * Any number of instances work on one database. What they share besides is the key that signs
//!   tokens and, in Redis, the count of failed log-ins; without that, each counts for itself.
//! * Guessing is limited by account, hashing by what the machine can do; both answer at once when
//!   the bound is reached, and neither locks anybody out for good.
//! * Passwords are never stored, logged or cut; a stored hash is argon2id with its parameters.
//! * A token proves itself (EdDSA), except that its log-in or its device may be over: that is in the store,
//!   durable.
//! * A token that refreshes a log-in is good for once: shown again at once it gives the same, for the answer
//!   may have been lost, and used again later it ends the log-in.
//! * A device that was revoked and a log-in that ended are out at once; whoever has to be told is told,
//!   whatever fails meanwhile.
//! * A friendship exists in both directions or not at all.
//!
//! # Where things are
//!
//! | module | holds |
//! |---|---|
//! | `start` | the wiring: adapter, key, server |
//! | `service` | the generated trait; refusals become answers, failures become statuses |
//! | `users` | what the use cases work with |
//! | `register`, `log_in`, `log_out`, `friends`, `profiles` | the use cases: every decision is here |
//! | `grant`, `log_in_id`, `refresh_token` | the log-in and the tokens that somebody is given, and given again |
//! | `account` | another password; an account that is disabled |
//! | `bots`, `api_key` | accounts of programs, and the keys that they log in with |
//! | `devices`, `revoking` | a log-in is one device's; putting one out, and telling others of what ended |
//! | `neighbours` | im-message and im-presence, as far as they are told of devices |
//! | `username`, `password`, `attempts`, `token` | names, hashing, the limit on guessing, JWT and the keys that sign them |
//! | `metrics` | what operators see |
//! | `store` | the port, its conformance suite, and the adapters on SQLite and MySQL |

#![forbid(unsafe_code)]

mod account;
mod api_key;
mod attempts;
mod bots;
mod config;
mod devices;
mod error;
mod friends;
mod gone;
mod grant;
mod hex;
mod log_in;
mod log_in_id;
mod log_out;
mod metrics;
mod neighbours;
mod password;
mod profiles;
mod refresh_token;
mod register;
mod revoking;
mod service;
mod start;
mod store;
#[cfg(test)]
mod testing;
mod token;
mod username;
mod users;

pub use config::{
    ApiKeysConfig, CacheConfig, Config, DevicesConfig, FriendsConfig, LogInConfig, PasswordConfig,
    Targets, TokenConfig, UsernameConfig,
};
pub use gone::OriginalConfig;
pub use start::{StartError, start};
pub use token::make_token_key;
