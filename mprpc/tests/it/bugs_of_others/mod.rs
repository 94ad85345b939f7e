//! Bugs that others of this kind had, each as a test that is named after it.
//!
//! The doc comment of a test says what the bug was and where.

mod cancellation;
mod connections;
mod discovery;
mod framing;
mod memory;
mod security;
mod shutdown;
