//! The accounts of one request, as they stood before it.

use std::borrow::Cow;

use sluicegate::{
    Charge, Cost, Timestamp,
    accounts::{AnyAccount, Books, Standing},
};
use smallvec::SmallVec;

use super::{Progress, TrackedCharges};
use crate::{link::Failure, working_set::WorkingSet};

/// The accounts of one request, as they stand without it.
pub(super) struct Snapshot<'a> {
    tracked: &'a TrackedCharges,
    accounts: SmallVec<[Cow<'a, AnyAccount>; 4]>,
    /// `true` if they are in Memcached in this state, and not only in the working set.
    pub(super) is_written: bool,
    at: Timestamp,
}

impl<'a> Snapshot<'a> {
    /// `None` until all accounts are known.
    pub(super) fn of(
        tracked: &'a TrackedCharges,
        working_set: &'a WorkingSet,
        at: Timestamp,
    ) -> Result<Option<Self>, Failure> {
        let mut snapshot = Self { tracked, accounts: SmallVec::new(), is_written: true, at };
        for location in &tracked.locations {
            let Some(entry) = working_set.get(location) else { return Ok(None) };
            let entry = entry.as_ref().map_err(Clone::clone)?;
            snapshot.is_written &= !entry.changed;
            let mut account = Cow::Borrowed(&entry.account);
            // Charges of an earlier round are taken off again, so that all are judged together.
            for (index, charge) in tracked.charges.iter().enumerate() {
                if tracked.locations[index] == *location && tracked.progress[index] == Progress::Done {
                    account.to_mut().settle(&charge.quota, charge.cost, Cost::ZERO, at, at);
                }
            }
            snapshot.accounts.push(account);
        }
        Ok(Some(snapshot))
    }
}

impl Books for Snapshot<'_> {
    fn same_account(&self, charge: usize, other: usize) -> bool {
        self.tracked.locations[charge] == self.tracked.locations[other]
    }

    fn judge(&self, charge: usize, cost: Cost) -> Standing {
        self.accounts[charge].judge(&self.tracked.charges[charge].quota, cost, self.at)
    }

    fn judge_after(&self, earlier: &mut dyn Iterator<Item = &Charge>, charge: usize, cost: Cost) -> Standing {
        let mut account = AnyAccount::clone(&self.accounts[charge]);
        for charge in earlier {
            account.charge(&charge.quota, charge.cost, self.at);
        }
        account.judge(&self.tracked.charges[charge].quota, cost, self.at)
    }
}
