//! The rule: what each may do. All of it is here. A bot and an administrator may do what a stranger may, and
//! nothing else: a role opens nobody's conversations.

use mpim_tests::Way;

use super::operation::{Object, Operation, Row};
use super::world::Actor;

/// Whether `actor` may do that, or the words of the refusal.
pub(super) fn of(actor: Actor, way: Way, row: Row) -> Result<(), &'static str> {
    use Operation as Op;
    let Row { operation, of } = row;
    let refused = actor.refused();
    if actor == Actor::Nobody || refused.is_some() {
        return match (operation, refused) {
            (Op::Ping | Op::Help, _) => Ok(()),
            // Each request shows the token, where elsewhere it was refused before.
            (_, Some(words)) if way == Way::Http => Err(words),
            _ => Err("not login"),
        };
    }
    match operation {
        // What concerns whoever asks alone.
        Op::Pull
        | Op::Conversations
        | Op::Events
        | Op::Receipts
        | Op::Priority
        | Op::Status
        | Op::Friends
        | Op::Blocked
        | Op::CreateGroup
        | Op::Groups
        | Op::Devices
        | Op::WhoAmI
        | Op::Ping
        | Op::Help
        | Op::LogOut
        // To have got a message of others says nothing.
        | Op::Ack
        // What a user and a group are called anybody may know; who does not exist is left out.
        | Op::User => Ok(()),
        Op::Group => exists(of),
        Op::Send | Op::Typing | Op::Whisper => speak(actor, of),
        // Who left sees what was said while they were there; here nothing was.
        Op::History | Op::Recent if left(actor, of) => Ok(()),
        Op::Read if left(actor, of) => Err("already read"),
        Op::History | Op::Recent | Op::Read | Op::ReceiptsOf => read(actor, of),
        Op::Members => exists(of).and(member(actor)),
        Op::JoinGroup => match actor {
            Actor::Member | Actor::Owner if of == Object::Group => Err("already in group"),
            _ => exists(of),
        },
        Op::LeaveGroup => exists(of).and(in_group(actor)),
        Op::Presence => match actor {
            Actor::Friend | Actor::Owner if of == Object::Owner => Ok(()),
            // But for text lines they are offline, as far as strangers are concerned.
            _ if way != Way::Text => Ok(()),
            _ => Err("not a friend"),
        },
        Op::AddFriend => match (actor, of) {
            (Actor::Owner, Object::Owner) => Err("bad friend_id"),
            (Actor::Friend, Object::Owner) => Err("already friends"),
            _ => user(of).map_err(|_| "friend not found"),
        },
        Op::RemoveFriend => match (actor, of) {
            (Actor::Friend, Object::Owner) => Ok(()),
            _ => Err("friend not found"),
        },
        Op::Block | Op::Unblock => match (actor, of) {
            (Actor::Owner, Object::Owner) => Err("bad uid"),
            _ => user(of),
        },
        Op::Revoke if actor == Actor::Owner => Ok(()),
        Op::Revoke => Err("no such device"),
    }
}

/// To say something.
fn speak(actor: Actor, to: Object) -> Result<(), &'static str> {
    match to {
        Object::Owner if actor == Actor::Blocked => Err("blocked"),
        Object::Group => member(actor),
        Object::TheirConversation => theirs(actor),
        _ => user(to).and(exists(to)),
    }
}

/// To see what was said, or to say how far one is.
fn read(actor: Actor, of: Object) -> Result<(), &'static str> {
    match of {
        Object::Group => member(actor),
        Object::TheirConversation => theirs(actor),
        _ => user(of).and(exists(of)),
    }
}

fn left(actor: Actor, of: Object) -> bool {
    actor == Actor::FormerMember && of == Object::Group
}

fn user(of: Object) -> Result<(), &'static str> {
    if of == Object::NoUser { Err("no such user") } else { Ok(()) }
}

fn exists(of: Object) -> Result<(), &'static str> {
    if of == Object::NoGroup { Err("group not found") } else { Ok(()) }
}

fn member(actor: Actor) -> Result<(), &'static str> {
    match actor {
        Actor::Member | Actor::Owner => Ok(()),
        _ => Err("not a member"),
    }
}

fn in_group(actor: Actor) -> Result<(), &'static str> {
    member(actor).map_err(|_| "not in group")
}

/// A conversation of two is theirs.
fn theirs(actor: Actor) -> Result<(), &'static str> {
    match actor {
        Actor::Friend | Actor::Owner => Ok(()),
        _ => Err("not allowed"),
    }
}
