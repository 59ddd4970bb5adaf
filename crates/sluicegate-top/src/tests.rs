//! From what the admin port tells to what is shown.

mod model;
mod picture;

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    exposition::Exposition,
    model::Model,
    snapshot::{DeniedKey, Keys, Snapshot},
};

/// A gateway that is asked once, and again two seconds later.
struct Gateway {
    before: Snapshot,
    now: Snapshot,
}

impl Gateway {
    /// One with these metrics at both times.
    fn telling(before: &str, now: &str) -> Self {
        let taken = Instant::now();
        let snapshot = |taken, text| Snapshot {
            taken,
            metrics: Exposition::parse(text).unwrap(),
            keys: Keys::Known(Vec::new()),
        };
        Self { before: snapshot(taken, before), now: snapshot(taken + Duration::from_secs(2), now) }
    }

    /// A busy one, whose second upstream is down.
    fn busy() -> Self {
        let mut gateway = Self::telling(include_str!("tests/before.txt"), include_str!("tests/now.txt"));
        gateway.before.keys = Keys::Known(vec![key("predict", "a11ce", 10), key("predict", "b0b", 3)]);
        gateway.now.keys = Keys::Known(vec![key("predict", "a11ce", 30), key("predict", "b0b", 3)]);
        gateway
    }

    fn model(&self) -> Model {
        Model::of(Some(&self.before), &self.now)
    }
}

fn key(limit: &str, key: &str, denials: u64) -> DeniedKey {
    DeniedKey { limit: limit.to_owned(), key: key.to_owned(), denials, idle: 3.2 }
}
