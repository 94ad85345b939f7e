//! What all listeners do alike: accept, and say no.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use im_common::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::config::ms;
use crate::entry::ClientStream;
use crate::gateway::Gateway;
use crate::socket::Socket;

/// Clients that are being told so at the same time; more are closed without a word.
const REFUSALS_MAX: usize = 64;
/// How long to wait when accepting fails, rather than to try in a circle.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Hands over whoever comes, until the shutdown.
pub(crate) async fn accept(
    listener: TcpListener,
    shutdown: &Shutdown,
    mut taken: impl FnMut(TcpStream, SocketAddr),
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.triggered() => return,
        };
        match accepted {
            Ok((stream, from)) => taken(stream, from),
            Err(error) => {
                // Out of descriptors, most likely: others have to close first.
                tracing::warn!(%error, "accepting failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Those who are told why they do not get in.
pub(crate) struct Refusals {
    gateway: Arc<Gateway>,
    places: Arc<Semaphore>,
}

impl Refusals {
    pub(crate) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway, places: Arc::new(Semaphore::new(REFUSALS_MAX)) }
    }

    /// Says these last words.
    pub(crate) fn say(
        &self,
        stream: ClientStream,
        words: impl AsRef<[u8]> + Send + Sync + 'static,
    ) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return;
        };
        let at_most = ms(self.gateway.config.closing.linger_ms);
        self.gateway.spawn_for_client("refusal", async move {
            let _place = place;
            Socket::from(stream).linger(words.as_ref(), at_most).await;
        });
    }
}
