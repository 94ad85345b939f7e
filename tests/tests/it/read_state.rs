//! What was read, and the list of conversations.

use mpim_tests::{Layout, PASSWORD, Person, Stack, StackBuilder, TextClient, register_two, until};

on_all_stacks! {
    a_list_shows_what_is_unread_until_it_is_read,
    bad_read_positions_and_ranges_are_refused_and_change_nothing,
    who_missed_much_sees_the_list_and_the_last_page_without_the_rest,
}

/// The lines of an answer that are no pushes, with the last one.
async fn lines(client: &mut TextClient, command: &str) -> Vec<String> {
    client.send(command).await;
    let mut lines = Vec::new();
    loop {
        let line = client.reply().await;
        let end = line.starts_with("+OK") || line.starts_with("-ERR");
        lines.push(line);
        if end {
            return lines;
        }
    }
}

/// The values of a field in the lines of `CONVERSATIONS`.
async fn listed(client: &mut TextClient, field: &str) -> Vec<String> {
    let lines = lines(client, "CONVERSATIONS").await;
    assert_eq!(lines.last().unwrap(), "+OK conversations_done");
    let value = |line: &String| {
        let rest = line.split_once(&format!(" {field}=")).unwrap_or_else(|| panic!("{line}")).1;
        rest.split(' ').next().unwrap().to_owned()
    };
    lines[..lines.len() - 1].iter().map(value).collect()
}

async fn a_list_shows_what_is_unread_until_it_is_read(stack: StackBuilder) {
    let mut stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut carl = Person::register(&stack, "carl").await;
    assert_eq!(lines(&mut bob.client, "CONVERSATIONS").await, ["+OK conversations_done"]);
    ada.send(bob.uid, "one").await;
    ada.send(bob.uid, "two").await;
    ada.client.expect("CREATEGROUP crew", "+OK group_id=1").await;
    bob.client.expect("JOINGROUP 1", "+OK joined group").await;
    ada.send_group(1, "all of you").await;
    let last = carl.send(bob.uid, "a long text ").await;
    assert_eq!(listed(&mut bob.client, "peer").await, ["3", "g1", "1"]);
    assert_eq!(listed(&mut bob.client, "unread").await, ["1", "1", "2"]);
    assert_eq!(listed(&mut bob.client, "head").await, ["1", "3", "2"]);
    let first = lines(&mut bob.client, "CONVERSATIONS 1").await.swap_remove(0);
    let start = format!("CONV peer=3 head=1 read=0 unread=1 last_id={last} from=3 ts=");
    assert!(first.starts_with(&start) && first.ends_with(" text=a long text "), "{first}");
    assert_eq!(listed(&mut ada.client, "unread").await, ["0", "0"], "one's own");

    bob.client.expect("READ 1 1", "+OK read").await;
    bob.client.expect("READ g1 3", "+OK read").await;
    assert_eq!(listed(&mut bob.client, "unread").await, ["1", "0", "1"]);
    // An answer of one's own does not read what was before it.
    bob.send(ada.uid, "three").await;
    assert_eq!(listed(&mut bob.client, "peer").await, ["1", "3", "g1"]);
    assert_eq!(listed(&mut bob.client, "unread").await, ["1", "1", "0"]);
    let of_message = stack.process_of(mpim_tests::Service::Message);
    stack.kill(&of_message).await;
    stack.restart(&of_message).await;
    // A question that meets the connection to the former one is answered `unavailable`.
    until("im-message is reached again", async || {
        let mut client = stack.connect().await;
        let reply = client.ask(&format!("LOGIN {} {PASSWORD}", bob.name)).await;
        let list = lines(&mut client, "CONVERSATIONS").await;
        bob.client = client;
        let reached = list.last().is_some_and(|last| last == "+OK conversations_done");
        if reached { Ok(()) } else { Err(format!("{reply}, {list:?}")) }
    })
    .await;
    assert_eq!(listed(&mut bob.client, "read").await, ["1", "0", "3"]);
    bob.client.expect("READ 1 3", "+OK read").await;
    assert_eq!(listed(&mut bob.client, "unread").await, ["0", "1", "0"]);
}

