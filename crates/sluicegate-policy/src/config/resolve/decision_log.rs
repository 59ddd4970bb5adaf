//! `[decision_log]`.

use super::path;
use crate::{
    DecisionLogSettings,
    config::{file::DecisionLogTable, report::Report},
};

pub(super) fn resolve(report: &mut Report<'_>, table: &DecisionLogTable) -> DecisionLogSettings {
    let default = DecisionLogSettings::new(path(
        report,
        &table.path,
        "write it as \"decisions.jsonl\", or leave [decision_log] out",
    ));
    let max_size = table.max_size.as_ref().map_or(default.max_size, |given| {
        if given.value.0 < SMALLEST {
            let message = format!("`max_size` cannot be {} bytes", given.value.0);
            report.error_help(given.start(), message, "give at least \"4KiB\", for some lines in each file");
        }
        given.value.0
    });
    let files = table.files.as_ref().map_or(default.files, |given| match u32::try_from(given.value) {
        Ok(files @ 1..=MOST_FILES) => files,
        _ => {
            let message = format!("`files` cannot be {}", given.value);
            report.error_help(given.start(), message, format!("give a number from 1 to {MOST_FILES}"));
            default.files
        }
    });
    DecisionLogSettings { max_size, files, keys: table.keys.unwrap_or_default(), ..default }
}

const SMALLEST: u64 = 4096;
const MOST_FILES: u32 = 1000;
