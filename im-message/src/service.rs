//! `MessageService`: from requests to use cases, and from their outcomes to answers.
//!
//! Domain failures become a `Result` in the answer, everything else a status; both happen in
//! `outcome`, and nowhere else.

mod blocks;
mod cursors;
mod devices;
mod outcome;
mod read_state;

use std::sync::Arc;

use im_common::walk;
use mpim_proto::{
    AckReq, AckResp, AdvanceCursorsReq, AdvanceCursorsResp, AdvanceForManyReq, AdvanceForManyResp,
    C2cMsg, ChangeMembershipReq, ChangeMembershipResp, FetchForManyReq, FetchForManyResp,
    FetchRangeReq, FetchRangeResp, ForgetDeviceReq, ForgetDeviceResp, GetPositionsReq,
    GetPositionsResp, GetReceiptsReq, GetReceiptsResp, GroupMsg, ListBehindReq, ListBehindResp,
    ListBlockedReq, ListBlockedResp, ListConversationsReq, ListConversationsResp, MarkReadReq,
    MarkReadResp, MembershipChange, OpenDeviceReq, OpenDeviceResp, PullOfflineReq, PullOfflineResp,
    SendBatchReq, SendBatchResp, SendGroupReq, SendGroupResp, SendOutcome, SendReq, SendResp,
    SetBlockReq, SetBlockResp, SignalReq, SignalResp, message_service, send_batch_req, signal_req,
    user_service,
};
use mprpc::{Context, Status};
use tracing::Instrument;

pub(crate) use self::outcome::{
    BAD_LIMIT, BAD_RANGE, bounded, limit, ok, out_of_range, unavailable,
};
use self::outcome::{BAD_USER, conv, invalid, outcome, outcomes, reader, refusal, wishes};
use crate::blocking::Blocking;
use crate::config::AnswerConfig;
use crate::conversation::ConvId;
use crate::entry::{Content, Entry};
use crate::offline::Offline;
use crate::proto;
use crate::receipts::Receipts;
use crate::send::{Draft, SendError, Sender, To, Wishes};
use crate::signal::{Signal, Signals};
use crate::store::{Appended, ReadState, Reader, Timeline};

/// Messages of one `SendBatch`.
const BATCH_MAX: usize = 256;
/// The longest id of a change of membership, in bytes: as long as one that a client may choose.
const CHANGE_ID_BYTES_MAX: usize = 64;

/// The service, over any store and any im-user.
#[derive(Debug)]
pub(crate) struct MessageService<T, U> {
    pub(crate) store: Arc<T>,
    pub(crate) sender: Sender<U>,
    pub(crate) signals: Signals<T>,
    pub(crate) receipts: Receipts,
    pub(crate) offline: Offline<T>,
    pub(crate) answer: AnswerConfig,
    pub(crate) blocking: Blocking,
}

