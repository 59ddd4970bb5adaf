//! The address of the peer that sent a request.

use std::net::IpAddr;

use http::Extensions;

/// The address of the peer that sent a request: the client, or the proxy before this server.
///
/// Put it into the extensions of a request where the server does not: with hyper, you know it when you accept the connection. If
/// the policy trusts the peer as a proxy, the client's address is read from the forwarding header.
///
/// ```
/// use http::Request;
/// use sluicegate_tower::PeerAddress;
///
/// let mut request = Request::new("");
/// request.extensions_mut().insert(PeerAddress("192.0.2.7".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerAddress(pub IpAddr);

/// Returns the peer's address, if the server or an outer layer has put it into the extensions.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let told = extensions.get::<PeerAddress>().map(|peer| peer.0);
    #[cfg(feature = "axum")]
    let told = told.or_else(|| {
        use axum::extract::ConnectInfo;
        extensions.get::<ConnectInfo<std::net::SocketAddr>>().map(|info| info.0.ip())
    });
    told
}
