//! The statuses of answers that give back the tokens of their requests.

use http::StatusCode;

/// The statuses of failed answers that give back what their requests have reserved.
///
/// ```
/// use http::StatusCode;
/// use sluicegate_policy::Refunds;
///
/// let refunds = Refunds::NONE.and_class(5).and(429);
/// assert!(refunds.has(StatusCode::BAD_GATEWAY) && refunds.has(StatusCode::TOO_MANY_REQUESTS));
/// assert!(!refunds.has(StatusCode::BAD_REQUEST));
/// assert!(Refunds::default().has(StatusCode::BAD_REQUEST));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refunds([u64; WORDS]);

impl Refunds {
    /// No status.
    pub const NONE: Self = Self([0; WORDS]);

    /// The same statuses, and one more. Only those of failures, from 400 to 599, are ever among them.
    #[must_use]
    pub fn and(mut self, status: u16) -> Self {
        if let Some((word, bit)) = place(status) {
            self.0[word] |= bit;
        }
        self
    }

    /// The same statuses, and all of a class: 4 for 400 to 499.
    #[must_use]
    pub fn and_class(self, class: u16) -> Self {
        let first = class.saturating_mul(100);
        (first..first.saturating_add(100)).fold(self, Self::and)
    }

    /// Returns `true` if answers with this status give tokens back.
    #[must_use]
    pub fn has(&self, status: StatusCode) -> bool {
        place(status.as_u16()).is_some_and(|(word, bit)| self.0[word] & bit != 0)
    }

    /// The statuses as a policy names them: whole classes, and then single ones.
    pub(crate) fn names(&self) -> Vec<String> {
        let is_whole =
            |class: u16| Self::NONE.and_class(class).0.iter().zip(self.0).all(|(all, has)| all & !has == 0);
        let classes: Vec<u16> = [4, 5].into_iter().filter(|class| is_whole(*class)).collect();
        let single = (FIRST..=LAST).filter(|status| !classes.contains(&(status / 100)));
        let single =
            single.filter(|status| place(*status).is_some_and(|(word, bit)| self.0[word] & bit != 0));
        classes
            .iter()
            .map(|class| format!("{class}xx"))
            .chain(single.map(|status| status.to_string()))
            .collect()
    }
}

impl Default for Refunds {
    /// All failures.
    fn default() -> Self {
        Self::NONE.and_class(4).and_class(5)
    }
}

/// The word and the bit of a status.
fn place(status: u16) -> Option<(usize, u64)> {
    (FIRST..=LAST)
        .contains(&status)
        .then(|| (usize::from((status - FIRST) / 64), 1 << ((status - FIRST) % 64)))
}

const FIRST: u16 = 400;
const LAST: u16 = 599;
const WORDS: usize = (LAST - FIRST) as usize / 64 + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_named_as_they_are_written() {
        assert_eq!(Refunds::default().names(), ["4xx", "5xx"]);
        assert_eq!(Refunds::NONE.and(503).and_class(4).and(429).names(), ["4xx", "503"]);
        assert_eq!(Refunds::NONE.and(200).and(600).and_class(3).and_class(u16::MAX), Refunds::NONE);
        assert!(Refunds::default().has(StatusCode::from_u16(599).unwrap()));
        assert!(!Refunds::default().has(StatusCode::from_u16(600).unwrap()));
    }
}
