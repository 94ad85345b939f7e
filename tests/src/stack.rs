//! MPIM as one process, as five, or as a cluster.

mod apart;
mod builder;
mod calling;
mod clocks;
mod layout;
mod lines;
mod servers;
mod service;

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{DEADLINE, Process, TextClient, WELCOME, get, until};
pub use builder::StackBuilder;
use calling::ping;
use layout::Addresses;
pub use lines::{End, Line, Lines};
use servers::Owner;
pub use servers::Servers;
pub use service::{Instance, Layout, Service};

/// How often a start is tried again when another program took a port.
const STARTS_MAX: usize = 3;
/// One look at a port.
const LOOK: Duration = Duration::from_secs(2);

/// Another program was quicker; with the log that says so.
struct PortTaken(String);

/// A running MPIM with its data in a directory of its own. Dropping it kills every process, and
/// prints the ends of their logs if the test has failed.
#[derive(Debug)]
pub struct Stack {
    layout: Layout,
    /// Those of each instance.
    addresses: Vec<Addresses>,
    processes: Vec<Process>,
    servers: Option<Servers>,
    lines: Option<Lines>,
    behind_proxy: bool,
    directory: TempDir,
}

impl Stack {
    /// How to start one with settings of its own. For a cluster see [`cluster`](Self::cluster).
    pub fn builder(layout: Layout) -> StackBuilder {
        StackBuilder {
            layout,
            instances: 1,
            owner: Owner::Everybody,
            streams: false,
            watched: false,
            apart: false,
            lines: false,
            traced: false,
            clocks: false,
            behind_proxy: false,
            settings: Vec::new(),
        }
    }

    /// How to start a cluster on the servers that all tests share. `None`, and `SKIPPED` is printed,
    /// where there are none.
    pub async fn cluster() -> Option<StackBuilder> {
        Self::cluster_of(Owner::Everybody).await
    }

    /// The same on servers that the test may stop.
    pub async fn cluster_on_its_own_servers() -> Option<StackBuilder> {
        Self::cluster_of(Owner::Test).await
    }

    async fn cluster_of(owner: Owner) -> Option<StackBuilder> {
        let builder = StackBuilder { owner, ..Self::builder(Layout::Cluster) };
        Servers::exist(owner).await.then_some(builder)
    }

    async fn try_start(builder: &StackBuilder) -> Result<Self, PortTaken> {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let addresses: Vec<_> = (0..builder.instances).map(|_| Addresses::free()).collect();
        let servers = match builder.layout {
            Layout::Cluster => {
                let servers = Servers::start(builder.owner, builder.watched).await;
                Some(servers.expect("the servers are there"))
            }
            Layout::Embedded | Layout::Five => None,
        };
        let layout = builder.layout;
        let lines = match builder.lines {
            true => Some(Lines::make(layout, &addresses, servers.as_ref()).await),
            false => None,
        };
        let surroundings = layout::Surroundings {
            servers: servers.as_ref(),
            lines: lines.as_ref(),
            directory: directory.path(),
        };
        let mut processes = layout::processes(builder, &addresses, &surroundings);
        if builder.clocks {
            processes = clocks::give(processes, directory.path());
        }
        let behind_proxy = builder.behind_proxy;
        let mut stack =
            Self { layout, addresses, processes, servers, lines, behind_proxy, directory };
        stack.processes.iter_mut().for_each(Process::start);
        for (part, number) in stack.parts() {
            stack.part_ready(part, number).await?;
        }
        for instance in stack.instances() {
            stack.ready(instance).await?;
        }
        if layout == Layout::Cluster {
            for instance in stack.instances() {
                stack.sees_the_others(instance).await;
            }
        }
        Ok(stack)
    }

