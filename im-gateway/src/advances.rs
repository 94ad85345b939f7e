//! Cursors of the sessions of this gateway on their way to im-message: one call at a time, with what
//! gathered since the last.
//!
//! Each session gathers its own (`cursors`); there are many sessions, and im-message writes the moves
//! of a thousand devices for little more than those of one.

use std::sync::Arc;
use std::time::Duration;

use im_common::walk;
use mpim_proto::{AdvanceCursorsReq, AdvanceForManyReq};
use mprpc::{Context, Status};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::calls::{MOVES_MAX, noted};
use crate::config::ms;
use crate::cursors::Moves;
use crate::gateway::Gateway;
use crate::gather::Turns;
use crate::metrics::{METRICS, count};
use crate::session::Failed;
use crate::sessions::Handle;

/// Calls begin at least this far apart: a cursor that is written so much later costs nobody
/// anything, and a hundred sessions more share the call.
const PAUSE: Duration = Duration::from_millis(25);

/// A session that waits until its cursors are written.
#[derive(Debug)]
pub(crate) struct Advance {
    user_id: i64,
    device: String,
    moves: Moves,
    answer: oneshot::Sender<Result<(), Failed>>,
}

/// Tells im-message what a device has, together with others. Cancel safe: the cursors may move all
/// the same.
pub(crate) async fn advance(
    gateway: &Arc<Gateway>,
    session: &Handle,
    moves: Moves,
) -> Result<(), Failed> {
    let (answer, answered) = oneshot::channel();
    let (user_id, device) = (session.user_id, session.device.clone());
    let advance = Advance { user_id, device, moves, answer };
    if let Some(turns) = gateway.advances.join(&(), advance) {
        gateway.tasks.spawn("cursors", run(Arc::clone(gateway), turns));
    }
    answered.await.unwrap_or(Err(Failed))
}

async fn run(gateway: Arc<Gateway>, mut turns: Turns<(), Advance>) {
    while let Some(together) = turns.next(MOVES_MAX, |advance| advance.moves.moves.len()) {
        let next = Instant::now() + PAUSE;
        METRICS.cursor_sessions.record(count(together.len()));
        let hop = walk::hop!("gateway.cursor");
        walk::record(&hop, together.iter().flat_map(|it| it.moves.msg_ids.iter().copied()));
        let (answers, devices): (Vec<_>, Vec<_>) = together.into_iter().map(device).unzip();
        let written = write(&gateway, devices).instrument(hop).await;
        let outcome = noted(&gateway, "AdvanceForMany", written);
        // Whoever has gone writes what is left by itself.
        for answer in answers {
            let _ = answer.send(outcome);
        }
        tokio::time::sleep_until(next).await;
    }
}

/// Who waits for it, and what is to be written for them.
fn device(
    Advance { user_id, device, moves, answer }: Advance,
) -> (oneshot::Sender<Result<(), Failed>>, AdvanceCursorsReq) {
    (answer, AdvanceCursorsReq { user_id, device, moves: moves.moves })
}

/// In one call, unless a single device has more than one takes.
async fn write(gateway: &Gateway, mut devices: Vec<AdvanceCursorsReq>) -> Result<(), Status> {
    loop {
        let rest = match devices.as_mut_slice() {
            [one] if one.moves.len() > MOVES_MAX => {
                let moves = one.moves.split_off(MOVES_MAX);
                Some(AdvanceCursorsReq { moves, device: one.device.clone(), user_id: one.user_id })
            }
            _ => None,
        };
        let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
        let request = AdvanceForManyReq { devices };
        let answer = gateway.services.message.advance_for_many(&cx, request).await?;
        gateway.complaints.refused("AdvanceForMany", answer.result);
        match rest {
            Some(rest) => devices = vec![rest],
            None => return Ok(()),
        }
    }
}
