//! From what is typed to what is shown.

use super::{Keyboard, Screen, keyboard::Typed, render};
use crate::command::{self, Input};
use im_client::{Answered, Client, Command, Event, Events, Reply, RequestError, Submitted};
use std::{future::pending, pin::Pin};
use tokio::sync::{mpsc, oneshot, watch};

/// How the person left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// By `quit`, by the end of the input, or because nobody looks any more.
    Done,
    /// By Ctrl-C.
    Interrupted,
}

/// Runs until the person leaves. What was asked before that is waited for, each within its
/// deadline.
pub(crate) async fn run(
    client: &Client,
    events: Events,
    mut keyboard: Keyboard,
    screen: Screen,
) -> Left {
    let (uid, logged_in) = watch::channel(None);
    // As many as can be in flight: more would be typed ahead of the server.
    let (asked, to_show) = mpsc::channel(64);
    let shower = tokio::spawn(show(to_show, events, screen.clone(), uid));
    loop {
        let prompt = render::prompt(*logged_in.borrow());
        let typed = tokio::select! {
            typed = keyboard.next(prompt) => typed,
            () = screen.gone() => Typed::End,
        };
        let line = match typed {
            Typed::Line(line) => line,
            Typed::End => break,
            Typed::Interrupted => {
                shower.abort();
                return Left::Interrupted;
            }
        };
        match command::parse(&line) {
            Ok(Input::Nothing) => {}
            Ok(Input::Quit) => break,
            Ok(Input::Help) => screen.show(command::help()).await,
            Ok(Input::Ask(command)) => ask(client, command, &keyboard, &asked).await,
            Err(bad_line) => screen.show(format!("error: {bad_line}")).await,
        }
    }
    drop(asked);
    // An error is a panic there, which the runtime has reported.
    let _ = shower.await;
    Left::Done
}

/// A request whose answer is to be shown.
struct Asked {
    effect: Effect,
    reply: Result<Submitted, RequestError>,
    /// Dropped once it was shown.
    _shown: oneshot::Sender<()>,
}

/// What success means for who is logged in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    LogsIn,
    LogsOut,
}

async fn ask(client: &Client, command: Command, keyboard: &Keyboard, asked: &mpsc::Sender<Asked>) {
    let effect = match command {
        Command::Login { .. } | Command::Register { .. } => Effect::LogsIn,
        Command::Logout => Effect::LogsOut,
        _ => Effect::None,
    };
    let reply = client.submit(command).await;
    let (_shown, shown) = oneshot::channel();
    // An error means that nobody looks any more.
    let _ = asked.send(Asked { effect, reply, _shown }).await;
    if effect != Effect::None && keyboard.is_interactive() {
        // So that the next prompt knows.
        let _ = shown.await;
    }
}

/// An answer that is waited for.
struct Answering {
    answered: Pin<Box<dyn Future<Output = Answered> + Send>>,
    effect: Effect,
    _shown: oneshot::Sender<()>,
}

/// Shows events and answers in the order in which the server sent them, until everything that was
/// asked is answered and nothing more can be.
async fn show(
    mut to_show: mpsc::Receiver<Asked>,
    mut events: Events,
    screen: Screen,
    uid: watch::Sender<Option<i64>>,
) {
    let mut answering: Option<Answering> = None;
    loop {
        tokio::select! {
            // An answer first, for it knows which events came before it; an event does not know
            // which answers did.
            biased;
            answered = finished(&mut answering), if answering.is_some() => {
                while events.taken() < answered.after_events
                    && let Some(event) = events.next().await
                {
                    show_event(&event, &screen, &uid).await;
                }
                // Taken out only after it was shown: that is what the person waits for.
                let effect = answering.as_ref().map_or(Effect::None, |answering| answering.effect);
                show_answer(&answered, effect, &screen, &uid).await;
                answering = None;
            }
            asked = to_show.recv(), if answering.is_none() => {
                let Some(Asked { effect, reply, _shown }) = asked else { return };
                answering = Some(Answering { answered: Box::pin(answered(reply)), effect, _shown });
            }
            event = events.next() => {
                let Some(event) = event else { return };
                show_event(&event, &screen, &uid).await;
            }
        }
    }
}

async fn answered(reply: Result<Submitted, RequestError>) -> Answered {
    match reply {
        Ok(reply) => reply.answered().await,
        Err(error) => Answered { outcome: Err(error), after_events: 0 },
    }
}

async fn finished(answering: &mut Option<Answering>) -> Answered {
    match answering {
        Some(answering) => answering.answered.as_mut().await,
        None => pending().await,
    }
}

async fn show_event(event: &Event, screen: &Screen, uid: &watch::Sender<Option<i64>>) {
    if let Event::SessionClosed { .. } = event {
        uid.send_replace(None);
    }
    screen.show(render::event(event)).await;
}

async fn show_answer(
    Answered { outcome, .. }: &Answered,
    effect: Effect,
    screen: &Screen,
    uid: &watch::Sender<Option<i64>>,
) {
    match (effect, outcome) {
        (Effect::LogsIn, Ok(reply)) => {
            uid.send_replace(match reply {
                Reply::Uid(uid) => Some(*uid),
                Reply::LoggedIn(logged_in) => Some(logged_in.user_id),
                _ => None,
            });
        }
        (Effect::LogsOut, Ok(_)) => {
            uid.send_replace(None);
        }
        _ => {}
    }
    screen.show(render::answer(outcome)).await;
}
