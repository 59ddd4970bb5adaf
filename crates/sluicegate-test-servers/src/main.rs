//! Servers for tests in other languages: `sluicegate-test-servers ARRANGEMENT [SETTING…]`.
//!
//! It starts what it is told to, and then reads commands, each a line with a JSON list of words, and answers each by a
//! line with a JSON string. Where a word is a server's number, the servers are counted from 0 in the order in which
//! the library's documentation names them. It ends, with its servers, when its input ends, and when something does not
//! work: then it says why on standard error.
//!
//! ```text
//! redis SETTING…      aof, tls, unix, own_clock, password=WORD, maxmemory=AMOUNT, line=LINE of the configuration,
//!                     program=NAME
//! sentinel SETTING…   the same settings; ["primary"] is answered by a server's number
//! cluster SETTING…    primaries=COUNT, replicas=COUNT, node_timeout=MS, own_clock, line=LINE, program=NAME; ["slot", KEY] is
//!                     answered by a slot, ["owner", SLOT] by a server's number; ["migrate", FIRST, LAST, N] moves slots to
//!                     a server, and ["migrate_atomically", FIRST, LAST, N] does so in Valkey 9
//!                     all of these: ["url"], and with a server's number N: ["port", N], ["ca", N], ["kill", N],
//!                     ["pause", N], ["resume", N], ["restart", N], ["command", N, WORD…], ["catch_up", N, PRIMARY],
//!                     which waits until a replica has everything, and ["clock", N, SECONDS ahead of the machine's]
//! memcached           ["url"], ["port"], ["kill"], ["pause"], ["resume"], ["restart"]
//! proxy PORT          ["port"], ["delay", MS there, MS back], ["reset"], ["black_hole"], ["refuse"], ["pass"]
//! ```

use std::{
    env,
    io::{self, BufRead, Write},
    net::{Ipv4Addr, SocketAddr},
    slice,
    time::Duration,
};

use sluicegate_test_servers::{
    FaultProxy, MemcachedServer, RedisCluster, RedisClusterBuilder, RedisSentinel, RedisServer,
    RedisServerBuilder,
};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let arrangement = Arrangement::start(&arguments);
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let words: Vec<String> = serde_json::from_str(&line?)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        writeln!(output, "{}", serde_json::Value::String(arrangement.answer(&words)))?;
        output.flush()?;
    }
    Ok(())
}

enum Arrangement {
    Redis(RedisServer),
    Sentinel(RedisSentinel),
    Cluster(RedisCluster),
    Memcached(MemcachedServer),
    Proxy(FaultProxy),
}

impl Arrangement {
    fn start(arguments: &[&str]) -> Self {
        match arguments {
            ["redis", settings @ ..] => Self::Redis(redis(settings).start()),
            ["sentinel", settings @ ..] => Self::Sentinel(RedisSentinel::start_as(&redis(settings))),
            ["cluster", settings @ ..] => Self::Cluster(cluster(settings).start()),
            ["memcached"] => Self::Memcached(MemcachedServer::start()),
            ["proxy", port] => {
                Self::Proxy(FaultProxy::before(SocketAddr::from((Ipv4Addr::LOCALHOST, number(port)))))
            }
            _ => panic!("there is no arrangement {arguments:?}"),
        }
    }

