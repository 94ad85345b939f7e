//! The program as somebody sees it who watches it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ChildStderr;
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use super::program::{ADMIN, Client, Server, mpim, outcome};

/// The status and the body of an answer.
fn fetch(addr: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: mpim\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The value of a metric, by its name with its labels.
fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} in\n{text}")).parse().unwrap()
}

#[test]
fn a_program_that_serves_is_alive_and_ready_and_tells_how_it_does() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    let admin = server.listens("admin");
    assert_eq!(fetch(admin, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(fetch(admin, "/readyz"), (200, "ready\n".to_owned()));

    let mut alice = Client::connect(server.text_lines());
    assert_eq!(alice.ask("REGISTER alice alice-secret"), "+OK uid=1");
    let mut bob = Client::connect(server.text_lines());
    assert_eq!(bob.ask("REGISTER bob bob-secret-2"), "+OK uid=2");
    assert!(alice.ask("SEND 2 hello bob").starts_with("+OK msg_id="));
    assert!(bob.line().starts_with("MSG id="));
    let (status, text) = fetch(admin, "/metrics");
    assert_eq!(status, 200);
    for (name, value) in [
        ("mpim_gateway_connections{protocol=\"text\"}", 2.0),
        ("mpim_gateway_sessions", 2.0),
        ("mpim_gateway_sends_total", 1.0),
        ("mpim_gateway_messages_shown_total", 1.0),
        ("mpim_gateway_send_batch_messages_count", 1.0),
        ("mpim_gateway_slow_downs_total", 0.0),
    ] {
        assert!((metric(&text, name) - value).abs() < f64::EPSILON, "{name} {value} in\n{text}");
    }
    assert!(metric(&text, "mpim_sqlite_writes_total{database=\"message\"}") >= 1.0);
    assert!(metric(&text, "mpim_sqlite_commit_seconds_count{database=\"user\"}") >= 2.0);
    assert!(metric(&text, "mpim_tasks{service=\"im-gateway\"}") >= 3.0);
    assert!(!text.contains("alice") && !text.contains("hello"), "{text}");
}

#[test]
fn a_program_that_ends_says_so_while_it_drains() {
    let dir = TempDir::new().unwrap();
    let mut command = mpim(dir.path());
    // For as long as the client below does not hang up.
    command.env("MPIM_SHUTDOWN__DRAIN_MS", "60000");
    command.env("MPIM_GATEWAY__CLOSING__LINGER_MS", "10000");
    let server = Server::spawn(&mut command);
    let admin = server.listens("admin");
    let mut client = Client::connect(server.text_lines());
    server.signal("TERM");
    assert!(client.line().starts_with("-ERR closing "));
    assert_eq!(fetch(admin, "/readyz"), (503, "draining\n".to_owned()));
    assert_eq!(fetch(admin, "/healthz").0, 200);
    drop(client);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn an_admin_port_that_is_taken_is_named_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let dir = TempDir::new().unwrap();
    let (code, stdout, stderr) = outcome(mpim(dir.path()).env(ADMIN, &addr));
    let reason = "Address already in use (os error 98)";
    let line = format!("mpim: admin.listen: cannot listen on {addr}: {reason}\n");
    assert_eq!((code, stdout.as_str(), stderr), (Some(1), "", line));
}

#[test]
fn there_is_no_admin_port_when_none_is_wanted() {
    let dir = TempDir::new().unwrap();
    let server = Server::spawn(mpim(dir.path()).env(ADMIN, ""));
    assert!(!server.banner.contains("admin"), "{}", server.banner);
}

/// The lines of a log as they come.
struct Log(mpsc::Receiver<String>);

impl Log {
    fn of(stderr: ChildStderr) -> Self {
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
            // Ends with the process, or with the test.
            lines.all(|line| send.send(line).is_ok())
        });
        Self(lines)
    }

    /// Waits for a line with this text, and answers it with those before it.
    fn until(&self, text: &str) -> String {
        let mut lines = String::new();
        while !lines.contains(text) {
            let line = self.0.recv_timeout(Duration::from_secs(20));
            lines.push_str(&line.unwrap_or_else(|_| panic!("no {text:?} after {lines}")));
        }
        lines
    }
}

#[test]
fn a_program_that_waits_for_its_database_is_alive_and_says_what_it_waits_for() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dir = TempDir::new().unwrap();
    let mut command = mpim(dir.path());
    command.env("MPIM_LOG__FILTER", "info").env("MPIM_LOG__FORMAT", "json");
    command.env("MPIM_MESSAGE__DATABASE__URL", format!("mysql://mpim:hush@{nobody}/mpim_message"));
    let (server, stderr) = Server::spawn_unready(&mut command);
    let log = Log::of(stderr);

    let answering = log.until("answering /healthz");
    let (_, admin) = answering.rsplit_once("\"addr\":\"").unwrap();
    let admin = admin.split('"').next().unwrap().parse().unwrap();
    let waiting = log.until("is not there");
    assert_eq!(fetch(admin, "/healthz"), (200, "ok\n".to_owned()));
    let (status, text) = fetch(admin, "/readyz");
    assert_eq!(status, 503);
    assert!(text.starts_with("starting\ndown: ") && text.contains(&nobody.to_string()), "{text}");
    server.signal("TERM");
    let ending = log.until("shutting down");
    assert_eq!(server.exit_code(), Some(0));
    assert!(![answering, waiting, text, ending].concat().contains("hush"));
}
