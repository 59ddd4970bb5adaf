//! Reading one table of the file, and finding everything that is wrong with it.

use std::{collections::BTreeSet, ops::Range};

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, ValueDeserializer},
};

use crate::config::{diagnostic::did_you_mean, report::Report, source::within};

/// Reads a table or another value called `name`, or reports everything that is wrong with it.
pub(super) fn read<'de, T: Deserialize<'de>>(
    report: &mut Report<'_>,
    name: &str,
    value: Spanned<DeValue<'de>>,
) -> Option<T> {
    let read = T::deserialize(ValueDeserializer::from(value.clone())).ok();
    if read.is_none() {
        Search::of(name, value).report_all::<T>(report);
    }
    read
}

/// A search for what is wrong with a value. serde stops at the first error, so each part that an error is about is taken
/// out, and the rest is read again.
struct Search<'de> {
    /// The value, where the place of every part is its number in `parts`.
    value: Spanned<DeValue<'de>>,
    parts: Vec<Part>,
    /// The tables that have lost a field, by their numbers, and the field.
    taken_out: BTreeSet<(usize, String)>,
}

/// The name or the value of a field, or an entry of a list.
struct Part {
    place: Range<usize>,
    /// The field, such as `gateway.listen`; that of the whole list for an entry.
    field: String,
    is_entry: bool,
}

impl<'de> Search<'de> {
    fn of(name: &str, value: Spanned<DeValue<'de>>) -> Self {
        let mut parts = Vec::new();
        let value = numbered(value, name, false, &mut parts);
        Self { value, parts, taken_out: BTreeSet::new() }
    }

    /// Returns `true` if a field is missing from a table only because it was taken out, perhaps under a wrong name.
    fn follows_from_another(&self, table: usize, message: &str) -> bool {
        let Some(missing) = missing_field(message) else { return false };
        let mut of_table = self.taken_out.iter().filter(|(number, _)| *number == table);
        of_table.any(|(_, name)| {
            let stands_for = name == "descriptor" && missing == "path";
            name == missing || stands_for || did_you_mean(name, [missing]).is_some()
        })
    }

    fn report_all<T: Deserialize<'de>>(mut self, report: &mut Report<'_>) {
        while let Err(error) = T::deserialize(ValueDeserializer::from(self.value.clone())) {
            let number = error.span().map_or(0, |number| number.start);
            let Some(part) = self.parts.get(number) else { return };
            if !self.follows_from_another(number, error.message()) {
                let subject = if part.is_entry {
                    format!("an entry of `{}`", part.field)
                } else {
                    format!("`{}`", part.field)
                };
                report.toml(&error, part.place.clone(), Some(&subject));
            }
            // Each round takes out one part, so this ends. A report keeps only so many errors anyway.
            if report.is_full() || !take_out(&mut self.value, number, &mut self.taken_out) {
                return;
            }
        }
    }
}

/// The value with the place of every part replaced by its number.
fn numbered<'de>(
    value: Spanned<DeValue<'de>>,
    field: &str,
    is_entry: bool,
    parts: &mut Vec<Part>,
) -> Spanned<DeValue<'de>> {
    let number = added(parts, Part { place: value.span(), field: field.to_owned(), is_entry });
    let value = match value.into_inner() {
        DeValue::Table(fields) => {
            let mut table = DeTable::new();
            for (name, value) in fields {
                let field = within(field, name.get_ref());
                let number = added(parts, Part { place: name.span(), field: field.clone(), is_entry: false });
                let value = numbered(value, &field, false, parts);
                table.insert(Spanned::new(number, name.into_inner()), value);
            }
            DeValue::Table(table)
        }
        DeValue::Array(entries) => {
            DeValue::Array(entries.into_iter().map(|entry| numbered(entry, field, true, parts)).collect())
        }
        scalar => scalar,
    };
    Spanned::new(number, value)
}

/// Adds a part, and returns its number as a place.
fn added(parts: &mut Vec<Part>, part: Part) -> Range<usize> {
    let number = parts.len();
    parts.push(part);
    number..number
}

/// Takes the part with this number out of a value. Returns `false` if it is the value itself, or not in it.
fn take_out(
    value: &mut Spanned<DeValue<'_>>,
    number: usize,
    taken_out: &mut BTreeSet<(usize, String)>,
) -> bool {
    let table = value.span().start;
    match value.get_mut() {
        DeValue::Table(fields) => {
            let is_it = |place: Range<usize>| place.start == number;
            let found = fields.iter().find(|(name, value)| is_it(name.span()) || is_it(value.span()));
            match found.map(|(name, _)| name.clone()) {
                Some(name) => {
                    fields.remove(&name);
                    taken_out.insert((table, name.into_inner().into_owned()));
                    true
                }
                None => fields.iter_mut().any(|(_, value)| take_out(value, number, taken_out)),
            }
        }
        DeValue::Array(entries) => {
            let is_it = |entry: &Spanned<DeValue<'_>>| entry.span().start == number;
            if !entries.iter().any(is_it) {
                return entries.iter_mut().any(|entry| take_out(entry, number, taken_out));
            }
            let others = std::mem::replace(entries, DeArray::new()).into_iter();
            *entries = others.filter(|entry| !is_it(entry)).collect();
            true
        }
        _ => false,
    }
}

/// The field of serde's "missing field `a`".
fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}
