//! Taking several charges on token buckets without a lock.

use super::token_buckets::{Entry, TokenBuckets, Word};
use crate::{
    Balance, Balances, Charge, Cost, Decision, Denial, Lease, Taken, Timestamp, Wait,
    accounts::{Account, TokenBucket},
    fingerprint::Fingerprint,
};

/// Takes all charges of a request, each on a token bucket of its own, or none. `None` if one of the keys needs an account
/// and has none, or two charges are on one account. There are no more than [`MOST`].
///
/// The accounts are read, each at one moment. If all charges fit, their slots are locked, and charged only if none has
/// changed since. No thread waits here while it has locked a slot, so no two of them wait for each other.
#[inline]
pub(super) fn take<W: Word>(
    token_buckets: &TokenBuckets<W>,
    charges: &[Charge],
    fingerprint: impl Fn(usize) -> Fingerprint,
    now: Timestamp,
) -> Option<Decision<Taken>> {
    let mut round = 0;
    loop {
        let mut slots = Slots { changes: [None; MOST], len: 0 };
        let mut accounts = [TokenBucket::default(); MOST];
        let mut balances = Balances::new();
        let mut is_allowed = true;
        for (index, (charge, account)) in charges.iter().zip(&mut accounts).enumerate() {
            match token_buckets.entry(fingerprint(index)) {
                Some(entry) => {
                    *account = entry.account();
                    slots.add(Change::of(entry, charge, now))?;
                }
                // A peek needs no account.
                None if charge.cost.is_zero() => {}
                None => return None,
            }
            let standing = account.judge(&charge.quota, charge.cost, now);
            is_allowed &= standing.fits();
            balances.push(standing.into());
        }
        if !is_allowed {
            return Some(Decision::Deny(denial(charges, &accounts, balances, now)));
        }
        if slots.change() {
            return Some(Decision::Allow(Taken { balances, lease: Lease::new(0, now), at: now }));
        }
        W::pause(round);
        round += 1;
    }
}

/// The denial of a request whose charges, each alone, would leave these balances.
fn denial(charges: &[Charge], accounts: &[TokenBucket], mut balances: Balances, now: Timestamp) -> Denial {
    let (mut denied, mut longest) = (0, Wait::None);
    for (index, ((charge, account), balance)) in charges.iter().zip(accounts).zip(&mut *balances).enumerate()
    {
        if balance.wait > longest {
            (denied, longest) = (index, balance.wait);
        }
        if balance.wait.fits() {
            // Nothing is charged, so the account stands as a peek finds it.
            let peek = account.judge(&charge.quota, Cost::ZERO, now);
            *balance = Balance { wait: balance.wait, ..peek.into() };
        }
    }
    Denial { charge: denied, wait: longest, balances, at: now }
}

/// The slots of a request, each with its change.
///
/// They are in the same order in all threads, so that of several with the same accounts the first one wins them all.
struct Slots<'t, W> {
    changes: [Option<Change<'t, W>>; MOST],
    len: usize,
}

impl<'t, W: Word> Slots<'t, W> {
    /// Adds a slot. `None` if it is there already.
    #[inline(always)]
    fn add(&mut self, change: Change<'t, W>) -> Option<()> {
        let mut place = self.len;
        while let Some(before) = place.checked_sub(1)
            && let Some(other) = self.changes[before]
            && other.entry.address() >= change.entry.address()
        {
            if other.entry.address() == change.entry.address() {
                return None;
            }
            self.changes[place] = self.changes[before];
            place = before;
        }
        self.changes[place] = Some(change);
        self.len += 1;
        Some(())
    }

    /// Makes all changes if no slot has changed before. Returns `false` if one has.
    #[inline(always)]
    fn change(&self) -> bool {
        let changes = self.changes[..self.len].iter().flatten();
        let locked = changes.clone().take_while(|change| change.begin()).count();
        let is_whole = locked == self.len;
        changes.take(locked).for_each(|change| change.end(is_whole));
        is_whole
    }
}

/// A slot, and the account that it is to have.
struct Change<'t, W> {
    entry: Entry<'t, W>,
    account: TokenBucket,
}

impl<W> Clone for Change<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for Change<'_, W> {}

impl<'t, W: Word> Change<'t, W> {
    #[inline(always)]
    fn of(entry: Entry<'t, W>, charge: &Charge, now: Timestamp) -> Self {
        let mut account = entry.account();
        if !charge.cost.is_zero() {
            account.charge(&charge.quota, charge.cost, now);
        }
        Self { entry, account }
    }

    /// Locks the slot if the account is still as it was. A peek only looks, and leaves it alone.
    #[inline(always)]
    fn begin(&self) -> bool {
        self.account == self.entry.account() || self.entry.lock()
    }

    /// Unlocks the slot, with the new account or the old one.
    #[inline(always)]
    fn end(&self, is_changed: bool) {
        if self.account != self.entry.account() {
            self.entry.unlock(if is_changed { self.account } else { self.entry.account() });
        }
    }
}

/// As many charges as are taken together without a lock.
pub(super) const MOST: usize = 8;
