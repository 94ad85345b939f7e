//! The original wire on every service's port, spoken by a client that knows nothing of ours.

use mpim_tests::{
    ClassicClient, Fields, Message, PASSWORD, Person, Service, Stack, StackBuilder, register_two,
};

use crate::patience::with_cursors;

on_all_stacks! {
    every_port_answers_ping_in_the_original_bytes,
    what_has_no_answer_closes_the_connection_at_once,
    users,
    messages,
    an_ack_moves_over_what_is_contiguous,
    presence,
    groups,
}

async fn every_port_answers_ping_in_the_original_bytes(stack: StackBuilder) {
    let stack = stack.classic_callers().start().await;
    const REQUEST: &[u8] = b"\x17\0\0\0\x0A\x0DHealthService\x12\x04Ping\x18\x04\x0A\x02hi";
    let built = ClassicClient::request("HealthService", "Ping", &Fields::new().text(1, "hi"));
    assert_eq!(built, REQUEST);
    for service in Service::ALL {
        let mut client = ClassicClient::connect(stack.address(service)).await;
        // The connection stays open, and calls that do not wait are answered in their order.
        client.send_bytes(&[REQUEST, REQUEST].concat()).await;
        client.send_bytes(&REQUEST[..9]).await;
        client.send_bytes(&REQUEST[9..]).await;
        for _ in 0..3 {
            let answer = client.answer().await.unwrap();
            // The time in ms has six bytes of seven bits until the year 2109.
            assert_eq!(answer[..5], *b"\x0A\x02hi\x10", "{service:?}");
            assert_eq!(answer.len(), 11, "{service:?}");
        }
        let pong = client.call("HealthService", "Ping", &Fields::new()).await;
        assert!(pong.number(2) > 1_700_000_000_000, "{pong:?}");
    }
}

async fn what_has_no_answer_closes_the_connection_at_once(stack: StackBuilder) {
    let stack = stack.classic_callers().start().await;
    let nothing = Fields::new();
    for service in Service::ALL {
        for request in [
            ClassicClient::request("HealthService", "Pong", &nothing),
            ClassicClient::request("NoService", "Ping", &nothing),
            ClassicClient::request("mpim.HealthService", "Ping", &nothing),
            // Arguments that are no message: a length beyond the end.
            ClassicClient::request("HealthService", "Ping", &Fields::new().number(1, 9)),
            // A header of 2 GiB, and one that does not parse.
            b"\0\0\0\x80".to_vec(),
            b"\x02\0\0\0\x0A\x7F".to_vec(),
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        ] {
            let mut client = ClassicClient::connect(stack.address(service)).await;
            client.send_bytes(&request).await;
            client.closed().await;
        }
        // Others notice nothing.
        let mut client = ClassicClient::connect(stack.address(service)).await;
        client.call("HealthService", "Ping", &nothing).await;
    }
}

/// Calls and the `Result` of each answer; the answers.
async fn converse(
    client: &mut ClassicClient,
    service: &str,
    calls: &[(&str, Fields, (i64, &str))],
) -> Vec<Message> {
    let mut answers = Vec::new();
    for (method, arguments, (code, text)) in calls {
        let answer = client.call(service, method, arguments).await;
        assert_eq!(answer.result(), (*code, (*text).to_owned()), "{method}: {answer:?}");
        answers.push(answer);
    }
    answers
}

async fn users(stack: StackBuilder) {
    let stack = stack.classic_callers().start().await;
    let mut client = ClassicClient::connect(stack.address(Service::User)).await;
    let who = |name: &str, password: &str| Fields::new().text(1, name).text(2, password);
    let two = |one: i64, other: i64| Fields::new().number(1, one).number(2, other);
    let one = |uid: i64| Fields::new().number(1, uid);
    let answers = converse(
        &mut client,
        "UserService",
        &[
            ("Register", who("ada", PASSWORD), (0, "ok")),
            ("Register", who("ada", PASSWORD), (1, "exists")),
            ("Register", who("bob", "short"), (1, "weak password")),
            ("Register", who("b b", PASSWORD), (1, "bad username")),
            ("Register", who("bob", PASSWORD), (0, "ok")),
            ("Login", who("ada", PASSWORD), (0, "ok")),
            ("Login", who("ada", "wrong-password"), (1, "bad cred")),
            ("Login", who("nobody", PASSWORD), (1, "bad cred")),
            ("AddFriend", two(1, 2), (0, "friend added")),
            ("AddFriend", two(2, 1), (1, "already friends")),
            ("AddFriend", two(1, 9), (2, "friend not found")),
            ("GetFriends", one(2), (0, "ok")),
            ("RemoveFriend", two(1, 2), (0, "friend removed")),
            ("RemoveFriend", two(1, 2), (2, "friend not found")),
            ("GetFriends", one(2), (0, "ok")),
            ("Logout", one(1).text(2, "tok_1"), (0, "logout success")),
        ],
    )
    .await;
    assert_eq!((answers[0].number(2), answers[4].number(2), answers[5].number(2)), (1, 2, 1));
    assert_eq!((answers[11].numbers(2), answers[14].numbers(2)), (vec![1], vec![]));
    let token = answers[5].text(3);
    assert!(!token.is_empty());
    let log_out = [("Logout", one(1).text(2, &token), (0, "logout success"))];
    converse(&mut client, "UserService", &log_out).await;
    // The bytes of an answer: Result{msg: "ok"}, user_id 1, and the token.
    client.send_bytes(&ClassicClient::request("UserService", "Login", &who("ada", PASSWORD))).await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer[..9], *b"\x0A\x04\x12\x02ok\x10\x01\x1A");
}

