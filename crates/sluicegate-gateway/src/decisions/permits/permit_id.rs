//! The names of permits.

use std::{fmt, str::FromStr};

/// The name of a permit: the process that gave it, and 128 random bits. Written as hexadecimal digits, with a hyphen between
/// the two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::decisions) struct PermitId {
    pub(in crate::decisions) process: u32,
    pub(super) id: u128,
}

/// The text is not the name of a permit.
#[derive(Debug)]
pub(in crate::decisions) struct NoPermitId;

impl fmt::Display for PermitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:032x}", self.process, self.id)
    }
}

impl FromStr for PermitId {
    type Err = NoPermitId;

    fn from_str(text: &str) -> Result<Self, NoPermitId> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let (process, id) = text.split_once('-').ok_or(NoPermitId)?;
        // One permit has one name, so neither signs nor capitals.
        if process.len() != 8 || id.len() != 32 || !process.bytes().chain(id.bytes()).all(is_digit) {
            return Err(NoPermitId);
        }
        Ok(Self {
            process: u32::from_str_radix(process, 16).map_err(|_| NoPermitId)?,
            id: u128::from_str_radix(id, 16).map_err(|_| NoPermitId)?,
        })
    }
}
