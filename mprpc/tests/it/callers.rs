//! Who may call a server, and what it makes of those who may not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use mprpc::discovery::Memory;
use mprpc::health;
use mprpc::local::Network;
use mprpc::{Callers, Channel, ChannelBuilder, Code, Context, Executed, Shown, Token};
use mprpc_examples::{EchoResp, echo_service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::said::Said;
use crate::support::{Doing, Running, SOON, channel, echo_req, slow_req, soon};
use crate::told::Told;

const OLD: &str = "0123456789abcdef";
const NEW: &str = "fedcba9876543210";

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

/// A slow call answers how its caller was let in.
fn who() -> Doing {
    Doing::new(|cx: Context, _| async move {
        let caller = cx.caller().map(|caller| caller.shown());
        Ok(EchoResp { payload: format!("{caller:?}").into() })
    })
}

async fn serve(callers: Callers) -> Running {
    Running::start(who().builder().callers(callers)).await
}

fn to(server: &Running) -> ChannelBuilder {
    Channel::builder(format!("static://{}", server.address))
}

fn client(channel: ChannelBuilder) -> echo_service::Client {
    echo_service::Client::new(&channel.build().unwrap())
}

/// How a caller was let in.
async fn shown(client: &echo_service::Client) -> Result<String, Code> {
    let answer = client.echo_slowly(&soon(), slow_req("")).await.map_err(|status| status.code())?;
    Ok(String::from_utf8_lossy(&answer.payload).into_owned())
}

fn by(shown: Shown) -> Result<String, Code> {
    Ok(format!("{:?}", Some(shown)))
}

#[tokio::test]
async fn who_shows_the_token_is_served_and_nobody_else_is() {
    let server = serve(Callers::anybody().token(&token(OLD))).await;
    assert_eq!(shown(&client(to(&server).token(&token(OLD)))).await, by(Shown::Token));
    // With a connection of its own each time, which does not last.
    let (unknown, other) = (|| to(&server), || to(&server).token(&token(NEW)));
    for stranger in [&unknown as &dyn Fn() -> ChannelBuilder, &other] {
        let status = client(stranger()).echo(&soon(), echo_req("x")).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
        assert_eq!(status.executed(), Executed::No);
        let streaming = client(stranger());
        let (mut requests, mut answers) = streaming.chat(&soon()).await.unwrap();
        let _ = requests.send(echo_req("x")).await;
        assert_eq!(answers.next().await.unwrap_err().code(), Code::Unauthenticated);
        // Whether it is well is nobody's business either.
        let health = health::Client::new(&stranger().build().unwrap());
        let status = health.check(&soon(), "").await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
    }
    server.stop().await;
}

#[tokio::test]
async fn without_a_token_anybody_is_served_and_a_token_that_is_shown_harms_nobody() {
    let server = serve(Callers::anybody()).await;
    for builder in [to(&server), to(&server).token(&token(OLD))] {
        assert_eq!(shown(&client(builder)).await, Ok("None".to_owned()));
    }
    assert_eq!(shown(&server.classic_client()).await, Ok("None".to_owned()));
}

#[tokio::test]
async fn a_stranger_is_counted_asked_to_go_and_closed() {
    let said = Said::listen();
    let (mut told, _guard) = Told::listen();
    let server = serve(Callers::anybody().token(&token(OLD))).await;
    // One that calls, one that shows something else, and one that says nothing more.
    let settings = b"MPR2\0\0\0\0\x01\0\0\0\0\0\0\0";
    let request = b"\x18\0\0\0\x02\x01\0\0\0\0\0\0\x17\x0a\x15echo.EchoService/Chat";
    let auth = b"\x04\0\0\0\x0a\0\0\0\0\0\0\0\x0a\x02hi";
    for then in [&request[..], auth, b""] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[settings, then].concat()).await.unwrap();
        let mut heard = Vec::new();
        let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut heard)).await;
        ended.expect("it is closed").unwrap();
        let text = "the caller has not shown the token that this server asks for";
        let goaway = heard.windows(text.len()).any(|heard| heard == text.as_bytes());
        assert!(goaway, "{heard:?}");
    }
    told.wait_for(&[("mprpc_callers_refused_total{}", 3.0)]).await;
    assert_eq!(said.how_often("a caller was kept out"), 3, "{said:?}");
    server.stop().await;
}

