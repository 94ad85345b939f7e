//! What the tests that cross crates share, and where those tests are.
//!
//! A test of one crate lives in that crate. What is here needs the whole: it starts the binaries as
//! a user would, speaks to their ports as a client would, and asserts on what that client sees.
//!
//! * This library is the harness: it builds and starts what it tests on free ports with data
//!   directories of its own, waits for conditions with a deadline (never for a fixed time), and
//!   stops what it started.
//! * `tests/it` is the one binary of integration tests. `tidy` in it holds the rules of the
//!   repository itself: dependency arrows, the length of files, what the documents cite.
