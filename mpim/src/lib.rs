//! The MPIM server: all five services in one process on embedded stores.
//!
//! There is no second implementation of anything here. This crate calls the `start` of the same five
//! libraries that the five binaries run, gives them one data directory, lets them find each other in
//! process (`memory://`; the calls still go over mprpc and loopback TCP), and tells a newcomer where
//! to connect.
//!
//! | module | what |
//! |---|---|
//! | `config` | one file with a section for each service |
//! | `start` | the five in the order in which they need each other |
//! | `banner` | what a person who starts it reads first |
//! | `acting` | what all tools do alike |
//! | `calling` | how a tool calls a service: it shows the token of the fleet |
//! | `cert` | a tool: `mpim cert` makes a certificate for development |
//! | `load` | a tool: `mpim load` puts a running gateway under load |
//! | `admin` | a tool: `mpim admin` gives roles, disables and enables accounts |
//! | `token_key` | a tool: `mpim token-key new` makes the next key that signs tokens |
//! | `dead_letters` | a tool: `mpim dead-letters` shows dispatches that were given up on |
#![forbid(unsafe_code)]

mod acting;
mod admin;
mod banner;
mod calling;
mod cert;
mod config;
mod dead_letters;
mod load;
mod start;
mod token_key;

pub use admin::tool as admin;
pub use cert::tool as cert;
pub use config::Config;
pub use dead_letters::tool as dead_letters;
pub use load::tool as load;
pub use start::start;
pub use token_key::tool as token_key;
