//! One wake-up of a store's task for many requests.

use std::{
    cell::RefCell,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

thread_local! {
    /// The wake-ups that this thread has deferred; `None` outside of a batch.
    static DEFERRED: RefCell<Option<Vec<Waker>>> = const { RefCell::new(None) };
}

/// Runs a closure, and defers the wake-ups of [`BatchedTask`]s that it causes on this thread.
///
/// A store behind a network has a task that carries requests, and each request wakes it. An event loop begins many requests in
/// one of its turns. In a batch it wakes the task once for all of them: that saves a switch of threads for each request, and
/// the store sends them together.
///
/// ```
/// use std::{future::poll_fn, pin::pin, task::{Context, Poll, Waker}};
/// use sluicegate_remote::{BatchedTask, batch_wakes};
///
/// let mut polls = 0;
/// let task = BatchedTask::new(poll_fn(|context| {
///     polls += 1;
///     let ((), batch) = batch_wakes(|| context.waker().wake_by_ref());
///     assert!(!batch.is_empty(), "deferred until the batch is dropped");
///     Poll::<()>::Pending
/// }));
/// assert!(pin!(task).poll(&mut Context::from_waker(Waker::noop())).is_pending());
/// ```
pub fn batch_wakes<R>(run: impl FnOnce() -> R) -> (R, WakeBatch) {
    let outer = Restore(DEFERRED.replace(Some(Vec::new())));
    let result = run();
    let deferred = DEFERRED.take().unwrap_or_default();
    drop(outer);
    (result, WakeBatch(deferred))
}

/// Restores the batch around this one, even after a panic.
struct Restore(Option<Vec<Waker>>);

impl Drop for Restore {
    fn drop(&mut self) {
        DEFERRED.set(self.0.take());
    }
}

/// Wake-ups that [`batch_wakes`] deferred. They happen when this is dropped.
#[must_use = "the wake-ups happen when this is dropped"]
#[derive(Default)]
pub struct WakeBatch(Vec<Waker>);

impl WakeBatch {
    /// Returns `true` if there is nothing to wake.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds others.
    pub fn extend(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }
}

impl Drop for WakeBatch {
    fn drop(&mut self) {
        mem::take(&mut self.0).into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for WakeBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WakeBatch").field(&self.0.len()).finish()
    }
}

/// A task whose wake-ups can be [batched](batch_wakes).
pub struct BatchedTask<F> {
    task: Pin<Box<F>>,
    waker: Option<Arc<BatchedWaker>>,
}

impl<F: Future> BatchedTask<F> {
    /// Wraps a task, where it is spawned.
    pub fn new(task: F) -> Self {
        Self { task: Box::pin(task), waker: None }
    }
}

impl<F: Future> Future for BatchedTask<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let known = this.waker.take().filter(|known| known.0.will_wake(context.waker()));
        let waker = known.unwrap_or_else(|| Arc::new(BatchedWaker(context.waker().clone())));
        this.waker = Some(Arc::clone(&waker));
        this.task.as_mut().poll(&mut Context::from_waker(&Waker::from(waker)))
    }
}

impl<F> fmt::Debug for BatchedTask<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchedTask").finish_non_exhaustive()
    }
}

/// The waker that a batched task sees.
struct BatchedWaker(Waker);

impl Wake for BatchedWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A thread that is ending defers nothing.
        let is_deferred = DEFERRED.try_with(|deferred| match &mut *deferred.borrow_mut() {
            Some(deferred) => {
                deferred.push(self.0.clone());
                true
            }
            None => false,
        });
        if !is_deferred.unwrap_or(false) {
            self.0.wake_by_ref();
        }
    }
}
