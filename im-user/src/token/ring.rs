//! The keys that sign tokens: one signs, and several are known.
//!
//! The first is the one of `token.key_file`. Those that came later stand in a directory that all instances
//! read, and that each looks at again every few seconds. A key signs once it is `activate_s` old, so that
//! everybody knows it before anybody shows a token of it; and one that a younger one has replaced for twice
//! as long as a token lives is not known any more. `kid` selects among what is here, and nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use im_common::{Clock, Shutdown, in_one_line};

use super::dated::{self, Dated};
use super::key::{KeyError, TokenKey};
use crate::config::TokenConfig;

/// Between two looks at the directory.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
const DAY_MS: i64 = 24 * 3600 * 1000;

/// When keys begin and end to be used, in ms.
#[derive(Clone, Copy, Debug)]
struct Times {
    activate_ms: i64,
    /// For so long after a younger one began to sign.
    known_ms: i64,
}

/// All keys at one moment: the first, and later ones, the oldest first.
#[derive(Debug)]
pub(super) struct Keys {
    first: Arc<TokenKey>,
    later: Vec<Dated>,
    times: Times,
}

impl Keys {
    /// The one that signs now.
    pub(super) fn signing(&self, now_ms: i64) -> &TokenKey {
        let active = self.later.iter().rev().find(|key| self.signs_from_ms(key) <= now_ms);
        active.map_or(&self.first, |dated| &dated.key)
    }

    /// The one with that id, if its tokens are still good.
    pub(super) fn verifying(&self, id: &str, now_ms: i64) -> Option<&TokenKey> {
        let place = match self.later.iter().position(|dated| dated.key.id() == id) {
            Some(place) => place + 1,
            None if self.first.id() == id => 0,
            None => return None,
        };
        if self.is_retired(place, now_ms) {
            return None;
        }
        Some(if place == 0 { &self.first } else { &self.later[place - 1].key })
    }

    /// Whether the one at this place, counting the first, was replaced long enough ago.
    fn is_retired(&self, place: usize, now_ms: i64) -> bool {
        self.later.get(place).is_some_and(|younger| {
            self.signs_from_ms(younger).saturating_add(self.times.known_ms) <= now_ms
        })
    }

    fn signs_from_ms(&self, dated: &Dated) -> i64 {
        dated.made_ms.saturating_add(self.times.activate_ms)
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.first.id()).chain(self.later.iter().map(|dated| dated.key.id()))
    }
}

/// The keys as they were last read. Cheap to ask.
#[derive(Debug)]
pub(crate) struct KeyRing {
    keys: ArcSwap<Keys>,
    first: Arc<TokenKey>,
    file: PathBuf,
    directory: PathBuf,
    times: Times,
    rotate_ms: Option<i64>,
}

impl KeyRing {
    /// Reads all keys; the first is made if there is none. Blocks.
    ///
    /// # Errors
    /// If a file is not usable, or readable by others.
    pub(crate) fn open(file: PathBuf, config: &TokenConfig) -> Result<Self, KeyError> {
        let directory = match &config.keys_dir {
            unset if unset.as_os_str().is_empty() => file.with_extension("keys"),
            configured => configured.clone(),
        };
        let longest_ms = i64::from(config.ttl_s.max(config.access_ttl_s)) * 1000;
        let times =
            Times { activate_ms: i64::from(config.activate_s) * 1000, known_ms: 2 * longest_ms };
        let rotate_ms = match config.rotate_days {
            0 => None,
            days => Some(i64::from(days) * DAY_MS),
        };
        let first = Arc::new(TokenKey::load_or_make(&file)?);
        let keys = Keys { first: Arc::clone(&first), later: dated::list(&directory)?, times };
        Ok(Self { keys: ArcSwap::from_pointee(keys), first, file, directory, times, rotate_ms })
    }

    pub(super) fn keys(&self) -> arc_swap::Guard<Arc<Keys>> {
        self.keys.load()
    }

    /// The first, which stays when it signs no more: what is derived from it does not change.
    pub(crate) fn first(&self) -> &TokenKey {
        &self.first
    }

    /// The name of the key that signs now.
    pub(crate) fn signing_id(&self, now_ms: i64) -> String {
        self.keys().signing(now_ms).id().to_owned()
    }

    /// Follows the directory until the shutdown, and makes a key when it is time for one. What cannot be
    /// read changes nothing.
    pub(crate) async fn follow(self: Arc<Self>, clock: Clock, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.triggered() => return,
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
            let (ring, now_ms) = (Arc::clone(&self), clock.now_ms());
            let looking = tokio::task::spawn_blocking(move || ring.look(now_ms));
            if let Ok(Err(error)) = looking.await {
                let error = in_one_line(&error);
                tracing::error!(error, "the keys of tokens stay as they were");
            }
        }
    }

    /// Makes the next key if it is time, and reads all of them again. Blocks.
    ///
    /// # Errors
    /// As [`open`](Self::open); then nothing was changed.
    pub(crate) fn look(&self, now_ms: i64) -> Result<(), KeyError> {
        if self.rotate_ms.is_some_and(|after_ms| self.newest_made_ms() + after_ms <= now_ms) {
            let path = dated::make(&self.directory, now_ms)?;
            tracing::info!(key = %path.display(), "a new key of tokens, which signs soon");
            self.remove_retired(now_ms);
        }
        let later = dated::list(&self.directory)?;
        let before = self.keys();
        let keys = Keys { first: Arc::clone(&before.first), later, times: self.times };
        if !keys.ids().eq(before.ids()) {
            let known: Vec<&str> = keys.ids().collect();
            tracing::info!(?known, "the keys of tokens have changed");
            self.keys.store(Arc::new(keys));
        }
        Ok(())
    }

    /// The first has no date but that of its file.
    fn newest_made_ms(&self) -> i64 {
        match self.keys().later.last() {
            Some(dated) => dated.made_ms,
            None => dated::written_ms(&self.file),
        }
    }

    /// Files of keys that nobody knows any more. The first stays: it would be made again.
    fn remove_retired(&self, now_ms: i64) {
        let keys = self.keys();
        for (place, dated) in (1..).zip(&keys.later) {
            if keys.is_retired(place, now_ms) {
                // Another instance may have been first, and nothing depends on it.
                let _ = std::fs::remove_file(&dated.path);
            }
        }
    }
}

