//! Tokens that must not be accepted, each made from one that is by changing a single thing.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mpim_proto::Role;

use super::key::TokenKey;
use super::{AUDIENCE, CLOCK_SKEW_S, Claims, Held, ISSUER, KeyRing, TYPE, TokenError, Tokens};
use crate::config::TokenConfig;

const ID: &str = "0123456789abcdef0123456789abcdef";
const NOW_S: i64 = 1_700_000_000;
const NOW_MS: i64 = NOW_S * 1000;
const TTL_S: u32 = 3600;

struct Fixture {
    tokens: Tokens,
    key: TokenKey,
    directory: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token.key");
        let ring = KeyRing::open(path.clone(), &TokenConfig::default()).unwrap();
        let key = TokenKey::load_or_make(&path).unwrap();
        Self { tokens: Tokens::new(Arc::new(ring)), key, directory }
    }

    fn claims() -> Claims {
        Claims {
            sub: "7".into(),
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            typ: TYPE.into(),
            iat: NOW_S,
            nbf: NOW_S,
            exp: NOW_S + i64::from(TTL_S),
            jti: ID.into(),
            dev: "text".into(),
            generation: 1,
            ep: 1,
            rol: "user".into(),
        }
    }

    fn held() -> Held {
        let (device, log_in_id) = ("mobile:a".to_owned(), ID.to_owned());
        Held { user_id: 42, device, generation: 3, log_in_id, epoch: 2 }
    }

    /// Signs with our own key, so that only what `change` did can be refused.
    fn sign(&self, change: impl FnOnce(&mut Header, &mut Claims)) -> String {
        let (mut header, mut claims) = (Header::new(Algorithm::EdDSA), Self::claims());
        header.kid = Some(self.key.id().to_owned());
        change(&mut header, &mut claims);
        jsonwebtoken::encode(&header, &claims, self.key.signing()).unwrap()
    }

    fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    #[track_caller]
    fn assert_invalid(&self, token: &str) {
        let answer = self.tokens.verify(token, NOW_MS);
        assert!(matches!(answer, Err(TokenError::Invalid)), "{answer:?}");
    }
}

#[test]
fn a_token_says_whose_it_is_and_until_when() {
    let fixture = Fixture::new();
    let held = Fixture::held();
    let (token, grant) = fixture.tokens.issue(&held, Role::User, TTL_S, NOW_MS + 999).unwrap();
    assert_eq!(fixture.tokens.verify(&token, NOW_MS + 999).unwrap(), grant);
    assert_eq!((grant.held, grant.expires_at_ms), (held, NOW_MS + 3_600_000));
}

#[test]
fn an_unchanged_token_is_accepted() {
    // Or the tests below would pass for the wrong reason.
    let fixture = Fixture::new();
    fixture.tokens.verify(&fixture.sign(|_, _| ()), NOW_MS).unwrap();
}

#[test]
fn a_token_is_valid_until_its_last_second_and_expired_then() {
    let fixture = Fixture::new();
    let token = fixture.sign(|_, _| ());
    let end_ms = NOW_MS + 3_600_000;
    fixture.tokens.verify(&token, end_ms - 1).unwrap();
    let answer = fixture.tokens.verify(&token, end_ms);
    assert!(matches!(answer, Err(TokenError::Expired(_))), "{answer:?}");
}

#[test]
fn a_token_whose_time_has_not_come_is_told_from_one_that_is_not_ours() {
    let fixture = Fixture::new();
    let within = fixture.sign(|_, claims| claims.nbf = NOW_S + CLOCK_SKEW_S);
    fixture.tokens.verify(&within, NOW_MS).unwrap();
    let later = |claims: &mut Claims| claims.nbf = NOW_S + CLOCK_SKEW_S + 1;
    match fixture.tokens.verify(&fixture.sign(|_, claims| later(claims)), NOW_MS) {
        Err(TokenError::NotYet(grant)) => assert_eq!(grant.held.user_id, 7),
        answer => panic!("{answer:?}"),
    }
    fixture.assert_invalid(&Fixture::new().sign(|_, claims| later(claims)));
    let of_another_kind = fixture.sign(|_, claims| {
        later(claims);
        claims.typ = "refresh".into();
    });
    fixture.assert_invalid(&of_another_kind);
    let never = fixture.sign(|_, claims| (claims.nbf, claims.exp) = (NOW_S + 9_999, NOW_S));
    assert!(matches!(fixture.tokens.verify(&never, NOW_MS), Err(TokenError::Expired(_))));
}

#[test]
fn another_issuer_audience_or_type_is_refused() {
    let fixture = Fixture::new();
    fixture.assert_invalid(&fixture.sign(|_, claims| claims.iss = "someone".into()));
    fixture.assert_invalid(&fixture.sign(|_, claims| claims.aud = "someone".into()));
    for other in ["refresh", "session", ""] {
        fixture.assert_invalid(&fixture.sign(|_, claims| claims.typ = other.into()));
    }
}

