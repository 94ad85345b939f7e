//! Section `[frames]`.

use std::net::{Ipv4Addr, SocketAddr};

use im_common::Rules;
use im_wire::frames::FrameLimits;
use serde::{Deserialize, Serialize};

/// Connections that speak binary frames.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FramesConfig {
    /// Whether there are any.
    pub enabled: bool,
    /// Where they come in.
    pub listen: SocketAddr,
    /// Whether they are TLS.
    pub tls: bool,
    /// Whether each comes through a proxy that says so.
    pub proxy: bool,
    /// How many; one more is told `closing server full`.
    pub connections_max: usize,
    /// The longest frame, with its header.
    pub frame_bytes_max: usize,
    /// Requests of one connection that may wait for their answers; then it is not read from.
    pub in_flight_max: usize,
    /// Answers that a client has not taken, in bytes; above it no further request is begun.
    pub output_bytes_max: usize,
    /// How long a connection may last without being logged in.
    pub login_timeout_ms: u32,
    /// How long nothing may come from a client.
    pub idle_ms: u32,
    /// After how long without traffic TCP asks whether the client is still there.
    pub keepalive_ms: u32,
}

impl Default for FramesConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: (Ipv4Addr::LOCALHOST, 6001).into(),
            tls: false,
            proxy: false,
            // With those of text lines they fit into the descriptors that a process usually may have.
            connections_max: 4_000,
            frame_bytes_max: 64 << 10,
            in_flight_max: 1_024,
            output_bytes_max: 64 << 10,
            login_timeout_ms: 5_000,
            idle_ms: 300_000,
            keepalive_ms: 60_000,
        }
    }
}

impl FramesConfig {
    pub(super) fn validate(&self, rules: &mut Rules) {
        rules.within("frames.connections_max", self.connections_max, 1..=10_000_000);
        rules.within("frames.frame_bytes_max", self.frame_bytes_max, 64..=1 << 20);
        rules.within("frames.in_flight_max", self.in_flight_max, 1..=1 << 16);
        rules.within("frames.output_bytes_max", self.output_bytes_max, 1 << 10..=64 << 20);
        rules.within("frames.login_timeout_ms", self.login_timeout_ms, 100..=86_400_000);
        rules.within("frames.idle_ms", self.idle_ms, 100..=86_400_000);
        rules.within("frames.keepalive_ms", self.keepalive_ms, 1_000..=86_400_000);
    }

    pub(crate) fn limits(&self) -> FrameLimits {
        FrameLimits {
            frame_bytes_max: self.frame_bytes_max,
            in_flight_max: self.in_flight_max,
            output_bytes_max: self.output_bytes_max,
        }
    }
}
