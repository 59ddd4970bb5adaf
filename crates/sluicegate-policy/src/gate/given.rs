//! What the caller of the gate knows of a request better than its head tells.

use sluicegate::Cost;

/// What the caller of the gate knows of a request better than its head tells. What is `None` is found in the request, as
/// the policy says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// The caller's tier. It wins over that of a header or an API key; a tier that does not exist is the default tier.
    pub tier: Option<&'a str>,
    /// What tells the caller apart, instead of the limits' keys. An empty one is replaced by the client IP, as a part that
    /// a request lacks. Whether tiers scale a limit still follows from its own key.
    pub key: Option<&'a str>,
    /// The cost, instead of what the meter would find: in nano-dollars where a quota counts dollars.
    pub cost: Option<Cost>,
    /// The path's parameters, as the application's own router found them.
    pub parameters: &'a [(String, String)],
}
