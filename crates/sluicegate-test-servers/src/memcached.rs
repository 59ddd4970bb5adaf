//! Memcached.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tempfile::TempDir;

use crate::{
    polling::{TIMEOUT, until},
    ports::free_port,
    process::Process,
    program,
};

/// A Memcached server until it is dropped.
///
/// ```
/// use sluicegate_test_servers::MemcachedServer;
///
/// let memcached = MemcachedServer::start();
/// assert_eq!(memcached.command("mn"), ["MN"]);
/// memcached.flush_all();
/// ```
#[derive(Debug)]
pub struct MemcachedServer {
    program: PathBuf,
    arguments: Vec<String>,
    port: u16,
    /// None while it is down.
    process: Mutex<Option<Process>>,
    folder: TempDir,
}

impl MemcachedServer {
    /// Starts a server with 64 MB, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it cannot be started; the message says why.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more arguments: `["-m", "2"]` for two megabytes.
    ///
    /// # Panics
    ///
    /// When it cannot be started; the message says why.
    #[must_use]
    pub fn start_with(arguments: &[&str]) -> Self {
        let program = program::require("memcached");
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let folder = tempfile::tempdir().expect("a folder for the server");
        let (port, process) = until("a server starts on a free port", String::new, || {
            let port = free_port();
            run(&program, &arguments, port, folder.path()).map(|process| (port, process))
        });
        Self { program, arguments, port, process: Mutex::new(Some(process)), folder }
    }

    /// The server's URL: `memcached://127.0.0.1:12345`.
    pub fn url(&self) -> String {
        format!("memcached://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1, which it keeps when it is started again.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id.
    ///
    /// # Panics
    ///
    /// When it is down.
    pub fn pid(&self) -> u32 {
        self.with(|process| process.pid())
    }

    /// Ends it at once, as `kill -9` does, and waits until it is gone. Nothing happens to one that is down.
    pub fn kill(&self) {
        drop(self.process.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Stops it where it is (SIGSTOP): connections stay open, and nothing is answered.
    ///
    /// # Panics
    ///
    /// When it is down.
    pub fn pause(&self) {
        self.with(Process::pause);
    }

    /// Lets it go on after [`pause`](Self::pause).
    ///
    /// # Panics
    ///
    /// When it is down.
    pub fn resume(&self) {
        self.with(Process::resume);
    }

    /// Starts it again on the same port, empty, and waits until it answers. One that runs is killed first.
    ///
    /// # Panics
    ///
    /// When it cannot be started; the message has its log.
    pub fn restart(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        drop(process.take());
        // It keeps its port, so whoever has taken that meanwhile is waited for.
        let started = until("the server starts again", String::new, || {
            run(&self.program, &self.arguments, self.port, self.folder.path())
        });
        *process = Some(started);
    }

    /// Forgets every item.
    ///
    /// # Panics
    ///
    /// When it is down or does not answer.
    pub fn flush_all(&self) {
        assert_eq!(self.command("flush_all"), ["OK"]);
    }

    /// Sends a command of one line, and returns the lines of the answer, to its end.
    ///
    /// # Panics
    ///
    /// When it is down or does not answer.
    pub fn command(&self, command: &str) -> Vec<String> {
        ask(self.port, command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Process) -> T) -> T {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        act(process.as_mut().expect("the server is down: it was killed and not restarted"))
    }
}

/// Runs a server on a port and waits until it answers; none where the port was taken.
fn run(program: &Path, arguments: &[String], port: u16, folder: &Path) -> Option<Process> {
    // As root it demands the name of a user to become, and root will do.
    let mut all: Vec<_> = ["-l", "127.0.0.1", "-U", "0", "-u", "root", "-p"].map(String::from).to_vec();
    all.push(port.to_string());
    all.extend(arguments.iter().cloned());
    let process = Process::start(program, &all, Vec::new(), folder).expect("the server can be run");
    // Another server may have been faster, and answer on the port that ours is about to be refused.
    process.ready(|pid| ask(port, "stats").is_ok_and(|lines| lines.contains(&format!("STAT pid {pid}"))))
}

fn ask(port: u16, command: &str) -> io::Result<Vec<String>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // `mn` is answered when everything before it was, so its answer is the end.
    write!(stream, "{command}\r\nmn\r\n")?;
    let mut lines = Vec::new();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if line == "MN" {
            return Ok(if lines.is_empty() { vec![line] } else { lines });
        }
        lines.push(line);
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}
