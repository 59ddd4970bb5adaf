//! The keys that are denied most.

use std::{collections::HashMap, time::Duration};

use sluicegate::{Key, Wait};

/// The denials of each key: exact for the first 100,000 keys, and counted together for all others.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeniedKeys {
    keys: HashMap<Key, DeniedKey>,
    others: u64,
}

/// The denials of one key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct DeniedKey {
    pub(crate) denials: u64,
    pub(crate) longest_wait: Option<Duration>,
}

impl DeniedKeys {
    /// Counts a denial.
    pub(crate) fn count(&mut self, key: &Key, wait: Wait) {
        let has_room = self.keys.len() < MOST;
        let counted = match self.keys.get_mut(key.as_str()) {
            Some(counted) => counted,
            None if has_room => self.keys.entry(key.clone()).or_default(),
            None => {
                self.others += 1;
                return;
            }
        };
        counted.denials += 1;
        if let Wait::For(wait) = wait {
            counted.longest_wait = counted.longest_wait.max(Some(wait));
        }
    }

    /// Returns the keys that are denied most, those with the most denials first.
    pub(crate) fn most(&self, number: usize) -> Vec<(&Key, DeniedKey)> {
        let mut keys: Vec<_> = self.keys.iter().map(|(key, counted)| (key, *counted)).collect();
        keys.sort_unstable_by(|(one, first), (other, second)| {
            second.denials.cmp(&first.denials).then_with(|| one.as_str().cmp(other.as_str()))
        });
        keys.truncate(number);
        keys
    }

    /// The number of keys that are counted one by one.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Denials of keys that came when the table was full.
    pub(crate) fn others(&self) -> u64 {
        self.others
    }
}

const MOST: usize = 100_000;
