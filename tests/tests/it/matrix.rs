//! Who may do what to whom: every operation, by everybody, on everything, by each way in.
//!
//! The rows are made, not picked: a command that has no operation here does not compile, and neither
//! does an operation without requests, or one that `rule` says nothing of.

mod operation;
mod rule;
mod world;

use mpim_tests::{Service, Stack, StackBuilder, Way};

use crate::patience::with_events;
use world::{Actor, World};

on_all_stacks! {
    everybody_may_do_what_the_rule_says_and_nothing_else,
    every_route_of_the_document_has_its_row,
}

/// What whoever may read is told when it says no more than they said before.
const NOTHING_TO_DO: [&str; 2] = ["already read", "beyond the head"];

/// A stack on which as much may be asked as a matrix asks.
fn patient(stack: StackBuilder) -> StackBuilder {
    with_events(stack).set(Service::User, "password.memory_kib", 64).set(
        Service::Gateway,
        "session.signals_per_s",
        100_000,
    )
}

async fn everybody_may_do_what_the_rule_says_and_nothing_else(stack: StackBuilder) {
    let stack = patient(stack).start().await;
    let world = World::new(&stack, "w").await;
    let mut watch = world.watch(&stack).await;
    let before = world.state(&stack).await;
    let mut wrong = refused(&stack, &world).await;
    // None of it left a trace, nor was anything of it told.
    let (after, told) = (world.state(&stack).await, world.told(&mut watch).await);
    wrong.extend(done(&stack, &world).await);
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(after, before);
    assert!(told.is_empty(), "{told:?}");
}

/// Asks for whatever is to be refused; what was not, or in other words.
async fn refused(stack: &Stack, world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for (actor, way) in everybody() {
        let mut person = world.enter(stack, actor, way).await;
        for (row, request) in operation::rows(world) {
            let Err(words) = rule::of(actor, way, row) else { continue };
            let Some(found) = person.ask(stack, &request).await else { continue };
            if !found.as_ref().is_err_and(|found| found == words || is_same(words, found)) {
                wrong.push(format!("{actor:?} {way:?} {row:?}: {found:?}, not {words:?}"));
            }
        }
    }
    wrong
}

/// Frames and WebSocket do not tell a conversation of others from none.
fn is_same(words: &str, found: &str) -> bool {
    (words, found) == ("not allowed", "bad session_id")
}

/// Asks for whatever is allowed, as somebody new wherever it changes what they are; what was refused.
async fn done(stack: &Stack, world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for (actor, way) in everybody() {
        let mut person = world.enter(stack, actor, way).await;
        for (row, request) in operation::rows(world) {
            if rule::of(actor, way, row).is_err() {
                continue;
            }
            let found = match row.operation.changes_who_asks() {
                false => person.ask(stack, &request).await,
                true => {
                    let world = World::new(stack, "another").await;
                    let mut person = world.enter(stack, actor, way).await;
                    let same = operation::rows(&world).into_iter().find(|(it, _)| *it == row);
                    person.ask(stack, &same.expect("the same rows in every world").1).await
                }
            };
            if let Some(Err(words)) = found
                && !NOTHING_TO_DO.contains(&&*words)
            {
                wrong.push(format!("{actor:?} {way:?} {row:?}: {words:?}, not done"));
            }
        }
    }
    wrong
}

fn everybody() -> impl Iterator<Item = (Actor, Way)> {
    let all = Actor::ALL.into_iter().flat_map(|actor| Way::ALL.map(|way| (actor, way)));
    all.filter(|(actor, way)| actor.comes_by(*way))
}

async fn every_route_of_the_document_has_its_row(stack: StackBuilder) {
    let stack = patient(stack).start().await;
    let world = World::new(&stack, "w").await;
    let rows = operation::rows(&world);
    let asked: Vec<_> = rows.iter().filter_map(|(_, request)| request.http()).collect();
    let (_, document) = world.owner.ask("GET", "/api/openapi.json", None).await;
    let mut without = Vec::new();
    let mut routes = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let route = format!("{} {path}", method.to_uppercase());
            let has_row = asked.iter().any(|(method, path, _)| is_at(&route, method, path));
            if !has_row && !operation::ELSEWHERE.contains(&&*route) {
                without.push(route);
            }
            routes += 1;
        }
    }
    assert!(without.is_empty() && routes > 20, "{without:?} of {routes} have no row");
}

/// Whether that path is one of the route.
fn is_at(route: &str, method: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let is_part = |(of_route, part): (&str, &str)| of_route.starts_with('{') || of_route == part;
    route.split_once(' ').is_some_and(|(of_route, route)| {
        let same_length = route.split('/').count() == path.split('/').count();
        of_route == method && same_length && route.split('/').zip(path.split('/')).all(is_part)
    })
}
