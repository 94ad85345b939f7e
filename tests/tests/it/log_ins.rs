//! Log-ins that end while they have something open.

use std::process::{Command, Output};

use mpim_tests::{FramesClient, HttpClient, Layout, Service, Stack, StackBuilder, binary};
use serde_json::json;

on_all_stacks! {
    what_a_log_in_has_open_on_any_gateway_ends_with_it,
    another_password_ends_whatever_is_open_but_that_of_who_changed_it,
    a_log_in_that_ended_while_nobody_could_be_told_is_closed_later,
}

/// Somebody who is at every gateway by one token, of a page; and what is asked for over HTTP by it.
struct Everywhere {
    open: Vec<FramesClient>,
    http: HttpClient,
}

impl Everywhere {
    async fn log_in(stack: &Stack, name: &str) -> Self {
        let nobody = HttpClient::nobody(stack.http_address());
        let body = json!({"username": name, "password": PASSWORD, "device": "web"});
        let (status, answer) = nobody.ask("POST", "/api/login", Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        let token = &answer["data"]["token"];
        let mut open = Vec::new();
        // Two at one gateway, where there is but one.
        for address in stack.frames_addresses().into_iter().cycle().take(2) {
            let mut client = FramesClient::connect(address).await;
            let (kind, me) = client.ask(1001, json!({"auth_type": "token", "token": token})).await;
            assert_eq!((kind, &me["code"]), (1002, &json!(0)), "{me}");
            open.push(client);
        }
        Self { open, http: HttpClient::with_token(stack.http_address(), token) }
    }

    /// Waits until all of it is closed.
    async fn closed(&mut self, reason: &str) {
        for client in &mut self.open {
            let (kind, closing) = client.push().await;
            let message = format!("closing {reason}");
            assert_eq!((kind, &closing["code"]), (9001, &json!(1004)), "{closing}");
            assert_eq!(closing["message"], message);
        }
    }

    async fn is_open(&mut self) {
        for client in &mut self.open {
            assert_eq!(client.ask(9002, json!({})).await.0, 9003);
        }
    }
}

const PASSWORD: &str = "a-secret-of-hers";

async fn register(stack: &Stack) {
    let mut client = FramesClient::connect(stack.frames_address()).await;
    let (_, me) = client.ask(1005, json!({"username": "carol", "password": PASSWORD})).await;
    assert_eq!(me["code"], 0, "{me}");
    client.ask(1003, json!({})).await;
}

/// With two gateways where they find each other.
async fn started(stack: StackBuilder) -> Stack {
    let two = stack.layout() == Layout::Cluster;
    let stack = if two { stack.instances(2) } else { stack };
    let stack = stack.start().await;
    register(&stack).await;
    stack
}

async fn what_a_log_in_has_open_on_any_gateway_ends_with_it(stack: StackBuilder) {
    let stack = started(stack).await;
    let mut one = Everywhere::log_in(&stack, "carol").await;
    let mut two = Everywhere::log_in(&stack, "carol").await;
    let mut three = Everywhere::log_in(&stack, "carol").await;
    // At one of its connections; the other is told.
    let mut first = one.open.remove(0);
    let (kind, bye) = first.ask(1003, json!({})).await;
    assert_eq!((kind, &bye["code"]), (1004, &json!(0)), "{bye}");
    one.closed("logged out").await;
    assert_eq!(one.http.ask("GET", "/api/me", None).await.0, 401);
    two.is_open().await;
    two.http.done("POST", "/api/logout", Some(json!({}))).await;
    two.closed("logged out").await;
    three.is_open().await;
    three.http.done("POST", "/api/logout", Some(json!({"everywhere": true}))).await;
    three.closed("logged out everywhere").await;
    Everywhere::log_in(&stack, "carol").await.is_open().await;
}

async fn another_password_ends_whatever_is_open_but_that_of_who_changed_it(stack: StackBuilder) {
    let stack = started(stack).await;
    let mut other = Everywhere::log_in(&stack, "carol").await;
    let mut own = Everywhere::log_in(&stack, "carol").await;
    let change = |old: &str| json!({"old": old, "new": "another-of-hers"});
    let refused = own.http.ask("POST", "/api/password", Some(change("a guess"))).await;
    assert_eq!(refused.0, 401, "{}", refused.1);
    other.is_open().await;
    let changed = own.http.done("POST", "/api/password", Some(change(PASSWORD))).await;
    other.closed("password changed").await;
    assert_eq!(own.http.ask("GET", "/api/me", None).await.0, 401, "a copy of the token");
    own.is_open().await;
    let me = HttpClient::with_token(stack.http_address(), &changed["token"]);
    assert_eq!(me.ask("GET", "/api/me", None).await.0, 200);
    let old = json!({"username": "carol", "password": PASSWORD});
    let refused = own.http.ask("POST", "/api/login", Some(old)).await;
    assert_eq!(refused.0, 401, "{}", refused.1);
}

async fn a_log_in_that_ended_while_nobody_could_be_told_is_closed_later(stack: StackBuilder) {
    if stack.layout() == Layout::Embedded {
        return;
    }
    let mut stack = started(stack).await;
    let mut carol = Everywhere::log_in(&stack, "carol").await;
    let presence = stack.process_of(Service::Presence);
    stack.kill(&presence).await;
    carol.http.done("POST", "/api/logout", Some(json!({}))).await;
    stack.restart(&presence).await;
    carol.closed("logged out").await;
}

/// What `mpim admin` says, if it succeeds.
fn admin(stack: &Stack, action: &[&str]) -> Option<String> {
    let address = stack.address(Service::User).to_string();
    let mut command = Command::new(binary("mpim"));
    command.arg("admin").args(action).args(["--user", &address]);
    command.arg("--token-file").arg(stack.token_file());
    let Output { status, stdout, .. } = command.output().expect("the program runs");
    status.success().then(|| String::from_utf8(stdout).expect("it prints UTF-8"))
}

#[tokio::test]
async fn an_operator_gives_a_role_and_puts_somebody_out() {
    let stack = started(Stack::builder(Layout::Five)).await;
    let mut carol = Everywhere::log_in(&stack, "carol").await;
    assert_eq!(admin(&stack, &["role", "CAROL", "admin"]).unwrap(), "CAROL is admin now\n");
    assert_eq!(carol.http.done("GET", "/api/me", None).await["role"], "admin");
    assert_eq!(admin(&stack, &["disable", "nobody"]), None);
    assert!(admin(&stack, &["disable", "carol"]).is_some());
    carol.closed("account disabled").await;
    let log_in = json!({"username": "carol", "password": PASSWORD});
    let (status, refused) = carol.http.ask("POST", "/api/login", Some(log_in)).await;
    assert_eq!((status, &refused["message"]), (403, &json!("auth account disabled")));
    assert!(admin(&stack, &["enable", "carol"]).is_some());
    Everywhere::log_in(&stack, "carol").await.is_open().await;
}
