//! The service as its callers see it: the generated trait, called in process, over the model of
//! the store and over neighbours that do as they are told. `tests/it` has the same over SQLite and
//! sockets.

mod bad_input;
mod batches;
mod blocking;
mod dead_letters;
mod dispatching;
pub(crate) mod neighbours;
mod offline;
mod original;
mod read_state;
mod reading;
mod receipts;
mod retention;
mod sending;
mod signals;
mod walking;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use im_common::{Clock, Deps, Tasks};
use mpim_proto::message_service::Server as _;
use mpim_proto::{
    C2cMsg, ChangeMembershipReq, ChangeMembershipResp, GroupMsg, MembershipChange, SendGroupReq,
    SendGroupResp, SendReq, SendResp,
};
use mprpc::Context;

use self::neighbours::{Presence, Users};
use crate::config::Config;
use crate::dead_letters::DeadLetterService;
use crate::service::MessageService;
use crate::start::{Assembled, assemble};
use crate::store::model::Model;

const NOW_MS: i64 = 1_700_000_000_000;

/// im-message without a port, and everything around it.
struct World {
    service: Arc<MessageService<Model, Users>>,
    dead_letters: DeadLetterService<Model, Presence>,
    store: Arc<Model>,
    users: Users,
    presence: Arc<Presence>,
}

impl World {
    fn new() -> Self {
        Self::with(Config::default(), Model::new())
    }

    fn with(config: Config, store: Model) -> Self {
        let deps = Deps { clock: Clock::manual(NOW_MS), ..Deps::default() };
        let (store, users, presence) = (Arc::new(store), Users::new(1..=9), Presence::new());
        let tasks = Tasks::new("im-message", deps.shutdown.clone());
        let Assembled { service, dead_letters, background } =
            assemble(&config, &deps, store.clone(), users.clone(), presence.clone());
        background.start(&tasks);
        Self { service: Arc::new(service), dead_letters, store, users, presence }
    }

    /// One lane only, so that everything meets in it.
    fn with_one_lane(store: Model, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.lane.count = 1;
        change(&mut config);
        Self::with(config, store)
    }

    async fn send(&self, from: i64, to: i64, text: &str) -> SendResp {
        self.send_as(from, to, "", text).await
    }

    async fn send_as(&self, from: i64, to: i64, client_msg_id: &str, text: &str) -> SendResp {
        let msg = C2cMsg { from, to, text: text.to_owned(), ..C2cMsg::default() };
        let client_msg_id = client_msg_id.to_owned();
        self.service
            .send(&cx(), SendReq { msg: Some(msg), client_msg_id, ..SendReq::default() })
            .await
            .unwrap()
    }

    async fn send_group(&self, from: i64, group_id: i64, text: &str) -> SendGroupResp {
        let msg = GroupMsg { from, group_id, text: text.to_owned(), ..GroupMsg::default() };
        let request = SendGroupReq { msg: Some(msg), ..SendGroupReq::default() };
        self.service.send_group(&cx(), request).await.unwrap()
    }

    async fn change(
        &self,
        change: MembershipChange,
        user_id: i64,
        group_id: i64,
        change_id: &str,
    ) -> ChangeMembershipResp {
        let (change, change_id) = (change.into(), change_id.to_owned());
        let request = ChangeMembershipReq { group_id, user_id, change, change_id };
        self.service.change_membership(&cx(), request).await.unwrap()
    }

    async fn join(&self, user_id: i64, group_id: i64) -> ChangeMembershipResp {
        self.change(MembershipChange::Join, user_id, group_id, &fastrand::u64(..).to_string()).await
    }

    async fn leave(&self, user_id: i64, group_id: i64) -> ChangeMembershipResp {
        self.change(MembershipChange::Leave, user_id, group_id, &fastrand::u64(..).to_string())
            .await
    }
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(60))
}

/// `ok`, or the code and the reason.
fn said(result: Option<mpim_proto::Result>) -> String {
    let result = result.unwrap();
    match result.is_ok() {
        true => result.msg,
        false => format!("{:?} {}", result.code(), result.msg),
    }
}

/// Polls a future until it waits for the gate, so that what it does before is done: it may have to ask
/// im-user, which answers at once.
async fn begin<F: Future>(future: &mut Pin<Box<F>>) {
    for _ in 0..4 {
        let pending = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
        assert!(pending, "it was ready at once");
        tokio::task::yield_now().await;
    }
}
