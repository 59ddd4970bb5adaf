//! Meters: ways to find usage and keys in a request's body.

pub(crate) mod body;
mod count_request;
mod dialect;
mod estimate;
mod form;
mod input_count;
pub(crate) mod items;
mod json;
pub(crate) mod json_pointer;
mod media_type;
mod members;
mod multipart;
mod plan;
pub(crate) mod pointer_tree;
mod reading;
mod refunds;
mod response_meter;
mod text_tokens;
mod token_history;
pub(crate) mod token_meter;
pub(crate) mod token_pointers;
mod tokenization;
mod tokenizer_file;
mod usage;
mod usage_reader;
mod usage_request;
mod usage_stripper;

use sluicegate::Unit;

use crate::{Body, BodyError, JsonPointer};

use items::{Items, Tensor};
use json::{Found, search};

pub use count_request::CountRequest;
pub use dialect::Dialect;
pub use estimate::Estimate;
pub use input_count::InputCount;
pub use media_type::MediaType;
pub use reading::{Progress, Reading};
pub use refunds::Refunds;
pub use response_meter::ResponseMeter;
pub use text_tokens::{TextTokens, Tokenizer};
pub use token_history::{InputCorrection, OutputForecast, TokenHistory};
pub use token_meter::TokenMeter;
pub use tokenization::Tokenization;
pub use tokenizer_file::{TokenizerError, TokenizerFile};
pub use usage::{TokenClass, TokenWeights, Usage};
pub(crate) use usage_reader::Word;
pub use usage_reader::{Actual, Repetition, UsageReader, UsageSource};
pub use usage_request::ask_for_usage;
pub use usage_stripper::UsageStripper;

/// The values to read from bodies of a route's requests: the number of items, the tokens, and values that are part of
/// a key.
///
/// A body is read once, without building a document from it: only what a pointer points to is kept.
///
/// ```
/// use sluicegate_policy::Meter;
///
/// let meter = Meter::items("/inputs".parse()?);
/// assert_eq!(meter.read(br#"{"inputs": ["a", "b", "c"]}"#)?.items(), Some(3));
/// assert_eq!(meter.read(br#"{"inputs": 32}"#)?.items(), Some(32));
/// assert!(meter.read(br#"{"inputs": -1}"#).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Meter {
    pub(crate) items: Option<Items>,
    /// The most items of one request.
    pub(crate) most_items: Option<u64>,
    bytes: bool,
    pub(crate) tokens: Option<TokenMeter>,
    /// Boxed, because most have none.
    input_count: Option<Box<InputCount>>,
    tokenizer: Option<Box<TokenizerFile>>,
    /// Pointers of keys.
    values: Vec<JsonPointer>,
}

impl Meter {
    /// The most items that a body can ask for: the largest whole number that every JSON reader agrees on.
    pub const MAX_ITEMS: u64 = 1 << 53;

    /// A meter of items.
    #[must_use]
    pub fn items(pointer: JsonPointer) -> Self {
        Self { items: Some(Items::At(pointer)), ..Self::default() }
    }

    /// A meter of the batch of an input in KServe's protocol V2.
    pub(crate) fn tensor(tensor: Tensor) -> Self {
        Self { items: Some(Items::Of(tensor)), ..Self::default() }
    }

    /// The same meter for requests of at most so many items. Larger ones are refused.
    #[must_use]
    pub fn at_most(self, items: u64) -> Self {
        Self { most_items: Some(items), ..self }
    }

    /// The same meter that also counts bytes.
    #[must_use]
    pub fn and_bytes(self) -> Self {
        Self { bytes: true, ..self }
    }

    /// The same meter that also estimates tokens, and reads them from answers.
    #[must_use]
    pub fn and_tokens(self, tokens: TokenMeter) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// The same meter whose estimates give way to the counts of the upstream.
    #[must_use]
    pub fn and_input_count(self, count: InputCount) -> Self {
        Self { input_count: Some(Box::new(count)), ..self }
    }

    /// The counting of the input by the upstream.
    #[must_use]
    pub fn input_count(&self) -> Option<&InputCount> {
        self.input_count.as_deref()
    }

    /// The same meter whose estimates give way to the counts of a tokenizer.
    #[must_use]
    pub fn and_tokenizer(self, tokenizer: TokenizerFile) -> Self {
        Self { tokenizer: Some(Box::new(tokenizer)), ..self }
    }

