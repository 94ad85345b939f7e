//! The parts of im-presence in processes of their own, two of each: found through ZooKeeper, with their
//! routes in Redis.

use mpim_proto::{QuerySessionsReq, routing_service};
use mpim_tests::{DEADLINE, PASSWORD, Stack, register_two, until};
use mprpc::Context;

use super::{each_is_killed, holds_without_an_error, talking};

/// The name of a part's process.
fn process(part: &str, number: usize) -> String {
    if number == 1 { format!("im-{part}") } else { format!("im-{part}-{number}") }
}

/// What an instance of the part "routing" says of a user: the id of their session.
async fn session_of(stack: &Stack, routing: usize, user_id: i64) -> Result<String, String> {
    let target = format!("static://{}", stack.part_address_of("routing", routing));
    let client = routing_service::Client::new(&stack.channel(target));
    let asked = QuerySessionsReq { user_id };
    let answer = client.query(&Context::with_timeout(DEADLINE), asked).await;
    match answer.map_err(|status| status.to_string())?.sessions.as_slice() {
        [session] => Ok(session.session_id.clone()),
        sessions => Err(format!("{sessions:?}")),
    }
}

#[tokio::test]
async fn one_of_two_instances_of_each_part_is_killed_and_nobody_notices() {
    let Some(builder) = Stack::cluster().await else { return };
    let (mut stack, load) = talking(builder.instances(2).apart()).await;
    let parts = ["routing", "dispatch", "connections", "presence"];
    each_is_killed(&mut stack, &load, &parts, process).await;
    holds_without_an_error(load).await;
}

#[tokio::test]
async fn a_route_that_one_instance_bound_is_known_to_the_other_when_it_is_killed() {
    let Some(builder) = Stack::cluster().await else { return };
    let mut stack = builder.instances(2).apart().start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for killed in [1, 2] {
        let left = 3 - killed;
        let before = until("both know the session", async || {
            let (one, other) =
                (session_of(&stack, 1, bob.uid).await?, session_of(&stack, 2, bob.uid).await?);
            if one == other { Ok(one) } else { Err(format!("{one} and {other}")) }
        })
        .await;
        stack.kill(process("routing", killed)).await;
        assert_eq!(session_of(&stack, left, bob.uid).await.as_ref(), Ok(&before));
        let mut old = std::mem::replace(&mut bob.client, stack.connect_to(2).await);
        bob.client.expect(&format!("LOGIN bob {PASSWORD}"), "+OK uid=2").await;
        assert_eq!(old.rest().await, ["-ERR closing logged in elsewhere"]);
        let id = ada.send(bob.uid, "by the one that is left").await;
        assert_eq!(bob.client.push().await.id, id);
        until("the one that is left knows the new session", async || {
            match session_of(&stack, left, bob.uid).await? {
                session if session != before => Ok(()),
                session => Err(session),
            }
        })
        .await;
        stack.restart(process("routing", killed)).await;
    }
}
