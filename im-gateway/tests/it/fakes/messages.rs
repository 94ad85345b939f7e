//! im-message, as far as the gateway asks it.

use mpim_proto::{
    AckReq, AckResp, AdvanceCursorsReq, AdvanceCursorsResp, AdvanceForManyReq, AdvanceForManyResp,
    ChangeMembershipReq, ChangeMembershipResp, Entry, FetchForManyReq, FetchForManyResp,
    FetchRangeReq, FetchRangeResp, ForgetDeviceReq, ForgetDeviceResp, GetPositionsReq,
    GetPositionsResp, GetReceiptsReq, GetReceiptsResp, ListBehindReq, ListBehindResp,
    ListBlockedReq, ListBlockedResp, ListConversationsReq, ListConversationsResp, MarkReadReq,
    MarkReadResp, OpenDeviceReq, OpenDeviceResp, Position, PullOfflineReq, PullOfflineResp,
    SendBatchReq, SendBatchResp, SendGroupReq, SendGroupResp, SendReq, SendResp, SetBlockReq,
    SetBlockResp, Sight, SignalReq, SignalResp, Span, message_service, send_batch_req, signal_req,
};
use mprpc::{Context, Status};

use super::{Asked, Fakes, cursor_key, invalid, ok, original};

impl message_service::Server for Fakes {
    async fn send_batch(&self, _: &Context, req: SendBatchReq) -> Result<SendBatchResp, Status> {
        self.note(Asked::Send {
            from: req.from,
            texts: req.messages.iter().map(|message| message.text.clone()).collect(),
            ids: req.messages.iter().map(|message| message.client_msg_id.clone()).collect(),
            priority: req.priority(),
            receipts: req.receipts,
            repeatable: req.repeatable,
        });
        self.before("send_batch").await?;
        let refused = |msg| SendBatchResp { result: invalid(msg), outcomes: Vec::new() };
        let answer = {
            let mut state = self.state();
            let conv_id = match req.to.unwrap() {
                send_batch_req::To::ToUser(to) => {
                    if usize::try_from(to).unwrap() > state.users.len() {
                        return Ok(refused("no such user"));
                    }
                    format!("c2c_{}_{}", req.from.min(to), req.from.max(to))
                }
                send_batch_req::To::ToGroup(group_id) => format!("grp_{group_id}"),
            };
            if !state.sees(req.from, &conv_id) {
                return Ok(refused("not a member"));
            }
            let send = |message: mpim_proto::Outgoing| {
                state.send((req.from, &req.device), &conv_id, &message.client_msg_id, &message.text)
            };
            SendBatchResp { result: ok(), outcomes: req.messages.into_iter().map(send).collect() }
        };
        self.after("send_batch")?;
        Ok(answer)
    }

    async fn list_behind(&self, _: &Context, req: ListBehindReq) -> Result<ListBehindResp, Status> {
        self.note(Asked::Behind(req.user_id));
        self.before("list_behind").await?;
        let state = self.state();
        let seen = state
            .timelines
            .keys()
            .filter(|conv_id| **conv_id > req.after_conv_id && state.sees(req.user_id, conv_id));
        let positions = seen.map(|conv_id| state.position(req.user_id, &req.device, conv_id));
        let behind = positions.filter(|position| position.cursor < position.head);
        // Small pages, so that there are several.
        let mut positions: Vec<Position> = behind.take(3).collect();
        let more = positions.len() > 2;
        positions.truncate(2);
        Ok(ListBehindResp { result: ok(), positions, more })
    }

    async fn get_positions(
        &self,
        _: &Context,
        req: GetPositionsReq,
    ) -> Result<GetPositionsResp, Status> {
        self.before("get_positions").await?;
        let state = self.state();
        let seen = req.conv_ids.iter().filter(|conv_id| state.sees(req.user_id, conv_id));
        let positions =
            seen.map(|conv_id| state.position(req.user_id, &req.device, conv_id)).collect();
        Ok(GetPositionsResp { result: ok(), positions })
    }

