//! A request that has been decided.

use http::request::Parts;
use sluicegate_policy::{ApiKey, Rejection, RouteId, TierId, Visit};

/// A request that has been decided.
pub(crate) struct Asked<'a> {
    pub(super) head: &'a Parts,
    pub(super) route: RouteId,
    pub(super) tier: TierId,
    pub(super) client: &'a str,
    pub(super) api_key: Option<&'a ApiKey>,
    /// The application has given the key of its accounts.
    pub(super) has_own_key: bool,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(visit: &'a Visit<'_>) -> Self {
        let caller = visit.caller();
        Self {
            head: visit.head(),
            route: visit.route(),
            tier: visit.tier(),
            client: &caller.client,
            api_key: caller.api_key.as_deref(),
            has_own_key: visit.hints().key.is_some(),
        }
    }

    /// A request that was rejected when only its head and the address of its client were known.
    pub(crate) fn rejected(head: &'a Parts, client: &'a str, rejection: &Rejection) -> Self {
        Self {
            head,
            route: rejection.route(),
            tier: rejection.tier(),
            client,
            api_key: None,
            has_own_key: false,
        }
    }
}
