//! Fetches: one for each range, however many sessions of this gateway need it.
//!
//! Sessions that missed the same push stand at the same place and need the same entries, of which
//! each sees what is within its user's spans. Their lines are made once.

use std::sync::Arc;

use im_common::InUse;
use mpim_proto::{FetchForManyReq, FetchForManyResp, Sight};
use mprpc::{Context, Status};
use tokio::sync::oneshot;

use crate::calls::noted;
use crate::config::ms;
use crate::delivery::ConvId;
use crate::gateway::Gateway;
use crate::gather::Turns;
use crate::metrics::{METRICS, count};
use crate::pushed::Pushed;
use crate::session::Failed;

/// Sessions for which one call asks, at most what im-message takes.
const SESSIONS_MAX: usize = 4_096;

/// A conversation, and the seq after which a page of it is wanted.
pub(crate) type Range = (ConvId, i64);

/// A session that waits for a page.
#[derive(Debug)]
pub(crate) struct Reader {
    user_id: i64,
    answer: oneshot::Sender<Result<Page, Failed>>,
}

/// A piece of a conversation as one user sees it.
#[derive(Debug)]
pub(crate) struct Page {
    /// What any of those sees for whom it was fetched.
    entries: Arc<[Pushed]>,
    sight: Sight,
}

impl Page {
    /// What the user sees, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Pushed> {
        let sees = |entry: &&Pushed| {
            let mut spans = self.sight.spans.iter();
            spans.any(|span| (span.from_seq..=span.to_seq).contains(&entry.seq()))
        };
        self.entries.iter().filter(sees)
    }

    /// Up to here nothing is missing that the user sees.
    pub(crate) fn complete_to(&self) -> i64 {
        self.sight.complete_to
    }

    /// How far the conversation goes for the user.
    pub(crate) fn head(&self) -> i64 {
        self.sight.head
    }
}

/// What comes after `after_seq` in a conversation, as `user_id` sees it. Cancel safe: a call under
/// way goes on for the others.
pub(crate) async fn page(
    gateway: &Arc<Gateway>,
    user_id: i64,
    conv_id: &ConvId,
    after_seq: i64,
) -> Result<Page, Failed> {
    let (answer, answered) = oneshot::channel();
    let range = (Arc::clone(conv_id), after_seq);
    if let Some(turns) = gateway.ranges.join(&range, Reader { user_id, answer }) {
        gateway.tasks.spawn("fetch", run(Arc::clone(gateway), range, turns));
    }
    answered.await.unwrap_or(Err(Failed))
}

/// Fetches a range until nobody wants it any more.
async fn run(gateway: Arc<Gateway>, range: Range, mut turns: Turns<Range, Reader>) {
    loop {
        let place = (gateway.fetches.acquire().await, InUse::of(&METRICS.fetches));
        // Sessions that are about to ask for the same shall do so first.
        tokio::task::yield_now().await;
        let Some(mut readers) = turns.next(SESSIONS_MAX, |_| 1) else {
            return;
        };
        // Some connections may have ended meanwhile.
        readers.retain(|reader| !reader.answer.is_closed());
        if readers.is_empty() {
            continue;
        }
        METRICS.fetch_sessions.record(count(readers.len()));
        let fetched = fetch(&gateway, &range, &readers).await;
        drop(place);
        answer(readers, noted(&gateway, "FetchForMany", fetched), &range.0);
    }
}

async fn fetch(
    gateway: &Gateway,
    (conv_id, after_seq): &Range,
    readers: &[Reader],
) -> Result<FetchForManyResp, Status> {
    let cx = Context::with_timeout(ms(gateway.config.calls.timeout_ms));
    let request = FetchForManyReq {
        conv_id: conv_id.to_string(),
        after_seq: *after_seq,
        limit: gateway.config.session.page_messages,
        user_ids: readers.iter().map(|reader| reader.user_id).collect(),
    };
    let page = gateway.services.message.fetch_for_many(&cx, request).await?;
    match &page.result {
        Some(result) if result.is_ok() && page.sights.len() == readers.len() => Ok(page),
        _ => Err(Status::internal("a page was not answered for each of its readers")),
    }
}

fn answer(readers: Vec<Reader>, page: Result<FetchForManyResp, Failed>, conv_id: &ConvId) {
    let Ok(page) = page else {
        // Whoever has gone does not want to know.
        readers.into_iter().for_each(|reader| drop(reader.answer.send(Err(Failed))));
        return;
    };
    let pushed = |entry| Pushed::of(Arc::clone(conv_id), entry);
    let entries: Arc<[Pushed]> = page.entries.into_iter().map(pushed).collect();
    for (reader, sight) in readers.into_iter().zip(page.sights) {
        let _ = reader.answer.send(Ok(Page { entries: Arc::clone(&entries), sight }));
    }
}
