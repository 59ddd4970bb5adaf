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

fn site(meter: &str) -> Site {
    Site::new(&format!("[[route]]\npath = \"/\"\n{meter}\nlimits = [\"10 items/minute\"]"))
}
