//! The names of devices: `<class>` or `<class>:<id>`.

use std::fmt;

/// The device of every text-line session that named no other, and the one that a user of the
/// original system has.
pub const TEXT_DEVICE: &str = "text";

/// The longest id of a device, in bytes.
const ID_BYTES_MAX: usize = 64;

/// What kind of thing a device is: the part of its name before the colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceClass {
    /// Text lines.
    Text,
    /// A browser.
    Web,
    /// A telephone, a tablet.
    Mobile,
    /// A program on a computer.
    Desktop,
    /// Nobody sits there.
    Bot,
}

impl DeviceClass {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Text, Self::Web, Self::Mobile, Self::Desktop, Self::Bot];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => TEXT_DEVICE,
            Self::Web => "web",
            Self::Mobile => "mobile",
            Self::Desktop => "desktop",
            Self::Bot => "bot",
        }
    }
}

impl fmt::Display for DeviceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A device's name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceName<'a> {
    /// What kind of thing it is.
    pub class: DeviceClass,
    /// 1 to 64 letters, digits, `.`, `_` and `-`; `None` for whatever of its class has no name.
    pub id: Option<&'a str>,
}

impl<'a> DeviceName<'a> {
    /// `None` if it is no name of a device. There is one spelling of each.
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        let (class, id) = match name.split_once(':') {
            Some((class, id)) => (class, Some(id)),
            None => (name, None),
        };
        let class = DeviceClass::ALL.into_iter().find(|known| known.as_str() == class)?;
        let id_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let good = |id: &str| (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(id_byte);
        id.is_none_or(good).then_some(Self { class, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_class_and_perhaps_an_id() {
        let name = |class, id| Some(DeviceName { class, id });
        assert_eq!(DeviceName::parse("text"), name(DeviceClass::Text, None));
        assert_eq!(DeviceName::parse("mobile:a"), name(DeviceClass::Mobile, Some("a")));
        let longest = format!("bot:{}", "x".repeat(64));
        assert!(DeviceName::parse(&longest).is_some());
        assert!(DeviceName::parse("web:A-z_0.9").is_some());
    }

    #[test]
    fn everything_else_is_none() {
        let too_long = format!("bot:{}", "x".repeat(65));
        let others = ["", ":", "phone", "Text", "text ", "text:", "text:a:b", "text:a b", "web:é"];
        for name in others.into_iter().chain([too_long.as_str(), "web:\0", "web:a\n", ":a"]) {
            assert_eq!(DeviceName::parse(name), None, "{name:?}");
        }
    }
}
