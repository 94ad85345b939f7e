//! Whether anybody answers at an address.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::select_all;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

/// The time between two attempts: an instance that dies is noticed within a second.
const EVERY: Duration = Duration::from_millis(300);

/// The time for an attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How often in a row an attempt may stay without an answer before nobody is taken to be there. A
/// host that is busy may lose one; one that is gone loses all.
const SILENT_MAX: u32 = 3;

/// What is known of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Not tried yet, or not often enough to say.
    Unknown,
    /// Connections are accepted.
    Accepts,
    /// They are refused, or nothing answers at all.
    Refuses,
    /// Something is wrong here rather than there (no way into that network, too many open files),
    /// and has been since the beginning.
    Untold(io::ErrorKind),
}

/// The addresses that are being tried, each once however many want to know.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes(Arc<Mutex<HashMap<SocketAddr, Weak<Probe>>>>);

/// An address that is tried again and again while somebody holds this.
#[derive(Debug)]
pub(super) struct Probe {
    address: SocketAddr,
    answer: watch::Receiver<Answer>,
    _task: AbortOnDropHandle<()>,
}

impl Probes {
    /// Tries `address` again and again, until the last who asked for it has dropped the probe.
    pub(super) fn follow(&self, address: SocketAddr) -> Arc<Probe> {
        let mut probes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(probe) = probes.get(&address).and_then(Weak::upgrade) {
            return probe;
        }
        probes.retain(|_, probe| probe.strong_count() > 0);
        let (sender, answer) = watch::channel(Answer::Unknown);
        let task = AbortOnDropHandle::new(tokio::spawn(try_for_ever(address, sender)));
        let probe = Arc::new(Probe { address, answer, _task: task });
        probes.insert(address, Arc::downgrade(&probe));
        probe
    }
}

impl Probe {
    /// Ready when `wanted` is what is known.
    async fn until(&self, wanted: Answer) {
        let mut answer = self.answer.clone();
        if answer.wait_for(|answer| *answer == wanted).await.is_err() {
            std::future::pending().await
        }
    }

    /// What is found out first: within a few seconds.
    pub(super) async fn first(&self) -> Answer {
        let mut answer = self.answer.clone();
        let known = answer.wait_for(|answer| *answer != Answer::Unknown).await;
        known.map_or(Answer::Unknown, |known| *known)
    }
}

/// The address of the first of them that refuses connections. Pending for ever if none does.
pub(super) async fn refusing(probes: impl Iterator<Item = &Probe>) -> SocketAddr {
    let refusals = probes.map(|probe| {
        Box::pin(async move {
            probe.until(Answer::Refuses).await;
            probe.address
        })
    });
    let refusals: Vec<_> = refusals.collect();
    if refusals.is_empty() {
        return std::future::pending().await;
    }
    select_all(refusals).await.0
}

async fn try_for_ever(address: SocketAddr, answer: watch::Sender<Answer>) {
    let mut silent = 0;
    loop {
        let silence = if silent + 1 < SILENT_MAX { Answer::Unknown } else { Answer::Refuses };
        let (new, counts) = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => (Answer::Accepts, false),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                (Answer::Refuses, true)
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::HostUnreachable => (silence, true),
            Err(_) => (silence, true),
            Ok(Err(error)) => (Answer::Untold(error.kind()), false),
        };
        silent = if counts { silent + 1 } else { 0 };
        answer.send_if_modified(|known| {
            let says_nothing = match new {
                Answer::Unknown => true,
                Answer::Untold(_) => *known != Answer::Unknown,
                Answer::Accepts | Answer::Refuses => false,
            };
            !says_nothing && std::mem::replace(known, new) != new
        });
        // Many may try the same address: not all at once.
        sleep(EVERY.mul_f64(0.8 + fastrand::f64() * 0.4)).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_listener_that_closes_is_noticed_within_a_second_and_so_is_its_return() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let probes = Probes::default();
        let probe = probes.follow(address);
        assert_eq!(probe.first().await, Answer::Accepts);

        let second = Duration::from_secs(1);
        drop(listener);
        timeout(second, probe.until(Answer::Refuses)).await.unwrap();
        assert_eq!(refusing([&*probe].into_iter()).await, address);
        let _listener = TcpListener::bind(address).await.unwrap();
        timeout(second, probe.until(Answer::Accepts)).await.unwrap();
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_tried_from_here_is_no_reason_to_wait_nor_taken_for_dead() {
        let probes = Probes::default();
        // Of which network is not said.
        let probe = probes.follow("[fe80::1]:9".parse().unwrap());
        let first = timeout(Duration::from_secs(20), probe.first()).await.unwrap();
        assert!(matches!(first, Answer::Untold(_)), "{first:?}");
        let mut answer = probe.answer.clone();
        let refuses = answer.wait_for(|answer| *answer == Answer::Refuses);
        assert!(timeout(EVERY * 4, refuses).await.is_err());
    }

    #[tokio::test]
    async fn an_address_is_tried_once_for_all_who_want_to_know_and_no_longer() {
        let probes = Probes::default();
        let address = ([127, 0, 0, 1], 9).into();
        let (first, second) = (probes.follow(address), probes.follow(address));
        assert!(Arc::ptr_eq(&first, &second));
        drop(first);
        let mut answer = second.answer.clone();
        drop(second);
        while answer.changed().await.is_ok() {}
    }
}
