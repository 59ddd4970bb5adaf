//! A store in Redis or Valkey.

mod lender;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use sluicegate::{
    Algorithm, Backend, Balances, Charge, Cost, Decision, Key, Lease, Quota, ServerId, Store, StoreError,
    Taken, Timestamp,
    accounts::{AnyAccount, Snapshot, Verdict},
};
use sluicegate_remote::unix_time::{self, TICKS_PER_MICROSECOND, timestamp};
use smallvec::SmallVec;
use tokio::sync::{mpsc, watch};

use crate::{
    RedisStoreBuilder, Statistics,
    call::Call,
    charges_by_slot::{ChargesBySlot, in_micros},
    job::{Job, ReplyReceiver, UnclaimedReply},
    key_names::{KeyNames, Kind},
    leases::Leases,
    reply::{Reply, accounts},
    request::{Line, Request, Verb},
    slot_map::SlotMap,
    statistics::Counters,
    sweep::Sweep,
    time_mark::TimeMark,
};

/// A store in Redis or Valkey: one server, what Sentinel says is the primary, or a Cluster.
///
/// Its futures can be awaited on any runtime or none: a task of its own does the work that they wait for.
pub struct RedisStore {
    names: KeyNames,
    mark: TimeMark,
    map: Arc<SlotMap>,
    sweep: Sweep,
    jobs: mpsc::UnboundedSender<Job>,
    leases: Arc<Leases>,
    counters: Arc<Counters>,
    next_lease: AtomicU64,
    ended: watch::Receiver<()>,
}

/// The reply of one slot of the cluster to its lines.
struct SlotReply<'l> {
    lines: &'l [usize],
    now: Timestamp,
    admitted: bool,
    accounts: SmallVec<[AnyAccount; 4]>,
    /// Holds the slots that were taken.
    reply: UnclaimedReply,
}

impl RedisStore {
    /// A store to be set up, at this URL: `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`, `redis+unix:///PATH`,
    /// `redis+sentinel://HOST[:PORT][,…]/NAME[/DB]` or `redis+cluster://HOST[:PORT][,…][/DB]`; `rediss` where it is TLS, and
    /// `valkey` as well as `redis`.
    ///
    /// # Errors
    ///
    /// When it is no such URL.
    pub fn builder(url: &str) -> Result<RedisStoreBuilder, StoreError> {
        RedisStoreBuilder::new(url)
    }

    pub(crate) fn new(
        names: KeyNames,
        mark: TimeMark,
        map: Arc<SlotMap>,
        sweep: Sweep,
        jobs: mpsc::UnboundedSender<Job>,
        (leases, counters): (Arc<Leases>, Arc<Counters>),
        ended: watch::Receiver<()>,
    ) -> Result<Self, StoreError> {
        // Leases of different instances must differ: each instance counts from its own random number of 64 bits.
        let first = getrandom::u64().map_err(|error| {
            StoreError::misconfigured(format!("the system gives no random numbers: {error}"))
        })?;
        Ok(Self { names, mark, map, sweep, jobs, leases, counters, next_lease: AtomicU64::new(first), ended })
    }

    /// Asks Redis once, for everything that a take needs: a connection, a login, the script, the right to write.
    ///
    /// # Errors
    ///
    /// If it cannot. The error is a [misconfiguration](StoreError::is_misconfiguration) if waiting does not help.
    pub async fn check(&self) -> Result<(), StoreError> {
        let second = Quota::new(1_000_000, Duration::from_secs(1))
            .map_err(|error| StoreError::misconfigured("the quota of the check is wrong").because(error))?;
        let charges = [Charge::new(Key::of(["check"]), second)];
        let charges_by_slot = ChargesBySlot::of(&charges, &self.names)?;
        let request = charges_by_slot.asking(Verb::Take { lease: 0 }, &[0]);
        self.ask(Job::patient(request)).await?;
        if self.mark.is_due() {
            self.read_mark().await?;
        }
        Ok(())
    }

    /// Forgets every account of this store's prefix, as if each were [reset](Store::reset), for all users and
    /// their secrets. Charges that are taken meanwhile may be forgotten or not.
    ///
    /// It looks at all keys of the database, or of each primary of a cluster, a thousand at a time, so that others are
    /// served in between: seconds for millions of keys. It continues if the future is dropped.
    ///
    /// # Errors
    ///
    /// When Redis does not answer: then some accounts were forgotten, and others not.
    pub async fn clear(&self) -> Result<(), StoreError> {
        let mut slots: HashMap<u16, Vec<Line>> = HashMap::new();
        for account in self.sweep.run().await? {
            let lines = slots.entry(self.names.slot(&account)).or_default();
            let kind = Kind::of(&account).unwrap_or(Kind::Concurrent);
            lines.push(Line { account: account.into(), kind, row: [0; 4] });
        }
        let mut receivers: SmallVec<[ReplyReceiver; 1]> = SmallVec::new();
        for (slot, lines) in slots {
            for lines in lines.chunks(Call::LINES) {
                let request = Request { verb: Verb::Reset, slot, lines: lines.into() };
                let (job, receiver) = Job::patient(request);
                drop(self.jobs.send(job));
                receivers.push(receiver);
            }
        }
        self.receive_all(receivers).await
    }

