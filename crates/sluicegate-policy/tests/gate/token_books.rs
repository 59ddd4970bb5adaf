//! The books of many requests at once: at every moment an account has lost what requests hold and what others were charged,
//! and in the end exactly what all of them have used.

use std::task::{Context, Waker};

use http::{Response, response};
use proptest::prelude::*;
use serde_json::json;
use sluicegate::Charge;
use sluicegate_policy::{Ending, Extended, Pass, ResponseMeter, Settlement, TokenClass};

use crate::site::{Ask, Reply, Site, Store, now};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    /// A request arrives that names at most so many tokens, or none.
    Arrives { max_tokens: Option<u64>, streams: bool, content: usize },
    /// One of the open requests, by its place, makes so many tokens.
    Makes { place: usize, tokens: u64 },
    /// It ends in this way.
    Ends { place: usize, how: End },
}

#[derive(Clone, Copy, Debug)]
enum End {
    /// With its usage.
    Whole,
    /// Without a usage that anybody knows.
    Left,
    /// With a status that says that the model has not run.
    Refused,
    /// The upstream was never reached.
    Unserved,
}

/// A request that runs.
struct Open {
    pass: Pass<Store>,
    streams: bool,
    meter: Option<ResponseMeter>,
    made: u64,
}

/// The account as it has to be.
#[derive(Default)]
struct Books {
    open: Vec<Open>,
    charged: u64,
}

const QUOTA: u64 = 100_000;
const STEP: u64 = 50;

fn event() -> impl Strategy<Value = Event> {
    let end = prop_oneof![Just(End::Whole), Just(End::Left), Just(End::Refused), Just(End::Unserved)];
    prop_oneof![
        3 => (prop::option::of(0..2_000_u64), any::<bool>(), 0..400_usize)
            .prop_map(|(max_tokens, streams, content)| Event::Arrives { max_tokens, streams, content }),
        5 => (any::<usize>(), 1..120_u64).prop_map(|(place, tokens)| Event::Makes { place, tokens }),
        2 => (any::<usize>(), end).prop_map(|(place, how)| Event::Ends { place, how }),
    ]
}

impl Books {
    fn happens(&mut self, site: &Site, event: &Event) {
        match event {
            Event::Arrives { max_tokens, streams, content } => {
                let message = json!([{ "role": "user", "content": "word ".repeat(*content) }]);
                let body = json!({ "messages": message, "max_tokens": max_tokens, "stream": streams });
                if let Reply::Passed(pass, _) = site.send(&Ask::post("/").body(body.to_string())) {
                    self.open.push(Open { pass: *pass, streams: *streams, meter: None, made: 0 });
                }
            }
            Event::Makes { place, tokens } => {
                let Some(open) = pick(self.open.len(), *place).and_then(|at| self.open.get_mut(at)) else {
                    return;
                };
                if open.streams {
                    open.makes(site, *tokens);
                }
            }
            Event::Ends { place, how } => {
                if let Some(at) = pick(self.open.len(), *place) {
                    self.charged += self.open.swap_remove(at).ends(*how);
                }
            }
        }
    }

    /// Tokens that are taken: what open requests hold, and what others were charged.
    fn taken(&self) -> u64 {
        self.charged + self.open.iter().map(Open::holds).sum::<u64>()
    }
}

