//! The usage that a request may cause, where a policy says what in its body tells that.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::de::Read;
use smallvec::SmallVec;

use super::{
    content::{Place, Walk},
    interface::{Interface, PathFacts},
    request::{Name, Request},
    scalar::{Number, Scalar},
};
use crate::{
    BodyError, Dialect, Estimate,
    meter::{
        pointer_tree::{NodeId, PointerTree},
        token_pointers::TokenPlaces,
    },
};

/// The pointers of a policy into requests.
#[derive(Debug)]
pub(crate) struct RequestPointers {
    tree: PointerTree<Meaning>,
    /// The pointer that is told to be missing.
    prompt: String,
    is_without_output: bool,
}

/// The meaning of a value in a request.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    Prompt,
    MaxOutput,
    Choices,
    Model,
    Stream,
}

/// The findings in one request.
#[derive(Debug, Default)]
struct Findings {
    request: Request,
    has_prompt: bool,
    max_output: Option<u64>,
    /// One of several maxima says that there is none.
    is_unlimited: bool,
    choices: u64,
    model: Option<String>,
    streams: bool,
    fault: Option<BodyError>,
}

impl RequestPointers {
    pub(crate) fn new(places: &TokenPlaces) -> Self {
        let all = [
            (&places.prompt, Meaning::Prompt),
            (&places.max_output, Meaning::MaxOutput),
            (&places.choices, Meaning::Choices),
            (&places.model, Meaning::Model),
            (&places.stream, Meaning::Stream),
        ];
        let pointers =
            all.into_iter().flat_map(|(pointers, meaning)| pointers.iter().map(move |it| (it, meaning)));
        Self {
            tree: PointerTree::new(pointers),
            prompt: places.prompt.first().map(ToString::to_string).unwrap_or_default(),
            is_without_output: places.is_without_output(),
        }
    }

    fn find<'de, R: Read<'de>>(
        &self,
        mut json: serde_json::Deserializer<R>,
        findings: &mut Findings,
    ) -> serde_json::Result<()> {
        Value { findings, tree: &self.tree, node: NodeId::ROOT }.deserialize(&mut json)?;
        json.end()
    }

    /// Returns `true` if the model makes no output.
    pub(crate) fn is_without_output(&self) -> bool {
        self.is_without_output
    }

    /// Reads the body of a request to this path, without its query.
    ///
    /// # Errors
    ///
    /// When the body is no JSON, has no prompt, has a member that counts twice, or has a maximum or a number of choices that
    /// is no number.
    pub(crate) fn estimate(&self, path: &str, body: &[u8]) -> Result<Estimate, BodyError> {
        let mut findings = Findings::default();
        // Checked in one go, as by a named interface.
        let read = match simdutf8::basic::from_utf8(body) {
            Ok(text) => self.find(serde_json::Deserializer::from_str(text), &mut findings),
            Err(_) => self.find(serde_json::Deserializer::from_slice(body), &mut findings),
        };
        if let Some(fault) = findings.fault {
            return Err(fault);
        }
        read.map_err(|error| BodyError::Malformed(error.to_string()))?;
        if !findings.has_prompt {
            return Err(BodyError::Missing(self.prompt.clone()));
        }
        let facts = PathFacts::of(path);
        let model = findings.model.or_else(|| facts.model.map(str::to_owned));
        let prompts = findings.request.prompts.max(1);
        let (max_output, named_output) = match findings.max_output {
            Some(most) if findings.is_unlimited => (None, most),
            most => (most, 0),
        };
        Ok(Estimate {
            // Pictures and tools, if there are any, count by the rules of the model's name.
            input: findings.request.input(Dialect::OpenAi, model.as_deref().unwrap_or_default(), None),
            counted: None,
            max_output,
            named_output,
            prompts,
            choices: findings.choices.max(1).saturating_mul(prompts),
            has_media: findings.request.has_media,
            model,
            streams: facts.streams || findings.streams,
            asks_for_usage: false,
            is_without_output: self.is_without_output || facts.interface == Some(Interface::WithoutOutput),
        })
    }
}

impl Findings {
    fn add(&mut self, meaning: Meaning, value: Scalar, pointer: &str) -> Result<(), BodyError> {
        match meaning {
            Meaning::MaxOutput => match value.number(pointer)? {
                // Some servers take 0 for "without a limit", too, and nobody knows this one.
                Some(Number::Whole(0) | Number::Unlimited) => self.is_unlimited = true,
                Some(Number::Whole(most)) => self.max_output = self.max_output.max(Some(most)),
                None => {}
            },
            Meaning::Choices => {
                if let Some(Number::Whole(choices)) = value.number(pointer)? {
                    self.choices = self.choices.max(choices);
                }
            }
            Meaning::Model => self.model = value.into_text().or(self.model.take()),
            Meaning::Stream => self.streams |= value == Scalar::Truth(true),
            // Its texts are read as a whole.
            Meaning::Prompt => {}
        }
        Ok(())
    }
}

/// A value of the document, which may be on the way of a pointer, or at its end.
struct Value<'f> {
    findings: &'f mut Findings,
    tree: &'f PointerTree<Meaning>,
    node: NodeId,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { findings, tree, node } = self;
        match tree.value(node) {
            None => deserializer.deserialize_any(Value { findings, tree, node }),
            Some(Meaning::Prompt) => {
                let request = &mut findings.request;
                // A system prompt and the user's are one prompt together.
                let others = std::mem::take(&mut request.prompts);
                Walk { request, place: Place::Prompts }.deserialize(deserializer)?;
                request.prompts = request.prompts.max(others);
                findings.has_prompt = true;
                Ok(())
            }
            Some(meaning) => {
                let value = Scalar::deserialize(deserializer)?;
                findings.add(*meaning, value, tree.pointer(node)).map_err(|fault| {
                    findings.fault = Some(fault);
                    D::Error::custom("a member is no number")
                })
            }
        }
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { findings, tree, node } = self;
        let mut met: SmallVec<[NodeId; 8]> = SmallVec::new();
        while let Some(member) = map.next_key_seed(Name(|name: &str| tree.member(node, name.as_bytes())))? {
            let Some(member) = member else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if met.contains(&member) {
                findings.fault = Some(BodyError::Twice(tree.pointer(member).to_owned()));
                return Err(A::Error::custom("a member is there twice"));
            }
            met.push(member);
            map.next_value_seed(Value { findings: &mut *findings, tree, node: member })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self { findings, tree, node } = self;
        let mut index = 0;
        loop {
            let is_there = match tree.element(node, index) {
                None => elements.next_element::<IgnoredAny>()?.is_some(),
                Some(node) => {
                    elements.next_element_seed(Value { findings: &mut *findings, tree, node })?.is_some()
                }
            };
            if !is_there {
                return Ok(());
            }
            index += 1;
        }
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
