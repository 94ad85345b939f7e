//! The hops of a message that im-message makes, as someone who watches the walk sees them.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::*;

/// Log lines, one for each span that ended.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn hops(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let hop = |line: &str| {
            let from = line.find("message.")?;
            let to = from + line[from..].find('}')?;
            Some(line[from..=to].to_owned())
        };
        text.lines().filter_map(hop).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_sent_committed_and_dispatched_under_its_id() {
    let lines = Lines::default();
    // While a process has but one subscriber, tracing takes the word of whichever thread meets a
    // span first for whether it is of interest to anybody; here that is often another test's, which
    // has none. Beside a second one all are asked.
    let _not_the_only_one = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(lines.clone())
        .finish();
    let _watching = tracing::subscriber::set_default(subscriber);
    let world = World::with_one_lane(Model::new(), |_| {});
    world.presence.until("the resync", |presence| !presence.taken().is_empty()).await;
    let msg_id = world.send(1, 2, "hello").await.msg_id;
    world.presence.until("the dispatch", |presence| !presence.delivered().is_empty()).await;
    // The dispatcher's hop ends a moment after im-presence took it.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let of_message = |hop: &str| format!("message.{hop}{{msg_ids=\"{msg_id}\"}}");
    let mut hops = lines.hops();
    hops.retain(|hop| hop.contains(&msg_id.to_string()));
    hops.sort();
    assert_eq!(hops, ["commit", "dispatch", "send"].map(of_message));
}
