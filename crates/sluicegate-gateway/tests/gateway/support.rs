//! A gateway, an upstream that tests script, and a client that speaks HTTP/1.1 by hand.

pub(crate) mod client;
#[cfg(feature = "otlp")]
pub(crate) mod collector;
pub(crate) mod envoy;
pub(crate) mod h2_client;
pub(crate) mod http2;
pub(crate) mod port;
pub(crate) mod program;
pub(crate) mod scripted;
pub(crate) mod stubborn;
pub(crate) mod tls;
pub(crate) mod upstream;

use std::{
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use sluicegate_gateway::Gateway;
use sluicegate_policy::{GatewaySettings, Policy, Source};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub(crate) use self::client::Client;
#[cfg(feature = "otlp")]
pub(crate) use self::collector::Collector;
pub(crate) use self::port::Port;
pub(crate) use self::program::Program;
pub(crate) use self::scripted::Scripted;
pub(crate) use self::stubborn::Stubborn;
pub(crate) use self::upstream::Upstream;

/// A gateway with one worker before `upstream`. The policy counts the bytes of bodies below `/read`, and items in
/// those below `/held`, lets one request a day to `/once` and one at a time below `/slot`, and knows no other limit.
pub(crate) fn gateway(upstream: SocketAddr) -> Gateway {
    gateway_with(upstream, |_| {})
}

/// The same, with settings changed.
pub(crate) fn gateway_with(upstream: SocketAddr, change: impl FnOnce(&mut GatewaySettings)) -> Gateway {
    gateway_of(POLICY, upstream, change)
}

/// A gateway before several upstreams, each with a weight.
pub(crate) fn gateway_before(
    upstreams: &[(SocketAddr, u32)],
    change: impl FnOnce(&mut GatewaySettings),
) -> Gateway {
    let address = |(address, weight): &(SocketAddr, u32)| {
        let upstream: sluicegate_policy::Upstream = format!("http://{address}").parse().expect("a URL");
        upstream.with_weight(*weight)
    };
    gateway_with(upstreams[0].0, |settings| {
        settings.upstreams = upstreams.iter().map(address).collect();
        change(settings);
    })
}

/// A gateway with the policy in `text`.
pub(crate) fn gateway_of(
    text: &str,
    upstream: SocketAddr,
    change: impl FnOnce(&mut GatewaySettings),
) -> Gateway {
    let source = Source::new("test.toml", [LOOPBACK, text].concat().as_bytes()).expect("it is small");
    let mut policy = Policy::parse(&source).expect("it is valid");
    policy.gateway.upstreams = vec![format!("http://{upstream}").parse().expect("a URL")];
    change(&mut policy.gateway);
    at_once(Gateway::start(policy)).expect("loopback has free ports")
}

const LOOPBACK: &str = r#"
    [gateway]
    listen = "127.0.0.1:0"
    admin = "127.0.0.1:0"
    threads = 1
"#;

const POLICY: &str = r#"
    [[route]]
    path = "/read/{*rest}"
    meter = "bytes"

    [[route]]
    path = "/held/{*rest}"
    meter = { items = "/inputs" }

    [[route]]
    path = "/once"
    limits = [{ name = "once", quota = "1/day" }]

    [[route]]
    path = "/slot/{*rest}"
    limits = [{ name = "slot", quota = "1 concurrent" }]
"#;

/// An address that is taken, and where nobody listens.
pub(crate) struct Nobody {
    pub(crate) address: SocketAddr,
    _socket: TcpSocket,
}

impl Nobody {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback has free ports");
        let address = socket.local_addr().expect("it is bound");
        Self { address, _socket: socket }
    }
}

/// An address where somebody listens and accepts nobody: connecting takes for ever.
pub(crate) struct Silent {
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Silent {
    pub(crate) async fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback has free ports");
        let listener = socket.listen(0).expect("it is bound");
        let address = listener.local_addr().expect("it is bound");
        let mut queued = Vec::new();
        // The kernel accepts a few by itself, until its queue is full.
        while let Ok(stream) =
            tokio::time::timeout(Duration::from_millis(50), TcpStream::connect(address)).await
        {
            queued.push(stream.expect("somebody listens"));
        }
        Self { address, _listener: listener, _queued: queued }
    }
}

/// The current metrics.
pub(crate) async fn metrics(gateway: &Gateway) -> String {
    let mut client = Client::connect(gateway.admin_address()).await;
    client.write("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.answer().await.text().to_owned()
}

/// The value of one metric, a whole number.
pub(crate) async fn metric(gateway: &Gateway, name: &str) -> u64 {
    let metrics = metrics(gateway).await;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().expect("a whole number")
}

/// The sockets of this process that are connected to an address of this machine.
pub(crate) fn sockets_to(address: SocketAddr) -> usize {
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("this is Linux");
    let port = format!(":{:04X}", address.port());
    let is_open = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        // A socket that is closed, and whose last bytes the kernel still sends, has no inode.
        fields[2].ends_with(&port) && fields[9] != "0"
    };
    sockets.lines().skip(1).filter(is_open).count()
}

/// The sockets of this machine with this port at either end, whose other end the kernel will ask whether it is there.
pub(crate) fn sockets_kept_alive(port: u16) -> usize {
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("this is Linux");
    let (port, keep_alive) = (format!(":{port:04X}"), "02:");
    let is_kept = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        (fields[1].ends_with(&port) || fields[2].ends_with(&port)) && fields[5].starts_with(keep_alive)
    };
    sockets.lines().skip(1).filter(is_kept).count()
}

/// Waits until the metrics count nothing that runs.
pub(crate) async fn in_flight_is_zero(gateway: &Gateway) {
    let runs =
        |line: &str| line.starts_with("sluicegate_") && line.contains("in_flight") && !line.ends_with(" 0");
    let quiet = async { while metrics(gateway).await.lines().any(runs) {} };
    soon(quiet).await;
    assert!(metrics(gateway).await.contains("sluicegate_upstream_in_flight{"));
}

/// Returns the output of a future that waits for nothing, such as a start with a memory store.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// Waits for `future`, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), future).await.expect("this should not take five seconds")
}

/// Waits until `condition` holds, but not for ever.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    soon(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// A batch of one item in so many bytes.
pub(crate) fn batch(length: usize) -> Vec<u8> {
    let batch = format!("{{\"inputs\":[1],\"noise\":\"{}\"}}", "x".repeat(length.saturating_sub(25)));
    assert!(batch.len() == length, "no batch is as short as that");
    batch.into_bytes()
}

/// `length` bytes without a pattern that a lost or doubled piece would keep.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
