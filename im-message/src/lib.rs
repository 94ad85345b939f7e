//! im-message: where messages become history.
//!
//! For each conversation, a pair of users or a group, it keeps one **timeline**: entries numbered
//! 1, 2, 3 … without holes, the same for everyone. A message is acknowledged once it stands there,
//! on disk. Everything else follows from that. A push is only a fast way to learn of an entry,
//! so it may get lost; a group of five hundred costs one write; and a client that sees a gap in
//! the numbers knows that it missed something, and asks for it.
//!
//! Who may see which part is in the same place: a **span** says from which entry to which someone
//! was a member, and joining and leaving are entries themselves, written in one transaction with
//! the span they begin or end. How far each device has come is its **cursor**, and how far a user has
//! read, on whichever device, is their **read position**. What is unread follows from it by counting;
//! nothing is counted while messages are written.
//!
//! # The way of a message
//! [`start()`] serves `MessageService`. A handler checks the message (`send`: is there such a user,
//! is the text short enough), puts it into the **lane** of its conversation and waits. The lane
//! (`lane`) writes what gathered during its last commit as one batch, through the port `Timeline`
//! (`store`): de-duplication, membership, numbering and the insert are one transaction. After the
//! commit, and only then, the handlers answer; and the lane's **dispatcher** (`dispatch`) tells
//! im-presence, which brings the entry to the gateways of its recipients.
//!
//! | module | is about |
//! |---|---|
//! | `conversation`, `entry` | the values: `ConvId`, `NewEntry`, `Entry` |
//! | `store` | the ports `Timeline` and `ReadState`, their contract as a test suite, and the adapters for SQLite and MySQL |
//! | `lane` | batches, and the order of messages |
//! | `dispatch` | telling im-presence, and what happens when it is away |
//! | `dead_letters` | what was given up on, for an operator |
//! | `send` | the checks before a message is written; membership changes |
//! | `blocking` | who shuts out whom |
//! | `signal` | what is told to those who are there now, and not kept |
//! | `receipts` | telling who wrote how far others are |
//! | `retention` | letting go of old entries |
//! | `offline` | `PullOffline` and `Ack`, the classic route's way of reading |
//! | `users` | asking im-user who exists, and remembering it |
//! | `service`, `proto` | requests to use cases, outcomes to answers |
//! | `metrics` | what is counted |
//! | `start`, `config` | the wiring, and what can be configured |
//!
//! # What holds
//! - Nothing is acknowledged before it is durable, and nothing is dispatched before either.
//! - seqs are dense. A retry with the same client id is given the same numbers, whenever it comes.
//! - Messages of one sender to one conversation are written in the order in which their calls
//!   came; a caller that goes away changes nothing about it.
//! - Nobody sees an entry outside their spans, and neither a cursor nor a read position passes what
//!   its user sees.
//! - What a log-in asks for costs as much with ten messages stored as with ten million: lists go by
//!   conversations, pages by number, and unread messages are counted up to a bound.
//! - A dispatch that could not be delivered is made up for by a `resync`; what an instance did not
//!   live to dispatch, by its twin, where they share a database (`dispatch::sweep`).
//!
//! # What is deliberately absent
//! Names, profiles and the right to join a group: im-user and im-group own those. Routes and
//! connections: im-presence and the gateways. An outbox in the embedded store: one process has it,
//! so the `resync` after each start does its work. A cache of conversations or members: what others
//! wrote is read under the lock that orders it.
#![forbid(unsafe_code)]

mod blocking;
mod config;
mod conversation;
mod dead_letters;
mod dispatch;
mod entry;
mod lane;
mod metrics;
mod offline;
mod proto;
mod receipts;
mod retention;
mod send;
mod service;
mod signal;
mod start;
mod store;
mod users;

#[cfg(test)]
mod tests;

pub use config::{
    AnswerConfig, BlocksConfig, Config, DeadLettersConfig, DispatchConfig, EventsConfig,
    LaneConfig, RetentionConfig, TargetsConfig, TextConfig, UsersConfig,
};
pub use start::{StartError, start};
