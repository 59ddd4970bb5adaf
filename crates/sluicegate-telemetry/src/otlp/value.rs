//! Attributes in OTLP.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};

use crate::Attribute;

pub(super) fn attribute(name: &str, value: Attribute) -> KeyValue {
    let value = match value {
        Attribute::Text(text) => Value::StringValue(text.into_owned()),
        Attribute::Integer(number) => Value::IntValue(number),
        Attribute::Number(number) => Value::DoubleValue(number),
        Attribute::Truth(truth) => Value::BoolValue(truth),
        Attribute::Texts(texts) => {
            let values = texts.into_iter().map(|text| AnyValue { value: Some(Value::StringValue(text)) });
            Value::ArrayValue(ArrayValue { values: values.collect() })
        }
    };
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Nanoseconds since 1970.
pub(super) fn unix_nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
