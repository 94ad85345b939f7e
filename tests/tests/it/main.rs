//! The tests that need more than one crate.
#![cfg(test)]

/// Makes two tests of each `async fn name(stack: StackBuilder)`: on the one process, and on the five.
macro_rules! on_both_stacks {
    ($($test:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $test() {
                super::$test(mpim_tests::Stack::builder(mpim_tests::Layout::Embedded)).await;
            })+
        }
        mod five {
            $(#[tokio::test]
            async fn $test() {
                super::$test(mpim_tests::Stack::builder(mpim_tests::Layout::Five)).await;
            })+
        }
    };
}

mod chat;
mod classic;
mod commands;
mod configuration;
mod delivery;
mod faults;
mod groups;
mod input;
mod limits;
mod operation;
mod recovery;
mod repeats;
mod sessions;
mod terminal;
mod tidy;
mod walk;