/// Makes a key in the directory of `token.keys_dir` by hand, and says where it is.
///
/// # Errors
/// If it cannot be written, or others could write there, too.
pub fn make_token_key(
    directory: &Path,
    clock: &Clock,
) -> Result<PathBuf, impl std::error::Error + use<>> {
    dated::make(directory, clock.now_ms())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    struct Fixture {
        directory: tempfile::TempDir,
        config: TokenConfig,
    }

    impl Fixture {
        fn new() -> Self {
            let config = TokenConfig { activate_s: 60, ttl_s: 3600, ..TokenConfig::default() };
            Self { directory: tempfile::tempdir().unwrap(), config }
        }

        fn open(&self) -> KeyRing {
            KeyRing::open(self.directory.path().join("token.key"), &self.config).unwrap()
        }

        fn make(&self, made_ms: i64) -> PathBuf {
            dated::make(&self.directory.path().join("token.keys"), made_ms).unwrap()
        }
    }

    /// Which of them are known at that time.
    fn known<'a>(ring: &KeyRing, ids: &[&'a str], now_ms: i64) -> Vec<&'a str> {
        let keys = ring.keys();
        ids.iter().copied().filter(|id| keys.verifying(id, now_ms).is_some()).collect()
    }

    #[test]
    fn a_new_key_is_known_at_once_signs_after_a_while_and_the_former_is_known_for_two_lives_more() {
        let fixture = Fixture::new();
        let ring = fixture.open();
        let first = ring.signing_id(NOW_MS);
        assert_eq!(first, fixture.open().signing_id(NOW_MS), "it is kept");
        fixture.make(NOW_MS);
        ring.look(NOW_MS).unwrap();
        let active_ms = NOW_MS + 60_000;
        assert_eq!(ring.signing_id(active_ms - 1), first);
        let second = ring.signing_id(active_ms);
        assert_ne!(first, second);
        let both = [first.as_str(), second.as_str()];
        // Another instance's clock may be ahead.
        assert_eq!(known(&ring, &both, NOW_MS - 60_000), both);
        let over_ms = active_ms + 2 * 3_600_000;
        assert_eq!(known(&ring, &both, over_ms - 1), both);
        assert_eq!(known(&ring, &both, over_ms), [second.as_str()]);
        assert_eq!(known(&ring, &["", "../token", &first.to_uppercase()], NOW_MS), [""; 0]);
        // A start finds the same.
        assert_eq!(fixture.open().signing_id(active_ms), second);
    }

    #[test]
    fn keys_are_made_by_time_if_that_is_wanted_and_what_nobody_knows_is_removed() {
        let mut fixture = Fixture::new();
        let ring = fixture.open();
        let now_ms = Clock::system().now_ms();
        ring.look(now_ms + 1000 * DAY_MS).unwrap();
        assert_eq!(ring.keys().later.len(), 0, "by hand");
        fixture.config.rotate_days = 30;
        let ring = fixture.open();
        let first = ring.signing_id(now_ms);
        ring.look(now_ms + 29 * DAY_MS).unwrap();
        assert_eq!(ring.keys().later.len(), 0);
        for month in 1..5 {
            let then_ms = now_ms + month * 31 * DAY_MS;
            ring.look(then_ms).unwrap();
            ring.look(then_ms).unwrap();
            assert_eq!(ring.keys().later.last().unwrap().made_ms, then_ms);
            assert!(ring.keys().later.len() <= 2, "{:?}", ring.keys());
            assert_ne!(ring.signing_id(then_ms + 60_000), first);
        }
    }

    #[test]
    fn a_directory_that_cannot_be_read_leaves_the_keys_that_there_were() {
        use std::os::unix::fs::PermissionsExt as _;
        let fixture = Fixture::new();
        let path = fixture.make(NOW_MS);
        let ring = fixture.open();
        let id = ring.signing_id(NOW_MS + 60_000);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = ring.look(NOW_MS).unwrap_err();
        assert!(matches!(error, KeyError::Exposed { mode: 0o644, .. }), "{error}");
        assert_eq!(ring.signing_id(NOW_MS + 60_000), id);
        let open = KeyRing::open(fixture.directory.path().join("token.key"), &fixture.config);
        assert!(matches!(open.unwrap_err(), KeyError::Exposed { .. }), "a start is refused");
    }
}