/// It would have to be taken for classic to stay.
#[tokio::test(start_paused = true)]
async fn one_that_says_nothing_at_all_does_not_keep_its_place() {
    let callers = Callers::anybody().token(&token(OLD)).classic_from([]);
    let server = serve(callers).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), silent.read(&mut [0])).await;
    assert_eq!(ended.expect("it is closed").unwrap(), 0);
    server.stop().await;
}

#[tokio::test]
async fn classic_callers_are_taken_from_where_they_may_be() {
    let said = Said::listen();
    let loopback = "127.0.0.0/8".parse().unwrap();
    let server = serve(Callers::anybody().token(&token(OLD)).classic_from([loopback])).await;
    assert_eq!(shown(&server.classic_client()).await, by(Shown::Address));
    server.stop().await;

    let elsewhere = "10.0.0.0/8".parse().unwrap();
    for callers in
        [Callers::anybody().classic_from([elsewhere]), Callers::anybody().classic_from([])]
    {
        let server = serve(callers).await;
        assert_eq!(shown(&server.classic_client()).await, Err(Code::Unavailable));
        // The other wire is not concerned.
        assert_eq!(shown(&server.client()).await, Ok("None".to_owned()));
        server.stop().await;
    }
    assert_eq!(said.how_often("classic callers are not taken from there"), 2, "{said:?}");
}

#[tokio::test]
async fn who_comes_by_a_unix_socket_or_from_within_is_known_by_that() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("who.sock");
    let network = Network::new();
    let callers = Callers::anybody().token(&token(OLD)).classic_from([]);
    let builder = who().builder().callers(callers).network(&network);
    let server = builder.listen(path.clone()).listen(network.address("who"));
    tokio::spawn(server.bind_all().await.unwrap().serve(std::future::pending()));
    for query in ["", "?wire=classic"] {
        let unix = format!("static://unix:{}{query}", path.display());
        let local = format!("static://local:who{query}");
        for (target, how) in [(unix, Shown::UnixSocket), (local, Shown::Process)] {
            let client = client(Channel::builder(target).network(&network));
            assert_eq!(shown(&client).await, by(how), "{query}");
        }
    }
}

