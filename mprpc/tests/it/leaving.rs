//! What a server does when it is told to stop.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use mprpc::discovery::{Discover, Endpoint, Listing, Memory, Register, Registration};
use mprpc::health::ServingStatus;
use mprpc::local::Network;
use mprpc::{
    Channel, Code, Executed, Server, ServerBuilder, ServerHandle, ServerState, ServiceDescriptor,
};
use mprpc_examples::{Echo, echo_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::local::{client, to};
use crate::support::{Gate, Running, SOON, channel, echo_req, slow_req, soon};

#[tokio::test]
async fn calls_in_flight_are_finished_and_no_new_ones_are_opened() {
    for wire in ["v2", "classic"] {
        let gate = Gate::default();
        let server = gate.serve().await;
        let client = if wire == "v2" { server.client() } else { server.classic_client() };
        let in_flight = tokio::spawn({
            let client = client.clone();
            async move { client.echo_slowly(&soon(), slow_req("in flight")).await }
        });
        timeout(SOON, gate.started.notified()).await.expect("it is at work");
        server.begin_to_stop();
        let refused = async {
            loop {
                match client.echo(&soon(), echo_req("new")).await {
                    // Crossed the request to leave, and was served.
                    Ok(_) => tokio::task::yield_now().await,
                    Err(status) => return status,
                }
            }
        };
        let status = timeout(SOON, refused).await.expect("new calls are refused");
        assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No), "{wire}");
        gate.open.cancel();
        assert_eq!(in_flight.await.unwrap().unwrap().payload, "in flight", "{wire}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_is_forced_does_not_wait_for_calls_and_tells_their_callers() {
    let gate = Gate::default();
    let builder = Server::builder()
        .add_service(echo_service::serve(gate.clone()))
        .drain_timeout(Duration::from_secs(3600));
    let server = Running::start(builder).await;
    let [one, other] = [server.client(), server.client()].map(|client| {
        tokio::spawn(async move { client.echo_slowly(&soon(), slow_req("x")).await })
    });
    let classic = server.classic_client();
    let classic = tokio::spawn(async move { classic.echo_slowly(&soon(), slow_req("x")).await });
    for _ in 0..3 {
        timeout(SOON, gate.started.notified()).await.expect("it is at work");
    }
    // As a first and a second signal do.
    server.handle.shutdown();
    let mut state = server.handle.watch();
    state.wait_for(|state| *state == ServerState::Draining).await.unwrap();
    server.handle.force();
    timeout(SOON, server.handle.ended()).await.expect("it ends");
    for call in [one, other, classic] {
        let status = call.await.unwrap().unwrap_err();
        assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));
    }
    server.stop().await;
}

#[tokio::test]
async fn streams_that_are_open_when_the_server_drains_go_on_to_their_end() {
    let builder = Server::builder()
        .add_service(echo_service::serve(Echo))
        .drain_timeout(Duration::from_secs(3600));
    let server = Running::start(builder).await;
    let (mut requests, mut answers) = server.client().chat(&soon()).await.unwrap();
    requests.send(echo_req("before")).await.unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap().payload, "before");
    server.handle.shutdown();
    let mut state = server.handle.watch();
    state.wait_for(|state| *state == ServerState::Draining).await.unwrap();
    for _ in 0..100 {
        requests.send(echo_req("while it drains")).await.unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap().payload, "while it drains");
    }
    requests.finish();
    assert!(answers.next().await.unwrap().is_none());
    server.stop().await;
}

#[tokio::test]
async fn streams_that_do_not_end_are_told_so_when_the_drain_time_is_over() {
    let builder = Server::builder()
        .add_service(echo_service::serve(Echo))
        .drain_timeout(Duration::from_millis(50));
    let server = Running::start(builder).await;
    let (mut requests, mut answers) = server.client().chat(&soon()).await.unwrap();
    requests.send(echo_req("x")).await.unwrap();
    assert_eq!(answers.next().await.unwrap().unwrap().payload, "x");
    server.stop().await;
    let status = answers.next().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "the server stopped before the call had ended");
}

/// Who hears of it from the registry has done so before a connection says it.
#[tokio::test]
async fn a_server_that_is_shut_down_is_listed_nowhere_when_it_begins_to_drain() {
    let (one, other) = (Memory::new(), Memory::new());
    let listing = |memory: &Memory| memory.watch(&echo_service::DESCRIPTOR).borrow().clone();
    let builder = Server::builder().add_service(echo_service::serve(Echo));
    let server = Running::start(builder.register(one.clone()).register(other.clone())).await;
    server.client().echo(&soon(), echo_req("x")).await.unwrap();
    for memory in [&one, &other] {
        assert!(matches!(listing(memory), Listing::Known(there) if there.len() == 1));
    }
    let (mut state, memories) = (server.handle.watch(), [one.clone(), other.clone()]);
    let seen = tokio::spawn(async move {
        state.wait_for(|state| *state >= ServerState::Draining).await.unwrap();
        memories.map(|memory| listing(&memory))
    });
    server.stop().await;
    assert_eq!(seen.await.unwrap(), [(); 2].map(|()| Listing::Known([].into())));
}

