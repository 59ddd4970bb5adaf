//! A Redis server to be started.

use std::path::PathBuf;

use super::{RedisServer, certificates, server::SOCKET};
use crate::{ports::free_port, program};

/// A Redis server to be started: on TCP, empty, without files, password or limits, unless it is told otherwise.
#[derive(Clone, Debug)]
#[must_use = "a server is started by `start`"]
pub struct RedisServerBuilder {
    pub(super) program: PathBuf,
    pub(super) login: Option<(String, String)>,
    pub(super) listens: Listens,
    pub(super) mode: Mode,
    pub(super) own_clock: bool,
    lines: Vec<String>,
}

/// The listener of the server. There is always also the socket that [`RedisServer::command`] uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Listens {
    Tcp,
    Tls,
    UnixSocket,
}

/// The role of the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    Alone,
    ClusterNode,
    Sentinel,
}

impl RedisServerBuilder {
    pub(super) fn new(program: &str) -> Self {
        Self {
            program: program::require(program),
            login: None,
            listens: Listens::Tcp,
            mode: Mode::Alone,
            own_clock: false,
            lines: Vec::new(),
        }
    }

    /// Runs another program than the default: `"valkey-server"`, or an absolute path.
    ///
    /// # Panics
    ///
    /// When it is not installed.
    pub fn program(mut self, program: &str) -> Self {
        self.program = program::require(program);
        self
    }

    /// Writes an append-only file, so that everything is there again after [`RedisServer::restart`], and after
    /// [`RedisServer::kill`] too: each write is on disk before it is answered.
    pub fn aof(self) -> Self {
        self.line("appendonly yes").line("appendfsync always")
    }

    /// Demands this password of everybody.
    pub fn password(mut self, password: &str) -> Self {
        self.login = Some((String::new(), password.to_owned()));
        self.line(&format!("requirepass {password}"))
    }

    /// Knows this user, who may do what `rules` say (`"~* &* +@all"` is everything), and lets in nobody else.
    pub fn user(mut self, name: &str, password: &str, rules: &str) -> Self {
        self.login = Some((name.to_owned(), password.to_owned()));
        self.line("user default off").line(&format!("user {name} on >{password} {rules}"))
    }

    /// Speaks TLS only, with a certificate for `localhost` and `127.0.0.1` by an authority of its own, whose
    /// certificate is [`RedisServer::ca`].
    pub fn tls(mut self) -> Self {
        self.listens = Listens::Tls;
        self
    }

    /// Listens on a Unix socket only.
    pub fn unix_socket(mut self) -> Self {
        self.listens = Listens::UnixSocket;
        self
    }

    /// Holds at most this much (`"2mb"`), and then does what `policy` says: `"noeviction"`, `"allkeys-lru"`.
    pub fn maxmemory(self, amount: &str, policy: &str) -> Self {
        self.line(&format!("maxmemory {amount}")).line(&format!("maxmemory-policy {policy}"))
    }

    /// Is a read-only replica of `primary`, which listens on TCP.
    pub fn replica_of(self, primary: &RedisServer) -> Self {
        self.line(&format!("replicaof 127.0.0.1 {}", primary.port()))
    }

    /// Goes by a clock of its own, which [`RedisServer::set_clock`] sets.
    pub fn own_clock(mut self) -> Self {
        self.own_clock = true;
        self
    }

    /// Has this line in its configuration, too.
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it cannot be started; the message has its log.
    #[must_use]
    pub fn start(self) -> RedisServer {
        RedisServer::launch(self)
    }

    /// The file that it reads, for a server on this port.
    pub(super) fn configuration(&self, port: u16) -> String {
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            format!("port {}", if self.listens == Listens::Tcp { port } else { 0 }),
            format!("unixsocket {SOCKET}"),
            "save \"\"".to_owned(),
            // A replica that starts together with its primary shall not wait for others to come.
            "repl-diskless-sync-delay 0".to_owned(),
            format!("user {CONTROL} on >{CONTROL} ~* &* +@all"),
        ];
        if self.mode != Mode::Sentinel {
            // It may be another's replica one day.
            lines.extend([format!("masteruser {CONTROL}"), format!("masterauth {CONTROL}")]);
        }
        if self.mode == Mode::ClusterNode {
            lines.extend(["cluster-enabled yes".to_owned(), format!("cluster-port {}", free_port())]);
        }
        if self.listens == Listens::Tls {
            lines.extend([
                format!("tls-port {port}"),
                format!("tls-ca-cert-file {}", certificates::CA),
                format!("tls-cert-file {}", certificates::CERTIFICATE),
                format!("tls-key-file {}", certificates::KEY),
                "tls-auth-clients no".to_owned(),
            ]);
        }
        lines.extend(self.lines.iter().cloned());
        lines.join("\n") + "\n"
    }
}

/// The name and the password of the user that the tests themselves are, whatever others may do.
pub(super) const CONTROL: &str = "sluicegate-test-servers";
