//! Calls of programs that are wrong: each is told what was wrong with it, and nothing is charged.

use serde_json::{Value, json};

use crate::support::{Program, program::deciding};

#[tokio::test]
async fn each_mistake_in_a_call_is_told_with_its_place() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    for (path, call, detail) in [
        ("/take", "", "EOF while parsing a value at line 1 column 0"),
        ("/take", "{", "EOF while parsing an object at line 1 column 1"),
        ("/take", "[]", "invalid length 0, expected struct"),
        ("/take", "{}", "missing field `method` at line 1 column 2"),
        ("/take", r#"{"method":"GET"}"#, "missing field `path`"),
        (
            "/take",
            r#"{"method":"GET","path":"/a","paht":"/"}"#,
            "unknown field `paht`, expected one of `method`",
        ),
        ("/take", r#"{"method":"GET","path":"/a","path":"/b"}"#, "duplicate field `path`"),
        ("/take", r#"{"method":"GET","path":"/a"} x"#, "trailing characters at line 1 column 30"),
        ("/take", r#"{"method":"G T","path":"/a"}"#, "`G T` is not a method of HTTP"),
        ("/take", r#"{"method":"","path":"/a"}"#, "`` is not a method of HTTP"),
        ("/take", r#"{"method":"CONNECT","path":"/a"}"#, "`method` is CONNECT"),
        ("/take", r#"{"method":"GET","path":"a"}"#, "`path` begins with `/`"),
        ("/take", r#"{"method":"GET","path":"http://h/a"}"#, "`path` begins with `/`"),
        ("/take", r#"{"method":"GET","path":"/a b"}"#, "`/a b` is not a path"),
        ("/take", r#"{"method":"GET","path":"/a\u0000"}"#, "is not a path"),
        ("/take", r#"{"method":"GET","path":"/a","client_ip":"localhost"}"#, "invalid IP address syntax"),
        ("/take", r#"{"method":"GET","path":"/a","client_ip":"192.0.2.1:80"}"#, "invalid IP address syntax"),
        ("/take", r#"{"method":"GET","path":"/a","headers":[]}"#, "expected an object of headers"),
        ("/take", r#"{"method":"GET","path":"/a","headers":{"a":1}}"#, "a text or a list of texts"),
        (
            "/take",
            r#"{"method":"GET","path":"/a","headers":{"a b":"c"}}"#,
            "`a b` is not the name of a header",
        ),
        (
            "/take",
            r#"{"method":"GET","path":"/a","headers":{"a":"b\r\nc: d"}}"#,
            "the value of the header `a`",
        ),
        ("/take", r#"{"method":"GET","path":"/a","cost":-1}"#, "`-1`, expected a whole number from 0 to"),
        ("/take", r#"{"method":"GET","path":"/a","cost":1.5}"#, "`1.5`, expected a whole number from 0 to"),
        ("/take", r#"{"method":"GET","path":"/a","cost":1e300}"#, "expected a whole number from 0 to"),
        (
            "/take",
            r#"{"method":"GET","path":"/a","cost":9007199254740992}"#,
            "expected a whole number from 0 to",
        ),
        ("/take", r#"{"method":"GET","path":"/a","cost":"1"}"#, "expected a whole number from 0 to"),
        ("/take", r#"{"method":"GET","path":"/a","lease":0}"#, "`lease` is 0"),
        ("/take", r#"{"method":"GET","path":"/a","lease":-1}"#, "`lease` is -1"),
        ("/take", r#"{"method":"GET","path":"/a","lease":86401}"#, "from 0.001 to 86400"),
        ("/take", r#"{"method":"GET","path":"/a","lease":"60s"}"#, "expected f64"),
        ("/take", r#"{"method":"GET","path":"/a","body":{"a":}}"#, "expected value at line 1 column 41"),
        ("/peek", r#"{"method":"GET","path":"a"}"#, "`path` begins with `/`"),
        ("/settle", "{}", "missing field `permit`"),
        ("/settle", r#"{"permit":"a"}"#, "`permit` is not one"),
        ("/settle", r#"{"permit":"+1234567-00000000000000000000000000000000"}"#, "`permit` is not one"),
        ("/settle", r#"{"permit":"a","cost":1,"usage":{}}"#, "`usage` or `cost`, and not both"),
        (
            "/settle",
            r#"{"permit":"a","usage":{"slots":1}}"#,
            "unknown field `slots`, expected one of `requests`",
        ),
        ("/settle", r#"{"permit":"a","usage":{"items":-1}}"#, "expected a whole number from 0 to"),
        ("/settle", r#"{"permit":"a","usage":{"tokens":1,"input_tokens":1}}"#, "and not both"),
        ("/release", r#"{"permit":"a","usage":{}}"#, "unknown field `usage`, expected `permit`"),
    ] {
        let (status, problem) = program.call(path, call.as_bytes()).await;
        assert_eq!(status, 400, "{call}: {problem}");
        let told = problem["detail"].as_str().expect("a text");
        assert!(told.contains(detail), "{call}: {told}");
    }
    untouched(&mut program).await;
}

#[tokio::test]
async fn permits_that_are_not_held_here_are_not_found() {
    let (gateway, other) = (deciding(POLICY), deciding(POLICY));
    let (mut here, mut there) = (Program::of(&gateway).await, Program::of(&other).await);
    let permit = there.ask("/take", &request()).await["permit"].clone();
    let call = json!({"permit": permit}).to_string();
    let (status, problem) = here.call("/settle", call.as_bytes()).await;
    let number = &permit.as_str().expect("a text")[..8];
    assert_eq!(status, 404);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(number)), "{problem}");
    there.ask("/settle", &json!({"permit": permit})).await;
    let unknown = format!("{number}-{:032x}", 7);
    let (status, problem) = there.call("/release", json!({"permit": unknown}).to_string().as_bytes()).await;
    assert_eq!(status, 404);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("no such permit")), "{problem}");
}

#[tokio::test]
async fn other_methods_and_media_types_are_refused() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    for path in ["/take", "/peek", "/settle", "/release"] {
        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            let answer = program.send(method, path, "", b"").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("post")), "{method} {path}");
        }
    }
    let document = program.send("GET", "/openapi.json", "", b"").await;
    assert_eq!((document.status, document.header("content-type")), (200, Some("application/json")));
    let answer = program.send("POST", "/openapi.json", "", b"").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("get")));
    let call = request().to_string();
    for (headers, status) in [
        ("", 415),
        ("content-type: text/plain\r\n", 415),
        ("content-type: application/x-www-form-urlencoded\r\n", 415),
        ("content-type: application/json\r\ncontent-encoding: gzip\r\n", 415),
        ("content-type: Application/JSON; charset=utf-8\r\n", 200),
    ] {
        // A body that was not read ends its connection.
        let mut program = Program::of(&gateway).await;
        let answer = program.send("POST", "/peek", headers, call.as_bytes()).await;
        assert_eq!(answer.status, status, "{headers}");
    }
    untouched(&mut program).await;
}

#[tokio::test]
async fn a_call_that_is_too_large_is_refused() {
    let gateway = deciding(&format!("max_body = \"1KiB\"\nmax_head = \"1KiB\"\nmax_headers = 3\n{POLICY}"));
    let mut program = Program::of(&gateway).await;
    let padded = |length: usize| {
        let mut call = request();
        call["body"]["noise"] = "x".repeat(length).into();
        call.to_string()
    };
    // The body of the request is too large for the gateway as well.
    let (status, answer) = program.call("/take", padded(1100).as_bytes()).await;
    assert_eq!((status, &answer["status"]), (200, &json!(413)));
    let (status, problem) = program.call("/take", padded(2048).as_bytes()).await;
    assert_eq!(status, 413);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("2048 bytes")), "{problem}");
    let mut program = Program::of(&gateway).await;
    let mut call = request();
    call["headers"] = json!({"a": ["1", "2", "3"], "b": "4"});
    let (status, problem) = program.call("/take", call.to_string().as_bytes()).await;
    assert_eq!(status, 400);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("max_headers")), "{problem}");
    untouched(&mut program).await;
}

#[tokio::test]
async fn no_bytes_make_an_error_of_the_server() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    let call = json!({
        "method": "POST", "path": "/predict", "client_ip": "192.0.2.1", "lease": 1.5, "cost": 0,
        "headers": {"x-a": "b", "cookie": ["a=b", "c=d"]}, "body": {"inputs": [1, null, "é"]},
    })
    .to_string();
    for path in ["/take", "/peek", "/settle", "/release"] {
        for end in 0..call.len() {
            let (status, answer) = program.call(path, &call.as_bytes()[..end]).await;
            assert_eq!(status, 400, "{answer}");
        }
    }
    for place in 0..call.len() {
        for byte in [b'"', b'{', b'}', b',', b'0', b'-', b'\\', 0, 0x80, 0xFF] {
            let mut call = call.clone().into_bytes();
            call[place] = byte;
            let (status, answer) = program.call("/peek", &call).await;
            assert!(status == 200 || status == 400, "{status} {answer} {}", String::from_utf8_lossy(&call));
        }
    }
    let deep = format!("{{\"method\":\"POST\",\"path\":\"/predict\",\"body\":{}", "[".repeat(100_000));
    assert_eq!(program.call("/take", deep.as_bytes()).await.0, 400);
    untouched(&mut program).await;
}

#[tokio::test]
async fn a_described_body_is_read_as_it_is_written() {
    let gateway = deciding(POLICY);
    let mut program = Program::of(&gateway).await;
    // It came compressed and in chunks, and the program has it as it is.
    let call = br#"{"method":"POST","path":"/bytes","headers":{"content-encoding":"gzip","transfer-encoding":"chunked"},"body": {"a" : 1.50} }"#;
    let (status, answer) = program.call("/take", call).await;
    assert_eq!((status, &answer["limits"][0]["cost"]), (200, &json!(r#"{"a" : 1.50}"#.len())), "{answer}");
    let call = br#"{"method":"POST","path":"/predict","body":null}"#;
    assert_eq!(program.call("/take", call).await.1["status"], 400);
}

fn request() -> Value {
    json!({"method": "POST", "path": "/predict", "client_ip": "192.0.2.1", "body": {"inputs": [1]}})
}

/// Checks that nothing was charged.
async fn untouched(program: &mut Program) {
    let peeked = program.ask("/peek", &request()).await;
    assert_eq!(peeked["limits"][0]["remaining"], 9, "{peeked}");
}

const POLICY: &str = r#"
    [decisions]
    listen = "127.0.0.1:0"

    [[route]]
    path = "/predict"
    meter = { items = "/inputs" }
    limits = [{ name = "items", quota = "10 items/day", algorithm = "fixed-window" }]

    [[route]]
    path = "/bytes"
    meter = "bytes"
    limits = [{ name = "bytes", quota = "1000 bytes/day" }]
"#;
