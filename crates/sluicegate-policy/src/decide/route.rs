//! Routes: the requests that a list of limits applies to.

mod descriptors;
mod router;

use std::{borrow::Cow, time::Duration};

use http::Method;
use matchit::Router;
use sluicegate::{Cost, Unit};

use crate::{
    Body, Descriptor, Forwarding, LimitId, Meter, TierId,
    decide::{path::Readings, template::Template},
};

use self::router::{Collision, router};

/// A route: the requests that a list of limits applies to, with everything needed to decide one of them.
#[derive(Clone, Debug)]
pub struct Route {
    pub(crate) label: String,
    pub(crate) template: Option<Template>,
    /// Instead of a template.
    pub(crate) descriptor: Option<Descriptor>,
    pub(crate) methods: Vec<Method>,
    pub(crate) tier: Option<TierId>,
    pub(crate) meter: Meter,
    pub(crate) weight: u64,
    pub(crate) costs: Costs,
    pub(crate) limits: Vec<LimitId>,
    /// Set if a key of a limit is made of the path's parameters.
    pub(crate) needs_parameters: bool,
    pub(crate) timeouts: Timeouts,
    pub(crate) forwarding: Forwarding,
}

/// The timeouts of a route for its upstream, if the route has them. Only the gateway uses them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeouts {
    /// From the whole request to the head of the response.
    pub response: Option<Duration>,
    /// Without a byte of a body moving.
    pub idle: Option<Duration>,
    /// From sending the request to the last byte of the response.
    pub total: Option<Duration>,
}

/// The meaning of the cost that a route's meter, or its caller, gives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Costs {
    /// The meter's number for each unit. Requests cost the weight.
    ByUnit,
    /// There is no meter: requests cost the weight, unless one gives its cost.
    Weight,
    /// One number, for every unit but slots.
    OneNumber {
        /// For requests too; they cost the weight otherwise.
        requests: bool,
    },
}

/// The routes of a policy. The last one is for the requests that match no other.
#[derive(Clone, Debug)]
pub struct Routes {
    routes: Vec<Route>,
    /// A router for each method that a route names: a route that is not for a method must not hide one that is.
    by_method: Vec<(Method, Router<RouteId>)>,
    other: Router<RouteId>,
    /// Those of descriptors, from the most specific to the least.
    of_descriptors: Vec<RouteId>,
}

/// A route of a policy, by its place in [`Routes::as_slice`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RouteId(usize);

/// The route of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteMatch<'p> {
    /// The route.
    pub route: RouteId,
    /// The path as it was read: decoded once, with `%XX` for bytes that are not ASCII.
    pub path: Cow<'p, str>,
    /// The parameters of the template and their values, where a key of the route is made of one.
    pub parameters: Vec<(String, String)>,
}

/// Servers read this path in different ways, so it is ambiguous which limits apply.
///
/// It is answered with 400, and nothing is charged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AmbiguousPath;

impl Route {
    /// The path or the descriptor, for logs and metrics; `unmatched` for the last.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The descriptors that it is for, instead of requests.
    #[must_use]
    pub fn descriptor(&self) -> Option<&Descriptor> {
        self.descriptor.as_ref()
    }

    /// The methods; none for all.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The tier that callers need.
    #[must_use]
    pub fn tier(&self) -> Option<TierId> {
        self.tier
    }

    /// The meter that reads bodies.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Number of `requests` that each request costs.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// The timeouts for the upstream.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Returns the settings for handing its requests to the upstream.
    #[must_use]
    pub fn forwarding(&self) -> &Forwarding {
        &self.forwarding
    }

    /// The limits, in the order of the file.
    #[must_use]
    pub fn limits(&self) -> &[LimitId] {
        &self.limits
    }

    /// Computes the cost of one request for a limit that counts in `unit`.
    ///
    /// The body is the one that the route's meter has read, if it reads any. A `given` cost replaces the meter's.
    #[inline]
    #[must_use]
    pub fn cost(&self, unit: Unit, body: Option<&Body>, given: Option<Cost>) -> Cost {
        if !self.costs.are_metered(unit, given) {
            return self.unmetered(unit);
        }
        match (self.costs, given, body) {
            (_, Some(given), _) => given,
            (Costs::ByUnit, None, Some(body)) => body.cost(unit),
            (Costs::OneNumber { .. }, None, Some(Body { is_absent: true, .. })) if unit != Unit::Requests => {
                Cost::ZERO
            }
            (Costs::OneNumber { .. }, None, Some(Body { items: Some(items), .. })) => {
                Cost::of(*items, unit).unwrap_or(Cost::new(u64::MAX))
            }
            (Costs::OneNumber { .. }, None, Some(Body { items: None, .. }))
            | (Costs::ByUnit | Costs::OneNumber { .. }, None, None)
            | (Costs::Weight, None, _) => self.unmetered(unit),
        }
    }

    /// The cost in `unit` of a request whose usage is not metered.
    #[inline]
    const fn unmetered(&self, unit: Unit) -> Cost {
        match unit {
            Unit::Requests => Cost::new(self.weight),
            Unit::Concurrent => Cost::ONE,
            // A route in code whose caller gives no cost.
            Unit::Items | Unit::Tokens | Unit::InputTokens | Unit::OutputTokens | Unit::Bytes | Unit::Usd => {
                Cost::ONE
            }
        }
    }
}

