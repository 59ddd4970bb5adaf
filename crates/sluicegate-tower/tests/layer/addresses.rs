//! The addresses of clients.

use http::Request;
use sluicegate_tower::{KeyTemplate, Limit, PeerAddress, Quota};

use crate::site::{Site, empty, policy, remaining, text};

fn from(peer: &str) -> http::request::Builder {
    Request::get("/").extension(PeerAddress(peer.parse().expect("an address")))
}

fn site(settings: &str) -> Site {
    let settings = policy(settings);
    Site::new(|builder| builder.policy(settings).limit(limit()))
}

fn limit() -> Limit {
    Limit::new("predict", Quota::per_minute(10))
}

#[test]
fn each_address_has_its_own_account() {
    let site = site("");
    assert_eq!(remaining(&site.ask(empty(from("192.0.2.1")))), 9);
    assert_eq!(remaining(&site.ask(empty(from("192.0.2.2")))), 9);
    assert_eq!(remaining(&site.ask(empty(from("192.0.2.1")))), 8);
    assert_eq!(remaining(&site.ask(empty(from("2001:db8::1")))), 9);
    assert_eq!(remaining(&site.ask(empty(from("2001:db8::2")))), 8, "one client owns the whole network");
}

#[test]
fn a_request_without_an_address_is_an_error_and_never_shares_an_account() {
    let site = site("");
    let answer = site.ask_of(empty(Request::get("/")), |_| panic!("it cannot be decided"));
    assert_eq!(answer.status(), 500);
    let body = text(answer);
    assert!(body.contains("\"code\":\"no_client_address\""), "{body}");
    assert!(body.contains("it does not know their addresses"), "{body}");
    let events = site.events();
    assert!(events[0].contains("into_make_service_with_connect_info"), "{events:?}");
    assert!(events[0].contains("PeerAddress"), "{events:?}");
    assert_eq!(remaining(&site.ask(empty(from("0.0.0.1")))), 9);
}

#[test]
fn the_forwarding_header_is_believed_of_trusted_proxies_alone() {
    let site = site("[gateway]\ntrusted_proxies = ['10.0.0.0/8']");
    let forwarded = |peer| empty(from(peer).header("x-forwarded-for", "203.0.113.9"));
    assert_eq!(remaining(&site.ask(forwarded("10.0.0.1"))), 9);
    assert_eq!(remaining(&site.ask(forwarded("10.0.0.2"))), 8);
    assert_eq!(remaining(&site.ask(forwarded("192.0.2.1"))), 9);
}

#[test]
fn a_proxy_on_a_unix_socket_tells_addresses_if_it_is_trusted() {
    let site = site("[gateway]\ntrusted_proxies = ['unix']");
    let forwarded = || empty(Request::get("/").header("x-forwarded-for", "203.0.113.9"));
    assert_eq!(remaining(&site.ask(forwarded())), 9);
    assert_eq!(remaining(&site.ask(empty(from("203.0.113.9")))), 8);
    assert_eq!(site.ask(empty(Request::get("/"))).status(), 500);
}

#[test]
fn a_function_finds_the_address_where_the_server_keeps_it() {
    #[derive(Clone)]
    struct Connection(std::net::IpAddr);

    let site = Site::new(|builder| {
        builder.limit(limit()).peer_by(|head| Some(head.extensions.get::<Connection>()?.0))
    });
    let from = |peer: &str| Request::get("/").extension(Connection(peer.parse().expect("an address")));
    assert_eq!(remaining(&site.ask(empty(from("192.0.2.1")))), 9);
    assert_eq!(remaining(&site.ask(empty(from("192.0.2.2")))), 9);
    assert_eq!(site.ask(empty(self::from("192.0.2.1"))).status(), 500);
}

#[test]
fn a_key_needs_no_address_and_its_absence_does() {
    let site = Site::new(|builder| {
        builder.limit(limit()).key_by(|head| Some(head.headers.get("x-user")?.to_str().ok()?.to_owned()))
    });
    let of = |user| empty(Request::get("/").header("x-user", user));
    assert_eq!(remaining(&site.ask(of("alice"))), 9);
    assert_eq!(remaining(&site.ask(of("bob"))), 9);
    assert_eq!(remaining(&site.ask(of("alice"))), 8);
    assert_eq!(site.ask(empty(Request::get("/"))).status(), 500);
    assert_eq!(remaining(&site.ask(empty(from("192.0.2.1")))), 9);
}

#[test]
fn an_account_for_all_needs_no_address() {
    let site = Site::new(|builder| builder.limit(limit()).key(KeyTemplate::global()));
    assert_eq!(remaining(&site.ask(empty(Request::get("/")))), 9);
    assert_eq!(remaining(&site.ask(empty(from("192.0.2.1")))), 8);
}

#[test]
fn a_part_of_a_key_that_a_request_lacks_is_replaced_by_its_address() {
    let key = KeyTemplate::parse(["header:x-team"]).expect("a key");
    let site = Site::new(|builder| builder.limit(limit()).key(key));
    assert_eq!(remaining(&site.ask(empty(from("192.0.2.1").header("x-team", "blue")))), 9);
    assert_eq!(remaining(&site.ask(empty(from("192.0.2.2").header("x-team", "blue")))), 8);
    assert_eq!(remaining(&site.ask(empty(from("192.0.2.1")))), 9);
    assert_eq!(remaining(&site.ask(empty(from("192.0.2.2")))), 9);
}
