//! Warnings about policies that are valid but hardly meant.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sluicegate_policy::{Policy, Source};

/// All warnings about a policy, which is good.
fn warned(text: &str) -> String {
    let policy = Policy::parse(&Source::new("p.toml", text.as_bytes()).unwrap());
    policy.unwrap_or_else(|errors| panic!("{errors}\n--- of ---\n{text}")).warnings.to_string()
}

/// Each policy, and all that is said about it.
fn said(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(warned(text), *expected, "\n--- of ---\n{text}");
    }
}

#[test]
fn paths_of_other_programs_get_those_of_this_one() {
    for (path, foreign, right) in [
        ("/v1/*", "*", "/v1/{*rest}"),
        ("/v1/**", "**", "/v1/{*rest}"),
        ("/v1*", "v1*", "/v1/{*rest}"),
        ("/*/models", "*", "/{rest}/models"),
        ("/v2/:id", ":id", "/v2/{id}"),
        ("/v2/:id/chat/:turn", ":id", "/v2/{id}/chat/{turn}"),
        ("/files/:path*", ":path*", "/files/{*path}"),
        ("/v3/<int:id>", "<int:id>", "/v3/{id}"),
        ("/v3/<id>/x", "<id>", "/v3/{id}/x"),
        ("/files/<path:name>", "<path:name>", "/files/{*name}"),
        ("/v4/$id", "$id", "/v4/{id}"),
        ("/v4/${id}", "${id}", "/v4/{id}"),
        ("/v5/[id]", "[id]", "/v5/{id}"),
        ("/v5/[...slug]", "[...slug]", "/v5/{*slug}"),
        ("/v5/[[...slug]]", "[[...slug]]", "/v5/{*slug}"),
        ("/v6/.*", ".*", "/v6/{*rest}"),
        ("/v6/[0-9]+", "[0-9]+", "/v6/{id}"),
        ("/v6/predict$", "predict$", "/v6/predict"),
    ] {
        let said = warned(&format!("[[route]]\npath = '{path}'\nlimits = '1/s'"));
        let expected = format!(
            "p.toml:2:8: `{foreign}` is not a parameter here: only requests whose path has exactly these characters match \
             the route\n  help: write it as \"{right}\""
        );
        assert_eq!(said, expected, "{path}");
        assert_eq!(warned(&format!("[[route]]\npath = '{right}'\nlimits = '1/s'")), "", "{right}");
    }
}

#[test]
fn paths_of_this_program_are_left_alone() {
    for path in [
        "/",
        "/v1/{id}",
        "/static/{*rest}",
        "/v1/models/iris:predict",
        "/v1/{model}:predict",
        "/a{{b}}",
        "/$/x.y",
        "/~user/a*b",
        "/:",
    ] {
        let policy = format!("[[route]]\npath = '{path}'\nlimits = '1/s'");
        assert_eq!(warned(&policy), "", "{path}");
    }
}

#[test]
fn what_limits_nothing_is_told() {
    let nothing = "p.toml: the policy has no limits: every request passes\n  \
                   help: add `limits` to a [[route]] or to [defaults]";
    said(&[
        ("", nothing),
        ("[[route]]\npath = '/a'", nothing),
        ("[[route]]\npath = '/a'\nlimits = []", nothing),
        ("[defaults]\nlimits = '1/s'", ""),
        ("[decisions]\nlisten = '127.0.0.1:8081'\nresp = '127.0.0.1:6380'", ""),
        ("[decisions]\nlisten = '127.0.0.1:8081'", nothing),
        ("[[route]]\npath = '/a'\nlimits = []\n[[route]]\npath = '/b'\nlimits = '1/s'", ""),
        (
            "[[route]]\npath = '/a'\n[[route]]\npath = '/b'\nlimits = '1/s'",
            "p.toml:2:8: this route has no limits, and [defaults] has none\n  \
             help: give it `limits`, or write limits = [] to say that it has none",
        ),
        (
            "[limits.gpu]\nquota = '8 concurrent'\n[limits.cpu]\nquota = '9 concurrent'\n\
             [[route]]\npath = '/a'\nlimits = 'cpu'",
            "p.toml:1:9: no route names this limit, so it limits nothing\n  \
             help: add \"gpu\" to the `limits` of a route, or leave it out",
        ),
        (
            "[[route]]\npath = '/a'\nlimits = [{ quota = '1/s', mode = 'shadow' }]\n\
             [[route]]\npath = '/b'\nlimits = ['1/s', { quota = '1/s', mode = 'shadow' }]",
            "p.toml:3:10: all limits here are in shadow mode, so none denies\n  \
             help: leave `mode` out of a limit that is to deny",
        ),
        (
            "[[route]]\npath = '/a'\nweight = 4\nlimits = '8 concurrent'",
            "p.toml:3:10: no limit of this route counts requests, so its weight changes nothing\n  \
             help: add a limit on requests, or leave `weight` out",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = { tokens = 'openai', count = 'upstream' }\nlimits = '9 output_tokens/s'",
            "p.toml:3:38: no limit of this route reserves input tokens, so none are counted\n  \
             help: add a limit of tokens or input_tokens, or leave this out",
        ),
    ]);
}

