//! Both wires against an implementation that was written from PROTOCOL.md alone, in Python.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mprpc::{Callers, Channel, Code, Context, Server, ServerBuilder, Token};
use mprpc_examples::{DescribeReq, Echo, EchoSlowlyReq, FailReq, ListReq, echo_service};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::{Running, SOON, channel, echo_req, soon};
use crate::tls::certificates::{Authority, Files};

/// `TEST_PYTHON`, or the one of the machine. The scripts need its standard library only.
#[expect(clippy::print_stdout, reason = "a test that cannot run says so")]
fn python() -> Option<OsString> {
    let name = std::env::var_os("TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let runs = std::process::Command::new(&name).arg("--version").output();
    if runs.is_ok_and(|output| output.status.success()) {
        return Some(name);
    }
    println!("SKIPPED: no {} to run the second implementation with", name.display());
    None
}

fn script(python: &OsString, name: &str) -> Command {
    let mut command = Command::new(python);
    command
        .arg("-B")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Ends well, with whatever it wrote to standard error shown.
async fn ends_well(mut child: Child) {
    let status = tokio::time::timeout(SOON * 4, child.wait()).await.expect("it ends").unwrap();
    assert!(status.success(), "{status}");
}

/// Runs a case of `cases.py` against our server.
async fn their_client_finds(case: &str) {
    // Which is of no concern to clients that do not ask for compressed messages.
    let builder = Server::builder().add_service(echo_service::serve(Echo)).compress_above(1000);
    their_client_finds_at(builder, case).await;
}

async fn their_client_finds_at(builder: ServerBuilder, case: &str) {
    let Some(python) = python() else { return };
    let server = Running::start(builder).await;
    let mut cases = script(&python, "cases.py");
    ends_well(cases.arg(server.address.to_string()).arg(case).spawn().unwrap()).await;
    // Nothing that a client does keeps a server from ending.
    server.stop().await;
}

/// With another implementation of TLS.
#[tokio::test]
async fn their_client_finds_in_tls_what_it_finds_without() {
    let Some(python) = python() else { return };
    let (files, authority) = (Files::new(), Authority::new("ours"));
    let tls = files.server(&authority.sign(&["127.0.0.1"]), Some(&authority)).only();
    let builder = Server::builder().add_service(echo_service::serve(Echo)).tls(&tls);
    let server = Running::start(builder.callers(Callers::anybody().certificates())).await;
    let roots = files.roots(&authority);
    let (certificate, key) = files.certificate(&authority.sign(&["python"]));
    for case in [
        "unary",
        "a_large_message",
        "many_at_once_and_answers_in_any_order",
        "a_stream_both_ways",
        "a_message_longer_than_the_window",
        "what_breaks_the_protocol_ends_the_connection",
    ] {
        let mut cases = script(&python, "cases.py");
        cases.env("TLS_CA", &roots).env("TLS_CERT", &certificate).env("TLS_KEY", &key);
        ends_well(cases.arg(server.address.to_string()).arg(case).spawn().unwrap()).await;
    }
    server.stop().await;
}

macro_rules! their_client {
    ($($case:ident)*) => {
        /// One test for each case of `cases.py`.
        mod their_client {
            $(#[tokio::test]
            async fn $case() {
                super::their_client_finds(stringify!($case)).await;
            })*

            pub(super) const CASES: &[&str] = &[$(stringify!($case)),*];
        }
    };
}

their_client! {
    classic_calls_share_a_connection
    classic_requests_may_be_pipelined
    classic_has_no_word_for_an_error_but_the_end
    unary
    a_large_message
    many_at_once_and_answers_in_any_order
    errors
    deadline
    metadata
    a_cancelled_call_is_not_answered
    ping
    unknown_kinds_and_flags_are_skipped
    too_long_a_request_harms_no_other
    too_long_an_answer_fails_its_call_only
    a_stream_of_requests
    a_stream_of_answers
    a_stream_both_ways
    a_message_longer_than_the_window
    who_does_not_read_is_not_sent_more_than_its_window
    whose_messages_are_not_read_waits
    a_stream_ends_with_its_deadline
    a_cancelled_stream_leaves_the_others
    a_method_of_another_kind_is_not_served
    compressed_messages
    damaged_messages_that_are_compressed
    what_breaks_a_stream_ends_the_connection
    what_a_server_need_not_mind
    what_breaks_the_protocol_ends_the_connection
}

#[tokio::test]
async fn every_case_of_their_client_is_a_test_here() {
    let Some(python) = python() else { return };
    let listed = script(&python, "cases.py").arg("--list").output().await.unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let run_alone = "goaway_lets_what_is_in_flight_finish";
    let mut run = [their_client::CASES, ABOUT_TOKENS, &[run_alone]].concat();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    run.sort_unstable();
    assert_eq!(run, listed);
}

const ABOUT_TOKENS: &[&str] =
    &["who_shows_the_token_is_served", "who_does_not_is_told_so_and_asked_to_go"];

const TOKEN: &str = "0123456789abcdef";

#[tokio::test]
async fn their_client_shows_our_server_who_it_is() {
    for case in ABOUT_TOKENS {
        let callers = Callers::anybody().token(&Token::new(TOKEN).unwrap());
        let builder = Server::builder().add_service(echo_service::serve(Echo));
        their_client_finds_at(builder.callers(callers), case).await;
    }
}

#[tokio::test]
async fn our_client_shows_their_server_who_it_is() {
    let Some(theirs) = Theirs::start_with(&[&FRAME_BYTES_MAX.to_string(), "1000", TOKEN]).await
    else {
        return;
    };
    let status = theirs.client().echo(&soon(), echo_req("who?")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let token = Token::new(TOKEN).unwrap();
    let channel = Channel::builder(format!("static://{}", theirs.address)).token(&token);
    let client = echo_service::Client::new(&channel.build().unwrap());
    assert_eq!(client.echo(&soon(), echo_req("I")).await.unwrap().payload, "I");
}

#[tokio::test]
async fn their_client_loses_nothing_when_our_server_stops() {
    let Some(python) = python() else { return };
    let server = Running::echo().await;
    let mut child = script(&python, "cases.py")
        .arg(server.address.to_string())
        .arg("goaway_lets_what_is_in_flight_finish")
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(SOON, lines.next_line()).await.expect("it calls").unwrap();
    assert_eq!(line.as_deref(), Some("in flight"));
    server.begin_to_stop();
    ends_well(child).await;
    server.stop().await;
}

#[tokio::test]
async fn they_read_and_write_the_golden_vectors_as_they_stand() {
    let Some(python) = python() else { return };
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    ends_well(script(&python, "golden.py").arg(vectors).spawn().unwrap()).await;
}

/// `server.py`, until dropped.
struct Theirs {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Theirs {
    /// One whose frames have at most so many bytes.
    async fn start(frame_bytes_max: u32) -> Option<Self> {
        Self::start_with(&[&frame_bytes_max.to_string(), "1000"]).await
    }

    async fn start_with(arguments: &[&str]) -> Option<Self> {
        let python = python()?;
        let mut child = script(&python, "server.py").args(arguments).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut theirs = Self { _child: child, stdin, lines, address: String::new() };
        theirs.address = theirs.line().await;
        Some(theirs)
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(SOON, self.lines.next_line()).await.expect("it speaks");
        line.unwrap().expect("it runs")
    }

    fn client(&self) -> echo_service::Client {
        echo_service::Client::new(&channel(&format!("static://{}", self.address)))
    }

    fn classic_client(&self) -> echo_service::Client {
        echo_service::Client::new(&channel(&format!("static://{}?wire=classic", self.address)))
    }
}

const FRAME_BYTES_MAX: u32 = 4_194_304;

fn slowly(payload: &str, delay_ms: u32) -> EchoSlowlyReq {
    EchoSlowlyReq { payload: payload.to_owned().into(), delay_ms }
}

#[tokio::test]
async fn their_server_answers_our_client_on_both_wires() {
    let Some(theirs) = Theirs::start(FRAME_BYTES_MAX).await else { return };
    for client in [theirs.client(), theirs.classic_client()] {
        for payload in ["hi", "", &"long ".repeat(600_000)] {
            let answer = client.echo(&soon(), echo_req(payload)).await.unwrap();
            assert_eq!(answer.payload, payload);
        }
        let calls = (0..100).map(|number| {
            let (client, payload) = (client.clone(), number.to_string());
            tokio::spawn(async move {
                let answer = client.echo(&soon(), echo_req(&payload)).await.unwrap();
                assert_eq!(answer.payload, payload);
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
    }
}

#[tokio::test]
async fn their_server_s_errors_reach_our_caller() {
    let Some(theirs) = Theirs::start(FRAME_BYTES_MAX).await else { return };
    for code in 1..17 {
        let asked = FailReq { code, message: "wirklich ☹\r\n".to_owned() };
        let status = theirs.client().fail(&soon(), asked.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::from_u32(code));
        assert_eq!(status.message(), "wirklich ☹\r\n");
        // Classic has no word for it.
        let status = theirs.classic_client().fail(&soon(), asked).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
}

#[tokio::test]
async fn our_deadline_and_metadata_reach_their_server() {
    let Some(theirs) = Theirs::start(FRAME_BYTES_MAX).await else { return };
    let client = theirs.client();
    let cx = soon().sending("x-color", "grün".as_bytes());
    let described = client.describe(&cx, DescribeReq {}).await.unwrap();
    let limit = u64::try_from(SOON.as_millis()).unwrap();
    assert!((1..=limit).contains(&described.remaining_ms), "{}", described.remaining_ms);
    assert_eq!(described.metadata["x-color"], "grün".as_bytes());

    let cx = Context::with_timeout(Duration::from_millis(100));
    let status = client.echo_slowly(&cx, slowly("", 60_000)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    // The connection goes on.
    assert_eq!(client.echo(&soon(), echo_req("on")).await.unwrap().payload, "on");
}

#[tokio::test]
async fn a_call_that_we_give_up_disturbs_no_other_at_their_server() {
    let Some(theirs) = Theirs::start(FRAME_BYTES_MAX).await else { return };
    let client = theirs.client();
    for number in 0..50 {
        let cx = soon();
        let given_up = client.echo_slowly(&cx, slowly("given up", 50));
        assert!(tokio::time::timeout(Duration::from_millis(1), given_up).await.is_err());
        let payload = number.to_string();
        assert_eq!(client.echo(&soon(), echo_req(&payload)).await.unwrap().payload, payload);
    }
}

#[tokio::test]
async fn our_client_keeps_to_their_server_s_frame_limit() {
    let Some(theirs) = Theirs::start(1000).await else { return };
    let client = theirs.client();
    let status = client.echo(&soon(), echo_req(&"x".repeat(2000))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let payload = "x".repeat(500);
    assert_eq!(client.echo(&soon(), echo_req(&payload)).await.unwrap().payload, payload);
}

#[tokio::test]
async fn their_goaway_fails_none_of_our_calls() {
    let Some(mut theirs) = Theirs::start(FRAME_BYTES_MAX).await else { return };
    let client = theirs.client();
    client.echo(&soon(), echo_req("connected")).await.unwrap();
    for _ in 0..3 {
        let slow = client.clone();
        let in_flight =
            tokio::spawn(async move { slow.echo_slowly(&soon(), slowly("slow", 200)).await });
        // On the same connection behind it, so the slow one has been sent.
        client.echo(&soon(), echo_req("behind")).await.unwrap();
        theirs.stdin.write_all(b"goaway\n").await.unwrap();
        for _ in 0..20 {
            client.echo(&soon(), echo_req("crossing")).await.unwrap();
        }
        assert!(theirs.line().await.starts_with("gone away "));
        assert_eq!(in_flight.await.unwrap().unwrap().payload, "slow");
    }
}

#[tokio::test]
async fn our_streams_reach_their_server_and_back() {
    let Some(theirs) = Theirs::start(FRAME_BYTES_MAX).await else { return };
    let client = theirs.client();

    let (mut requests, answer) = client.upload(&soon()).await.unwrap();
    let payload = "x".repeat(50_000);
    for _ in 0..40 {
        requests.send(echo_req(&payload)).await.unwrap();
    }
    requests.finish();
    assert_eq!(answer.await.unwrap().payload, payload.repeat(40));

    let list = |count, size| ListReq { count, size };
    for asked in [list(0, 0), list(1, 1_000_000), list(2_000, 3_000)] {
        let mut answers = client.list(&soon(), asked).await.unwrap();
        let mut found = 0;
        while let Some(answer) = answers.next().await.unwrap() {
            assert_eq!(answer.payload.len(), asked.size as usize);
            found += 1;
        }
        assert_eq!(found, asked.count);
    }
}

#[tokio::test]
async fn a_stream_that_we_do_not_read_holds_up_no_other_at_their_server() {
    let Some(theirs) = Theirs::start(FRAME_BYTES_MAX).await else { return };
    let client = theirs.client();
    let asked = ListReq { count: 3_000, size: 10_000 };
    let mut unread = client.list(&soon(), asked).await.unwrap();
    let (mut requests, mut answers) = client.chat(&soon()).await.unwrap();
    for number in 0..50 {
        let payload = number.to_string();
        requests.send(echo_req(&payload)).await.unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap().payload, payload);
        assert_eq!(client.echo(&soon(), echo_req(&payload)).await.unwrap().payload, payload);
    }
    requests.finish();
    assert_eq!(answers.next().await.unwrap(), None);
    let mut found = 0;
    while unread.next().await.unwrap().is_some() {
        found += 1;
    }
    assert_eq!(found, asked.count);
    // Of one that is given up nothing more comes, and the connection goes on.
    drop(client.list(&soon(), asked).await.unwrap());
    assert_eq!(client.echo(&soon(), echo_req("on")).await.unwrap().payload, "on");
}

#[tokio::test]
async fn our_client_and_their_server_compress_for_each_other() {
    let Some(theirs) = Theirs::start(FRAME_BYTES_MAX).await else { return };
    let builder = Channel::builder(format!("static://{}", theirs.address)).compress_above(1000);
    let client = echo_service::Client::new(&builder.build().unwrap());
    let payload = "to and fro ".repeat(100_000);
    assert_eq!(client.echo(&soon(), echo_req(&payload)).await.unwrap().payload, payload);
    let (mut requests, mut answers) = client.chat(&soon()).await.unwrap();
    for sent in ["", &payload, "short", &payload] {
        requests.send(echo_req(sent)).await.unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap().payload, sent);
    }
    requests.finish();
    assert_eq!(answers.next().await.unwrap(), None);
}
