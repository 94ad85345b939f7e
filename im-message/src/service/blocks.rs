//! Blocks, from requests to answers.

use mpim_proto::{ListBlockedReq, ListBlockedResp, SetBlockReq, SetBlockResp, user_service};
use mprpc::{Context, Status};

use super::MessageService;
use super::outcome::{BAD_LIMIT, BAD_RANGE, limit, ok, out_of_range, unavailable, user};
use crate::blocking::BlockError;
use crate::store::Timeline;

impl<T: Timeline, U: user_service::Server> MessageService<T, U> {
    pub(super) async fn block_or_unblock(
        &self,
        cx: &Context,
        request: SetBlockReq,
    ) -> Result<SetBlockResp, Status> {
        let SetBlockReq { user_id, other_id, blocked } = request;
        let (store, users) = (&*self.store, &self.sender.users);
        let outcome = match blocked {
            true => self.blocking.block(store, users, cx, user_id, other_id).await,
            false => self.blocking.unblock(store, users, cx, user_id, other_id).await,
        };
        let result = match outcome {
            Ok(()) => ok(),
            Err(error) => refusal(error)?,
        };
        Ok(SetBlockResp { result })
    }

    pub(super) async fn page_of_blocked(
        &self,
        request: ListBlockedReq,
    ) -> Result<ListBlockedResp, Status> {
        let ListBlockedReq { user_id, after_user_id, limit: asked } = request;
        user(user_id)?;
        let refused =
            |msg| Ok(ListBlockedResp { result: out_of_range(msg), ..ListBlockedResp::default() });
        let Some(limit) = limit(asked, self.answer.conversations_max) else {
            return refused(BAD_LIMIT);
        };
        if after_user_id < 0 {
            return refused(BAD_RANGE);
        }
        let page = self.store.blocked(user_id, after_user_id, limit).await;
        let (user_ids, more) = page.map_err(unavailable)?;
        Ok(ListBlockedResp { result: ok(), user_ids, more })
    }
}

fn refusal(error: BlockError) -> Result<Option<mpim_proto::Result>, Status> {
    let msg = error.to_string();
    match error {
        BlockError::BadUser | BlockError::TooMany => Ok(Some(mpim_proto::Result::invalid(&msg))),
        BlockError::NoSuchUser => Ok(Some(mpim_proto::Result::not_found(&msg))),
        BlockError::Store(error) => Err(unavailable(error)),
        BlockError::Users(status) => Err(status),
    }
}
