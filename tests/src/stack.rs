//! MPIM as one process or as five.

mod layout;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use mpim_proto::{PingReq, health_service};
use mprpc::{Channel, Context};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{DEADLINE, Process, TextClient, WELCOME, until};
use layout::Addresses;

/// How often a start is tried again when another program took a port.
const STARTS_MAX: usize = 3;
/// One look at a port.
const LOOK: Duration = Duration::from_secs(2);

/// One process or five.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `mpim`: everything in one process.
    Embedded,
    /// The five services by hand, as `conf/static` configures them.
    Five,
}

/// A service, wherever it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the five services of MPIM")]
pub enum Service {
    User,
    Message,
    Presence,
    Group,
    Gateway,
}

impl Service {
    /// All of them, each after those that it calls.
    pub const ALL: [Self; 5] =
        [Self::User, Self::Presence, Self::Message, Self::Group, Self::Gateway];

    /// Its section in the configuration of the one process.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Message => "message",
            Self::Presence => "presence",
            Self::Group => "group",
            Self::Gateway => "gateway",
        }
    }

    /// Its own program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::User => "im-user",
            Self::Message => "im-message",
            Self::Presence => "im-presence",
            Self::Group => "im-group",
            Self::Gateway => "im-gateway",
        }
    }
}

/// How a stack is to be started.
#[derive(Clone, Debug)]
pub struct StackBuilder {
    layout: Layout,
    settings: Vec<(Option<Service>, &'static str, String)>,
}

impl StackBuilder {
    /// Sets a key of a service's configuration, `text.line_bytes_max`.
    #[must_use]
    pub fn set(mut self, service: Service, key: &'static str, value: impl fmt::Display) -> Self {
        self.settings.push((Some(service), key, value.to_string()));
        self
    }

    /// Sets a key that every process has, `log.filter`.
    #[must_use]
    pub fn set_everywhere(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.settings.push((None, key, value.to_string()));
        self
    }

    /// Starts it and waits until every port answers.
    ///
    /// # Panics
    /// When it does not within the deadline.
    pub async fn start(self) -> Stack {
        let mut taken = String::new();
        for _ in 0..STARTS_MAX {
            match Stack::try_start(&self).await {
                Ok(stack) => return stack,
                Err(PortTaken(log)) => taken = log,
            }
        }
        panic!("in {STARTS_MAX} starts a port was taken:\n{taken}");
    }
}

/// Another program was quicker; with the log that says so.
struct PortTaken(String);

/// A running MPIM with its data in a directory of its own. Dropping it kills every process, and
/// prints the ends of their logs if the test has failed.
#[derive(Debug)]
pub struct Stack {
    layout: Layout,
    addresses: Addresses,
    processes: Vec<Process>,
    directory: TempDir,
}

impl Stack {
    /// How to start one with settings of its own.
    pub fn builder(layout: Layout) -> StackBuilder {
        StackBuilder { layout, settings: Vec::new() }
    }

    async fn try_start(builder: &StackBuilder) -> Result<Self, PortTaken> {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let addresses = Addresses::free();
        let processes = layout::processes(builder, &addresses, directory.path());
        let mut stack = Self { layout: builder.layout, addresses, processes, directory };
        stack.processes.iter_mut().for_each(Process::start);
        for service in Service::ALL {
            stack.ready(service).await?;
        }
        Ok(stack)
    }

    /// One process or five.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Where the stack's processes run.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Where a service takes calls.
    pub fn address(&self, service: Service) -> SocketAddr {
        self.addresses.rpc(service)
    }

    /// Where clients connect that speak text lines.
    pub fn text_address(&self) -> SocketAddr {
        self.addresses.text()
    }

    /// A connection that was welcomed.
    pub async fn connect(&self) -> TextClient {
        TextClient::connect(self.text_address()).await
    }

    /// The names of its processes.
    pub fn processes(&self) -> Vec<&'static str> {
        self.processes.iter().map(Process::name).collect()
    }

    /// The process that a service is in.
    pub fn process_of(&self, service: Service) -> &'static str {
        match self.layout {
            Layout::Embedded => "mpim",
            Layout::Five => service.program(),
        }
    }

    /// One of its processes.
    ///
    /// # Panics
    /// When it has no such process.
    pub fn process(&mut self, name: &str) -> &mut Process {
        let mut processes = self.processes.iter_mut();
        processes.find(|process| process.name() == name).expect("one of its processes")
    }

    /// `kill -9`.
    pub async fn kill(&mut self, process: &str) {
        self.process(process).kill().await;
    }

    /// SIGTERM, and an exit status of 0 within the deadline.
    pub async fn stop(&mut self, process: &str) {
        self.process(process).stop().await;
    }

    /// Starts a process that was killed or stopped, with the same data at the same addresses, and
    /// waits until it answers.
    ///
    /// # Panics
    /// When it does not within the deadline.
    pub async fn restart(&mut self, process: &str) {
        self.process(process).start();
        for service in Service::ALL {
            if self.process_of(service) == process
                && let Err(PortTaken(log)) = self.ready(service).await
            {
                panic!("its port was taken meanwhile:\n{log}");
            }
        }
    }

    /// Everything that its processes have logged.
    pub fn logs(&self) -> Vec<String> {
        self.processes.iter().map(Process::log).collect()
    }

    /// Waits until a service answers.
    async fn ready(&mut self, service: Service) -> Result<(), PortTaken> {
        let (rpc, text) = (self.address(service), self.text_address());
        let process = self.process_of(service);
        let what = format!("{} answers", service.program());
        until(&what, async || {
            let process = self.process(process);
            if let Some(status) = process.exit_status() {
                let log = process.log_tail();
                if log.contains("in use") {
                    return Ok(Err(PortTaken(log)));
                }
                panic!("{} ended with {status}:\n{log}", process.name());
            }
            let seen = match ping(rpc).await {
                Ok(()) if service == Service::Gateway => welcomed(text).await,
                pinged => pinged,
            };
            seen.map(Ok).map_err(|error| format!("{error}\n{}", process.log_tail()))
        })
        .await
    }
}

impl Drop for Stack {
    #[expect(clippy::print_stderr, reason = "what the processes of a failed test have said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in &self.processes {
                eprintln!("{}", process.log_tail());
            }
        }
    }
}

async fn ping(address: SocketAddr) -> Result<(), String> {
    let channel = Channel::builder(format!("static://{address}")).build();
    let channel = channel.map_err(|error| error.to_string())?;
    let health = health_service::Client::new(&channel);
    let pong = health.ping(&Context::with_timeout(LOOK), PingReq::default()).await;
    pong.map(drop).map_err(|status| format!("{address}: {status}"))
}

async fn welcomed(address: SocketAddr) -> Result<(), String> {
    let look = async {
        let mut stream = TcpStream::connect(address).await?;
        let mut line = vec![0; WELCOME.len() + 1];
        stream.read_exact(&mut line).await?;
        std::io::Result::Ok(line)
    };
    match timeout(DEADLINE.min(LOOK), look).await {
        Ok(Ok(line)) if line == format!("{WELCOME}\n").as_bytes() => Ok(()),
        Ok(Ok(line)) => Err(format!("welcomed with {:?}", String::from_utf8_lossy(&line))),
        Ok(Err(error)) => Err(format!("{address}: {error}")),
        Err(_) => Err(format!("{address}: connected, and no welcome")),
    }
}
