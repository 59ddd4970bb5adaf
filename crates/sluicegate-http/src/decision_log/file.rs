//! The file of the log: whole lines at its end, and older files beside it.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use memchr::memchr_iter;
use sluicegate_policy::DecisionLogSettings;

/// The file of a [decision log](super::DecisionLog), open for whole lines at its end.
///
/// Another gateway may write to the same file, and either may rotate it.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    max_size: u64,
    older: u32,
    file: File,
    size: u64,
    /// The file ends in a part of a line.
    is_torn: bool,
}

/// Lines that could not be written.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) error: io::Error,
    pub(super) lines: u64,
}

impl LogFile {
    /// Opens the file, or makes it. If a process has died in the midst of its last line, that line is cut off.
    ///
    /// # Errors
    ///
    /// If it cannot be opened for writing, or is no regular file.
    pub fn open(settings: &DecisionLogSettings) -> io::Result<Self> {
        let (file, size, is_torn) = open(&settings.path)?;
        let (max_size, older) = (settings.max_size, settings.files);
        Ok(Self { path: settings.path.clone(), max_size, older, file, size, is_torn })
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the sizes of these settings.
    pub(super) fn resize(&mut self, settings: &DecisionLogSettings) {
        (self.max_size, self.older) = (settings.max_size, settings.files);
    }

    /// Writes lines, and rotates the file before it becomes too large.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Lost> {
        let mut rest = lines;
        let written = self.follow().and_then(|()| {
            while !rest.is_empty() {
                match self.fitting(rest) {
                    0 => self.rotate()?,
                    fitting => {
                        self.append(&rest[..fitting])?;
                        rest = &rest[fitting..];
                    }
                }
            }
            Ok(())
        });
        written.map_err(|error| Lost { error, lines: lines_of(rest) })
    }

    /// Opens the file anew if somebody has moved or removed it.
    fn follow(&mut self) -> io::Result<()> {
        let is_here = |there: &fs::Metadata, here: &fs::Metadata| {
            (there.dev(), there.ino()) == (here.dev(), here.ino())
        };
        match fs::metadata(&self.path) {
            Ok(there) if is_here(&there, &self.file.metadata()?) => self.size = there.len(),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => (self.file, self.size, self.is_torn) = open(&self.path)?,
        }
        Ok(())
    }

    /// The bytes of the lines that the file has room for. The first line of a file fits.
    fn fitting(&self, lines: &[u8]) -> usize {
        let room = self.max_size.saturating_sub(self.size);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if lines.len() <= room {
            return lines.len();
        }
        match (after_last_newline(&lines[..room]), self.size) {
            (0, 0) => lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1),
            (fitting, _) => fitting,
        }
    }

    /// Makes this file `name.1`, the one that was that `name.2` and so on, and begins a new one.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.older).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.numbered(1))?;
        (self.file, self.size, self.is_torn) = open(&self.path)?;
        Ok(())
    }

    fn numbered(&self, number: u32) -> OsString {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.file.write_all(b"\n")?;
            (self.is_torn, self.size) = (false, self.size + 1);
        }
        let mut written = 0;
        while written < lines.len() {
            match self.file.write(&lines[written..]) {
                Ok(0) => return self.torn(written, ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.torn(written, error),
            }
        }
        self.size += lines.len() as u64;
        Ok(())
    }

    /// Takes back what a write that failed has left. Where another gateway has written since, a newline will end it.
    fn torn(&mut self, written: usize, error: io::Error) -> io::Result<()> {
        if written > 0 {
            let is_last = self.file.metadata().is_ok_and(|now| now.len() == self.size + written as u64);
            self.is_torn = !is_last || self.file.set_len(self.size).is_err();
        }
        Err(error)
    }
}

/// Opens a file at its end, without a part of a line there. Returns its size, and `true` if there is such a part which cannot
/// be cut off, because another gateway writes to this file.
fn open(path: &Path) -> io::Result<(File, u64, bool)> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    // Held for as long as the file is open: it tells other gateways not to cut off what is being written.
    let is_alone = file.try_lock().is_ok();
    let whole = whole_lines(&file, found.len())?;
    if whole == found.len() || !is_alone {
        return Ok((file, found.len(), whole < found.len()));
    }
    file.set_len(whole)?;
    Ok((file, whole, false))
}

/// The bytes of the whole lines of a file.
fn whole_lines(file: &File, size: u64) -> io::Result<u64> {
    let mut end = size;
    let mut piece = [0; PIECE];
    while end > 0 {
        let begin = end.saturating_sub(PIECE as u64);
        // At most a piece.
        let piece = &mut piece[..usize::try_from(end - begin).unwrap_or(PIECE)];
        file.read_exact_at(piece, begin)?;
        match after_last_newline(piece) {
            0 => end = begin,
            lines => return Ok(begin + lines as u64),
        }
    }
    Ok(0)
}

