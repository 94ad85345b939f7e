//! The part of the port that is about log-ins: what a password that was checked has begun, and whatever
//! proves it since.

use im_common::StoreError;
use mpim_proto::Role;
use secrecy::SecretString;

/// Of what expired, forgotten by each that ends or begins.
pub(super) const FORGOTTEN_AT_ONCE: u32 = 16;

/// The epoch of an account until all its log-ins end for the first time.
pub(crate) const FIRST_EPOCH: i64 = 1;

/// What the user of an open session is told whose log-in has ended: by a log-out of it.
pub(super) const LOGGED_OUT: &str = "logged out";
/// By another one of the device, or as one too many.
pub(super) const REPLACED: &str = "logged in elsewhere";
/// With all log-ins of the user.
pub(super) const EVERYWHERE: &str = "logged out everywhere";
/// By a secret that was used twice.
pub(super) const REUSED: &str = "refresh token reused";
/// The same where somebody changed their password, in another session.
pub(super) const PASSWORD_CHANGED: &str = "password changed";
/// The same of an account that was disabled.
pub(super) const DISABLED: &str = "account disabled";

/// Which log-in a token or a session is of; by default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) user_id: i64,
    /// The name of the user's device, and which of its name.
    pub(crate) device: String,
    pub(crate) generation: i64,
    /// As [`crate::log_in_id`] makes them.
    pub(crate) log_in_id: String,
    /// The account's when this was given out.
    pub(crate) epoch: i64,
}

impl From<mpim_proto::Held> for Held {
    fn from(said: mpim_proto::Held) -> Self {
        let mpim_proto::Held { user_id, device, generation, login_id, epoch, .. } = said;
        Self { user_id, device, generation, log_in_id: login_id, epoch }
    }
}

/// How a log-in is shown to be still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// By something that was given out, and may be in other hands since.
    Token,
    /// By its gateway, which has had it open since it began.
    Session,
}

/// What is known of somebody who has proved who they are; by default of nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user_id: i64,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// One more than before each time that all log-ins of the user ended.
    pub(crate) epoch: i64,
}

/// The first log-in of an account that is being made.
#[derive(Clone, Debug)]
pub(crate) struct FirstLogIn {
    pub(crate) log_in_id: String,
    /// Of the secret that refreshes it.
    pub(crate) refresh_hash: [u8; 32],
    pub(crate) expires_at_ms: i64,
}

/// A log-in that begins and is to refresh.
#[derive(Clone, Debug)]
pub(crate) struct NewLogIn {
    pub(crate) held: Held,
    /// Of the secret that refreshes it.
    pub(crate) refresh_hash: [u8; 32],
    pub(crate) now_ms: i64,
    pub(crate) expires_at_ms: i64,
    /// Former log-ins of the same device end.
    pub(crate) replaces: bool,
    /// The most log-ins of one user that refresh.
    pub(crate) per_user_max: u32,
    /// What expired before is forgotten.
    pub(crate) forget_before_ms: i64,
}

/// A log-in goes on with another secret.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    pub(crate) log_in_id: String,
    /// Of the secret that was shown, and of the next one.
    pub(crate) shown_hash: [u8; 32],
    pub(crate) next_hash: [u8; 32],
    pub(crate) now_ms: i64,
    pub(crate) expires_at_ms: i64,
    /// For how long, by whatever clock, the same rotation may be asked for again.
    pub(crate) again_ms: i64,
    /// A device that has logged in last before this has logged in now.
    pub(crate) noted_before_ms: i64,
}

impl Rotation {
    /// Whether it has happened, at that moment, if the present secret has this hash.
    pub(super) fn is_repeated(&self, hash: &[u8], at_ms: i64) -> bool {
        *hash == self.next_hash && self.now_ms.abs_diff(at_ms) <= self.again_ms.unsigned_abs()
    }
}

/// How [`LogInStore::rotate`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rotated {
    /// It goes on until that moment, unless it is rotated again.
    Done(Held, Account, i64),
    /// The secret was one of before: the log-in has ended.
    Reused(i64),
    /// There is no such log-in, or it may not go on.
    Unknown,
}

/// A log-in that ends.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) user_id: i64,
    pub(crate) log_in_id: String,
    /// When the last of its tokens expires.
    pub(crate) expires_at_ms: i64,
    /// What expired before is forgotten.
    pub(crate) forget_before_ms: i64,
    /// Since when others have to be told; `None`: they are not, and find out when they ask.
    pub(crate) due_at_ms: Option<i64>,
}

/// A password takes the place of another one.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) user_id: i64,
    /// What was checked.
    pub(crate) old_hash: SecretString,
    pub(crate) new_hash: SecretString,
    /// The log-in that does not end. If it refreshes, it goes on with this secret, until then.
    pub(crate) log_in_id: String,
    pub(crate) refresh_hash: [u8; 32],
    pub(crate) expires_at_ms: i64,
    pub(crate) now_ms: i64,
}

/// The log-ins of users. Whatever ends here is noted for others to be told
/// ([`RevocationStore`](super::RevocationStore)) in the same step.
pub(crate) trait LogInStore {
    /// A log-in of a user that exists begins, and can be rotated. Others end: all of its device, if it
    /// `replaces` them; and of what would be too many those that were refreshed longest ago. Answers how
    /// many did. The same again changes nothing, and so does one of which a token would not be good any
    /// more: `None`.
    fn begin_log_in(
        &self,
        begun: NewLogIn,
    ) -> impl Future<Output = Result<Option<u32>, StoreError>> + Send;

    /// Puts another secret in place of the one that is shown, if that is the last one; if it is not, ends
    /// the log-in. Of any number of callers with one secret and different next ones at most one is `Done`.
    /// A log-in may go on as long as it has not expired, and a token of it would be good; then its device
    /// has logged in. The same rotation again, within its time and unless another one followed, gives the
    /// same answer and changes nothing.
    fn rotate(
        &self,
        rotation: Rotation,
    ) -> impl Future<Output = Result<Rotated, StoreError>> + Send;

    /// Ends a log-in of the user; whether this ended it: one by API key goes on for as long as that is there.
    /// Of one that does not refresh, some of what
    /// expired is forgotten: more than one a call, so that it does not pile up.
    fn end_log_in(&self, ending: Ending) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// All log-ins of a user end that are of this epoch, unless they have; whether this ended them. Those
    /// that begin later have the next epoch.
    fn end_all_log_ins(
        &self,
        user_id: i64,
        epoch: i64,
        due_at_ms: i64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Changes the password of a user, and ends all their log-ins but one. Answers the new epoch; `None`
    /// if another change came first.
    fn change_password(
        &self,
        change: Change,
    ) -> impl Future<Output = Result<Option<i64>, StoreError>> + Send;

    /// Whether a user may log in. All log-ins of one who is disabled end, each time. Whether there is such
    /// a user.
    fn set_disabled(
        &self,
        user_id: i64,
        disabled: bool,
        due_at_ms: i64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What a user may do, from the next look at any of their log-ins on. Whether there is such a user.
    fn set_role(
        &self,
        user_id: i64,
        role: Role,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Whose log-in it is, if it is good but for the time: neither it nor its device nor all the user's
    /// log-ins have ended since, and the account is not disabled. What was [given out](Shown::Token) is
    /// of the present epoch; a [session](Shown::Session) may be of the log-in that was kept when the
    /// epoch began.
    fn account_of(
        &self,
        held: Held,
        shown: Shown,
    ) -> impl Future<Output = Result<Option<Account>, StoreError>> + Send;
}
