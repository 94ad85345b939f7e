//! Which values make sense.

use im_common::Validate;

use super::Config;

impl Validate for Config {
    fn validate(&self) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        let mut within = |key: &str, value: u64, min: u64, max: u64| {
            if value < min || value > max {
                wrong.push(format!("{key}: must be {min}..={max}, is {value}"));
            }
        };
        let text = &self.text;
        within("text.connections_max", text.connections_max as u64, 1, 10_000_000);
        within("text.line_bytes_max", text.line_bytes_max as u64, 64, 1 << 20);
        within("text.in_flight_max", text.in_flight_max as u64, 1, 1 << 16);
        within("text.output_bytes_max", text.output_bytes_max as u64, 1 << 10, 64 << 20);
        within("text.login_timeout_ms", text.login_timeout_ms.into(), 100, 86_400_000);
        within("text.keepalive_ms", text.keepalive_ms.into(), 1_000, 86_400_000);
        let session = &self.session;
        within("session.messages_per_s", session.messages_per_s.into(), 1, 10_000_000);
        within("session.batch_messages_max", session.batch_messages_max as u64, 1, 256);
        within("session.window_messages_max", session.window_messages_max as u64, 1, 1 << 20);
        within("session.window_bytes_max", session.window_bytes_max, 1 << 10, 1 << 30);
        within("session.stalled_ms", session.stalled_ms.into(), 100, 86_400_000);
        within("session.mailbox_max", session.mailbox_max as u64, 1, 1 << 20);
        within("session.conversations_max", session.conversations_max as u64, 16, 1 << 20);
        let page_messages = u64::try_from(session.page_messages).unwrap_or(0);
        within("session.page_messages", page_messages, 1, 1_000);
        within("session.fetches_max", session.fetches_max as u64, 1, 64);
        within("session.cursor_interval_ms", session.cursor_interval_ms.into(), 1, 60_000);
        within("session.history_messages_max", session.history_messages_max.into(), 1, 10_000);
        let calls = &self.calls;
        within("calls.timeout_ms", calls.timeout_ms.into(), 10, 600_000);
        within("calls.send_timeout_ms", calls.send_timeout_ms.into(), 10, 600_000);
        within("calls.send_try_ms", calls.send_try_ms.into(), 10, 600_000);
        within("calls.hand_over_ms", calls.hand_over_ms.into(), 1, 10_000);
        within("calls.retry_ms", calls.retry_ms.into(), 1, 600_000);
        within("calls.logins_max", calls.logins_max as u64, 1, 1 << 20);
        within("calls.fetches_max", calls.fetches_max as u64, 1, 1 << 20);
        let routes = &self.routes;
        within("routes.renew_interval_ms", routes.renew_interval_ms.into(), 10, 60_000);
        within("routes.renew_batch_max", routes.renew_batch_max as u64, 1, 50_000);
        within("routes.sync_spread_ms", routes.sync_spread_ms.into(), 0, 600_000);
        within("closing.drain_ms", self.closing.drain_ms.into(), 0, 60_000);
        within("closing.linger_ms", self.closing.linger_ms.into(), 0, 10_000);
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
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
    fn a_value_out_of_range_is_named_with_what_would_be_right() {
        let mut config = Config::default();
        config.text.line_bytes_max = 0;
        config.session.page_messages = -1;
        assert_eq!(
            config.validate().unwrap_err(),
            [
                "text.line_bytes_max: must be 64..=1048576, is 0",
                "session.page_messages: must be 1..=1000, is 0"
            ]
        );
    }
}
