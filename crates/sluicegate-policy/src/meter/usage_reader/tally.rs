//! The tally of a response: what its documents have reported so far, and what was counted.

use smallvec::SmallVec;

use crate::{Dialect, meter::pointer_tree::NodeId};

use super::{
    field::{Field, Fields, milliseconds, tokens},
    made_text::MadeText,
    outputs::{Outputs, Part},
    place::{Flow, Place, Side},
    pointers::Convention,
    repeated::{OnlyText, RepeatedText},
    scanner::Sink,
};

/// The tally of a response: what its documents have reported so far, and what was counted.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// `None` if a policy points to what counts.
    dialect: Option<Dialect>,
    /// The way in which the server counts, as this policy says. `None` in a dialect.
    pub(super) convention: Option<Convention>,
    pub(super) fields: Fields,
    pub(super) outputs: Outputs,
    /// The server has reported some number.
    has_reports: bool,
    /// The output is pictures.
    pub(super) makes_images: bool,
    /// The server has reported the first of several choices, and so perhaps of several prompts.
    pub(super) is_of_first: bool,
    /// The text of the last document, if that had no other effect.
    pub(super) only_text: Option<OnlyText>,
    document: Document,
}

/// The document that is being read. A stream has one for each event, and each takes effect when it ends.
#[derive(Clone, Debug, Default)]
struct Document {
    fields: Fields,
    has_fields: bool,
    choices: SmallVec<[Part; 1]>,
    /// The choice that is being read, or what stands in the document itself.
    part: Part,
    text: MadeText,
    /// The pieces of texts so far, and the last one that is a whole string.
    texts: u32,
    last_text: Option<(usize, usize)>,
    /// Its delta is sound, written as text.
    is_sound: bool,
    modality: Option<Modality>,
    count: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Modality {
    Audio,
    Image,
    Other,
}

impl Tally {
    pub(super) fn in_dialect(dialect: Dialect) -> Self {
        Self::new(Some(dialect), None)
    }

    /// The tally of what a policy's pointers lead to.
    pub(super) fn pointed(convention: Convention) -> Self {
        Self::new(None, Some(convention))
    }

    fn new(dialect: Option<Dialect>, convention: Option<Convention>) -> Self {
        Self {
            dialect,
            convention,
            fields: Fields::default(),
            outputs: Outputs::default(),
            has_reports: false,
            makes_images: false,
            is_of_first: false,
            only_text: None,
            document: Document::default(),
        }
    }

    /// Takes note of a number that the head of the response tells.
    pub(super) fn put(&mut self, field: Field, number: u64) {
        self.fields.put(field, number);
        self.has_reports = true;
        if field == Field::Output {
            self.outputs.report_all(number, None);
        }
    }

    /// Counts text that is no JSON.
    pub(super) fn plain(&mut self, piece: &[u8]) {
        self.document.text.plain(piece);
    }

    /// Takes note that a document of plain text has ended.
    pub(super) fn end_plain(&mut self) {
        self.document.part.pieces += self.document.text.take(b"", true);
        self.end_document();
    }

    /// Counts a text of a choice, in an event that has no other effect.
    #[inline]
    pub(super) fn repeat(&mut self, text: &RepeatedText<'_>) {
        let pieces = if text.has_escapes {
            self.document.text.take(text.written, true)
        } else {
            self.document.text.take_plain(text.written)
        };
        self.outputs.add_pieces(text.index, pieces);
    }

    /// Returns the number of tokens that were counted. `None` if the server has reported something, too.
    pub(super) fn counted_alone(&self) -> Option<u64> {
        (!self.has_reports).then(|| self.outputs.counted())
    }

    fn end_document(&mut self) {
        self.only_text = self.document.only_text();
        let Document { fields, has_fields, choices, part, is_sound, texts, .. } = &mut self.document;
        for choice in choices.iter() {
            self.outputs.add(choice);
        }
        if *is_sound {
            part.pieces = 0;
        }
        let is_llama = self.dialect == Some(Dialect::LlamaCpp);
        if is_llama || part.pieces > 0 || part.whole > 0 {
            self.outputs.add(part);
        }
        if std::mem::take(has_fields) {
            self.has_reports = true;
            let is_of_first = choices.len() > 1
                && fields.of(Field::Output).is_some_and(|it| fields.of(Field::TimedOutput) == Some(it));
            fields.complete();
            for field in self.convention.into_iter().flat_map(Convention::summed) {
                fields.add_earlier(&self.fields, field);
            }
            let input = fields.of(Field::Prompt).or(fields.of(Field::Input));
            let others = fields.of(Field::OtherSequences).unwrap_or(0);
            if let Some(output) = fields.of(Field::Output).map(|output| output.saturating_add(others)) {
                match self.dialect {
                    Some(Dialect::OpenAi) if is_of_first => self.outputs.report_first(output, input),
                    Some(Dialect::OpenAi) => self.outputs.report(choices, output, input),
                    Some(Dialect::LlamaCpp) => self.outputs.report(&[*part], output, input),
                    _ => self.outputs.report_all(output, input),
                }
            }
            self.is_of_first |= is_of_first;
            self.fields.replace(fields);
            *fields = Fields::default();
        }
        choices.clear();
        *part = Part::default();
        *is_sound = false;
        *texts = 0;
    }

