//! A set of places among a request's charges.

/// A set of places among the charges of a request that has at most [`MOST`](Self::MOST).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Places(u32);

impl Places {
    /// The maximum number of charges.
    pub(super) const MOST: usize = 32;

    pub(super) fn insert(&mut self, place: usize) {
        self.0 |= 1 << place;
    }

    pub(super) fn contains(self, place: usize) -> bool {
        place < Self::MOST && self.0 & 1 << place != 0
    }
}
