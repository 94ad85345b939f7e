//! Passwords: argon2id (RFC 9106), a bounded number at a time, off the async threads.
//!
//! One hash takes 19 MiB and some 20 ms of a core, which makes hashing the cheapest thing to
//! overload this service with. So a hash needs a [`HashSlot`]: at most `hashes_concurrent_max` of
//! them compute, at most `hashes_waiting_max` more wait in order, and whoever comes beyond that is
//! turned away at once, for the caller to come back later.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use im_common::InUse;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::PasswordConfig;
use crate::metrics::one_hash;

/// A password on its way to be hashed: wiped from memory when dropped, never shown.
#[derive(Debug)]
pub(crate) struct Password(SecretSlice<u8>);

impl Password {
    /// Copies it out of a request.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(SecretSlice::from(bytes.to_vec()))
    }

    /// Whether it may become someone's password: at least `length_min` characters (bytes, if it
    /// is not UTF-8), at most `length_max` bytes. No password is ever cut.
    pub(crate) fn is_acceptable(&self, config: &PasswordConfig) -> bool {
        let bytes = self.0.expose_secret();
        let characters = str::from_utf8(bytes).map_or(bytes.len(), |text| text.chars().count());
        characters >= config.length_min && !self.is_too_long(config)
    }

    /// Whether it cannot be anybody's password because it is over `length_max` bytes.
    pub(crate) fn is_too_long(&self, config: &PasswordConfig) -> bool {
        self.0.expose_secret().len() > config.length_max
    }
}

/// Why a password was neither hashed nor checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    /// `hashes_waiting_max` others wait already. Nothing was done.
    #[error("too many passwords wait to be hashed")]
    Overloaded,
    /// The parameters, a stored hash, or memory.
    #[error("hashing a password: {0}")]
    Failed(String),
}

impl HashError {
    fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Gives out the right to hash.
#[derive(Debug)]
pub(crate) struct PasswordHasher {
    argon2: Argon2<'static>,
    /// A hash of nobody's password with today's parameters, so that checking the password of a
    /// user who does not exist takes as long as any other check.
    decoy: Arc<SecretString>,
    /// Room for those who compute and those who wait.
    admitted: Arc<Semaphore>,
    computing: Arc<Semaphore>,
}

impl PasswordHasher {
    /// Computes one hash (the decoy) to begin with, so it blocks for as long as that takes.
    ///
    /// # Errors
    /// If argon2 does not accept the parameters.
    pub(crate) fn new(config: &PasswordConfig) -> Result<Self, HashError> {
        let params = Params::new(config.memory_kib, config.passes, 1, None);
        let params = params.map_err(HashError::failed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let decoy = argon2.hash_password(b"nobody's password").map_err(HashError::failed)?;
        let concurrent = config.hashes_concurrent();
        Ok(Self {
            argon2,
            decoy: Arc::new(SecretString::from(decoy.to_string())),
            admitted: Arc::new(Semaphore::new(concurrent + config.hashes_waiting_max)),
            computing: Arc::new(Semaphore::new(concurrent)),
        })
    }

    /// Waits for its turn to compute one hash. Cancel safe: a dropped wait leaves the queue.
    ///
    /// # Errors
    /// [`HashError::Overloaded`], at once, if the queue is full.
    pub(crate) async fn slot(&self) -> Result<HashSlot, HashError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let admitted = admitted.map_err(|_| HashError::Overloaded)?;
        let waiting = one_hash("waiting");
        let computing = Arc::clone(&self.computing).acquire_owned().await;
        drop(waiting);
        let place = Place {
            _computing: computing.map_err(HashError::failed)?,
            _admitted: admitted,
            _counted: one_hash("computing"),
        };
        let (argon2, decoy) = (self.argon2.clone(), Arc::clone(&self.decoy));
        Ok(HashSlot { argon2, decoy, _place: Arc::new(place) })
    }
}

/// The right to compute one hash now.
///
/// The blocking thread shares it with the caller. A caller who gives up meanwhile does not free
/// the place of a hash that still computes; one who waits keeps the place until it has drawn its
/// conclusions, before the next in the queue looks at them.
#[derive(Clone, Debug)]
pub(crate) struct HashSlot {
    argon2: Argon2<'static>,
    decoy: Arc<SecretString>,
    _place: Arc<Place>,
}

/// A place among those who compute, which is also one among those who were admitted.
#[derive(Debug)]
struct Place {
    _computing: OwnedSemaphorePermit,
    _admitted: OwnedSemaphorePermit,
    _counted: InUse,
}

impl HashSlot {
    /// Hashes a new password with a salt of its own, into the PHC string format.
    ///
    /// # Errors
    /// [`HashError::Failed`].
    pub(crate) async fn hash(&self, password: Password) -> Result<SecretString, HashError> {
        self.compute(move |slot| {
            let hash = slot.argon2.hash_password(password.0.expose_secret());
            Ok(SecretString::from(hash.map_err(HashError::failed)?.to_string()))
        })
        .await
    }

