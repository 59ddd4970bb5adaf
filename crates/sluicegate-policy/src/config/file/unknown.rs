//! Fields that do not exist.

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use crate::config::{diagnostic::did_you_mean, report::Report};

/// Reports every field that the schema does not know and takes it out, so that what remains can be read and the
/// rest of what is wrong be found.
pub(super) fn take_out(report: &mut Report<'_>, table: &mut DeTable<'_>, schema: &Value) {
    let fields = schema.get("properties").and_then(Value::as_object);
    let named = schema.get("additionalProperties").filter(|inner| inner.is_object());
    for (key, mut value) in std::mem::take(table) {
        let name = key.get_ref().as_ref();
        match fields.and_then(|fields| fields.get(name)).or(named) {
            Some(schema) => {
                take_out_of_value(report, value.get_mut(), schema);
                table.insert(key, value);
            }
            None => {
                report.error_or(key.span().start, format!("unknown field `{name}`"), || {
                    Some(suggestion(name, fields?))
                });
            }
        }
    }
}

fn take_out_of_value(report: &mut Report<'_>, value: &mut DeValue<'_>, schema: &Value) {
    match value {
        DeValue::Table(inner) if is_table(schema) => take_out(report, inner, schema),
        DeValue::Array(items) => {
            let Some(schema) = schema.get("items").filter(|items| is_table(items)) else { return };
            for item in items.iter_mut() {
                take_out_of_value(report, item.get_mut(), schema);
            }
        }
        _ => {}
    }
}

/// Returns `true` if the schema is of tables alone. If a text is possible as well, serde reads it, with its
/// errors.
fn is_table(schema: &Value) -> bool {
    schema.get("properties").is_some() || schema.get("additionalProperties").is_some_and(Value::is_object)
}

fn suggestion(name: &str, fields: &Map<String, Value>) -> String {
    let names = || fields.keys().map(String::as_str).filter(|name| *name != "$schema");
    did_you_mean(name, names()).unwrap_or_else(|| {
        let all: Vec<_> = names().map(|name| format!("`{name}`")).collect();
        format!("the fields here are {}", all.join(", "))
    })
}