    /// The tokenizer that counts the input.
    #[must_use]
    pub fn tokenizer(&self) -> Option<&TokenizerFile> {
        self.tokenizer.as_deref()
    }

    /// Returns `true` if the input is counted before a decision, by the upstream or a tokenizer.
    #[must_use]
    pub fn counts_input(&self) -> bool {
        self.input_count.is_some() || self.tokenizer.is_some()
    }

    /// The meter of tokens.
    #[must_use]
    pub fn tokens(&self) -> Option<&TokenMeter> {
        self.tokens.as_ref()
    }

    /// The same meter that also reads the value that a key needs.
    #[must_use]
    pub fn and_value(mut self, pointer: JsonPointer) -> Self {
        if !self.values.contains(&pointer) {
            self.values.push(pointer);
        }
        self
    }

    /// The part of it that keys need: all that is read if the cost is already known.
    pub(crate) fn of_keys(&self) -> Self {
        Self { values: self.values.clone(), ..Self::default() }
    }

    /// Returns `true` if decisions may need the body: its length or its content.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.bytes || self.reads_content()
    }

    /// Returns `true` if the content of the body is read, so that it must not be compressed.
    #[must_use]
    pub fn reads_content(&self) -> bool {
        self.items.is_some() || self.tokens.is_some() || !self.values.is_empty()
    }

    /// Returns `true` if this meter finds usage in `unit`. Requests and slots need no meter.
    #[must_use]
    pub fn gives(&self, unit: Unit) -> bool {
        match unit {
            Unit::Requests | Unit::Concurrent => true,
            Unit::Items => self.items.is_some(),
            Unit::Bytes => self.bytes,
            Unit::Tokens | Unit::InputTokens | Unit::OutputTokens => self.tokens.is_some(),
            Unit::Usd => false,
        }
    }

    /// Reads a body of JSON.
    ///
    /// # Errors
    ///
    /// When it is not JSON where it has to be, or what is counted is missing, there twice, or no count. A value
    /// of a key may be missing.
    pub fn read(&self, body: &[u8]) -> Result<Body, BodyError> {
        self.read_at("", body)
    }

    /// [`read`](Self::read) for a request to this path, which tells the interface of an estimate.
    pub(crate) fn read_at(&self, path: &str, body: &[u8]) -> Result<Body, BodyError> {
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if !self.reads_content() {
            return Ok(Body { bytes, ..Body::default() });
        }
        if body.is_empty() && self.items.is_none() {
            // A GET on a route whose key is made of bodies lacks that part of the key, as it may.
            return Ok(Body::default());
        }
        let estimate = match &self.tokens {
            Some(tokens) => Some(Box::new(tokens.estimate(path, body)?)),
            None => None,
        };
        let pointers: Vec<_> = self.items.iter().filter_map(Items::pointer).chain(&self.values).collect();
        let mut found = if pointers.is_empty() { Vec::new() } else { search(body, &pointers)? }.into_iter();
        let items = match &self.items {
            Some(items @ Items::At(_)) => Some(count(items, found.next().flatten().as_ref())?),
            Some(items @ Items::Of(tensor)) => Some(count(items, tensor.find(body)?.as_ref())?),
            None => None,
        };
        let values = self.values.iter().cloned().zip(found.map(|found| found.and_then(Found::into_text)));
        Ok(Body { items, bytes, values: values.collect(), estimate, is_absent: false })
    }

    /// [`read`](Self::read) for JSON that must be an object, so that no longer text begins with another value: `1` stands
    /// at the beginning of `1000`.
    fn read_object(&self, path: &str, text: &[u8]) -> Result<Body, BodyError> {
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        match first {
            Some(b'{') => self.read_at(path, text),
            _ => Err(BodyError::Malformed("the part before the tensors is no object".to_owned())),
        }
    }

    /// The measure of a request without a body, which its method may allow.
    fn without_body(&self, is_optional: bool) -> Result<Body, BodyError> {
        match &self.items {
            Some(items) if !is_optional => Err(BodyError::Empty(items.to_string())),
            Some(_) => Ok(Body::absent()),
            None => Ok(Body::default()),
        }
    }
}

