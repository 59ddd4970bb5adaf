//! The store keeps every promise of a store.

use std::time::Duration;

use sluicegate::{Algorithm, Charge, Quota};
use sluicegate_store_tests::{Subject, behaviours, suite};

use super::subject::Still;

mod one_server {
    use super::*;

    suite!(Still::one);

    #[test]
    fn whatever_is_asked_is_answered_as_in_memory() {
        behaviours::whatever_is_asked_is_answered_as_in_memory(Still::one);
    }
}

mod cluster {
    use super::*;

    suite!(Still::cluster);

    #[test]
    fn whatever_is_asked_is_answered_as_in_memory() {
        behaviours::whatever_is_asked_is_answered_as_in_memory(Still::cluster);
    }
}

/// Counts times windows are beyond what doubles hold: a microsecond into the second window one unit in 3.6 · 10⁹ has
/// faded, which is 1,250,999 of 2⁵² and a bit.
#[test]
fn large_counts_are_compared_to_the_unit() {
    let subject = Still::one();
    let hour = Duration::from_secs(3_600);
    let quota = Quota::new(1 << 52, hour).and_then(|quota| quota.with_algorithm(Algorithm::SlidingWindow));
    let charge = Charge::new("alice", quota.expect("a good quota"));
    subject.running.admit(&[charge.clone().cost(1 << 52)]);
    subject.advance(hour + Duration::from_micros(1));
    subject.running.deny(&[charge.clone().cost(1_251_000)]);
    subject.running.admit(&[charge.cost(1_250_999)]);
}
