//! The drawing up of a router, and the routes that cannot both be in it.

use std::collections::BTreeMap;

use matchit::{InsertError, Router};

use super::{Route, RouteId};
use crate::decide::template::Template;

/// Two routes that cannot both be.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Collision {
    /// The later route.
    pub(crate) route: usize,
    /// The earlier one; `None` if the route is wrong by itself.
    pub(crate) with: Option<usize>,
    /// Set if they are for the very same paths.
    pub(crate) same: bool,
}

/// Builds a router of the routes that any of the ranks takes; an earlier rank wins over a later one at the same paths.
pub(super) fn router(
    routes: &[Route],
    ranks: &[&dyn Fn(&Route) -> bool],
    collisions: &mut Vec<Collision>,
) -> Router<RouteId> {
    let mut draft = Draft {
        router: Router::new(),
        taken: BTreeMap::new(),
        patterns: BTreeMap::new(),
        empty_rests: Vec::new(),
        collisions,
    };
    for (rank, takes) in ranks.iter().enumerate() {
        for (index, route) in routes.iter().enumerate().filter(|(_, route)| takes(route)) {
            if let Some(template) = &route.template {
                draft.add(index, template, rank);
            }
        }
    }
    draft.finish()
}

/// A router that does not have all of its routes yet.
struct Draft<'c> {
    router: Router<RouteId>,
    /// The route and the rank of each shape of a path.
    taken: BTreeMap<String, (usize, usize)>,
    /// The route of each pattern.
    patterns: BTreeMap<String, usize>,
    /// Patterns for a rest of a path that is empty.
    empty_rests: Vec<(String, RouteId)>,
    collisions: &'c mut Vec<Collision>,
}

impl Draft<'_> {
    /// Adds a route, unless one of an earlier rank or of this one is for the same paths.
    fn add(&mut self, index: usize, template: &Template, rank: usize) {
        let shape = template.shape();
        match self.taken.get(&shape) {
            None => {}
            Some((with, earlier)) if *earlier == rank => {
                return self.collisions.push(Collision { route: index, with: Some(*with), same: true });
            }
            Some(_) => return,
        }
        self.taken.insert(shape, (index, rank));
        self.empty_rests.extend(template.with_empty_rest().map(|empty| (empty.pattern(), RouteId(index))));
        let pattern = template.pattern();
        let with = match self.router.insert(pattern.clone(), RouteId(index)) {
            Ok(()) => {
                self.patterns.insert(pattern, index);
                return;
            }
            Err(InsertError::Conflict { with }) => {
                self.patterns.get(&with).copied().filter(|with| *with != index)
            }
            Err(_) => None,
        };
        self.collisions.push(Collision { route: index, with, same: false });
    }

    fn finish(mut self) -> Router<RouteId> {
        // After all others, so that a route of its own for the empty rest wins: an error is a route that is there already.
        for (pattern, route) in self.empty_rests {
            let _ = self.router.insert(pattern, route);
        }
        self.router
    }
}
