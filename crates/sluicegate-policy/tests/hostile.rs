//! Files that were not written in good faith: always a clear error, never a panic.

use proptest::prelude::*;
use sluicegate_policy::{Overrides, Policy, Source};

fn check(bytes: &[u8]) -> Result<Policy, String> {
    Source::new("p.toml", bytes).and_then(|source| Policy::parse(&source)).map_err(|error| error.to_string())
}

#[test]
fn a_file_above_a_mebibyte_is_not_read() {
    let large = vec![b'#'; 10 << 20];
    assert_eq!(check(&large).unwrap_err(), "p.toml: larger than 1 MiB; a policy is a small file");
    assert!(check(&large[..1 << 20]).is_ok());

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.toml");
    std::fs::write(&path, &large).unwrap();
    let error = Policy::load(&path, Overrides::default()).unwrap_err().to_string();
    assert!(error.ends_with("large.toml: larger than 1 MiB; a policy is a small file"), "{error}");
    let endless = Policy::load(std::path::Path::new("/dev/zero"), Overrides::default()).unwrap_err();
    assert_eq!(endless.to_string(), "/dev/zero: larger than 1 MiB; a policy is a small file");
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let error = |path: &str| Policy::load(path.as_ref(), Overrides::default()).unwrap_err().to_string();
    assert!(error("/nowhere/p.toml").starts_with("/nowhere/p.toml: cannot be read: No such file"));
    assert!(
        error("/nowhere/p.toml")
            .ends_with("help: name another file, or write a first policy with `sluicegate init`")
    );
    assert!(error("/").starts_with("/: cannot be read: Is a directory"));
}

#[test]
fn text_that_is_not_utf_8_is_pointed_at() {
    assert_eq!(check(b"# fine\nx = \"\xff\"").unwrap_err(), "p.toml:2:6: not UTF-8; save the file in UTF-8");
    assert!(check(b"\xff\xfe[\0g\0]\0").unwrap_err().starts_with("p.toml:1:1: not UTF-8"));
    assert!(check(b"\xef\xbb\xbf[gateway]\n").is_ok(), "a byte order mark says nothing");
}

#[test]
fn deep_nesting_is_cut_short() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let nested = format!("a = {}{}", open.repeat(100_000), close.repeat(100_000));
        let error = check(nested.as_bytes()).unwrap_err();
        assert!(error.contains("cannot recurse further"), "{error:.200}");
    }
    let dotted = format!("a{} = 1", ".a".repeat(100_000));
    assert!(check(dotted.as_bytes()).unwrap_err().contains("recursion limit"));
    let header = format!("[a{}]", ".a".repeat(100_000));
    assert!(check(header.as_bytes()).is_err());
}

#[test]
fn numbers_that_overflow_are_no_numbers() {
    for quota in [
        "99999999999999999999/minute",
        "1/99999999999999999999 minutes",
        "1e9/minute",
        "-1/minute",
        "1/year burst 18446744073709551615",
    ] {
        let text = format!("[limits.a]\nquota = '{quota}'");
        assert!(check(text.as_bytes()).unwrap_err().starts_with("p.toml:2:"), "{quota}");
    }
    for field in [
        "[store]\nmax_keys",
        "[gateway]\nthreads",
        "[identity]\nipv6_prefix",
        "[[route]]\npath = '/'\nweight",
    ] {
        for number in ["9223372036854775807", "-9223372036854775808", "1e400", "0x7fffffffffffffff"] {
            let text = format!("{field} = {number}");
            let fine = text.contains("weight") && !number.starts_with(['-', '1']);
            assert_eq!(check(text.as_bytes()).is_ok(), fine, "{text}");
        }
    }
}

