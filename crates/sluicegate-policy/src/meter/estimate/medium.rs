//! Pictures, sound and files in a prompt, which cost by their content and not by the length of their base64.

use super::{base64::Base64, picture::Picture};

/// Pictures, sound or a file in a prompt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Medium {
    Picture(Picture),
    /// Sound, films and files, with their tokens.
    Other(u64),
}

/// The kind that a member's name announces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum MediumKind {
    Picture,
    Sound,
    Film,
    File,
}

impl Medium {
    /// The medium in a string: a data URL, bare base64, or a reference. The content counts more than the name of its member.
    pub(super) fn of(text: &str, kind: MediumKind) -> Self {
        let (kind, is_text, content) = match text.strip_prefix("data:").and_then(|url| url.split_once(',')) {
            Some((head, content)) => {
                let announced = match head.split('/').next().unwrap_or_default() {
                    "image" => MediumKind::Picture,
                    "audio" => MediumKind::Sound,
                    "video" => MediumKind::Film,
                    _ => MediumKind::File,
                };
                (announced, head.starts_with("text/") || !head.ends_with(";base64"), content)
            }
            None if is_reference(text) => return Self::unseen(kind),
            None => (kind, false, text),
        };
        let base64 = Base64::new(content);
        if is_text {
            return Self::Other(base64.length());
        }
        if let Some(picture) = Picture::of(&base64) {
            return Self::Picture(picture);
        }
        let bytes = base64.length();
        match found(&base64).unwrap_or(kind) {
            MediumKind::Picture => Self::Picture(Picture::UNSEEN),
            MediumKind::Sound | MediumKind::Film => {
                Self::Other(wave(&base64).unwrap_or(bytes.div_ceil(SOUND_BYTES)))
            }
            MediumKind::File => Self::Other(bytes.div_ceil(FILE_BYTES)),
        }
    }

    /// A medium that is not in the request.
    fn unseen(kind: MediumKind) -> Self {
        match kind {
            MediumKind::Picture => Self::Picture(Picture::UNSEEN),
            MediumKind::Sound | MediumKind::Film | MediumKind::File => Self::Other(UNSEEN),
        }
    }
}

fn is_reference(text: &str) -> bool {
    let scheme = text.get(..8.min(text.len())).unwrap_or_default();
    // The name of an uploaded file is shorter than any medium, too.
    text.len() < 64
        || ["http://", "https://", "gs://", "s3://", "file://"].iter().any(|it| scheme.starts_with(it))
}

/// The kind of a medium that begins like no picture whose size can be read.
fn found(base64: &Base64<'_>) -> Option<MediumKind> {
    match &base64.at::<4>(0)? {
        b"%PDF" => Some(MediumKind::File),
        b"RIFF" | b"OggS" | b"fLaC" | [b'I', b'D', b'3', _] | [0xFF, 0xE0..=0xFE, ..] => {
            Some(MediumKind::Sound)
        }
        [0x1A, 0x45, 0xDF, 0xA3] => Some(MediumKind::Film),
        _ if base64.at(4) == Some(*b"ftypavif") || base64.at(4) == Some(*b"ftypheic") => {
            Some(MediumKind::Picture)
        }
        _ if base64.at(4) == Some(*b"ftyp") => Some(MediumKind::Film),
        _ => None,
    }
}

/// The tokens of sound without compression, by the bytes per second in its header.
fn wave(base64: &Base64<'_>) -> Option<u64> {
    let is_wave = base64.at(0) == Some(*b"RIFF") && base64.at(8) == Some(*b"WAVE");
    let rate = base64.little(28, 4).filter(|rate| is_wave && *rate > 0)?;
    Some((base64.length() * SOUND_TOKENS).div_ceil(rate))
}

/// Tokens of a second of sound: Gemini's, and three times OpenAI's.
const SOUND_TOKENS: u64 = 32;
/// Bytes of a token in compressed sound and films.
const SOUND_BYTES: u64 = 400;
/// Bytes of a token in a document.
const FILE_BYTES: u64 = 32;
/// Tokens of sound, a film or a file that the request only refers to.
const UNSEEN: u64 = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAABAAAAAIACAYAAAA";

    #[test]
    fn a_medium_costs_by_its_content() {
        let picture = |width, height| Medium::Picture(Picture { width, height, is_low: false });
        let padded = |start: &str, length: usize| format!("{start}{}", "A".repeat(length - start.len()));
        for (text, kind, medium) in [
            (format!("data:image/png;base64,{PNG}"), MediumKind::Picture, picture(1024, 512)),
            // Its name lies.
            (padded(PNG, 400_000), MediumKind::Sound, picture(1024, 512)),
            ("https://example.com/a.png".to_owned(), MediumKind::Picture, picture(1920, 1080)),
            ("file-abc123".to_owned(), MediumKind::File, Medium::Other(2000)),
            (padded("", 4000), MediumKind::Picture, picture(1920, 1080)),
            (padded("SUQz", 1600), MediumKind::Sound, Medium::Other(3)),
            (padded("JVBERi0x", 128_000), MediumKind::Picture, Medium::Other(3000)),
            (format!("data:text/plain;base64,{}", padded("", 400)), MediumKind::File, Medium::Other(300)),
            ("data:,".to_owned(), MediumKind::Picture, Medium::Other(0)),
        ] {
            assert_eq!(Medium::of(&text, kind), medium, "{text:.40}");
        }
    }

    #[test]
    fn sound_without_compression_costs_by_the_second() {
        // A head of 16 bits at 24 kHz, and two seconds.
        let head = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAwF0AAIC7AAACABAAZGF0YQ";
        let seconds = format!("{head}{}", "A".repeat(128_000 - head.len()));
        assert_eq!(Medium::of(&seconds, MediumKind::Sound), Medium::Other(64));
    }
}
