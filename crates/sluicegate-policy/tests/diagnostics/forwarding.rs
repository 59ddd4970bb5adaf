//! Diagnostics of a route's settings for its upstream.

use crate::{check, said};

#[test]
fn a_header_that_the_upstream_needs_or_never_gets_cannot_be_removed() {
    for (name, reason) in [
        ("Host", "every request needs it"),
        ("content-length", "it says where the body ends"),
        ("Transfer-Encoding", "it says where the body ends"),
        ("Content-Encoding", "without it the upstream reads the body as something else"),
        ("Connection", "it concerns one connection only"),
        ("TE", "it concerns one connection only"),
        ("X-Forwarded-For", "the gateway writes it itself"),
        ("X-Request-Id", "the gateway writes it itself"),
    ] {
        for table in ["[defaults]", "[[route]]\npath = '/a'"] {
            let said = check(&format!("{table}\nremove_request_headers = ['X-A', '{name}']"));
            assert!(said.contains(&format!(":34: `{name}` cannot be removed\n  help: {reason}")), "{said}");
        }
    }
    said(&[(
        "[[route]]\npath = '/a'\nremove_request_headers = ['X A', '', 'X-A', 'x-a']",
        "p.toml:3:27: `X A` is not a valid header name\n  \
             help: write the name of a header field, such as \"X-Conversation-Id\"\n\
             p.toml:3:34: `` is not a valid header name\n  \
             help: write the name of a header field, such as \"X-Conversation-Id\"\n\
             p.toml:3:45: `x-a` appears twice",
    )]);
}

#[test]
fn a_time_that_the_header_cannot_say_is_no_retry_after() {
    for time in ["0s", "999ms", "1500ms"] {
        for table in ["[defaults]", "[[route]]\npath = '/a'"] {
            let said = check(&format!("{table}\nretry_after = '{time}'"));
            let expected =
                ":15: `Retry-After` cannot express this time\n  help: give whole seconds, at least \"1s\"";
            assert!(said.ends_with(expected), "{said}");
        }
    }
}

#[test]
fn slots_that_a_route_does_not_have_cannot_last() {
    let help = "help: give the route a limit such as \"4 concurrent\", or leave `slots_until` out";
    for limits in ["[]", "['10/minute']"] {
        let said =
            check(&format!("[[route]]\npath = '/a'\nlimits = {limits}\nslots_until = 'upstream-ends'"));
        assert_eq!(said, format!("p.toml:4:15: the route has no slots to give back\n  {help}"));
    }
    for fine in [
        "[[route]]\npath = '/a'\nlimits = ['10/minute', '4 concurrent']\nslots_until = 'upstream-ends'",
        "[limits.gpu]\nquota = '4 concurrent'\n[[route]]\npath = '/a'\nlimits = 'gpu'\nslots_until = 'client-leaves'",
        "[defaults]\nlimits = ['4 concurrent']\n[[route]]\npath = '/a'\nslots_until = 'upstream-ends'",
        "[defaults]\nslots_until = 'upstream-ends'\n[[route]]\npath = '/a'\nlimits = ['10/minute']",
    ] {
        assert_eq!(check(fine), "fine");
    }
    said(&[(
        "[defaults]\nslots_until = 'client-leave'",
        "p.toml:2:15: unknown word `client-leave`\n  help: did you mean `client-leaves`?",
    )]);
}
