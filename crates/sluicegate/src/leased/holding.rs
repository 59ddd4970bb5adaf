//! The chunks of one account.

use std::time::Duration;

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use smallvec::SmallVec;

use super::{
    counters::Counters,
    held::Held,
    settings::{Room, Settings},
};
use crate::{
    Algorithm, Charge, Chunk, Cost, Lender, Quota, Timestamp,
    accounts::{AnyAccount, Standing},
};

/// The chunks of one account, and the account as it stands but for what is left of them.
pub(super) struct Holding<L> {
    /// Its key and quota.
    charge: Charge,
    /// The oldest first. Each has a number, by which an unused payment finds it again.
    chunks: SmallVec<[(u64, Held<L>); 2]>,
    asked: Option<Asked<L>>,
    view: AnyAccount,
    /// The size of the next chunk, if the quota has room for it.
    wanted: u64,
    used: Timestamp,
    lent: Timestamp,
    /// No chunk is asked for before.
    patience: Timestamp,
    next_number: u64,
}

/// A chunk that the store was asked for.
struct Asked<L> {
    answer: Answer<L>,
    charge: Charge,
    sent: Timestamp,
    /// Set if the chunk is given back when it arrives.
    leaving: bool,
}

/// The chunk once the store has lent it, or `None` if it has not.
pub(super) type Answer<L> = Shared<BoxFuture<'static, Option<Chunk<L>>>>;

/// The result of asking chunks for a charge.
pub(super) enum Payment<L> {
    /// They paid it.
    Made(Receipt),
    /// They do not suffice, but the next is on its way.
    Awaits(Answer<L>),
    /// They do not suffice, and were given back.
    Failed,
}

/// A charge that chunks paid.
pub(super) struct Receipt {
    /// The account after it.
    pub(super) standing: Standing,
    /// The time on the store's clock.
    pub(super) at: Timestamp,
    /// Units by the numbers of the chunks.
    parts: SmallVec<[(u64, u64); 2]>,
}

/// The surroundings of a holding: the store that lends, the settings, and the local time.
pub(super) struct Desk<'a, S> {
    pub(super) store: &'a S,
    pub(super) settings: &'a Settings,
    pub(super) counters: &'a Counters,
    pub(super) now: Timestamp,
}

