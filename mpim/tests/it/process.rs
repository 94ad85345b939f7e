//! The program as somebody sees it who starts it, mistypes its configuration, and ends it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Ports that the system chooses: tests run beside each other, and beside a real server.
const FREE_PORTS: [&str; 6] = [
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
    command.envs(FREE_PORTS.map(|port| (port, "127.0.0.1:0")));
    command
}

/// Its exit code, standard output and standard error.
fn outcome(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A server that is killed if the test ends before it does.
struct Server {
    process: Child,
    _stdout: BufReader<ChildStdout>,
    banner: String,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let mut command = mpim(dir);
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut banner = String::new();
        // Ends with the process if it fails: no need for a deadline.
        while !banner.contains("Ctrl-C") && stdout.read_line(&mut banner).unwrap() > 0 {}
        assert!(banner.contains("Ctrl-C"), "it did not start: {banner}");
        Self {
            process,
            _stdout: stdout,
            banner,
        }
    }

    fn text_lines(&self) -> SocketAddr {
        let line = self
            .banner
            .lines()
            .find(|line| line.trim().starts_with("text lines"))
            .unwrap();
        line.split_whitespace()
            .find_map(|word| word.parse().ok())
            .unwrap()
    }

    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    fn exit_code(mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
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
        self.0
            .get_mut()
            .write_all(format!("{command}\n").as_bytes())
            .unwrap();
        self.line()
    }
}

#[test]
fn from_the_banner_to_a_delivered_message_and_a_clean_end() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    assert!(
        server
            .banner
            .contains(&format!("nc 127.0.0.1 {}", server.text_lines().port()))
    );
    let data = dir.path().canonicalize().unwrap().join("data");
    assert!(
        server.banner.contains(data.to_str().unwrap()),
        "{}",
        server.banner
    );

    let mut alice = Client::connect(server.text_lines());
    let mut bob = Client::connect(server.text_lines());
    assert_eq!(alice.ask("REGISTER alice alice-secret"), "+OK uid=1");
    assert_eq!(bob.ask("REGISTER bob bob-secret-2"), "+OK uid=2");
    assert!(alice.ask("SEND 2 hello bob").starts_with("+OK msg_id="));
    let push = bob.line();
    assert!(
        push.starts_with("MSG id=") && push.ends_with("text=hello bob"),
        "{push}"
    );

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
fn a_second_process_on_the_same_data_is_refused_in_one_line() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    let (code, stdout, stderr) = outcome(mpim(dir.path()).output().unwrap());
    let pid = server.process.id();
    assert_eq!(
        (code, stdout.as_str(), last_line(&stderr)),
        (
            Some(1),
            "",
            format!("mpim: im-user: data directory ./data/user is in use by process {pid}")
                .as_str()
        )
    );
}

#[test]
fn a_port_that_is_taken_is_named_in_one_line() {
    let dir = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let mut command = mpim(dir.path());
    let (code, stdout, stderr) = outcome(
        command
            .env("MPIM_GATEWAY__TEXT__LISTEN", &addr)
            .output()
            .unwrap(),
    );
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let line = last_line(&stderr);
    assert!(
        line.starts_with("mpim: im-gateway: ")
            && line.contains(&addr)
            && line.contains("Address already in use"),
        "{stderr}"
    );
}

#[test]
fn check_shows_what_it_would_do_and_touches_nothing() {
    let dir = TempDir::new().unwrap();
    let mut command = mpim(dir.path());
    command.args(["--check", "--data-dir", "elsewhere"]);
    let (code, stdout, stderr) = outcome(command.output().unwrap());
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
    for arguments in [
        &["-i", "mpim.toml"][..],
        &["--check", "--config", "mpim.toml"],
    ] {
        let (code, stdout, stderr) = outcome(mpim(dir.path()).args(arguments).output().unwrap());
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        assert_eq!(
            stderr,
            "mpim: mpim.toml:2: `user.password.lenght_min`: unknown key; the nearest known one is \
             `user.password.length_min`\n\
             mpim: mpim.toml:5: `log.format`: unknown variant `xml`, expected one of `auto`, `human`, \
             `json`; for example, the default is \"auto\"\n"
        );
    }
}

#[test]
fn a_missing_file_ends_it_with_its_name() {
    let dir = TempDir::new().unwrap();
    let (code, _, stderr) = outcome(mpim(dir.path()).args(["-i", "no.toml"]).output().unwrap());
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("no.toml: cannot read the configuration file: No such file"),
        "{stderr}"
    );
}

#[test]
fn help_documents_the_arguments_and_exit_codes() {
    let dir = TempDir::new().unwrap();
    let (code, stdout, _) = outcome(mpim(dir.path()).arg("--help").output().unwrap());
    assert_eq!(code, Some(0));
    for part in [
        "-i, --config <FILE>",
        "--data-dir <DIR>",
        "--check",
        "--version",
        "  130  ",
    ] {
        assert!(stdout.contains(part), "{part} in {stdout}");
    }
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}
