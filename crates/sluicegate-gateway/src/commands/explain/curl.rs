//! `-H` and `-d`, which mean what they mean to curl.

use std::{
    fs,
    io::{self, Read},
};

/// The headers, each with its value.
///
/// # Errors
///
/// When a file cannot be read, or a line is no header. The line is not shown, as it may hold a secret.
pub(super) fn headers(given: &[String]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut headers = Vec::new();
    for (index, text) in given.iter().enumerate() {
        match text.strip_prefix('@') {
            Some(file) => {
                for line in read(file)?.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
                    if !line.is_empty() {
                        headers.extend(header(line).map_err(|error| format!("{file}: a line {error}"))?);
                    }
                }
            }
            None => {
                let line = header(text.as_bytes());
                headers.extend(line.map_err(|error| format!("--header, number {}, {error}", index + 1))?);
            }
        }
    }
    Ok(headers)
}

/// The body; `None` if there is none.
///
/// # Errors
///
/// When a file cannot be read.
pub(super) fn data(given: &[String]) -> Result<Option<Vec<u8>>, String> {
    let mut pieces = Vec::new();
    for text in given {
        pieces.push(match text.strip_prefix('@') {
            Some(file) => read(file)?.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect(),
            None => text.clone().into_bytes(),
        });
    }
    Ok((!pieces.is_empty()).then(|| pieces.join(&b'&')))
}

/// Reads `name: value`, or `name;` for a header with an empty value. `name:` is a header that is not sent.
fn header(line: &[u8]) -> Result<Option<(String, Vec<u8>)>, &'static str> {
    let line = line.trim_ascii();
    if let Some(name) = line.strip_suffix(b";").filter(|name| !name.contains(&b':')) {
        return Ok(Some((text(name), Vec::new())));
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or(NO_HEADER)?;
    let (name, value) = (text(&line[..colon]), line[colon + 1..].trim_ascii());
    Ok((!value.is_empty()).then(|| (name, value.to_vec())))
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name.trim_ascii()).into_owned()
}

fn read(file: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = match file {
        "-" => io::stdin().read_to_end(&mut bytes).map(|_| bytes),
        _ => fs::read(file),
    };
    read.map_err(|error| format!("{file}: cannot be read: {error}"))
}

const NO_HEADER: &str = "is no header: write it as \"name: value\"";
