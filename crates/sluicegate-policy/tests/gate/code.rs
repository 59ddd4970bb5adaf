//! Routes that are written in a program, and what a program gives with a request.

use sluicegate::Quota;
use sluicegate_policy::{CodeRoute, Gate, Given};

use crate::site::{Ask, Reply, Site, Store};

#[test]
fn a_route_in_code_is_answered_as_the_same_route_in_the_file() {
    let file = Site::new("[[route]]\npath = \"/models/{model}\"\nlimits = [\"2/minute\", \"9/hour\"]");
    let code = Code::new("", CodeRoute::new("/models/{model}", quotas("2/minute; 9/hour")));
    for _ in 0..2 {
        let (ours, theirs) = (code.send("/models/a", Given::default()), file.send(&Ask::post("/models/a")));
        assert_eq!(ours.passed().charges(), theirs.passed().charges());
    }
    let (ours, theirs) = (code.send("/models/a", Given::default()), file.send(&Ask::post("/models/a")));
    let told = |reply: &Reply| {
        let mut body = reply.body();
        body["request_id"] = serde_json::Value::Null;
        (body, reply.header("ratelimit"), reply.header("ratelimit-policy"), reply.retry_after())
    };
    assert_eq!((ours.status(), told(&ours)), (429, told(&theirs)));
}

/// A gate of one route in code, before a policy from a text.
struct Code {
    gate: Gate<Store>,
}

impl Code {
    fn new(policy: &str, route: CodeRoute) -> Self {
        Self::beside(&Site::new(policy), route)
    }

    /// On the accounts of a site, with its policy.
    fn beside(site: &Site, route: CodeRoute) -> Self {
        let policy = site.gate.policy().with_route(route).unwrap_or_else(|error| panic!("{error}"));
        Self { gate: site.gate.with_policy(policy) }
    }

    fn send(&self, path: &str, given: Given<'_>) -> Reply {
        Ask::post(path).at(&self.gate, Some(given))
    }
}

fn quotas(texts: &str) -> Vec<Quota> {
    Quota::parse_list(texts).unwrap()
}
