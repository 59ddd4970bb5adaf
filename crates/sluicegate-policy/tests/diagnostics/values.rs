//! Values that cannot be meant.

use crate::{check, said};

#[test]
fn values_that_make_no_sense_are_told_what_would() {
    let scale = "help: give a number above 0 and at most 1, such as 0.2";
    for written in ["0", "0.0", "-1", "1.1", "nan", "inf", "-inf", "1e300", "9223372036854775807"] {
        let said = check(&format!("[warmup]\nready = '/health'\nscale = {written}"));
        assert!(said.starts_with("p.toml:3:9: a warm-up cannot scale limits by "), "{said}");
        assert!(said.ends_with(scale), "{said}");
    }
    said(&[
        ("[warmup]\nscale = 0.5", "p.toml:1:1: missing field `ready`"),
        (
            "[gateway]\nmax_connections_per_ip = 0",
            "p.toml:2:26: `max_connections_per_ip` cannot be 0\n  help: give a number of at least 1, or leave it out",
        ),
        ("[gateway.tls]\ncertificate = 'a.pem'", "p.toml:1:1: missing field `key`"),
        (
            "[gateway.tls]\ncertificate = 'a.pem'\nkey = ''",
            "p.toml:3:7: no file\n  help: write it as \"gateway.key\", or leave [gateway.tls] out",
        ),
        (
            "[warmup]\nready = '/health'\nramp = '30'",
            "p.toml:3:8: not a duration\n  \
             help: write whole numbers with ms, s, m, h or d, as in \"30s\" or \"1h30m\"",
        ),
        (
            "[tiers.a]\nscale = 0",
            "p.toml:2:9: a tier cannot scale limits by 0\n  \
             help: give a number above 0 and at most 1000000, such as 5",
        ),
        (
            "[gateway]\nlisten = ':8080'",
            "p.toml:2:10: `:8080` is not an address and a port\n  \
             help: write it as \"0.0.0.0:8080\", \"127.0.0.1:8080\" or \"[::]:8080\"",
        ),
        (
            "[gateway]\nupstream = 'ftp://model'",
            "p.toml:2:12: an upstream speaks http, https or h2c\n  \
             help: write it as \"http://127.0.0.1:8000\"",
        ),
        (
            "[gateway]\nlisten = '127.0.0.1:80'\nadmin = '127.0.0.1:80'",
            "p.toml:3:9: `admin` is the address of `listen`, where everybody can reach it\n  \
             help: give it a port of its own, such as \"127.0.0.1:9090\"",
        ),
        (
            "[gateway]\ntrusted_proxies = ['10.0.0.0/8', '10.0.0.0/33']",
            "p.toml:2:34: `10.0.0.0/33` is neither a network nor an address\n  \
             help: write it as \"10.0.0.0/8\", \"192.0.2.1\", \"fd00::/8\", or \"unix\" for peers on a Unix socket",
        ),
        (
            "[gateway]\nadmin_token = 'hunter2'",
            "p.toml:2:15: a token of 7 characters can be guessed\n  \
             help: give at least 16 letters and digits, such as what `openssl rand -hex 16` prints",
        ),
        (
            "[gateway]\nadmin_token = ''",
            "p.toml:2:15: a token of 0 characters can be guessed\n  \
             help: give at least 16 letters and digits, such as what `openssl rand -hex 16` prints",
        ),
        (
            "[gateway]\nadmin_token = 'sixteen bytes at'",
            "p.toml:2:15: a header cannot carry this token\n  \
             help: give at least 16 letters and digits, such as what `openssl rand -hex 16` prints",
        ),
        (
            "[gateway]\nmax_head = '2MiB'\nmax_headers = 0\nhttp2_max_resets = 0",
            "p.toml:2:12: `max_head` cannot be 2097152 bytes\n  help: give a size from \"1KiB\" to \"1MiB\"\n\
             p.toml:3:15: `max_headers` cannot be 0\n  help: give a number from 1 to 1000\n\
             p.toml:4:20: `http2_max_resets` cannot be 0\n  help: give a number from 1 to 1000000",
        ),
        (
            "[gateway]\nmax_response_head = '4KiB'\nmax_response_headers = 99",
            "p.toml:2:21: `max_response_head` cannot be 4096 bytes\n  help: give a size from \"8KiB\" to \"1MiB\"\n\
             p.toml:3:24: `max_response_headers` cannot be 99\n  help: give a number from 100 to 10000",
        ),
        (
            "[gateway]\nproxy_protocol = true\ntrusted_proxies = []",
            "p.toml:2:18: `proxy_protocol` without `trusted_proxies` closes every connection\n  \
             help: name the proxies that send it, as in trusted_proxies = [\"10.0.0.0/8\"]",
        ),
        (
            "[gateway]\nproxy_protocol = true\ntrusted_proxies = ['unix', '0.0.0.0']",
            "p.toml:2:18: `proxy_protocol` without `trusted_proxies` closes every connection\n  \
             help: name the proxies that send it, as in trusted_proxies = [\"10.0.0.0/8\"]",
        ),
        (
            "[gateway]\nmax_body = '2GiB'\nthreads = 0\nidle_timeout = '0'",
            "p.toml:2:12: `max_body` cannot be 2147483648 bytes\n  help: give a size from 1 byte to \"1GiB\"\n\
             p.toml:3:11: `threads` cannot be 0\n  \
             help: give a number from 1 to 1024, or leave it out for one per core\n\
             p.toml:4:16: a timeout of no time lets nothing through\n  help: give at least \"1ms\"",
        ),
        (
            "[store]\nurl = 'reddis://localhost'\nmax_keys = 0",
            "p.toml:2:7: unknown store `reddis://`\n  help: did you mean `redis://`?\n\
             p.toml:3:12: `max_keys` cannot be 0\n  help: give a number from 1 to 1000000000",
        ),
        (
            "[identity]\ntier = 'x-user-tier'\nfailures = '3/minute'\nipv6_prefix = 129",
            "p.toml:2:8: the callers' tier, but there are no tiers\n  \
             help: add [tiers.NAME] for each, or leave `tier` out\n\
             p.toml:2:8: `x-user-tier` does not name the place of the tier\n  help: write it as \"header:x-user-tier\"\n\
             p.toml:3:12: a limit on unknown API keys, but there are no API keys\n  \
             help: add `api_keys`, or leave `failures` out\n\
             p.toml:4:15: `ipv6_prefix` cannot be 129\n  help: give a number of bits from 32 to 128, such as 64",
        ),
        (
            "[[route]]\npath = '/a'\nweight = 0\nmeter = ['bytes', 'bytes', 'openapi', { items = 'n' }]",
            "p.toml:3:10: a weight cannot be 0\n  help: give a whole number of requests, at least 1\n\
             p.toml:4:19: this meter appears twice\n\
             p.toml:4:28: unknown meter `openapi`\n  help: did you mean `openai`?\n\
             p.toml:4:49: `n` is not a JSON pointer: a JSON pointer begins with `/`\n  help: write it as \"/inputs\"",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = [{ items = 'kserve', max = 0 }, 'kserve']",
            "p.toml:3:36: the most items cannot be 0\n  help: give a whole number of items, at least 1\n\
             p.toml:3:41: this meter appears twice",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = [{ items = 'kserve', input = 'x', dimension = -1 }]\n\
             [[route]]\npath = '/b'\nmeter = { items = '/n', input = 'x', dimension = 1 }",
            "p.toml:3:55: a shape has no dimension -1\n  help: give a whole number; the first dimension is 0\n\
             p.toml:6:33: `input` is for meters whose items are \"kserve\"\n  help: remove `input`, or write: items = \"kserve\"\n\
             p.toml:6:50: `dimension` is for meters whose items are \"kserve\"\n  help: remove `dimension`, or write: items = \"kserve\"",
        ),
    ]);
}

