//! The facts of a record that keys are made of.

use http::header::COOKIE;
use sluicegate_policy::{Part, RecordedRequest, Tiers};

/// Returns `true` if a record tells this part of a key.
pub(crate) fn has(part: &Part, request: &RecordedRequest<'_>, tiers: &Tiers) -> bool {
    let head = request.head;
    match part {
        Part::ClientIp => !request.client.is_empty(),
        Part::ApiKey => request.api_key.is_some_and(|key| !key.id.is_empty()),
        Part::Tenant => request.api_key.is_some_and(|key| !key.tenant.is_empty()),
        Part::Tier => {
            !tiers.are_named()
                || request.tier.is_some()
                || request.api_key.is_some_and(|key| key.tier.is_some())
        }
        Part::Header(name) => head.headers.contains_key(name),
        Part::Cookie(name) => {
            let lines = head.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
            let mut cookies = lines.flat_map(|line| line.split(';'));
            cookies.any(|cookie| cookie.trim().split_once('=').is_some_and(|(known, _)| known == name))
        }
        Part::Query(name) => {
            let mut pairs = head.uri.query().unwrap_or_default().split('&');
            pairs.any(|pair| pair.split_once('=').map_or(pair, |(known, _)| known) == name)
        }
        Part::Body(pointer) => request.values.iter().any(|(known, _)| known == pointer),
        // Requests have none.
        Part::Entry(_) => false,
        Part::Route | Part::Path | Part::Method | Part::Parameter(_) => true,
    }
}
