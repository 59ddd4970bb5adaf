//! Continuing while a store is down.

mod access;
mod breaker;
mod breakers;
mod builder;
mod counters;
mod lease;
mod lender;
mod local_store;
mod probe;
mod resilient;
mod server_state;
mod shares;
mod takers;
mod transition;

use std::{
    fmt,
    ops::Deref,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use access::Access;
use breaker::Breaker;
use breakers::Breakers;
pub use builder::FallbackBuilder;
use counters::Counters;
pub use lease::FallbackLease;
use lease::{Claim, OutageLease};
use local_store::LocalStore;
pub use server_state::ServerState;
use smallvec::SmallVec;
pub use takers::Taker;
use takers::Takers;
pub use transition::Transition;

use crate::{
    Backend, Balance, Charge, Clock, Cost, Decision, Denial, MemoryStore, OutageMode, Resilient, ServerId,
    Store, StoreError, SystemClock, Taken,
};

/// A store that continues while the one behind it is down.
///
/// The store behind it bounds the time of its own calls and turns late ones into errors. The [`OutageMode`]s of a
/// request's charges decide a call that fails: those that the [request](Resilient::take_or) names, or else those of the
/// [fallback](FallbackBuilder::outage). After five consecutive failures, or more than ten among the last
/// twenty calls, the server counts as down. It is then not called any more, so an outage costs callers no
/// time. Only one request probes it 250 to 500 ms later, and then every 500 ms to 1 s. After one good result,
/// it is in use again.
///
/// A store of [several servers](Backend::server) can lose them one by one. Only requests with charges on a
/// server probe it. If a request's charges live on several servers, only those on the dead ones are decided
/// without the store.
///
/// ```
/// use sluicegate::{Charge, Fallback, Limiter, MemoryStore, OutageMode, Quota, Transition};
/// use std::num::NonZeroU32;
///
/// let store = Fallback::builder(MemoryStore::new())
///     .replicas(NonZeroU32::new(4).ok_or("four is not zero")?)
///     .watch(|transition| match transition {
///         Transition::Down { error, .. } => eprintln!("the store does not answer: {error}"),
///         Transition::Up { after, .. } => eprintln!("the store answers again after {after:?}"),
///         other => eprintln!("{other}"),
///     })
///     .build();
/// assert!(store.is_up());
///
/// # async fn run(store: Fallback<MemoryStore>) -> Result<(), Box<dyn std::error::Error>> {
/// // In an outage this instance lets 25 of these pass in a minute, whatever tokens they take.
/// let requests: Quota = "100/minute".parse()?;
/// let tokens: Quota = "100000 tokens/minute".parse()?;
/// let charges = [Charge::new("rpm|alice", requests), Charge::new("tpm|alice", tokens)];
/// let modes = [OutageMode::Local, OutageMode::Allow];
/// let decision = Limiter::new(store).take_or(&charges, |place| modes[place]).await?;
/// # Ok(())
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In an outage
///
/// If any of the charges that are out of reach is [`OutageMode::Deny`], the request gets the store's error. Else the
/// [`OutageMode::Local`] ones among them are taken, all or none, from memory that holds this instance's share of their
/// quotas, and the [`OutageMode::Allow`] ones are not taken anywhere and told as a full account. The lease tells the
/// [taker](FallbackLease::taker) of each charge, and what is done with the charge later is done there.
///
/// Memory remembers what it admitted until the account has earned it back, however often the store goes and
/// comes meanwhile. So in any time Δ the store admits at most `B + r·Δ` for an account of burst `B` and rate
/// `r`. If there was an outage, the memories of all instances together admit as much: `2·(B + r·Δ)` in total.
/// While the store is down it admits no more than `B + r·Δ`. The bound assumes that the quota has a unit for
/// each instance and that the number of instances is right. A request that costs more than a share, but not
/// more than the whole quota, passes when nothing of the share is spent. Its cost beyond the share is a debt,
/// and adds to the bound once for each instance. A process that restarts in an outage gives its share anew.
///
/// A call that fails may have been charged, and is charged in memory too. A settlement of what memory took goes to
/// memory, and that of what the store took goes to the store.
pub struct Fallback<S, C = SystemClock> {
    store: S,
    breakers: Breakers<C>,
    local: LocalStore<C>,
    counters: Counters,
    /// The mode of a charge whose request names none.
    outage: Box<Modes>,
    /// The time of the next look for servers that keep no accounts any more, in ticks.
    next_roll_call: AtomicU64,
}

/// The mode of a charge whose server is down.
type Modes = dyn Fn(&Charge) -> OutageMode + Send + Sync;

impl<S: Backend> Fallback<S> {
    /// Returns a builder of a fallback for this store.
    pub fn builder(store: S) -> FallbackBuilder<S> {
        FallbackBuilder::new(store)
    }
}

impl<S, C: Clock> Fallback<S, C> {
    /// The store behind it.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The local store that replaces it in an outage. It frees no memory until the reference is dropped.
    pub fn local(&self) -> impl Deref<Target = MemoryStore<C>> + '_ {
        self.local.tidy();
        self.local.store()
    }

    /// Returns the number of failed calls of the store.
    pub fn errors(&self) -> u64 {
        self.breakers.iter().map(|(_, breaker)| breaker.errors()).sum()
    }

    /// Returns the number of outages, each of one server.
    pub fn outages(&self) -> u64 {
        self.breakers.iter().map(|(_, breaker)| breaker.outages()).sum()
    }

    /// Returns the number of requests decided by memory, at least in part.
    pub fn decided_locally(&self) -> u64 {
        self.counters.answered(OutageMode::Local)
    }

    /// Returns the number of requests whose charges out of reach were all [`OutageMode::Allow`].
    pub fn allowed(&self) -> u64 {
        self.counters.answered(OutageMode::Allow)
    }

    /// Returns the number of requests that failed because a charge out of reach was [`OutageMode::Deny`].
    pub fn refused(&self) -> u64 {
        self.counters.answered(OutageMode::Deny)
    }
}

