//! Wakes that are kept back, and happen later.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use sluicegate::{Corked, Wakes, cork};

#[test]
fn a_wake_inside_happens_when_what_was_kept_back_is_dropped() {
    let (waker, runtime) = corked();
    let ((), wakes) = cork(|| waker.wake_by_ref());
    assert!(!wakes.is_empty());
    assert_eq!(runtime.wakes(), 0);
    drop(wakes);
    assert_eq!(runtime.wakes(), 1);
}

#[test]
fn a_wake_outside_happens_at_once() {
    let (waker, runtime) = corked();
    waker.wake_by_ref();
    assert_eq!(runtime.wakes(), 1);
    let ((), wakes) = cork(|| thread::scope(|scope| drop(scope.spawn(|| waker.wake_by_ref()).join())));
    assert!(wakes.is_empty(), "another thread keeps nothing back");
    assert_eq!(runtime.wakes(), 2);
}

#[test]
fn each_keeps_back_its_own_and_what_is_kept_can_be_collected() {
    let (waker, runtime) = corked();
    let mut collected = Wakes::default();
    let (inner, outer) = cork(|| {
        let ((), inner) = cork(|| waker.wake_by_ref());
        waker.wake_by_ref();
        inner
    });
    collected.extend(inner);
    collected.extend(outer);
    assert_eq!(runtime.wakes(), 0);
    drop(collected);
    assert_eq!(runtime.wakes(), 2);
}

#[test]
fn after_a_panic_inside_nothing_is_kept_back_any_more() {
    let (waker, runtime) = corked();
    let panicked = std::panic::catch_unwind(|| cork(|| panic!("inside")));
    assert!(panicked.is_err());
    waker.wake_by_ref();
    assert_eq!(runtime.wakes(), 1);
}

/// The waker that a corked task sees, and the runtime on which it runs.
fn corked() -> (Waker, Arc<Runtime>) {
    let runtime = Arc::new(Runtime::default());
    let mut seen = None;
    let task = Corked::new(poll_fn(|context| {
        seen = Some(context.waker().clone());
        Poll::Ready(())
    }));
    let polled = pin!(task).poll(&mut Context::from_waker(&Waker::from(Arc::clone(&runtime))));
    assert!(polled.is_ready());
    (seen.expect("it was polled"), runtime)
}

#[derive(Default)]
struct Runtime(AtomicUsize);

impl Runtime {
    fn wakes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Runtime {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
