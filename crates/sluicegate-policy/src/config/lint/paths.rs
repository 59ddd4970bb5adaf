//! Warnings about paths that are written as templates of other programs.

use crate::config::{file::File, report::Report};

pub(super) fn lint(report: &mut Report<'_>, file: &File) {
    for route in &file.route {
        let Some(path) = &route.path else { continue };
        let Some((foreign, right)) = foreign(&path.value) else { continue };
        let message = format!(
            "`{foreign}` is not a parameter here: only requests whose path has exactly these characters match the route"
        );
        report.error_help(path.start(), message, format!("write it as \"{right}\""));
    }
}

/// The first segment that other programs read as a pattern, and the path as it is written here.
fn foreign(path: &str) -> Option<(&str, String)> {
    let mut found = None;
    let mut right = String::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        right.push('/');
        match translated(segment, is_last) {
            Some(translated) => {
                found.get_or_insert(segment);
                right.push_str(&translated);
            }
            None => right.push_str(segment),
        }
    }
    Some((found?, right))
}

/// Translates a segment as nginx, Express, Flask, Rails, Remix, Next or a regular expression write it.
fn translated(segment: &str, is_last: bool) -> Option<String> {
    let parameter = |name: &str| Some(format!("{{{name}}}"));
    let rest = |name: &str| if is_last { Some(format!("{{*{name}}}")) } else { parameter(name) };
    match segment {
        "*" | "**" | ".*" | "(.*)" | "(.+)" | ".+" => return rest("rest"),
        "[0-9]+" | "([0-9]+)" => return parameter("id"),
        _ => {}
    }
    if let Some(name) = segment.strip_prefix(':') {
        return match name.trim_end_matches(['?', '*', '+']) {
            bare if !is_name(bare) => None,
            bare if name.ends_with(['*', '+']) => rest(bare),
            bare => parameter(bare),
        };
    }
    if let Some(inner) = segment.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
        return match inner.split_once(':').unwrap_or(("string", inner)) {
            (_, name) if !is_name(name) => None,
            ("path", name) => rest(name),
            (_, name) => parameter(name),
        };
    }
    if let Some(inner) = segment.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let inner = inner.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(inner);
        return match inner.strip_prefix("...") {
            Some(name) if is_name(name) => rest(name),
            None if is_name(inner) => parameter(inner),
            _ => None,
        };
    }
    if let Some(name) = segment.strip_prefix('$') {
        let bare = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
        return is_name(bare).then(|| format!("{{{bare}}}"));
    }
    // A prefix of nginx or Traefik, and the end of a regular expression.
    match segment.strip_suffix('*') {
        Some(before) if is_last && is_plain(before) => Some(format!("{before}/{{*rest}}")),
        _ => segment.strip_suffix('$').filter(|before| is_last && is_plain(before)).map(str::to_owned),
    }
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn is_plain(segment: &str) -> bool {
    !segment.is_empty() && segment.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
