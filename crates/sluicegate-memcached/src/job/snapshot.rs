//! The accounts of one request, as they stood before it.

use std::borrow::Cow;

use sluicegate::{
    Charge, Cost, Timestamp,
    accounts::{AnyAccount, Books, Standing},
};
use smallvec::SmallVec;

use super::{Lines, Progress};
use crate::{link::Failure, working_set::WorkingSet};

/// The accounts of one request, as they stand without it.
pub(super) struct Snapshot<'a> {
    lines: &'a Lines,
    accounts: SmallVec<[Cow<'a, AnyAccount>; 4]>,
    /// `true` if they are in Memcached in this state, and not only in the working set.
    pub(super) is_written: bool,
    at: Timestamp,
}

impl<'a> Snapshot<'a> {
    /// `None` until all accounts are known.
    pub(super) fn of(
        lines: &'a Lines,
        working_set: &'a WorkingSet,
        at: Timestamp,
    ) -> Result<Option<Self>, Failure> {
        let mut snapshot = Self { lines, accounts: SmallVec::new(), is_written: true, at };
        for location in &lines.locations {
            let Some(entry) = working_set.get(location) else { return Ok(None) };
            let entry = entry.as_ref().map_err(Clone::clone)?;
            snapshot.is_written &= !entry.changed;
            let mut account = Cow::Borrowed(&entry.account);
            // What an earlier round has charged is taken off again, so that all charges are judged together.
            for (index, charge) in lines.charges.iter().enumerate() {
                if lines.locations[index] == *location && lines.progress[index] == Progress::Done {
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
        self.lines.locations[charge] == self.lines.locations[other]
    }

    fn judge(&self, charge: usize, cost: Cost) -> Standing {
        self.accounts[charge].judge(&self.lines.charges[charge].quota, cost, self.at)
    }

    fn judge_after(&self, earlier: &mut dyn Iterator<Item = &Charge>, charge: usize, cost: Cost) -> Standing {
        let mut account = AnyAccount::clone(&self.accounts[charge]);
        for charge in earlier {
            account.charge(&charge.quota, charge.cost, self.at);
        }
        account.judge(&self.lines.charges[charge].quota, cost, self.at)
    }
}
