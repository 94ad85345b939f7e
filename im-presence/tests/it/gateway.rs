//! A gateway that notes what it is told.

use std::net::SocketAddr;
use std::time::Duration;

use mpim_proto::{
    BindRouteReq, CloseLogInsReq, CloseLogInsResp, CloseSessionReq, CloseSessionResp,
    GetStatusesReq, GetStatusesResp, PushEventsReq, PushEventsResp, PushReq, PushResp,
    UserPresence, UserStatus, gateway_service,
};
use mprpc::{Context, Server, Status};
use tokio::sync::mpsc;

/// What a gateway was told.
#[derive(Debug)]
pub(crate) enum Told {
    Push(PushReq),
    Events(PushEventsReq),
    Close(CloseSessionReq),
    CloseLogIns(CloseLogInsReq),
}

/// What a gateway does when it is told something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behaviour {
    /// Sessions that each push reaches.
    pub(crate) reached: u32,
    /// Whether it ever answers `CloseSession`.
    pub(crate) closes: bool,
}

struct Fake {
    told: mpsc::UnboundedSender<Told>,
    behaviour: Behaviour,
}

impl gateway_service::Server for Fake {
    async fn push(&self, _: &Context, req: PushReq) -> Result<PushResp, Status> {
        self.told.send(Told::Push(req)).unwrap();
        let result = Some(mpim_proto::Result::ok());
        Ok(PushResp { result, reached: self.behaviour.reached })
    }

    async fn push_events(&self, _: &Context, req: PushEventsReq) -> Result<PushEventsResp, Status> {
        self.told.send(Told::Events(req)).unwrap();
        Ok(PushEventsResp { result: Some(mpim_proto::Result::ok()) })
    }

    async fn get_statuses(
        &self,
        _: &Context,
        req: GetStatusesReq,
    ) -> Result<GetStatusesResp, Status> {
        let status = UserStatus::Busy.into();
        let users = req.user_ids.into_iter().map(|user_id| UserPresence { user_id, status });
        Ok(GetStatusesResp { result: Some(mpim_proto::Result::ok()), users: users.collect() })
    }

    async fn close_session(
        &self,
        _: &Context,
        req: CloseSessionReq,
    ) -> Result<CloseSessionResp, Status> {
        self.told.send(Told::Close(req)).unwrap();
        if !self.behaviour.closes {
            std::future::pending::<()>().await;
        }
        Ok(CloseSessionResp { result: Some(mpim_proto::Result::ok()) })
    }

    async fn close_log_ins(
        &self,
        _: &Context,
        req: CloseLogInsReq,
    ) -> Result<CloseLogInsResp, Status> {
        self.told.send(Told::CloseLogIns(req)).unwrap();
        if !self.behaviour.closes {
            return Err(Status::unimplemented("an older one"));
        }
        Ok(CloseLogInsResp { result: Some(mpim_proto::Result::ok()) })
    }
}

pub(crate) struct Gateway {
    pub(crate) name: &'static str,
    pub(crate) addr: SocketAddr,
    told: mpsc::UnboundedReceiver<Told>,
}

impl Gateway {
    pub(crate) async fn start(name: &'static str, behaviour: Behaviour) -> Self {
        let (sender, told) = mpsc::unbounded_channel();
        let fake = Fake { told: sender, behaviour };
        let server = Server::builder().add_service(gateway_service::serve(fake));
        let server = server.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let addr = server.local_addr();
        tokio::spawn(server.serve(std::future::pending()));
        Self { name, addr, told }
    }

    pub(crate) fn binds(&self, user_id: i64, session: &str) -> BindRouteReq {
        BindRouteReq {
            user_id,
            gateway_id: self.name.to_owned(),
            device: "text".to_owned(),
            gateway_addr: self.addr.to_string(),
            boot_id: format!("boot-{}", self.name),
            session_id: session.to_owned(),
            ..BindRouteReq::default()
        }
    }

    /// What it was told next.
    pub(crate) async fn told(&mut self) -> Told {
        let told = tokio::time::timeout(Duration::from_secs(60), self.told.recv());
        told.await.expect("something in time").unwrap()
    }

    /// What it was told already.
    pub(crate) fn told_already(&mut self) -> Option<Told> {
        self.told.try_recv().ok()
    }
}