    async fn fetch_range(&self, _: &Context, req: FetchRangeReq) -> Result<FetchRangeResp, Status> {
        let users = vec![req.user_id];
        self.note(Asked::Fetch { conv_id: req.conv_id.clone(), after_seq: req.after_seq, users });
        self.before("fetch_range").await?;
        let state = self.state();
        if !state.sees(req.user_id, &req.conv_id) {
            return Ok(FetchRangeResp {
                result: invalid("not a member"),
                ..FetchRangeResp::default()
            });
        }
        let timeline = state.timelines.get(&req.conv_id).map(Vec::as_slice).unwrap_or_default();
        let head = timeline.len() as i64;
        if req.before_seq > 0 {
            let before = usize::try_from(req.before_seq - 1).unwrap().min(timeline.len());
            let first = before.saturating_sub(usize::try_from(req.limit).unwrap());
            return Ok(FetchRangeResp {
                result: ok(),
                entries: timeline[first..before].to_vec(),
                head,
                complete_from: first as i64 + 1,
                first_seq: 1,
                ..FetchRangeResp::default()
            });
        }
        let after = usize::try_from(req.after_seq).unwrap().min(timeline.len());
        let entries: Vec<Entry> =
            timeline[after..].iter().take(usize::try_from(req.limit).unwrap()).cloned().collect();
        let complete_to = entries.last().map_or(req.after_seq, |entry| entry.seq);
        let result = ok();
        Ok(FetchRangeResp { result, entries, complete_to, head, ..FetchRangeResp::default() })
    }

    async fn list_conversations(
        &self,
        _: &Context,
        req: ListConversationsReq,
    ) -> Result<ListConversationsResp, Status> {
        self.note(Asked::List { user_id: req.user_id });
        self.before("list_conversations").await?;
        let state = self.state();
        let seen = state.timelines.iter().rev().filter(|(conv_id, _)| {
            let after = req.page_token.is_empty() || **conv_id < req.page_token;
            after && state.sees(req.user_id, conv_id)
        });
        let conversation = |(conv_id, timeline): (&String, &Vec<Entry>)| mpim_proto::Conversation {
            conv_id: conv_id.clone(),
            head: timeline.len() as i64,
            read_seq: 1,
            unread: i32::try_from(timeline.len()).unwrap(),
            last: timeline.last().cloned(),
            ..Default::default()
        };
        let mut conversations: Vec<_> = seen.map(conversation).collect();
        // Small pages, so that there are several.
        let whole = conversations.len();
        conversations.truncate(usize::try_from(req.limit).unwrap().min(2));
        let last = conversations.last().filter(|_| conversations.len() < whole);
        let next_page_token = last.map_or(String::new(), |last| last.conv_id.clone());
        Ok(ListConversationsResp { result: ok(), conversations, next_page_token })
    }

    async fn mark_read(&self, _: &Context, req: MarkReadReq) -> Result<MarkReadResp, Status> {
        self.before("mark_read").await?;
        let head = self.state().timelines.get(&req.conv_id).map_or(0, Vec::len) as i64;
        let result = if req.seq > head { invalid("beyond the head") } else { ok() };
        Ok(MarkReadResp { result })
    }

    async fn get_receipts(
        &self,
        _: &Context,
        req: GetReceiptsReq,
    ) -> Result<GetReceiptsResp, Status> {
        let others = [1, 2].into_iter().filter(|user_id| *user_id != req.user_id);
        let receipt = |user_id| mpim_proto::Receipt {
            user_id,
            delivered_seq: 2,
            read_seq: 1,
            ..mpim_proto::Receipt::default()
        };
        let receipts = others.map(receipt).collect();
        Ok(GetReceiptsResp { result: ok(), receipts, more: false })
    }

    async fn fetch_for_many(
        &self,
        _: &Context,
        req: FetchForManyReq,
    ) -> Result<FetchForManyResp, Status> {
        let FetchForManyReq { conv_id, after_seq, limit, user_ids: users } = req;
        self.note(Asked::Fetch { conv_id: conv_id.clone(), after_seq, users: users.clone() });
        self.before("fetch_range").await?;
        let state = self.state();
        let timeline = state.timelines.get(&conv_id).map(Vec::as_slice).unwrap_or_default();
        let gone = state.gone.get(&conv_id).copied().unwrap_or(0);
        let after = usize::try_from(after_seq.max(gone)).unwrap().min(timeline.len());
        let limit = usize::try_from(limit).unwrap();
        let entries: Vec<Entry> = timeline[after..].iter().take(limit).cloned().collect();
        let head = timeline.len() as i64;
        let complete_to = match entries.last() {
            Some(last) => last.seq,
            None => head.max(after_seq),
        };
        let all = vec![Span { from_seq: 1, to_seq: head }];
        let sight = |user_id: i64| match state.sees(user_id, &conv_id) {
            true => {
                let own = state.spans.get(&(user_id, conv_id.clone()));
                Sight { spans: own.unwrap_or(&all).clone(), complete_to, head }
            }
            false => Sight::default(),
        };
        Ok(FetchForManyResp {
            result: ok(),
            sights: users.into_iter().map(sight).collect(),
            entries,
        })
    }

