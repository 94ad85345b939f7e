//! A gateway of the original system among our services: its clients and ours chat with each other.

use futures_util::StreamExt as _;
use im_common::original::channel;
use mpim_tests::{
    ClassicClient, Fields, Layout, Message, PASSWORD, Person, Service, Stack, StackBuilder, until,
};
use redis::aio::PubSub;
use test_servers::PrivateRedis;
use tokio::time::timeout;

on_all_stacks! {
    people_on_an_original_gateway_and_on_ours_chat,
    who_was_away_from_an_original_gateway_pulls,
    what_comes_for_who_has_left_an_original_gateway_waits_for_them,
    a_log_out_on_ours_is_none_on_an_original_gateway,
    group_messages_wait_to_be_pulled,
}

/// The name of the original's gateway.
const GATEWAY: &str = "gateway-01";

/// What the original's gateway does, call by call: a connection for each, only its methods, and
/// what is for its users comes from Redis.
struct OriginalGateway {
    published: PubSub,
    services: Services,
}

/// Where it finds the services.
enum Services {
    Configured(Vec<(Service, std::net::SocketAddr)>),
    /// By the node of each method, asked for each time.
    InZooKeeper(zookeeper_client::Client),
}

/// A message as it shows it.
type Shown = (i64, i64, String);

impl OriginalGateway {
    async fn start(stack: &mut Stack, redis: &PrivateRedis) -> Self {
        let client = redis::Client::open(redis.server().url()).unwrap();
        let mut published = client.get_async_pubsub().await.unwrap();
        published.subscribe(channel(GATEWAY)).await.unwrap();
        let services = if stack.layout() == Layout::Cluster {
            let root = stack.servers().zookeeper_root();
            Services::InZooKeeper(zookeeper_client::Client::connect(root).await.unwrap())
        } else {
            let address = |service| (service, stack.address(service));
            Services::Configured(Service::ALL.map(address).into())
        };
        Self { published, services }
    }

    async fn call(&self, service: Service, method: &str, arguments: &Fields) -> Message {
        let name = format!("{service:?}Service");
        let address = match &self.services {
            Services::Configured(addresses) => {
                addresses.iter().find(|(other, _)| *other == service).unwrap().1
            }
            Services::InZooKeeper(client) => {
                // It stands there a moment after the instance is listed.
                let path = format!("/{name}/{method}");
                let (data, _) = until(&path, async || client.get_data(&path).await).await;
                String::from_utf8(data).unwrap().parse().unwrap()
            }
        };
        let mut client = ClassicClient::connect(address).await;
        let answer = client.call(&name, method, arguments).await;
        assert_eq!(answer.result().0, 0, "{name}.{method}: {answer:?}");
        answer
    }

    /// `REGISTER` or `LOGIN`; the user's id.
    async fn enter(&self, method: &str, name: &str) -> i64 {
        let who = Fields::new().text(1, name).text(2, PASSWORD);
        let uid = self.call(Service::User, method, &who).await.number(2);
        let route = Fields::new().number(1, uid).text(2, GATEWAY).text(3, "cli");
        self.call(Service::Presence, "BindRoute", &route).await;
        uid
    }

    async fn send(&self, from: i64, to: i64, text: &str) -> i64 {
        let msg = Fields::new().number(2, from).number(3, to).number(4, 5).text(5, text);
        let request = Fields::new().message(1, &msg);
        self.call(Service::Message, "Send", &request).await.number(2)
    }

    /// The texts of messages, and of those of groups.
    async fn pull(&self, uid: i64) -> (Vec<String>, Vec<String>) {
        let answer =
            self.call(Service::Message, "PullOffline", &Fields::new().number(1, uid)).await;
        let texts = |field| answer.messages(field).iter().map(|msg| msg.text(5)).collect();
        (texts(2), texts(3))
    }

    /// What it shows next: to whom, with which id, what.
    async fn shows(&mut self) -> Shown {
        let next = timeout(mpim_tests::DEADLINE, self.published.on_message().next()).await;
        let msg = Message::parse(next.expect("it is published").unwrap().get_payload_bytes());
        (msg.number(3), msg.number(1), msg.text(5))
    }
}

/// A stack with the mode on, and its Redis. `None` where there is no Redis.
async fn start(stack: StackBuilder) -> Option<(Stack, PrivateRedis)> {
    let redis = PrivateRedis::start().await?;
    let url = redis.server().url();
    let mut stack = stack;
    for service in [Service::Presence, Service::Gateway] {
        stack = stack
            .set(service, "redis.metadata_url", &url)
            .set(service, "redis.queue_url", &url)
            .set(service, "original.enabled", true);
    }
    stack = stack.set(Service::User, "original.enabled", true);
    Some((stack.classic_callers().start().await, redis))
}

/// What Redis answers to a command, as text.
async fn ask(redis: &PrivateRedis, command: &redis::Cmd) -> String {
    let client = redis::Client::open(redis.server().url()).unwrap();
    let mut connection = test_servers::redis_connection(&client).await.unwrap();
    command.query_async(&mut connection).await.unwrap()
}

/// How often something was published in Redis.
async fn published(redis: &PrivateRedis) -> u64 {
    let statistics = ask(redis, redis::cmd("INFO").arg("commandstats")).await;
    let (_, of_publish) = statistics.split_once("cmdstat_publish:calls=").unwrap();
    of_publish.split_once(',').unwrap().0.parse().unwrap()
}

