//! Starting and ending the programs.

use std::net::TcpListener;

use mpim_tests::{
    Layout, PASSWORD, Process, Service, Stack, StackBuilder, TextClient, WELCOME, free_address,
    register_two, until,
};
use rustix::process::Signal;

on_all_stacks! {
    a_signal_ends_every_process_with_status_0,
    clients_are_told_before_the_gateway_ends,
}

async fn a_signal_ends_every_process_with_status_0(stack: StackBuilder) {
    let mut stack = stack.start().await;
    // With somebody connected, who does not leave by themselves.
    let (_ada, _bob) = register_two(&stack).await;
    for signal in [Signal::TERM, Signal::INT] {
        for process in stack.processes() {
            stack.process(&process).signal(signal);
            let status = stack.process(&process).ended().await;
            assert!(status.success(), "{process} ended with {status} after {signal:?}");
        }
        for process in stack.processes() {
            stack.restart(&process).await;
        }
    }
}

async fn clients_are_told_before_the_gateway_ends(stack: StackBuilder) {
    let mut stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let id = ada.send(bob.uid, "before").await;
    assert_eq!(bob.client.push().await.id, id);
    stack.stop(stack.process_of(Service::Gateway)).await;
    assert_eq!(ada.client.rest().await, ["-ERR closing server shutting down"]);
    assert_eq!(bob.client.rest().await, ["-ERR closing server shutting down"]);
}

#[tokio::test]
async fn the_one_process_tells_a_newcomer_where_to_connect() {
    let mut stack = Stack::builder(Layout::Embedded).start().await;
    let text = stack.text_address();
    let data = stack.directory().join("data");
    // It serves a moment before it says so.
    for words in [format!("nc {} {}", text.ip(), text.port()), data.display().to_string()] {
        until(&format!("it says {words}"), async || {
            let log = stack.process("mpim").log();
            if log.contains(&words) { Ok(()) } else { Err(log) }
        })
        .await;
    }
}

#[tokio::test]
async fn without_a_file_the_data_is_below_the_directory_that_it_was_started_in() {
    let directory = tempfile::tempdir().unwrap();
    let text = free_address();
    let mut mpim = Process::new("mpim", directory.path())
        .variable("MPIM_GATEWAY__TEXT__LISTEN", text.to_string())
        .variable("MPIM_GATEWAY__FRAMES__ENABLED", "false")
        .variable("MPIM_GATEWAY__HTTP__ENABLED", "false");
    for service in ["USER", "PRESENCE", "MESSAGE", "GROUP", "GATEWAY"] {
        let listen = format!("MPIM_{service}__RPC__LISTEN");
        mpim = mpim.variable(listen, free_address().to_string());
    }
    mpim.start();
    let connected = until("it takes connections", async || TextClient::try_connect(text).await);
    assert_eq!(connected.await.line().await, WELCOME);
    for database in ["user", "message", "group"] {
        assert!(directory.path().join("data").join(database).join("LOCK").is_file(), "{database}");
    }
    mpim.stop().await;
}

#[tokio::test]
async fn no_password_and_no_message_is_logged_even_in_detail() {
    for layout in [Layout::Embedded, Layout::Five] {
        let builder = Stack::builder(layout).set_everywhere("log.filter", "debug");
        let mut stack = builder.set_everywhere("log.spans", true).start().await;
        let (mut ada, mut bob) = register_two(&stack).await;
        ada.send(bob.uid, "a message in confidence").await;
        bob.client.push().await;
        bob.client.ask("LOGIN ada a-mistaken-password").await;
        bob.client.ask("LOGNI ada a-misplaced-password").await;
        ada.client.expect("LOGOUT", "+OK logout success").await;
        for process in stack.processes() {
            stack.stop(&process).await;
        }
        let logs = stack.logs().concat();
        assert!(logs.contains("gateway.deliver"), "the logs are as detailed as they get");
        // A token is three parts in base64, of which the first begins with `{"`.
        for secret in [PASSWORD, "in confidence", "a-mistaken", "a-misplaced", "eyJ"] {
            let line = logs.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret:?} is in the log");
        }
    }
}

/// A program that is expected to fail at its start: its exit code and what it says.
async fn failure(process: Process) -> (Option<i32>, String) {
    let output = process.command().output().await.unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Waits until a program has said for the `time`th time that it serves.
async fn serves(process: &Process, time: usize) {
    until("it serves", async || {
        let times = process.log().matches("\"serving\"").count();
        if times == time { Ok(()) } else { Err(process.log_tail()) }
    })
    .await;
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused_and_told_by_whom() {
    let directory = tempfile::tempdir().unwrap();
    for program in ["im-user", "im-message", "im-group"] {
        let process = || {
            Process::new(program, directory.path())
                .argument("--data-dir")
                .argument(directory.path().join(program))
                .variable("MPIM_RPC__LISTEN", free_address().to_string())
        };
        let mut first = process();
        first.start();
        serves(&first, 1).await;
        let (code, said) = failure(process()).await;
        assert_eq!(code, Some(1), "{said}");
        let owner = std::fs::read_to_string(directory.path().join(program).join("LOCK")).unwrap();
        let expected = format!("is in use by process {}", owner.trim());
        assert!(said.contains("data directory") && said.contains(&expected), "{said}");
        first.stop().await;
        let mut next = process();
        next.start();
        serves(&next, 2).await;
        next.stop().await;
    }
}

#[tokio::test]
async fn a_second_mpim_on_the_same_data_is_refused_too() {
    let stack = Stack::builder(Layout::Embedded).start().await;
    let mut second = Process::new("mpim", stack.directory())
        .argument("--data-dir")
        .argument(stack.directory().join("data"))
        .variable("MPIM_GATEWAY__TEXT__LISTEN", free_address().to_string())
        .variable("MPIM_GATEWAY__FRAMES__ENABLED", "false")
        .variable("MPIM_GATEWAY__HTTP__ENABLED", "false");
    for service in ["USER", "PRESENCE", "MESSAGE", "GROUP", "GATEWAY"] {
        let listen = format!("MPIM_{service}__RPC__LISTEN");
        second = second.variable(listen, free_address().to_string());
    }
    let (code, said) = failure(second).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is in use by process"), "{said}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let address = free_address();
    let _taken = TcpListener::bind(address).unwrap();
    let (rpc, text) = ("MPIM_RPC__LISTEN", "MPIM_TEXT__LISTEN");
    let (frames, http) = ("MPIM_FRAMES__LISTEN", "MPIM_HTTP__LISTEN");
    for (program, taken, others) in [
        ("im-user", rpc, &[][..]),
        ("im-message", rpc, &[][..]),
        ("im-presence", rpc, &[][..]),
        ("im-group", rpc, &[][..]),
        ("im-gateway", rpc, &[text, frames, http]),
        ("im-gateway", text, &[rpc, frames, http]),
        ("im-gateway", frames, &[rpc, text, http]),
        ("im-gateway", http, &[rpc, text, frames]),
        ("mpim", "MPIM_USER__RPC__LISTEN", &[]),
    ] {
        let mut process = Process::new(program, directory.path());
        process = process.variable(taken, address.to_string());
        for other in others {
            process = process.variable(*other, free_address().to_string());
        }
        let (code, said) = failure(process).await;
        assert_eq!(code, Some(1), "{program}: {said}");
        let named = said.contains(&address.to_string()) && said.contains("in use");
        assert!(named, "{program} says {said:?}");
    }
}
