//! The pointers of a policy into answers.

use std::sync::Arc;

use super::{field::Field, place::Place};
use crate::{
    TokenClass,
    meter::{
        pointer_tree::{NodeId, PointerTree},
        token_pointers::{TokenPlaces, UsageNumber},
    },
};

/// The pointers of a policy into answers.
#[derive(Clone, Debug)]
pub(crate) struct AnswerPointers {
    tree: Arc<PointerTree<Place>>,
    convention: Convention,
}

/// The way in which a server counts, as its policy says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Convention {
    beside: Fields,
    summed: Fields,
}

/// A set of fields.
type Fields = u32;

impl AnswerPointers {
    pub(crate) fn new(places: &TokenPlaces) -> Self {
        let usage = places.usage.iter().map(|(number, pointer)| (pointer, Place::Count(field(*number))));
        let texts = places.text.iter().map(|pointer| (pointer, Place::Written));
        let set = |numbers: &[UsageNumber]| numbers.iter().fold(0, |set, number| set | bit(field(*number)));
        let convention = Convention { beside: set(&places.beside), summed: set(&places.summed) };
        Self { tree: Arc::new(PointerTree::new(usage.chain(texts))), convention }
    }

    pub(super) fn convention(&self) -> Convention {
        self.convention
    }

    /// The place of a member of the object here.
    pub(super) fn member(&self, node: NodeId, name: &[u8]) -> Place {
        self.place(self.tree.member(node, name))
    }

    /// The place of an element of the array here.
    pub(super) fn element(&self, node: NodeId, index: u32) -> Place {
        self.place(self.tree.element(node, index.into()))
    }

    fn place(&self, node: Option<NodeId>) -> Place {
        let Some(node) = node else { return Place::Idle };
        self.tree.value(node).copied().unwrap_or(Place::Node(node))
    }
}

impl Convention {
    /// Returns `true` if the number is not inside the input or output, but beside it.
    pub(super) fn is_beside(self, field: Field) -> bool {
        self.beside & bit(field) != 0
    }

    /// The numbers of which each event of a stream reports its own tokens.
    pub(super) fn summed(self) -> impl Iterator<Item = Field> {
        UsageNumber::all().map(field).filter(move |field| self.summed & bit(*field) != 0)
    }
}

const fn bit(field: Field) -> Fields {
    1 << field as u32
}

/// The field of a number, in which no server's convention is hidden.
pub(super) const fn field(number: UsageNumber) -> Field {
    match number {
        UsageNumber::Class(TokenClass::Input) => Field::Input,
        UsageNumber::Class(TokenClass::CachedInput) => Field::Cached,
        UsageNumber::Class(TokenClass::CacheWrite) => Field::CacheWrite,
        UsageNumber::Class(TokenClass::AudioInput) => Field::AudioInput,
        UsageNumber::Class(TokenClass::ImageInput) => Field::ImageInput,
        UsageNumber::Class(TokenClass::Output) => Field::Output,
        UsageNumber::Class(TokenClass::Reasoning) => Field::Reasoning,
        UsageNumber::Class(TokenClass::AudioOutput) => Field::AudioOutput,
        UsageNumber::Class(TokenClass::ImageOutput) => Field::ImageOutput,
        UsageNumber::Total => Field::Total,
    }
}
