//! A policy that a program has as a value, written as the file that says the same.

use serde_json::Value;

use super::fields::{Fields, within};

/// A value that a policy file cannot express: the field, what is wrong, and what would be right.
pub(super) type Wrong = (String, &'static str, &'static str);

/// The text of a file that says what the value says, and where its fields are.
pub(super) fn written(value: &Value) -> Result<(String, Fields), Wrong> {
    if !value.is_object() {
        return Err((
            String::new(),
            "a policy is a table",
            "give its tables by name, as a policy file has them",
        ));
    }
    check(value, "", 0)?;
    // What a file cannot say has been looked for, so this does not fail; if it does, the value is no policy either.
    let text = toml::to_string(value).map_err(|_| (String::new(), "no policy file can say this", HELP))?;
    let fields = Fields::of(&text);
    Ok((text, fields))
}

fn check(value: &Value, field: &str, depth: usize) -> Result<(), Wrong> {
    let wrong = |message, help| Err((field.to_owned(), message, help));
    match value {
        _ if depth > DEEPEST => wrong("nested more deeply than a policy is", HELP),
        Value::Null => wrong("null says nothing", "leave the field out"),
        Value::Number(number) if number.as_i64().is_none() && number.is_u64() => {
            wrong("a number that is too large", "give at most 2^63 - 1")
        }
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, item)| check(item, &format!("{field}[{index}]"), depth + 1))
        }
        Value::Object(members) => {
            let mut members = members.iter();
            members.try_for_each(|(name, member)| check(member, &within(field, name), depth + 1))
        }
        _ => Ok(()),
    }
}

/// A policy needs six.
const DEEPEST: usize = 16;
const HELP: &str = "give what a policy file can say";
