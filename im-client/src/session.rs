//! Who is logged in, and how to log in again.

use im_wire::{Command, Credential, LogIn, LoggedIn, Refusal, Reply, Why};

/// Who is logged in, and how to log in again.
#[derive(Debug)]
pub(crate) struct Session {
    uid: i64,
    /// As the user did.
    again: Command,
    /// By the token that the server gave. It costs a server much less than a password does.
    by_token: Option<Command>,
}

/// What a log-in that was refused says of the session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try the next way.
    TryAgain,
    /// It may pass.
    Later,
    /// It is over.
    Over,
}

impl Session {
    /// The session that a granted request has begun, if it was a log-in.
    pub(crate) fn begun_by(command: &Command, reply: &Reply) -> Option<Self> {
        let again = match command.clone() {
            Command::Register { username, password } => Command::Login { username, password },
            Command::LogIn(mut log_in) => {
                if let Credential::New { username, password } = log_in.credential {
                    log_in.credential = Credential::Password { username, password };
                }
                Command::LogIn(log_in)
            }
            again @ Command::Login { .. } => again,
            _ => return None,
        };
        let mut session = match reply {
            Reply::Uid(uid) => Self { uid: *uid, again, by_token: None },
            Reply::LoggedIn(logged_in) => Self { uid: logged_in.user_id, again, by_token: None },
            _ => return None,
        };
        session.keep_token(reply);
        Some(session)
    }

    /// Remembers the token of a log-in that was granted.
    pub(crate) fn keep_token(&mut self, reply: &Reply) {
        let (Command::LogIn(log_in), Reply::LoggedIn(logged_in)) = (&self.again, reply) else {
            return;
        };
        let LoggedIn { token, .. } = &**logged_in;
        if !token.expose().is_empty() {
            let credential = Credential::Token(token.clone());
            let again = LogIn { credential, device: None, wants: log_in.wants };
            self.by_token = Some(Command::LogIn(Box::new(again)));
        }
    }

    pub(crate) fn uid(&self) -> i64 {
        self.uid
    }

    /// How to log in now.
    pub(crate) fn log_in(&self) -> Command {
        self.by_token.as_ref().unwrap_or(&self.again).clone()
    }

    /// The log-in was refused.
    pub(crate) fn refused(&mut self, refusal: &Refusal) -> Verdict {
        let for_good = matches!(
            refusal.why(),
            Why::BadCredentials | Why::InvalidToken | Why::TokenExpired | Why::NotAllowed
        );
        match (for_good, self.by_token.take()) {
            (true, Some(_)) => Verdict::TryAgain,
            (true, None) => Verdict::Over,
            (false, by_token) => {
                self.by_token = by_token;
                Verdict::Later
            }
        }
    }

    /// The log-in is over, and with it what it gave.
    pub(crate) fn forget_token(&mut self) {
        self.by_token = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use im_wire::{Secret, Wants};

    fn log_in(credential: Credential) -> Command {
        Command::LogIn(Box::new(LogIn { credential, device: None, wants: Wants::default() }))
    }

    fn session() -> Session {
        let (username, password) = ("ada".into(), Secret::new("secret"));
        let register = log_in(Credential::New { username, password });
        let logged_in = LoggedIn {
            user_id: 7,
            username: "ada".to_owned(),
            role: im_wire::Role::default(),
            device: "web".to_owned(),
            token: Secret::new("t"),
            expires_at_ms: 0,
            refreshes: None,
        };
        let granted = Reply::LoggedIn(Box::new(logged_in));
        Session::begun_by(&register, &granted).expect("a session")
    }

    #[test]
    fn a_session_comes_back_by_its_token_and_then_by_its_password_and_never_registers_again() {
        let mut session = session();
        assert_eq!(session.log_in(), log_in(Credential::Token(Secret::new("t"))));
        let expired = Refusal::or("token expired", Why::TokenExpired);
        assert_eq!(session.refused(&expired), Verdict::TryAgain);
        let (username, password) = ("ada".into(), Secret::new("secret"));
        assert_eq!(session.log_in(), log_in(Credential::Password { username, password }));
        assert_eq!(session.refused(&Refusal::of("auth bad cred")), Verdict::Over);
    }

    #[test]
    fn a_log_in_that_is_put_off_costs_nothing() {
        let mut session = session();
        let before = session.log_in();
        assert_eq!(session.refused(&Refusal::of("auth too many attempts")), Verdict::Later);
        assert_eq!(session.log_in(), before);
    }

    #[test]
    fn nothing_but_a_log_in_begins_a_session() {
        assert!(Session::begun_by(&Command::WhoAmI, &Reply::Uid(7)).is_none());
    }
}
