//! Ranges, the list of conversations, read positions and receipts.

use mpim_proto::{
    FetchForManyReq, FetchForManyResp, FetchRangeReq, FetchRangeResp, GetReceiptsReq,
    GetReceiptsResp, ListConversationsReq, ListConversationsResp, MarkReadReq, MarkReadResp,
    user_service,
};
use mprpc::{Context, Status};

use super::outcome::{
    BAD_LIMIT, BAD_RANGE, BAD_SEQ, bounded, conv, invalid, limit, ok, out_of_range, reader,
    unavailable, user,
};
use super::{MessageService, outcome};
use crate::entry::{Content, Entry};
use crate::proto;
use crate::receipts::Came;
use crate::store::{Conversation, MarkReadError, Place, RangeLimit, ReadState, Timeline};

impl<T: Timeline + ReadState, U: user_service::Server> MessageService<T, U> {
    pub(super) async fn range(
        &self,
        cx: &Context,
        request: FetchRangeReq,
    ) -> Result<FetchRangeResp, Status> {
        let FetchRangeReq { user_id, conv_id, after_seq, limit, before_seq } = request;
        user(user_id)?;
        let conv = conv(&conv_id)?;
        let refused = |result| Ok(FetchRangeResp { result, ..FetchRangeResp::default() });
        let directions = i32::from(after_seq > 0) + i32::from(before_seq > 0);
        let limit = self.range_limit(limit);
        let (Some(limit), 0.., 0.., 0..=1) = (limit, after_seq, before_seq, directions) else {
            return refused(out_of_range(BAD_RANGE));
        };
        let entries = |entries: &[Entry]| {
            entries.iter().map(|entry| proto::entry(conv, entry)).collect::<Vec<_>>()
        };
        if before_seq > 0 {
            let range = self.store.range_before(user_id, conv, before_seq, limit).await;
            return match range.map_err(unavailable)? {
                None => refused(self.why_nothing(cx, user_id, conv).await?),
                Some(range) => Ok(FetchRangeResp {
                    result: ok(),
                    entries: entries(&range.entries),
                    head: range.head,
                    complete_from: range.complete_from,
                    first_seq: range.first_seq,
                    ..FetchRangeResp::default()
                }),
            };
        }
        let range = self.store.range(user_id, conv, after_seq, limit).await;
        match range.map_err(unavailable)? {
            None => refused(self.why_nothing(cx, user_id, conv).await?),
            Some(range) => Ok(FetchRangeResp {
                result: ok(),
                entries: entries(&range.entries),
                complete_to: range.complete_to,
                head: range.head,
                first_seq: range.first_seq,
                ..FetchRangeResp::default()
            }),
        }
    }

    pub(super) async fn range_for_many(
        &self,
        request: FetchForManyReq,
    ) -> Result<FetchForManyResp, Status> {
        let FetchForManyReq { conv_id, after_seq, limit, user_ids } = request;
        bounded(user_ids.len())?;
        user_ids.iter().try_for_each(|&user_id| user(user_id).map(drop))?;
        let conv = conv(&conv_id)?;
        let (Some(limit), 0..) = (self.range_limit(limit), after_seq) else {
            return Ok(FetchForManyResp { result: out_of_range(BAD_RANGE), ..Default::default() });
        };
        let range = self.store.range_for_many(user_ids, conv, after_seq, limit).await;
        let range = range.map_err(unavailable)?;
        Ok(FetchForManyResp {
            result: ok(),
            entries: range.entries.iter().map(|entry| proto::entry(conv, entry)).collect(),
            sights: range.sights.into_iter().map(proto::sight).collect(),
        })
    }

    /// `None` for a length that makes no sense.
    fn range_limit(&self, asked: i32) -> Option<RangeLimit> {
        let entries_max = limit(asked, self.answer.entries_max)?;
        Some(RangeLimit { entries_max, bytes_max: self.answer.bytes_max })
    }

    pub(super) async fn conversations(
        &self,
        request: ListConversationsReq,
    ) -> Result<ListConversationsResp, Status> {
        let ListConversationsReq { user_id, device, page_token, limit } = request;
        let refused = |result| Ok(ListConversationsResp { result, ..Default::default() });
        let Some(limit) = outcome::limit(limit, self.answer.conversations_max) else {
            return refused(out_of_range(BAD_LIMIT));
        };
        let after = match page_token.as_str() {
            "" => None,
            token => match place(token) {
                Some(place) => Some(place),
                None => return refused(invalid("bad page_token")),
            },
        };
        let reader = reader(user_id, device)?;
        let page = self.store.conversations(&reader, after, limit).await;
        let (mut page, mut more) = page.map_err(unavailable)?;
        let whole = within(&page, self.answer.bytes_max);
        more |= whole < page.len();
        page.truncate(whole);
        let last = page.last().filter(|_| more);
        Ok(ListConversationsResp {
            result: ok(),
            next_page_token: last.map_or(String::new(), |last| token(&last.place)),
            conversations: page.iter().map(proto::conversation).collect(),
        })
    }

