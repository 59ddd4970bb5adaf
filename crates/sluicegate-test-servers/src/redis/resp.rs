//! Redis's protocol, as little of it as a test needs.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// A connection through a Unix socket.
pub(super) struct Connection(BufReader<UnixStream>);

impl Connection {
    /// Connects. Each answer may take `bound`.
    pub(super) fn open(socket: &Path, bound: Duration) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(bound))?;
        stream.set_write_timeout(Some(bound))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a command and returns its answer as text, or Redis's error.
    pub(super) fn ask(&mut self, words: &[&str]) -> io::Result<Result<String, String>> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(command.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Result<String, String>> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let Some((kind, rest)) = line.trim_end().split_at_checked(1) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        match kind {
            "+" | ":" => Ok(Ok(rest.to_owned())),
            "-" => Ok(Err(rest.to_owned())),
            "$" => {
                let Some(length) = length(rest)? else { return Ok(Ok(NIL.to_owned())) };
                let mut text = vec![0; length + 2];
                self.0.read_exact(&mut text)?;
                text.truncate(length);
                Ok(Ok(String::from_utf8_lossy(&text).into_owned()))
            }
            "*" => {
                let Some(length) = length(rest)? else { return Ok(Ok(NIL.to_owned())) };
                let items = (0..length).map(|_| self.answer()).collect::<io::Result<Result<Vec<_>, _>>>()?;
                Ok(items.map(|items| items.join("\n")))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, line)),
        }
    }
}

/// The length of what follows, or none for what is not there.
fn length(text: &str) -> io::Result<Option<usize>> {
    let length: i64 =
        text.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, text.to_owned()))?;
    Ok(usize::try_from(length).ok())
}

/// The output of `redis-cli` for a missing value.
const NIL: &str = "(nil)";
