//! What happens to a user's other sessions when a device logs in.

use mpim_proto::{DeviceClass, DeviceName, Excludes};
use serde::{Deserialize, Serialize};

/// What a log-in means for the other devices of its class. A device that has a name always replaces
/// its own former session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DevicePolicy {
    /// Their sessions are closed.
    Kick,
    /// They live side by side; so do sessions of a device without a name.
    Allow,
}

/// Section `[devices]`: the policy of each class.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct DevicesConfig {
    /// Text lines.
    pub text: DevicePolicy,
    /// Browsers.
    pub web: DevicePolicy,
    /// Telephones and tablets.
    pub mobile: DevicePolicy,
    /// Programs on a computer.
    pub desktop: DevicePolicy,
    /// Programs without a person.
    pub bot: DevicePolicy,
}

impl Default for DevicesConfig {
    fn default() -> Self {
        use DevicePolicy::{Allow, Kick};
        // One telephone and one computer, as most messengers have it; of browsers and programs
        // nobody counts how many are open.
        Self { text: Kick, web: Allow, mobile: Kick, desktop: Kick, bot: Allow }
    }
}

impl DevicesConfig {
    /// Which sessions one of `device` replaces. A gateway of the original may call its devices
    /// anything: each of them is one.
    pub(crate) fn excludes(&self, device: &str) -> Excludes {
        let Some(DeviceName { class, id }) = DeviceName::parse(device) else {
            return Excludes::Device;
        };
        let policy = match class {
            DeviceClass::Text => self.text,
            DeviceClass::Web => self.web,
            DeviceClass::Mobile => self.mobile,
            DeviceClass::Desktop => self.desktop,
            DeviceClass::Bot => self.bot,
        };
        match (policy, id) {
            (DevicePolicy::Kick, _) => Excludes::Class,
            (DevicePolicy::Allow, Some(_)) => Excludes::Device,
            (DevicePolicy::Allow, None) => Excludes::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_that_of_the_class() {
        let devices = DevicesConfig::default();
        let excludes = |device| devices.excludes(device);
        assert_eq!([excludes("text"), excludes("mobile:a")], [Excludes::Class; 2]);
        assert_eq!(excludes("web:a"), Excludes::Device);
        assert_eq!(excludes("web"), Excludes::Nothing);
        assert_eq!([excludes(""), excludes("pc"), excludes("web:")], [Excludes::Device; 3]);
    }
}
