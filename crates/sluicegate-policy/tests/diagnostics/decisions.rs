//! Mistakes in `[decisions]`.

use crate::said;

#[test]
fn each_mistake_is_told_with_its_place_and_its_remedy() {
    said(&[
        ("[decisions]", "p.toml:1:1: missing field `listen`"),
        (
            "[decisions]\nlisten = 'localhost'",
            "p.toml:2:10: `localhost` is not an address and a port\n  help: write it as \"0.0.0.0:8080\", \"127.0.0.1:8080\" or \"[::]:8080\"",
        ),
        (
            "[decisions]\nlisten = '0.0.0.0:8081'",
            "p.toml:2:10: everyone who can reach 0.0.0.0:8081 could spend the quotas of others\n  help: set a `token`, or a \
             `client_ca` under [decisions.tls], or listen at a loopback address such as \"127.0.0.1:8081\"",
        ),
        (
            "[decisions]\nlisten = '127.0.0.1:9090'",
            "p.toml:2:10: `listen`, 127.0.0.1:9090, and `gateway.admin`, 127.0.0.1:9090, cannot both have this port\n  \
             help: give it a port of its own, such as \"127.0.0.1:8081\"",
        ),
        (
            "[decisions]\nlisten = '127.0.0.1:8080'\n[gateway]\nupstream = 'http://127.0.0.1:8000'",
            "p.toml:2:10: `listen`, 127.0.0.1:8080, and `gateway.listen`, 0.0.0.0:8080, cannot both have this port\n  \
             help: give it a port of its own, such as \"127.0.0.1:8081\"",
        ),
        (
            "[decisions]\nlisten = '127.0.0.1:8081'\nresp = '0.0.0.0:6380'",
            "p.toml:3:8: everyone who can reach 0.0.0.0:6380 could spend the quotas of others\n  help: set a `token`, or a \
             `client_ca` under [decisions.tls], or listen at a loopback address such as \"127.0.0.1:6380\"",
        ),
        (
            "[decisions]\nlisten = '127.0.0.1:8081'\nresp = '127.0.0.1:8081'",
            "p.toml:3:8: `resp`, 127.0.0.1:8081, and `decisions.listen`, 127.0.0.1:8081, cannot both have this port\n  \
             help: give it a port of its own, such as \"127.0.0.1:6380\"",
        ),
        (
            "[decisions]\nlisten = '127.0.0.1:8081'\ntoken = 'short'",
            "p.toml:3:9: a token of 5 characters can be guessed\n  help: give at least 16 letters and digits, such as \
             what `openssl rand -hex 16` prints",
        ),
        (
            "[decisions]\nlisten = '127.0.0.1:8081'\n[decisions.tls]\ncertificate = ''\nkey = 'a'",
            "p.toml:4:15: no file\n  help: write it as \"gateway.pem\", or leave [decisions.tls] out",
        ),
        (
            "[decisions]\nlisten = '127.0.0.1:8081'\nlease = '0'\nmax_permits = 0",
            "p.toml:3:9: a lease of 0 ends at once\n  help: give a duration such as \"60s\"\n\
             p.toml:4:15: `max_permits` cannot be 0\n  help: give a number from 1 to 10000000",
        ),
        (
            "[decisions]\nlisten = '127.0.0.1:8081'\n[warmup]\nready = '/health'",
            "p.toml:4:9: no upstream to ask whether it is ready\n  help: name the `upstream` under [gateway], or leave \
             [warmup] out",
        ),
    ]);
}
