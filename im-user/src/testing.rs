//! What this crate's tests share: a service on a data directory of its own, with neighbours that can
//! be made to fail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use im_common::{Clock, DataDir};
use mpim_proto::user_service::Server as _;
use mpim_proto::{
    AddFriendReq, GetFriendsReq, ListDevicesReq, LoginReq, LoginResp, LogoutReq, RegisterReq,
    RegisterResp, RemoveFriendReq, RevokeDeviceReq, VerifyTokenReq,
};
use mprpc::{Context, Status};

use crate::config::Config;
use crate::devices::Devices;
use crate::neighbours::Neighbours;
use crate::service::UserService;
use crate::store::{EndedLogIns, RevokedDevice, SqliteStore};
use crate::token::KeyRing;
use crate::users::Users;

/// What neighbours were told, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Open {
        name: String,
        generation: i64,
    },
    Forget {
        name: String,
        generation: i64,
    },
    Close {
        name: String,
        generation: i64,
    },
    /// Of one log-in.
    CloseLogIn(String),
    /// Of all up to an epoch, but for one.
    CloseEpoch(i64, String),
}

/// im-message and im-presence. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Others(
    Arc<Mutex<(Vec<Told>, Option<mprpc::Code>)>>,
    Arc<Mutex<Duration>>,
    Arc<Mutex<HashMap<i64, Vec<i64>>>>,
);

impl Others {
    /// From now on each call fails with this, or none does.
    pub(crate) fn fail(&self, with: Option<mprpc::Code>) {
        self.0.lock().unwrap().1 = with;
    }

    /// From now on a user shuts out these and no others.
    pub(crate) fn block(&self, by: i64, whom: &[i64]) {
        self.2.lock().unwrap().insert(by, whom.to_vec());
    }

    /// What they were told since the last time.
    pub(crate) fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.0.lock().unwrap().0)
    }

    /// How long the last call had.
    pub(crate) fn had(&self) -> Duration {
        *self.1.lock().unwrap()
    }

    fn tell(&self, cx: &Context, told: Told) -> Result<(), Status> {
        *self.1.lock().unwrap() = cx.remaining();
        let mut state = self.0.lock().unwrap();
        match state.1 {
            Some(code) => return Err(Status::new(code, "away")),
            None => state.0.push(told),
        }
        Ok(())
    }
}

impl Neighbours for Others {
    async fn open_device(
        &self,
        cx: &Context,
        _user_id: i64,
        device: &str,
        generation: i64,
    ) -> Result<(), Status> {
        self.tell(cx, Told::Open { name: device.to_owned(), generation })
    }

    async fn forget_device(&self, cx: &Context, revoked: &RevokedDevice) -> Result<(), Status> {
        let RevokedDevice { name, generation, .. } = revoked.clone();
        self.tell(cx, Told::Forget { name, generation })
    }

    async fn blocked(
        &self,
        _cx: &Context,
        by: i64,
        after: i64,
        limit: i32,
    ) -> Result<(Vec<i64>, bool), Status> {
        if let Some(code) = self.0.lock().unwrap().1 {
            return Err(Status::new(code, "away"));
        }
        let all = self.2.lock().unwrap().get(&by).cloned().unwrap_or_default();
        let mut rest: Vec<i64> = all.into_iter().filter(|whom| *whom > after).collect();
        let page = match limit {
            0 => 2,
            limit => usize::try_from(limit).unwrap(),
        };
        let more = rest.len() > page;
        rest.truncate(page);
        Ok((rest, more))
    }

    async fn close_device(&self, cx: &Context, revoked: &RevokedDevice) -> Result<(), Status> {
        let RevokedDevice { name, generation, .. } = revoked.clone();
        self.tell(cx, Told::Close { name, generation })
    }

