//! The terminal client on pipes, as a script uses it.

use crate::server::{Protocol, Server, within};
use im_client::{Command, Reply};
use std::{
    io::Write as _,
    process::{Command as Process, Output, Stdio},
};
use tokio::task::{JoinHandle, spawn_blocking};

/// Runs the program with `input` and its end.
fn run(address: String, input: &'static str) -> JoinHandle<Output> {
    spawn_blocking(move || {
        let mut process = Process::new(env!("CARGO_BIN_EXE_im-client"))
            .args(["--server", &address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut stdin = process.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("writes");
        drop(stdin);
        process.wait_with_output().expect("ends")
    })
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_script_gets_every_answer_and_message_in_order_before_the_program_leaves() {
    let server = Server::start(Protocol::Text).await;
    let running = run(
        server.address(),
        "login:ada:secret\nchat:9:it is 10:30\nlgoin ada secret\npull\nlogout",
    );
    let mut peer = server.accept_login().await;
    let (slot, command) = peer.command().await;
    assert!(matches!(command, Command::Send { to: 9, ref text, .. } if text == "it is 10:30"));
    peer.reply(slot, Reply::MsgId(61)).await;
    let (slot, _) = peer.command().await;
    peer.push(62, "\x1B[2Jwaited").await;
    peer.reply(slot, Reply::PullDone).await;
    let (slot, _) = peer.command().await;
    peer.reply(slot, Reply::LoggedOut).await;

    let output = within("the end", running).await.expect("ran");
    assert!(output.status.success(), "{output:?}");
    let (complaints, answers): (Vec<_>, Vec<_>) =
        stdout(&output).lines().map(str::to_owned).partition(|line| line.starts_with("error"));
    assert_eq!(complaints, ["error: there is no command \"lgoin\"; try help"]);
    assert_eq!(
        answers,
        ["you are uid 7", "sent, msg_id=61", r"<9> \x1B[2Jwaited", "pull_done", "logout success"]
    );
}

#[tokio::test]
async fn quit_leaves_with_success_and_nothing_after_it_is_read() {
    let server = Server::start(Protocol::Text).await;
    let running = run(server.address(), "quit\nping\n");
    let _peer = server.accept().await;
    let output = within("the end", running).await.expect("ran");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stdout(&output), "");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure_that_says_so() {
    let address = Server::start(Protocol::Text).await.address();
    let output = within("the end", run(address.clone(), "")).await.expect("ran");
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        complaint.starts_with(&format!("error: cannot connect to text://{address}: ")),
        "{complaint}"
    );
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}

#[tokio::test]
async fn a_reconnect_is_shown() {
    let server = Server::start(Protocol::Text).await;
    let running = run(server.address(), "login:ada:secret\ngroups\n");
    let mut peer = server.accept_login().await;
    let (_slot, _) = peer.command().await;
    drop(peer);
    let mut peer = server.accept_login().await;
    let (slot, _) = peer.command().await;
    peer.reply(slot, Reply::Groups(vec![4])).await;
    let shown = stdout(&within("the end", running).await.expect("ran"));
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[1].starts_with("* not connected: "), "{shown}");
    assert_eq!(lines[2..], ["* connected again, logged in as uid 7", "groups: 4"]);
}
