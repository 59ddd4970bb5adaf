//! The attributes of a cookie that tell where a client sends it.

/// The value of `Set-Cookie` without the domains that clients cannot have, and with their paths, if that is another value.
pub(super) fn mapped(
    value: &str,
    is_private: impl Fn(&str) -> bool,
    map_path: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let mut pieces = value.split(';');
    let mut mapped = pieces.next()?.to_owned();
    let mut is_other = false;
    for piece in pieces {
        let (name, text) = piece.split_once('=').unwrap_or((piece, ""));
        let text = text.trim();
        let is = |attribute: &str| name.trim().eq_ignore_ascii_case(attribute);
        // A dot before it means nothing (RFC 6265, section 5.2.3).
        if is("domain") && is_private(text.strip_prefix('.').unwrap_or(text)) {
            is_other = true;
            continue;
        }
        mapped.push(';');
        match map_path(text).filter(|_| is("path")) {
            Some(path) => {
                is_other = true;
                mapped.extend([name, "=", &path]);
            }
            None => mapped.push_str(piece),
        }
    }
    is_other.then_some(mapped)
}
