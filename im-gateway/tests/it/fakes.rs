//! The services behind the gateway: just enough of each, in memory, with everything that is asked
//! noted, and faults on demand.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use mpim_proto::{
    AckReq, AckResp, AddFriendReq, AddFriendResp, AdvanceCursorsReq, AdvanceCursorsResp,
    BindRouteReq, BindRouteResp, ChangeMembershipReq, ChangeMembershipResp, CreateGroupReq,
    CreateGroupResp, DeliveReq, DeliverResp, DispatchReq, DispatchResp, Entry, EntryKind,
    FetchRangeReq, FetchRangeResp, GetFriendsReq, GetFriendsResp, GetGroupInfoReq,
    GetGroupInfoResp, GetGroupMembersReq, GetGroupMembersResp, GetPositionsReq, GetPositionsResp,
    GetUserGroupsReq, GetUserGroupsResp, GetUsersReq, GetUsersResp, JoinGroupReq, JoinGroupResp,
    LeaveGroupReq, LeaveGroupResp, ListBehindReq, ListBehindResp, LoginReq, LoginResp, LogoutReq,
    LogoutResp, Position, PullOfflineReq, PullOfflineResp, QueryRouteReq, QueryRouteResp,
    RegisterReq, RegisterResp, RemoveFriendReq, RemoveFriendResp, RenewRoutesReq, RenewRoutesResp,
    SendBatchReq, SendBatchResp, SendGroupReq, SendGroupResp, SendOutcome, SendReq, SendResp,
    UnbindRouteReq, UnbindRouteResp, VerifyTokenReq, VerifyTokenResp, group_service,
    message_service, presence_service, send_batch_req, user_service,
};
use mprpc::{Context, Status};
use tokio::sync::Semaphore;

/// What was asked, in short, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    Login(String),
    Revoke(String),
    Bind {
        user_id: i64,
        session_id: String,
    },
    Unbind {
        user_id: i64,
        session_id: String,
    },
    Behind(i64),
    Fetch {
        conv_id: String,
        after_seq: i64,
    },
    Send {
        from: i64,
        texts: Vec<String>,
        ids: Vec<String>,
    },
    Advance {
        user_id: i64,
        moves: Vec<(String, i64)>,
    },
}

/// What an operation does instead of its work.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Fails with this, so many times.
    Fails(usize, Status),
    /// Waits for a permit of this, each time.
    Waits(Arc<Semaphore>),
    /// Does its work, and then the answer is lost, so many times.
    Mute(usize, Status),
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) asked: Vec<Asked>,
    pub(crate) faults: HashMap<&'static str, Fault>,
    /// By user id: name and password.
    users: Vec<(String, String)>,
    friends: BTreeSet<(i64, i64)>,
    groups: BTreeMap<i64, BTreeSet<i64>>,
    pub(crate) timelines: BTreeMap<String, Vec<Entry>>,
    sent: HashMap<(String, i64, String), i64>,
    pub(crate) cursors: HashMap<(i64, String), i64>,
    /// `(user, session)` that are bound.
    pub(crate) routes: HashMap<i64, BindRouteReq>,
    pub(crate) presence_boot_id: String,
    pub(crate) last_push: u64,
    pub(crate) renewals: usize,
}

/// All four services. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fakes(Arc<Mutex<State>>);

fn ok() -> Option<mpim_proto::Result> {
    Some(mpim_proto::Result::ok())
}

fn invalid(msg: &str) -> Option<mpim_proto::Result> {
    Some(mpim_proto::Result::invalid(msg))
}

impl State {
    pub(crate) fn append(
        &mut self,
        conv_id: &str,
        from: i64,
        kind: EntryKind,
        text: &str,
    ) -> Entry {
        let msg_id = 1 + self.timelines.values().map(Vec::len).sum::<usize>() as i64;
        let timeline = self.timelines.entry(conv_id.to_owned()).or_default();
        let entry = Entry {
            conv_id: conv_id.to_owned(),
            seq: timeline.len() as i64 + 1,
            msg_id,
            from,
            ts_ms: 1_000,
            kind: kind.into(),
            text: text.to_owned(),
        };
        timeline.push(entry.clone());
        entry
    }

    pub(crate) fn join(&mut self, group_id: i64, user_id: i64) {
        self.groups.get_mut(&group_id).unwrap().insert(user_id);
    }

    fn sees(&self, user_id: i64, conv_id: &str) -> bool {
        match conv_id.split('_').collect::<Vec<_>>()[..] {
            ["c2c", a, b] => [a, b].contains(&user_id.to_string().as_str()),
            ["grp", id] => self
                .groups
                .get(&id.parse().unwrap())
                .is_some_and(|group| group.contains(&user_id)),
            _ => false,
        }
    }

