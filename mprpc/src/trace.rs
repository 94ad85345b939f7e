//! W3C Trace Context: which trace a call belongs to, as `traceparent` and `tracestate` say it.
//!
//! <https://www.w3.org/TR/trace-context/>: what follows its rules is taken over, anything else
//! counts as if it had not come.

pub(crate) mod spans;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tracing::Span;

use crate::Metadata;

/// The names under which it travels in the metadata.
pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";

/// The longest `tracestate` that is passed on, in bytes: what the recommendation asks for at least.
const STATE_BYTES_MAX: usize = 512;

/// How many members a `tracestate` may have.
const STATE_MEMBERS_MAX: usize = 32;

/// The length of a `traceparent` of version 00, in bytes.
const PARENT_BYTES: usize = 55;

/// The place of a call in a distributed trace.
///
/// Its text is a `traceparent` of version 00:
///
/// ```
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let trace = mprpc::TraceContext::parse(text.as_bytes(), None).unwrap();
/// assert!(trace.is_sampled());
/// assert_eq!(trace.to_string(), text);
/// assert_eq!(trace.child().trace_id(), trace.trace_id());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// A new trace of random ids.
    #[must_use]
    pub fn start(sampled: bool) -> Self {
        // Zero is no id.
        let trace_id = fastrand::u128(1..);
        Self { trace_id, span_id: fastrand::u64(1..), sampled, state: None }
    }

    /// The next span of the same trace: a new span id, all else as it is.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span_id: fastrand::u64(1..), ..self.clone() }
    }

    /// Reads the values of a `traceparent` and, if there was one, a `tracestate`.
    ///
    /// `None` for a `traceparent` that breaks the rules. A `tracestate` that does, or that is longer
    /// than 512 bytes, is left out.
    #[must_use]
    pub fn parse(traceparent: &[u8], tracestate: Option<&[u8]>) -> Option<Self> {
        let (known, rest) = traceparent.split_at_checked(PARENT_BYTES)?;
        if known[2] != b'-' || known[35] != b'-' || known[52] != b'-' {
            return None;
        }
        let version = hex(&known[..2])?;
        // Later versions may only add to the end, behind one more dash.
        let whole = if version == 0 { rest.is_empty() } else { matches!(rest, [] | [b'-', ..]) };
        if version == 0xff || !whole {
            return None;
        }
        let trace_id = hex(&known[3..35]).filter(|id| *id != 0)?;
        let span_id = u64::try_from(hex(&known[36..52])?).ok().filter(|id| *id != 0)?;
        // Of the flags, this version defines one; others are not passed on.
        let sampled = hex(&known[53..55])? & 1 == 1;
        let state = tracestate.and_then(state);
        Some(Self { trace_id, span_id, sampled, state })
    }

    /// What came with a request. A name that came twice counts as malformed for `traceparent`;
    /// several of `tracestate` are one list.
    pub(crate) fn of(metadata: &Metadata) -> Option<Self> {
        let values = |wanted: &'static str| {
            metadata.iter().filter(move |(name, _)| *name == wanted).map(|(_, value)| value)
        };
        let mut parents = values(TRACEPARENT);
        let (Some(parent), None) = (parents.next(), parents.next()) else {
            return None;
        };
        let states: Vec<&[u8]> = values(TRACESTATE).map(Bytes::as_ref).collect();
        let state = (!states.is_empty()).then(|| states.join(&b','));
        Self::parse(parent, state.as_deref())
    }

    /// Adds it to what a call carries.
    pub(crate) fn put_into(&self, metadata: &mut Metadata) {
        metadata.push(TRACEPARENT, self.to_string());
        if let Some(state) = &self.state {
            metadata.push(TRACESTATE, state.to_string());
        }
    }

    /// The trace's id, never zero.
    #[must_use]
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// The id of the span within the trace, never zero.
    #[must_use]
    pub fn span_id(&self) -> u64 {
        self.span_id
    }

    /// Whether whoever began the trace records it. mprpc opens no spans for one that is not.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// What tracing systems say to each other, as it came.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, span_id, sampled, .. } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{:02x}", u8::from(*sampled))
    }
}

