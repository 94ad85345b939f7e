//! A server's handle: how far it has come, and how to make it leave.

use std::sync::Arc;

use tokio::sync::watch;

/// How far a server has come. It only goes on, never back, and may skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ServerState {
    /// It listens and does not serve yet.
    Bound,
    /// It serves.
    Serving,
    /// It serves, and says to whoever asks that it is about to leave: it is not in the registries
    /// any more, and its health is `NOT_SERVING`.
    LameDuck,
    /// It takes no new connections, has asked its clients to open no more calls, and finishes those
    /// in flight.
    Draining,
    /// It took too long, or was told not to wait: what is left is being ended.
    Forcing,
    /// It is over.
    Ended,
}

/// Makes a server leave, and tells how far it has come. Clones are of the same server.
///
/// It is the same as the `shutdown` future of [`BoundServer::serve`](crate::BoundServer::serve),
/// with more to say; who comes first counts.
#[derive(Clone, Debug)]
pub struct ServerHandle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: watch::Sender<ServerState>,
    /// What it was told to do: the furthest of all orders.
    ordered: watch::Sender<ServerState>,
}

impl ServerHandle {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            state: watch::Sender::new(ServerState::Bound),
            ordered: watch::Sender::new(ServerState::Bound),
        }))
    }

    /// Leaves the registries and says `NOT_SERVING` to those who ask for the server's health, but
    /// goes on serving until [`shutdown`](Self::shutdown).
    pub fn lame_duck(&self) {
        self.order(ServerState::LameDuck);
    }

    /// Begins to stop: lame duck, then GOAWAY, and the end when the calls in flight have ended or
    /// the drain timeout is over. To wait for the end is to await
    /// [`BoundServer::serve`](crate::BoundServer::serve), or [`ended`](Self::ended).
    pub fn shutdown(&self) {
        self.order(ServerState::Draining);
    }

    /// Stops without waiting for calls in flight, also where it has begun to stop already: what a
    /// second signal should do. Callers that wait on the v2 wire are still told so (`UNAVAILABLE`).
    pub fn force(&self) {
        self.order(ServerState::Forcing);
    }

    /// How far it has come, now.
    #[must_use]
    pub fn state(&self) -> ServerState {
        *self.0.state.borrow()
    }

    /// Follows how far it has come.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<ServerState> {
        self.0.state.subscribe()
    }

    /// Ready when it is over. Cancel safe.
    pub async fn ended(&self) {
        reached(&self.0.state, ServerState::Ended).await;
    }

    fn order(&self, order: ServerState) {
        advance(&self.0.ordered, order);
    }

    /// Ready when it was told to do `order`, or more.
    pub(super) async fn ordered(&self, order: ServerState) {
        reached(&self.0.ordered, order).await;
    }

    pub(super) fn enter(&self, state: ServerState) {
        advance(&self.0.state, state);
    }

    /// Enters the last state when what is returned is dropped, however that comes about.
    pub(super) fn end_on_drop(&self) -> EndOnDrop {
        EndOnDrop(self.clone())
    }
}

/// See [`ServerHandle::end_on_drop`].
pub(super) struct EndOnDrop(ServerHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.enter(ServerState::Ended);
    }
}

fn advance(sender: &watch::Sender<ServerState>, to: ServerState) {
    sender.send_if_modified(|state| {
        let further = to > *state;
        *state = to.max(*state);
        further
    });
}

async fn reached(sender: &watch::Sender<ServerState>, state: ServerState) {
    // The sender is borrowed, so that it cannot be gone.
    let _ = sender.subscribe().wait_for(|now| *now >= state).await;
}