    async fn advance_for_many(
        &self,
        cx: &Context,
        req: AdvanceForManyReq,
    ) -> Result<AdvanceForManyResp, Status> {
        self.note(Asked::AdvanceMany(req.devices.len()));
        for device in req.devices {
            self.advance_cursors(cx, device).await?;
        }
        Ok(AdvanceForManyResp { result: ok() })
    }

    async fn advance_cursors(
        &self,
        _: &Context,
        req: AdvanceCursorsReq,
    ) -> Result<AdvanceCursorsResp, Status> {
        self.before("advance_cursors").await?;
        let mut moves: Vec<(String, i64)> =
            req.moves.into_iter().map(|to| (to.conv_id, to.seq)).collect();
        moves.sort();
        let mut state = self.state();
        for (conv_id, seq) in &moves {
            let cursor =
                state.cursors.entry(cursor_key(req.user_id, &req.device, conv_id)).or_default();
            *cursor = (*cursor).max(*seq);
        }
        state.asked.push(Asked::Advance { user_id: req.user_id, moves });
        Ok(AdvanceCursorsResp { result: ok() })
    }

    async fn send(&self, _: &Context, req: SendReq) -> Result<SendResp, Status> {
        assert_eq!(req.client_msg_id, "", "the original knows no such field");
        let msg_id = original::send(self, req.msg.unwrap()).await;
        self.after("send")?;
        Ok(SendResp { result: ok(), msg_id, seq: 0 })
    }

    async fn send_group(&self, _: &Context, req: SendGroupReq) -> Result<SendGroupResp, Status> {
        let mut state = self.state();
        let msg_id = state.original.as_mut().unwrap().send_group(req.msg.unwrap());
        Ok(SendGroupResp { result: ok(), msg_id, seq: 0 })
    }

    async fn pull_offline(
        &self,
        _: &Context,
        req: PullOfflineReq,
    ) -> Result<PullOfflineResp, Status> {
        self.before("pull_offline").await?;
        Ok(self.state().original.as_mut().unwrap().pull(req.user_id))
    }

    async fn ack(&self, _: &Context, _: AckReq) -> Result<AckResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn signal(&self, _: &Context, req: SignalReq) -> Result<SignalResp, Status> {
        self.note(Asked::Signal(req.clone()));
        self.before("signal").await?;
        let refused = match req.to {
            Some(signal_req::To::ToGroup(group_id)) => {
                !self.state().sees(req.from, &format!("grp_{group_id}"))
            }
            _ => false,
        };
        Ok(SignalResp { result: if refused { invalid("not a member") } else { ok() } })
    }

    async fn change_membership(
        &self,
        _: &Context,
        _: ChangeMembershipReq,
    ) -> Result<ChangeMembershipResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn set_block(&self, _: &Context, req: SetBlockReq) -> Result<SetBlockResp, Status> {
        let block = (req.user_id, req.other_id);
        if req.user_id == req.other_id {
            return Ok(SetBlockResp { result: invalid("bad uid") });
        }
        let mut state = self.state();
        let _changed = match req.blocked {
            true => state.blocks.insert(block),
            false => state.blocks.remove(&block),
        };
        Ok(SetBlockResp { result: ok() })
    }

    async fn open_device(&self, _: &Context, _: OpenDeviceReq) -> Result<OpenDeviceResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn forget_device(
        &self,
        _: &Context,
        _: ForgetDeviceReq,
    ) -> Result<ForgetDeviceResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn list_blocked(
        &self,
        _: &Context,
        req: ListBlockedReq,
    ) -> Result<ListBlockedResp, Status> {
        let state = self.state();
        let theirs = state.blocks.iter().filter(|(by, _)| *by == req.user_id);
        let after = theirs.filter(|(_, whom)| *whom > req.after_user_id);
        let mut user_ids: Vec<i64> = after.map(|(_, whom)| *whom).collect();
        // Small pages, so that there are several.
        let more = user_ids.len() > 2;
        user_ids.truncate(2);
        Ok(ListBlockedResp { result: ok(), user_ids, more })
    }
}
