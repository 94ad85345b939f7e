//! Section `[http]`.

use std::net::{Ipv4Addr, SocketAddr};

use im_common::Rules;
use serde::{Deserialize, Serialize};

/// The HTTP API.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct HttpConfig {
    /// Whether there is one.
    pub enabled: bool,
    /// Where requests come in.
    pub listen: SocketAddr,
    /// Whether they are TLS.
    pub tls: bool,
    /// Whether each connection begins with the header of the PROXY protocol.
    pub proxy: bool,
    /// Connections at once; one more is answered 503.
    pub connections_max: usize,
    /// The head of a request; a longer one is answered 431.
    pub head_bytes_max: usize,
    /// The body of a request; a longer one is answered 413.
    pub body_bytes_max: usize,
    /// For the head of a request, and between two requests of one connection.
    pub head_timeout_ms: u32,
    /// For the body of a request; then it is answered 408.
    pub body_timeout_ms: u32,
    /// For all of a request; then it is answered 503.
    pub timeout_ms: u32,
    /// For how long a client may take nothing of an answer; then the connection is cut off.
    pub stalled_ms: u32,
    /// For how long it may take an answer; then the connection is cut off.
    pub answer_timeout_ms: u32,
    /// Whether cookies go over TLS alone.
    pub secure_cookie: SecureCookie,
    /// Streams of server-sent events at once; one more is answered 503.
    pub event_streams_max: usize,
    /// After how long without an event a stream gives a sign of life.
    pub event_beat_ms: u32,
    /// Requests a second of one address other than loopback; more are answered 429.
    pub address_requests_per_s: u32,
    /// Requests a second of one user; more are answered 429.
    pub user_requests_per_s: u32,
}

/// Whether cookies go over TLS alone.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SecureCookie {
    /// Those that were asked for over TLS, as far as is known.
    Auto,
    /// All: there is TLS before the gateway, and nobody says so.
    Always,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            tls: false,
            proxy: false,
            // With the others they fit into the descriptors that a process usually may have.
            connections_max: 1_000,
            head_bytes_max: 16 << 10,
            body_bytes_max: 64 << 10,
            head_timeout_ms: 10_000,
            body_timeout_ms: 5_000,
            timeout_ms: 15_000,
            stalled_ms: 30_000,
            answer_timeout_ms: 120_000,
            secure_cookie: SecureCookie::Auto,
            event_streams_max: 500,
            event_beat_ms: 15_000,
            address_requests_per_s: 200,
            user_requests_per_s: 2_000,
        }
    }
}

impl HttpConfig {
    pub(super) fn validate(&self, rules: &mut Rules) {
        rules.within("http.connections_max", self.connections_max, 1..=10_000_000);
        rules.within("http.head_bytes_max", self.head_bytes_max, 8 << 10..=1 << 20);
        rules.within("http.body_bytes_max", self.body_bytes_max, 1 << 10..=16 << 20);
        rules.within("http.head_timeout_ms", self.head_timeout_ms, 10..=600_000);
        rules.within("http.body_timeout_ms", self.body_timeout_ms, 10..=600_000);
        rules.within("http.timeout_ms", self.timeout_ms, 10..=600_000);
        rules.within("http.stalled_ms", self.stalled_ms, 100..=3_600_000);
        rules.within("http.answer_timeout_ms", self.answer_timeout_ms, 100..=3_600_000);
        rules.within("http.event_streams_max", self.event_streams_max, 1..=10_000_000);
        rules.within("http.event_beat_ms", self.event_beat_ms, 10..=600_000);
        rules.within("http.address_requests_per_s", self.address_requests_per_s, 1..=10_000_000);
        rules.within("http.user_requests_per_s", self.user_requests_per_s, 1..=10_000_000);
    }
}
