//! Reports as JSON.

use std::time::Duration;

use serde_json::{Value, json};
use sluicegate_policy::Mode;

use super::{LimitReport, Report, share};
use crate::{needed::Needed, tally::Outcomes, timeline::Timeline};

impl Report {
    /// The report as one JSON object. Times are seconds, shares are from 0 to 1.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "from": self.from.map(|from| from.to_string()),
            "to": self.from.map(|_| self.to.to_string()),
            "requests": outcomes(&self.requests),
            "change": (self.change.total() > 0).then(|| json!({
                "same": self.change.same,
                "newly_denied": self.change.newly_denied,
                "newly_admitted": self.change.newly_admitted,
            })),
            "routes": self.routes.iter().map(|route| {
                let mut value = outcomes(&route.outcomes);
                value["route"] = route.label.clone().into();
                value
            }).collect::<Vec<_>>(),
            "limits": self.limits.iter().map(limit).collect::<Vec<_>>(),
            "timeline": timeline(&self.timeline),
            "log": {
                "unreadable": self.reading.unreadable,
                "examples": self.reading.shown.iter().map(|line| json!({
                    "file": &*line.file,
                    "line": line.line,
                    "reason": line.reason,
                })).collect::<Vec<_>>(),
                "undecided": self.reading.skipped,
                "late": self.late,
                "guessed_ends": self.guessed,
                "evictions": self.evictions,
            },
        })
    }
}

fn outcomes(outcomes: &Outcomes) -> Value {
    json!({
        "total": outcomes.total(),
        "admitted": outcomes.admitted,
        "denied": outcomes.denied,
        "refused": outcomes.refused,
        "denied_share": share(outcomes.denied, outcomes.total()),
    })
}

fn limit(limit: &LimitReport) -> Value {
    json!({
        "limit": limit.name,
        "quota": limit.quota.to_string(),
        "algorithm": limit.quota.algorithm().to_string(),
        "unit": limit.quota.unit().as_str(),
        "mode": if limit.mode == Mode::Shadow { "shadow" } else { "enforce" },
        "key": limit.key,
        "judged": limit.judged,
        "denied": limit.denied,
        "denied_share": share(limit.denied, limit.judged),
        "longest_wait": limit.longest_wait.map(seconds),
        "median_wait": limit.median_wait.map(seconds),
        "never_fit": limit.forever,
        "denied_keys": limit.keys,
        "denials_of_other_keys": limit.uncounted,
        "most_denied": limit.most_denied.iter().map(|key| json!({
            "key": key.key,
            "denied": key.denied,
            "longest_wait": key.longest_wait.map(seconds),
        })).collect::<Vec<_>>(),
        "unjudged": limit.unjudged,
        "missing_keys": limit.missing.iter().map(|(part, requests)| json!({
            "part": part.to_string(),
            "requests": requests,
        })).collect::<Vec<_>>(),
        "needed": limit.needed.as_ref().map(needed),
        "timeline": timeline(&limit.timeline),
    })
}

fn needed(needed: &Needed) -> Value {
    json!({
        "quota": needed.quota.map(|quota| quota.to_string()),
        "reason": needed.reason,
        "tried": needed.tried.iter().map(|(quota, denied)| json!({
            "quota": quota.to_string(),
            "amount": quota.amount(),
            "denied_share": denied,
        })).collect::<Vec<_>>(),
    })
}

fn timeline(timeline: &Timeline) -> Value {
    let Some((begins, nanos, bins)) = timeline.parts() else { return Value::Null };
    json!({
        "from": begins.to_string(),
        "step": seconds(Duration::from_nanos(nanos)),
        "requests": bins.iter().map(|bin| bin.requests).collect::<Vec<_>>(),
        "denied": bins.iter().map(|bin| bin.denied).collect::<Vec<_>>(),
    })
}

/// To the millisecond, rounded up.
fn seconds(duration: Duration) -> f64 {
    let milliseconds = duration.as_nanos().div_ceil(1_000_000);
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX)).as_secs_f64()
}
