//! A server on a free port, stubs for it, and a handler that tells when it is dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use mprpc::{
    Channel, Context, Receiver, Sender, ServeError, Server, ServerBuilder, ServerHandle, Status,
};
use mprpc_examples::{
    DescribeReq, DescribeResp, Echo, EchoReq, EchoResp, EchoSlowlyReq, FailReq, ListReq,
    echo_service,
};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The time in which anything on loopback happens, however busy the machine is.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A server that runs until it is stopped or dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub(crate) async fn start(builder: ServerBuilder) -> Self {
        Self::start_at(builder, ([127, 0, 0, 1], 0).into()).await
    }

    pub(crate) async fn start_at(builder: ServerBuilder, address: SocketAddr) -> Self {
        let server = builder.bind(address).await.unwrap();
        let (address, handle) = (server.local_addr(), server.handle());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(server.serve(async move { stopped.cancelled().await }));
        Self { address, handle, stop, task }
    }

    pub(crate) async fn echo() -> Self {
        Self::start(Server::builder().add_service(echo_service::serve(Echo))).await
    }

    pub(crate) fn begin_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops it and waits until its connections have ended.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(SOON, self.task).await.expect("the server stops").unwrap().unwrap();
    }

    pub(crate) fn client(&self) -> echo_service::Client {
        echo_service::Client::new(&channel(&format!("static://{}", self.address)))
    }

    pub(crate) fn classic_client(&self) -> echo_service::Client {
        echo_service::Client::new(&channel(&format!("static://{}?wire=classic", self.address)))
    }
}

pub(crate) fn channel(target: &str) -> Channel {
    Channel::builder(target).build().unwrap()
}

pub(crate) fn soon() -> Context {
    Context::with_timeout(SOON)
}

pub(crate) fn echo_req(payload: &str) -> EchoReq {
    EchoReq { payload: payload.to_owned().into() }
}

/// How often something has happened that a test waits for each time.
#[derive(Clone)]
pub(crate) struct Times(Arc<Semaphore>);

impl Default for Times {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Times {
    pub(crate) fn notify_one(&self) {
        self.0.add_permits(1);
    }

    /// Waits for one time more.
    pub(crate) async fn notified(&self) {
        self.0.acquire().await.unwrap().forget();
    }
}

/// The methods that a service of a test has no business with.
macro_rules! as_echo_does {
    () => {
        async fn echo(&self, cx: &Context, request: EchoReq) -> Result<EchoResp, Status> {
            Echo.echo(cx, request).await
        }

        async fn describe(
            &self,
            cx: &Context,
            request: DescribeReq,
        ) -> Result<DescribeResp, Status> {
            Echo.describe(cx, request).await
        }

        async fn upload(
            &self,
            cx: &Context,
            requests: Receiver<EchoReq>,
        ) -> Result<EchoResp, Status> {
            Echo.upload(cx, requests).await
        }

        async fn list(
            &self,
            cx: &Context,
            request: ListReq,
            responses: Sender<EchoResp>,
        ) -> Result<(), Status> {
            Echo.list(cx, request, responses).await
        }

        async fn chat(
            &self,
            cx: &Context,
            requests: Receiver<EchoReq>,
            responses: Sender<EchoResp>,
        ) -> Result<(), Status> {
            Echo.chat(cx, requests, responses).await
        }
    };
}

/// An echo whose slow calls wait until they are let go, and which tells what happens to them.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    pub(crate) started: Times,
    pub(crate) dropped: Times,
    pub(crate) open: CancellationToken,
}

struct TellsWhenDropped(Times);

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl echo_service::Server for Gate {
    async fn echo_slowly(&self, _: &Context, request: EchoSlowlyReq) -> Result<EchoResp, Status> {
        let _tells = TellsWhenDropped(self.dropped.clone());
        self.started.notify_one();
        self.open.cancelled().await;
        Ok(EchoResp { payload: request.payload })
    }

    async fn fail(&self, _cx: &Context, request: FailReq) -> Result<EchoResp, Status> {
        self.started.notify_one();
        panic!("{}", request.message)
    }

    as_echo_does!();
}

/// An echo whose slow calls do what a test says.
#[derive(Clone)]
pub(crate) struct Doing(Arc<Work>);

type Work = dyn Fn(Context, EchoSlowlyReq) -> BoxFuture<'static, Answer> + Send + Sync;
type Answer = Result<EchoResp, Status>;

impl Doing {
    pub(crate) fn new<F>(work: impl Fn(Context, EchoSlowlyReq) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self(Arc::new(move |cx, request| Box::pin(work(cx, request))))
    }

    pub(crate) fn builder(&self) -> ServerBuilder {
        Server::builder().add_service(echo_service::serve(self.clone()))
    }
}

impl echo_service::Server for Doing {
    async fn echo_slowly(&self, cx: &Context, request: EchoSlowlyReq) -> Result<EchoResp, Status> {
        (self.0)(cx.clone(), request).await
    }

    async fn fail(&self, cx: &Context, request: FailReq) -> Result<EchoResp, Status> {
        Echo.fail(cx, request).await
    }

    as_echo_does!();
}

impl Gate {
    pub(crate) async fn serve(&self) -> Running {
        Running::start(Server::builder().add_service(echo_service::serve(self.clone()))).await
    }
}

pub(crate) fn slow_req(payload: &str) -> EchoSlowlyReq {
    EchoSlowlyReq { payload: payload.to_owned().into(), delay_ms: 0 }
}