/// The trace of a call, and the span of this process in it.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) context: TraceContext,
    /// Disabled where nobody looks.
    pub(crate) span: Span,
}

impl Traced {
    /// A trace that goes through here without a span.
    pub(crate) fn unseen(context: TraceContext) -> Arc<Self> {
        Arc::new(Self { context, span: Span::none() })
    }
}

/// Lower-case digits only.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

fn state(value: &[u8]) -> Option<Arc<str>> {
    let text = std::str::from_utf8(value).ok()?;
    let mut members = text.split(',').map(|member| member.trim_matches([' ', '\t']));
    let well_formed = text.len() <= STATE_BYTES_MAX
        && members.clone().count() <= STATE_MEMBERS_MAX
        && members.all(|member| member.is_empty() || is_member(member));
    (well_formed && !text.is_empty()).then(|| text.into())
}

/// `key=value`
fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else {
        return false;
    };
    let of_key =
        |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    (1..=256).contains(&key.len())
        && key.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && key.bytes().all(of_key)
        && (1..=256).contains(&value.len())
        && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parse(traceparent: &str) -> Option<TraceContext> {
        TraceContext::parse(traceparent.as_bytes(), None)
    }

    #[test]
    fn a_traceparent_is_read_and_written() {
        let trace = parse(GOOD).unwrap();
        assert_eq!(trace.trace_id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(trace.span_id(), 0x00f0_67aa_0ba9_02b7);
        assert!(trace.is_sampled());
        assert_eq!(trace.to_string(), GOOD);
    }

    /// The cases of the W3C's own validation service.
    #[test]
    fn what_breaks_the_rules_is_ignored() {
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
            "0X-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473.-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_later_version_is_understood_as_far_as_it_goes() {
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-what-comes";
        assert_eq!(parse(later).unwrap().to_string(), GOOD);
    }

    #[test]
    fn unsampled_stays_unsampled_and_unknown_flags_are_not_passed_on() {
        let trace = parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02").unwrap();
        assert!(!trace.is_sampled() && !trace.child().is_sampled());
        assert!(trace.to_string().ends_with("-00"));
    }

    #[test]
    fn a_child_has_a_span_id_of_its_own() {
        let trace = parse(GOOD).unwrap();
        assert_ne!(trace.child().span_id(), trace.span_id());
        assert_eq!(trace.child().trace_id(), trace.trace_id());
    }

    #[test]
    fn the_state_is_kept_if_it_is_well_formed_and_never_costs_the_trace() {
        let read = |state: &str| TraceContext::parse(GOOD.as_bytes(), Some(state.as_bytes()));
        for good in ["rojo=00f067aa0ba902b7", "a=1,b@c=2 , d/e=x", "a=1,,b=2"] {
            assert_eq!(read(good).unwrap().state(), Some(good));
        }
        let long = format!("a={}", "x".repeat(255));
        let too_long = format!("{long},{long}");
        let too_many = ["a=1"; 33].join(",");
        for bad in ["", "a", "A=1", "a=", "=1", "a=b=c", "a=\u{e4}", &too_long, &too_many] {
            assert_eq!(read(bad).unwrap().state(), None, "{bad}");
        }
    }

    #[test]
    fn two_parents_are_none_and_two_states_are_one_list() {
        let mut metadata = Metadata::default();
        metadata.push(TRACEPARENT, GOOD);
        metadata.push(TRACESTATE, "a=1");
        metadata.push(TRACESTATE, "b=2");
        let trace = TraceContext::of(&metadata).unwrap();
        assert_eq!(trace.state(), Some("a=1,b=2"));
        let mut sent = Metadata::default();
        trace.put_into(&mut sent);
        assert_eq!(TraceContext::of(&sent), Some(trace));
        metadata.push(TRACEPARENT, GOOD);
        assert_eq!(TraceContext::of(&metadata), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            parent in proptest::collection::vec(any::<u8>(), 0..70),
            state in proptest::collection::vec(any::<u8>(), 0..70),
        ) {
            let _ = TraceContext::parse(&parent, Some(&state));
        }
    }
}
