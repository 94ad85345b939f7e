//! What users of each role may do. Whose a thing is decides more, and is for the services to say; what is here
//! holds whatever protocol somebody speaks.

use im_wire::Command;
use mpim_proto::Role;

/// Whether somebody of this role may ask for that.
///
/// | role | may |
/// |---|---|
/// | user | whatever there is |
/// | bot | that, but for making friends: who has friends sees when these are there, so a bot has those that made it theirs |
/// | admin | what a user may. Others' accounts are no client's business: `mpim admin` asks im-user itself |
pub(crate) fn may(role: Role, command: &Command) -> bool {
    match role {
        Role::User | Role::Admin => true,
        Role::Bot => !matches!(command, Command::AddFriend { .. }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_makes_no_friends_and_whatever_else_there_is_all_roles_may() {
        let befriend = Command::AddFriend { friend_id: 9 };
        let others = [Command::RemoveFriend { friend_id: 9 }, Command::GetFriends, Command::Logout];
        for role in [Role::User, Role::Admin, Role::Bot] {
            assert_eq!(may(role, &befriend), role != Role::Bot, "{role:?}");
            assert!(others.iter().all(|command| may(role, command)), "{role:?}");
        }
    }
}
