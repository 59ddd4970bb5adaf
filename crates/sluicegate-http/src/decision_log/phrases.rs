//! The parts of lines that are the same for every request of a policy.

use sluicegate_policy::{Mode, Part, Policy, Route};

use super::line::quoted;

/// The parts of lines that are the same for every request of a policy.
pub(super) struct Phrases {
    /// By the ids of routes: from the method's closing quote to the path's opening one.
    pub(super) routes: Box<[String]>,
    /// By the ids of routes.
    pub(super) weights: Box<[u64]>,
    /// By the ids of tiers: the closing quote of the part in front, and the tier.
    pub(super) tiers: Box<[String]>,
    /// By the ids of limits.
    pub(super) limits: Box<[LimitPhrases]>,
}

pub(super) struct LimitPhrases {
    /// The beginning of a judgement, up to the key.
    pub(super) judgement: String,
    /// The beginning of a charge, up to the number.
    pub(super) charge: String,
    /// Its key names parts of the request that no line tells in any case.
    pub(super) names_more: bool,
}

impl Phrases {
    pub(super) fn of(policy: &Policy) -> Self {
        let routes = policy.routes.as_slice();
        let route = |route: &Route| format!(r#"","route":{},"path":""#, quoted(route.label()));
        let tiers = policy.tiers.as_slice().iter();
        let limits = policy.limits.iter().map(|limit| {
            let name = quoted(limit.name());
            let mode = match limit.mode() {
                Mode::Enforce => "enforce",
                Mode::Shadow => "shadow",
            };
            LimitPhrases {
                judgement: format!(r#"{{"name":{name},"mode":"{mode}","key":""#),
                charge: format!(r#"{{"name":{name},"charge":"#),
                names_more: limit.key_template().parts().iter().any(is_more),
            }
        });
        Self {
            routes: routes.iter().map(route).collect(),
            weights: routes.iter().map(Route::weight).collect(),
            tiers: tiers.map(|tier| format!(r#"","tier":{}"#, quoted(tier.name()))).collect(),
            limits: limits.collect(),
        }
    }
}

/// Returns `true` if lines tell this part only because a key names it.
fn is_more(part: &Part) -> bool {
    match part {
        Part::ClientIp | Part::ApiKey | Part::Tenant | Part::Tier => false,
        Part::Route | Part::Path | Part::Method => false,
        Part::Header(_) | Part::Query(_) | Part::Cookie(_) => true,
        Part::Parameter(_) | Part::Body(_) | Part::Entry(_) => true,
    }
}
