//! Finding values in a JSON document without building it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{BodyError, JsonPointer};

/// The value at a pointer.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Array(u64),
    Whole(u64),
    Negative(i64),
    Float(f64),
    Text(String),
    Truth(bool),
    Null,
    Object,
}

impl Found {
    /// As part of a key; what is no single value counts as missing.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Whole(number) => Some(number.to_string()),
            Self::Negative(number) => Some(number.to_string()),
            Self::Float(number) => Some(number.to_string()),
            Self::Truth(truth) => Some(truth.to_string()),
            Self::Array(_) | Self::Object | Self::Null => None,
        }
    }
}

/// Finds what is at each of the pointers, in one pass that keeps nothing else.
pub(crate) fn search(body: &[u8], pointers: &[&JsonPointer]) -> Result<Vec<Option<Found>>, BodyError> {
    let mut search = Search { found: vec![None; pointers.len()], pointers, twice: None };
    let active: Vec<usize> = (0..pointers.len()).collect();
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = Walk { search: &mut search, active: &active, depth: 0 }.deserialize(&mut json);
    if let Some(pointer) = search.twice {
        return Err(BodyError::Twice(pointers[pointer].to_string()));
    }
    read.and_then(|()| json.end()).map_err(|error| BodyError::Malformed(error.to_string()))?;
    Ok(search.found)
}

struct Search<'p> {
    pointers: &'p [&'p JsonPointer],
    found: Vec<Option<Found>>,
    /// The pointer on whose way a member was met twice.
    twice: Option<usize>,
}

/// Walks one value of the document, on behalf of the pointers that lead here.
struct Walk<'w, 'p> {
    search: &'w mut Search<'p>,
    active: &'w [usize],
    depth: usize,
}

impl Walk<'_, '_> {
    /// The pointers that go on to this member.
    fn onward(&self, member: &str) -> Vec<usize> {
        let leads = |pointer: &&usize| {
            let segments = self.search.pointers[**pointer].segments();
            segments.get(self.depth).is_some_and(|segment| segment == member)
        };
        self.active.iter().filter(leads).copied().collect()
    }

    fn end(&mut self, found: &Found) {
        for pointer in self.active {
            if self.search.pointers[*pointer].segments().len() == self.depth {
                self.search.found[*pointer] = Some(found.clone());
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut met: Vec<usize> = Vec::new();
        while let Some(member) = members.next_key::<std::borrow::Cow<'_, str>>()? {
            let onward = self.onward(&member);
            if let Some(twice) = onward.iter().find(|pointer| met.contains(pointer)) {
                self.search.twice = Some(*twice);
                return Err(A::Error::custom("a member is there twice"));
            }
            if onward.is_empty() {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            members.next_value_seed(Walk { search: self.search, active: &onward, depth: self.depth + 1 })?;
            met.extend(onward);
        }
        self.end(&Found::Object);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let deeper = self.active.iter().any(|it| self.search.pointers[*it].segments().len() > self.depth);
        let mut length = 0;
        loop {
            let onward = if deeper { self.onward(&length.to_string()) } else { Vec::new() };
            let there = if onward.is_empty() {
                elements.next_element::<IgnoredAny>()?.is_some()
            } else {
                let walk = Walk { search: self.search, active: &onward, depth: self.depth + 1 };
                elements.next_element_seed(walk)?.is_some()
            };
            if !there {
                self.end(&Found::Array(length));
                return Ok(());
            }
            length += 1;
        }
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.end(&Found::Text(text.to_owned()));
        Ok(())
    }

    fn visit_u64<E>(mut self, number: u64) -> Result<(), E> {
        self.end(&Found::Whole(number));
        Ok(())
    }

    fn visit_i64<E>(mut self, number: i64) -> Result<(), E> {
        self.end(&Found::Negative(number));
        Ok(())
    }

    fn visit_f64<E>(mut self, number: f64) -> Result<(), E> {
        self.end(&Found::Float(number));
        Ok(())
    }

    fn visit_bool<E>(mut self, truth: bool) -> Result<(), E> {
        self.end(&Found::Truth(truth));
        Ok(())
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.end(&Found::Null);
        Ok(())
    }
}
