//! Reading a request in one pass that builds no document.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::de::Read;

use crate::{BodyError, Dialect, Estimate, TextTokens, Tokenizer, TokenizerFile};

use super::{
    content::{Place, Walk},
    interface::{Interface, PathFacts, Shape},
    maximum::Maxima,
    member::{GENERATION_CONFIG, Member, Members, OPTIONS, PARAMETERS, STREAM_OPTIONS, TOP},
    picture::Picture,
    rules,
    scalar::{Number, Scalar},
};

/// The findings in one request.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) text: TextTokens,
    /// Counts the texts, too, if there is one.
    tokenizer: Option<TokenizerFile>,
    /// The tokens that it has counted so far.
    tokenized: Option<u64>,
    /// Tokens beside the text: numbers of tokens, frames of messages, sound and files.
    pub(super) beside: u64,
    pub(super) pictures: Vec<Picture>,
    pub(super) has_media: bool,
    pub(super) prompts: u64,
    /// It has messages, and a frame around them all.
    pub(super) is_conversation: bool,
    pub(super) tools: ToolCounts,
    /// Tokens of a medium that turns out to be text.
    pub(super) doubtful: u64,
    shape: Shape,
    maxima: Maxima,
    choices: u64,
    model: Option<String>,
    stream: Option<bool>,
    asks_for_usage: bool,
    fault: Option<BodyError>,
}

/// The parts of tools that have a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ToolCounts {
    pub(super) functions: u64,
    pub(super) properties: u64,
    /// Values that a property may have.
    pub(super) values: u64,
}

impl Request {
    pub(super) fn read(body: &[u8], tokenizer: Option<TokenizerFile>) -> Result<Self, BodyError> {
        if body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|first| *first != b'{') {
            return Err(BodyError::Malformed("it is no object".to_owned()));
        }
        let tokenized = tokenizer.as_ref().map(|_| 0);
        let mut request = Self { tokenizer, tokenized, ..Self::default() };
        // Text that is checked in one go is not checked string by string, which takes longer.
        match simdutf8::basic::from_utf8(body) {
            Ok(text) => request.take(serde_json::Deserializer::from_str(text))?,
            // Bytes that are no text are a fault only where they count, which has a place.
            Err(_) => request.take(serde_json::Deserializer::from_slice(body))?,
        }
        Ok(request)
    }

    fn take<'de, R: Read<'de>>(&mut self, mut json: serde_json::Deserializer<R>) -> Result<(), BodyError> {
        let read = Object { request: self, members: TOP }.deserialize(&mut json);
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        read.and_then(|()| json.end()).map_err(|error| BodyError::Malformed(error.to_string()))
    }

    pub(super) fn estimate(self, dialect: Dialect, path: &str) -> Estimate {
        let facts = PathFacts::of(path);
        let interface = facts.interface.unwrap_or_else(|| Interface::of(dialect, self.shape));
        let name = self.model.as_deref().or(facts.model).unwrap_or_default();
        let input = self.input(dialect, name, Some(interface));
        let beside = || self.beside_texts(dialect, name, Some(interface));
        let counted = self.tokenized.map(|texts| texts.saturating_add(beside()));
        let model = self.model.or_else(|| facts.model.map(str::to_owned));
        let prompts = self.prompts.max(1);
        let allowance = self.maxima.allowance(interface);
        Estimate {
            input,
            counted,
            max_output: allowance.most,
            named_output: allowance.named,
            prompts,
            choices: self.choices.max(1).saturating_mul(prompts),
            has_media: self.has_media,
            model,
            streams: facts.streams || self.stream.unwrap_or(interface == Interface::Ollama),
            asks_for_usage: self.asks_for_usage,
            is_without_output: interface == Interface::WithoutOutput,
        }
    }

    /// The tokens that a model of this name reads in all prompts.
    pub(super) fn input(&self, dialect: Dialect, model: &str, interface: Option<Interface>) -> u64 {
        let is_gemini = dialect == Dialect::Gemini;
        let tokenizer = if is_gemini { Tokenizer::Gemma } else { Tokenizer::of_model(model) };
        let beside = self.beside_texts(dialect, model, interface);
        self.text.reserved(tokenizer).saturating_add(beside)
    }

    /// The tokens of that input which are no text.
    fn beside_texts(&self, dialect: Dialect, model: &str, interface: Option<Interface>) -> u64 {
        let picture_rule = rules::picture_rule(dialect, model);
        let pictures = self.pictures.iter().map(|picture| picture.tokens(picture_rule));
        let frame = match interface {
            Some(Interface::Responses) if !self.is_conversation => rules::CONVERSATION + rules::MESSAGE + 1,
            _ if self.is_conversation => rules::CONVERSATION,
            _ => 0,
        };
        let beside = [self.beside, frame, rules::tools(self.tools, dialect, model)];
        beside.into_iter().chain(pictures).fold(0, u64::saturating_add)
    }

    /// Adds a text that the model reads.
    pub(super) fn add_text(&mut self, text: &str) {
        self.text.push(text);
        self.text.end();
        if let (Some(tokenizer), Some(tokens)) = (&self.tokenizer, self.tokenized) {
            self.tokenized = tokenizer.tokens(text).map(|more| tokens.saturating_add(more));
        }
    }

    pub(super) fn add(&mut self, tokens: u64) {
        self.beside = self.beside.saturating_add(tokens);
    }

    fn add_choices(&mut self, number: Option<Number>) {
        if let Some(Number::Whole(number)) = number {
            self.choices = self.choices.max(number);
        }
    }
}

