//! The program as somebody who starts it sees it.

// `cfg(test)` is always on here; naming it lets clippy see that helpers are tests as well.
#[cfg(test)]
mod admin;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod dead_letters;
#[cfg(test)]
mod load;
#[cfg(test)]
mod process;
#[cfg(test)]
mod program;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod starting;
