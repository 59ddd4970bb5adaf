//! The same route in a file and in a program: whatever it says, its requests are charged alike.

use proptest::prelude::*;
use sluicegate::{Charge, Quota};
use sluicegate_policy::{CodeMeter, CodeRoute, Hints, KeyTemplate, Mode};

use crate::site::{Ask, Reply, Site};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_route_in_code_charges_what_the_route_in_the_file_charges(route in any_route(), asks in any_asks()) {
        let file = Site::new(&format!("{TIERS}{}", route.in_a_file()));
        let bare = Site::new(TIERS);
        let policy = bare.gate.policy().with_route(route.in_code()).unwrap();
        let code = bare.gate.with_policy(policy);
        for (tier, user, items) in asks {
            let ask = Ask::post("/models/iris").header("x-tier", tier).header("x-user", user).batch(items);
            let parameters = [("model".to_owned(), "iris".to_owned())];
            let given = Hints { parameters: &parameters, ..Hints::default() };
            let (ours, theirs) = (told(ask.at(&code, Some(given))), told(file.send(&ask)));
            prop_assert_eq!(ours, theirs);
        }
    }
}

#[derive(Clone, Debug)]
struct Route {
    quotas: Vec<&'static str>,
    key: Vec<&'static str>,
    name: Option<&'static str>,
    weight: u64,
    shadow: bool,
    premium: bool,
}

impl Route {
    fn in_a_file(&self) -> String {
        let mode = if self.shadow { "shadow" } else { "enforce" };
        let limit = |(index, quota): (usize, &&str)| {
            let name = match (self.name, index) {
                (Some(name), 0) => format!("name = \"{name}\", "),
                (Some(name), index) => format!("name = \"{name}_{}\", ", index + 1),
                (None, _) => String::new(),
            };
            format!("{{ {name}quota = \"{quota}\", key = {:?}, mode = \"{mode}\" }}", self.key)
        };
        let limits: Vec<_> = self.quotas.iter().enumerate().map(limit).collect();
        format!(
            "[[route]]\npath = \"/models/{{model}}\"\nweight = {}\n{}{}limits = [{}]",
            self.weight,
            if self.is_metered() { "meter = { items = \"/inputs\" }\n" } else { "" },
            if self.premium { "tier = \"premium\"\n" } else { "" },
            limits.join(", ")
        )
    }

    fn in_code(&self) -> CodeRoute {
        let quotas: Vec<Quota> = self.quotas.iter().map(|quota| quota.parse().unwrap()).collect();
        let pointer = "/inputs".parse().unwrap();
        CodeRoute {
            names: Vec::from_iter(self.name.map(str::to_owned)),
            key: KeyTemplate::parse(self.key.iter().copied()).unwrap(),
            weight: self.weight,
            mode: if self.shadow { Mode::Shadow } else { Mode::Enforce },
            tier: self.premium.then(|| "premium".to_owned()),
            meter: if self.is_metered() { CodeMeter::Items(pointer) } else { CodeMeter::None },
            ..CodeRoute::new("/models/{model}", quotas)
        }
    }

    fn is_metered(&self) -> bool {
        self.quotas.iter().any(|quota| quota.contains("items"))
    }
}

fn any_route() -> impl Strategy<Value = Route> {
    let quotas = ["4/minute", "9/hour", "30 items/minute", "40 items/minute burst 9", "3 concurrent"];
    let key = prop_oneof![
        Just(vec!["client_ip"]),
        Just(vec!["global"]),
        Just(vec!["header:x-user", "path:model"]),
        Just(vec!["tier", "route", "path"]),
    ];
    let name = prop::option::of(Just("shared"));
    let quotas = prop::sample::subsequence(quotas.to_vec(), 1..=4);
    (quotas, key, name, 1..4_u64, any::<bool>(), any::<bool>()).prop_map(
        |(quotas, key, name, weight, shadow, premium)| Route { quotas, key, name, weight, shadow, premium },
    )
}

fn any_asks() -> impl Strategy<Value = Vec<(&'static str, &'static str, usize)>> {
    let tier = prop::sample::select(vec!["free", "premium", "nonsense"]);
    let user = prop::sample::select(vec!["ann", "bob"]);
    prop::collection::vec((tier, user, 0..12_usize), 1..12)
}

/// Status, charges, headers and what would have been denied.
fn told(reply: Reply) -> (u16, Vec<Charge>, Option<String>, Option<String>, usize) {
    let (status, ratelimit, after) = (reply.status(), reply.header("ratelimit"), reply.header("retry-after"));
    let (charges, shadow) = match reply {
        Reply::Passed(pass, _) => (pass.charges().to_vec(), pass.denied_in_shadow().len()),
        Reply::Rejected(..) => (Vec::new(), 0),
    };
    (status, charges, ratelimit, after, shadow)
}

const TIERS: &str = r#"
    [identity]
    tier         = "header:x-tier"
    default_tier = "free"
    [tiers.free]
    [tiers.premium]
    scale = 2.5
"#;
