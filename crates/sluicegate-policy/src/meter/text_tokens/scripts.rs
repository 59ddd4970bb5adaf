//! The scripts of characters beyond ASCII.

use super::weights::Kind;

/// The kind of the character whose first byte is `at` this place in a text, and its count.
#[inline]
pub(super) fn kind_at(text: &[u8], at: usize) -> (Kind, u32) {
    let byte = |index: usize| u32::from(text.get(at + index).copied().unwrap_or_default());
    let rest = |index: usize| byte(index) & 0x3F;
    match byte(0) {
        first @ 0xC0..=0xDF => kind((first & 0x1F) << 6 | rest(1), 2),
        first @ 0xE0..=0xEF => kind((first & 0x0F) << 12 | rest(1) << 6 | rest(2), 3),
        first => kind((first & 0x07) << 18 | rest(1) << 12 | rest(2) << 6 | rest(3), 4),
    }
}

#[inline]
fn kind(code_point: u32, bytes: u32) -> (Kind, u32) {
    let kind = match code_point {
        0x3400..=0x9FFF => Kind::Han,
        0x00C0..=0x024F => Kind::MarkedLatin,
        0x0400..=0x052F => Kind::Cyrillic,
        0x0080..=0x00BF | 0x2000..=0x27FF => Kind::Symbol,
        0x3000..=0x30FF | 0xFF00..=0xFFEF => Kind::Kana,
        0xAC00..=0xD7A3 => Kind::Hangul,
        0x0590..=0x077F => Kind::Semitic,
        0x0900..=0x0E7F => Kind::Indic,
        0x0370..=0x03FF => Kind::Greek,
        0x1E00..=0x1EFF => Kind::Vietnamese,
        0x10A0..=0x10FF => Kind::Georgian,
        0x1_F000..=0x1_FAFF => Kind::Emoji,
        _ => return (Kind::OtherByte, bytes),
    };
    (kind, 1)
}
