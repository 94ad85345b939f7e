//! Bytes sent back as they come, over one TCP connection per client connection.
//!
//! This is no RPC: there are no frames and no calls, and the payloads that are in flight on a
//! connection travel together. It shows what the kernel allows, not what a framework could reach.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::{Connection, Load, Peer, accept_each, dial};
use crate::load::{Tally, Window, Work};

/// Room for one read; a multiple of any payload that is measured.
const READ_BYTES: usize = 64 * 1024;

pub(super) struct Tcp;

impl Peer for Tcp {
    type Connection = TcpStream;

    async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
        accept_each(listen, |stream| async {
            // A connection that ends or breaks concerns its client only.
            let _ = echo(stream).await;
        })
        .await
    }

    async fn connect(load: &Load, index: usize) -> anyhow::Result<TcpStream> {
        anyhow::ensure!(load.per_second.is_none(), "raw TCP has no calls to make at a rate");
        Ok(dial(load.addr(index)?).await?)
    }
}

impl Connection for TcpStream {
    async fn drive(mut self, in_flight: usize, work: Work) -> Tally {
        let Work { payload, window, .. } = work;
        let mut tally = Tally::default();
        if let Err(error) = exchange(&mut self, in_flight, &payload, window, &mut tally).await {
            tally.fail(error);
        }
        tally
    }
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    while stream.read_buf(&mut buffer).await? > 0 {
        stream.write_all(&buffer).await?;
        buffer.clear();
    }
    Ok(())
}

/// Writes as many payloads as came back, until the window ends.
async fn exchange(
    stream: &mut TcpStream,
    in_flight: usize,
    payload: &[u8],
    window: Window,
    tally: &mut Tally,
) -> std::io::Result<()> {
    let mut sent_at = VecDeque::with_capacity(in_flight);
    let batch = payload.repeat(in_flight);
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    let mut to_send = in_flight;
    let mut partial = 0;
    loop {
        let now = Instant::now();
        sent_at.extend(std::iter::repeat_n(now, to_send));
        stream.write_all(&batch[..to_send * payload.len()]).await?;
        let Ok(read) = timeout_at(window.end, stream.read_buf(&mut buffer)).await else {
            return Ok(());
        };
        if read? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let received = partial + buffer.len();
        buffer.clear();
        partial = received % payload.len();
        to_send = received / payload.len();
        let finished = Instant::now();
        tally.finished += to_send as u64;
        for started in sent_at.drain(..to_send) {
            if window.counts(finished) {
                tally.record(finished - started);
            }
        }
    }
}