/// Remembers in which state a server was when its entries had been taken out.
#[derive(Clone, Default)]
struct Leaving {
    handle: Arc<OnceLock<ServerHandle>>,
    states: Arc<Mutex<Vec<ServerState>>>,
}

impl Register for Leaving {
    fn register(&self, _: &'static ServiceDescriptor, _: Endpoint) -> Registration {
        let Self { handle, states } = self.clone();
        Registration::slow(move || {
            Box::pin(async move {
                // Whatever else goes on meanwhile does.
                tokio::time::sleep(Duration::from_millis(10)).await;
                states.lock().unwrap().push(handle.get().unwrap().state());
            })
        })
    }
}

#[tokio::test]
async fn a_server_begins_to_drain_only_when_its_entries_were_taken_out() {
    let registry = Leaving::default();
    let builder = Server::builder().add_service(echo_service::serve(Echo));
    let server = Running::start(builder.register(registry.clone())).await;
    server.client().echo(&soon(), echo_req("x")).await.unwrap();
    assert!(registry.handle.set(server.handle.clone()).is_ok());
    server.stop().await;
    let states = registry.states.lock().unwrap();
    assert!(
        !states.is_empty() && states.iter().all(|at| *at < ServerState::Draining),
        "{states:?}"
    );
}

#[tokio::test]
async fn a_lame_duck_leaves_the_registry_and_serves_until_it_is_shut_down() {
    for threads in [0, 2] {
        lame_duck(threads).await;
    }
}

async fn lame_duck(threads: usize) {
    let memory = Memory::new();
    let builder = Server::builder().add_service(echo_service::serve(Echo)).threads(threads);
    let server = Running::start(builder.register(memory.clone())).await;
    let client = server.client();
    client.echo(&soon(), echo_req("x")).await.unwrap();
    assert_eq!(server.handle.state(), ServerState::Serving);

    server.handle.lame_duck();
    let mut listing = memory.watch(&echo_service::DESCRIPTOR);
    let empty = listing.wait_for(|listing| *listing == Listing::Known([].into()));
    timeout(SOON, empty).await.expect("it leaves the registry").unwrap();
    let health = mprpc::health::Client::new(&channel(&format!("static://{}", server.address)));
    assert_eq!(health.check(&soon(), "").await.unwrap(), ServingStatus::NotServing);
    // Also on new connections.
    client.echo(&soon(), echo_req("x")).await.unwrap();
    server.client().echo(&soon(), echo_req("x")).await.unwrap();
    assert_eq!(server.handle.state(), ServerState::LameDuck);

    server.handle.shutdown();
    timeout(SOON, server.handle.ended()).await.expect("it ends");
    server.stop().await;
}

/// A server named `echo` within the process, for paused time: that moves only when nothing else does,
/// and bytes on their way between sockets are nothing to it.
async fn start_within(network: &Network, builder: ServerBuilder) -> ServerHandle {
    let builder = builder.network(network).listen(network.address("echo"));
    let server = builder.bind_all().await.unwrap();
    let handle = server.handle();
    tokio::spawn(server.serve(std::future::pending()));
    handle
}

#[tokio::test(start_paused = true)]
async fn a_server_serves_for_its_lame_duck_time_before_it_drains() {
    let time = Duration::from_secs(5);
    let builder = Server::builder().add_service(echo_service::serve(Echo)).lame_duck_time(time);
    let network = Network::new();
    let handle = start_within(&network, builder).await;
    let client = client(to(&network, "echo"));
    let began = Instant::now();
    handle.shutdown();
    client.echo(&soon(), echo_req("x")).await.unwrap();
    timeout(SOON, handle.ended()).await.expect("it ends");
    assert!(began.elapsed() >= time);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_asked_to_leave_does_so_when_its_last_call_has_ended() {
    let gate = Gate::default();
    let network = Network::new();
    let builder = Server::builder().add_service(echo_service::serve(gate.clone()));
    let handle = start_within(&network, builder).await;
    let client = client(to(&network, "echo"));
    let in_flight = tokio::spawn(async move {
        let answer = client.echo_slowly(&soon(), slow_req("in flight")).await;
        (client, answer)
    });
    gate.started.notified().await;
    handle.shutdown();
    // The client has heard of it before its call ends.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    gate.open.cancel();
    let (_client, answer) = in_flight.await.unwrap();
    answer.unwrap();
    let ended = Instant::now();
    timeout(SOON, handle.ended()).await.expect("it ends");
    assert_eq!(ended.elapsed(), Duration::ZERO);
}

/// A classic caller cannot know whether its call was executed, so none may be lost on the way in.
#[tokio::test]
async fn calls_that_have_come_when_the_server_stops_are_served_whether_it_has_seen_them_or_not() {
    use std::io::{Read, Write};
    let server = Running::echo().await;
    let connect = || std::net::TcpStream::connect(server.address).unwrap();
    let connected = [(); 10].map(|()| connect());
    server.client().echo(&soon(), echo_req("x")).await.unwrap();
    // The server's only thread is here: what follows reaches the kernel, and not the server.
    let connected = connected.into_iter().chain((0..10).map(|_| connect()));
    let mut connected: Vec<_> = connected.collect();
    for stream in &mut connected {
        stream.write_all(crate::classic::REQUEST).unwrap();
    }
    server.stop().await;
    for mut stream in connected {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, crate::classic::RESPONSE);
    }
}

