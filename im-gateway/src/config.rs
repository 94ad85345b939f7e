//! The configuration of im-gateway. `conf/static/im-gateway.toml` explains each key.

mod frames;
mod http;
mod limits;
mod original;
mod public;
mod redis;
mod tls;
mod validate;
mod web_socket;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use im_common::{RpcConfig, Target};
use im_wire::text::TextLimits;
use serde::{Deserialize, Serialize};

pub use self::frames::FramesConfig;
pub use self::http::{HttpConfig, SecureCookie};
pub use self::limits::LimitsConfig;
pub use self::original::OriginalConfig;
pub use self::public::PublicConfig;
pub use self::redis::RedisRoles;
pub use self::tls::{ProxyConfig, TlsConfig};
pub use self::web_socket::WebSocketConfig;
use crate::sending::BatchLimits;
use crate::window::WindowLimits;

/// Everything that can be configured; the defaults are generous, for one machine.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Config {
    /// The name that `QueryRoute` answers for users who are connected here; empty: the address of
    /// the mprpc port.
    pub gateway_id: String,
    /// Where im-presence reaches this gateway.
    pub rpc: RpcConfig,
    /// The services that the gateway calls.
    pub targets: TargetsConfig,
    /// What is said of this gateway to those who send clients somewhere.
    pub public: PublicConfig,
    /// The certificate of those listeners that speak TLS.
    pub tls: TlsConfig,
    /// The proxies before this gateway.
    pub proxy: ProxyConfig,
    /// Connections that speak text lines.
    pub text: TextConfig,
    /// Connections that speak binary frames.
    pub frames: FramesConfig,
    /// The HTTP API.
    pub http: HttpConfig,
    /// Connections that speak WebSocket.
    pub web_socket: WebSocketConfig,
    /// What one address and one user may do.
    pub limits: LimitsConfig,
    /// What one session may do, and have on its way.
    pub session: SessionConfig,
    /// How long the gateway waits for the services.
    pub calls: CallsConfig,
    /// The gateway's side of the routes.
    pub routes: RoutesConfig,
    /// How the gateway ends.
    pub closing: ClosingConfig,
    /// Where Redis is.
    pub redis: RedisRoles,
    /// Beside the original system.
    pub original: OriginalConfig,
}

/// The services that the gateway calls.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TargetsConfig {
    /// im-user.
    pub user: Target,
    /// im-message.
    pub message: Target,
    /// im-presence.
    pub presence: Target,
    /// im-group.
    pub group: Target,
}

/// Connections that speak text lines.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TextConfig {
    /// Where they come in.
    pub listen: SocketAddr,
    /// Whether they are TLS.
    pub tls: bool,
    /// Whether each comes through a proxy that says so.
    pub proxy: bool,
    /// How many; one more is told `closing server full`.
    pub connections_max: usize,
    /// The longest line, its end not counted.
    pub line_bytes_max: usize,
    /// Commands of one connection that may wait for their replies; then it is not read from.
    pub in_flight_max: usize,
    /// Replies that a client has not taken, in bytes; above it no further command is begun.
    pub output_bytes_max: usize,
    /// How long a connection may last without being logged in.
    pub login_timeout_ms: u32,
    /// After how long without traffic TCP asks whether the client is still there.
    pub keepalive_ms: u32,
}

/// What one session may do, and have on its way.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SessionConfig {
    /// Messages a second that it may send; more are answered `slow down`.
    pub messages_per_s: u32,
    /// Messages in one `SendBatch`, at most what im-message takes.
    pub batch_messages_max: usize,
    /// Bytes of texts in one `SendBatch`; a longer message goes alone.
    pub batch_bytes_max: usize,
    /// Bytes of texts that wait for their answers; above it nothing more is read from the client.
    pub sends_bytes_max: usize,
    /// Pushed messages that the client has not acknowledged.
    pub window_messages_max: usize,
    /// Their bytes, and those of replies, that the client's kernel has not acknowledged.
    pub window_bytes_max: u64,
    /// For how long a client may take nothing although something waits for it; then it is closed.
    pub stalled_ms: u32,
    /// Pushes that wait for the session; while they are more, only their seqs are kept.
    pub mailbox_max: usize,
    /// Conversations whose position is kept in memory before idle ones are forgotten.
    pub conversations_max: usize,
    /// Messages in one fetch.
    pub page_messages: i32,
    /// Fetches of one session under way.
    pub fetches_max: usize,
    /// How often cursors are written.
    pub cursor_interval_ms: u32,
    /// Messages in one `HISTORY` or `RECENT`, conversations in one `CONVERSATIONS`; more are answered
    /// `bad range`.
    pub history_messages_max: u32,
    /// Signals (`TYPING`) a second; more are answered `slow down`.
    pub signals_per_s: u32,
    /// Events that wait for a session that wants them; of more, the oldest are dropped.
    pub events_max: usize,
    /// Events are dropped while more bytes than this are on their way to the client.
    pub events_bytes_max: u64,
    /// Bytes of text in one `HISTORY` or `RECENT`; it ends before the message that would pass it.
    pub history_bytes_max: usize,
}

