//! Commands and their exact replies.

use crate::system::System;

#[tokio::test]
async fn every_command_has_its_exact_reply() {
    let system = System::start().await;
    let mut ada = system.connect().await;
    assert_eq!(ada.ask("REGISTER ada password").await, "+OK uid=1");
    assert_eq!(ada.ask("register ada password").await, "-ERR exists");
    let mut bob = system.connect().await;
    assert_eq!(bob.ask("REGISTER bob password").await, "+OK uid=2");

    for (command, reply) in [
        ("WHOAMI", "+OK uid=1"),
        ("PING", "+OK pong"),
        ("GETFRIENDS", "+OK friends: "),
        ("ADDFRIEND 2", "+OK friend added"),
        ("ADDFRIEND 2", "-ERR already friends"),
        ("ADDFRIEND 9", "-ERR friend not found"),
        ("GETFRIENDS", "+OK friends: 2"),
        ("REMOVEFRIEND 2", "+OK friend removed"),
        ("BLOCKED", "+OK blocked: "),
        ("BLOCK 2", "+OK user blocked"),
        ("BLOCK 5", "+OK user blocked"),
        ("BLOCK 4", "+OK user blocked"),
        ("BLOCK 3", "+OK user blocked"),
        ("BLOCK 1", "-ERR bad uid"),
        ("BLOCK x", "-ERR bad uid"),
        ("UNBLOCK", "-ERR bad uid"),
        ("UNBLOCK 5", "+OK user unblocked"),
        ("BLOCKED", "+OK blocked: 2,3,4"),
        ("SEND 2 hello there", "+OK msg_id=1"),
        ("SEND 9 hello", "-ERR no such user"),
        ("SEND x hello", "-ERR bad toUid"),
        ("SENDID a 2 again", "+OK msg_id=2"),
        ("SENDID a 2 again", "+OK msg_id=2"),
        ("SENDID a 2 other", "-ERR conflict"),
        ("CREATEGROUP team the best one", "+OK group_id=1"),
        ("JOINGROUP 1", "-ERR already in group"),
        ("JOINGROUP 7", "-ERR group not found"),
        ("SENDGROUP 1 hi all", "+OK group_msg_id=3"),
        ("SENDGROUPID b 1 hi again", "+OK group_msg_id=4"),
        ("SENDGROUP 7 hi", "-ERR not a member"),
        ("MEMBERS 1", "+OK members: 1"),
        ("MEMBERS 7", "-ERR group not found"),
        ("GROUPS", "+OK groups: 1"),
        ("ACK 77", "+OK acked"),
        ("LEAVEGROUP 1", "+OK left group"),
        ("MEMBERS 1", "-ERR not a member"),
        ("PULL", "+OK pull_done"),
        ("NONSENSE", "-ERR unknown cmd"),
        ("LOGOUT", "+OK logout success"),
        ("WHOAMI", "-ERR not login"),
        ("SEND 2 hello", "-ERR not login"),
        ("PULL", "-ERR not login"),
        ("PING", "+OK pong"),
        ("LOGIN ada wrong", "-ERR auth bad cred"),
        ("LOGIN ada password", "+OK uid=1"),
    ] {
        assert_eq!(ada.ask(command).await, reply, "to {command}");
    }
    assert!(ada.ask("HELP").await.starts_with("+OK commands: "));
}

#[tokio::test]
async fn history_shows_messages_and_skips_what_is_none() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    let _bob = system.register("bob").await;
    for text in ["one", "two", "three"] {
        ada.ask(&format!("SEND 2 {text}")).await;
    }
    assert_eq!(
        ada.ask_all("HISTORY 2 1 5").await,
        [
            "HIST seq=2 id=2 from=1 ts=1000 text=two",
            "HIST seq=3 id=3 from=1 ts=1000 text=three",
            "+OK history_done"
        ]
    );
    let first = ada.ask_all("HISTORY 2 0 1").await;
    assert_eq!(first, ["HIST seq=1 id=1 from=1 ts=1000 text=one", "+OK history_done"]);
    assert_eq!(ada.ask("HISTORY 2 9 1").await, "+OK history_done");
    assert_eq!(ada.ask("HISTORY 2 0 1000000").await, "-ERR bad range");
    assert_eq!(ada.ask("HISTORY g5 0 10").await, "-ERR not a member");
    ada.ask("CREATEGROUP team").await;
    system.fakes.state().append("grp_1", 1, mpim_proto::EntryKind::Joined, "");
    ada.ask("SENDGROUP 1 hi").await;
    let group = ada.ask_all("HISTORY g1 0 10").await;
    assert_eq!(group, ["HIST seq=2 id=5 from=1 ts=1000 text=hi", "+OK history_done"]);
}

