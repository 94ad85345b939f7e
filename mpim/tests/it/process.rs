//! The program as somebody sees it who starts it, mistypes its configuration, and ends it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

/// Ports that the system chooses: tests run beside each other, and beside a real server.
const PORTS: [&str; 6] = [
    "MPIM_USER__RPC__LISTEN",
    "MPIM_MESSAGE__RPC__LISTEN",
    "MPIM_PRESENCE__RPC__LISTEN",
    "MPIM_GROUP__RPC__LISTEN",
    "MPIM_GATEWAY__RPC__LISTEN",
    "MPIM_GATEWAY__TEXT__LISTEN",
];

fn mpim(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpim"));
    command.current_dir(dir).stdin(Stdio::null());
    command.env("MPIM_LOG__FILTER", "warn");
    command.envs(PORTS.map(|port| (port, "127.0.0.1:0")));
    command
}

/// What a program that ends by itself answers: exit code, standard output, standard error.
fn outcome(command: &mut Command) -> (Option<i32>, String, String) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = end_of(command.spawn().unwrap());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Waits for the end of a process, but not for ever.
fn end_of(process: Child) -> Output {
    let pid = process.id();
    let (send, output) = mpsc::channel();
    std::thread::spawn(move || send.send(process.wait_with_output()));
    let output = output.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| {
        signal(pid, "KILL");
        panic!("it did not end");
    });
    output.unwrap()
}

fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(status.unwrap().success());
}

/// A server that is killed if the test ends before it does.
struct Server {
    process: Option<Child>,
    pid: u32,
    banner: String,
}

impl Server {
    fn start(dir: &Path) -> Self {
        Self::spawn(&mut mpim(dir))
    }

    fn spawn(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut banner = String::new();
        // Ends with the process if it fails: no need for a deadline.
        while !banner.contains("Ctrl-C") && stdout.read_line(&mut banner).unwrap() > 0 {}
        assert!(banner.contains("Ctrl-C"), "it did not start: {banner}");
        Self { pid: process.id(), process: Some(process), banner }
    }

    fn text_lines(&self) -> SocketAddr {
        let line = self.banner.lines().find(|line| line.trim().starts_with("text lines")).unwrap();
        line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
    }

    fn signal(&self, name: &str) {
        signal(self.pid, name);
    }

    fn exit_code(mut self) -> Option<i32> {
        end_of(self.process.take().unwrap()).status.code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut client = Self(BufReader::new(stream));
        assert!(client.line().starts_with("+OK welcome"));
        client
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\n").as_bytes()).unwrap();
        self.line()
    }
}

#[test]
fn from_the_banner_to_a_delivered_message_and_a_clean_end() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    assert!(server.banner.contains(&format!("nc 127.0.0.1 {}", server.text_lines().port())));
    let data = dir.path().canonicalize().unwrap().join("data");
    assert!(server.banner.contains(data.to_str().unwrap()), "{}", server.banner);

    let mut alice = Client::connect(server.text_lines());
    let mut bob = Client::connect(server.text_lines());
    assert_eq!(alice.ask("REGISTER alice alice-secret"), "+OK uid=1");
    assert_eq!(bob.ask("REGISTER bob bob-secret-2"), "+OK uid=2");
    assert!(alice.ask("SEND 2 hello bob").starts_with("+OK msg_id="));
    let push = bob.line();
    assert!(push.starts_with("MSG id=") && push.ends_with("text=hello bob"), "{push}");

    server.signal("INT");
    assert!(bob.line().starts_with("-ERR closing "));
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn data_survives_a_restart() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    let mut alice = Client::connect(server.text_lines());
    assert_eq!(alice.ask("REGISTER alice alice-secret"), "+OK uid=1");
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));

    let server = Server::start(dir.path());
    let mut alice = Client::connect(server.text_lines());
    assert_eq!(alice.ask("LOGIN alice alice-secret"), "+OK uid=1");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let dir = TempDir::new().unwrap();
    // Longer than the test waits for the end: the client below never hangs up by itself.
    let mut command = mpim(dir.path());
    command.env("MPIM_SHUTDOWN__DRAIN_MS", "60000");
    command.env("MPIM_GATEWAY__CLOSING__LINGER_MS", "10000");
    let server = Server::spawn(&mut command);
    let mut client = Client::connect(server.text_lines());
    server.signal("TERM");
    assert!(client.line().starts_with("-ERR closing "));
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(130));
}

#[test]
fn a_second_process_on_the_same_data_is_refused_in_one_line() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    let (code, stdout, stderr) = outcome(&mut mpim(dir.path()));
    let owner = server.pid;
    let line = format!("mpim: im-user: data directory ./data/user is in use by process {owner}\n");
    assert_eq!((code, stdout.as_str(), stderr), (Some(1), "", line));
}

#[test]
fn a_port_that_is_taken_is_named_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for port in PORTS {
        let dir = TempDir::new().unwrap();
        let (code, stdout, stderr) = outcome(mpim(dir.path()).env(port, &addr));
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{port}");
        let reason = "Address already in use (os error 98)\n";
        assert!(stderr.starts_with("mpim: im-") && stderr.ends_with(reason), "{port}: {stderr}");
        assert_eq!(stderr.matches(&addr).count(), 1, "{port}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{port}: {stderr}");
    }
}

#[test]
fn check_shows_what_it_would_do_and_touches_nothing() {
    let dir = TempDir::new().unwrap();
    let (code, stdout, stderr) =
        outcome(mpim(dir.path()).args(["--check", "--data-dir", "elsewhere"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for line in [
        "data_dir = \"elsewhere\"  (argument --data-dir)",
        "gateway.targets.user = \"memory://\"  (default)",
        "user.rpc.listen = \"127.0.0.1:0\"  (environment variable MPIM_USER__RPC__LISTEN)",
    ] {
        assert!(stdout.contains(line), "{line} in {stdout}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_typo_in_the_file_ends_it_with_where_and_what_was_meant() {
    let dir = TempDir::new().unwrap();
    let file = "[user.password]\nlenght_min = 6\n\n[log]\nformat = \"xml\"\n";
    std::fs::write(dir.path().join("mpim.toml"), file).unwrap();
    for arguments in [&["-i", "mpim.toml"][..], &["--check", "--config", "mpim.toml"]] {
        let (code, stdout, stderr) = outcome(mpim(dir.path()).args(arguments));
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        assert_eq!(
            stderr,
            "mpim: mpim.toml:2: `user.password.lenght_min`: unknown key; the nearest known one is \
             `user.password.length_min`\n\
             mpim: mpim.toml:5: `log.format`: unknown variant `xml`, expected one of `auto`, \
             `human`, `json`; for example, the default is \"auto\"\n"
        );
    }
}

#[test]
fn a_missing_file_ends_it_with_its_name() {
    let dir = TempDir::new().unwrap();
    let (code, _, stderr) = outcome(mpim(dir.path()).args(["-i", "no.toml"]));
    assert_eq!(code, Some(2));
    assert_eq!(
        stderr,
        "mpim: no.toml: cannot read the configuration file: \
         No such file or directory (os error 2)\n"
    );
}

#[test]
fn help_documents_the_arguments_and_exit_codes() {
    let dir = TempDir::new().unwrap();
    let (code, stdout, _) = outcome(mpim(dir.path()).arg("--help"));
    assert_eq!(code, Some(0));
    for part in ["-i, --config <FILE>", "--data-dir <DIR>", "--check", "--version", "  130  "] {
        assert!(stdout.contains(part), "{part} in {stdout}");
    }
}