fn count(items: &Items, found: Option<&Found>) -> Result<u64, BodyError> {
    let why = match found {
        None => return Err(BodyError::Missing(items.to_string())),
        Some(Found::Array(length)) => return Ok(*length),
        Some(Found::Whole(number)) if *number <= Meter::MAX_ITEMS => return Ok(*number),
        Some(Found::Whole(_)) => "too large",
        Some(Found::Negative(_)) => "negative",
        Some(Found::Float(_)) => "a number with a point or an exponent, or too large",
        Some(Found::Text(_)) => "a string",
        Some(Found::Truth(_)) => "a truth value",
        Some(Found::Null) => "null",
        Some(Found::Object) => "an object",
    };
    Err(BodyError::NotACount(items.to_string(), why))
}

#[cfg(test)]
mod tests {
    use sluicegate::Cost;

    use super::*;

    fn items(pointer: &str, body: &str) -> Result<u64, String> {
        let meter = Meter::items(pointer.parse().unwrap());
        meter.read(body.as_bytes()).map(|body| body.items.unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_array_counts_its_elements_and_a_number_itself() {
        assert_eq!(items("/inputs", r#"{"inputs": []}"#), Ok(0));
        assert_eq!(items("/inputs", r#"{"n": 1, "inputs": [[1,2], {"inputs": 5}, null]}"#), Ok(3));
        assert_eq!(items("/inputs", r#"{"inputs": 9007199254740992}"#), Ok(1 << 53));
        assert_eq!(items("", "[1, 2]"), Ok(2));
        assert_eq!(items("/a~1b/1", r#"{"a/b": [7, 8]}"#), Ok(8));
    }

    #[test]
    fn what_is_no_count_is_said_to_be_none() {
        let must = |it| format!("`/n` must be an array or a whole number from 0 to 2^53; it is {it}");
        let pointed = "a number with a point or an exponent, or too large";
        for (value, why) in [
            ("-1", "negative"),
            ("1.5", pointed),
            ("1e2", pointed),
            ("123456789012345678901234567890", pointed),
            ("9007199254740993", "too large"),
            ("\"5\"", "a string"),
            ("true", "a truth value"),
            ("null", "null"),
            ("{}", "an object"),
        ] {
            assert_eq!(items("/n", &format!("{{\"n\": {value}}}")), Err(must(why)), "{value}");
        }
        assert_eq!(items("/n", "{}"), Err("`/n` is missing from the body".into()));
        assert_eq!(items("/n", "[]"), Err("`/n` is missing from the body".into()));
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused_only_where_it_counts() {
        let twice = Err("`/n` is in the body twice".to_owned());
        assert_eq!(items("/n", r#"{"n": 1, "n": 100}"#), twice);
        assert_eq!(items("/n", r#"{"n": 1, "\u006e": 100}"#), twice);
        assert_eq!(items("/n", r#"{"a": 1, "a": 2, "n": 3}"#), Ok(3));
        assert_eq!(items("/a/n", r#"{"a": {"n": 1}, "a": {}}"#), Err("`/a/n` is in the body twice".into()));
    }

    #[test]
    fn broken_json_is_an_error_and_never_a_panic() {
        let deep = "[".repeat(100_000);
        for body in ["", "{", "{\"n\": 1}}", "{\"n\": 1} x", "\u{feff}{\"n\":1}", "{'n': 1}", &deep] {
            assert!(items("/n", body).unwrap_err().starts_with("the body is not valid JSON"), "{body:.20}");
        }
        assert!(Meter::items("/n".parse().unwrap()).read(b"{\"n\": \"\xff\"}").is_err());
    }

    #[test]
    fn one_reading_finds_items_and_keys() {
        let (user, first): (JsonPointer, JsonPointer) =
            ("/user/id".parse().unwrap(), "/inputs/0".parse().unwrap());
        let meter = Meter::items("/inputs".parse().unwrap())
            .and_bytes()
            .and_value(user.clone())
            .and_value(first.clone());
        let body = meter.read(br#"{"inputs": ["a", "b"], "user": {"id": 7}}"#).unwrap();
        assert_eq!((body.items(), body.value(&user), body.value(&first)), (Some(2), Some("7"), Some("a")));
        assert_eq!(body.cost(Unit::Bytes), Cost::new(41));
        let nobody = meter.read(br#"{"inputs": [], "user": {"id": {}}}"#).unwrap();
        assert_eq!((nobody.value(&user), nobody.value(&first)), (None, None));
    }
}
