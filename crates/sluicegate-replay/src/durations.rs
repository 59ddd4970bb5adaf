//! Durations of requests, by route.

use std::collections::HashMap;

use sluicegate_policy::RouteId;

/// The mean duration of a route's requests. It stands in for that of a request that was denied when it was logged.
#[derive(Debug, Default)]
pub(crate) struct Durations(HashMap<RouteId, (u64, u128)>);

impl Durations {
    /// Counts a request that took so many nanoseconds.
    pub(crate) fn count(&mut self, route: RouteId, nanos: u64) {
        let (number, sum) = self.0.entry(route).or_default();
        *number += 1;
        *sum += u128::from(nanos);
    }

    /// The mean of the route's requests until now, in nanoseconds.
    pub(crate) fn mean(&self, route: RouteId) -> u64 {
        let mean = self.0.get(&route).and_then(|(number, sum)| sum.checked_div(u128::from(*number)));
        mean.and_then(|mean| u64::try_from(mean).ok()).unwrap_or_default()
    }
}
