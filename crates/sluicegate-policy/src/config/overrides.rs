//! Settings that win over the file's: environment variables and command-line flags.

use std::{borrow::Cow, ops::Range};

use serde_json::Value;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use crate::{
    Hidden,
    config::{diagnostic::did_you_mean, report::Report},
};

/// Settings that win over the file's.
///
/// A variable is called `SLUICEGATE_`, the table, two underscores and the field:
///
/// ```
/// use sluicegate_policy::{Overrides, Policy, Source};
///
/// let variables = [("SLUICEGATE_STORE__MAX_KEYS".to_owned(), "5000".to_owned())];
/// let overrides = Overrides::default().variables(variables).flag("--limit", "defaults.limits", "10/minute");
/// let policy = Policy::parse(&Source::empty().with(overrides))?;
/// assert_eq!(policy.store.max_keys, 5_000);
/// # Ok::<(), sluicegate_policy::Diagnostics>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Overrides(Vec<Override>);

#[derive(Clone, Debug)]
pub(crate) struct Override {
    /// The name that the reader knows it by.
    pub(crate) name: String,
    path: Vec<String>,
    /// It gives a setting that the table exists for, and does not have.
    is_fallback: bool,
    /// It may be a password.
    pub(crate) value: Hidden,
    /// Its place after the source's text.
    pub(crate) place: Range<usize>,
}

impl Override {
    /// The setting that it gives, such as `gateway.listen`.
    pub(crate) fn setting(&self) -> String {
        self.path.join(".")
    }
}

impl Overrides {
    /// Of these variables, the ones that are meant for a policy: `SLUICEGATE_TABLE__FIELD`, and OpenTelemetry's own for
    /// what a policy with `[telemetry]` leaves out there.
    #[must_use]
    pub fn variables(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        for (name, value) in variables {
            // Names without `__` are left alone but for what is surely a slip (see `apply`): Kubernetes sets
            // SLUICEGATE_SERVICE_HOST and its like for a service of our name.
            if let Some(path) = name.strip_prefix("SLUICEGATE_") {
                let path = path.split("__").map(str::to_lowercase).collect();
                let value = Hidden::from(value.as_str());
                self.0.push(Override { name, path, is_fallback: false, value, place: 0..0 });
            } else if let Some((_, field)) = OF_OPENTELEMETRY.iter().find(|(known, _)| name == *known)
                && !value.is_empty()
            {
                let path = ["telemetry", field].map(str::to_owned).to_vec();
                let value = Hidden::from(value.as_str());
                self.0.push(Override { name, path, is_fallback: true, value, place: 0..0 });
            }
        }
        // The environment has no order of its own, and errors should have one.
        self.0.sort_by(|a, b| (a.is_fallback, &a.name).cmp(&(b.is_fallback, &b.name)));
        self
    }

    /// The process's own variables.
    #[must_use]
    pub fn environment(self) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        self.variables(std::env::vars_os().filter_map(text))
    }

    /// A command-line flag for a dotted setting, such as `--listen` for `gateway.listen`.
    #[must_use]
    pub fn flag(mut self, name: &str, setting: &str, value: &str) -> Self {
        let path = setting.split('.').map(str::to_owned).collect();
        let (name, value) = (name.to_owned(), Hidden::from(value));
        self.0.push(Override { name, path, is_fallback: false, value, place: 0..0 });
        self
    }

    pub(crate) fn into_vec(self) -> Vec<Override> {
        self.0
    }
}

/// Writes every override of the source into the table. The schema says which settings there are, and whether
/// `5` is a number or a text.
pub(crate) fn apply<'s>(report: &mut Report<'s>, file: &mut DeTable<'s>, schema: &Value) {
    for given in report.source().overrides() {
        if given.is_fallback && !lacks(file, &given.path) {
            continue;
        }
        if let [name] = given.path.as_slice() {
            if let Some(right) = single_underscore(name, schema) {
                let help = Some(format!("did you mean `{right}`?"));
                report.override_error(
                    &given.name,
                    "a table and its field are joined by two underscores",
                    help,
                );
            }
            continue;
        }
        if let Err((message, help)) = set(file, schema, given) {
            report.override_error(&given.name, &message, help);
        }
    }
}

/// Returns `true` if the file has the table of this field, and not the field.
fn lacks(file: &DeTable<'_>, path: &[String]) -> bool {
    let [table, field] = path else { return false };
    let table = file.get(table.as_str()).and_then(|table| table.get_ref().as_table());
    table.is_some_and(|table| !table.contains_key(field.as_str()))
}

type Wrong = (String, Option<String>);

