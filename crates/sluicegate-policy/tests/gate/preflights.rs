//! Preflights: a browser sends them by itself, without credentials, before the call that a page makes.

use http::Method;

use crate::site::{Ask, Site};

/// A preflight of `POST target` by a page of `https://app.example`.
pub(crate) fn preflight(target: &str) -> Ask {
    Ask::new(&Method::OPTIONS, target)
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
}

#[test]
fn a_preflight_charges_nothing_and_passes_when_all_is_spent() {
    let site = Site::new("[[route]]\npath = '/predict'\nlimits = ['1/minute', '1 concurrent']");
    let held: Vec<_> = (0..20).map(|_| site.send(&preflight("/predict")).passed()).collect();
    assert!(held.iter().all(|pass| pass.charges().is_empty()));
    site.pass(1, &Ask::post("/predict"));
    assert_eq!(site.send(&Ask::post("/predict")).status(), 429);
    let passed = site.send(&preflight("/predict"));
    assert_eq!(passed.status(), 200);
    assert!(passed.headers().is_empty(), "{:?}", passed.headers());
}

#[test]
fn a_preflight_is_free_where_the_route_is_that_of_no_other_request() {
    let site =
        Site::new("[defaults]\nlimits = ['1/minute']\n[[route]]\npath = '/predict'\nmethods = ['POST']");
    for _ in 0..3 {
        assert_eq!(site.send(&preflight("/predict")).status(), 200);
        assert_eq!(site.send(&preflight("/elsewhere")).status(), 200);
    }
    assert_eq!(site.send(&Ask::post("/elsewhere")).status(), 200);
}

#[test]
fn a_preflight_needs_no_tier_and_no_body() {
    let site = Site::new(
        "[identity]\ntier = 'header:x-user-tier'\ndefault_tier = 'free'\n[tiers.free]\n[tiers.premium]\n\
         [[route]]\npath = '/premium'\ntier = 'premium'\nmeter = { items = '/inputs' }\nlimits = ['9 items/minute']",
    );
    assert_eq!(site.send(&Ask::post("/premium")).status(), 403);
    assert_eq!(site.send(&preflight("/premium")).status(), 200);
}

#[test]
fn a_preflight_is_asked_for_no_api_key_and_guesses_none() {
    let site = Site::new("[identity]\napi_keys = 'keys.toml'\nfailures = '1/hour'");
    for _ in 0..5 {
        assert_eq!(site.send(&preflight("/").header("x-api-key", "guess")).status(), 200);
    }
    assert_eq!(site.send(&Ask::post("/").header("x-api-key", "guess")).status(), 401);
    assert_eq!(site.send(&Ask::post("/").header("x-api-key", "guess")).status(), 429);
}

/// Otherwise anybody could have the upstream work for nothing.
#[test]
fn what_is_no_preflight_is_charged() {
    let options = || Ask::new(&Method::OPTIONS, "/");
    let asks = "access-control-request-method";
    for (what, ask) in [
        ("no origin", options().header(asks, "POST")),
        ("no method", options().header("origin", "https://app.example")),
        ("another method", Ask::post("/").header("origin", "https://app.example").header(asks, "POST")),
        ("a body", preflight("/").header("content-length", "5")),
        ("a body without length", preflight("/").header("transfer-encoding", "chunked")),
    ] {
        let site = Site::new("[[route]]\npath = '/'\nlimits = ['1/minute']");
        assert_eq!(site.send(&ask).status(), 200, "{what}");
        assert_eq!(site.send(&ask).status(), 429, "{what}");
    }
    let site = Site::new("[[route]]\npath = '/'\nlimits = ['1/minute']");
    site.pass(3, &preflight("/").header("content-length", "0"));
}

#[test]
fn a_preflight_is_charged_where_the_policy_says_so_and_still_needs_no_body() {
    let site = Site::new(
        "[cors]\norigins = '*'\npreflight = 'pass'\ncharge_preflights = true\n\
         [[route]]\npath = '/'\nmeter = { items = '/inputs' }\nlimits = ['2/minute', '2 items/minute']",
    );
    site.pass(2, &preflight("/"));
    assert_eq!(site.send(&preflight("/")).status(), 429);
    site.wait(60);
    assert_eq!(site.send(&Ask::post("/").batch(2)).status(), 200, "preflights have no items");
}

#[test]
fn a_preflight_to_an_ambiguous_path_is_refused_as_the_call_will_be() {
    let site = Site::new("[[route]]\npath = '/a'\nlimits = ['1/minute']");
    assert_eq!(site.send(&preflight("/b/../a")).status(), 400);
}

#[test]
fn a_preflight_is_answered_as_the_policy_says() {
    let site = Site::new(
        "[cors]\norigins = ['https://app.example']\nheaders = ['X-Api-Key', 'content-type']\nmethods = ['GET', 'POST']\n\
         credentials = true\nmax_age = '1h'\n[[route]]\npath = '/'\nlimits = ['1/minute']",
    );
    for _ in 0..3 {
        let answer = site.send(&preflight("/"));
        assert_eq!(answer.status(), 204);
        for (name, value) in [
            ("access-control-allow-origin", "https://app.example"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET, POST"),
            ("access-control-allow-headers", "x-api-key, content-type"),
            ("access-control-max-age", "3600"),
            ("vary", "Origin"),
        ] {
            assert_eq!(answer.header(name).as_deref(), Some(value), "{name}");
        }
        assert!(answer.header("x-request-id").is_some());
    }
    site.pass(1, &Ask::post("/"));
}

#[test]
fn any_header_is_allowed_by_its_name_because_an_asterisk_leaves_authorization_out() {
    let site = Site::new("[cors]\norigins = '*'");
    let allowed = |asked: &str| {
        let answer = site.send(&preflight("/").header("access-control-request-headers", asked));
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.header("access-control-allow-origin").as_deref(), Some("*"));
        assert_eq!(answer.header("vary"), None, "the answer is the same for all");
        answer.header("access-control-allow-headers")
    };
    assert_eq!(allowed("authorization, x-stainless-os").as_deref(), Some("authorization, x-stainless-os"));
    assert_eq!(allowed("authorization,content-type").as_deref(), Some("authorization,content-type"));
    assert_eq!(allowed("no name"), None);
    assert_eq!(site.send(&preflight("/")).header("access-control-allow-headers"), None);
}

#[test]
fn a_page_of_another_origin_is_told_that_it_may_not_call() {
    let site = Site::new("[cors]\norigins = ['https://other.example', 'https://*.app.example']");
    let answer = site.send(&preflight("/"));
    assert_eq!(
        (answer.status(), answer.detail().as_str()),
        (403, "Pages of this origin may not call this API")
    );
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("vary").as_deref(), Some("Origin"));
    let twice = preflight("/").header("origin", "https://other.example");
    assert_eq!(site.send(&twice).status(), 403, "no browser sends two");
}

#[test]
fn an_upstream_that_answers_preflights_answers_alone() {
    let site = Site::new("[cors]\norigins = 'https://app.example'\npreflight = 'pass'");
    let passed = site.send(&preflight("/"));
    assert_eq!(passed.status(), 200);
    assert!(passed.headers().is_empty(), "{:?}", passed.headers());
}
