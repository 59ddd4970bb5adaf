//! The formats of logs.

use std::str::FromStr;

use crate::{
    FormatError, Wanted,
    readers::{
        LineReader,
        caddy::Caddy,
        decisions::Decisions,
        template::{COMBINED, ENVOY, Template},
    },
};

/// The format of a log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// Found out by the name of the file and its first line.
    #[default]
    Auto,
    /// The `combined` format of nginx and Apache.
    Combined,
    /// Envoy's format, if nothing else is configured.
    Envoy,
    /// Caddy's JSON.
    Caddy,
    /// The decision log of a gateway.
    Decisions,
    /// CSV whose first line names the columns.
    Csv,
    /// Any other text: nginx's `log_format`, or Envoy's format string.
    Template(String),
}

impl FromStr for LogFormat {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Ok(match text {
            "auto" => Self::Auto,
            "combined" => Self::Combined,
            "envoy" => Self::Envoy,
            "caddy" => Self::Caddy,
            "decisions" => Self::Decisions,
            "csv" => Self::Csv,
            template if template.contains(['$', '%']) => Self::Template(template.to_owned()),
            _ => {
                return Err(FormatError(format!(
                    "`{text}` is no format; the formats are auto, combined, envoy, caddy, decisions, csv, and a text with \
                     variables such as '$remote_addr [$time_local] \"$request\"'"
                )));
            }
        })
    }
}

impl LogFormat {
    /// Finds the format of a file by its name and its first line.
    pub(crate) fn of(name: &str, first: &[u8]) -> Self {
        let line = String::from_utf8_lossy(first);
        let line = line.trim_start_matches('\u{feff}').trim_start();
        match line.as_bytes() {
            [b'{', ..] if line.contains("\"event\"") => Self::Decisions,
            [b'{', ..] => Self::Caddy,
            [b'[', ..] => Self::Envoy,
            _ if name.trim_end_matches(".gz").ends_with(".csv") => Self::Csv,
            _ => Self::Combined,
        }
    }

    /// The reader of lines; `None` for CSV, whose records may have several.
    pub(crate) fn reader(&self, wanted: &Wanted) -> Result<Option<Box<dyn LineReader>>, FormatError> {
        Ok(match self {
            Self::Csv | Self::Auto => None,
            Self::Combined => Some(Box::new(Template::new(COMBINED, wanted)?)),
            Self::Envoy => Some(Box::new(Template::new(ENVOY, wanted)?)),
            Self::Template(format) => Some(Box::new(Template::new(format, wanted)?)),
            Self::Caddy => Some(Box::new(Caddy(wanted.clone()))),
            Self::Decisions => Some(Box::new(Decisions)),
        })
    }
}
