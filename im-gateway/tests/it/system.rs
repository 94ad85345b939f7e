//! A gateway with its fakes.

use std::net::SocketAddr;
use std::time::Duration;

use im_common::{Deps, Running, Target};
use im_gateway::{Config, start};
use mpim_proto::push::Content;
use mpim_proto::{
    CloseLogInsReq, CloseSessionReq, EndedLogIns, Entry, EntryKind, Push, PushReq, PushResp,
    gateway_service, group_service, message_service, presence_service, routing_service,
    user_service,
};
use mprpc::{Channel, Context, Server};

use crate::client::{Client, SOON};
use crate::fakes::{Asked, Fakes, State};

pub(crate) struct System {
    pub(crate) fakes: Fakes,
    pub(crate) running: Running,
    pub(crate) addr: SocketAddr,
    /// Where HTTP is spoken.
    pub(crate) http: SocketAddr,
    /// Where the fakes are.
    pub(crate) services: SocketAddr,
    pub(crate) gateway: gateway_service::Client,
    pushes: u64,
}

impl System {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_services(|config, _| change(config), Deps::default()).await
    }

    /// The same for a change that wants to know where the services are.
    pub(crate) async fn with_services(
        change: impl FnOnce(&mut Config, SocketAddr),
        deps: Deps,
    ) -> Self {
        let fakes = Fakes::default();
        fakes.state().presence_boot_id = "p".to_owned();
        let memory = deps.memory.clone();
        let server = Server::builder()
            .add_service(user_service::serve(fakes.clone()))
            .add_service(group_service::serve(fakes.clone()))
            .add_service(message_service::serve(fakes.clone()))
            .add_service(presence_service::serve(fakes.clone()))
            .add_service(routing_service::serve(fakes.clone()))
            .register(memory);
        let server = server.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let services = server.local_addr();
        tokio::spawn(server.serve(std::future::pending()));

        let mut config = Config::default();
        config.rpc.listen.set_port(0);
        config.text.listen.set_port(0);
        config.frames.listen.set_port(0);
        config.http.listen.set_port(0);
        config.targets.user = Target::memory();
        config.targets.message = Target::memory();
        config.targets.presence = Target::memory();
        config.targets.group = Target::memory();
        change(&mut config, services);
        let running = start(config, deps).await.unwrap();
        let (addr, http) = (running.others[0].1, running.others[2].1);
        let channel = Channel::builder(format!("static://{}", running.addr)).build().unwrap();
        let gateway = gateway_service::Client::new(&channel);
        Self { fakes, running, addr, http, services, gateway, pushes: 0 }
    }

    pub(crate) async fn connect(&self) -> Client {
        let (client, welcome) = Client::connect(self.addr).await;
        assert_eq!(welcome, "+OK welcome. Commands: REGISTER/LOGIN/SEND/PULL");
        client
    }

    /// Where clients connect that speak frames.
    pub(crate) fn frames(&self) -> SocketAddr {
        self.running.others[1].1
    }

    /// Registers the next user, whose id is one more than the last one's.
    pub(crate) async fn register(&self, name: &str) -> Client {
        let mut client = self.connect().await;
        let reply = client.ask(&format!("REGISTER {name} password")).await;
        assert!(reply.starts_with("+OK uid="), "{reply}");
        client
    }

    pub(crate) async fn log_in(&self, name: &str) -> Client {
        let mut client = self.connect().await;
        let reply = client.ask(&format!("LOGIN {name} password")).await;
        assert!(reply.starts_with("+OK uid="), "{reply}");
        client
    }

    /// Puts a message into the database, without telling anybody.
    pub(crate) fn store(&self, conv_id: &str, from: i64, text: &str) -> Entry {
        self.fakes.state().append(conv_id, from, EntryKind::Text, text)
    }

    /// Pushes entries over the link, with the next number.
    pub(crate) async fn push(&mut self, entries: &[&Entry], recipients: &[i64]) -> PushResp {
        let pushes = entries.iter().map(|entry| Push {
            content: Some(Content::Entry((*entry).clone())),
            recipients: recipients.to_vec(),
            ..Push::default()
        });
        self.push_all(pushes.collect()).await
    }

    pub(crate) async fn push_all(&mut self, pushes: Vec<Push>) -> PushResp {
        self.pushes += 1;
        self.push_numbered(self.pushes, pushes, false).await
    }

    pub(crate) async fn push_numbered(
        &self,
        number: u64,
        pushes: Vec<Push>,
        resync: bool,
    ) -> PushResp {
        let request = PushReq {
            link_boot_id: "p".to_owned(),
            number,
            pushes,
            resync,
            gateway_boot_id: self.boot_id(),
            closing: false,
        };
        self.gateway.push(&Context::with_timeout(SOON), request).await.unwrap()
    }

    /// The gateway's boot id, which it tells when it binds a route.
    pub(crate) fn boot_id(&self) -> String {
        let boot_id = self.fakes.state().gateway_boot_id.clone();
        assert!(!boot_id.is_empty(), "somebody has been logged in");
        boot_id
    }

    pub(crate) async fn close_session(&self, user_id: i64) {
        let route = self.fakes.state().routes[&(user_id, "text".to_owned())].clone();
        let (boot_id, session_id) = (route.boot_id, route.session_id);
        self.close(CloseSessionReq { boot_id, session_id, ..CloseSessionReq::default() }).await;
    }

    /// As im-presence closes the sessions of a device whose routes it does not know.
    pub(crate) async fn close_older(&self, user_id: i64, began_before_ms: i64) {
        let (boot_id, device) = (self.boot_id(), "text".to_owned());
        let request = CloseSessionReq { boot_id, user_id, device, ..CloseSessionReq::default() };
        self.close(CloseSessionReq { began_before_ms, ..request }).await;
    }

    async fn close(&self, request: CloseSessionReq) {
        let reason = "logged in elsewhere".to_owned();
        self.close_all(CloseSessionReq { reason, ..request }).await;
    }

    /// Closes the sessions that a request means.
    pub(crate) async fn close_all(&self, request: CloseSessionReq) {
        let answer = self.gateway.close_session(&Context::with_timeout(SOON), request).await;
        assert!(answer.unwrap().result.unwrap().is_ok());
    }

    /// Closes what log-ins of a user have open.
    pub(crate) async fn close_log_ins(&self, ended: EndedLogIns) {
        let request = CloseLogInsReq { boot_id: self.boot_id(), ended: vec![ended] };
        let answer = self.gateway.close_log_ins(&Context::with_timeout(SOON), request).await;
        assert!(answer.unwrap().result.unwrap().is_ok());
    }

    /// Waits until the fakes are in a state; fails with `what` after 10 s.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let wait = async {
            while !holds(&self.fakes.state()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if tokio::time::timeout(SOON, wait).await.is_err() {
            panic!("not within 10 s: {what}; asked was {:?}", self.fakes.state().asked);
        }
    }

    /// Waits until a device's cursor is at `seq`.
    pub(crate) async fn cursor(&self, user_id: i64, conv_id: &str, seq: i64) {
        let key = (user_id, conv_id.to_owned());
        let what = format!("the cursor of {user_id} in {conv_id} at {seq}");
        self.until(&what, |state| state.cursors.get(&key) == Some(&seq)).await;
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.fakes.state().asked)
    }
}
