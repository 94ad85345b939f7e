//! `DeadLetterService`: what an operator sees of dispatches that were given up on.

use std::sync::Arc;

use mpim_proto::{
    DropDeadLettersReq, DropDeadLettersResp, ListDeadLettersReq, ListDeadLettersResp,
    ReplayDeadLettersReq, ReplayDeadLettersResp, dead_letter_service, presence_service,
};
use mprpc::{Context, Status};

use crate::dispatch::{Replay, ReplayError};
use crate::service::{BAD_LIMIT, BAD_RANGE, bounded, limit, ok, out_of_range, unavailable};
use crate::store::{DeadLetter, Timeline};

/// Letters of one page.
const PAGE_MAX: usize = 500;

/// The service, over any store and any im-presence.
pub(crate) struct DeadLetterService<T, P> {
    pub(crate) store: Arc<T>,
    pub(crate) replay: Replay<T, P>,
}

impl<T: Timeline, P: presence_service::Server> dead_letter_service::Server
    for DeadLetterService<T, P>
{
    async fn list_dead_letters(
        &self,
        _cx: &Context,
        request: ListDeadLettersReq,
    ) -> Result<ListDeadLettersResp, Status> {
        let refused = |msg| {
            Ok(ListDeadLettersResp { result: out_of_range(msg), ..ListDeadLettersResp::default() })
        };
        let Some(limit) = limit(request.limit, PAGE_MAX) else {
            return refused(BAD_LIMIT);
        };
        if request.after_id < 0 {
            return refused(BAD_RANGE);
        }
        let page = self.store.dead_letters(request.after_id, limit).await;
        let (letters, more) = page.map_err(unavailable)?;
        let letters = letters.into_iter().map(told).collect();
        Ok(ListDeadLettersResp { result: ok(), letters, more })
    }

    async fn replay_dead_letters(
        &self,
        _cx: &Context,
        request: ReplayDeadLettersReq,
    ) -> Result<ReplayDeadLettersResp, Status> {
        bounded(request.ids.len())?;
        let letters = self.store.dead_letters_of(request.ids).await.map_err(unavailable)?;
        let mut replayed = 0;
        for letter in letters {
            match self.replay.replay(letter).await {
                Ok(()) => replayed += 1,
                Err(ReplayError::Store(error)) => return Err(unavailable(error)),
                Err(error @ ReplayError::Presence(_)) => {
                    let result = Some(mpim_proto::Result::internal(&error.to_string()));
                    return Ok(ReplayDeadLettersResp { result, replayed });
                }
            }
        }
        Ok(ReplayDeadLettersResp { result: ok(), replayed })
    }

    async fn drop_dead_letters(
        &self,
        _cx: &Context,
        request: DropDeadLettersReq,
    ) -> Result<DropDeadLettersResp, Status> {
        bounded(request.ids.len())?;
        let dropped = self.store.remove_dead_letters(request.ids).await.map_err(unavailable)?;
        let dropped = i64::try_from(dropped).unwrap_or(i64::MAX);
        Ok(DropDeadLettersResp { result: ok(), dropped })
    }
}

fn told(DeadLetter { id, letter }: DeadLetter) -> mpim_proto::DeadLetter {
    mpim_proto::DeadLetter {
        id,
        conv_id: letter.conv.to_string(),
        first_seq: letter.first_seq,
        last_seq: letter.last_seq,
        reason: letter.reason,
        tries: letter.tries,
        at_ms: letter.at_ms,
    }
}
