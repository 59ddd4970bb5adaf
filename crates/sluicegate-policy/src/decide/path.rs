//! The ways in which an upstream may read a request's path.

use std::borrow::Cow;

/// The readings of a path: first the usual one, then every other that some server makes of it.
///
/// A limit must not be escaped by writing its path another way, and servers disagree about what is the same path:
///
/// * uvicorn decodes the whole path once before Starlette matches it, `%2F` too: `/%70redict` is `/predict`, and
///   `/models%2Fheavy%2Fpredict` is `/models/heavy/predict`. Go and WSGI servers do the same.
/// * axum and others match segments as they were sent, so `%2F` does not separate.
/// * nginx and others merge `//`, resolve `.` and `..`, take `\` for `/`; Java's servers drop `;parameters`.
///
/// So the usual reading is uvicorn's. If another reading leads to another route, it is ambiguous which limits the
/// request should meet, and it is refused; where all lead to the same route the request is as good as any.
/// Nearly every path has one reading only, and that is found without writing it down anew.
#[derive(Debug)]
pub(crate) struct Readings<'p> {
    pub(crate) usual: Cow<'p, str>,
    pub(crate) others: Vec<String>,
}

impl<'p> Readings<'p> {
    /// `None` when the path holds a control character: no honest path does, and Python's `$` lets `/predict%0A`
    /// match `/predict`.
    pub(crate) fn of(raw: &'p str) -> Option<Self> {
        if is_plain(raw) {
            return Some(Self { usual: Cow::Borrowed(raw), others: Vec::new() });
        }
        let decoded = decoded(raw);
        if decoded.iter().any(|(byte, _)| byte.is_ascii_control()) {
            return None;
        }
        // Slashes that were encoded separate in the usual reading, and belong to their segment in the other.
        let usual = encoded(decoded.iter().map(|(byte, _)| (*byte, false)));
        let segments = encoded(decoded.into_iter());
        let mut others = Vec::new();
        for reading in [resolved(&usual), resolved(&segments), segments] {
            if reading != usual && !others.contains(&reading) {
                others.push(reading);
            }
        }
        Some(Self { usual: Cow::Owned(usual), others })
    }
}

/// The one way in which a literal text of a path is written here: ASCII, `%` and all that is not ASCII as `%XX`.
///
/// It keeps different paths different and lets the router see whole characters only.
pub(crate) fn canonical(text: &str) -> String {
    encoded(decoded(text).into_iter().map(|(byte, _)| (byte, false)))
}

fn is_plain(raw: &str) -> bool {
    let odd = |byte: u8| matches!(byte, b'%' | b';' | b'\\') || !byte.is_ascii_graphic();
    let bytes = raw.as_bytes();
    !bytes.iter().any(|byte| odd(*byte)) && !bytes.windows(2).any(|two| two == b"//" || two == b"/.")
}

/// Decodes once, as uvicorn does: `%` without two hexadecimal digits is itself. Says which bytes were encoded.
pub(crate) fn decoded(raw: &str) -> Vec<(u8, bool)> {
    let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = raw.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let high = bytes.get(at + 1).and_then(hex);
        let low = bytes.get(at + 2).and_then(hex);
        match (byte, high, low) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low, true));
                at += 3;
            }
            _ => {
                out.push((*byte, false));
                at += 1;
            }
        }
    }
    out
}

fn encoded(bytes: impl Iterator<Item = (u8, bool)>) -> String {
    let mut out = String::new();
    for (byte, keep) in bytes {
        match byte {
            b'%' => out.push_str("%25"),
            b'/' if keep => out.push_str("%2F"),
            _ if byte.is_ascii() => out.push(char::from(byte)),
            _ => out.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]),
        }
    }
    out
}

/// Resolves a path as the most lenient server would.
fn resolved(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let unslashed = path.replace('\\', "/");
    let pieces = || unslashed.split('/').map(|piece| piece.split(';').next().unwrap_or_default());
    for piece in pieces() {
        match piece {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let directory = matches!(pieces().next_back(), Some("" | "." | ".."));
    let mut out = String::with_capacity(path.len());
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if directory || out.is_empty() {
        out.push('/');
    }
    out
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(raw: &str) -> Vec<String> {
        let readings = Readings::of(raw).unwrap();
        [readings.usual.into_owned()].into_iter().chain(readings.others).collect()
    }

    #[test]
    fn an_ordinary_path_has_one_reading() {
        for path in ["/", "/predict", "/models/a.b/predict/", "/a~b/!$&'()*+,=:@", "*"] {
            assert_eq!(readings(path), [path]);
        }
        assert!(matches!(Readings::of("/predict").unwrap().usual, Cow::Borrowed(_)));
    }

    #[test]
    fn a_path_is_decoded_once() {
        assert_eq!(readings("/%70redict"), ["/predict"]);
        assert_eq!(readings("/%2570redict"), ["/%2570redict"]);
        assert_eq!(readings("/100%"), ["/100%25"]);
        assert_eq!(readings("/%zz%4"), ["/%25zz%254"]);
        assert_eq!(readings("/pr%c3%a9dict"), ["/pr%C3%A9dict"]);
    }

    #[test]
    fn what_servers_disagree_about_has_several_readings() {
        assert_eq!(readings("/models%2Fheavy"), ["/models/heavy", "/models%2Fheavy"]);
        assert_eq!(readings("//predict"), ["//predict", "/predict"]);
        assert_eq!(readings("/a/../predict"), ["/a/../predict", "/predict"]);
        assert_eq!(readings("/a/%2e%2E/predict"), ["/a/../predict", "/predict"]);
        assert_eq!(readings("/predict;v=1"), ["/predict;v=1", "/predict"]);
        assert_eq!(readings("/a\\..\\predict"), ["/a\\..\\predict", "/predict"]);
        assert_eq!(readings("/predict/."), ["/predict/.", "/predict/"]);
        assert_eq!(
            readings("/a%2Fb/../predict"),
            ["/a/b/../predict", "/a/predict", "/predict", "/a%2Fb/../predict"]
        );
        assert_eq!(readings("/../.."), ["/../..", "/"]);
    }

    #[test]
    fn control_characters_are_no_path() {
        for path in ["/predict%0A", "/predict%00", "/predict%7f", "/%1bpredict"] {
            assert!(Readings::of(path).is_none(), "{path}");
        }
    }
}
