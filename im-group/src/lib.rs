//! im-group owns groups: their names, who is a member, and what a member may do.
//!
//! Other services ask it over mprpc (`GroupService` of `mpim-proto`); people reach it through the
//! gateway. The callers are trusted to say for whom they ask: the gateway fills in the user of the
//! authenticated session.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = im_group::Config { data_dir: "data/group".into(), ..im_group::Config::default() };
//! let memory = mprpc::discovery::Memory::new();
//! let running = im_group::start(config, im_common::Deps::new(memory)).await?;
//! println!("im-group answers on {}", running.addr);
//! running.join().await?;
//! # Ok(()) }
//! ```
//!
//! im-group decides who is a member, and im-message keeps the *spans* that follow from it: since
//! which seq of the group's conversation someone belongs to it. The two have databases of their
//! own, so each change is handed over: `hand_over` says how, and why neither a crash nor an
//! im-message that is away can make them disagree for good.
//!
//! # What holds
//!
//! * A name belongs to one group, a user is in a group once, and no limit is ever exceeded,
//!   whatever the number of callers: the store decides.
//! * Who is told `joined group` has their span: whatever is sent to the group from then on is
//!   theirs to read.
//! * Every change that was decided reaches im-message, in the order of the member's changes, once
//!   in effect.
//! * A group that has members has one creator; the role passes on to the longest member. A group
//!   without members stays, and the next to join is its creator.
//!
//! # Where things are
//!
//! | module | holds |
//! |---|---|
//! | `start` | the wiring: adapter, channel to im-message, server, sweep |
//! | `service` | the generated trait; refusals become answers, failures become statuses |
//! | `groups` | what the use cases work with |
//! | `create`, `membership` | the use cases: every decision is here |
//! | `hand_over`, `sweep` | telling im-message: at once, and whatever was left pending |
//! | `turns` | one after the other for the same name or member |
//! | `store` | the port, its conformance suite, and the adapters on SQLite and MySQL |

#![forbid(unsafe_code)]

mod config;
mod create;
mod error;
mod groups;
mod hand_over;
mod membership;
mod service;
mod start;
mod store;
mod sweep;
#[cfg(test)]
mod testing;
mod turns;

pub use config::{Config, HandOverConfig, LimitsConfig, Targets};
pub use start::{StartError, start};
