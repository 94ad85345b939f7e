//! Names and values that travel beside a request.

use bytes::Bytes;

/// A short list of names and values. A name may occur more than once; order is kept.
///
/// Names are lower-case ASCII (`traceparent`, `authorization`); values are bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, Bytes)>);

impl Metadata {
    /// The first value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// Adds a value, keeping those that `name` has already.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Bytes>) {
        self.0.push((name.into(), value.into()));
    }

    /// All names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Bytes)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (String, Bytes)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}
