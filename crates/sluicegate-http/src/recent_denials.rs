//! The denials of the last moments.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use sluicegate::{Cost, Quota, Timestamp};

/// Keeps the newest denials, of a flood a few each second, in bounded memory.
#[derive(Debug, Default)]
pub(crate) struct RecentDenials(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Denials that were kept so far.
    number: u64,
    second: u64,
    in_second: usize,
    denials: VecDeque<RecentDenial>,
}

/// A denial, and its reason.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecentDenial {
    /// Ascending from 1, so that a denial can be told from one that looks the same.
    pub number: u64,
    /// The time of the denial.
    pub time: SystemTime,
    /// The route's name.
    pub route: String,
    /// The name of the limit with the longest wait.
    pub limit: String,
    /// The key of its account, as the policy lets logs write it, but at most 256 characters of it.
    pub key: String,
    /// Its quota for this request.
    pub quota: Quota,
    /// The cost of the request on it.
    pub cost: Cost,
    /// The units that were left.
    pub remaining: u64,
    /// The wait in whole seconds. `None` if waiting never helps.
    pub retry_after: Option<u64>,
}

impl RecentDenials {
    /// Keeps a denial, unless there were enough of them in this second. `denial` gives it its number.
    pub(crate) fn keep(&self, now: Timestamp, denial: impl FnOnce(u64) -> RecentDenial) {
        let mut kept = self.lock();
        let second = now.since(Timestamp::EPOCH).as_secs();
        if second != kept.second {
            (kept.second, kept.in_second) = (second, 0);
        }
        if kept.in_second == IN_A_SECOND {
            return;
        }
        kept.in_second += 1;
        kept.number += 1;
        if kept.denials.len() == MOST {
            kept.denials.pop_front();
        }
        let denial = denial(kept.number);
        kept.denials.push_back(denial);
    }

    /// Returns the kept denials after this number, the newest first.
    pub(crate) fn after(&self, number: u64) -> Vec<RecentDenial> {
        let kept = self.lock();
        kept.denials.iter().rev().take_while(|denial| denial.number > number).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most that are kept.
const MOST: usize = 64;

/// The most that are kept of one second, so that a flood costs little.
const IN_A_SECOND: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn denial(number: u64) -> RecentDenial {
        RecentDenial {
            number,
            time: SystemTime::UNIX_EPOCH,
            route: "/predict".to_owned(),
            limit: "predict".to_owned(),
            key: String::new(),
            quota: "10/minute".parse().unwrap(),
            cost: Cost::ONE,
            remaining: 0,
            retry_after: Some(6),
        }
    }

    fn numbers(denials: &[RecentDenial]) -> Vec<u64> {
        denials.iter().map(|denial| denial.number).collect()
    }

    #[test]
    fn the_newest_come_first_and_those_that_are_known_are_left_out() {
        let recent = RecentDenials::default();
        (0..3).for_each(|_| recent.keep(Timestamp::EPOCH, denial));
        assert_eq!(numbers(&recent.after(0)), [3, 2, 1]);
        assert_eq!(numbers(&recent.after(2)), [3]);
        assert!(recent.after(3).is_empty());
    }

    #[test]
    fn a_flood_leaves_a_few_denials_of_each_second_and_takes_bounded_memory() {
        let recent = RecentDenials::default();
        for second in 0..100 {
            let now = Timestamp::EPOCH + Duration::from_secs(second);
            (0..1_000).for_each(|_| recent.keep(now, denial));
        }
        let kept = numbers(&recent.after(0));
        assert_eq!((kept.len(), kept[0]), (MOST, 100 * IN_A_SECOND as u64));
    }
}
