//! SipHash-1-3 with 128 bits, of a text that is there as a whole.

use std::array;

/// SipHash-1-3 with 128 bits, under a key.
///
/// It is a pseudo-random function: without the key, keys that fall into one row cannot be chosen, whatever an attacker
/// learns of earlier ones from denials or their timing. The faster hashes of the field (foldhash, wyhash, aHash without
/// AES) do not promise that.
///
/// A hasher that is fed piece by piece keeps its state in memory, and takes a third more instructions.
#[derive(Clone, Copy)]
pub(super) struct SipHash {
    /// The state before the first word.
    state: State,
}

impl SipHash {
    pub(super) const fn new(key: [u64; 2]) -> Self {
        let [low, high] = key;
        Self {
            state: State([
                low ^ 0x736f_6d65_7073_6575,
                high ^ 0x646f_7261_6e64_6f6d ^ 0xee,
                low ^ 0x6c79_6765_6e65_7261,
                high ^ 0x7465_6462_7974_6573,
            ]),
        }
    }

    #[inline]
    pub(super) fn hash(&self, text: &[u8]) -> [u64; 2] {
        let mut state = self.state;
        let (words, rest) = text.as_chunks::<8>();
        for word in words {
            state.absorb(u64::from_le_bytes(*word));
        }
        state.absorb(last_word(text, rest.len()));
        state.0[2] ^= 0xee;
        let low = state.squeeze();
        state.0[1] ^= 0xdd;
        [low, state.squeeze()]
    }
}

/// The last bytes of a text, so few as do not fill a word, and its length in the byte that is left.
#[inline]
fn last_word(text: &[u8], rest: usize) -> u64 {
    let bytes = match text.last_chunk::<8>() {
        // In two steps, because there may be no rest, and no shift by a whole word.
        Some(word) => u64::from_le_bytes(*word) >> 8 >> (56 - 8 * rest),
        None => u64::from_le_bytes(array::from_fn(|index| text.get(index).copied().unwrap_or(0))),
    };
    bytes | (text.len() as u64) << 56
}

#[derive(Clone, Copy)]
struct State([u64; 4]);

impl State {
    #[inline(always)]
    fn absorb(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline(always)]
    fn squeeze(&mut self) -> u64 {
        self.round();
        self.round();
        self.round();
        self.0[0] ^ self.0[1] ^ self.0[2] ^ self.0[3]
    }

    #[inline(always)]
    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        c = c.wrapping_add(d);
        b = b.rotate_left(13) ^ a;
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32).wrapping_add(d);
        c = c.wrapping_add(b);
        d = d.rotate_left(21) ^ a;
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use siphasher::sip128::SipHasher13;

    use super::SipHash;

    #[test]
    fn it_is_the_function_of_the_siphasher_crate_for_texts_of_every_length() {
        let text: Vec<u8> = (0..=255).map(|byte: u8| byte.wrapping_mul(97)).collect();
        for key in [[0, 0], [1, 2], [u64::MAX, 0x0123_4567_89ab_cdef]] {
            let (ours, theirs) = (SipHash::new(key), SipHasher13::new_with_keys(key[0], key[1]));
            for length in 0..text.len() {
                let hash = theirs.hash(&text[..length]);
                assert_eq!(ours.hash(&text[..length]), [hash.h1, hash.h2], "{length} bytes");
            }
        }
    }
}
