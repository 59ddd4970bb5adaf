//! `/settle` and `/release`: the ends of permits.

use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use serde_json::{Value, json};
use sluicegate::{Cost, SystemClock, Unit};
use sluicegate_http::Told;
use sluicegate_stores::AnyStore;

use super::{
    call::{Releasing, Settling, Usage, Whole},
    parse,
};
use crate::{
    decisions::permits::{Lost, NoPlace, PermitId, Permits},
    problem::Problem,
};

/// Replaces what a request was charged by what it has used.
pub(super) async fn settle(permits: &Permits<AnyStore, SystemClock>, call: &[u8]) -> Result<Value, Problem> {
    let Settling { permit, usage, cost } = parse(call)?;
    let told = match (usage, cost) {
        (Some(_), Some(_)) => return Err(Problem::bad_request("send `usage` or `cost`, and not both")),
        (Some(usage), None) => told(&usage)?,
        (None, Some(Whole(cost))) => Told::Cost(Cost::new(cost)),
        // It has used what was estimated.
        (None, None) => Told::Units(Vec::new()),
    };
    end(permits, &permit, told, "settled").await
}

/// Gives back all that a request was charged.
pub(super) async fn release(permits: &Permits<AnyStore, SystemClock>, call: &[u8]) -> Result<Value, Problem> {
    let Releasing { permit } = parse(call)?;
    end(permits, &permit, Told::Unserved, "released").await
}

async fn end(
    permits: &Permits<AnyStore, SystemClock>,
    permit: &str,
    told: Told,
    state: &str,
) -> Result<Value, Problem> {
    let id: PermitId = permit.parse().map_err(|_| Problem::bad_request(NO_PERMIT))?;
    let stored = permits.end(id, told).map_err(|lost| self::lost(lost, id, permits.process()))?;
    match stored.await {
        Ok(true) => Ok(json!({ "permit": permit, "state": state })),
        Ok(false) | Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, NOT_STORED)),
    }
}

/// The usage in the words of the engine.
fn told(usage: &Usage) -> Result<Told, Problem> {
    let whole = |number: Option<Whole>| number.map(|Whole(number)| number);
    let (input, output) = (whole(usage.input_tokens), whole(usage.output_tokens));
    if usage.tokens.is_some() && (input.is_some() || output.is_some()) {
        return Err(Problem::bad_request(
            "send `tokens`, or `input_tokens` and `output_tokens`, and not both",
        ));
    }
    let all_tokens = whole(usage.tokens).or_else(|| Some(input?.saturating_add(output?)));
    let units = [
        (Unit::Requests, whole(usage.requests).map(Cost::new)),
        (Unit::Items, whole(usage.items).map(Cost::new)),
        (Unit::Tokens, all_tokens.map(Cost::new)),
        (Unit::InputTokens, input.map(Cost::new)),
        (Unit::OutputTokens, output.map(Cost::new)),
        (Unit::Bytes, whole(usage.bytes).map(Cost::new)),
    ];
    let units = units.into_iter().filter_map(|(unit, cost)| Some((unit, cost?))).collect();
    Ok(Told::Usage { input, output, units })
}

fn lost(lost: Lost, id: PermitId, process: u32) -> Problem {
    match lost {
        Lost::Elsewhere => Problem::new(
            StatusCode::NOT_FOUND,
            format!(
                "Another gateway, or this one before a restart, gave this permit: its number is {:08x}, and this one's is \
                 {process:08x}. Settle permits at the gateway that gave them",
                id.process
            ),
        ),
        Lost::Unknown => Problem::new(
            StatusCode::NOT_FOUND,
            "This gateway holds no such permit: it was never given, or has ended more than some minutes ago",
        ),
        Lost::Expired(ago) => Problem::new(
            StatusCode::GONE,
            format!(
                "The lease of this permit ended {} s ago: its estimate stays charged, and its slots are free. Ask for a \
                 longer `lease` next time",
                ago.as_secs()
            ),
        ),
        Lost::Settled => Problem::new(
            StatusCode::CONFLICT,
            "This permit was settled before, by another usage, which stays",
        ),
        Lost::Released => Problem::new(
            StatusCode::CONFLICT,
            "This permit was released before: its request is charged nothing",
        ),
    }
}

/// The answer to a call for which there is no place.
pub(super) fn no_place(full: NoPlace, most: usize) -> Problem {
    match full {
        NoPlace::Full(next) => {
            let detail = format!(
                "{most} permits are held, and decisions.max_permits allows no more: settle those whose requests have \
                 ended, ask for shorter leases, or raise it. Nothing was charged"
            );
            let wait = next.map_or(1, |next| next.as_secs() + 1);
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, HeaderValue::from(wait))
        }
        NoPlace::NoRandomness => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The system gives no random numbers, of which permits are made. Nothing was charged",
        ),
    }
}

const NO_PERMIT: &str = "`permit` is not one: send the text that /take has answered, as it is";
const NOT_STORED: &str = "The store did not answer: the permit has ended and its slots are free, but its estimate stays \
                          charged";
