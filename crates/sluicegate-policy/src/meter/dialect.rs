//! The interfaces of model servers.

/// The interface of a model server: the form of its requests, of its answers, and of the usage in them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Dialect {
    /// OpenAI's chat completions, completions, embeddings, responses, transcriptions and images, as vLLM, llama.cpp's server
    /// and most others speak them.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Ollama's own chat and generate, whose streams are lines of JSON.
    Ollama,
    /// The own completion of llama.cpp's server.
    LlamaCpp,
    /// Text Generation Inference's generate.
    Tgi,
    /// Gemini's generateContent and its stream.
    Gemini,
    /// Cohere's chat.
    Cohere,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::OpenAi, Self::Anthropic, Self::Ollama, Self::LlamaCpp, Self::Tgi, Self::Gemini, Self::Cohere];

    /// The name in a policy.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
            Self::LlamaCpp => "llama.cpp",
            Self::Tgi => "tgi",
            Self::Gemini => "gemini",
            Self::Cohere => "cohere",
        }
    }

    /// The dialect of a name in a policy.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }
}
