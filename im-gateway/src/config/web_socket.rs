//! Section `[web_socket]`.

use im_common::Rules;
use im_wire::web_socket::SocketLimits;
use serde::{Deserialize, Serialize};

/// Connections that speak WebSocket. They come in where HTTP is spoken.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct WebSocketConfig {
    /// How many; one more is told `server full`.
    pub connections_max: usize,
    /// Origins of pages that may connect, `https://chat.example.org`, beside those of the same host.
    pub origins: Vec<String>,
    /// The longest message.
    pub message_bytes_max: usize,
    /// Requests of one connection that may wait for their answers; then it is not read from.
    pub in_flight_max: usize,
    /// Answers that a client has not taken, in bytes; above it no further request is begun.
    pub output_bytes_max: usize,
    /// How long a connection may last without being logged in.
    pub login_timeout_ms: u32,
    /// After how long without a word the client is asked whether it is there.
    pub ping_ms: u32,
    /// How long nothing may come from a client.
    pub idle_ms: u32,
    /// After how long without traffic TCP asks whether the client is still there.
    pub keepalive_ms: u32,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self {
            // With the others they fit into the descriptors that a process usually may have.
            connections_max: 4_000,
            origins: Vec::new(),
            message_bytes_max: 64 << 10,
            in_flight_max: 1_024,
            output_bytes_max: 64 << 10,
            login_timeout_ms: 5_000,
            ping_ms: 60_000,
            idle_ms: 300_000,
            keepalive_ms: 60_000,
        }
    }
}

impl WebSocketConfig {
    pub(super) fn validate(&self, rules: &mut Rules) {
        rules.within("web_socket.connections_max", self.connections_max, 1..=10_000_000);
        rules.within("web_socket.message_bytes_max", self.message_bytes_max, 64..=1 << 20);
        rules.within("web_socket.in_flight_max", self.in_flight_max, 1..=1 << 16);
        rules.within("web_socket.output_bytes_max", self.output_bytes_max, 1 << 10..=64 << 20);
        rules.within("web_socket.login_timeout_ms", self.login_timeout_ms, 100..=86_400_000);
        rules.within("web_socket.ping_ms", self.ping_ms, 100..=86_400_000);
        rules.within("web_socket.idle_ms", self.idle_ms, 100..=86_400_000);
        rules.within("web_socket.keepalive_ms", self.keepalive_ms, 1_000..=86_400_000);
    }

    pub(crate) fn limits(&self) -> SocketLimits {
        SocketLimits {
            message_bytes_max: self.message_bytes_max,
            in_flight_max: self.in_flight_max,
            output_bytes_max: self.output_bytes_max,
        }
    }
}
