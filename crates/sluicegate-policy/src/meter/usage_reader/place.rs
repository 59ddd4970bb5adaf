//! The places in a response that tell of usage.

use super::field::Field;
use crate::{Dialect, meter::pointer_tree::NodeId};

/// A place in a response: what a value there means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// A place of no interest.
    Idle,
    /// The whole document, or one of several in an array.
    Document(Dialect),
    /// A place on the way of a policy's pointers.
    Node(NodeId),
    /// Text that the model made, or numbers of tokens, to which a policy points.
    Written,
    /// A number of tokens.
    Count(Field),
    /// Text that the model made.
    Text(Flow),
    /// Text, or parts that have one.
    Content(Flow),
    /// A document of any form that the model made, such as the arguments of a tool.
    Made(Flow),
    /// The name of an event.
    Event,
    /// The usage of OpenAI and Anthropic, whose members have the same names or different ones.
    Usage,
    /// The usage at the start of a message, whose output is what there is so far.
    UsageAtStart,
    PromptDetails,
    CachedDetails,
    CompletionDetails,
    CacheCreation,
    /// The usage in Groq's own member.
    Groq,
    Timings,
    Progress,
    /// The response in an event of OpenAI's responses.
    Response,
    /// An item of the output of OpenAI's responses.
    OutputItem,
    Choice,
    ChoiceIndex,
    FinishReason,
    /// The message of a choice, or its next piece.
    Message(Flow),
    ToolCall(Flow),
    Function(Flow),
    Audio(Flow),
    /// A picture or an embedding.
    Datum,
    /// A part of a picture's bytes.
    Picture,
    AnthropicStart,
    AnthropicDelta,
    TgiDetails,
    TgiSequence,
    TgiToken,
    GeminiUsage,
    /// The number of tokens of one modality.
    Modality(Side),
    ModalityName,
    ModalityCount,
    GeminiContent,
    GeminiPart,
    FunctionCall,
    CohereUsage,
    CohereBilled,
    CohereTokens,
    CohereDelta,
    CohereMessage,
}

/// The flow of a text: piece by piece, or whole at the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flow {
    Piece,
    Whole,
}

/// The side of a count by modality.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Prompt,
    Cached,
    Output,
}

/// The values that a place takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Takes {
    Nothing,
    /// Objects, for their members.
    Members,
    /// Numbers, literals and short strings.
    Word,
    /// Strings, for their text.
    Text,
    /// Strings for their text, and numbers.
    Tokens,
    /// Strings for their text, and objects for their members.
    Parts,
    /// All of it, names of members too, for its text.
    All,
}

impl Place {
    pub(super) const fn takes(self) -> Takes {
        match self {
            Self::Idle => Takes::Nothing,
            Self::Count(_)
            | Self::Event
            | Self::ChoiceIndex
            | Self::FinishReason
            | Self::Picture
            | Self::ModalityName
            | Self::ModalityCount => Takes::Word,
            Self::Text(_) => Takes::Text,
            Self::Written => Takes::Tokens,
            Self::Content(_) => Takes::Parts,
            Self::Made(_) => Takes::All,
            _ => Takes::Members,
        }
    }