#[test]
fn numbers_of_things_are_bounded() {
    let tiers: String = (0..33).map(|n| format!("[tiers.t{n}]\n")).collect();
    assert!(check(tiers.as_bytes()).unwrap_err().contains("more than 32 tiers"));

    let entries = |number: usize| "'1/s',".repeat(number);
    let routes: String =
        (0..5).map(|n| format!("[[route]]\npath = '/{n}'\nlimits = [{}]\n", entries(2_500))).collect();
    let error = check(routes.as_bytes()).unwrap_err();
    assert!(error.contains("more than 64 limits of this route"), "{error}");
    assert!(error.contains("more than 10000 limits"), "{error}");
}

#[test]
fn many_routes_are_read_and_told_apart() {
    let text: String = (0..5_000)
        .map(|n| format!("[[route]]\npath='/a{n}/{{m}}/b'\nlimits=['1/s']\nmethods=['GET']\n"))
        .collect();
    assert_eq!(check(text.as_bytes()).unwrap().routes.as_slice().len(), 5_001);
}

/// A policy that uses nearly everything.
const VALID: &str = r#"
"$schema" = "https://example.org/schema.json"
[gateway]
listen = "0.0.0.0:8080"
upstream = "http://127.0.0.1:8000"
trusted_proxies = ["10.0.0.0/8"]
max_body = "1MiB"
idle_timeout = "1m30s"
[store]
max_keys = 1_000
[identity]
api_keys = "keys.toml"
tier = "header:x-user-tier"
default_tier = "free"
[tiers.free]
[tiers.premium]
scale = 5
limits = { gpu = "128 concurrent" }
[warmup]
scale = 0.2
ready = "/health"
ramp = "30s"
[defaults]
key = ["client_ip", "method"]
limits = ["1000/hour"]
[limits.gpu]
quota = "64 concurrent"
key = "global"
[[route]]
path = "/models/{model}/predict"
methods = ["POST"]
tier = "premium"
meter = [{ items = "/inputs" }, "bytes"]
weight = 4
limits = ["gpu", "100/minute; 5000 per day", { name = "batch", quota = "1000 items/minute burst 50", key = ["api_key", "path:model", "body:/user"], mode = "shadow" }]
[responses]
headers = ["ietf", "github"]
"#;

#[test]
fn the_policy_that_is_mutated_is_valid() {
    check(VALID.as_bytes()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_make_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = check(&bytes);
    }

    #[test]
    fn no_mutation_of_a_policy_makes_a_panic(
        mutations in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..6)
    ) {
        let mut bytes = VALID.as_bytes().to_vec();
        for (at, kind, byte) in mutations {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.remove(at); }
                _ => bytes[at] = b"0159-.{}[]\"'/\\;=%,\n"[usize::from(byte) % 19],
            }
        }
        if let Err(error) = check(&bytes) {
            prop_assert!(error.starts_with("p.toml"), "an error without a place: {error}");
        }
    }

    #[test]
    fn no_words_in_the_place_of_others_make_a_panic(word in "[ -~]{0,24}", which in any::<prop::sample::Index>()) {
        let strings: Vec<_> = VALID.split('"').collect();
        let odd: Vec<_> = (1..strings.len()).step_by(2).collect();
        let replaced = odd[which.index(odd.len())];
        let word = toml::Value::String(word).to_string();
        let word = word.get(1..word.len() - 1).unwrap_or_default();
        let text: Vec<_> = strings.iter().enumerate().map(|(n, it)| if n == replaced { word } else { it }).collect();
        let _ = check(text.join("\"").as_bytes());
    }

    #[test]
    fn no_variable_makes_a_panic(name in "[A-Z_]{0,20}", value in "[ -~]{0,20}", which in 0..4_usize) {
        let prefix = ["", "GATEWAY__", "LIMITS__GPU__", "TIERS__PREMIUM__"][which];
        let variables = [(format!("SLUICEGATE_{prefix}{name}"), value)];
        let source = Source::new("p.toml", VALID.as_bytes()).unwrap();
        let _ = Policy::parse(&source.with(Overrides::default().variables(variables)));
    }
}
