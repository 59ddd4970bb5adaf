//! The `Date` of responses.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::HeaderValue;
use httpdate::fmt_http_date;

/// The value of `Date` now. Each thread makes one for each second, and not for each response.
pub(crate) fn now() -> HeaderValue {
    // A clock before 1970 cannot be told.
    let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|last| {
        match last {
            Some((known, date)) if *known == second => date,
            last => &mut last.insert((second, value(second))).1,
        }
        .clone()
    })
}

fn value(second: u64) -> HeaderValue {
    let second = Duration::from_secs(second.min(LATEST));
    HeaderValue::try_from(fmt_http_date(UNIX_EPOCH + second)).unwrap_or(HeaderValue::from_static(""))
}

thread_local! {
    static LAST: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
}

/// The last second of the year 9999, after which there is no such date.
const LATEST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_second_in_which_it_is_asked_for() {
        let before = SystemTime::now() - Duration::from_secs(1);
        let date = httpdate::parse_http_date(now().to_str().expect("ASCII")).expect("a date");
        assert!(before <= date && date <= SystemTime::now());
    }

    #[test]
    fn it_has_the_form_of_http_from_first_to_last() {
        assert_eq!(value(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(value(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(value(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
