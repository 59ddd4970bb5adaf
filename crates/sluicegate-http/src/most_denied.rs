//! The keys that are denied most.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sluicegate::Timestamp;

/// Counts the denials of the keys that are denied most, in bounded memory, by the algorithm Space-Saving.
///
/// A key that is not listed takes the place of the one that has been denied least. So every key with more than 1/64 of
/// the denials of its shard is listed, however many keys there are. A denial takes the lock of one shard.
#[derive(Debug, Default)]
pub(crate) struct MostDenied {
    shards: [Mutex<Vec<Entry>>; SHARDS],
}

/// A key that is denied often.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeniedKey {
    /// The name of the limit.
    pub limit: String,
    /// The key of its account, as the policy lets logs write it, but at most 256 characters of it.
    pub key: String,
    /// Its denials since it was listed.
    pub denials: u64,
    /// The most denials that it may have had, including those before it was listed.
    pub at_most: u64,
    /// The time since the last one.
    pub idle: Duration,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    limit: String,
    key: String,
    /// The denials of the key whose place this one took.
    inherited: u64,
    denials: u64,
    last: Timestamp,
}

impl MostDenied {
    /// Counts a denial of the key with this hash. `names` returns its limit and the key, if the key is to be listed.
    pub(crate) fn count(&self, id: u64, now: Timestamp, names: impl FnOnce() -> (String, String)) {
        // The remainder is below the number of shards.
        let shard = usize::try_from(id % SHARDS as u64).unwrap_or_default();
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = shard.iter_mut().find(|entry| entry.id == id) {
            entry.denials += 1;
            entry.last = now;
            return;
        }
        let (limit, key) = names();
        let key = key.chars().take(LONGEST_KEY).collect();
        let entry = |inherited| Entry { id, limit, key, inherited, denials: 1, last: now };
        if shard.len() < SHARD_SIZE {
            shard.push(entry(0));
        } else if let Some(least) = shard.iter_mut().min_by_key(|entry| entry.at_most()) {
            *least = entry(least.at_most());
        }
    }

    /// Returns the listed keys, those with the most denials first.
    pub(crate) fn list(&self, now: Timestamp) -> Vec<DeniedKey> {
        let mut keys = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            keys.extend(shard.iter().map(|entry| DeniedKey {
                limit: entry.limit.clone(),
                key: entry.key.clone(),
                denials: entry.denials,
                at_most: entry.at_most(),
                idle: now.since(entry.last),
            }));
        }
        keys.sort_by(|one, other| {
            other
                .denials
                .cmp(&one.denials)
                .then_with(|| (&one.limit, &one.key).cmp(&(&other.limit, &other.key)))
        });
        keys
    }
}

impl Entry {
    fn at_most(&self) -> u64 {
        self.inherited + self.denials
    }
}

const SHARDS: usize = 8;

/// Few enough to be searched one by one.
const SHARD_SIZE: usize = 64;

/// The most characters of a key that are listed.
pub(crate) const LONGEST_KEY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn count(denied: &MostDenied, id: u64, times: u64) {
        for _ in 0..times {
            denied.count(id, Timestamp::EPOCH, || ("predict".to_owned(), id.to_string()));
        }
    }

    #[test]
    fn the_most_denied_key_comes_first() {
        let denied = MostDenied::default();
        [(1, 3), (2, 5), (10, 4)].iter().for_each(|(id, times)| count(&denied, *id, *times));
        let listed: Vec<_> =
            denied.list(Timestamp::EPOCH).into_iter().map(|key| (key.key, key.denials)).collect();
        assert_eq!(listed, [("2".to_owned(), 5), ("10".to_owned(), 4), ("1".to_owned(), 3)]);
    }

    #[test]
    fn a_flood_of_keys_takes_bounded_memory_and_does_not_hide_a_key_that_is_denied_often() {
        let denied = MostDenied::default();
        let often = 7_000_000_000;
        for key in 0..100_000 {
            count(&denied, key, 1);
            if key % 100 == 0 {
                count(&denied, often, 1);
            }
        }
        let listed = denied.list(Timestamp::EPOCH);
        assert_eq!(listed.len(), SHARDS * SHARD_SIZE);
        let key = listed.iter().find(|key| key.key == often.to_string()).unwrap();
        assert!(key.denials <= 1_000 && key.at_most >= 1_000, "{key:?}");
    }

    #[test]
    fn a_key_that_takes_a_place_does_not_have_the_denials_of_the_one_before() {
        let denied = MostDenied::default();
        let same_shard = |place: usize| u64::try_from(place * SHARDS).unwrap();
        (0..SHARD_SIZE).for_each(|place| count(&denied, same_shard(place), 3));
        count(&denied, same_shard(SHARD_SIZE), 1);
        let listed = denied.list(Timestamp::EPOCH);
        let newest = listed.last().unwrap();
        assert_eq!((newest.key.parse(), newest.denials, newest.at_most), (Ok(same_shard(SHARD_SIZE)), 1, 4));
    }

    #[test]
    fn the_time_since_the_last_denial_is_told() {
        let denied = MostDenied::default();
        let at = |seconds| Timestamp::EPOCH + Duration::from_secs(seconds);
        for seconds in [1, 4] {
            denied.count(1, at(seconds), || (String::new(), String::new()));
        }
        assert_eq!(denied.list(at(9))[0].idle, Duration::from_secs(5));
    }

    #[test]
    fn a_long_key_is_cut() {
        let denied = MostDenied::default();
        denied.count(1, Timestamp::EPOCH, || (String::new(), "ä".repeat(10_000)));
        assert_eq!(denied.list(Timestamp::EPOCH)[0].key, "ä".repeat(LONGEST_KEY));
    }
}
