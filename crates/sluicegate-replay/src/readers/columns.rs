//! CSV files whose first line names their columns.

use csv::StringRecord;

use super::Wanted;
use crate::{Event, Field, draft::Draft, readers::template::FormatError};

/// The columns of a CSV file.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// The field that each column holds, if any.
    fields: Vec<Option<Field>>,
    wanted: Wanted,
}

impl Columns {
    /// Finds the columns' fields: by `--field`, or by their own names.
    ///
    /// # Errors
    ///
    /// When a column that `--field` names is missing, or none tells the time.
    pub(crate) fn new(names: &StringRecord, wanted: &Wanted) -> Result<Self, FormatError> {
        // A byte order mark is no part of a name.
        let names: Vec<&str> = names.iter().map(|name| name.trim_start_matches('\u{feff}').trim()).collect();
        if let Some((_, missing)) = wanted.fields.iter().find(|(_, name)| !names.contains(&name.as_str())) {
            let all = names.join(", ");
            return Err(FormatError(format!("there is no column `{missing}`; the columns are {all}")));
        }
        let fields: Vec<_> =
            names.iter().map(|name| wanted.field(name).or_else(|| name.parse().ok())).collect();
        if !fields.iter().any(|field| matches!(field, Some(Field::Time | Field::EndTime))) {
            let all = names.join(", ");
            return Err(FormatError(format!(
                "no column tells the time; name it with --field time=COLUMN, of {all}"
            )));
        }
        Ok(Self { fields, wanted: wanted.clone() })
    }

    /// Reads a line.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be read.
    pub(crate) fn read(&self, line: &StringRecord) -> Result<Event, String> {
        let mut draft = Draft::default();
        for (field, text) in self.fields.iter().zip(line) {
            if let Some(field) = field {
                draft.set(field, text.trim())?;
            }
        }
        draft.finish(self.wanted.request.as_ref()).map(|record| Event::Request(Box::new(record)))
    }
}