    /// Waits until an instance has heard of all those that it may call.
    async fn sees_the_others(&self, instance: Instance) {
        let expected = format!(" {}", self.addresses.len());
        for callee in layout::callees(instance.service) {
            let line = format!("mprpc_instances{{service=\"mpim.{callee:?}Service\"}}");
            until(&format!("{} sees {callee:?}", instance.name()), async || {
                let metrics = get(self.admin_address(instance), "/metrics").await;
                let (_, metrics) = metrics.map_err(|error| error.to_string())?;
                let seen = metrics.lines().find_map(|metric| metric.strip_prefix(&line));
                if seen == Some(&expected) { Ok(()) } else { Err(format!("{seen:?}")) }
            })
            .await;
        }
    }

    /// Every instance of every service, each after those that it calls.
    fn instances(&self) -> Vec<Instance> {
        let numbers = 1..=self.addresses.len();
        let of = |service| numbers.clone().map(move |number| Instance { service, number });
        Service::ALL.into_iter().flat_map(of).collect()
    }

    /// In what shape it runs.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Where the stack's processes run.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The ways between those who take part.
    ///
    /// # Panics
    /// When it was not built [`with_lines`](StackBuilder::with_lines).
    pub fn lines(&self) -> &Lines {
        self.lines.as_ref().expect("a stack with lines")
    }

    /// What a cluster runs on.
    ///
    /// # Panics
    /// When this is none.
    pub fn servers(&mut self) -> &mut Servers {
        self.servers.as_mut().expect("a cluster")
    }

    /// Where a service takes calls; its first instance.
    pub fn address(&self, service: Service) -> SocketAddr {
        self.addresses[0].rpc(service)
    }

    /// Where all instances of a service take calls.
    pub(crate) fn addresses_of(&self, service: Service) -> Vec<SocketAddr> {
        self.addresses.iter().map(|addresses| addresses.rpc(service)).collect()
    }

    /// Where an instance says whether it is ready. That of the one process: im-user's first.
    pub fn admin_address(&self, instance: Instance) -> SocketAddr {
        self.addresses[instance.number - 1].admin(instance.service)
    }

    /// Where clients connect that speak text lines; the first gateway.
    pub fn text_address(&self) -> SocketAddr {
        self.addresses[0].text()
    }

    /// Where clients connect that speak frames; the first gateway.
    pub fn frames_address(&self) -> SocketAddr {
        self.addresses[0].frames()
    }

    /// Of every gateway, where clients connect that speak frames.
    pub fn frames_addresses(&self) -> Vec<SocketAddr> {
        self.addresses.iter().map(Addresses::frames).collect()
    }

    /// Of every gateway, where clients connect that speak text lines.
    pub fn text_addresses(&self) -> Vec<SocketAddr> {
        self.addresses.iter().map(Addresses::text).collect()
    }

    /// Where clients connect that speak HTTP; the first gateway.
    pub fn http_address(&self) -> SocketAddr {
        self.addresses[0].http()
    }

    /// Of every gateway, where clients connect that speak HTTP.
    pub fn http_addresses(&self) -> Vec<SocketAddr> {
        self.addresses.iter().map(Addresses::http).collect()
    }

    /// A connection that was welcomed by the first gateway.
    pub async fn connect(&self) -> TextClient {
        self.connect_to(1).await
    }

    /// The same by gateway `number`, from 1.
    pub async fn connect_to(&self, number: usize) -> TextClient {
        TextClient::connect(self.addresses[number - 1].text()).await
    }

    /// The names of its processes.
    pub fn processes(&self) -> Vec<String> {
        self.processes.iter().map(|process| process.name().to_owned()).collect()
    }

    /// The name of the process that a service's first instance is in.
    pub fn process_of(&self, service: Service) -> String {
        self.process_with(Instance { service, number: 1 })
    }

    /// The name of the process that an instance is in.
    pub(crate) fn process_with(&self, instance: Instance) -> String {
        match self.layout {
            Layout::Embedded => "mpim".to_owned(),
            Layout::Five | Layout::Cluster => instance.name(),
        }
    }

    /// One of its processes.
    ///
    /// # Panics
    /// When it has no such process.
    pub fn process(&mut self, name: impl AsRef<str>) -> &mut Process {
        let name = name.as_ref();
        let mut processes = self.processes.iter_mut();
        processes.find(|process| process.name() == name).expect("one of its processes")
    }

