//! Logs: for people on a terminal, JSON for machines.

use std::io::IsTerminal;

use tracing::{Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use crate::{LogConfig, LogFormat, Validate, walk};

/// A library that tells of each step what mprpc tells once. Only its warnings are logged, unless the
/// filter names it.
const TALKATIVE: &str = "zookeeper_client";

/// The log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// The filter is not one.
    #[error("log.filter is not valid")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// There is a log already.
    #[error("the log was set up twice")]
    Twice(#[source] tracing::subscriber::SetGlobalDefaultError),
}

impl Validate for LogConfig {
    fn validate(&self) -> Result<(), Vec<String>> {
        let wrong = |error| {
            let example = "`info` or `info,im_message=debug`";
            vec![format!("log.filter: must be a filter like {example}: {error}")]
        };
        EnvFilter::try_new(&self.filter).map(drop).map_err(wrong)
    }
}

/// Sends this process's events to standard error, panics included. Call it once, first.
///
/// # Errors
/// When the filter is not valid, or it was called before.
pub(crate) fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let human = match config.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let subscriber = subscriber(config, human, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::Twice)?;
    log_panics();
    Ok(())
}

fn subscriber<W>(
    config: &LogConfig,
    human: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let directives = match config.spans {
        // What was asked for is there whatever the filter says; the last directive wins.
        true => format!("{},{}=debug", config.filter, walk::TARGET),
        false => config.filter.clone(),
    };
    let filter = EnvFilter::try_new(directives).map_err(TelemetryError::Filter)?;
    let wanted = config.filter.contains(TALKATIVE);
    let quiet = filter_fn(move |event| {
        wanted || *event.level() <= Level::WARN || !event.target().starts_with(TALKATIVE)
    });
    let ends = if config.spans { FmtSpan::CLOSE } else { FmtSpan::NONE };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_span_events(ends);
    Ok(if human {
        let lines = lines.with_ansi(std::io::stderr().is_terminal());
        Box::new(registry().with(filter).with(quiet).with(lines))
    } else {
        Box::new(registry().with(filter).with(quiet).with(lines.json().with_span_list(false)))
    })
}

/// A panic in a task reaches nobody's terminal when the process runs unattended, so it is logged
/// like everything else.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let message = panic.payload_as_str().unwrap_or("(no message)");
        tracing::error!(place, thread = thread.name(), "panicked: {message}");
    }));
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_talkative_library_is_only_heard_when_it_warns_or_is_asked_for() {
        let log = |filter: &str| {
            let config = LogConfig { filter: filter.to_owned(), ..LogConfig::default() };
            log_of(&config, || {
                tracing::info!(target: "zookeeper_client::session", "a step");
                tracing::warn!(target: "zookeeper_client::session", "a loss");
            })
        };
        let (usual, asked_for) = (log("debug"), log("info,zookeeper_client=info"));
        assert!(!usual.contains("a step") && usual.contains("a loss"), "{usual}");
        assert!(asked_for.contains("a step") && asked_for.contains("a loss"), "{asked_for}");
    }

    fn log_of(config: &LogConfig, events: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(config, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    fn log_of_one_hop(config: &LogConfig) -> String {
        log_of(config, || {
            let hop = walk::hop!("message.commit");
            hop.in_scope(|| walk::record(&tracing::Span::current(), [41, 42]));
            drop(hop);
            tracing::info!("an event");
            tracing::debug!("too detailed");
        })
    }

    #[test]
    fn a_hop_is_logged_with_its_messages_when_spans_are_on() {
        let log = log_of_one_hop(&LogConfig { spans: true, ..LogConfig::default() });
        let (hop, event) = log.split_once('\n').unwrap();
        for part in [
            r#""target":"walk""#,
            r#""message":"close""#,
            r#""name":"message.commit""#,
            r#""msg_ids":"41,42""#,
        ] {
            assert!(hop.contains(part), "{part} in {hop}");
        }
        assert!(event.contains("an event") && event.lines().count() == 1, "{event}");
    }

    #[test]
    fn hops_are_not_logged_by_default() {
        let log = log_of_one_hop(&LogConfig::default());
        assert!(log.contains("an event") && log.lines().count() == 1, "{log}");
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let config = LogConfig { filter: "info,x=loud".to_owned(), ..LogConfig::default() };
        let wrong = config.validate().unwrap_err();
        assert!(
            wrong[0].starts_with("log.filter: must be a filter like `info` or "),
            "{}",
            wrong[0]
        );
    }
}
