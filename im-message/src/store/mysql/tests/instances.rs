//! Two instances on one database: each operation of a test goes to the other one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::store::{
    Blocks, Conversation, DeadLetter, DeadLetters, Devices, Expired, Front, MarkReadError, Marked,
    Members, NewDeadLetter, Place, ReadState, Receipt, Retention,
};

/// A timeline that is served by several instances in turn.
struct Several {
    stores: Vec<MysqlTimeline>,
    next: AtomicUsize,
}

impl Several {
    fn next(&self) -> &MysqlTimeline {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        &self.stores[next % self.stores.len()]
    }
}

async fn two() -> Option<(Several, Database)> {
    let (first, database) = fresh().await?;
    let stores = vec![first, open(database.url()).await];
    Some((Several { stores, next: AtomicUsize::new(0) }, database))
}

// Not those about the order in which conversations began, which holds to a second only.
timeline_conformance! { two().await;
    seqs_are_dense_and_msg_ids_grow
    the_same_message_again_is_given_the_same_numbers
    the_same_key_with_other_text_is_a_conflict_and_changes_nothing
    a_refused_entry_leaves_no_trace_and_harms_no_other
    what_is_refused_when_it_is_tried_again_stays_refused
    a_first_message_that_is_refused_when_it_is_tried_again_stays_refused
    who_is_no_member_when_they_try_again_stays_refused
    what_was_written_is_answered_to_another_try_also_after_a_block
    tries_of_the_same_at_once_are_all_accepted_or_all_refused
    refusals_are_forgotten_by_their_age_and_a_few_at_a_time
    msg_ids_follow_the_time_and_survive_a_clock_that_goes_back
    only_members_write_to_a_group
    who_comes_back_sees_both_times_but_not_what_was_between
    a_membership_change_again_gives_the_same_answer
    joining_twice_and_leaving_twice_are_refused
    entries_are_located_by_msg_id
    users_of_a_shared_range_see_what_each_would_see_alone
    cursors_of_many_devices_move_together
    cursors_only_grow_and_stop_at_the_head
    moves_where_one_never_was_change_nothing
    histories_of_several_instances_agree_with_the_model
    what_many_move_at_once_ends_where_it_would_in_turn
    what_was_given_counts_only_once_confirmed
    what_is_given_next_counts_only_without_a_gap
    a_later_device_begins_at_the_heads
    a_device_that_was_forgotten_begins_anew
    a_device_opened_by_many_at_once_begins_once
    a_range_backwards_passes_over_what_one_does_not_see
    a_read_position_only_grows_and_stops_at_the_head
    a_read_position_begins_where_its_user_does_and_ends_where_they_left
    unread_are_the_texts_of_others_that_one_sees
    receipts_say_how_far_the_other_members_are
    a_device_that_began_at_the_head_has_nothing_of_what_is_before
    concurrent_readers_end_at_the_furthest
    concurrent_appenders_leave_no_hole_and_lose_nothing
    concurrent_repetitions_become_one_message
    a_message_that_races_with_membership_is_within_a_span
    what_many_write_at_once_could_have_been_written_in_turn
    who_is_shut_out_is_refused_until_let_in_again
    a_block_before_the_first_message_is_in_force_and_shows_nowhere
    a_block_is_in_force_once_answered_while_messages_stream_in
    the_front_of_a_conversation_goes_in_batches_and_numbers_go_on
    what_expires_while_messages_stream_in_takes_no_number_with_it
}

impl Blocks for Several {
    async fn block(
        &self,
        by: i64,
        whom: i64,
        now_ms: i64,
        blocked_max: usize,
    ) -> Result<bool, StoreError> {
        self.next().block(by, whom, now_ms, blocked_max).await
    }

    async fn unblock(&self, by: i64, whom: i64) -> Result<(), StoreError> {
        self.next().unblock(by, whom).await
    }

    async fn blocked(
        &self,
        by: i64,
        after: i64,
        limit: usize,
    ) -> Result<(Vec<i64>, bool), StoreError> {
        self.next().blocked(by, after, limit).await
    }
}

impl Members for Several {
    async fn members(&self, conv: ConvId) -> Result<Vec<i64>, StoreError> {
        self.next().members(conv).await
    }

    async fn few_members(&self, conv: ConvId, most: usize) -> Result<Option<Vec<i64>>, StoreError> {
        self.next().few_members(conv, most).await
    }

    async fn members_among(&self, conv: ConvId, uids: Vec<i64>) -> Result<Vec<i64>, StoreError> {
        self.next().members_among(conv, uids).await
    }
}

impl Devices for Several {
    async fn open_device(&self, reader: &Reader, generation: i64) -> Result<bool, StoreError> {
        self.next().open_device(reader, generation).await
    }

    async fn forget_device(&self, reader: &Reader, generation: i64) -> Result<(), StoreError> {
        self.next().forget_device(reader, generation).await
    }
}

impl DeadLetters for Several {
    async fn bury(
        &self,
        letters: Vec<NewDeadLetter>,
        count_max: usize,
    ) -> Result<usize, StoreError> {
        self.next().bury(letters, count_max).await
    }

    async fn dead_letters(
        &self,
        after_id: i64,
        limit: usize,
    ) -> Result<(Vec<DeadLetter>, bool), StoreError> {
        self.next().dead_letters(after_id, limit).await
    }

