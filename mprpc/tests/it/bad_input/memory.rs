//! Memory comes after data, not after lengths.

use mprpc_examples::echo_service;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::bytes::{
    DATA, END, PING, REQUEST, RESPONSE, SETTINGS, classic, classic_header, frame, header, v2,
};
use crate::support::{Running, SOON, channel, echo_req, soon};

const MAX: u32 = 4 * 1024 * 1024;

/// What this process has of memory that can be written to, in bytes: of what is reserved and not
/// touched, too.
#[cfg(target_os = "linux")]
fn reserved_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_promised_and_does_not_come_takes_no_memory() {
    const EACH: usize = 64;
    let server = Running::echo().await;
    let bystander = server.client();
    bystander.echo(&soon(), echo_req("before")).await.unwrap();
    let before = reserved_bytes();
    let promises = [
        v2(header(MAX, REQUEST, END, 0, 1)),
        v2(header(MAX, DATA, 0, 0, 1)),
        v2(header(MAX, PING, 0, 0, 0)),
        classic(&classic_header(b"EchoService", b"Echo", MAX.into()), &[]),
    ];
    let mut kept = Vec::new();
    for promise in promises.iter().cycle().take(EACH * promises.len()) {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(promise).await.unwrap();
        kept.push(stream);
        bystander.echo(&soon(), echo_req("beside it")).await.unwrap();
    }
    let grown = reserved_bytes().saturating_sub(before);
    // A gigabyte was promised.
    assert!(grown < kept.len() * MAX as usize / 4, "{grown} bytes");
}

/// The same of servers, at a client.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_server_promises_and_does_not_send_takes_no_memory() {
    const SERVERS: usize = 64;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut kept = Vec::new();
    let before = reserved_bytes();
    for n in 0..SERVERS * 2 {
        let wire = if n % 2 == 0 { "v2" } else { "classic" };
        let client =
            echo_service::Client::new(&channel(&format!("static://{address}?wire={wire}")));
        let call = tokio::spawn(async move { client.echo(&soon(), echo_req("x")).await });
        let (mut stream, _) = timeout(SOON, listener.accept()).await.expect("it calls").unwrap();
        let promise = match wire {
            "v2" => [frame(SETTINGS, 0, 0, &[]), header(MAX, RESPONSE, END, 0, 0)].concat(),
            _ => MAX.to_le_bytes().to_vec(),
        };
        stream.write_all(&promise).await.unwrap();
        kept.push((stream, AbortOnDropHandle::new(call)));
        // The client has its turns.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    let grown = reserved_bytes().saturating_sub(before);
    assert!(grown < kept.len() * MAX as usize / 4, "{grown} bytes");
}
