//! A server that one test may stop, kill or freeze.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::{Etcd, MariaDb, Redis, ZooKeeper, free_address};

/// How long a server may take to start or to stop. Far above what it takes: the machine may be busy,
/// and its disk may have a minute's work to write before ours.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// One look at it, and the pause before the next.
pub(crate) const LOOK: Duration = Duration::from_secs(2);
pub(crate) const PAUSE: Duration = Duration::from_millis(20);
/// Bytes of its log that a failure shows.
const TAIL_BYTES: usize = 4_096;

/// A kind of server.
#[expect(async_fn_in_trait, reason = "only for the kinds here")]
pub trait Server: Clone + Debug {
    /// As `scripts/deps` calls it.
    const NAME: &'static str;

    /// The programs without which there is none.
    const PROGRAMS: &'static [&'static str];

    /// The one at `host:port`.
    fn at(address: &str) -> Self;

    /// What is not installed and would have to be, if anything.
    fn missing() -> Option<String> {
        first_missing(Self::PROGRAMS)
    }

    /// Makes what it needs in an empty directory, whose `data` it will work in.
    fn prepare(_directory: &Path, _port: u16) {}

    /// How it is started in such a directory.
    fn command(directory: &Path, port: u16) -> Command;

    /// Whether it serves; else what was seen instead.
    async fn answers(&self) -> Result<(), String>;
}

/// A ZooKeeper of one test.
pub type PrivateZooKeeper = Private<ZooKeeper>;
/// An etcd of one test.
pub type PrivateEtcd = Private<Etcd>;
/// A MariaDB of one test. [`server`](Private::server) makes databases in it.
pub type PrivateMariaDb = Private<MariaDb>;
/// A Redis of one test.
pub type PrivateRedis = Private<Redis>;

/// See the module. Its port stays the same however often it is started.
#[derive(Debug)]
pub struct Private<S> {
    server: S,
    address: SocketAddr,
    directory: TempDir,
    child: Option<Child>,
}

impl<S: Server> Private<S> {
    /// Starts one and waits until it answers. `None` when it is not installed.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Option<Self> {
        let mut server = Self::prepared()?;
        server.start_again().await;
        Some(server)
    }

    /// One that was not started yet: nobody answers at its address.
    pub fn prepared() -> Option<Self> {
        if let Some(missing) = S::missing() {
            let name = S::NAME;
            skipped(&format!("{missing} is not installed; scripts/deps up {name} installs it"));
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        std::fs::create_dir(directory.path().join("data")).expect("a directory can be made");
        let address = free_address();
        S::prepare(directory.path(), address.port());
        Some(Self { server: S::at(&address.to_string()), address, directory, child: None })
    }

    /// What one can ask of it beyond starting and stopping.
    pub fn server(&self) -> &S {
        &self.server
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Starts it with the data that it had, and waits until it answers.
    ///
    /// # Panics
    /// When it runs, or does not start.
    pub async fn start_again(&mut self) {
        assert!(self.child.is_none(), "{} runs already", S::NAME);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path());
        let log = log.expect("the log can be opened");
        let and_errors = log.try_clone().expect("a descriptor is free");
        let mut command = S::command(self.directory.path(), self.address.port());
        command.current_dir(self.directory.path().join("data"));
        command.stdin(Stdio::null()).stdout(log).stderr(and_errors).kill_on_drop(true);
        self.child = Some(command.spawn().expect("the server can be started"));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = match timeout(LOOK, self.server.answers()).await {
                Ok(Ok(())) => return,
                Ok(Err(seen)) => seen,
                Err(_) => "no answer".to_owned(),
            };
            let child = self.child.as_mut().expect("just started");
            let ended = child.try_wait().expect("a child can be waited for");
            let gives_up = ended.is_some() || Instant::now() > deadline;
            assert!(!gives_up, "{}: {seen}, {ended:?}\n{}", S::NAME, self.log_tail());
            sleep(PAUSE).await;
        }
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.expect("a child can be killed");
    }

    /// Ends it in its own way, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let mut child = self.child.take().expect("it runs");
        let ended = timeout(PATIENCE, child.wait()).await;
        assert!(ended.is_ok(), "{} did not end\n{}", S::NAME, self.log_tail());
    }

    /// Freezes it: connections stay, also new ones are taken by the system, nothing is answered.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pause(&self) {
        let pid = self.signal(Signal::STOP);
        // On a busy machine a thread may go on for a while after the signal was sent.
        let deadline = Instant::now() + PATIENCE;
        while !is_stopped(pid) {
            assert!(Instant::now() < deadline, "{} is not stopped", S::NAME);
            std::thread::yield_now();
        }
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Writes a file into its directory, before it is started.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).expect("a file can be written");
    }

    fn signal(&self, signal: Signal) -> u32 {
        let id = self.child.as_ref().and_then(Child::id).expect("it runs");
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(pid, signal).expect("a child can be signalled");
        id
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(TAIL_BYTES)..]).into_owned()
    }
}

