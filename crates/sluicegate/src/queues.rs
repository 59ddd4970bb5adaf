//! Queues of waiters: callers that wait for the same account are served in the order of their arrival.

use std::{
    collections::{BTreeMap, HashMap},
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use smallvec::SmallVec;

use crate::{Algorithm, Charge, Key};

/// The queues of a limiter's waiters, one for each account with any.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    next_ticket: u64,
    /// The waiters of each account by their tickets, those that were polled with their wakers.
    by_account: HashMap<AccountId, BTreeMap<u64, Option<Waker>>>,
}

type AccountId = (Key, Algorithm);

impl Queues {
    /// Joins the queues of all these charges' accounts at once. Of two waiters, the same one is ahead in every queue that
    /// they share, so they never wait for each other.
    pub(crate) fn join(&self, charges: &[Charge]) -> Waiter<'_> {
        let account = |charge: &Charge| (charge.key.clone(), charge.quota.algorithm());
        let accounts: SmallVec<[AccountId; 2]> = charges.iter().map(account).collect();
        let mut waiters = self.lock();
        let ticket = waiters.next_ticket;
        waiters.next_ticket += 1;
        for account in &accounts {
            waiters.by_account.entry(account.clone()).or_default().insert(ticket, None);
        }
        drop(waiters);
        Waiter { queues: self, ticket, accounts }
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        // Nothing panics while it is locked, and the queues are consistent after each change.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A waiter in the queues of its accounts. Dropping it lets the next one move up.
#[derive(Debug)]
pub(crate) struct Waiter<'q> {
    queues: &'q Queues,
    ticket: u64,
    accounts: SmallVec<[AccountId; 2]>,
}

impl Waiter<'_> {
    /// Waits until this waiter is the first in all of its queues.
    pub(crate) async fn first(&self) {
        poll_fn(|context| self.poll_first(context)).await;
    }

    fn poll_first(&self, context: &Context<'_>) -> Poll<()> {
        let mut waiters = self.queues.lock();
        for account in &self.accounts {
            let Some(queue) = waiters.by_account.get_mut(account) else { continue };
            if queue.first_key_value().is_none_or(|(first, _)| *first == self.ticket) {
                continue;
            }
            queue.insert(self.ticket, Some(context.waker().clone()));
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut woken: SmallVec<[Waker; 2]> = SmallVec::new();
        let mut waiters = self.queues.lock();
        for account in &self.accounts {
            let Some(queue) = waiters.by_account.get_mut(account) else { continue };
            queue.remove(&self.ticket);
            match queue.first_entry() {
                Some(mut first) => woken.extend(first.get_mut().take()),
                None => drop(waiters.by_account.remove(account)),
            }
        }
        drop(waiters);
        woken.into_iter().for_each(Waker::wake);
    }
}
