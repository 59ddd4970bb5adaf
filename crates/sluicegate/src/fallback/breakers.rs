//! A circuit breaker for each of a store's servers.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::breaker::{Breaker, TransitionListener};
use crate::{Clock, ServerId};

/// A circuit breaker for each of a store's servers, made when the server is first asked.
pub(super) struct Breakers<C> {
    /// By the servers' numbers: each row has room for twice as many as the one before, so that no breaker ever moves.
    rows: [OnceLock<Row<C>>; ROWS],
    /// The number of open circuits.
    open: Arc<AtomicUsize>,
    listener: Arc<TransitionListener>,
    clock: C,
}

type Row<C> = Box<[OnceLock<Breaker<C>>]>;

impl<C: Clock + Clone> Breakers<C> {
    pub(super) fn new(clock: C, listener: Arc<TransitionListener>) -> Self {
        Self { rows: std::array::from_fn(|_| OnceLock::new()), open: Arc::default(), listener, clock }
    }

    /// Returns the breaker of a server.
    #[inline]
    pub(super) fn of(&self, server: ServerId) -> &Breaker<C> {
        let (row, place) = location(server);
        let row = self.rows[row].get_or_init(|| (0..1_usize << row).map(|_| OnceLock::new()).collect());
        row[place].get_or_init(|| {
            Breaker::new(self.clock.clone(), Arc::clone(&self.listener), Arc::clone(&self.open))
        })
    }
}

impl<C> Breakers<C> {
    pub(super) const fn clock(&self) -> &C {
        &self.clock
    }

    /// Returns `true` if no circuit is open.
    #[inline]
    pub(super) fn are_closed(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0
    }

    /// Returns all servers that were ever asked, with their breakers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ServerId, &Breaker<C>)> {
        let rows =
            self.rows.iter().zip(0..).filter_map(|(row, number)| Some((row.get()?, (1_u32 << number) - 1)));
        let numbered = rows.flat_map(|(row, first)| row.iter().zip(first..));
        numbered.filter_map(|(breaker, number)| Some((ServerId::new(number), breaker.get()?)))
    }
}

impl<C> fmt::Debug for Breakers<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breakers").field("open", &self.open).finish_non_exhaustive()
    }
}

/// Returns the row of a server's breaker, and its place there.
fn location(server: ServerId) -> (usize, usize) {
    // Servers beyond the last share its breaker, which costs accuracy and nothing else.
    let number = server.number().min(MOST) + 1;
    let row = number.ilog2();
    // A row is 16 at most, and the place is less than 2 to its power.
    (row as usize, (number - (1 << row)) as usize)
}

const ROWS: usize = 16;
/// The number of the last server that has a breaker of its own.
const MOST: u32 = (1 << ROWS) - 2;
