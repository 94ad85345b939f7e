use std::time::Duration;

use proptest::prelude::*;

use super::latency::Latency;

const MS: Duration = Duration::from_millis(1);

fn milliseconds(latency: &Latency, now: Duration) -> f32 {
    latency.read(now).unwrap() / 1e6
}

#[test]
fn a_peak_counts_at_once_and_fades_by_the_second() {
    let latency = Latency::default();
    assert_eq!(latency.read(Duration::ZERO), None);
    latency.observe(MS, MS);
    latency.observe(2 * MS, 50 * MS);
    assert!((milliseconds(&latency, 2 * MS) - 50.0).abs() < 0.1);
    let later = milliseconds(&latency, Duration::from_millis(1_002));
    assert!((later - 50.0 / std::f32::consts::E).abs() < 0.5, "{later}");
}

#[test]
fn what_is_faster_counts_slowly() {
    let latency = Latency::default();
    latency.observe(Duration::ZERO, 50 * MS);
    for now in 1..=100 {
        latency.observe(now * MS, MS);
    }
    let soon = milliseconds(&latency, 100 * MS);
    assert!((40.0..49.0).contains(&soon), "{soon}");
    for now in 101..=8_000 {
        latency.observe(now * MS, MS);
    }
    let late = milliseconds(&latency, 8_000 * MS);
    assert!((0.9..1.1).contains(&late), "{late}");
}

#[test]
fn what_was_given_up_early_makes_nobody_look_fast() {
    let latency = Latency::default();
    latency.observe(Duration::ZERO, 50 * MS);
    latency.at_least(Duration::ZERO, MS);
    assert!((milliseconds(&latency, Duration::ZERO) - 50.0).abs() < 0.1);
    latency.at_least(Duration::ZERO, 80 * MS);
    assert!((milliseconds(&latency, Duration::ZERO) - 80.0).abs() < 0.1);
}

#[test]
fn what_has_faded_for_hours_is_still_a_number_to_divide_by() {
    let latency = Latency::default();
    latency.observe(Duration::ZERO, 50 * MS);
    let later = latency.read(Duration::from_secs(3_600)).unwrap();
    assert!(later >= 1.0, "{later}");
    assert!((latency.unfaded().unwrap() / 1e6 - 50.0).abs() < 0.1);
}

proptest! {
    /// Also where clocks were read in another order, after years, and for times of no length.
    #[test]
    fn a_value_lies_between_nothing_and_the_slowest(
        calls in prop::collection::vec((0_u64..1 << 60, 0_u64..1 << 50), 1..50),
    ) {
        let latency = Latency::default();
        let mut slowest = 1.0_f32;
        for (now, took) in calls {
            let now = Duration::from_nanos(now);
            slowest = slowest.max(took as f32 * 1.001);
            latency.observe(now, Duration::from_nanos(took));
            let value = latency.read(now);
            prop_assert!(value.is_some_and(|value| value <= slowest), "{value:?} {slowest}");
        }
    }
}
