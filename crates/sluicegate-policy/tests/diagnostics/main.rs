//! Errors shown to the author of a policy file with mistakes.

mod cors;
mod decision_log;
mod decisions;
mod descriptors;
mod forwarding;
mod telemetry;
mod values;
mod wrong_types;

use sluicegate_policy::{Diagnostics, Policy, Source};

fn check(text: &str) -> String {
    match Source::new("p.toml", text.as_bytes()).and_then(|source| Policy::parse(&source)) {
        Ok(_) => "fine".to_owned(),
        Err(diagnostics) => diagnostics.to_string(),
    }
}

/// Each mistake, and all that is said about it.
fn said(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(check(text), *expected, "\n--- of ---\n{text}");
    }
}

#[test]
fn unknown_fields_and_words_get_the_ones_that_were_meant() {
    said(&[
        ("[gatway]", "p.toml:1:2: unknown field `gatway`\n  help: did you mean `gateway`?"),
        ("[gateway]\nupstrem = 'x'", "p.toml:2:1: unknown field `upstrem`\n  help: did you mean `upstream`?"),
        (
            "[[route]]\npath = '/a'\nlimts = []",
            "p.toml:3:1: unknown field `limts`\n  help: did you mean `limits`?",
        ),
        (
            "[store]\ncolour = 1",
            "p.toml:2:1: unknown field `colour`\n  help: the fields here are `ca`, `chunks`, `keys`, `lease`, `max_keys`, \
             `outage`, `prefix`, `remember_denials`, `replicas`, `secret`, `timeout`, `url`",
        ),
        (
            "[limits.a]\nquota = '1/s'\nmode = 'shadwo'",
            "p.toml:3:8: unknown word `shadwo`\n  help: did you mean `shadow`?",
        ),
        (
            "[gateway]\nlog = 'xml'",
            "p.toml:2:7: unknown word `xml`\n  help: the words here are `json`, `pretty`",
        ),
        (
            "[responses]\nheaders = ['ietf', 'githb']",
            "p.toml:2:20: unknown word `githb`\n  help: did you mean `github`?",
        ),
        (
            "[defaults]\nalgorithm = 'tokenbucket'",
            "p.toml:2:13: unknown algorithm `tokenbucket`\n  help: did you mean `token-bucket`?",
        ),
        (
            "[defaults]\nkey = 'client-ip'",
            "p.toml:2:7: unknown key `client-ip`\n  help: did you mean `client_ip`?",
        ),
        (
            "[defaults]\nkey = ['client_ip', 'headr:x-user']",
            "p.toml:2:21: unknown key `headr:x-user`\n  help: did you mean `header:x-user`?",
        ),
        (
            "[[route]]\npath = '/a'\nmethods = ['GET', 'post']",
            "p.toml:3:19: unknown method `post`\n  help: did you mean `POST`?",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = { item = '/n' }",
            "p.toml:3:11: unknown field `item`\n  help: did you mean `items`?",
        ),
        (
            "[[route]]\npath = '/a'\nlimits = [{ quota = '1/s', modus = 'shadow' }]",
            "p.toml:3:28: unknown field `modus`\n  help: did you mean `mode`?",
        ),
    ]);
}

#[test]
fn unknown_names_get_the_ones_that_were_meant() {
    said(&[
        (
            "[limits.gpu]\nquota = '8 concurrent'\n[[route]]\npath = '/a'\nlimits = ['10/minute', 'gpo']",
            "p.toml:5:24: no limit is called `gpo`\n  help: did you mean `gpu`?",
        ),
        (
            "[[route]]\npath = '/a'\nlimits = 'gpu'",
            "p.toml:3:10: no limit is called `gpu`\n  help: add [limits.gpu], or write a quota such as \"10/minute\"",
        ),
        (
            "[tiers.premium]\n[[route]]\npath = '/a'\ntier = 'premum'",
            "p.toml:4:8: no tier is called `premum`\n  help: did you mean `premium`?",
        ),
        (
            "[[route]]\npath = '/a'\ntier = 'premium'",
            "p.toml:3:8: no tier is called `premium`\n  help: add [tiers.premium]",
        ),
        (
            "[identity]\ndefault_tier = 'fre'\n[tiers.free]\n[tiers.premium]",
            "p.toml:2:16: no tier is called `fre`\n  help: did you mean `free`?",
        ),
        (
            "[tiers.free]\n[tiers.premium]",
            "p.toml: no tier is set for callers that bring none\n  \
             help: add to [identity]: default_tier = one of \"free\", \"premium\"",
        ),
        (
            "[identity]\ndefault_tier = 'free'",
            "p.toml:2:16: a default tier, but there are no tiers\n  \
             help: add [tiers.free], or leave `default_tier` out",
        ),
        (
            "[limits.gpu]\nquota = '8/s'\n[tiers.free]\nlimits = { gpuu = '9/s' }",
            "p.toml:4:12: no limit is called `gpuu`\n  help: did you mean `gpu`?",
        ),
        (
            "[[route]]\npath = '/m/{model}'\nlimits = [{ quota = '1/s', key = 'path:modl' }]",
            "p.toml:3:11: the path has no parameter `modl`\n  help: did you mean `model`?",
        ),
        (
            "[defaults]\nlimits = [{ quota = '1/s', key = 'path:model' }]",
            "p.toml:2:11: no route has the parameter `model` here\n  \
             help: give the limit to the routes whose path has it",
        ),
    ]);
}

