//! Which instance gets a call, and what happens when one is not there.

use std::collections::HashSet;
use std::time::Duration;

use mprpc::discovery::{Discover, Endpoint, Listing, Memory, Methods, Register};
use mprpc::{Address, Balance, Channel, Code, Context, Executed, Server};
use mprpc_examples::{Echo, echo_service};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::{Running, SOON, channel, echo_req, soon};

fn registered(memory: &Memory) -> mprpc::ServerBuilder {
    Server::builder().add_service(echo_service::serve(Echo)).register(memory.clone())
}

#[tokio::test]
async fn a_refused_connection_says_so_and_that_nothing_was_executed() {
    let address = test_servers::free_address();
    let client = echo_service::Client::new(&channel(&format!("static://{address}")));
    let status = client.echo(&soon(), echo_req("x")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No));
    assert_eq!(*status.peer().unwrap(), address);
    assert!(status.message().contains("refused"), "{status}");
}

#[tokio::test]
async fn calls_go_to_the_instance_that_is_there() {
    let server = Running::echo().await;
    let target = format!("static://{},{}", test_servers::free_address(), server.address);
    for balance in [Balance::round_robin(), Balance::least_requests()] {
        let channel = Channel::builder(&target).balance(balance).build().unwrap();
        let client = echo_service::Client::new(&channel);
        for _ in 0..20 {
            client.echo(&soon(), echo_req("x")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_instance_that_comes_back_is_called_again() {
    let server = Running::echo().await;
    let address = server.address;
    let client = server.client();
    client.echo(&soon(), echo_req("before")).await.unwrap();
    server.stop().await;
    assert!(client.echo(&soon(), echo_req("away")).await.is_err());

    let builder = Server::builder().add_service(echo_service::serve(Echo));
    let _server = Running::start_at(builder, address).await;
    let again = async {
        // Until the pause between attempts to connect is over.
        while client.echo(&soon(), echo_req("back")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, again).await.expect("it is found again");
}

/// A process that is stopped still has its connections accepted, by the kernel.
#[tokio::test]
async fn an_instance_that_accepts_and_never_answers_loses_its_calls_to_others() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Running::echo().await;
    let nobody = silent.local_addr().unwrap();
    let target = format!("static://{nobody},{}", server.address);
    let channel = Channel::builder(target)
        .balance(Balance::round_robin())
        .connect_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let client = echo_service::Client::new(&channel);
    let all_go_to_the_other = async {
        let mut in_a_row = 0;
        while in_a_row < 50 {
            let cx = Context::with_timeout(Duration::from_millis(50));
            match client.echo(&cx, echo_req("x")).await {
                Ok(_) => in_a_row += 1,
                Err(status) => {
                    // The other one may be late, too, where the machine is busy.
                    let is_silent = status.peer().and_then(Address::tcp) == Some(nobody);
                    assert!(!is_silent || status.executed() == Executed::No, "{status}");
                    in_a_row = 0;
                }
            }
        }
    };
    timeout(SOON, all_go_to_the_other).await.expect("the silent one is avoided");
}

/// Otherwise an instance that takes longer to connect to than callers have is never reached.
#[tokio::test]
async fn an_attempt_to_connect_outlives_the_call_that_began_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = echo_service::Client::new(&channel(&format!("static://{address}")));
    for _ in 0..3 {
        // All three have less than the attempt.
        let cx = Context::with_timeout(Duration::from_millis(300));
        let status = client.echo(&cx, echo_req("x")).await.unwrap_err();
        assert_eq!(
            (status.code(), status.executed(), status.peer().and_then(Address::tcp)),
            (Code::DeadlineExceeded, Executed::No, Some(address))
        );
    }
    let (first, _) = listener.accept().await.unwrap();
    let second = timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(second.is_err(), "one attempt serves all callers");
    drop(first);
}

#[tokio::test]
async fn a_call_to_an_instance_that_dies_before_it_serves_goes_to_another() {
    let dying = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Running::echo().await;
    let target = format!("static://{},{}", dying.local_addr().unwrap(), server.address);
    let channel = Channel::builder(target).balance(Balance::round_robin()).build().unwrap();
    let client = echo_service::Client::new(&channel);
    let calls = [(); 2].map(|()| {
        let client = client.clone();
        tokio::spawn(async move { client.echo(&soon(), echo_req("x")).await })
    });
    let (connection, _) = timeout(SOON, dying.accept()).await.expect("one calls it").unwrap();
    drop((connection, dying));
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn of_many_instances_that_are_away_none_keeps_a_call_from_the_one_that_is_there() {
    let server = Running::echo().await;
    let (first, second) = (test_servers::free_address(), test_servers::free_address());
    for target in [
        format!("{first},{second},{}", server.address),
        format!("{},{first},{second}", server.address),
        format!("{second},{},{first}", server.address),
    ] {
        let channel = Channel::builder(format!("static://{target}"))
            .balance(Balance::round_robin())
            .build()
            .unwrap();
        let client = echo_service::Client::new(&channel);
        for _ in 0..6 {
            client.echo(&soon(), echo_req("x")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_instance_that_comes_back_is_called_again_though_others_serve() {
    let other = Running::echo().await;
    let address = test_servers::free_address();
    let target = format!("static://{address},{}", other.address);
    let channel = Channel::builder(target).balance(Balance::round_robin()).build().unwrap();
    let client = echo_service::Client::new(&channel);
    client.echo(&soon(), echo_req("x")).await.unwrap();
    client.echo(&soon(), echo_req("x")).await.unwrap();

    let builder = Server::builder().add_service(echo_service::serve(Echo));
    let _server = Running::start_at(builder, address).await;
    let called_again = async {
        let fail = || mprpc_examples::FailReq { code: 5, message: String::new() };
        while client.fail(&soon(), fail()).await.unwrap_err().peer().and_then(Address::tcp)
            != Some(address)
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, called_again).await.expect("it is found again");
}

#[tokio::test]
async fn a_call_waits_for_a_service_that_nobody_has_registered_yet() {
    let memory = Memory::new();
    let channel = Channel::builder("memory://").memory(&memory).build().unwrap();
    let client = echo_service::Client::new(&channel);
    let early = tokio::spawn({
        let client = client.clone();
        async move { client.echo(&soon(), echo_req("early")).await }
    });
    tokio::task::yield_now().await;
    let server = Running::start(registered(&memory)).await;
    assert_eq!(early.await.unwrap().unwrap().payload, "early");

    server.stop().await;
    let status = client.echo(&soon(), echo_req("late")).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No));
}

#[tokio::test]
async fn a_service_that_never_registers_ends_the_call_at_its_deadline() {
    let channel = Channel::builder("memory://").memory(&Memory::new()).build().unwrap();
    let client = echo_service::Client::new(&channel);
    let cx = Context::with_timeout(Duration::from_millis(20));
    let status = client.echo(&cx, echo_req("x")).await.unwrap_err();
    assert_eq!(status.message(), "no instance of echo.EchoService is known at memory://");
}

#[tokio::test]
async fn round_robin_calls_every_instance() {
    let memory = Memory::new();
    let servers =
        [Running::start(registered(&memory)).await, Running::start(registered(&memory)).await];
    let channel = Channel::builder("memory://")
        .memory(&memory)
        .balance(Balance::round_robin())
        // No call goes elsewhere because the machine is busy.
        .connect_timeout(SOON)
        .build()
        .unwrap();
    let client = echo_service::Client::new(&channel);
    // A failure names its peer, which tells who was called.
    let mut called = HashSet::new();
    for _ in 0..4 {
        let fail = mprpc_examples::FailReq { code: 5, message: String::new() };
        called.insert(client.fail(&soon(), fail).await.unwrap_err().peer().unwrap().tcp().unwrap());
    }
    assert_eq!(called, servers.iter().map(|server| server.address).collect());
}

#[tokio::test]
async fn a_call_goes_only_to_instances_that_serve_its_method() {
    let (few, all) = (Running::echo().await, Running::echo().await);
    let target = format!("static://{}?wire=classic&methods=Describe,Echo", few.address);
    let client = echo_service::Client::new(&channel(&target));
    client.echo(&soon(), echo_req("x")).await.unwrap();
    let fail = || mprpc_examples::FailReq { code: 5, message: String::new() };
    let status = client.fail(&soon(), fail()).await.unwrap_err();
    assert_eq!((status.code(), status.executed()), (Code::Unimplemented, Executed::No));
    assert!(status.message().contains("echo.EchoService/Fail"), "{status}");

    let memory = Memory::new();
    let methods = Methods::only(["Echo"]);
    let endpoint = Endpoint { methods, ..Endpoint::new(few.address) };
    let _few = memory.register(&echo_service::DESCRIPTOR, endpoint);
    let _all = memory.register(&echo_service::DESCRIPTOR, Endpoint::new(all.address));
    let builder = Channel::builder("memory://").memory(&memory).balance(Balance::round_robin());
    let client = echo_service::Client::new(&builder.build().unwrap());
    for _ in 0..4 {
        let status = client.fail(&soon(), fail()).await.unwrap_err();
        assert_eq!(
            (status.code(), status.peer().and_then(Address::tcp)),
            (Code::NotFound, Some(all.address))
        );
        client.echo(&soon(), echo_req("x")).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_stands_in_several_registries_under_the_id_it_was_given() {
    let registries = [Memory::new(), Memory::new()];
    let builder = registered(&registries[0]).register(registries[1].clone()).instance_id("seven");
    let server = Running::start(builder).await;
    let listed = |registry: &Memory| registry.watch(&echo_service::DESCRIPTOR).borrow().clone();
    for registry in &registries {
        let mut listing = registry.watch(&echo_service::DESCRIPTOR);
        let registered = listing.wait_for(|listing| *listing != Listing::Unknown);
        timeout(SOON, registered).await.expect("it registers").unwrap();
        let one = Endpoint { id: "seven".to_owned(), ..Endpoint::new(server.address) };
        assert_eq!(listed(registry), Listing::Known([one].into()));
    }
    server.stop().await;
    for registry in &registries {
        assert_eq!(listed(registry), Listing::Known([].into()));
    }
}

/// Its list is empty for a moment.
#[tokio::test]
async fn no_call_fails_when_the_only_instance_is_replaced() {
    let memory = Memory::new();
    let channel = Channel::builder("memory://").memory(&memory);
    let channel = channel.wait_for_instances(SOON).build().unwrap();
    let client = echo_service::Client::new(&channel);
    let first = Running::start(registered(&memory)).await;
    client.echo(&soon(), echo_req("x")).await.unwrap();
    first.stop().await;
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.echo(&soon(), echo_req("meanwhile")).await }
    });
    tokio::task::yield_now().await;
    let _second = Running::start(registered(&memory)).await;
    assert_eq!(waiting.await.unwrap().unwrap().payload, "meanwhile");
}
