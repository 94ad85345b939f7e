//! The tests that need more than one crate.
#![cfg(test)]

/// Makes three tests of each `async fn name(stack: StackBuilder)`: on the one process, on the five, and
/// on a cluster.
macro_rules! on_all_stacks {
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
        mod cluster {
            $(#[tokio::test]
            async fn $test() {
                if let Some(stack) = mpim_tests::Stack::cluster().await {
                    super::$test(stack).await;
                }
            })+
        }
    };
}

mod abuse;
mod blocks;
mod browser;
mod chaos;
mod chat;
mod classic;
mod client_library;
mod cluster;
mod commands;
mod configuration;
mod dead_letters;
mod delivery;
mod devices;
mod durability;
mod event_streams;
mod events;
mod faults;
mod groups;
mod http;
mod input;
mod limits;
mod log_ins;
mod matrix;
mod nginx;
mod operation;
mod original;
mod parts;
mod patience;
mod read_state;
mod receipts;
mod recovery;
mod repeats;
mod resets;
mod retention;
mod security;
mod sessions;
mod strangers;
mod terminal;
mod tidy;
mod tokens;
mod walk;
mod ways;
