//! Logging in and out: the calls that begin and end a session.

use std::net::IpAddr;
use std::sync::Arc;

use im_common::InUse;
use im_wire::{Credential, LoggedIn, Refusal, Reply, Secret, Wants, closing, failure};
use mpim_proto::{
    Granted, LoginReq, LogoutReq, RegisterReq, TEXT_DEVICE, UnbindRouteReq, VerifyTokenReq,
};
use mprpc::{Code, Context, Status};

use crate::calls;
use crate::commands::{refusal, refusal_as, unavailable};
use crate::config::ms;
use crate::events;
use crate::gateway::Gateway;
use crate::granting;
use crate::held::Held;
use crate::metrics::METRICS;
use crate::original::{self, Unbegun};
use crate::session::Ending;
use crate::sessions::{Handle, Registration};

/// What im-user says of a token that is good but for its time. One that only grew old has let its session
/// begin, and one whose time has not come was made by an instance with another clock.
const GOOD_AT_ANOTHER_TIME: [&str; 2] = ["token expired", "token not yet valid"];

/// Somebody who has proved who they are.
pub(crate) struct Proved {
    pub(crate) logged_in: Box<LoggedIn>,
    pub(crate) token: String,
    /// It was made for this log-in, and nobody else knows it yet.
    pub(crate) token_is_new: bool,
    /// Of the device; 0 if im-user knows of none.
    pub(crate) generation: i64,
    pub(crate) held: Option<Held>,
    pub(crate) wants: Wants,
    pub(crate) unbegun: Unbegun,
}

/// A session that has a route, and of which the client does not know yet.
pub(crate) struct Begun {
    pub(crate) registration: Registration,
    pub(crate) logged_in: Box<LoggedIn>,
    pub(crate) token: String,
    pub(crate) wants: Wants,
}

/// What a log-in asks for besides being let in.
pub(crate) struct Asked {
    pub(crate) device: String,
    /// A token of a short life, and one that refreshes it.
    pub(crate) refreshes: bool,
    /// From where it comes, if that is known.
    pub(crate) from: Option<IpAddr>,
}

/// What im-user says of whoever logs in.
pub(crate) struct Known {
    pub(crate) user_id: i64,
    pub(crate) token: String,
    device: String,
    generation: i64,
    pub(crate) granted: Option<Granted>,
}

/// Asks im-user who a client is. The error is the reply.
pub(crate) async fn prove(
    gateway: &Arc<Gateway>,
    credential: Credential,
    asked: Asked,
    wants: Wants,
) -> Result<Proved, Reply> {
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    // A storm of log-ins waits here, each as long as it may, and not in im-user.
    let place = Arc::clone(&gateway.logins).acquire_owned();
    let Ok(Ok(place)) = tokio::time::timeout_at(cx.deadline(), place).await else {
        return Err(Reply::err(failure::AUTH_TOO_MANY_ATTEMPTS));
    };
    let held = (place, InUse::of(&METRICS.logins));
    let concerned = Arc::clone(gateway);
    let asking = async move {
        let _held = held;
        let username = match &credential {
            Credential::Password { username, .. } | Credential::New { username, .. } => {
                String::from_utf8_lossy(username).into_owned()
            }
            Credential::Token(_) => String::new(),
        };
        let token_is_new = !matches!(credential, Credential::Token(_));
        let known = ask(&concerned, &cx, credential, asked).await?;
        let Known { user_id, token, device, generation, granted } = known;
        let unbegun = Unbegun::new(&concerned, user_id, &token);
        let held = Held::of(granted.as_ref());
        // The account's own name; of an im-user that says none, as it was typed.
        let typed = Granted { user_id, username, device: device.clone(), ..Granted::default() };
        let named = granted.filter(|granted| !granted.username.is_empty()).unwrap_or(typed);
        let logged_in = granting::told(Granted { token: token.clone(), device, ..named });
        Ok(Proved { logged_in, token, token_is_new, generation, held, wants, unbegun })
    };
    original::to_its_end(gateway, asking).await
}

