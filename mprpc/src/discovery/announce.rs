//! An instance's entry in a registry that is asked over a network, from when the instance serves
//! until it leaves: the same for every such registry.
//!
//! An entry stands for a tenure: as long as the session or the lease under which it was made. It is
//! made again under the next one, so that whoever takes it out must know both: entries of former
//! tenures may still stand. By whom an entry was made and whose address it has says whose it is, and
//! not the rest of it, which operators may edit.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::host::nobody_connects;
use super::instance::{Instance, node_name};
use super::probe::{Answer, Probes};
use super::{Endpoint, IdTaken, Registration};
use crate::ServiceDescriptor;

/// The pause after something that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// The pause before an entry is looked at again that changed while it was looked at, and after the
/// first failure of one who leaves.
const AGAIN: Duration = Duration::from_millis(50);

/// How long leaving waits for the own entry to be taken out.
pub(super) const WITHDRAW_MAX: Duration = Duration::from_secs(2);

/// Where an instance stands in a registry.
pub(super) trait Place: Send + Sync + 'static {
    /// What an entry stands and falls with.
    type Tenure: Send + Sync;
    /// What stands there, as it was read: its bytes, and what tells whether it has changed.
    type Entry: AsRef<[u8]> + Send + Sync;
    /// Why the registry did not do as asked.
    type Error: Display + Send;

    /// What is to stand there.
    fn own(&self) -> &Own;

    /// The tenure of the moment, or the next one.
    fn tenure(&self) -> impl Future<Output = Result<Self::Tenure, Self::Error>> + Send;

    /// What stands there.
    fn read(
        &self,
        tenure: &Self::Tenure,
    ) -> impl Future<Output = Result<Option<Self::Entry>, Self::Error>> + Send;

    /// Who made what stands there.
    fn maker(&self, tenure: &Self::Tenure, entry: &Self::Entry) -> Maker;

    /// Makes our entry, and says whether it did: not if what stands there is no longer what was
    /// read.
    fn put(
        &self,
        tenure: &Self::Tenure,
        instead_of: Option<&Self::Entry>,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Deletes the entry that was read, and says whether it did: not if it has changed.
    fn delete(
        &self,
        tenure: &Self::Tenure,
        entry: &Self::Entry,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Sees to it that what stands there stays. Ends when it has to be made anew.
    fn hold(
        &self,
        tenure: &Self::Tenure,
    ) -> impl Future<Output = Result<(), Failure<Self::Error>>> + Send;

    /// Takes out all that stands for the instance, whenever it was made, with [`take_out`]. May be
    /// called again after it has failed.
    fn withdraw(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What an instance announces, and where.
#[derive(Debug)]
pub(super) struct Own {
    id: String,
    /// Where the instance listens.
    pub(super) address: SocketAddr,
    /// Where its entry stands.
    pub(super) path: String,
    /// What the entry says.
    pub(super) data: Vec<u8>,
    probes: Probes,
}

/// Who made an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    /// We did, under this tenure.
    Us,
    /// We did, under a tenure before this one.
    UsBefore,
    /// Another process.
    Another,
}

/// Why an instance does not stand in the registry.
#[derive(Debug)]
pub(super) enum Failure<E> {
    /// It may with the next try.
    Request(E),
    /// Another has its id, and whether that one lives cannot be told from here; it may be later.
    Untold(SocketAddr, io::ErrorKind),
    /// It must not.
    Taken(IdTaken),
}

impl<E> From<E> for Failure<E> {
    fn from(error: E) -> Self {
        Self::Request(error)
    }
}

impl Own {
    /// What `endpoint` says of itself, below `parent`.
    pub(super) fn new(
        endpoint: &Endpoint,
        address: SocketAddr,
        parent: &str,
        started_ms: u64,
        probes: Probes,
    ) -> Self {
        let path = format!("{parent}/{}", node_name(&endpoint.id));
        let data = Instance::ours(endpoint, address, started_ms).encode();
        Self { id: endpoint.id.clone(), address, path, data, probes }
    }

    /// The address of the other instance that an entry names, if it does.
    pub(super) fn another(&self, entry: &[u8]) -> Option<SocketAddr> {
        let address = Instance::decode(entry).ok()?.address();
        (address != self.address).then_some(address)
    }
}

/// The address of an instance, if a registry for many machines can name it; else it is said why it
/// will not be found there.
pub(super) fn nameable(
    registry: &'static str,
    service: &ServiceDescriptor,
    endpoint: &Endpoint,
) -> Option<SocketAddr> {
    let (service, address) = (service.full_name, &endpoint.address);
    match address.tcp() {
        None => {
            tracing::error!(registry, service, %address, "a registry names IP addresses only; not registered");
            None
        }
        Some(nowhere) if nobody_connects(nowhere) => {
            tracing::error!(
                registry, service, %address,
                "nobody can connect to this address; not registered: advertise another"
            );
            None
        }
        named => named,
    }
}

/// Announces an instance until the registration is withdrawn or dropped. `registry` is kept until
/// the entry was taken out, or could not be within a bound; `gone` tells when all others have
/// dropped it, too.
pub(super) fn announce(
    place: impl Place,
    registry: impl Send + 'static,
    gone: CancellationToken,
) -> Registration {
    let leave = CancellationToken::new();
    let (refuse, refused) = watch::channel(None);
    let (tell, left) = oneshot::channel();
    let leaving = leave.clone();
    tokio::spawn(async move {
        tokio::select! {
            taken = stand_for_ever(&place) => {
                let (path, address) = (&place.own().path, place.own().address);
                tracing::error!(path, %address, error = %taken, "two instances with one id");
                refuse.send_replace(Some(taken));
                leaving.cancelled().await;
            }
            () = leaving.cancelled() => {}
        }
        // Without the registry nothing could be taken out: it is kept, but not for ever.
        let withdrawn = timeout(WITHDRAW_MAX, withdraw(&place)).await;
        // Whether or not anybody waits.
        let _ = tell.send(());
        drop(registry);
        if withdrawn.is_err() {
            // The tenure may go on, for others of this process, and the entry with it.
            tokio::select! {
                () = withdraw(&place) => {}
                () = gone.cancelled() => {}
            }
        }
    });
    let withdraw = move || -> futures_util::future::BoxFuture<'static, ()> {
        leave.cancel();
        Box::pin(async move {
            // It ends within the bound.
            let _ = left.await;
        })
    };
    Registration::slow(withdraw).with_refusal(refused)
}

async fn stand_for_ever(place: &impl Place) -> IdTaken {
    let path = &place.own().path;
    let mut failing = false;
    loop {
        match stand(place, &mut failing).await {
            // The next tenure is waited for.
            Ok(()) => continue,
            Err(Failure::Taken(taken)) => return taken,
            Err(_) if std::mem::replace(&mut failing, true) => {}
            Err(Failure::Request(error)) => {
                tracing::warn!(path, %error, "registering failed; trying again");
            }
            Err(Failure::Untold(other, error)) => tracing::warn!(
                path, %other, %error,
                "registering failed: another instance has this id, and it cannot be told whether \
                 it lives; trying again"
            ),
        }
        sleep(jittered(PAUSE)).await;
    }
}

/// Makes the entry and holds it, under one tenure.
async fn stand<P: Place>(place: &P, failing: &mut bool) -> Result<(), Failure<P::Error>> {
    let tenure = place.tenure().await?;
    take_place(place, &tenure).await?;
    if std::mem::replace(failing, false) {
        tracing::info!(path = place.own().path, "registered after all");
    }
    place.hold(&tenure).await
}

/// Makes our entry, where need be in the place of our former self or of one that is dead.
pub(super) async fn take_place<P: Place>(
    place: &P,
    tenure: &P::Tenure,
) -> Result<(), Failure<P::Error>> {
    let own = place.own();
    loop {
        let entry = place.read(tenure).await?;
        if let Some(entry) = &entry {
            // Also where it was made under this tenure: that of another server of this process.
            if let Some(address) = own.another(entry.as_ref()) {
                match own.probes.follow(address).first().await {
                    Answer::Accepts => {
                        let (id, path) = (own.id.clone(), own.path.clone());
                        return Err(Failure::Taken(IdTaken { id, path, address }));
                    }
                    Answer::Untold(error) => return Err(Failure::Untold(address, error)),
                    Answer::Refuses | Answer::Unknown => {}
                }
            } else if place.maker(tenure, entry) == Maker::Us {
                return Ok(());
            }
        }
        if place.put(tenure, entry.as_ref()).await? {
            return Ok(());
        }
        sleep(AGAIN).await;
    }
}

/// Tries until all is taken out.
async fn withdraw(place: &impl Place) {
    let mut pause = AGAIN;
    while let Err(error) = place.withdraw().await {
        tracing::debug!(path = place.own().path, %error, "taking out the own entry failed");
        sleep(jittered(pause)).await;
        pause = (pause * 2).min(PAUSE);
    }
}

/// Deletes our entry, if there is one: not what another process has made in its place, nor that of
/// another server of this one.
pub(super) async fn take_out<P: Place>(place: &P, tenure: &P::Tenure) -> Result<(), P::Error> {
    while let Some(entry) = place.read(tenure).await? {
        let ours = place.maker(tenure, &entry) != Maker::Another
            && place.own().another(entry.as_ref()).is_none();
        if !ours || place.delete(tenure, &entry).await? {
            break;
        }
    }
    Ok(())
}

/// Between three quarters of it and all, so that many processes do not ask at once.
pub(super) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.75 + fastrand::f64() / 4.0)
}

#[cfg(test)]
#[path = "announce_tests.rs"]
mod tests;