    fn position(&self, user_id: i64, conv_id: &str) -> Position {
        let cursor = self
            .cursors
            .get(&(user_id, conv_id.to_owned()))
            .copied()
            .unwrap_or(0);
        let head = self.timelines.get(conv_id).map_or(0, Vec::len) as i64;
        Position {
            conv_id: conv_id.to_owned(),
            cursor,
            head,
        }
    }

    fn send(&mut self, from: i64, conv_id: &str, id: &str, text: &str) -> SendOutcome {
        let key = (conv_id.to_owned(), from, id.to_owned());
        if let Some(seq) = self.sent.get(&key) {
            let entry = &self.timelines[conv_id][usize::try_from(seq - 1).unwrap()];
            let result = if entry.text == text {
                ok()
            } else {
                invalid("conflict")
            };
            return SendOutcome {
                result,
                msg_id: entry.msg_id,
                seq: *seq,
            };
        }
        let entry = self.append(conv_id, from, EntryKind::Text, text);
        self.sent.insert(key, entry.seq);
        SendOutcome {
            result: ok(),
            msg_id: entry.msg_id,
            seq: entry.seq,
        }
    }
}

impl Fakes {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn fault(&self, operation: &'static str, fault: Fault) {
        self.state().faults.insert(operation, fault);
    }

    pub(crate) fn heal(&self) {
        self.state().faults.clear();
    }

    fn note(&self, asked: Asked) {
        self.state().asked.push(asked);
    }

    /// The faults of an operation that happen before its work.
    async fn before(&self, operation: &'static str) -> Result<(), Status> {
        let gate = match self.state().faults.get_mut(operation) {
            Some(Fault::Fails(times, status)) if *times > 0 => {
                *times -= 1;
                return Err(status.clone());
            }
            Some(Fault::Waits(gate)) => Arc::clone(gate),
            _ => return Ok(()),
        };
        gate.acquire().await.unwrap().forget();
        Ok(())
    }

    /// Those that happen after it.
    fn after(&self, operation: &'static str) -> Result<(), Status> {
        match self.state().faults.get_mut(operation) {
            Some(Fault::Mute(times, status)) if *times > 0 => {
                *times -= 1;
                Err(status.clone())
            }
            _ => Ok(()),
        }
    }
}

impl user_service::Server for Fakes {
    async fn login(&self, _: &Context, req: LoginReq) -> Result<LoginResp, Status> {
        let name = String::from_utf8(req.username.to_vec()).unwrap();
        let password = String::from_utf8(req.password.to_vec()).unwrap();
        self.note(Asked::Login(name.clone()));
        self.before("login").await?;
        let state = self.state();
        let found = state
            .users
            .iter()
            .position(|user| *user == (name.clone(), password.clone()));
        Ok(match found {
            Some(index) => LoginResp {
                result: ok(),
                user_id: index as i64 + 1,
                token: format!("token-{name}"),
            },
            None => LoginResp {
                result: invalid("bad cred"),
                ..LoginResp::default()
            },
        })
    }

    async fn register(&self, _: &Context, req: RegisterReq) -> Result<RegisterResp, Status> {
        self.before("register").await?;
        let name = String::from_utf8(req.username.to_vec()).unwrap();
        let password = String::from_utf8(req.password.to_vec()).unwrap();
        let mut state = self.state();
        if state.users.iter().any(|(other, _)| *other == name) {
            return Ok(RegisterResp {
                result: invalid("exists"),
                ..RegisterResp::default()
            });
        }
        let token = format!("token-{name}");
        state.users.push((name, password));
        let user_id = state.users.len() as i64;
        Ok(RegisterResp {
            result: ok(),
            user_id,
            token,
        })
    }

    async fn logout(&self, _: &Context, req: LogoutReq) -> Result<LogoutResp, Status> {
        self.before("logout").await?;
        self.note(Asked::Revoke(req.token));
        Ok(LogoutResp { result: ok() })
    }

    async fn verify_token(
        &self,
        _: &Context,
        _: VerifyTokenReq,
    ) -> Result<VerifyTokenResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn add_friend(&self, _: &Context, req: AddFriendReq) -> Result<AddFriendResp, Status> {
        self.before("add_friend").await?;
        let mut state = self.state();
        let known = usize::try_from(req.friend_id).unwrap() <= state.users.len();
        let result = if !known {
            Some(mpim_proto::Result::not_found("friend not found"))
        } else if state.friends.insert((req.user_id, req.friend_id)) {
            Some(mpim_proto::Result::ok_saying("friend added"))
        } else {
            invalid("already friends")
        };
        Ok(AddFriendResp { result })
    }

