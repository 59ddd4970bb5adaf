//! The lines above the tables: the whole gateway at a glance.

use std::time::Duration;

use crate::{
    model::Model,
    quantity::{age, number, number_or_unknown, percent, seconds},
    table::Tone,
};

/// A piece of a line.
pub(crate) type Piece = (String, Tone);

/// Two lines for decisions, and one for what they depend on.
pub(crate) fn header(model: &Model) -> [Vec<Piece>; 3] {
    [requests(model), load(model), conditions(model)]
}

fn requests(model: &Model) -> Vec<Piece> {
    let all = [model.allowed, model.denied, model.refused].into_iter().sum::<Option<f64>>();
    let denied = model.denied.unwrap_or_default();
    vec![
        plain(format!("requests {}/s", number_or_unknown(all))),
        plain(format!("allowed {}/s", number_or_unknown(model.allowed))),
        (
            format!(
                "denied {}/s ({})",
                number_or_unknown(model.denied),
                percent(denied, all.unwrap_or_default())
            ),
            if denied > 0.0 { Tone::Notable } else { Tone::Plain },
        ),
        plain(format!("refused {}/s", number_or_unknown(model.refused))),
        plain(format!("total {}", number(model.requests))),
    ]
}

fn load(model: &Model) -> Vec<Piece> {
    vec![
        plain(format!("active {}", number(model.in_flight))),
        plain(format!("connections {}", number(model.connections))),
        plain(format!("decision p50 {} p99 {}", seconds(model.decision.p50), seconds(model.decision.p99))),
        plain(format!("keys {}", number(model.store.live_keys))),
        worrying("evictions", model.store.evictions),
    ]
}

fn conditions(model: &Model) -> Vec<Piece> {
    let store = &model.store;
    let mut pieces = vec![match (store.is_up, store.silent.as_slice()) {
        (true, _) => plain("store up".to_owned()),
        (false, []) => ("store DOWN".to_owned(), Tone::Bad),
        (false, silent) => (format!("store DOWN: {}", silent.join(", ")), Tone::Bad),
    }];
    pieces.push(worrying("store errors", store.errors));
    if store.outage_decisions.is_some_and(|rate| rate > 0.0) {
        pieces.push(worrying("by outage policy", store.outage_decisions));
    }
    if model.warmup < 1.0 {
        pieces.push((format!("warming up: limits at {}", percent(model.warmup, 1.0)), Tone::Notable));
    }
    pieces.push(if model.policy_is_current {
        plain("policy current".to_owned())
    } else {
        ("last reload FAILED".to_owned(), Tone::Bad)
    });
    pieces
}

/// The time for which a gateway has not been heard of, and the reason.
pub(crate) fn away(reason: &str, since: Duration) -> Piece {
    (format!("no news for {}: {reason}", age(since)), Tone::Bad)
}

fn plain(text: String) -> Piece {
    (text, Tone::Plain)
}

/// A rate that should be zero.
fn worrying(name: &str, rate: Option<f64>) -> Piece {
    let tone = if rate.unwrap_or_default() > 0.0 { Tone::Bad } else { Tone::Plain };
    (format!("{name} {}/s", number_or_unknown(rate)), tone)
}
