//! The places of the members of a JSON object in its text.

use std::ops::Range;

use memchr::memchr2;

/// The members of the JSON object that a text begins with, and their places in it. It ends early where the text is broken.
#[derive(Debug)]
pub(super) struct Members<'a> {
    text: &'a [u8],
    at: usize,
}

/// A member of an object.
#[derive(Debug)]
pub(super) struct Member<'a> {
    /// The name as it is written, without its quotes.
    name: &'a [u8],
    /// From the first quote of the name to the end of the value.
    pub(super) span: Range<usize>,
    pub(super) value: Range<usize>,
}

impl<'a> Members<'a> {
    /// The members of the object at or behind this index, with only spaces between.
    pub(super) fn at(text: &'a [u8], at: usize) -> Option<Self> {
        let at = after_spaces(text, at);
        (text.get(at) == Some(&b'{')).then_some(Self { text, at: at + 1 })
    }

    /// The index behind the opening brace, or behind the last member that was returned.
    pub(super) fn position(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let mut begin = after_spaces(self.text, self.at);
        if self.text.get(begin) == Some(&b',') {
            begin = after_spaces(self.text, begin + 1);
        }
        if self.text.get(begin) != Some(&b'"') {
            return None;
        }
        let name_end = string_end(self.text, begin)?;
        let colon = after_spaces(self.text, name_end);
        if self.text.get(colon) != Some(&b':') {
            return None;
        }
        let value = after_spaces(self.text, colon + 1);
        let end = value_end(self.text, value)?;
        self.at = end;
        Some(Member { name: &self.text[begin + 1..name_end - 1], span: begin..end, value: value..end })
    }
}

impl Member<'_> {
    /// Returns `true` if this is the member's name, with or without escapes.
    pub(super) fn is_named(&self, name: &str) -> bool {
        if memchr::memchr(b'\\', self.name).is_none() {
            return self.name == name.as_bytes();
        }
        let quoted = [b"\"", self.name, b"\""].concat();
        serde_json::from_slice::<String>(&quoted).is_ok_and(|written| written == name)
    }
}

/// The index of the first byte that is no space.
pub(super) fn after_spaces(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// The index behind the string that begins here.
fn string_end(text: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin + 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The index behind the value that begins here.
fn value_end(text: &[u8], begin: usize) -> Option<usize> {
    match text.get(begin)? {
        b'"' => string_end(text, begin),
        b'{' | b'[' => {
            let (mut at, mut depth) = (begin, 0_usize);
            loop {
                let byte = text.get(at)?;
                match byte {
                    b'"' => {
                        at = string_end(text, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => {
            let rest = &text[begin..];
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
            let length = rest.iter().position(ends)?;
            (length > 0).then_some(begin + length)
        }
    }
}
