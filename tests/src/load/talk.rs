//! One talker: a connection at a time, sends on a beat, everything else as it comes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::wander::Pest;
use super::{Phase, Shared, Talker, is_acknowledged};
use crate::{Conversation, DEADLINE, Ending, Outcome, PASSWORD, Push, Receipt, Sent, TextClient};

/// Messages that wait for their answers at the same time.
const WINDOW: usize = 8;
/// Before the next attempt to connect.
pub(super) const RETRY: Duration = Duration::from_millis(50);
/// The answer after which a message may have been sent or not.
const OPEN: &str = "-ERR unavailable, try again";
/// The answer to an acknowledgement.
pub(super) const ACKED: &str = "+OK acked";

/// A message that was not answered yet.
struct InFlight {
    /// Its place in the journal.
    place: usize,
    line: String,
    last_word: bool,
}

/// See the module.
pub(super) struct Talking {
    pub(super) talker: Talker,
    /// Which of the addresses is next.
    pub(super) place: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) phase: watch::Receiver<Phase>,
    /// Connections so far.
    pub(super) connections: u32,
    sent: usize,
    in_flight: VecDeque<InFlight>,
    /// Conversations that wait for the last word.
    to_conclude: Vec<Conversation>,
    /// Who writes to them, if they wander.
    pub(super) pest: Pest,
}

impl Talking {
    pub(super) fn new(
        talker: Talker,
        place: usize,
        shared: Arc<Shared>,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let to_conclude = if talker.talks() { talker.to.clone() } else { Vec::new() };
        Self {
            talker,
            place,
            shared,
            phase,
            connections: 0,
            sent: 0,
            in_flight: VecDeque::new(),
            to_conclude,
            pest: Pest::default(),
        }
    }

    /// Talks until the run ends, and comes back once it has.
    pub(super) async fn run(mut self) -> TextClient {
        while *self.phase.borrow() != Phase::End {
            let connected = self.connect().await;
            self.place += 1;
            if let Ok(Some(client)) = connected {
                self.connections += 1;
                // How it ended makes no difference.
                let _ = self.talk(client).await;
                if *self.phase.borrow() != Phase::End {
                    let ending = Ending {
                        of: self.talker.reader(),
                        session: self.connections,
                        at: self.shared.now(),
                    };
                    self.shared.journal().endings.push(ending);
                }
                if !self.talker.repeats {
                    self.in_flight.clear();
                }
            }
            sleep(RETRY).await;
        }
        self.come_back().await
    }

    /// A connection that is logged in, if that can be had now.
    pub(super) async fn connect(&self) -> io::Result<Option<TextClient>> {
        let address = self.shared.addresses[self.place % self.shared.addresses.len()];
        let log_in = async {
            let mut client = TextClient::try_connect(address).await?;
            client.try_line().await?;
            if let Some(device) = &self.talker.listens_on {
                client.try_send_bytes(format!("DEVICE {device}\n").as_bytes()).await?;
                client.try_line().await?;
            }
            let line = format!("LOGIN {} {PASSWORD}\n", self.talker.name);
            client.try_send_bytes(line.as_bytes()).await?;
            let reply = client.try_line().await?;
            let right = format!("+OK uid={}", self.talker.uid);
            Ok((reply == Some(right)).then_some(client))
        };
        timeout(DEADLINE, log_in).await.map_err(io::Error::other)?
    }

