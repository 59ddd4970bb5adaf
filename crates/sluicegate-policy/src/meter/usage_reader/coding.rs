//! The content codings that a meter can undo.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;

/// The content coding of a response, as far as a meter can undo it.
///
/// A gateway asks its upstream for no coding where a meter reads, so these are for servers that use one all the same. A
/// coding needs a window of 32 KB, and some KB for its tables.
pub(super) enum Coding {
    Identity,
    Gzip(Gzip),
    Deflate(Option<Box<Decompress>>),
    /// A coding that is not known, or that was broken.
    Opaque,
}

impl Coding {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut codings = headers
            .get_all(http::header::CONTENT_ENCODING)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
        let coding = match codings.next() {
            None => Self::Identity,
            Some(name) if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => {
                Self::Gzip(Gzip::default())
            }
            Some(name) if name.eq_ignore_ascii_case(b"deflate") => Self::Deflate(None),
            Some(_) => Self::Opaque,
        };
        if codings.next().is_some() { Self::Opaque } else { coding }
    }

    /// Undoes the coding of the next piece. Returns the bytes that could not be read.
    pub(super) fn decode(&mut self, bytes: &[u8], mut plain: impl FnMut(&[u8])) -> usize {
        let decoded = match self {
            Self::Identity => {
                plain(bytes);
                return 0;
            }
            Self::Opaque => return bytes.len(),
            Self::Gzip(gzip) => gzip.decode(bytes, plain),
            Self::Deflate(inflate) => {
                let Some(first) = bytes.first() else { return 0 };
                // The name means zlib's format. Some servers send bare deflate, whose first byte differs in nearly all cases.
                let is_zlib = first & 0x8f == 0x08;
                let inflate = inflate.get_or_insert_with(|| Box::new(Decompress::new(is_zlib)));
                run(inflate, bytes, &mut plain).map(|_| ())
            }
        };
        match decoded {
            Ok(()) => 0,
            Err(Broken) => {
                *self = Self::Opaque;
                bytes.len()
            }
        }
    }
}

impl fmt::Debug for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "Identity",
            Self::Gzip(_) => "Gzip",
            Self::Deflate(_) => "Deflate",
            Self::Opaque => "Opaque",
        })
    }
}

/// The format of gzip, member after member.
#[derive(Default)]
pub(super) struct Gzip {
    part: Part,
    inflate: Option<Box<Decompress>>,
    flags: u8,
}

/// The part of a member that the next byte belongs to.
enum Part {
    /// The fixed part of the header, of which so many bytes were read.
    Header(usize),
    ExtraLength(Option<u8>),
    Extra(usize),
    Name,
    Comment,
    /// The check of the header, of which so many bytes are to come.
    HeaderCheck(usize),
    Content,
    /// The check and the length of the content, of which so many bytes are to come.
    Trailer(usize),
}

struct Broken;

impl Gzip {
    fn decode(&mut self, mut bytes: &[u8], mut plain: impl FnMut(&[u8])) -> Result<(), Broken> {
        while let Some((&byte, rest)) = bytes.split_first() {
            let is_end = byte == 0;
            let next = match self.part {
                Part::Content => {
                    let inflate = self.inflate.get_or_insert_with(|| Box::new(Decompress::new(false)));
                    match run(inflate, bytes, &mut plain)? {
                        None => return Ok(()),
                        Some(rest) => bytes = rest,
                    }
                    inflate.reset(false);
                    self.part = Part::Trailer(TRAILER);
                    continue;
                }
                Part::Header(at) => {
                    if MAGIC.get(at).is_some_and(|magic| *magic != byte) {
                        return Err(Broken);
                    }
                    if at == FLAGS {
                        self.flags = byte;
                    }
                    if at + 1 < HEADER { Part::Header(at + 1) } else { self.after(0) }
                }
                Part::ExtraLength(None) => Part::ExtraLength(Some(byte)),
                Part::ExtraLength(Some(low)) => match usize::from(u16::from_le_bytes([low, byte])) {
                    0 => self.after(EXTRA),
                    length => Part::Extra(length),
                },
                Part::Extra(1) => self.after(EXTRA),
                Part::Extra(left) => Part::Extra(left - 1),
                Part::Name if is_end => self.after(NAME),
                Part::Comment if is_end => self.after(COMMENT),
                Part::Name => Part::Name,
                Part::Comment => Part::Comment,
                Part::HeaderCheck(1) => Part::Content,
                Part::HeaderCheck(left) => Part::HeaderCheck(left - 1),
                Part::Trailer(1) => Part::Header(0),
                Part::Trailer(left) => Part::Trailer(left - 1),
            };
            self.part = next;
            bytes = rest;
        }
        Ok(())
    }

    /// The part of the header behind the one that this flag announces.
    fn after(&self, flag: u8) -> Part {
        // In the order of the parts, which is not that of the bits.
        let order = [EXTRA, NAME, COMMENT, HEADER_CHECK];
        let behind = order.iter().position(|known| *known == flag).map_or(0, |at| at + 1);
        match order[behind..].iter().find(|known| self.flags & **known != 0) {
            Some(&EXTRA) => Part::ExtraLength(None),
            Some(&NAME) => Part::Name,
            Some(&COMMENT) => Part::Comment,
            Some(_) => Part::HeaderCheck(2),
            None => Part::Content,
        }
    }
}

impl Default for Part {
    fn default() -> Self {
        Self::Header(0)
    }
}

/// Inflates a piece. Returns the bytes behind the end of the compressed data, if that is in it.
fn run<'a>(
    inflate: &mut Decompress,
    mut bytes: &'a [u8],
    plain: &mut impl FnMut(&[u8]),
) -> Result<Option<&'a [u8]>, Broken> {
    let mut room = [0; 4096];
    loop {
        let (read, written) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(bytes, &mut room, FlushDecompress::None).map_err(|_| Broken)?;
        let taken = usize::try_from(inflate.total_in() - read).unwrap_or(bytes.len());
        let made = usize::try_from(inflate.total_out() - written).unwrap_or(room.len());
        bytes = &bytes[taken..];
        plain(&room[..made]);
        match status {
            Status::StreamEnd => return Ok(Some(bytes)),
            _ if made < room.len() && bytes.is_empty() => return Ok(None),
            _ if made == 0 && taken == 0 => return Err(Broken),
            _ => {}
        }
    }
}

const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
const FLAGS: usize = 3;
const HEADER: usize = 10;
const TRAILER: usize = 8;
const HEADER_CHECK: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