#[test]
fn a_quota_is_wrong_at_a_character_of_its_text() {
    said(&[
        (
            "[defaults]\nlimits = ['10/minut']",
            "p.toml:2:15: unknown period `minut`; use second, minute, hour, day, week, month or year",
        ),
        (
            "[limits.'é']\nquota = '1/s'\n[limits.a]\nquota = \"10/minute burst x\"",
            "p.toml:1:9: `é` is not a valid name of a limit\n  help: use 1 to 64 letters, digits, `_` and `-`\n\
             p.toml:4:26: found `x` where the burst's amount, as in `10/minute burst 20` should stand",
        ),
        (
            "[identity]\napi_keys = 'k.toml'\nfailures = '0/minute'",
            "p.toml:3:12: no unknown API key is allowed\n  \
             help: give at least 1; a key that is mistyped once would shut its owner out",
        ),
        (
            "[defaults]\nlimits = ['20 apples/day', '1/day; 5 rps/s']",
            "p.toml:2:15: unknown unit `apples`\n  help: count requests, items, tokens, input_tokens, output_tokens, bytes or concurrent\n\
             p.toml:2:38: unknown unit `rps`\n  help: count requests, items, tokens, input_tokens, output_tokens, bytes or concurrent",
        ),
        (
            "[defaults]\nlimits = ['20 usd/day']",
            "p.toml:2:11: no meter gives usd yet\n  help: count requests, items, tokens, input_tokens, output_tokens, bytes or concurrent",
        ),
        (
            "[[route]]\npath = '/a'\nlimits = ['100 items/minute']",
            "p.toml:3:11: the route has no meter of items\n  help: add to the route: meter = { items = \"/inputs\" }",
        ),
        (
            "[limits.b]\nquota = '1000 bytes/s'\n[[route]]\npath = '/a'\nmeter = { items = '/n' }\nlimits = ['b']",
            "p.toml:6:11: the route has no meter of bytes\n  help: add to the route: meter = \"bytes\"",
        ),
        (
            "[limits.a]\nquota = '200/s'\nalgorithm = 'sliding-log'",
            "p.toml:3:13: sliding-log keeps at most 128 units, not 200; use sliding-window",
        ),
        (
            "[tiers.p]\nscale = 5\n[limits.a]\nquota = '100/s'\nalgorithm = 'sliding-log'",
            "p.toml:3:9: `100/second` cannot be scaled for the tier `p`: sliding-log keeps at most 128 units\n  \
             help: give it a quota of its own, under `limits` in [tiers.p]",
        ),
        (
            "[tiers.p]\nlimits = { a = '5 concurrent' }\n[limits.a]\nquota = '100/s'",
            "p.toml:2:16: `a` counts requests, not concurrent\n  help: give a quota in the limit's own unit",
        ),
        (
            "[[route]]\npath = '/a'\nweight = 4\nlimits = ['2/minute']",
            "p.toml:3:10: no request could ever pass `a_2_per_minute`: each costs 4\n  \
             help: give a smaller weight, or a larger quota or burst",
        ),
    ]);
}

