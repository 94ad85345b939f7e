//! What many do at once.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::people::PIPELINED;
use super::processes::start_again;
use super::{Scene, Spared, Struck};
use crate::{DEADLINE, PASSWORD, Person, Push, Service, Stack, TextClient};

/// Clients of a storm that are not thousands.
const STORM: usize = 200;
/// As many register, or log in, at once.
const STARTS: usize = 8;
/// Before a storm of thousands it is looked for so long how long others wait for answers.
const QUIET: Duration = Duration::from_secs(10);
/// What a client waits for before it tries again, at first and at most, each time a random part between
/// half and all of it: as `docs/CLIENTS.md` has it.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// Members of a group who do not read.
const CROWD: usize = 40;
/// Messages to them, and their bytes: 400 MB for all of them.
const UNREAD: (usize, usize) = (5_000, 2_000);
/// What these may cost the process that has their sessions: a window of 1 MiB each, and what the process
/// needs for the work.
const GROWTH_MAX: u64 = 144 << 20;

/// Registers so many at a gateway.
async fn gather(stack: &Stack, gateway: usize, what: &str, count: usize) -> Vec<Person> {
    let comes = |place| async move {
        let name = format!("{what}-{place}");
        let mut client = stack.connect_to(gateway).await;
        let uid = client.number(&format!("REGISTER {name} {PASSWORD}"), "uid").await;
        Person { name, uid, client }
    };
    stream::iter(0..count).map(comes).buffered(STARTS).collect().await
}

pub(super) async fn storm(scene: &mut Scene<'_>) -> Struck {
    blows(scene, STORM, Duration::ZERO).await
}

pub(super) async fn storm_of_thousands(scene: &mut Scene<'_>) -> Struck {
    let count = scene.options.storm;
    blows(scene, count, QUIET).await
}

/// A gateway is killed, and so many come back to it.
async fn blows(scene: &mut Scene<'_>, count: usize, quiet: Duration) -> Struck {
    let number = 1 + scene.chance.below(scene.arena.instances());
    let stack = &scene.arena.stack;
    let people = gather(stack, number, &format!("storm{}", scene.round), count).await;
    let address = stack.text_addresses()[number - 1];
    let quiet_from = Instant::now();
    sleep(quiet).await;
    let killed = Instant::now();
    let mut coming: JoinSet<_> =
        people.into_iter().map(|person| comes_back(person, address)).collect();
    let process = scene.arena.process_of(Service::Gateway, number);
    scene.arena.stack.kill(&process).await;
    let mut struck = start_again(scene.arena, &[process]).await;
    // They stay until all are back.
    let mut back = Vec::with_capacity(count);
    while let Some(came) = coming.join_next().await {
        back.push(came.expect("nobody who comes back panics"));
    }
    struck.served = struck.healed.elapsed();
    struck.hit = format!("{}, {count} back in {:.1?}", struck.hit, killed.elapsed());
    if !quiet.is_zero() {
        struck.compared = Some([quiet_from, killed, Instant::now()]);
    }
    struck
}

/// Waits until a connection ends, and comes back as a client does; the new connection.
async fn comes_back(mut person: Person, address: SocketAddr) -> TextClient {
    while let Ok(Some(_)) = person.client.try_line().await {}
    let mut pause = BACKOFF.0;
    loop {
        sleep(pause.mul_f32(0.5 + fastrand::f32() / 2.0)).await;
        pause = (pause * 2).min(BACKOFF.1);
        if let Ok(Ok(Some(client))) = timeout(DEADLINE, log_in(&person, address)).await {
            return client;
        }
    }
}

async fn log_in(person: &Person, address: SocketAddr) -> io::Result<Option<TextClient>> {
    let mut client = TextClient::try_connect(address).await?;
    client.try_line().await?;
    client.try_send_bytes(format!("LOGIN {} {PASSWORD}\n", person.name).as_bytes()).await?;
    let right = format!("+OK uid={}", person.uid);
    Ok((client.try_line().await? == Some(right)).then_some(client))
}

/// What nobody reads is not kept for each of them.
pub(super) async fn silent_crowd(scene: &mut Scene<'_>) -> Struck {
    let name = format!("crowd{}", scene.round);
    let stack = &scene.arena.stack;
    let mut speaker = Person::register(stack, &format!("{name}-speaker")).await;
    let group = speaker.client.number(&format!("CREATEGROUP {name}"), "group_id").await;
    let join = |mut member: Person| async move {
        member.client.expect(&format!("JOINGROUP {group}"), "+OK joined group").await;
        // With a small buffer, so that what is not read is the gateway's.
        let mut silent = TextClient::connect_with_buffer(stack.text_address(), 4_096).await;
        let right = format!("+OK uid={}", member.uid);
        silent.expect(&format!("LOGIN {} {PASSWORD}", member.name), &right).await;
        Person { client: silent, ..member }
    };
    let members = gather(stack, 1, &name, CROWD).await;
    let members: Vec<_> = stream::iter(members).map(join).buffered(STARTS).collect().await;
    let process = scene.arena.process_of(Service::Gateway, 1);
    let before = scene.arena.stack.process(&process).resident_bytes();
    let (mut most, mut ids) = (before, Vec::with_capacity(UNREAD.0));
    while ids.len() < UNREAD.0 {
        says(&mut speaker, group, &mut ids).await;
        most = most.max(scene.arena.stack.process(&process).resident_bytes());
    }
    let grown = most - before;
    let hit = format!("{CROWD} who did not read {} messages: {} MiB", ids.len(), grown >> 20);
    let mut struck = Struck::now(hit).spares(Spared::Everybody);
    if grown > GROWTH_MAX {
        struck.found.push(format!("{process} needed {grown} bytes for who does not read"));
    }
    let mut client = scene.arena.stack.connect().await;
    client.send(&format!("LOGIN {} {PASSWORD}", members[0].name)).await;
    let mut shown = Vec::new();
    while shown.last() != ids.last() {
        shown.extend(Push::parse(&client.line().await).map(|push| push.id));
    }
    if !ids.ends_with(&shown) {
        let found = format!("O: {} was not shown the last {} in order", name, shown.len());
        struck.found.push(found);
    }
    struck
}

/// Says some more to a group.
async fn says(speaker: &mut Person, group: i64, ids: &mut Vec<i64>) {
    let line = format!("SENDGROUP {group} {}\n", "x".repeat(UNREAD.1));
    speaker.client.send_bytes(line.repeat(PIPELINED).as_bytes()).await;
    for _ in 0..PIPELINED {
        let reply = speaker.client.reply().await;
        let id = reply.strip_prefix("+OK group_msg_id=").and_then(|id| id.parse().ok());
        ids.push(id.unwrap_or_else(|| panic!("{reply}")));
    }
}
