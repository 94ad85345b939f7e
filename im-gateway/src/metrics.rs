//! What the gateway tells those who watch it. The bounds that the gauges go up to are keys of the
//! configuration.

use std::sync::LazyLock;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// The handles, looked up once: some are used for every message. They belong to the process like
/// the recorder behind them, which is there before any service starts.
pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// See [`METRICS`].
pub(crate) struct Metrics {
    /// Connections of clients: text lines (`text.connections_max`), frames (`frames.connections_max`),
    /// WebSockets (`web_socket.connections_max`), streams of events (`http.event_streams_max`).
    pub(crate) connections: [Gauge; 4],
    /// Clients of the first three that found no place.
    pub(crate) connections_refused: [Counter; 3],
    /// Handshakes of TLS that came to their end.
    pub(crate) tls_handshakes: Counter,
    /// Those that did not, in time or at all (`tls.handshake_timeout_ms`).
    pub(crate) tls_handshake_failures: Counter,
    /// Connections that were closed because they did not come through a proxy that is believed, where
    /// they have to (`proxy.trusted`).
    pub(crate) proxy_refused: Counter,
    /// Connections of HTTP (`http.connections_max`).
    pub(crate) http_connections: Gauge,
    /// Those that found no place.
    pub(crate) http_connections_refused: Counter,
    /// Requests by the class of their answer, from 2xx to 5xx.
    pub(crate) http_requests: [Counter; 4],
    /// From a request's head to its answer's, in seconds.
    pub(crate) http_time: Histogram,
    /// Requests that were answered 429 because of their address (`http.address_requests_per_s`).
    pub(crate) http_slow_downs_address: Counter,
    /// Those because of their user (`http.user_requests_per_s`).
    pub(crate) http_slow_downs_user: Counter,
    /// Sessions that are logged in.
    pub(crate) sessions: Gauge,
    /// Log-ins that im-user works on (`calls.logins_max`).
    pub(crate) logins: Gauge,
    /// Tokens that im-user looks at (`calls.tokens_max`).
    pub(crate) tokens: Gauge,
    /// Fetches that im-message works on (`calls.fetches_max`).
    pub(crate) fetches: Gauge,
    /// Sessions for which one fetch asked.
    pub(crate) fetch_sessions: Histogram,
    /// Sessions whose cursors one call moved.
    pub(crate) cursor_sessions: Histogram,
    /// Messages that were answered `slow down` (`session.messages_per_s`).
    pub(crate) slow_downs: Counter,
    /// Connections refused because their address made too many (`limits.address_connections_per_s`).
    pub(crate) limited_address: Counter,
    /// Operations that were answered `slow down` (`limits.user_reads_per_s`, `limits.user_changes_per_s`).
    pub(crate) limited_user: Counter,
    /// Messages that clients sent, whatever became of them.
    pub(crate) sends: Counter,
    /// Messages in one call to im-message (`session.batch_messages_max`).
    pub(crate) send_batch: Histogram,
    /// From a batch's first try to its answer, in seconds.
    pub(crate) send_time: Histogram,
    /// Messages that were written to clients.
    pub(crate) messages_shown: Counter,
    /// Events that were written to clients.
    pub(crate) events_shown: Counter,
    /// Events dropped because their mailbox was full (`session.events_max`).
    pub(crate) events_dropped_mailbox: Counter,
    /// Events dropped because much was on its way to the client (`session.events_bytes_max`).
    pub(crate) events_dropped_window: Counter,
    /// Signals dropped because im-message had no time for them (`calls.signals_max`).
    pub(crate) events_dropped_calls: Counter,
}

impl Metrics {
    fn new() -> Self {
        let dropped = |at: &'static str| counter!("mpim_gateway_events_dropped_total", "at" => at);
        let limited = |by: &'static str| counter!("mpim_gateway_limited_total", "by" => by);
        let connections =
            |protocol: &'static str| gauge!("mpim_gateway_connections", "protocol" => protocol);
        let refused = |protocol: &'static str| counter!("mpim_gateway_connections_refused_total", "protocol" => protocol);
        let slow_downs =
            |by: &'static str| counter!("mpim_gateway_http_slow_downs_total", "by" => by);
        let answered = |class| counter!("mpim_gateway_http_requests_total", "status" => class);
        Self {
            connections: ["text", "frames", "web_socket", "event_stream"].map(connections),
            connections_refused: ["text", "frames", "web_socket"].map(refused),
            tls_handshakes: counter!("mpim_gateway_tls_handshakes_total"),
            tls_handshake_failures: counter!("mpim_gateway_tls_handshake_failures_total"),
            proxy_refused: counter!("mpim_gateway_proxy_refused_total"),
            http_connections: gauge!("mpim_gateway_http_connections"),
            http_connections_refused: counter!("mpim_gateway_http_connections_refused_total"),
            http_requests: ["2xx", "3xx", "4xx", "5xx"].map(answered),
            http_time: histogram!("mpim_gateway_http_seconds"),
            http_slow_downs_address: slow_downs("address"),
            http_slow_downs_user: slow_downs("user"),
            sessions: gauge!("mpim_gateway_sessions"),
            logins: gauge!("mpim_gateway_logins"),
            tokens: gauge!("mpim_gateway_tokens"),
            fetches: gauge!("mpim_gateway_fetches"),
            fetch_sessions: histogram!("mpim_gateway_fetch_sessions"),
            cursor_sessions: histogram!("mpim_gateway_cursor_sessions"),
            slow_downs: counter!("mpim_gateway_slow_downs_total"),
            limited_address: limited("address"),
            limited_user: limited("user"),
            sends: counter!("mpim_gateway_sends_total"),
            send_batch: histogram!("mpim_gateway_send_batch_messages"),
            send_time: histogram!("mpim_gateway_send_seconds"),
            messages_shown: counter!("mpim_gateway_messages_shown_total"),
            events_shown: counter!("mpim_gateway_events_shown_total"),
            events_dropped_mailbox: dropped("mailbox"),
            events_dropped_window: dropped("window"),
            events_dropped_calls: dropped("calls"),
        }
    }

    /// So many messages go to im-message together.
    pub(crate) fn count_batch(&self, messages: usize) {
        self.sends.increment(messages as u64);
        self.send_batch.record(count(messages));
    }
}

/// As a sample of a histogram.
#[expect(clippy::cast_precision_loss, reason = "what is counted is bounded far below 2^53")]
pub(crate) fn count(items: usize) -> f64 {
    items as f64
}
