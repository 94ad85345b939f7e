//! Somebody who comes back after many messages: how soon the first of them is there, and the last.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::BytesMut;
use im_wire::text::ServerLine;
use std::fmt::Write as _;
use tokio::time::{Instant, timeout};

use super::connection::{Connection, User};
use super::people;
use super::report::BacklogReport;
use super::stamp::Stamp;

/// Messages that are sent without waiting for their answers.
const PIPELINED: u64 = 256;
/// For how long everything may take.
const TIMEOUT: Duration = Duration::from_secs(600);

/// # Errors
/// When something is missing, comes twice or out of order, or takes too long.
pub(super) async fn measure(addr: SocketAddr, count: u64) -> anyhow::Result<BacklogReport> {
    timeout(TIMEOUT, measure_patiently(addr, count))
        .await
        .with_context(|| format!("it is not over after {TIMEOUT:?}"))?
}

async fn measure_patiently(addr: SocketAddr, count: u64) -> anyhow::Result<BacklogReport> {
    let (mut sender, _) = Connection::register(addr).await?;
    let (away, user) = Connection::register(addr).await?;
    drop(away);
    leave(&mut sender, &user, count).await?;

    let began = Instant::now();
    let mut back = Connection::log_in(addr, &user).await?;
    let logged_in = began.elapsed();
    let (mut shown, mut first) = (0, None);
    while shown < count {
        while let Some(line) = back.next_line()? {
            let ServerLine::Push(push) = line else { bail!("somebody got {line:?}") };
            let stamp = Stamp::read(&push.text).context("a text that nobody sent")?;
            if stamp.number != shown {
                bail!("message {} came when {shown} was due", stamp.number);
            }
            first.get_or_insert_with(|| began.elapsed());
            shown += 1;
        }
        if shown < count {
            back.read().await?;
        }
    }
    let ms = |time: Duration| (time.as_secs_f64() * 1e4).round() / 10.0;
    Ok(BacklogReport {
        messages: count,
        logged_in_ms: ms(logged_in),
        first_ms: ms(first.unwrap_or_default()),
        all_ms: ms(began.elapsed()),
    })
}

/// Leaves so many messages, all of them acknowledged.
async fn leave(sender: &mut Connection, to: &User, count: u64) -> anyhow::Result<()> {
    let bar = people::progress(count, "leaving messages");
    let epoch = Instant::now();
    let mut sent = 0;
    while sent < count {
        let end = (sent + PIPELINED).min(count);
        let mut lines = BytesMut::new();
        for number in sent..end {
            let text = Stamp { flow: 0, number, at: epoch.elapsed() }.text();
            writeln!(lines, "SEND {} {text}", to.uid)?;
        }
        sender.write(&lines).await?;
        while sent < end {
            match sender.next_line()? {
                Some(ServerLine::Ok(_)) => sent += 1,
                Some(other) => bail!("the sender got {other:?}"),
                None => sender.read().await?,
            }
        }
        bar.set_position(sent);
    }
    bar.finish_and_clear();
    Ok(())
}
