//! A primary that sentinels watch.

use super::{
    RedisServer, RedisServerBuilder,
    builder::{CONTROL, Mode},
};
use crate::polling::until;

/// A primary, a replica that can take its place, and three sentinels, until it is dropped.
///
/// ```
/// use sluicegate_test_servers::RedisSentinel;
///
/// let redis = RedisSentinel::start();
/// let old = redis.primary().port();
/// redis.primary().kill();
/// assert_ne!(redis.primary().port(), old);
/// ```
#[derive(Debug)]
pub struct RedisSentinel {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
    login: Option<(String, String)>,
}

impl RedisSentinel {
    /// Starts all of them, and waits until the sentinels agree. A primary that does not answer for half a second is
    /// replaced.
    ///
    /// # Panics
    ///
    /// When that does not work; the message says why.
    #[must_use]
    pub fn start() -> Self {
        Self::start_as(&RedisServer::builder())
    }

    /// The same, of servers with these settings: a password, or files. The sentinels have none.
    ///
    /// # Panics
    ///
    /// When that does not work; the message says why.
    #[must_use]
    pub fn start_as(settings: &RedisServerBuilder) -> Self {
        let primary = settings.clone().start();
        let replica = settings.clone().replica_of(&primary).start();
        replica.catch_up_with(&primary);
        let sentinels = (0..SENTINELS).map(|_| sentinel(&primary).start()).collect();
        let this = Self { servers: vec![primary, replica], sentinels, login: settings.login.clone() };
        // They find each other by what they publish in their primary.
        until(
            "the sentinels know each other and the replica",
            || this.views(),
            || this.sentinels.iter().all(knows_all).then_some(()),
        );
        this
    }

    /// The URL, with all sentinels, and the login of the servers.
    pub fn url(&self) -> String {
        let login = self.login.as_ref().map(|(name, password)| format!("{name}:{password}@"));
        let sentinels: Vec<_> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        format!("redis+sentinel://{}{}/{NAME}", login.unwrap_or_default(), sentinels.join(","))
    }

    /// The primary. While it is down, this waits until another has taken its place and the sentinels agree on it.
    ///
    /// # Panics
    ///
    /// When the sentinels do not agree on one that is up.
    pub fn primary(&self) -> &RedisServer {
        until(
            "the sentinels agree on a primary that is up",
            || self.views(),
            || {
                let asked = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
                let mut named = self.up().map(|sentinel| sentinel.command(&asked));
                let first = named.next()?;
                let port = first.lines().last()?;
                let primary = self.servers.iter().find(|server| server.port().to_string() == port)?;
                let agreed = named.all(|other| other == first) && primary.is_up();
                // Named before it knows that it is.
                (agreed && primary.command(&["ROLE"]).starts_with("master")).then_some(primary)
            },
        )
    }

    /// The primary and the replica, in the order in which they have started.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The sentinels. They answer commands like servers.
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    fn up(&self) -> impl Iterator<Item = &RedisServer> {
        self.sentinels.iter().filter(|sentinel| sentinel.is_up())
    }

    fn views(&self) -> String {
        self.up()
            .map(|sentinel| sentinel.command(&["SENTINEL", "MASTER", NAME]))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn sentinel(primary: &RedisServer) -> RedisServerBuilder {
    let mut builder = RedisServer::builder()
        .line(&format!("sentinel monitor {NAME} 127.0.0.1 {} 2", primary.port()))
        .line(&format!("sentinel auth-user {NAME} {CONTROL}"))
        .line(&format!("sentinel auth-pass {NAME} {CONTROL}"))
        .line(&format!("sentinel down-after-milliseconds {NAME} 500"))
        .line(&format!("sentinel failover-timeout {NAME} 2000"));
    builder.mode = Mode::Sentinel;
    builder
}

fn knows_all(sentinel: &RedisServer) -> bool {
    // Names and values, a line each.
    let view = sentinel.command(&["SENTINEL", "MASTER", NAME]);
    let has = |name: &str, count: usize| view.contains(&format!("\n{name}\n{count}\n"));
    has("num-other-sentinels", SENTINELS - 1) && has("num-slaves", 1)
}

/// The sentinels' name for the primary.
const NAME: &str = "accounts";
const SENTINELS: usize = 3;
