//! Awaiting a rare event beside a busy connection.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

/// A future that is polled only when it has been woken itself.
///
/// A task polls everything that it waits for whenever it is woken. A timer or a signal beside a busy connection is polled
/// for each request, which costs a tenth of a decision. Here that is a look at a flag.
pub(crate) struct Dormant<F> {
    future: F,
    /// None before the first poll.
    alarm: Option<Arc<Alarm>>,
}

/// Wakes a task, and remembers that.
struct Alarm {
    task: Waker,
    has_rung: AtomicBool,
}

impl<F> Dormant<F> {
    /// Wraps a future, which is polled at once the first time.
    pub(crate) fn new(future: F) -> Self {
        Self { future, alarm: None }
    }

    /// The future. Changing it here does not cause a poll.
    pub(crate) fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }
}

impl<F: Future + Unpin> Future for Dormant<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let alarm = match this.alarm.take() {
            Some(alarm) if alarm.task.will_wake(cx.waker()) => alarm,
            _ => Arc::new(Alarm { task: cx.waker().clone(), has_rung: AtomicBool::new(true) }),
        };
        let alarm = this.alarm.insert(alarm);
        if !alarm.has_rung.load(SeqCst) {
            return Poll::Pending;
        }
        // Before the future is polled, so that it may wake itself.
        alarm.has_rung.store(false, SeqCst);
        let waker = Waker::from(Arc::clone(alarm));
        let polled = Pin::new(&mut this.future).poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            // A timer may be set anew and polled again.
            alarm.has_rung.store(true, SeqCst);
        }
        polled
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, SeqCst);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::poll_fn, rc::Rc, sync::atomic::AtomicUsize};

    use tokio::sync::Notify;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn it_is_polled_once_and_then_only_when_it_was_woken_and_wakes_the_task() {
        let (polls, bell) = (Rc::new(Cell::new(0)), Notify::new());
        let counted = {
            let (polls, mut bell) = (Rc::clone(&polls), Box::pin(bell.notified()));
            poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                bell.as_mut().poll(cx)
            })
        };
        let mut dormant = Dormant::new(counted);
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut poll = || Pin::new(&mut dormant).poll(&mut Context::from_waker(&waker));
        assert!(poll().is_pending() && poll().is_pending());
        assert_eq!((polls.get(), task.0.load(SeqCst)), (1, 0));
        bell.notify_one();
        assert_eq!((polls.get(), task.0.load(SeqCst)), (1, 1));
        assert!(poll().is_ready());
        assert_eq!(polls.get(), 2);
    }

    #[test]
    fn another_task_is_woken_when_it_is_moved_there() {
        let bell = Notify::new();
        let mut dormant = Dormant::new(Box::pin(bell.notified()));
        let (first, second) = (Arc::new(Task::default()), Arc::new(Task::default()));
        for task in [&first, &second] {
            let waker = Waker::from(Arc::clone(task));
            assert!(Pin::new(&mut dormant).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        bell.notify_one();
        assert_eq!((first.0.load(SeqCst), second.0.load(SeqCst)), (0, 1));
    }

    #[test]
    fn what_is_begun_anew_after_its_end_is_polled_again() {
        let is_over = Rc::new(Cell::new(true));
        let again = Rc::clone(&is_over);
        let timer = poll_fn(move |_| if again.get() { Poll::Ready(()) } else { Poll::Pending });
        let mut dormant = Dormant::new(timer);
        let waker = Waker::from(Arc::new(Task::default()));
        let mut poll = || Pin::new(&mut dormant).poll(&mut Context::from_waker(&waker));
        assert!(poll().is_ready() && poll().is_ready());
        is_over.set(false);
        assert!(poll().is_pending());
        is_over.set(true);
        assert!(poll().is_pending(), "nobody has woken it");
    }
}
