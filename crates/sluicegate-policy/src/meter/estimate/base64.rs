//! Reading some bytes of base64 without decoding the rest.

/// Text in base64, of either alphabet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base64<'a>(&'a [u8]);

impl<'a> Base64<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text.trim_end_matches('=').as_bytes())
    }

    /// The number of decoded bytes.
    pub(super) fn length(&self) -> u64 {
        self.0.len() as u64 * 3 / 4
    }

    /// The bytes from `at` on, if all are there.
    pub(super) fn at<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = self.byte(at + index)?;
        }
        Some(bytes)
    }

    /// The number in `length` bytes from `at` on, the highest first.
    pub(super) fn big(&self, at: usize, length: usize) -> Option<u64> {
        (at..at + length).try_fold(0, |number, at| Some(number << 8 | u64::from(self.byte(at)?)))
    }

    /// The number in `length` bytes from `at` on, the lowest first.
    pub(super) fn little(&self, at: usize, length: usize) -> Option<u64> {
        (at..at + length).rev().try_fold(0, |number, at| Some(number << 8 | u64::from(self.byte(at)?)))
    }

    /// Each byte is in two of four characters, which are six bits each.
    fn byte(&self, at: usize) -> Option<u8> {
        let first = at / 3 * 4 + at % 3;
        let (high, low) = (six(*self.0.get(first)?)?, six(*self.0.get(first + 1)?)?);
        Some(match at % 3 {
            0 => high << 2 | low >> 4,
            1 => high << 4 | low >> 2,
            _ => high << 6 | low,
        })
    }
}

fn six(character: u8) -> Option<u8> {
    Some(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_is_read_without_those_before_it() {
        let base64 = Base64::new("AAECA/7/gA==");
        let bytes = [0, 1, 2, 3, 254, 255, 128];
        assert_eq!((base64.length(), base64.at(0)), (7, Some(bytes)));
        for (at, byte) in bytes.into_iter().enumerate() {
            assert_eq!(base64.at(at), Some([byte]));
        }
        assert_eq!((base64.big(3, 3), base64.little(3, 3)), (Some(0x0003_FEFF), Some(0x00FF_FE03)));
        assert_eq!((base64.at::<1>(7), base64.at::<2>(6), Base64::new("A").at::<1>(0)), (None, None, None));
        assert_eq!((Base64::new("A!==").at::<1>(0), Base64::new("").length()), (None, 0));
    }
}