    fn answer(&self, words: &[&str]) -> String {
        match (self, words) {
            (Self::Redis(redis), ["url"]) => redis.url(),
            (Self::Sentinel(redis), ["url"]) => redis.url(),
            (Self::Sentinel(redis), ["primary"]) => self.index(redis.primary()),
            (Self::Cluster(redis), ["url"]) => redis.url(),
            (Self::Cluster(redis), ["slot", key]) => redis.slot(key).to_string(),
            (Self::Cluster(redis), ["owner", slot]) => self.index(redis.owner(number(slot))),
            (Self::Cluster(redis), ["migrate", first, last, to]) => {
                redis.migrate(number(first)..=number(last), number(to).into());
                String::new()
            }
            (Self::Cluster(redis), ["migrate_atomically", first, last, to]) => {
                redis.migrate_atomically(number(first)..=number(last), number(to).into());
                String::new()
            }
            (Self::Memcached(memcached), ["url"]) => memcached.url(),
            (Self::Memcached(memcached), ["port"]) => memcached.port().to_string(),
            (Self::Memcached(memcached), [fate]) => {
                match *fate {
                    "kill" => memcached.kill(),
                    "pause" => memcached.pause(),
                    "resume" => memcached.resume(),
                    "restart" => memcached.restart(),
                    _ => panic!("there is no command {fate}"),
                }
                String::new()
            }
            (Self::Proxy(proxy), ["port"]) => proxy.port().to_string(),
            (Self::Proxy(proxy), fault) => {
                fail(proxy, fault);
                String::new()
            }
            (_, ["port", server]) => self.server(server).port().to_string(),
            (_, ["ca", server]) => self.server(server).ca().to_string_lossy().into_owned(),
            (_, ["command", server, words @ ..]) => self.server(server).command(words),
            (_, ["catch_up", replica, primary]) => {
                self.server(replica).catch_up_with(self.server(primary));
                String::new()
            }
            (_, ["clock", server, ahead]) => {
                self.server(server).set_clock(ahead.parse().expect("a number of seconds"));
                String::new()
            }
            (_, [fate, server]) => {
                let server = self.server(server);
                match *fate {
                    "kill" => server.kill(),
                    "pause" => server.pause(),
                    "resume" => server.resume(),
                    "restart" => server.restart(),
                    _ => panic!("there is no command {fate}"),
                }
                String::new()
            }
            _ => panic!("there is no command {words:?}"),
        }
    }

    fn server(&self, index: &str) -> &RedisServer {
        self.servers()[usize::from(number(index))]
    }

    fn servers(&self) -> Vec<&RedisServer> {
        match self {
            Self::Redis(server) => slice::from_ref(server).iter().collect(),
            Self::Sentinel(redis) => redis.servers().iter().chain(redis.sentinels()).collect(),
            Self::Cluster(redis) => redis.nodes().iter().collect(),
            Self::Memcached(_) | Self::Proxy(_) => panic!("only servers of Redis have numbers"),
        }
    }

    fn index(&self, server: &RedisServer) -> String {
        let servers = self.servers();
        let index = servers.iter().position(|other| other.port() == server.port());
        index.expect("one of its own").to_string()
    }
}

fn fail(proxy: &FaultProxy, fault: &[&str]) {
    let delay = |milliseconds: &str| Duration::from_millis(number(milliseconds).into());
    match fault {
        ["delay", there, back] => proxy.delay(delay(there), delay(back)),
        ["reset"] => proxy.reset(),
        ["black_hole"] => proxy.black_hole(),
        ["refuse"] => proxy.refuse(),
        ["pass"] => proxy.pass(),
        _ => panic!("there is no command {fault:?}"),
    }
}

fn redis(settings: &[&str]) -> RedisServerBuilder {
    settings.iter().fold(RedisServer::builder(), |builder, setting| {
        match setting.split_once('=').unwrap_or((setting, "")) {
            ("aof", "") => builder.aof(),
            ("tls", "") => builder.tls(),
            ("unix", "") => builder.unix_socket(),
            ("own_clock", "") => builder.own_clock(),
            ("password", password) => builder.password(password),
            ("maxmemory", amount) => builder.maxmemory(amount, "noeviction"),
            ("line", line) => builder.line(line),
            ("program", program) => builder.program(program),
            _ => panic!("there is no setting {setting}"),
        }
    })
}

fn cluster(settings: &[&str]) -> RedisClusterBuilder {
    settings.iter().fold(RedisCluster::builder(), |builder, setting| {
        match setting.split_once('=').unwrap_or((setting, "")) {
            ("primaries", count) => builder.primaries(number(count).into()),
            ("replicas", count) => builder.replicas(number(count).into()),
            ("node_timeout", milliseconds) => {
                builder.node_timeout(Duration::from_millis(number(milliseconds).into()))
            }
            ("own_clock", "") => builder.own_clock(),
            ("line", line) => builder.line(line),
            ("program", program) => builder.program(program),
            _ => panic!("there is no setting {setting}"),
        }
    })
}

fn number(word: &str) -> u16 {
    word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
}