#[cfg(not(feature = "tokenizers"))]
#[test]
fn a_tokenizer_that_this_build_cannot_read_is_refused() {
    said(&[(
        "[[route]]\npath = '/a'\nmeter = { tokens = 'openai', tokenizer = 'a.json' }",
        "p.toml:3:42: this build cannot read tokenizers\n  \
         help: build the gateway with them: cargo build --release -p sluicegate-gateway --features tokenizers",
    )]);
}

#[test]
fn what_is_wrong_with_limits_and_meters_of_tokens_is_told() {
    said(&[
        (
            "[[route]]\npath = '/a'\nlimits = ['100 tokens/minute']",
            "p.toml:3:11: the route has no meter of tokens\n  help: add to the route: meter = \"openai\"",
        ),
        (
            "[[route]]\npath = '/a'\nlimits = [{ quota = '9/minute', reserve = 'off', max_debt = 1 }]",
            "p.toml:3:43: `reserve` is for limits of tokens, and this one counts requests\n  help: remove `reserve`\n\
             p.toml:3:61: `max_debt` is for limits of tokens, and this one counts requests\n  help: remove `max_debt`",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = 'openai'\n\
             limits = [{ quota = '9 tokens/minute', debt = 'forgive', max_debt = 1 }]",
            "p.toml:4:69: there is no debt where it is forgiven\n  \
             help: remove `max_debt`, or let the caller carry the debt",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = [{ tokens = 'openia', default_output = 0 }, { max = 3 }]",
            "p.toml:3:21: unknown interface `openia`\n  help: did you mean `openai`?\n\
             p.toml:3:48: a request cannot reserve 0 tokens\n  help: give a whole number of tokens, at least 1\n\
             p.toml:3:53: this meter counts nothing\n  help: the meters are \"bytes\", \"kserve\", \
             the name of a server's interface such as \"openai\", and { items = \"/inputs\" }\n\
             p.toml:3:61: nothing counts the items of a request\n  help: add: items = \"/inputs\"",
        ),
        (
            "[[route]]\npath = '/a'\n\
             meter = { tokens = 'openai', default_output = 0, weights = { cached = 1, output = -1 } }",
            "p.toml:3:47: a request cannot reserve 0 tokens\n  help: give a whole number of tokens, at least 1\n\
             p.toml:3:62: unknown class of tokens `cached`\n  help: did you mean `cached_input`?\n\
             p.toml:3:83: a weight cannot be -1\n  help: give a number from 0 to 1000000, such as 0.1",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = { tokens = 'gemini', count = 'upstream' }",
            "p.toml:3:38: servers of the interface gemini do not count tokens beforehand\n  \
             help: leave `count` out; it is for openai, anthropic, llama.cpp",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = { tokens = 'openai', count = 'exact', count_timeout = '0' }",
            "p.toml:3:38: `exact` is no way to count tokens\n  \
             help: write \"upstream\", or the path of its endpoint, such as \"/tokenize\"\n\
             p.toml:3:63: a timeout of no time lets nothing through\n  help: give at least \"1ms\"",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = [{ items = '/n', count = '/b c' }, { tokens = 'openai', count_timeout = '1s' }]",
            "p.toml:3:34: nothing counts the tokens of a request\n  help: add: tokens = \"openai\"\n\
             p.toml:3:81: the upstream counts no tokens of this route\n  help: add: count = \"upstream\"",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = [{ tokens = 'openai', refund = ['6xx', '4xx', '4', 200, '5XX', '-1'] }, { items = '/n', refund = [] }]",
            "p.toml:3:41: `6xx` is no status of a failed answer\n  help: write it as \"4xx\", \"5xx\" or \"429\"\n\
             p.toml:3:55: `4` is no status of a failed answer\n  help: write it as \"4xx\", \"5xx\" or \"429\"\n\
             p.toml:3:60: `200` is no status of a failed answer\n  help: write it as \"4xx\", \"5xx\" or \"429\"\n\
             p.toml:3:65: `5XX` is no status of a failed answer\n  help: write it as \"4xx\", \"5xx\" or \"429\"\n\
             p.toml:3:72: `-1` is no status of a failed answer\n  help: write it as \"4xx\", \"5xx\" or \"429\"\n\
             p.toml:3:106: nothing counts the tokens of a request\n  help: add: tokens = \"openai\"",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = { tokens = 'openai', refund = [true] }",
            "p.toml:3:40: an entry of `route.meter.refund` must be a status such as \"5xx\" or 429, not true",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = { tokens = 'openai', count = 'upstream', tokenizer = 'a.json' }",
            "p.toml:3:62: the upstream counts the tokens already\n  help: leave out `tokenizer` or `count`",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = { tokens = 'json', prompt = '/p', tokenizer = 'a.json' }",
            "p.toml:3:55: a tokenizer counts the texts in requests of a known interface\n  \
             help: leave `tokenizer` out, or name the interface of the server",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = { items = '/n', tokenizer = '' }",
            "p.toml:3:37: nothing counts the tokens of a request\n  help: add: tokens = \"openai\"",
        ),
        (
            "[responses]\nretry_after_max = '1500ms'",
            "p.toml:2:19: `Retry-After` is in whole seconds\n  help: write it as \"60s\"",
        ),
    ]);
}

