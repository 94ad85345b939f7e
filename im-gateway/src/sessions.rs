//! Who is logged in on this gateway.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use im_common::InUse;
use im_wire::Status;
use mpim_proto::{EndedLogIns, Role, RouteKey};
use tokio_util::sync::CancellationToken;

use crate::held::{Held, is_over};
use crate::mailbox::Mailbox;
use crate::metrics::METRICS;

const SHARDS: usize = 64;

/// A session as others see it.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) user_id: i64,
    /// The name of the user's device that it is.
    pub(crate) device: String,
    /// Which device of that name it is, as im-user counts them; 0 if it does not.
    pub(crate) generation: i64,
    /// The log-in that it is of, if im-user has said which.
    pub(crate) held: Option<Held>,
    /// Unique within this boot of the gateway.
    pub(crate) session_id: String,
    pub(crate) mailbox: Mailbox,
    /// Its route was bound, so it is to be renewed.
    bound: AtomicBool,
    /// What the session says of its user.
    status: Mutex<Status>,
    /// When it began, as im-presence has told; 0 before.
    since_ms: AtomicI64,
    /// Its client ends the log-in and waits for the answer.
    logging_out: AtomicBool,
    /// Cancelled once im-message has its cursors, or it gave up trying.
    handed_over: CancellationToken,
}

/// Who a session is, from the moment on at which it is added.
#[derive(Debug)]
pub(crate) struct Who {
    pub(crate) user_id: i64,
    /// As in [`Handle`].
    pub(crate) device: String,
    pub(crate) generation: i64,
    pub(crate) held: Option<Held>,
}

impl Handle {
    pub(crate) fn set_bound(&self, since_ms: i64) {
        self.since_ms.store(since_ms, Ordering::Release);
        self.bound.store(true, Ordering::Release);
    }

    pub(crate) fn since_ms(&self) -> i64 {
        self.since_ms.load(Ordering::Acquire)
    }

    /// From now on the session says this of its user.
    pub(crate) fn set_status(&self, status: Status) {
        *lock(&self.status) = status;
    }

    /// Whether the client itself ends the log-in just now: that is answered before anything is closed.
    pub(crate) fn set_logging_out(&self, logging_out: bool) {
        self.logging_out.store(logging_out, Ordering::Release);
    }

    /// Waits until the session's cursors are handed over. Cancel safe.
    pub(crate) async fn handed_over(&self) {
        self.handed_over.cancelled().await;
    }

    /// What its user was when it began.
    pub(crate) fn role(&self) -> Role {
        self.held.map_or(Role::User, |held| held.role)
    }

    pub(crate) fn key(&self) -> RouteKey {
        RouteKey {
            user_id: self.user_id,
            device: self.device.clone(),
            session_id: self.session_id.clone(),
        }
    }
}

