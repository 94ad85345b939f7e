//! Which values make sense.

use im_common::{Rules, Validate};
use im_wire::LISTED;

use super::Config;

impl Validate for Config {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut rules = Rules::new();
        self.public.validate(&mut rules);
        self.validate_entries(&mut rules);
        let text = &self.text;
        rules.within("text.connections_max", text.connections_max, 1..=10_000_000);
        rules.within("text.line_bytes_max", text.line_bytes_max, 64..=1 << 20);
        rules.within("text.in_flight_max", text.in_flight_max, 1..=1 << 16);
        rules.within("text.output_bytes_max", text.output_bytes_max, 1 << 10..=64 << 20);
        rules.within("text.login_timeout_ms", text.login_timeout_ms, 100..=86_400_000);
        rules.within("text.keepalive_ms", text.keepalive_ms, 1_000..=86_400_000);
        self.frames.validate(&mut rules);
        self.web_socket.validate(&mut rules);
        self.http.validate(&mut rules);
        self.limits.validate(&mut rules);
        let session = &self.session;
        rules.within("session.messages_per_s", session.messages_per_s, 1..=10_000_000);
        rules.within("session.batch_messages_max", session.batch_messages_max, 1..=256);
        // Each message may be as long as a frame may be, and all have to fit into one frame of mprpc.
        rules.within("session.batch_bytes_max", session.batch_bytes_max, 1..=2 << 20);
        rules.within("session.sends_bytes_max", session.sends_bytes_max, 1..=1 << 30);
        rules.within("session.window_messages_max", session.window_messages_max, 1..=1 << 20);
        rules.within("session.window_bytes_max", session.window_bytes_max, 1 << 10..=1 << 30);
        rules.within("session.stalled_ms", session.stalled_ms, 100..=86_400_000);
        rules.within("session.mailbox_max", session.mailbox_max, 1..=1 << 20);
        rules.within("session.conversations_max", session.conversations_max, 16..=1 << 20);
        rules.within("session.page_messages", session.page_messages, 1..=1_000);
        rules.within("session.fetches_max", session.fetches_max, 1..=64);
        rules.within("session.cursor_interval_ms", session.cursor_interval_ms, 1..=60_000);
        let history_max = LISTED..=10_000;
        rules.within("session.history_messages_max", session.history_messages_max, history_max);
        rules.within("session.history_bytes_max", session.history_bytes_max, 1..=1 << 26);
        rules.within("session.signals_per_s", session.signals_per_s, 1..=1_000_000);
        rules.within("session.events_max", session.events_max, 1..=1 << 20);
        rules.within("session.events_bytes_max", session.events_bytes_max, 1 << 10..=1 << 30);
        let calls = &self.calls;
        rules.within("calls.timeout_ms", calls.timeout_ms, 10..=600_000);
        rules.within("calls.send_timeout_ms", calls.send_timeout_ms, 10..=600_000);
        rules.within("calls.send_try_ms", calls.send_try_ms, 10..=600_000);
        rules.within("calls.hand_over_ms", calls.hand_over_ms, 1..=10_000);
        rules.within("calls.retry_ms", calls.retry_ms, 1..=600_000);
        rules.within("calls.signal_timeout_ms", calls.signal_timeout_ms, 1..=60_000);
        rules.within("calls.signals_max", calls.signals_max, 1..=1 << 20);
        rules.within("calls.logins_max", calls.logins_max, 1..=1 << 20);
        rules.within("calls.tokens_max", calls.tokens_max, 1..=1 << 20);
        rules.within("calls.fetches_max", calls.fetches_max, 1..=1 << 20);
        let routes = &self.routes;
        rules.within("routes.renew_interval_ms", routes.renew_interval_ms, 10..=60_000);
        rules.within("routes.renew_batch_max", routes.renew_batch_max, 1..=50_000);
        rules.within("routes.sync_spread_ms", routes.sync_spread_ms, 0..=600_000);
        rules.within("routes.silence_ms", routes.silence_ms, 100..=600_000);
        rules.within("routes.links_max", routes.links_max, 1..=100_000);
        rules.within("closing.drain_ms", self.closing.drain_ms, 0..=60_000);
        rules.within("closing.linger_ms", self.closing.linger_ms, 0..=10_000);
        self.redis.shared.validate(&mut rules);
        self.original.validate(&self.redis, &mut rules);
        rules.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Config::default().validate().unwrap();
    }

    #[test]
    fn a_listener_that_speaks_tls_or_is_behind_a_proxy_needs_to_know_more() {
        let mut config = Config::default();
        (config.frames.tls, config.text.proxy) = (true, true);
        let broken = config.validate().unwrap_err();
        let keys: Vec<_> = broken.iter().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(keys, ["tls.cert_file", "tls.key_file", "proxy.trusted"]);
        (config.tls.cert_file, config.tls.key_file) = ("c".into(), "k".into());
        config.proxy.trusted = vec!["10.0.0.0/8".to_owned()];
        config.validate().unwrap();
        config.proxy.trusted.push("nginx".to_owned());
        assert!(config.validate().unwrap_err()[0].starts_with("proxy.trusted: must be"));
    }

    #[test]
    fn a_value_out_of_range_is_named_with_what_would_be_right() {
        let mut config = Config::default();
        config.text.line_bytes_max = 0;
        config.session.page_messages = -1;
        config.public.endpoint = "example.org".to_owned();
        assert_eq!(
            config.validate().unwrap_err(),
            [
                "public.endpoint: must be empty or host:port",
                "text.line_bytes_max: must be 64..=1048576, is 0",
                "session.page_messages: must be 1..=1000, is -1"
            ]
        );
    }
}