/// `Send` or `SendGroup` of a text; the id.
async fn send(client: &mut ClassicClient, method: &str, from: i64, to: i64, text: &str) -> i64 {
    let message = Fields::new().number(2, from).number(3, to).text(5, text);
    let answer = client.call("MessageService", method, &Fields::new().message(1, &message)).await;
    assert_eq!(answer.result(), (0, "ok".to_owned()));
    answer.number(2)
}

/// `PullOffline`: the direct and the group messages.
async fn pull(client: &mut ClassicClient, uid: i64) -> (Vec<Message>, Vec<Message>) {
    let answer = client.call("MessageService", "PullOffline", &Fields::new().number(1, uid)).await;
    assert_eq!(answer.result(), (0, "ok".to_owned()));
    (answer.messages(2), answer.messages(3))
}

fn ids(messages: &[Message]) -> Vec<i64> {
    messages.iter().map(|message| message.number(1)).collect()
}

/// Ada (1) and bob (2), neither connected.
async fn two_offline(stack: &Stack) -> (Person, Person) {
    let (mut ada, mut bob) = register_two(stack).await;
    for person in [&mut ada, &mut bob] {
        person.client.expect("LOGOUT", "+OK logout success").await;
    }
    (ada, bob)
}

async fn messages(stack: StackBuilder) {
    let stack = with_cursors(stack).classic_callers().start().await;
    let (mut ada, mut bob) = two_offline(&stack).await;
    let mut client = ClassicClient::connect(stack.address(Service::Message)).await;
    let first = send(&mut client, "Send", 1, 2, "first").await;
    let second = send(&mut client, "Send", 1, 2, "second").await;
    let (direct, grouped) = pull(&mut client, 2).await;
    assert_eq!((ids(&direct), grouped), (vec![first, second], vec![]));
    let fields = [direct[0].number(2), direct[0].number(3)];
    assert_eq!((fields, direct[0].text(5)), ([1, 2], "first".to_owned()));
    assert!(direct[0].number(4) > 1_700_000_000_000, "a time in ms");
    // The next pull says that the last one has arrived.
    assert_eq!(pull(&mut client, 2).await, (vec![], vec![]));
    bob.log_in(&stack).await;
    assert_eq!(bob.client.pull().await, [], "on the text lines, too");
    let third = send(&mut client, "Send", 1, 2, "third").await;
    assert_eq!(bob.client.push().await.id, third, "a classic send is pushed");

    ada.log_in(&stack).await;
    let group = ada.client.number("CREATEGROUP crew", "group_id").await;
    bob.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
    bob.client.expect("LOGOUT", "+OK logout success").await;
    let to_group = send(&mut client, "SendGroup", 1, group, "to the group").await;
    let (direct, grouped) = pull(&mut client, 2).await;
    assert_eq!((direct, ids(&grouped)), (vec![], vec![to_group]));
    let found = (grouped[0].number(2), grouped[0].number(3), grouped[0].text(5));
    assert_eq!(found, (1, group, "to the group".to_owned()));

    let message = |from: i64, to: i64, text: &str| {
        let message = Fields::new().number(2, from).number(3, to).text(5, text);
        Fields::new().message(1, &message)
    };
    let refused = [
        ("Send", message(1, 99, "x"), (2, "no such user")),
        ("Send", message(1, 2, ""), (1, "empty text")),
        ("Send", message(1, 2, &"x".repeat(4_097)), (1, "text too long")),
        ("SendGroup", message(9, group, "x"), (1, "not a member")),
        ("SendGroup", message(1, 99, "x"), (2, "group not found")),
    ];
    converse(&mut client, "MessageService", &refused).await;
}

