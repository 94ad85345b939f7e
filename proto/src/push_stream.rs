/// The field of an entry of a push stream that holds the encoded [`PushReq`](crate::PushReq).
pub const PUSH_STREAM_FIELD: &str = "push";

/// The stream in Redis, under the prefix of all keys, by which pushes come to one boot of a gateway
/// if im-presence is configured so.
#[must_use]
pub fn push_stream_name(gateway_boot_id: &str) -> String {
    format!("stream:{gateway_boot_id}")
}
