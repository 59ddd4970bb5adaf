//! The name by which a client and an operator talk about one request.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The name by which a client and an operator talk about one request: the client's own `x-request-id` if it
/// sent a usable one, else 32 hexadecimal digits that no other request has.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use sluicegate_policy::RequestId;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-request-id", HeaderValue::from_static("trace-7"));
/// assert_eq!(RequestId::of(&headers).as_str(), "trace-7");
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The header that carries it: OpenAI's clients read it there.
    pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
    /// The header that Anthropic's clients read.
    pub const ANTHROPIC_HEADER: HeaderName = HeaderName::from_static("request-id");

    /// The request's own, if it is at most 128 visible ASCII characters; else a new one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get(Self::HEADER) {
            Some(sent) if is_usable(sent.as_bytes()) => Self(sent.clone()),
            _ => Self::new(),
        }
    }

    /// One that no other request has: a random half for this process, and a half that it gives out only once.
    #[must_use]
    pub fn new() -> Self {
        static PROCESS: OnceLock<[u64; 2]> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Without a source of randomness ids are still unique in this process, which is all that a log needs.
        let [half, seed] =
            *PROCESS.get_or_init(|| [getrandom::u64().unwrap_or(0), getrandom::u64().unwrap_or(0)]);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = u128::from(half) << 64 | u128::from(shuffled(seed.wrapping_add(count)));
        let mut digits = [0; 32];
        for (digit, byte) in digits.chunks_exact_mut(2).zip(id.to_be_bytes()) {
            digit[0] = HEXADECIMAL[usize::from(byte >> 4)];
            digit[1] = HEXADECIMAL[usize::from(byte & 0xF)];
        }
        Self(HeaderValue::from_bytes(&digits).expect("hexadecimal digits make a header"))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("only ids of visible ASCII are kept")
    }

    /// The id as a header's value.
    #[must_use]
    pub const fn as_header(&self) -> &HeaderValue {
        &self.0
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

fn is_usable(sent: &[u8]) -> bool {
    (1..=LONGEST).contains(&sent.len()) && sent.iter().all(u8::is_ascii_graphic)
}

/// A different number for each number, in no order that shows how many requests there were: the output mix of
/// SplitMix64, each step of which can be undone.
const fn shuffled(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

const LONGEST: usize = 128;
const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_usable_id_is_kept_and_any_other_replaced() {
        let of = |sent: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(RequestId::HEADER, HeaderValue::from_bytes(sent).unwrap());
            RequestId::of(&headers)
        };
        assert_eq!(of(b"a-b_c.1").as_str(), "a-b_c.1");
        assert_eq!(of(&[b'x'; 128]).as_str().len(), 128);
        for unusable in [&b""[..], b"two words", b"caf\xc3\xa9", &[b'x'; 129]] {
            let made = of(unusable);
            assert_eq!(made.as_str().len(), 32);
            assert!(made.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }

    #[test]
    fn no_two_requests_get_the_same_id() {
        let ids: HashSet<_> = (0..10_000).map(|_| RequestId::of(&HeaderMap::new())).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
