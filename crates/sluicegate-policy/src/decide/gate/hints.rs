//! Hints about a request from the application: key, cost, tier and parameters.

use sluicegate::Cost;

/// Hints about a request that the application knows and the head does not carry. Those that are `None` are found in the
/// request, as the policy says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// The caller's tier. It wins over that of a header or an API key; a tier that does not exist is the default tier.
    pub tier: Option<&'a str>,
    /// The key that distinguishes callers, instead of the limits' keys. If it is empty, the client IP
    /// replaces it, as a missing part of a request. A limit's own key still determines if tiers scale it.
    pub key: Option<&'a str>,
    /// The cost, instead of what the meter would find: in nano-dollars where a quota counts dollars.
    pub cost: Option<Cost>,
    /// The path's parameters, as the application's own router found them.
    pub parameters: &'a [(String, String)],
}