impl<T, U> message_service::Server for MessageService<T, U>
where
    T: Timeline + ReadState,
    U: user_service::Server,
{
    async fn send(&self, cx: &Context, request: SendReq) -> Result<SendResp, Status> {
        let C2cMsg { from, to, text, .. } = request.msg.unwrap_or_default();
        let repeatable = !request.client_msg_id.is_empty();
        let draft = Draft { client_msg_id: request.client_msg_id, text };
        let wishes = wishes(request.receipts, request.priority, repeatable)?;
        let SendOutcome { result, msg_id, seq } =
            self.send_one(cx, from, To::User(to), draft, wishes).await?;
        Ok(SendResp { result, msg_id, seq })
    }

    async fn send_group(
        &self,
        cx: &Context,
        request: SendGroupReq,
    ) -> Result<SendGroupResp, Status> {
        let GroupMsg { from, group_id, text, .. } = request.msg.unwrap_or_default();
        let repeatable = !request.client_msg_id.is_empty();
        let draft = Draft { client_msg_id: request.client_msg_id, text };
        let wishes = wishes(request.receipts, request.priority, repeatable)?;
        let SendOutcome { result, msg_id, seq } =
            self.send_one(cx, from, To::Group(group_id), draft, wishes).await?;
        Ok(SendGroupResp { result, msg_id, seq })
    }

    async fn send_batch(
        &self,
        cx: &Context,
        request: SendBatchReq,
    ) -> Result<SendBatchResp, Status> {
        if request.messages.len() > BATCH_MAX {
            return Err(Status::invalid_argument(format!("more than {BATCH_MAX} messages")));
        }
        let to = match request.to {
            Some(send_batch_req::To::ToUser(uid)) => To::User(uid),
            Some(send_batch_req::To::ToGroup(id)) => To::Group(id),
            None => return Err(Status::invalid_argument("neither to_user nor to_group")),
        };
        let draft = |message: mpim_proto::Outgoing| Draft {
            client_msg_id: message.client_msg_id,
            text: message.text,
        };
        let drafts = request.messages.into_iter().map(draft).collect();
        let from = Reader { uid: request.from, device: request.device };
        let wishes = wishes(request.receipts, request.priority, request.repeatable)?;
        match self.send_walking(cx, &from, to, drafts, wishes).await {
            Ok(answers) => Ok(SendBatchResp { result: ok(), outcomes: outcomes(answers)? }),
            Err(error) => Ok(SendBatchResp { result: refusal(error)?, outcomes: Vec::new() }),
        }
    }

    async fn pull_offline(
        &self,
        _cx: &Context,
        request: PullOfflineReq,
    ) -> Result<PullOfflineResp, Status> {
        let uid = request.user_id;
        if uid <= 0 {
            // Not a status: the original's callers, whose method it is, would not learn of it.
            return Ok(PullOfflineResp { result: invalid(BAD_USER), ..Default::default() });
        }
        let messages = self.offline.pull(uid).await.map_err(unavailable)?;
        let mut answer = PullOfflineResp { result: ok(), ..PullOfflineResp::default() };
        for (conv, Entry { msg_id, author, ts_ms, content, .. }) in messages {
            let Content::Text(text) = content else {
                continue;
            };
            match conv {
                ConvId::Pair { .. } => {
                    answer.msg_list.push(C2cMsg { msg_id, from: author, to: uid, ts_ms, text });
                }
                ConvId::Group(group_id) => {
                    let from = author;
                    answer.group_msg_list.push(GroupMsg { msg_id, from, group_id, ts_ms, text });
                }
            }
        }
        Ok(answer)
    }

    async fn ack(&self, _cx: &Context, request: AckReq) -> Result<AckResp, Status> {
        bounded(request.msg_id_list.len())?;
        if request.user_id <= 0 {
            return Ok(AckResp { result: invalid(BAD_USER) });
        }
        self.offline.ack(request.user_id, request.msg_id_list).await.map_err(unavailable)?;
        Ok(AckResp { result: ok() })
    }

    async fn list_behind(
        &self,
        _cx: &Context,
        request: ListBehindReq,
    ) -> Result<ListBehindResp, Status> {
        let reader = reader(request.user_id, request.device)?;
        let after = match request.after_conv_id.as_str() {
            "" => None,
            conv_id => Some(conv(conv_id)?),
        };
        let Some(limit) = limit(request.limit, self.answer.conversations_max) else {
            let result = out_of_range(BAD_LIMIT);
            return Ok(ListBehindResp { result, ..ListBehindResp::default() });
        };
        let page = self.store.behind(&reader, after, limit).await.map_err(unavailable)?;
        let Some((behind, more)) = page else {
            return Err(Status::invalid_argument("unknown after_conv_id"));
        };
        let positions = behind.iter().map(proto::position).collect();
        Ok(ListBehindResp { result: ok(), positions, more })
    }

    async fn get_positions(
        &self,
        _cx: &Context,
        request: GetPositionsReq,
    ) -> Result<GetPositionsResp, Status> {
        bounded(request.conv_ids.len())?;
        let reader = reader(request.user_id, request.device)?;
        let convs = request.conv_ids.iter().map(|conv_id| conv(conv_id));
        let convs = convs.collect::<Result<_, _>>()?;
        let positions = self.store.positions(&reader, convs).await.map_err(unavailable)?;
        let positions = positions.iter().map(proto::position).collect();
        Ok(GetPositionsResp { result: ok(), positions })
    }

    async fn fetch_range(
        &self,
        cx: &Context,
        request: FetchRangeReq,
    ) -> Result<FetchRangeResp, Status> {
        self.range(cx, request).await
    }

    async fn list_conversations(
        &self,
        _cx: &Context,
        request: ListConversationsReq,
    ) -> Result<ListConversationsResp, Status> {
        self.conversations(request).await
    }

    async fn mark_read(&self, cx: &Context, request: MarkReadReq) -> Result<MarkReadResp, Status> {
        self.mark(cx, request).await
    }

    async fn get_receipts(
        &self,
        cx: &Context,
        request: GetReceiptsReq,
    ) -> Result<GetReceiptsResp, Status> {
        self.receipts(cx, request).await
    }

    async fn fetch_for_many(
        &self,
        _cx: &Context,
        request: FetchForManyReq,
    ) -> Result<FetchForManyResp, Status> {
        self.range_for_many(request).await
    }

    async fn advance_for_many(
        &self,
        _cx: &Context,
        request: AdvanceForManyReq,
    ) -> Result<AdvanceForManyResp, Status> {
        self.move_cursors_of_many(request).await
    }

    async fn advance_cursors(
        &self,
        _cx: &Context,
        request: AdvanceCursorsReq,
    ) -> Result<AdvanceCursorsResp, Status> {
        self.move_cursors(request).await
    }

    async fn signal(&self, cx: &Context, request: SignalReq) -> Result<SignalResp, Status> {
        let to = match request.to {
            Some(signal_req::To::ToUser(uid)) => To::User(uid),
            Some(signal_req::To::ToGroup(id)) => To::Group(id),
            None => return Err(Status::invalid_argument("neither to_user nor to_group")),
        };
        let signal = match request.content {
            Some(signal_req::Content::Typing(true)) => Ok(Signal::Typing),
            Some(signal_req::Content::Text(text)) => {
                self.sender.check_text(&text).map(|()| Signal::Text(text))
            }
            _ => return Err(Status::invalid_argument("no content")),
        };
        let users = &self.sender.users;
        let signalled = match signal {
            Ok(signal) => self.signals.signal(cx, users, request.from, to, signal).await,
            Err(refused) => Err(refused),
        };
        Ok(SignalResp { result: signalled.map_or_else(refusal, |()| Ok(ok()))? })
    }

    async fn change_membership(
        &self,
        cx: &Context,
        request: ChangeMembershipReq,
    ) -> Result<ChangeMembershipResp, Status> {
        let ChangeMembershipReq { group_id, user_id, .. } = request;
        if group_id <= 0 || user_id <= 0 {
            return Err(Status::invalid_argument("group_id and user_id are needed"));
        }
        if !(1..=CHANGE_ID_BYTES_MAX).contains(&request.change_id.len()) {
            return Err(Status::invalid_argument("change_id has 1 to 64 bytes"));
        }
        let change = match MembershipChange::try_from(request.change) {
            Ok(MembershipChange::Join) => Content::Joined,
            Ok(MembershipChange::Leave) => Content::Left,
            Err(unknown) => return Err(Status::invalid_argument(unknown.to_string())),
        };
        let hop = walk::hop!("message.send");
        let change =
            self.sender.change_membership(cx, group_id, user_id, change, &request.change_id);
        match change.instrument(hop).await {
            Ok(seq) => Ok(ChangeMembershipResp { result: ok(), seq }),
            // Here it is not the sender who is missing.
            Err(SendError::NotMember) => {
                let result = Some(mpim_proto::Result::invalid("not in group"));
                Ok(ChangeMembershipResp { result, seq: 0 })
            }
            Err(error) => Ok(ChangeMembershipResp { result: refusal(error)?, seq: 0 }),
        }
    }

    async fn set_block(&self, cx: &Context, request: SetBlockReq) -> Result<SetBlockResp, Status> {
        self.block_or_unblock(cx, request).await
    }

    async fn open_device(
        &self,
        _cx: &Context,
        request: OpenDeviceReq,
    ) -> Result<OpenDeviceResp, Status> {
        self.open(request).await
    }

    async fn forget_device(
        &self,
        _cx: &Context,
        request: ForgetDeviceReq,
    ) -> Result<ForgetDeviceResp, Status> {
        self.forget(request).await
    }

    async fn list_blocked(
        &self,
        _cx: &Context,
        request: ListBlockedReq,
    ) -> Result<ListBlockedResp, Status> {
        self.page_of_blocked(request).await
    }
}

