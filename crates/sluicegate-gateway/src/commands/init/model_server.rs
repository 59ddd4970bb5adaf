//! The model servers that `init` has a policy for.

use clap::ValueEnum;

/// A kind of model server.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ModelServer {
    /// A FastAPI app
    Fastapi,
    /// vLLM, or another server with OpenAI's API
    Vllm,
    /// llama.cpp's server
    Llama,
    /// Ollama
    Ollama,
    /// Triton Inference Server
    Triton,
    /// KServe's model server, or MLServer
    Kserve,
    /// BentoML
    Bentoml,
    /// A hosted API in the form of OpenAI's
    Openai,
}

impl ModelServer {
    /// The text of the policy for this server.
    pub(super) const fn policy(self) -> &'static str {
        match self {
            Self::Fastapi => include_str!("../../../../../examples/policies/fastapi.toml"),
            Self::Vllm => include_str!("../../../../../examples/policies/vllm.toml"),
            Self::Llama => include_str!("../../../../../examples/llama/sluicegate.toml"),
            Self::Ollama => include_str!("../../../../../examples/policies/ollama.toml"),
            Self::Triton => include_str!("../../../../../examples/policies/triton.toml"),
            Self::Kserve => include_str!("../../../../../examples/policies/kserve.toml"),
            Self::Bentoml => include_str!("../../../../../examples/policies/bentoml.toml"),
            Self::Openai => include_str!("../../../../../examples/policies/openai.toml"),
        }
    }

    /// The server's name in a sentence.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Fastapi => "the FastAPI app",
            Self::Vllm => "vLLM",
            Self::Llama => "llama-server",
            Self::Ollama => "Ollama",
            Self::Triton => "Triton",
            Self::Kserve => "KServe",
            Self::Bentoml => "BentoML",
            Self::Openai => "the API",
        }
    }

    /// The server of this name, in letters of either case.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        Self::from_str(name, true).map_err(|_| format!("`{name}` is none of them: {}", names()))
    }

    /// The question for the server, with all choices.
    pub(super) fn question() -> String {
        let choice = |value: clap::builder::PossibleValue| {
            let help = value.get_help().map(ToString::to_string).unwrap_or_default();
            format!("  {:8} {help}\n", value.get_name())
        };
        let choices: String = values().map(choice).collect();
        format!("Which server is behind the gateway?\n{choices}Server: ")
    }

    /// The error where no server is named and nobody can be asked.
    pub(super) fn unnamed() -> String {
        format!(
            "no server is named, and there is no terminal to ask\n  help: add --for with one of {}",
            names()
        )
    }
}

fn values() -> impl Iterator<Item = clap::builder::PossibleValue> {
    ModelServer::value_variants().iter().filter_map(ValueEnum::to_possible_value)
}

fn names() -> String {
    values().map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ")
}