async fn people_on_an_original_gateway_and_on_ours_chat(stack: StackBuilder) {
    let Some((mut stack, redis)) = start(stack).await else { return };
    let mut original = OriginalGateway::start(&mut stack, &redis).await;
    let ada = original.enter("Register", "ada").await;
    let eve = original.enter("Register", "eve").await;
    let mut bob = Person::register(&stack, "bob").await;

    let id = original.send(ada, bob.uid, "hello bob").await;
    let push = bob.client.push().await;
    assert_eq!((push.id, push.from, push.text.as_str()), (id, ada, "hello bob"));
    let first = bob.send(ada, "hello ada").await;
    assert_eq!(original.shows().await, (ada, first, "hello ada".to_owned()));
    let second = bob.send(ada, "again").await;
    assert_eq!(original.shows().await, (ada, second, "again".to_owned()));
    let id = original.send(eve, ada, "between us").await;
    assert_eq!(original.shows().await, (ada, id, "between us".to_owned()));

    // What was shown before the last message of a conversation counts as given by now.
    let (direct, grouped) = original.pull(ada).await;
    assert!(!direct.contains(&"hello ada".to_owned()), "{direct:?}");
    assert_eq!(grouped, [""; 0]);
    assert_eq!(original.pull(ada).await.0, [""; 0]);
    assert_eq!(bob.client.pull().await, []);
    // A client of theirs moves to a gateway of ours.
    let mut ada = Person { name: "ada".to_owned(), uid: ada, client: stack.connect().await };
    ada.log_in(&stack).await;
    assert_eq!(ada.client.pull().await, [], "what they have pulled is read");
    let id = bob.send(ada.uid, "welcome").await;
    assert_eq!(ada.client.push().await.id, id);
}

async fn who_was_away_from_an_original_gateway_pulls(stack: StackBuilder) {
    let Some((mut stack, redis)) = start(stack).await else { return };
    let original = OriginalGateway::start(&mut stack, &redis).await;
    let ada = original.enter("Register", "ada").await;
    let mut bob = Person::register(&stack, "bob").await;
    // The gateway dies; its users' routes live on for two minutes.
    drop(original);
    until("nobody listens", async || {
        let heard = ask(&redis, redis::cmd("PUBLISH").arg(channel(GATEWAY)).arg("")).await;
        if heard == "0" { Ok(()) } else { Err(heard) }
    })
    .await;
    let before = published(&redis).await;
    bob.send(ada, "missed").await;
    bob.send(ada, "this, too").await;
    until("both are published", async || {
        let now = published(&redis).await;
        if now >= before + 2 { Ok(()) } else { Err(format!("{now} after {before}")) }
    })
    .await;
    let mut original = OriginalGateway::start(&mut stack, &redis).await;
    assert_eq!(original.enter("Login", "ada").await, ada);
    assert_eq!(original.pull(ada).await.0, ["missed", "this, too"]);
    assert_eq!(original.pull(ada).await.0, [""; 0]);
    let id = bob.send(ada, "live").await;
    assert_eq!(original.shows().await, (ada, id, "live".to_owned()));
}

async fn what_comes_for_who_has_left_an_original_gateway_waits_for_them(stack: StackBuilder) {
    let Some((mut stack, redis)) = start(stack).await else { return };
    let mut original = OriginalGateway::start(&mut stack, &redis).await;
    let ada = original.enter("Register", "ada").await;
    let mut bob = Person::register(&stack, "bob").await;
    // All that it does when a connection ends.
    let left = Fields::new().number(1, ada).text(2, format!("tok_{ada}"));
    original.call(Service::User, "Logout", &left).await;
    bob.send(ada, "for later").await;
    assert_eq!(original.pull(ada).await.0, ["for later"]);
    bob.send(ada, "once more").await;
    assert_eq!(original.enter("Login", "ada").await, ada);
    assert_eq!(original.pull(ada).await.0, ["once more"]);
    let id = bob.send(ada, "live").await;
    let mut shown = original.shows().await;
    for earlier in ["for later", "once more"] {
        if shown.2 == earlier {
            // It was stored before they came, and told of afterwards.
            shown = original.shows().await;
        }
    }
    assert_eq!(shown, (ada, id, "live".to_owned()), "and nothing else");
}

async fn a_log_out_on_ours_is_none_on_an_original_gateway(stack: StackBuilder) {
    let Some((mut stack, redis)) = start(stack).await else { return };
    let mut original = OriginalGateway::start(&mut stack, &redis).await;
    let mut bob = Person::register(&stack, "bob").await;
    let mut ada = Person::register(&stack, "ada").await;
    assert_eq!(original.enter("Login", "ada").await, ada.uid);
    ada.client.expect("LOGOUT", "+OK logout success").await;
    let id = bob.send(ada.uid, "are you there").await;
    assert_eq!(original.shows().await, (ada.uid, id, "are you there".to_owned()));
}

async fn group_messages_wait_to_be_pulled(stack: StackBuilder) {
    let Some((mut stack, redis)) = start(stack).await else { return };
    let mut original = OriginalGateway::start(&mut stack, &redis).await;
    let ada = original.enter("Register", "ada").await;
    let mut bob = Person::register(&stack, "bob").await;
    let create = Fields::new().number(1, ada).text(2, "crew");
    let group = original.call(Service::Group, "CreateGroup", &create).await.number(2);
    bob.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    bob.send_group(group, "hello all").await;
    let id = bob.send(ada, "hello ada").await;
    assert_eq!(original.shows().await, (ada, id, "hello ada".to_owned()), "no group's message");
    assert_eq!(original.pull(ada).await.1, ["hello all"]);
    let msg = Fields::new().number(2, ada).number(3, group).text(5, "hello crew");
    let sent = original.call(Service::Message, "SendGroup", &Fields::new().message(1, &msg)).await;
    let push = bob.client.push().await;
    assert_eq!((push.id, push.text.as_str()), (sent.number(2), "hello crew"));
}