impl<S: Backend, C: Clock + Clone> Fallback<S, C> {
    /// Returns `true` if no server is known to be down.
    pub fn is_up(&self) -> bool {
        self.roll_call();
        self.breakers.are_closed()
    }

    /// Returns the servers that keep accounts now, and those that went down and were replaced since.
    pub fn servers(&self) -> Vec<ServerState> {
        self.roll_call();
        let state = |server, breaker: &Breaker<C>, up| {
            let (errors, outages) = (breaker.errors(), breaker.outages());
            ServerState { server, up, errors, outages }
        };
        let present = self.store.servers();
        let gone = self.breakers.iter().filter(|(id, _)| !present.iter().any(|(server, _)| server == id));
        let gone: Vec<_> =
            gone.filter_map(|(_, breaker)| Some(state(breaker.server()?, breaker, None))).collect();
        let present = present.into_iter().map(|(id, server)| {
            let breaker = self.breakers.of(id);
            state(server, breaker, Some(breaker.is_closed()))
        });
        present.chain(gone).collect()
    }

    /// Returns the address of a server, if the store has several.
    fn name(&self, server: ServerId) -> Option<String> {
        let servers = self.store.servers();
        let several = servers.len() > 1;
        servers.into_iter().find(|(id, _)| several && *id == server).map(|(_, name)| name)
    }

    /// Finds out which of these charges the store can take.
    #[inline]
    fn access(&self, charges: &[Charge]) -> Access<'_, C> {
        self.local.tidy();
        self.roll_call();
        Access::of(charges, &self.store, &self.breakers)
    }

    /// Ends the outages of servers that keep no accounts any more: no request would ever probe them.
    #[inline]
    fn roll_call(&self) {
        if !self.breakers.are_closed() {
            self.call_the_roll();
        }
    }

    fn call_the_roll(&self) {
        let now = self.breakers.clock().now();
        let due = self.next_roll_call.load(Relaxed);
        let next = (now + ROLL_CALL).ticks();
        if now.ticks() < due || self.next_roll_call.compare_exchange(due, next, Relaxed, Relaxed).is_err() {
            return;
        }
        let present = self.store.servers();
        let is_gone = |id: ServerId| !present.is_empty() && !present.iter().any(|(server, _)| *server == id);
        for (_, breaker) in self.breakers.iter().filter(|(id, breaker)| !breaker.is_closed() && is_gone(*id))
        {
            breaker.retire();
        }
    }

    /// Decides a request without the store.
    fn decide(&self, charges: &[Charge], takers: Takers) -> Decision<Taken<FallbackLease<S::Lease>>> {
        self.count(&takers);
        let decision = self.local.take(charges, &takers);
        decision.map(|taken| taken.map_lease(|memory| FallbackLease::of_outage(None, memory, takers)))
    }

    /// Completes the decision on a request of which the store has taken all that is within reach.
    async fn complete(
        &self,
        charges: &[Charge],
        takers: Takers,
        remote: Taken<S::Lease>,
    ) -> Decision<Taken<FallbackLease<S::Lease>>> {
        self.count(&takers);
        match self.local.take(charges, &takers) {
            Decision::Allow(mut taken) => {
                for (place, balance) in takers.places(Taker::Store).zip(&remote.balances) {
                    taken.balances[place] = *balance;
                }
                Decision::Allow(
                    taken.map_lease(|memory| FallbackLease::of_outage(Some(remote.lease), memory, takers)),
                )
            }
            Decision::Deny(mut denial) => {
                let reached = takers.of_store(charges);
                for ((place, charge), balance) in
                    takers.places(Taker::Store).zip(&reached).zip(&remote.balances)
                {
                    let remaining = balance.remaining.saturating_add(charge.cost.units());
                    denial.balances[place] = Balance { remaining, ..*balance };
                }
                let nothing: SmallVec<[Cost; 4]> = reached.iter().map(|_| Cost::ZERO).collect();
                // Where it fails, the store carries it later, or what was taken stays so, as after any lost answer.
                drop(self.store.settle(&reached, remote.lease, &nothing).await);
                Decision::Deny(denial)
            }
        }
    }

    /// Returns the denial of a whole request, from that of a store which was asked for what is within reach.
    fn denied(&self, charges: &[Charge], takers: &Takers, denial: &Denial) -> Denial {
        let mut balances = self.local.look(charges, takers);
        for (place, balance) in takers.places(Taker::Store).zip(&denial.balances) {
            balances[place] = *balance;
        }
        // One of those that the store was asked for.
        let charge = takers.places(Taker::Store).nth(denial.charge).unwrap_or_default();
        Denial { charge, wait: denial.wait, balances, at: denial.at }
    }

    /// Counts a request that goes on without the store.
    fn count(&self, takers: &Takers) {
        let any_local = takers.places(Taker::Memory).next().is_some();
        self.counters.count(if any_local { OutageMode::Local } else { OutageMode::Allow });
    }

    /// A call for these charges failed that no decision waited for.
    fn failed(&self, charges: &[Charge], error: &StoreError) {
        let mut servers: SmallVec<[ServerId; 1]> =
            charges.iter().map(|charge| self.store.server(charge)).collect();
        servers.sort_unstable();
        servers.dedup();
        for server in error.among(servers) {
            self.breakers.of(server).failed(error, || self.name(server));
        }
    }
}

