//! An instance's entry in a registry.

use std::fmt;
use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// Why an instance may not serve: its id belongs to another that lives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the instance id `{id}` is taken: {path} names {address}, and an instance answers there")]
pub struct IdTaken {
    /// The id that both want.
    pub id: String,
    /// The entry of the other one.
    pub path: String,
    /// Where the other one listens.
    pub address: SocketAddr,
}

/// An instance's entry in a registry. Dropping it begins to take the entry out, also where it was the
/// last to hold the registry; [`withdraw`](Registration::withdraw) also waits until that is done.
pub struct Registration {
    withdraw: Option<Withdraw>,
    refused: Option<watch::Receiver<Option<IdTaken>>>,
}

/// Begins when it is called, and is ready when the entry is out.
type Withdraw = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send + Sync>;

impl Registration {
    /// An entry that `withdraw` takes out at once.
    pub fn new(withdraw: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self::slow(move || {
            withdraw();
            Box::pin(std::future::ready(()))
        })
    }

    /// An entry that `withdraw` begins to take out when it is called, and has taken out when the
    /// future is ready. Nobody may wait for that future; it must be ready within a bound.
    pub fn slow(withdraw: impl FnOnce() -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self { withdraw: Some(Box::new(withdraw)), refused: None }
    }

    /// The same, with news of whether the id turned out to be taken.
    #[must_use]
    pub fn with_refusal(mut self, refused: watch::Receiver<Option<IdTaken>>) -> Self {
        self.refused = Some(refused);
        self
    }

    /// Takes the entry out and waits until it is, a few seconds at most: a registry that is away
    /// cannot be told, and forgets the entry by itself.
    ///
    /// Cancel safe: the entry is taken out all the same.
    pub async fn withdraw(mut self) {
        if let Some(withdraw) = self.withdraw.take() {
            withdraw().await;
        }
    }

    /// Ready when the id turns out to belong to another instance that lives: this one must not
    /// serve. Pending for ever otherwise. Cancel safe.
    pub async fn refused(&self) -> IdTaken {
        if let Some(mut refused) = self.refused.clone()
            && let Ok(taken) = refused.wait_for(Option::is_some).await
            && let Some(taken) = taken.clone()
        {
            return taken;
        }
        std::future::pending().await
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(withdraw) = self.withdraw.take() {
            drop(withdraw());
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registration")
    }
}
