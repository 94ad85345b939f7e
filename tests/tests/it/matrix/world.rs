//! Who takes part.

use std::sync::atomic::{AtomicUsize, Ordering};

use mpim_proto::{Role, SetRoleReq, user_service};
use mpim_tests::{
    Caller, DEADLINE, FramesClient, HttpClient, PASSWORD, Request, Service, Stack, Way,
};
use mprpc::Context;
use serde_json::{Value, json};

use crate::tokens::Forger;

/// Who asks, seen from the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    /// Whoever is not logged in.
    Nobody,
    /// They show a token whose time is over.
    Expired,
    /// They show a token that they have logged out with.
    LoggedOut,
    Stranger,
    /// A stranger to whom an operator has given that role.
    Bot,
    Admin,
    Friend,
    /// The owner shuts them out.
    Blocked,
    /// Of the owner's group.
    Member,
    /// They were in the group.
    FormerMember,
    /// It is all theirs.
    Owner,
}

impl Actor {
    pub(super) const ALL: [Self; 11] = [
        Self::Nobody,
        Self::Expired,
        Self::LoggedOut,
        Self::Stranger,
        Self::Bot,
        Self::Admin,
        Self::Friend,
        Self::Blocked,
        Self::Member,
        Self::FormerMember,
        Self::Owner,
    ];

    /// Whether there is such a one at that way in: text lines know no tokens.
    pub(super) fn comes_by(self, way: Way) -> bool {
        way != Way::Text || self.refused().is_none()
    }

    /// What they are told who show their token.
    pub(super) fn refused(self) -> Option<&'static str> {
        match self {
            Self::Expired => Some("token expired"),
            Self::LoggedOut => Some("invalid token"),
            _ => None,
        }
    }
}

/// An owner, with what they have: a group, a friend, a conversation with that friend, a device.
pub(super) struct World {
    name: String,
    pub(super) owner: HttpClient,
    pub(super) owner_uid: i64,
    pub(super) group: i64,
    friend: String,
    friend_uid: i64,
    pub(super) conversation: String,
    pub(super) message: i64,
    pub(super) device: String,
}

