//! The members of a request that count.

use super::maximum::Alias;

/// The meaning of a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Member {
    Model,
    Stream,
    StreamOptions,
    /// A list of messages.
    Messages,
    /// A prompt, a list of prompts, or tokens.
    Prompt,
    /// The same, or a list of messages.
    Input,
    /// Anything else that the model reads.
    Content,
    Tools,
    Pictures,
    /// Tokens of an earlier conversation.
    Ids,
    Choices,
    Maximum(Alias),
    Options,
    GenerationConfig,
    Parameters,
    /// `stream_options.include_usage`
    IncludeUsage,
}

/// The members of one object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Members {
    /// The pointer of the object.
    pub(super) pointer: &'static str,
    names: &'static [(&'static str, Member)],
}

impl Members {
    /// The place of a name, and its meaning.
    pub(super) fn named(&self, name: &str) -> Option<(usize, Member)> {
        let place = self.names.iter().position(|(known, _)| *known == name)?;
        Some((place, self.names[place].1))
    }

    /// The pointer to the member at a place.
    pub(super) fn pointer_of(&self, place: usize) -> String {
        format!("{}/{}", self.pointer, self.names[place].0)
    }
}

pub(super) const TOP: Members = Members {
    pointer: "",
    names: &[
        ("model", Member::Model),
        ("stream", Member::Stream),
        ("stream_options", Member::StreamOptions),
        ("messages", Member::Messages),
        ("contents", Member::Messages),
        ("chat_history", Member::Messages),
        ("prompt", Member::Prompt),
        ("inputs", Member::Prompt),
        ("texts", Member::Prompt),
        ("input", Member::Input),
        ("system", Member::Content),
        ("systemInstruction", Member::Content),
        ("system_instruction", Member::Content),
        ("system_prompt", Member::Content),
        ("instructions", Member::Content),
        ("preamble", Member::Content),
        ("message", Member::Content),
        ("content", Member::Content),
        ("requests", Member::Content),
        ("query", Member::Content),
        ("documents", Member::Content),
        ("suffix", Member::Content),
        ("template", Member::Content),
        ("chat_template", Member::Content),
        ("chat_template_kwargs", Member::Content),
        ("input_prefix", Member::Content),
        ("input_suffix", Member::Content),
        ("input_extra", Member::Content),
        ("response_format", Member::Content),
        ("text", Member::Content),
        ("text_1", Member::Content),
        ("text_2", Member::Content),
        ("tools", Member::Tools),
        ("functions", Member::Tools),
        ("images", Member::Pictures),
        ("image_data", Member::Pictures),
        ("context", Member::Ids),
        ("n", Member::Choices),
        ("n_cmpl", Member::Choices),
        ("best_of", Member::Choices),
        ("num_generations", Member::Choices),
        ("max_tokens", Member::Maximum(Alias::MaxTokens)),
        ("max_completion_tokens", Member::Maximum(Alias::MaxCompletionTokens)),
        ("max_output_tokens", Member::Maximum(Alias::MaxOutputTokens)),
        ("max_new_tokens", Member::Maximum(Alias::MaxNewTokens)),
        ("n_predict", Member::Maximum(Alias::NPredict)),
        ("num_predict", Member::Maximum(Alias::NumPredict)),
        ("options", Member::Options),
        ("generationConfig", Member::GenerationConfig),
        ("generation_config", Member::GenerationConfig),
        ("parameters", Member::Parameters),
    ],
};

pub(super) const STREAM_OPTIONS: Members =
    Members { pointer: "/stream_options", names: &[("include_usage", Member::IncludeUsage)] };

pub(super) const OPTIONS: Members =
    Members { pointer: "/options", names: &[("num_predict", Member::Maximum(Alias::OptionsNumPredict))] };

pub(super) const GENERATION_CONFIG: Members = Members {
    pointer: "/generationConfig",
    names: &[
        ("maxOutputTokens", Member::Maximum(Alias::ConfigMaxOutputTokens)),
        ("max_output_tokens", Member::Maximum(Alias::ConfigMaxOutputTokens)),
        ("candidateCount", Member::Choices),
        ("candidate_count", Member::Choices),
        ("responseSchema", Member::Content),
        ("response_schema", Member::Content),
    ],
};

pub(super) const PARAMETERS: Members = Members {
    pointer: "/parameters",
    names: &[
        ("max_new_tokens", Member::Maximum(Alias::ParametersMaxNewTokens)),
        ("best_of", Member::Choices),
        ("num_return_sequences", Member::Choices),
    ],
};
