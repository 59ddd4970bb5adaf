//! The commands that decide.

use std::time::Duration;

use sluicegate::{Charge, Cost, Decision, Key, Quota, StoreError, Taken};
use sluicegate_policy::whole_seconds;

use super::replies::Replies;
use crate::metrics::throttles::{ThrottleCounts, Throttles};

/// A command that decides. The two differ in what `max_burst` counts, and in the order of their replies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dialect {
    /// `CL.THROTTLE` of redis-cell. An account holds one unit more than `max_burst`.
    RedisCell,
    /// `THROTTLE` of throttlecrab. An account holds `max_burst` units.
    Throttlecrab,
}

/// The question of a command.
#[derive(Clone, Debug)]
pub(super) struct Question {
    dialect: Dialect,
    pub(super) charge: Charge,
}

impl Dialect {
    /// The dialect of the command with this name.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"CL.THROTTLE") {
            Some(Self::RedisCell)
        } else {
            name.eq_ignore_ascii_case(b"THROTTLE").then_some(Self::Throttlecrab)
        }
    }

    /// Reads the arguments behind the name.
    ///
    /// # Errors
    ///
    /// The reply, which says what would be right.
    pub(super) fn question(self, arguments: &[&[u8]]) -> Result<Question, String> {
        let (key, max_burst, count, period, quantity) = match *arguments {
            [key, max_burst, count, period] => (key, max_burst, count, period, None),
            [key, max_burst, count, period, quantity] => (key, max_burst, count, period, Some(quantity)),
            _ => return Err(self.wrong_number_of_arguments()),
        };
        let (least, count_name) = match self {
            Self::RedisCell => (0, "count"),
            Self::Throttlecrab => (1, "count_per_period"),
        };
        let max_burst = number("max_burst", max_burst, least)?;
        let count = number(count_name, count, 1)?;
        let period = number("period", period, 1)?;
        let quantity = quantity.map_or(Ok(1), |quantity| number("quantity", quantity, 0))?;
        let burst = match self {
            // A number of 63 bits has a next one in 64.
            Self::RedisCell => max_burst + 1,
            Self::Throttlecrab => max_burst,
        };
        let quota = Quota::new(count, Duration::from_secs(period))
            .map_err(|_| format!("ERR period is to be 1 to {} seconds", Quota::MAX_WINDOW.as_secs()))?
            .with_burst(burst)
            .map_err(|_| {
                "ERR max_burst takes more than 18 years to come back: lower max_burst or period".to_owned()
            })?;
        Ok(Question { dialect: self, charge: Charge::new(account(key), quota).cost(Cost::new(quantity)) })
    }

    /// The counters of the command.
    pub(super) fn counts(self, throttles: &Throttles) -> &ThrottleCounts {
        match self {
            Self::RedisCell => &throttles.redis_cell,
            Self::Throttlecrab => &throttles.throttlecrab,
        }
    }

    fn wrong_number_of_arguments(self) -> String {
        let (name, right) = match self {
            Self::RedisCell => ("cl.throttle", "CL.THROTTLE key max_burst count period [quantity]"),
            Self::Throttlecrab => ("throttle", "THROTTLE key max_burst count_per_period period [quantity]"),
        };
        format!("ERR wrong number of arguments for '{name}' command: {right}")
    }
}

impl Question {
    /// Writes the decision as the command's clients read it, and counts it.
    #[inline]
    pub(super) fn reply<L>(
        self,
        decision: &Result<Decision<Taken<L>>, StoreError>,
        throttles: &Throttles,
        replies: &mut Replies,
    ) {
        let counts = self.dialect.counts(throttles);
        let (is_allowed, balance, wait) = match decision {
            Ok(Decision::Allow(taken)) => (true, taken.balances.first(), None),
            Ok(Decision::Deny(denial)) => (false, denial.balances.first(), denial.retry_after()),
            Err(error) => {
                counts.errors.inc();
                return replies.error(&format!("ERR {error}"));
            }
        };
        if is_allowed {
            counts.allowed.inc()
        } else {
            counts.denied.inc()
        };
        // Every charge has a balance, so none is missing.
        let (remaining, reset) =
            balance.map_or((0, 0), |balance| (units(balance.remaining), seconds(balance.reset_after)));
        let limit = units(self.charge.quota.burst_size());
        let numbers = match self.dialect {
            Dialect::RedisCell => {
                [i64::from(!is_allowed), limit, remaining, wait.map_or(NEVER, seconds), reset]
            }
            Dialect::Throttlecrab => {
                let wait = if is_allowed { 0 } else { wait.map_or(NEVER, seconds) };
                [i64::from(is_allowed), limit, remaining, reset, wait]
            }
        };
        replies.array(numbers.len());
        numbers.into_iter().for_each(|number| replies.number(number));
    }
}

