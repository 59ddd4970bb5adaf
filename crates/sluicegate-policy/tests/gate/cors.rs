//! Fields that let a page of another origin read responses: the upstream's, and ours.

use http::{HeaderMap, HeaderName, HeaderValue};
use sluicegate_policy::{Refusal, Renderer, RequestId};

use crate::site::{Ask, Reply, Site, now};

const LISTED: &str = "[cors]\norigins = ['https://app.example', 'https://*.apps.example']\n";
const LIMITED: &str = "[[route]]\npath = '/'\nlimits = [{ name = 'a', quota = '1/minute' }]\n";

fn page(origin: &str) -> Ask {
    Ask::post("/").header("origin", origin)
}

/// Returns the fields that a browser sees when the upstream has sent these.
fn over(reply: &Reply, lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut upstream = HeaderMap::new();
    for (name, value) in lines {
        upstream.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    reply.headers_over(upstream)
}

fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[test]
fn without_a_section_an_answer_has_nothing_more() {
    let site = Site::new(LIMITED);
    let passed = site.send(&page("https://app.example")).headers();
    assert_eq!(passed.len(), 2, "{passed:?}");
    let denied = site.send(&page("https://app.example")).headers();
    assert!(!denied.keys().any(|name| name.as_str().starts_with("access-control") || name == "vary"));
}

#[test]
fn a_page_may_read_what_passes_and_what_is_denied() {
    let site = Site::new(&[LISTED, LIMITED].concat());
    for (status, origin) in
        [(200, "https://app.example"), (429, "https://app.example"), (429, "https://a.b.apps.example")]
    {
        let reply = site.send(&page(origin));
        assert_eq!(reply.status(), status);
        assert_eq!(reply.header("access-control-allow-origin").as_deref(), Some(origin));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert_eq!(reply.header("vary").as_deref(), Some("Origin"));
        assert_eq!(
            reply.header("access-control-expose-headers").as_deref(),
            Some("retry-after, ratelimit, ratelimit-policy, x-should-retry, x-request-id, request-id")
        );
    }
}

#[test]
fn every_answer_of_ours_may_be_read() {
    let site = Site::new(
        "[cors]\norigins = 'https://app.example'\ncredentials = true\n\
         [identity]\napi_keys = 'keys.toml'\ndefault_tier = 'free'\n[tiers.free]\n[tiers.premium]\n\
         [[route]]\npath = '/premium'\ntier = 'premium'\n[[route]]\npath = '/json'\nmeter = { items = '/a' }\n\
         [[route]]\npath = '/a'\nlimits = ['1/s']",
    );
    let page = |target: &str| Ask::post(target).header("origin", "https://app.example");
    let mut replies = vec![
        (401, site.send(&page("/").header("x-api-key", "wrong"))),
        (403, site.send(&page("/premium"))),
        (400, site.send(&page("/json").body("no"))),
        (400, site.send(&page("/b/../a"))),
    ];
    let (head, ()) =
        http::Request::post("/").header("origin", "https://app.example").body(()).unwrap().into_parts();
    let visit = now(site.gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    replies
        .push((413, Reply::rejected(&site.gate, visit.refused(Refusal::BodyTooLarge { limit: 1 }), &head)));
    // The head that goes to the upstream is no more when it fails, and the form is left of it.
    let renderer = Renderer::new(site.gate.policy());
    let response =
        renderer.refused(&Refusal::UpstreamDown, &renderer.form(&head, visit.route()), &RequestId::new());
    replies.push((502, Reply::Rejected(visit.refused(Refusal::UpstreamDown), response)));
    let too_many = site.gate.refused(Refusal::TooManyHeaders { most: 1 });
    replies.push((431, Reply::rejected(&site.gate, too_many, &head)));
    for (status, reply) in replies {
        assert_eq!(reply.status(), status);
        assert_eq!(
            reply.header("access-control-allow-origin").as_deref(),
            Some("https://app.example"),
            "{status}"
        );
        assert_eq!(reply.header("access-control-allow-credentials").as_deref(), Some("true"), "{status}");
        assert_eq!(reply.header("vary").as_deref(), Some("Origin"), "{status}");
        assert!(reply.header("access-control-expose-headers").is_some(), "{status}");
    }
}

#[test]
fn a_page_of_another_origin_reads_nothing() {
    let site = Site::new(LISTED);
    for origin in
        ["https://evil.example", "http://app.example", "https://app.example.evil.example", "null", ""]
    {
        let reply = site.send(&page(origin));
        assert_eq!(reply.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(reply.header("access-control-expose-headers"), None, "{origin}");
        assert_eq!(
            reply.header("vary").as_deref(),
            Some("Origin"),
            "a cache must not give it to another page"
        );
    }
    assert_eq!(site.send(&Ask::post("/")).header("vary").as_deref(), Some("Origin"));
}

#[test]
fn any_page_may_read_where_the_policy_says_any() {
    let site = Site::new("[cors]\norigins = '*'\nexpose = 'X-Model'");
    for ask in [page("https://app.example"), page("null"), Ask::post("/")] {
        let reply = site.send(&ask);
        assert_eq!(reply.header("access-control-allow-origin").as_deref(), Some("*"));
        assert_eq!(reply.header("vary"), None);
        assert!(reply.header("access-control-expose-headers").unwrap().ends_with(", request-id, x-model"));
    }
}

#[test]
fn an_upstream_that_shares_its_answer_does_so_alone_and_our_fields_are_exposed() {
    let site = Site::new(LISTED);
    let reply = site.send(&page("https://app.example"));
    let headers = over(
        &reply,
        &[
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "X-Model, Retry-After"),
            ("access-control-expose-headers", "X-Request-ID"),
        ],
    );
    assert_eq!(all(&headers, "access-control-allow-origin"), ["*"]);
    assert_eq!(all(&headers, "vary"), [""; 0]);
    assert_eq!(
        all(&headers, "access-control-expose-headers"),
        ["X-Model, Retry-After", "X-Request-ID", "ratelimit, ratelimit-policy, x-should-retry, request-id"]
    );
}

#[test]
fn an_upstreams_vary_is_kept_and_not_said_twice() {
    let site = Site::new(LISTED);
    let reply = site.send(&page("https://app.example"));
    for (theirs, all_of_them) in [
        ("Accept-Encoding", vec!["Accept-Encoding", "Origin"]),
        ("accept, origin", vec!["accept, origin"]),
        ("*", vec!["*"]),
    ] {
        assert_eq!(all(&over(&reply, &[("vary", theirs)]), "vary"), all_of_them);
    }
}

/// Starlette's middleware says so to a page that it does not know.
#[test]
fn a_page_that_the_upstream_refuses_gets_no_credentials_by_us() {
    let line = [("access-control-allow-credentials", "true")];
    let site = Site::new(LISTED);
    let headers = over(&site.send(&page("https://app.example")), &line);
    assert_eq!(all(&headers, "access-control-allow-origin"), [""; 0]);
    let site = Site::new(&[LISTED, "credentials = true"].concat());
    let headers = over(&site.send(&page("https://app.example")), &line);
    assert_eq!(all(&headers, "access-control-allow-origin"), ["https://app.example"]);
    assert_eq!(all(&headers, "access-control-allow-credentials"), ["true"]);
}

#[test]
fn the_families_that_the_policy_sends_are_exposed() {
    for (family, name) in [
        ("draft-06", "ratelimit-reset"),
        ("github", "x-ratelimit-reset"),
        ("openai", "x-ratelimit-remaining-requests"),
        ("openai", "retry-after-ms"),
        ("anthropic", "anthropic-ratelimit-requests-reset"),
    ] {
        let site =
            Site::new(&format!("[cors]\norigins = '*'\n[responses]\nheaders = ['{family}']\n{LIMITED}"));
        for status in [200, 429] {
            let reply = site.send(&page("https://app.example"));
            assert_eq!(reply.status(), status);
            let exposed = reply.header("access-control-expose-headers").unwrap();
            let exposed: Vec<_> = exposed.split(", ").collect();
            assert!(exposed.contains(&name), "{family}: {exposed:?}");
            assert!(!exposed.contains(&"ratelimit"), "{family}: {exposed:?}");
            for sent in reply.headers().keys().filter(|name| name.as_str().contains("rate")) {
                assert!(exposed.contains(&sent.as_str()), "{family}: {sent} is sent and not exposed");
            }
        }
    }
}
