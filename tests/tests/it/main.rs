//! The tests that need more than one crate.
#![cfg(test)]

mod tidy;
