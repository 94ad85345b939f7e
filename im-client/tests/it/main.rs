//! The client against a server that the test plays by hand.
#![expect(clippy::expect_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

/// Makes three tests of each `async fn name(protocol: Protocol)`: over text lines, frames and WebSocket.
macro_rules! on_all_protocols {
    ($($test:ident),+ $(,)?) => {
        mod text {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::server::Protocol::Text).await;
            })+
        }
        mod frames {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::server::Protocol::Frames).await;
            })+
        }
        mod web_socket {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::server::Protocol::WebSocket).await;
            })+
        }
    };
}

mod breaks;
mod failures;
mod log_in;
mod outbox;
mod pauses;
mod played;
mod reconnect;
mod refresh;
mod requests;
mod server;
mod terminal;
#[cfg(feature = "tls")]
mod tls;
mod words;
