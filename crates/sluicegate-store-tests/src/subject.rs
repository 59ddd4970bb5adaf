//! A store under test.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use sluicegate::{Algorithm, Charge, Lease, Store, Taken, Timestamp};

/// A store under test, with nothing in it yet, and its time.
pub trait Subject: Sync {
    /// Its kind.
    type Store: Store;

    /// The algorithms that the store supports. It refuses others as a misconfiguration.
    const ALGORITHMS: &'static [Algorithm] = &Algorithm::ALL;

    /// Set if a request's accounts may live apart, so that charges taken and given back may briefly deny
    /// another request.
    const APART: bool = false;

    /// The number of random sequences of requests to try, times `PROPTEST_CASES` / 256. Fewer if time cannot
    /// be moved.
    const RECORDINGS: u32 = 2_048;

    /// The ticks by which its accounts may be ahead of exact books or behind them, because it rounds.
    const ROUNDING: u64 = 0;

    /// The store.
    fn store(&self) -> &Self::Store;

    /// Returns a lease of the store as the books of the suite know it: by its number, and the time at which the charges
    /// were taken.
    fn lease(lease: &<Self::Store as Store>::Lease) -> Lease;

    /// Returns the number of denials so far that the store remembered. As given, for a store that decides each time.
    fn remembered(&self) -> u64 {
        0
    }

    /// The time on the store's clock, which goes on when the clock is set back.
    fn now(&self) -> Timestamp;

    /// Lets at least so much time pass on the store's clock: moves it, or waits where it cannot be moved.
    fn advance(&self, by: Duration);

    /// Sets the clock that the store goes by back, though no time passes. Does nothing where it cannot be set.
    fn set_back(&self, _by: Duration) {}

    /// Sets it forward.
    fn set_forward(&self, _by: Duration) {}

    /// The finest step of the store's clock, in ticks of 1/16 ns.
    fn tick(&self) -> u64 {
        1
    }

    /// Runs one of the store's futures to its end. As given, only for a store that never waits.
    fn run<F: Future>(&self, future: F) -> F::Output {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("this store waits; run its futures on its runtime"),
        }
    }

    /// Forgets these accounts. As given, for a store that answers; one that is cut off forgets what stands in for it.
    fn reset(&self, accounts: &[Charge]) {
        self.run(self.store().reset(accounts)).expect("the store answers");
    }

    /// Waits until what was released has reached the store.
    fn flush(&self) {}
}

/// The lease of a subject's store.
pub(crate) type LeaseOf<S> = <<S as Subject>::Store as Store>::Lease;

/// The result of a take that such a store admits.
pub(crate) type TakenOf<S> = Taken<LeaseOf<S>>;
