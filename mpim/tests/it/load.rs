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
    }
    let (code, text, stderr) = load(addr, "--backlog 600");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(text.starts_with("600 messages left: logged in after "), "{text}");
    let pid = server.pid;
    let (code, text, _) = load(addr, &format!("--idle 5 --pid {pid}"));
    assert_eq!(code, Some(0));
    assert!(text.starts_with("5 idle connections: "), "{text}");
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