    fn count(&mut self, field: Field, word: &[u8]) {
        let number = if field == Field::Milliseconds { milliseconds(word) } else { tokens(word) };
        let Some(number) = number else { return };
        self.document.has_fields = true;
        match field {
            Field::OtherSequences => self.document.fields.add(field, number),
            _ => self.document.fields.put(field, number),
        }
    }

    fn end_modality(&mut self, side: Side) {
        let (modality, count) = (self.document.modality.take(), self.document.count.take());
        let field = match (side, modality) {
            (Side::Prompt, Some(Modality::Audio)) => Field::AudioInput,
            (Side::Prompt, Some(Modality::Image)) => Field::ImageInput,
            (Side::Cached, Some(Modality::Audio)) => Field::CachedAudio,
            (Side::Cached, Some(Modality::Image)) => Field::CachedImage,
            (Side::Output, Some(Modality::Audio)) => Field::AudioOutput,
            (Side::Output, Some(Modality::Image)) => Field::ImageOutput,
            (_, Some(Modality::Other) | None) => return,
        };
        if let Some(count) = count {
            self.document.fields.add(field, count);
        }
    }
}

impl Document {
    fn only_text(&self) -> Option<OnlyText> {
        let (address, length) =
            self.last_text.filter(|_| self.texts == 1 && !self.has_fields && !self.is_sound)?;
        let is_only = |part: &Part| part.whole == 0 && !part.is_finished;
        match self.choices.as_slice() {
            [] if is_only(&self.part) => Some(OnlyText { address, length, index: self.part.index }),
            [choice] if is_only(choice) && self.part.pieces == 0 && is_only(&self.part) => {
                Some(OnlyText { address, length, index: choice.index })
            }
            _ => None,
        }
    }
}

impl Sink for Tally {
    fn begin(&mut self, place: Place, is_array: bool) {
        match place {
            Place::Choice if !is_array => {
                let index = self.document.choices.len() as u64;
                self.document.part = Part { index, ..Part::default() };
            }
            // Each of these events is a token, even where it has no text.
            Place::TgiToken if !is_array => self.document.part.pieces += 1,
            _ => {}
        }
    }

    fn end(&mut self, place: Place, is_array: bool) {
        match place {
            // Behind a policy's pointer, a document may be an array.
            Place::Node(NodeId::ROOT) => self.end_document(),
            _ if is_array => {}
            Place::Document(_) => self.end_document(),
            Place::Choice if self.document.choices.len() < MAX_CHOICES => {
                self.document.choices.push(std::mem::take(&mut self.document.part));
            }
            Place::Choice => {
                self.outputs.add(&std::mem::take(&mut self.document.part));
            }
            Place::Modality(side) => self.end_modality(side),
            _ => {}
        }
    }

    fn word(&mut self, place: Place, word: &[u8]) {
        let document = &mut self.document;
        match place {
            Place::Count(field) => self.count(field, word),
            Place::ChoiceIndex => document.part.index = tokens(word).unwrap_or(document.part.index),
            Place::FinishReason => document.part.is_finished |= word != b"null",
            Place::Event => {
                document.is_sound |= word.ends_with(b"audio.delta");
                self.makes_images |=
                    word.starts_with(b"image_generation.") || word.starts_with(b"image_edit.");
            }
            Place::Picture => self.makes_images |= word != b"null",
            Place::ModalityName => {
                document.modality = Some(match word {
                    b"AUDIO" => Modality::Audio,
                    b"IMAGE" | b"VIDEO" => Modality::Image,
                    _ => Modality::Other,
                });
            }
            Place::ModalityCount => document.count = tokens(word),
            Place::Written if tokens(word).is_some() => {
                document.part.pieces = document.part.pieces.saturating_add(1);
                // The document is more than one text.
                document.texts = document.texts.saturating_add(2);
            }
            _ => {}
        }
    }

    fn text(&mut self, place: Place, piece: &[u8], ends: bool) {
        self.document.texts = self.document.texts.saturating_add(1);
        self.document.last_text = ends.then_some((piece.as_ptr() as usize, piece.len()));
        let tokens = self.document.text.take(piece, ends);
        let part = &mut self.document.part;
        match place {
            Place::Text(Flow::Whole) | Place::Content(Flow::Whole) | Place::Made(Flow::Whole) => {
                part.whole = part.whole.saturating_add(tokens);
            }
            _ => part.pieces = part.pieces.saturating_add(tokens),
        }
    }
}

/// The most choices of one document that are told apart.
const MAX_CHOICES: usize = 128;
