//! Connections that were used once: how much heap does each cost either side?
//!
//! A process of servers and a process with one channel to all of them: what a fleet looks like to
//! each of its members.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use mprpc::{Channel, Context, Server};
use mprpc_examples::echo_service::{self, Client};
use mprpc_examples::{Echo, EchoReq};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;

/// Connections before the first look, so that what exists once is not counted.
const WARM_UP_CONNECTIONS: usize = 50;
/// Time for both sides to return what they needed for the first call.
const SETTLE: Duration = Duration::from_secs(2);
/// How long all connections together may take to come.
const CONNECT_TIME: Duration = Duration::from_secs(60);

/// Answer of `mpim-rpc-idle`.
#[derive(Debug, Serialize)]
pub struct IdleReport {
    /// Connections that were opened between the two looks.
    pub idle: usize,
    /// Growth of the client's heap per connection, in bytes.
    pub client_heap_bytes: usize,
    /// Growth of the server's.
    pub server_heap_bytes: usize,
}

/// Serves echo on `servers` ports, prints them, and answers each line that comes in with the bytes of
/// heap that are in use. Ends with standard input.
///
/// # Errors
/// When a port cannot be had or standard input or output fails.
pub async fn serve_idle(servers: usize, heap_bytes: fn() -> usize) -> anyhow::Result<()> {
    let mut ports = Vec::with_capacity(servers);
    for _ in 0..servers {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let service = echo_service::serve(Echo);
        let server = Server::builder().add_service(service).bind(any_port).await?;
        ports.push(server.local_addr().port().to_string());
        tokio::spawn(server.serve(std::future::pending()));
    }
    let mut out = tokio::io::stdout();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut answer = ports.join(",");
    loop {
        out.write_all(format!("{answer}\n").as_bytes()).await?;
        out.flush().await?;
        if lines.next_line().await?.is_none() {
            return Ok(());
        }
        answer = heap_bytes().to_string();
    }
}

/// Opens `count` connections and compares the heaps of both processes before and after. `heap_bytes`
/// tells ours.
///
/// # Errors
/// When the process of servers cannot be started or a connection cannot be had.
pub async fn measure_idle(count: usize, heap_bytes: fn() -> usize) -> anyhow::Result<IdleReport> {
    anyhow::ensure!(count > 0, "nothing to do");
    let mut servers = Servers::start(WARM_UP_CONNECTIONS + count).await?;
    let (warm_up, measured) = servers.ports.split_at(WARM_UP_CONNECTIONS);
    let (warm_up, measured) = (target(warm_up), target(measured));
    let first = connect(&warm_up, WARM_UP_CONNECTIONS).await?;
    tokio::time::sleep(SETTLE).await;
    let before = (heap_bytes(), servers.heap_bytes().await?);
    let second = connect(&measured, count).await?;
    tokio::time::sleep(SETTLE).await;
    let after = (heap_bytes(), servers.heap_bytes().await?);
    drop((first, second));
    servers.stop().await?;
    Ok(IdleReport {
        idle: count,
        client_heap_bytes: after.0.saturating_sub(before.0) / count,
        server_heap_bytes: after.1.saturating_sub(before.1) / count,
    })
}

fn target(ports: &[String]) -> String {
    let addresses: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("static://{}", addresses.join(","))
}

/// A client that has made a call to each of the `count` instances of `target`.
async fn connect(target: &str, count: usize) -> anyhow::Result<Client> {
    let channel = Channel::builder(target).balance(mprpc::Balance::round_robin()).build()?;
    let client = Client::new(&channel);
    let cx = Context::with_deadline(Instant::now() + CONNECT_TIME);
    for _ in 0..count {
        let payload = Bytes::from_static(b"hello");
        client.echo(&cx, EchoReq { payload }).await.context("a call on a new connection")?;
    }
    Ok(client)
}

/// The process of servers.
struct Servers {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    ports: Vec<String>,
}

impl Servers {
    async fn start(servers: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--servers", &servers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the servers")?;
        let stdin = child.stdin.take().context("no standard input")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let ports = lines.next_line().await?.context("the servers did not start")?;
        let ports = ports.split(',').map(str::to_owned).collect();
        Ok(Self { child, stdin, lines, ports })
    }

    async fn heap_bytes(&mut self) -> anyhow::Result<usize> {
        self.stdin.write_all(b"\n").await?;
        let answer = self.lines.next_line().await?.context("the servers have ended")?;
        Ok(answer.parse()?)
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.stdin);
        self.child.wait().await?;
        Ok(())
    }
}
