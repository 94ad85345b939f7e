//! The cases against our server, and against one in another language.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod program;
mod python;

use mprpc::{Callers, Server, Token};
use mprpc_conformance::{CASES, Case, Peer, TestServer, test_service};

fn case(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).expect(name)
}

async fn our_server_holds(name: &str) {
    let token = Token::new("conformance-asks-for-it").unwrap();
    // Those that are about something else hold whether it asks or not.
    let here = "127.0.0.0/8".parse().unwrap();
    let server = Server::builder()
        .callers(Callers::anybody().token(&token).classic_from([here]))
        .add_service(test_service::serve(TestServer::default()))
        .compress_above(1024)
        .bind(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let target = format!("static://{}", server.local_addr());
    tokio::spawn(server.serve(std::future::pending()));
    if case(name).classic {
        let classic = Peer::new(&format!("{target}?wire=classic")).unwrap();
        case(name).run(&classic).await.unwrap();
    }
    if let Err(failure) = case(name).run(&Peer::with_token(&target, &token).unwrap()).await {
        panic!("{name}: {failure}");
    }
}

macro_rules! our_server {
    ($($case:ident)*) => {
        /// A test for each case.
        mod our_server {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::our_server_holds(stringify!($case)).await;
            })*

            pub(super) const RUN: &[&str] = &[$(stringify!($case)),*];
        }
    };
}

our_server! {
    empty_unary
    large_unary
    custom_metadata
    status_code_and_message
    special_status_message
    unimplemented_method
    unimplemented_service
    a_stranger_is_refused
    a_stranger_is_asked_to_go
    deadline_reaches_the_server
    cancelled_unary
    timeout_on_sleeping_server
    client_streaming
    server_streaming
    ping_pong
    empty_stream
    status_behind_answers
    status_of_streams
    metadata_of_streams
    cancel_after_begin
    cancel_after_first_response
    timeout_on_sleeping_stream
    client_compressed_unary
    server_compressed_unary
    client_compressed_streaming
    server_compressed_streaming
    push_back_on_answers
    push_back_on_requests
    thousand_large_at_once
    reconnect_backoff
}

#[test]
fn every_case_is_a_test() {
    let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(our_server::RUN, names);
}
