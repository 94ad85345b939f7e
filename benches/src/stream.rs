//! One stream from server to client: how many bytes arrive in a second.

use std::net::SocketAddr;
use std::time::Duration;

use mprpc::{Channel, Context};
use mprpc_examples::{ListReq, echo_service::Client};
use serde::Serialize;
use tokio::time::Instant;

use crate::load::Window;

/// Answer of `mpim-rpc-load stream`.
#[derive(Debug, Serialize)]
pub struct StreamReport {
    /// Bytes of each item, before encoding.
    pub item: usize,
    /// Items that came in the measured time.
    pub items: u64,
    /// Measured time, without the warm-up.
    pub seconds: f64,
    /// Mebibytes per second.
    pub mib_per_s: f64,
}

/// Takes items of `item` bytes from the server at `addr` for `measured`, after a warm-up.
///
/// # Errors
/// When the stream ends before the time is over.
pub async fn measure_stream(
    addr: SocketAddr,
    item: usize,
    measured: Duration,
) -> anyhow::Result<StreamReport> {
    let client = Client::new(&Channel::builder(format!("static://{addr}")).build()?);
    let window = Window::starting_now(measured);
    let cx = Context::with_deadline(window.end + Duration::from_secs(60));
    let request = ListReq { count: u32::MAX, size: u32::try_from(item)? };
    let mut list = client.list(&cx, request).await?;
    let mut items = 0_u64;
    loop {
        let answer = list.next().await?;
        let now = Instant::now();
        if now >= window.end {
            break;
        }
        let answer = answer.ok_or_else(|| anyhow::anyhow!("the stream ended after {items}"))?;
        anyhow::ensure!(answer.payload.len() == item, "{} bytes came", answer.payload.len());
        items += u64::from(window.counts(now));
    }
    let seconds = window.length().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let mib = items as f64 * item as f64 / (1024.0 * 1024.0);
    Ok(StreamReport { item, items, seconds, mib_per_s: (mib / seconds).round() })
}
