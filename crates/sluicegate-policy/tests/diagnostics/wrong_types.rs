//! Values of the wrong type.

use std::fmt::Write;

use sluicegate_policy::Diagnostics;

use crate::{check, said};

#[test]
fn values_of_the_wrong_type_are_told_the_right_one() {
    said(&[
        ("[limits.a]\nquota = 5", "p.toml:2:9: `limits.a.quota` must be a string, not the number 5"),
        (
            "limits = 5",
            "p.toml:1:10: `limits` is a table of tables\n  help: give each a name and a table, as in [limits.NAME]",
        ),
        (
            "[route]\npath = '/a'",
            "p.toml:1:1: `route` is a list of tables\n  help: write [[route]] with two brackets, one for each route",
        ),
        ("gateway = 'x'", "p.toml:1:11: `gateway` must be a table, not the string \"x\""),
        (
            "[[route]]\npath = '/a'\nlimits = 5",
            "p.toml:3:10: `route.limits` must be a string, a table or a list, not the number 5",
        ),
        (
            "[gateway]\nlisten = ['x']",
            "p.toml:2:10: `gateway.listen` must be an address and a port such as \"0.0.0.0:8080\", not a list",
        ),
        ("[tiers.a]\nlimits = 'x'", "p.toml:2:10: `tiers.a.limits` must be a table, not the string \"x\""),
        ("[tiers.a]\nscale = true", "p.toml:2:9: `tiers.a.scale` must be a number, not true"),
        ("[[route]]\nlimits = []", "p.toml:1:1: missing field `path`"),
        (
            "[gateway]\nthreads = 99999999999999999999",
            "p.toml:2:11: `gateway.threads` must be a whole number, not the number 99999999999999999999",
        ),
        ("[gateway]\nlog = 5", "p.toml:2:7: `gateway.log` must be a string"),
        ("[store]\nurl = 5", "p.toml:2:7: `store.url` must be a string, not a number"),
    ]);
}

#[test]
fn all_values_of_a_table_that_are_wrong_are_told_at_once() {
    said(&[
        (
            "[gateway]\nupstream = 8000\nlisten = 8080\nidle_timeout = 30",
            "p.toml:2:12: `gateway.upstream` must be a string, a table or a list, not the number 8000\n\
             p.toml:3:10: `gateway.listen` must be an address and a port such as \"0.0.0.0:8080\", not the number 8080\n\
             p.toml:4:16: `gateway.idle_timeout` must be a duration such as \"30s\", not the number 30",
        ),
        // Words, formats and names are told beside types.
        (
            "[gateway]\nlog = 'xml'\nlisten = ':80'\nkeep_alive = '4'\nmax_body = 'big'\nupstrem = 'x'\nreuse_port = 1",
            "p.toml:2:7: unknown word `xml`\n  help: the words here are `json`, `pretty`\n\
             p.toml:3:10: `:80` is not an address and a port\n  \
             help: write it as \"0.0.0.0:8080\", \"127.0.0.1:8080\" or \"[::]:8080\"\n\
             p.toml:4:14: not a duration\n  help: write whole numbers with ms, s, m, h or d, as in \"30s\" or \"1h30m\"\n\
             p.toml:5:12: not a size\n  \
             help: write a whole number of bytes, or one with B, kB, MB, GB, KiB, MiB or GiB, as in \"1MiB\"\n\
             p.toml:6:1: unknown field `upstrem`\n  help: did you mean `upstream`?\n\
             p.toml:7:14: `gateway.reuse_port` must be true or false, not the number 1",
        ),
        // So are those of every table, and of tables within tables.
        (
            "[store]\nmax_keys = 'many'\nremember_denials = 'no'\n[tiers.a]\nscale = '5'\n[tiers.b]\nscale = []\n\
             [gateway.tls]\ncertificate = 1\nkey = 2\n[gateway.health]\npath = 3\ninterval = 4",
            "p.toml:2:12: `store.max_keys` must be a whole number, not the string \"many\"\n\
             p.toml:3:20: `store.remember_denials` must be true or false, not the string \"no\"\n\
             p.toml:5:9: `tiers.a.scale` must be a number, not the string \"5\"\n\
             p.toml:7:9: `tiers.b.scale` must be a number, not a list\n\
             p.toml:9:15: `gateway.tls.certificate` must be a string, not the number 1\n\
             p.toml:10:7: `gateway.tls.key` must be a string, not the number 2\n\
             p.toml:12:8: `gateway.health.path` must be a string, not the number 3\n\
             p.toml:13:12: `gateway.health.interval` must be a duration such as \"30s\", not the number 4",
        ),
    ]);
}

#[test]
fn all_entries_of_a_list_that_are_wrong_are_told_at_once() {
    said(&[
        (
            "[[route]]\npath = 1\nmethods = ['GET', 2, 3]\n\
             limits = [4, '10/minute', { quota = 5, modus = 'shadow' }, { name = 'a' }]",
            "p.toml:2:8: `route.path` must be a string, not the number 1\n\
             p.toml:3:19: an entry of `route.methods` must be a string, not the number 2\n\
             p.toml:3:22: an entry of `route.methods` must be a string, not the number 3\n\
             p.toml:4:11: an entry of `route.limits` must be a limit's name, a quota or a table, not the number 4\n\
             p.toml:4:37: `route.limits.quota` must be a string, not the number 5\n\
             p.toml:4:40: unknown field `modus`\n  help: did you mean `mode`?\n\
             p.toml:4:60: missing field `quota`",
        ),
        (
            "[gateway]\nupstream = ['http://a', 'ftp://b', { url = 'http://c', weight = 'x' }, { url = 5 }]",
            "p.toml:2:25: an upstream speaks http, https or h2c\n  help: write it as \"http://127.0.0.1:8000\"\n\
             p.toml:2:65: `gateway.upstream.weight` must be a whole number, not the string \"x\"\n\
             p.toml:2:80: `gateway.upstream.url` must be a string, not the number 5",
        ),
        (
            "[responses]\nheaders = ['githb', 'ietf', 'oepnai']",
            "p.toml:2:12: unknown word `githb`\n  help: did you mean `github`?\n\
             p.toml:2:29: unknown word `oepnai`\n  help: did you mean `openai`?",
        ),
    ]);
}

#[test]
fn what_is_missing_is_told_for_every_table() {
    said(&[(
        "[gateway]\ntls = { key = 'a' }\nhealth = {}\n[warmup]\n[[route]]\n[[route]]\nlimits = 5",
        "p.toml:2:7: missing field `certificate`\n\
         p.toml:3:10: missing field `path`\n\
         p.toml:4:1: missing field `ready`\n\
         p.toml:5:1: missing field `path`\n\
         p.toml:6:1: missing field `path`\n\
         p.toml:7:10: `route.limits` must be a string, a table or a list, not the number 5",
    )]);
}

#[test]
fn a_flood_of_values_of_the_wrong_type_is_cut_short() {
    let mut text = "[[route]]\npath = '/'\nlimits = [".to_owned();
    for number in 0..100_000 {
        write!(text, "{number},").expect("a string takes it");
    }
    let said = check(&format!("{text}]"));
    assert_eq!(said.lines().count(), Diagnostics::MOST, "{said}");
}
