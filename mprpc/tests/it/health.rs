//! gRPC's health service, which every server serves.

use std::time::Duration;

use mprpc::discovery::{Discover, Listing, Memory};
use mprpc::health::{self, HealthReporter, ServingStatus};
use mprpc::{Code, Server, ServerState, ServiceDescriptor};
use mprpc_examples::{Echo, echo_service};

use crate::support::{Running, channel, echo_req, soon};

fn health_of(server: &Running) -> health::Client {
    health::Client::new(&channel(&format!("static://{}", server.address)))
}

#[tokio::test]
async fn a_server_that_serves_says_so_of_itself_and_of_its_services() {
    let server = Running::echo().await;
    let health = health_of(&server);
    for service in ["", "echo.EchoService"] {
        assert_eq!(health.check(&soon(), service).await.unwrap(), ServingStatus::Serving);
    }
    let status = health.check(&soon(), "echo.Other").await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "`echo.Other` is not known here")
    );
}

#[tokio::test]
async fn what_a_service_reports_is_what_is_said() {
    let reporter = HealthReporter::new();
    reporter.set("echo.EchoService", ServingStatus::NotServing);
    let builder = Server::builder().add_service(echo_service::serve(Echo)).health(&reporter);
    let server = Running::start(builder).await;
    let health = health_of(&server);
    let check = async |service| health.check(&soon(), service).await.unwrap();
    assert_eq!(check("").await, ServingStatus::Serving);
    assert_eq!(check("echo.EchoService").await, ServingStatus::NotServing);
    reporter.set("echo.EchoService", ServingStatus::Serving);
    reporter.set("the database", ServingStatus::NotServing);
    assert_eq!(check("echo.EchoService").await, ServingStatus::Serving);
    assert_eq!(check("the database").await, ServingStatus::NotServing);
}

#[tokio::test]
async fn a_server_that_was_told_not_to_serves_no_health() {
    let builder = Server::builder().add_service(echo_service::serve(Echo)).without_health();
    let server = Running::start(builder).await;
    let status = health_of(&server).check(&soon(), "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    server.client().echo(&soon(), echo_req("x")).await.unwrap();
}

/// It is asked of one server; a registry would answer for any.
#[tokio::test]
async fn the_health_service_is_not_announced() {
    static HEALTH: ServiceDescriptor = ServiceDescriptor {
        full_name: "grpc.health.v1.Health",
        short_name: "Health",
        methods: &["Check"],
    };
    let memory = Memory::new();
    let builder = Server::builder().add_service(echo_service::serve(Echo));
    let server = Running::start(builder.register(memory.clone())).await;
    server.client().echo(&soon(), echo_req("x")).await.unwrap();
    assert_eq!(*memory.watch(&HEALTH).borrow(), Listing::Unknown);
}

#[tokio::test]
async fn who_watches_learns_of_each_change_until_the_server_drains() {
    let reporter = HealthReporter::new();
    // A stream that nobody ends would hold up the end so long.
    let builder = Server::builder().health(&reporter).drain_timeout(Duration::from_secs(3600));
    let server = Running::start(builder).await;
    let health = health_of(&server);
    let cx = soon();
    let mut watching = health.watch(&cx, "later").await.unwrap();
    assert_eq!(watching.next().await.unwrap(), Some(ServingStatus::ServiceUnknown));
    for status in [ServingStatus::NotServing, ServingStatus::Serving] {
        reporter.set("later", status);
        // Which is no change to the same watcher.
        reporter.set("other", status);
        assert_eq!(watching.next().await.unwrap(), Some(status));
    }
    server.begin_to_stop();
    assert_eq!(watching.next().await.unwrap(), Some(ServingStatus::NotServing));
    assert_eq!(watching.next().await.unwrap_err().code(), Code::Unavailable);
    server.stop().await;
}

/// What a supervisor asks before it sends the first call, and before it stops to.
#[tokio::test]
async fn a_server_is_ready_from_when_it_serves_until_it_leaves() {
    let memory = Memory::new();
    for threads in [0, 2] {
        let reporter = HealthReporter::new();
        let builder = Server::builder().add_service(echo_service::serve(Echo)).threads(threads);
        let builder = builder.health(&reporter).register(memory.clone());
        let server = builder.bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (address, handle) = (server.local_addr(), server.handle());
        let mut state = handle.watch();
        assert_eq!(*state.borrow(), ServerState::Bound);
        assert_eq!(reporter.status("echo.EchoService"), Some(ServingStatus::NotServing));
        let serving = tokio::spawn(server.serve(std::future::pending()));
        state.wait_for(|state| *state == ServerState::Serving).await.unwrap();
        let health = health::Client::new(&channel(&format!("static://{address}")));
        assert_eq!(health.check(&soon(), "").await.unwrap(), ServingStatus::Serving);
        handle.lame_duck();
        state.wait_for(|state| *state == ServerState::LameDuck).await.unwrap();
        assert_eq!(health.check(&soon(), "").await.unwrap(), ServingStatus::NotServing);
        handle.shutdown();
        serving.await.unwrap().unwrap();
    }
}
