//! Every command with its exact replies, failures included. Programs in the field compare them.

use mpim_tests::{PASSWORD, Person, Service, StackBuilder, TextClient, register_two};

on_all_stacks! {
    only_a_few_commands_need_no_log_in,
    accounts,
    friends,
    messages,
    groups,
}

/// Commands and their replies, one after the other.
async fn converse(client: &mut TextClient, lines: &[(&str, &str)]) {
    for (command, reply) in lines {
        client.expect(command, reply).await;
    }
}

async fn only_a_few_commands_need_no_log_in(stack: StackBuilder) {
    let stack = stack.start().await;
    let mut client = stack.connect().await;
    for command in [
        "LOGOUT",
        "SEND 1 hello",
        "SEND",
        "PULL",
        "ADDFRIEND 1",
        "REMOVEFRIEND 1",
        "GETFRIENDS",
        "BLOCK 1",
        "UNBLOCK 1",
        "BLOCKED",
        "CREATEGROUP g",
        "JOINGROUP 1",
        "LEAVEGROUP 1",
        "MEMBERS 1",
        "GROUPS",
        "SENDGROUP 1 hello",
        "SENDID a 1 hello",
        "SENDGROUPID a 1 hello",
        "HISTORY 1 0 10",
        "RECENT 1 10",
        "READ 1 1",
        "CONVERSATIONS",
        "ACK 1",
        "WHOAMI",
    ] {
        client.expect(command, "-ERR not login").await;
    }
    client.expect("PING", "+OK pong").await;
    assert!(client.ask("HELP").await.starts_with("+OK commands: REGISTER LOGIN "));
    for unknown in ["FOO", "SENDTO 1 x", "+OK", "-ERR x", "\u{1F980}", " SEND 1 x"] {
        client.expect(unknown, "-ERR unknown cmd").await;
    }
}

async fn accounts(stack: StackBuilder) {
    let stack = stack
        .set(Service::User, "log_in.free", 2)
        .set(Service::User, "log_in.delay_ms", 200_000)
        .set(Service::User, "log_in.delay_max_ms", 200_000)
        .start()
        .await;
    let mut client = stack.connect().await;
    let register = format!("REGISTER ada {PASSWORD}");
    let log_in = format!("LOGIN ada {PASSWORD}");
    converse(
        &mut client,
        &[
            ("REGISTER", "-ERR REGISTER <user> <pwd>"),
            ("REGISTER ada", "-ERR REGISTER <user> <pwd>"),
            ("REGISTER ada ", "-ERR REGISTER <user> <pwd>"),
            ("REGISTER ada seven77", "-ERR weak password"),
            ("REGISTER a\u{7}da long-enough", "-ERR bad username"),
            (&register, "+OK uid=1"),
            ("WHOAMI", "+OK uid=1"),
            ("LOGOUT", "+OK logout success"),
            ("LOGOUT", "-ERR not login"),
            (&register, "-ERR exists"),
            ("REGISTER ADA another-secret", "-ERR exists"),
            ("REGISTER bob another-secret", "+OK uid=2"),
            ("logout", "+OK logout success"),
            ("LOGIN", "-ERR LOGIN <user> <pwd>"),
            ("LOGIN ada", "-ERR LOGIN <user> <pwd>"),
            ("LOGIN nobody correct-horse", "-ERR auth bad cred"),
            ("LOGIN ada correct-horse", "-ERR auth bad cred"),
            ("WHOAMI", "-ERR not login"),
            (&log_in, "+OK uid=1"),
            ("whoami", "+OK uid=1"),
            ("Login bob another-secret", "+OK uid=2"),
            ("WHOAMI", "+OK uid=2"),
            ("LOGIN ada wrong-password", "-ERR auth bad cred"),
            ("WHOAMI", "+OK uid=2"),
            ("LOGIN ada wrong-password", "-ERR auth bad cred"),
            (&log_in, "-ERR auth too many attempts"),
        ],
    )
    .await;
}

async fn friends(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    converse(
        &mut ada.client,
        &[
            ("GETFRIENDS", "+OK friends: "),
            ("ADDFRIEND", "-ERR bad friend_id"),
            ("ADDFRIEND x", "-ERR bad friend_id"),
            ("ADDFRIEND 0", "-ERR bad friend_id"),
            ("ADDFRIEND -2", "-ERR bad friend_id"),
            ("ADDFRIEND 1", "-ERR bad friend_id"),
            ("ADDFRIEND 99", "-ERR friend not found"),
            ("ADDFRIEND 2", "+OK friend added"),
            ("ADDFRIEND 2", "-ERR already friends"),
            ("GETFRIENDS", "+OK friends: 2"),
        ],
    )
    .await;
    converse(
        &mut bob.client,
        &[
            ("GETFRIENDS", "+OK friends: 1"),
            ("ADDFRIEND 1", "-ERR already friends"),
            ("REMOVEFRIEND x", "-ERR bad friend_id"),
            ("REMOVEFRIEND 99", "-ERR friend not found"),
            ("REMOVEFRIEND 1", "+OK friend removed"),
            ("REMOVEFRIEND 1", "-ERR friend not found"),
            ("GETFRIENDS", "+OK friends: "),
        ],
    )
    .await;
    ada.client.expect("GETFRIENDS", "+OK friends: ").await;
}