impl<T: Timeline + ReadState, U: user_service::Server> MessageService<T, U> {
    async fn send_one(
        &self,
        cx: &Context,
        from: i64,
        to: To,
        draft: Draft,
        wishes: Wishes,
    ) -> Result<SendOutcome, Status> {
        let from = Reader { uid: from, device: String::new() };
        let mut answers = match self.send_walking(cx, &from, to, vec![draft], wishes).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error)],
        };
        match answers.pop() {
            Some(Ok(appended)) => Ok(outcome(appended)),
            Some(Err(error)) => {
                // Only methods of the original are answered from here.
                let result = refusal(error)?.map(mpim_proto::Result::in_the_originals_codes);
                Ok(SendOutcome { result, ..SendOutcome::default() })
            }
            None => Err(Status::internal("no answer to a message")),
        }
    }

    async fn send_walking(
        &self,
        cx: &Context,
        from: &Reader,
        to: To,
        drafts: Vec<Draft>,
        wishes: Wishes,
    ) -> Result<Vec<Result<Appended, SendError>>, SendError> {
        let hop = walk::hop!("message.send");
        async {
            let answers = self.sender.send(cx, from, to, drafts, wishes).await?;
            let msg_ids = answers.iter().flatten().map(|appended| appended.msg_id);
            walk::record(&tracing::Span::current(), msg_ids);
            Ok(answers)
        }
        .instrument(hop)
        .await
    }

    /// What to answer to someone who never saw anything of a conversation. Only then is anybody asked
    /// whether the other of a pair exists.
    async fn why_nothing(
        &self,
        cx: &Context,
        uid: i64,
        conv: ConvId,
    ) -> Result<Option<mpim_proto::Result>, Status> {
        let refused = match conv {
            ConvId::Pair { .. } => match conv.other_of_pair(uid) {
                None => SendError::NotMember,
                // Two who have not written yet: an empty history.
                Some(other) if self.sender.users.exists(cx, other).await? => return Ok(ok()),
                Some(_) => SendError::NoSuchUser,
            },
            ConvId::Group(_) if self.store.exists(conv).await.map_err(unavailable)? => {
                SendError::NotMember
            }
            ConvId::Group(_) => SendError::NoSuchGroup,
        };
        refusal(refused)
    }
}
