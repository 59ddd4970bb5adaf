//! First come, first served among callers that wait for the same accounts.

use std::{
    collections::{BTreeMap, HashMap},
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use smallvec::SmallVec;

use crate::{Algorithm, Charge, Key};

/// The waiters of a limiter: one line for each account that somebody waits for.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    next_ticket: u64,
    /// The waiters of each account by their tickets, those that were polled with their wakers.
    waiting: HashMap<Account, BTreeMap<u64, Option<Waker>>>,
}

type Account = (Key, Algorithm);

impl Queue {
    /// Joins the ends of the lines of all these charges' accounts, at once: of two waiters, the same one is ahead in every
    /// line that they share, so they never wait for each other.
    pub(crate) fn join(&self, charges: &[Charge]) -> Place<'_> {
        let account = |charge: &Charge| (charge.key.clone(), charge.quota.algorithm());
        let accounts: SmallVec<[Account; 2]> = charges.iter().map(account).collect();
        let mut lines = self.lock();
        let ticket = lines.next_ticket;
        lines.next_ticket += 1;
        for account in &accounts {
            lines.waiting.entry(account.clone()).or_default().insert(ticket, None);
        }
        drop(lines);
        Place { queue: self, ticket, accounts }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // Nothing panics while it is locked, and lines are whole after each change.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A waiter's place in the lines of its accounts. Dropping it lets the next one move up.
#[derive(Debug)]
pub(crate) struct Place<'q> {
    queue: &'q Queue,
    ticket: u64,
    accounts: SmallVec<[Account; 2]>,
}

impl Place<'_> {
    /// Waits until this waiter is the first in all of its lines.
    pub(crate) async fn first(&self) {
        poll_fn(|context| self.poll_first(context)).await;
    }

    fn poll_first(&self, context: &Context<'_>) -> Poll<()> {
        let mut lines = self.queue.lock();
        for account in &self.accounts {
            let Some(line) = lines.waiting.get_mut(account) else { continue };
            if line.first_key_value().is_none_or(|(first, _)| *first == self.ticket) {
                continue;
            }
            line.insert(self.ticket, Some(context.waker().clone()));
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut woken: SmallVec<[Waker; 2]> = SmallVec::new();
        let mut lines = self.queue.lock();
        for account in &self.accounts {
            let Some(line) = lines.waiting.get_mut(account) else { continue };
            line.remove(&self.ticket);
            match line.first_entry() {
                Some(mut first) => woken.extend(first.get_mut().take()),
                None => drop(lines.waiting.remove(account)),
            }
        }
        drop(lines);
        woken.into_iter().for_each(Waker::wake);
    }
}
