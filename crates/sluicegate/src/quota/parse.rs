//! The quota grammar.
//!
//! ```text
//! list   = quota *( [":"] (";" | "," | "|") quota )
//! quota  = amount [unit] ("/" | "per") [number] period ["burst" amount]
//!        | amount "concurrent"
//! ```
//!
//! White space may stand anywhere between two words, and letters may be of any case. The stray `:` before a
//! separator is read because Python's `limits` reads it.

use std::{ops::Range, str::FromStr, time::Duration};

use super::{Quota, QuotaError};
use crate::Unit;

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, QuotaError> {
        let mut words = Words::of(text);
        let quota = quota(&mut words)?;
        words.end()?;
        Ok(quota)
    }
}

pub(super) fn list(text: &str) -> Result<Vec<Quota>, QuotaError> {
    let mut words = Words::of(text);
    let mut quotas = vec![quota(&mut words)?];
    while words.separator() {
        quotas.push(quota(&mut words)?);
    }
    words.end()?;
    Ok(quotas)
}

fn quota(words: &mut Words<'_>) -> Result<Quota, QuotaError> {
    let begin = words.position();
    let amount = words.number("an amount, as in `10/minute`")?;
    let unit = unit(words)?;
    if unit == Unit::Concurrent {
        return Ok(Quota::concurrent(amount.units(unit)?));
    }
    if !words.symbol('/') && !words.prefix("per") {
        return Err(words.unexpected("`/` or `per` and a period, as in `10/minute`, or `concurrent`"));
    }
    let window = period(words)?;
    let quota = Quota::new(amount.units(unit)?, window)
        .and_then(|quota| quota.with_unit(unit))
        .map_err(|error| error.spanning(begin..words.end_of_last()))?;
    if !words.word("burst") {
        return Ok(quota);
    }
    let burst = words.number("the burst's amount, as in `10/minute burst 20`")?;
    let units = burst.units(unit)?;
    if units == 0 {
        return Err(QuotaError::at(burst.span, "a burst of 0 admits nothing; give at least 1"));
    }
    quota.with_burst(units).map_err(|error| error.spanning(burst.span))
}

fn unit(words: &mut Words<'_>) -> Result<Unit, QuotaError> {
    let Some((word, span)) = words.peek_word() else { return Ok(Unit::Requests) };
    // "1per second" and "1persecond" are good quotas, and no unit begins with "per".
    if word.len() >= 3 && word[..3].eq_ignore_ascii_case("per") {
        return Ok(Unit::Requests);
    }
    let unit =
        word.parse().map_err(|_: crate::unit::UnknownUnit| QuotaError::unknown_unit(span.clone(), word))?;
    words.skip_to(span.end);
    Ok(unit)
}

fn period(words: &mut Words<'_>) -> Result<Duration, QuotaError> {
    let multiple = if words.peek_digit() {
        // As in `limits`, "1/0 second" is "1/second".
        Some(words.number("a number of periods")?)
    } else {
        None
    };
    let Some((word, span)) = words.peek_word() else {
        return Err(words.unexpected("a period: second, minute, hour, day, week, month or year"));
    };
    let name = word.to_ascii_lowercase();
    let singular = name.strip_suffix('s').filter(|rest| !rest.is_empty()).unwrap_or(&name);
    let Some((_, seconds)) = PERIODS.iter().find(|(names, _)| {
        // Not the plural of `m`: everybody else reads `ms` as milliseconds.
        names.contains(&&*name) || (names.contains(&singular) && name != "ms")
    }) else {
        let message = match &*name {
            "ms" => "a period of milliseconds; the shortest is a second, `s`".to_owned(),
            _ => format!("unknown period `{word}`; use second, minute, hour, day, week, month or year"),
        };
        return Err(QuotaError::at(span, message));
    };
    words.skip_to(span.end);
    let (multiple, begin) = match multiple {
        Some(number) => (number.units(Unit::Requests)?.max(1), number.span.start),
        None => (1, span.start),
    };
    let window = Duration::from_secs(multiple.saturating_mul(*seconds));
    if window <= Quota::MAX_WINDOW {
        Ok(window)
    } else {
        Err(QuotaError::window(window).spanning(begin..span.end))
    }
}

/// A number as written: whole, or with a fraction where the unit has one.
struct Number {
    whole: Option<u64>,
    /// Digits behind the point.
    fraction: String,
    span: Range<usize>,
}

