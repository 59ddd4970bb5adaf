//! Fields of forms: `application/x-www-form-urlencoded`.

use crate::{BodyError, JsonPointer};

use super::json;

/// Finds the texts that keys point to in a form.
///
/// curl and others call JSON a form unless told otherwise. So a pointer that names no field is looked for in JSON, if the body
/// is that. A value that both readings find, and differently, is refused.
pub(super) fn search(body: &[u8], pointers: &[&JsonPointer]) -> Result<Vec<Option<String>>, BodyError> {
    let mut found = fields(pointers, form_urlencoded::parse(body))?;
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if !matches!(first, Some(b'{' | b'[')) {
        return Ok(found);
    }
    let document = match json::search(body, pointers) {
        Ok(document) => document,
        Err(BodyError::Malformed(_)) => return Ok(found),
        Err(error) => return Err(error),
    };
    for ((field, value), pointer) in found.iter_mut().zip(document).zip(pointers) {
        match (&field, value.and_then(json::Found::into_text)) {
            (Some(text), Some(value)) if *text != value => return Err(BodyError::Twice(pointer.to_string())),
            (None, value @ Some(_)) => *field = value,
            _ => {}
        }
    }
    Ok(found)
}

/// Picks the fields that pointers name out of the fields of a form.
pub(super) fn fields<N: AsRef<str>, T: Into<String>>(
    pointers: &[&JsonPointer],
    fields: impl Iterator<Item = (N, T)>,
) -> Result<Vec<Option<String>>, BodyError> {
    let mut found = vec![None; pointers.len()];
    for (name, text) in fields {
        let Some(index) = place(pointers, name.as_ref()) else { continue };
        if found[index].replace(text.into()).is_some() {
            return Err(BodyError::Twice(pointers[index].to_string()));
        }
    }
    Ok(found)
}

/// The pointer that names this field: a form has one level, so it has one segment.
pub(super) fn place(pointers: &[&JsonPointer], field: &str) -> Option<usize> {
    pointers.iter().position(|pointer| matches!(pointer.segments(), [name] if name == field))
}
