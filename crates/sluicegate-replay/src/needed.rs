//! The quota that a wanted share of denials needs.

use sluicegate::Quota;
use sluicegate_policy::{Limit, TierId};

use crate::trace::Trace;

/// The quota that a wanted share of denials needs, and what was tried on the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Needed {
    /// The smallest quota that was found: one that is a hundredth smaller denies more than is wanted. `None` if
    /// none was found.
    pub(crate) quota: Option<Quota>,
    /// The reason, if none was found.
    pub(crate) reason: Option<&'static str>,
    /// Quotas that were tried, from the smallest to the largest, and the share of charges that each denies. That of a quota
    /// that denies more than is wanted may be larger.
    pub(crate) tried: Vec<(Quota, f64)>,
}

impl Needed {
    /// Searches for the quota of a limit, told for the callers of a tier. All tiers are scaled alike.
    pub(crate) fn search(trace: &Trace, limit: &Limit, tier: TierId, share: f64) -> Self {
        let quota = |millionths| limit.quota(tier).scaled(millionths);
        let none = |reason| Self { reason: Some(reason), ..Self::default() };
        if trace.is_full {
            return none("there are more than ten million charges");
        }
        if trace.len() == 0 || limit.quota(tier).amount() == 0 {
            return none("there is nothing to scale");
        }
        let all = to_f64(trace.len());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
        let most = (all * share).floor() as u64;
        let mut tried: Vec<(Quota, f64)> = Vec::new();
        let mut fits = |millionths| {
            // All denials are counted, for the plot.
            let denied = trace.denied(limit, millionths, u64::MAX);
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            tried.push((quota(millionths), denied as f64 / all));
            denied <= most
        };
        let (mut too_small, mut enough) = (0, WHOLE);
        while !fits(enough) {
            if enough >= LARGEST || quota(enough.saturating_mul(2)) == quota(WHOLE) {
                let reason = if enough >= LARGEST { "a million times the quota denies more" } else { LOG };
                return Self { reason: Some(reason), tried: sorted(tried), ..Self::default() };
            }
            (too_small, enough) = (enough, enough.saturating_mul(2));
        }
        // Down to a hundredth of the quota, or one unit.
        while enough - too_small > enough / 100 && quota(enough).amount() - quota(too_small).amount() > 1 {
            let middle = too_small + (enough - too_small) / 2;
            if fits(middle) { enough = middle } else { too_small = middle }
        }
        Self { quota: Some(quota(enough)), reason: None, tried: sorted(tried) }
    }
}

fn sorted(mut tried: Vec<(Quota, f64)>) -> Vec<(Quota, f64)> {
    tried.sort_by_key(|(quota, _)| quota.amount());
    tried.dedup_by_key(|(quota, _)| quota.amount());
    tried
}

#[expect(clippy::cast_precision_loss, reason = "a count of charges")]
const fn to_f64(count: usize) -> f64 {
    count as f64
}

const WHOLE: u64 = 1_000_000;

/// A million times.
const LARGEST: u64 = WHOLE * 1_000_000;

const LOG: &str = "a sliding log holds at most 128; use a sliding window";