    async fn close_log_ins(&self, cx: &Context, ended: &[EndedLogIns]) -> Result<(), Status> {
        ended.iter().try_for_each(|ended| {
            let EndedLogIns { log_in_id, epoch, except_log_in_id, .. } = ended.clone();
            let told = match log_in_id.is_empty() {
                true => Told::CloseEpoch(epoch, except_log_in_id),
                false => Told::CloseLogIn(log_in_id),
            };
            self.tell(cx, told)
        })
    }
}

pub(crate) type Service = UserService<SqliteStore, Others>;

/// A service on a data directory that can be opened again.
pub(crate) struct Fixture {
    pub(crate) service: Arc<Service>,
    pub(crate) others: Others,
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
        let others = Others::default();
        let service = open(&directory, &clock, &config, &others);
        Self { service, others, clock, config, directory }
    }

    pub(crate) fn reopen(self) -> Self {
        let Self { service, others, clock, config, directory } = self;
        // Before the next: the directory is one service's at a time.
        drop(service);
        let service = open(&directory, &clock, &config, &others);
        Self { service, others, clock, config, directory }
    }

    /// The content of whatever is stored.
    pub(crate) fn files(&self) -> Vec<Vec<u8>> {
        let all = std::fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap());
        let files = all.filter(|entry| entry.file_type().unwrap().is_file());
        files.map(|entry| std::fs::read(entry.path()).unwrap()).collect()
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
        let req = VerifyTokenReq { token: token.into(), ..VerifyTokenReq::default() };
        let answer = self.service.verify_token(&cx(), req).await.unwrap();
        (answer.result.unwrap(), answer.user_id)
    }

    /// Logs a device in, with a good password.
    pub(crate) async fn on_device(&self, name: &str, device: &str) -> LoginResp {
        let (username, password) = (name.to_owned().into(), "correct horse".into());
        let device = device.to_owned();
        let req = LoginReq { username, password, device, ..LoginReq::default() };
        self.service.login(&cx(), req).await.unwrap()
    }

    /// The names of a user's devices, with their generations.
    pub(crate) async fn devices(&self, user_id: i64) -> Vec<(String, i64)> {
        let answer = self.service.list_devices(&cx(), ListDevicesReq { user_id }).await.unwrap();
        answer.devices.into_iter().map(|device| (device.name, device.generation)).collect()
    }

    pub(crate) async fn revoke_device(&self, user_id: i64, device: &str) -> mpim_proto::Result {
        let req = RevokeDeviceReq { user_id, device: device.to_owned() };
        self.service.revoke_device(&cx(), req).await.unwrap().result.unwrap()
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
        let answer = self
            .service
            .get_friends(&cx(), GetFriendsReq { user_id, blocked: false })
            .await
            .unwrap();
        assert!(answer.result.unwrap().is_ok());
        answer.friend_ids
    }
}

fn open(
    directory: &tempfile::TempDir,
    clock: &Clock,
    config: &Config,
    others: &Others,
) -> Arc<Service> {
    let store = SqliteStore::open(DataDir::open(directory.path()).unwrap()).unwrap();
    let ring = KeyRing::open(directory.path().join("token.key"), &config.token).unwrap();
    let users = Users::new(store, Arc::new(ring), None, clock.clone(), config.clone()).unwrap();
    Arc::new(UserService::new(Arc::new(Devices::new(Arc::new(users), others.clone()))))
}

pub(crate) async fn register(
    service: &Service,
    name: &str,
    password: &str,
) -> Result<RegisterResp, Status> {
    let (username, password) = (name.to_owned().into(), password.to_owned().into());
    service.register(&cx(), RegisterReq { username, password, ..RegisterReq::default() }).await
}

pub(crate) async fn log_in(
    service: &Service,
    name: &str,
    password: &str,
) -> Result<LoginResp, Status> {
    let (username, password) = (name.to_owned().into(), password.to_owned().into());
    service.login(&cx(), LoginReq { username, password, ..LoginReq::default() }).await
}

pub(crate) fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(60))
}
