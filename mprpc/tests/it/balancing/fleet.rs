//! Servers within the process that count their calls, in virtual time.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mprpc::discovery::{Endpoint, Memory};
use mprpc::local::Network;
use mprpc::{
    Channel, ChannelBuilder, Code, Context, Intercepted, Interceptor, Outcome, Server, Status,
};
use mprpc_examples::{Echo, echo_service};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{echo_req, soon};

/// Instances that listen in a network of their own and stand in a registry of their own.
pub(crate) struct Fleet {
    pub(crate) network: Network,
    pub(crate) registry: Memory,
    seen: BTreeMap<String, Seen>,
    _stop: DropGuard,
}

/// What an instance sees of its callers, and what becomes of their calls.
#[derive(Clone, Default)]
struct Seen {
    calls: Arc<AtomicUsize>,
    connections: Arc<Mutex<HashSet<String>>>,
    fails: Arc<Mutex<Option<Code>>>,
    hangs: Arc<AtomicBool>,
}

impl Interceptor for Seen {
    fn intercept<'a>(&'a self, cx: Context, call: Intercepted<'a>) -> Outcome<'a> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.connections.lock().unwrap().extend(cx.peer().map(ToString::to_string));
        Box::pin(async move {
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            call.proceed(cx).await?;
            let fails = *self.fails.lock().unwrap();
            fails.map_or(Ok(()), |code| Err(Status::new(code, "out of order")))
        })
    }
}

impl Fleet {
    /// Instances with these names that serve and stand nowhere yet.
    pub(crate) async fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        fastrand::seed(7);
        let (network, stop) = (Network::new(), CancellationToken::new());
        let mut seen = BTreeMap::new();
        for name in names.into_iter().map(Into::into) {
            let of_this: &Seen = seen.entry(name.clone()).or_default();
            let server = Server::builder()
                .add_service(echo_service::serve(Echo))
                .interceptor(of_this.clone())
                .network(&network)
                .listen(network.address(&name))
                .bind_all()
                .await
                .unwrap();
            tokio::spawn(server.serve(stop.clone().cancelled_owned()));
        }
        Self { network, registry: Memory::new(), seen, _stop: stop.drop_guard() }
    }

    pub(crate) fn endpoint(&self, name: &str) -> Endpoint {
        Endpoint::new(self.network.address(name))
    }

    /// Lists these instances, with these weights.
    pub(crate) fn list<'a>(&self, weights: impl IntoIterator<Item = (&'a str, u32)>) {
        let endpoint = |(name, weight)| Endpoint { weight, ..self.endpoint(name) };
        self.list_endpoints(weights.into_iter().map(endpoint));
    }

    pub(crate) fn list_endpoints(&self, endpoints: impl IntoIterator<Item = Endpoint>) {
        self.registry.list(&echo_service::DESCRIPTOR, endpoints);
    }

    pub(crate) fn list_all(&self) {
        self.list_endpoints(self.seen.keys().map(|name| self.endpoint(name)));
    }

    pub(crate) fn client(
        &self,
        with: impl FnOnce(ChannelBuilder) -> ChannelBuilder,
    ) -> echo_service::Client {
        let builder = Channel::builder("memory://").memory(&self.registry).network(&self.network);
        echo_service::Client::new(&with(builder).build().unwrap())
    }

    pub(crate) fn fails(&self, name: &str, fails: bool) {
        self.fails_with(name, fails.then_some(Code::Unavailable));
    }

    pub(crate) fn fails_with(&self, name: &str, code: Option<Code>) {
        *self.seen[name].fails.lock().unwrap() = code;
    }

    /// From now on calls to it do not end, while it answers pings.
    pub(crate) fn hangs(&self, name: &str) {
        self.seen[name].hangs.store(true, Ordering::Relaxed);
    }

    /// Makes `calls`, one after the other, and tells how many each instance got; those that got none
    /// are left out.
    pub(crate) async fn calls(
        &self,
        client: &echo_service::Client,
        calls: usize,
    ) -> BTreeMap<&str, usize> {
        self.calls_with(client, calls, &soon()).await
    }

    pub(crate) async fn calls_with(
        &self,
        client: &echo_service::Client,
        calls: usize,
        cx: &Context,
    ) -> BTreeMap<&str, usize> {
        self.forget();
        for _ in 0..calls {
            // What was listed is applied, and time passes as it does between calls.
            tokio::time::sleep(Duration::from_millis(1)).await;
            // Whether it fails is not the question here.
            let _ = client.echo(cx, echo_req("x")).await;
        }
        self.seen()
    }

    pub(crate) fn forget(&self) {
        self.seen.values().for_each(|seen| seen.calls.store(0, Ordering::Relaxed));
    }

    pub(crate) fn seen(&self) -> BTreeMap<&str, usize> {
        let calls = |seen: &Seen| seen.calls.load(Ordering::Relaxed);
        let seen = self.seen.iter().map(|(name, seen)| (name.as_str(), calls(seen)));
        seen.filter(|(_, calls)| *calls > 0).collect()
    }

    /// How many connections calls have come over.
    pub(crate) fn connections(&self, name: &str) -> usize {
        self.seen[name].connections.lock().unwrap().len()
    }
}
