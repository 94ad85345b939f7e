//! Access tokens: what a log-in gives out so that its holder need not show the password again.
//!
//! A token is a JWT (RFC 7519) signed with EdDSA under a key of [`ring`]. Checking one follows
//! RFC 8725: exactly one algorithm, which the token does not get to choose; a key of ours, named
//! by `kid` and never taken from the token; issuer, audience and type must be ours; and every
//! time claim is required. Whether its log-in has ended is not written in it: the caller asks the
//! store.

mod dated;
mod key;
mod ring;

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Header, TokenData, Validation};
use mpim_proto::Role;
use serde::{Deserialize, Serialize};

use crate::log_in_id;
use crate::store::Held;
pub(crate) use key::{KeyError, TokenKey, random_id};
pub(crate) use ring::KeyRing;
pub use ring::make_token_key;

const ISSUER: &str = "mpim";
const AUDIENCE: &str = "mpim";
/// No other kind may be taken for it; those of before there were log-ins were of type `session`.
const TYPE: &str = "access";
/// How far the clock of whoever made a token may be ahead before that is worth a word.
const CLOCK_SKEW_S: i64 = 5;
/// Ours are about 400 bytes; anything much longer is not worth decoding.
const TOKEN_BYTES_MAX: usize = 2048;

#[derive(Debug, Deserialize, Serialize)]
struct Claims {
    sub: String,
    iss: String,
    aud: String,
    typ: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    /// The log-in.
    jti: String,
    /// The device, and which of its name.
    dev: String,
    #[serde(rename = "gen")]
    generation: i64,
    /// The account's epoch.
    ep: i64,
    /// The account's role, for whoever looks into a token: nobody here decides by it.
    rol: String,
}

/// What a valid token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) held: Held,
    pub(crate) expires_at_ms: i64,
}

/// Why a token was not made or not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// It was ours, and its time is over.
    #[error("token expired")]
    Expired(Box<Grant>),
    /// It is ours, and by the clock here its time has not come: that of the instance which made it is
    /// ahead. No token is made for later.
    #[error("token not yet valid")]
    NotYet(Box<Grant>),
    /// It was never ours, or was changed. Which of the checks failed is nobody's business.
    #[error("invalid token")]
    Invalid,
    /// Signing failed.
    #[error("signing a token: {0}")]
    Signing(String),
}

/// Makes and checks tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    ring: Arc<KeyRing>,
    validation: Validation,
}

impl Tokens {
    pub(crate) fn new(ring: Arc<KeyRing>) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["sub", "iss", "aud", "nbf", "exp"]);
        // The library would compare with the system's clock; `verify` does it with ours.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { ring, validation }
    }

    /// A token of a log-in, valid from now on, in whole seconds.
    ///
    /// # Errors
    /// [`TokenError::Signing`].
    pub(crate) fn issue(
        &self,
        of: &Held,
        role: Role,
        ttl_s: u32,
        now_ms: i64,
    ) -> Result<(String, Grant), TokenError> {
        let now_s = now_ms.div_euclid(1000);
        let exp = now_s + i64::from(ttl_s);
        let claims = Claims {
            sub: of.user_id.to_string(),
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            typ: TYPE.to_owned(),
            iat: now_s,
            nbf: now_s,
            exp,
            jti: of.log_in_id.clone(),
            dev: of.device.clone(),
            generation: of.generation,
            ep: of.epoch,
            rol: word(role).to_owned(),
        };
        let keys = self.ring.keys();
        let key = keys.signing(now_ms);
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key.id().to_owned());
        let token = jsonwebtoken::encode(&header, &claims, key.signing());
        let token = token.map_err(|error| TokenError::Signing(error.to_string()))?;
        Ok((token, Grant { held: of.clone(), expires_at_ms: exp * 1000 }))
    }

    /// What the token says, if it is ours and its time has come and is not over.
    ///
    /// # Errors
    /// [`TokenError::Expired`], [`TokenError::NotYet`] or [`TokenError::Invalid`].
    pub(crate) fn verify(&self, token: &str, now_ms: i64) -> Result<Grant, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        // Only looked at for which of our keys it is: nothing else that it says counts before the signature.
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let (keys, id) = (self.ring.keys(), header.kid.unwrap_or_default());
        let key = keys.verifying(&id, now_ms).ok_or(TokenError::Invalid)?;
        let token: TokenData<Claims> =
            jsonwebtoken::decode(token, key.verifying(), &self.validation)
                .map_err(|_| TokenError::Invalid)?;
        let Claims { sub, typ, nbf, exp, jti, dev: device, generation, ep: epoch, .. } =
            token.claims;
        if typ != TYPE || !log_in_id::is_one(&jti) {
            return Err(TokenError::Invalid);
        }
        let user_id = sub.parse().map_err(|_| TokenError::Invalid)?;
        let now_s = now_ms.div_euclid(1000);
        let held = Held { user_id, device, generation, log_in_id: jti, epoch };
        let grant = Grant { held, expires_at_ms: exp.saturating_mul(1000) };
        if exp <= now_s {
            return Err(TokenError::Expired(Box::new(grant)));
        }
        if nbf > now_s.saturating_add(CLOCK_SKEW_S) {
            return Err(TokenError::NotYet(Box::new(grant)));
        }
        Ok(grant)
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Admin => "admin",
        Role::Bot => "bot",
    }
}

#[cfg(test)]
mod tests;
