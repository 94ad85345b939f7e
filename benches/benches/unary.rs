//! Unary echo calls of mprpc over loopback TCP, client and server on one thread: what a call costs
//! in all, on each wire. `mpim-rpc-load` measures two processes; this finds regressions.
#![expect(clippy::expect_used, reason = "a bench that cannot run ends with a panic")]

use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use futures_util::future::join_all;
use mprpc::{Channel, Context, Server};
use mprpc_examples::echo_service::{self, Client};
use mprpc_examples::{Echo, EchoReq};
use tokio::runtime::{Builder, Runtime};

const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts a server on a free port, as a task of `runtime`, and returns a client for it.
fn start(runtime: &Runtime, query: &str) -> Client {
    runtime.block_on(async {
        let any_port = "127.0.0.1:0".parse().expect("an address");
        let service = echo_service::serve(Echo);
        let server = Server::builder().add_service(service).bind(any_port).await;
        let server = server.expect("a free port");
        let target = format!("static://{}{query}", server.local_addr());
        tokio::spawn(server.serve(std::future::pending()));
        Client::new(&Channel::builder(target).build().expect("a legal target"))
    })
}

async fn echo(client: &Client, payload: &Bytes) {
    let cx = Context::with_timeout(CALL_TIMEOUT);
    let request = EchoReq { payload: payload.clone() };
    client.echo(&cx, request).await.expect("an answer");
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let payload = Bytes::from_static(&[b'x'; 64]);
    let mut group = criterion.benchmark_group("unary");
    for (wire, query) in [("v2", "?wire=v2"), ("classic", "?wire=classic")] {
        let client = start(&runtime, query);
        for calls in [1_u64, 32] {
            group.throughput(Throughput::Elements(calls));
            group.bench_function(BenchmarkId::new(wire, calls), |bencher| {
                bencher.iter(|| {
                    let together = (0..calls).map(|_| echo(&client, &payload));
                    runtime.block_on(join_all(together))
                });
            });
        }
    }
    group.finish();
    criterion.final_summary();
}
