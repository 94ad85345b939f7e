//! Who may call a server, and what it knows of who does.

use std::sync::Arc;

use ipnet::IpNet;

use crate::token::Secrets;
use crate::wire::Wire;
use crate::{Address, Status, Token};

/// Whose calls a server takes: [`ServerBuilder::callers`](crate::ServerBuilder::callers).
///
/// Without anything said, those of anybody who reaches it. With a [`token`](Self::token), on v2 those
/// of who has shown it: the others' are answered with
/// [`Unauthenticated`](crate::Code::Unauthenticated), are not executed, and their connections are
/// closed a second later. On the classic wire nobody can show anything: where a token is asked for,
/// classic connections are closed, but for those from where
/// [`classic_from`](Self::classic_from) says that they are taken.
///
/// Unix sockets and names within the process let in whom they let in: who comes that way is not
/// asked.
///
/// It is asked once on a connection; calls cost no more for it.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    token: Option<Token>,
    certificates: bool,
    /// Nothing: from everywhere, or from nowhere if anything is asked for.
    classic: Option<Arc<[IpNet]>>,
    /// What strangers are told besides.
    advice: &'static str,
}

impl Callers {
    /// Anybody.
    #[must_use]
    pub fn anybody() -> Self {
        Self::default()
    }

    /// On v2 those who show `token`; on the classic wire nobody, unless
    /// [`classic_from`](Self::classic_from) is said, too.
    #[must_use]
    pub fn token(mut self, token: &Token) -> Self {
        self.token = Some(token.clone());
        self
    }

    /// On v2 those who show a certificate that the server's [`ServerTls`](crate::ServerTls::load)
    /// takes, beside those who show the token, if there is one; on the classic wire as with a token.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn certificates(mut self) -> Self {
        self.certificates = true;
        self
    }

    /// On the classic wire those whose address is in one of `networks`; without any, nobody.
    #[must_use]
    pub fn classic_from(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.classic = Some(networks.into_iter().collect());
        self
    }

    /// Tells those who have not shown the token what to do about it: which key of which file, say.
    #[must_use]
    pub fn advice(mut self, advice: &'static str) -> Self {
        self.advice = advice;
        self
    }

    /// What is known of who has connected from `peer`, before anything was shown.
    pub(crate) fn known(&self, peer: &Address, wire: Wire) -> Option<Caller> {
        let shown = match (peer, wire) {
            (Address::Unix(_), _) => Shown::UnixSocket,
            (Address::Local(_), _) => Shown::Process,
            (Address::Tcp(_), Wire::Classic) if self.classic.is_some() => Shown::Address,
            (Address::Tcp(_), _) => return None,
        };
        Some(Caller { shown })
    }

    /// Whether a classic connection from `peer` is taken.
    pub(crate) fn take_classic(&self, peer: &Address) -> bool {
        let Some(address) = peer.tcp() else { return true };
        let Some(networks) = &self.classic else { return !self.asks() };
        // As a socket for both families has it.
        let ip = address.ip().to_canonical();
        networks.iter().any(|network| network.contains(&ip))
    }

    /// What who comes from `peer`, and has shown a certificate if `certified`, has still to show on
    /// v2; nothing, if nothing. Where only certificates are taken, there is no token that would do.
    pub(crate) async fn ask(&self, peer: &Address, certified: bool) -> Option<Arc<Secrets>> {
        if peer.tcp().is_none() || !self.asks() || (self.certificates && certified) {
            return None;
        }
        Some(match &self.token {
            Some(token) => token.secrets().await,
            None => Arc::new(Secrets::none()),
        })
    }

    fn asks(&self) -> bool {
        self.token.is_some() || self.certificates
    }

    /// Whether who comes from `peer` must say something soon: it is taken on v2 only, and has to
    /// show who it is there.
    pub(crate) fn expect_soon(&self, peer: &Address) -> bool {
        peer.tcp().is_some() && self.asks() && !self.take_classic(peer)
    }

    /// The answer to a call of somebody who has not shown who it is.
    pub(crate) fn refusal(&self) -> Status {
        let text = match (&self.token, self.certificates) {
            (Some(_), true) => {
                "the caller has shown neither a token nor a certificate that this server takes"
            }
            (None, true) => "the caller has not shown a certificate that this server takes",
            (_, false) => "the caller has not shown the token that this server asks for",
        };
        let text = match self.advice {
            "" => text.to_owned(),
            advice => format!("{text}: {advice}"),
        };
        Status::unauthenticated(text).not_executed()
    }
}

/// What a server knows of who calls: [`Context::caller`](crate::Context::caller).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    shown: Shown,
}

impl Caller {
    pub(crate) fn with_token() -> Self {
        Self { shown: Shown::Token }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn with_certificate() -> Self {
        Self { shown: Shown::Certificate }
    }

    /// By what the caller was let in.
    #[must_use]
    pub fn shown(&self) -> Shown {
        self.shown
    }
}

/// By what a caller was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shown {
    /// It has shown the [`Token`].
    Token,
    /// It has shown a certificate.
    Certificate,
    /// It may open the server's Unix socket.
    UnixSocket,
    /// It is in the same process.
    Process,
    /// It speaks the classic wire, from a network that [may](Callers::classic_from).
    Address,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(networks: &[&str], peer: &str) -> bool {
        let networks = networks.iter().map(|network| network.parse::<IpNet>().unwrap());
        Callers::anybody().classic_from(networks).take_classic(&peer.parse().unwrap())
    }

    #[test]
    fn classic_callers_are_taken_from_the_networks_that_are_named() {
        let loopback = ["127.0.0.0/8", "::1/128"];
        for peer in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(takes(&loopback, peer), "{peer}");
            assert!(!takes(&[], peer), "{peer}");
        }
        for peer in ["10.0.0.1:1", "128.0.0.1:1", "[::2]:1", "[::ffff:10.0.0.1]:1"] {
            assert!(!takes(&loopback, peer), "{peer}");
            assert!(Callers::anybody().take_classic(&peer.parse().unwrap()));
        }
        let token = Token::new("0123456789abcdef").unwrap();
        let local = "127.0.0.1:1".parse().unwrap();
        assert!(
            !Callers::anybody().token(&token).take_classic(&local),
            "a token leaves no way round"
        );
        // These have permissions of their own.
        assert!(takes(&[], "unix:/run/echo.sock") && takes(&[], "local:echo"));
    }
}
