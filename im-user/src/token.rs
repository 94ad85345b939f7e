//! Tokens: what a log-in gives out so that its holder need not show the password again.
//!
//! A token is a JWT (RFC 7519) signed with EdDSA under the key of [`key`]. Checking one follows
//! RFC 8725: exactly one algorithm, which the token does not get to choose; a key of ours, named
//! by `kid` and never taken from the token; issuer, audience and type must be ours; and every
//! time claim is required. Whether a token was revoked is not written in it: the caller asks the
//! store about its id.

mod key;

use jsonwebtoken::{Algorithm, Header, TokenData, Validation};
use serde::{Deserialize, Serialize};

pub(crate) use key::TokenKey;

const ISSUER: &str = "mpim";
const AUDIENCE: &str = "mpim";
/// A token that opens sessions; other kinds may follow, and must not be taken for it.
const TYPE: &str = "session";
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
    jti: String,
    /// The device, and which of its name. Those from before there were any have none.
    #[serde(default)]
    dev: String,
    #[serde(default, rename = "gen")]
    generation: i64,
}

/// Whose token it is; by default nobody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) user_id: i64,
    /// The name of the user's device.
    pub(crate) device: String,
    pub(crate) generation: i64,
}

/// What a valid token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) holder: Holder,
    /// Names this one token (`jti`).
    pub(crate) token_id: String,
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
    key: TokenKey,
    ttl_s: i64,
    header: Header,
    validation: Validation,
}

impl Tokens {
    pub(crate) fn new(key: TokenKey, ttl_s: u32) -> Self {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key.id().to_owned());
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["sub", "iss", "aud", "nbf", "exp"]);
        // The library would compare with the system's clock; `verify` does it with ours.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { key, ttl_s: i64::from(ttl_s), header, validation }
    }

    /// A new token, valid from now on.
    ///
    /// # Errors
    /// [`TokenError::Signing`].
    pub(crate) fn issue(&self, of: Holder, now_ms: i64) -> Result<String, TokenError> {
        let now_s = now_ms.div_euclid(1000);
        let claims = Claims {
            sub: of.user_id.to_string(),
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            typ: TYPE.to_owned(),
            iat: now_s,
            nbf: now_s,
            exp: now_s + self.ttl_s,
            jti: key::random_id().map_err(|error| TokenError::Signing(error.to_string()))?,
            dev: of.device,
            generation: of.generation,
        };
        let token = jsonwebtoken::encode(&self.header, &claims, self.key.signing());
        token.map_err(|error| TokenError::Signing(error.to_string()))
    }

    /// What the token says, if it is ours and its time has come and is not over.
    ///
    /// # Errors
    /// [`TokenError::Expired`], [`TokenError::NotYet`] or [`TokenError::Invalid`].
    pub(crate) fn verify(&self, token: &str, now_ms: i64) -> Result<Grant, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let token: TokenData<Claims> =
            jsonwebtoken::decode(token, self.key.verifying(), &self.validation)
                .map_err(|_| TokenError::Invalid)?;
        let Claims { sub, typ, nbf, exp, jti, dev: device, generation, .. } = token.claims;
        if token.header.kid.as_deref() != Some(self.key.id()) || typ != TYPE || jti.is_empty() {
            return Err(TokenError::Invalid);
        }
        let user_id = sub.parse().map_err(|_| TokenError::Invalid)?;
        let now_s = now_ms.div_euclid(1000);
        let holder = Holder { user_id, device, generation };
        let grant = Grant { holder, token_id: jti, expires_at_ms: exp.saturating_mul(1000) };
        if exp <= now_s {
            return Err(TokenError::Expired(Box::new(grant)));
        }
        if nbf > now_s.saturating_add(CLOCK_SKEW_S) {
            return Err(TokenError::NotYet(Box::new(grant)));
        }
        Ok(grant)
    }
}

#[cfg(test)]
mod tests;
