//! Access to everything on the admin port but health and metrics.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sluicegate_policy::Hidden;
use subtle::ConstantTimeEq;

use super::Admin;
use crate::problem::Problem;

/// Answers those who know the token; where there is none, this machine, and no web page that is shown on it.
pub(super) async fn check(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    match may(&admin, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn may(admin: &Admin, request: &Request) -> Result<(), Problem> {
    let (uri, headers) = (request.uri(), request.headers());
    let generation = admin.reloads.current();
    let token = &generation.gate.policy().gateway.admin_token;
    if request.method() == Method::DELETE && is_of_a_browser(headers) {
        if token.is_none() {
            return Err(Problem::new(StatusCode::FORBIDDEN, RESET_BY_A_PAGE));
        }
        if is_of_another_site(uri, headers) {
            return Err(Problem::new(StatusCode::FORBIDDEN, OF_ANOTHER_SITE));
        }
    }
    match token {
        Some(token) => knows(token, headers),
        None if !admin.is_local => Err(Problem::new(StatusCode::FORBIDDEN, NOT_LOCAL)),
        None if is_of_a_page(uri, headers) => Err(Problem::new(StatusCode::FORBIDDEN, OF_A_PAGE)),
        None => Ok(()),
    }
}

/// Returns `true` if a browser has sent this, which tells whose page wanted it.
fn is_of_a_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key(SEC_FETCH_SITE)
}

/// Returns `true` if the page of a browser comes from elsewhere than this port. A proxy before the port may speak TLS.
fn is_of_another_site(uri: &Uri, headers: &HeaderMap) -> bool {
    let hosts = || values(headers, header::HOST).chain(uri.authority().map(Authority::as_str));
    let is_ours = |origin: &str| {
        let origin = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        origin.is_some_and(|origin| hosts().any(|host| host == origin))
    };
    values(headers, header::ORIGIN).any(|origin| !is_ours(origin)) || is_fetched_by_another_site(headers)
}

fn is_fetched_by_another_site(headers: &HeaderMap) -> bool {
    headers.get_all(SEC_FETCH_SITE).iter().any(|site| site != "same-origin" && site != "none")
}

fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"))
}

fn knows(token: &Hidden, headers: &HeaderMap) -> Result<(), Problem> {
    let unauthorized = |detail, challenge| {
        Err(Problem::new(StatusCode::UNAUTHORIZED, detail)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge)))
    };
    let Some(given) = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes())) else {
        return unauthorized(NO_TOKEN, "Bearer realm=\"sluicegate\"");
    };
    // Takes the same time wherever they differ.
    if bool::from(given.ct_eq(token.reveal().as_bytes())) {
        Ok(())
    } else {
        unauthorized(WRONG_TOKEN, "Bearer realm=\"sluicegate\", error=\"invalid_token\"")
    }
}

fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then(|| token.trim_ascii())
}

/// Returns `true` if a web page may have sent this. A site that gives its name the address of this machine is
/// of the same origin for the browser, and is recognised by that name. Other pages are recognised by the
/// fields that browsers add.
fn is_of_a_page(uri: &Uri, headers: &HeaderMap) -> bool {
    let hosts = || values(headers, header::HOST).chain(uri.authority().map(Authority::as_str));
    !hosts().all(is_this_machine)
        || values(headers, header::ORIGIN)
            .any(|origin| !hosts().any(|host| origin.strip_prefix("http://") == Some(host)))
        || is_fetched_by_another_site(headers)
}

/// Returns `true` if no third party can decide where this `host:port` leads.
fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

const BEARER: &[u8] = b"Bearer ";

/// The header by which a browser tells whose page sends a request.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

const NO_TOKEN: &str =
    "The admin port has a token: send the gateway.admin_token of the policy as `Authorization: Bearer TOKEN`";
const WRONG_TOKEN: &str = "This is not the gateway.admin_token of the policy";
const NOT_LOCAL: &str = "Others than this machine can ask here, and the policy has no token for it: set gateway.admin_token, or \
     set gateway.admin to a loopback address such as \"127.0.0.1:9090\". A reload needs neither: change the policy file, or send \
     SIGHUP to the gateway";
const RESET_BY_A_PAGE: &str =
    "A web page resets accounts only with a token: set gateway.admin_token, or reset them from a program";
const OF_ANOTHER_SITE: &str =
    "A web page of another site asks for this: use the gateway's own dashboard, or a program";
const OF_A_PAGE: &str = "A web page may have sent this, and without a token none is answered: ask from a program, by an address or \
     localhost and without an Origin; or set gateway.admin_token";
