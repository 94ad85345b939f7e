//! Who sees whether a user is there. Pure.

/// The friends of a user, as im-user knows them.
#[derive(Clone, Debug)]
pub(super) struct Friends {
    pub(super) all: Vec<i64>,
    /// Those among them whom the user shuts out.
    pub(super) blocked: Vec<i64>,
}

impl Friends {
    /// Whether somebody who asks is shown the user; `None`: they are no friend, and refused. Who is shut out
    /// is not told so: for them the user is never there.
    pub(super) fn is_shown_to(&self, asker: i64) -> Option<bool> {
        self.all.contains(&asker).then(|| !self.blocked.contains(&asker))
    }

    /// Those who are told of changes.
    pub(super) fn who_see(mut self) -> Vec<i64> {
        self.all.retain(|friend| !self.blocked.contains(friend));
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::Friends;

    #[test]
    fn a_friend_who_is_shut_out_sees_nobody_there_and_is_told_of_nothing() {
        let friends = Friends { all: vec![2, 3, 4], blocked: vec![3] };
        let shown = [1, 2, 3, 4].map(|asker| friends.is_shown_to(asker));
        assert_eq!(shown, [None, Some(true), Some(false), Some(true)]);
        assert_eq!(friends.who_see(), [2, 4]);
    }
}
