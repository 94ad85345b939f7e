//! What the use cases work with. Each use case is a file of its own that adds its operations.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use im_common::Clock;

use crate::config::Config;
use crate::error::GroupError;
use crate::hand_over::{HandOver, Spans};
use crate::store::{Group, GroupStore, Limits, Member};
use crate::sweep::Refusals;
use crate::turns::Turns;

/// Groups and their members over a store, with im-message (`M`) to be told of changes.
#[derive(Debug)]
pub(crate) struct Groups<S, M> {
    pub(crate) store: Arc<S>,
    pub(crate) hand_over: HandOver<S, M>,
    /// By group name. Taken before a turn of `changing`, never after one.
    pub(crate) creating: Turns,
    /// By member.
    pub(crate) changing: Turns,
    /// The sweep has said that im-message cannot be reached, and not yet that it can.
    pub(crate) message_is_away: AtomicBool,
    pub(crate) refusals: Refusals,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
}

impl<S: GroupStore, M: Spans> Groups<S, M> {
    pub(crate) fn new(store: S, messages: M, clock: Clock, config: Config) -> Self {
        let store = Arc::new(store);
        let hand_over =
            HandOver::new(Arc::clone(&store), messages, clock.clone(), config.hand_over.clone());
        let message_is_away = AtomicBool::new(false);
        let refusals = Refusals::default();
        let (creating, changing) = (Turns::new(), Turns::new());
        Self { store, hand_over, creating, changing, message_is_away, refusals, clock, config }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            members_max: self.config.limits.members_max,
            groups_per_user_max: self.config.limits.groups_per_user_max,
        }
    }

    pub(crate) async fn members(&self, group_id: i64) -> Result<Vec<Member>, GroupError> {
        self.store.members(group_id).await?.ok_or(GroupError::GroupNotFound)
    }

    pub(crate) async fn groups_of(&self, user_id: i64) -> Result<Vec<i64>, GroupError> {
        Ok(self.store.groups_of(user_id).await?)
    }

    pub(crate) async fn group(&self, group_id: i64) -> Result<Group, GroupError> {
        self.store.group(group_id).await?.ok_or(GroupError::GroupNotFound)
    }
}
