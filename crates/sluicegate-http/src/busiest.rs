//! The accounts that use most of each limit.

mod account;

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use sluicegate::{Store, Timestamp, Unit};
use sluicegate_policy::{Actual, Denied, Judgement, LimitId, Pass, Policy};

use self::account::Account;
use crate::DenialLog;

/// Counts what the accounts of each limit spend and are denied, in bounded memory, by the algorithm Space-Saving: an account
/// that is not listed takes the place of the one that has asked for least.
///
/// It counts only while somebody watches, so that nobody else pays for it.
#[derive(Debug)]
pub(crate) struct Busiest {
    log: DenialLog,
    /// The time in ticks until which it counts; zero if nobody has watched for long.
    until: AtomicU64,
    /// The time in ticks since which it counts.
    since: AtomicU64,
    /// By the ids of limits.
    limits: Box<[Mutex<Accounts>]>,
}

/// The accounts that use most of each limit.
#[derive(Clone, Debug)]
pub struct BusiestAccounts {
    /// The time for which they have been counted.
    pub counted_for: Duration,
    /// At most 32 for each limit, in no order.
    pub accounts: Vec<AccountUse>,
}

/// The use of one account.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountUse {
    /// The limit.
    pub limit: LimitId,
    /// The account's key, as the policy lets logs write it, but at most 256 characters of it.
    pub key: String,
    /// The unit of its quota.
    pub unit: Unit,
    /// The units that it has spent since it was listed, those of requests in progress as they were estimated.
    pub spent: u64,
    /// Its denials since it was listed.
    pub denials: u64,
    /// The share of the quota that is spent now: 1 if nothing is left.
    pub used: f64,
    /// The share of the quota that denied requests asked for on top of that, in the last window of the quota. Of a
    /// concurrent limit, the most that one of them asked for in the last minute.
    pub denied: f64,
    /// The time since its last request.
    pub idle: Duration,
}

#[derive(Debug, Default)]
struct Accounts {
    /// Hashes of keys, apart from the rest because each request searches them.
    ids: Vec<u64>,
    accounts: Vec<Account>,
}

impl Busiest {
    /// Counts the accounts of this policy's limits, and writes keys like this log.
    pub(crate) fn new(log: DenialLog, policy: &Policy) -> Self {
        let limits = policy.limits.iter().map(|_| Mutex::default()).collect();
        Self { log, until: AtomicU64::new(0), since: AtomicU64::new(0), limits }
    }

    /// Returns the time, if it counts then.
    #[inline]
    pub(crate) fn counts(&self, now: impl FnOnce() -> Timestamp) -> Option<Timestamp> {
        match self.until.load(Relaxed) {
            0 => None,
            until => Some(now()).filter(|now| now.ticks() < until),
        }
    }

    /// Counts from now on for an hour. It begins anew if it does not count already.
    pub(crate) fn watch(&self, now: Timestamp) {
        if self.counts(|| now).is_none() {
            self.limits.iter().for_each(|limit| *lock(limit) = Accounts::default());
            self.since.store(now.ticks(), Relaxed);
        }
        self.until.store((now + WATCHED).ticks(), Relaxed);
    }

    /// Counts the charges of a request that passed, and denials by limits in shadow mode.
    pub(crate) fn passed<S: Store>(&self, pass: &Pass<S>, now: Timestamp) {
        pass.judgements().for_each(|judgement| self.judged(judgement, now));
    }

    /// Counts a denial for each limit that was spent.
    pub(crate) fn denied(&self, denied: &Denied, now: Timestamp) {
        let spent = denied.judgements().filter(|judgement| !judgement.balance.wait.fits());
        spent.for_each(|judgement| self.judged(judgement, now));
    }

    /// Replaces the tokens that a request has reserved by those that it is charged for.
    pub(crate) fn settled<S: Store>(&self, pass: &Pass<S>, actual: &Actual) {
        for (limit, cost) in pass.settled_tokens(actual) {
            let reserved = pass.judgements().find(|judgement| judgement.limit == limit);
            if let Some(Judgement { charge, .. }) = reserved
                && let Some(account) = lock(&self.limits[limit.index()]).find(self.log.id(&charge.key))
            {
                account.settle(charge.cost, cost);
            }
        }
    }

    /// Returns the use of all listed accounts.
    pub(crate) fn list(&self, now: Timestamp) -> BusiestAccounts {
        let mut accounts = Vec::new();
        for limit in &self.limits {
            accounts.extend(lock(limit).accounts.iter().map(|account| account.told(now)));
        }
        let since = Timestamp::from_ticks(self.since.load(Relaxed));
        BusiestAccounts { counted_for: now.since(since), accounts }
    }

    fn judged(&self, Judgement { limit, charge, balance, .. }: Judgement<'_>, now: Timestamp) {
        let id = self.log.id(&charge.key);
        let mut accounts = lock(&self.limits[limit.index()]);
        let account = match accounts.place(id) {
            Some(place) => &mut accounts.accounts[place],
            None => {
                let key = self.log.listed(&charge.key);
                accounts.add(id, |inherited| Account::new(limit, key, charge, inherited, now))
            }
        };
        if balance.wait.fits() {
            account.spend(charge, balance, now);
        } else {
            account.deny(charge, balance, now);
        }
    }
}

impl Accounts {
    fn place(&self, id: u64) -> Option<usize> {
        self.ids.iter().position(|known| *known == id)
    }

    fn find(&mut self, id: u64) -> Option<&mut Account> {
        self.place(id).map(|place| &mut self.accounts[place])
    }

    /// Lists an account, in the place of the one that has asked for least if there is no other. `account` is given the
    /// units that this one asked for.
    fn add(&mut self, id: u64, account: impl FnOnce(u64) -> Account) -> &mut Account {
        let least = (0..self.accounts.len()).min_by_key(|place| self.accounts[*place].asked());
        let place = match least {
            Some(place) if self.accounts.len() == MOST => {
                self.ids[place] = id;
                self.accounts[place] = account(self.accounts[place].asked());
                place
            }
            _ => {
                self.ids.push(id);
                self.accounts.push(account(0));
                self.accounts.len() - 1
            }
        };
        &mut self.accounts[place]
    }
}

fn lock(accounts: &Mutex<Accounts>) -> MutexGuard<'_, Accounts> {
    accounts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The accounts that are listed of each limit: few enough to be searched one by one.
const MOST: usize = 32;

/// The time for which accounts are counted after somebody has watched.
const WATCHED: Duration = Duration::from_secs(3600);
