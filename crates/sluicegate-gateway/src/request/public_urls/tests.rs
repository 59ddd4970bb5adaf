//! The mapping, there and back.

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use url::Url;

use super::*;

/// Maps a field of the upstream at `url` (told `host`) that answers a client at `https://gateway.example`.
fn mapped(url: &str, host: Option<&str>, name: &str, value: &str) -> String {
    let upstream: Upstream = url.parse().unwrap();
    let upstream = match host {
        Some(host) => upstream.with_host(host.to_owned()),
        None => upstream,
    };
    let mut told = HeaderMap::new();
    told.insert(HOST, HeaderValue::from_static("gateway.example"));
    told.insert(X_FORWARDED_HOST, HeaderValue::from_static("gateway.example"));
    told.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    let mut headers = HeaderMap::new();
    let name: HeaderName = name.parse().unwrap();
    headers.insert(&name, HeaderValue::from_str(value).unwrap());
    if let Some(urls) = PublicUrls::of(&upstream) {
        urls.map_back(&mut headers, &Told::of(&told));
    }
    headers[&name].to_str().unwrap().to_owned()
}

#[test]
fn an_upstream_that_is_told_its_own_host_means_itself_by_it() {
    let host = Some("models.internal");
    for (said, is) in [
        ("http://models.internal/a?b=c#d", "/a?b=c#d"),
        ("https://models.internal/a", "/a"),
        ("HTTP://Models.Internal:80/a", "/a"),
        ("https://models.internal:443/a", "/a"),
        ("//models.internal/a", "/a"),
        ("http://10.0.0.7:8000/a", "/a"),
        ("http://models.internal", "/"),
        ("http://models.internal?q", "/?q"),
        ("http://models.internal#f", "/#f"),
        ("http://models.internal/a?to=http://models.internal/", "/a?to=http://models.internal/"),
    ] {
        assert_eq!(mapped("http://10.0.0.7:8000", host, "location", said), is, "{said}");
        assert_eq!(mapped("http://10.0.0.7:8000", host, "content-location", said), is, "{said}");
    }
}

#[test]
fn what_names_others_stays_as_it_is() {
    for said in [
        "https://elsewhere.example/a",
        "http://models.internal.evil.example/",
        "http://models.internal@evil.example/",
        "http://models.internal:8080/",
        "ftp://models.internal/",
        "//elsewhere.example/a",
        "/a?to=http://models.internal/",
        "a/b",
        "?q",
        "",
        "mailto:me@models.internal",
    ] {
        assert_eq!(mapped("http://10.0.0.7:8000", Some("models.internal"), "location", said), said);
    }
    // From http to https: mapped back, it would lead here again for ever.
    let upgrade = "https://models.internal/";
    let upstream: Upstream = "http://models.internal".parse().unwrap();
    let urls = PublicUrls::of(&upstream.with_host("models.internal".to_owned())).unwrap();
    let mut headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(upgrade))]);
    urls.map_back(
        &mut headers,
        &Told { hosts: [None, None], scheme: Some(HeaderValue::from_static("http")) },
    );
    assert_eq!(headers[LOCATION], upgrade);
}

#[test]
fn the_base_path_is_taken_away_once() {
    for (said, is) in [
        ("/api/v2/a?b", "/a?b"),
        ("/api/v2", "/"),
        ("/api/v2?q", "/?q"),
        ("/api/v2/", "/"),
        ("/api/v2/api/v2/a", "/api/v2/a"),
        ("http://10.0.0.7:8000/api/v2/a", "/a"),
        // It makes URLs of the host that it is told, and that is the client's.
        ("http://gateway.example/api/v2/a", "http://gateway.example/a"),
        ("https://gateway.example/api/v2", "https://gateway.example/"),
        ("/api/v20/a", "/api/v20/a"),
        ("/a", "/a"),
        ("/api/v2/../../a", "/api/v2/../../a"),
        ("/api/v2/%2E./a", "/api/v2/%2E./a"),
        ("http://10.0.0.7:8000/elsewhere", "http://10.0.0.7:8000/elsewhere"),
        ("https://elsewhere.example/api/v2/a", "https://elsewhere.example/api/v2/a"),
    ] {
        assert_eq!(mapped("http://10.0.0.7:8000/api/v2", None, "location", said), is, "{said}");
    }
}

#[test]
fn an_upstream_that_knows_nothing_else_is_left_alone() {
    for said in ["http://10.0.0.7:8000/a", "/a", "http://gateway.example/a"] {
        assert_eq!(mapped("http://10.0.0.7:8000", None, "location", said), said);
    }
}

#[test]
fn no_redirect_of_ours_leads_to_a_host_that_a_path_names() {
    let host = Some("models.internal");
    assert_eq!(mapped("http://m", host, "location", "http://m//evil.example"), "/.//evil.example");
    assert_eq!(mapped("http://m/api", host, "location", "/api//evil.example"), "/.//evil.example");
    for said in
        ["http://m/\\evil.example", "http://m\\evil.example", "http://m/\t/evil.example", "http://m/ /e"]
    {
        assert_eq!(mapped("http://m", host, "location", said), said);
    }
}

