//! What this crate's tests share: a service on a data directory of its own, with an im-message
//! that can be made to fail.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use im_common::{Clock, DataDir};
use mpim_proto::group_service::Server as _;
use mpim_proto::{
    ChangeMembershipReq, ChangeMembershipResp, CreateGroupReq, CreateGroupResp, JoinGroupReq,
    LeaveGroupReq, MembershipChange,
};
use mprpc::{Context, Status};

use crate::config::Config;
use crate::groups::Groups;
use crate::hand_over::Spans;
use crate::service::GroupService;
use crate::store::SqliteStore;

/// How im-message takes a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// Does not do it, and says so.
    Unreachable,
    /// Does it, and the answer is lost.
    Mute,
    /// Never answers, and never does it.
    Stuck,
    /// Answers that it will not.
    Refusing,
    /// Is the original's, which keeps no memberships.
    Original,
    /// Has other data than it once had: nobody is a member of anything.
    Empty,
}

/// An im-message that remembers what it was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Messages(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    mood: Mood,
    calls: usize,
    change_ids: HashSet<String>,
    /// By group and user, what they did, in order.
    changes: HashMap<(i64, i64), Vec<MembershipChange>>,
}

impl Messages {
    pub(crate) fn set(&self, mood: Mood) {
        self.0.lock().unwrap().mood = mood;
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// What the user did in the group, as far as im-message knows.
    pub(crate) fn changes(&self, group_id: i64, user_id: i64) -> Vec<MembershipChange> {
        self.0.lock().unwrap().changes.get(&(group_id, user_id)).cloned().unwrap_or_default()
    }
}

impl Spans for Messages {
    async fn change_membership(
        &self,
        cx: &Context,
        req: ChangeMembershipReq,
    ) -> Result<ChangeMembershipResp, Status> {
        let mood = {
            let mut told = self.0.lock().unwrap();
            told.calls += 1;
            let change = req.change();
            let applies = matches!(told.mood, Mood::Well | Mood::Mute);
            if applies && told.change_ids.insert(req.change_id.clone()) {
                let changes = told.changes.entry((req.group_id, req.user_id)).or_default();
                let before = changes.last().copied().unwrap_or(MembershipChange::Leave);
                assert_ne!(before, change, "out of order: {req:?} after {changes:?}");
                changes.push(change);
            }
            told.mood
        };
        let result = match mood {
            Mood::Well => mpim_proto::Result::ok(),
            Mood::Unreachable | Mood::Mute => return Err(Status::unavailable("away")),
            Mood::Original => return Err(Status::unimplemented("no such method")),
            Mood::Refusing => mpim_proto::Result::invalid("no"),
            Mood::Empty => mpim_proto::Result::not_found("group not found"),
            Mood::Stuck => {
                tokio::time::sleep_until(cx.deadline()).await;
                return Err(Status::deadline_exceeded("no answer"));
            }
        };
        Ok(ChangeMembershipResp { result: Some(result), seq: 1 })
    }
}

/// A service on a data directory that can be opened again.
pub(crate) struct Fixture {
    pub(crate) groups: Arc<Groups<SqliteStore, Messages>>,
    pub(crate) service: Arc<GroupService<SqliteStore, Messages>>,
    pub(crate) messages: Messages,
    pub(crate) clock: Clock,
    config: Config,
    directory: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        configure(&mut config);
        let directory = tempfile::tempdir().unwrap();
        let (clock, messages) = (Clock::manual(1_700_000_000_000), Messages::default());
        let groups = open(&directory, &messages, &clock, &config);
        let service = Arc::new(GroupService::new(Arc::clone(&groups)));
        Self { groups, service, messages, clock, config, directory }
    }

    /// What a restart makes of it: nothing but the database is left.
    pub(crate) fn reopen(self) -> Self {
        let Self { groups, service, messages, clock, config, directory } = self;
        // Before the next: the directory is one service's at a time.
        drop((groups, service));
        let groups = open(&directory, &messages, &clock, &config);
        let service = Arc::new(GroupService::new(Arc::clone(&groups)));
        Self { groups, service, messages, clock, config, directory }
    }

    /// What another process would have on the same database.
    pub(crate) fn another_instance(&self) -> Groups<SqliteStore, Messages> {
        let (store, messages) = (SqliteStore::clone(&self.groups.store), self.messages.clone());
        Groups::new(store, messages, self.clock.clone(), self.config.clone())
    }

    pub(crate) async fn try_create(
        &self,
        creator_id: i64,
        name: &str,
    ) -> Result<CreateGroupResp, Status> {
        let (group_name, description) = (name.to_owned(), format!("about {name}"));
        let req = CreateGroupReq { creator_id, group_name, description };
        self.service.create_group(&cx(), req).await
    }

    pub(crate) async fn create(&self, creator_id: i64, name: &str) -> CreateGroupResp {
        self.try_create(creator_id, name).await.unwrap()
    }

    pub(crate) async fn try_join(
        &self,
        group_id: i64,
        user_id: i64,
    ) -> Result<mpim_proto::Result, Status> {
        let req = JoinGroupReq { user_id, group_id };
        self.service.join_group(&cx(), req).await.map(|answer| answer.result.unwrap())
    }

    pub(crate) async fn join(&self, group_id: i64, user_id: i64) -> mpim_proto::Result {
        self.try_join(group_id, user_id).await.unwrap()
    }

    pub(crate) async fn try_leave(
        &self,
        group_id: i64,
        user_id: i64,
    ) -> Result<mpim_proto::Result, Status> {
        let req = LeaveGroupReq { user_id, group_id };
        self.service.leave_group(&cx(), req).await.map(|answer| answer.result.unwrap())
    }

    pub(crate) async fn leave(&self, group_id: i64, user_id: i64) -> mpim_proto::Result {
        self.try_leave(group_id, user_id).await.unwrap()
    }
}

fn open(
    directory: &tempfile::TempDir,
    messages: &Messages,
    clock: &Clock,
    config: &Config,
) -> Arc<Groups<SqliteStore, Messages>> {
    let store = SqliteStore::open(DataDir::open(directory.path()).unwrap()).unwrap();
    Arc::new(Groups::new(store, messages.clone(), clock.clone(), config.clone()))
}

pub(crate) fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(60))
}
