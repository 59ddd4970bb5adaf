//! Wake-ups that are deferred until a batch of requests is complete.

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

use sluicegate_remote::{BatchedTask, WakeBatch, batch_wakes};

#[test]
fn a_wake_up_inside_happens_when_the_batch_is_dropped() {
    let (waker, runtime) = batched();
    let ((), batch) = batch_wakes(|| waker.wake_by_ref());
    assert!(!batch.is_empty());
    assert_eq!(runtime.wakes(), 0);
    drop(batch);
    assert_eq!(runtime.wakes(), 1);
}

#[test]
fn a_wake_up_outside_happens_at_once() {
    let (waker, runtime) = batched();
    waker.wake_by_ref();
    assert_eq!(runtime.wakes(), 1);
    let ((), batch) = batch_wakes(|| thread::scope(|scope| drop(scope.spawn(|| waker.wake_by_ref()).join())));
    assert!(batch.is_empty(), "another thread defers nothing");
    assert_eq!(runtime.wakes(), 2);
}

#[test]
fn each_batch_defers_its_own_and_batches_can_be_collected() {
    let (waker, runtime) = batched();
    let mut collected = WakeBatch::default();
    let (inner, outer) = batch_wakes(|| {
        let ((), inner) = batch_wakes(|| waker.wake_by_ref());
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
fn after_a_panic_inside_nothing_is_deferred_any_more() {
    let (waker, runtime) = batched();
    let panicked = std::panic::catch_unwind(|| batch_wakes(|| panic!("inside")));
    assert!(panicked.is_err());
    waker.wake_by_ref();
    assert_eq!(runtime.wakes(), 1);
}

/// The waker that a batched task sees, and the runtime on which it runs.
fn batched() -> (Waker, Arc<Runtime>) {
    let runtime = Arc::new(Runtime::default());
    let mut seen = None;
    let task = BatchedTask::new(poll_fn(|context| {
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
