//! Who is logged in, and how the log-in goes on: without sockets and without clocks.

mod refresh;

pub(crate) use self::refresh::Moment;

use im_wire::{Command, Credential, LogIn, LoggedIn, Refusal, Reply, Secret, Wants, Why};
use refresh::Refresh;
use tokio::time::Instant;

/// Who is logged in, and what brings them back on the next connection: the token, while it lives; then the
/// one that refreshes it; and where there is none, what the user has logged in with.
#[derive(Debug)]
pub(crate) struct Session {
    uid: i64,
    wants: Wants,
    /// It costs a server much less than a password does.
    token: Option<Secret>,
    refresh: Option<Refresh>,
    /// As the user did. Not kept where the log-in goes on by being refreshed: whoever ends it, and does
    /// not know the password, means it.
    again: Option<Command>,
}

/// What it means that a way back was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try the next way.
    TryAgain,
    /// It may pass.
    Later,
    /// There is none left.
    Over,
}

impl Session {
    /// The session that a granted request has begun, if it was a log-in.
    pub(crate) fn begun_by(command: &Command, reply: &Reply, now: Moment) -> Option<Self> {
        let (again, wants) = match command.clone() {
            Command::Register { username, password } => {
                (Command::Login { username, password }, Wants::default())
            }
            Command::LogIn(mut log_in) => {
                if let Credential::New { username, password } = log_in.credential {
                    log_in.credential = Credential::Password { username, password };
                }
                let wants = log_in.wants;
                (Command::LogIn(log_in), wants)
            }
            again @ Command::Login { .. } => (again, Wants::default()),
            _ => return None,
        };
        let uid = match reply {
            Reply::Uid(uid) => *uid,
            Reply::LoggedIn(logged_in) => logged_in.user_id,
            _ => return None,
        };
        let mut session = Self { uid, wants, token: None, refresh: None, again: Some(again) };
        session.keep(reply, now);
        Some(session)
    }

    /// Remembers the tokens that an answer gives to this user.
    pub(crate) fn keep(&mut self, reply: &Reply, now: Moment) {
        let (Reply::LoggedIn(given) | Reply::Granted(given)) = reply else { return };
        let LoggedIn { user_id, token, expires_at_ms, refreshes, .. } = &**given;
        if *user_id != self.uid || token.expose().is_empty() {
            return;
        }
        self.token = Some(token.clone());
        if let Some(refreshes) = refreshes {
            self.refresh = Some(Refresh::new(refreshes.token.clone(), now, *expires_at_ms));
            self.again = None;
        }
    }

    pub(crate) fn uid(&self) -> i64 {
        self.uid
    }

    /// What brings the session back on a new connection: a log-in, or what has to come before it. `None`:
    /// nothing does.
    pub(crate) fn way_back(&self) -> Option<Command> {
        let by_token = || {
            let credential = Credential::Token(self.token.clone()?);
            let wants = Wants { refresh: false, ..self.wants };
            Some(Command::LogIn(Box::new(LogIn { credential, device: None, wants })))
        };
        let refresh = || self.refresh.as_ref().map(Refresh::command);
        by_token().or_else(refresh).or_else(|| self.again.clone())
    }

    /// That was refused.
    pub(crate) fn refused(&mut self, refusal: &Refusal) -> Verdict {
        if !is_for_good(refusal) {
            return Verdict::Later;
        }
        if self.token.take().is_none() && self.refresh.take().is_none() {
            self.again = None;
        }
        match self.way_back() {
            Some(_) => Verdict::TryAgain,
            None => Verdict::Over,
        }
    }

    /// The log-in is over, and with it what it gave; a password may be good.
    pub(crate) fn forget_tokens(&mut self) {
        self.token = None;
        self.refresh = None;
    }

    /// When the next tokens are to be asked for; `None` if they were, or there are none.
    pub(crate) fn refresh_due(&self) -> Option<Instant> {
        self.refresh.as_ref()?.due()
    }

    /// Asks for them.
    pub(crate) fn begin_refresh(&mut self) -> Option<Command> {
        self.refresh.as_mut().map(Refresh::begin)
    }

    /// They are to be asked for again then.
    pub(crate) fn put_off_refresh(&mut self, until: Instant) {
        if let Some(refresh) = &mut self.refresh {
            refresh.put_off(until);
        }
    }

    /// What was asked for and not answered is to be asked for again.
    pub(crate) fn connection_lost(&mut self, now: Instant) {
        if let Some(refresh) = &mut self.refresh {
            refresh.connection_lost(now);
        }
    }
}

