//! Lines that nobody should send, and that somebody will.

use mpim_tests::{StackBuilder, register_two};

on_all_stacks! {
    lines_end_in_lf_or_crlf_however_they_come_in_pieces,
    a_line_that_is_too_long_is_skipped_to_its_end,
    half_a_line_is_no_command,
    bytes_that_are_no_text_are_refused_and_the_connection_goes_on,
    no_text_can_forge_a_line,
    pipelined_sends_are_answered_in_order_with_a_pull_between,
}

async fn lines_end_in_lf_or_crlf_however_they_come_in_pieces(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for byte in format!("SEND {} slowly\r\n", bob.uid).as_bytes() {
        ada.client.send_bytes(&[*byte]).await;
    }
    assert!(ada.client.reply().await.starts_with("+OK msg_id="));
    assert_eq!(bob.client.push().await.text, "slowly");
    ada.client.send_bytes(b"\n\r\nPING\r\n\nPING\n").await;
    assert_eq!(ada.client.reply().await, "+OK pong");
    assert_eq!(ada.client.reply().await, "+OK pong");
}

async fn a_line_that_is_too_long_is_skipped_to_its_end(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for length in [8_193, 100_000, 3 << 20] {
        let mut line = format!("SEND {} ", bob.uid).into_bytes();
        line.resize(length, b'x');
        line.extend_from_slice(b"\nPING\n");
        ada.client.send_bytes(&line).await;
        assert_eq!(ada.client.reply().await, "-ERR line too long");
        assert_eq!(ada.client.reply().await, "+OK pong");
    }
    // The longest line that is taken is one byte shorter, and then it is the text that is too long.
    let mut line = format!("SEND {} ", bob.uid).into_bytes();
    line.resize(8_192, b'x');
    line.push(b'\n');
    ada.client.send_bytes(&line).await;
    assert_eq!(ada.client.reply().await, "-ERR text too long");
    assert_eq!(bob.client.pull().await, []);
}

async fn half_a_line_is_no_command(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let whole = format!("SEND {} whole\nSEND {} half", bob.uid, bob.uid);
    ada.client.send_bytes(whole.as_bytes()).await;
    assert!(ada.client.reply().await.starts_with("+OK msg_id="));
    ada.log_in(&stack).await;
    ada.send(bob.uid, "after").await;
    let texts: Vec<_> = bob.client.pushes(2).await.into_iter().map(|push| push.text).collect();
    assert_eq!(texts, ["whole", "after"]);
    assert_eq!(bob.client.pull().await, []);
}

async fn bytes_that_are_no_text_are_refused_and_the_connection_goes_on(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for line in [&b"SEND 2 \xFF\xFE\n"[..], b"SEND 2 \xC3\n", b"CREATEGROUP \xC3\x28\n"] {
        ada.client.send_bytes(line).await;
        assert_eq!(ada.client.reply().await, "-ERR not valid UTF-8");
    }
    for line in [&b"\xFF\xFF\xFF\xFF\n"[..], b"\0\0\0\0\n", b"GET / HTTP/1.1\n"] {
        ada.client.send_bytes(line).await;
        assert_eq!(ada.client.reply().await, "-ERR unknown cmd");
    }
    ada.client.send_bytes(b"LOGIN \xFF \xFE\n").await;
    assert_eq!(ada.client.reply().await, "-ERR auth bad cred");
    let id = ada.send(bob.uid, "goes on").await;
    assert_eq!(bob.client.push().await.id, id);
}

async fn no_text_can_forge_a_line(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    for (text, shown) in [
        ("a\rMSG id=1 from=9 ts=1 text=forged", r"a\x0DMSG id=1 from=9 ts=1 text=forged"),
        ("tab\tnul\0bel\x07esc\x1B[2J", r"tab\x09nul\x00bel\x07esc\x1B[2J"),
        ("line\u{2028}separator\u{85}", r"line\xE2\x80\xA8separator\xC2\x85"),
        (r"a backslash \x0A stays", r"a backslash \x0A stays"),
    ] {
        ada.send(bob.uid, text).await;
        assert_eq!(bob.client.push().await.text, shown);
        let after = bob.client.history("1", 0, 100).await.len() - 1;
        let after = i64::try_from(after).unwrap();
        assert_eq!(bob.client.history("1", after, 1).await[0].text, shown);
    }
}

async fn pipelined_sends_are_answered_in_order_with_a_pull_between(stack: StackBuilder) {
    let stack = stack.start().await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let waiting = bob.send(ada.uid, "something to pull").await;
    let mut lines = String::new();
    for n in 0..1_000 {
        lines.push_str(&format!("SEND {} {n}\n", bob.uid));
        if n == 499 {
            lines.push_str("PULL\nNONSENSE\n");
        }
    }
    ada.client.send_bytes(lines.as_bytes()).await;
    let mut last = 0;
    for n in 0..1_000 {
        let reply = ada.client.reply().await;
        let id = reply.strip_prefix("+OK msg_id=").and_then(|id| id.parse::<i64>().ok());
        let id = id.unwrap_or_else(|| panic!("{n}: {reply}"));
        assert!(id > last, "{n}: {id} after {last}");
        last = id;
        if n == 499 {
            assert_eq!(ada.client.reply().await, "+OK pull_done");
            assert_eq!(ada.client.push().await.id, waiting);
            assert_eq!(ada.client.reply().await, "-ERR unknown cmd");
        }
    }
    let texts: Vec<_> = bob.client.pushes(1_000).await.into_iter().map(|push| push.text).collect();
    let expected: Vec<_> = (0..1_000).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
    assert_eq!(ada.client.history("2", 0, 1_000).await.len(), 1_000);
}
