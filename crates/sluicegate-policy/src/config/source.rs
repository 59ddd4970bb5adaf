//! The text of a policy, and what is said beside it by variables and flags.

mod fields;
mod json;

use std::{
    fmt,
    fs::File,
    io::{ErrorKind, Read},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

pub(crate) use fields::within;

use fields::Fields;

use crate::{Diagnostic, Diagnostics, Overrides, Place, config::overrides::Override};

/// A policy's text with its overrides, before anything of it is understood.
///
/// ```
/// use sluicegate_policy::{Overrides, Policy, Source};
///
/// let text = r#"
///     [[route]]
///     path = "/predict"
///     limits = ["10/minute"]
/// "#;
/// let policy = Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?;
/// assert_eq!(policy.limits.len(), 1);
/// # Ok::<(), sluicegate_policy::Diagnostics>(())
/// ```
#[derive(Clone)]
pub struct Source {
    name: Arc<str>,
    text: String,
    overrides: Vec<Override>,
    /// Of a value that a program gave: its reader knows fields, and has never seen the text.
    fields: Fields,
}

impl Source {
    /// The largest policy file: 1 MiB. A thousand routes take a tenth of it.
    pub const MAX_BYTES: usize = 1 << 20;

    /// The text of a file called `name`.
    ///
    /// # Errors
    ///
    /// When it is larger than [`MAX_BYTES`](Self::MAX_BYTES) or not UTF-8.
    pub fn new(name: &str, bytes: &[u8]) -> Result<Self, Diagnostics> {
        let name: Arc<str> = name.into();
        if bytes.len() > Self::MAX_BYTES {
            return Err(whole(name, "larger than 1 MiB; a policy is a small file").into());
        }
        // Windows editors like to begin a file with a byte order mark, which says nothing in UTF-8.
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text: text.to_owned(), ..Self::empty() }),
            Err(error) => {
                let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
                let end = valid.len();
                let source = Self { name, text: valid, ..Self::empty() };
                let message = "not UTF-8; save the file in UTF-8".to_owned();
                Err(Diagnostic { place: source.place(end), message, help: None }.into())
            }
        }
    }

    /// Reads the file at `path`, and no more of it than a policy may be long.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is too large, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        let most = u64::try_from(Self::MAX_BYTES + 1).unwrap_or(u64::MAX);
        match File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)) {
            Ok(_) => Self::new(&name, &bytes),
            Err(error) => {
                let help = (error.kind() == ErrorKind::NotFound).then(|| NO_FILE.to_owned());
                Err(Diagnostic { help, ..whole(name.into(), &format!("cannot be read: {error}")) }.into())
            }
        }
    }

    /// No file: a policy that is made of overrides alone.
    #[must_use]
    pub fn empty() -> Self {
        let name = "(no file)".into();
        Self { name, text: String::new(), overrides: Vec::new(), fields: Fields::default() }
    }

    /// No file but a value that says the same: its tables by name, as JSON or a program has them. What is wrong with it
    /// is told by its field, such as `route[0].limits`. `name` is the name of the value for the reader.
    ///
    /// ```
    /// use sluicegate_policy::{Policy, Source};
    ///
    /// let value = serde_json::json!({ "route": [{ "path": "/predict", "limits": ["10/minite"] }] });
    /// let error = Policy::parse(&Source::of_json("policy", &value)?).expect_err("there are no minites");
    /// assert!(error.to_string().starts_with("policy: route[0].limits[0]: "));
    /// # Ok::<(), sluicegate_policy::Diagnostics>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When a file could not say it: it is no table, holds a null, or is larger than [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn of_json(name: &str, value: &Value) -> Result<Self, Diagnostics> {
        match json::written(value) {
            Ok((text, fields)) => Ok(Self { fields, ..Self::new(name, text.as_bytes())? }),
            Err((field, message, help)) => {
                let place = Place::Field { of: name.into(), field };
                Err(Diagnostic { place, message: message.to_owned(), help: Some(help.to_owned()) }.into())
            }
        }
    }

    /// The same text, with these over it. They come after any that were given before, and win over them.
    #[must_use]
    pub fn with(mut self, overrides: Overrides) -> Self {
        let mut start = self.overrides.last().map_or(self.text.len(), |last| last.place.end);
        for mut given in overrides.into_vec() {
            // Each override gets places of its own behind the text's, so that whatever is wrong with its value
            // is found by place alone, as for a value of the file.
            given.place = start + 1..start + 2 + given.value.reveal().len();
            start = given.place.end;
            self.overrides.push(given);
        }
        self
    }

    /// Says what is wrong with a setting, at the place where it is given: in an override, or else in the text.
    ///
    /// ```
    /// use sluicegate_policy::Source;
    ///
    /// let source = Source::new("sluicegate.toml", b"[store]\nurl = 'redis://cache'")?;
    /// let wrong = source.wrong_setting("store.url", "it does not answer".to_owned());
    /// assert_eq!(wrong.to_string(), "sluicegate.toml:2:7: it does not answer");
    /// # Ok::<(), sluicegate_policy::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn wrong_setting(&self, setting: &str, message: String) -> Diagnostic {
        let given = self.overrides.iter().rev().find(|given| given.setting() == setting);
        let start = match given {
            Some(given) => Some(given.place.start),
            None if self.fields.is_empty() => Fields::of(&self.text).start_of(setting),
            None => self.fields.start_of(setting),
        };
        let place = start.map_or_else(|| Place::File(self.name.clone()), |start| self.place(start));
        Diagnostic { place, message, help: None }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// The position, for a reader, of a place in the text, or after it in an override.
    pub(crate) fn place(&self, offset: usize) -> Place {
        if let Some(given) = self.overrides.iter().find(|given| given.place.contains(&offset)) {
            return Place::Override(given.name.clone());
        }
        if !self.fields.is_empty() {
            return match self.fields.around(offset) {
                Some(field) => Place::Field { of: self.name.clone(), field: field.to_owned() },
                None => Place::File(self.name.clone()),
            };
        }
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place::At {
            file: self.name.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The directory from which a relative path at this place is meant: the file's; for an override or a
    /// value of a program the process's.
    pub(crate) fn beside(&self, offset: usize) -> PathBuf {
        if offset < self.text.len() && self.fields.is_empty() {
            Path::new(&*self.name).parent().map(Path::to_owned).unwrap_or_default()
        } else {
            PathBuf::new()
        }
    }

    /// Finds the beginning of the string with the value `within`: after its quotation marks.
    ///
    /// `None` when the string is not written as it reads, because of escapes: then only its beginning is sure.
    pub(crate) fn inside(&self, place: &Range<usize>, value: &str) -> Option<usize> {
        let written = self.text.get(place.clone())?;
        let at = written.find(value)?;
        (written.len() - value.len() <= LONGEST_QUOTES).then_some(place.start + at)
    }
}

/// By its name: the text may hold passwords.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

fn whole(name: Arc<str>, message: &str) -> Diagnostic {
    Diagnostic { place: Place::File(name), message: message.to_owned(), help: None }
}

const NO_FILE: &str = "name another file, or write a first policy with `sluicegate init`";

/// `"""` and a newline on one side, `"""` on the other.
const LONGEST_QUOTES: usize = 8;
