//! Pointers to the tokens in requests and answers, for servers whose interface has no name here.

use std::sync::Arc;

use super::{estimate::RequestPointers, usage_reader::AnswerPointers};
use crate::{JsonPointer, TokenClass};

/// Pointers to the tokens in the requests and answers of a server, as a policy declares them. None leads into the value of
/// another of the same document.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenPlaces {
    /// Texts that the model reads.
    pub(crate) prompt: Vec<JsonPointer>,
    /// The most output tokens of a choice, of which the largest counts.
    pub(crate) max_output: Vec<JsonPointer>,
    /// The number of choices.
    pub(crate) choices: Vec<JsonPointer>,
    /// The name of the model.
    pub(crate) model: Vec<JsonPointer>,
    /// The wish for a stream.
    pub(crate) stream: Vec<JsonPointer>,
    /// Texts that the model has made.
    pub(crate) text: Vec<JsonPointer>,
    /// The numbers of tokens in answers.
    pub(crate) usage: Vec<(UsageNumber, JsonPointer)>,
    /// The numbers that are not counted inside the input or output.
    pub(crate) beside: Vec<UsageNumber>,
    /// The numbers that each event of a stream reports for itself.
    pub(crate) summed: Vec<UsageNumber>,
}

/// A number of tokens that an answer reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UsageNumber {
    Class(TokenClass),
    Total,
}

/// [`TokenPlaces`], ready to be looked up.
#[derive(Debug)]
pub(crate) struct TokenPointers {
    pub(crate) places: TokenPlaces,
    pub(crate) request: RequestPointers,
    pub(crate) answer: AnswerPointers,
}

impl TokenPlaces {
    /// Returns `true` if the model makes no output: nothing in its requests or answers tells of any.
    pub(crate) fn is_without_output(&self) -> bool {
        self.max_output.is_empty() && !self.counts_output()
    }

    /// Returns `true` if something in an answer tells its output.
    pub(crate) fn counts_output(&self) -> bool {
        let tells = |(number, _): &(UsageNumber, JsonPointer)| match number {
            UsageNumber::Class(class) => !class.is_input(),
            UsageNumber::Total => true,
        };
        !self.text.is_empty() || self.usage.iter().any(tells)
    }
}

impl UsageNumber {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> + Clone {
        TokenClass::ALL.into_iter().map(Self::Class).chain([Self::Total])
    }

    /// The name in a policy.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Class(class) => class.name(),
            Self::Total => "total",
        }
    }
}

impl TokenPointers {
    pub(crate) fn new(places: TokenPlaces) -> Arc<Self> {
        let (request, answer) = (RequestPointers::new(&places), AnswerPointers::new(&places));
        Arc::new(Self { places, request, answer })
    }
}
