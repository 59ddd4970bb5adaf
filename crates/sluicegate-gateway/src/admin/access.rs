//! Access to everything on the admin port but health and metrics.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sluicegate_policy::Hidden;
use subtle::ConstantTimeEq;

use super::{Admin, Problem};

/// Answers those who know the token; where there is none, this machine, and no web page that is shown on it.
pub(super) async fn check(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    match may(&admin, request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn may(admin: &Admin, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    match &admin.reloads.current().gate.policy().gateway.admin_token {
        Some(token) => knows(token, headers),
        None if !admin.is_local => Err(Problem::new(StatusCode::FORBIDDEN, NOT_LOCAL)),
        None if is_of_a_page(uri, headers) => Err(Problem::new(StatusCode::FORBIDDEN, OF_A_PAGE)),
        None => Ok(()),
    }
}

fn knows(token: &Hidden, headers: &HeaderMap) -> Result<(), Problem> {
    let unauthorized = |detail, challenge| {
        Err(Problem::new(StatusCode::UNAUTHORIZED, detail).with(header::WWW_AUTHENTICATE, challenge))
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
    let of = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
    let hosts = || of(header::HOST).chain(uri.authority().map(Authority::as_str));
    !hosts().all(is_this_machine)
        || of(header::ORIGIN).any(|origin| !hosts().any(|host| origin.strip_prefix("http://") == Some(host)))
        || headers.get_all("sec-fetch-site").iter().any(|site| site != "same-origin" && site != "none")
}

/// Returns `true` if no third party can decide where this `host:port` leads.
fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

const BEARER: &[u8] = b"Bearer ";

const NO_TOKEN: &str =
    "The admin port has a token: send the gateway.admin_token of the policy as `Authorization: Bearer TOKEN`";
const WRONG_TOKEN: &str = "This is not the gateway.admin_token of the policy";
const NOT_LOCAL: &str = "Others than this machine can ask here, and the policy has no token for it: set gateway.admin_token, or \
     set gateway.admin to a loopback address such as \"127.0.0.1:9090\". A reload needs neither: change the policy file, or send \
     SIGHUP to the gateway";
const OF_A_PAGE: &str = "A web page may have sent this, and without a token none is answered: ask from a program, by an address or \
     localhost and without an Origin; or set gateway.admin_token";
