//! The meter of a route as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sluicegate::Unit;

use super::period;
use crate::{
    JsonPointer, Meter, TokenClass, TokenMeter,
    config::file::MeterTable,
    meter::{
        items::{Items, Tensor},
        token_meter::TokenInterface,
        token_pointers::{TokenPlaces, UsageNumber},
    },
};

pub(super) fn document(meter: &Meter) -> Value {
    let mut document = json!({
        "items": meter.items.as_ref().map(ToString::to_string),
        "max": meter.most_items,
        "bytes": meter.gives(Unit::Bytes),
    });
    if let Some(Items::Of(Tensor { name, dimension })) = &meter.items {
        document["items"] = json!("kserve");
        document["input"] = json!(name);
        document["dimension"] = json!(dimension);
    }
    if let Some(meter) = meter.tokens() {
        document["tokens"] = tokens(meter);
    }
    if let Some(tokenizer) = meter.tokenizer() {
        document["tokens"]["tokenizer"] = json!(tokenizer.path().display().to_string());
    }
    if let Some(count) = meter.input_count() {
        document["tokens"]["count"] = json!(count.endpoint().unwrap_or("upstream"));
        document["tokens"]["count_timeout"] = json!(period(count.timeout()));
    }
    document
}

fn tokens(TokenMeter { interface, weights, default_output, refunds }: &TokenMeter) -> Value {
    let weight = |class: TokenClass| (class.name().to_owned(), json!(f64::from(weights.of(class)) / 1000.0));
    let weights: Map<_, _> = TokenClass::ALL.into_iter().map(weight).collect();
    let name = match interface {
        TokenInterface::Named(dialect) => dialect.name(),
        TokenInterface::Json(_) => MeterTable::JSON,
    };
    let mut document = json!({
        "interface": name,
        "default_output": default_output,
        "weights": weights,
        "refund": refunds.names(),
    });
    if let (TokenInterface::Json(pointers), Some(fields)) = (interface, document.as_object_mut()) {
        fields.extend(token_places(&pointers.places));
    }
    document
}

/// The fields of a policy that point to tokens.
fn token_places(places: &TokenPlaces) -> Map<String, Value> {
    let TokenPlaces { prompt, max_output, choices, model, stream, text, usage, beside, summed } = places;
    let list = |pointers: &[JsonPointer]| json!(pointers.iter().map(JsonPointer::as_str).collect::<Vec<_>>());
    let mut numbers: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (number, pointer) in usage {
        numbers.entry(number.name()).or_default().push(pointer.as_str());
    }
    let pointers = [
        ("prompt", prompt),
        ("max_output", max_output),
        ("choices", choices),
        ("model", model),
        ("stream", stream),
        ("text", text),
    ];
    let pointers = pointers.into_iter().map(|(name, pointers)| (name, list(pointers)));
    let names = |numbers: &[UsageNumber]| json!(numbers.iter().map(|it| it.name()).collect::<Vec<_>>());
    let usage = [("usage", json!(numbers)), ("beside", names(beside)), ("summed", names(summed))];
    let all = pointers.chain(usage);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}
