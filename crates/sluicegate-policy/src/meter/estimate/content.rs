//! The parts of a request that the model reads.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{TextTokens, Tokenizer};

use super::{
    medium::{Medium, MediumKind},
    request::{Name, Request},
    rules,
    scalar::Scalar,
};

/// A place in the parts that the model reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// Texts, and parts with texts and media.
    Content,
    Messages,
    Message,
    /// A prompt, or a list of them.
    Prompts,
    /// A prompt in a list.
    Prompt,
    /// A prompt whose numbers are tokens.
    Tokens,
    /// A document of JSON, which the model reads as such: names count, and media are none.
    Document,
    Tools,
    Tool,
    Schema,
    Properties,
    Values,
    /// Short words of the interface, which the model does not read.
    Label,
    /// A medium. Its base64 may be text if a later member says so.
    Medium {
        kind: MediumKind,
        is_doubtful: bool,
    },
}

impl Place {
    pub(super) const PICTURES: Self = Self::medium(MediumKind::Picture);

    const fn medium(kind: MediumKind) -> Self {
        Self::Medium { kind, is_doubtful: false }
    }

    /// The place of the elements, where this one is an array.
    fn element(self) -> Self {
        match self {
            Self::Messages => Self::Message,
            Self::Prompts => Self::Prompt,
            Self::Prompt => Self::Tokens,
            Self::Tools => Self::Tool,
            other => other,
        }
    }

    /// The place of a member, and `true` if its name is text.
    fn member(self, name: &str) -> (Option<Self>, bool) {
        let unnamed = |place| (Some(place), false);
        match (self, name) {
            (Self::Properties, _) => (Some(Self::Schema), true),
            (Self::Document | Self::Values, _) => (Some(Self::Document), true),
            (_, "cache_control" | "signature" | "thoughtSignature" | "thought_signature" | "index") => {
                (None, false)
            }
            (Self::Schema, "type" | "description" | "title") => unnamed(Self::Content),
            (_, "type" | "media_type" | "mime_type" | "mimeType" | "status" | "strict" | "is_error") => {
                unnamed(Self::Label)
            }
            (Self::Tools | Self::Tool, "name" | "description") => unnamed(Self::Content),
            (Self::Tools | Self::Tool, "function") => unnamed(Self::Tool),
            (Self::Tools | Self::Tool, "functionDeclarations" | "function_declarations") => {
                unnamed(Self::Tools)
            }
            (
                Self::Tools | Self::Tool,
                "parameters"
                | "input_schema"
                | "inputSchema"
                | "parametersJsonSchema"
                | "parameters_json_schema"
                | "response",
            ) => unnamed(Self::Schema),
            (Self::Tools | Self::Tool, _) => (Some(Self::Document), true),
            (Self::Schema, "properties" | "$defs" | "definitions") => unnamed(Self::Properties),
            (Self::Schema, "items" | "anyOf" | "oneOf" | "allOf" | "additionalProperties") => {
                unnamed(Self::Schema)
            }
            (Self::Schema, "enum") => unnamed(Self::Values),
            (Self::Schema, "required") => unnamed(Self::Label),
            (Self::Schema, _) => (Some(Self::Document), true),
            (Self::Medium { kind, is_doubtful }, name) if REFERENCES.contains(&name) => {
                unnamed(Self::Medium { kind, is_doubtful })
            }
            (_, "format" | "detail") => unnamed(Self::Label),
            (_, "image_url" | "image" | "images") => unnamed(Self::PICTURES),
            (_, "input_audio" | "audio" | "audio_url") => unnamed(Self::medium(MediumKind::Sound)),
            (_, "video" | "video_url") => unnamed(Self::medium(MediumKind::Film)),
            (_, "file" | "file_data" | "fileData" | "inlineData" | "inline_data") => {
                unnamed(Self::medium(MediumKind::File))
            }
            (_, "source") => unnamed(Self::Medium { kind: MediumKind::File, is_doubtful: true }),
            (_, "input" | "args" | "arguments" | "response") => unnamed(Self::Document),
            (_, name) if FRAMES.contains(&name) => unnamed(Self::Content),
            _ => (Some(Self::Content), true),
        }
    }
}

/// Walks one value of the request.
pub(super) struct Walk<'r> {
    pub(super) request: &'r mut Request,
    pub(super) place: Place,
}