/// The sessions, by user for pushes and by id for everything else.
#[derive(Debug)]
pub(crate) struct Sessions {
    by_user: Vec<Mutex<HashMap<i64, Vec<Arc<Handle>>>>>,
    by_id: Mutex<HashMap<String, Arc<Handle>>>,
    next_id: AtomicU64,
    hasher: foldhash::fast::RandomState,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self {
            by_user: (0..SHARDS).map(|_| Mutex::default()).collect(),
            by_id: Mutex::default(),
            next_id: AtomicU64::new(1),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// Adds a session. From here on it gets pushes: they must find it before its route is bound.
    pub(crate) fn add(self: &Arc<Self>, who: Who, mailbox: Mailbox) -> Registration {
        let Who { user_id, device, generation, held } = who;
        let handle = Arc::new(Handle {
            user_id,
            device,
            generation,
            held,
            session_id: self.next_id.fetch_add(1, Ordering::Relaxed).to_string(),
            mailbox,
            bound: AtomicBool::new(false),
            status: Mutex::new(Status::Online),
            since_ms: AtomicI64::new(0),
            logging_out: AtomicBool::new(false),
            handed_over: CancellationToken::new(),
        });
        self.of_users(user_id).entry(user_id).or_default().push(Arc::clone(&handle));
        lock(&self.by_id).insert(handle.session_id.clone(), Arc::clone(&handle));
        let _counted = InUse::of(&METRICS.sessions);
        Registration { sessions: Arc::clone(self), handle, _counted }
    }

    /// Calls `leave` with each session of `user_id`; answers how often it said yes.
    pub(crate) fn leave(&self, user_id: i64, leave: impl Fn(&Handle) -> bool) -> u32 {
        let users = self.of_users(user_id);
        let sessions = users.get(&user_id).map(Vec::as_slice).unwrap_or_default();
        sessions.iter().map(|session| u32::from(leave(session))).sum()
    }

    /// What each session of `user_id` that has a route says of them.
    pub(crate) fn statuses(&self, user_id: i64) -> Vec<Status> {
        let users = self.of_users(user_id);
        let all = users.get(&user_id).map(Vec::as_slice).unwrap_or_default();
        let bound = all.iter().filter(|session| session.bound.load(Ordering::Acquire));
        bound.map(|session| *lock(&session.status)).collect()
    }

    /// The session with this id, also while it ends.
    pub(crate) fn get(&self, session_id: &str) -> Option<Arc<Handle>> {
        lock(&self.by_id).get(session_id).cloned()
    }

    /// The sessions of the same user that began before this one, on this gateway.
    pub(crate) fn older(&self, session: &Handle) -> Vec<Arc<Handle>> {
        let number = |handle: &Handle| handle.session_id.parse::<u64>().unwrap_or(u64::MAX);
        let users = self.of_users(session.user_id);
        let all = users.get(&session.user_id).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(|other| number(other) < number(session)).cloned().collect()
    }

    /// The sessions of `user_id` on those devices that began before that, by the clock of
    /// im-presence. One that it has not told yet when it began is none of them: it may be the one
    /// that closes the others.
    pub(crate) fn began_before(
        &self,
        user_id: i64,
        is_meant: impl Fn(&str) -> bool,
        before_ms: i64,
    ) -> Vec<Arc<Handle>> {
        let mut sessions = self.of_devices(user_id, is_meant);
        sessions.retain(|it| (1..before_ms).contains(&it.since_ms()));
        sessions
    }

    /// The sessions of `user_id` on those devices, also those that are only beginning.
    pub(crate) fn of_devices(
        &self,
        user_id: i64,
        is_meant: impl Fn(&str) -> bool,
    ) -> Vec<Arc<Handle>> {
        let users = self.of_users(user_id);
        let all = users.get(&user_id).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(|it| is_meant(&it.device)).cloned().collect()
    }

    /// The sessions that have ended with those log-ins, also those that are only beginning; but for one
    /// whose client has asked for that and is not answered yet.
    pub(crate) fn of_log_ins(&self, ended: &EndedLogIns) -> Vec<Arc<Handle>> {
        let users = self.of_users(ended.user_id);
        let all = users.get(&ended.user_id).map(Vec::as_slice).unwrap_or_default();
        let meant = all.iter().filter(|it| is_over(it.held, ended));
        meant.filter(|it| !it.logging_out.load(Ordering::Acquire)).cloned().collect()
    }

    /// The sessions whose routes are to be renewed.
    pub(crate) fn bound(&self) -> Vec<Arc<Handle>> {
        let sessions = lock(&self.by_id);
        let bound = sessions.values().filter(|handle| handle.bound.load(Ordering::Acquire));
        bound.cloned().collect()
    }

    fn of_users(&self, user_id: i64) -> MutexGuard<'_, HashMap<i64, Vec<Arc<Handle>>>> {
        let hash = usize::try_from(self.hasher.hash_one(user_id) % SHARDS as u64).unwrap_or(0);
        lock(&self.by_user[hash])
    }
}