async fn messages(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let longest = "x".repeat(4096);
    converse(
        &mut ada.client,
        &[
            ("SEND", "-ERR SEND <toUid> <text>"),
            ("SEND 2", "-ERR SEND <toUid> <text>"),
            ("SEND 2 ", "-ERR SEND <toUid> <text>"),
            ("SEND bob hello", "-ERR bad toUid"),
            ("SEND 0 hello", "-ERR bad toUid"),
            ("SEND 99 hello", "-ERR no such user"),
            (&format!("SEND 2 {longest}y"), "-ERR text too long"),
            ("SENDID", "-ERR SENDID <client_msg_id> <toUid> <text>"),
            ("SENDID a 2", "-ERR SENDID <client_msg_id> <toUid> <text>"),
            ("SENDID \u{e9} 2 hello", "-ERR bad client_msg_id"),
            ("SENDID a b hello", "-ERR bad toUid"),
            ("HISTORY", "-ERR HISTORY <uid or g<gid>> <after_seq> <limit>"),
            ("HISTORY 2 0", "-ERR HISTORY <uid or g<gid>> <after_seq> <limit>"),
            ("HISTORY x 0 10", "-ERR bad range"),
            ("HISTORY gx 0 10", "-ERR bad range"),
            ("HISTORY 2 -1 10", "-ERR bad range"),
            ("HISTORY 2 0 0", "-ERR bad range"),
            ("HISTORY 2 0 1001", "-ERR bad range"),
            ("HISTORY 2 0 10", "+OK history_done"),
            ("HISTORY g9 0 10", "-ERR group not found"),
            ("ACK", "-ERR bad msg_id"),
            ("ACK x", "-ERR bad msg_id"),
            ("PULL", "+OK pull_done"),
        ],
    )
    .await;
    let first = ada.send(bob.uid, "two  words ").await;
    let second = ada.send(bob.uid, &longest).await;
    assert!(second > first, "ids grow: {first}, {second}");
    let pushed = bob.client.pushes(2).await;
    assert_eq!((pushed[0].id, pushed[0].from, pushed[0].group), (first, ada.uid, None));
    assert_eq!((pushed[0].text.as_str(), &pushed[1].text), ("two  words ", &longest));
    bob.client.expect(&format!("ACK {second}"), "+OK acked").await;
    bob.client.expect(&format!("ACK {first}"), "+OK acked").await;
    let expected: Vec<_> = [(1, &pushed[0]), (2, &pushed[1])].into();
    for client in [&mut ada.client, &mut bob.client] {
        let peer = if client.ask("WHOAMI").await == "+OK uid=1" { "2" } else { "1" };
        let history = client.history(peer, 0, 10).await;
        let found: Vec<_> = history.iter().map(|line| (line.seq, line.id, line.ts_ms)).collect();
        let expected: Vec<_> =
            expected.iter().map(|(seq, push)| (*seq, push.id, push.ts_ms)).collect();
        assert_eq!(found, expected);
        assert_eq!(client.history(peer, 1, 10).await.len(), 1);
        assert_eq!(client.history(peer, 0, 1).await[0].text, "two  words ");
    }
}

async fn groups(stack: StackBuilder) {
    let stack = stack.set(Service::Group, "limits.members_max", 2).start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let mut carl = Person::register(&stack, "carl").await;
    converse(
        &mut ada.client,
        &[
            ("GROUPS", "+OK groups: "),
            ("CREATEGROUP", "-ERR CREATEGROUP <group_name> [description]"),
            ("CREATEGROUP crew those who row", "+OK group_id=1"),
            ("CREATEGROUP crew", "-ERR exists"),
            ("CREATEGROUP second", "+OK group_id=2"),
            ("JOINGROUP 1", "-ERR already in group"),
            ("GROUPS", "+OK groups: 1,2"),
        ],
    )
    .await;
    converse(
        &mut bob.client,
        &[
            ("JOINGROUP", "-ERR bad group_id"),
            ("JOINGROUP x", "-ERR bad group_id"),
            ("JOINGROUP 99", "-ERR group not found"),
            ("SENDGROUP 1 let me in", "-ERR not a member"),
            ("MEMBERS 1", "-ERR not a member"),
            ("HISTORY g1 0 10", "-ERR not a member"),
            ("JOINGROUP 1", "+OK joined group"),
            ("JOINGROUP 1", "-ERR already in group"),
            ("MEMBERS 1", "+OK members: 1,2"),
            ("MEMBERS x", "-ERR bad group_id"),
            ("MEMBERS 99", "-ERR group not found"),
            ("SENDGROUP", "-ERR SENDGROUP <group_id> <text>"),
            ("SENDGROUP 1", "-ERR SENDGROUP <group_id> <text>"),
            ("SENDGROUP x hello", "-ERR bad group_id"),
            ("SENDGROUP 99 hello", "-ERR group not found"),
            ("SENDGROUPID a 1", "-ERR SENDGROUPID <client_msg_id> <group_id> <text>"),
        ],
    )
    .await;
    carl.client.expect("JOINGROUP 1", "-ERR group full").await;
    let id = bob.send_group(1, "hello crew").await;
    let push = ada.client.push().await;
    assert_eq!((push.id, push.from, push.group), (id, bob.uid, Some(1)));
    assert_eq!(push.text, "hello crew");
    let history = ada.client.history("g1", 0, 10).await;
    assert_eq!(history.iter().map(|line| line.id).collect::<Vec<_>>(), [id]);
    converse(
        &mut bob.client,
        &[
            ("LEAVEGROUP x", "-ERR bad group_id"),
            ("LEAVEGROUP 99", "-ERR group not found"),
            ("LEAVEGROUP 1", "+OK left group"),
            ("LEAVEGROUP 1", "-ERR not in group"),
            ("SENDGROUP 1 am I out", "-ERR not a member"),
            ("GROUPS", "+OK groups: "),
        ],
    )
    .await;
    carl.client.expect("JOINGROUP 1", "+OK joined group").await;
}
