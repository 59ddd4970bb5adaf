//! One Redis server.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use tempfile::TempDir;

use super::{
    RedisServerBuilder,
    builder::{CONTROL, Listens, Mode},
    certificates, clock,
    resp::Connection,
};
use crate::{
    polling::{TIMEOUT, until},
    ports::free_port,
    process::{Process, log},
    program,
};

/// A Redis server, or Valkey, until it is dropped.
#[derive(Debug)]
pub struct RedisServer {
    settings: RedisServerBuilder,
    port: u16,
    /// None while it is down.
    process: Mutex<Option<Process>>,
    folder: TempDir,
}

impl RedisServer {
    /// Starts a server that is empty and keeps nothing on disk, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it cannot be started; the message says why.
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server with other settings. Its program is `redis-server`, or the one that the environment variable
    /// `SLUICEGATE_TEST_REDIS` names.
    ///
    /// # Panics
    ///
    /// When that is not installed.
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::new(&program::redis())
    }

    /// Returns `true` if the server that [`builder`](Self::builder) starts was built with TLS.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    #[must_use]
    pub fn speaks_tls() -> bool {
        // It ends at once either way, because it has no certificate, and says what it lacks first.
        let mut server = Command::new(program::require(&program::redis()));
        let port = free_port().to_string();
        let said = server.args(["--port", "0", "--tls-port", &port]).output().expect("the server can be run");
        !String::from_utf8_lossy(&said.stdout).contains("Failed finding TLS support")
    }

    /// The same of Valkey, where `valkey-server` is on the PATH. Debian 12 has no package of it; `./test valkey` brings one.
    #[must_use]
    pub fn valkey() -> Option<RedisServerBuilder> {
        program::find(VALKEY).map(|_| RedisServerBuilder::new(VALKEY))
    }

    pub(super) fn launch(settings: RedisServerBuilder) -> Self {
        let (port, process, folder) = until("a server starts on a free port", String::new, || {
            let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder for the server"));
            if settings.listens == Listens::Tls {
                certificates::write(folder.path());
            }
            if settings.own_clock {
                clock::set(folder.path(), 0);
            }
            fs::write(folder.path().join(CONFIGURATION), settings.configuration(port))
                .expect("the folder is ours");
            let process = run(&settings, folder.path())?;
            Some((port, process, folder))
        });
        Self { settings, port, process: Mutex::new(Some(process)), folder }
    }

    /// The server's URL, with the login: `redis://:s3cret@127.0.0.1:12345`.
    pub fn url(&self) -> String {
        let login = self.settings.login.as_ref();
        match self.settings.listens {
            Listens::UnixSocket => {
                let login = login.map(|(name, password)| format!("?username={name}&password={password}"));
                format!("redis+unix://{}{}", self.socket().display(), login.unwrap_or_default())
            }
            tcp => {
                let scheme = if tcp == Listens::Tls { "rediss" } else { "redis" };
                let login = login.map(|(name, password)| format!("{name}:{password}@"));
                format!("{scheme}://{}127.0.0.1:{}", login.unwrap_or_default(), self.port)
            }
        }
    }

    /// The port on 127.0.0.1, which it keeps when it is started again.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file with the certificate of the authority that has signed a TLS server's.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join(certificates::CA)
    }

    /// The process id.
    ///
    /// # Panics
    ///
    /// When it is down.
    pub fn pid(&self) -> u32 {
        self.with(|process| process.pid())
    }

    /// Returns `true` if it runs: it was neither killed nor paused.
    pub fn is_up(&self) -> bool {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().is_some_and(|process| !process.is_paused())
    }

    /// Everything that it has printed since its first start.
    pub fn log(&self) -> String {
        log(self.folder.path())
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

    /// Sets its clock so many seconds ahead of the machine's, or behind it, while it runs, or before it is started again;
    /// for one that has a [clock of its own](RedisServerBuilder::own_clock).
    ///
    /// ```
    /// # use sluicegate_test_servers::RedisServer;
    /// let redis = RedisServer::builder().own_clock().start();
    /// redis.command(&["SET", "n", "1", "EX", "60"]);
    /// redis.set_clock(-3_600);
    /// assert!(redis.command(&["TTL", "n"]).parse::<u32>().is_ok_and(|seconds| seconds > 3_600));
    /// ```
    ///
    /// # Panics
    ///
    /// When it goes by the machine's clock.
    pub fn set_clock(&self, ahead: i64) {
        assert!(self.settings.own_clock, "the server goes by the machine's clock; start it with own_clock()");
        clock::set(self.folder.path(), ahead);
        if self.is_up() {
            until(
                "the server's clock is set",
                || self.log(),
                || clock::shows(&self.command(&["TIME"]), ahead).then_some(()),
            );
        }
    }

    /// Starts it again on the same port and with the same files, and waits until it answers. One that runs is asked to
    /// end first.
    ///
    /// # Panics
    ///
    /// When it cannot be started; the message has its log.
    pub fn restart(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut running) = process.take() {
            running.terminate();
        }
        // It keeps its port, so whoever has taken that meanwhile is waited for.
        let started =
            until("the server starts again", || self.log(), || run(&self.settings, self.folder.path()));
        *process = Some(started);
    }

    /// Sends it a command, and returns the answer: text as it is, numbers in digits, a list as lines, and `(nil)`.
    ///
    /// ```
    /// # use sluicegate_test_servers::RedisServer;
    /// let redis = RedisServer::start();
    /// assert_eq!(redis.command(&["INCRBY", "n", "3"]), "3");
    /// assert_eq!(redis.command(&["MGET", "n", "m"]), "3\n(nil)");
    /// ```
    ///
    /// # Panics
    ///
    /// When it is down, does not answer, or answers with an error.
    pub fn command(&self, words: &[&str]) -> String {
        self.try_command(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The same, and an error is a value: `ERR unknown command`, or why there was no answer.
    ///
    /// # Errors
    ///
    /// Redis's own, or that of the connection to it.
    pub fn try_command(&self, words: &[&str]) -> Result<String, String> {
        ask(&self.socket(), words).map_err(|error| error.to_string())?
    }

    /// Waits until this replica has everything that `primary` has had until now.
    ///
    /// # Panics
    ///
    /// When it is no replica, or does not catch up.
    pub fn catch_up_with(&self, primary: &Self) {
        let offset =
            |role: &str, word: usize| role.lines().nth(word).and_then(|word| word.parse::<i64>().ok());
        let target = offset(&primary.command(&["ROLE"]), 1).expect("the offset of a primary");
        until(
            "the replica has what its primary has",
            || self.log(),
            || {
                // The last of its words is the offset, or -1 until it has had everything once.
                offset(&self.command(&["ROLE"]), 4).filter(|offset| *offset >= target)
            },
        );
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Process) -> T) -> T {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        act(process.as_mut().expect("the server is down: it was killed and not restarted"))
    }
}

/// Runs a server in its folder and waits until it has loaded its data and answers; none where its port was taken.
fn run(settings: &RedisServerBuilder, folder: &Path) -> Option<Process> {
    let sentinel = (settings.mode == Mode::Sentinel).then_some("--sentinel");
    let arguments: Vec<_> = [CONFIGURATION].into_iter().chain(sentinel).collect();
    let environment = if settings.own_clock { clock::environment(folder) } else { Vec::new() };
    let process =
        Process::start(&settings.program, &arguments, environment, folder).expect("the server can be run");
    let socket = folder.join(SOCKET);
    // Only this process listens there, so it is not another that answers.
    process.ready(|_| matches!(ask(&socket, &["PING"]), Ok(Ok(_))))
}

fn ask(socket: &Path, words: &[&str]) -> io::Result<Result<String, String>> {
    let mut connection = Connection::open(socket, TIMEOUT)?;
    match connection.ask(&["AUTH", CONTROL, CONTROL])? {
        Ok(_) => connection.ask(words),
        refused => Ok(refused),
    }
}

/// In the server's folder, from which it runs.
pub(super) const SOCKET: &str = "redis.sock";
const CONFIGURATION: &str = "redis.conf";
const VALKEY: &str = "valkey-server";
