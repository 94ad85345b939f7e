//! Bodies to structs: the last of a key that occurs twice counts, `null` is as good as absent, and a key
//! that is not known is skipped.

use crate::{Refusal, Why};
use serde::de::{DeserializeOwned, DeserializeSeed, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// Objects and arrays within each other.
pub(super) const DEPTH_MAX: usize = 16;
/// What JSON numbers hold exactly in every language.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// Makes a struct of optional fields that is read from a JSON object.
macro_rules! fields {
    ($name:ident { $($field:ident as $key:literal: $type:ty,)* }) => {
        // No Debug: a field may be a password.
        #[derive(Default)]
        struct $name {
            $($field: Option<$type>,)*
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Read;
                impl<'de> serde::de::Visitor<'de> for Read {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<M: serde::de::MapAccess<'de>>(
                        self,
                        mut map: M,
                    ) -> Result<$name, M::Error> {
                        const KEYS: &[&str] = &[$($key),*];
                        let mut read = $name::default();
                        while let Some(key) = map.next_key_seed($crate::json::fields::Key(KEYS))? {
                            match key {
                                $(Some($key) => read.$field = map.next_value().map_err(|_| {
                                    serde::de::Error::custom(concat!("bad ", $key))
                                })?,)*
                                _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
                            }
                        }
                        Ok(read)
                    }
                }
                from.deserialize_map(Read)
            }
        }
    };
}
pub(super) use fields;

/// A key that is one of these, or none that anybody knows. Nothing is allocated for it.
#[derive(Clone, Copy)]
pub(super) struct Key(pub(super) &'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|known| **known == key).copied())
    }
}

/// Reads a body. An empty one counts as `{}`.
///
/// # Errors
///
/// It is no JSON object, it is nested too deeply, or a field is of the wrong kind.
pub(super) fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Refusal> {
    read_within(body, DEPTH_MAX)
}

/// The same of what may be nested deeper, or less.
pub(super) fn read_within<T: DeserializeOwned + Default>(
    body: &[u8],
    depth_max: usize,
) -> Result<T, Refusal> {
    if body.is_empty() {
        return Ok(T::default());
    }
    let text = std::str::from_utf8(body).map_err(|_| Refusal::of(crate::failure::NOT_UTF8))?;
    if depth(body) > depth_max {
        return Err(bad("bad JSON: nested too deeply".to_owned()));
    }
    serde_json::from_str(text).map_err(|error| {
        let said = error.to_string();
        // Of the library's words only the place is of use: the others may repeat what was sent.
        let place = format!("line {} column {}", error.line(), error.column());
        match said.split(" at line ").next() {
            Some(field) if field.starts_with("bad ") && error.is_data() => bad(field.to_owned()),
            _ if error.is_data() => bad("bad JSON: not an object".to_owned()),
            _ => bad(format!("bad JSON at {place}")),
        }
    })
}

/// A refusal for what an argument is.
pub(super) fn bad(words: String) -> Refusal {
    Refusal::or(words, Why::BadArgument)
}

/// A refusal for an argument that is missing.
pub(super) fn missing(field: &str) -> Refusal {
    bad(format!("{field} is missing"))
}

/// How deep objects and arrays stand in each other, at most. The bytes are UTF-8.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// What a client calls a request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub(crate) enum Id {
    /// 1 to 64 bytes.
    Text(Box<str>),
    /// An integer.
    Number(i64),
}

/// The longest id of a request, in bytes.
const ID_BYTES_MAX: usize = 64;

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string of 1 to 64 bytes or an integer")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                let fits = (1..=ID_BYTES_MAX).contains(&text.len());
                fits.then(|| Id::Text(text.into())).ok_or_else(|| E::custom("bad id"))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Id, E> {
                i64::try_from(number).map(Id::Number).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Id, E> {
                Ok(Id::Number(number))
            }
        }
        from.deserialize_any(Read)
    }
}

/// A message's id: a string of digits, or a number that JSON holds exactly. Above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MsgId(pub(super) i64);

/// Ids of users, each above 0, and not too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserIds(pub(super) Vec<i64>);

/// The users that one request may ask about.
const USERS_MAX: usize = 100;

impl<'de> Deserialize<'de> for UserIds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = UserIds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("up to 100 ids")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut ids: S) -> Result<UserIds, S::Error> {
                let mut read = Vec::new();
                while let Some(id) = ids.next_element::<i64>()? {
                    if id <= 0 || read.len() == USERS_MAX {
                        return Err(S::Error::custom("no ids"));
                    }
                    read.push(id);
                }
                Ok(UserIds(read))
            }
        }
        from.deserialize_seq(Read)
    }
}

impl<'de> Deserialize<'de> for MsgId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = MsgId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message id")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<MsgId, E> {
                crate::command::positive(text).map(MsgId).ok_or_else(|| E::custom("no id"))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<MsgId, E> {
                let exact = Some(number).filter(|number| (1..=EXACT_MAX).contains(number));
                let id = exact.and_then(|number| i64::try_from(number).ok());
                id.map(MsgId).ok_or_else(|| E::custom("no id"))
            }
        }
        from.deserialize_any(Read)
    }
}
