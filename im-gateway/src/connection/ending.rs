//! The end of a connection: the last line, the last cursors, the route.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Connection, End};
use crate::config::ms;
use crate::log_in;

impl Connection {
    pub(super) async fn finish(mut self, end: End) {
        let end = match end {
            // It was reset, and whoever closes it was quicker: that is how a client comes that has lost
            // its connection, and logs in on another.
            End::Closing(_) if self.is_reset() => End::Broken,
            end => end,
        };
        let peer_has = match &end {
            // A client that resets the connection threw away what it had not read, though its kernel
            // had acknowledged it. Only what counted as delivered before still does.
            End::Broken => None,
            End::Eof | End::Closing(_) => {
                self.observe();
                Some(self.peer_has)
            }
        };
        if let End::Closing(reason) = &end {
            tracing::debug!(reason, "a connection is closed");
            self.wire.close(reason);
            // As much as goes without waiting: a successor may be waiting for the cursors.
            let _ = self.write();
        }
        let Self { gateway, mut stream, wire, work, session, .. } = self;
        // Cancels what was under way, a log-in included: nobody is there to hear of it.
        drop(work);
        if let Some(session) = session {
            log_in::hand_over(&gateway, session.end(peer_has)).await;
        }
        if !matches!(end, End::Broken) {
            linger(&mut stream, wire.output(), ms(gateway.config.closing.linger_ms)).await;
        }
    }

    /// Whether the peer has reset the connection, which no read has met yet.
    fn is_reset(&self) -> bool {
        !matches!(self.stream.take_error(), Ok(None))
    }
}

/// Gives the client the time to read `rest` and what was written before: a socket that is closed
/// with unread input resets the connection, and then the last line may never be seen.
pub(crate) async fn linger(stream: &mut TcpStream, rest: &[u8], at_most: Duration) {
    let last = async {
        stream.write_all(rest).await?;
        stream.shutdown().await?;
        let mut ignored = [0; 512];
        while stream.read(&mut ignored).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    // Whatever goes wrong now, there is nobody left to tell.
    let _ = tokio::time::timeout(at_most, last).await;
}
