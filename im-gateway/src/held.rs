//! The log-in that a session is of, as im-user knows it.
//!
//! A session keeps this much of it and no token: a token is ten times as long, and its key may be
//! retired while the session goes on.

use mpim_proto::{EndedLogIns, Granted, Role};

use crate::sessions::Handle;

/// Digits of an id, in hexadecimal.
const ID_DIGITS: usize = 32;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    id: u128,
    epoch: i64,
    /// When its token expires.
    expires_at_ms: i64,
    /// The user's when it began.
    pub(crate) role: Role,
}

impl Held {
    /// `None` from an im-user that says nothing of log-ins.
    pub(crate) fn of(granted: Option<&Granted>) -> Option<Self> {
        let granted = granted?;
        let Granted { login_id, epoch, expires_at_ms, .. } = granted;
        let (id, role) = (parse(login_id)?, granted.role());
        Some(Self { id, epoch: *epoch, expires_at_ms: *expires_at_ms, role })
    }

    /// What im-user is told of it.
    pub(crate) fn said(self, session: &Handle) -> mpim_proto::Held {
        mpim_proto::Held {
            user_id: session.user_id,
            device: session.device.clone(),
            generation: session.generation,
            login_id: format!("{:032x}", self.id),
            epoch: self.epoch,
            expires_at_ms: self.expires_at_ms,
        }
    }
}

/// Whether a session of the user has ended with those log-ins. Of one that has none nothing is known, so
/// whatever ends all of them ends it, too.
pub(crate) fn is_over(held: Option<Held>, ended: &EndedLogIns) -> bool {
    let one = parse(&ended.login_id);
    match held {
        None => ended.login_id.is_empty(),
        Some(held) if ended.login_id.is_empty() => {
            held.epoch <= ended.epoch_max && Some(held.id) != parse(&ended.except_login_id)
        }
        Some(held) => one == Some(held.id),
    }
}

fn parse(id: &str) -> Option<u128> {
    let digits = id.len() == ID_DIGITS && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(id, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(id: &str, epoch: i64) -> Option<Held> {
        let login_id = id.repeat(ID_DIGITS);
        Held::of(Some(&Granted { login_id, epoch, ..Granted::default() }))
    }

    #[test]
    fn what_ended_is_one_log_in_or_all_of_an_epoch_and_before_but_for_one() {
        let one = EndedLogIns { login_id: "1".repeat(ID_DIGITS), ..EndedLogIns::default() };
        let all = EndedLogIns { epoch_max: 2, ..EndedLogIns::default() };
        let but_for_one = EndedLogIns { except_login_id: "1".repeat(ID_DIGITS), ..all.clone() };
        for (held, by) in [
            (held("1", 2), [true, true, false]),
            (held("a", 2), [false, true, true]),
            (held("a", 1), [false, true, true]),
            (held("1", 3), [true, false, false]),
            (None, [false, true, true]),
        ] {
            assert_eq!([&one, &all, &but_for_one].map(|it| is_over(held, it)), by, "{held:?}");
        }
    }

    #[test]
    fn what_is_no_id_is_no_log_in() {
        for id in ["", "1", "+1111111111111111111111111111111", &"g".repeat(32), &"1".repeat(33)] {
            let granted = Granted { login_id: id.to_owned(), ..Granted::default() };
            assert_eq!(Held::of(Some(&granted)), None, "{id}");
        }
        assert_eq!(Held::of(None), None);
    }
}
