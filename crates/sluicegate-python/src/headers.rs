//! Header lines, as ASGI writes them: a list of pairs of bytes.

use http::{HeaderMap, HeaderName, HeaderValue};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList, PyTuple},
};
use sluicegate_policy::LimitHeaders;

/// A list of lines.
pub(crate) fn lines<'py, 'h>(
    py: Python<'py>,
    headers: impl IntoIterator<Item = (&'h HeaderName, &'h HeaderValue)>,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    add(headers, &list)?;
    Ok(list)
}

/// Adds lines to a list.
pub(crate) fn add<'h>(
    headers: impl IntoIterator<Item = (&'h HeaderName, &'h HeaderValue)>,
    list: &Bound<'_, PyList>,
) -> PyResult<()> {
    headers.into_iter().try_for_each(|(name, value)| append(list, name, value))
}

/// Adds the lines of a pass to those of a response.
pub(crate) fn apply(lines: &LimitHeaders, list: &Bound<'_, PyList>) -> PyResult<()> {
    if lines.are_shared() || says_any(list, lines)? {
        // The app's own headers about limits stay, as the gateway leaves an upstream's.
        let mut headers = headers_of(list)?;
        let before = headers.clone();
        lines.append_to(&mut headers);
        for name in headers.keys() {
            for value in headers.get_all(name).iter().skip(before.get_all(name).iter().count()) {
                append(list, name, value)?;
            }
        }
        return Ok(());
    }
    add(lines.iter(), list)
}

/// Returns `true` if a response has a line of one of these names.
fn says_any(list: &Bound<'_, PyList>, lines: &LimitHeaders) -> PyResult<bool> {
    for line in list {
        let name = part(&line, 0)?;
        let name = name.cast::<PyBytes>()?.as_bytes();
        if lines.iter().any(|(known, _)| name.eq_ignore_ascii_case(known.as_str().as_bytes())) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn append(list: &Bound<'_, PyList>, name: &HeaderName, value: &HeaderValue) -> PyResult<()> {
    let py = list.py();
    let name = PyBytes::new(py, name.as_str().as_bytes());
    list.append(PyTuple::new(py, [name, PyBytes::new(py, value.as_bytes())])?)
}

/// A part of a line, or of an address. ASGI allows any sequence, and servers give tuples, which take a tenth of the time.
pub(crate) fn part<'py>(whole: &Bound<'py, PyAny>, place: usize) -> PyResult<Bound<'py, PyAny>> {
    match whole.cast_exact::<PyTuple>() {
        Ok(whole) => whole.get_item(place),
        Err(_) => whole.get_item(place),
    }
}

/// The headers that ASGI's lines are.
pub(crate) fn headers_of(lines: &Bound<'_, PyList>) -> PyResult<HeaderMap> {
    let mut headers = HeaderMap::try_with_capacity(lines.len()).unwrap_or_default();
    for line in lines {
        let (name, value) = (part(&line, 0)?, part(&line, 1)?);
        let name = HeaderName::from_bytes(name.cast::<PyBytes>()?.as_bytes());
        // Servers refuse values that HTTP does not allow; here they are ignored.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.cast::<PyBytes>()?.as_bytes())) {
            // No client reads ten thousand lines either.
            if headers.try_append(name, value).is_err() {
                break;
            }
        }
    }
    Ok(headers)
}

/// The list that any iterable of lines is: ASGI allows every one.
pub(crate) fn list<'py>(lines: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    match lines.cast::<PyList>() {
        Ok(list) => Ok(list.clone()),
        Err(_) => Ok(lines.py().get_type::<PyList>().call1((lines,))?.cast_into()?),
    }
}