impl Number {
    fn units(&self, unit: Unit) -> Result<u64, QuotaError> {
        let at = |message: String| QuotaError::at(self.span.clone(), message);
        let too_large = || at("the number is too large".to_owned());
        let whole = self.whole.ok_or_else(too_large)?;
        let mut units = whole.checked_mul(unit.scale()).ok_or_else(too_large)?;
        let mut place = unit.scale();
        for digit in self.fraction.bytes() {
            place /= 10;
            if place == 0 {
                return Err(at(match unit.scale() {
                    1 => format!("{unit} are whole; a fraction of one cannot be counted"),
                    _ => format!("{unit} are counted to nine digits behind the point"),
                }));
            }
            units = units.checked_add(u64::from(digit - b'0') * place).ok_or_else(too_large)?;
        }
        Ok(units)
    }
}

/// The text, read from left to right.
struct Words<'a> {
    text: &'a str,
    at: usize,
    end_of_last: usize,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, at: 0, end_of_last: 0 }
    }

    /// The beginning of the next word.
    fn position(&mut self) -> usize {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.at
    }

    fn rest(&mut self) -> &'a str {
        let at = self.position();
        &self.text[at..]
    }

    fn end_of_last(&self) -> usize {
        self.end_of_last
    }

    fn skip_to(&mut self, at: usize) {
        self.at = at;
        self.end_of_last = at;
    }

    fn peek_digit(&mut self) -> bool {
        self.rest().starts_with(|c: char| c.is_ascii_digit())
    }

    /// The letters that come next; `_` counts as one, for `input_tokens`.
    fn peek_word(&mut self) -> Option<(&'a str, Range<usize>)> {
        let rest = self.rest();
        let len = rest.find(|c: char| !c.is_ascii_alphabetic() && c != '_').unwrap_or(rest.len());
        (len > 0).then(|| (&rest[..len], self.at..self.at + len))
    }

    fn word(&mut self, wanted: &str) -> bool {
        match self.peek_word() {
            Some((word, span)) if word.eq_ignore_ascii_case(wanted) => {
                self.skip_to(span.end);
                true
            }
            _ => false,
        }
    }

    fn prefix(&mut self, wanted: &str) -> bool {
        let found = self.rest().get(..wanted.len()).is_some_and(|word| word.eq_ignore_ascii_case(wanted));
        if found {
            self.skip_to(self.at + wanted.len());
        }
        found
    }

    fn symbol(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.skip_to(self.at + wanted.len_utf8());
        }
        found
    }

    fn separator(&mut self) -> bool {
        let before = self.at;
        self.symbol(':');
        let found = [';', ',', '|'].into_iter().any(|separator| self.symbol(separator));
        if !found {
            self.at = before;
        }
        found
    }

    fn number(&mut self, wanted: &str) -> Result<Number, QuotaError> {
        let rest = self.rest();
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
        let len = digits(rest);
        if len == 0 || rest.starts_with('_') {
            return Err(self.unexpected(wanted));
        }
        let whole = rest[..len].replace('_', "").parse().ok();
        let behind = rest[len..].strip_prefix('.').unwrap_or_default();
        let fraction = &behind[..digits(behind)];
        let end = self.at + len + if fraction.is_empty() { 0 } else { 1 + fraction.len() };
        let fraction = fraction.replace('_', "");
        let span = self.at..end;
        self.skip_to(end);
        Ok(Number { whole, fraction, span })
    }

    fn end(&mut self) -> Result<(), QuotaError> {
        match self.rest() {
            "" => Ok(()),
            _ => Err(self.unexpected("the end, or `burst` and an amount")),
        }
    }

    fn unexpected(&mut self, wanted: &str) -> QuotaError {
        let rest = self.rest();
        let at = self.at;
        let len = rest.find(|c: char| c.is_whitespace() || ";,|".contains(c)).unwrap_or(rest.len());
        let len = if len == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { len };
        match &rest[..len] {
            "" => QuotaError::at(at..at, format!("ends where {wanted} should follow")),
            found => QuotaError::at(at..at + len, format!("found `{found}` where {wanted} should stand")),
        }
    }
}

/// Names, and the seconds of each, those of Python's `limits` first.
const PERIODS: [(&[&str], u64); 7] = [
    (&["second", "sec", "s"], 1),
    (&["minute", "min", "m"], 60),
    (&["hour", "hr", "h"], 3_600),
    (&["day", "d"], 86_400),
    (&["week", "w"], 7 * 86_400),
    (&["month", "mo"], 30 * 86_400),
    (&["year", "yr", "y"], 360 * 86_400),
];
