//! Dispatches that are given up on, and what an operator does about them.

use mpim_proto::dead_letter_service::Server as _;
use mpim_proto::{DeadLetter, DropDeadLettersReq, ListDeadLettersReq, ReplayDeadLettersReq};
use mprpc::{Code, Status};

use super::*;

impl World {
    async fn letters(&self) -> Vec<DeadLetter> {
        let request = ListDeadLettersReq::default();
        self.dead_letters.list_dead_letters(&cx(), request).await.unwrap().letters
    }

    /// The letters, once they are about so many entries.
    async fn letters_about(&self, entries: i64) -> Vec<DeadLetter> {
        let looking = async {
            loop {
                let letters = self.letters().await;
                if letters.iter().map(|it| it.last_seq - it.first_seq + 1).sum::<i64>() == entries {
                    return letters;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(60), looking).await;
        match found {
            Ok(found) => found,
            Err(_) => panic!("not {entries} entries: {:?}", self.letters().await),
        }
    }

    async fn replay(&self, ids: Vec<i64>) -> (String, i64) {
        let request = ReplayDeadLettersReq { ids };
        let answer = self.dead_letters.replay_dead_letters(&cx(), request).await.unwrap();
        (said(answer.result), answer.replayed)
    }
}

fn spans(letters: &[DeadLetter]) -> Vec<(&str, i64, i64)> {
    letters.iter().map(|it| (&*it.conv_id, it.first_seq, it.last_seq)).collect()
}

fn told(world: &World) -> Vec<(String, i64)> {
    world.presence.delivered().into_iter().map(|(conv, seq, _)| (conv, seq)).collect()
}

/// A world in which the dispatch of two messages was refused for good.
async fn with_two_refused() -> World {
    let world = World::with_one_lane(Model::new(), |_| {});
    world.presence.until("the first resync", |presence| !presence.taken().is_empty()).await;
    world.presence.refuse(Some(Status::invalid_argument("not\nlike this")));
    for text in ["poison", "more of it"] {
        world.send(1, 2, text).await;
    }
    world.letters_about(2).await;
    world
}

#[tokio::test(start_paused = true)]
async fn what_im_presence_refuses_leaves_a_letter_with_the_reason() {
    let world = with_two_refused().await;
    let letter = &world.letters().await[0];
    let reason = "im-presence refused it: ";
    assert!(letter.reason.starts_with(reason), "{letter:?}");
    assert!(letter.reason.contains("not like this"), "{letter:?}");
    assert_eq!((letter.tries, letter.at_ms), (1, NOW_MS));
    // What stands for it is told all the same.
    world.presence.refuse(None);
    world.presence.until("the resync", |presence| presence.taken().len() > 1).await;
    assert!(world.presence.taken()[1].resync);
    assert!(world.presence.delivered().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_im_presence_does_not_take_for_too_long_leaves_a_letter() {
    let world = World::with_one_lane(Model::new(), |config| config.dispatch.age_ms_max = 2_000);
    world.presence.refuse(Some(Status::unavailable("away")));
    world.send(1, 2, "old").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(world.letters().await, [], "not yet");
    let letters = world.letters_about(1).await;
    assert!(letters[0].reason.starts_with("im-presence did not take it in time: "), "{letters:?}");
    assert!(letters[0].tries > 1);
    world.send(1, 2, "young").await;
    world.presence.refuse(None);
    world.presence.until("the young one", |presence| !presence.delivered().is_empty()).await;
    assert_eq!(told(&world), [("c2c_1_2".to_owned(), 2)]);
    assert!(world.presence.taken()[0].resync);
    assert_eq!(world.letters().await, letters);
}

#[tokio::test(start_paused = true)]
async fn what_there_is_no_room_for_leaves_letters() {
    let world = World::with_one_lane(Model::new(), |config| config.dispatch.queue_entries_max = 3);
    world.presence.refuse(Some(Status::unavailable("away")));
    for n in 0..9 {
        world.send(1, 2, &n.to_string()).await;
    }
    let letters = world.letters_about(6).await;
    assert_eq!(letters.iter().map(|it| it.first_seq).min(), Some(1));
    assert_eq!(letters.iter().map(|it| it.last_seq).max(), Some(6));
}

#[tokio::test(start_paused = true)]
async fn a_replay_tells_of_the_entries_and_forgets_the_letter() {
    let world = with_two_refused().await;
    let ids: Vec<_> = world.letters().await.iter().map(|letter| letter.id).collect();
    let (said, replayed) = world.replay(ids.clone()).await;
    assert!(said.starts_with("Internal im-presence did not take it: "), "{said}");
    assert_eq!((replayed, world.letters_about(2).await.len()), (0, ids.len()));
    world.presence.refuse(None);
    let many = [&ids[..], &[999]].concat();
    assert_eq!(world.replay(many.clone()).await, ("ok".to_owned(), ids.len() as i64));
    assert_eq!(told(&world), [("c2c_1_2".to_owned(), 1), ("c2c_1_2".to_owned(), 2)]);
    assert_eq!(world.letters().await, []);
    assert_eq!(world.replay(many).await, ("ok".to_owned(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_long_letter_is_replayed_in_pieces() {
    let world = World::with_one_lane(Model::new(), |config| {
        config.dispatch.queue_entries_max = 1;
        config.dispatch.batch_entries_max = 2;
    });
    world.presence.refuse(Some(Status::unavailable("away")));
    world.join(1, 7).await;
    for n in 0..6 {
        world.send_group(1, 7, &n.to_string()).await;
    }
    let letters = world.letters_about(6).await;
    world.presence.refuse(None);
    world.presence.until("the last", |presence| presence.delivered().len() == 1).await;
    let count = letters.len() as i64;
    let ids = letters.iter().map(|letter| letter.id).collect();
    assert_eq!(world.replay(ids).await, ("ok".to_owned(), count));
    let mut seqs: Vec<_> = told(&world).into_iter().map(|(_, seq)| seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=7).collect::<Vec<_>>());
    assert!(world.presence.taken().iter().all(|dispatch| dispatch.deliveries.len() <= 2));
}

#[tokio::test(start_paused = true)]
async fn letters_are_dropped_by_id_and_nothing_is_told() {
    let world = with_two_refused().await;
    world.presence.refuse(None);
    let letters = world.letters().await;
    let first = spans(&letters)[0];
    assert_eq!((first.0, first.1), ("c2c_1_2", 1));
    let ids: Vec<_> = letters.iter().map(|letter| letter.id).chain([999]).collect();
    for dropped in [letters.len() as i64, 0] {
        let request = DropDeadLettersReq { ids: ids.clone() };
        let answer = world.dead_letters.drop_dead_letters(&cx(), request).await.unwrap();
        assert_eq!((said(answer.result), answer.dropped), ("ok".to_owned(), dropped));
    }
    assert!(world.presence.delivered().is_empty());
}

#[tokio::test(start_paused = true)]
async fn too_many_ids_at_once_are_a_bad_request() {
    let world = World::new();
    let ids = vec![1; 4_097];
    let replay = ReplayDeadLettersReq { ids: ids.clone() };
    let refused = world.dead_letters.replay_dead_letters(&cx(), replay).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let drop = DropDeadLettersReq { ids };
    let refused = world.dead_letters.drop_dead_letters(&cx(), drop).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}
