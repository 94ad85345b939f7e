//! A gateway that is a fake, and what a queue needs around it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use im_common::{Clock, Shutdown, Tasks};
use mpim_proto::push::Content;
use mpim_proto::{
    CloseLogInsReq, CloseLogInsResp, CloseSessionReq, CloseSessionResp, Entry, EventDelivery,
    GetStatusesReq, GetStatusesResp, Push, PushEventsReq, PushEventsResp, PushReq, PushResp,
    gateway_service,
};
use mprpc::{Context, Server, Status};
use tokio::sync::{Semaphore, mpsc};

use super::{Around, PushLimits};
use crate::routing::{Gateway, Heard, MemoryLimits, MemoryRoutes, Roster, Routing, Strategy};

/// A gateway that hands out what it is pushed, and answers each push once it is allowed to.
struct FakeGateway {
    boot_id: String,
    pushed: mpsc::UnboundedSender<PushReq>,
    events: mpsc::UnboundedSender<Vec<EventDelivery>>,
    answers: Arc<Semaphore>,
}

impl gateway_service::Server for FakeGateway {
    async fn push(&self, _: &Context, req: PushReq) -> Result<PushResp, Status> {
        let other_boot = req.gateway_boot_id != self.boot_id;
        let reached = u32::try_from(req.pushes.len()).unwrap();
        // Perhaps the test looks elsewhere.
        let _ = self.pushed.send(req);
        self.answers.acquire().await.unwrap().forget();
        let result = if other_boot {
            mpim_proto::Result::not_found("another boot")
        } else {
            mpim_proto::Result::ok()
        };
        Ok(PushResp { result: Some(result), reached })
    }

    async fn push_events(&self, _: &Context, req: PushEventsReq) -> Result<PushEventsResp, Status> {
        let _ = self.events.send(req.events);
        self.answers.acquire().await.unwrap().forget();
        Ok(PushEventsResp { result: Some(mpim_proto::Result::ok()) })
    }

    async fn get_statuses(
        &self,
        _: &Context,
        _: GetStatusesReq,
    ) -> Result<GetStatusesResp, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn close_session(
        &self,
        _: &Context,
        _: CloseSessionReq,
    ) -> Result<CloseSessionResp, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn close_log_ins(
        &self,
        _: &Context,
        _: CloseLogInsReq,
    ) -> Result<CloseLogInsResp, Status> {
        Err(Status::unimplemented("not here"))
    }
}

/// A [`FakeGateway`] that runs.
pub(in crate::dispatch) struct Running {
    pub(in crate::dispatch) gateway: Arc<Gateway>,
    pub(in crate::dispatch) pushed: mpsc::UnboundedReceiver<PushReq>,
    events: mpsc::UnboundedReceiver<Vec<EventDelivery>>,
    pub(in crate::dispatch) answers: Arc<Semaphore>,
}

impl Running {
    pub(in crate::dispatch) async fn next(&mut self) -> PushReq {
        let next = tokio::time::timeout(Duration::from_secs(60), self.pushed.recv());
        next.await.expect("a push in time").unwrap()
    }

    pub(in crate::dispatch) async fn next_events(&mut self) -> Vec<EventDelivery> {
        let next = tokio::time::timeout(Duration::from_secs(60), self.events.recv());
        next.await.expect("events in time").unwrap()
    }
}

/// Starts a gateway that may answer `answers` pushes.
pub(in crate::dispatch) async fn gateway(name: &str, answers: usize) -> Running {
    let (sender, pushed) = mpsc::unbounded_channel();
    let (event_sender, events) = mpsc::unbounded_channel();
    let answers = Arc::new(Semaphore::new(answers));
    let boot_id = format!("boot-{name}");
    let answers_too = Arc::clone(&answers);
    let fake = FakeGateway { boot_id, pushed: sender, events: event_sender, answers: answers_too };
    let server = Server::builder().add_service(gateway_service::serve(fake));
    let server = server.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let gateway = at(name, server.local_addr());
    tokio::spawn(server.serve(std::future::pending()));
    Running { gateway, pushed, events, answers }
}

pub(in crate::dispatch) fn at(name: &str, addr: SocketAddr) -> Arc<Gateway> {
    let (id, boot_id) = (name.to_owned(), format!("boot-{name}"));
    Arc::new(Gateway { id, addr: addr.to_string(), boot_id })
}

/// Routes in memory.
pub(in crate::dispatch) type TestRouting = Routing<MemoryRoutes>;

/// Patient limits, but for what `change` does to them, over routes in memory.
pub(in crate::dispatch) fn around(change: impl FnOnce(&mut PushLimits)) -> Around<TestRouting> {
    let limits =
        MemoryLimits { ttl_ms: 10_000, original_ttl_ms: 10_000, routes_max: 10, devices_max: 10 };
    let heard = || Heard::new(Duration::from_secs(10), 10);
    let routing = Routing::new(
        MemoryRoutes::new(limits, Clock::manual(0)),
        heard(),
        Strategy::ConsistentHash,
    );
    let mut limits = crate::PushConfig::default().limits();
    limits.timeout = Duration::from_secs(60);
    limits.heartbeat = Duration::from_secs(60);
    change(&mut limits);
    Around {
        boot_id: "p".into(),
        limits,
        roster: Arc::new(Roster::new(Arc::new(routing), heard())),
        tasks: Tasks::new("test", Shutdown::new()),
    }
}

pub(in crate::dispatch) fn push(msg_id: i64) -> Push {
    let entry = Entry { msg_id, ..Entry::default() };
    Push { content: Some(Content::Entry(entry)), recipients: vec![1], ..Push::default() }
}

pub(in crate::dispatch) fn msg_ids(req: &PushReq) -> Vec<i64> {
    let msg_id = |push: &Push| match &push.content {
        Some(Content::Entry(entry)) => entry.msg_id,
        other => panic!("not an entry: {other:?}"),
    };
    req.pushes.iter().map(msg_id).collect()
}