impl Costs {
    /// Returns `true` if a meter finds the cost in `unit`, or the caller gives it.
    pub(crate) fn are_metered(self, unit: Unit, given: Option<Cost>) -> bool {
        match (unit, self) {
            (Unit::Concurrent, _) | (Unit::Requests, Self::ByUnit) => false,
            (Unit::Requests, Self::Weight) => given.is_some(),
            (Unit::Requests, Self::OneNumber { requests }) => requests,
            (
                Unit::Items | Unit::Tokens | Unit::InputTokens | Unit::OutputTokens | Unit::Bytes | Unit::Usd,
                _,
            ) => true,
        }
    }
}

impl Routes {
    /// The label of requests that match no route.
    pub const UNMATCHED: &str = "unmatched";

    /// Every route; the last is for requests that match no other.
    #[must_use]
    pub fn as_slice(&self) -> &[Route] {
        &self.routes
    }

    /// The route with this id.
    #[must_use]
    pub fn get(&self, id: RouteId) -> &Route {
        // An id of another policy can be too large; then the request matches no route of this one.
        self.routes.get(id.0).unwrap_or(&self.routes[self.routes.len() - 1])
    }

    /// The route for requests that match no other.
    #[must_use]
    pub fn unmatched(&self) -> RouteId {
        RouteId(self.routes.len() - 1)
    }

    /// The most specific route for a method and a path, as it was sent: percent-encoded, without the query.
    ///
    /// A slash more or less at the end leads to the same route, unless the policy has a route for both: some servers
    /// take it for the same path, and others redirect to it. Upper and lower case differ.
    ///
    /// # Errors
    ///
    /// When the path can be read as belonging to different routes.
    pub fn find<'p>(&self, method: &Method, path: &'p str) -> Result<RouteMatch<'p>, AmbiguousPath> {
        let readings = Readings::of(path).ok_or(AmbiguousPath)?;
        let router =
            self.by_method.iter().find(|(known, _)| known == method).map_or(&self.other, |(_, it)| it);
        let found = self.at(router, readings.usual);
        for other in readings.others {
            if self.at(router, Cow::Owned(other)).route != found.route {
                return Err(AmbiguousPath);
            }
        }
        Ok(found)
    }

    fn at<'p>(&self, router: &Router<RouteId>, path: Cow<'p, str>) -> RouteMatch<'p> {
        if let Some((route, parameters)) = self.exactly_at(router, &path) {
            return RouteMatch { route, path, parameters };
        }
        let toggled = match path.strip_suffix('/') {
            Some(without) => without.to_owned(),
            None => format!("{path}/"),
        };
        match self.exactly_at(router, &toggled) {
            Some((route, parameters)) => RouteMatch { route, path: Cow::Owned(toggled), parameters },
            None => RouteMatch { route: self.unmatched(), path, parameters: Vec::new() },
        }
    }

    fn exactly_at(&self, router: &Router<RouteId>, path: &str) -> Option<(RouteId, Vec<(String, String)>)> {
        let found = router.at(path).ok()?;
        let parameters = if self.get(*found.value).needs_parameters {
            found.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        } else {
            Vec::new()
        };
        Some((*found.value, parameters))
    }

    /// Builds the routers. The errors say which route is wrong, why, and with which other route it collides.
    pub(crate) fn build(routes: Vec<Route>) -> Result<Self, Vec<Collision>> {
        let mut methods: Vec<Method> = Vec::new();
        for method in routes.iter().flat_map(|route| &route.methods) {
            for method in
                [Some(method), (method == Method::GET).then_some(&Method::HEAD)].into_iter().flatten()
            {
                if !methods.contains(method) {
                    methods.push(method.clone());
                }
            }
        }
        let mut collisions = Vec::new();
        let mut by_method = Vec::with_capacity(methods.len());
        for method in methods {
            // A route that names the method comes before one that is for all methods. HEAD is a GET without its
            // body, and Starlette runs the handler of GET for it, so it is limited as GET is.
            let names = |route: &Route| route.methods.contains(&method);
            let gets = |route: &Route| method == Method::HEAD && route.methods.contains(&Method::GET);
            let all = |route: &Route| route.methods.is_empty();
            let router = router(&routes, &[&names, &gets, &all], &mut collisions);
            by_method.push((method, router));
        }
        let all = |route: &Route| route.methods.is_empty();
        let other = router(&routes, &[&all], &mut collisions);
        let of_descriptors = descriptors::ranked(&routes, &mut collisions);
        if collisions.is_empty() {
            Ok(Self { routes, by_method, other, of_descriptors })
        } else {
            Err(collisions)
        }
    }
}

impl<'p> RouteMatch<'p> {
    /// A route that is known already, at a path as it was sent.
    ///
    /// # Errors
    ///
    /// When no honest path is like this one.
    pub(crate) fn known(route: RouteId, path: &'p str) -> Result<Self, AmbiguousPath> {
        let path = Readings::of(path).ok_or(AmbiguousPath)?.usual;
        Ok(Self { route, path, parameters: Vec::new() })
    }
}

impl RouteId {
    /// The place in [`Routes::as_slice`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

impl std::fmt::Display for AmbiguousPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "servers read this path in different ways; send it without `//`, `.`, `..`, `;`, `\\` and %2F",
        )
    }
}

impl std::error::Error for AmbiguousPath {}
