//! Who calls a service from outside: nobody without the token of the fleet, on whichever port.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use mpim_proto::{PingReq, health_service};
use mpim_tests::{ClassicClient, DEADLINE, Fields, Layout, Service, Stack, StackBuilder};
use mprpc::{Channel, Code, Context, Executed, Status, Token};

on_all_stacks! {
    nobody_calls_a_service_without_the_token,
    programs_that_know_no_token_call_from_where_they_are_allowed_to,
}

async fn ping(channel: &Channel) -> Result<(), Status> {
    let health = health_service::Client::new(channel);
    health.ping(&Context::with_timeout(DEADLINE), PingReq::default()).await.map(drop)
}

fn channel(address: SocketAddr, token: Option<&str>) -> Channel {
    let channel = Channel::builder(format!("static://{address}"));
    match token {
        Some(token) => channel.token(&Token::new(token).unwrap()).build().unwrap(),
        None => channel.build().unwrap(),
    }
}

async fn refuses_strangers(stack: &Stack, address: SocketAddr) {
    for token in [None, Some("0123456789abcdef")] {
        let status = ping(&channel(address, token)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{address}: {status}");
        assert_eq!(status.executed(), Executed::No);
        assert!(status.message().contains("service.token_file"), "{status}");
    }
    let mut classic = ClassicClient::connect(address).await;
    classic.send_bytes(&ClassicClient::request("HealthService", "Ping", &Fields::new())).await;
    classic.closed().await;
    ping(&stack.channel(format!("static://{address}"))).await.unwrap();
}

async fn nobody_calls_a_service_without_the_token(stack: StackBuilder) {
    let stack = stack.start().await;
    for service in Service::ALL {
        refuses_strangers(&stack, stack.address(service)).await;
    }
    let file = stack.token_file();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = std::fs::read_to_string(file).unwrap();
    for log in stack.logs() {
        assert!(!log.contains(secret.trim_end()));
    }
}

async fn programs_that_know_no_token_call_from_where_they_are_allowed_to(stack: StackBuilder) {
    let stack = stack.set_everywhere("classic.allow", r#"["10.0.0.0/8", "127.0.0.1"]"#);
    let stack = stack.start().await;
    for service in Service::ALL {
        let mut classic = ClassicClient::connect(stack.address(service)).await;
        classic.call("HealthService", "Ping", &Fields::new()).await;
    }
}

#[tokio::test]
async fn nobody_calls_a_part_that_runs_apart_without_the_token() {
    let stack = Stack::builder(Layout::Five).apart().start().await;
    for part in ["routing", "dispatch", "connections"] {
        refuses_strangers(&stack, stack.part_address(part)).await;
    }
}

/// In which order a fleet that runs is given a token.
#[tokio::test]
async fn services_that_do_not_ask_yet_serve_those_who_show_it_and_those_who_do_not() {
    let stack = Stack::builder(Layout::Five).set_everywhere("service.ask", false).start().await;
    for service in Service::ALL {
        ping(&channel(stack.address(service), None)).await.unwrap();
        ping(&stack.channel_to(service)).await.unwrap();
    }
}
