//! A request, or an answer, as one JSON text: `{"type":2001,"id":"a7","body":{…}}`.

use super::fields::{DEPTH_MAX, Id, fields, missing, read_within};
use crate::Refusal;
use bytes::{BufMut, BytesMut};
use serde_json::value::RawValue;

/// What stands in an envelope.
pub(crate) struct Opened {
    pub(crate) kind: u16,
    pub(crate) id: Option<Id>,
    /// `None` is as good as `{}`.
    pub(crate) body: Option<Box<RawValue>>,
}

fields!(Envelope {
    kind as "type": u16,
    id as "id": Id,
    body as "body": Box<RawValue>,
});

fields!(Named { id as "id": Id, });

/// Opens one; what is wrong with it, with the id of the request if that can be told.
pub(crate) fn open(text: &[u8]) -> Result<Opened, (Option<Id>, Refusal)> {
    // The body stands in it, and has its own bound.
    let envelope: Envelope = read_within(text, DEPTH_MAX + 1).map_err(|refusal| {
        let named = read_within::<Named>(text, DEPTH_MAX + 1);
        (named.ok().and_then(|named| named.id), refusal)
    })?;
    let Envelope { kind, id, body } = envelope;
    match kind {
        Some(kind) => Ok(Opened { kind, id, body }),
        None => Err((id, missing("type"))),
    }
}

/// The bytes around a body: what stands before it. Behind it stands one `}`.
pub(crate) fn head(kind: u16, id: Option<&Id>) -> Vec<u8> {
    let id = id.and_then(|id| serde_json::to_string(id).ok());
    match id {
        Some(id) => format!(r#"{{"type":{kind},"id":{id},"body":"#),
        None => format!(r#"{{"type":{kind},"body":"#),
    }
    .into_bytes()
}

/// Appends an envelope, `head` and all.
pub(crate) fn put(out: &mut BytesMut, head: &[u8], body: &[u8]) {
    out.put_slice(head);
    out.put_slice(body);
    out.put_u8(b'}');
}