async fn an_ack_moves_over_what_is_contiguous(stack: StackBuilder) {
    let stack = stack.classic_callers().start().await;
    let (_ada, mut bob) = two_offline(&stack).await;
    let mut client = ClassicClient::connect(stack.address(Service::Message)).await;
    let mut sent = Vec::new();
    for text in ["1", "2", "3", "4"] {
        sent.push(send(&mut client, "Send", 1, 2, text).await);
    }
    let ack = |ids: &[i64]| [("Ack", Fields::new().number(1, 2).numbers(2, ids), (0, "ok"))];
    assert_eq!(ids(&pull(&mut client, 2).await.0), sent);
    // The first is missing, so nothing moves; and who acknowledges gets the rest again.
    converse(&mut client, "MessageService", &ack(&sent[1..2])).await;
    assert_eq!(ids(&pull(&mut client, 2).await.0), sent);
    converse(&mut client, "MessageService", &ack(&[sent[1], sent[0], 12345])).await;
    assert_eq!(ids(&pull(&mut client, 2).await.0), sent[2..]);
    converse(&mut client, "MessageService", &ack(&sent[2..3])).await;
    bob.log_in(&stack).await;
    let pulled: Vec<_> = bob.client.pull().await.iter().map(|push| push.id).collect();
    assert_eq!(pulled, sent[3..], "one device, one cursor");
}

async fn presence(stack: StackBuilder) {
    let stack = stack.classic_callers().start().await;
    let (mut ada, mut bob) = two_offline(&stack).await;
    let mut client = ClassicClient::connect(stack.address(Service::Presence)).await;
    let uid = |uid: i64| Fields::new().number(1, uid);
    let message = Fields::new().number(1, 77).number(2, 1).number(3, 2).number(4, 5).text(5, "hi");
    let deliver = uid(2).text(3, message.as_bytes());
    let offline =
        [("QueryRoute", uid(2), (2, "no route")), ("Deliver", deliver.clone(), (2, "no route"))];
    converse(&mut client, "PresenceService", &offline).await;
    bob.log_in(&stack).await;
    let online = [("QueryRoute", uid(2), (0, "ok")), ("Deliver", deliver.clone(), (0, "ok"))];
    let answers = converse(&mut client, "PresenceService", &online).await;
    assert_eq!(answers[0].text(2), stack.address(Service::Gateway).to_string());
    let push = bob.client.push().await;
    assert_eq!((push.id, push.from, push.ts_ms, push.text.as_str()), (77, 1, 5, "hi"));
    // A gateway of the original binds without an address, so nobody can push to it.
    let original = uid(1).text(2, "gateway-7").text(3, "pc");
    let calls = [
        ("BindRoute", original, (0, "ok")),
        ("QueryRoute", uid(1), (0, "ok")),
        ("Deliver", uid(1).text(3, message.as_bytes()), (2, "receiver offline")),
        ("Deliver", uid(2).text(3, [0xFF]), (1, "the payload is not a C2CMsg")),
    ];
    let answers = converse(&mut client, "PresenceService", &calls).await;
    assert_eq!(answers[1].text(2), "gateway-7");
    ada.log_in(&stack).await;
    let id = bob.send(ada.uid, "beside the original's route").await;
    assert_eq!(ada.client.push().await.id, id);
}

async fn groups(stack: StackBuilder) {
    let stack = stack.classic_callers().start().await;
    let (_ada, _bob) = two_offline(&stack).await;
    let mut client = ClassicClient::connect(stack.address(Service::Group)).await;
    let create = Fields::new().number(1, 1).text(2, "crew").text(3, "those who row");
    let member = |uid: i64, group: i64| Fields::new().number(1, uid).number(2, group);
    let one = |id: i64| Fields::new().number(1, id);
    let answers = converse(
        &mut client,
        "GroupService",
        &[
            ("CreateGroup", create.clone(), (0, "group created")),
            ("CreateGroup", create, (1, "exists")),
            ("JoinGroup", member(2, 1), (0, "joined group")),
            ("JoinGroup", member(2, 1), (1, "already in group")),
            ("JoinGroup", member(2, 9), (2, "group not found")),
            ("GetGroupMembers", one(1), (0, "ok")),
            ("GetUserGroups", one(2), (0, "ok")),
            ("GetGroupInfo", one(1), (0, "ok")),
            ("GetGroupInfo", one(9), (2, "group not found")),
            ("LeaveGroup", member(2, 1), (0, "left group")),
            ("LeaveGroup", member(2, 1), (1, "not in group")),
            ("LeaveGroup", member(2, 9), (2, "group not found")),
            ("GetGroupMembers", one(1), (0, "ok")),
        ],
    )
    .await;
    assert_eq!(answers[0].number(2), 1);
    assert_eq!((answers[5].numbers(2), answers[12].numbers(2)), (vec![1, 2], vec![1]));
    assert_eq!(answers[6].numbers(2), [1]);
    let info = &answers[7].messages(2)[0];
    let texts = (info.text(2), info.text(3));
    assert_eq!(texts, ("crew".to_owned(), "those who row".to_owned()));
    assert_eq!((info.number(1), info.number(4)), (1, 1));
    assert!(info.number(5) > 1_700_000_000, "a time in s: {info:?}");
}
