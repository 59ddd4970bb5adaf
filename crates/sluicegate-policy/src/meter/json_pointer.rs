//! A place in a JSON document (RFC 6901).

use std::{fmt, str::FromStr};

/// A place in a JSON document (RFC 6901): `/inputs`, `/0/text`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct JsonPointer {
    text: String,
    segments: Vec<String>,
}

impl JsonPointer {
    /// The most segments: nobody's batch stands deeper.
    pub const MAX_SEGMENTS: usize = 16;

    /// The batch size in KServe's protocol V2, if it is this dimension of the first input's shape.
    pub(crate) fn kserve(dimension: usize) -> Self {
        let dimension = dimension.to_string();
        let segments = ["inputs", "0", "shape", &dimension].map(str::to_owned);
        Self { text: format!("/{}", segments.join("/")), segments: segments.into() }
    }

    /// The pointer to a member of the document, or to a field of a form.
    pub(crate) fn member(name: &str) -> Self {
        let text = ["/", &name.replace('~', "~0").replace('/', "~1")].concat();
        Self { text, segments: vec![name.to_owned()] }
    }

    /// The names and indices from the document's root.
    pub(crate) fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Returns `true` if the other pointer is the same, or leads into the value at this one.
    pub(crate) fn leads_to(&self, other: &Self) -> bool {
        other.segments.starts_with(&self.segments)
    }

    /// The pointer as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for JsonPointer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let Some(rest) = text.strip_prefix('/') else {
            return match text {
                "" => Ok(Self { text: String::new(), segments: Vec::new() }),
                _ => Err("a JSON pointer begins with `/`"),
            };
        };
        let segments = rest.split('/').map(unescaped).collect::<Option<Vec<_>>>();
        match segments {
            Some(segments) if segments.len() <= Self::MAX_SEGMENTS => {
                Ok(Self { text: text.to_owned(), segments })
            }
            Some(_) => Err("a JSON pointer has at most 16 segments here"),
            None => Err("in a JSON pointer `~` is written `~0`, and a `/` inside a name `~1`"),
        }
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

fn unescaped(segment: &str) -> Option<String> {
    let mut pieces = segment.split('~');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match (piece.strip_prefix('0'), piece.strip_prefix('1')) {
            (Some(rest), _) => text.extend(['~'].into_iter().chain(rest.chars())),
            (_, Some(rest)) => text.extend(['/'].into_iter().chain(rest.chars())),
            _ => return None,
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_read_as_rfc_6901_says() {
        let segments = |text: &str| text.parse::<JsonPointer>().map(|pointer| pointer.segments);
        assert_eq!(segments(""), Ok(vec![]));
        assert_eq!(segments("/"), Ok(vec![String::new()]));
        assert_eq!(segments("/a~1b/~01/0"), Ok(vec!["a/b".into(), "~1".into(), "0".into()]));
        assert!(segments("inputs").is_err());
        assert!(segments("/a~2").is_err());
        assert!(segments(&"/a".repeat(17)).is_err());
    }
}