    /// The place of a member of the object here.
    pub(super) fn member(self, name: &[u8]) -> Self {
        match self {
            Self::Document(dialect) => document(dialect, name),
            Self::Made(flow) => Self::Made(flow),
            Self::Content(flow) => match name {
                b"text" | b"thinking" | b"refusal" => Self::Text(flow),
                b"input" | b"name" => Self::Made(flow),
                _ => Self::Idle,
            },
            Self::Usage | Self::UsageAtStart => usage(self, name),
            Self::PromptDetails => match name {
                b"cached_tokens" => Self::Count(Field::Cached),
                b"cache_write_tokens" | b"cache_creation_tokens" => Self::Count(Field::CacheWrite),
                b"audio_tokens" => Self::Count(Field::AudioInput),
                b"image_tokens" => Self::Count(Field::ImageInput),
                b"cached_tokens_details" => Self::CachedDetails,
                _ => Self::Idle,
            },
            Self::CachedDetails => match name {
                b"audio_tokens" => Self::Count(Field::CachedAudio),
                b"image_tokens" => Self::Count(Field::CachedImage),
                _ => Self::Idle,
            },
            Self::CompletionDetails => match name {
                b"reasoning_tokens" | b"thinking_tokens" => Self::Count(Field::Reasoning),
                b"audio_tokens" => Self::Count(Field::AudioOutput),
                b"image_tokens" => Self::Count(Field::ImageOutput),
                _ => Self::Idle,
            },
            Self::CacheCreation => match name {
                b"ephemeral_5m_input_tokens" => Self::Count(Field::ShortCacheCreation),
                b"ephemeral_1h_input_tokens" => Self::Count(Field::LongCacheCreation),
                _ => Self::Idle,
            },
            Self::Groq | Self::Response if name == b"usage" => Self::Usage,
            Self::Timings => match name {
                b"prompt_n" => Self::Count(Field::TimedPrompt),
                b"cache_n" => Self::Count(Field::TimedCache),
                b"predicted_n" => Self::Count(Field::TimedOutput),
                _ => Self::Idle,
            },
            Self::Progress if name == b"total" => Self::Count(Field::ProgressTotal),
            Self::OutputItem => match name {
                b"content" | b"summary" => Self::Content(Flow::Whole),
                b"name" | b"arguments" | b"input" => Self::Text(Flow::Whole),
                _ => Self::Idle,
            },
            Self::Choice => choice(name),
            Self::Message(flow) => message(flow, name),
            Self::ToolCall(flow) if name == b"function" => Self::Function(flow),
            Self::Function(flow) if matches!(name, b"name" | b"arguments") => Self::Made(flow),
            Self::Audio(flow) if name == b"transcript" => Self::Text(flow),
            Self::Datum if matches!(name, b"b64_json" | b"url" | b"revised_prompt") => Self::Picture,
            Self::AnthropicStart if name == b"usage" => Self::UsageAtStart,
            Self::AnthropicDelta => match name {
                b"text" | b"partial_json" | b"thinking" => Self::Text(Flow::Piece),
                _ => Self::Idle,
            },
            Self::TgiDetails => match name {
                b"generated_tokens" => Self::Count(Field::Output),
                b"input_length" => Self::Count(Field::Input),
                b"best_of_sequences" => Self::TgiSequence,
                _ => Self::Idle,
            },
            Self::TgiSequence if name == b"generated_tokens" => Self::Count(Field::OtherSequences),
            Self::GeminiUsage => gemini_usage(name),
            Self::Modality(_) => match name {
                b"modality" => Self::ModalityName,
                b"tokenCount" => Self::ModalityCount,
                _ => Self::Idle,
            },
            Self::GeminiContent if name == b"parts" => Self::GeminiPart,
            Self::GeminiPart => match name {
                b"text" => Self::Text(Flow::Piece),
                b"functionCall" => Self::FunctionCall,
                b"executableCode" => Self::Made(Flow::Piece),
                _ => Self::Idle,
            },
            Self::FunctionCall if matches!(name, b"name" | b"args") => Self::Made(Flow::Piece),
            Self::CohereUsage => match name {
                b"billed_units" => Self::CohereBilled,
                b"tokens" => Self::CohereTokens,
                b"cached_tokens" => Self::Count(Field::Cached),
                _ => Self::Idle,
            },
            Self::CohereBilled => match name {
                b"input_tokens" => Self::Count(Field::BilledInput),
                b"output_tokens" => Self::Count(Field::BilledOutput),
                _ => Self::Idle,
            },
            Self::CohereTokens => match name {
                b"input_tokens" => Self::Count(Field::Input),
                b"output_tokens" => Self::Count(Field::Output),
                _ => Self::Idle,
            },
            Self::CohereDelta => match name {
                b"usage" | b"meta" => Self::CohereUsage,
                b"message" => Self::CohereMessage,
                _ => Self::Idle,
            },
            Self::CohereMessage => match name {
                b"content" => Self::Content(Flow::Piece),
                b"tool_plan" => Self::Text(Flow::Piece),
                b"tool_calls" => Self::ToolCall(Flow::Piece),
                _ => Self::Idle,
            },
            _ => Self::Idle,
        }
    }
}

