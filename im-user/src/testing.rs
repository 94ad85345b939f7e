//! What this crate's tests share: a service on a data directory of its own.

use std::sync::Arc;
use std::time::Duration;

use im_common::{Clock, DataDir};
use mpim_proto::user_service::Server as _;
use mpim_proto::{
    AddFriendReq, GetFriendsReq, LoginReq, LoginResp, LogoutReq, RegisterReq, RegisterResp,
    RemoveFriendReq, VerifyTokenReq,
};
use mprpc::{Context, Status};

use crate::config::Config;
use crate::service::UserService;
use crate::store::SqliteStore;
use crate::token::TokenKey;
use crate::users::Users;

/// A service on a data directory that can be opened again.
pub(crate) struct Fixture {
    pub(crate) service: Arc<UserService<SqliteStore>>,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    directory: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        // What a hash costs is not what these tests are about.
        config.password.memory_kib = 8;
        config.password.passes = 1;
        configure(&mut config);
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(1_700_000_000_000);
        let service = open(&directory, &clock, &config);
        Self { service, clock, config, directory }
    }

    pub(crate) fn reopen(self) -> Self {
        let Self { service, clock, config, directory } = self;
        // Before the next: the directory is one service's at a time.
        drop(service);
        let service = open(&directory, &clock, &config);
        Self { service, clock, config, directory }
    }

    pub(crate) async fn register(&self, name: &str, password: &str) -> RegisterResp {
        register(&self.service, name, password).await.unwrap()
    }

    pub(crate) async fn log_in(&self, name: &str, password: &str) -> LoginResp {
        log_in(&self.service, name, password).await.unwrap()
    }

    pub(crate) async fn log_out(&self, user_id: i64, token: &str) -> mpim_proto::Result {
        let req = LogoutReq { user_id, token: token.into(), ..LogoutReq::default() };
        self.service.logout(&cx(), req).await.unwrap().result.unwrap()
    }

    pub(crate) async fn verify_token(&self, token: &str) -> (mpim_proto::Result, i64) {
        let req = VerifyTokenReq { token: token.into() };
        let answer = self.service.verify_token(&cx(), req).await.unwrap();
        (answer.result.unwrap(), answer.user_id)
    }

    pub(crate) async fn add_friend(&self, user_id: i64, friend_id: i64) -> mpim_proto::Result {
        let req = AddFriendReq { user_id, friend_id, message: String::new() };
        self.service.add_friend(&cx(), req).await.unwrap().result.unwrap()
    }

    pub(crate) async fn remove_friend(&self, user_id: i64, friend_id: i64) -> mpim_proto::Result {
        let req = RemoveFriendReq { user_id, friend_id };
        self.service.remove_friend(&cx(), req).await.unwrap().result.unwrap()
    }

    pub(crate) async fn friends(&self, user_id: i64) -> Vec<i64> {
        let answer = self.service.get_friends(&cx(), GetFriendsReq { user_id }).await.unwrap();
        assert!(answer.result.unwrap().is_ok());
        answer.friend_ids
    }
}

fn open(
    directory: &tempfile::TempDir,
    clock: &Clock,
    config: &Config,
) -> Arc<UserService<SqliteStore>> {
    let store = SqliteStore::open(DataDir::open(directory.path()).unwrap()).unwrap();
    let key = TokenKey::load_or_make(&directory.path().join("token.key")).unwrap();
    let users = Users::new(store, key, None, clock.clone(), config.clone()).unwrap();
    Arc::new(UserService::new(users))
}

pub(crate) async fn register(
    service: &UserService<SqliteStore>,
    name: &str,
    password: &str,
) -> Result<RegisterResp, Status> {
    let (username, password) = (name.to_owned().into(), password.to_owned().into());
    service.register(&cx(), RegisterReq { username, password }).await
}

pub(crate) async fn log_in(
    service: &UserService<SqliteStore>,
    name: &str,
    password: &str,
) -> Result<LoginResp, Status> {
    let (username, password) = (name.to_owned().into(), password.to_owned().into());
    service.login(&cx(), LoginReq { username, password }).await
}

pub(crate) fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(60))
}
