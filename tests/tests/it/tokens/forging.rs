//! Tokens as somebody makes them who has the key, or would like to have it.

use std::path::{Path, PathBuf};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, dangerous, encode};
use mpim_tests::Stack;
use serde_json::{Map, Value, json};

/// The key of a stack, and a token of it to begin with.
pub(crate) struct Forger {
    key: EncodingKey,
    header: Header,
    claims: Map<String, Value>,
}

impl Forger {
    /// With the key by which the stack has signed that token.
    pub(crate) fn of(stack: &Stack, token: &str) -> Self {
        let key = std::fs::read(key_file(stack.directory())).expect("a key");
        let of_stack = dangerous::insecure_decode(token).expect("a token");
        let (header, claims) = (of_stack.header, of_stack.claims);
        Self { key: EncodingKey::from_ed_der(&key), header, claims }
    }

    /// The token as it was but for one claim, and as well signed.
    pub(crate) fn saying(&self, claim: &str, value: Value) -> String {
        assert!(self.claims.contains_key(claim), "no {claim} in {:?}", self.claims);
        let mut claims = self.claims.clone();
        claims.insert(claim.to_owned(), value);
        sign(&self.header, &claims, &self.key)
    }

    /// One that was good until a moment ago.
    pub(crate) fn expired(&self) -> String {
        self.saying("exp", self.claims["iat"].clone())
    }

    /// All that are as well signed, and say what none of ours does.
    pub(super) fn with_wrong_claims(&self) -> Vec<String> {
        let mut forged = Vec::new();
        for (claim, value) in &self.claims {
            let mut without = self.claims.clone();
            without.remove(claim);
            forged.push(sign(&self.header, &without, &self.key));
            for wrong in [json!(null), json!([value]), json!({claim: value}), json!(true)] {
                forged.push(self.saying(claim, wrong));
            }
        }
        for claim in ["iss", "aud", "typ", "sub", "jti", "dev"] {
            for wrong in ["", "refresh", "*", "../mpim", "mpim\u{0}"] {
                forged.push(self.saying(claim, json!(wrong)));
            }
        }
        let far = i64::from(u32::MAX);
        forged.extend([("nbf", far), ("gen", far), ("ep", far)].map(|(claim, value)| {
            self.saying(claim, json!(value)) // of later, of another device, of another password
        }));
        forged
    }

    /// All that say what ours do, under another head, or signed with something else.
    pub(super) fn with_wrong_heads(&self) -> Vec<String> {
        let other = other_key();
        let own = Jwk::from_encoding_key(&other, Algorithm::EdDSA).expect("a public key");
        let url = || Some("http://127.0.0.1:1/keys".to_owned());
        let kids = ["", "0", "../token.key", "/dev/null", "' OR '1'='1", "*"].map(str::to_owned);
        let kids = kids.map(Some).into_iter().chain([None]);
        let with_kid = |kid| sign(&Header { kid, ..self.header.clone() }, &self.claims, &self.key);
        let mut forged: Vec<String> = kids.map(with_kid).collect();
        forged.extend(
            [
                self.header.clone(),
                Header { jwk: Some(own.clone()), ..self.header.clone() },
                Header { jwk: Some(own), kid: None, ..self.header.clone() },
                Header { jku: url(), x5u: url(), ..self.header.clone() },
            ]
            .map(|header| sign(&header, &self.claims, &other)),
        );
        let secret = EncodingKey::from_secret(self.key.as_bytes());
        for alg in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            forged.push(sign(&Header { alg, ..self.header.clone() }, &self.claims, &secret));
        }
        forged
    }
}

/// All that become of one without a key.
pub(super) fn mangled(token: &str, of_another: &str) -> Vec<String> {
    /// `{"typ":"JWT","alg":"none"}`.
    const UNSIGNED: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0";
    let parts = |token: &str| -> [String; 3] {
        let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        parts.try_into().expect("three parts")
    };
    let ([head, claims, signature], [_, theirs, _]) = (parts(token), parts(of_another));
    let mut forged = vec![
        format!("{head}.{theirs}.{signature}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}"),
        format!("{UNSIGNED}.{claims}."),
        format!("{UNSIGNED}.{claims}.{signature}"),
        format!("{UNSIGNED}.{claims}"),
        format!("{token}x"),
        format!("{token}="),
        format!("{token}.{signature}"),
        format!("{token}{}", "A".repeat(5_000)),
        "..".to_owned(),
        "x".to_owned(),
        "tok_1".to_owned(),
    ];
    // A letter of each part: the first, one in the middle, and the last, of which not all bits are used.
    let dots: Vec<usize> = token.match_indices('.').map(|(at, _)| at).collect();
    for (begin, end) in [(0, dots[0]), (dots[0] + 1, dots[1]), (dots[1] + 1, token.len())] {
        for at in [begin, begin.midpoint(end), end - 1] {
            let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            forged.push(format!("{}{other}{}", &token[..at], &token[at + 1..]));
        }
    }
    forged
}

fn sign(header: &Header, claims: &Map<String, Value>, key: &EncodingKey) -> String {
    encode(header, claims, key).expect("it can be signed")
}

/// Of nobody: an Ed25519 key in PKCS#8, whose secret is the same byte 32 times.
fn other_key() -> EncodingKey {
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    EncodingKey::from_ed_der(&[&head[..], &[7; 32]].concat())
}

/// Where im-user has made its key.
fn key_file(directory: &Path) -> PathBuf {
    let places = ["data/token.key", "data/user/token.key"].map(|place| directory.join(place));
    places.into_iter().find(|place| place.exists()).expect("a key was made")
}