    /// Returns the statistics so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            takes: read(&self.counters.takes),
            round_trips: read(&self.counters.round_trips),
            lost_settlements: read(&self.counters.lost_settlements),
            live_leases: self.leases.len(),
        }
    }

    /// Resolves when the store was dropped and its task has settled what was left, at most a second later. A runtime
    /// that is only there for this store can stop then.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut ended = self.ended.clone();
        async move {
            // An error is the end: nothing is ever sent.
            while ended.changed().await.is_ok() {}
        }
    }

    /// Reads the mark of the time, and writes it from now on.
    async fn read_mark(&self) -> Result<(), StoreError> {
        match self.ask(Job::new(self.mark.look())).await {
            Ok(unclaimed) => {
                self.mark.read(&unclaimed.reply);
                // Later renewals are not awaited, so it does not matter here whether this one was written.
                drop(self.ask(Job::new(self.mark.renewal())).await);
                self.leases.keep(self.mark.renewal());
            }
            // The other servers of a cluster still respond, and their clocks suffice.
            Err(_) if self.map.is_cluster() => self.mark.put_off(),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Asks for the lines of each slot at once.
    async fn ask_all<'l>(
        &self,
        charges_by_slot: &ChargesBySlot<'_>,
        slots: &'l [SmallVec<[usize; 4]>],
        verb: &Verb,
    ) -> Result<SmallVec<[SlotReply<'l>; 1]>, StoreError> {
        self.counters.takes.fetch_add(1, Ordering::Relaxed);
        match slots {
            [lines] => Ok([self.ask_one(charges_by_slot, lines, verb).await?].into_iter().collect()),
            _ => {
                let (mut replies, mut errors) = (SmallVec::new(), Vec::new());
                for reply in
                    join_all(slots.iter().map(|lines| self.ask_one(charges_by_slot, lines, verb))).await
                {
                    match reply {
                        Ok(reply) => replies.push(reply),
                        Err(error) => errors.push(error),
                    }
                }
                let Some(error) = together(errors) else { return Ok(replies) };
                if let Verb::Take { lease } = *verb {
                    // Charges on a failed server may stay taken; those on the others are given back.
                    self.give_back(charges_by_slot, Lease::new(lease, Timestamp::EPOCH), &replies);
                }
                Err(error)
            }
        }
    }

    async fn ask_one<'l>(
        &self,
        charges_by_slot: &ChargesBySlot<'_>,
        lines: &'l [usize],
        verb: &Verb,
    ) -> Result<SlotReply<'l>, StoreError> {
        let reply = self.ask(Job::new(charges_by_slot.asking(verb.clone(), lines))).await?;
        let (now, admitted, numbers) = match &reply.reply {
            Reply::Done { now, admitted, numbers } => (timestamp(*now), *admitted, numbers),
            Reply::Foreign(what) => return Err(self.foreign(what)),
            Reply::Queued => return Err(self.foreign("a take was answered as a settlement is")),
        };
        match accounts(lines.iter().map(|line| charges_by_slot.line(*line)), numbers) {
            Some(accounts) => Ok(SlotReply { lines, now, admitted, accounts, reply }),
            None => Err(self.foreign("the script answered something else")),
        }
    }

    /// Keeps the slots that were taken for as long as the lease is in use.
    fn hold(&self, charges_by_slot: &ChargesBySlot<'_>, lease: Lease, replies: SmallVec<[SlotReply<'_>; 1]>) {
        let renewals: SmallVec<[Request; 1]> = replies
            .iter()
            .filter_map(|reply| charges_by_slot.holding(lease.id, reply.now, reply.lines))
            .collect();
        if !renewals.is_empty() {
            self.leases.hold(lease.id, renewals);
        }
        replies.into_iter().for_each(|reply| reply.reply.claim());
    }

    /// Gives back what some slots have admitted of a request that another denied.
    fn give_back(&self, charges_by_slot: &ChargesBySlot<'_>, lease: Lease, replies: &[SlotReply<'_>]) {
        for reply in replies.iter().filter(|reply| reply.admitted) {
            self.send(charges_by_slot.settling(
                Lease { taken_at: reply.now, ..lease },
                &charges_by_slot.nothing(),
                reply.lines,
            ));
        }
    }

    /// Waits until all of them were done.
    async fn receive_all(&self, receivers: SmallVec<[ReplyReceiver; 1]>) -> Result<(), StoreError> {
        for receiver in receivers {
            if let Reply::Foreign(what) = &receive(receiver).await?.reply {
                return Err(self.foreign(what));
            }
        }
        Ok(())
    }

    async fn ask(&self, (job, receiver): (Job, ReplyReceiver)) -> Result<UnclaimedReply, StoreError> {
        // If the task has ended, the reply's sender is dropped with the job.
        drop(self.jobs.send(job));
        receive(receiver).await
    }

    fn send(&self, request: Option<Request>) {
        if let Some(request) = request {
            // It fails only when the runtime is gone, and all connections with it.
            drop(self.jobs.send(Job::unattended(request)));
        }
    }

    fn foreign(&self, what: &str) -> StoreError {
        StoreError::misconfigured(format!(
            "in Redis at {}, {what}; delete it, or give this limiter a store.prefix of its own",
            self.sweep.servers.address
        ))
    }
}

