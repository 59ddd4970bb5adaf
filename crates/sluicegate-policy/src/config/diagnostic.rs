//! Errors of a policy: what is wrong, where, and what would be right.

use std::{fmt, sync::Arc};

/// One thing that is wrong with a policy.
///
/// It displays as a compiler's message does, so that editors and terminals can jump to it:
///
/// ```text
/// sluicegate.toml:12:9: unknown field `limts`
///   help: did you mean `limits`?
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// The place of the error.
    pub place: Place,
    /// The error.
    pub message: String,
    /// The remedy.
    pub help: Option<String>,
}

/// The place of an error.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// In the file as a whole: it cannot be read, or something is missing from it.
    File(Arc<str>),
    /// At a character of the file.
    At {
        /// The file's name, as it was given.
        file: Arc<str>,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
    },
    /// In a field of a value that a program gave; the field of the value as a whole is empty.
    Field {
        /// The value's name, as it was given.
        of: Arc<str>,
        /// The field, such as `route[0].limits`.
        field: String,
    },
    /// In an environment variable or a command-line flag, by its name.
    Override(String),
}

/// Everything that is wrong with a policy, in the order of the file.
///
/// At most [`Diagnostics::MOST`] are kept; the last line of the display says how many more there were.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    left_off: usize,
}

impl Diagnostics {
    /// The most that are kept. A reader fixes no more at once, and a hostile file must not make a flood of them.
    pub const MOST: usize = 50;

    /// The errors and warnings, in the order of the file; never empty in an error.
    #[must_use]
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.found
    }

    /// These, and then those.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        let left_off = self.left_off + others.left_off;
        let mut all: Self = self.found.into_iter().chain(others.found).collect();
        all.left_off += left_off;
        all
    }

    /// Returns `true` if nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns `true` if another one would only be counted, so that its help need not be worked out.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= Self::MOST
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.is_full() { self.left_off += 1 } else { self.found.push(diagnostic) }
    }

    pub(crate) fn sort(&mut self) {
        self.found.sort_by(|a, b| a.place.cmp(&b.place));
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { found: vec![diagnostic], left_off: 0 }
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    /// In the order in which they come.
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Self {
        let mut all = Self::default();
        diagnostics.into_iter().for_each(|diagnostic| all.push(diagnostic));
        all
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.found.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            diagnostic.fmt(f)?;
        }
        match self.left_off {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.write_str(file),
            Self::At { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Field { of, field } if field.is_empty() => f.write_str(of),
            Self::Field { of, field } => write!(f, "{of}: {field}"),
            Self::Override(name) => f.write_str(name),
        }
    }
}

/// The candidate that `word` was probably meant to be, as a help text.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= LIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}

/// Below this likeness a suggestion confuses more than it helps.
const LIKE: f64 = 0.8;
