//! Collects what is wrong while a policy is read, so that one run shows it all.

use std::ops::Range;

use crate::{Diagnostic, Diagnostics, Place, Source, config::diagnostic::did_you_mean};

/// The errors found so far in one source.
pub(crate) struct Report<'s> {
    source: &'s Source,
    diagnostics: Diagnostics,
}

impl<'s> Report<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        Self { source, diagnostics: Diagnostics::default() }
    }

    /// Returns `true` if more errors would only be counted.
    pub(crate) fn is_full(&self) -> bool {
        self.diagnostics.is_full()
    }

    pub(crate) fn source(&self) -> &'s Source {
        self.source
    }

    /// Something is wrong at a place of the text.
    pub(crate) fn error(&mut self, at: usize, message: impl Into<String>) {
        self.error_or(at, message, || None);
    }

    /// The same, and this would be right.
    pub(crate) fn error_help(&mut self, at: usize, message: impl Into<String>, help: impl Into<String>) {
        self.error_or(at, message, || Some(help.into()));
    }

    /// The same, with a help that takes work to find.
    pub(crate) fn error_or(
        &mut self,
        at: usize,
        message: impl Into<String>,
        help: impl FnOnce() -> Option<String>,
    ) {
        // Place and help search the whole text: not for what will only be counted.
        let diagnostic = if self.diagnostics.is_full() {
            Diagnostic { place: Place::File(self.source.name().clone()), message: String::new(), help: None }
        } else {
            Diagnostic { place: self.source.place(at), message: message.into(), help: help() }
        };
        self.diagnostics.push(diagnostic);
    }

    /// Something is wrong with a flag or variable, whatever its value.
    pub(crate) fn override_error(&mut self, name: &str, message: &str, help: Option<String>) {
        let place = Place::Override(name.to_owned());
        self.diagnostics.push(Diagnostic { place, message: message.to_owned(), help });
    }

    /// Something is missing from the policy.
    pub(crate) fn file_error(&mut self, message: &str, help: &str) {
        let place = Place::File(self.source.name().clone());
        self.diagnostics.push(Diagnostic { place, message: message.to_owned(), help: Some(help.to_owned()) });
    }

    /// Reports an error of serde or the TOML parser at a place. `subject` is the field there, which is named where the place
    /// does not do so. A custom message's second line is its help.
    pub(crate) fn toml(&mut self, error: &toml::de::Error, place: Range<usize>, subject: Option<&str>) {
        let at = place.start;
        let message = error.message();
        if let Some((message, expected)) = unknown(message, "unknown field ") {
            let field = quoted(message).next().unwrap_or_default();
            return self.error_or(at, message, || Some(suggestion(field, expected, "the fields here are")));
        }
        if let Some((message, expected)) = unknown(message, "unknown variant ") {
            let word = quoted(message).next().unwrap_or_default();
            let message = format!("unknown word `{word}`");
            return self.error_or(at, message, || Some(suggestion(word, expected, "the words here are")));
        }
        match message.split_once('\n') {
            Some((message, help)) => self.error_help(at, message, help),
            None => {
                let subject = subject.filter(|_| matches!(self.source.place(at), Place::At { .. }));
                self.error(at, in_the_files_words(message, subject));
            }
        }
    }

    /// Returns the findings in the order of the file.
    pub(crate) fn into_diagnostics(mut self) -> Diagnostics {
        self.diagnostics.sort();
        self.diagnostics
    }

    /// The value, or all that was wrong.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, Diagnostics> {
        self.diagnostics.sort();
        match value {
            Some(value) if self.diagnostics.is_empty() => Ok(value),
            _ => Err(self.diagnostics),
        }
    }
}

/// serde's "invalid type: map, expected struct Foo", in the terms of TOML.
fn in_the_files_words(message: &str, subject: Option<&str>) -> String {
    let subject = subject.map(|subject| format!("{subject} ")).unwrap_or_default();
    if message == "wanted string or table" || message.starts_with("wanted exactly 1 element") {
        return format!("{subject}must be a string");
    }
    let invalid = message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "));
    let Some((found, expected)) = invalid else { return message.to_owned() };
    let found = found.trim_end_matches(" as i128").trim_end_matches(" as u128");
    let found = match found.split_once(' ') {
        Some(("integer", number)) => format!("the number {}", number.trim_matches('`')),
        Some(("floating", number)) => {
            format!("the number {}", number.trim_start_matches("point ").trim_matches('`'))
        }
        Some(("boolean", truth)) => truth.trim_matches('`').to_owned(),
        Some(("string", _)) => format!("the {found}"),
        _ => match found {
            "map" => "a table",
            "sequence" => "a list",
            other => other,
        }
        .to_owned(),
    };
    let expected = match expected {
        "i64" => "a whole number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        structure if structure.starts_with("struct ") => "a table",
        other => other,
    };
    format!("{subject}must be {expected}, not {found}")
}

/// Splits serde's "unknown field `a`, expected one of `b`, `c`" in two.
fn unknown<'m>(message: &'m str, kind: &str) -> Option<(&'m str, &'m str)> {
    // The name is the file's and may hold anything, the expected names are ours and hold neither comma nor quote.
    message.strip_prefix(kind)?;
    match message.rfind("`, expected ").or_else(|| message.rfind("`, there are no fields")) {
        Some(end) => Some((&message[..=end], &message[end + 1..])),
        None => Some((message, "")),
    }
}

fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

fn suggestion(word: &str, expected: &str, all: &str) -> String {
    did_you_mean(word, quoted(expected)).unwrap_or_else(|| {
        let names: Vec<_> = quoted(expected).map(|name| format!("`{name}`")).collect();
        format!("{all} {}", names.join(", "))
    })
}
