//! A word of JSON that may be split over pieces.

/// A number, a literal, a name or a short string, which may be split over pieces.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    bytes: [u8; Self::MAX],
    /// Greater than `MAX` if it was longer.
    len: usize,
}

impl Word {
    /// The longest that matters.
    pub(crate) const MAX: usize = 64;

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    pub(super) fn push(&mut self, more: &[u8]) {
        let end = self.len.saturating_add(more.len());
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(more);
            self.len = end;
        } else {
            self.len = Self::MAX + 1;
        }
    }

    pub(super) fn as_slice(&self) -> Option<&[u8]> {
        self.bytes.get(..self.len)
    }

    pub(super) fn unescaped(&self) -> Option<std::borrow::Cow<'_, str>> {
        let text = std::str::from_utf8(self.as_slice()?).ok()?;
        if !text.contains('\\') {
            return Some(text.into());
        }
        serde_json::from_str::<String>(&format!("\"{text}\"")).ok().map(Into::into)
    }
}

impl Default for Word {
    fn default() -> Self {
        Self { bytes: [0; Self::MAX], len: 0 }
    }
}
