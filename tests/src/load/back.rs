//! Talkers who come back when everything was said and shown: now they are shown nothing again.
//!
//! Cursors are gathered and written a moment later, and what is written when a session ends has a
//! bound of its own. So who is shown something again stays a little, leaves, and comes once more, each
//! time staying for twice as long.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::talk::{ACKED, RETRY, Talking};
use crate::{DEADLINE, Push, Return, TextClient};

/// So often somebody comes back at most.
const RETURNS_MAX: u32 = 8;
/// How long the first session lasts that has shown something again.
const STAY: Duration = Duration::from_millis(100);
/// The end of what waited for a session.
const SHOWN: &str = "+OK pull_done";

impl Talking {
    /// Comes back until nothing is shown again, or often enough: the last session, which was shown
    /// everything.
    ///
    /// # Panics
    /// When one cannot log in within the deadline.
    pub(super) async fn come_back(mut self) -> TextClient {
        let mut stay = STAY;
        for _ in 1..RETURNS_MAX {
            let client = self.is_back().await;
            if !self.is_shown_again() {
                return client;
            }
            sleep(stay).await;
            stay *= 2;
            // A session that breaks has not ended in order: it comes once more all the same.
            let _ = self.leave(client).await;
        }
        self.is_back().await
    }

    /// A new session that was shown all that waited for it.
    async fn is_back(&mut self) -> TextClient {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.try_back().await {
                Ok(client) => return client,
                Err(seen) => {
                    let late = Instant::now() > deadline;
                    assert!(!late, "{} cannot come back: {seen}", self.talker.name);
                }
            }
            sleep(RETRY).await;
        }
    }

    async fn try_back(&mut self) -> Result<TextClient, String> {
        let connected = self.connect().await;
        self.place += 1;
        let mut client = match connected {
            Ok(Some(client)) => client,
            other => return Err(format!("{other:?}")),
        };
        self.connections += 1;
        let session = Return { of: self.talker.reader(), session: self.connections };
        self.shared.journal().returns.push(session);
        if self.talker.acknowledges {
            client.try_send_bytes(b"ACK 1\n").await.map_err(|error| error.to_string())?;
        }
        match self.ask(&mut client, "PULL").await {
            Ok(Some(answer)) if answer == SHOWN => Ok(client),
            other => Err(format!("PULL is answered {other:?}")),
        }
    }

    /// Whether this session has shown something that an earlier one had shown.
    fn is_shown_again(&self) -> bool {
        let (reader, journal) = (self.talker.reader(), self.shared.journal());
        let receipts = journal.receipts.iter().filter(|receipt| receipt.by == reader);
        let (now, before): (Vec<_>, Vec<_>) =
            receipts.partition(|receipt| receipt.session == self.connections);
        let before: HashSet<i64> = before.iter().map(|receipt| receipt.id).collect();
        now.iter().any(|receipt| before.contains(&receipt.id))
    }

    /// Ends a session so that what it was shown counts.
    pub(super) async fn leave(&mut self, mut client: TextClient) -> io::Result<()> {
        self.ask(&mut client, "LOGOUT").await.map(drop)
    }

    /// The answer, after what is shown before it.
    pub(super) async fn ask(
        &mut self,
        client: &mut TextClient,
        command: &str,
    ) -> io::Result<Option<String>> {
        client.try_send_bytes(format!("{command}\n").as_bytes()).await?;
        timeout(DEADLINE, self.answer(client)).await.map_err(io::Error::other)?
    }

    /// The next line that shows nothing.
    pub(super) async fn answer(&mut self, client: &mut TextClient) -> io::Result<Option<String>> {
        while let Some(line) = client.try_line().await? {
            if line != ACKED && Push::parse(&line).is_none() {
                return Ok(Some(line));
            }
            self.is_shown(client, &line).await?;
        }
        Ok(None)
    }

    /// Notes what a line shows, if it shows something, and acknowledges it, if that is their way.
    pub(super) async fn is_shown(&mut self, client: &mut TextClient, line: &str) -> io::Result<()> {
        if let Some(shown) = self.heard(line)
            && self.talker.acknowledges
        {
            client.try_send_bytes(format!("ACK {shown}\n").as_bytes()).await?;
        }
        Ok(())
    }
}
