//! One program under test.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::{DEADLINE, binary};

/// Lines of a log that a failure shows.
const TAIL_LINES: usize = 25;

/// Calls of the system by which something gets to a disk or to a client.
const TRACED: &str = "trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg";

/// A program of ours, with what it is started with. Dropping it kills the process.
#[derive(Debug)]
pub struct Process {
    program: &'static str,
    name: String,
    directory: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    trace: Option<PathBuf>,
    child: Option<Child>,
}

impl Process {
    /// A program that will run in `directory` and keep its log there, with an admin port that nobody
    /// else has. It is not started.
    pub fn new(program: &'static str, directory: &Path) -> Self {
        Self {
            program,
            name: program.to_owned(),
            directory: directory.to_path_buf(),
            arguments: Vec::new(),
            environment: vec![("MPIM_ADMIN__LISTEN".to_owned(), "127.0.0.1:0".to_owned())],
            trace: None,
            child: None,
        }
    }

    /// Calls it something else than its program, where there are several of that.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Has `strace` write its writes and syncs to a file.
    #[must_use]
    pub fn traced(mut self, to: PathBuf) -> Self {
        self.trace = Some(to);
        self
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it. Both of its outputs are appended to its log.
    ///
    /// # Panics
    /// When it runs already or cannot be started.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(self.log_path());
        let log = log.expect("the log can be opened");
        let and_errors = log.try_clone().expect("a descriptor is free");
        let mut command = self.command();
        let command = command.stdin(Stdio::null()).stdout(log).stderr(and_errors);
        self.child = Some(command.spawn().expect("the program can be started"));
    }

    /// The command, for a test that wants its pipes. Nothing of the configuration comes from the
    /// environment of the test.
    ///
    /// # Panics
    /// When the program cannot be built.
    pub fn command(&self) -> Command {
        let first = if self.trace.is_some() { "strace" } else { "env" };
        let mut command = test_servers::mortal(Path::new(first));
        if let Some(trace) = &self.trace {
            // Beside it and not above it (-D), so that signals reach the program.
            command.args(["-D", "-f", "-qq", "-y", "-s", "8192", "-e", TRACED, "-o"]);
            command.arg(trace).arg("env");
        }
        // A write beyond `limit_files` is an error, as on a full disk, and not the end.
        command.arg("--ignore-signal=XFSZ").arg(binary(self.program));
        let ours = std::env::vars_os().map(|(name, _)| name);
        for name in ours.filter(|name| name.as_encoded_bytes().starts_with(b"MPIM_")) {
            command.env_remove(name);
        }
        let variables = self.environment.iter().map(|(name, value)| (name, value));
        command.args(&self.arguments).envs(variables).current_dir(&self.directory);
        command.kill_on_drop(true);
        command
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().expect("a child can be waited for")
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.expect("a child can be killed");
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a child can be signalled");
    }

    /// From now on it can write no file beyond so many bytes.
    ///
    /// # Panics
    /// When it does not run.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(self.pid()), Resource::Fsize, limit).expect("a child can be limited");
    }

    /// From now on it gets memory only while it has less than so many bytes of its own.
    ///
    /// # Panics
    /// When it does not run.
    pub fn limit_memory(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(self.pid()), Resource::Data, limit).expect("a child can be limited");
    }

    /// The bytes of memory that it has now.
    ///
    /// # Panics
    /// When it does not run.
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        let status = std::fs::read_to_string(path).expect("it runs");
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"));
        kib.and_then(|kib| kib.trim().parse::<u64>().ok()).map_or(0, |kib| kib * 1_024)
    }

    fn pid(&self) -> Pid {
        let id = self.child.as_ref().and_then(Child::id).expect("it runs");
        i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process has an id")
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it has not within the deadline.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it was started");
        match timeout(DEADLINE, child.wait()).await {
            Ok(status) => status.expect("a child can be waited for"),
            Err(_) => panic!("{} did not end within {DEADLINE:?}:\n{}", self.name, self.log_tail()),
        }
    }

    /// Ends it with SIGTERM.
    ///
    /// # Panics
    /// When its exit status is not 0.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.ended().await;
        assert!(status.success(), "{} ended with {status}:\n{}", self.name, self.log_tail());
    }

    /// Everything it has written.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let mut tail = format!("---- the end of the log of {}\n", self.name);
        for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
            // Writing to a string does not fail.
            let _ = writeln!(tail, "{line}");
        }
        tail
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.name))
    }
}
