//! The port: what im-group needs of a database.
//!
//! Each method is one fact, true or not at all. What is said here holds for any number of callers
//! at once, on any number of instances; `conformance` holds every adapter to it. A write that has
//! answered is durable. A write that failed with [`StoreError`] may or may not have happened, and
//! may be repeated.
//!
//! A change of membership is written together with a [`PendingChange`], the note that im-message
//! still has to be told. The note goes when im-message has confirmed it; until then it is the only
//! thing that a crash leaves behind.

#[cfg(test)]
mod conformance;
mod mysql;
mod sqlite;

use im_common::StoreError;

pub(crate) use mysql::{MIGRATIONS as MYSQL_MIGRATIONS, MysqlStore};
pub(crate) use sqlite::SqliteStore;

/// How large things may get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Members of one group.
    pub(crate) members_max: u32,
    /// Groups of one user.
    pub(crate) groups_per_user_max: u32,
}

/// A group to be created.
#[derive(Clone, Debug)]
pub(crate) struct NewGroup {
    pub(crate) creator_id: i64,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) now_ms: i64,
}

/// A group as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) group_id: i64,
    pub(crate) name: String,
    pub(crate) description: String,
    /// Who made it; a fact, also after that user has left.
    pub(crate) creator_id: i64,
    pub(crate) created_at_ms: i64,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// One in each group that has members.
    Creator,
    Member,
}

/// One membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) user_id: i64,
    pub(crate) role: Role,
}

/// Whose changes must be told to im-message in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MemberKey {
    pub(crate) group_id: i64,
    pub(crate) user_id: i64,
}

/// A join or a leave that im-message has not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingChange {
    /// Larger than those of all earlier changes in the same group.
    pub(crate) number: i64,
    /// Never used for another change.
    pub(crate) change_id: String,
    pub(crate) member: MemberKey,
    pub(crate) joins: bool,
    /// How often telling im-message has failed.
    pub(crate) attempts: u32,
}

/// What the time says about when changes are due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DueTime {
    pub(crate) now_ms: i64,
    /// No change is put off for longer. One that is due later than this was put off before a clock
    /// went back: it is due, too.
    pub(crate) latest_ms: i64,
}

/// How creating a group ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// It exists, and its creator's join is pending.
    Done(PendingChange),
    /// The same creator made it before, and that join is *still* pending: the attempt that this
    /// one repeats.
    Unfinished(PendingChange),
    /// Another group has the name.
    NameTaken,
    /// The creator is in as many groups as allowed.
    TooManyGroups,
}

/// How joining a group ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// The user is a member, and the join is pending.
    Done(PendingChange),
    /// The user was a member, by a join that is *still* pending.
    Unfinished(PendingChange),
    NoSuchGroup,
    /// The user was a member.
    Already,
    /// The group has as many members as allowed.
    Full,
    /// The user is in as many groups as allowed.
    TooManyGroups,
}

/// How leaving a group ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The user is no member any more, and the leave is pending.
    Done(PendingChange),
    /// The user was no member, by a leave that is *still* pending.
    Unfinished(PendingChange),
    NoSuchGroup,
    NotMember,
}

/// Groups, their members, and what im-message has yet to be told.
///
/// `due_at_ms` is when the sweep may take a new change up: late enough that the caller, who tells
/// im-message at once, has had its time.
pub(crate) trait GroupStore: Send + Sync + 'static {
    /// Creates a group with its creator as the only member.
    ///
    /// Of any number of callers with one name exactly one gets [`Created::Done`]. Ids are 1, 2, 3 …
    /// in the order of creation, and a refusal uses none up.
    fn create(
        &self,
        group: NewGroup,
        limits: Limits,
        due_at_ms: i64,
    ) -> impl Future<Output = Result<Created, StoreError>> + Send;

    /// Makes the user a member; the creator, if the group has no members.
    ///
    /// Of any number of callers for one user exactly one gets [`Joined::Done`]. No group ever has
    /// more than `members_max` members, no user more than `groups_per_user_max` groups.
    fn join(
        &self,
        member: MemberKey,
        limits: Limits,
        due_at_ms: i64,
    ) -> impl Future<Output = Result<Joined, StoreError>> + Send;

    /// Ends a membership. If it was the creator's, the member who joined longest ago becomes the
    /// creator. A group without members stays.
    fn leave(
        &self,
        member: MemberKey,
        due_at_ms: i64,
    ) -> impl Future<Output = Result<Left, StoreError>> + Send;

    /// The members in the order of joining; `None` if there is no such group.
    fn members(
        &self,
        group_id: i64,
    ) -> impl Future<Output = Result<Option<Vec<Member>>, StoreError>> + Send;

    /// The user's groups, by id.
    fn groups_of(&self, user_id: i64) -> impl Future<Output = Result<Vec<i64>, StoreError>> + Send;

    /// One group.
    fn group(
        &self,
        group_id: i64,
    ) -> impl Future<Output = Result<Option<Group>, StoreError>> + Send;

    /// The member's earliest pending change.
    fn earliest_pending(
        &self,
        member: MemberKey,
    ) -> impl Future<Output = Result<Option<PendingChange>, StoreError>> + Send;

    /// The earliest pending changes of members, of those that are due, the ones due longest first,
    /// at most `limit`.
    fn due(
        &self,
        time: DueTime,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<PendingChange>, StoreError>> + Send;

    /// Puts off a change that is due until `until_ms`; whether it still was. Of any number of callers
    /// at once exactly one is told so: the change is for them to tell.
    fn claim(
        &self,
        change: &PendingChange,
        time: DueTime,
        until_ms: i64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Forgets a change that im-message has confirmed. Once more changes nothing.
    fn confirm(
        &self,
        change: &PendingChange,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes that telling im-message failed once more, and when it is due again.
    fn postpone(
        &self,
        change: &PendingChange,
        due_at_ms: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
