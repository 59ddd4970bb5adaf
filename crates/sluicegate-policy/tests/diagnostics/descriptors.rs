//! Mistakes in routes of descriptors.

use crate::said;

#[test]
fn each_mistake_is_told_with_its_place_and_its_remedy() {
    for (fields, expected) in [
        ("entries = ['a']", "p.toml:2:14: missing field `domain`"),
        (
            "domain = '', entries = ['a']",
            "p.toml:2:25: an empty domain\n  help: write the `domain` of Envoy's filter",
        ),
        (
            "domain = 'd', entries = []",
            "p.toml:2:40: a descriptor of no entries\n  help: write the keys of the descriptor's entries, such as \"user\"",
        ),
        (
            "domain = 'd', entries = ['=b']",
            "p.toml:2:41: an entry without a key\n  help: write \"user\" for any value, or \"generic_key=chat\" for this one",
        ),
    ] {
        said(&[(&format!("[[route]]\ndescriptor = {{ {fields} }}\nlimits = '1/s'"), expected)]);
    }
}

#[test]
fn a_descriptor_has_nothing_that_only_requests_have() {
    for (more, expected) in [
        ("path = '/a'", "3:8: a route is for a `path` or for a `descriptor`\n  help: make two routes of it"),
        (
            "meter = 'openai'",
            "3:9: a descriptor has no `meter`: Envoy tells its hits\n  help: leave it out, and set `hits_addend` in Envoy's configuration",
        ),
        (
            "timeout = '1s'",
            "3:11: a descriptor has no `timeout`: Envoy serves the request itself\n  help: leave it out, and configure it in Envoy",
        ),
        (
            "slots_until = 'client-leaves'",
            "3:15: a descriptor has no `slots_until`: Envoy serves the request itself\n  help: leave it out, and configure it in Envoy",
        ),
    ] {
        let text =
            format!("[[route]]\ndescriptor = {{ domain = 'd', entries = ['a'] }}\n{more}\nlimits = '1/s'");
        said(&[(&text, &format!("p.toml:{expected}"))]);
    }
}

#[test]
fn a_limit_of_a_descriptor_needs_what_the_descriptor_has() {
    for (limit, expected) in [
        (
            "'2 concurrent'",
            "nobody tells when the request of a descriptor ends, so it cannot hold a slot\n  help: limit its hits by a rate, or send these requests through the gateway",
        ),
        (
            "{ quota = '1/s', key = 'entry:b' }",
            "the descriptor has no entry `b`\n  help: add \"b\" to the `entries`, or give the limit another `key`",
        ),
        (
            "{ quota = '1/s', key = 'client_ip' }",
            "the descriptor has no entry `remote_address`\n  help: add \"remote_address\" to the `entries`, or give the limit another `key`",
        ),
        (
            "{ quota = '1/s', key = 'tenant' }",
            "the descriptor has no entry `x-api-key`\n  help: add \"x-api-key\" to the `entries`, or give the limit another `key`",
        ),
        (
            "{ quota = '1/s', key = 'path' }",
            "a descriptor has no `path`\n  help: give the limit a `key` of the descriptor's entries, such as \"entry:user\"",
        ),
    ] {
        let text = format!("[[route]]\ndescriptor = {{ domain = 'd', entries = ['a'] }}\nlimits = [{limit}]");
        said(&[(&text, &format!("p.toml:3:11: {expected}"))]);
    }
    said(&[
        (
            "[[route]]\npath = '/a'\nlimits = [{ quota = '1/s', key = 'entry:a' }]",
            "p.toml:3:11: only descriptors have `entry:a`\n  help: give the limit to a route with a `descriptor`",
        ),
        (
            "[[route]]\npath = '/a'\ncharge = 'actual'\nlimits = '1/s'",
            "p.toml:3:10: only the hits of a `descriptor` can be charged like this\n  help: leave it out: a request is charged its estimate, and settled when it ends",
        ),
        (
            "[defaults]\nlimits = '1/s'\n[[route]]\ndescriptor = { domain = 'd', entries = ['a'] }",
            "p.toml:2:10: the descriptor has no entry `remote_address`\n  help: add \"remote_address\" to the `entries`, or give the limit another `key`",
        ),
    ]);
}

#[test]
fn two_routes_are_never_for_the_same_descriptors() {
    let route = "[[route]]\ndescriptor = { domain = 'd', entries = ['a', 'b=1'] }\nlimits = '1/s'\n";
    said(&[(
        &[route, route].concat(),
        "p.toml:5:14: another route is for the same requests: `d: a, b=1`\n  help: join the two, or give them different entries",
    )]);
}
