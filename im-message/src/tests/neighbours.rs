//! im-user and im-presence, as a test wants them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpim_proto::*;
use mprpc::{Context, Status};
use tokio::sync::{Notify, Semaphore};

type Answer<T> = std::result::Result<T, Status>;

/// An im-user that knows some ids.
#[derive(Clone)]
pub(crate) struct Users(Arc<UsersState>);

struct UsersState {
    existing: Mutex<HashSet<i64>>,
    down: AtomicBool,
    asked: AtomicUsize,
}

impl Users {
    pub(crate) fn new(existing: impl IntoIterator<Item = i64>) -> Self {
        Self(Arc::new(UsersState {
            existing: Mutex::new(existing.into_iter().collect()),
            down: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
        }))
    }

    pub(super) fn register_id(&self, uid: i64) {
        self.0.existing.lock().unwrap().insert(uid);
    }

    pub(super) fn set_down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }
}

impl user_service::Server for Users {
    async fn get_users(&self, _cx: &Context, request: GetUsersReq) -> Answer<GetUsersResp> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if self.0.down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("down"));
        }
        let existing = self.0.existing.lock().unwrap();
        let users = request.user_ids.into_iter().filter(|uid| existing.contains(uid));
        let users = users.map(|user_id| User { user_id, username: String::new() }).collect();
        Ok(GetUsersResp { result: Some(mpim_proto::Result::ok()), users })
    }

    async fn login(&self, _cx: &Context, _request: LoginReq) -> Answer<LoginResp> {
        unreachable!("im-message does not log in")
    }

    async fn register(&self, _cx: &Context, _request: RegisterReq) -> Answer<RegisterResp> {
        unreachable!("im-message does not register")
    }

    async fn logout(&self, _cx: &Context, _request: LogoutReq) -> Answer<LogoutResp> {
        unreachable!("im-message does not log out")
    }

    async fn verify_token(
        &self,
        _cx: &Context,
        _request: VerifyTokenReq,
    ) -> Answer<VerifyTokenResp> {
        unreachable!("im-message sees no tokens")
    }

    async fn add_friend(&self, _cx: &Context, _request: AddFriendReq) -> Answer<AddFriendResp> {
        unreachable!("im-message has no friends")
    }

    async fn get_friends(&self, _cx: &Context, _request: GetFriendsReq) -> Answer<GetFriendsResp> {
        unreachable!("im-message has no friends")
    }

    async fn remove_friend(
        &self,
        _cx: &Context,
        _request: RemoveFriendReq,
    ) -> Answer<RemoveFriendResp> {
        unreachable!("im-message has no friends")
    }
}

/// An im-presence that keeps what it is told.
pub(super) struct Presence {
    taken: Mutex<Vec<DispatchReq>>,
    changed: Notify,
    /// Why the next dispatches are not taken.
    refusal: Mutex<Option<Status>>,
    refused: AtomicUsize,
    asked: AtomicUsize,
    /// One permit lets one dispatch through; many at first.
    gate: Semaphore,
}

impl Presence {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::default(),
            changed: Notify::new(),
            refusal: Mutex::default(),
            refused: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            gate: Semaphore::new(1_000_000),
        })
    }

    /// Makes it answer `status` from now on, or work again.
    pub(super) fn refuse(&self, status: Option<Status>) {
        *self.refusal.lock().unwrap() = status;
    }

    /// Lets no dispatch through any more, but for those that are allowed.
    pub(super) fn close_gate(&self) {
        self.gate.forget_permits(usize::MAX);
    }

    pub(super) fn allow(&self, dispatches: usize) {
        self.gate.add_permits(dispatches);
    }

    /// What it took so far.
    pub(super) fn taken(&self) -> Vec<DispatchReq> {
        self.taken.lock().unwrap().clone()
    }

    /// Everything that was delivered, in order, as `conversation seq recipients`.
    pub(super) fn delivered(&self) -> Vec<(String, i64, Vec<i64>)> {
        let deliveries = self.taken().into_iter().flat_map(|dispatch| dispatch.deliveries);
        deliveries
            .map(|delivery| {
                let entry = delivery.entry.unwrap();
                let mut recipients = delivery.recipients;
                recipients.sort_unstable();
                (entry.conv_id, entry.seq, recipients)
            })
            .collect()
    }

    /// Waits until what it took, or refused, is as wanted.
    pub(super) async fn until(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !wanted(self) {
                self.changed.notified().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        assert!(waited.is_ok(), "waited for {what}, but got {:?}", self.taken());
    }

    /// How many dispatches came, taken or not.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

impl presence_service::Server for Presence {
    async fn dispatch(&self, _cx: &Context, request: DispatchReq) -> Answer<DispatchResp> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_one();
        self.gate.acquire().await.unwrap().forget();
        let refusal = self.refusal.lock().unwrap().clone();
        match refusal {
            Some(status) => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                self.changed.notify_one();
                Err(status)
            }
            None => {
                self.taken.lock().unwrap().push(request);
                self.changed.notify_one();
                Ok(DispatchResp { result: Some(mpim_proto::Result::ok()) })
            }
        }
    }

    async fn bind_route(&self, _cx: &Context, _request: BindRouteReq) -> Answer<BindRouteResp> {
        unreachable!("im-message binds no routes")
    }

    async fn query_route(&self, _cx: &Context, _request: QueryRouteReq) -> Answer<QueryRouteResp> {
        unreachable!("im-message asks for no routes")
    }

    async fn deliver(&self, _cx: &Context, _request: DeliveReq) -> Answer<DeliveResp> {
        unreachable!("im-message dispatches")
    }

    async fn unbind_route(
        &self,
        _cx: &Context,
        _request: UnbindRouteReq,
    ) -> Answer<UnbindRouteResp> {
        unreachable!("im-message binds no routes")
    }

    async fn renew_routes(
        &self,
        _cx: &Context,
        _request: RenewRoutesReq,
    ) -> Answer<RenewRoutesResp> {
        unreachable!("im-message binds no routes")
    }
}
