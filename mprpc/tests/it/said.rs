//! What mprpc logs, for those who look at it.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What was logged on this thread, which is that of the test and of all that it runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said(Arc<Mutex<Vec<(Level, String)>>>);

impl Said {
    /// Listens until the test ends.
    pub(crate) fn listen() -> Self {
        let said = Self::default();
        std::mem::forget(tracing::subscriber::set_default(said.clone()));
        said
    }

    pub(crate) fn how_often(&self, text: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(_, said)| said.contains(text)).count()
    }

    /// Whether each is one line of text, whatever others wrote of which it tells.
    pub(crate) fn are_lines(&self) -> bool {
        let forges = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}';
        self.0.lock().unwrap().iter().all(|(_, said)| !said.contains(forges))
    }

    /// All that was said at this level.
    pub(crate) fn at(&self, level: Level) -> Vec<String> {
        let said = self.0.lock().unwrap();
        said.iter().filter(|(at, _)| *at == level).map(|(_, said)| said.clone()).collect()
    }
}

impl Subscriber for Said {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("mprpc")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push((*event.metadata().level(), line.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}
