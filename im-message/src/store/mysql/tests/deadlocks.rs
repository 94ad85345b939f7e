//! Deadlocks of whatever is asked of a store, other than sending, with somebody who locks the same rows the
//! other way round: who asked never hears of them.

use std::pin::Pin;

use mysql_async::prelude::Queryable;

use super::locks::{FIRST, Opposed, status};
use super::*;
use crate::store::mysql::outbox::Untold;
use crate::store::{Blocks as _, Devices as _, Expired, ReadState as _, Retention as _};

type Asked = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// Something that is asked of a store, and the rows that a person locks against it.
struct Meeting {
    name: &'static str,
    /// Makes the rows that it needs, each time.
    before: &'static [&'static str],
    /// The person has these first: what is asked waits for them, with other rows in its hands,
    later: &'static str,
    /// which are these, and the person wants them then.
    sooner: &'static str,
    ask: fn(Arc<MysqlTimeline>) -> Asked,
}

/// Short names of the two conversations that [`Opposed`] begins with.
const CONV: &str = "(SELECT id FROM conversation WHERE conv_id = 'c2c_1_2')";

fn device(name: &str) -> Reader {
    Reader { uid: 2, device: name.to_owned() }
}

const CURSORS: &[&str] = &[
    "DELETE FROM device_cursor",
    "INSERT INTO device_cursor (uid, device, conv, seq, given_seq)
     SELECT 2, 'a', id, 0, 1 FROM conversation WHERE conv_id = 'c2c_1_2'
     UNION SELECT 2, 'b', id, 0, 1 FROM conversation WHERE conv_id = 'c2c_1_2'",
    "DELETE FROM device",
    "INSERT INTO device (uid, device, generation, forgotten) VALUES (2, 'b', 1, 0)",
];
const OUTBOX: &[&str] = &[
    "DELETE FROM outbox",
    "INSERT INTO outbox (id, lease_until, holder, entries)
     VALUES (1, UTC_TIMESTAMP(3) - INTERVAL 9 SECOND, 0, ''),
            (2, UTC_TIMESTAMP(3) - INTERVAL 8 SECOND, 0, '')",
];
const UNBLOCKED: &[&str] = &["DELETE FROM block", "UPDATE conversation SET blocks = 0"];

const REFUSALS: &[&str] = &[
    "DELETE FROM refusal",
    "DELETE FROM entry WHERE seq < 0",
    "INSERT INTO entry (conv, seq, msg_id, author, dedup_key, kind, ts_ms, text, device)
     SELECT id, -1, 1, 2, 'a', 4, 1, '', '' FROM conversation WHERE conv_id = 'c2c_1_2'
     UNION SELECT id, -2, 2, 2, 'b', 4, 1, '', '' FROM conversation WHERE conv_id = 'c2c_1_2'",
    "INSERT INTO refusal (ts_ms, msg_id, conv) SELECT 1, msg_id, conv FROM entry WHERE seq < 0",
];

