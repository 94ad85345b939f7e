//! Cursors move often and a little: each device of a gateway writes several times a second. What
//! gathers while one statement is on its way goes with the next, whoever it came from, so that the
//! server commits some hundred times a second, not thousands.

use im_common::StoreError;
use im_common::mysql::MySql;
use tokio::sync::{mpsc, oneshot};

use super::cursors::{Move, advance};
use super::is_of_statement;
use super::sql::LIST_MAX;
use crate::store::Progress;

/// Callers that may wait; the next one waits for room.
const CALLERS_MAX: usize = 4_096;

/// The way to what moves cursors.
#[derive(Debug)]
pub(super) struct Gathering(mpsc::Sender<Caller>);

/// Moves cursors.
#[derive(Debug)]
#[must_use = "without it no cursor moves"]
pub(crate) struct CursorMover {
    db: MySql,
    waiting: mpsc::Receiver<Caller>,
}

/// Moves that are made together, and who waits for them.
#[derive(Debug)]
struct Caller {
    moves: Vec<Move>,
    answer: oneshot::Sender<Result<Vec<Progress>, StoreError>>,
}

impl Gathering {
    /// With what moves them, which is to be run.
    pub(super) fn prepare(db: &MySql) -> (Self, CursorMover) {
        let (callers, waiting) = mpsc::channel(CALLERS_MAX);
        (Self(callers), CursorMover { db: db.clone(), waiting })
    }

    /// Moves cursors; one of those whose moves are made together is told of the progress of all.
    /// Cancel safe: they may move all the same.
    pub(super) async fn advance(&self, moves: Vec<Move>) -> Result<Vec<Progress>, StoreError> {
        let closed = || StoreError::new("move cursors", "the store is closed");
        let (answer, answered) = oneshot::channel();
        self.0.send(Caller { moves, answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

impl CursorMover {
    /// Until the store is dropped.
    pub(crate) async fn run(mut self) {
        while let Some(first) = self.waiting.recv().await {
            let mut count = first.moves.len();
            let mut callers = vec![first];
            // The last one may take it past the bound: its moves are made together.
            while count < LIST_MAX
                && let Ok(next) = self.waiting.try_recv()
            {
                count += next.moves.len();
                callers.push(next);
            }
            let together = callers.iter().flat_map(|caller| caller.moves.iter().cloned()).collect();
            let mut outcome = write(&self.db, together).await;
            // Something in it cannot be written: then that one fails alone.
            let mut alone = outcome.as_ref().is_err_and(is_of_statement);
            for Caller { moves, answer } in callers {
                if alone {
                    outcome = write(&self.db, moves).await;
                    // The server, not one of them: the rest would wait for it in turn.
                    alone = !outcome.as_ref().is_err_and(|failure| !is_of_statement(failure));
                }
                // The first who is there is told of the progress of all.
                let others = outcome.as_ref().map(|_| Vec::new()).map_err(Clone::clone);
                let told = std::mem::replace(&mut outcome, others);
                if let Err(unheard) = answer.send(told) {
                    // A caller that stopped waiting.
                    outcome = unheard;
                }
            }
        }
    }
}

async fn write(db: &MySql, moves: Vec<Move>) -> Result<Vec<Progress>, StoreError> {
    // One statement is a transaction without a round trip for its commit.
    let is_one_statement = moves.len() <= LIST_MAX;
    let advance = async move |conn: &mut _| advance(conn, &moves).await;
    if is_one_statement {
        db.read("move cursors", advance).await
    } else {
        db.write("move cursors", advance).await
    }
}
