//! The JSON Schema of the policy file.

use schemars::{Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Value, json};

use super::File;

/// The JSON Schema (2020-12) of the policy file, as `sluicegate schema` prints it.
///
/// Editors complete and check a file whose first line is `"$schema" = "…"` with it.
///
/// ```
/// let schema = sluicegate_policy::schema();
/// assert_eq!(schema["properties"]["gateway"]["$ref"], "#/$defs/Gateway");
/// ```
#[must_use]
pub fn schema() -> Value {
    generate(SchemaSettings::draft2020_12())
}

/// The schema without references, for walking.
pub(super) fn inlined() -> Value {
    generate(SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true))
}

fn generate(settings: SchemaSettings) -> Value {
    let settings = settings.with_transform(RecursiveTransform(without_null));
    let mut schema = settings.into_generator().into_root_schema_for::<File>();
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let description = "The schema of this file, for editors; otherwise ignored.";
        fields.insert("$schema".to_owned(), json!({ "type": "string", "description": description }));
    }
    schema.to_value()
}

/// TOML has no null: a field that may be left out is left out.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(kinds)) = object.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice != &json!({ "type": "null" }));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(words)) = object.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
}
