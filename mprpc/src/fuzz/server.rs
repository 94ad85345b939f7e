//! What a server makes of whatever a client sends.

use std::collections::HashMap;
use std::task::Waker;

use bytes::BytesMut;

use super::decode;
use crate::Status;
use crate::wire::v2::compression::Compression;
use crate::wire::v2::offer::Offer;
use crate::wire::v2::server::{Event, Frames};
use crate::wire::v2::server_streams::{Key, Streams};
use crate::wire::v2::stream::Directions;

/// As many answers as a server lets wait, here: past that it takes no more requests.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// The frames of one connection, with handlers that read what comes and send it back.
pub fn server(data: &[u8]) {
    let mut output = BytesMut::new();
    let offer = Offer { compression: Compression::above(8), ..Offer::default() };
    let mut frames = Frames::<bool>::new(4, offer, &mut output);
    let mut streams = None;
    let mut open: HashMap<u32, Option<Key>> = HashMap::new();
    let mut woken = Vec::new();
    for incoming in decode(data, data.len()) {
        // A method that streams both ways, and one that does not.
        let find = |path: &str| match path {
            "e.E/C" => Some(true),
            "e.E/U" => Some(false),
            _ => None,
        };
        let Ok(event) = frames.receive(incoming, find, &mut output) else { return };
        let streams = streams.get_or_insert_with(|| Streams::new(offer, frames.settings()));
        match event {
            Event::Call { call, .. } if open.contains_key(&call) => return,
            Event::Call { call, method: true, ended: false, .. } => {
                let both = Directions { sends: true, receives: true };
                open.insert(call, Some(streams.open(call, both)));
            }
            Event::Call { call, method: false, ended: true, .. } => {
                open.insert(call, None);
            }
            Event::Call { call, .. } | Event::Refuse { call, .. } => {
                frames.refuse(call, &Status::unimplemented("of another kind"), &mut output);
            }
            Event::Cancel { call } => {
                open.remove(&call);
                streams.end(call, &mut woken);
            }
            Event::Stream(header, payload) => {
                let in_use = open.contains_key(&header.call);
                if streams.receive(header, payload, in_use, &mut woken).is_err() {
                    return;
                }
            }
            Event::Settings(settings) => streams.settle(&settings),
            Event::Auth(_) | Event::Strange { .. } | Event::None => {}
        }
        let keys: Vec<Key> = open.values().filter_map(|key| *key).collect();
        keys.into_iter().for_each(|key| echo(streams, key));
        streams.take_output(&mut output, &mut woken);
        woken.clear();
        assert!(open.len() <= data.len());
        assert!(output.len() <= OUTPUT_BYTES_MAX, "{} bytes of answers", output.len());
    }
}

/// Sends back what has come, as far as there is credit.
fn echo(streams: &mut Streams, key: Key) {
    use std::task::Poll::Ready;
    while let Ready(Ok(Some(message))) = streams.poll_next(key, Waker::noop()) {
        let length = message.len();
        let Ok(message) = message.inflate() else { continue };
        assert_eq!(message.len(), length);
        if streams.poll_send(key, &message, Waker::noop()).is_pending() {
            break;
        }
    }
}
