//! A service whose streaming methods do what a test says.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use mprpc::{Context, Receiver, Sender, Server, Status};
use mprpc_examples::{
    DescribeReq, DescribeResp, Echo, EchoReq, EchoResp, EchoSlowlyReq, FailReq, ListReq,
    echo_service,
};
use tokio::sync::Notify;

use crate::support::Running;

type Script<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;
type Chat = dyn Fn(Receiver<EchoReq>, Sender<EchoResp>) -> Script<()> + Send + Sync;

/// Runs the script for `List` and `Chat`, whose streams it is given; `List` has no requests to read.
/// The other methods are those of [`Echo`], but for an upload that nobody reads from.
#[derive(Clone)]
pub(super) struct Scripted {
    chat: Arc<Chat>,
    /// Told when a handler begins.
    pub(super) started: Arc<Notify>,
    /// Told when one is dropped, at its end or before.
    pub(super) dropped: Arc<Notify>,
}

struct TellsWhenDropped(Arc<Notify>);

impl Scripted {
    fn begin(&self) -> TellsWhenDropped {
        self.started.notify_one();
        TellsWhenDropped(Arc::clone(&self.dropped))
    }
}

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Scripted {
    pub(super) fn new<F>(
        chat: impl Fn(Receiver<EchoReq>, Sender<EchoResp>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let chat = Arc::new(move |requests, responses| -> Script<()> {
            Box::pin(chat(requests, responses))
        });
        Self { chat, started: Arc::default(), dropped: Arc::default() }
    }

    pub(super) async fn serve(&self) -> Running {
        Running::start(Server::builder().add_service(echo_service::serve(self.clone()))).await
    }
}

impl echo_service::Server for Scripted {
    async fn echo(&self, cx: &Context, request: EchoReq) -> Result<EchoResp, Status> {
        Echo.echo(cx, request).await
    }

    async fn echo_slowly(&self, cx: &Context, request: EchoSlowlyReq) -> Result<EchoResp, Status> {
        Echo.echo_slowly(cx, request).await
    }

    async fn fail(&self, cx: &Context, request: FailReq) -> Result<EchoResp, Status> {
        Echo.fail(cx, request).await
    }

    async fn describe(&self, cx: &Context, request: DescribeReq) -> Result<DescribeResp, Status> {
        Echo.describe(cx, request).await
    }

    async fn upload(&self, _cx: &Context, requests: Receiver<EchoReq>) -> Result<EchoResp, Status> {
        let _tells = self.begin();
        let _requests = requests;
        std::future::pending().await
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
        _cx: &Context,
        requests: Receiver<EchoReq>,
        responses: Sender<EchoResp>,
    ) -> Result<(), Status> {
        let _tells = self.begin();
        (self.chat)(requests, responses).await
    }
}
