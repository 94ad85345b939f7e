//! What an error says: where the call failed, at whom, whether it ran, and what to do about it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use mprpc::discovery::Memory;
use mprpc::{Address, Channel, Code, Context, Executed, Server, Stage, Status};
use mprpc_examples::{EchoReq, FailReq, echo_service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{Gate, Running, channel, echo_req, slow_req, soon};

/// A call that fails, and the address that it went to.
type Failure = Pin<Box<dyn Future<Output = (Status, Option<SocketAddr>)>>>;

/// How a call fails, and what its status says.
struct Case {
    provoke: fn() -> Failure,
    code: Code,
    stage: Stage,
    executed: Executed,
    /// The service's or the framework's own words.
    message: &'static str,
    /// What stands behind them, up to the time that it took and behind it.
    place: &'static str,
    advice: &'static str,
}

const CASES: &[Case] = &[
    Case {
        provoke: || Box::pin(nobody_registered()),
        code: Code::Unavailable,
        stage: Stage::Resolve,
        executed: Executed::No,
        message: "no instance of echo.EchoService is known at memory://",
        place: "(echo.EchoService/Echo, looking for an instance, after ",
        advice: "; not executed; see the channel's target, and what its registry lists)",
    },
    Case {
        provoke: || Box::pin(nobody_serves_the_method()),
        code: Code::Unimplemented,
        stage: Stage::Resolve,
        executed: Executed::No,
        message: "serves echo.EchoService/Echo",
        place: "(echo.EchoService/Echo, looking for an instance, after ",
        advice: "; not executed; see the channel's target, and what its registry lists)",
    },
    Case {
        provoke: || Box::pin(refused("")),
        code: Code::Unavailable,
        stage: Stage::Connect,
        executed: Executed::No,
        message: "connecting failed: ",
        place: "(echo.EchoService/Echo at PEER, connecting, after ",
        advice: "; not executed; see whether the instance runs and listens there)",
    },
    Case {
        provoke: || Box::pin(refused("?wire=classic")),
        code: Code::Unavailable,
        stage: Stage::Connect,
        executed: Executed::No,
        message: "connecting failed: ",
        place: "(echo.EchoService/Echo at PEER, connecting, after ",
        advice: "; not executed; see whether the instance runs and listens there)",
    },
    Case {
        provoke: || Box::pin(silent()),
        code: Code::DeadlineExceeded,
        stage: Stage::Connect,
        executed: Executed::No,
        message: "no connection within the time for the call",
        place: "(echo.EchoService/Echo at PEER, connecting, after ",
        advice: "; not executed; see whether the instance runs, and how much time callers give)",
    },
    Case {
        provoke: || Box::pin(too_large("")),
        code: Code::ResourceExhausted,
        stage: Stage::Write,
        executed: Executed::No,
        message: "a request of ",
        place: "(echo.EchoService/Echo at PEER, before the request was sent, after ",
        advice: "; not executed)",
    },
    Case {
        provoke: || Box::pin(too_large("?wire=classic")),
        code: Code::ResourceExhausted,
        stage: Stage::Write,
        executed: Executed::No,
        message: "a request of ",
        place: "(echo.EchoService/Echo at PEER, before the request was sent, after ",
        advice: "; not executed)",
    },
    Case {
        provoke: || Box::pin(too_late()),
        code: Code::DeadlineExceeded,
        stage: Stage::Write,
        executed: Executed::No,
        message: "the time for the call was over before it could be sent",
        place: "(echo.EchoService/Echo at PEER, before the request was sent, after ",
        advice: "; not executed; see how much time callers give, and what they spent before)",
    },
    Case {
        provoke: || Box::pin(unanswered()),
        code: Code::DeadlineExceeded,
        stage: Stage::Wait,
        executed: Executed::Maybe,
        message: "no answer within the time for the call",
        place: "(echo.EchoService/Echo at PEER, waiting for the answer, after ",
        advice: "; may have been executed; \
                 see what keeps the handler, and how much time callers give)",
    },
    Case {
        provoke: || Box::pin(unanswered_by_a_classic_server()),
        code: Code::DeadlineExceeded,
        stage: Stage::Wait,
        executed: Executed::Maybe,
        message: "no answer within the time for the call",
        place: "(echo.EchoService/EchoSlowly at PEER, waiting for the answer, after ",
        advice: "; may have been executed; \
                 see what keeps the handler, and how much time callers give)",
    },
    Case {
        provoke: || Box::pin(lost()),
        code: Code::Unavailable,
        stage: Stage::Wait,
        executed: Executed::Maybe,
        message: "the server closed the connection",
        place: "(echo.EchoService/Echo at PEER, waiting for the answer, after ",
        advice: "; may have been executed; see whether the instance still runs, and its log)",
    },
    Case {
        provoke: || Box::pin(closed_by_a_classic_server()),
        code: Code::Unavailable,
        stage: Stage::Wait,
        executed: Executed::Maybe,
        message: "the server closed the connection instead of answering",
        place: "(echo.EchoService/Fail at PEER, waiting for the answer, after ",
        advice: "; may have been executed; see whether the instance still runs, and its log)",
    },
    Case {
        provoke: || Box::pin(answered(Code::NotFound)),
        code: Code::NotFound,
        stage: Stage::Remote,
        executed: Executed::Maybe,
        message: "the handler's words",
        place: "(echo.EchoService/Fail at PEER, answered, after ",
        advice: "; may have been executed)",
    },
    Case {
        provoke: || Box::pin(answered(Code::Internal)),
        code: Code::Internal,
        stage: Stage::Remote,
        executed: Executed::Maybe,
        message: "the handler's words",
        place: "(echo.EchoService/Fail at PEER, answered, after ",
        advice: "; may have been executed; see its log)",
    },
];

#[tokio::test]
async fn an_error_says_what_failed_where_at_which_stage_after_how_long_and_where_to_look() {
    for case in CASES {
        let (status, peer) = (case.provoke)().await;
        let text = status.to_string();
        assert_eq!(
            (status.code(), status.stage(), status.executed()),
            (case.code, case.stage, case.executed),
            "{text}"
        );
        assert_eq!(status.peer().and_then(Address::tcp), peer, "{text}");
        assert!(status.message().contains(case.message), "{text}");
        assert!(text.starts_with(&format!("{}: {} (", case.code, status.message())), "{text}");
        let place = peer
            .map_or(case.place.to_owned(), |peer| case.place.replace("PEER", &peer.to_string()));
        let behind = text.split_once(&place).unwrap_or_else(|| panic!("{place} in {text}")).1;
        let time = behind.strip_suffix(case.advice);
        let time = time.unwrap_or_else(|| panic!("{} in {text}", case.advice));
        assert!(time.ends_with('s') && time.starts_with(|c: char| c.is_ascii_digit()), "{text}");
    }
}

fn to(address: SocketAddr, query: &str) -> echo_service::Client {
    echo_service::Client::new(&channel(&format!("static://{address}{query}")))
}

async fn nobody_registered() -> (Status, Option<SocketAddr>) {
    let channel = Channel::builder("memory://").memory(&Memory::new()).build().unwrap();
    let cx = Context::with_timeout(Duration::from_millis(20));
    let client = echo_service::Client::new(&channel);
    (client.echo(&cx, echo_req("x")).await.unwrap_err(), None)
}

async fn nobody_serves_the_method() -> (Status, Option<SocketAddr>) {
    let client = to(([127, 0, 0, 1], 1).into(), "?methods=Fail");
    (client.echo(&soon(), echo_req("x")).await.unwrap_err(), None)
}

async fn refused(query: &str) -> (Status, Option<SocketAddr>) {
    let address = test_servers::free_address();
    let status = to(address, query).echo(&soon(), echo_req("x")).await.unwrap_err();
    (status, Some(address))
}

async fn silent() -> (Status, Option<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = to(address, "");
    // Less than what a connection may take.
    let cx = Context::with_timeout(Duration::from_millis(500));
    (client.echo(&cx, echo_req("x")).await.unwrap_err(), Some(address))
}

async fn too_large(query: &str) -> (Status, Option<SocketAddr>) {
    let server = Running::echo().await;
    let request = EchoReq { payload: Bytes::from(vec![0; 4 * 1024 * 1024]) };
    let status = to(server.address, query).echo(&soon(), request).await.unwrap_err();
    (status, Some(server.address))
}

async fn too_late() -> (Status, Option<SocketAddr>) {
    let server = Running::echo().await;
    let client = server.client();
    client.echo(&soon(), echo_req("connect")).await.unwrap();
    let cx = Context::with_timeout(Duration::ZERO);
    (client.echo(&cx, echo_req("x")).await.unwrap_err(), Some(server.address))
}

/// A server of the test's own says nothing at the deadline, either.
async fn unanswered() -> (Status, Option<SocketAddr>) {
    let (address, request_has_come) = mute().await;
    let client = to(address, "");
    // Before the server is found to answer no pings, either.
    let cx = Context::with_timeout(Duration::from_secs(1));
    let status = client.echo(&cx, echo_req("")).await.unwrap_err();
    assert!(request_has_come.is_finished(), "{status}");
    (status, Some(address))
}

/// The request is taken, and the connection closed.
async fn lost() -> (Status, Option<SocketAddr>) {
    let (address, request_has_come) = mute().await;
    let call = tokio::spawn(async move { to(address, "").echo(&soon(), echo_req("")).await });
    drop(request_has_come.await.unwrap());
    (call.await.unwrap().unwrap_err(), Some(address))
}

/// A server that takes one request, and the connection once it has done so.
async fn mute() -> (SocketAddr, JoinHandle<TcpStream>) {
    const SETTINGS: &[u8] = b"\0\0\0\0\x01\0\0\0\0\0\0\0";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(SETTINGS).await.unwrap();
        // The preface and the client's SETTINGS come first, and then the request: all of it is
        // read, since a socket that is closed over unread bytes is reset.
        let mut read = [0; 4 + 12 + 5 + 12];
        stream.read_exact(&mut read).await.unwrap();
        let length = u32::from_le_bytes(*read[4 + 12 + 5..].first_chunk().unwrap());
        stream.read_exact(&mut vec![0; length as usize]).await.unwrap();
        stream
    });
    (address, serving)
}

async fn unanswered_by_a_classic_server() -> (Status, Option<SocketAddr>) {
    let gate = Gate::default();
    let server = gate.serve().await;
    let client = server.classic_client();
    client.echo(&soon(), echo_req("connect")).await.unwrap();
    let cx = Context::with_timeout(Duration::from_secs(2));
    (client.echo_slowly(&cx, slow_req("x")).await.unwrap_err(), Some(server.address))
}

async fn closed_by_a_classic_server() -> (Status, Option<SocketAddr>) {
    let server = Running::echo().await;
    let request = FailReq { code: 5, message: "lost on this wire".to_owned() };
    let status = to(server.address, "?wire=classic").fail(&soon(), request).await.unwrap_err();
    (status, Some(server.address))
}

async fn answered(code: Code) -> (Status, Option<SocketAddr>) {
    let service = echo_service::serve(mprpc_examples::Echo);
    let server = Running::start(Server::builder().add_service(service)).await;
    let request = FailReq { code: code as u32, message: "the handler's words".to_owned() };
    let status = server.client().fail(&soon(), request).await.unwrap_err();
    (status, Some(server.address))
}
