//! Waking a store's task once for many requests.

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
    /// The wakers that this thread keeps back, while it does so.
    static KEPT: RefCell<Option<Vec<Waker>>> = const { RefCell::new(None) };
}

/// Runs something, and keeps back the wakes of [`Corked`] tasks that it asks for on this thread.
///
/// A remote store has a task that carries requests, and each request wakes it. An event loop that begins many
/// requests in one turn wakes it once for all of them this way. That saves a switch of threads for each, and
/// the store gets a batch.
///
/// ```
/// use std::{future::poll_fn, pin::pin, task::{Context, Poll, Waker}};
/// use sluicegate::{Corked, cork};
///
/// let mut polls = 0;
/// let task = Corked::new(poll_fn(|context| {
///     polls += 1;
///     let ((), wakes) = cork(|| context.waker().wake_by_ref());
///     assert!(!wakes.is_empty(), "kept back until they are dropped");
///     Poll::<()>::Pending
/// }));
/// assert!(pin!(task).poll(&mut Context::from_waker(Waker::noop())).is_pending());
/// ```
pub fn cork<R>(run: impl FnOnce() -> R) -> (R, Wakes) {
    let outer = Restore(KEPT.replace(Some(Vec::new())));
    let result = run();
    let kept = KEPT.take().unwrap_or_default();
    drop(outer);
    (result, Wakes(kept))
}

/// Puts back what was kept outside, whatever happens inside.
struct Restore(Option<Vec<Waker>>);

impl Drop for Restore {
    fn drop(&mut self) {
        KEPT.set(self.0.take());
    }
}

/// Wakes that were kept [back](cork). They happen when this is dropped.
#[must_use = "the wakes happen when this is dropped"]
#[derive(Default)]
pub struct Wakes(Vec<Waker>);

impl Wakes {
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

impl Drop for Wakes {
    fn drop(&mut self) {
        mem::take(&mut self.0).into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wakes").field(&self.0.len()).finish()
    }
}

/// A task whose wakes can be kept [back](cork).
pub struct Corked<F> {
    task: Pin<Box<F>>,
    waker: Option<Arc<Inner>>,
}

impl<F: Future> Corked<F> {
    /// Wraps a task, where it is spawned.
    pub fn new(task: F) -> Self {
        Self { task: Box::pin(task), waker: None }
    }
}

impl<F: Future> Future for Corked<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let known = this.waker.take().filter(|known| known.0.will_wake(context.waker()));
        let waker = known.unwrap_or_else(|| Arc::new(Inner(context.waker().clone())));
        this.waker = Some(Arc::clone(&waker));
        this.task.as_mut().poll(&mut Context::from_waker(&Waker::from(waker)))
    }
}

impl<F> fmt::Debug for Corked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Corked").finish_non_exhaustive()
    }
}

struct Inner(Waker);

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A thread that is ending keeps nothing back.
        let is_kept = KEPT.try_with(|kept| match &mut *kept.borrow_mut() {
            Some(kept) => {
                kept.push(self.0.clone());
                true
            }
            None => false,
        });
        if !is_kept.unwrap_or(false) {
            self.0.wake_by_ref();
        }
    }
}