/// Whether the same will never be taken.
fn is_for_good(refusal: &Refusal) -> bool {
    matches!(
        refusal.why(),
        Why::BadCredentials
            | Why::InvalidToken
            | Why::TokenExpired
            | Why::NotAllowed
            // By servers that refresh nothing for those who are not logged in, or nothing at all.
            | Why::NotLoggedIn
            | Why::NotSupported
            | Why::UnknownOperation
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use im_wire::{Refreshes, Role};

    fn now() -> Moment {
        Moment { at: Instant::now(), unix_ms: 1_790_000_000_000 }
    }

    fn log_in(credential: Credential) -> Command {
        Command::LogIn(Box::new(LogIn { credential, device: None, wants: Wants::default() }))
    }

    fn by_token(token: &'static str) -> Option<Command> {
        Some(log_in(Credential::Token(Secret::new(token))))
    }

    fn by_refresh(token: &'static str) -> Option<Command> {
        Some(Command::Refresh { token: Secret::new(token) })
    }

    fn given(user_id: i64, token: &'static str, refresh: Option<&'static str>) -> Box<LoggedIn> {
        let expires_at_ms = now().unix_ms + 900_000;
        let refreshes = refresh.map(|token| Refreshes { token: Secret::new(token), expires_at_ms });
        let (username, device) = ("ada".to_owned(), "web".to_owned());
        let (token, role) = (Secret::new(token), Role::User);
        Box::new(LoggedIn { user_id, username, role, device, token, expires_at_ms, refreshes })
    }

    fn session(refresh: Option<&'static str>) -> Session {
        let (username, password) = ("ada".into(), Secret::new("secret"));
        let mut register = LogIn::from(Credential::New { username, password });
        register.wants.refresh = refresh.is_some();
        let granted = Reply::LoggedIn(given(7, "t", refresh));
        let register = Command::LogIn(Box::new(register));
        Session::begun_by(&register, &granted, now()).expect("a session")
    }

    #[test]
    fn a_session_comes_back_by_its_token_and_then_by_its_password_and_never_registers_again() {
        let mut session = session(None);
        assert_eq!(session.way_back(), by_token("t"));
        assert_eq!(session.refused(&Refusal::of("token expired")), Verdict::TryAgain);
        let (username, password) = ("ada".into(), Secret::new("secret"));
        let by_password = log_in(Credential::Password { username, password });
        assert_eq!(session.way_back(), Some(by_password));
        assert_eq!(session.refused(&Refusal::of("auth bad cred")), Verdict::Over);
    }

    #[test]
    fn one_that_is_refreshed_comes_back_by_its_tokens_alone() {
        let mut session = session(Some("r"));
        assert_eq!(session.way_back(), by_token("t"));
        assert_eq!(session.refused(&Refusal::of("token expired")), Verdict::TryAgain);
        assert_eq!(session.way_back(), by_refresh("r"));
        session.keep(&Reply::Granted(given(7, "t2", Some("r2"))), now());
        assert_eq!(session.way_back(), by_token("t2"));
        // The answer to that log-in says nothing of refreshing.
        session.keep(&Reply::LoggedIn(given(7, "t2", None)), now());
        assert_eq!(session.refused(&Refusal::of("token expired")), Verdict::TryAgain);
        assert_eq!(session.way_back(), by_refresh("r2"));
        assert_eq!(session.refused(&Refusal::of("invalid token")), Verdict::Over);
        assert_eq!(session.way_back(), None);
    }

    #[test]
    fn tokens_of_somebody_else_are_not_kept() {
        let mut session = session(Some("r"));
        session.keep(&Reply::Granted(given(8, "t2", Some("r2"))), now());
        assert_eq!(session.way_back(), by_token("t"));
    }

    #[test]
    fn what_is_put_off_costs_nothing() {
        let mut session = session(Some("r"));
        for way in [by_token("t"), by_refresh("r")] {
            for words in ["auth too many attempts", "unavailable, try again"] {
                assert_eq!(session.refused(&Refusal::of(words)), Verdict::Later, "{words}");
                assert_eq!(session.way_back(), way);
            }
            session.refused(&Refusal::of("token expired"));
        }
    }

    #[test]
    fn nothing_but_a_log_in_begins_a_session() {
        assert!(Session::begun_by(&Command::WhoAmI, &Reply::Uid(7), now()).is_none());
    }
}
