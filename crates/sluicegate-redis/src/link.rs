//! A connection to wherever the accounts are.

use std::{path::Path, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisResult, TlsCertificates, Value,
    aio::MultiplexedConnection,
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo},
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use sluicegate::StoreError;
use tokio::sync::Mutex;

use crate::address::{Address, Kind, Node};

/// How to reach the servers.
#[derive(Clone)]
pub(crate) enum Servers {
    One(Box<Client>),
    /// Asks the sentinels anew for each connection. Locked because asking changes what it knows of them.
    Sentinel(Arc<Mutex<SentinelClient>>),
    Cluster(Box<ClusterClient>),
}

/// A connection; its clones share it.
#[derive(Clone)]
pub(crate) enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A server that keeps accounts; `None` where there is only one.
pub(crate) type Primary = Option<Node>;

impl Servers {
    /// Where nothing is connected yet. `ca` is a file of certificates that TLS trusts instead of the system's.
    pub(crate) fn new(address: &Address, ca: Option<&Path>) -> Result<Self, StoreError> {
        if address.tls {
            // The one of this process; it fails only where there is one already.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let certificates = ca.map(certificates).transpose()?;
        Self::build(address, certificates).map_err(|error| crate::error::explained(&error, address))
    }

    fn build(address: &Address, certificates: Option<TlsCertificates>) -> RedisResult<Self> {
        let at = |node: &Node| tcp(node, address.tls);
        match &address.kind {
            Kind::One(node) => client(info(at(node), address)?, certificates).map(Box::new).map(Self::One),
            Kind::Unix(path) => {
                client(info(ConnectionAddr::Unix(path.clone()), address)?, None).map(Box::new).map(Self::One)
            }
            Kind::Sentinel(sentinels, name) => {
                let sentinels = sentinels.iter().map(at);
                let mut builder = SentinelClientBuilder::new(sentinels, name, SentinelServerType::Master)?
                    .set_client_to_redis_db(address.db);
                if address.tls {
                    builder = builder.set_client_to_redis_tls_mode(redis::TlsMode::Secure);
                }
                if let Some(username) = &address.username {
                    builder = builder.set_client_to_redis_username(username);
                }
                if let Some(password) = &address.password {
                    builder = builder.set_client_to_redis_password(password);
                }
                if let Some(certificates) = certificates {
                    builder = builder
                        .set_client_to_redis_certificates(certificates.clone())
                        .set_client_to_sentinel_certificates(certificates);
                }
                Ok(Self::Sentinel(Arc::new(Mutex::new(builder.build()?))))
            }
            Kind::Cluster(nodes) => {
                let nodes =
                    nodes.iter().map(|node| info(at(node), address)).collect::<RedisResult<Vec<_>>>()?;
                let mut builder = ClusterClientBuilder::new(nodes)
                    .connection_timeout(PATIENCE)
                    .response_timeout(PATIENCE)
                    // Redirections, and not much more: whoever waits has an outage policy.
                    .retries(3)
                    .min_retry_wait(10)
                    .max_retry_wait(100);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                builder.build().map(Box::new).map(Self::Cluster)
            }
        }
    }

    /// A connection, to the primary of now where there are sentinels.
    pub(crate) async fn connect(self) -> RedisResult<Link> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        match self {
            Self::One(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Link::One)
            }
            Self::Sentinel(client) => {
                client.lock().await.get_async_connection_with_config(&config).await.map(Link::One)
            }
            Self::Cluster(client) => client.get_async_connection().await.map(Link::Cluster),
        }
    }
}

impl Link {
    pub(crate) async fn call(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(connection) => connection.send_packed_command(command).await?.extract_error(),
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    /// The servers that keep accounts: the one that there is, or the primaries of a cluster by their addresses.
    pub(crate) async fn primaries(&mut self) -> RedisResult<Vec<Primary>> {
        let Self::Cluster(connection) = self else { return Ok(vec![None]) };
        let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let answers = connection.route_command(redis::cmd("PING"), all).await?;
        let answers: Vec<(String, Value)> = redis::from_redis_value(answers)?;
        let mut primaries = Vec::new();
        for (address, answer) in answers {
            answer.extract_error()?;
            let address = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
            let (host, port) = address.ok_or((ErrorKind::Parse, "a node of the cluster has no address"))?;
            primaries.push(Some(Node { host: host.to_owned(), port }));
        }
        Ok(primaries)
    }

    /// Asks this one of the [`primaries`](Self::primaries).
    pub(crate) async fn call_at(&mut self, primary: &Primary, command: Cmd) -> RedisResult<Value> {
        match (self, primary) {
            (Self::Cluster(connection), Some(Node { host, port })) => {
                let there = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                connection.route_command(command, RoutingInfo::SingleNode(there)).await?.extract_error()
            }
            (link, _) => link.call(&command).await,
        }
    }

    /// Whether it finds its servers again by itself.
    pub(crate) fn mends_itself(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

fn tcp(node: &Node, tls: bool) -> ConnectionAddr {
    match tls {
        false => ConnectionAddr::Tcp(node.host.clone(), node.port),
        true => ConnectionAddr::TcpTls {
            host: node.host.clone(),
            port: node.port,
            insecure: false,
            tls_params: None,
        },
    }
}

fn info(at: ConnectionAddr, address: &Address) -> RedisResult<ConnectionInfo> {
    let mut login = RedisConnectionInfo::default()
        .set_db(address.db)
        .set_lib_name("sluicegate", env!("CARGO_PKG_VERSION"));
    if let Some(username) = &address.username {
        login = login.set_username(username);
    }
    if let Some(password) = &address.password {
        login = login.set_password(password);
    }
    Ok(at.into_connection_info()?.set_redis_settings(login))
}

fn client(info: ConnectionInfo, certificates: Option<TlsCertificates>) -> RedisResult<Client> {
    match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    }
}

fn certificates(ca: &Path) -> Result<TlsCertificates, StoreError> {
    let root = std::fs::read(ca).map_err(|error| {
        StoreError::misconfigured(format!("cannot read store.ca, {}: {error}", ca.display())).because(error)
    })?;
    Ok(TlsCertificates { client_tls: None, root_cert: Some(root) })
}

/// How long a connection may take to open or to answer before it is given up.
const PATIENCE: Duration = Duration::from_secs(1);