impl<L: Clone + Send + Sync + 'static> Holding<L> {
    /// A holding of an account without chunks.
    pub(super) fn new(charge: &Charge, now: Timestamp) -> Self {
        Self {
            charge: Charge { cost: Cost::ZERO, ..charge.clone() },
            chunks: SmallVec::new(),
            asked: None,
            view: AnyAccount::new(charge.quota.algorithm()),
            wanted: 0,
            used: now,
            lent: now,
            patience: Timestamp::EPOCH,
            next_number: 0,
        }
    }

    /// Pays a charge, all of it or nothing. It is [kept](Self::keep) or taken back later if it is `pending`, and kept at once
    /// if not.
    pub(super) fn pay<S: Lender<Lease = L>>(
        &mut self,
        charge: &Charge,
        pending: bool,
        desk: &Desk<'_, S>,
    ) -> Payment<L> {
        let (quota, now) = (&charge.quota, desk.now);
        if *quota != *self.quota() {
            self.charge.quota = *quota;
            // A quota that changes with time, or from request to request, is better asked for call by call.
            self.patience = now + desk.settings.life / SOON;
            return self.leave(desk).map_or(Payment::Failed, Payment::Awaits);
        }
        self.collect(desk);
        self.let_go(desk);
        let mut missing = charge.cost.units();
        let at = self.spendable(now).next().map(|(_, first)| first.store_time(now));
        if let Some(at) = at.filter(|_| self.left(now) >= missing) {
            let standing = self.view.judge(quota, charge.cost, at);
            if standing.fits() {
                let mut parts = SmallVec::new();
                for (number, held) in self.chunks.iter_mut().filter(|(_, held)| held.is_valid(now)) {
                    let spent = held.spend(missing, now);
                    missing -= spent;
                    if spent > 0 {
                        held.pending += u32::from(pending);
                        parts.push((*number, spent));
                    }
                }
                self.view.charge(quota, charge.cost, at);
                self.used = now;
                if !pending {
                    self.renew(charge, standing.remaining, desk);
                }
                return Payment::Made(Receipt { standing, at, parts });
            }
        }
        if let Some(asked) = &self.asked {
            return Payment::Awaits(asked.answer.clone());
        }
        self.give_back(desk);
        Payment::Failed
    }

    /// Keeps what was paid for a request that is admitted.
    pub(super) fn keep<S: Lender<Lease = L>>(&mut self, charge: &Charge, paid: &Receipt, desk: &Desk<'_, S>) {
        self.end(paid, |_, _| ());
        self.renew(charge, paid.standing.remaining, desk);
        self.let_go(desk);
    }

    /// Takes back what was paid for a request that is not admitted.
    pub(super) fn take_back<S: Lender<Lease = L>>(
        &mut self,
        charge: &Charge,
        paid: &Receipt,
        desk: &Desk<'_, S>,
    ) -> Standing {
        self.end(paid, |held, units| held.left += units);
        self.let_go(desk);
        if *self.quota() == charge.quota {
            self.view.settle(&charge.quota, charge.cost, Cost::ZERO, paid.at, paid.at);
        }
        self.view.judge(&charge.quota, Cost::ZERO, paid.at)
    }

    /// Ends what is pending of a payment.
    fn end(&mut self, paid: &Receipt, act: impl Fn(&mut Held<L>, u64)) {
        for (number, units) in &paid.parts {
            if let Some((_, held)) = self.chunks.iter_mut().find(|(known, _)| known == number) {
                held.pending = held.pending.saturating_sub(1);
                act(held, *units);
            }
        }
    }

    /// Asks for the next chunk if this one is running out.
    pub(super) fn renew<S: Lender<Lease = L>>(
        &mut self,
        charge: &Charge,
        remaining: u64,
        desk: &Desk<'_, S>,
    ) {
        let left = self.left(desk.now);
        let full = self.chunks.last().map_or(0, |(_, held)| held.charge.cost.units());
        let runs_out = left == 0 || desk.settings.ahead && left <= full / 2;
        if !runs_out || self.asked.is_some() || desk.now < self.patience {
            return;
        }
        let room = Room { held: left, remaining: remaining.saturating_sub(left) };
        let wanted = self.wanted(desk);
        let Some(amount) = desk.settings.size(&charge.quota, wanted, charge.cost.units(), room) else {
            return;
        };
        self.let_go(desk);
        self.wanted = amount;
        let asked = self.charge.clone().cost(amount);
        let lent = desk.store.lend(&asked, desk.settings.life);
        let answer = lent.map(|lent| lent.ok().flatten()).boxed().shared();
        self.asked = Some(Asked { answer, charge: asked, sent: desk.now, leaving: false });
    }

    /// Twice as much as before for a chunk that was soon spent, and half for one that was not.
    fn wanted<S>(&self, desk: &Desk<'_, S>) -> u64 {
        let life = desk.settings.life;
        match desk.now.since(self.lent) {
            lasted if lasted < life / SOON => self.wanted.saturating_mul(2),
            lasted if lasted > life / 2 => self.wanted / 2,
            _ => self.wanted,
        }
    }

    /// Adds the chunk that was asked for, if the store has answered.
    fn collect<S: Lender<Lease = L>>(&mut self, desk: &Desk<'_, S>) {
        let Some(mut asked) = self.asked.take() else { return };
        let Some(answer) = (&mut asked.answer).now_or_never() else {
            self.asked = Some(asked);
            return;
        };
        let Some(mut chunk) = answer else {
            self.patience = desk.now + desk.settings.life / SOON;
            self.wanted /= 2;
            return;
        };
        desk.counters.lent();
        // The store's account has charged all that is left of the older chunks.
        for (_, older) in &self.chunks {
            let (left, taken_at) = (Cost::new(older.left), older.store_time(desk.now));
            chunk.account.settle(&older.charge.quota, left, Cost::ZERO, taken_at, chunk.lent_at);
        }
        self.view = chunk.account.clone();
        self.lent = desk.now;
        let mut held = Held::of(chunk, asked.charge, asked.sent);
        held.leaving = asked.leaving;
        self.chunks.push((self.next_number, held));
        self.next_number += 1;
        self.let_go(desk);
    }

    /// Lets go of chunks that are spent, and of those that have ended or are leaving.
    fn let_go<S: Lender<Lease = L>>(&mut self, desk: &Desk<'_, S>) {
        let mut place = 0;
        while let Some((_, held)) = self.chunks.get(place) {
            if !held.is_done(desk.now) {
                place += 1;
                continue;
            }
            let (_, held) = self.chunks.remove(place);
            if desk.now >= held.ends {
                desk.counters.expired(held.charge.quota.unit(), held.left);
            }
            let rest = held.remainder(desk.now);
            desk.store.give_back(&held.charge, held.lease, rest);
        }
    }

    /// Gives back all chunks. Returns the one that is on its way: until it has arrived, the store counts it as out.
    pub(super) fn leave<S: Lender<Lease = L>>(&mut self, desk: &Desk<'_, S>) -> Option<Answer<L>> {
        self.give_back(desk);
        self.asked.as_ref().map(|asked| asked.answer.clone())
    }

    /// Gives back all chunks, and the one that is on its way when it arrives.
    pub(super) fn give_back<S: Lender<Lease = L>>(&mut self, desk: &Desk<'_, S>) {
        self.collect(desk);
        self.asked.iter_mut().for_each(|asked| asked.leaving = true);
        self.chunks.iter_mut().for_each(|(_, held)| held.leaving = true);
        self.let_go(desk);
    }

    /// Corrects the view by a settlement that goes to the store. Gives the chunks back if the view cannot follow: after a
    /// debt, and where an account begins anew or the window that was charged is not known.
    pub(super) fn settle<S: Lender<Lease = L>>(
        &mut self,
        charge: &Charge,
        actual: Cost,
        taken_at: Option<Timestamp>,
        desk: &Desk<'_, S>,
    ) {
        self.collect(desk);
        let Some((_, last)) = self.spendable(desk.now).last() else { return self.give_back(desk) };
        let (quota, at) = (&charge.quota, last.store_time(desk.now));
        let is_bucket = quota.algorithm() == Algorithm::TokenBucket;
        let Some(taken_at) = taken_at.or_else(|| is_bucket.then_some(at)) else {
            return self.give_back(desk);
        };
        self.view.settle(quota, charge.cost, actual, taken_at, at);
        if actual > charge.cost || self.view.idle_at() <= at {
            return self.give_back(desk);
        }
        let cheaper = quota.worth(charge.cost.units()).saturating_sub(quota.worth(actual.units()));
        self.chunks.iter_mut().for_each(|(_, held)| held.refunded(cheaper));
    }

    /// Returns `true` if there is nothing left to hold: gives back what was not used for so long.
    pub(super) fn is_done<S: Lender<Lease = L>>(&mut self, idle: Duration, desk: &Desk<'_, S>) -> bool {
        self.collect(desk);
        self.let_go(desk);
        if desk.now.since(self.used) >= idle {
            self.give_back(desk);
        }
        self.is_empty()
    }

    /// Returns `true` if it has no chunk and waits for none.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.asked.is_none()
    }

    /// Returns `true` if a charge that was denied may be paid here after all.
    pub(super) fn is_promising(&self, now: Timestamp) -> bool {
        self.asked.is_some() || self.left(now) > 0
    }

    fn spendable(&self, now: Timestamp) -> impl Iterator<Item = &(u64, Held<L>)> {
        self.chunks.iter().filter(move |(_, held)| held.is_valid(now))
    }

    pub(super) fn left(&self, now: Timestamp) -> u64 {
        self.spendable(now).map(|(_, held)| held.left).sum()
    }

    pub(super) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn quota(&self) -> &Quota {
        &self.charge.quota
    }
}

/// A chunk is soon spent if it lasts for less than one in so many of its life.
pub(super) const SOON: u32 = 10;
