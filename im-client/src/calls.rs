//! What a user may do, one call each.

use crate::{client::Client, error::RequestError};
use bytes::Bytes;
use im_wire::{
    Command, Conv, Credential, Group, Hist, LogIn, Peer, Receipt, Reply, Secret, Status, User,
};

/// Makes the calls whose answer says no more than that it was done.
macro_rules! done {
    ($($(#[$about:meta])* $name:ident($($argument:ident: $type:ty),*) -> $command:expr;)*) => {
        impl Client {
            $($(#[$about])*
            ///
            /// # Errors
            ///
            /// [`RequestError`].
            pub async fn $name(&self $(, $argument: $type)*) -> Result<(), RequestError> {
                self.request($command).await.map(drop)
            })*
        }
    };
}

/// Makes the calls whose answer has something to tell.
macro_rules! told {
    ($($(#[$about:meta])* $name:ident($($argument:ident: $type:ty),*) -> $told:ty:
        $command:expr, $reply:pat => $value:expr;)*) => {
        impl Client {
            $($(#[$about])*
            ///
            /// # Errors
            ///
            /// [`RequestError`].
            pub async fn $name(&self $(, $argument: $type)*) -> Result<$told, RequestError> {
                match self.request($command).await? {
                    $reply => Ok($value),
                    other => Err(RequestError::Unexpected(format!("{other:?}"))),
                }
            })*
        }
    };
}

impl Client {
    /// Makes an account and logs in to it. Answers the uid. From here on the client logs in again
    /// whenever it connects again.
    ///
    /// # Errors
    ///
    /// [`RequestError`], `Refused` with `exists`, `bad username` or `weak password` among them.
    pub async fn register(
        &self,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Result<i64, RequestError> {
        let (username, password) = credentials(username, password);
        self.begin(Credential::New { username, password }).await
    }

    /// Logs in. Answers the uid. From here on the client logs in again whenever it connects again:
    /// by the tokens that the server gave, which it refreshes before they end; the password is not kept
    /// then. Where the protocol has none, or [`Wants::refresh`](crate::Wants) is off, as here.
    ///
    /// # Errors
    ///
    /// [`RequestError`], `Refused` with `auth bad cred` among them.
    pub async fn login(
        &self,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Result<i64, RequestError> {
        let (username, password) = credentials(username, password);
        self.begin(Credential::Password { username, password }).await
    }

    /// Logs in with an access token or an API key. Answers the uid. The session is the token's device.
    ///
    /// # Errors
    ///
    /// [`RequestError`], `Refused` with `invalid token` or `token expired` among them.
    pub async fn login_with_token(&self, token: impl Into<Bytes>) -> Result<i64, RequestError> {
        self.begin(Credential::Token(Secret::new(token))).await
    }

    async fn begin(&self, credential: Credential) -> Result<i64, RequestError> {
        let options = self.options();
        let device = options.device.clone();
        let log_in = LogIn { credential, device, wants: options.wants };
        match self.request(Command::LogIn(Box::new(log_in))).await? {
            Reply::Uid(uid) => Ok(uid),
            Reply::LoggedIn(logged_in) => Ok(logged_in.user_id),
            other => Err(RequestError::Unexpected(format!("{other:?}"))),
        }
    }

    /// Sends a message to a user. Answers its id: it is stored, and will arrive.
    ///
    /// # Errors
    ///
    /// [`RequestError`]; whether the message may be stored all the same, it says.
    pub async fn send(&self, to: i64, text: impl Into<String>) -> Result<i64, RequestError> {
        self.send_to(Peer::User(to), text).await
    }

    /// Sends a message to a group. Answers its id.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_group(
        &self,
        group_id: i64,
        text: impl Into<String>,
    ) -> Result<i64, RequestError> {
        self.send_to(Peer::Group(group_id), text).await
    }

    /// Sends a message to a user or to a group. Answers its id.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_to(&self, to: Peer, text: impl Into<String>) -> Result<i64, RequestError> {
        let reply = self.request(send_command(to, None, text.into())).await?;
        stored(reply).map(|(msg_id, _)| msg_id)
    }
}

done! {
    /// Logs out. The client does not log in again by itself.
    log_out() -> Command::Logout;
    /// The same of all log-ins of the user. Text lines have no word for it.
    log_out_everywhere() -> Command::LogoutEverywhere;
    /// Has another password from now on; all other log-ins of the user end. Text lines have no word for it.
    change_password(old: String, new: String) ->
        Command::ChangePassword { old: Secret::new(old), new: Secret::new(new) };
    /// Waits until everything that waited for the user was pushed, and so is among the
    /// [`Events`](crate::Events).
    pull() -> Command::Pull;
    /// Says that a message, and those before it in its conversation, have arrived.
    ack(msg_id: i64) -> Command::Ack { msg_id };
    /// Says that everything up to this number was read.
    read(peer: Peer, seq: i64) -> Command::Read { peer, seq };
    /// Says that the user is writing.
    typing(peer: Peer) -> Command::Typing { peer };
    /// Says something to those who are there. It is not stored.
    whisper(peer: Peer, text: String) -> Command::Whisper { peer, text };
    /// Says what the user is to their friends. Not offline.
    set_status(status: Status) -> Command::Status { status };
    /// Makes a friend.
    add_friend(friend_id: i64) -> Command::AddFriend { friend_id };
    /// Ends a friendship.
    remove_friend(friend_id: i64) -> Command::RemoveFriend { friend_id };
    /// Shuts a user out.
    block(uid: i64) -> Command::Block { uid };
    /// Shuts a user out no more.
    unblock(uid: i64) -> Command::Unblock { uid };
    /// Joins a group.
    join_group(group_id: i64) -> Command::JoinGroup { group_id };
    /// Leaves a group.
    leave_group(group_id: i64) -> Command::LeaveGroup { group_id };
    /// Puts one of the user's devices out.
    revoke_device(device: String) -> Command::Revoke { device };
    /// Asks whether the server is there.
    ping() -> Command::Ping;
}

told! {
    /// Who is logged in.
    who_am_i() -> i64: Command::WhoAmI, Reply::Uid(uid) => uid;
    /// The first messages of a conversation above a number, 0 for the beginning.
    history(peer: Peer, after_seq: i64, limit: u32) -> Vec<Hist<'static>>:
        Command::History { peer, after_seq, limit }, Reply::History(messages) => messages;
    /// The last messages of a conversation, or the last below a number; the oldest first.
    recent(peer: Peer, limit: u32, before_seq: Option<i64>) -> Vec<Hist<'static>>:
        Command::Recent { peer, limit, before_seq }, Reply::History(messages) => messages;
    /// The conversations, the one in which something happened last first.
    conversations(limit: Option<u32>) -> Vec<Conv<'static>>:
        Command::Conversations { limit, page: None },
        Reply::Conversations { listed, .. } => listed;
    /// The same from where an earlier answer left off, if not from the start; and where this one does, if
    /// there are more. Text lines have no word for it.
    conversations_from(limit: Option<u32>, page: Option<String>)
        -> (Vec<Conv<'static>>, Option<String>):
        Command::Conversations { limit, page },
        Reply::Conversations { listed, next_page } => (listed, next_page);
    /// How far the others in a conversation are.
    receipts(peer: Peer) -> Vec<Receipt>:
        Command::ReceiptsOf { peer }, Reply::ReceiptsOf(receipts) => receipts;
    /// What a friend is; others are offline.
    presence(uid: i64) -> Status: Command::Presence { uid }, Reply::Presence(_, status) => status;
    /// Who some users are; those who do not exist are left out. Text lines have no word for it.
    users(user_ids: Vec<i64>) -> Vec<User>: Command::Users { user_ids }, Reply::Users(users) => users;
    /// What several users are; who is no friend is offline. Text lines have no word for it.
    presence_of(user_ids: Vec<i64>) -> Vec<(i64, Status)>:
        Command::PresenceOf { user_ids }, Reply::PresenceOf(statuses) => statuses;
    /// What a group is. Text lines have no word for it.
    group(group_id: i64) -> Group: Command::Group { group_id }, Reply::Group(group) => *group;
    /// The friends.
    friends() -> Vec<i64>: Command::GetFriends, Reply::Friends(uids) => uids;
    /// Those who are shut out.
    blocked() -> Vec<i64>: Command::Blocked, Reply::Blocked(uids) => uids;
    /// The user's groups.
    groups() -> Vec<i64>: Command::Groups, Reply::Groups(group_ids) => group_ids;
    /// Makes a group. Answers its id.
    create_group(name: String, description: String) -> i64:
        Command::CreateGroup { name, description }, Reply::GroupId(group_id) => group_id;
    /// Who is in a group.
    members(group_id: i64) -> Vec<i64>: Command::Members { group_id }, Reply::Members(uids) => uids;
    /// The user's devices, each with whether it is connected.
    devices() -> Vec<(String, bool)>: Command::Devices, Reply::Devices(devices) => devices;
}

/// A send to whoever it is.
pub(crate) fn send_command(to: Peer, client_msg_id: Option<String>, text: String) -> Command {
    match to {
        Peer::User(to) => Command::Send { client_msg_id, to, text },
        Peer::Group(group_id) => Command::SendGroup { client_msg_id, group_id, text },
    }
}

/// What the answer to a send says: the message's id, and perhaps its number.
pub(crate) fn stored(reply: Reply) -> Result<(i64, Option<i64>), RequestError> {
    match reply {
        Reply::MsgId(id) | Reply::GroupMsgId(id) => Ok((id, None)),
        Reply::MsgIdSeq(id, seq) | Reply::GroupMsgIdSeq(id, seq) => Ok((id, Some(seq))),
        other => Err(RequestError::Unexpected(format!("{other:?}"))),
    }
}

fn credentials(username: impl Into<String>, password: impl Into<String>) -> (Bytes, Secret) {
    (Bytes::from(username.into()), Secret::new(password.into()))
}
