//! What a session does with the answers of services.

use std::time::Duration;

use im_wire::{Peer, Reply, Slot, failure};
use mpim_proto::{Position, SendOutcome};
use tokio::time::Instant;

use super::{Answer, Client, Failed, Session};
use crate::commands::refusal;
use crate::delivery::{ConvId, Verdict};
use crate::fetches::Page;
use crate::wire::Wire;

impl Session {
    /// Nobody knows whether the log-in ended that the client wanted to end: it is asked for.
    pub(crate) fn not_logged_out(&mut self, now: Instant) {
        self.registration.handle().set_logging_out(false);
        self.verify.want(now, Duration::ZERO);
    }

    /// Takes what became of a call.
    pub(crate) fn answered(&mut self, client: &mut Client<'_>, answer: Answer) {
        // While its route cannot be bound, what im-message answers is no reason to try that often.
        if answer.is_success() && !self.bind && !self.binding {
            self.retry.succeeded();
        }
        match answer {
            Answer::Sent { target, slots, outcome } => {
                self.sending.done(target);
                let with_seq = self.sending.manner.receipts || client.wire.tells_seqs();
                reply_to_sends(client.wire, target, slots, outcome, with_seq);
            }
            Answer::Located { asked, positions } => {
                self.fetching -= 1;
                match positions {
                    Ok(positions) => self.located(asked, positions),
                    Err(Failed) => {
                        asked.iter().for_each(|conv_id| self.timelines.failed(conv_id));
                        self.failed(client);
                    }
                }
            }
            Answer::Fetched { conv_id, page } => {
                self.fetching -= 1;
                match page {
                    Ok(page) => self.fetched(client, &conv_id, &page),
                    Err(Failed) => {
                        self.timelines.failed(&conv_id);
                        self.failed(client);
                    }
                }
            }
            Answer::Pulled(Ok(directs)) => {
                self.original = Some(true);
                self.directs.extend(directs);
                self.sync.page(None, false);
            }
            Answer::Listed(Ok(page)) => {
                self.original = Some(false);
                let last = page.positions.last().map(|position| position.conv_id.clone());
                for position in page.positions {
                    let conv_id = ConvId::from(position.conv_id);
                    self.timelines.place(&conv_id, position.cursor, position.head);
                }
                self.sync.page(last, page.more);
            }
            Answer::Listed(Err(Failed)) | Answer::Pulled(Err(Failed)) => {
                self.sync.failed();
                self.failed(client);
            }
            Answer::Advanced(Ok(())) => {
                self.cursors.written();
                let (cursors, window) = (&self.cursors, &self.window);
                self.timelines.forget_idle(self.config.conversations_max, |conv_id, _| {
                    cursors.has_written(conv_id) && !window.holds(conv_id)
                });
            }
            Answer::Advanced(Err(Failed)) => {
                self.cursors.failed();
                self.cursors_at = Some(client.now + self.retry.longest());
            }
            Answer::Verified(Ok(true)) => {}
            Answer::Verified(Ok(false)) => {
                self.registration.handle().mailbox.close(im_wire::closing::LOGGED_OUT);
            }
            // Nothing else waits for im-user.
            Answer::Verified(Err(Failed)) => {
                self.verify.failed(client.now, self.retry.longest());
            }
            Answer::Bound(outcome) => {
                self.binding = false;
                // Bind, then sync: what was dispatched before the route was there is found now.
                self.sync.want(client.now);
                if outcome.is_err() {
                    self.bind = true;
                    self.failed(client);
                }
            }
        }
    }

    fn located(&mut self, asked: Vec<ConvId>, positions: Vec<Position>) {
        for Position { conv_id, cursor, head } in positions {
            self.timelines.place(&ConvId::from(conv_id), cursor, head);
        }
        for conv_id in asked {
            self.timelines.absent(&conv_id);
        }
    }

    fn fetched(&mut self, client: &mut Client<'_>, conv_id: &ConvId, page: &Page) {
        for entry in page.entries() {
            if !self.has_room(client) {
                self.timelines.page_end(conv_id, None, page.head());
                return;
            }
            if self.timelines.fetched(conv_id, entry.seq()) == Verdict::Next {
                self.step_to(client, entry);
            }
        }
        self.timelines.page_end(conv_id, Some(page.complete_to()), page.head());
    }

    /// Something could not be asked for. It is asked for again after a while.
    fn failed(&mut self, client: &mut Client<'_>) {
        self.retry.failed(client.now);
        if let Some(pull) = self.pull.take() {
            client.wire.reply(pull.slot, Reply::err(failure::UNAVAILABLE));
        }
    }
}

impl Answer {
    /// Whether something that the session needs was answered.
    fn is_success(&self) -> bool {
        match self {
            Self::Located { positions, .. } => positions.is_ok(),
            Self::Fetched { page, .. } => page.is_ok(),
            Self::Listed(listed) => listed.is_ok(),
            Self::Pulled(pulled) => pulled.is_ok(),
            // These are tried again in ways of their own, or say less than what follows them.
            Self::Sent { .. } | Self::Advanced(_) | Self::Bound(_) | Self::Verified(_) => false,
        }
    }
}

fn reply_to_sends(
    wire: &mut Wire,
    target: Peer,
    slots: Vec<Slot>,
    outcome: Result<Vec<SendOutcome>, &'static str>,
    with_seq: bool,
) {
    let mut outcomes = match outcome {
        Ok(outcomes) => outcomes.into_iter(),
        Err(text) => {
            slots.into_iter().for_each(|slot| wire.reply(slot, Reply::err(text)));
            return;
        }
    };
    for slot in slots {
        // Fewer outcomes than messages are failures, too.
        wire.reply(slot, reply_to_send(target, outcomes.next().unwrap_or_default(), with_seq));
    }
}

/// What became of one message, with its number if that is told and there is one.
pub(crate) fn reply_to_send(target: Peer, outcome: SendOutcome, with_seq: bool) -> Reply {
    let SendOutcome { result, msg_id, seq } = outcome;
    match (refusal(result), target) {
        (Some(refused), _) => refused,
        (None, Peer::User(_)) if with_seq && seq > 0 => Reply::MsgIdSeq(msg_id, seq),
        (None, Peer::Group(_)) if with_seq && seq > 0 => Reply::GroupMsgIdSeq(msg_id, seq),
        (None, Peer::User(_)) => Reply::MsgId(msg_id),
        (None, Peer::Group(_)) => Reply::GroupMsgId(msg_id),
    }
}