fn after_last_newline(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// The number of lines.
pub(super) fn lines_of(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

/// For its owner to read and write, and for its group to read.
const MODE: u32 = 0o640;

const PIECE: usize = 4096;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    struct Folder(TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn open(&self, max_size: u64, files: u32) -> LogFile {
            let settings = DecisionLogSettings::new(self.0.path().join("log"));
            LogFile::open(&DecisionLogSettings { max_size, files, ..settings }).unwrap()
        }

        fn read(&self, name: &str) -> Option<String> {
            fs::read_to_string(self.0.path().join(name)).ok()
        }

        fn holds(&self, text: &str) {
            fs::write(self.0.path().join("log"), text).unwrap();
        }
    }

    #[test]
    fn a_full_file_becomes_the_first_of_the_older_ones() {
        let folder = Folder::new();
        let mut log = folder.open(9, 2);
        for lines in ["one\ntwo\n", "three\nfour\nfive\n", "six\n"] {
            log.write(lines.as_bytes()).unwrap();
        }
        let read = ["log", "log.1", "log.2", "log.3"].map(|name| folder.read(name));
        let expected = [Some("five\nsix\n"), Some("four\n"), Some("three\n"), None];
        assert_eq!(read, expected.map(|text| text.map(str::to_owned)));
    }

    #[test]
    fn a_line_that_is_larger_than_a_file_has_one_of_its_own() {
        let folder = Folder::new();
        folder.open(4, 5).write(b"1\na long line\n2\n").unwrap();
        assert_eq!(folder.read("log.2").as_deref(), Some("1\n"));
        assert_eq!(folder.read("log.1").as_deref(), Some("a long line\n"));
        assert_eq!(folder.read("log").as_deref(), Some("2\n"));
    }

    #[test]
    fn a_crash_at_any_byte_costs_its_line_and_no_other() {
        let long = "x".repeat(2 * PIECE);
        let lines = format!("one\n{long}\nthree\n");
        for length in (0..10).chain(2 * PIECE - 3..lines.len()) {
            let folder = Folder::new();
            folder.holds(&lines[..length]);
            folder.open(u64::MAX, 1).write(b"next\n").unwrap();
            let whole = lines[..length].rfind('\n').map_or(0, |at| at + 1);
            assert_eq!(folder.read("log"), Some(format!("{}next\n", &lines[..whole])), "{length}");
        }
    }

    #[test]
    fn a_part_of_a_line_stays_if_another_gateway_may_be_writing_it() {
        let folder = Folder::new();
        folder.holds("one\n");
        let mut other = folder.open(u64::MAX, 1);
        other.file.write_all(b"tw").unwrap();
        folder.open(u64::MAX, 1).write(b"next\n").unwrap();
        assert_eq!(folder.read("log").as_deref(), Some("one\ntw\nnext\n"));
    }

    #[test]
    fn two_gateways_share_a_file_and_its_rotation() {
        let folder = Folder::new();
        let (mut one, mut other) = (folder.open(9, 3), folder.open(9, 3));
        for number in 0..3 {
            one.write(format!("one{number}\n").as_bytes()).unwrap();
            other.write(format!("oth{number}\n").as_bytes()).unwrap();
        }
        let all = ["log.3", "log.2", "log.1", "log"].map(|name| folder.read(name).unwrap_or_default());
        assert_eq!(all.concat(), "one1\noth1\none2\noth2\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let folder = Folder::new();
        let mut log = folder.open(u64::MAX, 1);
        log.write(b"one\n").unwrap();
        fs::rename(folder.0.path().join("log"), folder.0.path().join("moved")).unwrap();
        log.write(b"two\n").unwrap();
        assert_eq!(folder.read("moved").as_deref(), Some("one\n"));
        assert_eq!(folder.read("log").as_deref(), Some("two\n"));
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let folder = Folder::new();
        let mut log = folder.open(6, 1);
        fs::create_dir_all(folder.0.path().join("log.1/occupied")).unwrap();
        let lost = log.write(b"one\ntwo\nthree\n").unwrap_err();
        assert_eq!(lost.lines, 2, "{}", lost.error);
        assert_eq!(folder.read("log").as_deref(), Some("one\n"));
    }

    #[test]
    fn only_a_regular_file_can_be_a_log() {
        let settings = |path: &str| DecisionLogSettings::new(PathBuf::from(path));
        for path in ["/dev/null", "/", "/no/such/folder/log"] {
            assert!(LogFile::open(&settings(path)).is_err(), "{path}");
        }
    }
}