    async fn get_friends(&self, _: &Context, req: GetFriendsReq) -> Result<GetFriendsResp, Status> {
        let state = self.state();
        let friends = state
            .friends
            .iter()
            .filter(|(user_id, _)| *user_id == req.user_id);
        Ok(GetFriendsResp {
            result: ok(),
            friend_ids: friends.map(|(_, friend)| *friend).collect(),
        })
    }

    async fn remove_friend(
        &self,
        _: &Context,
        req: RemoveFriendReq,
    ) -> Result<RemoveFriendResp, Status> {
        let removed = self.state().friends.remove(&(req.user_id, req.friend_id));
        let result = if removed {
            ok()
        } else {
            Some(mpim_proto::Result::not_found("friend not found"))
        };
        Ok(RemoveFriendResp { result })
    }

    async fn get_users(&self, _: &Context, _: GetUsersReq) -> Result<GetUsersResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }
}

impl group_service::Server for Fakes {
    async fn create_group(
        &self,
        _: &Context,
        req: CreateGroupReq,
    ) -> Result<CreateGroupResp, Status> {
        let mut state = self.state();
        let group_id = state.groups.len() as i64 + 1;
        state
            .groups
            .insert(group_id, BTreeSet::from([req.creator_id]));
        Ok(CreateGroupResp {
            result: ok(),
            group_id,
        })
    }

    async fn join_group(&self, _: &Context, req: JoinGroupReq) -> Result<JoinGroupResp, Status> {
        let mut state = self.state();
        let result = match state.groups.get_mut(&req.group_id) {
            None => Some(mpim_proto::Result::not_found("group not found")),
            Some(members) => {
                if members.insert(req.user_id) {
                    ok()
                } else {
                    invalid("already in group")
                }
            }
        };
        Ok(JoinGroupResp { result })
    }

    async fn leave_group(&self, _: &Context, req: LeaveGroupReq) -> Result<LeaveGroupResp, Status> {
        let mut state = self.state();
        let members = state.groups.get_mut(&req.group_id);
        let left = members.is_some_and(|members| members.remove(&req.user_id));
        Ok(LeaveGroupResp {
            result: if left { ok() } else { invalid("not in group") },
        })
    }

    async fn get_group_members(
        &self,
        _: &Context,
        req: GetGroupMembersReq,
    ) -> Result<GetGroupMembersResp, Status> {
        let state = self.state();
        Ok(match state.groups.get(&req.group_id) {
            Some(members) => GetGroupMembersResp {
                result: ok(),
                member_ids: members.iter().copied().collect(),
                ..GetGroupMembersResp::default()
            },
            None => GetGroupMembersResp {
                result: Some(mpim_proto::Result::not_found("group not found")),
                ..GetGroupMembersResp::default()
            },
        })
    }

    async fn get_user_groups(
        &self,
        _: &Context,
        req: GetUserGroupsReq,
    ) -> Result<GetUserGroupsResp, Status> {
        let state = self.state();
        let groups = state
            .groups
            .iter()
            .filter(|(_, members)| members.contains(&req.user_id));
        Ok(GetUserGroupsResp {
            result: ok(),
            group_ids: groups.map(|(id, _)| *id).collect(),
        })
    }

    async fn get_group_info(
        &self,
        _: &Context,
        _: GetGroupInfoReq,
    ) -> Result<GetGroupInfoResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }
}

