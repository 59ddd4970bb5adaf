//! The size of a picture, as its first bytes tell, and its tokens.

use super::base64::Base64;

/// The pixels of a picture.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Picture {
    pub(super) width: u64,
    pub(super) height: u64,
    /// Its request asks for the low detail of OpenAI.
    pub(super) is_low: bool,
}

/// The rules by which models count pictures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PictureRule {
    /// Tiles of 512 pixels, as GPT-4o counts them.
    Tiles,
    /// Patches of 32 pixels, weighed in hundredths by the model, or tiles where these are more.
    Patches(u64),
    /// Patches of 28 pixels after scaling, at most so many pixels long and so many tokens.
    Anthropic { edge: u64, most: u64 },
    /// Tiles of 258 tokens.
    Gemini,
    /// Any other: patches of 28 pixels without scaling, or tiles where these are more.
    Open,
}

impl Picture {
    /// A picture that is not in the request, or not of a known format.
    pub(super) const UNSEEN: Self = Self { width: 1920, height: 1080, is_low: false };

    /// The picture in this base64, if it is a PNG, JPEG, GIF or WebP.
    pub(super) fn of(base64: &Base64<'_>) -> Option<Self> {
        let (width, height) = match &base64.at::<4>(0)? {
            b"\x89PNG" => (base64.big(16, 4)?, base64.big(20, 4)?),
            b"GIF8" => (base64.little(6, 2)?, base64.little(8, 2)?),
            [0xFF, 0xD8, 0xFF, _] => jpeg(base64)?,
            b"RIFF" if base64.at(8) == Some(*b"WEBP") => webp(base64)?,
            _ => return None,
        };
        (width > 0 && height > 0).then_some(Self { width, height, is_low: false })
    }

    pub(super) fn tokens(self, rule: PictureRule) -> u64 {
        match rule {
            PictureRule::Tiles => self.tiles(),
            PictureRule::Patches(hundredths) => {
                let patches = self.grid(32).min(1536) * hundredths;
                patches.div_ceil(100).max(self.tiles())
            }
            PictureRule::Anthropic { edge, most } => self.within(edge).grid(28).min(most),
            PictureRule::Gemini if self.width.max(self.height) <= 384 => 258,
            PictureRule::Gemini => {
                let tile = (self.width.min(self.height) * 2 / 3).clamp(256, 768);
                // A long strip has many tiles.
                258 * self.grid(tile).min(256)
            }
            PictureRule::Open => self.grid(28).min(16_384).max(self.tiles()),
        }
    }

    fn tiles(self) -> u64 {
        if self.is_low {
            return 85;
        }
        let fitted = self.within(2048);
        let short = fitted.width.min(fitted.height);
        let long = fitted.width.max(fitted.height);
        let scaled = if short > 768 { (768, (long * 768).div_ceil(short)) } else { (short, long) };
        85 + 170 * scaled.0.div_ceil(512) * scaled.1.div_ceil(512)
    }

    /// The squares of this edge that cover the picture.
    fn grid(self, edge: u64) -> u64 {
        self.width.div_ceil(edge) * self.height.div_ceil(edge)
    }

    /// Scaled down until its longer side is within this length.
    fn within(self, edge: u64) -> Self {
        let long = self.width.max(self.height);
        if long <= edge {
            return self;
        }
        let scaled = |side: u64| (side * edge).div_ceil(long);
        Self { width: scaled(self.width), height: scaled(self.height), ..self }
    }
}

/// The size in the frame header of a JPEG, behind whatever its camera has written before it.
fn jpeg(base64: &Base64<'_>) -> Option<(u64, u64)> {
    let mut at = 2;
    for _ in 0..1000 {
        match base64.at::<2>(at)? {
            [0xFF, 0xFF] => at += 1,
            [0xFF, 0x01 | 0xD0..=0xD7] => at += 2,
            [0xFF, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF] => {
                return Some((base64.big(at + 7, 2)?, base64.big(at + 5, 2)?));
            }
            // The picture itself begins, and had no header.
            [0xFF, 0xD8..=0xDA] => return None,
            [0xFF, _] => at += 2 + usize::try_from(base64.big(at + 2, 2)?).ok()?,
            _ => return None,
        }
    }
    None
}

fn webp(base64: &Base64<'_>) -> Option<(u64, u64)> {
    match &base64.at::<4>(12)? {
        b"VP8X" => Some((base64.little(24, 3)? + 1, base64.little(27, 3)? + 1)),
        b"VP8L" => {
            let bits = base64.little(21, 4)?;
            Some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        }
        b"VP8 " => Some((base64.little(26, 2)? & 0x3FFF, base64.little(28, 2)? & 0x3FFF)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(width: u64, height: u64) -> Picture {
        Picture { width, height, is_low: false }
    }

    #[test]
    fn pictures_cost_what_the_models_documents_say() {
        let large = PictureRule::Anthropic { edge: 2576, most: 4784 };
        let small = PictureRule::Anthropic { edge: 1568, most: 1600 };
        for (picture, rule, tokens) in [
            (of(1024, 1024), PictureRule::Tiles, 765),
            (of(2048, 4096), PictureRule::Tiles, 1105),
            (of(512, 512), PictureRule::Tiles, 255),
            (Picture { is_low: true, ..of(4096, 8192) }, PictureRule::Tiles, 85),
            (of(1024, 1024), PictureRule::Patches(100), 1024),
            (of(1024, 1024), PictureRule::Patches(162), 1659),
            (of(9000, 9000), PictureRule::Patches(100), 1536),
            (of(1000, 1000), small, 1296),
            (of(1000, 1000), large, 1296),
            (of(8000, 8000), small, 1600),
            (of(8000, 8000), large, 4784),
            (of(384, 384), PictureRule::Gemini, 258),
            (of(960, 540), PictureRule::Gemini, 1548),
            (of(1280, 720), PictureRule::Open, 1196),
            (of(1, 1), PictureRule::Open, 255),
        ] {
            assert_eq!(picture.tokens(rule), tokens, "{picture:?} {rule:?}");
        }
        for rule in [
            PictureRule::Tiles,
            PictureRule::Patches(246),
            small,
            large,
            PictureRule::Gemini,
            PictureRule::Open,
        ] {
            let huge = of(u64::from(u32::MAX), u64::from(u32::MAX)).tokens(rule);
            assert!((700..=66_048).contains(&huge), "{huge} {rule:?}");
        }
    }
}
