//! The limits of a request, for every spelling of its path.

use http::Method;
use proptest::prelude::*;
use sluicegate_policy::{AmbiguousPath, Policy, Source};

fn policy(routes: &[(&str, &[&str])]) -> Policy {
    let mut text = String::new();
    for (path, methods) in routes {
        text.push_str(&format!("[[route]]\npath = '{path}'\nlimits = ['10/minute']\n"));
        if !methods.is_empty() {
            text.push_str(&format!("methods = {methods:?}\n"));
        }
    }
    parse(&text)
}

fn parse(text: &str) -> Policy {
    let policy = Source::new("p.toml", text.as_bytes()).and_then(|source| Policy::parse(&source));
    policy.expect("the tests' own policies are right")
}

/// The label of the route that a path leads to.
fn route(policy: &Policy, method: &Method, path: &str) -> String {
    match policy.routes.find(method, path) {
        Ok(found) => policy.routes.get(found.route).label().to_owned(),
        Err(AmbiguousPath) => "ambiguous".to_owned(),
    }
}

fn posts(policy: &Policy, cases: &[(&str, &str)]) {
    for (path, expected) in cases {
        assert_eq!(route(policy, &Method::POST, path), *expected, "{path}");
    }
}

#[test]
fn the_most_specific_route_wins() {
    let policy = policy(&[
        ("/", &[]),
        ("/{*rest}", &[]),
        ("/models/{model}/predict", &[]),
        ("/models/heavy/predict", &[]),
        ("/models/{model}/{action}", &[]),
    ]);
    posts(
        &policy,
        &[
            ("/", "/"),
            ("/models/heavy/predict", "/models/heavy/predict"),
            ("/models/light/predict", "/models/{model}/predict"),
            ("/models/light/explain", "/models/{model}/{action}"),
            ("/models/heavy/explain", "/models/{model}/{action}"),
            ("/models/heavy", "/{*rest}"),
            ("/a/b/c/d", "/{*rest}"),
        ],
    );
}

#[test]
fn what_no_route_matches_is_unmatched() {
    let policy = policy(&[("/predict", &["POST"])]);
    posts(
        &policy,
        &[("/predict", "/predict"), ("/predictor", "unmatched"), ("/", "unmatched"), ("*", "unmatched")],
    );
    assert_eq!(route(&policy, &Method::GET, "/predict"), "unmatched");
    assert_eq!(policy.routes.as_slice().last().unwrap().label(), "unmatched");
}

#[test]
fn every_method_finds_its_own_route() {
    let policy = policy(&[
        ("/{*rest}", &[]),
        ("/m/{model}", &["POST", "PUT"]),
        ("/m/{name}", &["GET"]),
        ("/m/{any}", &[]),
        ("/only", &["DELETE"]),
    ]);
    let at = |method: &Method, path: &str| route(&policy, method, path);
    assert_eq!(at(&Method::PUT, "/m/x"), "/m/{model}");
    assert_eq!(at(&Method::GET, "/m/x"), "/m/{name}");
    assert_eq!(at(&Method::DELETE, "/m/x"), "/m/{any}");
    assert_eq!(at(&Method::from_bytes(b"PROPFIND").unwrap(), "/m/x"), "/m/{any}");
    // A route that is not for the method hides none that is.
    assert_eq!(at(&Method::GET, "/only"), "/{*rest}");
}

#[test]
fn head_is_limited_as_get_is_unless_a_route_names_it() {
    let gets = policy(&[("/info", &["GET"]), ("/own", &["GET"]), ("/own", &["HEAD"])]);
    assert_eq!(route(&gets, &Method::HEAD, "/info"), "/info");
    let own = gets.routes.find(&Method::HEAD, "/own").unwrap().route;
    assert_eq!(gets.routes.get(own).methods(), [Method::HEAD]);
}

#[test]
fn no_spelling_that_uvicorn_routes_to_a_path_escapes_its_limits() {
    let policy = policy(&[("/predict", &[]), ("/models/{model}/predict", &[]), ("/a b/é", &[])]);
    posts(
        &policy,
        &[
            ("/%70redict", "/predict"),
            ("/%70%72%65%64%69%63%74", "/predict"),
            ("%2fpredict", "ambiguous"),
            ("/models%2Fheavy%2fpredict", "ambiguous"),
            ("/models/he%61vy/predict", "/models/{model}/predict"),
            ("/a%20b/%C3%A9", "/a b/é"),
            // Python's `$` matches before a newline.
            ("/predict%0A", "ambiguous"),
            // Decoded once only: Starlette sees `/%70redict` here, and has no such route.
            ("/%2570redict", "unmatched"),
            // Upper and lower case differ, as in Starlette.
            ("/PREDICT", "unmatched"),
        ],
    );
}

#[test]
fn a_path_that_other_servers_read_as_a_limited_one_is_refused() {
    let policy = policy(&[("/predict", &[]), ("/a/predict", &[])]);
    for path in [
        "//predict",
        "/./predict",
        "/x/../predict",
        "/x/%2e%2e/predict",
        "/predict;v=1",
        "/;x/predict",
        "/a//predict",
        "/a%2Fpredict",
        "/a\\predict",
        "/a%5Cpredict",
        "/predict%00",
    ] {
        assert_eq!(route(&policy, &Method::POST, path), "ambiguous", "{path}");
    }
    // The same oddities where they change nothing pass untouched.
    posts(
        &policy,
        &[("//x", "unmatched"), ("/x/../y", "unmatched"), ("/x;y", "unmatched"), ("/x%2Fy", "unmatched")],
    );
}