const MEETINGS: &[Meeting] = &[
    Meeting {
        name: "advance_for_many",
        before: CURSORS,
        later: "SELECT seq FROM device_cursor WHERE uid = 2 AND device = 'b' FOR UPDATE",
        sooner: "SELECT seq FROM device_cursor WHERE uid = 2 AND device = 'a' FOR UPDATE",
        ask: |store| {
            Box::pin(async move {
                let moves = ["b", "a"].map(|name| (device(name), FIRST, 1));
                store.advance_for_many(moves.to_vec()).await.map(drop)
            })
        },
    },
    Meeting {
        name: "open_device",
        before: CURSORS,
        later: "SELECT seq FROM device_cursor WHERE uid = 2 AND device = 'b' FOR UPDATE",
        sooner: "SELECT generation FROM device WHERE uid = 2 AND device = 'b' FOR UPDATE",
        ask: |store| {
            Box::pin(async move {
                assert!(store.open_device(&device("b"), 2).await?, "it was never forgotten");
                Ok(())
            })
        },
    },
    Meeting {
        name: "forget_device",
        before: CURSORS,
        later: "SELECT seq FROM device_cursor WHERE uid = 2 AND device = 'b' FOR UPDATE",
        sooner: "SELECT generation FROM device WHERE uid = 2 AND device = 'b' FOR UPDATE",
        ask: |store| Box::pin(async move { store.forget_device(&device("b"), 1).await }),
    },
    Meeting {
        name: "claim_untold",
        before: OUTBOX,
        later: "SELECT id FROM outbox WHERE id = 2 FOR UPDATE",
        sooner: "SELECT id FROM outbox WHERE id = 1 FOR UPDATE",
        ask: |store| Box::pin(async move { store.claim_untold(9).await.map(drop) }),
    },
    Meeting {
        name: "remove_told",
        before: OUTBOX,
        later: "SELECT id FROM outbox WHERE id = 2 FOR UPDATE",
        sooner: "SELECT id FROM outbox WHERE id = 1 FOR UPDATE",
        ask: |store| {
            Box::pin(async move {
                for row in [1, 2] {
                    store.outbox.wrote(Untold { row, last_msg_id: row, entries: 1 });
                }
                store.told(&[1, 2]);
                store.remove_told().await
            })
        },
    },
    Meeting {
        name: "block",
        before: UNBLOCKED,
        later: "INSERT INTO block (uid, blocked) VALUES (1, 2)",
        sooner: "SELECT id FROM conversation WHERE conv_id = 'c2c_1_2' FOR UPDATE",
        ask: |store| {
            Box::pin(async move {
                assert!(store.block(1, 2, 1, 9).await?, "nobody else is blocked");
                Ok(())
            })
        },
    },
    Meeting {
        name: "trim",
        before: UNBLOCKED,
        later: "SELECT seq FROM entry WHERE seq = 1 FOR UPDATE",
        sooner: "SELECT id FROM conversation WHERE conv_id = 'c2c_1_2' FOR UPDATE",
        ask: |store| {
            Box::pin(async move {
                let (before_ms, settled_before_ms) = (i64::MIN, i64::MAX);
                let expired = Expired { before_ms, below_seq: 2, settled_before_ms };
                store.trim(FIRST, expired, 9).await.map(drop)
            })
        },
    },
    Meeting {
        name: "forget_refusals",
        before: REFUSALS,
        later: "SELECT seq FROM entry WHERE seq = -2 FOR UPDATE",
        sooner: "SELECT msg_id FROM refusal WHERE msg_id = 1 FOR UPDATE",
        ask: |store| {
            Box::pin(async move {
                assert_eq!(store.forget_refusals(2, 9).await?, 2, "both are old");
                Ok(())
            })
        },
    },
];

/// Whether they met in a deadlock: a wait of what is asked may be over before the person's begins.
async fn meet(opposed: &mut Opposed, meeting: &Meeting, store: Arc<MysqlTimeline>) -> bool {
    for statement in meeting.before {
        opposed.server.server().execute(&format!("USE test_locks; {statement}"));
    }
    let deadlocks = status(&opposed.server, "Innodb_deadlocks");
    // The server undoes the one who has changed less.
    opposed.person.query_drop("UPDATE weight SET n = n + 1").await.unwrap();
    opposed.person.query_drop(meeting.later).await.unwrap();
    opposed.waits = status(&opposed.server, "Innodb_row_lock_waits");
    let asked = tokio::spawn((meeting.ask)(store));
    opposed.waited(1).await;
    opposed.person.query_drop(meeting.sooner).await.unwrap();
    opposed.person.query_drop("ROLLBACK").await.unwrap();
    let outcome = asked.await.unwrap();
    opposed.person.query_drop("BEGIN").await.unwrap();
    assert!(outcome.is_ok(), "{}: {outcome:?}", meeting.name);
    status(&opposed.server, "Innodb_deadlocks") > deadlocks
}

#[tokio::test]
async fn no_deadlock_reaches_whoever_asked_whatever_they_asked() {
    let Some(mut opposed) = Opposed::new().await else { return };
    let rows = vec!["(0)"; 100].join(", ");
    for statement in [
        "ROLLBACK",
        // Of what it looks at and does not mean, the person holds nothing.
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "CREATE TABLE weight (n INT NOT NULL)",
        &format!("INSERT INTO weight (n) VALUES {rows}"),
        "BEGIN",
    ] {
        opposed.person.query_drop(statement).await.unwrap();
    }
    for meeting in MEETINGS {
        let mut tries = 0;
        loop {
            let store = opposed.store.clone();
            if meet(&mut opposed, meeting, store).await {
                break;
            }
            tries += 1;
            assert!(tries < 20, "{}: no deadlock", meeting.name);
        }
    }
}

#[tokio::test]
async fn a_read_position_whose_row_somebody_holds_is_waited_for() {
    let Some(mut opposed) = Opposed::new().await else { return };
    opposed.store.mark_read(2, FIRST, 0).await.unwrap();
    let hold = format!("INSERT INTO read_position (conv, uid, seq) SELECT {CONV}, 2, 1");
    opposed.person.query_drop(hold).await.unwrap();
    opposed.waits = status(&opposed.server, "Innodb_row_lock_waits");
    let store = opposed.store.clone();
    let marking = tokio::spawn(async move { store.mark_read(2, FIRST, 1).await });
    // Once in vain, and again.
    opposed.waited(2).await;
    opposed.person.query_drop("ROLLBACK").await.unwrap();
    marking.await.unwrap().unwrap();
}