#[test]
fn what_is_wrong_with_pointers_to_tokens_is_told() {
    let table = |fields: &str| format!("[[route]]\npath = '/a'\nmeter = {{ tokens = 'json', {fields} }}");
    let cases = [
        (
            "[[route]]\npath = '/a'\nmeter = 'json'".to_owned(),
            "p.toml:3:9: this meter needs pointers to the tokens\n  help: write it as \
             { tokens = \"json\", prompt = \"/prompt\", usage = { output = \"/usage/output\" } }",
        ),
        (
            "[[route]]\npath = '/a'\nmeter = { tokens = 'openai', prompt = '/p', usage = { input = '/i' }, summed = ['input'] }"
                .to_owned(),
            "p.toml:3:39: `prompt` is for meters whose tokens are \"json\"\n  help: remove `prompt`, or write: tokens = \"json\"\n\
             p.toml:3:55: `usage` is for meters whose tokens are \"json\"\n  help: remove `usage`, or write: tokens = \"json\"\n\
             p.toml:3:81: `summed` is for meters whose tokens are \"json\"\n  help: remove `summed`, or write: tokens = \"json\"",
        ),
        (
            table("max_output = '/m'"),
            "p.toml:3:20: nothing says where the prompt of a request is\n  help: add: prompt = \"/prompt\"\n\
             p.toml:3:41: nothing counts the output of an answer\n  \
             help: add: usage = { output = \"/usage/output\" }, or text = \"/text\"",
        ),
        (
            table("prompt = ['p', '/a~2'], text = '', usage = { input = '/i', outptu = '/o' }"),
            "p.toml:3:38: `p` is not a JSON pointer: a JSON pointer begins with `/`\n  help: write it as \"/usage/output\"\n\
             p.toml:3:43: `/a~2` is not a JSON pointer: in a JSON pointer `~` is written `~0`, and a `/` inside a name `~1`\n  \
             help: write it as \"/usage/output\"\n\
             p.toml:3:59: an empty pointer is the whole answer\n  help: point to a member of it, as in \"/usage/output\"\n\
             p.toml:3:87: unknown class of tokens `outptu`\n  help: did you mean `output`?",
        ),
        (
            table("prompt = ['/p', '/p'], model = '/p/m', text = '/u/t', usage = { input = '/u' }"),
            "p.toml:3:44: `/p` appears twice\n  help: each value can count once\n\
             p.toml:3:59: one of `/p/m` and `/p` is inside the other\n  help: each value can count once\n\
             p.toml:3:100: one of `/u` and `/u/t` is inside the other\n  help: each value can count once",
        ),
        (
            table("prompt = '/p', count = 'upstream'"),
            "p.toml:3:51: servers of the interface json do not count tokens beforehand\n  \
             help: leave `count` out; it is for openai, anthropic, llama.cpp",
        ),
        (
            table("prompt = '/p', usage = { output = '/o' }, beside = ['output', 'reasoning'], summed = ['outputs']"),
            "p.toml:3:80: unknown class of tokens `output`\n  help: the classes here are cached_input, cache_write, \
             audio_input, image_input, reasoning, audio_output, image_output\n\
             p.toml:3:90: nothing points to `reasoning`\n  help: add: usage = { reasoning = \"/usage/reasoning\" }\n\
             p.toml:3:114: unknown class of tokens `outputs`\n  help: did you mean `output`?",
        ),
    ];
    for (text, expected) in &cases {
        said(&[(text.as_str(), expected)]);
    }
}
