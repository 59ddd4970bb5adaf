//! A quota as text.

use std::fmt;

use super::Quota;
use crate::{Algorithm, Unit, timestamp::TICKS_PER_SECOND};

/// The shortest text that reads as the same quota, its algorithm aside.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        amount(f, self.amount, self.unit)?;
        if self.algorithm == Algorithm::Concurrent {
            return f.write_str(" concurrent");
        }
        if self.unit != Unit::Requests {
            write!(f, " {}", self.unit)?;
        }
        f.write_str("/")?;
        period(f, self.window)?;
        if self.burst != self.amount {
            f.write_str(" burst ")?;
            amount(f, self.burst, self.unit)?;
        }
        Ok(())
    }
}

/// Whole units, or dollars with as many digits as they need.
fn amount(f: &mut fmt::Formatter<'_>, units: u64, unit: Unit) -> fmt::Result {
    let (whole, rest) = (units / unit.scale(), units % unit.scale());
    if rest == 0 {
        return write!(f, "{whole}");
    }
    let digits = format!("{rest:09}");
    write!(f, "{whole}.{}", digits.trim_end_matches('0'))
}

/// The longest period that divides the window.
fn period(f: &mut fmt::Formatter<'_>, window: u64) -> fmt::Result {
    for (name, seconds) in PERIODS {
        let ticks = seconds * TICKS_PER_SECOND;
        if window.is_multiple_of(ticks) {
            return match window / ticks {
                1 => f.write_str(name),
                n => write!(f, "{n} {name}s"),
            };
        }
    }
    // Only made by `Quota::new`, and read by no grammar.
    write!(f, "{:?}", crate::timestamp::duration(window))
}

/// Months and years are left out: 30 days say more than a month that has never 31.
const PERIODS: [(&str, u64); 4] = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