/// Whether no thread of a process runs any more.
fn is_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there");
    threads.flatten().all(|thread| {
        let said = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state follows the name, which is in brackets and may have anything in it.
        said.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
    })
}

pub(crate) fn command(program: &str) -> Command {
    mortal(&find(program).unwrap_or_else(|| program.into()))
}

/// A program that ends with the thread that starts it: a test that is killed leaves nothing behind.
/// Without `setpriv`, one that outlives it.
pub fn mortal(program: &Path) -> Command {
    let Some(setpriv) = find("setpriv") else { return Command::new(program) };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// The first of these programs that is not installed.
pub(crate) fn first_missing(programs: &[&str]) -> Option<String> {
    let mut programs = programs.iter().chain(&["setpriv"]);
    programs.find(|program| find(program).is_none()).map(|program| (*program).to_owned())
}

/// Daemons are where the path of a plain user does not look.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories.map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// Says that a test does not run, and why.
#[expect(clippy::print_stderr, reason = "scripts/test looks for it")]
pub(crate) fn skipped(why: &str) {
    let thread = std::thread::current();
    eprintln!("SKIPPED: {}: {why}", thread.name().unwrap_or("a test"));
}

/// What the server at `address` says to `request` until it closes or stops saying something.
pub(crate) async fn conversation(address: &str, request: &str) -> Result<String, String> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await?;
        std::io::Result::Ok(String::from_utf8_lossy(&said).into_owned())
    };
    match timeout(LOOK, talk).await {
        Ok(said) => said.map_err(|error| error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn it_dies_and_comes_back<S: Server>() {
        let Some(mut private) = Private::<S>::start().await else { return };
        let address = private.address();
        private.kill().await;
        assert!(private.server().answers().await.is_err(), "{address} is dead");
        private.start_again().await;
        assert_eq!(private.address(), address);
        private.pause();
        let frozen = timeout(Duration::from_millis(300), private.server().answers()).await;
        assert!(!matches!(frozen, Ok(Ok(()))), "{address} is frozen");
        private.resume();
        private.stop().await;
        assert!(private.server().answers().await.is_err(), "{address} has stopped");
    }

    #[tokio::test]
    async fn a_private_zookeeper_dies_and_comes_back() {
        it_dies_and_comes_back::<ZooKeeper>().await;
    }

    #[tokio::test]
    async fn a_private_etcd_dies_and_comes_back() {
        it_dies_and_comes_back::<Etcd>().await;
    }

    #[tokio::test]
    async fn a_private_redis_dies_and_comes_back() {
        it_dies_and_comes_back::<Redis>().await;
    }

    #[tokio::test]
    async fn a_private_mariadb_dies_and_comes_back_with_its_data() {
        it_dies_and_comes_back::<MariaDb>().await;
        let Some(mut private) = PrivateMariaDb::start().await else { return };
        let database = private.server().fresh_database("kept");
        database.execute("CREATE TABLE t (a INT); INSERT INTO t VALUES (7)");
        private.kill().await;
        private.start_again().await;
        assert_eq!(database.execute("SELECT a FROM t"), "7\n");
    }
}
