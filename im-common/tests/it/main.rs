//! What the services rely on, seen from outside the crate.

// `cfg(test)` is always on here; naming it lets clippy see that helpers are tests as well.
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod mysql;
#[cfg(test)]
mod sqlite;
