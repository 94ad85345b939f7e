//! Several instances of each service on ZooKeeper, MariaDB and Redis, and what they outlive.
//!
//! The rest of the suite runs on a cluster with one instance of each, too: here is what only several
//! can do, and what happens when a server or an instance is away.

mod chaos;
mod gateways;
mod instances;
mod mistakes;
mod parts;
mod servers;
mod starting;
mod streams;
mod znodes;

use mpim_tests::{Instance, Load, Service, Stack, StackBuilder};

use crate::faults::{JOINS, talkers};

/// The services that can be away without a client noticing.
const BEHIND_THE_GATEWAY: [Service; 4] =
    [Service::User, Service::Presence, Service::Message, Service::Group];

/// The name of an instance's process.
fn process(service: Service, number: usize) -> String {
    Instance { service, number }.name()
}

/// A cluster with people who talk through all of its gateways.
///
/// A send is patient: with faults on a busy machine it may take long, and is not refused for that.
async fn talking(builder: StackBuilder) -> (Stack, Load) {
    talking_within(30_000, builder).await
}

/// The same, where a send that takes longer than that is refused.
async fn talking_within(send_timeout_ms: u32, builder: StackBuilder) -> (Stack, Load) {
    let builder = builder.set(Service::Gateway, "calls.send_timeout_ms", send_timeout_ms);
    let stack = builder.start().await;
    let load = Load::start(stack.text_addresses(), talkers(&stack).await);
    load.flows().await;
    (stack, load)
}

/// Kills two instances of each of these, one after the other, while people talk; each comes back before
/// the next.
async fn each_is_killed<P: Copy>(
    stack: &mut Stack,
    load: &Load,
    parts: &[P],
    process: fn(P, usize) -> String,
) {
    for part in parts {
        for number in [1, 2] {
            let process = process(*part, number);
            stack.kill(&process).await;
            load.flows().await;
            stack.restart(&process).await;
            load.flows().await;
        }
    }
}

/// What everybody sent and was shown is right, and no message was answered with an error.
async fn holds_without_an_error(load: Load) {
    let run = load.finish(JOINS).await;
    run.assert_holds();
    assert_eq!(run.journal.errors, [] as [String; 0]);
}