#[test]
fn callers_who_cannot_be_told_apart_are_told() {
    let rest = "[defaults]\nlimits = '1/s'\n";
    let tiers = "[tiers.free]\n[tiers.premium]\n";
    for (text, expected) in [
        (
            format!("[identity]\ntier = 'header:x-tier'\ndefault_tier = 'free'\n{tiers}{rest}"),
            "p.toml:2:8: every caller can send this header, and so choose a tier\n  \
             help: name the proxies that set it: trusted_proxies = [\"10.0.0.0/8\"] under [gateway]",
        ),
        (
            format!(
                "[gateway]\ntrusted_proxies = '10.0.0.0/8'\n\
                 [identity]\ntier = 'header:x-tier'\ndefault_tier = 'free'\n{tiers}{rest}"
            ),
            "",
        ),
        (
            format!("[identity]\ndefault_tier = 'free'\n{tiers}{rest}"),
            "p.toml:4:8: no caller can have the tier `premium`\n  \
             help: set `api_keys` or `tier` under [identity]",
        ),
        (
            "[defaults]\nkey = ['api_key', 'path']\nlimits = [{ quota = '1/s', key = 'tier' }, '2/s']"
                .to_owned(),
            "p.toml:2:8: there are no API keys, so `api_key` is the client's address\n  \
             help: set `api_keys` under [identity], or write \"client_ip\"\n\
             p.toml:3:34: there are no tiers, so `tier` is the same for all callers\n  \
             help: add [tiers.NAME], or write \"global\" for one account of all callers",
        ),
        (
            "[identity]\napi_keys = 'keys.toml'\n[limits.a]\nquota = '1/s'\nkey = 'tenant'\n[defaults]\nlimits = 'a'".to_owned(),
            "",
        ),
        (
            format!("[gateway]\ntrusted_proxies = ['10.0.0.0/8', '::/0']\n{rest}"),
            "p.toml:2:34: everybody is a trusted proxy, so every client can claim any address\n  \
             help: name the networks of your proxies alone",
        ),
        (
            format!("[gateway]\nlisten = '[::]:80'\nupstream = 'http://a:8000'\ntrusted_proxies = 'unix'\n{rest}"),
            "p.toml:4:19: the gateway has no peers on Unix sockets, so it believes nobody's forwarding header\n  \
             help: name its proxies by their addresses: trusted_proxies = [\"unix\", \"10.0.0.0/8\"]",
        ),
        (
            format!(
                "[gateway]\nupstream = 'http://a:8000'\ntrusted_proxies = ['unix', '0.0.0.0']\n\
                 [identity]\ntier = 'header:x-tier'\ndefault_tier = 'free'\n{tiers}{rest}"
            ),
            "p.toml:3:19: the gateway has no peers on Unix sockets, so it believes nobody's forwarding header or tier\n  \
             help: name its proxies by their addresses: trusted_proxies = [\"unix\", \"10.0.0.0/8\"]",
        ),
        // A policy for both, and one of the Python package.
        (format!("[gateway]\nupstream = 'http://a:8000'\ntrusted_proxies = ['unix', '10.0.0.0/8']\n{rest}"), ""),
        (
            format!(
                "[gateway]\ntrusted_proxies = 'unix'\n\
                 [identity]\ntier = 'header:x-tier'\ndefault_tier = 'free'\n{tiers}{rest}"
            ),
            "",
        ),
    ] {
        assert_eq!(warned(&text), expected, "\n--- of ---\n{text}");
    }
}

