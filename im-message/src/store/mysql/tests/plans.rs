//! What the statements cost that a log-in runs: rows that the server reads, and not time.

use super::*;
use crate::store::ReadState as _;
use crate::store::mysql::{locked, members, read, read_state, retention};

/// Conversations of the user.
const CONVERSATIONS: i64 = 20;

/// A statement with its parameters filled in.
fn filled_in(sql: &str, params: &[&str]) -> String {
    let mut pieces = sql.split('?');
    let mut text = pieces.next().unwrap().to_owned();
    for (param, piece) in params.iter().zip(pieces.by_ref()) {
        text.push_str(param);
        text.push_str(piece);
    }
    assert_eq!(pieces.next(), None, "{sql}");
    text
}

/// Rows that the server reads for a statement.
fn rows_read(database: &Database, query: &str) -> i64 {
    let answer = database.execute(&format!("{query}; SHOW STATUS LIKE 'Handler_read%'"));
    let counts = answer.lines().filter(|line| line.starts_with("Handler_read"));
    counts.map(|line| line.rsplit('\t').next().unwrap().parse::<i64>().unwrap()).sum()
}

/// The user 1 gets `count` messages in each of their conversations.
async fn write(store: &MysqlTimeline, from: usize, count: usize) {
    for peer in 0..CONVERSATIONS {
        let conv = ConvId::pair(1, peer + 2);
        let numbers: Vec<usize> = (from..from + count).collect();
        for numbers in numbers.chunks(256) {
            let batch: Vec<_> =
                numbers.iter().map(|n| text(conv, peer + 2, &n.to_string())).collect();
            let answers = store.append(Arc::from(batch), 1).await;
            answers.into_iter().for_each(|answer| assert!(answer.is_ok()));
        }
    }
    store.mark_read(1, ConvId::pair(1, 2), 2).await.unwrap();
}

#[tokio::test]
async fn a_log_in_reads_as_many_rows_however_many_messages_are_stored() {
    let Some((store, database)) = fresh().await else { return };
    write(&store, 0, 10).await;
    let short = database.execute("SELECT id FROM conversation WHERE conv_id = 'c2c_1_2'");
    let short = short.trim();
    let max = i64::MAX.to_string();
    let name = "''";
    let list = filled_in(read_state::LIST, &["1", &max, &max, name, "21", "1", "'text'", "1"]);
    let behind = filled_in(read::BEHIND, &["'text'", "1", "0", "201"]);
    let unread = filled_in(read_state::UNREAD, &[short, "3", &max, "1", "100"]);
    let receipts = filled_in(read_state::RECEIPTS, &[short, "0", "2", "100"]);
    let first_page = filled_in(read::FORWARD, &[short, "1", &max, "101"]);
    let last_page = filled_in(read::BACKWARD, &[short, "1", &max, "101"]);
    let all = [list, behind, unread, receipts, first_page, last_page];
    let analyze = "ANALYZE TABLE conversation, entry, span, device_cursor, read_position";
    database.execute(analyze);
    let few: Vec<i64> = all.iter().map(|query| rows_read(&database, query)).collect();
    write(&store, 10, 1_000).await;
    database.execute(analyze);
    for (query, few) in all.iter().zip(few) {
        let many = rows_read(&database, query);
        let plan = database.execute(&format!("EXPLAIN {query}"));
        // A page of messages was not full before, nor were a hundred unread, which are read twice.
        assert!(many <= few.max(210), "{many} rows instead of {few}: {query}\n{plan}");
        let sorted = plan.contains("filesort") && query.contains("ORDER BY seq");
        assert!(!sorted, "{query}\n{plan}");
        let whole = plan.lines().any(|line| line.contains("\tALL\t") && !line.contains("<derived"));
        assert!(!whole, "{query}\n{plan}");
    }
}

#[tokio::test]
async fn a_few_members_are_as_many_rows_however_many_there_are() {
    let Some((store, database)) = fresh().await else { return };
    let joined = |uid| NewEntry {
        key: DedupKey::change("j"),
        content: Content::Joined,
        ..text(ConvId::Group(7), uid, "")
    };
    for uids in [1..250, 250..500] {
        let answers = store.append(uids.map(joined).collect(), 1).await;
        answers.into_iter().for_each(|answer| assert!(answer.is_ok()));
    }
    database.execute("ANALYZE TABLE conversation, span");
    let first = filled_in(members::FIRST, &["'grp_7'", "4"]);
    let read = rows_read(&database, &first);
    assert!(read <= 10, "{read} rows\n{}", database.execute(&format!("EXPLAIN {first}")));
}

/// A plan that scans waits for locks of others, and how many rows it reads depends on them.
#[tokio::test]
async fn what_is_removed_is_found_by_index_however_few_there_are() {
    let Some((store, database)) = fresh().await else { return };
    let few = (2..5).map(|peer| text(ConvId::pair(1, peer), 1, "x"));
    store.append(few.collect(), 1).await.into_iter().for_each(|answer| assert!(answer.is_ok()));
    let unused = filled_in(&locked::unused(4), &["'c2c_1_2'", "'c2c_1_3'", "'c2c_1_4'", "'grp_1'"]);
    let old = filled_in(retention::OLD_REFUSALS, &["9", "200"]);
    let forget = filled_in(retention::FORGET_REFUSALS, &["1", "1", "9"]);
    for query in [unused, old, forget] {
        let plan = database.execute(&format!("EXPLAIN {query}"));
        let scans = plan.contains("\tALL\t") || plan.contains("\tindex\t");
        assert!(!scans, "{query}\n{plan}");
    }
}
