//! The policy file.

use http::Method;
use sluicegate_policy::{Place, Policy, Source};

/// A policy can be shown, and finds a route of its own for every request. Where a file is none, every error has a place and
/// a text.
pub fn policy(input: &[u8]) {
    let policy = match Source::new(NAME, input).and_then(|source| Policy::parse(&source)) {
        Ok(policy) => policy,
        Err(errors) => {
            assert!(!errors.is_empty(), "nothing is wrong with it");
            assert!(errors.to_string().starts_with(NAME), "{errors}");
            for error in errors.as_slice() {
                assert!(!error.message.is_empty() && !matches!(error.place, Place::Override(_)), "{error:?}");
            }
            return;
        }
    };
    let document = policy.document();
    assert_eq!(document["limits"].as_array().map(Vec::len), Some(policy.limits.len()));
    for limit in &policy.limits {
        assert_eq!(policy.find_limit(limit.name()).map(|id| policy.limit(id).name()), Some(limit.name()));
    }
    for path in PATHS {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            if let Ok(found) = policy.routes.find(&method, path) {
                assert!(found.route.index() < policy.routes.as_slice().len(), "{method} {path}");
            }
        }
    }
    assert!(policy.warnings.as_slice().iter().all(|warning| !warning.message.is_empty()));
}

const NAME: &str = "policy.toml";
const PATHS: [&str; 6] = ["/", "/predict", "/v1/models/iris/predict", "/a/", "//a", "/a/%2e%2e/b"];
