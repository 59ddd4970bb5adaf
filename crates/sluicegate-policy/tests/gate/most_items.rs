//! The most items of one request.

use crate::site::{Ask, Site};

#[test]
fn a_request_of_more_items_than_the_route_takes_is_413_and_charges_nothing() {
    let site = site("meter = { items = \"/inputs\", max = 4 }");
    let reply = site.send(&Ask::post("/").batch(5));
    assert_eq!(reply.status(), 413);
    let detail = "The request has 5 items, and at most 4 are taken at once: send fewer in each request";
    assert_eq!(reply.detail(), detail);
    assert_eq!(reply.body()["error"]["code"], "too_many_items");
    assert_eq!(reply.body()["error"]["type"], "invalid_request_error");
    assert!(reply.header("retry-after").is_none());
    assert_eq!(site.send(&Ask::post("/").batch(4)).remaining(), 6, "something was charged");
    assert_eq!(site.send(&Ask::get("/")).status(), 200);
}

#[test]
fn the_most_stands_before_a_limit_that_is_spent() {
    let site = site("meter = { items = \"/inputs\", max = 10 }");
    site.pass(1, &Ask::post("/").batch(10));
    assert_eq!(site.send(&Ask::post("/").batch(1)).status(), 429);
    assert_eq!(site.send(&Ask::post("/").batch(11)).status(), 413, "no wait makes it pass");
}

#[test]
fn the_batch_of_kserves_protocol_is_the_first_dimension_of_its_first_input() {
    for meter in
        ["\"kserve\"", "{ items = \"kserve\", max = 4 }", "[{ items = \"kserve\", max = 4 }, \"bytes\"]"]
    {
        let site = site(&format!("meter = {meter}"));
        let ask = |shape: &str| {
            let inputs =
                format!(r#"{{"inputs":[{{"name":"x","shape":{shape},"data":[]}},{{"shape":[9]}}]}}"#);
            Ask::post("/").body(inputs)
        };
        assert_eq!(site.send(&ask("[3, 224, 224]")).remaining(), 7, "{meter}");
        let large = if meter == "\"kserve\"" { 200 } else { 413 };
        assert_eq!(site.send(&ask("[5]")).status(), large, "{meter}");
        for none in ["[]", "[-1, 3]", "[\"a\"]", "3"] {
            assert_eq!(site.send(&ask(none)).status(), 400, "{meter} {none}");
        }
    }
}

#[test]
fn the_batch_of_kserves_protocol_is_the_dimension_and_the_input_that_the_policy_names() {
    let first = r#"{"name":"ids","shape":[3,5],"data":[{"name":"ids","shape":[9]}]}"#;
    let second = r#"{"datatype":"INT32","shape":[7,1],"name":"m\u0061sk"}"#;
    let body =
        format!(r#"{{"id":"1","inputs":[{first},{second}],"outputs":[{{"name":"ids","shape":[9]}}]}}"#);
    let turned = format!(r#"{{"inputs":[{second},{first}]}}"#);
    for (meter, of_body, of_turned) in [
        ("{ items = \"kserve\", dimension = 1 }", 5, 1),
        ("{ items = \"kserve\", dimension = 0 }", 3, 7),
        ("{ items = \"kserve\", input = \"ids\" }", 3, 3),
        ("{ items = \"kserve\", input = \"ids\", dimension = 1 }", 5, 5),
        ("[{ items = \"kserve\", input = \"mask\", max = 7 }, \"bytes\"]", 7, 7),
    ] {
        for (body, items) in [(&body, of_body), (&turned, of_turned)] {
            let whole = Ask::post("/").body(body.clone());
            let binary = Ask::post("/")
                .header("inference-header-content-length", &body.len().to_string())
                .body([body.as_bytes(), &[0xff; 40]].concat());
            for ask in [whole, binary] {
                assert_eq!(
                    site(&format!("meter = {meter}")).send(&ask).remaining(),
                    10 - items,
                    "{meter} of {body}"
                );
            }
        }
    }
}

#[test]
fn an_input_whose_batch_cannot_be_found_is_400_and_charges_nothing() {
    let site = site("meter = { items = \"kserve\", input = \"x\", dimension = 1, max = 4 }");
    let missing = "`/inputs/x/shape/1` is missing from the body";
    for (inputs, why) in [
        (r#"[{"name":"y","shape":[1,2]}]"#, missing),
        (r#"[{"name":"x","shape":[2]}]"#, missing),
        (r#"[{"name":"x"}]"#, missing),
        ("[]", missing),
        (r#"[{"name":"x","shape":[1,1]},{"shape":[1,9],"name":"x"}]"#, "`/inputs/x` is in the body twice"),
        (
            r#"[{"name":"x","shape":[1,-2]}]"#,
            "`/inputs/x/shape/1` must be an array or a whole number from 0 to 2^53; it is negative",
        ),
        (
            r#"[{"name":"x","shape":[1,2.5]}]"#,
            "`/inputs/x/shape/1` must be an array or a whole number from 0 to 2^53; it is a number with a point or an exponent, or too large",
        ),
    ] {
        let reply = site.send(&Ask::post("/").body(format!(r#"{{"inputs":{inputs}}}"#)));
        assert_eq!((reply.status(), reply.detail().as_str()), (400, why), "{inputs}");
    }
    for body in [
        r#"{"inputs":[{"name":"x","shape":[1,1],"shape":[1,9]}]}"#,
        r#"{"inputs":[{"name":"y","name":"x","shape":[1,1]}]}"#,
        r#"{"inputs":[],"inputs":[{"name":"x","shape":[1,1]}]}"#,
        r#"{"inputs":{"x":[1,1]}}"#,
        r#"{"inputs":[{"name":"x","shape":"[1,1]"}]}"#,
        r#"{"inputs":[{"name":"x","shape":[1,1]}]"#,
    ] {
        assert_eq!(site.send(&Ask::post("/").body(body)).status(), 400, "{body}");
    }
    assert_eq!(site.send(&Ask::post("/").body(r#"{"inputs":[{"name":"x","shape":[1,5]}]}"#)).status(), 413);
    let whole = Ask::post("/").body(r#"{"inputs":[{"name":"x","shape":[1,1]}]}"#);
    assert_eq!(site.send(&whole).remaining(), 9, "something was charged");
}

fn site(meter: &str) -> Site {
    Site::new(&format!("[[route]]\npath = \"/\"\n{meter}\nlimits = [\"10 items/minute\"]"))
}