    /// `kill -9`.
    pub async fn kill(&mut self, process: impl AsRef<str>) {
        self.process(process).kill().await;
    }

    /// Makes the calendar of a process wrong by so many seconds, in a stack that was built
    /// [`with_clocks`](StackBuilder::with_clocks). How long something takes it still measures right.
    ///
    /// # Panics
    /// When it was not.
    pub fn set_clock(&self, process: impl AsRef<str>, wrong_by_s: i64) {
        clocks::set(self.directory.path(), process.as_ref(), wrong_by_s);
    }

    /// SIGTERM, and an exit status of 0 within the deadline.
    pub async fn stop(&mut self, process: impl AsRef<str>) {
        self.process(process).stop().await;
    }

    /// Starts a process that was killed or stopped, with the same data at the same addresses, and
    /// waits until it answers.
    ///
    /// # Panics
    /// When it does not within the deadline.
    pub async fn restart(&mut self, process: impl AsRef<str>) {
        self.process(&process).start();
        self.is_back(process).await;
    }

    /// Waits until a process that was started again answers.
    ///
    /// # Panics
    /// When it does not within the deadline.
    pub(crate) async fn is_back(&mut self, process: impl AsRef<str>) {
        let process = process.as_ref();
        let ready = |outcome| match outcome {
            Ok(()) => {}
            Err(PortTaken(log)) => panic!("its port was taken meanwhile:\n{log}"),
        };
        for instance in self.instances() {
            if self.process_with(instance) == process {
                ready(self.ready(instance).await);
            }
        }
        for (part, number) in self.parts() {
            if apart::name(part, number) == process {
                ready(self.part_ready(part, number).await);
            }
        }
    }

    /// What a stack that is [`traced`](StackBuilder::traced) has asked the system for so far, as
    /// `strace` tells it.
    ///
    /// # Panics
    /// When it is not traced.
    pub fn trace(&self) -> String {
        let trace = std::fs::read(self.directory.path().join(layout::TRACE)).expect("a trace");
        String::from_utf8_lossy(&trace).into_owned()
    }

    /// Everything that its processes have logged.
    pub fn logs(&self) -> Vec<String> {
        self.processes.iter().map(Process::log).collect()
    }

    /// Waits until an instance answers.
    async fn ready(&mut self, instance: Instance) -> Result<(), PortTaken> {
        let addresses = &self.addresses[instance.number - 1];
        let (rpc, text) = (addresses.rpc(instance.service), addresses.text());
        let process = self.process_with(instance);
        let directory = self.directory().to_owned();
        let header = if self.behind_proxy { "PROXY UNKNOWN\r\n" } else { "" };
        self.answers(&process, &instance.name(), async || match ping(&directory, rpc).await {
            Ok(()) if instance.service == Service::Gateway => welcomed(text, header).await,
            pinged => pinged,
        })
        .await
    }

    /// The same of a part of im-presence, if it has a process of its own.
    async fn part_ready(&mut self, part: &str, number: usize) -> Result<(), PortTaken> {
        let name = apart::name(part, number);
        if !self.processes.iter().any(|process| process.name() == name) {
            return Ok(());
        }
        let address = self.part_address_of(part, number);
        let directory = self.directory().to_owned();
        self.answers(&name, &name, async || ping(&directory, address).await).await
    }

    /// Waits until a look at what is in `process` finds it answering.
    async fn answers(
        &mut self,
        process: &str,
        what: &str,
        look: impl AsyncFn() -> Result<(), String>,
    ) -> Result<(), PortTaken> {
        until(&format!("{what} answers"), async || {
            let process = self.process(process);
            if let Some(status) = process.exit_status() {
                let log = process.log_tail();
                if log.contains("in use") {
                    return Ok(Err(PortTaken(log)));
                }
                panic!("{} ended with {status}:\n{log}", process.name());
            }
            let process = &*process;
            look().await.map(Ok).map_err(|error| format!("{error}\n{}", process.log_tail()))
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

async fn welcomed(address: SocketAddr, header: &str) -> Result<(), String> {
    let look = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(header.as_bytes()).await?;
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