    /// Talks until the connection or the run ends.
    async fn talk(&mut self, mut client: TextClient) -> io::Result<()> {
        if self.talker.acknowledges {
            // Switches the connection before it is shown anything.
            client.try_send_bytes(b"ACK 1\n").await?;
        }
        if self.talker.wanders.is_some() {
            return self.wander(client).await;
        }
        for again in &self.in_flight {
            client.try_send_bytes(again.line.as_bytes()).await?;
        }
        let mut beat = interval(self.shared.beat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut phase = self.phase.clone();
        loop {
            tokio::select! {
                line = client.try_line() => match line? {
                    Some(line) => {
                        if let Some(shown) = self.heard(&line)
                            && self.talker.acknowledges
                        {
                            client.try_send_bytes(format!("ACK {shown}\n").as_bytes()).await?;
                        }
                    }
                    None => return Ok(()),
                },
                _ = beat.tick(), if self.in_flight.len() < WINDOW => {
                    if let Some(line) = self.next_line() {
                        client.try_send_bytes(line.as_bytes()).await?;
                    }
                }
                () = ended(&mut phase) => return self.leave(client).await,
            }
        }
    }

    /// Something to say, noted before it is said.
    fn next_line(&mut self) -> Option<String> {
        let phase = *self.phase.borrow();
        if phase == Phase::End || !self.talker.talks() {
            return None;
        }
        let last_word = phase == Phase::Conclude;
        let to = if last_word {
            // One after the other, after everything else was answered.
            *self.to_conclude.first().filter(|_| self.in_flight.is_empty())?
        } else {
            self.talker.to[self.sent % self.talker.to.len()]
        };
        self.sent += 1;
        let text = format!("{} {}", self.talker.name, self.sent);
        let id = if self.talker.repeats {
            format!("ID {}-{}", self.talker.name, self.sent)
        } else {
            String::new()
        };
        let line = match to {
            Conversation::Pair(one, other) => {
                let peer = if one == self.talker.uid { other } else { one };
                format!("SEND{id} {peer} {text}\n")
            }
            Conversation::Group(group) => format!("SENDGROUP{id} {group} {text}\n"),
        };
        let mut journal = self.shared.journal();
        self.in_flight.push_back(InFlight {
            place: journal.sent.len(),
            line: line.clone(),
            last_word,
        });
        journal.sent.push(Sent {
            by: self.talker.uid,
            session: if self.talker.repeats { 0 } else { self.connections },
            to,
            text,
            outcome: Outcome::Unknown,
            at: self.shared.now(),
            answered_at: None,
        });
        Some(line)
    }

    /// Takes a line; the message that it shows, if it shows one.
    pub(super) fn heard(&mut self, line: &str) -> Option<i64> {
        if let Some(push) = Push::parse(line) {
            let within = match push.group {
                Some(group) => Conversation::Group(group),
                // Of what another device of theirs has sent it says to whom.
                None => Conversation::pair(self.talker.uid, push.to.unwrap_or(push.from)),
            };
            let mut journal = self.shared.journal();
            let at = self.shared.now();
            journal.receipts.push(Receipt {
                by: self.talker.reader(),
                session: self.connections,
                within,
                id: push.id,
                text: push.text,
                at,
            });
            return Some(push.id);
        }
        if line == ACKED || line.starts_with("-ERR closing ") {
            return None;
        }
        let InFlight { place, last_word, .. } =
            self.in_flight.pop_front().unwrap_or_else(|| panic!("{line:?} answers nothing"));
        let id = line.strip_prefix("+OK msg_id=").or(line.strip_prefix("+OK group_msg_id="));
        let outcome = match id.and_then(|id| id.parse().ok()) {
            Some(id) => Outcome::Acknowledged(id),
            None if line == OPEN => Outcome::Unknown,
            None if line.starts_with("-ERR ") => Outcome::Refused,
            None => panic!("{line:?} is no answer to a message"),
        };
        let mut journal = self.shared.journal();
        journal.sent[place].outcome = outcome;
        journal.sent[place].answered_at = Some(self.shared.now());
        if !is_acknowledged(outcome) {
            let error = format!("{line} to {}", journal.sent[place].text);
            journal.errors.push(error);
        }
        drop(journal);
        if last_word && is_acknowledged(outcome) {
            self.to_conclude.remove(0);
        }
        if self.to_conclude.is_empty() {
            self.shared.concluded().insert(self.talker.uid);
        }
        None
    }
}

async fn ended(phase: &mut watch::Receiver<Phase>) {
    // Nobody left to tell is an end, too.
    let _ = phase.wait_for(|phase| *phase == Phase::End).await;
}
