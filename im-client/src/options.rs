//! Times and bounds.

use im_wire::Wants;
use std::{path::PathBuf, time::Duration};

/// Times and bounds, and what a session is. The defaults suit a person as well as a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for a connection, its welcome included.
    pub connect_timeout: Duration,
    /// How long a request may take, reconnecting included. A server that answers nothing for this
    /// long is taken for lost.
    pub request_timeout: Duration,
    /// After how much silence, of either side, to ask whether the server is still there.
    pub keepalive: Duration,
    /// The first pause before connecting again; it doubles from there.
    pub backoff_min: Duration,
    /// The longest pause before connecting again.
    pub backoff_max: Duration,
    /// Requests written and not answered. A server hands out no more at a time than this.
    pub in_flight_max: usize,
    /// Requests that wait to be written; beyond that, [`Client::submit`](crate::Client::submit) waits.
    pub queue_max: usize,
    /// Events that nobody took. At that point nothing more is read from the server.
    pub events_max: usize,
    /// Message ids remembered, so that none is shown twice.
    pub seen_max: usize,
    /// Which device the sessions are, for example `bot:weather`; `None`: the one that the server has
    /// for the protocol. Each device gets every message once, and of each only one is connected.
    pub device: Option<String>,
    /// What the sessions are told. With `acks` only what [`Events`](crate::Events) were asked past counts
    /// as delivered; without, what the kernel took does. With `refresh` the server gives tokens of a short
    /// life, which the client replaces by itself before they end, where the protocol has any.
    pub wants: Wants,
    /// How long messages may wait to be acknowledged, so that one acknowledgement says it of many.
    pub ack_every: Duration,
    /// Messages that were posted and are not stored; beyond that, [`Client::post`](crate::Client::post)
    /// is refused.
    pub outbox_max: usize,
    /// Where they are kept, so that they outlive the program; `None`: in memory. A client has it alone.
    pub outbox_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(10),
            keepalive: Duration::from_secs(30),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(15),
            in_flight_max: 64,
            queue_max: 64,
            events_max: 1024,
            seen_max: 8192,
            device: None,
            wants: Wants { acks: true, refresh: true, ..Wants::default() },
            ack_every: Duration::from_millis(200),
            outbox_max: 1024,
            outbox_file: None,
        }
    }
}
