//! The place of the number of items in a body.

use std::{borrow::Cow, fmt};

use serde::Deserialize;
use serde_json::Value;

use super::json::Found;
use crate::{BodyError, JsonPointer};

/// The place of the number of items in a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Items {
    At(JsonPointer),
    Of(Tensor),
}

/// The input of KServe's protocol V2 whose shape has the batch. Servers find inputs by name, in whatever order they come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dimension: usize,
}

#[derive(Deserialize)]
struct Request<'b> {
    #[serde(borrow, default)]
    inputs: Vec<Input<'b>>,
}

#[derive(Deserialize)]
struct Input<'b> {
    #[serde(borrow, default)]
    name: Cow<'b, str>,
    #[serde(default)]
    shape: Vec<Value>,
}

impl Items {
    /// The pointer, if it is one.
    pub(crate) fn pointer(&self) -> Option<&JsonPointer> {
        match self {
            Self::At(pointer) => Some(pointer),
            Self::Of(_) => None,
        }
    }
}

impl Tensor {
    /// Finds the batch in a request.
    ///
    /// # Errors
    ///
    /// When the body is no request of the protocol, or has two inputs of this name.
    pub(crate) fn find(&self, body: &[u8]) -> Result<Option<Found>, BodyError> {
        let request: Request<'_> =
            serde_json::from_slice(body).map_err(|error| BodyError::Malformed(error.to_string()))?;
        let mut inputs = request.inputs.iter().filter(|input| input.name == self.name);
        let (input, second) = (inputs.next(), inputs.next());
        if second.is_some() {
            return Err(BodyError::Twice(format!("/inputs/{}", self.name)));
        }
        Ok(input.and_then(|input| input.shape.get(self.dimension)).map(found))
    }
}

impl fmt::Display for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(pointer) => pointer.fmt(f),
            Self::Of(Tensor { name, dimension }) => write!(f, "/inputs/{name}/shape/{dimension}"),
        }
    }
}

fn found(value: &Value) -> Found {
    match value {
        Value::Null => Found::Null,
        Value::Bool(truth) => Found::Truth(*truth),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(whole), ..) => Found::Whole(whole),
            (None, Some(negative), _) => Found::Negative(negative),
            (None, None, float) => Found::Float(float.unwrap_or_default()),
        },
        Value::String(text) => Found::Text(text.clone()),
        Value::Array(values) => Found::Array(values.len() as u64),
        Value::Object(_) => Found::Object,
    }
}
