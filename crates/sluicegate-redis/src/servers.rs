//! The way to the servers.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use redis::{
    ConnectionAddr, ErrorKind, RedisConnectionInfo, RedisResult, TlsCertificates,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use sluicegate::StoreError;
use tokio::{sync::Mutex, time::timeout};

use crate::{
    address::{Address, Kind, Node},
    link::{Ended, Link, RESPONSE_TIMEOUT},
    stream::Stream,
};

/// The means to reach the servers.
#[derive(Clone)]
pub(crate) struct Servers {
    pub(crate) address: Arc<Address>,
    login: Arc<RedisConnectionInfo>,
    tls: Option<Arc<ClientConfig>>,
    /// Asked anew for each connection. Locked because asking changes its list of sentinels.
    sentinel: Option<Arc<Mutex<SentinelClient>>>,
}

/// The address of one server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    Tcp(Node),
    Unix(PathBuf),
}

impl Servers {
    /// Prepares connections, and opens none. `ca` is a file of certificates that TLS trusts instead of the system's.
    pub(crate) fn new(address: &Address, ca: Option<&Path>) -> Result<Self, StoreError> {
        if address.tls {
            // The one of this process; it fails only where there is one already.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let ca = ca.map(|ca| authorities(ca).map(|(file, roots)| (ca, file, roots))).transpose()?;
        let tls =
            if address.tls { Some(Arc::new(trust(ca.as_ref().map(|(_, _, roots)| roots))?)) } else { None };
        let sentinel = match &address.kind {
            Kind::Sentinel(sentinels, name) => {
                let file = ca.map(|(_, file, _)| file);
                let client = sentinel(address, sentinels, name, file);
                let client =
                    client.map_err(|error| crate::error::explained(&error, &address.server_info(), false))?;
                Some(Arc::new(Mutex::new(client)))
            }
            Kind::One(_) | Kind::Unix(_) | Kind::Cluster(_) => None,
        };
        Ok(Self { address: Arc::new(address.clone()), login: Arc::new(login(address)), tls, sentinel })
    }

    /// The nodes of a cluster that are known from its URL.
    pub(crate) fn seeds(&self) -> &[Node] {
        match &self.address.kind {
            Kind::Cluster(nodes) => nodes,
            Kind::One(_) | Kind::Unix(_) | Kind::Sentinel(..) => &[],
        }
    }

    /// Returns the address of the only server, or of the primary that the sentinels name now.
    pub(crate) async fn primary(&self) -> RedisResult<Endpoint> {
        match (&self.address.kind, &self.sentinel) {
            (Kind::One(node), _) => Ok(Endpoint::Tcp(node.clone())),
            (Kind::Unix(path), _) => Ok(Endpoint::Unix(path.clone())),
            (_, Some(sentinel)) => {
                let client = sentinel.lock().await.async_get_client().await?;
                match client.get_connection_info().addr() {
                    ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                        Ok(Endpoint::Tcp(Node { host: host.clone(), port: *port }))
                    }
                    other => Err((ErrorKind::Client, "the sentinels name no host", other.to_string()).into()),
                }
            }
            (Kind::Sentinel(..) | Kind::Cluster(_), None) => {
                Err((ErrorKind::Client, "a cluster has no primary of its own").into())
            }
        }
    }

    /// Connects and logs in.
    pub(crate) async fn connect(&self, endpoint: &Endpoint) -> RedisResult<(Link, Ended)> {
        let connected = timeout(RESPONSE_TIMEOUT, async {
            let stream = match endpoint {
                Endpoint::Tcp(node) => Stream::tcp(node, self.tls.as_ref()).await?,
                Endpoint::Unix(path) => Stream::unix(path).await?,
            };
            Link::open(stream, &self.login).await
        });
        connected.await.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(node) => node.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

fn login(address: &Address) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default()
        .set_db(address.db)
        .set_lib_name("sluicegate", env!("CARGO_PKG_VERSION"));
    if let Some(username) = &address.username {
        login = login.set_username(username);
    }
    if let Some(password) = &address.password {
        login = login.set_password(password);
    }
    login
}

fn sentinel(
    address: &Address,
    sentinels: &[Node],
    name: &str,
    ca: Option<Vec<u8>>,
) -> RedisResult<SentinelClient> {
    let sentinels = sentinels.iter().map(|Node { host, port }| {
        if address.tls {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host.clone(), *port)
        }
    });
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
    if let Some(root_cert) = ca {
        let certificates = TlsCertificates { client_tls: None, root_cert: Some(root_cert) };
        builder = builder
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    builder.build()
}

/// Certificates in a file, as they are written there and as they are trusted.
fn authorities(ca: &Path) -> Result<(Vec<u8>, RootCertStore), StoreError> {
    let unreadable = |error: &dyn fmt::Display| {
        StoreError::misconfigured(format!("cannot read store.ca, {}: {error}", ca.display()))
    };
    let file = std::fs::read(ca).map_err(|error| unreadable(&error).because(error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&file) {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if roots.is_empty() { Err(unreadable(&"it has no certificate in PEM")) } else { Ok((file, roots)) }
}

/// Trusts these authorities, or else those of the system.
fn trust(authorities: Option<&RootCertStore>) -> Result<ClientConfig, StoreError> {
    let roots = match authorities {
        Some(roots) => roots.clone(),
        None => {
            let mut roots = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if let (true, Some(error)) = (roots.is_empty(), found.errors.into_iter().next()) {
                return Err(StoreError::misconfigured(format!(
                    "the system's certificates cannot be read: {error}; name a file in store.ca"
                )));
            }
            roots
        }
    };
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