fn write(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// Whether whoever shows that token gets in; on a connection of their own.
async fn gets_in(server: &Running, token: &Token) -> bool {
    shown(&client(to(server).token(token))).await == by(Shown::Token)
}

/// Calls again and again, and fails with the first call that does, until what was written is read.
async fn until(call: &impl AsyncFn(), mut is_read: impl AsyncFnMut() -> bool) {
    let until = tokio::time::Instant::now() + SOON;
    loop {
        call().await;
        if is_read().await {
            return call().await;
        }
        assert!(tokio::time::Instant::now() < until, "it is not read again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Step by step, as an operator would: each side reads its file on its own.
#[tokio::test]
async fn a_token_is_changed_without_a_failed_call() {
    let (mut told, _guard) = Told::listen();
    let directory = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|name| directory.path().join(name));
    write(&ours, OLD);
    write(&theirs, OLD);
    let server = serve(Callers::anybody().token(&Token::file(&ours).unwrap())).await;
    // It tells what the caller shows.
    let of_later = serve(Callers::anybody().token(&token(NEW))).await;
    let caller = Token::file(&theirs).unwrap();
    let call = async || assert!(gets_in(&server, &caller).await, "a call has failed");
    let stays = client(to(&server).token(&token(OLD)));
    shown(&stays).await.unwrap();
    // Of the server, then of the caller: with old and new in whatever order, they understand each
    // other.
    let (both, turned) = (format!("{OLD}\n{NEW}"), format!("{NEW}\n{OLD}"));
    write(&ours, &both);
    until(&call, async || gets_in(&server, &token(NEW)).await).await;
    write(&theirs, &both);
    call().await;
    write(&ours, &turned);
    call().await;
    write(&theirs, &turned);
    until(&call, async || gets_in(&of_later, &caller).await).await;
    write(&theirs, NEW);
    write(&ours, NEW);
    until(&call, async || !gets_in(&server, &token(OLD)).await).await;
    // Those who are there stay; those who come with the old one do not get in any more.
    assert_eq!(shown(&stays).await, by(Shown::Token));
    let late = client(to(&server).token(&token(OLD)));
    assert_eq!(shown(&late).await, Err(Code::Unauthenticated));
    // What is no token changes nothing.
    write(&ours, "no token");
    let failures = "mprpc_reread_failures_total{what=token}";
    until(&call, async || told.look().get(failures).is_some_and(|count| *count >= 1.0)).await;
}

/// One that is found wrong need not be restarted either.
#[tokio::test]
async fn a_caller_whose_file_is_put_right_gets_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    write(&path, OLD);
    let server = serve(Callers::anybody().token(&token(NEW))).await;
    let client = client(to(&server).token(&Token::file(&path).unwrap()));
    assert_eq!(shown(&client).await, Err(Code::Unauthenticated));
    write(&path, NEW);
    let until = tokio::time::Instant::now() + SOON;
    while shown(&client).await != by(Shown::Token) {
        assert!(tokio::time::Instant::now() < until, "it stays out");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A registry is not who decides who hears the token: what it names need not be ours.
#[tokio::test]
async fn the_token_goes_nowhere_where_others_could_read_it() {
    // Not loopback for those who look at the address, and yet of this machine.
    let Some(address) = own_address() else { return };
    for (in_clear, hears) in [(false, false), (true, true)] {
        let listener = tokio::net::TcpListener::bind((address, 0)).await.unwrap();
        let registry = Memory::new();
        let endpoint = mprpc::discovery::Endpoint::new(listener.local_addr().unwrap());
        let _entry =
            mprpc::discovery::Register::register(&registry, &echo_service::DESCRIPTOR, endpoint);
        let client = client(
            Channel::builder("memory://")
                .memory(&registry)
                .token(&token(OLD))
                .token_in_clear(in_clear),
        );
        let calling = tokio::spawn(async move {
            let _ = client.echo(&soon(), echo_req("x")).await;
        });
        let (mut rogue, _) = listener.accept().await.unwrap();
        // It says what a server does, so as to be called.
        rogue.write_all(b"\0\0\0\0\x01\0\0\0\0\0\0\0").await.unwrap();
        let mut heard = Vec::new();
        let called = |heard: &[u8]| heard.windows(4).any(|bytes| bytes == b"Echo");
        while !called(&heard) {
            let bytes = tokio::time::timeout(SOON, rogue.read_buf(&mut heard)).await;
            assert!(bytes.expect("it is called").unwrap() > 0);
        }
        let heard_it = heard.windows(OLD.len()).any(|bytes| bytes == OLD.as_bytes());
        assert_eq!(heard_it, hears);
        calling.abort();
    }
}

/// One of this machine's addresses that is not a loopback one. Nothing is sent for it.
#[expect(clippy::print_stdout, reason = "a test that cannot run says so")]
pub(crate) fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let address = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    let ip = address.ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback());
    if ip.is_none() {
        println!("SKIPPED: this machine has no address but loopback");
    }
    ip
}

#[tokio::test]
async fn a_token_is_in_no_log_line_and_no_error() {
    let said = Said::listen();
    let server = serve(Callers::anybody().token(&token(OLD))).await;
    let stranger = Channel::builder(format!("static://{}", server.address)).token(&token(NEW));
    let stranger = client(stranger);
    let status = stranger.echo(&soon(), echo_req("x")).await.unwrap_err();
    for text in [format!("{status:?}"), status.to_string(), format!("{said:?}")] {
        assert!(!text.contains(OLD) && !text.contains(NEW), "{text}");
    }
    assert!(said.how_often("request refused") > 0, "it was listened to");
    drop(channel("static://127.0.0.1:1"));
    server.stop().await;
}
