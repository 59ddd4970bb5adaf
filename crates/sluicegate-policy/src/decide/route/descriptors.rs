//! Routes of descriptors.

use std::cmp::Reverse;

use super::{Collision, Route, RouteId, Routes};

impl Routes {
    /// The most specific route for a descriptor of these keys and values. `None` if no route is for it: then it is not limited.
    #[must_use]
    pub fn find_descriptor(&self, domain: &str, entries: &[(String, String)]) -> Option<RouteId> {
        let is_for = |id: &&RouteId| {
            self.get(**id).descriptor().is_some_and(|descriptor| descriptor.matches(domain, entries))
        };
        self.of_descriptors.iter().find(is_for).copied()
    }
}

/// Ranks the routes of descriptors, the most specific first.
pub(super) fn ranked(routes: &[Route], collisions: &mut Vec<Collision>) -> Vec<RouteId> {
    let of_descriptors = routes.iter().enumerate();
    let mut ranked: Vec<_> =
        of_descriptors.filter_map(|(place, route)| Some((place, route.descriptor()?))).collect();
    for (index, (place, descriptor)) in ranked.iter().enumerate() {
        if let Some((with, _)) =
            ranked[..index].iter().find(|(_, earlier)| earlier.is_for_those_of(descriptor))
        {
            collisions.push(Collision { route: *place, with: Some(*with), same: true });
        }
    }
    ranked.sort_by_key(|(_, descriptor)| Reverse(descriptor.rank()));
    ranked.into_iter().map(|(place, _)| RouteId(place)).collect()
}