#[tokio::test]
async fn the_last_messages_are_fetched_page_by_page_and_shown_in_their_order() {
    let system = System::with(|config| config.session.page_messages = 4).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    for number in 1..=30 {
        system.store("c2c_1_2", 2, &number.to_string());
    }
    for (asked, first, last) in [
        ("2 10", 21, 30),
        ("2 10 21", 11, 20),
        ("2 100", 1, 30),
        ("2 7 5", 1, 4),
        ("2 1 31", 30, 30),
    ] {
        let history = ada.ask_all(&format!("RECENT {asked}")).await;
        let expected: Vec<String> = (first..=last)
            .map(|seq| format!("HIST seq={seq} id={seq} from=2 ts=1000 text={seq}"))
            .chain(["+OK history_done".to_owned()])
            .collect();
        assert_eq!(history, expected, "RECENT {asked}");
    }
    assert_eq!(ada.ask("RECENT 2 10 1").await, "+OK history_done");
    assert_eq!(ada.ask("RECENT 2 1000000").await, "-ERR bad range");
    assert_eq!(ada.ask("RECENT g5 10").await, "-ERR not a member");
}

#[tokio::test]
async fn the_last_messages_end_before_they_are_too_much_and_the_newest_is_shown_however_long() {
    let system = System::with(|config| config.session.history_bytes_max = 10).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    for text in ["x", "five2", "five3", "longer than the bound"] {
        system.store("c2c_1_2", 2, text);
    }
    let mut shown = Vec::new();
    for asked in ["2 10", "2 10 4", "2 10 2"] {
        shown.push(ada.ask_all(&format!("RECENT {asked}")).await.len() - 1);
    }
    assert_eq!(shown, [1, 2, 1]);
}

#[tokio::test]
async fn conversations_are_listed_page_by_page_and_read_positions_are_passed_on() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    for peer in 2..=6 {
        system.store(&format!("c2c_1_{peer}"), peer, "hello");
    }
    let line = |peer: i64| {
        let id = peer - 1;
        format!(
            "CONV peer={peer} head=1 read=1 unread=1 last_id={id} from={peer} ts=1000 text=hello"
        )
    };
    let done = "+OK conversations_done".to_owned();
    let all: Vec<String> = (2..=6).rev().map(line).chain([done.clone()]).collect();
    assert_eq!(ada.ask_all("CONVERSATIONS").await, all);
    assert_eq!(ada.ask_all("CONVERSATIONS 5").await, all);
    assert_eq!(ada.ask_all("CONVERSATIONS 3").await, [line(6), line(5), line(4), done]);
    assert_eq!(ada.ask("CONVERSATIONS 1001").await, "-ERR bad range");
    assert_eq!(ada.ask("READ 2 1").await, "+OK read");
    assert_eq!(ada.ask("READ 2 2").await, "-ERR beyond the head");
}

#[tokio::test]
async fn a_long_history_is_fetched_page_by_page_up_to_its_limit() {
    let system = System::with(|config| config.session.page_messages = 4).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    for number in 1..=30 {
        system.store("c2c_1_2", 2, &number.to_string());
    }
    let history = ada.ask_all("HISTORY 2 5 10").await;
    assert_eq!(history.len(), 11);
    assert!(history[0].ends_with("text=6") && history[9].ends_with("text=15"));
}

#[tokio::test]
async fn a_history_of_long_texts_ends_before_it_is_too_much_and_goes_on_where_it_ended() {
    let system = System::with(|config| config.session.history_bytes_max = 10).await;
    let mut ada = system.register("ada").await;
    assert_eq!(ada.ask("PULL").await, "+OK pull_done");
    for text in ["longer than the bound", "five5", "five6", "x"] {
        system.store("c2c_1_2", 2, text);
    }
    let mut shown = Vec::new();
    for after_seq in [0, 1, 3] {
        let history = ada.ask_all(&format!("HISTORY 2 {after_seq} 10")).await;
        shown.push(history.len() - 1);
    }
    assert_eq!(shown, [1, 2, 1]);
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_their_order() {
    let system = System::start().await;
    let mut ada = system.register("ada").await;
    ada.send(b"SEND 1 a\nWHOAMI\nSEND 9 b\nPING\nSEND 1 c\nPULL\n").await;
    assert_eq!(
        ada.lines(6).await,
        [
            "+OK msg_id=1",
            "+OK uid=1",
            "-ERR no such user",
            "+OK pong",
            "+OK msg_id=2",
            "+OK pull_done"
        ]
    );
}

#[tokio::test]
async fn a_client_that_half_closes_gets_all_its_replies() {
    let system = System::start().await;
    let mut ada = system.connect().await;
    ada.send(b"REGISTER ada password\nSEND 1 a\nSEND 1 b\nLOGOUT\nHALF A LINE").await;
    ada.half_close().await;
    assert_eq!(
        ada.lines(5).await,
        ["+OK uid=1", "+OK msg_id=1", "+OK msg_id=2", "+OK logout success", "closed"]
    );
}