/// The account of a client's key, away from those of the policy's limits: no limit's name has a dot.
fn account(key: &[u8]) -> Key {
    match str::from_utf8(key) {
        Ok(text) => Key::of([SPACE, text]),
        // A third part, which no text has.
        Err(_) => Key::of([SPACE, &key.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), "hex"]),
    }
}

/// Reads a whole number of at least this much.
fn number(name: &str, text: &[u8], least: u64) -> Result<u64, String> {
    let read = str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    read.and_then(|number| u64::try_from(number).ok()).filter(|number| *number >= least).ok_or_else(|| {
        let shown = String::from_utf8_lossy(&text[..text.len().min(MOST_SHOWN)]);
        format!("ERR {name} is to be a whole number of at least {least}, not '{shown}'")
    })
}

fn units(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

fn seconds(duration: Duration) -> i64 {
    units(whole_seconds(duration))
}

/// The first part of all keys.
const SPACE: &str = "cl.throttle";
/// The wait of redis-cell for what needs none, and of both for what never passes.
const NEVER: i64 = -1;
/// The most bytes of a wrong argument that its error shows.
const MOST_SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use proptest::prelude::*;
    use sluicegate::{ManualClock, MemoryStore};

    use super::*;

    /// Ten seconds apart, five at once: what redis-cell is documented to reply.
    #[test]
    fn cl_throttle_replies_as_redis_cell_does() {
        let mut asked = Asked::new();
        for (millis, quantity, reply) in [
            // More than there ever is never passes, so there is no time to wait for.
            (0, "6", [1, 5, 5, -1, 0]),
            (0, "1", [0, 5, 4, -1, 10]),
            (0, "1", [0, 5, 3, -1, 20]),
            (0, "1", [0, 5, 2, -1, 30]),
            (0, "1", [0, 5, 1, -1, 40]),
            (0, "1", [0, 5, 0, -1, 50]),
            (0, "1", [1, 5, 0, 10, 50]),
            // Seconds are rounded up: nine and a half are ten.
            (500, "1", [1, 5, 0, 10, 50]),
            (9_499, "1", [1, 5, 0, 1, 41]),
            (1, "1", [0, 5, 0, -1, 50]),
            (20_000, "0", [0, 5, 2, -1, 30]),
            (0, "2", [0, 5, 0, -1, 50]),
            (0, "0", [0, 5, 0, -1, 50]),
            (10_000, "3", [1, 5, 1, 20, 40]),
            // Idling earns nothing beyond a full account.
            (1_000_000, "5", [0, 5, 0, -1, 50]),
        ] {
            asked.clock.advance(Duration::from_millis(millis));
            assert_eq!(
                asked.ask(Dialect::RedisCell, ["a", "4", "6", "60", quantity]),
                reply,
                "{quantity} after {millis} ms"
            );
        }
    }

    #[test]
    fn throttle_replies_in_throttlecrabs_order_and_holds_max_burst() {
        let mut asked = Asked::new();
        for (millis, quantity, reply) in [
            (0, "1", [1, 2, 1, 10, 0]),
            (0, "1", [1, 2, 0, 20, 0]),
            (0, "1", [0, 2, 0, 20, 10]),
            (100, "1", [0, 2, 0, 20, 10]),
            (0, "0", [1, 2, 0, 20, 0]),
            (9_900, "1", [1, 2, 0, 20, 0]),
            (0, "3", [0, 2, 0, 20, -1]),
            // The burst of throttlecrab itself grows with the time that a key was idle.
            (8_900, "2", [0, 2, 0, 12, 12]),
        ] {
            asked.clock.advance(Duration::from_millis(millis));
            assert_eq!(
                asked.ask(Dialect::Throttlecrab, ["a", "2", "6", "60", quantity]),
                reply,
                "{quantity} after {millis} ms"
            );
        }
    }

    #[test]
    fn both_commands_spend_the_account_of_a_key_and_the_quota_may_change() {
        let mut asked = Asked::new();
        assert_eq!(asked.ask(Dialect::RedisCell, ["a", "1", "6", "60", "2"]), [0, 2, 0, -1, 20]);
        assert_eq!(asked.ask(Dialect::Throttlecrab, ["a", "2", "6", "60", "1"]), [0, 2, 0, 20, 10]);
        assert_eq!(asked.ask(Dialect::Throttlecrab, ["a", "3", "6", "60", "1"]), [1, 3, 0, 30, 0]);
        assert_eq!(asked.ask(Dialect::RedisCell, ["b", "0", "1", "1", "1"]), [0, 1, 0, -1, 1]);
    }

    #[test]
    fn a_wrong_argument_is_named_with_what_would_be_right() {
        for (dialect, arguments, wrong) in [
            (
                Dialect::RedisCell,
                "a 1 1",
                "ERR wrong number of arguments for 'cl.throttle' command: CL.THROTTLE key max_burst count period [quantity]",
            ),
            (Dialect::RedisCell, "a -1 1 1", "ERR max_burst is to be a whole number of at least 0, not '-1'"),
            (Dialect::RedisCell, "a 1 0 1", "ERR count is to be a whole number of at least 1, not '0'"),
            (Dialect::RedisCell, "a 1 1 0.5", "ERR period is to be a whole number of at least 1, not '0.5'"),
            (
                Dialect::RedisCell,
                "a 1 1 1 -1",
                "ERR quantity is to be a whole number of at least 0, not '-1'",
            ),
            (Dialect::RedisCell, "a 1 1 9223372036854775807", "ERR period is to be 1 to 559872000 seconds"),
            (
                Dialect::RedisCell,
                "a 9223372036854775807 1 60",
                "ERR max_burst takes more than 18 years to come back: lower max_burst or period",
            ),
            (
                Dialect::RedisCell,
                "a 9223372036854775808 1 60",
                "ERR max_burst is to be a whole number of at least 0, not '9223372036854775808'",
            ),
            (
                Dialect::Throttlecrab,
                "a 1",
                "ERR wrong number of arguments for 'throttle' command: THROTTLE key max_burst count_per_period period [quantity]",
            ),
            (
                Dialect::Throttlecrab,
                "a 0 1 1",
                "ERR max_burst is to be a whole number of at least 1, not '0'",
            ),
            (
                Dialect::Throttlecrab,
                "a 1 x 1",
                "ERR count_per_period is to be a whole number of at least 1, not 'x'",
            ),
        ] {
            let words: Vec<_> = arguments.split(' ').map(str::as_bytes).collect();
            assert_eq!(dialect.question(&words).map(drop), Err(wrong.to_owned()));
        }
    }

    #[test]
    fn the_largest_rate_is_counted() {
        let mut asked = Asked::new();
        let most = i64::MAX.to_string();
        assert_eq!(asked.ask(Dialect::RedisCell, ["a", &most, &most, "60", "1"])[0], 0);
        assert_eq!(asked.ask(Dialect::RedisCell, ["b", "0", &most, "1", "1"])[..3], [0, 1, 0]);
    }

    proptest! {
        #[test]
        fn different_keys_have_different_accounts(one in any::<Vec<u8>>(), other in any::<Vec<u8>>()) {
            prop_assert_eq!(account(&one) == account(&other), one == other);
        }
    }

    /// Commands on a store whose clock the test moves.
    struct Asked {
        clock: ManualClock,
        store: MemoryStore<ManualClock>,
        throttles: Throttles,
    }

    impl Asked {
        fn new() -> Self {
            let clock = ManualClock::new();
            let store = MemoryStore::builder().clock(clock.clone()).build();
            Self { clock, store, throttles: Throttles::new() }
        }

        /// The five numbers of the reply.
        fn ask(&mut self, dialect: Dialect, arguments: [&str; 5]) -> [i64; 5] {
            let question = dialect.question(&arguments.map(str::as_bytes)).expect("the arguments are right");
            let decision = self.store.take_now(from_ref(&question.charge));
            let mut replies = Replies::default();
            question.reply(&Ok(decision), &self.throttles, &mut replies);
            let text = str::from_utf8(replies.unsent()).expect("numbers are text");
            let numbers = text.strip_prefix("*5\r\n").expect("five numbers");
            let numbers: Vec<_> = numbers.lines().map(|line| line[1..].parse().expect("a number")).collect();
            numbers.try_into().expect("five numbers")
        }
    }
}
