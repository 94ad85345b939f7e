//! What a connection speaks: the state machine of its protocol, and what it may do for how long.

use std::time::Duration;

use im_wire::{
    Command, Reply, Secret, Shown, Slot, event_stream, failure, frames, text, web_socket,
};
use metrics::{Counter, Gauge};
use mpim_proto::TEXT_DEVICE;

use crate::config::{Config, ms};
use crate::metrics::METRICS;

/// The protocol's side of one connection. A connection and its session see no further than this.
#[derive(Debug)]
pub(crate) enum Wire {
    /// Text lines.
    Text(text::ServerConnection),
    /// Binary frames.
    Frames(frames::ServerConnection),
    /// WebSocket, after its handshake.
    WebSocket(web_socket::ServerConnection),
    /// Server-sent events, in the body of a response.
    EventStream(Box<event_stream::ServerConnection>),
}

/// The protocols that a listener may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Text,
    Frames,
    WebSocket,
}

impl Speaks {
    /// A new connection, with its welcome where it has one.
    pub(crate) fn wire(self, config: &Config) -> Wire {
        match self {
            Self::Text => {
                let mut wire = text::ServerConnection::new(config.text.limits());
                wire.welcome();
                Wire::Text(wire)
            }
            Self::Frames => Wire::Frames(frames::ServerConnection::new(config.frames.limits())),
            Self::WebSocket => {
                let limits = config.web_socket.limits();
                Wire::WebSocket(web_socket::ServerConnection::new(limits))
            }
        }
    }

    /// How many connections there may be.
    pub(crate) fn connections_max(self, config: &Config) -> usize {
        match self {
            Self::Text => config.text.connections_max,
            Self::Frames => config.frames.connections_max,
            Self::WebSocket => config.web_socket.connections_max,
        }
    }

    /// Counts clients that find no place.
    pub(crate) fn refused(self) -> &'static Counter {
        let [text, frames, web_socket] = &METRICS.connections_refused;
        match self {
            Self::Text => text,
            Self::Frames => frames,
            Self::WebSocket => web_socket,
        }
    }

    /// After how long without traffic TCP asks whether the client is still there.
    pub(crate) fn keepalive(self, config: &Config) -> Duration {
        match self {
            Self::Text => ms(config.text.keepalive_ms),
            Self::Frames => ms(config.frames.keepalive_ms),
            Self::WebSocket => ms(config.web_socket.keepalive_ms),
        }
    }

    /// All that is said to a client that finds no place.
    pub(crate) fn full(self) -> Vec<u8> {
        self.closing(failure::SERVER_FULL)
    }

    /// All that is said to a client that is closed at once.
    pub(crate) fn closing(self, why: &str) -> Vec<u8> {
        match self {
            Self::Text => format!("-ERR closing {why}\n").into_bytes(),
            Self::Frames => frames::closing_frame(why).to_vec(),
            Self::WebSocket => web_socket::closing_frame(why).to_vec(),
        }
    }
}

impl Wire {
    /// A stream of events for whoever has this token.
    pub(crate) fn event_stream(token: Secret) -> Self {
        Self::EventStream(Box::new(event_stream::ServerConnection::new(token)))
    }

