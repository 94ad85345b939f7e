//! im-user and im-presence, as a test wants them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpim_proto::*;
use mprpc::{Context, Status};
use tokio::sync::{Notify, Semaphore, watch};

type Answer<T> = std::result::Result<T, Status>;

/// An im-user that knows some ids.
#[derive(Clone)]
pub(crate) struct Users(Arc<UsersState>);

struct UsersState {
    existing: Mutex<HashSet<i64>>,
    down: AtomicBool,
    original: AtomicBool,
    asked: AtomicUsize,
    /// Nobody is answered while it is closed.
    gate: watch::Sender<bool>,
    was_asked: Notify,
}

impl Users {
    pub(crate) fn new(existing: impl IntoIterator<Item = i64>) -> Self {
        Self(Arc::new(UsersState {
            existing: Mutex::new(existing.into_iter().collect()),
            down: AtomicBool::new(false),
            original: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            gate: watch::Sender::new(true),
            was_asked: Notify::new(),
        }))
    }

    pub(crate) fn register_id(&self, uid: i64) {
        self.0.existing.lock().unwrap().insert(uid);
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
    }

    /// Makes it one of the original system, which tells nobody who exists.
    pub(super) fn become_original(&self) {
        self.0.original.store(true, Ordering::SeqCst);
    }

    /// It answers nobody.
    pub(crate) fn close_gate(&self) {
        self.0.gate.send_replace(false);
    }

    /// It answers everybody.
    pub(crate) fn open_gate(&self) {
        self.0.gate.send_replace(true);
    }

    /// Waits until it was asked so often.
    pub(crate) async fn until_asked(&self, times: usize) {
        let enough = async {
            while self.asked() < times {
                self.0.was_asked.notified().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), enough).await;
        assert!(waited.is_ok(), "asked {} times, not {times}", self.asked());
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }
}

