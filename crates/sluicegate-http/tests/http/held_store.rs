//! A store whose answers a test holds back.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    task::Poll,
};

use sluicegate::{
    Charge, Cost, Decision, Lease, ManualClock, MemoryStore, OutageMode, Resilient, Store, StoreError, Taken,
};

/// A store in memory whose answers a test holds back. Its clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct HeldStore {
    memory: Arc<MemoryStore<ManualClock>>,
    answers: Arc<Mutex<Answers>>,
}

/// The answers of a store to requests that cost something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answers {
    Come,
    /// The store does what it is asked, and its answer is on the way.
    AreHeld,
    /// The store does what it is asked, and its answer is lost.
    AreLost,
}

impl HeldStore {
    pub(crate) fn new(clock: ManualClock) -> Self {
        let memory = MemoryStore::builder().clock(clock).build();
        Self { memory: Arc::new(memory), answers: Arc::new(Mutex::new(Answers::Come)) }
    }

    pub(crate) fn answers(&self, answers: Answers) {
        *self.answers.lock().expect("no test panics holding it") = answers;
    }

    async fn answer<T>(&self, answer: T) -> Result<T, StoreError> {
        let state = poll_fn(|_| match *self.answers.lock().expect("no test panics holding it") {
            Answers::AreHeld => Poll::Pending,
            state => Poll::Ready(state),
        });
        if state.await == Answers::AreLost { Err(StoreError::new("the line is dead")) } else { Ok(answer) }
    }
}

impl Store for HeldStore {
    type Lease = Lease;

    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        let decision = self.memory.take_now(charges);
        // Looking at an account costs nothing, and tests look at any time.
        if charges.iter().all(|charge| charge.cost.is_zero()) {
            Ok(decision)
        } else {
            self.answer(decision).await
        }
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        self.memory.settle_now(charges, lease, actual);
        self.answer(()).await
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        self.memory.reset_now(accounts);
        Ok(())
    }

    fn release(&self, charges: &[Charge], lease: Lease) {
        self.memory.release(charges, lease);
    }
}

impl Resilient for HeldStore {
    async fn take_or(
        &self,
        charges: &[Charge],
        _: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<Decision<Taken>, StoreError> {
        self.take(charges).await
    }
}
