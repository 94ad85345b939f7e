//! Who misbehaves harms nobody else: two people talk on, and how long each message takes is printed beside
//! how long it takes without. The figures are for people to look at, as those of `scripts/bench abuse` are
//! that was made for them: how much is asked for here depends on what else the machine does, and only that
//! all arrives is a matter of a test.

use std::time::Duration;

use mpim_tests::{Abuse, Doors, Layout, Person, Service, Stack, register_two, until};
use tokio::time::interval;

/// Messages of one measurement, and the time between two.
const MESSAGES: usize = 300;
const PAUSE: Duration = Duration::from_millis(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_talk_on_while_some_misbehave() {
    let stack = Stack::builder(Layout::Embedded)
        .set(Service::User, "password.memory_kib", 64)
        .start()
        .await;
    let (mut ada, mut bob) = register_two(&stack).await;
    let alone = talk(&mut ada, &mut bob).await;
    print("alone", alone, alone);
    let doors = Doors {
        text: stack.text_address(),
        frames: stack.frames_address(),
        http: stack.http_address(),
    };
    for abuse in Abuse::ALL {
        let crowd = abuse.begin(doors);
        let took = talk(&mut ada, &mut bob).await;
        print(abuse.name(), took, alone);
        until(&format!("they do something: {abuse:?}"), async || match crowd.counts() {
            (1.., 1..) => Ok(()),
            (1.., _) if matches!(abuse, Abuse::SlowSenders | Abuse::SlowReaders) => Ok(()),
            counts => Err(format!("{counts:?}")),
        })
        .await;
    }
}

/// The median and the 99th percentile from sending to being shown, each from when it was due.
async fn talk(ada: &mut Person, bob: &mut Person) -> (Duration, Duration) {
    let mut due = interval(PAUSE);
    let mut took = Vec::with_capacity(MESSAGES);
    for n in 0..MESSAGES {
        let begun = due.tick().await;
        let id = ada.send(bob.uid, &n.to_string()).await;
        assert_eq!(bob.client.push().await.id, id);
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    (took[MESSAGES / 2], took[MESSAGES * 99 / 100])
}

fn print(what: &str, (p50, p99): (Duration, Duration), (_, alone): (Duration, Duration)) {
    let times = p99.as_secs_f64() / alone.as_secs_f64();
    println!("{what}: p50 {p50:.1?}, p99 {p99:.1?}, {times:.2} times that of nobody else");
}
