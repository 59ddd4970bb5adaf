//! The gateway's own decision log.

use sluicegate::{Cost, Unit};
use sluicegate_http::decision_log::{self as log, Outcome, Time};
use sluicegate_policy::{Descriptor, Scale};

use super::LineReader;
use crate::{
    Event, Field, Moment,
    draft::Draft,
    record::{Change, Decision, Reset, Start},
};

/// The decision log of a gateway.
#[derive(Clone, Debug)]
pub(crate) struct Decisions;

impl LineReader for Decisions {
    fn read(&self, line: &str) -> Result<Option<Event>, String> {
        let record = log::Record::parse(line)
            .map_err(|error| format!("this is no line of a decision log: {error}"))?;
        Ok(match &record {
            log::Record::Decision(decision) => return decided(decision),
            log::Record::Extend(extend) => Some(Event::Extend(Change {
                time: moment(extend.time),
                id: id(&extend.id)?,
                charges: charges(&extend.limits),
                tokens: None,
            })),
            log::Record::End(end) => Some(Event::End(Change {
                time: moment(end.time),
                id: id(&end.id)?,
                charges: charges(&end.limits),
                tokens: end.tokens.map(|tokens| (tokens.input, tokens.output)),
            })),
            log::Record::Start(start) => Some(Event::Start(Start {
                time: moment(start.time),
                process: id(&start.process)?,
                in_memory: start.store == "memory",
                fresh: start.fresh,
            })),
            log::Record::Reset(reset) => Some(Event::Reset(Reset {
                time: moment(reset.time),
                process: id(&reset.process)?,
                accounts: reset.accounts.iter().map(|key| key.clone().into_owned()).collect(),
            })),
        })
    }
}

fn decided(line: &log::Decision<'_>) -> Result<Option<Event>, String> {
    if line.path == Descriptor::PATH {
        // No request: it has no path by which a candidate could find a route.
        return Ok(None);
    }
    let denied = match line.outcome {
        Outcome::Allowed => false,
        Outcome::Denied => true,
        // No limit has judged it.
        Outcome::Refused => return Ok(None),
    };
    let mut draft = Draft::default();
    draft.began(moment(line.time));
    draft.set(&Field::Method, &line.method)?;
    draft.set(&Field::Path, &line.path)?;
    for (part, value) in &line.keys.0 {
        // The parameters of a path are in the path.
        if let Ok(field) = part.parse::<Field>() {
            draft.set(&field, value)?;
        }
    }
    let mut record = draft.finish(None)?;
    let cost = &line.cost;
    let costs = [
        (Unit::Items, cost.items),
        (Unit::Tokens, cost.tokens),
        (Unit::InputTokens, cost.input_tokens),
        (Unit::OutputTokens, cost.output_tokens),
        (Unit::Bytes, cost.bytes),
        (Unit::Usd, cost.usd),
    ];
    record.costs.extend(costs.into_iter().filter_map(|(unit, cost)| Some((unit, Cost::new(cost?)))));
    let charges = line.limits.iter().map(|limit| (limit.name.clone().into_owned(), Cost::new(limit.charge)));
    record.decision = Some(Box::new(Decision {
        id: id(&line.id)?,
        denied,
        warmup: line.warmup.and_then(Scale::of),
        charges: charges.collect(),
    }));
    Ok(Some(Event::Request(Box::new(record))))
}

fn charges(limits: &[log::LimitCharge<'_>]) -> Vec<(String, Cost)> {
    limits.iter().map(|limit| (limit.name.clone().into_owned(), Cost::new(limit.charge))).collect()
}

fn moment(time: Time) -> Moment {
    Moment::from_nanos(time.nanoseconds())
}

fn id(digits: &str) -> Result<u64, String> {
    u64::from_str_radix(digits, 16).map_err(|_| format!("the id `{digits}` is not hexadecimal"))
}
