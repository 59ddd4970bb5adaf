//! The most output tokens that a request allows, by any of their names.

use super::{interface::Interface, scalar::Number};

/// A name of the maximum.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Alias {
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
    NPredict,
    NumPredict,
    MaxNewTokens,
    /// `options.num_predict`
    OptionsNumPredict,
    /// `generationConfig.maxOutputTokens`
    ConfigMaxOutputTokens,
    /// `parameters.max_new_tokens`
    ParametersMaxNewTokens,
}

/// The maxima in one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Maxima(Vec<(Alias, Number)>);

/// The output that the maxima allow to each choice.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Allowance {
    /// The most tokens, unless the server may make any number.
    pub(super) most: Option<u64>,
    /// Tokens that the server makes if it heeds names that not every server of the interface heeds.
    pub(super) named: u64,
}

impl Maxima {
    pub(super) fn add(&mut self, alias: Alias, number: Option<Number>) {
        self.0.extend(number.map(|number| (alias, number)));
    }

    /// The allowance under an interface.
    ///
    /// The largest counts. One that some servers ignore can only raise it: were it taken for the maximum, a request could
    /// reserve one token at a server that never reads it.
    pub(super) fn allowance(&self, interface: Interface) -> Allowance {
        let (mut most, mut named, mut is_unlimited) = (None, 0, false);
        for (alias, number) in &self.0 {
            match number {
                Number::Unlimited => is_unlimited = true,
                Number::Whole(0) if !alias.is_one_at_zero() => {}
                Number::Whole(number) if alias.is_heeded(interface) => {
                    most = most.max(Some((*number).max(1)));
                }
                Number::Whole(number) => named = named.max(*number),
            }
        }
        match most {
            Some(most) if !is_unlimited => Allowance { most: Some(most.max(named)), named: 0 },
            most => Allowance { most: None, named: named.max(most.unwrap_or_default()) },
        }
    }
}

impl Alias {
    /// Returns `true` if 0 is one token, as in llama.cpp. Others take it for "without a limit": vLLM goes on to the next name,
    /// and Ollama to the end of the context.
    fn is_one_at_zero(self) -> bool {
        matches!(self, Self::MaxTokens | Self::NPredict | Self::MaxOutputTokens)
    }

    /// Returns `true` if every server of the interface reads this name.
    fn is_heeded(self, interface: Interface) -> bool {
        match interface {
            Interface::Chat => matches!(self, Self::MaxTokens | Self::MaxCompletionTokens),
            Interface::Completions | Interface::Messages | Interface::Cohere => self == Self::MaxTokens,
            Interface::Responses => self == Self::MaxOutputTokens,
            Interface::Ollama => self == Self::OptionsNumPredict,
            Interface::LlamaCpp => self == Self::NPredict,
            Interface::Tgi => self == Self::ParametersMaxNewTokens,
            Interface::Gemini => self == Self::ConfigMaxOutputTokens,
            Interface::WithoutOutput => false,
        }
    }
}
