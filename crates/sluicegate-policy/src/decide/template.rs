//! A route's path as it is written: a template of paths.

use crate::decide::path::{Readings, canonical};

/// A route's path: `/models/{model}/predict`, `/static/{*rest}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    /// Written as paths are matched.
    Literal(String),
    Parameter(String),
    Rest(String),
}

impl Template {
    /// Reads a template. The error says what is wrong, and what would be right.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        let wrong = |message: &str, help| Err((message.to_owned(), help));
        if !text.starts_with('/') {
            return wrong("a path begins with `/`", "write it as \"/predict\"");
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(next);
                rest = &rest[2..];
                continue;
            }
            if !matches!(next, '{' | '}') {
                literal.push(next);
                rest = &rest[next.len_utf8()..];
                continue;
            }
            let Some((name, behind)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
                return wrong("a brace that is not closed, or not opened", BRACES);
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(canonical(&std::mem::take(&mut literal))));
            }
            pieces.push(match name.strip_prefix('*') {
                Some(name) if is_name(name) && behind.is_empty() => Piece::Rest(name.to_owned()),
                Some(name) if is_name(name) => {
                    return wrong("`{*…}` takes the whole rest of a path", "let it be the last of the path");
                }
                None if is_name(name) => Piece::Parameter(name.to_owned()),
                _ => return Err((format!("`{{{name}}}` is not a parameter"), NAME)),
            });
            rest = behind;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(canonical(&literal)));
        }
        let template = Self { pieces };
        template.check()?;
        Ok(template)
    }

    fn check(&self) -> Result<(), (String, &'static str)> {
        let mut names: Vec<_> = self.parameters().collect();
        names.sort_unstable();
        if let Some(two) = names.windows(2).find(|two| two[0] == two[1]) {
            return Err((format!("the parameter `{}` appears twice", two[0]), "give each a name of its own"));
        }
        let mut in_segment = false;
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => in_segment &= !text.contains('/'),
                _ if std::mem::replace(&mut in_segment, true) => {
                    let help = "give each a segment of its own, as in /{owner}/{model}";
                    return Err(("two parameters in one segment".to_owned(), help));
                }
                _ => {}
            }
        }
        // Requests whose path can be read in several ways are refused where it matters, so a template of that
        // kind would never be met.
        let sample = self.shape().replace(['{', '}', '*'], "x");
        match Readings::of(&sample) {
            Some(readings) if readings.others.is_empty() && !sample.contains(['?', '#']) => Ok(()),
            _ => Err((
                "a path has no empty, `.` or `..` segments, and no `;`, `\\`, `?`, `#` or control characters"
                    .to_owned(),
                "write the path as the server sees it",
            )),
        }
    }

    /// The names of the parameters.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Parameter(name) | Piece::Rest(name) => Some(name.as_str()),
        })
    }

    /// The template as the router takes it.
    pub(crate) fn pattern(&self) -> String {
        self.written(|name| format!("{{{name}}}"), |name| format!("{{*{name}}}"))
    }

    /// The template without the names of its parameters: equal for templates of the same paths.
    pub(crate) fn shape(&self) -> String {
        self.written(|_| "{}".to_owned(), |_| "{*}".to_owned())
    }

    /// For `/static/{*rest}`, `/static/`: a rest may be empty in Starlette, and may not in the router.
    pub(crate) fn with_empty_rest(&self) -> Option<Self> {
        match self.pieces.split_last() {
            Some((Piece::Rest(_), pieces)) => Some(Self { pieces: pieces.to_vec() }),
            _ => None,
        }
    }

    fn written(&self, parameter: impl Fn(&str) -> String, rest: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(&text.replace('{', "{{").replace('}', "}}")),
                Piece::Parameter(name) => out.push_str(&parameter(name)),
                Piece::Rest(name) => out.push_str(&rest(name)),
            }
        }
        out
    }
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

const BRACES: &str = "write a parameter as {name}, and a brace of the path itself as {{ or }}";
const NAME: &str = "name it with letters, digits and `_`, as in {model}";
