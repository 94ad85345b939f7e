//! People who make trouble, or have some.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use mpim_proto::send_batch_req::To;
use mpim_proto::{Outgoing, SendBatchReq, message_service};
use mprpc::Context;
use tokio::time::{Instant, sleep};

use super::processes::start_again;
use super::{Scene, Spared, Struck};
use crate::{PASSWORD, Person, Push, Service, TextClient, until};

/// Messages to who is away.
const BACKLOG: usize = 10_000;
/// Messages to who does not read, and their bytes: more than systems and gateway hold for them.
const SILENT: (usize, usize) = (3_000, 2_000);
/// Messages to who reads slowly, their bytes, and the longest pause before each in ms.
const SLOW: (usize, usize, u64) = (300, 2_000, 10);
/// Of these the next is only sent when the last ones were answered.
pub(super) const PIPELINED: usize = 500;
/// Calls at once with the same id to each instance.
const SAME: usize = 16;
/// One call of them.
const CALL_MAX: Duration = Duration::from_secs(20);

/// Two who are only there for this.
pub(super) async fn two(scene: &Scene<'_>) -> (Person, Person) {
    let name = |what| format!("{what}{}", scene.round);
    let stack = &scene.arena.stack;
    (Person::register(stack, &name("giver")).await, Person::register(stack, &name("taker")).await)
}

/// Sends so many texts; their ids.
async fn send_many(giver: &mut Person, to: i64, count: usize, bytes: usize) -> Vec<i64> {
    let mut ids = Vec::with_capacity(count);
    let filler = "x".repeat(bytes);
    let numbers: Vec<_> = (0..count).collect();
    for part in numbers.chunks(PIPELINED) {
        let line = |number: &usize| format!("SEND {to} {number} {filler}\n");
        let lines: String = part.iter().map(line).collect();
        giver.client.send_bytes(lines.as_bytes()).await;
        for _ in part {
            let reply = giver.client.reply().await;
            let id = reply.strip_prefix("+OK msg_id=").and_then(|id| id.parse().ok());
            ids.push(id.unwrap_or_else(|| panic!("{reply}")));
        }
    }
    ids
}

/// Logs in, and reads until all of these were shown, or as many others.
async fn is_shown(client: &mut TextClient, name: &str, ids: &[i64]) -> Vec<String> {
    client.send(&format!("LOGIN {name} {PASSWORD}")).await;
    let mut shown = Vec::with_capacity(ids.len());
    let mut deadline = ids.len() + 10;
    while shown.len() < ids.len() && deadline > 0 {
        deadline -= 1;
        if let Some(Push { id, .. }) = Push::parse(&client.line().await) {
            shown.push(id);
        }
    }
    if shown == ids {
        return Vec::new();
    }
    let wrong = shown.iter().zip(ids).position(|(shown, sent)| shown != sent);
    let different: HashSet<_> = shown.iter().collect();
    vec![format!(
        "O: {name} was shown {} messages, {} different ones, of {}, wrong from {wrong:?} on",
        shown.len(),
        different.len(),
        ids.len()
    )]
}

pub(super) async fn backlog(scene: &mut Scene<'_>) -> Struck {
    let (mut giver, mut taker) = two(scene).await;
    taker.client.expect("LOGOUT", "+OK logout success").await;
    let ids = send_many(&mut giver, taker.uid, BACKLOG, 10).await;
    let mut client = scene.arena.stack.connect().await;
    let found = is_shown(&mut client, &taker.name, &ids).await;
    Struck { found, ..Struck::now("who was away").spares(Spared::Everybody) }
}

pub(super) async fn silent_reader(scene: &mut Scene<'_>) -> Struck {
    let (mut giver, taker) = two(scene).await;
    let address = scene.arena.stack.text_address();
    let mut silent = TextClient::connect_with_buffer(address, 4_096).await;
    silent
        .expect(&format!("LOGIN {} {PASSWORD}", taker.name), &format!("+OK uid={}", taker.uid))
        .await;
    let (count, bytes) = SILENT;
    let ids = send_many(&mut giver, taker.uid, count, bytes).await;
    sleep(scene.chance.ms(0..500)).await;
    // Either throws away what it has not read, of which nobody knows how much had arrived; or reads that
    // when its successor has come, and has closed it.
    let mut silent = if scene.chance.coin() { Some(silent) } else { None };
    let mut client = scene.arena.stack.connect().await;
    client.send(&format!("LOGIN {} {PASSWORD}", taker.name)).await;
    let mut shown = Vec::new();
    while shown.last() != ids.last() {
        if let Some(push) = Push::parse(&client.line().await) {
            shown.push(push.id);
        }
    }
    let mut found = Vec::new();
    if !ids.ends_with(&shown) {
        found.push(format!("O: {} was not shown the last {} in order", taker.name, shown.len()));
    }
    if let Some(silent) = &mut silent {
        let had = silent.rest().await;
        let had: Vec<_> = had.iter().filter_map(|line| Some(Push::parse(line)?.id)).collect();
        if !ids.starts_with(&had) {
            found.push(format!("O: {} had not the first {} in order", taker.name, had.len()));
        }
        if had.len() + shown.len() < ids.len() {
            let (name, had, shown) = (&taker.name, had.len(), shown.len());
            found.push(format!("L: {name} had {had} and was then shown {shown} of {}", ids.len()));
        }
    }
    let how = if silent.is_some() { "who did not read, and then did" } else { "who did not read" };
    Struck { found, ..Struck::now(how).spares(Spared::Everybody) }
}