/// As before, where a client does not wait for answers: more has come than is read at once.
#[tokio::test]
async fn calls_that_were_pipelined_are_all_served_when_the_server_stops() {
    for threads in [0, 2] {
        stop_with_pipelined_calls(threads).await;
    }
}

async fn stop_with_pipelined_calls(threads: usize) {
    use std::io::{Read, Write};
    let builder = Server::builder().add_service(echo_service::serve(Echo));
    let server = Running::start(builder.threads(threads)).await;
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    stream.write_all(crate::classic::REQUEST).unwrap();
    server.client().echo(&soon(), echo_req("x")).await.unwrap();
    stream.write_all(&crate::classic::REQUEST.repeat(1_000)).unwrap();
    server.stop().await;
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    assert_eq!(answers, crate::classic::RESPONSE.repeat(1_001));
}

#[tokio::test]
async fn a_call_half_of_which_has_come_when_the_server_stops_is_served() {
    let server = Running::echo().await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (half, rest) = crate::classic::REQUEST.split_at(25);
    stream.write_all(&[crate::classic::REQUEST, half].concat()).await.unwrap();
    let mut answer = [0; crate::classic::RESPONSE.len()];
    timeout(SOON, stream.read_exact(&mut answer)).await.expect("the first is answered").unwrap();
    server.begin_to_stop();
    let mut state = server.handle.watch();
    state.wait_for(|state| *state == ServerState::Draining).await.unwrap();
    stream.write_all(rest).await.unwrap();
    let mut answers = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answers)).await.expect("it is closed").unwrap();
    assert_eq!(answers, crate::classic::RESPONSE);
    server.stop().await;
}

/// What it sends too late is lost, but no answer that was given is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_stops_to_pipeline_gets_whole_answers_and_does_not_hold_up_the_end() {
    let builder = Server::builder()
        .add_service(echo_service::serve(Echo))
        .drain_timeout(Duration::from_secs(3600));
    let server = Running::start(builder).await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let over = CancellationToken::new();
    let write = async {
        let requests = crate::classic::REQUEST.repeat(100);
        // Until the server has gone, or the test has all answers.
        let write = async { while writer.write_all(&requests).await.is_ok() {} };
        tokio::select! {
            () = write => {}
            () = over.cancelled() => {}
        }
    };
    let read = async {
        let mut answers = vec![0; crate::classic::RESPONSE.len() * 1_000];
        reader.read_exact(&mut answers).await.unwrap();
        server.begin_to_stop();
        let end = reader.read_to_end(&mut answers).await;
        over.cancel();
        end.map(|_| answers)
    };
    let ((), answers) = timeout(SOON, async { tokio::join!(write, read) }).await.expect("it ends");
    let answers = answers.expect("it ends well");
    let answer = crate::classic::RESPONSE;
    assert!(answers.chunks(answer.len()).all(|one| one == answer));
    drop(stream);
    server.stop().await;
}

/// Closed right behind the answer, when a caller that has one call at a time cannot have sent another.
#[tokio::test]
async fn a_classic_caller_that_is_about_to_call_when_the_server_stops_is_served_once_more() {
    let server = Running::echo().await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let mut answer = [0; crate::classic::RESPONSE.len()];
    stream.write_all(crate::classic::REQUEST).await.unwrap();
    timeout(SOON, stream.read_exact(&mut answer)).await.expect("it is answered").unwrap();
    server.begin_to_stop();
    let mut state = server.handle.watch();
    state.wait_for(|state| *state == ServerState::Draining).await.unwrap();
    stream.write_all(crate::classic::REQUEST).await.unwrap();
    let mut answers = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answers)).await.expect("it is closed").unwrap();
    assert_eq!(answers, crate::classic::RESPONSE);
    server.stop().await;
}

/// A rolling restart, as its clients see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_instances_come_and_go() {
    let memory = Memory::new();
    let start = || {
        let builder = Server::builder().add_service(echo_service::serve(Echo));
        Running::start(builder.register(memory.clone()))
    };
    let mut standing = start().await;
    let channel = Channel::builder("memory://").memory(&memory).build().unwrap();
    let client = echo_service::Client::new(&channel);
    let over = CancellationToken::new();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (client, over) = (client.clone(), over.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !over.is_cancelled() {
                    client.echo(&soon(), echo_req("x")).await?;
                    calls += 1;
                }
                Ok::<u32, mprpc::Status>(calls)
            })
        })
        .collect();
    for _ in 0..50 {
        let next = start().await;
        // It is used before the other leaves.
        client.echo(&soon(), echo_req("x")).await.unwrap();
        client.echo(&soon(), echo_req("x")).await.unwrap();
        std::mem::replace(&mut standing, next).stop().await;
    }
    over.cancel();
    for caller in callers {
        let calls = caller.await.unwrap().expect("no call fails");
        assert!(calls > 0);
    }
}
