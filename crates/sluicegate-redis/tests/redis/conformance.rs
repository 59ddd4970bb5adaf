//! The store keeps every promise of a store.

use sluicegate_store_tests::{behaviours, suite};

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
