//! Connecting to upstreams, in clear or by TLS.

use std::{io, path::Path, sync::Arc};

use http::Version;
use rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider, pki_types::ServerName};
use sluicegate_policy::{GatewaySettings, Upstream};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;

use crate::{
    io::{
        tcp,
        tls::{HTTP_1, HTTP_2, TlsError, roots},
    },
    upstream::resolver::Resolver,
};

/// Connects to the upstreams of a policy.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    /// The TLS settings for upstreams that use it.
    tls: Option<Tls>,
    resolver: Resolver,
}

/// The TLS settings, by the protocols offered.
#[derive(Clone, Debug)]
struct Tls {
    any: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

/// The versions of HTTP that an upstream may choose from, where it has a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Any,
    /// HTTP/1.1 alone, in which a connection can switch to another protocol.
    Http1,
}

/// A connection to an upstream. TLS is boxed, because it is large: connections in clear would carry room for it.
pub(crate) type Wire = Either<TcpStream, Box<TlsStream<TcpStream>>>;

impl Dialer {
    /// For the upstreams of these settings. Certificates are read now.
    ///
    /// # Errors
    ///
    /// [`TlsError`], if an upstream uses TLS and there is no certificate authority to verify it.
    pub(crate) fn new(settings: &GatewaySettings) -> Result<Self, TlsError> {
        Self::to(&settings.upstreams, settings.upstream_ca.as_deref())
    }

    /// For these servers, verified by the authorities in this file or by those of the system.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub(crate) fn to(servers: &[Upstream], ca: Option<&Path>) -> Result<Self, TlsError> {
        if !servers.iter().any(Upstream::is_tls) {
            return Ok(Self { tls: None, resolver: Resolver::default() });
        }
        let (file, roots) = match ca {
            Some(file) => (file, roots(file)?),
            None => (Path::new(SYSTEM), roots_of_the_system()?),
        };
        let unusable = |error| TlsError::new(file, error);
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols.insert(0, HTTP_2.to_vec());
        let tls = Some(Tls { any: Arc::new(config), http1 });
        Ok(Self { tls, resolver: Resolver::default() })
    }

    /// Connects, and tells the version of HTTP that is spoken on the connection.
    ///
    /// # Errors
    ///
    /// If nothing listens there, or its certificate is not valid for the name.
    pub(crate) async fn dial(&self, upstream: &Upstream, offer: Offer) -> io::Result<(Wire, Version)> {
        let addresses = self.resolver.addresses(upstream.host(), upstream.port()).await?;
        let stream = TcpStream::connect(&*addresses).await?;
        tcp::prepare(&stream)?;
        let Some(tls) = self.tls.as_ref().filter(|_| upstream.is_tls()) else {
            let version = if upstream.is_h2c() { Version::HTTP_2 } else { Version::HTTP_11 };
            return Ok((Wire::Left(stream), version));
        };
        let config = match offer {
            Offer::Any => &tls.any,
            Offer::Http1 => &tls.http1,
        };
        let name = ServerName::try_from(upstream.host().to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
        let version = match stream.get_ref().1.alpn_protocol() {
            Some(HTTP_2) => Version::HTTP_2,
            // A server without ALPN does not negotiate a protocol.
            _ => Version::HTTP_11,
        };
        Ok((Wire::Right(Box::new(stream)), version))
    }
}

/// The system's root certificates. Some may be of no use: what counts is that others are.
fn roots_of_the_system() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let problem = "there are none; install them, or name a file as `gateway.upstream_ca`";
        return Err(TlsError::new(Path::new(SYSTEM), problem));
    }
    Ok(roots)
}

const SYSTEM: &str = "the system's root certificates";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_in_clear_has_no_room_for_tls() {
        assert!(size_of::<Wire>() <= size_of::<TcpStream>() + size_of::<u64>(), "{}", size_of::<Wire>());
    }
}
