//! `RECEIPTS <uid or g<gid>>`.

use im_wire::{Peer, Receipt, Reply};
use mpim_proto::GetReceiptsReq;
use mprpc::{Context, Status};

use super::{conversation, refusal};
use crate::gateway::Gateway;

/// Users of one page.
const PAGE: usize = 200;

/// How far the others in a conversation are, page by page, up to as many as a list shows.
pub(super) async fn receipts(
    gateway: &Gateway,
    cx: &Context,
    user_id: i64,
    peer: Peer,
) -> Result<Reply, Status> {
    let most = usize::try_from(gateway.config.session.history_messages_max).unwrap_or(usize::MAX);
    let group_id = if let Peer::Group(group_id) = peer { Some(group_id) } else { None };
    let mut listed: Vec<Receipt> = Vec::new();
    let mut after_user_id = 0;
    while listed.len() < most {
        let limit = i32::try_from(PAGE.min(most - listed.len())).unwrap_or(i32::MAX);
        let conv_id = conversation(user_id, peer);
        let request = GetReceiptsReq { user_id, conv_id, after_user_id, limit };
        let page = gateway.services.message.get_receipts(cx, request).await?;
        if let Some(refused) = refusal(page.result) {
            return Ok(refused);
        }
        let Some(last) = page.receipts.last() else { break };
        after_user_id = last.user_id;
        listed.extend(page.receipts.iter().map(|receipt| Receipt {
            from: receipt.user_id,
            group_id,
            delivered: Some(receipt.delivered_seq),
            read: Some(receipt.read_seq),
        }));
        if !page.more {
            break;
        }
    }
    Ok(Reply::ReceiptsOf(listed))
}
