//! The numbers that servers report.

/// A number that a server reports, under whatever name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Field {
    /// The input as `prompt_tokens`, which holds what came from the cache and what was written to it.
    Prompt,
    /// The input as `input_tokens`. Anthropic counts its cache beside it.
    Input,
    Output,
    /// The output when a message starts.
    OutputAtStart,
    Total,
    /// Input from the cache, inside the input.
    Cached,
    /// Input written to the cache, inside the input.
    CacheWrite,
    /// Input from the cache as Anthropic names it.
    CacheRead,
    /// Input written to the cache as Anthropic names it.
    CacheCreation,
    ShortCacheCreation,
    LongCacheCreation,
    AudioInput,
    ImageInput,
    CachedAudio,
    CachedImage,
    /// Results of tools that the model read, beside the input.
    ToolPrompt,
    Reasoning,
    /// Reasoning beside the output.
    Thoughts,
    AudioOutput,
    ImageOutput,
    /// The output of sequences that lost.
    OtherSequences,
    BilledInput,
    BilledOutput,
    TimedPrompt,
    TimedCache,
    TimedOutput,
    /// The prompt as the progress of reading it tells.
    ProgressTotal,
    /// The length of the sound that was heard.
    Milliseconds,
}

/// The numbers that have been reported, each with its last value.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields([Option<u64>; FIELDS]);

const FIELDS: usize = Field::Milliseconds as usize + 1;

impl Fields {
    pub(super) fn of(&self, field: Field) -> Option<u64> {
        self.0[field as usize]
    }

    pub(super) fn put(&mut self, field: Field, number: u64) {
        self.0[field as usize] = Some(number);
    }

    pub(super) fn add(&mut self, field: Field, number: u64) {
        let sum = self.of(field).unwrap_or_default().saturating_add(number);
        self.put(field, sum);
    }

    /// Adds what an earlier report has of a field, if this one has any.
    pub(super) fn add_earlier(&mut self, earlier: &Self, field: Field) {
        if let (Some(_), Some(earlier)) = (self.of(field), earlier.of(field)) {
            self.add(field, earlier);
        }
    }

    /// Takes over each number that a later report has.
    pub(super) fn replace(&mut self, later: &Self) {
        for (mine, number) in self.0.iter_mut().zip(later.0) {
            *mine = number.or(*mine);
        }
    }

    /// Lets the numbers of one report stand in for those that it lacks: timings for usage, billed units for tokens.
    pub(super) fn complete(&mut self) {
        if self.of(Field::Prompt).or(self.of(Field::Input)).is_none() {
            let timed = self.of(Field::TimedPrompt).map(|new| new + self.of(Field::TimedCache).unwrap_or(0));
            if let Some(input) = timed.or(self.of(Field::ProgressTotal)).or(self.of(Field::BilledInput)) {
                self.put(Field::Input, input);
            }
        }
        for (lacks, stands_in) in [
            (Field::Output, Field::TimedOutput),
            (Field::Output, Field::BilledOutput),
            (Field::Cached, Field::TimedCache),
        ] {
            if let (None, Some(number)) = (self.of(lacks), self.of(stands_in)) {
                self.put(lacks, number);
            }
        }
    }
}

/// Reads a number of tokens as servers write them: as an integer, as a number whose fraction is zero, or as a text of either.
/// Anything else is none.
pub(super) fn tokens(word: &[u8]) -> Option<u64> {
    let tokens = match plain(word) {
        Some(tokens) => tokens,
        None => whole(number(word)?)?,
    };
    (tokens <= MAX_TOKENS).then_some(tokens)
}

/// Reads a number of seconds, in milliseconds. They are rounded up, against the caller.
pub(super) fn milliseconds(word: &[u8]) -> Option<u64> {
    whole((number(word)? * 1000.0).ceil()).filter(|milliseconds| *milliseconds <= MAX_TOKENS)
}

fn plain(word: &[u8]) -> Option<u64> {
    // Up to 15 digits cannot overflow.
    let is_plain = !word.is_empty() && word.len() <= 15 && word.iter().all(u8::is_ascii_digit);
    is_plain.then(|| word.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

fn number(word: &[u8]) -> Option<f64> {
    let is_number = word.first()?.is_ascii_digit();
    std::str::from_utf8(word).ok().filter(|_| is_number)?.parse().ok()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked before")]
fn whole(number: f64) -> Option<u64> {
    let is_whole = number.fract() == 0.0 && (0.0..=9e15).contains(&number);
    is_whole.then_some(number as u64)
}

/// More tokens than any request has: a larger number is no number of tokens.
const MAX_TOKENS: u64 = 1 << 40;