fn document(dialect: Dialect, name: &[u8]) -> Place {
    match (dialect, name) {
        (Dialect::OpenAi, b"choices") => Place::Choice,
        (Dialect::OpenAi | Dialect::Anthropic, b"usage") => Place::Usage,
        (Dialect::OpenAi, b"x_groq") => Place::Groq,
        (Dialect::OpenAi | Dialect::LlamaCpp, b"timings") => Place::Timings,
        (Dialect::OpenAi | Dialect::LlamaCpp, b"prompt_progress") => Place::Progress,
        (Dialect::OpenAi, b"response") => Place::Response,
        (Dialect::OpenAi, b"output") => Place::OutputItem,
        (Dialect::OpenAi, b"type") => Place::Event,
        (Dialect::OpenAi, b"delta") => Place::Text(Flow::Piece),
        (Dialect::OpenAi, b"text") => Place::Text(Flow::Whole),
        (Dialect::OpenAi, b"data") => Place::Datum,
        (Dialect::OpenAi, b"duration") => Place::Count(Field::Milliseconds),
        (Dialect::Anthropic, b"message") => Place::AnthropicStart,
        (Dialect::Anthropic, b"delta") => Place::AnthropicDelta,
        (Dialect::Anthropic, b"content_block") => Place::Content(Flow::Piece),
        (Dialect::Anthropic, b"content") => Place::Content(Flow::Whole),
        (Dialect::Ollama, b"prompt_eval_count") => Place::Count(Field::Input),
        (Dialect::Ollama, b"eval_count") => Place::Count(Field::Output),
        (Dialect::Ollama, b"message") => Place::Message(Flow::Piece),
        (Dialect::Ollama, b"response" | b"thinking") => Place::Text(Flow::Piece),
        (Dialect::LlamaCpp, b"tokens_evaluated") => Place::Count(Field::Input),
        (Dialect::LlamaCpp, b"tokens_predicted") => Place::Count(Field::Output),
        (Dialect::LlamaCpp, b"content") => Place::Text(Flow::Piece),
        (Dialect::LlamaCpp, b"index") => Place::ChoiceIndex,
        (Dialect::Tgi, b"details") => Place::TgiDetails,
        (Dialect::Tgi, b"token") => Place::TgiToken,
        (Dialect::Tgi, b"generated_text") => Place::Text(Flow::Whole),
        (Dialect::Gemini, b"usageMetadata") => Place::GeminiUsage,
        (Dialect::Gemini, b"candidates") => Place::Choice,
        (Dialect::Cohere, b"usage" | b"meta") => Place::CohereUsage,
        (Dialect::Cohere, b"response" | b"delta") => Place::CohereDelta,
        (Dialect::Cohere, b"message") => Place::CohereMessage,
        (Dialect::Cohere, b"text") => Place::Text(Flow::Piece),
        _ => Place::Idle,
    }
}

fn usage(place: Place, name: &[u8]) -> Place {
    let field = match name {
        b"prompt_tokens" => Field::Prompt,
        b"input_tokens" => Field::Input,
        b"completion_tokens" => Field::Output,
        b"output_tokens" if place == Place::UsageAtStart => Field::OutputAtStart,
        b"output_tokens" => Field::Output,
        b"total_tokens" => Field::Total,
        b"prompt_cache_hit_tokens" | b"cached_tokens" => Field::Cached,
        b"cache_read_input_tokens" => Field::CacheRead,
        b"cache_creation_input_tokens" => Field::CacheCreation,
        b"seconds" => Field::Milliseconds,
        b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details" => {
            return Place::PromptDetails;
        }
        b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
            return Place::CompletionDetails;
        }
        b"cache_creation" => return Place::CacheCreation,
        _ => return Place::Idle,
    };
    Place::Count(field)
}

fn choice(name: &[u8]) -> Place {
    match name {
        b"index" => Place::ChoiceIndex,
        b"delta" => Place::Message(Flow::Piece),
        b"message" => Place::Message(Flow::Whole),
        b"text" => Place::Text(Flow::Piece),
        b"finish_reason" | b"finishReason" => Place::FinishReason,
        b"usage" => Place::Usage,
        b"content" => Place::GeminiContent,
        _ => Place::Idle,
    }
}

fn message(flow: Flow, name: &[u8]) -> Place {
    match name {
        b"content" => Place::Content(flow),
        b"reasoning_content" | b"reasoning" | b"thinking" | b"refusal" => Place::Text(flow),
        b"tool_calls" => Place::ToolCall(flow),
        b"function_call" => Place::Function(flow),
        b"audio" => Place::Audio(flow),
        _ => Place::Idle,
    }
}

fn gemini_usage(name: &[u8]) -> Place {
    let field = match name {
        b"promptTokenCount" => Field::Prompt,
        b"toolUsePromptTokenCount" => Field::ToolPrompt,
        b"cachedContentTokenCount" => Field::Cached,
        b"candidatesTokenCount" | b"responseTokenCount" => Field::Output,
        b"thoughtsTokenCount" => Field::Thoughts,
        b"totalTokenCount" => Field::Total,
        b"promptTokensDetails" => return Place::Modality(Side::Prompt),
        b"cacheTokensDetails" => return Place::Modality(Side::Cached),
        b"candidatesTokensDetails" | b"responseTokensDetails" => return Place::Modality(Side::Output),
        _ => return Place::Idle,
    };
    Place::Count(field)
}
