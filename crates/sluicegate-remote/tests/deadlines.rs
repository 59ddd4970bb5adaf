//! The deadlines of callers that wait.

use std::{cell::Cell, rc::Rc, time::Duration};

use sluicegate_remote::{Caller, Deadlines};
use tokio::time::Instant;

#[derive(Clone, Debug)]
struct Waiting(&'static str, Rc<Cell<bool>>);

impl Waiting {
    fn new(name: &'static str) -> Self {
        Self(name, Rc::new(Cell::new(true)))
    }

    fn answer(&self) {
        self.1.set(false);
    }
}

impl Caller for Waiting {
    fn waits(&self) -> bool {
        self.1.get()
    }
}

#[test]
fn whoever_came_first_is_late_first() {
    let (begin, second) = (Instant::now(), Duration::from_secs(1));
    let mut deadlines = Deadlines::default();
    deadlines.push(begin + second, Waiting::new("first"));
    deadlines.push(begin + 2 * second, Waiting::new("second"));
    assert_eq!(deadlines.first(), Some(begin + second));
    assert!(deadlines.pop_late(begin).is_none());
    let mut late = std::iter::from_fn(|| deadlines.pop_late(begin + 2 * second)).map(|caller| caller.0);
    assert_eq!([late.next(), late.next(), late.next()], [Some("first"), Some("second"), None]);
    assert_eq!(deadlines.first(), None);
}

#[test]
fn a_caller_that_was_answered_is_never_late() {
    let begin = Instant::now();
    let mut deadlines = Deadlines::default();
    let [first, second] = ["first", "second"].map(Waiting::new);
    deadlines.push(begin, first.clone());
    deadlines.push(begin + Duration::from_secs(1), second);
    first.answer();
    assert_eq!(deadlines.first(), Some(begin + Duration::from_secs(1)));
    assert!(deadlines.pop_late(begin).is_none());
}

#[test]
fn callers_that_were_answered_are_not_kept_until_their_time_is_up() {
    let deadline = Instant::now() + Duration::from_secs(3_600);
    let mut deadlines = Deadlines::default();
    for _ in 0..10_000 {
        let caller = Waiting::new("quick");
        deadlines.push(deadline, caller.clone());
        caller.answer();
        assert!(deadlines.len() <= 1);
    }
    assert_eq!(deadlines.first(), None);
    assert!(deadlines.is_empty());
}
