//! The tokens of one request, by class.

/// The tokens of one request, by class. No token is in two classes: what a server reports inside another number is taken
/// out of that.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage([u64; TokenClass::ALL.len()]);

/// A class of tokens, which may have a price or a weight of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TokenClass {
    /// Text that the model read.
    Input,
    /// Input that the server found in its cache.
    CachedInput,
    /// Input that the server wrote to its cache.
    CacheWrite,
    /// Sound that the model heard.
    AudioInput,
    /// Pictures that the model saw.
    ImageInput,
    /// Text that the model wrote.
    Output,
    /// Output that its client does not see.
    Reasoning,
    /// Sound that the model made.
    AudioOutput,
    /// Pictures that the model made.
    ImageOutput,
}

/// The weights of the classes in a limit of tokens, in thousandths.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenWeights([u32; TokenClass::ALL.len()]);

impl TokenClass {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Input,
        Self::CachedInput,
        Self::CacheWrite,
        Self::AudioInput,
        Self::ImageInput,
        Self::Output,
        Self::Reasoning,
        Self::AudioOutput,
        Self::ImageOutput,
    ];

    /// The name in a policy and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CachedInput => "cached_input",
            Self::CacheWrite => "cache_write",
            Self::AudioInput => "audio_input",
            Self::ImageInput => "image_input",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::AudioOutput => "audio_output",
            Self::ImageOutput => "image_output",
        }
    }

    /// Returns `true` if the model read it, and `false` if the model made it.
    #[must_use]
    pub const fn is_input(self) -> bool {
        match self {
            Self::Input | Self::CachedInput | Self::CacheWrite | Self::AudioInput | Self::ImageInput => true,
            Self::Output | Self::Reasoning | Self::AudioOutput | Self::ImageOutput => false,
        }
    }

    /// Returns `true` if servers may count it inside the input or output.
    pub(crate) const fn is_part(self) -> bool {
        !matches!(self, Self::Input | Self::Output)
    }

    const fn index(self) -> usize {
        self as usize
    }
}

impl Usage {
    /// The usage of text alone.
    #[must_use]
    pub fn text(input: u64, output: u64) -> Self {
        Self::default().with(TokenClass::Input, input).with(TokenClass::Output, output)
    }

    /// The same usage with another number of tokens of a class.
    #[must_use]
    pub fn with(mut self, class: TokenClass, tokens: u64) -> Self {
        self.0[class.index()] = tokens;
        self
    }

    /// The tokens of a class.
    #[must_use]
    pub fn of(&self, class: TokenClass) -> u64 {
        self.0[class.index()]
    }

    /// The weighted tokens that the model read.
    #[must_use]
    pub fn input(&self, weights: &TokenWeights) -> u64 {
        self.weighted(weights, TokenClass::is_input)
    }

    /// The weighted tokens that the model made.
    #[must_use]
    pub fn output(&self, weights: &TokenWeights) -> u64 {
        self.weighted(weights, |class| !class.is_input())
    }

    /// All weighted tokens.
    #[must_use]
    pub fn total(&self, weights: &TokenWeights) -> u64 {
        self.weighted(weights, |_| true)
    }

    /// Rounded up, against the caller.
    fn weighted(&self, weights: &TokenWeights, counts: impl Fn(TokenClass) -> bool) -> u64 {
        let thousandths = |class: &TokenClass| u128::from(self.of(*class)) * u128::from(weights.of(*class));
        let sum: u128 = TokenClass::ALL.iter().filter(|class| counts(**class)).map(thousandths).sum();
        u64::try_from(sum.div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

impl TokenWeights {
    /// The same weights with another one for a class, in thousandths.
    #[must_use]
    pub fn with(mut self, class: TokenClass, thousandths: u32) -> Self {
        self.0[class.index()] = thousandths;
        self
    }

    /// The weight of a class, in thousandths.
    #[must_use]
    pub fn of(&self, class: TokenClass) -> u32 {
        self.0[class.index()]
    }
}

impl Default for TokenWeights {
    fn default() -> Self {
        Self([1000; TokenClass::ALL.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_apply_to_each_class_and_the_sum_is_rounded_up() {
        let usage = Usage::text(10, 7).with(TokenClass::CachedInput, 15).with(TokenClass::Reasoning, 3);
        assert_eq!((usage.input(&TokenWeights::default()), usage.output(&TokenWeights::default())), (25, 10));
        let weights =
            TokenWeights::default().with(TokenClass::CachedInput, 100).with(TokenClass::Output, 4000);
        assert_eq!((usage.input(&weights), usage.output(&weights), usage.total(&weights)), (12, 31, 43));
        let all =
            TokenClass::ALL.into_iter().fold(Usage::default(), |usage, class| usage.with(class, u64::MAX));
        assert_eq!(all.total(&weights), u64::MAX);
    }
}
