//! Inputs: files of logs, plain or compressed, and standard input.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use csv::StringRecord;
use flate2::bufread::MultiGzDecoder;
use memchr::memchr;

use crate::{
    Event, FormatError, LogFormat, Unreadable, Wanted,
    readers::{LineReader, columns::Columns},
};

/// One input, which is read event by event.
pub(crate) struct Input {
    name: Arc<str>,
    lines: Lines,
}

/// The way in which an input is read.
enum Lines {
    Text { from: Box<dyn BufRead>, reader: Box<dyn LineReader>, number: u64, line: Vec<u8> },
    Csv { from: Box<csv::Reader<Box<dyn BufRead>>>, columns: Columns, line: StringRecord },
}

/// The next piece of an input.
pub(crate) enum Next {
    Event(Event),
    /// Nothing was decided.
    Skipped,
    Unreadable(Unreadable),
    End,
}

/// The reason why an input cannot be opened or read further.
#[derive(Debug)]
pub struct InputError {
    name: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Io(io::Error),
    Format(FormatError),
}

impl Input {
    /// Opens a file, or standard input if its name is `-`. Bytes that are read of it are added to `progress`.
    pub(crate) fn open(
        path: &Path,
        format: &LogFormat,
        wanted: &Wanted,
        progress: &Arc<AtomicU64>,
    ) -> Result<Self, InputError> {
        let is_stdin = path == Path::new("-");
        let name = if is_stdin { "standard input".into() } else { path.display().to_string() };
        let raw: Box<dyn Read> = if is_stdin {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| InputError::io(&name, error))?)
        };
        let counted = Counted { from: raw, progress: Arc::clone(progress) };
        Self::of(name.clone(), counted, format, wanted).map_err(|why| InputError { name, why })
    }

    fn of(name: String, raw: impl Read + 'static, format: &LogFormat, wanted: &Wanted) -> Result<Self, Why> {
        let mut from: Box<dyn BufRead> = Box::new(BufReader::with_capacity(BUFFER, raw));
        if from.fill_buf()?.starts_with(GZIP) {
            from = Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(from)));
        }
        let format = match format {
            LogFormat::Auto => {
                LogFormat::of(&name, from.fill_buf()?.split(|byte| *byte == b'\n').next().unwrap_or_default())
            }
            format => format.clone(),
        };
        let lines = match format.reader(wanted)? {
            Some(reader) => Lines::Text { from, reader, number: 0, line: Vec::new() },
            None => {
                let mut from = csv::ReaderBuilder::new().flexible(true).from_reader(from);
                let columns = Columns::new(from.headers().map_err(io::Error::from)?, wanted)?;
                Lines::Csv { from: Box::new(from), columns, line: StringRecord::new() }
            }
        };
        Ok(Self { name: name.into(), lines })
    }

    /// Reads the next event.
    pub(crate) fn next(&mut self) -> Result<Next, InputError> {
        self.lines.next(&self.name).map_err(|error| InputError::io(&self.name, error))
    }
}

impl Lines {
    fn next(&mut self, name: &Arc<str>) -> io::Result<Next> {
        let unreadable = |line, reason| Next::Unreadable(Unreadable { file: Arc::clone(name), line, reason });
        match self {
            Self::Text { from, reader, number, line } => loop {
                let Some(is_whole) = read_line(from, line)? else { return Ok(Next::End) };
                *number += 1;
                if !is_whole {
                    return Ok(unreadable(*number, format!("the line is longer than {LONGEST} bytes")));
                }
                let line = line.trim_ascii_end();
                // Nearly every line is UTF-8, which is found out many times faster than what is not.
                let text = str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed);
                if text.is_empty() {
                    continue;
                }
                return Ok(match reader.read(&text) {
                    Ok(Some(event)) => Next::Event(event),
                    Ok(None) => Next::Skipped,
                    Err(reason) => unreadable(*number, reason),
                });
            },
            Self::Csv { from, columns, line } => match from.read_record(line) {
                Ok(false) => Ok(Next::End),
                Ok(true) => {
                    let number = line.position().map_or(0, csv::Position::line);
                    Ok(columns.read(line).map_or_else(|reason| unreadable(number, reason), Next::Event))
                }
                Err(error) if error.is_io_error() => Err(error.into()),
                Err(error) => {
                    let number = error.position().map_or(0, csv::Position::line);
                    Ok(unreadable(number, error.to_string()))
                }
            },
        }
    }
}

/// Reads a line. Returns `false` if it is too long, after it has been skipped, and `None` at the end.
fn read_line(from: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let mut is_whole = true;
    let mut is_end = true;
    loop {
        let buffer = match from.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok((!is_end).then_some(is_whole));
        }
        is_end = false;
        let end = memchr(b'\n', buffer);
        let piece = &buffer[..end.unwrap_or(buffer.len())];
        is_whole &= line.len() + piece.len() <= LONGEST;
        if is_whole {
            line.extend_from_slice(piece);
        }
        let used = end.map_or(buffer.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() {
            return Ok(Some(is_whole));
        }
    }
}

/// Counts the bytes that are read.
struct Counted<R> {
    from: R,
    progress: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.progress.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The bytes of all files together. `None` if one has no size, as standard input.
pub(crate) fn total_size(paths: &[PathBuf]) -> Option<u64> {
    paths.iter().try_fold(0_u64, |sum, path| {
        let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(sum.saturating_add(metadata.len()))
    })
}

impl InputError {
    fn io(name: &str, error: io::Error) -> Self {
        Self { name: name.to_owned(), why: Why::Io(error) }
    }
}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FormatError> for Why {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl std::fmt::Display for InputError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.why {
            Why::Io(error) => write!(f, "cannot read {}: {error}", self.name),
            Why::Format(error) => write!(f, "cannot read {}: {error}", self.name),
        }
    }
}

impl std::error::Error for InputError {}

const BUFFER: usize = 256 << 10;

/// The first bytes of each file that gzip made.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// The longest line that is read: 1 MiB.
const LONGEST: usize = 1 << 20;
