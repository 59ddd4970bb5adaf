//! Numbers, shares and times for people.

use std::time::Duration;

/// A number with commas between thousands.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share in per cent. One that is not zero never looks like it.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.01 {
        "<0.01 %".to_owned()
    } else if percent < 10.0 {
        format!("{percent:.2} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// A time in its two largest units.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.is_zero() => "0 s".to_owned(),
        0 if time.as_millis() == 0 => "<1 ms".to_owned(),
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_between_thousands() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_share_that_is_not_zero_never_looks_like_it() {
        assert_eq!(
            [0.0, 0.00001, 0.0123, 0.5, 1.0].map(percent),
            ["0.00 %", "<0.01 %", "1.23 %", "50.0 %", "100.0 %"]
        );
    }

    #[test]
    fn times_are_told_in_their_largest_units() {
        let told =
            [0, 500_000, 20_000_000, 1_500_000_000, 125_000_000_000, 7_260_000_000_000, 90_000_000_000_000];
        let told = told.map(|nanos| time(Duration::from_nanos(nanos)));
        assert_eq!(told, ["0 s", "<1 ms", "20 ms", "1.5 s", "2 min 05 s", "2 h 01 min", "1 d 01 h"]);
    }
}