#[test]
fn an_encoded_slash_in_a_rest_leads_to_one_route_and_one_account() {
    let policy = policy(&[("/models/{*name}", &[])]);
    posts(&policy, &[("/models/meta%2Fllama", "/models/{*name}"), ("/models/meta/llama", "/models/{*name}")]);
    let path = |path| policy.routes.find(&Method::POST, path).unwrap().path.into_owned();
    assert_eq!(path("/models/meta%2Fllama"), path("/models/meta/llama"));
}

#[test]
fn a_slash_more_or_less_at_the_end_leads_to_the_same_route() {
    let both = policy(&[("/predict", &[]), ("/items/", &[]), ("/both", &[]), ("/both/", &[])]);
    posts(
        &both,
        &[
            ("/predict/", "/predict"),
            ("/items", "/items/"),
            ("/both", "/both"),
            ("/both/", "/both/"),
            ("/predict//", "ambiguous"),
        ],
    );
    let path = |path| both.routes.find(&Method::POST, path).unwrap().path.into_owned();
    assert_eq!(path("/predict/"), "/predict", "one account by path");
}

#[test]
fn an_empty_rest_is_a_rest() {
    let both = policy(&[("/static/{*rest}", &[]), ("/own/{*rest}", &[]), ("/own/", &[])]);
    posts(
        &both,
        &[
            ("/static/", "/static/{*rest}"),
            ("/static", "/static/{*rest}"),
            ("/static/a", "/static/{*rest}"),
            ("/own/", "/own/"),
        ],
    );
    let all = policy(&[("/{*rest}", &[])]);
    posts(&all, &[("/", "/{*rest}"), ("/a", "/{*rest}")]);
}

#[test]
fn braces_of_the_path_itself_are_doubled() {
    let policy = policy(&[("/{{a}}/{b}", &[])]);
    posts(&policy, &[("/{a}/x", "/{{a}}/{b}"), ("/%7Ba%7D/x", "/{{a}}/{b}"), ("/y/x", "unmatched")]);
}

#[test]
fn parameters_are_found_where_a_key_needs_them() {
    let text = "[[route]]\npath = '/m/{model}/{*rest}'\nlimits = [{ quota = '1/s', key = ['path:model', 'path:rest'] }]";
    let policy = parse(text);
    let found = policy.routes.find(&Method::GET, "/m/%61%20b/c/d").unwrap();
    assert_eq!(
        found.parameters,
        [("model".to_owned(), "a b".to_owned()), ("rest".to_owned(), "c/d".to_owned())]
    );
}

/// The route that Starlette runs for a path behind uvicorn: decoded once, and matched by Python's `^…$`, whose `$`
/// matches before a last newline, too. It redirects where a slash at the end is too many or too few.
fn starlette(raw: &str) -> Option<&'static str> {
    let bytes: Vec<u8> = raw.bytes().collect();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = raw.get(at + 1..at + 3).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match hex.filter(|_| bytes[at] == b'%') {
            Some(hex) => {
                decoded.push(u8::from_str_radix(hex, 16).expect("two hexadecimal digits"));
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    let path = String::from_utf8_lossy(&decoded);
    let path = path.strip_suffix('\n').unwrap_or(&path);
    if path == "/predict" {
        return Some("/predict");
    }
    let model = path.strip_prefix("/models/").and_then(|rest| rest.strip_suffix("/predict"));
    if model.is_some_and(|model| !model.is_empty() && !model.contains('/')) {
        return Some("/models/{model}/predict");
    }
    // `.` in `{name:path}` is anything but a newline.
    let file = path.strip_prefix("/files/");
    file.filter(|name| !name.contains('\n')).map(|_| "/files/{*name}")
}

proptest! {
    /// The behaviour of uvicorn and Starlette: decode once, then compare.
    #[test]
    fn percent_encoding_never_changes_whether_a_path_is_limited(encode in proptest::collection::vec(any::<bool>(), 8)) {
        let policy = policy(&[("/predict", &[])]);
        let path: String = "/predict"
            .bytes()
            .zip(encode)
            .map(|(byte, encode)| if encode { format!("%{byte:02x}") } else { char::from(byte).to_string() })
            .collect();
        prop_assert_ne!(route(&policy, &Method::POST, &path), "unmatched");
    }

    #[test]
    fn no_path_that_starlette_routes_escapes_its_limits(path in "(/|%2F|predict|p|%70|redict|models|files|a|%0A|%00|\\.|%2e|;|\\\\|%5c|%|%25|%ff|%C3%A9|\n|\\?){0,9}", start in 0..4_usize) {
        let policy = policy(&[("/predict", &[]), ("/models/{model}/predict", &[]), ("/files/{*name}", &[])]);
        let path = format!("{}{path}", ["", "/", "/models/", "/files/"][start]);
        if let Some(limited) = starlette(&path) {
            let found = route(&policy, &Method::POST, &path);
            prop_assert!(found == limited || found == "ambiguous", "{} is {}, not {}", path, found, limited);
        }
    }

    #[test]
    fn no_path_is_too_odd(path in "[ -~é]{0,40}", rest in "(/|%2F|\\.|%2e|;|\\\\|%|\\{|\\}|a|predict){0,12}") {
        let policy = policy(&[("/predict", &[]), ("/a/{b}", &[]), ("/{*rest}", &["GET"])]);
        for path in [path, rest] {
            let _ = policy.routes.find(&Method::GET, &path);
            let _ = policy.routes.find(&Method::POST, &path);
        }
    }
}
