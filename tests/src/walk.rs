//! The walk of a message, out of the logs of the processes that it went through.
//!
//! With `log.spans` a process logs each hop when it ends, with how long it was worked on and how
//! long it waited. Where it began follows from that, up to the rounding of those times.

use serde_json::Value;

/// One hop of one or more messages.
#[derive(Clone, Debug)]
pub struct Hop {
    /// `gateway.send`.
    pub name: String,
    /// The messages that it was about.
    pub msg_ids: Vec<i64>,
    /// When it began, in µs of the day.
    pub began_us: f64,
    /// When it ended, in µs of the day.
    pub ended_us: f64,
    /// By how much `began_us` may be wrong, in µs.
    pub rounding_us: f64,
}

/// Every hop in these logs, in the order in which they began.
pub fn hops(logs: &[String]) -> Vec<Hop> {
    let lines = logs.iter().flat_map(|log| log.lines());
    let mut hops: Vec<_> = lines.filter_map(hop).collect();
    hops.sort_by(|one, other| one.began_us.total_cmp(&other.began_us));
    hops
}

fn hop(line: &str) -> Option<Hop> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line["target"] != "walk" || line["fields"]["message"] != "close" {
        return None;
    }
    let (busy_us, busy_digit) = duration_us(line["fields"]["time.busy"].as_str()?)?;
    let (idle_us, idle_digit) = duration_us(line["fields"]["time.idle"].as_str()?)?;
    let ended_us = time_of_day_us(line["timestamp"].as_str()?)?;
    Some(Hop {
        name: line["span"]["name"].as_str()?.to_owned(),
        msg_ids: msg_ids(&line["span"]),
        began_us: ended_us - busy_us - idle_us,
        ended_us,
        // The end is cut to whole µs.
        rounding_us: busy_digit + idle_digit + 1.0,
    })
}

/// One id, or several with commas between.
fn msg_ids(span: &Value) -> Vec<i64> {
    if let Some(id) = span["msg_id"].as_i64().or_else(|| span["msg_ids"].as_i64()) {
        return vec![id];
    }
    let ids = span["msg_id"].as_str().or_else(|| span["msg_ids"].as_str()).unwrap_or_default();
    ids.split(',').filter_map(|id| id.parse().ok()).collect()
}

/// `12.3µs` in µs, and the value of its last digit.
fn duration_us(text: &str) -> Option<(f64, f64)> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit_us = match &text[digits.len()..] {
        "ns" => 1e-3,
        "µs" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let last_digit = 10_f64.powi(-i32::try_from(decimals).ok()?);
    Some((digits.parse::<f64>().ok()? * unit_us, last_digit * unit_us))
}

/// The time in `2026-01-31T23:59:59.123456Z`.
fn time_of_day_us(timestamp: &str) -> Option<f64> {
    let time = timestamp.split_once('T')?.1.strip_suffix('Z')?;
    let mut parts = time.split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(((hours * 60.0 + minutes) * 60.0 + seconds) * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_is_read_with_its_messages_and_its_beginning() {
        let log = concat!(
            r#"{"timestamp":"2026-01-31T00:00:02.000500Z","level":"DEBUG","#,
            r#""fields":{"message":"close","time.busy":"100µs","time.idle":"1.30ms"},"#,
            r#""target":"walk","span":{"msg_ids":"7,8","name":"message.commit"}}"#,
            "\nnot JSON\n",
            r#"{"timestamp":"2026-01-31T00:00:01.000000Z","fields":{"message":"hello"}}"#,
        );
        let found = hops(&[log.to_owned()]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].name.as_str(), &found[0].msg_ids[..]),
            ("message.commit", &[7, 8][..])
        );
        assert!((found[0].began_us - 1_999_100.0).abs() < 0.5, "{found:?}");
        assert!((found[0].rounding_us - 12.0).abs() < 0.5, "{found:?}");
    }

    #[test]
    fn durations_are_read_in_every_unit() {
        for (text, us) in [("1.00ns", 0.001), ("56.7µs", 56.7), ("2.50ms", 2500.0), ("1.00s", 1e6)]
        {
            assert!((duration_us(text).unwrap().0 - us).abs() < 1e-6, "{text}");
        }
        assert_eq!(duration_us("5 minutes"), None);
    }
}