/// Somebody who asks.
pub(super) enum Person {
    /// Each time on a connection of its own: who is refused for want of a log-in too often is cut off.
    /// Whoever has a token shows it first, and is told this.
    Nobody(Way, Option<(String, &'static str)>),
    Somebody(Caller),
}

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// A name that nobody has.
pub(super) fn new_name(what: &str) -> String {
    format!("{what}-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

async fn register(stack: &Stack, name: &str, device: &str) -> (HttpClient, i64) {
    let nobody = HttpClient::nobody(stack.http_address());
    let body = json!({"username": name, "password": PASSWORD, "device": device});
    let data = nobody.done("POST", "/api/register", Some(body)).await;
    let uid = data["user_id"].as_i64().expect("a number");
    (HttpClient::with_token(stack.http_address(), &data["token"]), uid)
}

/// Somebody whose token is good for nothing.
async fn dead(stack: &Stack, actor: Actor, way: Way) -> Person {
    let (http, _) = register(stack, &new_name("somebody"), "mobile:x").await;
    let words = actor.refused().expect("their token is refused");
    let token = match actor {
        Actor::Expired => Forger::of(stack, http.token()).expired(),
        _ => {
            http.done("POST", "/api/logout", Some(json!({}))).await;
            http.token().to_owned()
        }
    };
    match way {
        // There each request shows it.
        Way::Http => {
            let http = HttpClient::with_token(stack.http_address(), &json!(token));
            Person::Somebody(Caller::Http(http))
        }
        _ => Person::Nobody(way, Some((token, words))),
    }
}

async fn set_role(stack: &Stack, user_id: i64, role: Role) {
    let user = user_service::Client::new(&stack.channel_to(Service::User));
    let request = SetRoleReq { user_id, role: role.into() };
    let set = user.set_role(&Context::with_timeout(DEADLINE), request).await;
    assert_eq!(set.expect("an answer").result.map_or(0, |result| result.code), 0);
}

impl World {
    pub(super) async fn new(stack: &Stack, name: &str) -> Self {
        let name = new_name(name);
        let device = "mobile:owners".to_owned();
        let (owner, owner_uid) = register(stack, &name, &device).await;
        let friend = new_name("friend");
        let (_, friend_uid) = register(stack, &friend, "mobile:friends").await;
        owner.done("PUT", &format!("/api/friends/{friend_uid}"), None).await;
        let group =
            owner.done("POST", "/api/groups", Some(json!({"name": new_name("crew")}))).await;
        let group = group["group_id"].as_i64().expect("a number");
        for to in [json!({"group_id": group}), json!({"to_user_id": friend_uid})] {
            let mut message = to;
            message["content"] = json!("a secret");
            owner.done("POST", "/api/messages", Some(message)).await;
        }
        let conversation =
            format!("c2c_{}_{}", owner_uid.min(friend_uid), owner_uid.max(friend_uid));
        let path = format!("/api/conversations/{conversation}/messages");
        let message = owner.done("GET", &path, None).await["messages"][0]["message_id"].take();
        let message = message.as_str().and_then(|id| id.parse().ok()).expect("an id");
        Self { name, owner, owner_uid, group, friend, friend_uid, conversation, message, device }
    }

    /// Somebody who is this to the owner, by that way in.
    pub(super) async fn enter(&self, stack: &Stack, actor: Actor, way: Way) -> Person {
        let members = format!("/api/groups/{}/members/me", self.group);
        let name = match actor {
            Actor::Nobody => return Person::Nobody(way, None),
            Actor::Expired | Actor::LoggedOut => return dead(stack, actor, way).await,
            Actor::Owner => self.name.clone(),
            Actor::Friend => self.friend.clone(),
            _ => {
                let name = new_name("somebody");
                let (http, uid) = register(stack, &name, "mobile:x").await;
                match actor {
                    Actor::Bot => set_role(stack, uid, Role::Bot).await,
                    Actor::Admin => set_role(stack, uid, Role::Admin).await,
                    Actor::Blocked => {
                        self.owner.done("PUT", &format!("/api/blocked/{uid}"), None).await;
                    }
                    Actor::Member => drop(http.done("PUT", &members, None).await),
                    Actor::FormerMember => {
                        http.done("PUT", &members, None).await;
                        http.done("DELETE", &members, None).await;
                    }
                    _ => {}
                }
                name
            }
        };
        Person::Somebody(way.log_in(stack, &name).await.0)
    }

    /// What the owner and their friend have: nothing of it changes by itself.
    pub(super) async fn state(&self, stack: &Stack) -> Vec<Value> {
        let friend = HttpClient::log_in(stack.http_address(), &self.friend).await;
        let mut state = Vec::new();
        for path in [
            "/api/friends".to_owned(),
            "/api/groups".to_owned(),
            "/api/conversations".to_owned(),
            format!("/api/groups/{}", self.group),
            format!("/api/conversations/g{}/messages", self.group),
            format!("/api/conversations/{}/messages", self.conversation),
        ] {
            let mut owners = self.owner.done("GET", &path, None).await;
            // Who comes into the group, or leaves it, to be asked from there, moves its head.
            if let Some(conversations) = owners["conversations"].as_array_mut() {
                conversations.retain(|it| it["group_id"].is_null());
            }
            state.push(owners);
            if !path.contains(&format!("g{}", self.group)) {
                state.push(friend.done("GET", &path, None).await);
            }
        }
        state
    }

    /// A session of the owner that is told whatever happens.
    pub(super) async fn watch(&self, stack: &Stack) -> FramesClient {
        let mut watch = FramesClient::connect(stack.frames_address()).await;
        let body = json!({"username": self.name, "password": PASSWORD,
            "client_info": {"platform": "bot", "device_id": "watch"}});
        let (_, me) = watch.ask(1001, body).await;
        assert_eq!(me["code"], 0, "{me}");
        watch
    }

    /// What the watching session was told up to now of what others say and do.
    pub(super) async fn told(&self, watch: &mut FramesClient) -> Vec<String> {
        let marker = json!({"to_user_id": self.friend_uid, "content": "the end"});
        self.owner.done("POST", "/api/messages", Some(marker)).await;
        let mut told = Vec::new();
        loop {
            match watch.push().await {
                (2001, body) if body["content"] == "the end" => return told,
                // Who is a friend, and who has what, is told as it is.
                (2003 | 3001, _) => {}
                // Who comes into the group, or leaves it, to be asked from there.
                (kind, body) => told.push(format!("{kind} {body}")),
            }
        }
    }
}

impl Person {
    /// Asks; `None` where the way in has no words for it.
    pub(super) async fn ask(
        &mut self,
        stack: &Stack,
        request: &Request,
    ) -> Option<Result<Value, String>> {
        match self {
            Self::Nobody(way, token) => {
                let mut nobody = way.nobody(stack).await;
                if let Some((token, words)) = token {
                    let refused = nobody.show_token(token).await;
                    assert_eq!(refused.err().as_deref(), Some(*words), "{way:?}");
                }
                nobody.ask(request).await
            }
            Self::Somebody(caller) => caller.ask(request).await,
        }
    }
}
