use proptest::prelude::*;

use super::*;

/// Any JSON, with the names that count.
fn json() -> impl Strategy<Value = String> {
    let names = [
        "messages",
        "content",
        "role",
        "text",
        "type",
        "source",
        "data",
        "image_url",
        "url",
        "prompt",
        "max_tokens",
        "n",
        "tools",
        "function",
        "parameters",
        "properties",
        "enum",
        "options",
        "num_predict",
        "detail",
        "input",
        "name",
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "[a-z ]{0,12}".prop_map(|text| format!("\"{text}\"")),
        Just("\"data:image/gif;base64,R0lGODlhAQABAAAA\"".to_owned()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6)
                .prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::vec((prop::sample::select(names.to_vec()), inner), 0..6).prop_map(|members| {
                let members: Vec<_> =
                    members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(body in json(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for dialect in Dialect::ALL {
            let _ = Estimate::read(dialect, body.as_bytes());
            let _ = Estimate::read(dialect, &bytes);
        }
    }

    #[test]
    fn more_text_is_never_cheaper(text in any::<String>(), more in any::<String>()) {
        let input = |texts: &[&String]| {
            let messages: Vec<_> = texts.iter().map(|text| serde_json::json!({ "role": "user", "content": text })).collect();
            let body = serde_json::json!({ "messages": messages }).to_string();
            read(&body).input
        };
        prop_assert!(input(&[&text, &more]) >= input(&[&text]));
        prop_assert!(input(&[&text]) <= text.len() as u64 + 10);
    }

    #[test]
    fn escapes_count_as_what_they_stand_for(text in any::<String>()) {
        let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let plain = serde_json::json!({ "prompt": text }).to_string();
        let escaped = format!("{{\"prompt\": \"{escaped}\"}}");
        prop_assert_eq!(read(&plain), read(&escaped));
    }
}

fn read(body: &str) -> Estimate {
    Estimate::read(Dialect::OpenAi, body.as_bytes()).unwrap()
}
