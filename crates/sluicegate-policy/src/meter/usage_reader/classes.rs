//! The tokens of a response by class, from what its server has reported and what was counted.

use std::time::Duration;

use crate::{TokenClass, Usage, meter::token_pointers::UsageNumber};

use super::{
    Actual, Expected, UsageSource,
    field::Field,
    pointers::{Convention, field},
    tally::Tally,
};

impl Tally {
    /// Returns the usage so far. Where the server has not reported a number yet, it is what was expected or counted.
    pub(super) fn actual(&self, expected: &Expected) -> Actual {
        let (prompt, is_prompt_reported) = match self.prompt(expected) {
            Some(prompt) => (prompt, true),
            None => (expected.input, false),
        };
        let (output, is_output_reported) = self.output(prompt, expected);
        let usage = match self.convention {
            Some(convention) => self.pointed_classes(convention, prompt, output),
            None => self.add_output(self.input_classes(prompt, output), prompt, output),
        };
        let is_reported = is_prompt_reported && is_output_reported;
        Actual {
            usage,
            source: if is_reported { UsageSource::Reported } else { UsageSource::Counted },
            sound: self.fields.of(Field::Milliseconds).map(Duration::from_millis),
        }
    }

    /// The input of all prompts, as far as it was reported.
    fn prompt(&self, expected: &Expected) -> Option<u64> {
        let reported = self.of(Field::Prompt).or(self.of(Field::Input));
        if expected.prompts > 1 {
            let (sum, choices) = self.outputs.inputs();
            if choices > 1 {
                // Each prompt is reported once for each of its choices.
                let each = u128::from(sum) * u128::from(expected.prompts);
                let all = u64::try_from(each / u128::from(expected.choices.max(choices))).unwrap_or(u64::MAX);
                let is_whole = choices >= expected.choices;
                return Some(if is_whole { all } else { all.max(expected.input) });
            }
            if self.is_of_first {
                return reported.map(|first| first.max(expected.input));
            }
        }
        // Some servers report a sum alone.
        let rest = |total: u64| {
            let output = self.outputs.reported().unwrap_or(0).saturating_add(self.outputs.counted());
            total.saturating_sub(output).saturating_sub(self.pointed_beside())
        };
        reported.or_else(|| self.of(Field::Total).map(rest))
    }

    /// The output of all choices, without reasoning beside it, and whether the server has reported all of it.
    fn output(&self, prompt: u64, expected: &Expected) -> (u64, bool) {
        let counted = self.outputs.counted();
        if let Some(reported) = self.outputs.reported() {
            return (reported.saturating_add(counted), counted == 0);
        }
        if counted > 0 {
            return (counted.max(self.of(Field::OutputAtStart).unwrap_or(0)), false);
        }
        // Embeddings have a prompt and a total.
        let other = prompt
            .saturating_add(self.or_none(Field::ToolPrompt))
            .saturating_add(self.or_none(Field::Thoughts))
            .saturating_add(self.pointed_beside());
        if let Some(total) = self.of(Field::Total) {
            return (total.saturating_sub(other), true);
        }
        (self.or_none(Field::OutputAtStart), expected.is_without_output)
    }

    fn input_classes(&self, prompt: u64, output: u64) -> Usage {
        let read = self.or_none(Field::CacheRead);
        let parts =
            self.or_none(Field::ShortCacheCreation).saturating_add(self.or_none(Field::LongCacheCreation));
        let created = self.of(Field::CacheCreation).unwrap_or(parts);
        let (cached, written) = (self.or_none(Field::Cached), self.or_none(Field::CacheWrite));
        let beside = read.saturating_add(created);

        // `input_tokens` holds the rest beside Anthropic's cache, and `prompt_tokens` holds all, unless the total says
        // otherwise.
        let sum = prompt.saturating_add(output);
        let total_says_beside = beside > 0 && self.of(Field::Total) == Some(sum.saturating_add(beside));
        let is_beside =
            total_says_beside || (self.of(Field::Prompt).is_none() && self.of(Field::Input).is_some());
        let (cached, written, added) = match (is_beside, beside) {
            (_, 0) if cached > prompt => (0, written, (cached, 0)),
            (true, _) => (cached, written, (read, created)),
            (false, _) => (cached.max(read), written.max(created), (0, 0)),
        };
        let mut rest = prompt;
        let mut take = |tokens: u64| {
            let taken = tokens.min(rest);
            rest -= taken;
            taken
        };
        let (cached, written) = (take(cached), take(written));
        let audio = self.or_none(Field::AudioInput).saturating_sub(self.or_none(Field::CachedAudio));
        let images = self.or_none(Field::ImageInput).saturating_sub(self.or_none(Field::CachedImage));
        let (audio, images) = (take(audio), take(images));
        Usage::default()
            .with(TokenClass::Input, rest.saturating_add(self.or_none(Field::ToolPrompt)))
            .with(TokenClass::CachedInput, cached.saturating_add(added.0))
            .with(TokenClass::CacheWrite, written.saturating_add(added.1))
            .with(TokenClass::AudioInput, audio)
            .with(TokenClass::ImageInput, images)
    }

    fn add_output(&self, usage: Usage, prompt: u64, output: u64) -> Usage {
        let reasoning = self.or_none(Field::Reasoning);
        // Most count reasoning inside the output. Where it is beside, the total says so.
        let sum = prompt.saturating_add(output);
        let is_beside = reasoning > 0 && self.of(Field::Total) == Some(sum.saturating_add(reasoning));
        let mut rest = output;
        let mut take = |tokens: u64| {
            let taken = tokens.min(rest);
            rest -= taken;
            taken
        };
        let inside = if is_beside { 0 } else { take(reasoning) };
        let audio = take(self.or_none(Field::AudioOutput));
        let pictures = self.of(Field::ImageOutput).unwrap_or(if self.makes_images { u64::MAX } else { 0 });
        let images = take(pictures);
        let beside = if is_beside { reasoning } else { 0 };
        usage
            .with(TokenClass::Output, rest)
            .with(
                TokenClass::Reasoning,
                inside.saturating_add(beside).saturating_add(self.or_none(Field::Thoughts)),
            )
            .with(TokenClass::AudioOutput, audio)
            .with(TokenClass::ImageOutput, images)
    }

    /// The classes by the numbers that a policy points to.
    fn pointed_classes(&self, convention: Convention, mut input: u64, mut output: u64) -> Usage {
        let mut usage = Usage::default();
        for (class, field) in part_classes() {
            let mut tokens = self.or_none(field);
            if !convention.is_beside(field) {
                let rest = if class.is_input() { &mut input } else { &mut output };
                tokens = tokens.min(*rest);
                *rest -= tokens;
            }
            usage = usage.with(class, tokens);
        }
        usage.with(TokenClass::Input, input).with(TokenClass::Output, output)
    }

    /// The tokens that a policy says are neither inside the input nor inside the output.
    fn pointed_beside(&self) -> u64 {
        let Some(convention) = self.convention else { return 0 };
        let parts = part_classes().filter(|(_, field)| convention.is_beside(*field));
        parts.map(|(_, field)| self.or_none(field)).fold(0, u64::saturating_add)
    }

    fn of(&self, field: Field) -> Option<u64> {
        self.fields.of(field)
    }

    fn or_none(&self, field: Field) -> u64 {
        self.of(field).unwrap_or(0)
    }
}

/// The classes that are parts of the input or output, with their numbers.
fn part_classes() -> impl Iterator<Item = (TokenClass, Field)> {
    let parts = TokenClass::ALL.into_iter().filter(|class| class.is_part());
    parts.map(|class| (class, field(UsageNumber::Class(class))))
}