/// An object whose members count, if it is one.
struct Object<'r> {
    request: &'r mut Request,
    members: Members,
}

impl Object<'_> {
    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        place: usize,
        member: Member,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let request = &mut *self.request;
        let nested = match member {
            Member::StreamOptions => Some(STREAM_OPTIONS),
            Member::Options => Some(OPTIONS),
            Member::GenerationConfig => Some(GENERATION_CONFIG),
            Member::Parameters => Some(PARAMETERS),
            _ => None,
        };
        if let Some(members) = nested {
            return map.next_value_seed(Object { request, members });
        }
        let walk = match member {
            Member::Messages => Some(Place::Messages),
            Member::Prompt | Member::Input => Some(Place::Prompts),
            Member::Content => Some(Place::Content),
            Member::Tools => Some(Place::Tools),
            Member::Pictures => Some(Place::PICTURES),
            Member::Ids => Some(Place::Tokens),
            _ => None,
        };
        if let Some(place) = walk {
            request.shape.has_messages |= member == Member::Messages;
            request.shape.has_input |= member == Member::Input;
            return map.next_value_seed(Walk { request, place });
        }
        let value: Scalar = map.next_value()?;
        let mut number = || {
            let number = value.number(&self.members.pointer_of(place));
            number.map_err(|fault| {
                request.fault = Some(fault);
                A::Error::custom("a member is no number")
            })
        };
        match member {
            Member::Maximum(alias) => {
                let number = number()?;
                request.maxima.add(alias, number);
            }
            Member::Choices => {
                let number = number()?;
                request.add_choices(number);
            }
            Member::Stream => {
                request.stream = if let Scalar::Truth(truth) = value { Some(truth) } else { None }
            }
            Member::IncludeUsage => request.asks_for_usage = value == Scalar::Truth(true),
            _ => request.model = value.into_text(),
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let (members, mut met) = (self.members, 0_u64);
        while let Some(named) = map.next_key_seed(Name(|name: &str| members.named(name)))? {
            let Some((place, member)) = named else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if met >> place & 1 == 1 {
                self.request.fault = Some(BodyError::Twice(members.pointer_of(place)));
                return Err(A::Error::custom("a member is there twice"));
            }
            met |= 1 << place;
            self.read(place, member, &mut map)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

/// The name of a member, read without a copy.
pub(super) struct Name<F>(pub(super) F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Name<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Name<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<T, E> {
        Ok((self.0)(name))
    }
}