    async fn dead_letters_of(&self, ids: Vec<i64>) -> Result<Vec<DeadLetter>, StoreError> {
        self.next().dead_letters_of(ids).await
    }

    async fn remove_dead_letters(&self, ids: Vec<i64>) -> Result<usize, StoreError> {
        self.next().remove_dead_letters(ids).await
    }

    async fn entries(
        &self,
        conv: ConvId,
        seqs: (i64, i64),
        entries_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.next().entries(conv, seqs, entries_max).await
    }
}

impl Retention for Several {
    async fn fronts(&self, after: i64, limit: usize) -> Result<Vec<Front>, StoreError> {
        self.next().fronts(after, limit).await
    }

    async fn trim(
        &self,
        conv: ConvId,
        expired: Expired,
        entries_max: usize,
    ) -> Result<usize, StoreError> {
        self.next().trim(conv, expired, entries_max).await
    }

    async fn forget_refusals(
        &self,
        before_ms: i64,
        refusals_max: usize,
    ) -> Result<usize, StoreError> {
        self.next().forget_refusals(before_ms, refusals_max).await
    }

    async fn take_turn(&self, every: Duration) -> Result<bool, StoreError> {
        self.next().take_turn(every).await
    }
}

impl Timeline for Several {
    async fn append(
        &self,
        batch: Arc<[NewEntry]>,
        now_ms: i64,
    ) -> Vec<Result<Appended, AppendError>> {
        self.next().append(batch, now_ms).await
    }

    async fn behind(
        &self,
        reader: &Reader,
        after: Option<ConvId>,
        limit: usize,
    ) -> Result<Option<(Vec<Position>, bool)>, StoreError> {
        self.next().behind(reader, after, limit).await
    }

    async fn positions(
        &self,
        reader: &Reader,
        convs: Vec<ConvId>,
    ) -> Result<Vec<Position>, StoreError> {
        self.next().positions(reader, convs).await
    }

    async fn range(
        &self,
        uid: i64,
        conv: ConvId,
        after_seq: i64,
        limit: RangeLimit,
    ) -> Result<Option<Range>, StoreError> {
        self.next().range(uid, conv, after_seq, limit).await
    }

    async fn range_for_many(
        &self,
        uids: Vec<i64>,
        conv: ConvId,
        after_seq: i64,
        limit: RangeLimit,
    ) -> Result<SharedRange, StoreError> {
        self.next().range_for_many(uids, conv, after_seq, limit).await
    }

    async fn range_before(
        &self,
        uid: i64,
        conv: ConvId,
        before_seq: i64,
        limit: RangeLimit,
    ) -> Result<Option<Earlier>, StoreError> {
        self.next().range_before(uid, conv, before_seq, limit).await
    }

    async fn exists(&self, conv: ConvId) -> Result<bool, StoreError> {
        self.next().exists(conv).await
    }

    async fn locate(&self, msg_ids: Vec<i64>) -> Result<Vec<(ConvId, i64)>, StoreError> {
        self.next().locate(msg_ids).await
    }

    async fn advance_for_many(
        &self,
        moves: Vec<(Reader, ConvId, i64)>,
    ) -> Result<Vec<Progress>, StoreError> {
        self.next().advance_for_many(moves).await
    }

    async fn mark_given(
        &self,
        reader: &Reader,
        given: Vec<(ConvId, i64)>,
    ) -> Result<(), StoreError> {
        self.next().mark_given(reader, given).await
    }

    async fn mark_given_next(&self, given: Vec<(Reader, ConvId, i64)>) -> Result<(), StoreError> {
        self.next().mark_given_next(given).await
    }

    async fn confirm_given(&self, reader: &Reader) -> Result<(), StoreError> {
        self.next().confirm_given(reader).await
    }

    async fn withdraw_given(&self, reader: &Reader) -> Result<(), StoreError> {
        self.next().withdraw_given(reader).await
    }
}

impl ReadState for Several {
    async fn mark_read(&self, uid: i64, conv: ConvId, seq: i64) -> Result<Marked, MarkReadError> {
        self.next().mark_read(uid, conv, seq).await
    }

    async fn conversations(
        &self,
        reader: &Reader,
        after: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<Conversation>, bool), StoreError> {
        self.next().conversations(reader, after, limit).await
    }

    async fn receipts(
        &self,
        uid: i64,
        conv: ConvId,
        after_uid: i64,
        limit: usize,
    ) -> Result<Option<(Vec<Receipt>, bool)>, StoreError> {
        self.next().receipts(uid, conv, after_uid, limit).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_write_the_same_conversations_never_deadlock() {
    let Some(server) = test_servers::PrivateMariaDb::start().await else { return };
    let server = server.server();
    let url = server.url("test_deadlocks");
    let stores = vec![open(url.clone()).await, open(url).await];
    let several = Arc::new(Several { stores, next: AtomicUsize::new(0) });
    crate::store::conformance::concurrent_appenders_leave_no_hole_and_lose_nothing(several).await;
    let deadlocks = server.execute("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'");
    assert_eq!(deadlocks.trim(), "Innodb_deadlocks\t0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_instances_one_looks_for_what_has_expired() {
    let Some((several, _database)) = two().await else { return };
    let hour = Duration::from_secs(3_600);
    let mut turns = 0;
    for _ in 0..4 {
        turns += u32::from(several.take_turn(hour).await.unwrap());
    }
    assert_eq!(turns, 1);
}
