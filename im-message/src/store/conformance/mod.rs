//! What every [`Timeline`] must do, as one suite that is run on each adapter by
//! `timeline_conformance!`. An adapter that passes can be put behind the service.
//!
//! The expression given to the macro makes an empty store; it also answers with whatever must
//! live as long as the store does (a temporary directory), or `None` where it cannot be had.

mod again;
mod append;
mod at_once;
mod blocks;
mod concurrent;
mod cursors;
mod dead_letters;
mod devices;
mod membership;
mod progress;
mod random;
mod read_state;
mod reading;
mod retention;
mod shared;
mod writers;

use std::sync::Arc;

pub(crate) use self::{
    again::*, append::*, at_once::*, blocks::*, concurrent::*, cursors::*, dead_letters::*,
    devices::*, membership::*, progress::*, random::*, read_state::*, reading::*, retention::*,
    shared::*, writers::*,
};
use im_common::Priority;

use super::{
    AppendError, Appended, Blocks, Conversation, DeadLetter, DeadLetters, Devices as _, Earlier,
    Expired, FORGOTTEN_MAX, Front, MarkReadError, Marked, NewDeadLetter, Place, Position, Progress,
    Range, RangeLimit, ReadState, Reader, Receipt, Retention, SharedRange, Sight, Timeline,
    UNREAD_MAX,
};
use crate::conversation::ConvId;
use crate::entry::{Content, DedupKey, Entry, NewEntry};

/// A moment for batches whose time does not matter.
const NOW_MS: i64 = 1_700_000_000_000;
const GROUP: ConvId = ConvId::Group(7);
const EVERYTHING: RangeLimit = RangeLimit { entries_max: usize::MAX, bytes_max: usize::MAX };

macro_rules! timeline_conformance {
    ($make:expr; $($name:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            // None: what the store needs is not there, and that was said.
            let Some((store, _keep)) = $make else {
                return;
            };
            $crate::store::conformance::$name(std::sync::Arc::new(store)).await;
        }
    )*};
    ($make:expr) => {
        $crate::store::conformance::timeline_conformance! { $make;
            seqs_are_dense_and_msg_ids_grow
            the_same_message_again_is_given_the_same_numbers
            an_entry_keeps_the_device_that_sent_it_first
            a_repetition_within_one_batch_is_given_the_same_numbers
            the_same_key_with_other_text_is_a_conflict_and_changes_nothing
            keys_of_different_authors_conversations_and_origins_do_not_meet
            a_refused_entry_leaves_no_trace_and_harms_no_other
            what_is_refused_when_it_is_tried_again_stays_refused
            a_first_message_that_is_refused_when_it_is_tried_again_stays_refused
            who_is_no_member_when_they_try_again_stays_refused
            what_was_written_is_answered_to_another_try_also_after_a_block
            tries_of_the_same_at_once_are_all_accepted_or_all_refused
            refusals_are_forgotten_by_their_age_and_a_few_at_a_time
            what_was_refused_is_not_located
            msg_ids_follow_the_time_and_survive_a_clock_that_goes_back
            a_pair_is_its_two_users_from_the_first_message_on
            notes_to_oneself_have_one_member
            strangers_can_neither_write_to_a_pair_nor_read_it
            only_members_write_to_a_group
            who_is_shut_out_is_refused_until_let_in_again
            what_was_accepted_before_a_block_is_given_its_numbers_again
            a_block_before_the_first_message_is_in_force_and_shows_nowhere
            only_so_many_can_be_shut_out_at_once
            who_is_shut_out_is_listed_page_by_page
            a_block_is_in_force_once_answered_while_messages_stream_in
            the_front_of_a_conversation_goes_in_batches_and_numbers_go_on
            what_is_all_gone_keeps_its_head_its_members_and_its_next_number
            what_is_kept_begins_at_the_first_that_has_not_expired
            a_reader_behind_what_is_gone_goes_on_from_what_is_left
            who_left_before_what_is_left_sees_nothing_and_lacks_nothing
            conversations_are_gone_through_in_order_and_page_by_page
            what_is_kept_is_recognised_and_what_is_gone_is_not
            what_expires_while_messages_stream_in_takes_no_number_with_it
            a_joiner_sees_from_their_joining_on
            a_leaver_sees_up_to_their_leaving_and_nothing_newer
            who_comes_back_sees_both_times_but_not_what_was_between
            few_members_are_listed_and_many_are_not
            present_members_are_found_among_others
            a_membership_change_again_gives_the_same_answer
            joining_twice_and_leaving_twice_are_refused
            what_was_sent_before_leaving_can_be_repeated_after_it
            a_range_ends_at_its_limits_and_goes_on_from_there
            a_range_gives_its_first_entry_however_long
            a_range_backwards_ends_at_its_limits_and_goes_on_from_there
            a_range_backwards_gives_its_newest_entry_however_long
            a_range_backwards_passes_over_what_one_does_not_see
            an_unknown_conversation_has_no_range_no_members_and_no_position
            what_is_behind_is_paged_without_hole_or_repetition
            entries_are_located_by_msg_id
            users_of_a_shared_range_see_what_each_would_see_alone
            a_shared_range_of_nobody_or_nothing_is_empty
            cursors_of_many_devices_move_together
            cursors_only_grow_and_stop_at_the_head
            moves_where_one_never_was_change_nothing
            each_device_has_its_own_cursor
            a_cursor_of_a_leaver_stops_where_they_left
            what_was_given_counts_only_once_confirmed
            what_was_withdrawn_is_not_confirmed
            what_is_given_next_counts_only_without_a_gap
            the_first_device_begins_where_its_user_does
            a_later_device_begins_at_the_heads
            a_device_that_begins_has_got_nothing
            a_device_with_cursors_that_was_never_opened_keeps_them
            a_device_that_was_forgotten_begins_anew
            however_many_devices_are_forgotten_the_others_stay
            a_device_opened_by_many_at_once_begins_once
            a_read_position_only_grows_and_stops_at_the_head
            what_one_never_saw_cannot_be_read
            a_read_position_begins_where_its_user_does_and_ends_where_they_left
            unread_are_the_texts_of_others_that_one_sees
            unread_messages_are_counted_up_to_a_bound
            conversations_are_listed_by_what_happened_last
            the_list_is_paged_without_hole_or_repetition
            receipts_say_how_far_the_other_members_are
            who_asked_for_no_receipts_is_told_nothing
            what_was_written_with_receipts_is_come_past_once
            a_user_has_what_one_of_their_devices_has
            a_device_that_began_at_the_head_has_nothing_of_what_is_before
            concurrent_readers_end_at_the_furthest
            concurrent_appenders_leave_no_hole_and_lose_nothing
            concurrent_repetitions_become_one_message
            a_message_that_races_with_membership_is_within_a_span
            random_histories_agree_with_the_model
            what_many_move_at_once_ends_where_it_would_in_turn
            what_many_write_at_once_could_have_been_written_in_turn
            dead_letters_are_listed_in_pages_and_found_by_id
            a_dead_letter_again_is_the_same_one
            beyond_the_bound_the_oldest_dead_letters_go
            the_entries_of_a_dead_letter_are_read_whoever_may_see_them
        }
    };
}
pub(crate) use timeline_conformance;

