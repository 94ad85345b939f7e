//! Credit: how much a sender of DATA may still send, and what a receiver gives back of it.
//!
//! Both count in bytes of whole frames. One message may go out whenever there is any credit, so
//! both may become negative by less than one message, and a message that is longer than a window
//! goes through.

use bytes::{Buf, Bytes};

use super::frame::HEADER_BYTES;

/// What a stream begins with unless a side's SETTINGS say otherwise, in bytes.
pub(crate) const STREAM_WINDOW: u32 = 64 * 1024;

/// What a connection begins with unless a side's SETTINGS say otherwise, in bytes.
pub(crate) const CONNECTION_WINDOW: u32 = 32 * 1024 * 1024;

/// The highest credit, in bytes.
const CREDIT_MAX: i64 = i32::MAX as i64;

/// What a message of `bytes` costs.
pub(super) fn cost(bytes: usize) -> i64 {
    i64::try_from(HEADER_BYTES + bytes).unwrap_or(CREDIT_MAX)
}

/// How much one side of a connection keeps for readers that are slow, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    /// How far the window of one stream grows.
    pub(crate) stream_max: u32,
    /// All streams of a connection together.
    pub(crate) connection: u32,
}

impl Default for Windows {
    fn default() -> Self {
        Self { stream_max: 1024 * 1024, connection: CONNECTION_WINDOW }
    }
}

impl Windows {
    /// Far below what a credit can be, so that a growing window cannot reach it.
    const MAX: u32 = 1 << 30;

    /// These, within what the wire can express.
    pub(crate) fn bounded(self) -> Self {
        let bounded = |bytes: u32| bytes.clamp(1, Self::MAX);
        Self { stream_max: bounded(self.stream_max), connection: bounded(self.connection) }
    }

    /// How much more than what they begin with the windows of all streams may have together. Streams
    /// that were fast and then stall hold so much of the connection's credit, and leave the rest.
    pub(super) fn growth_max(self) -> i64 {
        i64::from(self.connection) / 4
    }

    /// What each stream begins with.
    pub(super) fn stream(self) -> u32 {
        self.stream_max.min(STREAM_WINDOW)
    }

    /// As the fields of SETTINGS, where 0 stands for the default.
    pub(super) fn announced(self) -> (u32, u32) {
        let unless = |bytes: u32, default: u32| if bytes == default { 0 } else { bytes };
        (unless(self.stream(), STREAM_WINDOW), unless(self.connection, CONNECTION_WINDOW))
    }
}

/// A window as SETTINGS give it.
pub(super) fn or_default(bytes: u32, default: u32) -> u32 {
    if bytes == 0 { default } else { bytes.min(i32::MAX.unsigned_abs()) }
}

/// What may still be sent.
#[derive(Debug)]
pub(super) struct Credit(i64);

impl Credit {
    pub(super) fn new(bytes: u32) -> Self {
        Self(bytes.into())
    }

    pub(super) fn is_some(&self) -> bool {
        self.0 > 0
    }

    /// Whether it is at least `cost`.
    pub(super) fn covers(&self, cost: i64) -> bool {
        self.0 >= cost
    }

    pub(super) fn spend(&mut self, cost: i64) {
        self.0 -= cost;
    }

    /// # Errors
    /// More than a credit can be: the protocol is broken.
    pub(super) fn grant(&mut self, bytes: u32) -> Result<(), String> {
        self.0 += i64::from(bytes);
        if self.0 > CREDIT_MAX {
            return Err(format!("a credit of {} bytes", self.0));
        }
        Ok(())
    }
}

/// What the other side may still send, and what it is to be given back.
#[derive(Debug)]
pub(super) struct Window {
    left: i64,
    due: i64,
    size: i64,
}

impl Window {
    pub(super) fn new(bytes: u32) -> Self {
        Self { left: bytes.into(), due: 0, size: bytes.into() }
    }

    /// A message came.
    ///
    /// # Errors
    /// There was no credit for it: the protocol is broken.
    pub(super) fn arrived(&mut self, cost: i64) -> Result<(), String> {
        if self.left <= 0 {
            return Err("more data than there was credit for".to_owned());
        }
        self.left -= cost;
        Ok(())
    }

    /// What came was taken, or never will be.
    pub(super) fn taken(&mut self, cost: i64) {
        self.due += cost;
    }

    /// What to give back now to a stream: when half the window was taken, all of it and as much
    /// again as the window has, up to `size_max`, as far as `growth` allows, which becomes less by
    /// that. One that nobody reads so stays small.
    pub(super) fn stream_grant(&mut self, size_max: u32, growth: &mut i64) -> u32 {
        if self.due * 2 < self.size {
            return 0;
        }
        let more = (i64::from(size_max) - self.size).min(self.size).min(*growth).max(0);
        *growth -= more;
        self.due += more;
        self.size += more;
        self.give()
    }

