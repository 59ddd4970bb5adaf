//! Several upstreams in the policy file: what is read, and what is said of mistakes.

use std::time::Duration;

use sluicegate_policy::{Diagnostics, Policy, Source};

fn parse(text: &str) -> Result<Policy, Diagnostics> {
    Policy::parse(&Source::new("p.toml", text.as_bytes())?)
}

#[test]
fn an_upstream_is_a_url_or_a_list_with_weights() {
    let shares = |text: &str| {
        let policy = parse(&format!("[gateway]\nupstream = {text}")).unwrap();
        let share = |upstream: &sluicegate_policy::Upstream| (upstream.to_string(), upstream.weight());
        policy.gateway.upstreams.iter().map(share).collect::<Vec<_>>()
    };
    assert_eq!(shares("'http://a'"), [("http://a".to_owned(), 1)]);
    assert_eq!(shares("{ url = 'http://a', weight = 2 }"), [("http://a".to_owned(), 2)]);
    assert_eq!(
        shares("['http://a/v1', { url = 'http://b/v1/', weight = 3 }]"),
        [("http://a/v1".to_owned(), 1), ("http://b/v1".to_owned(), 3)]
    );
    assert_eq!(
        shares("['http://a', 'https://a']"),
        [("http://a".to_owned(), 1), ("https://a".to_owned(), 1)],
        "two servers, for they have two ports"
    );
}

#[test]
fn an_upstream_is_told_the_clients_host_or_its_own_or_another() {
    let told = |entry: &str| {
        let policy = parse(&format!("[gateway]\nupstream = {{ url = 'https://a:8443/v1'{entry} }}")).unwrap();
        policy.gateway.upstreams[0].told_host().map(str::to_owned)
    };
    assert_eq!(told(""), None);
    assert_eq!(told(", host = 'upstream'"), Some("a:8443".to_owned()));
    assert_eq!(told(", host = 'api.example.com'"), Some("api.example.com".to_owned()));
    assert_eq!(told(", host = '[::1]:80'"), Some("[::1]:80".to_owned()));
}

#[test]
fn a_route_has_the_timeouts_that_it_names() {
    let policy =
        parse("[[route]]\npath = '/a'\nlimits = []\nresponse_timeout = '5s'\ntimeout = '1m'").unwrap();
    let timeouts = policy.routes.as_slice()[0].timeouts();
    assert_eq!(timeouts.response, Some(Duration::from_secs(5)));
    assert_eq!(timeouts.total, Some(Duration::from_secs(60)));
    assert_eq!(timeouts.idle, None);
}

#[test]
fn mistakes_are_told_with_what_would_be_right() {
    for (text, expected) in [
        (
            "[gateway]\nupstream = ['http://a', 'b']",
            "p.toml:2:25: an upstream is a URL with a scheme\n  help: write it as \"http://127.0.0.1:8000\"",
        ),
        (
            "[gateway]\nupstream = { url = 'http://a', host = 'a/b' }",
            "p.toml:2:39: `a/b` is not a host\n  help: write it as \"api.example.com\", with a port if it has one, \
             or \"upstream\" for the one in the URL",
        ),
        (
            "[gateway]\nupstream = []\nretries = 11",
            "p.toml:2:12: `upstream` cannot be a list of 0\n  help: name 1 to 64 servers\n\
             p.toml:3:11: `retries` cannot be 11\n  help: give a number from 0 to 10",
        ),
        (
            "[gateway]\nupstream = ['http://a', { url = 'http://a', weight = 0 }, 'http://b/v1']",
            "p.toml:2:25: `http://a` appears twice\n  \
             help: name it once, with a `weight` for a larger share\n\
             p.toml:2:54: `weight` cannot be 0\n  help: give a number from 1 to 1000\n\
             p.toml:2:59: the upstreams of a list have different base paths\n  \
             help: give all of them the same: any may get any request",
        ),
        (
            "[gateway.health]\npath = 'health'\ninterval = '0'\nhealthy = 0",
            "p.toml:2:8: `health` is not a path\n  help: write a path of the upstreams, such as \"/health\"\n\
             p.toml:3:12: a timeout of no time lets nothing through\n  help: give at least \"1ms\"\n\
             p.toml:4:11: `healthy` cannot be 0\n  help: give a number from 1 to 1000",
        ),
        (
            "[gateway.health]\npath = '/health'\nunhealthier = 2",
            "p.toml:3:1: unknown field `unhealthier`\n  help: did you mean `unhealthy`?",
        ),
        (
            "[[route]]\npath = '/a'\nlimits = []\ntimeout = '0'\nresponse_timeout = '1x'",
            "p.toml:5:20: not a duration\n  \
             help: write whole numbers with ms, s, m, h or d, as in \"30s\" or \"1h30m\"",
        ),
        (
            "[[route]]\npath = '/a'\nlimits = []\ntimeout = '0'",
            "p.toml:4:11: a timeout of no time lets nothing through\n  help: give at least \"1ms\"",
        ),
        (
            "[gateway.ejection]\nfailures = 1001",
            "p.toml:2:12: `failures` cannot be 1001\n  help: give a number from 0 to 1000",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), expected, "\n--- of ---\n{text}");
    }
}