    /// Whether this is the password behind `hash`. Without a hash (there is no such user) the
    /// answer is no, after the same time.
    ///
    /// # Errors
    /// [`HashError::Failed`], for example if the stored hash is damaged.
    pub(crate) async fn verify(
        &self,
        password: Password,
        hash: Option<SecretString>,
    ) -> Result<bool, HashError> {
        self.compute(move |slot| {
            let expected = hash.as_ref().unwrap_or(&slot.decoy);
            let expected =
                PasswordHash::new(expected.expose_secret()).map_err(HashError::failed)?;
            match slot.argon2.verify_password(password.0.expose_secret(), &expected) {
                Ok(()) => Ok(hash.is_some()),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(HashError::failed(error)),
            }
        })
        .await
    }

    async fn compute<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<R, HashError> + Send + 'static,
    ) -> Result<R, HashError> {
        let slot = self.clone();
        let task = tokio::task::spawn_blocking(move || work(&slot));
        task.await.map_err(HashError::failed)?
    }
}

#[cfg(test)]
mod tests {
    use super::{HashError, Password, PasswordHasher};
    use crate::config::PasswordConfig;
    use secrecy::ExposeSecret;

    fn cheap() -> PasswordConfig {
        PasswordConfig { memory_kib: 8, passes: 1, ..PasswordConfig::default() }
    }

    #[tokio::test]
    async fn the_default_hash_is_argon2id_with_19_mib_two_passes_and_one_lane() {
        let hasher = PasswordHasher::new(&PasswordConfig::default()).unwrap();
        let slot = hasher.slot().await.unwrap();
        let hash = slot.hash(Password::new(b"correct horse")).await.unwrap();
        let hash = hash.expose_secret();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_no_other_password_does() {
        let hasher = PasswordHasher::new(&cheap()).unwrap();
        let long = [b'x'; 1024];
        let hash = hasher.slot().await.unwrap().hash(Password::new(&long)).await.unwrap();
        let verify = async |password: &[u8]| {
            let slot = hasher.slot().await.unwrap();
            slot.verify(Password::new(password), Some(hash.clone())).await.unwrap()
        };
        assert!(verify(&long).await);
        assert!(!verify(&long[..1023]).await, "the last byte of a long password counts");
        assert!(!verify(b"").await);
    }

    #[tokio::test]
    async fn nobody_has_the_password_of_the_decoy() {
        let hasher = PasswordHasher::new(&cheap()).unwrap();
        let slot = hasher.slot().await.unwrap();
        assert!(!slot.verify(Password::new(b"nobody's password"), None).await.unwrap());
    }

    #[tokio::test]
    async fn equal_passwords_have_different_hashes() {
        let hasher = PasswordHasher::new(&cheap()).unwrap();
        let one = hasher.slot().await.unwrap().hash(Password::new(b"the same")).await.unwrap();
        let two = hasher.slot().await.unwrap().hash(Password::new(b"the same")).await.unwrap();
        assert_ne!(one.expose_secret(), two.expose_secret());
    }

    #[tokio::test]
    async fn beyond_the_queue_callers_are_turned_away_at_once() {
        let config = PasswordConfig { hashes_concurrent_max: 1, hashes_waiting_max: 1, ..cheap() };
        let hasher = PasswordHasher::new(&config).unwrap();
        let computing = hasher.slot().await.unwrap();
        let mut waiting = Box::pin(hasher.slot());
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("two hashes at once"),
            () = std::future::ready(()) => {}
        }
        assert!(matches!(hasher.slot().await, Err(HashError::Overloaded)));

        drop(computing);
        waiting.await.unwrap();
    }

    #[test]
    fn length_is_counted_in_characters_and_bounded_in_bytes() {
        let config = PasswordConfig::default();
        let acceptable = |bytes: &[u8]| Password::new(bytes).is_acceptable(&config);
        assert!(acceptable(b"12345678"));
        assert!(!acceptable(b"1234567"));
        assert!(!acceptable("пароль".as_bytes()), "six characters in twelve bytes");
        assert!(acceptable(&[0xff; 8]));
        assert!(acceptable(&[b'x'; 1024]));
        assert!(!acceptable(&[b'x'; 1025]));
    }

    #[test]
    fn a_password_does_not_show_in_debug_output() {
        let shown = format!("{:?}", Password::new(b"hunter2hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
