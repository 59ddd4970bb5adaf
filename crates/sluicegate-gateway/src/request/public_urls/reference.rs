//! References within the values of fields.

/// `Refresh` with its URL mapped, as in `5; url=http://host/`, if that is another value.
pub(super) fn in_refresh(value: &str, map: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut start = value.find([';', ','])? + 1;
    let skip = |at: usize| value.len() - value[at..].trim_start().len();
    start = skip(start);
    if value.get(start..start + 3).is_some_and(|word| word.eq_ignore_ascii_case("url")) {
        start = skip(start + 3);
        start = skip(start + value[start..].strip_prefix('=').map(|_| 1)?);
    }
    let quote = value[start..].chars().next().filter(|first| matches!(first, '"' | '\''));
    start += usize::from(quote.is_some());
    let end = quote.and_then(|quote| value[start..].find(quote)).map_or(value.len(), |length| start + length);
    let url = map(&value[start..end])?;
    Some([&value[..start], &url, &value[end..]].concat())
}

/// `Link` with each of its targets mapped, as in `<http://host/2>; rel="next"`, if that is another value.
pub(super) fn in_links(value: &str, map: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut mapped = String::new();
    let (mut copied, mut at) = (0, 0);
    let mut is_quoted = false;
    while let Some(byte) = value.as_bytes().get(at) {
        at += 1;
        match byte {
            // What follows it in a quoted text is no end of it.
            b'\\' if is_quoted => at += 1,
            b'"' => is_quoted = !is_quoted,
            b'<' if !is_quoted => {
                let Some(length) = value[at..].find('>') else { break };
                if let Some(url) = map(&value[at..at + length]) {
                    mapped.extend([&value[copied..at], &url]);
                    copied = at + length;
                }
                at += length;
            }
            _ => {}
        }
    }
    (copied > 0).then(|| mapped + &value[copied..])
}
