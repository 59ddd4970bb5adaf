//! The request that a proxy asks about.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::HOST,
    request::Parts,
    uri::{PathAndQuery, Uri},
};
use sluicegate_policy::ForwardedHeader;

use super::endpoint::{EXT_AUTHZ, Endpoint};
use crate::decisions::callers::TOKEN;

/// Turns the head of a call into that of the request which the call is about. Returns the address from which the proxy
/// got it.
///
/// # Errors
///
/// Says what the proxy is to send.
pub(super) fn restore(
    head: &mut Parts,
    endpoint: Endpoint,
    header: ForwardedHeader,
) -> Result<IpAddr, &'static str> {
    let (method, target) = match endpoint {
        Endpoint::AuthRequest => described(&head.headers, &NGINX)?,
        Endpoint::ForwardAuth => described(&head.headers, &FORWARDED)?,
        Endpoint::ExtAuthz => {
            let target = head.uri.path_and_query().and_then(|target| target.as_str().strip_prefix(EXT_AUTHZ));
            let target = target.ok_or(NO_PATH)?;
            (head.method.clone(), target.parse().map_err(|_| NO_PATH)?)
        }
    };
    let client = header.nearest(&head.headers).ok_or(match header {
        ForwardedHeader::XForwardedFor => NO_X_FORWARDED_FOR,
        ForwardedHeader::Forwarded => NO_FORWARDED,
    })?;
    head.method = method;
    head.uri = Uri::from(target);
    head.headers.remove(TOKEN);
    if let Some(host) = head.headers.remove(FORWARDED_HOST) {
        head.headers.insert(HOST, host);
    }
    Ok(client)
}

/// The headers that describe a request.
struct Described {
    method: HeaderName,
    target: HeaderName,
    /// Tells what to do where one is missing, or there twice.
    no_method: &'static str,
    no_target: &'static str,
}

fn described(headers: &HeaderMap, by: &Described) -> Result<(Method, PathAndQuery), &'static str> {
    let method = one(headers, &by.method).and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    let target = one(headers, &by.target)
        .filter(|target| target.as_bytes().starts_with(b"/"))
        .and_then(|target| PathAndQuery::try_from(target.as_bytes()).ok());
    Ok((method.ok_or(by.no_method)?, target.ok_or(by.no_target)?))
}

/// The value of a header that is there once: of two, one may be the client's.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// As nginx's own documentation has it.
const NGINX: Described = Described {
    method: HeaderName::from_static("x-original-method"),
    target: HeaderName::from_static("x-original-uri"),
    no_method: "send the original method once: proxy_set_header X-Original-Method $request_method",
    no_target: "send the original path and query once: proxy_set_header X-Original-URI $request_uri",
};

/// As Traefik and Caddy send it.
const FORWARDED: Described = Described {
    method: HeaderName::from_static("x-forwarded-method"),
    target: HeaderName::from_static("x-forwarded-uri"),
    no_method: "send the original method once, in X-Forwarded-Method",
    no_target: "send the original path and query once, in X-Forwarded-Uri",
};

const NO_PATH: &str = "the original path behind /ext-authz is not one";
const NO_X_FORWARDED_FOR: &str = "send the client's address as the last one of X-Forwarded-For";
const NO_FORWARDED: &str = "send the client's address in the last element of Forwarded, as for=192.0.2.1";
