//! Metrics in the text format of Prometheus.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt,
};

/// The metrics of one scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Exposition(HashMap<String, BTreeMap<Labels, f64>>);

/// The labels of a series by their names.
pub(crate) type Labels = BTreeMap<String, String>;

/// A line that is not in the format.
#[derive(Debug, PartialEq)]
pub(crate) struct Malformed {
    line: String,
}

impl Exposition {
    /// Reads the samples of a text. Comments and timestamps are left out.
    ///
    /// # Errors
    ///
    /// The first line that is neither a sample nor a comment.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let mut metrics = HashMap::<_, BTreeMap<_, _>>::new();
        for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            let (name, labels, value) = sample(line).ok_or_else(|| Malformed { line: line.to_owned() })?;
            metrics.entry(name.to_owned()).or_default().insert(labels, value);
        }
        Ok(Self(metrics))
    }

    /// Returns the series of a metric, in the order of their labels.
    pub(crate) fn series(&self, name: &str) -> impl Iterator<Item = (&Labels, f64)> {
        self.0.get(name).into_iter().flatten().map(|(labels, value)| (labels, *value))
    }

    /// Returns the value of one series.
    pub(crate) fn value(&self, name: &str, labels: &Labels) -> Option<f64> {
        self.0.get(name)?.get(labels).copied()
    }

    /// Returns the sum of a metric's series. `None` if there are none.
    pub(crate) fn total(&self, name: &str) -> Option<f64> {
        self.0.get(name).map(|series| series.values().sum())
    }
}

/// Splits a line into name, labels and value.
fn sample(line: &str) -> Option<(&str, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some((name, labels, value))
}

/// Reads `name="value",…}` and returns what follows.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, after) = unquoted(quoted)?;
        labels.insert(name.trim().to_owned(), value);
        rest = after;
    }
}

/// Reads a value up to its closing quote and returns what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.line.chars().take(60).collect();
        write!(f, "`{shown}` is no line of metrics")
    }
}

impl Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_their_labels_and_without_comments() {
        let metrics = Exposition::parse(
            "# HELP up Whether\n# TYPE up gauge\nup 1\nasked{route=\"/a\",le=\"+Inf\"} 2.5 1700000000\n\n",
        );
        let metrics = metrics.unwrap();
        assert_eq!(metrics.value("up", &Labels::new()), Some(1.0));
        let labels = Labels::from([("route", "/a"), ("le", "+Inf")].map(|(a, b)| (a.into(), b.into())));
        assert_eq!(metrics.value("asked", &labels), Some(2.5));
        assert_eq!(metrics.total("missing"), None);
    }

    #[test]
    fn escapes_and_separators_in_a_label_are_read_as_they_were_meant() {
        let metrics = Exposition::parse(r#"asked{route="/a\"},\\ b\n"} 3"#).unwrap();
        let (labels, value) = metrics.series("asked").next().unwrap();
        assert_eq!((labels["route"].as_str(), value), ("/a\"},\\ b\n", 3.0));
    }

    #[test]
    fn a_line_of_another_format_is_named() {
        for line in ["<html>", "up", "up one", "up{a=\"b 1", "up{a} 1", "up{a=\"b\\"] {
            let error = Exposition::parse(&format!("up 1\n{line}\n")).unwrap_err();
            assert_eq!(error.line, line);
        }
    }
}
