//! One of two instances is killed or restarted while people talk.

use mpim_tests::{Instance, Outcome, Person, Service, Stack, is_ready};
use rustix::process::Signal;

use super::{BEHIND_THE_GATEWAY, each_is_killed, holds_without_an_error, process, talking};
use crate::faults::JOINS;

/// Messages that a talker has in flight at most.
const WINDOW: usize = 8;

#[tokio::test]
async fn kill_9_of_each_instance_behind_the_gateways_costs_no_message_an_error() {
    let Some(builder) = Stack::cluster().await else { return };
    let (mut stack, load) = talking(builder.instances(2)).await;
    each_is_killed(&mut stack, &load, &BEHIND_THE_GATEWAY, process).await;
    holds_without_an_error(load).await;
}

/// A session's token is made by one instance and looked at by any.
#[tokio::test]
async fn everybody_logs_in_while_the_clocks_of_two_instances_are_an_hour_apart() {
    let Some(builder) = Stack::cluster().await else { return };
    let stack = builder.instances(2).with_clocks().start().await;
    stack.set_clock(process(Service::User, 1), 3_600);
    for number in 0..20 {
        let mut person = Person::register(&stack, &format!("person-{number}")).await;
        person.log_in(&stack).await;
    }
}

#[tokio::test]
async fn kill_9_of_each_gateway_costs_no_more_than_what_was_in_flight_on_it() {
    let Some(builder) = Stack::cluster().await else { return };
    let (mut stack, load) = talking(builder.instances(2)).await;
    each_is_killed(&mut stack, &load, &[Service::Gateway], process).await;
    let run = load.finish(JOINS).await;
    run.assert_holds();
    assert_eq!(run.journal.errors, [] as [String; 0]);
    // Three talk; those who do not repeat what was not answered lose at most that, at each kill.
    let unknown = run.failed().len();
    assert!(unknown <= 2 * 2 * WINDOW, "{unknown} messages without an answer");
    assert!(run.failed().iter().all(|sent| sent.outcome == Outcome::Unknown));
}

#[tokio::test]
async fn a_rolling_restart_of_everything_costs_no_message_an_error() {
    let Some(builder) = Stack::cluster().await else { return };
    let (mut stack, load) = talking(builder.instances(2)).await;
    for service in [&BEHIND_THE_GATEWAY[..], &[Service::Gateway]].concat() {
        for number in [1, 2] {
            let instance = Instance { service, number };
            stack.stop(instance.name()).await;
            stack.restart(instance.name()).await;
            is_ready(stack.admin_address(instance)).await;
            load.flows().await;
        }
    }
    holds_without_an_error(load).await;
}

/// The restart above looks at errors alone: who goes on talking while the closing line is on its way is
/// not answered, which no gateway can help. What had arrived before is.
#[tokio::test]
async fn a_gateway_that_is_told_to_end_answers_all_that_had_arrived() {
    const SENDS: usize = 1_000;
    let Some(builder) = Stack::cluster().await else { return };
    // Patient: the machine may be busy.
    let builder = builder.set(Service::Gateway, "closing.drain_ms", 60_000);
    let builder = builder.set(Service::Gateway, "shutdown.drain_ms", 60_000);
    let mut stack = builder.start().await;
    let (mut ada, bob) = mpim_tests::register_two(&stack).await;
    // One segment: it arrives as a whole, so the first answer says that all of it has.
    let sends: String = (0..SENDS).map(|n| format!("SEND {} {n}\n", bob.uid)).collect();
    ada.client.send_bytes(sends.as_bytes()).await;
    assert!(ada.client.reply().await.starts_with("+OK msg_id="));
    stack.process(process(Service::Gateway, 1)).signal(Signal::TERM);
    for n in 1..SENDS {
        let reply = ada.client.reply().await;
        assert!(reply.starts_with("+OK msg_id="), "{n}: {reply}");
    }
    assert_eq!(ada.client.rest().await, ["-ERR closing server shutting down"]);
}

#[tokio::test]
async fn an_instance_that_is_frozen_for_a_while_costs_no_message_an_error() {
    let Some(builder) = Stack::cluster().await else { return };
    let (mut stack, load) = talking(builder.instances(2)).await;
    for service in BEHIND_THE_GATEWAY {
        let process = process(service, 1);
        stack.process(&process).signal(Signal::STOP);
        // Messages that were in flight on it are given up there and sent again to the other.
        load.flows().await;
        load.flows().await;
        stack.process(&process).signal(Signal::CONT);
        load.flows().await;
    }
    holds_without_an_error(load).await;
}

#[tokio::test]
async fn what_one_instance_took_before_it_was_killed_reaches_who_was_away() {
    let Some(builder) = Stack::cluster().await else { return };
    let mut stack = builder.instances(2).start().await;
    let (mut ada, mut bob) = mpim_tests::register_two(&stack).await;
    bob.leave(&stack).await;
    let mut sent = Vec::new();
    for number in [1, 2] {
        let message = process(Service::Message, number);
        for n in 0..10 {
            sent.push(ada.send(bob.uid, &format!("{n} before {message} dies")).await);
        }
        stack.kill(&message).await;
        sent.push(ada.send(bob.uid, "to the other").await);
        stack.restart(&message).await;
    }
    assert!(sent.is_sorted(), "ids of one conversation grow, whichever instance gives them");
    bob.log_in(&stack).await;
    let shown: Vec<_> = bob.client.pull().await.into_iter().map(|push| push.id).collect();
    assert_eq!(shown, sent);
}

/// It has taken a try of a message, and tries that when it goes on: of about half of the conversations.
#[tokio::test]
async fn what_is_refused_is_not_stored_by_an_instance_that_stood_still_meanwhile() {
    const PAIRS: usize = 6;
    let Some(builder) = Stack::cluster().await else { return };
    let mut stack = builder.instances(2).start().await;
    let frozen = process(Service::Message, 1);
    let mut pairs = Vec::new();
    for number in 0..PAIRS {
        let mut ada = Person::register(&stack, &format!("ada-{number}")).await;
        let mut bob = Person::register(&stack, &format!("bob-{number}")).await;
        let first = ada.send(bob.uid, "first").await;
        bob.client.push().await;
        bob.client.expect(&format!("BLOCK {}", ada.uid), "+OK user blocked").await;
        pairs.push((ada, bob, vec![first]));
    }
    stack.process(&frozen).signal(Signal::STOP);
    for (ada, bob, _) in &mut pairs {
        // With an id of the gateway's, and one of their own.
        ada.client.send(&format!("SEND {} too late", bob.uid)).await;
        ada.client.send(&format!("SENDID own {} too late", bob.uid)).await;
    }
    for (ada, bob, _) in &mut pairs {
        for _ in 0..2 {
            assert_eq!(ada.client.reply().await, "-ERR blocked");
        }
        // Some are asked of the one that stands still.
        let unblock = format!("UNBLOCK {}", ada.uid);
        while bob.client.ask(&unblock).await != "+OK user unblocked" {}
    }
    stack.process(&frozen).signal(Signal::CONT);
    for (ada, bob, said) in &mut pairs {
        for number in 0..10 {
            said.push(ada.send(bob.uid, &format!("{number} afterwards")).await);
        }
        let history = ada.client.history(&bob.uid.to_string(), 0, 50).await;
        let stored: Vec<_> = history.iter().map(|line| line.id).collect();
        assert_eq!(stored, *said);
    }
}