impl message_service::Server for Fakes {
    async fn send_batch(&self, _: &Context, req: SendBatchReq) -> Result<SendBatchResp, Status> {
        self.note(Asked::Send {
            from: req.from,
            texts: req
                .messages
                .iter()
                .map(|message| message.text.clone())
                .collect(),
            ids: req
                .messages
                .iter()
                .map(|message| message.client_msg_id.clone())
                .collect(),
        });
        self.before("send_batch").await?;
        let refused = |msg| SendBatchResp {
            result: invalid(msg),
            outcomes: Vec::new(),
        };
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
                state.send(req.from, &conv_id, &message.client_msg_id, &message.text)
            };
            SendBatchResp {
                result: ok(),
                outcomes: req.messages.into_iter().map(send).collect(),
            }
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
        let positions = seen.map(|conv_id| state.position(req.user_id, conv_id));
        let behind = positions.filter(|position| position.cursor < position.head);
        // Small pages, so that there are several.
        let mut positions: Vec<Position> = behind.take(3).collect();
        let more = positions.len() > 2;
        positions.truncate(2);
        Ok(ListBehindResp {
            result: ok(),
            positions,
            more,
        })
    }

    async fn get_positions(
        &self,
        _: &Context,
        req: GetPositionsReq,
    ) -> Result<GetPositionsResp, Status> {
        self.before("get_positions").await?;
        let state = self.state();
        let seen = req
            .conv_ids
            .iter()
            .filter(|conv_id| state.sees(req.user_id, conv_id));
        let positions = seen
            .map(|conv_id| state.position(req.user_id, conv_id))
            .collect();
        Ok(GetPositionsResp {
            result: ok(),
            positions,
        })
    }

    async fn fetch_range(&self, _: &Context, req: FetchRangeReq) -> Result<FetchRangeResp, Status> {
        self.note(Asked::Fetch {
            conv_id: req.conv_id.clone(),
            after_seq: req.after_seq,
        });
        self.before("fetch_range").await?;
        let state = self.state();
        if !state.sees(req.user_id, &req.conv_id) {
            return Ok(FetchRangeResp {
                result: invalid("not a member"),
                ..FetchRangeResp::default()
            });
        }
        let timeline = state
            .timelines
            .get(&req.conv_id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let after = usize::try_from(req.after_seq).unwrap().min(timeline.len());
        let entries: Vec<Entry> = timeline[after..]
            .iter()
            .take(usize::try_from(req.limit).unwrap())
            .cloned()
            .collect();
        let complete_to = entries.last().map_or(req.after_seq, |entry| entry.seq);
        let head = timeline.len() as i64;
        Ok(FetchRangeResp {
            result: ok(),
            entries,
            complete_to,
            head,
        })
    }

    async fn advance_cursors(
        &self,
        _: &Context,
        req: AdvanceCursorsReq,
    ) -> Result<AdvanceCursorsResp, Status> {
        self.before("advance_cursors").await?;
        let mut moves: Vec<(String, i64)> = req
            .moves
            .into_iter()
            .map(|to| (to.conv_id, to.seq))
            .collect();
        moves.sort();
        let mut state = self.state();
        for (conv_id, seq) in &moves {
            let cursor = state
                .cursors
                .entry((req.user_id, conv_id.clone()))
                .or_default();
            *cursor = (*cursor).max(*seq);
        }
        state.asked.push(Asked::Advance {
            user_id: req.user_id,
            moves,
        });
        Ok(AdvanceCursorsResp { result: ok() })
    }

    async fn send(&self, _: &Context, _: SendReq) -> Result<SendResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn send_group(&self, _: &Context, _: SendGroupReq) -> Result<SendGroupResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn pull_offline(
        &self,
        _: &Context,
        _: PullOfflineReq,
    ) -> Result<PullOfflineResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn ack(&self, _: &Context, _: AckReq) -> Result<AckResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn change_membership(
        &self,
        _: &Context,
        _: ChangeMembershipReq,
    ) -> Result<ChangeMembershipResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }
}

impl presence_service::Server for Fakes {
    async fn bind_route(&self, _: &Context, req: BindRouteReq) -> Result<BindRouteResp, Status> {
        self.note(Asked::Bind {
            user_id: req.user_id,
            session_id: req.session_id.clone(),
        });
        self.before("bind_route").await?;
        self.state().routes.insert(req.user_id, req);
        Ok(BindRouteResp { result: ok() })
    }

    async fn unbind_route(
        &self,
        _: &Context,
        req: UnbindRouteReq,
    ) -> Result<UnbindRouteResp, Status> {
        let mut state = self.state();
        let (user_id, session_id) = (req.user_id, req.session_id);
        if state
            .routes
            .get(&user_id)
            .is_some_and(|route| route.session_id == session_id)
        {
            state.routes.remove(&user_id);
        }
        state.asked.push(Asked::Unbind {
            user_id,
            session_id,
        });
        Ok(UnbindRouteResp { result: ok() })
    }

    async fn renew_routes(
        &self,
        _: &Context,
        req: RenewRoutesReq,
    ) -> Result<RenewRoutesResp, Status> {
        self.before("renew_routes").await?;
        let mut state = self.state();
        state.renewals += 1;
        let missing = req.routes.into_iter().filter(|key| {
            state
                .routes
                .get(&key.user_id)
                .is_none_or(|route| route.session_id != key.session_id)
        });
        Ok(RenewRoutesResp {
            result: ok(),
            missing: missing.collect(),
            boot_id: state.presence_boot_id.clone(),
            last_push: state.last_push,
        })
    }

    async fn query_route(&self, _: &Context, _: QueryRouteReq) -> Result<QueryRouteResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn deliver(&self, _: &Context, _: DeliveReq) -> Result<DeliverResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }

    async fn dispatch(&self, _: &Context, _: DispatchReq) -> Result<DispatchResp, Status> {
        Err(Status::unimplemented("not asked by the gateway"))
    }
}
