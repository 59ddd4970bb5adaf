//! Waiters on one limiter, polled only when they are woken, and a clock that wakes those who sleep.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use sluicegate::{Charge, Clock, Decision, Limiter, ManualClock, Permit, Store, StoreError, Timestamp};

pub(crate) type Ready<S> = Result<Decision<Permit<S>>, StoreError>;

pub(crate) struct Crowd<S: Store> {
    pub(crate) limiter: Limiter<S>,
    pub(crate) clock: ManualClock,
    waiters: Vec<Waiter<S>>,
    alarms: Alarms,
}

struct Waiter<S: Store> {
    name: &'static str,
    future: Option<Pin<Box<dyn Future<Output = Ready<S>>>>>,
    flag: Arc<Flag>,
}

/// The sleeps under way, and the lengths of all that were begun.
#[derive(Clone, Default)]
struct Alarms {
    set: Rc<RefCell<Vec<(Timestamp, Waker)>>>,
    lengths: Rc<RefCell<Vec<Duration>>>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<S: Store> Crowd<S> {
    pub(crate) fn new(store: S, clock: ManualClock) -> Self {
        Self { limiter: Limiter::new(store), clock, waiters: Vec::new(), alarms: Alarms::default() }
    }

    /// A new waiter joins.
    pub(crate) fn wait(&mut self, name: &'static str, charges: impl Into<Vec<Charge>>) {
        let (limiter, charges) = (self.limiter.clone(), charges.into());
        let (clock, alarms) = (self.clock.clone(), self.alarms.clone());
        let future = async move {
            limiter.until_ready(&charges, |duration| alarms.sleep(clock.clone(), duration)).await
        };
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        self.waiters.push(Waiter { name, future: Some(Box::pin(future)), flag });
    }

    /// Polls whoever was woken until nobody is, and returns those who are ready, in order.
    pub(crate) fn run(&mut self) -> Vec<(&'static str, Ready<S>)> {
        let mut ready = Vec::new();
        while let Some(waiter) =
            self.waiters.iter_mut().find(|waiter| waiter.flag.0.swap(false, Ordering::Relaxed))
        {
            let waker = Waker::from(Arc::clone(&waiter.flag));
            let Some(future) = &mut waiter.future else { continue };
            if let Poll::Ready(decision) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                waiter.future = None;
                ready.push((waiter.name, decision));
            }
        }
        ready
    }

    /// Time passes, and sleepers are woken. Returns the names of those who were admitted, whose permits are dropped.
    pub(crate) fn advance(&mut self, duration: Duration) -> Vec<&'static str> {
        self.clock.advance(duration);
        let now = self.clock.now();
        let due = |alarm: &mut (Timestamp, Waker)| alarm.0 <= now;
        let due: Vec<_> = self.alarms.set.borrow_mut().extract_if(.., due).collect();
        due.into_iter().for_each(|(_, waker)| waker.wake());
        self.admitted()
    }

    pub(crate) fn admitted(&mut self) -> Vec<&'static str> {
        let admitted = |(name, decision): (_, Ready<S>)| {
            decision.expect("the store answers").allowed().map(|_| name).expect("it can pass")
        };
        self.run().into_iter().map(admitted).collect()
    }

    /// A waiter gives up.
    pub(crate) fn leave(&mut self, name: &str) {
        self.waiters.retain(|waiter| waiter.name != name);
    }

    pub(crate) fn sleeps(&self) -> Vec<Duration> {
        self.alarms.lengths.borrow().clone()
    }
}

impl Alarms {
    fn sleep(&self, clock: ManualClock, duration: Duration) -> impl Future<Output = ()> + use<> {
        let (until, set) = (clock.now() + duration, Rc::clone(&self.set));
        self.lengths.borrow_mut().push(duration);
        poll_fn(move |context| {
            if clock.now() >= until {
                return Poll::Ready(());
            }
            set.borrow_mut().push((until, context.waker().clone()));
            Poll::Pending
        })
    }
}