#[test]
fn refresh_and_links_name_urls_within_their_values() {
    for (name, said, is) in [
        ("refresh", "5; url=http://m/a", "5; url=/a"),
        ("refresh", "0;URL = 'http://m/a'", "0;URL = '/a'"),
        ("refresh", "0, \"http://m/a\"; x", "0, \"/a\"; x"),
        ("refresh", "5", "5"),
        ("refresh", "5;", "5;"),
        ("refresh", "5; url", "5; url"),
        ("refresh", "5; url=https://elsewhere.example/", "5; url=https://elsewhere.example/"),
        ("link", "<http://m/2>; rel=\"next\", <http://m/9>; rel=last", "</2>; rel=\"next\", </9>; rel=last"),
        (
            "link",
            "<https://e.example/>; title=\"a \\\" <http://m/>\"",
            "<https://e.example/>; title=\"a \\\" <http://m/>\"",
        ),
        ("link", "<http://m/", "<http://m/"),
        ("link", "x; y=\"\\", "x; y=\"\\"),
    ] {
        assert_eq!(mapped("http://m", Some("m"), name, said), is, "{said}");
    }
}

#[test]
fn cookies_are_sent_to_the_gateway_below_the_path_that_clients_know() {
    for (said, is) in [
        ("a=b; Domain=m; Path=/api; Secure", "a=b; Path=/; Secure"),
        ("a=b; domain=.M;path=/api/x", "a=b;path=/x"),
        ("a=b; Path = /api/; HttpOnly", "a=b; Path =/; HttpOnly"),
        ("a=b; Path=/; Domain=example.com", "a=b; Path=/; Domain=example.com"),
        ("a=b; Path=/apix", "a=b; Path=/apix"),
        ("a=Path=/api; Secure", "a=Path=/api; Secure"),
        ("a=b; Domain=gateway.example", "a=b; Domain=gateway.example"),
        ("__Host-a=b; Path=/; Secure", "__Host-a=b; Path=/; Secure"),
        ("a", "a"),
        ("", ""),
    ] {
        assert_eq!(mapped("http://m:8000/api", Some("m"), "set-cookie", said), is, "{said}");
    }
}

proptest! {
    /// A client that follows a redirect asks the upstream for what it meant.
    #[test]
    fn there_and_back_is_the_same_path(
        base in "(/[a-z]{1,3}){0,2}",
        path in "(/[a-z.]{0,3}){0,4}",
        query in "(\\?[a-z/:.]{0,8})?",
        own in prop::sample::select(vec!["", "http://m:8000", "https://told.example", "//told.example"]),
    ) {
        let upstream = format!("http://m:8000{base}");
        let said = format!("{own}{base}{path}{query}");
        prop_assume!(!said.is_empty() && (!own.is_empty() || said.starts_with('/') && !said.starts_with("//")));
        let gateway = Url::parse("https://gateway.example/some/where").unwrap();
        let is = gateway.join(&mapped(&upstream, Some("told.example"), "location", &said)).unwrap();
        let meant = Url::parse("http://m:8000").unwrap().join(&said).unwrap();
        // Where the path climbs out of the base, no client can follow, and it is left as it was.
        if is.host_str() == Some("gateway.example") && meant.path().starts_with(&base) && !path.contains("..") {
            let there = format!("{base}{}", is.path());
            prop_assert_eq!(there.trim_end_matches('/'), meant.path().trim_end_matches('/'), "{} is {}", said, is);
            prop_assert_eq!(is.query(), meant.query());
        }
        if !path.contains("..") {
            prop_assert_eq!(is.host_str(), Some("gateway.example"), "{} is {}", said, is);
        }
    }

    /// A value that was changed leads to the host that the client has asked, whatever it was.
    #[test]
    fn what_is_changed_leads_to_no_other_host(
        own in prop::sample::select(vec!["", "http://m", "https://m", "//m", "http://m:80", "http:/m", "http:m"]),
        lead in prop::sample::select(vec!["", "/", "//", "/\\", "/\t/", "/a//", "/a/m//", "/a/m/\\"]),
        rest in "[/\\\\.?#@:a \\t%me]{0,12}",
        base in prop::sample::select(vec!["", "/a", "/a/m"]),
    ) {
        let said = format!("{own}{lead}{rest}");
        prop_assume!(HeaderValue::from_str(&said).is_ok());
        let is = mapped(&format!("http://m{base}"), Some("m"), "location", &said);
        if is != said {
            let gateway = Url::parse("https://gateway.example/some/where").unwrap();
            let led = gateway.join(&is).unwrap();
            prop_assert_eq!(led.host_str(), Some("gateway.example"), "{:?} became {:?}", said, is);
        }
    }

    /// No value makes it panic.
    #[test]
    fn any_value_is_mapped_or_left(value in "[ -~\\x80-\\xff]{0,24}", name in prop::sample::select(vec!["refresh", "link", "set-cookie"])) {
        let headers = HeaderValue::from_bytes(value.as_bytes());
        prop_assume!(headers.is_ok());
        let urls = PublicUrls::of(&"http://m/a".parse().unwrap()).unwrap();
        let mut map = HeaderMap::from_iter([(name.parse::<HeaderName>().unwrap(), headers.unwrap())]);
        urls.map_back(&mut map, &Told::of(&HeaderMap::new()));
    }
}