impl<S: Backend, C: Clock + Clone> Store for Fallback<S, C> {
    type Lease = FallbackLease<S::Lease>;

    fn take(
        &self,
        charges: &[Charge],
    ) -> impl Future<Output = Result<Decision<Taken<Self::Lease>>, StoreError>> + Send {
        self.take_or(charges, |place| (self.outage)(&charges[place]))
    }

    /// Settles where the charges were taken, in an outage, too: no decision waits for it, and a store may carry it
    /// later. That it is accepted says nothing of whether the store answers.
    async fn settle(
        &self,
        charges: &[Charge],
        lease: Self::Lease,
        actual: &[Cost],
    ) -> Result<(), StoreError> {
        let settled = match lease.0 {
            Claim::Store(lease) => self.store.settle(charges, lease, actual).await,
            Claim::Outage(claim) => {
                let OutageLease { store, memory, takers } = &*claim;
                self.local.settle(charges, takers, *memory, actual);
                let Some(lease) = store.clone() else { return Ok(()) };
                self.store.settle(&takers.of_store(charges), lease, &takers.of_store(actual)).await
            }
        };
        if let Err(error) = &settled {
            self.failed(charges, error);
        }
        settled
    }

    /// Forgets the accounts in memory, whether the store answers or not, and asks the store as a take would.
    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        self.local.reset(accounts);
        let mut access = self.access(accounts);
        let out_of_reach = access.shut();
        if access.is_shut() {
            return out_of_reach;
        }
        let reset = match &out_of_reach {
            Ok(()) => self.store.reset(accounts).await,
            Err(_) => {
                let reached = accounts.iter().enumerate().filter(|(place, _)| access.reaches(*place));
                let reached: SmallVec<[Charge; 4]> = reached.map(|(_, account)| account.clone()).collect();
                self.store.reset(&reached).await
            }
        };
        match &reset {
            Ok(()) => access.succeeded(),
            Err(error) => access.failed(error, |server| self.name(server)),
        }
        reset.and(out_of_reach)
    }

    fn release(&self, charges: &[Charge], lease: Self::Lease) {
        // To the store even in an outage: it costs the caller no time, and the slots come back when the store does.
        match lease.0 {
            Claim::Store(lease) => self.store.release(charges, lease),
            Claim::Outage(claim) => {
                let OutageLease { store, memory, takers } = &*claim;
                self.local.release(charges, takers, *memory);
                if let Some(lease) = store.clone() {
                    self.store.release(&takers.of_store(charges), lease);
                }
            }
        }
    }
}

impl<S: fmt::Debug, C> fmt::Debug for Fallback<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Between two looks for servers that keep no accounts any more.
const ROLL_CALL: Duration = Duration::from_millis(250);