impl Walk<'_> {
    fn text(self, text: &str) {
        let Self { request, place } = self;
        match place {
            Place::Label if text.len() <= LABEL => {}
            Place::Medium { kind, is_doubtful } => {
                request.has_media = true;
                if is_doubtful {
                    let tokens = [Tokenizer::O200k, Tokenizer::Cl100k, Tokenizer::Gemma].map(|tokenizer| {
                        let mut tokens = TextTokens::default();
                        tokens.push(text);
                        tokens.reserved(tokenizer)
                    });
                    request.doubtful += tokens.into_iter().max().unwrap_or_default();
                }
                match Medium::of(text, kind) {
                    Medium::Picture(picture) => request.pictures.push(picture),
                    Medium::Other(tokens) => request.add(tokens),
                }
            }
            Place::Prompts | Place::Prompt => {
                request.prompts += 1;
                request.add(rules::PROMPT);
                request.add_text(text);
            }
            _ => request.add_text(text),
        }
    }

    /// A number, in so many digits.
    fn number(self, digits: u64) {
        let tokens = match self.place {
            Place::Prompts | Place::Prompt | Place::Tokens => 1,
            Place::Label | Place::Medium { .. } => 0,
            _ => digits,
        };
        self.request.add(tokens);
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { request, place } = self;
        match place {
            Place::Message | Place::Messages | Place::Prompt => {
                request.is_conversation = true;
                request.add(rules::MESSAGE);
            }
            _ => {}
        }
        let (pictures, doubtful) = (request.pictures.len(), std::mem::take(&mut request.doubtful));
        let (mut is_low, mut is_text, mut kind) = (false, false, None);
        loop {
            let onward = map.next_key_seed(Name(|name: &str| {
                let (onward, is_text) = place.member(name);
                if is_text {
                    request.add_text(name);
                    request.add(MEMBER);
                }
                let label = match name {
                    "detail" => Some(Label::Detail),
                    "type" if matches!(place, Place::Medium { .. }) => Some(Label::Type),
                    "name" if matches!(place, Place::Tools | Place::Tool) => {
                        request.tools.functions += 1;
                        None
                    }
                    "name" if matches!(place, Place::Message) => {
                        request.add(rules::NAME);
                        None
                    }
                    "prompt_string" => {
                        request.prompts += 1;
                        None
                    }
                    _ => None,
                };
                (onward, label)
            }))?;
            let Some((onward, label)) = onward else { break };
            if place == Place::Properties {
                request.tools.properties += 1;
            }
            match (onward, label) {
                (Some(Place::Label), Some(label)) => {
                    let value = map.next_value::<Scalar>()?.into_text().unwrap_or_default();
                    match label {
                        Label::Detail => is_low |= value == "low",
                        Label::Type => kind = Some(value),
                    }
                }
                (Some(Place::Medium { kind: medium, is_doubtful: true }), _) if place != Place::Content => {
                    let is_doubtful = kind.is_none();
                    is_text |= kind.as_deref() == Some("text");
                    let onward =
                        if is_text { Place::Content } else { Place::Medium { kind: medium, is_doubtful } };
                    map.next_value_seed(Walk { request, place: onward })?;
                }
                (Some(onward), _) => map.next_value_seed(Walk { request, place: onward })?,
                (None, _) => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if is_low {
            request.pictures[pictures..].iter_mut().for_each(|picture| picture.is_low = true);
        }
        if kind.as_deref() == Some("text") {
            request.add(request.doubtful);
        }
        request.doubtful = doubtful;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self { request, place } = self;
        if place == Place::Prompt {
            request.prompts += 1;
        }
        let element = place.element();
        while elements.next_element_seed(Walk { request, place: element })?.is_some() {
            if place == Place::Values {
                request.tools.values += 1;
            }
        }
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.text(text);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.number(u64::from(number.max(1).ilog10()) + 1);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.number(u64::from(number.unsigned_abs().max(1).ilog10()) + 2);
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.number(FLOAT);
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.number(1);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A label that changes what the members beside it cost.
#[derive(Clone, Copy, Debug)]
enum Label {
    Detail,
    Type,
}

/// Members of a medium that are it, or refer to it.
const REFERENCES: [&str; 13] = [
    "url",
    "data",
    "file_data",
    "file_uri",
    "fileUri",
    "uri",
    "image_url",
    "file_id",
    "fileId",
    "file_url",
    "bytes",
    "b64_json",
    "path",
];
/// Members whose names the model does not read.
const FRAMES: [&str; 28] = [
    "role",
    "content",
    "contents",
    "text",
    "parts",
    "function",
    "tool_calls",
    "function_call",
    "functionCall",
    "functionResponse",
    "function_response",
    "thinking",
    "reasoning",
    "reasoning_content",
    "refusal",
    "output",
    "name",
    "summary",
    "id",
    "call_id",
    "tool_call_id",
    "tool_use_id",
    "tool_name",
    "title",
    "context",
    "prompt_string",
    "message",
    "data",
];
/// The longest text that is taken for a word of the interface.
const LABEL: usize = 64;
/// The tokens around the name of a member.
const MEMBER: u64 = 3;
/// The tokens of a number with a point.
const FLOAT: u64 = 10;
