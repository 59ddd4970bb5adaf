//! A gate that decides without spending.

use std::sync::Arc;

use sluicegate::{
    Balances, Charge, Cost, Decision, Lease, OutageMode, Resilient, Store, StoreError, Taken, Timestamp,
    accounts::{AnyAccount, Snapshot, Verdict},
};

use super::Gate;

/// A store that only looks at the accounts of another one. It decides on what they show, by the code that decides there, and
/// takes nothing.
///
/// Decisions are the other store's. Only the times of sliding windows and logs may be later than it would tell: the
/// [balance](AnyAccount::of_balance) does not show when each unit comes back. A denial of one unit is exact.
#[derive(Debug)]
pub struct Foresight<S>(Arc<S>);

impl<S: Resilient> Gate<S> {
    /// Returns a gate that decides as this one would now, on the same accounts, and leaves no trace: nothing is charged, and no
    /// wrong API key is remembered.
    ///
    /// ```
    /// # use http::Request;
    /// # use sluicegate::{ManualClock, MemoryStore};
    /// # use sluicegate_policy::{Gate, Policy, Source};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let text = "[[route]]\npath = \"/predict\"\nlimits = [\"1/minute\"]";
    /// let policy = Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?;
    /// let gate = Gate::new(policy, MemoryStore::new(), ManualClock::new());
    ///
    /// let (head, ()) = Request::post("/predict").body(())?.into_parts();
    /// let peer = [192, 0, 2, 7].into();
    /// for _ in 0..2 {
    ///     let foresight = gate.foresight();
    ///     let visit = foresight.enter(&head, peer).await.expect("anybody may enter");
    ///     assert!(foresight.decide(&visit, None).await.is_admitted());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn foresight(&self) -> Gate<Foresight<S>> {
        Gate {
            policy: self.policy.clone(),
            limiter: sluicegate::Limiter::new(Foresight(Arc::clone(self.limiter.store()))),
            clock: Arc::clone(&self.clock),
            client_ip: self.client_ip.clone(),
            api_keys: Arc::clone(&self.api_keys),
            key_failures: Arc::new(self.key_failures.complete()),
            token_history: Arc::clone(&self.token_history),
        }
    }
}

impl<S: Store> Store for Foresight<S> {
    type Lease = Lease;

    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        Ok(verdict(charges, &balances(self.0.take(&peeks(charges)).await?)))
    }

    /// Nothing was taken.
    async fn settle(&self, _: &[Charge], _: Lease, _: &[Cost]) -> Result<(), StoreError> {
        Ok(())
    }

    /// Looking is all that it does.
    async fn reset(&self, _: &[Charge]) -> Result<(), StoreError> {
        Ok(())
    }

    fn release(&self, _: &[Charge], _: Lease) {}
}

impl<S: Resilient> Resilient for Foresight<S> {
    async fn take_or(
        &self,
        charges: &[Charge],
        outage: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<Decision<Taken>, StoreError> {
        Ok(verdict(charges, &balances(self.0.take_or(&peeks(charges), outage).await?)))
    }
}

fn peeks(charges: &[Charge]) -> Vec<Charge> {
    charges.iter().map(|charge| charge.clone().cost(Cost::ZERO)).collect()
}

fn balances<L>(decision: Decision<Taken<L>>) -> Balances {
    match decision {
        Decision::Allow(taken) => taken.balances,
        Decision::Deny(denial) => denial.balances,
    }
}

fn verdict(charges: &[Charge], balances: &Balances) -> Decision<Taken> {
    // Balances tell times from now on, so any moment after the longest window will do for it.
    let now = Timestamp::EPOCH + sluicegate::Quota::MAX_WINDOW;
    let accounts = charges
        .iter()
        .zip(balances)
        .map(|(charge, balance)| (AnyAccount::of_balance(&charge.quota, balance, now), now));
    let snapshot = Snapshot::new(charges, accounts);
    Verdict::of(charges, &snapshot).decision(Lease::new(0, now))
}
