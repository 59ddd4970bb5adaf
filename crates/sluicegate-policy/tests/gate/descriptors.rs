//! Descriptors of Envoy: their routes, their keys, and several that are decided together.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{HeaderName, HeaderValue, Request, request::Parts};
use sluicegate::Cost;
use sluicegate_policy::{Hints, Rejection, RouteId, Together};

use crate::site::{Ask, Site, Store};

#[test]
fn the_route_with_more_values_wins_and_then_the_one_with_earlier_ones() {
    let entries = ["'a', 'b'", "'a=1', 'b'", "'a', 'b=2'", "'a=1', 'b=2'", "'a'"];
    let route =
        |entries: &&str| format!("[[route]]\ndescriptor = {{ domain = 'ml', entries = [{entries}] }}\n");
    let site = Site::new(&entries.iter().map(route).collect::<String>());
    let routes = &site.gate.policy().routes;
    let label = |domain: &str, asked: &[(&str, &str)]| {
        let found = routes.find_descriptor(domain, &owned(asked))?;
        Some(routes.get(found).label())
    };
    for (asked, expected) in [
        (&[("a", "0"), ("b", "0")][..], Some("ml: a, b")),
        (&[("a", "1"), ("b", "0")], Some("ml: a=1, b")),
        (&[("a", "0"), ("b", "2")], Some("ml: a, b=2")),
        (&[("a", "1"), ("b", "2")], Some("ml: a=1, b=2")),
        (&[("a", "1")], Some("ml: a")),
        (&[("b", "2"), ("a", "1")], None),
        (&[("a", "1"), ("b", "2"), ("c", "3")], None),
        (&[], None),
    ] {
        assert_eq!(label("ml", asked), expected, "{asked:?}");
    }
    assert_eq!(label("other", &[("a", "1")]), None);
}

#[test]
fn a_request_never_matches_a_descriptor() {
    let site = Site::new(
        "[[route]]\ndescriptor = { domain = '/', entries = ['predict'] }\nlimits = ['0/s']\n\
         [[route]]\npath = '/predict'\nlimits = ['1/day']",
    );
    site.pass(1, &Ask::post("/predict"));
    assert_eq!(site.send(&Ask::post("/predict")).status(), 429);
    site.pass(2, &Ask::post("/"));
    site.pass(2, &Ask::post("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"));
}

#[test]
fn limits_without_a_key_have_an_account_for_each_combination_of_values() {
    let site = Site::new(
        "[[route]]\ndescriptor = { domain = 'ml', entries = ['kind=chat', 'user', 'remote_address'] }\n\
         limits = [{ name = 'own', quota = '9/day' }, { name = 'each', quota = '9/day', key = ['entry:kind', 'tier'] }]\n\
         [[route]]\ndescriptor = { domain = 'ml', entries = ['kind=all'] }\nlimits = [{ name = 'all', quota = '9/day' }]",
    );
    let keys = |entries| {
        let outcomes = Descriptors::of(&site, &[(entries, 1)]).decide(&site);
        let [Together::Admitted(pass)] = &outcomes[..] else { panic!("{outcomes:?}") };
        pass.charges().iter().map(|charge| charge.key.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        keys(&[("kind", "chat"), ("user", "a|b"), ("remote_address", "2001:db8::7")]),
        ["own|entry:user=a%7Cb|client_ip=2001:db8::", "each|entry:kind=chat|tier=default"]
    );
    assert_eq!(keys(&[("kind", "all")]), ["all"]);
}

#[test]
fn a_peek_is_denied_only_when_nothing_is_left() {
    let site = user_site();
    let outcomes = |hits| Descriptors::of(&site, &[(USER, hits)]).decide(&site);
    for hits in [0, 9, 0, 1] {
        assert!(matches!(outcomes(hits)[..], [Together::Admitted(_)]), "{hits}");
    }
    let outcomes = outcomes(0);
    let [Together::Rejected(Rejection::Denied(denied))] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((denied.retry_after(), denied.balance().remaining), (Some(8640), 0));
    site.wait(8640);
    assert!(matches!(Descriptors::of(&site, &[(USER, 0)]).decide(&site)[..], [Together::Admitted(_)]));
}

#[test]
fn a_peek_that_finds_nothing_gives_back_what_the_others_were_charged() {
    let site = user_site();
    Descriptors::of(&site, &[(USER, 10)]).decide(&site);
    let outcomes = Descriptors::of(&site, &[(MODEL, 3), (USER, 0)]).decide(&site);
    let [Together::Spared(spared), Together::Rejected(_)] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(spared.balances()[0].remaining, 5);
    let outcomes = Descriptors::of(&site, &[(MODEL, 5)]).decide(&site);
    assert!(matches!(outcomes[..], [Together::Admitted(_)]), "{outcomes:?}");
}

#[test]
fn limits_in_shadow_mode_count_and_deny_nothing() {
    let site = Site::new(
        "[[route]]\ndescriptor = { domain = 'ml', entries = ['user'] }\n\
         limits = [{ name = 'trial', quota = '1/day', mode = 'shadow' }]",
    );
    for denied in [0, 1, 1] {
        let outcomes = Descriptors::of(&site, &[(USER, 1)]).decide(&site);
        let [Together::Admitted(pass)] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!(pass.denied_in_shadow().len(), denied);
    }
}

#[test]
fn hits_beyond_the_whole_limit_never_pass() {
    let site = user_site();
    let outcomes = Descriptors::of(&site, &[(USER, u64::MAX)]).decide(&site);
    let [Together::Rejected(Rejection::Denied(denied))] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(denied.retry_after(), None);
}

const USER: &[(&str, &str)] = &[("user", "ann")];
const MODEL: &[(&str, &str)] = &[("model", "big")];

fn user_site() -> Site {
    Site::new(
        "[[route]]\ndescriptor = { domain = 'ml', entries = ['user'] }\nlimits = ['10 tokens/day']\n\
         [[route]]\ndescriptor = { domain = 'ml', entries = ['model'] }\nlimits = ['5/day']",
    )
}

/// Descriptors of one call, and the hits of each.
struct Descriptors(Vec<Descriptor>);

/// One of them: its route, its head, its entries and its hits.
type Descriptor = (RouteId, Parts, Vec<(String, String)>, Cost);

impl Descriptors {
    fn of(site: &Site, descriptors: &[(&[(&str, &str)], u64)]) -> Self {
        let described = descriptors.iter().map(|(entries, hits)| {
            let (mut head, ()) = Request::post("/").body(()).unwrap().into_parts();
            for (key, value) in *entries {
                let name: HeaderName = key.parse().unwrap();
                head.headers.append(name, HeaderValue::from_str(value).unwrap());
            }
            let entries = owned(entries);
            let route = site.gate.policy().routes.find_descriptor("ml", &entries).expect("a route is for it");
            (route, head, entries, Cost::new(*hits))
        });
        Self(described.collect())
    }

    fn decide(&self, site: &Site) -> Vec<Together<Store>> {
        at_once(async {
            let mut visits = Vec::new();
            for (route, head, entries, cost) in &self.0 {
                let address = entries.iter().find(|(key, _)| key == "remote_address");
                let client = address.map_or("192.0.2.1", |(_, address)| address).parse().unwrap();
                let hints = Hints { cost: Some(*cost), parameters: entries, ..Hints::default() };
                visits.push(site.gate.enter_route(*route, head, client, hints).await.expect("it may enter"));
            }
            site.gate.decide_together(&visits).await
        })
    }
}

fn owned(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A gate on a store in memory never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("memory never waits"),
    }
}
