//! The program, started and watched from outside.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Ports that the system chooses: tests run beside each other, and beside a real server.
pub(super) const PORTS: [&str; 8] = [
    "MPIM_USER__RPC__LISTEN",
    "MPIM_MESSAGE__RPC__LISTEN",
    "MPIM_PRESENCE__RPC__LISTEN",
    "MPIM_GROUP__RPC__LISTEN",
    "MPIM_GATEWAY__RPC__LISTEN",
    "MPIM_GATEWAY__TEXT__LISTEN",
    "MPIM_GATEWAY__FRAMES__LISTEN",
    "MPIM_GATEWAY__HTTP__LISTEN",
];

/// Where it answers those who watch it.
pub(super) const ADMIN: &str = "MPIM_ADMIN__LISTEN";

pub(super) fn mpim(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpim"));
    command.current_dir(dir).stdin(Stdio::null());
    command.env("MPIM_LOG__FILTER", "warn");
    command.envs(PORTS.map(|port| (port, "127.0.0.1:0")));
    command.env(ADMIN, "127.0.0.1:0");
    command
}

/// What a program that ends by itself answers: exit code, standard output, standard error.
pub(super) fn outcome(command: &mut Command) -> (Option<i32>, String, String) {
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
pub(super) struct Server {
    process: Option<Child>,
    pub(super) pid: u32,
    pub(super) banner: String,
}

impl Server {
    pub(super) fn start(dir: &Path) -> Self {
        Self::spawn(&mut mpim(dir))
    }

    /// One that may never serve, and what it logs.
    pub(super) fn spawn_unready(command: &mut Command) -> (Self, ChildStderr) {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let log = process.stderr.take().unwrap();
        (Self { pid: process.id(), process: Some(process), banner: String::new() }, log)
    }

    pub(super) fn spawn(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut banner = String::new();
        // Ends with the process if it fails: no need for a deadline.
        while !banner.contains("Ctrl-C") && stdout.read_line(&mut banner).unwrap() > 0 {}
        assert!(banner.contains("Ctrl-C"), "it did not start: {banner}");
        Self { pid: process.id(), process: Some(process), banner }
    }

    /// Where clients connect.
    pub(super) fn text_lines(&self) -> SocketAddr {
        self.listens("text lines")
    }

    /// Where it listens for what the banner calls `what`.
    pub(super) fn listens(&self, what: &str) -> SocketAddr {
        let line = self.banner.lines().find(|line| line.trim().starts_with(what)).unwrap();
        line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
    }

    pub(super) fn signal(&self, name: &str) {
        signal(self.pid, name);
    }

    pub(super) fn exit_code(mut self) -> Option<i32> {
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

pub(super) struct Client(BufReader<TcpStream>);

impl Client {
    pub(super) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut client = Self(BufReader::new(stream));
        assert!(client.line().starts_with("+OK welcome"));
        client
    }

    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(super) fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\n").as_bytes()).unwrap();
        self.line()
    }
}