    /// Counts connections that there are.
    pub(crate) fn connections(&self) -> &'static Gauge {
        let [text, frames, web_socket, event_stream] = &METRICS.connections;
        match self {
            Self::Text(_) => text,
            Self::Frames(_) => frames,
            Self::WebSocket(_) => web_socket,
            Self::EventStream(_) => event_stream,
        }
    }

    /// The device that a session is if nobody says which.
    pub(crate) fn device(&self) -> &'static str {
        match self {
            Self::Text(_) => TEXT_DEVICE,
            Self::Frames(_) => frames::DEVICE,
            Self::WebSocket(_) | Self::EventStream(_) => web_socket::DEVICE,
        }
    }

    /// Whether senders are told the numbers of their messages without asking.
    pub(crate) fn tells_seqs(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Frames(_) | Self::WebSocket(_) | Self::EventStream(_) => true,
        }
    }

    /// How long it may last without being logged in.
    pub(crate) fn login_timeout(&self, config: &Config) -> Duration {
        match self {
            Self::Text(_) => ms(config.text.login_timeout_ms),
            Self::Frames(_) => ms(config.frames.login_timeout_ms),
            Self::WebSocket(_) => ms(config.web_socket.login_timeout_ms),
            Self::EventStream(_) => ms(config.http.timeout_ms),
        }
    }

    /// How long nothing may come from the client.
    pub(crate) fn idle(&self, config: &Config) -> Option<Duration> {
        match self {
            Self::Text(_) | Self::EventStream(_) => None,
            Self::Frames(_) => Some(ms(config.frames.idle_ms)),
            Self::WebSocket(_) => Some(ms(config.web_socket.idle_ms)),
        }
    }

    /// After how long without a word the client is asked whether it is there.
    pub(crate) fn ping_after(&self, config: &Config) -> Option<Duration> {
        match self {
            Self::Text(_) | Self::Frames(_) => None,
            Self::WebSocket(_) => Some(ms(config.web_socket.ping_ms)),
            Self::EventStream(_) => Some(ms(config.http.event_beat_ms)),
        }
    }

    /// Asks whether the client is there; answers whether it can answer.
    pub(crate) fn ping(&mut self) -> bool {
        match self {
            Self::Text(_) | Self::Frames(_) => {}
            Self::WebSocket(wire) => wire.ping(),
            Self::EventStream(wire) => wire.beat(),
        }
        !matches!(self, Self::EventStream(_))
    }

    /// Whether it was closed as the protocol has it: nothing is said after what the output has.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Text(_) | Self::Frames(_) | Self::EventStream(_) => false,
            Self::WebSocket(wire) => wire.is_over(),
        }
    }

    /// Takes what was read from the client.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        match self {
            Self::Text(wire) => wire.receive(bytes),
            Self::Frames(wire) => wire.receive(bytes),
            Self::WebSocket(wire) => wire.receive(bytes),
            Self::EventStream(_) => {}
        }
    }

    /// Whether to read on.
    pub(crate) fn wants_input(&self) -> bool {
        match self {
            Self::Text(wire) => wire.wants_input(),
            Self::Frames(wire) => wire.wants_input(),
            Self::WebSocket(wire) => wire.wants_input(),
            Self::EventStream(_) => true,
        }
    }

    /// The next command to work on, if one may be handed out now.
    pub(crate) fn next_command(&mut self) -> Option<(Slot, Command)> {
        match self {
            Self::Text(wire) => wire.next_command(),
            Self::Frames(wire) => wire.next_command(),
            Self::WebSocket(wire) => wire.next_command(),
            Self::EventStream(wire) => wire.next_command(),
        }
    }

    /// Answers a command. The answer goes out once all commands before it are answered.
    pub(crate) fn reply(&mut self, slot: Slot, reply: Reply) {
        match self {
            Self::Text(wire) => wire.reply(slot, reply),
            Self::Frames(wire) => wire.reply(slot, reply),
            Self::WebSocket(wire) => wire.reply(slot, reply),
            Self::EventStream(wire) => wire.reply(slot, reply),
        }
    }

    /// Shows something, between answers. Answers where in the output, counted from the connection's
    /// first byte, it ends.
    pub(crate) fn show(&mut self, shown: &Shown) -> u64 {
        match self {
            Self::Text(wire) => wire.push(shown.line()),
            Self::Frames(wire) => wire.show(shown),
            Self::WebSocket(wire) => wire.show(shown),
            Self::EventStream(wire) => wire.show(shown),
        }
    }

    /// Why the connection is over by what was said on it.
    pub(crate) fn ended(&self) -> Option<&'static str> {
        match self {
            Self::Text(_) => None,
            Self::Frames(wire) => wire.ended(),
            Self::WebSocket(wire) => wire.ended(),
            Self::EventStream(wire) => wire.ended(),
        }
    }

    /// Says why the connection ends, as its last word. What is unanswered stays so.
    pub(crate) fn close(&mut self, reason: &str) {
        match self {
            Self::Text(wire) => wire.close(reason),
            Self::Frames(wire) => wire.close(reason),
            Self::WebSocket(wire) => wire.close(reason),
            Self::EventStream(wire) => wire.close(reason),
        }
    }

    /// What is to be written to the client.
    pub(crate) fn output(&self) -> &[u8] {
        match self {
            Self::Text(wire) => wire.output(),
            Self::Frames(wire) => wire.output(),
            Self::WebSocket(wire) => wire.output(),
            Self::EventStream(wire) => wire.output(),
        }
    }

    /// The first `taken` bytes of the output were written.
    pub(crate) fn consume_output(&mut self, taken: usize) {
        match self {
            Self::Text(wire) => wire.consume_output(taken),
            Self::Frames(wire) => wire.consume_output(taken),
            Self::WebSocket(wire) => wire.consume_output(taken),
            Self::EventStream(wire) => wire.consume_output(taken),
        }
    }

    /// Bytes put into the output since the connection began.
    pub(crate) fn output_end(&self) -> u64 {
        match self {
            Self::Text(wire) => wire.output_end(),
            Self::Frames(wire) => wire.output_end(),
            Self::WebSocket(wire) => wire.output_end(),
            Self::EventStream(wire) => wire.output_end(),
        }
    }

    /// Commands that were begun and are not answered.
    pub(crate) fn in_flight(&self) -> usize {
        match self {
            Self::Text(wire) => wire.in_flight(),
            Self::Frames(wire) => wire.in_flight(),
            Self::WebSocket(wire) => wire.in_flight(),
            Self::EventStream(wire) => wire.in_flight(),
        }
    }
}
