//! How routes and gateways are written down in Redis.
//!
//! A route is `1 <expires> <since> <identity>`, a gateway `1 <heard> <epoch> <description>`: the
//! version, times in ms by Redis's clock, and JSON. The scripts take the numbers apart; of the JSON
//! they compare the beginning, so its order counts.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::routing::routes::{Gateway, Key, Offer, Route};

/// Whose route it is. `epoch` is that of the gateway: of a gateway that was dropped and came back,
/// the former routes have another one.
#[derive(Debug, Deserialize, Serialize)]
struct Identity<'a> {
    boot: &'a str,
    session: &'a str,
    epoch: &'a str,
    gateway: &'a str,
    addr: &'a str,
    device: &'a str,
}

/// The same, as it is read.
#[derive(Debug, Deserialize)]
struct IdentityRead {
    boot: String,
    session: String,
    epoch: String,
    gateway: String,
    addr: String,
    device: String,
}

/// Where a gateway is, as it is listed.
#[derive(Debug, Deserialize, Serialize)]
struct Description {
    gateway: String,
    addr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offer: Option<Offer>,
}

/// JSON of strings cannot fail; nothing would be found under an empty one.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Where a session's route stands among those of its user: a device may have several.
pub(super) fn field(boot_id: &str, device: &str, session_id: &str) -> String {
    json(&[device, boot_id, session_id])
}

/// The same of the session that `key` names.
pub(super) fn field_of(boot_id: &str, key: &Key) -> String {
    field(boot_id, &key.device, &key.session_id)
}

pub(super) fn identity(route: &Route, epoch: &str) -> String {
    let Gateway { id, addr, boot_id } = &*route.gateway;
    let Route { session_id: session, device, .. } = route;
    json(&Identity { boot: boot_id, session, epoch, gateway: id, addr, device })
}

/// How the identity of a session's route begins, whatever its epoch or only in `epoch`.
pub(super) fn identity_begins(boot_id: &str, key: &Key, epoch: Option<&str>) -> String {
    let (boot, session) = (json(&boot_id), json(&key.session_id));
    match epoch {
        None => format!(r#"{{"boot":{boot},"session":{session},"#),
        Some(epoch) => format!(r#"{{"boot":{boot},"session":{session},"epoch":"{epoch}","#),
    }
}

pub(super) fn description(gateway: &Gateway, offer: Option<&Offer>) -> String {
    let (gateway, addr) = (gateway.id.clone(), gateway.addr.clone());
    json(&Description { gateway, addr, offer: offer.cloned() })
}

/// A gateway that is listed.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) heard_ms: i64,
    pub(super) epoch: String,
    pub(super) gateway: Arc<Gateway>,
    pub(super) offer: Option<Offer>,
}

/// Takes apart an entry of the list; `None` if that makes no sense.
pub(super) fn listed(boot_id: &[u8], entry: &[u8]) -> Option<Listed> {
    let boot_id = str::from_utf8(boot_id).ok()?.to_owned();
    let [heard_ms, epoch, description] = parts(entry)?;
    let Description { gateway: id, addr, offer } = serde_json::from_str(description).ok()?;
    let gateway = Arc::new(Gateway { id, addr, boot_id });
    Some(Listed { heard_ms: heard_ms.parse().ok()?, epoch: epoch.to_owned(), gateway, offer })
}

/// A route with what decides whether it is live.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) route: Route,
    pub(super) expires_ms: i64,
    epoch: String,
}

impl Kept {
    /// Takes apart what is kept; `None` if that makes no sense.
    pub(super) fn parse(user_id: i64, kept: &[u8]) -> Option<Self> {
        let [expires_ms, since_ms, identity] = parts(kept)?;
        let identity: IdentityRead = serde_json::from_str(identity).ok()?;
        let IdentityRead { boot, session, epoch, gateway, addr, device } = identity;
        let route = Route {
            user_id,
            device,
            session_id: session,
            since_ms: since_ms.parse().ok()?,
            gateway: Arc::new(Gateway { id: gateway, addr, boot_id: boot }),
        };
        Some(Self { route, expires_ms: expires_ms.parse().ok()?, epoch })
    }

    /// Whether it is live at `now_ms`, given the gateways that are listed by boot id.
    pub(super) fn is_live(&self, now_ms: i64, gateways: &HashMap<String, Listed>) -> bool {
        let gateway = &self.route.gateway;
        let listed = || gateways.get(&gateway.boot_id).is_some_and(|it| it.epoch == self.epoch);
        self.expires_ms > now_ms && (gateway.is_original() || listed())
    }
}

/// When a route expires whose identity begins like this; `None` if it is another's, or junk.
pub(super) fn expires_ms(kept: &[u8], identity_begins: &str) -> Option<i64> {
    let [expires_ms, _, identity] = parts(kept)?;
    if identity.starts_with(identity_begins) { expires_ms.parse().ok() } else { None }
}

fn parts(value: &[u8]) -> Option<[&str; 3]> {
    let mut parts = str::from_utf8(value).ok()?.splitn(4, ' ');
    if parts.next()? != "1" {
        return None;
    }
    Some([parts.next()?, parts.next()?, parts.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> Route {
        let gateway = Gateway { id: "g".into(), addr: "h:1".into(), boot_id: "b\"1".into() };
        let (device, session_id) = ("text".to_owned(), "7".to_owned());
        Route { user_id: 1, device, session_id, since_ms: 5, gateway: Arc::new(gateway) }
    }

    #[test]
    fn what_is_written_is_read_back_and_found_by_its_beginning() {
        let written = identity(&route(), "99");
        let key = Key { user_id: 1, device: "text".into(), session_id: "7".into() };
        assert!(written.starts_with(&identity_begins("b\"1", &key, None)));
        assert!(written.starts_with(&identity_begins("b\"1", &key, Some("99"))));
        assert!(!written.starts_with(&identity_begins("b\"1", &key, Some("9"))));
        let kept = Kept::parse(1, format!("1 20 5 {written}").as_bytes()).unwrap();
        assert_eq!((&kept.route, kept.expires_ms), (&route(), 20));
        let kept_text = format!("1 20 5 {written}");
        let begins = |epoch| identity_begins("b\"1", &key, Some(epoch));
        assert_eq!(expires_ms(kept_text.as_bytes(), &begins("99")), Some(20));
        assert_eq!(expires_ms(kept_text.as_bytes(), &begins("98")), None);

        let entry = format!("1 3 99 {}", description(&route().gateway, None));
        let listed = listed(b"b\"1", entry.as_bytes()).unwrap();
        assert_eq!((listed.heard_ms, &listed.gateway), (3, &route().gateway));
        let gateways = HashMap::from([("b\"1".to_owned(), listed)]);
        assert!(kept.is_live(19, &gateways) && !kept.is_live(20, &gateways));
        assert!(!kept.is_live(19, &HashMap::new()), "its gateway was dropped");
    }

    #[test]
    fn junk_makes_no_sense() {
        for junk in ["", "1", "1 2 3", "1 2 3 {}", "2 20 5 {}", "1 x 5 {}", "\u{1f4a9}"] {
            assert!(Kept::parse(1, junk.as_bytes()).is_none(), "{junk}");
            assert!(listed(b"b", junk.as_bytes()).is_none(), "{junk}");
        }
        assert!(Kept::parse(1, &[0xff]).is_none());
    }
}
