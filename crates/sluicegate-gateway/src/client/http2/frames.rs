//! The frames that a client of HTTP/2 is sent.

use std::net::IpAddr;

use prometheus_client::metrics::counter::Counter;

/// Watches the frames that one client is sent for streams that the library resets by itself.
///
/// It resets streams whose heads it cannot read, and does not report it: no request arrives that could be answered.
pub(in crate::client) struct Frames {
    client: IpAddr,
    malformed: Counter,
    /// The beginning of a frame, as far as it was sent.
    began: [u8; HEAD + CODE],
    length: usize,
    /// Bytes still to come of a frame that does not matter.
    rest: usize,
}

impl Frames {
    /// For a connection to `client` on which nothing was sent. Counts what is `malformed`.
    pub(in crate::client) fn new(client: IpAddr, malformed: Counter) -> Self {
        Self { client, malformed, began: [0; HEAD + CODE], length: 0, rest: 0 }
    }

    /// Takes the next bytes that were sent.
    pub(in crate::client) fn sent(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let passed = self.rest.min(bytes.len());
            self.rest -= passed;
            bytes = &bytes[passed..];
            let end = if self.length < HEAD { HEAD } else { HEAD + CODE };
            let taken = (end - self.length).min(bytes.len());
            self.began[self.length..self.length + taken].copy_from_slice(&bytes[..taken]);
            self.length += taken;
            bytes = &bytes[taken..];
            if self.length == end {
                self.look();
            }
        }
    }

    /// Looks at a whole head, or at a reset with its code.
    fn look(&mut self) {
        let [high, middle, low, kind, _, stream @ .., a, b, c, d] = self.began;
        if kind == RST_STREAM && self.length == HEAD {
            return;
        }
        if self.length == HEAD {
            self.rest = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        } else if u32::from_be_bytes([a, b, c, d]) == PROTOCOL_ERROR {
            self.malformed.inc();
            let (client, stream) = (self.client, u32::from_be_bytes(stream));
            tracing::debug!(%client, stream, "reset a stream of HTTP/2 whose request is malformed");
        }
        self.length = 0;
    }
}

/// Bytes of a frame's head (RFC 9113, section 4.1).
const HEAD: usize = 9;
/// Bytes of the error code that a reset consists of.
const CODE: usize = 4;
const RST_STREAM: u8 = 3;
const PROTOCOL_ERROR: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
    const EMPTY: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];
    const MALFORMED: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    const CANCELLED: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, 8];
    /// A body that looks like a reset.
    const DATA: &[u8] = &[0, 0, 13, 0, 0, 0, 0, 0, 5, 0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 1];

    #[test]
    fn resets_for_a_malformed_head_are_counted_however_they_are_cut() {
        let sent = [SETTINGS, EMPTY, MALFORMED, DATA, CANCELLED, MALFORMED, EMPTY].concat();
        for size in 1..=sent.len() {
            let malformed = Counter::default();
            let mut frames = Frames::new(IpAddr::from([127, 0, 0, 1]), malformed.clone());
            sent.chunks(size).for_each(|piece| frames.sent(piece));
            assert_eq!(malformed.get(), 2, "in pieces of {size}");
        }
    }
}
