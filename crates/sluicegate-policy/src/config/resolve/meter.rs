//! `meter` of a route.

use crate::{
    JsonPointer, Meter,
    config::{
        file::{MeterEntry, MeterTable, Placed, RouteTable},
        report::Report,
    },
};

/// The meter of a route: at most one that counts items, and one that counts bytes.
pub(super) fn meter(report: &mut Report<'_>, table: &RouteTable) -> Meter {
    let mut items: Option<Meter> = None;
    let mut bytes = false;
    for entry in table.meter.as_ref().map(Placed::entries).unwrap_or_default() {
        match &entry.value {
            MeterEntry::Word(word) if word == BYTES && !bytes => bytes = true,
            MeterEntry::Word(word) if word == KSERVE && items.is_none() => {
                items = Some(Meter::items(JsonPointer::kserve()));
            }
            MeterEntry::Table(table) if items.is_none() => items = Some(of_table(report, table)),
            MeterEntry::Word(word) if word != BYTES && word != KSERVE => {
                let message = format!("unknown meter `{}`", word.escape_debug());
                report.error_help(entry.start(), message, METERS);
            }
            _ => report.error(entry.start(), "this meter appears twice"),
        }
    }
    let meter = items.unwrap_or_default();
    if bytes { meter.and_bytes() } else { meter }
}

fn of_table(report: &mut Report<'_>, table: &MeterTable) -> Meter {
    let pointer = match table.items.value.as_str() {
        KSERVE => JsonPointer::kserve(),
        text => text.parse().unwrap_or_else(|error| {
            let message = format!("`{}` is not a JSON pointer: {error}", text.escape_debug());
            report.error_help(table.items.start(), message, "write it as \"/inputs\"");
            JsonPointer::default()
        }),
    };
    let meter = Meter::items(pointer);
    let Some(max) = &table.max else { return meter };
    match u64::try_from(max.value) {
        Ok(most @ 1..) => meter.at_most(most),
        _ => {
            let message = format!("the most items cannot be {}", max.value);
            report.error_help(max.start(), message, "give a whole number of items, at least 1");
            meter
        }
    }
}

const BYTES: &str = "bytes";
const KSERVE: &str = "kserve";
const METERS: &str = "the meters are \"bytes\", \"kserve\" and { items = \"/inputs\" }";