#[test]
fn a_token_without_user_or_id_is_refused() {
    let fixture = Fixture::new();
    fixture.assert_invalid(&fixture.sign(|_, claims| claims.sub = "root".into()));
    fixture.assert_invalid(&fixture.sign(|_, claims| claims.jti.clear()));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let fixture = Fixture::new();
    let token = fixture.sign(|_, _| ());
    // The last character carries unused bits in base64; a decoder that ignored them would accept
    // a second spelling of the same token.
    for index in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[index] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            let answer = fixture.tokens.verify(&changed, NOW_MS);
            assert!(answer.is_err(), "bit {bit} of byte {index}: {answer:?}");
        }
    }
}

#[test]
fn a_token_signed_with_another_key_is_refused_under_any_key_id() {
    let fixture = Fixture::new();
    let other = Fixture::new();
    fixture.assert_invalid(&other.sign(|_, _| ()));
    let ours = fixture.key.id().to_owned();
    fixture.assert_invalid(&other.sign(|header, _| header.kid = Some(ours)));
}

#[test]
fn the_key_id_must_be_ours_and_a_key_address_in_the_token_is_not_followed() {
    let fixture = Fixture::new();
    fixture.assert_invalid(&fixture.sign(|header, _| header.kid = None));
    fixture.assert_invalid(&fixture.sign(|header, _| header.kid = Some("../../etc/passwd".into())));
    let other = Fixture::new();
    let ours = fixture.key.id().to_owned();
    fixture.assert_invalid(&other.sign(|header, _| {
        header.kid = Some(ours);
        header.jku = Some("https://attacker.example/keys".into());
        header.x5u = Some("https://attacker.example/chain".into());
    }));
}

#[test]
fn an_unsigned_token_is_refused() {
    let fixture = Fixture::new();
    let token = fixture.sign(|_, _| ());
    let (_, rest) = token.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    // {"typ":"JWT","alg":"none"}, with and without what is left of the signature.
    let header = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0";
    fixture.assert_invalid(&format!("{header}.{claims}."));
    fixture.assert_invalid(&format!("{header}.{claims}"));
    fixture.assert_invalid(&format!("{header}.{claims}.{signature}"));
}

#[test]
fn another_algorithm_is_refused_even_with_the_public_key_as_its_secret() {
    let fixture = Fixture::new();
    let public = fixture.key.verifying().try_get_as_bytes().unwrap();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(fixture.key.id().to_owned());
    let secret = EncodingKey::from_secret(public);
    let token = jsonwebtoken::encode(&header, &Fixture::claims(), &secret).unwrap();
    fixture.assert_invalid(&token);
}

#[test]
fn what_is_no_token_at_all_is_refused() {
    let fixture = Fixture::new();
    for text in ["", ".", "..", "...", "a.b.c", "tok_7", "\0", &"a".repeat(1 << 20)] {
        fixture.assert_invalid(text);
    }
}

#[test]
fn of_several_keys_each_is_good_for_its_own_tokens_alone() {
    let fixture = Fixture::new();
    let keys_dir = fixture.path().join("token.keys");
    let path = super::dated::make(&keys_dir, NOW_MS).unwrap();
    let second = super::key::read_key(&path).unwrap().unwrap();
    let sign = |id: &str, key: &TokenKey| {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(id.to_owned());
        jsonwebtoken::encode(&header, &Fixture::claims(), key.signing()).unwrap()
    };
    let first = &fixture.key;
    fixture.assert_invalid(&sign(second.id(), &second));
    fixture.tokens.ring.look(NOW_MS).unwrap();
    fixture.tokens.verify(&sign(second.id(), &second), NOW_MS).unwrap();
    fixture.tokens.verify(&sign(first.id(), first), NOW_MS).unwrap();
    fixture.assert_invalid(&sign(first.id(), &second));
    fixture.assert_invalid(&sign(second.id(), first));
    // One that is not there any more, and the name of its file.
    std::fs::remove_file(&path).unwrap();
    for id in [second.id().to_owned(), path.display().to_string(), keys_dir.display().to_string()] {
        fixture.tokens.ring.look(NOW_MS).unwrap();
        fixture.assert_invalid(&sign(&id, &second));
    }
}

#[test]
fn what_was_signed_before_a_change_of_keys_is_good_after_it() {
    let fixture = Fixture::new();
    let before = fixture.tokens.issue(&Fixture::held(), Role::User, TTL_S, NOW_MS).unwrap().0;
    super::dated::make(&fixture.path().join("token.keys"), NOW_MS - 3_600_000).unwrap();
    fixture.tokens.ring.look(NOW_MS).unwrap();
    let after = fixture.tokens.issue(&Fixture::held(), Role::User, TTL_S, NOW_MS).unwrap().0;
    let id = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    assert_eq!(id(&before), fixture.key.id());
    assert_ne!(id(&before), id(&after));
    fixture.tokens.verify(&before, NOW_MS).unwrap();
    fixture.tokens.verify(&after, NOW_MS).unwrap();
}