#[test]
fn a_gateway_before_itself_is_told() {
    let gateway = |listen: &str, upstream: &str| {
        warned(&format!(
            "[gateway]\nlisten = '{listen}'\nupstream = '{upstream}'\n[defaults]\nlimits = '1/s'"
        ))
    };
    for (listen, upstream) in [
        ("0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("[::]:8000", "http://localhost:8000"),
        ("127.0.0.1:8000", "http://localhost:8000/v1"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("192.0.2.1:80", "http://192.0.2.1"),
    ] {
        assert_eq!(
            gateway(listen, upstream),
            "p.toml:3:12: this upstream is `listen`: the gateway would send requests to itself\n  \
             help: give the address of the server that is to be protected",
            "{listen} {upstream}"
        );
    }
    for (listen, upstream) in [
        ("0.0.0.0:8080", "http://127.0.0.1:8000"),
        ("127.0.0.1:8000", "http://192.0.2.1:8000"),
        ("192.0.2.1:8000", "http://127.0.0.1:8000"),
        ("0.0.0.0:8000", "http://[::1]:8000"),
        ("0.0.0.0:8000", "http://model:8000"),
    ] {
        assert_eq!(gateway(listen, upstream), "", "{listen} {upstream}");
    }
    assert!(gateway("0.0.0.0:8080", "http://localhost:9090").contains("this upstream is `admin`"));
}

#[test]
fn an_open_admin_port_and_settings_that_change_nothing_are_told() {
    let open = "other machines reach the admin port and see its metrics, but without a token, nobody reaches \
                accounts, the policy or reloads\n  \
                help: set `admin_token`, or give an address of this machine alone, such as \"127.0.0.1:9090\"";
    let rest = "upstream = 'http://127.0.0.1:8000'\n[defaults]\nlimits = '1/s'";
    for (gateway, expected) in [
        ("admin = '0.0.0.0:9090'", format!("p.toml:2:9: {open}")),
        ("admin = '[::]:9090'", format!("p.toml:2:9: {open}")),
        ("admin = '127.0.0.2:9090'", String::new()),
        ("admin = '0.0.0.0:9090'\nadmin_token = 'sixteen-letters-'", String::new()),
        (
            "upstream_ca = 'roots.pem'",
            "p.toml:2:15: roots for TLS, but no upstream uses TLS\n  \
             help: write the upstream's URL with https://, or leave `upstream_ca` out"
                .to_owned(),
        ),
    ] {
        assert_eq!(warned(&format!("[gateway]\n{gateway}\n{rest}")), expected, "{gateway}");
    }
    said(&[(
        "[gateway]\nlisten = '127.0.0.1:80'\n[defaults]\nlimits = '1/s'",
        "p.toml:2:10: no upstream: the gateway does not start without one\n  \
         help: set `upstream` under [gateway], or start with --upstream http://HOST:PORT",
    )]);
}

#[test]
fn limits_that_decisions_cannot_apply_are_named_unless_there_is_an_upstream() {
    let text = "[decisions]\nlisten = '127.0.0.1:8081'\n[[route]]\npath = '/a'\nlimits = '2 concurrent'\n\
                [[route]]\npath = '/b'\nmeter = { items = '/inputs' }\nlimits = '9 items/minute'";
    said(&[
        (
            text,
            "p.toml:5:10: decisions for proxies end at once and give slots back: concurrent limits deny nothing there\n  \
             help: ask at /take, which holds slots, or name an `upstream` and send these requests through the gateway\n\
             p.toml:8:9: proxies that ask send no bodies: each request of this route is refused with 400\n  help: ask at \
             /take, with the body, or name an `upstream` and send these requests through the gateway",
        ),
        (&[text, "\n[gateway]\nupstream = 'http://127.0.0.1:8000'"].concat(), ""),
    ]);
}

#[test]
fn descriptors_that_nobody_can_ask_for_are_told() {
    let route = "[[route]]\ndescriptor = { domain = 'ml', entries = ['user'] }\nweight = 2\nlimits = ['1 tokens/s']\n";
    said(&[
        (
            route,
            "p.toml:2:14: nobody can ask for descriptors without [decisions]\n  help: add [decisions] with the address at which \
             Envoy asks",
        ),
        (&format!("{route}[decisions]\nlisten = '127.0.0.1:8081'"), ""),
    ]);
}