/// The same where nothing is to begin.
pub(crate) async fn ask(
    gateway: &Gateway,
    cx: &Context,
    credential: Credential,
    asked: Asked,
) -> Result<Known, Reply> {
    let users = &gateway.services.user;
    let Asked { device, refreshes, from } = asked;
    let (named, address) = (device.clone(), granting::address(from));
    match credential {
        Credential::Password { username, password } => {
            let password = password.into_exposed();
            let request = LoginReq { username, password, device: named, address, refreshes };
            let answer = users.login(cx, request).await;
            let answer = answer.map_err(|status| busy(gateway, "LOGIN", &status))?;
            let refused = |result: mpim_proto::Result| Reply::err(format!("auth {}", result.msg));
            if let Some(refused) = refusal_as(answer.result, refused) {
                return Err(granting::until(refused, answer.retry_after_ms));
            }
            let (user_id, token, generation) = (answer.user_id, answer.token, answer.generation);
            Ok(Known { user_id, token, device, generation, granted: answer.granted })
        }
        Credential::New { username, password } => {
            let password = password.into_exposed();
            let request = RegisterReq { username, password, device: named, address, refreshes };
            let answer = users.register(cx, request).await;
            let answer = answer.map_err(|status| busy(gateway, "REGISTER", &status))?;
            if let Some(refused) = refusal(answer.result) {
                return Err(refused);
            }
            let (user_id, generation) = (answer.user_id, answer.generation);
            let token = original::token(user_id, answer.token);
            Ok(Known { user_id, token, device, generation, granted: answer.granted })
        }
        Credential::Token(token) => by_token(gateway, cx, &token).await,
    }
}

/// A token says who its user is and at which device.
async fn by_token(gateway: &Gateway, cx: &Context, token: &Secret) -> Result<Known, Reply> {
    let invalid = || Reply::Err(Refusal::of(failure::INVALID_TOKEN));
    let token = String::from_utf8(token.expose().to_vec()).map_err(|_| invalid())?;
    let request = VerifyTokenReq { token: token.clone(), ..VerifyTokenReq::default() };
    let answer = gateway.services.user.verify_token(cx, request).await;
    let answer = answer.map_err(|status| match status.code() {
        // One of the original system, whose tokens say nothing.
        Code::Unimplemented => Reply::err(failure::NOT_SUPPORTED),
        _ => unavailable(gateway, "LOGIN", &status),
    })?;
    if let Some(refused) = refusal_as(answer.result, granting::not_good) {
        return Err(refused);
    }
    if answer.user_id <= 0 {
        return Err(invalid());
    }
    let (user_id, mut device, generation) = (answer.user_id, answer.device, answer.generation);
    if device.is_empty() {
        device.push_str(TEXT_DEVICE);
    }
    Ok(Known { user_id, token, device, generation, granted: answer.granted })
}

/// im-user bounds how many passwords it looks at.
pub(crate) fn busy(gateway: &Gateway, command: &'static str, status: &Status) -> Reply {
    match status.code() {
        Code::ResourceExhausted => Reply::err(failure::AUTH_TOO_MANY_ATTEMPTS),
        _ => unavailable(gateway, command, status),
    }
}

/// Binds the route of a session that has just been added. Without a route there is no session: it
/// would get no pushes, and an older one of the user would not know that it is over.
async fn bind(gateway: &Gateway, registration: &Registration) -> Result<(), Reply> {
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    let bound = calls::bind(gateway, &cx, registration.handle()).await;
    bound.map_err(|status| match status.code() {
        Code::ResourceExhausted => Reply::err(failure::TOO_MANY_SESSIONS),
        _ => unavailable(gateway, "LOGIN", &status),
    })
}

/// Begins a session that has just been added: binds its route, and looks again whether it may begin.
/// Whoever revokes a device first makes its tokens worthless and then closes the sessions that there
/// are, so one that they did not find finds out here.
pub(crate) async fn begin(
    gateway: &Gateway,
    registration: &Registration,
    token: &str,
) -> Result<(), Reply> {
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    let verified = async {
        match registration.handle() {
            of_original if of_original.generation == 0 => Ok(true),
            session => verify(gateway, &cx, session, token).await,
        }
    };
    let (bound, verified) = tokio::join!(bind(gateway, registration), verified);
    let outcome = match (bound, verified) {
        (Err(reply), _) => return Err(reply),
        (Ok(()), Ok(true)) => return Ok(()),
        (Ok(()), Ok(false)) => Reply::err(format!("auth {}", closing::LOGGED_OUT)),
        (Ok(()), Err(status)) => unavailable(gateway, "LOGIN", &status),
    };
    unbind(gateway, registration.handle()).await;
    Err(outcome)
}

