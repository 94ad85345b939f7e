//! An im-message that only keeps what im-group tells it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mpim_proto::{
    AckReq, AckResp, AdvanceCursorsReq, AdvanceCursorsResp, AdvanceForManyReq, AdvanceForManyResp,
    ChangeMembershipReq, ChangeMembershipResp, FetchForManyReq, FetchForManyResp, FetchRangeReq,
    FetchRangeResp, ForgetDeviceReq, ForgetDeviceResp, GetPositionsReq, GetPositionsResp,
    GetReceiptsReq, GetReceiptsResp, ListBehindReq, ListBehindResp, ListBlockedReq,
    ListBlockedResp, ListConversationsReq, ListConversationsResp, MarkReadReq, MarkReadResp,
    MembershipChange, OpenDeviceReq, OpenDeviceResp, PullOfflineReq, PullOfflineResp, SendBatchReq,
    SendBatchResp, SendGroupReq, SendGroupResp, SendReq, SendResp, SetBlockReq, SetBlockResp,
    SignalReq, SignalResp, message_service,
};
use mprpc::discovery::Memory;
use mprpc::{Context, Server, Status};
use tokio::sync::watch;

#[derive(Clone, Debug, Default)]
pub(crate) struct Messages(Arc<watch::Sender<Told>>);

#[derive(Debug, Default)]
struct Told {
    change_ids: HashSet<String>,
    changes: HashMap<(i64, i64), Vec<MembershipChange>>,
}

impl Messages {
    /// Serves until the test ends.
    pub(crate) async fn start(memory: &Memory) -> Self {
        let messages = Self::default();
        let server = Server::builder()
            .add_service(message_service::serve(messages.clone()))
            .register(memory.clone())
            .bind("127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        tokio::spawn(server.serve(std::future::pending()));
        messages
    }

    /// What the user did in the group.
    pub(crate) fn changes(&self, group_id: i64, user_id: i64) -> Vec<MembershipChange> {
        self.0.borrow().changes.get(&(group_id, user_id)).cloned().unwrap_or_default()
    }

    /// Waits until the user has done something in the group.
    pub(crate) async fn told_of(&self, group_id: i64, user_id: i64) {
        let mut told = self.0.subscribe();
        told.wait_for(|told| told.changes.contains_key(&(group_id, user_id))).await.unwrap();
    }
}

macro_rules! not_for_im_group {
    ($($method:ident($req:ty) -> $resp:ty,)*) => {
        $(async fn $method(&self, _cx: &Context, _req: $req) -> Result<$resp, Status> {
            Err(Status::unimplemented(stringify!($method)))
        })*
    };
}

impl message_service::Server for Messages {
    async fn change_membership(
        &self,
        _cx: &Context,
        req: ChangeMembershipReq,
    ) -> Result<ChangeMembershipResp, Status> {
        let change = req.change();
        self.0.send_modify(|told| {
            if told.change_ids.insert(req.change_id) {
                told.changes.entry((req.group_id, req.user_id)).or_default().push(change);
            }
        });
        Ok(ChangeMembershipResp { result: Some(mpim_proto::Result::ok()), seq: 1 })
    }

    not_for_im_group! {
        send(SendReq) -> SendResp,
        send_group(SendGroupReq) -> SendGroupResp,
        signal(SignalReq) -> SignalResp,
        pull_offline(PullOfflineReq) -> PullOfflineResp,
        ack(AckReq) -> AckResp,
        send_batch(SendBatchReq) -> SendBatchResp,
        list_behind(ListBehindReq) -> ListBehindResp,
        get_positions(GetPositionsReq) -> GetPositionsResp,
        list_conversations(ListConversationsReq) -> ListConversationsResp,
        mark_read(MarkReadReq) -> MarkReadResp,
        get_receipts(GetReceiptsReq) -> GetReceiptsResp,
        fetch_range(FetchRangeReq) -> FetchRangeResp,
        advance_cursors(AdvanceCursorsReq) -> AdvanceCursorsResp,
        fetch_for_many(FetchForManyReq) -> FetchForManyResp,
        advance_for_many(AdvanceForManyReq) -> AdvanceForManyResp,
        set_block(SetBlockReq) -> SetBlockResp,
        list_blocked(ListBlockedReq) -> ListBlockedResp,
        open_device(OpenDeviceReq) -> OpenDeviceResp,
        forget_device(ForgetDeviceReq) -> ForgetDeviceResp,
    }
}
