//! The text protocol alone: what a line costs, without sockets.
#![expect(clippy::expect_used, reason = "a bench that cannot run ends with a panic")]

use std::borrow::Cow;
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use im_wire::text::{LineDecoder, Push, Reply, ServerConnection, ServerLine, TextLimits};

/// Lines in one read: what a busy connection finds in its socket.
const LINES: u64 = 64;
const TEXT: &str = "Shall we meet at the old bridge at eight, or is that too early?!";

fn push(msg_id: i64) -> Push<'static> {
    let text = Cow::Borrowed(TEXT);
    Push { msg_id, from: 7, to: None, ts_ms: 1_700_000_000_000, group_id: None, text }
}

/// The gateway's side of a send: line to command, reply to line.
fn sends(criterion: &mut Criterion) {
    let input = format!("SEND 9 {TEXT}\n").repeat(64).into_bytes();
    let mut connection = ServerConnection::new(TextLimits::default());
    connection.receive(b"LOGIN ada correct-horse\n");
    let (slot, _) = connection.next_command().expect("a log-in");
    connection.reply(slot, Reply::Uid(7));
    let mut group = criterion.benchmark_group("text_lines");
    group.throughput(Throughput::Elements(LINES));
    group.bench_function("64 SENDs: parse and reply", |bencher| {
        bencher.iter(|| {
            connection.receive(black_box(&input));
            while let Some((slot, command)) = connection.next_command() {
                black_box(command);
                connection.reply(slot, Reply::MsgId(7_000_000_000_000));
            }
            connection.consume_output(connection.output().len());
        });
    });
    group.finish();
}

/// Messages on their way to a client, and in the client.
fn pushes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("text_lines");
    group.throughput(Throughput::Elements(LINES));
    group.bench_function("64 MSGs: encode", |bencher| {
        bencher.iter(|| {
            for msg_id in 1..=64 {
                black_box(push(black_box(msg_id)).encode());
            }
        });
    });
    let lines: Vec<u8> = (1..=64).flat_map(|id| push(id).encode().as_bytes().to_vec()).collect();
    let mut decoder = LineDecoder::new(8 * 1024);
    group.bench_function("64 MSGs: parse, as a client", |bencher| {
        bencher.iter(|| {
            decoder.receive(black_box(&lines));
            while let Some(im_wire::text::Line::Whole(line)) = decoder.next_line() {
                black_box(ServerLine::parse(line).expect("a message"));
            }
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    sends(&mut criterion);
    pushes(&mut criterion);
    criterion.final_summary();
}
