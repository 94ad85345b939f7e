//! A dispatch that was given up on, and an operator who has its message told of again.

use std::process::{Command, Output};

use mpim_tests::{Layout, Service, Stack, binary, register_two, until};

/// What `mpim dead-letters` says, if it succeeds.
fn dead_letters(stack: &Stack, action: &[&str]) -> Option<String> {
    let address = stack.address(Service::Message).to_string();
    let mut command = Command::new(binary("mpim"));
    command.arg("dead-letters").args(action).args(["--message", &address]);
    command.arg("--token-file").arg(stack.token_file());
    let Output { status, stdout, .. } = command.output().expect("the program runs");
    status.success().then(|| String::from_utf8(stdout).expect("it prints UTF-8"))
}

#[tokio::test]
async fn what_an_operator_has_told_of_again_is_shown_once_and_forgotten() {
    let stack = Stack::builder(Layout::Five).set(Service::Message, "dispatch.age_ms_max", 1);
    let mut stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let first = ada.send(bob.uid, "while all is well").await;
    assert_eq!(bob.client.push().await.id, first);
    let presence = stack.process_of(Service::Presence);
    stack.kill(&presence).await;
    let lost = ada.send(bob.uid, "while nobody is told").await;
    let listed = until("the dead letter", async || {
        let list = dead_letters(&stack, &["list"]).unwrap_or_default();
        list.ends_with("1 dead letters\n").then_some(list).ok_or("none")
    })
    .await;
    assert!(listed.contains(" conv=c2c_1_2 seqs=2..2 "), "{listed}");
    assert!(dead_letters(&stack, &["replay", "--all"]).is_none(), "nobody can take it");
    stack.restart(&presence).await;
    let replayed = until("the replay", async || {
        dead_letters(&stack, &["replay", "--all"]).ok_or("im-presence did not take it")
    })
    .await;
    assert_eq!(replayed, "1 replayed\n");
    assert_eq!(dead_letters(&stack, &["list"]).as_deref(), Some("0 dead letters\n"));
    // Their gateway may have compared heads before: it is shown once all the same.
    assert_eq!(bob.client.push().await.id, lost);
    let last = ada.send(bob.uid, "again").await;
    assert_eq!(bob.client.push().await.id, last);
}
