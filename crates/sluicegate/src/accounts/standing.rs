//! An account's verdict on a charge.

use crate::{Balance, Wait, timestamp::duration};

/// The state of an account after a charge was judged: a [`Balance`] whose times are ticks of 1/16 ns.
///
/// Judging gives this and not the balance itself, so that a store is done with the account, and lets go of its
/// lock, before it works out durations for the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing {
    /// Units that could be spent now.
    pub remaining: u64,
    /// Until the account is full again.
    pub reset_after: u64,
    /// Until one more unit can be spent.
    pub next_after: u64,
    /// Until the charge fits: zero if it fits now, or [`RELEASE`](Self::RELEASE) or [`FOREVER`](Self::FOREVER).
    pub wait: u64,
}

impl Standing {
    /// The wait for a slot to be given back.
    pub const RELEASE: u64 = u64::MAX - 1;
    /// The wait for what never fits.
    pub const FOREVER: u64 = u64::MAX;

    /// Returns `true` if the charge fits now.
    #[inline]
    #[must_use]
    pub const fn fits(self) -> bool {
        self.wait == 0
    }

    /// The standing after a charge that fits.
    #[inline]
    pub(super) const fn after(remaining: u64, reset_after: u64, next_after: u64) -> Self {
        Self { remaining, reset_after, next_after, wait: 0 }
    }

    /// The same standing for a charge that fits in so many ticks.
    #[inline]
    pub(super) fn until(self, ticks: u64) -> Self {
        Self { wait: ticks.min(Self::RELEASE - 1), ..self }
    }

    /// The same standing with its times rounded up to steps of so many ticks.
    pub(super) fn in_steps_of(self, ticks: u64) -> Self {
        let up = |time: u64| time.div_ceil(ticks).saturating_mul(ticks);
        let wait = match self.wait {
            special @ (Self::RELEASE | Self::FOREVER) => special,
            wait => up(wait).min(Self::RELEASE - 1),
        };
        Self { reset_after: up(self.reset_after), next_after: up(self.next_after), wait, ..self }
    }

    /// The same standing for a charge that never fits.
    #[inline]
    pub(super) const fn forever(self) -> Self {
        Self { wait: Self::FOREVER, ..self }
    }
}

impl From<Standing> for Balance {
    #[inline]
    fn from(standing: Standing) -> Self {
        Self {
            remaining: standing.remaining,
            reset_after: duration(standing.reset_after),
            next_after: duration(standing.next_after),
            wait: match standing.wait {
                0 => Wait::None,
                Standing::RELEASE => Wait::Release,
                Standing::FOREVER => Wait::Forever,
                ticks => Wait::For(duration(ticks)),
            },
        }
    }
}
