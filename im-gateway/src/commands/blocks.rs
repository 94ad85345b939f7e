//! `BLOCK`, `UNBLOCK` and `BLOCKED`.

use im_wire::Reply;
use mpim_proto::{ListBlockedReq, SetBlockReq};
use mprpc::{Context, Status};

use super::refusal;
use crate::gateway::Gateway;

/// Shuts a user out, or lets them in again; what im-message has against it.
pub(super) async fn set(
    gateway: &Gateway,
    cx: &Context,
    user_id: i64,
    other_id: i64,
    blocked: bool,
) -> Result<Option<Reply>, Status> {
    let request = SetBlockReq { user_id, other_id, blocked };
    Ok(refusal(gateway.services.message.set_block(cx, request).await?.result))
}

/// Everybody whom the user shuts out; im-message bounds how many they are.
pub(super) async fn list(gateway: &Gateway, cx: &Context, user_id: i64) -> Result<Reply, Status> {
    let mut all = Vec::new();
    loop {
        let after_user_id = all.last().copied().unwrap_or(0);
        // 0: as many as im-message puts on a page.
        let request = ListBlockedReq { user_id, after_user_id, limit: 0 };
        let page = gateway.services.message.list_blocked(cx, request).await?;
        if let Some(refused) = refusal(page.result) {
            return Ok(refused);
        }
        let more = page.more && !page.user_ids.is_empty();
        all.extend(page.user_ids);
        if !more {
            return Ok(Reply::Blocked(all));
        }
    }
}
