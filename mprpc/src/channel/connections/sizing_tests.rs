use proptest::prelude::*;

use super::*;

const LOOK: Duration = Duration::from_millis(100);
const FAST: Option<Duration> = Some(Duration::from_micros(50));
const SLOW: Option<Duration> = Some(Duration::from_millis(5));

/// An instance whose connections are made and closed at once, as they are asked for.
struct World {
    now: Instant,
    sizing: Sizing,
    bounds: Bounds,
    open: usize,
}

impl World {
    fn new(bounds: Bounds) -> Self {
        Self { now: Instant::now(), sizing: Sizing::new(bounds), bounds, open: 1 }
    }

    fn look(&mut self, in_flight: usize, ping: Option<Duration>) -> Action {
        self.now += LOOK;
        let seen = Seen { open: self.open, in_flight, used: false, ping, full: false };
        let action = self.sizing.look(self.now, seen);
        match action {
            Action::Keep => {}
            Action::Connect => self.open += 1,
            Action::CloseOne => self.open -= 1,
            Action::CloseAll => self.open = 0,
        }
        assert!(self.open <= self.bounds.connections_max);
        action
    }

    fn look_for(&mut self, time: Duration, in_flight: usize, ping: Option<Duration>) {
        let until = self.now + time;
        while self.now < until {
            self.look(in_flight, ping);
        }
    }
}

#[test]
fn contention_adds_connections_up_to_the_bound_and_quiet_takes_them_away() {
    let mut world = World::new(Bounds::default());
    world.look(64, FAST);
    world.look_for(Duration::from_secs(10), 64, SLOW);
    assert_eq!(world.open, 4);
    world.look_for(Duration::from_secs(20), 8, FAST);
    assert_eq!(world.open, 4, "not yet");
    world.look_for(Duration::from_secs(100), 8, FAST);
    assert_eq!(world.open, 1);
}

#[test]
fn one_slow_ping_is_no_contention() {
    let mut world = World::new(Bounds::default());
    world.look(64, FAST);
    for _ in 0..1000 {
        for ping in [SLOW, SLOW, FAST] {
            assert_eq!(world.look(64, ping), Action::Keep);
        }
    }
}

#[test]
fn a_distance_that_is_always_the_same_is_no_contention() {
    let mut world = World::new(Bounds::default());
    world.look_for(Duration::from_secs(10), 64, Some(Duration::from_millis(40)));
    assert_eq!(world.open, 1);
    // Nor is a longer one, once it is what is usual.
    world.look_for(Duration::from_secs(121), 64, Some(Duration::from_millis(80)));
    world.open = 1;
    world.look_for(Duration::from_secs(10), 64, Some(Duration::from_millis(80)));
    assert_eq!(world.open, 1);
}

#[test]
fn idle_connections_are_closed_and_one_is_kept_if_they_are_made_ahead() {
    for (ahead, kept) in [(false, 0), (true, 1)] {
        let mut world = World::new(Bounds { ahead, ..Bounds::default() });
        world.open = 3;
        world.look(64, FAST);
        world.look_for(Duration::from_secs(310), 0, None);
        assert_eq!(world.open, kept);
        world.look_for(Duration::from_secs(600), 0, None);
        assert_eq!(world.open, kept);
    }
}

#[test]
fn a_lost_connection_is_made_anew_only_where_calls_are_made() {
    let mut world = World::new(Bounds::default());
    world.open = 0;
    assert_eq!(world.look(0, None), Action::Keep, "nobody has called");
    world.look(1, None);
    world.open = 0;
    assert_eq!(world.look(0, None), Action::Connect);
    world.open = 0;
    world.now += IN_USE;
    assert_eq!(world.look(0, None), Action::Keep, "nobody calls any more");
}

proptest! {
    /// Whatever is seen, the bound holds (`World` asserts it), changes keep their distance, and
    /// nothing is closed while it is needed.
    #[test]
    fn bounds_hold_whatever_is_seen(
        looks in prop::collection::vec(
            (0_usize..200, prop::option::of(0_u64..5_000), 0_u32..8, 0_u64..60), 0..400,
        ),
        connections_max in 1_usize..6,
        ahead: bool,
    ) {
        let bounds = Bounds { connections_max, ahead, ..Bounds::default() };
        let mut world = World::new(bounds);
        let mut grown: Option<Instant> = None;
        for (in_flight, ping_us, lost, pause_s) in looks {
            if lost == 0 {
                world.open = world.open.saturating_sub(1);
            }
            if lost == 1 {
                world.now += Duration::from_secs(pause_s);
            }
            let before = world.open;
            let action = world.look(in_flight, ping_us.map(Duration::from_micros));
            match action {
                Action::Connect if before > 0 => {
                    let apart = grown.is_none_or(|grown| world.now >= grown + SETTLE);
                    prop_assert!(apart, "grown twice within the time to settle");
                    grown = Some(world.now);
                }
                Action::CloseOne => prop_assert!(before > 1),
                Action::CloseAll => prop_assert!(in_flight == 0 && !ahead),
                Action::Connect | Action::Keep => {}
            }
        }
    }

    /// Connections that halve the contention: their number comes to rest.
    #[test]
    fn a_steady_load_does_not_make_the_number_swing(needed in 1_usize..=4, in_flight in 2_usize..500) {
        let mut world = World::new(Bounds::default());
        world.look(in_flight, FAST);
        let ping = |open| if open < needed { SLOW } else { FAST };
        for _ in 0..200 {
            world.look(in_flight, ping(world.open));
        }
        for _ in 0..3000 {
            prop_assert_eq!(world.look(in_flight, ping(world.open)), Action::Keep);
        }
        prop_assert_eq!(world.open, needed);
    }
}