impl user_service::Server for Users {
    async fn get_users(&self, _cx: &Context, request: GetUsersReq) -> Answer<GetUsersResp> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        self.0.was_asked.notify_one();
        let _ = self.0.gate.subscribe().wait_for(|open| *open).await;
        if self.0.original.load(Ordering::SeqCst) {
            return Err(Status::unimplemented("no such method"));
        }
        if self.0.down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("down"));
        }
        let existing = self.0.existing.lock().unwrap();
        let users = request.user_ids.into_iter().filter(|uid| existing.contains(uid));
        let users = users.map(|user_id| User { user_id, username: String::new() }).collect();
        Ok(GetUsersResp { result: Some(mpim_proto::Result::ok()), users })
    }

    async fn login(&self, _: &Context, _: LoginReq) -> Answer<LoginResp> {
        unreachable!("im-message does not log in")
    }

    async fn register(&self, _: &Context, _: RegisterReq) -> Answer<RegisterResp> {
        unreachable!("im-message does not register")
    }

    async fn refresh(&self, _: &Context, _: RefreshReq) -> Answer<RefreshResp> {
        unreachable!("im-message sees no tokens")
    }

    async fn change_password(
        &self,
        _: &Context,
        _: ChangePasswordReq,
    ) -> Answer<ChangePasswordResp> {
        unreachable!("im-message sees no passwords")
    }

    async fn create_bot(&self, _: &Context, _: CreateBotReq) -> Answer<CreateBotResp> {
        unreachable!("im-message makes no accounts")
    }

    async fn create_api_key(&self, _: &Context, _: CreateApiKeyReq) -> Answer<CreateApiKeyResp> {
        unreachable!("im-message sees no keys")
    }

    async fn list_api_keys(&self, _: &Context, _: ListApiKeysReq) -> Answer<ListApiKeysResp> {
        unreachable!("im-message sees no keys")
    }

    async fn revoke_api_key(&self, _: &Context, _: RevokeApiKeyReq) -> Answer<RevokeApiKeyResp> {
        unreachable!("im-message sees no keys")
    }

    async fn set_role(&self, _: &Context, _: SetRoleReq) -> Answer<SetRoleResp> {
        unreachable!("im-message gives no roles")
    }

    async fn set_disabled(&self, _: &Context, _: SetDisabledReq) -> Answer<SetDisabledResp> {
        unreachable!("im-message disables nobody")
    }

    async fn logout(&self, _: &Context, _: LogoutReq) -> Answer<LogoutResp> {
        unreachable!("im-message does not log out")
    }

    async fn verify_token(&self, _: &Context, _: VerifyTokenReq) -> Answer<VerifyTokenResp> {
        unreachable!("im-message sees no tokens")
    }

    async fn list_devices(&self, _: &Context, _: ListDevicesReq) -> Answer<ListDevicesResp> {
        unreachable!("im-message is told of devices")
    }

    async fn revoke_device(&self, _: &Context, _: RevokeDeviceReq) -> Answer<RevokeDeviceResp> {
        unreachable!("im-message is told of devices")
    }

    async fn add_friend(&self, _: &Context, _: AddFriendReq) -> Answer<AddFriendResp> {
        unreachable!("im-message has no friends")
    }

    async fn get_friends(&self, _: &Context, _: GetFriendsReq) -> Answer<GetFriendsResp> {
        unreachable!("im-message has no friends")
    }

    async fn remove_friend(&self, _: &Context, _: RemoveFriendReq) -> Answer<RemoveFriendResp> {
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
    /// What it was told and nobody keeps.
    events: Mutex<Vec<EventDelivery>>,
    /// The same for events as `gate` for dispatches.
    events_gate: Semaphore,
    /// Users at gateways of the original system.
    at_original: Mutex<HashSet<i64>>,
    /// It is the original's itself: it knows no dispatch, and what came to it one by one is here.
    delivered_one_by_one: Mutex<Option<Vec<C2cMsg>>>,
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
            events: Mutex::default(),
            events_gate: Semaphore::new(1_000_000),
            at_original: Mutex::default(),
            delivered_one_by_one: Mutex::default(),
        })
    }

    /// Lets these users be at gateways of the original system.
    pub(super) fn put_at_original(&self, users: &[i64]) {
        *self.at_original.lock().unwrap() = users.iter().copied().collect();
    }

    /// Makes it one of the original system.
    pub(super) fn become_original(&self) {
        *self.delivered_one_by_one.lock().unwrap() = Some(Vec::new());
    }

    /// What it was asked to deliver since it became one of the original system.
    pub(super) fn delivered_one_by_one(&self) -> Vec<C2cMsg> {
        self.delivered_one_by_one.lock().unwrap().clone().unwrap_or_default()
    }

    fn published(&self, request: &DispatchReq) -> Vec<Published> {
        let at_original = self.at_original.lock().unwrap();
        let all = request.deliveries.iter().flat_map(|delivery| {
            let entry = delivery.entry.clone().unwrap();
            delivery.recipients.iter().map(move |user_id| (*user_id, entry.clone()))
        });
        all.filter(|(user_id, entry)| at_original.contains(user_id) && entry.from != *user_id)
            .map(|(user_id, entry)| Published { user_id, conv_id: entry.conv_id, seq: entry.seq })
            .collect()
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

    /// Takes no more events.
    pub(super) fn close_events_gate(&self) {
        self.events_gate.forget_permits(usize::MAX);
    }

    pub(super) fn events(&self) -> Vec<EventDelivery> {
        self.events.lock().unwrap().clone()
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
        if self.delivered_one_by_one.lock().unwrap().is_some() {
            return Err(Status::unimplemented("no such method"));
        }
        self.gate.acquire().await.unwrap().forget();
        let refusal = self.refusal.lock().unwrap().clone();
        match refusal {
            Some(status) => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                self.changed.notify_one();
                Err(status)
            }
            None => {
                let published = self.published(&request);
                self.taken.lock().unwrap().push(request);
                self.changed.notify_one();
                Ok(DispatchResp { result: Some(mpim_proto::Result::ok()), published })
            }
        }
    }

    async fn dispatch_events(
        &self,
        _cx: &Context,
        request: DispatchEventsReq,
    ) -> Answer<DispatchEventsResp> {
        self.events_gate.acquire().await.unwrap().forget();
        self.events.lock().unwrap().extend(request.events);
        self.changed.notify_one();
        Ok(DispatchEventsResp { result: Some(mpim_proto::Result::ok()) })
    }

    async fn status_changed(
        &self,
        _cx: &Context,
        _request: StatusChangedReq,
    ) -> Answer<StatusChangedResp> {
        unreachable!("im-message knows of no status")
    }

    async fn get_presence(
        &self,
        _cx: &Context,
        _request: GetPresenceReq,
    ) -> Answer<GetPresenceResp> {
        unreachable!("im-message knows of no status")
    }

    async fn bind_route(&self, _cx: &Context, _request: BindRouteReq) -> Answer<BindRouteResp> {
        unreachable!("im-message binds no routes")
    }

    async fn close_device(&self, _: &Context, _: CloseDeviceReq) -> Answer<CloseSessionsResp> {
        unreachable!("im-message closes no sessions")
    }

    async fn close_log_ins(&self, _: &Context, _: CloseEndedReq) -> Answer<CloseSessionsResp> {
        unreachable!("im-message closes no sessions")
    }

    async fn query_devices(&self, _: &Context, _: QueryDevicesReq) -> Answer<QueryDevicesResp> {
        unreachable!("im-message asks for no devices")
    }

    async fn query_route(&self, _cx: &Context, _request: QueryRouteReq) -> Answer<QueryRouteResp> {
        unreachable!("im-message asks for no routes")
    }

    async fn deliver(&self, _cx: &Context, request: DeliveReq) -> Answer<DeliveResp> {
        let refusal = self.refusal.lock().unwrap().clone();
        if let Some(status) = refusal {
            return Err(status);
        }
        let msg = <C2cMsg as prost::Message>::decode(request.payload).unwrap();
        assert_eq!(msg.to, request.to);
        let result = if self.at_original.lock().unwrap().contains(&request.to) {
            mpim_proto::Result::ok()
        } else {
            mpim_proto::Result::not_found("receiver offline")
        };
        self.delivered_one_by_one.lock().unwrap().get_or_insert_default().push(msg);
        self.changed.notify_one();
        Ok(DeliveResp { result: Some(result) })
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
