//! The text protocol, from outside: golden lines, the order of replies, and properties.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the helpers of tests fail as tests do"
)]

mod answers;
mod bad_frames;
mod commands;
mod event_stream;
mod frames;
mod lengths;
mod lines;
mod order;
mod properties;
mod pushes;
mod round_trips;
mod web_socket;

use im_wire::text::{Reply, ServerConnection, Slot, TextLimits};

/// A connection that is logged in, its output empty.
fn logged_in(limits: TextLimits) -> ServerConnection {
    let mut connection = ServerConnection::new(limits);
    connection.receive(b"LOGIN ada secret\n");
    let (slot, _) = connection.next_command().expect("the log-in");
    connection.reply(slot, Reply::Uid(7));
    take(&mut connection);
    connection
}

/// Takes all output.
fn take(connection: &mut ServerConnection) -> String {
    let output = String::from_utf8(connection.output().to_vec()).expect("output is UTF-8");
    connection.consume_output(output.len());
    output
}

/// Takes the slots of all commands that may be handed out now.
fn slots(connection: &mut ServerConnection) -> Vec<Slot> {
    std::iter::from_fn(|| connection.next_command().map(|(slot, _)| slot)).collect()
}
