//! Creating a group: its name, its creator, its creator's membership.

use mprpc::Context;

use crate::error::GroupError;
use crate::groups::Groups;
use crate::hand_over::Spans;
use crate::store::{Created, GroupStore, NewGroup};

impl<S: GroupStore, M: Spans> Groups<S, M> {
    /// Creates a group with its creator as the first member, and answers once im-message knows.
    ///
    /// Creating it again while im-message does not know yet is the same creation, and gives the
    /// same id.
    pub(crate) async fn create(
        &self,
        cx: &Context,
        creator_id: i64,
        name: String,
        description: String,
    ) -> Result<i64, GroupError> {
        if creator_id <= 0 {
            return Err(GroupError::BadUserId);
        }
        if !is_acceptable_name(&name, self.config.limits.name_length_max) {
            return Err(GroupError::BadGroupName);
        }
        if description.chars().count() > self.config.limits.description_length_max {
            return Err(GroupError::DescriptionTooLong);
        }
        // So that of several callers at once the second finds the first one's group finished.
        let _turn = self.creating.wait(name.as_str()).await;
        let group = NewGroup { creator_id, name, description, now_ms: self.clock.now_ms() };
        let due_at_ms = self.hand_over.due_at_ms();
        let (change, unfinished) = match self.store.create(group, self.limits(), due_at_ms).await? {
            Created::Done(change) => (change, false),
            Created::Unfinished(change) => (change, true),
            Created::NameTaken => return Err(GroupError::NameTaken),
            Created::TooManyGroups => return Err(GroupError::TooManyGroups),
        };
        let _turn = self.changing.wait(&change.member).await;
        match self.hand_over.finish_if_kept(cx, &change, unfinished).await? {
            true => Err(GroupError::NameTaken),
            false => Ok(change.member.group_id),
        }
    }
}

/// 1 to `length_max` characters of any script, without control characters and line or paragraph
/// separators (a name must not be able to forge a line), and without white space at its ends.
fn is_acceptable_name(name: &str, length_max: usize) -> bool {
    let forges = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    !name.is_empty()
        && name.trim() == name
        && name.chars().count() <= length_max
        && !name.chars().any(forges)
}

#[cfg(test)]
mod tests {
    use super::is_acceptable_name;

    #[test]
    fn names_of_any_script_are_accepted() {
        for name in ["a", "rust", "Rust 2024", "ржавчина", "锈", "🦀"] {
            assert!(is_acceptable_name(name, 9), "{name}");
        }
    }

    #[test]
    fn names_that_could_forge_a_line_are_refused() {
        for name in
            ["", " ", " a", "a ", "a\nb", "a\rb", "a\0", "\x1b[1m", "a\u{2028}b", "1234567890"]
        {
            assert!(!is_acceptable_name(name, 9), "{name:?}");
        }
    }
}