impl Open {
    fn makes(&mut self, site: &Site, tokens: u64) {
        let meter = self.meter.get_or_insert_with(|| meter(&self.pass, 200, "text/event-stream"));
        for _ in 0..tokens {
            meter.data(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n");
            while let Some(extension) = self.pass.extension(meter) {
                let extending = std::pin::pin!(site.gate.extend(extension));
                match extending.poll(&mut Context::from_waker(Waker::noop())) {
                    std::task::Poll::Ready(Extended::Taken(permit)) => {
                        self.pass.extended(*permit);
                        let (_, mut charges) = self.pass.last_extension().expect("it was extended just now");
                        assert_eq!(charges.next().map(|(_, charge)| charge.cost.units()), Some(STEP));
                    }
                    _ => break,
                }
            }
        }
        self.made += tokens;
    }

    fn holds(&self) -> u64 {
        let tokens = |charge: &Charge| if charge.quota.unit().is_tokens() { charge.cost.units() } else { 0 };
        let charges = |charges: &[Charge]| charges.iter().map(tokens).sum::<u64>();
        charges(self.pass.charges()) + self.pass.extended_charges().map(charges).sum::<u64>()
    }

    /// Ends, and returns the tokens that it was charged.
    fn ends(mut self, how: End) -> u64 {
        let reservation = self.pass.reservation().expect("the route meters tokens");
        let reserved = reservation.usage();
        let input = reserved.of(TokenClass::Input);
        let (ending, expected) = match how {
            End::Unserved => (Ending::Unserved, Some(0)),
            End::Refused => {
                let mut refused = meter(&self.pass, 503, "application/json");
                refused.data(b"{\"error\":\"busy\"}");
                refused.complete();
                self.meter = Some(refused);
                (Ending::Answered(self.meter.as_ref().expect("just made")), Some(0))
            }
            End::Whole => {
                let usage = json!({ "prompt_tokens": input + 3, "completion_tokens": self.made });
                let kind = if self.streams { "text/event-stream" } else { "application/json" };
                let pass = &self.pass;
                let answer = self.meter.get_or_insert_with(|| meter(pass, 200, kind));
                let body = json!({ "choices": [], "usage": usage });
                let text = if self.streams { format!("data: {body}\n\n") } else { body.to_string() };
                answer.data(text.as_bytes());
                answer.complete();
                (Ending::Answered(answer), Some(input + 3 + self.made))
            }
            End::Left => match &self.meter {
                Some(meter) => (Ending::Answered(meter), Some(input + self.made)),
                None if self.streams => (Ending::Unanswered, Some(input)),
                None => (Ending::Unanswered, None),
            },
        };
        let settlement = reservation.settlement(ending);
        match (settlement, expected) {
            (Settlement::Used(actual), Some(expected)) => {
                let told: Vec<_> = self.pass.settled_tokens(&actual).map(|(_, cost)| cost.units()).collect();
                assert_eq!(told, [expected]);
                now(self.pass.settle_tokens(&actual)).expect("memory answers");
                expected
            }
            (Settlement::Reserved, None) => self.holds(),
            (settlement, expected) => panic!("{settlement:?}, not {expected:?}"),
        }
    }
}

fn pick(length: usize, place: usize) -> Option<usize> {
    (length > 0).then(|| place % length)
}

fn meter(pass: &Pass<Store>, status: u16, kind: &str) -> ResponseMeter {
    let head = Response::builder().status(status).header("content-type", kind).body(()).expect("a head");
    let (head, ()): (response::Parts, ()) = head.into_parts();
    pass.reservation().expect("the route meters tokens").response_meter(&head)
}

fn site() -> Site {
    Site::new(&format!(
        "[[route]]\npath = \"/\"\nmeter = {{ tokens = \"openai\", default_output = {STEP} }}\n\
         limits = [{{ name = \"tpd\", quota = \"{QUOTA} tokens/day\", key = \"global\" }}]"
    ))
}

/// The tokens that the account has left; none if it is in debt.
fn remaining(site: &Site) -> u64 {
    let accounts = site.gate.accounts("global", None);
    now(site.gate.balances(&accounts)).expect("memory answers")[0].remaining
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_account_has_lost_what_is_held_and_what_was_charged(events in prop::collection::vec(event(), 1..120)) {
        let (site, mut books) = (site(), Books::default());
        for event in &events {
            books.happens(&site, event);
            prop_assert_eq!(remaining(&site), QUOTA.saturating_sub(books.taken()), "after {:?}", event);
        }
        while let Some(open) = books.open.pop() {
            books.charged += open.ends(End::Whole);
            prop_assert_eq!(remaining(&site), QUOTA.saturating_sub(books.taken()));
        }
        prop_assert_eq!(remaining(&site), QUOTA.saturating_sub(books.charged));
    }
}

#[test]
fn ten_thousand_requests_at_once_are_charged_to_the_token() {
    let site = Site::new(
        "[[route]]\npath = \"/\"\nmeter = { tokens = \"openai\", default_output = 50 }\n\
         limits = [{ name = \"tpd\", quota = \"100000000 tokens/day\", key = \"global\" }, \
         { name = \"slots\", quota = \"10000 concurrent\", key = \"global\" }]",
    );
    let mut books = Books::default();
    for request in 0..10_000_u64 {
        let max_tokens = Some(request * 7 % 501).filter(|_| request % 3 > 0);
        books.happens(&site, &Event::Arrives { max_tokens, streams: request % 2 == 0, content: 3 });
    }
    assert_eq!(books.open.len(), 10_000);
    assert_eq!(site.send(&Ask::post("/").body(r#"{"messages":[]}"#)).status(), 429, "every slot is in use");
    for request in 0..10_000 {
        books.happens(&site, &Event::Makes { place: request, tokens: request as u64 % 9 });
    }
    assert_eq!(remaining(&site), 100_000_000 - books.taken());
    let ends = [End::Whole, End::Left, End::Refused, End::Unserved, End::Whole];
    for request in 0..10_000 {
        books.happens(&site, &Event::Ends { place: request * 31, how: ends[request % ends.len()] });
    }
    assert_eq!(remaining(&site), 100_000_000 - books.charged);
    let accounts = site.gate.accounts("global", None);
    let slots = now(site.gate.balances(&accounts)).expect("memory answers");
    assert!(slots.iter().any(|balance| balance.remaining == 10_000), "no slot is lost");
}