impl Store for RedisStore {
    type Lease = Lease;

    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        let lease = self.next_lease.fetch_add(1, Ordering::Relaxed);
        if charges.is_empty() {
            let at = timestamp(unix_time::micros_now());
            let taken = Taken { balances: Balances::new(), lease: Lease::new(lease, at), at };
            return Ok(Decision::Allow(taken));
        }
        let charges = in_micros(charges);
        let charges_by_slot = ChargesBySlot::of(&charges, &self.names)?;
        if self.mark.is_due() {
            self.read_mark().await?;
        }
        let slots = charges_by_slot.slots();
        let verb = if charges_by_slot.never_fits() { Verb::Look } else { Verb::Take { lease } };
        let replies = self.ask_all(&charges_by_slot, &slots, &verb).await?;

        let accounts = charges_by_slot.places().iter().filter_map(|place| {
            replies.iter().find_map(|reply| {
                let at = reply.lines.iter().position(|line| line == place)?;
                Some((reply.accounts[at].clone(), reply.now))
            })
        });
        let verdict =
            Verdict::of(&charges, &Snapshot::new(&charges, accounts)).in_steps_of(TICKS_PER_MICROSECOND);
        let taken_at = replies.iter().map(|reply| reply.now).max().unwrap_or_default();
        let lease = Lease::new(lease, taken_at);
        if verb != Verb::Look {
            let admitted = replies.iter().all(|reply| reply.admitted);
            if admitted != verdict.admits() {
                return Err(
                    self.foreign("the script decides otherwise than this version of the limiter does")
                );
            }
            if admitted {
                self.hold(&charges_by_slot, lease, replies);
            } else {
                self.give_back(&charges_by_slot, lease, &replies);
            }
        }
        Ok(verdict.decision(lease))
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        self.leases.end(lease.id);
        let charges = in_micros(charges);
        let charges_by_slot = ChargesBySlot::of(&charges, &self.names)?;
        let slots = charges_by_slot.slots();
        let requests = slots.iter().filter_map(|lines| charges_by_slot.settling(lease, actual, lines));
        // All are sent before the first is awaited, so that they are settled even if this future is dropped.
        let receivers: SmallVec<[ReplyReceiver; 1]> = requests
            .map(|request| {
                let (job, receiver) = Job::new(request);
                drop(self.jobs.send(job));
                receiver
            })
            .collect();
        self.receive_all(receivers).await
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        let mut receivers: SmallVec<[ReplyReceiver; 1]> = SmallVec::new();
        // All are sent before the first is awaited.
        for accounts in accounts.chunks(Call::LINES) {
            let charges_by_slot = ChargesBySlot::of(accounts, &self.names)?;
            for lines in charges_by_slot.slots() {
                let (job, receiver) = Job::new(charges_by_slot.forgetting(&lines));
                drop(self.jobs.send(job));
                receivers.push(receiver);
            }
        }
        self.receive_all(receivers).await
    }

    fn release(&self, charges: &[Charge], lease: Lease) {
        self.leases.end(lease.id);
        let held: SmallVec<[Charge; 4]> =
            charges.iter().filter(|charge| holds_slots(charge)).cloned().collect();
        let Ok(charges_by_slot) = ChargesBySlot::of(&held, &self.names) else { return };
        for lines in charges_by_slot.slots() {
            self.send(charges_by_slot.settling(lease, &[], &lines));
        }
    }
}

impl Backend for RedisStore {
    fn server(&self, charge: &Charge) -> ServerId {
        self.map.server(self.names.slot_of(&charge.key))
    }

    fn servers(&self) -> Vec<(ServerId, String)> {
        self.map.servers()
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("address", &self.sweep.servers.address).finish_non_exhaustive()
    }
}

async fn receive(receiver: ReplyReceiver) -> Result<UnclaimedReply, StoreError> {
    receiver.await.unwrap_or_else(|_| Err(StoreError::new("the runtime of the store was shut down")))
}

/// One error for all: it has the text of the first server's error, and names every server that failed.
fn together(errors: Vec<StoreError>) -> Option<StoreError> {
    let mut errors: Vec<StoreError> = errors;
    let first = errors.iter().position(|error| !error.servers().is_empty()).unwrap_or(0);
    let servers: SmallVec<[ServerId; 2]> =
        errors.iter().flat_map(|error| error.servers().iter().copied()).collect();
    let error = (first < errors.len()).then(|| errors.swap_remove(first))?;
    Some(servers.into_iter().fold(error, StoreError::at))
}

fn holds_slots(charge: &Charge) -> bool {
    charge.quota.algorithm() == Algorithm::Concurrent && !charge.cost.is_zero()
}