    /// How large it is.
    pub(super) fn size(&self) -> i64 {
        self.size
    }

    /// What to give back now to the connection: the less the sender has left, the sooner, since
    /// streams that stall may hold nearly all of the window. A sender of long messages needs more
    /// than five eighths of it, so little is kept from one that has not much more.
    pub(super) fn connection_grant(&mut self) -> u32 {
        let nears_its_need = self.left < self.size * 3 / 4 && self.due >= self.size / 64;
        let is_much = self.due * 2 >= self.left || nears_its_need;
        if self.due == 0 || !is_much { 0 } else { self.give() }
    }

    fn give(&mut self) -> u32 {
        let due = u32::try_from(self.due).unwrap_or(0);
        self.left += i64::from(due);
        self.due -= i64::from(due);
        due
    }
}

/// What a CREDIT frame gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) stream: u32,
    pub(crate) connection: u32,
}

impl Grant {
    pub(super) fn is_none(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn payload(self) -> [u8; 8] {
        let mut payload = [0; 8];
        payload[..4].copy_from_slice(&self.stream.to_le_bytes());
        payload[4..].copy_from_slice(&self.connection.to_le_bytes());
        payload
    }

    pub(crate) fn read(mut payload: Bytes) -> Result<Self, String> {
        let (Ok(stream), Ok(connection)) = (payload.try_get_u32_le(), payload.try_get_u32_le())
        else {
            return Err("a CREDIT frame that is too short".to_owned());
        };
        Ok(Self { stream, connection })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_of_a_stream_that_is_read_grows_to_its_bound() {
        let mut window = Window::new(100);
        let mut granted = Vec::new();
        for _ in 0..40 {
            window.arrived(20).unwrap();
            window.taken(20);
            granted.push(window.stream_grant(400, &mut 1000));
        }
        granted.retain(|bytes| *bytes > 0);
        assert_eq!(granted, [160, 300, 200, 200, 200]);
    }

    #[test]
    fn windows_grow_no_further_than_all_of_them_may_together() {
        let (mut growth, mut windows) = (150, [Window::new(100), Window::new(100)]);
        for _ in 0..20 {
            for window in &mut windows {
                window.arrived(50).unwrap();
                window.taken(50);
                window.stream_grant(400, &mut growth);
            }
        }
        assert_eq!((windows.map(|window| window.size()), growth), ([200, 150], 0));
    }

    #[test]
    fn what_is_due_to_a_connection_comes_back_the_sooner_the_less_it_has_left() {
        let mut window = Window::new(100);
        for (cost, granted) in [(20, 0), (20, 40)] {
            window.arrived(cost).unwrap();
            window.taken(cost);
            assert_eq!(window.connection_grant(), granted);
        }
        // Held by a stream that stalls.
        window.arrived(95).unwrap();
        window.arrived(3).unwrap();
        window.taken(3);
        assert_eq!(window.connection_grant(), 3);
    }

    /// However the messages are long that are read, and whatever stalls up to what PROTOCOL.md says.
    #[test]
    fn the_connection_gets_back_what_long_messages_need() {
        let size = 6_400;
        for stalled in (0..=size * 23 / 64).step_by(50) {
            for cost in [1, 7, 90, 400, 1_000] {
                let mut window = Window::new(6_400);
                window.arrived(stalled).unwrap();
                for _ in 0..4 * size / cost {
                    window.arrived(cost).unwrap();
                    window.taken(cost);
                    window.connection_grant();
                    assert!(window.left > size * 5 / 8, "{stalled} {cost} {window:?}");
                }
            }
        }
    }

    #[test]
    fn one_message_may_exceed_the_window_and_the_next_may_not_come() {
        let mut window = Window::new(100);
        window.arrived(1000).unwrap();
        assert!(window.arrived(1).is_err());
        window.taken(1000);
        assert_eq!(window.stream_grant(100, &mut 0), 1000);
        window.arrived(1).unwrap();
    }

    #[test]
    fn a_credit_that_overflows_breaks_the_protocol() {
        let mut credit = Credit::new(1);
        assert!(credit.grant(u32::MAX).is_err());
        assert!(Grant::read(Bytes::from_static(&[0; 7])).is_err());
        let grant = Grant { stream: 32_768, connection: 0 };
        assert_eq!(grant.payload(), [0, 0x80, 0, 0, 0, 0, 0, 0]);
    }
}