/// A session's place among the sessions; it leaves when this is dropped, however it ends.
#[derive(Debug)]
pub(crate) struct Registration {
    sessions: Arc<Sessions>,
    handle: Arc<Handle>,
    _counted: InUse,
}

impl Registration {
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// Takes no more pushes; can still be found by its id, and waited for.
    pub(crate) fn leave_pushes(&self) {
        self.handle.bound.store(false, Ordering::Release);
        self.handle.mailbox.shut();
        let user_id = self.handle.user_id;
        let mut users = self.sessions.of_users(user_id);
        if let Some(sessions) = users.get_mut(&user_id) {
            sessions.retain(|session| !Arc::ptr_eq(session, &self.handle));
            if sessions.is_empty() {
                users.remove(&user_id);
            }
        }
    }

    /// Tells whoever waits that the cursors are handed over.
    pub(crate) fn handed_over(&self) {
        self.handle.handed_over.cancel();
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.leave_pushes();
        lock(&self.sessions.by_id).remove(&self.handle.session_id);
        self.handed_over();
    }
}

/// What is done under these locks is one insertion or removal: a panic leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
impl Who {
    /// Somebody at the first device that they had.
    pub(crate) fn text(user_id: i64) -> Self {
        Self { user_id, device: "text".to_owned(), generation: 1, held: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(sessions: &Arc<Sessions>, user_id: i64) -> Registration {
        sessions.add(Who::text(user_id), Mailbox::new(8, Arc::default()))
    }

    #[test]
    fn a_session_is_found_by_its_user_and_its_id_until_it_is_dropped() {
        let sessions = Arc::new(Sessions::new());
        let (one, two) = (add(&sessions, 1), add(&sessions, 1));
        let (first, second) = (one.handle().session_id.clone(), two.handle().session_id.clone());
        assert_ne!(first, second);
        assert_eq!(sessions.leave(1, |_| true), 2);
        assert_eq!(sessions.leave(2, |_| true), 0);
        drop(one);
        assert_eq!(sessions.leave(1, |handle| handle.session_id == second), 1);
        assert!(sessions.get(&first).is_none());
        drop(two);
        assert!(sessions.by_user.iter().all(|users| lock(users).is_empty()));
    }

    #[test]
    fn only_bound_sessions_are_renewed() {
        let sessions = Arc::new(Sessions::new());
        let session = add(&sessions, 1);
        assert!(sessions.bound().is_empty());
        session.handle().set_bound(1);
        assert_eq!(sessions.bound().len(), 1);
        session.leave_pushes();
        assert!(sessions.bound().is_empty());
    }

    #[test]
    fn of_a_users_sessions_those_that_began_earlier_can_be_told() {
        let sessions = Arc::new(Sessions::new());
        let [old, new, _begins] = [10, 20, 0].map(|since_ms| {
            let session = add(&sessions, 1);
            session.handle().set_bound(since_ms);
            session
        });
        let before = |user_id, ms| -> Vec<String> {
            let before = sessions.began_before(user_id, |device| device == "text", ms);
            before.into_iter().map(|handle| handle.session_id.clone()).collect()
        };
        let (old, new) = (&old.handle().session_id, &new.handle().session_id);
        assert_eq!(before(1, 20), std::slice::from_ref(old));
        assert_eq!(before(1, 21), [old.clone(), new.clone()]);
        assert!(before(1, 10).is_empty() && before(2, 21).is_empty());
    }

    #[tokio::test]
    async fn a_session_that_ends_can_be_waited_for_until_it_has_handed_over() {
        let sessions = Arc::new(Sessions::new());
        let session = add(&sessions, 1);
        session.leave_pushes();
        let handle = sessions.get(&session.handle().session_id).unwrap();
        let waiting = tokio::spawn(async move { handle.handed_over().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        session.handed_over();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_for_a_session_that_was_dropped() {
        let sessions = Arc::new(Sessions::new());
        let session = add(&sessions, 1);
        let handle = sessions.get(&session.handle().session_id).unwrap();
        drop(session);
        handle.handed_over().await;
    }
}
