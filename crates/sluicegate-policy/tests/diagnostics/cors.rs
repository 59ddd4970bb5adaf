//! Mistakes in `[cors]`.

use crate::said;

const WRITE: &str =
    "help: write it as \"https://app.example.com\", or \"https://*.example.com\" for its subdomains";

#[test]
fn what_is_no_origin_is_said_to_be_none_with_its_place() {
    for (origin, what) in [
        ("app.example.com", "an origin begins with a scheme"),
        ("*.example.com", "an origin begins with a scheme"),
        ("://app", "an origin begins with a scheme"),
        ("https://app.example.com/", "an origin has no path, and no slash at its end"),
        ("https://app.example.com/a", "an origin has no path, and no slash at its end"),
        ("https://app?b", "an origin is a scheme, a host and perhaps a port, and nothing else"),
        ("https://me@app", "an origin is a scheme, a host and perhaps a port, and nothing else"),
        ("https://", "an origin has a host"),
        ("https://:80", "an origin has a host"),
        ("https://a b", "an origin has a host"),
        ("https://[::1", "an origin has a host"),
        ("https://app:", "a port is a number from 1 to 65535"),
        ("https://app:0", "a port is a number from 1 to 65535"),
        ("https://app:99999", "a port is a number from 1 to 65535"),
    ] {
        let expected = format!("p.toml:2:11: `{origin}` is not an origin: {what}\n  {WRITE}");
        said(&[(&format!("[cors]\norigins = '{origin}'"), &expected)]);
    }
    said(&[
        (
            "[cors]\norigins = 'null'",
            "p.toml:2:11: `null` is not an origin: every page in a sandboxed frame is `null`\n  \
             help: serve the page from an origin of its own",
        ),
        (
            "[cors]\norigins = 'https://a*.example.com'",
            "p.toml:2:11: `https://a*.example.com` is not an origin: `*` stands for whole subdomains\n  \
             help: write it as \"https://*.example.com\"",
        ),
        (
            "[cors]\norigins = 'https://münchen.example'",
            "p.toml:2:11: `https://münchen.example` is not an origin: browsers send this host in another spelling\n  \
             help: write it in Punycode, as in \"xn--mnchen-3ya.example\"",
        ),
    ]);
}

#[test]
fn what_browsers_would_refuse_is_an_error() {
    said(&[
        ("[cors]\ncredentials = true", "p.toml:1:1: missing field `origins`"),
        (
            "[cors]\norigins = []",
            "p.toml:2:11: no page may call\n  help: name an origin, or leave [cors] out",
        ),
        (
            "[cors]\norigins = ['*', 'https://a.example']",
            "p.toml:2:12: `*` is every origin\n  help: leave the others out, or `*`",
        ),
        (
            "[cors]\norigins = ['https://a.example', 'HTTPS://A.example:443']",
            "p.toml:2:33: `https://a.example` appears twice",
        ),
        (
            "[cors]\norigins = ['*']\ncredentials = true",
            "p.toml:2:11: browsers reject `*` with credentials\n  \
             help: name the origins, as in origins = [\"https://app.example.com\"], or leave `credentials` out",
        ),
        (
            "[cors]\norigins = 'https://a.example'\ncredentials = true\nexpose = '*'",
            "p.toml:4:10: browsers take `*` literally with credentials\n  \
             help: name the headers, as in expose = [\"x-model-version\"]",
        ),
        (
            "[cors]\norigins = '*'\ncharge_preflights = true",
            "p.toml:3:21: preflights are charged only if they go to the upstream\n  \
             help: add preflight = \"pass\", or leave `charge_preflights` out",
        ),
        (
            "[cors]\norigins = '*'\npreflight = 'answers'",
            "p.toml:3:13: unknown word `answers`\n  help: did you mean `answer`?",
        ),
        (
            "[cors]\norigins = '*'\nheaders = ['a', 'b c', 'A']\nmethods = ['post']",
            "p.toml:3:17: `b c` is not a valid name of a header\n  help: write it as \"x-model-version\"\n\
             p.toml:3:24: `a` appears twice\n\
             p.toml:4:12: unknown method `post`\n  help: did you mean `POST`?",
        ),
        (
            "[cors]\norigins = '*'\nmethods = []",
            "p.toml:3:11: pages that may use no method cannot call\n  help: leave `methods` out for the usual ones",
        ),
    ]);
}