async fn bad_read_positions_and_ranges_are_refused_and_change_nothing(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut carl = Person::register(&stack, "carl").await;
    for text in ["one", "two", "three"] {
        ada.send(bob.uid, text).await;
    }
    ada.client.expect("CREATEGROUP crew", "+OK group_id=1").await;
    carl.client.expect("JOINGROUP 1", "+OK joined group").await;
    carl.client.expect("LEAVEGROUP 1", "+OK left group").await;
    ada.send_group(1, "without them").await;
    bob.client.expect("READ 1 2", "+OK read").await;
    for (command, reply) in [
        ("READ 1 2", "+OK read"),
        ("READ 1 1", "-ERR already read"),
        ("READ 1 4", "-ERR beyond the head"),
        ("READ 1 9223372036854775807", "-ERR beyond the head"),
        ("READ 1 0", "-ERR bad seq"),
        ("READ 1 -3", "-ERR bad seq"),
        ("READ 3 1", "-ERR beyond the head"),
        ("READ 99 1", "-ERR no such user"),
        ("READ g1 1", "-ERR not a member"),
        ("READ g9 1", "-ERR group not found"),
        ("READ me 1", "-ERR bad uid"),
        ("READ 1", "-ERR READ <uid or g<gid>> <seq>"),
        ("RECENT 1 0", "-ERR bad range"),
        ("RECENT 1 1001", "-ERR bad range"),
        ("RECENT 1 5 -1", "-ERR bad range"),
        ("RECENT 1 5 1", "+OK history_done"),
        ("RECENT 3 5", "+OK history_done"),
        ("RECENT 99 5", "-ERR no such user"),
        ("HISTORY 3 0 10", "+OK history_done"),
        ("HISTORY 99 0 10", "-ERR no such user"),
        ("RECENT g1 5", "-ERR not a member"),
        ("RECENT g9 5", "-ERR group not found"),
        ("CONVERSATIONS 0", "-ERR bad range"),
        ("CONVERSATIONS 1001", "-ERR bad range"),
    ] {
        assert_eq!(lines(&mut bob.client, command).await, [reply], "{command}");
        assert_eq!(listed(&mut bob.client, "read").await, ["2"], "after {command}");
    }
    // Who left reads up to there, and no further.
    carl.client.expect("READ g1 4", "-ERR beyond the head").await;
    carl.client.expect("READ g1 3", "+OK read").await;
}

async fn who_missed_much_sees_the_list_and_the_last_page_without_the_rest(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    bob.leave(&stack).await;
    let sent: String = (1..=300).map(|n| format!("SEND {} {n}\n", bob.uid)).collect();
    ada.client.send_bytes(sent.as_bytes()).await;
    for _ in 0..300 {
        assert!(ada.client.reply().await.starts_with("+OK msg_id="));
    }
    bob.log_in(&stack).await;
    assert_eq!(listed(&mut bob.client, "unread").await, ["99+"]);
    let mut found = Vec::new();
    let mut asked = "RECENT 1 120".to_owned();
    loop {
        let mut page = lines(&mut bob.client, &asked).await;
        assert_eq!(page.pop().unwrap(), "+OK history_done");
        let Some(first) = page.first() else { break };
        let seq = first.split(['=', ' ']).nth(2).unwrap();
        asked = format!("RECENT 1 120 {seq}");
        found.splice(0..0, page);
    }
    let texts: Vec<_> = found.iter().map(|line| line.split_once(" text=").unwrap().1).collect();
    assert_eq!(texts, (1..=300).map(|n| n.to_string()).collect::<Vec<_>>());
    bob.client.expect("READ 1 250", "+OK read").await;
    assert_eq!(listed(&mut bob.client, "unread").await, ["50"]);
    // None of it took a message away from those that come by themselves.
    let pushed = bob.client.pushes(300).await;
    assert_eq!(pushed.iter().map(|push| push.text.as_str()).collect::<Vec<_>>(), texts);
}

#[tokio::test]
async fn what_was_read_is_read_on_the_next_log_in_and_cursors_stay_as_they_were() {
    let stack = Stack::builder(Layout::Embedded).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    bob.leave(&stack).await;
    ada.send(bob.uid, "missed").await;
    bob.log_in(&stack).await;
    bob.client.expect("READ 1 1", "+OK read").await;
    assert_eq!(bob.client.push().await.text, "missed");
    bob.log_in(&stack).await;
    assert_eq!(listed(&mut bob.client, "read").await, ["1"]);
}