/// Whether a session may go on: neither its log-in nor its device is over. By its token where im-user has
/// not said which log-in it is.
///
/// # Errors
/// im-user could not be asked.
pub(crate) async fn verify(
    gateway: &Gateway,
    cx: &Context,
    session: &Handle,
    token: &str,
) -> Result<bool, Status> {
    let held = session.held.map(|held| held.said(session));
    let token = if held.is_none() { token.to_owned() } else { String::new() };
    let request = VerifyTokenReq { token, held };
    match gateway.services.user.verify_token(cx, request).await {
        Ok(answer) => {
            let result = answer.result.unwrap_or_default();
            Ok(result.is_ok() || GOOD_AT_ANOTHER_TIME.contains(&result.msg.as_str()))
        }
        // One of the original system, whose tokens say nothing.
        Err(status) if status.code() == Code::Unimplemented => Ok(true),
        Err(status) => Err(status),
    }
}

/// Which log-in of a user is to end: one that im-user has named, or else that of a token.
#[derive(Debug)]
pub(crate) struct Revoked {
    user_id: i64,
    token: String,
    held: Option<mpim_proto::Held>,
    everywhere: bool,
}

impl Revoked {
    pub(crate) fn of_token(user_id: i64, token: String) -> Self {
        Self { user_id, token, held: None, everywhere: false }
    }

    pub(crate) fn of_session(session: &Handle, token: &str) -> Self {
        let held = session.held.map(|held| held.said(session));
        Self { user_id: session.user_id, token: token.to_owned(), held, everywhere: false }
    }

    /// All log-ins of the user are.
    pub(crate) fn everywhere(self) -> Self {
        Self { everywhere: true, ..self }
    }
}

/// Ends a log-in.
///
/// # Errors
/// The reply, if it is unknown whether its token still opens doors, or if others of the user do.
pub(crate) async fn revoke(gateway: &Gateway, revoked: Revoked) -> Result<(), Reply> {
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    let Revoked { user_id, token, held, everywhere } = revoked;
    let request = LogoutReq { user_id, token, held, unbinds_route: true, everywhere };
    let answer = gateway.services.user.logout(&cx, request).await;
    let answer = answer.map_err(|status| unavailable(gateway, "LOGOUT", &status))?;
    match everywhere {
        true => refusal(answer.result).map_or(Ok(()), Err),
        // One that im-user refuses is of no use to anybody either.
        false => Ok(()),
    }
}

/// Ends a session at the services: first its cursors, so that a successor does not show again what
/// this one has shown, then its route. Both are tried once; what fails is made good by the route's
/// lifetime, and by showing some messages again.
pub(crate) async fn hand_over(gateway: &Gateway, ending: Ending) {
    let Ending { registration, moves, token } = ending;
    let handle = registration.handle();
    let bound = ms(gateway.config.calls.hand_over_ms);
    if !moves.moves.is_empty() {
        let cx = Context::with_timeout(bound);
        // A failure is logged there.
        let _ = calls::advance_cursors(gateway, &cx, handle, moves).await;
    }
    registration.handed_over();
    unbind(gateway, handle).await;
    original::leave(gateway, handle, token).await;
}

/// Removes the route of a session that is over. Tried once: what fails is made good by its lifetime.
pub(crate) async fn unbind(gateway: &Gateway, handle: &Handle) {
    let request = UnbindRouteReq {
        user_id: handle.user_id,
        device: handle.device.clone(),
        boot_id: gateway.identity.boot_id.clone(),
        session_id: handle.session_id.clone(),
    };
    let cx = Context::with_timeout(ms(gateway.config.calls.hand_over_ms));
    let cx = cx.with_affinity(events::status_key(handle.user_id));
    if let Err(status) = gateway.services.presence.unbind_route(&cx, request).await {
        tracing::debug!(%status, "a route was not unbound: it will expire");
    }
}
