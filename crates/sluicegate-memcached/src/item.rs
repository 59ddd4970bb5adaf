//! An account as Memcached keeps it.

use std::{fmt::Write, str};

use sluicegate::{
    Algorithm, Cost, Quota, Timestamp,
    accounts::{AnyAccount, FixedWindow, SlidingLog, SlidingWindow, TokenBucket},
};
use sluicegate_remote::letter;

/// Writes down an account: the letter of its algorithm and decimal numbers, so that a person can read it too. Times are
/// ticks of the store's clock.
///
/// | account | item |
/// |---|---|
/// | token bucket | `t FULL_AT` |
/// | fixed window | `f IDLE_AT ENDS COUNT` |
/// | sliding window | `s IDLE_AT BEGINS CURRENT PREVIOUS` |
/// | sliding log | `g IDLE_AT` and, oldest first, for each charge ` LATER COST`: later than the one before it |
pub(crate) fn write(account: &AnyAccount) -> String {
    let idle_at = account.idle_at().ticks();
    match account {
        AnyAccount::TokenBucket(_) => format!("t {idle_at}"),
        AnyAccount::FixedWindow(window) => {
            format!("f {idle_at} {} {}", window.ends().ticks(), window.count())
        }
        AnyAccount::SlidingWindow(window) => {
            let [current, previous] = window.counts();
            format!("s {idle_at} {} {current} {previous}", window.begins().ticks())
        }
        AnyAccount::SlidingLog(log) => {
            let mut text = format!("g {idle_at}");
            let mut last = 0;
            for (at, cost) in log.charges() {
                // Writing to a string never fails.
                let _ = write!(text, " {} {}", at.ticks() - last, cost.units());
                last = at.ticks();
            }
            text
        }
        // Slots are refused before anything is written.
        AnyAccount::Concurrent(_) => String::new(),
    }
}

/// Reads an account; `None` if the item is nothing that [`write`] has written for this algorithm.
pub(crate) fn read(item: &[u8], algorithm: Algorithm, quota: &Quota) -> Option<AnyAccount> {
    let numbers =
        str::from_utf8(item).ok()?.strip_prefix(char::from(letter(algorithm)))?.strip_prefix(' ')?;
    let mut numbers = numbers.split(' ').map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    let idle_at = Timestamp::from_ticks(next()?);
    let account = match algorithm {
        Algorithm::TokenBucket => AnyAccount::TokenBucket(TokenBucket::full_at(idle_at)),
        Algorithm::FixedWindow => {
            let ends = Timestamp::from_ticks(next()?);
            AnyAccount::FixedWindow(FixedWindow::of(quota, ends, next()?, idle_at))
        }
        Algorithm::SlidingWindow => {
            let begins = Timestamp::from_ticks(next()?);
            AnyAccount::SlidingWindow(SlidingWindow::of(quota, begins, [next()?, next()?], idle_at))
        }
        Algorithm::SlidingLog => {
            let (mut charges, mut at) = (Vec::new(), 0_u64);
            while let Some(later) = numbers.next() {
                at = at.checked_add(later.ok()?)?;
                charges.push((Timestamp::from_ticks(at), Cost::new(numbers.next()?.ok()?)));
            }
            return Some(AnyAccount::SlidingLog(SlidingLog::of(quota, charges, idle_at)));
        }
        Algorithm::Concurrent => return None,
    };
    numbers.next().is_none().then_some(account)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn quota(algorithm: Algorithm) -> Quota {
        Quota::new(100, Duration::from_secs(60))
            .and_then(|quota| quota.with_algorithm(algorithm))
            .expect("a quota")
    }

    #[test]
    fn what_was_written_is_read_again() {
        let at = |seconds| Timestamp::EPOCH + Duration::from_secs(seconds);
        for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::Concurrent) {
            let quota = quota(algorithm);
            let mut account = AnyAccount::new(algorithm);
            for (seconds, cost) in [(0, 0), (5, 3), (20, 1), (70, 90), (71, 300)] {
                account.charge(&quota, Cost::new(cost), at(seconds));
                let again = read(write(&account).as_bytes(), algorithm, &quota).expect("an account");
                assert_eq!(write(&again), write(&account));
                let stands = |account: &AnyAccount| account.judge(&quota, Cost::ONE, at(75));
                assert_eq!(stands(&again), stands(&account), "{algorithm} after {seconds} s");
            }
        }
    }

    #[test]
    fn what_somebody_else_wrote_is_no_account() {
        let read = |item: &str, algorithm| read(item.as_bytes(), algorithm, &quota(algorithm));
        for item in
            ["", "t", "t ", "t x", "t -1", "t 1 ", "t 1 2", "f 1", "T 1", " t 1", "t 99999999999999999999"]
        {
            assert_eq!(read(item, Algorithm::TokenBucket), None, "{item:?}");
        }
        for item in ["g", "g 1 2", "g 1 2 x", "g 1 2 3 ", "s 1 2 3 4"] {
            assert_eq!(read(item, Algorithm::SlidingLog), None, "{item:?}");
        }
        assert!(read("t 1", Algorithm::TokenBucket).is_some());
        assert!(read("g 1 2 3", Algorithm::SlidingLog).is_some());
    }
}
