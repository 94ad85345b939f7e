//! What operators see of im-user.
//!
//! | metric | what |
//! |---|---|
//! | `mpim_log_ins_total{outcome}` | `ok`, `refused` (name or password), `limited` (too many guesses), `failed` |
//! | `mpim_registrations_total{outcome}` | `ok`, `refused`, `limited` (too many of an address), `failed` |
//! | `mpim_password_changes_total{outcome}` | as of log-ins |
//! | `mpim_password_hashes{state}` | `computing` and `waiting`, of which the configuration bounds either |
//! | `mpim_friend_changes_total{change}` | `added`, `removed` |
//! | `mpim_devices_begun_total`, `mpim_devices_revoked_total` | devices that logged in first, and that were put out |
//! | `mpim_log_in_refreshes_total{outcome}` | `ok`, `refused`, `failed` |
//! | `mpim_log_ins_ended_total{reason}` | `logged_out`, `everywhere`, `password_changed` and `disabled` (all of a user count once), `replaced` by another one of the device or as one too many, `reused`: a refresh token that had been used, `key_revoked` and `key_expired`: an API key, with all that was open |
//! | `mpim_api_keys_made_total` | API keys that were made |
//! | `mpim_revocations_untold` | devices revoked and log-ins ended of which others have yet to be told |
//! | `mpim_revocations_total{outcome}` | those of which all were `told`, and those that were `postponed` |
//! | `mpim_log_outs_untold_total` | log-outs of which no gateway is told, for so many others were untold |
//! | `mpim_log_in_limits_alone_total` | looks at the limit (two a log-in) that this process took alone: no answer from Redis |

use im_common::InUse;
use metrics::{counter, gauge};

use crate::error::UserError;

/// Counts how a log-in ended.
pub(crate) fn count_log_in<T>(outcome: &Result<T, UserError>) {
    counter!("mpim_log_ins_total", "outcome" => outcome_label(outcome)).increment(1);
}

/// Counts how a registration ended.
pub(crate) fn count_registration<T>(outcome: &Result<T, UserError>) {
    counter!("mpim_registrations_total", "outcome" => outcome_label(outcome)).increment(1);
}

/// Counts how refreshing a log-in ended.
pub(crate) fn count_refresh<T>(outcome: &Result<T, UserError>) {
    counter!("mpim_log_in_refreshes_total", "outcome" => outcome_label(outcome)).increment(1);
}

/// Counts how changing a password ended.
pub(crate) fn count_password_change<T>(outcome: &Result<T, UserError>) {
    counter!("mpim_password_changes_total", "outcome" => outcome_label(outcome)).increment(1);
}

/// Counts log-ins that ended before their time.
pub(crate) fn count_ended(reason: &'static str, count: u32) {
    counter!("mpim_log_ins_ended_total", "reason" => reason).increment(count.into());
}

/// Counts a log-out of which nobody is told.
pub(crate) fn count_untold() {
    counter!("mpim_log_outs_untold_total").increment(1);
}

/// Counts a friendship that began (`added`) or ended (`removed`).
pub(crate) fn count_friend_change(change: &'static str) {
    counter!("mpim_friend_changes_total", "change" => change).increment(1);
}

/// Counts a look at the limit without an answer from Redis.
pub(crate) fn count_limit_alone() {
    counter!("mpim_log_in_limits_alone_total").increment(1);
}

fn outcome_label<T>(outcome: &Result<T, UserError>) -> &'static str {
    match outcome {
        Ok(_) => "ok",
        Err(UserError::TooManyAttempts(_)) => "limited",
        Err(UserError::Hash(_) | UserError::Store(_) | UserError::Token(_)) => "failed",
        Err(_) => "refused",
    }
}

/// One of the password hashes in this state (`computing`, `waiting`), for as long as it lives.
pub(crate) fn one_hash(state: &'static str) -> InUse {
    InUse::of(&gauge!("mpim_password_hashes", "state" => state))
}