pub(super) async fn slow_reader(scene: &mut Scene<'_>) -> Struck {
    let (mut giver, taker) = two(scene).await;
    let address = scene.arena.stack.text_address();
    let mut slow = TextClient::connect_with_buffer(address, 4_096).await;
    let right = format!("+OK uid={}", taker.uid);
    slow.expect(&format!("LOGIN {} {PASSWORD}", taker.name), &right).await;
    let (count, bytes, pause) = SLOW;
    let ids = send_many(&mut giver, taker.uid, count, bytes).await;
    let mut shown = Vec::new();
    for _ in &ids {
        sleep(scene.chance.ms(0..pause)).await;
        shown.push(slow.push().await.id);
    }
    let mut struck = Struck::now("who reads slowly").spares(Spared::Everybody);
    if shown != ids {
        struck.found.push(format!("O: {} was not shown everything in order", taker.name));
    }
    struck
}

pub(super) async fn duplicates(scene: &mut Scene<'_>) -> Struck {
    let (giver, taker) = two(scene).await;
    let ids: Vec<_> = (0..8).map(|number| format!("same-{}-{number}", scene.round)).collect();
    let mut clients = everywhere(scene, &giver).await;
    let (mut answers, sent) =
        tokio::join!(same(scene, &giver, &taker, &ids), same_through(&mut clients, &taker, &ids),);
    let mut struck = Struck::now("im-message").spares(Spared::Everybody);
    if scene.chance.coin() {
        let process = scene.arena.process_of(Service::Message, 1);
        scene.arena.stack.kill(&process).await;
        struck = start_again(scene.arena, &[process]).await;
        answers.extend(same(scene, &giver, &taker, &ids).await);
    }
    for (number, id) in ids.iter().enumerate() {
        let given: HashSet<_> = answers.iter().map(|answer| answer[number]).collect();
        let sent: HashSet<_> = sent.iter().map(|answer| answer[number]).collect();
        if given.len() != 1 || given.iter().any(|(msg_id, _)| sent.iter().any(|id| id != msg_id)) {
            struck.found.push(format!("L: {id} has (msg_id, seq) {given:?} and msg_id {sent:?}"));
        }
    }
    struck
}

/// Connections of somebody to every gateway of several, on devices that let each other live.
async fn everywhere(scene: &Scene<'_>, giver: &Person) -> Vec<TextClient> {
    let stack = &scene.arena.stack;
    let gateways = match scene.arena.instances() {
        1 => 0,
        several => several,
    };
    let mut clients = Vec::with_capacity(gateways);
    for number in 1..=gateways {
        let client = until("somebody is at each gateway", async || {
            let mut client = stack.connect_to(number).await;
            let device = format!("web:{number}");
            client.expect(&format!("DEVICE {device}"), &format!("+OK device {device}")).await;
            match client.ask(&format!("LOGIN {} {PASSWORD}", giver.name)).await {
                reply if reply == format!("+OK uid={}", giver.uid) => Ok(client),
                reply => Err(reply),
            }
        });
        clients.push(client.await);
    }
    clients
}

/// Sends the same messages at once through these; the ids that were answered to each.
async fn same_through(clients: &mut [TextClient], taker: &Person, ids: &[String]) -> Vec<Vec<i64>> {
    let line = |id: &String| format!("SENDID {id} {} text of {id}\n", taker.uid);
    let lines: Vec<_> = ids.iter().map(line).collect();
    let sends = clients.iter_mut().map(|client| async {
        let mut given = vec![None; lines.len()];
        until("each message is answered", async || {
            let open: Vec<_> = (0..lines.len()).filter(|at| given[*at].is_none()).collect();
            let again: String = open.iter().map(|at| lines[*at].as_str()).collect();
            client.send_bytes(again.as_bytes()).await;
            let mut said = String::new();
            for at in open {
                let reply = client.reply().await;
                given[at] = reply.strip_prefix("+OK msg_id=").and_then(|id| id.parse().ok());
                if given[at].is_none() {
                    said = reply;
                }
            }
            if said.is_empty() { Ok(()) } else { Err(said) }
        })
        .await;
        given.into_iter().flatten().collect()
    });
    join_all(sends).await
}

/// Sends the same batch many times at once to every im-message; what it is answered.
async fn same(
    scene: &Scene<'_>,
    giver: &Person,
    taker: &Person,
    ids: &[String],
) -> Vec<Vec<(i64, i64)>> {
    let message =
        |id: &String| Outgoing { client_msg_id: id.clone(), text: format!("text of {id}") };
    let request = SendBatchReq {
        from: giver.uid,
        to: Some(To::ToUser(taker.uid)),
        messages: ids.iter().map(message).collect(),
        ..SendBatchReq::default()
    };
    let addresses = scene.arena.stack.addresses_of(Service::Message);
    let call = |address| {
        let request = request.clone();
        async move {
            let channel = scene.arena.stack.channel(format!("static://{address}"));
            let client = message_service::Client::new(&channel);
            let deadline = Instant::now() + CALL_MAX;
            loop {
                let cx = Context::with_timeout(CALL_MAX);
                match client.send_batch(&cx, request.clone()).await {
                    Ok(answer) if answer.outcomes.len() == request.messages.len() => {
                        let outcomes = answer.outcomes.iter();
                        return outcomes.map(|outcome| (outcome.msg_id, outcome.seq)).collect();
                    }
                    // It may just be starting, and not know yet who exists.
                    other => assert!(Instant::now() < deadline, "{other:?}"),
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
    };
    let calls = addresses.iter().flat_map(|address| (0..SAME).map(move |_| *address)).map(call);
    join_all(calls).await
}
