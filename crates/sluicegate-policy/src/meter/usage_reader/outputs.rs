//! The output of each choice of a response.

/// The output of each choice of a response, as far as it was reported, and as far as it was counted since.
///
/// Servers differ in what a usage in a stream covers. Most report the sum of all choices at the end. Some report each choice
/// by itself: vLLM can do so in every chunk, and the server of llama.cpp does so after the last chunk of the choice.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs {
    choices: Vec<Choice>,
    /// The last report of all choices together, where there are several.
    all: Option<u64>,
    has_pieces: bool,
}

#[derive(Clone, Debug, Default)]
struct Choice {
    index: u64,
    /// The tokens that were counted since the last report: in pieces, and in whole texts.
    pieces: u64,
    whole: u64,
    output: Option<u64>,
    input: Option<u64>,
    is_finished: bool,
    /// A report has come since it finished.
    is_closed: bool,
}

/// The part of a document that belongs to one choice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    pub(super) index: u64,
    pub(super) pieces: u64,
    pub(super) whole: u64,
    pub(super) is_finished: bool,
}

impl Outputs {
    /// Adds the part of a choice in one document.
    pub(super) fn add(&mut self, part: &Part) {
        let choice = self.choice(part.index);
        choice.pieces = choice.pieces.saturating_add(part.pieces);
        choice.whole = choice.whole.saturating_add(part.whole);
        choice.is_finished |= part.is_finished;
        self.has_pieces |= part.pieces > 0;
    }

    /// Adds a part of a choice that is a text in pieces.
    #[inline]
    pub(super) fn add_pieces(&mut self, index: u64, pieces: u64) {
        match self.choices.first_mut() {
            // As in most streams.
            Some(choice) if choice.index == index => {
                choice.pieces = choice.pieces.saturating_add(pieces);
                self.has_pieces |= pieces > 0;
            }
            _ => self.add(&Part { index, pieces, ..Part::default() }),
        }
    }

    /// Takes a report of the output, and of the input if it has one, that came in a document with these choices.
    pub(super) fn report(&mut self, within: &[Part], output: u64, input: Option<u64>) {
        let covered = |choice: &Choice| match within {
            [] => choice.is_finished && !choice.is_closed,
            within => within.iter().any(|part| part.index == choice.index),
        };
        let is_of_some = self.all.is_none()
            && self.choices.iter().any(covered)
            && self.choices.iter().any(|it| !covered(it) && (!it.is_finished || it.output.is_some()));
        if is_of_some {
            self.report_of(output, input, covered);
        } else {
            self.report_all(output, input);
        }
    }

    /// Takes a report of all choices together.
    pub(super) fn report_all(&mut self, output: u64, input: Option<u64>) {
        if self.choices.len() <= 1 {
            return self.report_of(output, input, |_| true);
        }
        self.all = Some(output);
        self.choices.iter_mut().for_each(Choice::close);
    }

    /// Takes a report of the first of several choices, which says nothing of the others.
    pub(super) fn report_first(&mut self, output: u64, input: Option<u64>) {
        let first = self.choices.first().map_or(0, |choice| choice.index);
        self.report_of(output, input, |choice| choice.index == first);
    }

    fn report_of(&mut self, output: u64, input: Option<u64>, covered: impl Fn(&Choice) -> bool) {
        if self.choices.is_empty() {
            self.choices.push(Choice::default());
        }
        // A report of several choices counts once.
        let mut output = Some(output);
        for choice in self.choices.iter_mut().filter(|choice| covered(choice)) {
            choice.close();
            choice.output = Some(output.take().unwrap_or(0));
            choice.input = input;
        }
    }

    /// The number of tokens that servers have reported, if any has.
    pub(super) fn reported(&self) -> Option<u64> {
        let of_choices = self.choices.iter().filter_map(|choice| choice.output);
        let sum = of_choices.reduce(u64::saturating_add);
        match (self.all, sum) {
            (None, None) => None,
            (all, sum) => Some(all.unwrap_or(0).saturating_add(sum.unwrap_or(0))),
        }
    }

    /// The number of tokens that were counted and that no report covers.
    pub(super) fn counted(&self) -> u64 {
        // A whole text repeats the pieces that came before it.
        let count = |choice: &Choice| if self.has_pieces { choice.pieces } else { choice.whole };
        self.choices.iter().map(count).fold(0, u64::saturating_add)
    }

    /// The sum of the inputs that were reported for single choices, and the number of these.
    pub(super) fn inputs(&self) -> (u64, u64) {
        let inputs = self.choices.iter().filter_map(|choice| choice.input);
        inputs.fold((0, 0), |(sum, count), input| (input.saturating_add(sum), count + 1))
    }

    fn choice(&mut self, index: u64) -> &mut Choice {
        let known = self.choices.iter().position(|choice| choice.index == index);
        let at = known.unwrap_or_else(|| {
            if self.choices.len() < MAX_CHOICES {
                self.choices.push(Choice { index, ..Choice::default() });
            }
            // Any more share the last place: their tokens count, but reports of single ones mix.
            self.choices.len() - 1
        });
        &mut self.choices[at]
    }
}

impl Choice {
    /// Takes note that a report covers all that there is so far.
    fn close(&mut self) {
        let Self { index, is_finished, .. } = *self;
        *self = Self { index, is_finished, is_closed: is_finished, ..Self::default() };
    }
}

/// The most choices that are told apart. OpenAI allows 128.
const MAX_CHOICES: usize = 128;
