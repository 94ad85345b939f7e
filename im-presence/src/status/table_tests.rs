use super::*;
use mpim_proto::UserStatus::{Busy, Offline, Online};

const TIMES: StatusTimes = StatusTimes {
    debounce: Duration::from_secs(1),
    offline_after: Duration::from_secs(10),
    recheck: Duration::from_secs(60),
};

struct World {
    table: Table,
    start: Instant,
}

impl World {
    fn new() -> Self {
        Self { table: Table::new(TIMES, 3), start: Instant::now() }
    }

    fn at(&self, s: u64) -> Instant {
        self.start + Duration::from_secs(s)
    }

    /// Looks at second `s` and finds every user who is due so; who is told what.
    fn look(&mut self, s: u64, status: UserStatus, boot: &str) -> Vec<(i64, UserStatus)> {
        let now = self.at(s);
        let boots: HashSet<String> = [boot.to_owned()].into();
        let boots = if status == Offline { HashSet::new() } else { boots };
        let due = self.table.take_due(now, 99);
        let told = due.into_iter().filter_map(|user_id| {
            Some((user_id, self.table.seen(user_id, status, boots.clone(), now)?))
        });
        told.collect()
    }
}

#[test]
fn coming_is_told_after_the_debounce_and_going_after_longer() {
    let mut world = World::new();
    world.table.began(1, "g", world.at(0));
    assert_eq!(world.table.due_at(), Some(world.at(1)));
    assert_eq!(world.look(0, Online, "g"), []);
    assert_eq!(world.look(1, Online, "g"), [(1, Online)]);
    world.table.ended(1, world.at(20));
    assert_eq!(world.look(21, Offline, ""), [], "not yet");
    assert_eq!(world.table.told(1), Some(Online));
    assert_eq!(world.look(30, Offline, ""), []);
    assert_eq!(world.look(31, Offline, ""), [(1, Offline)]);
    assert_eq!((world.table.len(), world.table.due_at()), (0, None), "nothing is kept");
}

#[test]
fn a_reconnect_within_the_time_shows_nothing() {
    let mut world = World::new();
    world.table.began(1, "g", world.at(0));
    world.look(1, Online, "g");
    for s in (10..100).step_by(9) {
        world.table.ended(1, world.at(s));
        assert_eq!(world.look(s + 1, Offline, ""), []);
        world.table.began(1, "g", world.at(s + 8));
        assert_eq!(world.look(s + 9, Online, "g"), []);
    }
}

#[test]
fn who_comes_and_goes_within_the_debounce_was_never_there() {
    let mut world = World::new();
    world.table.began(1, "g", world.at(0));
    world.table.ended(1, world.at(0));
    assert_eq!(world.look(1, Offline, ""), []);
    assert_eq!(world.table.len(), 0);
}

#[test]
fn a_gateway_that_is_gone_takes_its_users_with_it_unless_they_come_back_in_time() {
    let mut world = World::new();
    for user_id in [1, 2] {
        world.table.began(user_id, "g", world.at(0));
    }
    world.look(1, Online, "g");
    world.table.gateways(&["g", "h"].into(), world.at(2));
    assert_eq!(world.look(2, Online, "g"), []);
    world.table.gateways(&["h"].into(), world.at(3));
    assert_eq!(world.look(3, Offline, ""), []);
    world.table.began(2, "h", world.at(5));
    let now = world.at(6);
    assert_eq!(world.table.take_due(now, 9), [2]);
    assert_eq!(world.table.seen(2, Online, ["h".to_owned()].into(), now), None);
    assert_eq!(world.look(13, Offline, ""), [(1, Offline)]);
}

/// im-presence was restarted, and the routes were lost with it.
#[test]
fn routes_that_are_bound_again_are_no_news() {
    let mut world = World::new();
    world.table.bound_again(1, "g", world.at(0));
    assert_eq!(world.look(59, Online, "g"), []);
    assert_eq!(world.look(60, Online, "g"), [], "what is looked at anyway");
    world.table.ended(1, world.at(61));
    world.look(62, Offline, "");
    assert_eq!(world.look(72, Offline, ""), [(1, Offline)]);
}

#[test]
fn another_status_is_told_once() {
    let mut world = World::new();
    world.table.began(1, "g", world.at(0));
    world.look(1, Online, "g");
    world.table.changed(1, world.at(2));
    world.table.changed(1, world.at(2));
    assert_eq!(world.look(3, Busy, "g"), [(1, Busy)]);
    world.table.changed(1, world.at(4));
    assert_eq!(world.look(5, Busy, "g"), [], "there and back");
    world.table.changed(7, world.at(6));
    assert_eq!(world.look(7, Busy, "g"), [(7, Busy)], "whatever they were told before");
}

#[test]
fn an_end_that_nobody_has_told_of_is_found() {
    let mut world = World::new();
    world.table.began(1, "g", world.at(0));
    world.look(1, Online, "g");
    assert_eq!(world.look(61, Offline, ""), []);
    assert_eq!(world.look(71, Offline, ""), [(1, Offline)]);
}

#[test]
fn a_look_that_fails_is_repeated() {
    let mut world = World::new();
    world.table.began(1, "g", world.at(0));
    assert_eq!(world.table.take_due(world.at(1), 9), [1]);
    assert_eq!(world.table.take_due(world.at(1), 9), [0; 0]);
    assert_eq!(world.look(2, Online, "g"), [(1, Online)]);
}

#[test]
fn what_friends_could_not_be_told_is_told_later() {
    let mut world = World::new();
    world.table.began(1, "g", world.at(0));
    assert_eq!(world.look(1, Online, "g"), [(1, Online)]);
    world.table.untold(1, world.at(1));
    assert_eq!(world.look(2, Online, "g"), [(1, Online)]);
    world.table.untold(7, world.at(3));
    assert_eq!(world.look(4, Online, "g"), []);
}

#[test]
fn there_is_a_bound_to_the_users_who_are_known() {
    let mut world = World::new();
    let began = |world: &mut World, user_id| world.table.began(user_id, "g", world.start);
    assert!([1, 2, 3, 3].into_iter().all(|user_id| began(&mut world, user_id)));
    assert!(!began(&mut world, 4));
    assert_eq!(world.table.len(), 3);
}