fn set<'s>(file: &mut DeTable<'s>, schema: &Value, given: &'s Override) -> Result<(), Wrong> {
    let place = given.place.clone();
    let (mut table, mut schema) = (file, schema);
    for (depth, segment) in given.path.iter().enumerate() {
        let (key, inner) = field(schema, table, segment).ok_or_else(|| unknown(schema, given, depth))?;
        schema = inner;
        let key = Spanned::new(place.clone(), Cow::Owned(key));
        if depth + 1 == given.path.len() {
            table.insert(key, value(given, schema)?);
            return Ok(());
        }
        let empty = || Spanned::new(place.clone(), DeValue::Table(DeTable::new()));
        let entry = table.entry(key).or_insert_with(empty);
        let DeValue::Table(inner) = entry.get_mut() else {
            return Err((format!("`{segment}` is not a table in the file"), None));
        };
        table = inner;
    }
    Ok(())
}

/// The key that a segment means in the table, and the schema of its value.
fn field<'v>(schema: &'v Value, table: &DeTable<'_>, segment: &str) -> Option<(String, &'v Value)> {
    if let Some(known) = schema.get("properties").and_then(|fields| fields.get(segment)) {
        return Some((segment.to_owned(), known));
    }
    // Names of limits and tiers keep the file's spelling, which variables cannot: they have no `-`.
    let named = schema.get("additionalProperties").filter(|inner| inner.is_object())?;
    let same = |key: &str| key.to_lowercase().replace('-', "_") == segment.replace('-', "_");
    let existing = table.keys().map(|key| key.get_ref().as_ref()).find(|key| same(key));
    Some((existing.unwrap_or(segment).to_owned(), named))
}

fn value<'s>(given: &'s Override, schema: &Value) -> Result<Spanned<DeValue<'s>>, Wrong> {
    let text = given.value.reveal();
    let place = given.place.clone();
    let wants = wanted(schema);
    if wants.contains(&"object") && wants.len() == 1 {
        return Err(("a table cannot be given in a variable; give its fields, one by one".to_owned(), None));
    }
    if let Ok(parsed) = DeValue::parse(text) {
        let value = parsed.into_inner();
        let fits = match &value {
            DeValue::Integer(_) => wants.iter().any(|kind| matches!(*kind, "integer" | "number")),
            DeValue::Float(_) => wants.contains(&"number"),
            DeValue::Boolean(_) => wants.contains(&"boolean"),
            DeValue::Array(items) => {
                wants.contains(&"array")
                    && items.iter().all(|item| !item.get_ref().is_table() && !item.get_ref().is_array())
            }
            _ => false,
        };
        if fits {
            return Ok(Spanned::new(place.clone(), moved(value, &place)));
        }
    }
    let string = |text: &'s str| Spanned::new(place.clone(), DeValue::String(Cow::Borrowed(text)));
    if wants.contains(&"array") && (text.contains(',') || !wants.contains(&"string")) {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Ok(Spanned::new(place.clone(), DeValue::Array(items.map(string).collect())));
    }
    Ok(string(text))
}

/// The value with its parts' places behind the file's text, where the override stands.
fn moved<'s>(value: DeValue<'s>, place: &Range<usize>) -> DeValue<'s> {
    match value {
        DeValue::Array(items) => {
            let items = items.into_iter().map(|item| Spanned::new(place.clone(), item.into_inner()));
            DeValue::Array(items.collect::<DeArray<'s>>())
        }
        scalar => scalar,
    }
}

/// The JSON types that a schema admits.
fn wanted(schema: &Value) -> Vec<&str> {
    let one_of = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
    match (schema.get("type"), one_of) {
        (Some(Value::String(kind)), _) => vec![kind],
        (Some(Value::Array(kinds)), _) => kinds.iter().filter_map(Value::as_str).collect(),
        (_, Some(choices)) => choices.iter().flat_map(wanted).collect(),
        _ => vec!["string"],
    }
}

fn unknown(schema: &Value, given: &Override, depth: usize) -> Wrong {
    let segment = &given.path[depth];
    let variable = |field: &str| {
        let mut path = given.path.clone();
        path[depth] = field.to_owned();
        format!("SLUICEGATE_{}", path.join("__").to_uppercase())
    };
    let names: Vec<_> = fields(schema).map(variable).collect();
    let what = if depth == 0 { "table" } else { "field" };
    (
        format!("unknown {what} `{segment}`"),
        did_you_mean(&variable(segment), names.iter().map(String::as_str)),
    )
}

/// The variable that was meant by a name with too few underscores, if it names a setting otherwise.
fn single_underscore(name: &str, schema: &Value) -> Option<String> {
    fields(schema).find_map(|table| {
        let field = name.strip_prefix(table)?.strip_prefix('_')?;
        fields(&schema["properties"][table])
            .any(|known| known == field)
            .then(|| format!("SLUICEGATE_{}__{}", table.to_uppercase(), field.to_uppercase()))
    })
}

fn fields(schema: &Value) -> impl Iterator<Item = &str> {
    let fields = schema.get("properties").and_then(Value::as_object);
    fields.into_iter().flat_map(|fields| fields.keys().map(String::as_str))
}

/// Standard variables of OpenTelemetry's exporters, each with its field of `[telemetry]`.
const OF_OPENTELEMETRY: [(&str, &str); 3] = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "endpoint"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "headers"),
    ("OTEL_SERVICE_NAME", "service_name"),
];
