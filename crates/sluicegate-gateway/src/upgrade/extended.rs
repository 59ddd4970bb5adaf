//! WebSockets in a stream of HTTP/2: extended CONNECT (RFC 8441), which goes to the upstream as an upgrade of HTTP/1.1.

use std::hash::{BuildHasher, RandomState};

use h2::ext::Protocol;
use http::{
    Extensions, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
};

use super::Tunnel;

/// A request for a WebSocket in its stream.
pub(crate) struct Extended(());

impl Extended {
    /// Finds the protocol that a request asks for, and turns it into the equivalent HTTP/1.1 request. Returns
    /// `None` for any other request.
    pub(crate) fn asked_by<B>(request: &mut Request<B>) -> Option<Self> {
        if request.method() != Method::CONNECT || !Self::is_asked_by(request.extensions()) {
            return None;
        }
        *request.method_mut() = Method::GET;
        super::name(request.headers_mut(), HeaderValue::from_static(WEBSOCKET));
        // HTTP/1.1 wants a proof that the server knows the protocol.
        request.headers_mut().insert(SEC_WEBSOCKET_KEY, key());
        Some(Self(()))
    }

    /// Returns `true` if a request with these extensions asks for a WebSocket in its stream.
    pub(super) fn is_asked_by(extensions: &Extensions) -> bool {
        extensions.get::<Protocol>().is_some_and(|protocol| protocol.as_str() == WEBSOCKET)
    }

    /// Turns the response of HTTP/1.1 into that of HTTP/2, and gives the tunnel to which the upstream has agreed.
    pub(crate) fn answer<B>(self, response: &mut Response<B>, tunnel: Option<Tunnel>) -> Option<Tunnel> {
        if tunnel.is_some() {
            *response.status_mut() = StatusCode::OK;
            for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
                response.headers_mut().remove(name);
            }
        } else if response.status().is_success() {
            // It would say that the stream is a WebSocket now, which the upstream has not said.
            *response.status_mut() = StatusCode::BAD_GATEWAY;
        }
        tunnel
    }
}

/// Sixteen random bytes in base64.
fn key() -> HeaderValue {
    let mut left = u128::from(random()) << 64 | u128::from(random());
    let mut key = [b'='; KEY_LENGTH];
    // Two bits more than whole digits: the last stands for them and four zeros.
    for (place, digit) in key.iter_mut().take(DIGITS).enumerate() {
        let bits = if place == DIGITS - 1 { (left & 0b11) << 4 } else { left & 0b11_1111 };
        *digit = BASE64[bits as usize];
        left >>= 6;
    }
    HeaderValue::from_bytes(&key).unwrap_or(HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

/// A random number. Guessing it gains an attacker nothing.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

const WEBSOCKET: &str = "websocket";

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Digits of sixteen bytes, which fill 24 places.
const DIGITS: usize = 22;
const KEY_LENGTH: usize = 24;