#[test]
fn routes_that_are_in_each_others_way_say_in_whose() {
    let two = |a: &str, b: &str| format!("[[route]]\npath = '{a}'\n[[route]]\npath = '{b}'");
    said(&[
        (
            &two("/m/{a}", "/m/{b}"),
            "p.toml:4:8: another route is for the same requests: `/m/{a}`\n  \
             help: join the two, or give them different methods",
        ),
        (
            &two("/{*rest}", "/{name}.json"),
            "p.toml:4:8: the router cannot tell this path from `/{*rest}`\n  \
             help: give a parameter a whole segment, as in /models/{model}/predict",
        ),
        (
            &two("/{a}-{b}", "/{*a}/b"),
            "p.toml:2:8: two parameters in one segment\n  help: give each a segment of its own, as in /{owner}/{model}\n\
             p.toml:4:8: `{*…}` takes the whole rest of a path\n  help: let it be the last of the path",
        ),
        (
            &two("predict", "/m/{"),
            "p.toml:2:8: a path begins with `/`\n  help: write it as \"/predict\"\n\
             p.toml:4:8: a brace that is not closed, or not opened\n  \
             help: write a parameter as {name}, and a brace of the path itself as {{ or }}",
        ),
        (
            &two("/m/{my model}", "/{a}/{a}"),
            "p.toml:2:8: `{my model}` is not a parameter\n  \
             help: name it with letters, digits and `_`, as in {model}\n\
             p.toml:4:8: the parameter `a` appears twice\n  help: give each a name of its own",
        ),
        (
            &two("//predict", "/a/../b?c"),
            "p.toml:2:8: a path has no empty, `.` or `..` segments, and no `;`, `\\`, `?`, `#` or control characters\n  \
             help: write the path as the server sees it\n\
             p.toml:4:8: a path has no empty, `.` or `..` segments, and no `;`, `\\`, `?`, `#` or control characters\n  \
             help: write the path as the server sees it",
        ),
        (
            "[[route]]\npath = '/a'\nmethods = ['GET', 'GET']\n[[route]]\npath = '/b'\nmethods = []",
            "p.toml:3:19: `GET` appears twice\n\
             p.toml:6:11: a route of no methods matches nothing\n  help: leave `methods` out for all of them",
        ),
    ]);
}

#[test]
fn two_limits_never_share_a_name_nor_a_header() {
    said(&[
        (
            "[limits.rpm]\nquota = '1/s'\n[[route]]\npath = '/a'\nlimits = [{ name = 'rpm', quota = '2/s' }]",
            "p.toml:5:20: another limit is called `rpm`\n  \
             help: give it another name; `-` and `_` are the same here, for the sake of headers",
        ),
        (
            "[limits.my-limit]\nquota = '1/s'\n[limits.my_limit]\nquota = '1/s'",
            "p.toml:3:9: another limit is called `my_limit`\n  \
             help: give it another name; `-` and `_` are the same here, for the sake of headers",
        ),
        (
            "[limits.a]\nquota = '1/s'\n[[route]]\npath = '/a'\nlimits = ['a', 'a']",
            "p.toml:5:16: this limit is in the list twice",
        ),
        ("[limits.a]\nquota = '1/s'\n[limits.a]\nquota = '2/s'", "p.toml:3:9: duplicate key"),
    ]);
}

#[test]
fn one_run_finds_all_that_is_wrong() {
    let text = "[gateway]\nupstrem = 'x'\nlisten = 'y'\n[[route]]\npaht = '/a'\n[[rout]]\n";
    let said = check(text);
    let places: Vec<_> = said.lines().filter(|line| !line.starts_with(' ')).map(|line| &line[..11]).collect();
    assert_eq!(places, ["p.toml:2:1:", "p.toml:3:10", "p.toml:4:1:", "p.toml:5:1:", "p.toml:6:3:"]);
}

#[test]
fn columns_count_characters_and_lines_may_end_as_on_windows() {
    said(&[
        (
            "# ÄÖÜ\r\n[gateway]\r\nlog = 'ä' \r\n",
            "p.toml:3:7: unknown word `ä`\n  help: the words here are `json`, `pretty`",
        ),
        (
            "defaults = { key = 'ключ', limits = ['10/x'] }",
            "p.toml:1:20: unknown key `ключ`\n  help: the keys are client_ip, api_key, tenant, tier, route, path, \
             method, global and header:NAME, query:NAME, cookie:NAME, path:NAME, body:NAME, entry:NAME\n\
             p.toml:1:42: unknown period `x`; use second, minute, hour, day, week, month or year",
        ),
    ]);
}

#[test]
fn a_flood_of_mistakes_is_cut_short() {
    let text: String = (0..10_000).map(|n| format!("x{n} = 1\n")).collect();
    let said = check(&text);
    assert!(
        said.ends_with(&format!("\nand {} more", 10_000 - Diagnostics::MOST)),
        "{}",
        &said[said.len() - 50..]
    );
}
