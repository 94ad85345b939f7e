//! The same services as the original's programs are: only the methods of theirs, over their wire,
//! with what they do and leave undone.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use im_common::Target;
use im_common::original::{channel, route_key};
use mpim_proto::{C2cMsg, GroupMsg, LoginResp, PullOfflineResp};
use prost::Message as _;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, RedisResult};
use zookeeper_client::{Acls, Client, CreateMode};

use super::{Fakes, invalid, ok};

/// What they remember besides.
#[derive(Debug)]
pub(crate) struct Original {
    redis: redis::Client,
    /// Who is logged in, and so may not log in.
    pub(crate) online: HashSet<i64>,
    waiting: HashMap<i64, Vec<C2cMsg>>,
    of_groups: Vec<GroupMsg>,
    pub(crate) sent: usize,
}

impl Original {
    pub(crate) fn new(redis_url: &str) -> Self {
        Self {
            redis: redis::Client::open(redis_url).unwrap(),
            online: HashSet::new(),
            waiting: HashMap::new(),
            of_groups: Vec::new(),
            sent: 0,
        }
    }

    pub(super) fn log_in(&mut self, user_id: i64) -> LoginResp {
        if !self.online.insert(user_id) {
            return LoginResp { result: invalid("user already online"), ..LoginResp::default() };
        }
        LoginResp { result: ok(), user_id, token: format!("tok_{user_id}"), ..LoginResp::default() }
    }

    fn next_id(&mut self) -> i64 {
        self.sent += 1;
        i64::try_from(self.sent).unwrap()
    }

    /// For all groups, whoever is in them.
    pub(super) fn send_group(&mut self, msg: GroupMsg) -> i64 {
        self.of_groups.push(msg);
        self.next_id()
    }

    /// Whoever comes first gets everything of all groups.
    pub(super) fn pull(&mut self, user_id: i64) -> PullOfflineResp {
        let msg_list = self.waiting.remove(&user_id).unwrap_or_default();
        let group_msg_list = std::mem::take(&mut self.of_groups);
        PullOfflineResp { result: ok(), msg_list, group_msg_list }
    }
}

/// Its Redis; `None` if the services are not the original's.
pub(super) fn redis(fakes: &Fakes) -> Option<redis::Client> {
    fakes.state().original.as_ref().map(|original| original.redis.clone())
}

async fn connected(redis: &redis::Client) -> RedisResult<MultiplexedConnection> {
    test_servers::redis_connection(redis).await
}

pub(super) async fn bind(redis: &redis::Client, user_id: i64, gateway_id: &str) {
    if let Ok(mut redis) = connected(redis).await {
        let _: RedisResult<()> = redis.set_ex(route_key(user_id), gateway_id, 120).await;
    }
}

/// To the gateway of the recipient, or else it waits for them. The id is for the sender alone.
pub(super) async fn send(fakes: &Fakes, msg: C2cMsg) -> i64 {
    let redis = redis(fakes).unwrap();
    let published = async {
        let mut redis = connected(&redis).await?;
        let gateway_id: Option<String> = redis.get(route_key(msg.to)).await?;
        let Some(gateway_id) = gateway_id else { return Ok(false) };
        // It does not look at how many have listened.
        let _: i64 = redis.publish(channel(&gateway_id), msg.encode_to_vec()).await?;
        RedisResult::Ok(true)
    };
    let published = published.await.unwrap_or(false);
    let mut state = fakes.state();
    let original = state.original.as_mut().unwrap();
    if !published {
        original.waiting.entry(msg.to).or_default().push(msg);
    }
    original.next_id()
}

/// The services, with the methods that have a classic node.
const SERVICES: [(&str, &str); 4] = [
    ("UserService", "Login,Register,Logout,AddFriend,GetFriends,RemoveFriend"),
    ("MessageService", "Send,SendGroup,PullOffline,Ack"),
    ("PresenceService", "BindRoute,QueryRoute,Deliver"),
    ("GroupService", "CreateGroup,JoinGroup,LeaveGroup,GetGroupMembers,GetUserGroups,GetGroupInfo"),
];

/// Their targets, at `addr`, in the order of `SERVICES`.
pub(crate) fn targets(addr: SocketAddr) -> [Target; 4] {
    SERVICES.map(|(_, methods)| {
        Target::try_from(format!("static://{addr}?wire=classic&methods={methods}")).unwrap()
    })
}

/// Writes their nodes below `root`, as the original's programs do: one for each method, with the
/// address. They go with the session that is returned.
pub(crate) async fn register(root: &str, addr: SocketAddr) -> Client {
    let client = Client::connect(root).await.unwrap();
    for (service, methods) in SERVICES {
        let persistent = CreateMode::Persistent.with_acls(Acls::anyone_all());
        client.create(&format!("/{service}"), b"", &persistent).await.unwrap();
        for method in methods.split(',') {
            let (path, data) = (format!("/{service}/{method}"), addr.to_string());
            let ephemeral = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
            client.create(&path, data.as_bytes(), &ephemeral).await.unwrap();
        }
    }
    client
}
