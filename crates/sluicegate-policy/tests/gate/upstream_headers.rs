//! Statements of an upstream about its own limits are never removed or loosened: rule H18.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::site::{Ask, Reply, Site, members};

/// H18.
#[test]
fn our_members_follow_the_upstreams_in_one_valid_list() {
    let headers = over(&[("ratelimit", "\"model\";r=5;t=3"), ("ratelimit-policy", "\"model\";q=10;w=60")]);
    assert_eq!(joined(&headers, "ratelimit"), "\"model\";r=5;t=3, \"ours\";r=9;t=54");
    assert_eq!(joined(&headers, "ratelimit-policy"), "\"model\";q=10;w=60, \"ours\";q=10;w=60");
    assert_eq!(members(&joined(&headers, "ratelimit")).len(), 2);
}

/// H18.
#[test]
fn an_upstreams_list_over_several_lines_stays_a_list() {
    let headers = over(&[("ratelimit", "\"a\";r=5"), ("ratelimit", "\"b\";r=6")]);
    assert_eq!(joined(&headers, "ratelimit"), "\"a\";r=5, \"b\";r=6, \"ours\";r=9;t=54");
}

/// H18.
#[test]
fn a_malformed_field_of_the_upstreams_is_left_alone() {
    for malformed in
        ["\"a\" ;r=5", "\"a\";R=5", "\"a\";r=5,", "limit=100, remaining=50;;", "\u{e9}", "\"open"]
    {
        let headers = over(&[("ratelimit", malformed)]);
        let lines: Vec<_> = headers.get_all("ratelimit").iter().collect();
        assert_eq!(lines, [&HeaderValue::from_bytes(malformed.as_bytes()).unwrap()], "{malformed}");
        assert_eq!(joined(&headers, "ratelimit-policy"), "\"ours\";q=10;w=60", "the other field is not hurt");
    }
}

/// H18.
#[test]
fn a_header_that_is_no_list_stays_the_upstreams() {
    let site = site("[\"github\"]");
    let mut upstream = HeaderMap::new();
    upstream.insert("x-ratelimit-limit", HeaderValue::from_static("3"));
    let headers = site.send(&Ask::post("/")).headers_over(upstream);
    assert_eq!(joined(&headers, "x-ratelimit-limit"), "3");
}

/// H15, H16 and our own answers stand alone; what the upstream sends passes untouched.
#[test]
fn nothing_else_of_an_upstreams_answer_is_touched() {
    let mut upstream = HeaderMap::new();
    for (name, value) in [("retry-after", "7"), ("cache-control", "public"), ("x-request-id", "theirs")] {
        upstream.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let headers = site("[]").send(&Ask::post("/")).headers_over(upstream.clone());
    assert_eq!(headers, upstream);
}

fn over(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut upstream = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        upstream.append(HeaderName::from_static(name), value);
    }
    let reply: Reply = site("[\"ietf\"]").send(&Ask::post("/"));
    reply.headers_over(upstream)
}

fn joined(headers: &HeaderMap, name: &str) -> String {
    let lines: Vec<_> = headers.get_all(name).iter().map(|line| line.to_str().unwrap()).collect();
    lines.join(", ")
}

fn site(families: &str) -> Site {
    Site::new(&format!(
        "[responses]\nheaders = {families}\n[[route]]\npath = \"/\"\nlimits = [{{ name = \"ours\", quota = \"10/minute\" }}]"
    ))
}