fn new(conv: ConvId, author: i64, key: DedupKey, content: Content) -> NewEntry {
    NewEntry {
        conv,
        author,
        key,
        content,
        device: String::new(),
        receipts: false,
        priority: Priority::Normal,
        repeatable: false,
    }
}

fn text(conv: ConvId, author: i64, key: &str, text: &str) -> NewEntry {
    let content = Content::Text(text.to_owned());
    new(conv, author, DedupKey::client(key), content)
}

fn joined(conv: ConvId, author: i64, change_id: &str) -> NewEntry {
    new(conv, author, DedupKey::change(change_id), Content::Joined)
}

fn left(conv: ConvId, author: i64, change_id: &str) -> NewEntry {
    new(conv, author, DedupKey::change(change_id), Content::Left)
}

fn reader(uid: i64) -> Reader {
    Reader { uid, device: "text".to_owned() }
}

/// Writes one entry, and expects success.
async fn put(store: &impl Timeline, entry: NewEntry) -> Appended {
    try_put(store, entry).await.unwrap()
}

async fn try_put(store: &impl Timeline, entry: NewEntry) -> Result<Appended, AppendError> {
    store.append(Arc::from([entry]), NOW_MS).await.pop().unwrap()
}

/// Everything that a user sees of a conversation.
async fn visible(store: &impl Timeline, uid: i64, conv: ConvId) -> Option<Range> {
    store.range(uid, conv, 0, EVERYTHING).await.unwrap()
}

async fn visible_seqs(store: &impl Timeline, uid: i64, conv: ConvId) -> Vec<i64> {
    let range = visible(store, uid, conv).await;
    range.map_or(Vec::new(), |range| range.entries.iter().map(|entry| entry.seq).collect())
}

async fn position(store: &impl Timeline, uid: i64, conv: ConvId) -> Option<(i64, i64)> {
    let found = store.positions(&reader(uid), vec![conv]).await.unwrap();
    found.first().map(|&Position { cursor, head, .. }| (cursor, head))
}

async fn members(store: &impl Timeline, conv: ConvId) -> Vec<i64> {
    let mut members = store.members(conv).await.unwrap();
    members.sort_unstable();
    members
}
