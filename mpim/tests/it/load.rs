//! `mpim load` against a server, as a person would run it.

use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use super::program::{Client, Server, mpim, outcome};

/// A server whose passwords cost next to nothing.
fn server(dir: &TempDir) -> Server {
    let mut command = mpim(dir.path());
    command.env("MPIM_USER__PASSWORD__MEMORY_KIB", "64").env("MPIM_USER__PASSWORD__PASSES", "1");
    Server::spawn(&mut command)
}

fn load(addr: SocketAddr, arguments: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpim"));
    command.args(["load", "--addr", &addr.to_string()]).args(arguments.split_whitespace());
    outcome(&mut command)
}

/// The number behind a key of a flat line of JSON.
fn number(line: &str, key: &str) -> f64 {
    let (_, after) = line.split_once(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{line}"));
    after.split([',', '}']).next().unwrap().parse().unwrap()
}

/// The pairs behind `histogram`.
fn histogram(line: &str) -> Vec<(u64, u64)> {
    let (_, after) = line.split_once("\"histogram\":[[").unwrap_or_else(|| panic!("{line}"));
    let (pairs, _) = after.split_once("]]").unwrap();
    let pair = |pair: &str| {
        let (us, count) = pair.split_once(',').unwrap();
        (us.parse().unwrap(), count.parse().unwrap())
    };
    pairs.split("],[").map(pair).collect()
}

#[test]
fn what_was_sent_is_what_was_shown_in_every_shape() {
    let dir = TempDir::new().unwrap();
    let server = server(&dir);
    let addr = server.text_lines();
    for (arguments, receivers) in [
        ("--pairs 3 --in-flight 4 --seconds 0.3 --json", 1.0),
        ("--pairs 3 --rate 300 --seconds 0.3 --json", 1.0),
        ("--group 6 --senders 2 --in-flight 2 --seconds 0.3 --json", 5.0),
    ] {
        let (code, line, stderr) = load(addr, arguments);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments}");
        let sent = number(&line, "sent");
        assert!(sent > 0.0 && number(&line, "delivered_per_s") > 0.0, "{line}");
        assert_eq!(number(&line, "acknowledged"), sent, "{line}");
        assert_eq!(number(&line, "shown"), sent * receivers, "{line}");
        let histogram = histogram(&line);
        assert!(histogram.is_sorted_by(|(us, _), (next, _)| *next == 2 * us), "{line}");
        let counted: u64 = histogram.iter().map(|(_, count)| *count).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let measured = counted as f64 / number(&line, "seconds");
        // Which is rounded to one decimal.
        assert!((measured - number(&line, "delivered_per_s")).abs() < 0.1, "{line}");
        let (longest, _) = *histogram.last().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "a power of two below 2^36")]
        let longest = longest as f64;
        assert!(number(&line, "p50_us") <= number(&line, "max_us"), "{line}");
        // Latencies are kept to one per cent.
        assert!(number(&line, "max_us") <= longest * 1.02, "{line}");
    }
    let (code, text, stderr) = load(addr, "--backlog 600");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(text.starts_with("600 messages left: logged in after "), "{text}");
    let (code, line, _) = load(addr, "--backlog 300 --json");
    assert_eq!((code, number(&line, "messages")), (Some(0), 300.0), "{line}");
    let times = ["logged_in_ms", "first_ms", "all_ms"].map(|key| number(&line, key));
    assert!(times[0] > 0.0 && times.is_sorted(), "{line}");
    let pid = server.pid;
    let (code, text, _) = load(addr, &format!("--idle 5 --pid {pid}"));
    assert_eq!(code, Some(0));
    assert!(text.starts_with("5 idle connections: "), "{text}");
    let (code, line, _) = load(addr, &format!("--idle 5 --pid {pid} --json"));
    assert_eq!((code, number(&line, "idle")), (Some(0), 5.0), "{line}");
    assert!(
        number(&line, "rss_before_kib") > 0.0 && number(&line, "rss_after_kib") > 0.0,
        "{line}"
    );
    assert!(number(&line, "bytes_per_connection") >= 0.0, "{line}");
    // None of it is in anybody's way.
    assert!(Client::connect(addr).ask("REGISTER alice alice-secret").starts_with("+OK uid="));
}

#[test]
fn without_a_server_it_says_whom_it_did_not_reach() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, stdout, stderr) = load(nobody, "--pairs 1 --seconds 0.1");
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let said = format!("mpim load: connecting to {nobody}: Connection refused");
    assert!(stderr.starts_with(&said), "{stderr}");
}
