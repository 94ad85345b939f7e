//! Restarts and `kill -9`, with people talking all the time.

use mpim_tests::{Conversation, Load, PASSWORD, Person, Stack, StackBuilder, Talker, register_two};

on_all_stacks! {
    a_restart_keeps_everything,
    kill_9_of_each_process_under_traffic_loses_nothing,
    a_restart_of_each_process_under_traffic_loses_nothing,
}

/// How often each process of a stack dies.
const ROUNDS_OF_ONE_PROCESS: usize = 3;

async fn a_restart_keeps_everything(stack: StackBuilder) {
    let mut stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    ada.client.expect("ADDFRIEND 2", "+OK friend added").await;
    let group = ada.client.number("CREATEGROUP crew", "group_id").await;
    bob.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    let seen = ada.send(bob.uid, "seen").await;
    assert_eq!(bob.client.push().await.id, seen);
    bob.client.expect("LOGOUT", "+OK logout success").await;
    let missed = [ada.send(bob.uid, "missed").await, ada.send_group(group, "missed").await];
    let mut processes = stack.processes();
    // The gateway first: it has something to tell the others.
    processes.reverse();
    for process in &processes {
        stack.stop(&process).await;
    }
    for process in processes.iter().rev() {
        stack.restart(&process).await;
    }
    ada.log_in(&stack).await;
    ada.client.expect("GETFRIENDS", "+OK friends: 2").await;
    ada.client.expect("GROUPS", "+OK groups: 1").await;
    ada.client.expect("MEMBERS 1", "+OK members: 1,2").await;
    bob.log_in(&stack).await;
    let mut pulled: Vec<_> = bob.client.pull().await.into_iter().map(|push| push.id).collect();
    pulled.sort_unstable();
    assert_eq!(pulled, missed);
    ada.client.expect(&format!("REGISTER bob {PASSWORD}"), "-ERR exists").await;
    let next = ada.send(bob.uid, "next").await;
    assert!(next > missed[1], "ids grow across a restart");
    let seqs: Vec<_> =
        ada.client.history("2", 0, 10).await.into_iter().map(|line| line.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
}

/// Ada and bob talk to each other and in a group; carl talks to bob and in the group, and repeats
/// what was not answered.
pub(crate) async fn talkers(stack: &Stack) -> Vec<Talker> {
    let (mut ada, mut bob) = register_two(stack).await;
    let mut carl = Person::register(stack, "carl").await;
    let group = ada.client.number("CREATEGROUP crew", "group_id").await;
    for member in [&mut bob, &mut carl] {
        member.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    }
    let pair = |one: &Person, other: &Person| Conversation::pair(one.uid, other.uid);
    let (ada_bob, carl_bob) = (pair(&ada, &bob), pair(&carl, &bob));
    let crew = Conversation::Group(group);
    let talker = |person: &Person, to: &[Conversation], repeats| Talker {
        name: person.name.clone(),
        uid: person.uid,
        to: to.to_vec(),
        repeats,
        acknowledges: false,
        listens_on: None,
        wanders: None,
    };
    vec![
        talker(&ada, &[ada_bob, crew], false),
        talker(&bob, &[ada_bob, carl_bob, crew], false),
        talker(&carl, &[carl_bob, crew], true),
    ]
}

/// The three joins have numbers, and no lines.
pub(crate) const JOINS: i64 = 3;

async fn kill_9_of_each_process_under_traffic_loses_nothing(stack: StackBuilder) {
    let mut stack = stack.start().await;
    let load = Load::start(stack.text_addresses(), talkers(&stack).await);
    load.flows().await;
    let processes = stack.processes();
    let rounds = if processes.len() == 1 { ROUNDS_OF_ONE_PROCESS } else { 1 };
    for _ in 0..rounds {
        for process in &processes {
            stack.kill(&process).await;
            stack.restart(&process).await;
            load.flows().await;
        }
    }
    load.finish(JOINS).await.assert_holds();
}

async fn a_restart_of_each_process_under_traffic_loses_nothing(stack: StackBuilder) {
    let mut stack = stack.start().await;
    let load = Load::start(stack.text_addresses(), talkers(&stack).await);
    load.flows().await;
    for process in stack.processes() {
        stack.stop(&process).await;
        stack.restart(&process).await;
        load.flows().await;
    }
    load.finish(JOINS).await.assert_holds();
}
