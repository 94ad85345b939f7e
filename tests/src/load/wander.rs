//! Somebody who comes and goes: into a group and out of it, and who shuts somebody out and lets them in
//! again. One step after the other, each noted with when it was asked and answered; the checker knows
//! from that, and from the history, what must be so.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::talk::Talking;
use super::{Phase, Wanderer};
use crate::{
    Attempt, Change, Conversation, DEADLINE, Outcome, PASSWORD, Push, Read, Sent, State, TextClient,
};

/// Between two steps.
const STAY: Duration = Duration::from_millis(50);
/// The device of who writes to them, so that it is in nobody's way.
const PEST: &str = "mobile:pest";

/// Who writes to somebody who wanders.
#[derive(Default)]
pub(super) struct Pest {
    client: Option<TextClient>,
    sessions: u32,
    sent: usize,
}

impl Pest {
    /// Their connection, if it can be had now.
    async fn client(&mut self, talking: &Talking, wanderer: &Wanderer) -> Option<&mut TextClient> {
        if self.client.is_none() {
            let addresses = &talking.shared.addresses;
            let address = addresses[talking.place % addresses.len()];
            let log_in = async {
                let mut client = TextClient::try_connect(address).await.ok()?;
                client.try_line().await.ok()?;
                let lines = format!("DEVICE {PEST}\nLOGIN {} {PASSWORD}\n", wanderer.other_name);
                client.try_send_bytes(lines.as_bytes()).await.ok()?;
                client.try_line().await.ok()?;
                let reply = client.try_line().await.ok()?;
                (reply == Some(format!("+OK uid={}", wanderer.other))).then_some(client)
            };
            self.client = timeout(DEADLINE, log_in).await.ok().flatten();
            self.sessions += 1;
        }
        self.client.as_mut()
    }
}

impl Talking {
    /// Wanders until the connection or the run ends.
    pub(super) async fn wander(&mut self, mut client: TextClient) -> io::Result<()> {
        let Some(wanderer) = self.talker.wanders.clone() else { return Ok(()) };
        let (member, shuts_out) = (State::Member(wanderer.group), State::ShutsOut(wanderer.other));
        loop {
            self.change(&mut client, member, true).await?;
            self.stay(&mut client).await?;
            self.read(&mut client, wanderer.group).await?;
            self.change(&mut client, member, false).await?;
            self.change(&mut client, shuts_out, true).await?;
            self.is_written_to(&wanderer).await;
            self.change(&mut client, shuts_out, false).await?;
            self.is_written_to(&wanderer).await;
            self.stay(&mut client).await?;
            if *self.phase.borrow() == Phase::End {
                return self.leave(client).await;
            }
        }
    }

    /// Changes what they are.
    async fn change(&mut self, client: &mut TextClient, to: State, on: bool) -> io::Result<()> {
        let (line, right) = match (to, on) {
            (State::Member(group), true) => (format!("JOINGROUP {group}"), "+OK joined group"),
            (State::Member(group), false) => (format!("LEAVEGROUP {group}"), "+OK left group"),
            (State::ShutsOut(uid), true) => (format!("BLOCK {uid}"), "+OK user blocked"),
            (State::ShutsOut(uid), false) => (format!("UNBLOCK {uid}"), "+OK user unblocked"),
        };
        let (by, asked) = (self.talker.uid, self.shared.now());
        let place = {
            let changes = &mut self.shared.journal().changes;
            changes.push(Change { by, to, on, asked, answered: None });
            changes.len() - 1
        };
        if self.must_ask(client, &line).await? == right {
            let answered = self.shared.now();
            self.shared.journal().changes[place].answered = Some(answered);
        }
        Ok(())
    }

    /// Is told how far they have read, and reads to the end.
    async fn read(&mut self, client: &mut TextClient, group: i64) -> io::Result<()> {
        let (by, within) = (self.talker.uid, Conversation::Group(group));
        let asked = self.shared.now();
        let start = format!("CONV peer=g{group} head=");
        let mut line = self.must_ask(client, "CONVERSATIONS").await?;
        let mut head = None;
        while line.starts_with("CONV ") {
            let numbers = line.strip_prefix(&start).and_then(|line| line.split_once(" read="));
            if let Some((end, rest)) = numbers
                && let Some((read, _)) = rest.split_once(' ')
            {
                head = end.parse::<i64>().ok();
                let seq = read.parse().expect("a number");
                let answered = self.shared.now();
                let read = Read { by, within, seq, said: false, asked, answered };
                self.shared.journal().reads.push(read);
            }
            let next = timeout(DEADLINE, self.answer(client)).await.map_err(io::Error::other)??;
            line = next.ok_or(io::ErrorKind::UnexpectedEof)?;
        }
        let Some(seq) = head else { return Ok(()) };
        let asked = self.shared.now();
        if self.must_ask(client, &format!("READ g{group} {seq}")).await? == "+OK read" {
            let answered = self.shared.now();
            let read = Read { by, within, seq, said: true, asked, answered };
            self.shared.journal().reads.push(read);
        }
        Ok(())
    }

    /// Whom they may have shut out writes to them.
    async fn is_written_to(&mut self, wanderer: &Wanderer) {
        let mut pest = std::mem::take(&mut self.pest);
        if pest.client(self, wanderer).await.is_some()
            && let Some(client) = &mut pest.client
        {
            pest.sent += 1;
            let text = format!("{} {}", wanderer.other_name, pest.sent);
            let sent = self.writes(client, wanderer.other, pest.sessions, text);
            if !matches!(timeout(DEADLINE, sent).await, Ok(Ok(()))) {
                pest.client = None;
            }
        }
        self.pest = pest;
    }

    /// Somebody writes this to them; an error if it is not known what became of it.
    async fn writes(
        &self,
        client: &mut TextClient,
        by: i64,
        session: u32,
        text: String,
    ) -> io::Result<()> {
        let to = self.talker.uid;
        let line = format!("SEND {to} {text}\n");
        let (place, asked) = {
            let mut journal = self.shared.journal();
            let (at, to, outcome) =
                (self.shared.now(), Conversation::pair(by, to), Outcome::Unknown);
            journal.sent.push(Sent { by, session, to, text, outcome, at, answered_at: None });
            (journal.sent.len() - 1, at)
        };
        client.try_send_bytes(line.as_bytes()).await?;
        let answer = loop {
            let line = client.try_line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if Push::parse(&line).is_none() {
                break line;
            }
        };
        let answered = self.shared.now();
        let id = answer.strip_prefix("+OK msg_id=").and_then(|id| id.parse().ok());
        let outcome = match id {
            Some(id) => Outcome::Acknowledged(id),
            None if answer == "-ERR blocked" => Outcome::Refused,
            None => return Err(io::Error::other(answer)),
        };
        let was_let_in = id.is_some();
        let mut journal = self.shared.journal();
        journal.attempts.push(Attempt { by, to, asked, answered, was_let_in });
        journal.sent[place].outcome = outcome;
        journal.sent[place].answered_at = Some(answered);
        Ok(())
    }

    /// Is shown what comes for a while.
    async fn stay(&mut self, client: &mut TextClient) -> io::Result<()> {
        let until = Instant::now() + STAY;
        while let Ok(line) = timeout_at(until, client.try_line()).await {
            let line = line?.ok_or(io::ErrorKind::UnexpectedEof)?;
            self.is_shown(client, &line).await?;
        }
        Ok(())
    }

    async fn must_ask(&mut self, client: &mut TextClient, line: &str) -> io::Result<String> {
        let answer = self.ask(client, line).await?;
        answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