/// How long the gateway waits for the services.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CallsConfig {
    /// For a command other than a send, all of its calls together.
    pub timeout_ms: u32,
    /// For a send with all of its retries.
    pub send_timeout_ms: u32,
    /// For one try of a send.
    pub send_try_ms: u32,
    /// For handing over the cursors of a session that ends.
    pub hand_over_ms: u32,
    /// Before what a session needs is asked for again after a failure, at most (it varies).
    pub retry_ms: u32,
    /// For a signal; then it is dropped.
    pub signal_timeout_ms: u32,
    /// Signals under way, of all sessions; more are dropped.
    pub signals_max: usize,
    /// Log-ins under way, of all connections; others wait.
    pub logins_max: usize,
    /// Tokens of requests that im-user looks at; others wait.
    pub tokens_max: usize,
    /// Fetches under way, of all sessions; others wait.
    pub fetches_max: usize,
}

/// The gateway's side of the routes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RoutesConfig {
    /// How often they are renewed.
    pub renew_interval_ms: u32,
    /// Routes in one renewal.
    pub renew_batch_max: usize,
    /// Over how long the sessions of a gateway that has missed something spread their syncs.
    pub sync_spread_ms: u32,
    /// After how long an instance of im-presence that is not heard of is taken to be gone with what
    /// it had for this gateway; each says something every second.
    pub silence_ms: u32,
    /// Instances of im-presence, also former ones, whose links are remembered.
    pub links_max: usize,
}

/// How the gateway ends.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ClosingConfig {
    /// How long what clients have asked by then may take to be answered at a shutdown.
    pub drain_ms: u32,
    /// How long a connection may take to read its last line.
    pub linger_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gateway_id: String::new(),
            rpc: RpcConfig::on_loopback(8014),
            targets: TargetsConfig::default(),
            public: PublicConfig::default(),
            tls: TlsConfig::default(),
            proxy: ProxyConfig::default(),
            text: TextConfig::default(),
            frames: FramesConfig::default(),
            http: HttpConfig::default(),
            web_socket: WebSocketConfig::default(),
            limits: LimitsConfig::default(),
            session: SessionConfig::default(),
            calls: CallsConfig::default(),
            routes: RoutesConfig::default(),
            closing: ClosingConfig::default(),
            redis: RedisRoles::default(),
            original: OriginalConfig::default(),
        }
    }
}

impl Default for TargetsConfig {
    fn default() -> Self {
        Self {
            user: Target::on_loopback(8010),
            message: Target::on_loopback(8011),
            presence: Target::on_loopback(8012),
            group: Target::on_loopback(8013),
        }
    }
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 6000).into(),
            tls: false,
            proxy: false,
            connections_max: 10_000,
            line_bytes_max: 8 << 10,
            in_flight_max: 1_024,
            output_bytes_max: 64 << 10,
            login_timeout_ms: 60_000,
            keepalive_ms: 60_000,
        }
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            messages_per_s: 20_000,
            batch_messages_max: 256,
            batch_bytes_max: 1 << 20,
            sends_bytes_max: 4 << 20,
            window_messages_max: 4_096,
            window_bytes_max: 1 << 20,
            stalled_ms: 30_000,
            mailbox_max: 1_024,
            conversations_max: 4_096,
            page_messages: 256,
            fetches_max: 4,
            cursor_interval_ms: 200,
            signals_per_s: 10,
            events_max: 64,
            events_bytes_max: 16 << 10,
            history_messages_max: 1_000,
            history_bytes_max: 1024 * 1024,
        }
    }
}

impl Default for CallsConfig {
    fn default() -> Self {
        Self {
            timeout_ms: 5_000,
            send_timeout_ms: 5_000,
            send_try_ms: 2_000,
            // im-presence waits a second for a session that it fences.
            hand_over_ms: 800,
            retry_ms: 1_000,
            signal_timeout_ms: 500,
            signals_max: 128,
            logins_max: 200,
            tokens_max: 200,
            fetches_max: 256,
        }
    }
}

impl Default for RoutesConfig {
    fn default() -> Self {
        Self {
            renew_interval_ms: 1_000,
            renew_batch_max: 5_000,
            sync_spread_ms: 1_000,
            silence_ms: 3_000,
            links_max: 256,
        }
    }
}

impl Default for ClosingConfig {
    fn default() -> Self {
        Self { drain_ms: 2_000, linger_ms: 500 }
    }
}

/// Milliseconds of the configuration.
pub(crate) fn ms(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

impl TextConfig {
    pub(crate) fn limits(&self) -> TextLimits {
        TextLimits {
            line_bytes_max: self.line_bytes_max,
            in_flight_max: self.in_flight_max,
            output_bytes_max: self.output_bytes_max,
        }
    }
}

impl SessionConfig {
    pub(crate) fn batch(&self) -> BatchLimits {
        BatchLimits { messages_max: self.batch_messages_max, bytes_max: self.batch_bytes_max }
    }

    pub(crate) fn window(&self) -> WindowLimits {
        WindowLimits { messages_max: self.window_messages_max, bytes_max: self.window_bytes_max }
    }
}