    pub(super) async fn mark(
        &self,
        cx: &Context,
        request: MarkReadReq,
    ) -> Result<MarkReadResp, Status> {
        let MarkReadReq { user_id, conv_id, seq } = request;
        user(user_id)?;
        let conv = conv(&conv_id)?;
        if seq < 0 {
            return Ok(MarkReadResp { result: out_of_range(BAD_SEQ) });
        }
        let result = match self.store.mark_read(user_id, conv, seq).await {
            Ok(marked) => {
                self.receipts.tell(marked.progress.map(Came::ToRead));
                ok()
            }
            Err(MarkReadError::Store(error)) => return Err(unavailable(error)),
            Err(MarkReadError::NotSeen) => match self.why_nothing(cx, user_id, conv).await? {
                // Two who have not written yet: there is nothing to read.
                Some(result) if result.is_ok() && seq > 0 => {
                    out_of_range(&MarkReadError::BeyondHead.to_string())
                }
                result => result,
            },
            Err(error @ (MarkReadError::BeyondHead | MarkReadError::AlreadyRead)) => {
                out_of_range(&error.to_string())
            }
        };
        Ok(MarkReadResp { result })
    }

    pub(super) async fn receipts(
        &self,
        cx: &Context,
        request: GetReceiptsReq,
    ) -> Result<GetReceiptsResp, Status> {
        let GetReceiptsReq { user_id, conv_id, after_user_id, limit } = request;
        user(user_id)?;
        let conv = conv(&conv_id)?;
        let refused = |result| Ok(GetReceiptsResp { result, ..Default::default() });
        let Some(limit) = outcome::limit(limit, self.answer.conversations_max) else {
            return refused(out_of_range(BAD_LIMIT));
        };
        if after_user_id < 0 {
            return refused(out_of_range(BAD_RANGE));
        }
        let receipts = self.store.receipts(user_id, conv, after_user_id, limit).await;
        let Some((receipts, more)) = receipts.map_err(unavailable)? else {
            return refused(self.why_nothing(cx, user_id, conv).await?);
        };
        let receipts = receipts.iter().map(proto::receipt).collect();
        Ok(GetReceiptsResp { result: ok(), receipts, more })
    }
}

/// How many conversations have last messages of `bytes_max` in all; at least one, if there is any.
fn within(page: &[Conversation], bytes_max: usize) -> usize {
    let mut bytes = 0;
    let too_much = page.iter().position(|listed| {
        if let Some(Entry { content: Content::Text(text), .. }) = &listed.last {
            bytes += text.len();
        }
        bytes > bytes_max
    });
    too_much.unwrap_or(page.len()).max(1).min(page.len())
}

/// A place in the list as callers carry it: the numbers mean nothing to them.
fn token(place: &Place) -> String {
    format!("{:x}-{}", place.last_msg_id, place.conv)
}

fn place(token: &str) -> Option<Place> {
    let (last_msg_id, conv) = token.split_once('-')?;
    let canonical = last_msg_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let last_msg_id = i64::from_str_radix(last_msg_id, 16).ok().filter(|_| canonical)?;
    Some(Place { last_msg_id, conv: conv.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::ConvId;

    #[test]
    fn a_token_reads_back_as_the_same_place_and_no_other_text_does() {
        for (last_msg_id, conv) in [(0, ConvId::Group(4)), (i64::MAX, ConvId::pair(7, 3))] {
            let listed = Place { last_msg_id, conv };
            assert_eq!(place(&token(&listed)), Some(listed));
        }
        for text in [
            "-",
            "1",
            "1-",
            "-grp_4",
            "-1-grp_4",
            "+1-grp_4",
            "x-grp_4",
            "1-grp_0",
            "1-c2c_2_1",
            "ffffffffffffffff-grp_4",
            "1 -grp_4",
            "1-grp_4 ",
        ] {
            assert_eq!(place(text), None, "{text:?}");
        }
    }
}
