//! Charging a request for its tokens at the end of its answer, however that ends.

use std::task::{Context, Waker};

use bytes::Bytes;
use http::{Response, response};
use http_body_util::{BodyExt, Full};
use sluicegate_http::{End, Metering, Observed, Observer};
use sluicegate_policy::Pass;

use crate::site::{Site, Store, post};

/// Meters a response, and settles its pass at its end.
struct Metered<'s> {
    site: &'s Site,
    pass: Option<Box<Pass<Store>>>,
    metering: Metering<Store>,
}

impl Observer for Metered<'_> {
    fn data(&mut self, data: &Bytes) {
        self.metering.data(data);
    }

    fn end(&mut self, end: End) {
        if end == End::Complete {
            self.metering.complete();
        }
        let Some(pass) = self.pass.take() else { return };
        self.site
            .admission
            .settle(pass, std::mem::take(&mut self.metering), None, |_| panic!("memory never waits"))
            .expect("memory never fails");
    }
}

#[test]
fn an_answer_that_is_sent_to_its_end_is_charged_by_its_usage() {
    let site = site("");
    let mut body = Observed::new(Full::new(Bytes::from_static(ANSWER)), admitted(&site, "application/json"));
    assert!(pollster::block_on(body.frame()).is_some());
    assert_eq!(remaining(&site), 100 - 7);
    assert!(site.tells("sluicegate_tokens_total{route=\"/\",class=\"output\",source=\"reported\"} 7"));
}

#[test]
fn an_answer_whose_client_has_left_is_settled_when_it_is_dropped() {
    let site = site("");
    let stream = Observed::new(Full::new(Bytes::from_static(WORD)), admitted(&site, "text/event-stream"));
    assert_eq!(remaining(&site), 100 - 10, "the reservation");
    drop(stream);
    assert_eq!(remaining(&site), 100, "nothing of it was read");
}

#[test]
fn a_request_that_the_upstream_has_not_served_is_charged_nothing() {
    let site = site("");
    let mut metered = admitted(&site, "application/json");
    metered.metering = Metering::Unserved;
    metered.end(End::Dropped);
    assert_eq!(remaining(&site), 100);
}

#[test]
fn a_request_without_an_answer_keeps_its_reservation() {
    let site = site("");
    let mut metered = admitted(&site, "application/json");
    metered.metering = Metering::Unanswered;
    metered.end(End::Dropped);
    assert_eq!(remaining(&site), 90);
    assert!(site.tells("sluicegate_tokens_total{route=\"/\",class=\"output\",source=\"reserved\"} 10"));
}

#[test]
fn a_stream_takes_more_tokens_in_steps_and_is_charged_once() {
    let site = site("");
    let mut metered = admitted(&site, "text/event-stream");
    for (words, left) in [(10, 90), (1, 80), (9, 80), (1, 70)] {
        for _ in 0..words {
            metered.data(&Bytes::from_static(WORD));
            assert_eq!(extend(&mut metered), None);
        }
        assert_eq!(remaining(&site), left);
    }
    metered.end(End::Dropped);
    assert_eq!(remaining(&site), 100 - 21);
}

#[test]
fn a_piece_that_is_longer_than_a_step_takes_one_step_after_another() {
    let site = site("");
    let mut metered = admitted(&site, "text/event-stream");
    metered.data(&Bytes::from(WORD.repeat(25)));
    for left in [80, 70, 70] {
        assert_eq!(extend(&mut metered), None);
        assert_eq!(remaining(&site), left);
    }
}

#[test]
fn tokens_that_were_taken_on_the_way_are_no_debt() {
    for (debt, quota, words, charged) in [
        ("debt = \"forgive\"", 100, 25, 25_u32),
        ("max_debt = 3", 100, 25, 25),
        // What could not be taken is a debt. Two steps could be.
        ("debt = \"forgive\"", 30, 45, 30),
        ("max_debt = 3", 30, 45, 33),
        ("debt = \"carry\"", 30, 45, 45),
    ] {
        let site = with_quota(quota, &format!(", {debt}"));
        let mut metered = admitted(&site, "text/event-stream");
        for _ in 0..words {
            metered.data(&Bytes::from_static(WORD));
            assert_eq!(extend(&mut metered), None);
        }
        metered.end(End::Dropped);
        let each = std::time::Duration::from_secs(86_400).div_f64(f64::from(quota));
        site.clock.advance(each * charged.saturating_sub(quota) + each / 2);
        let left = u64::from(quota.saturating_sub(charged));
        assert_eq!(remaining(&site), left, "{debt} of {quota}");
        site.clock.advance(each);
        assert_eq!(remaining(&site), left + 1, "{debt} of {quota}");
    }
}

#[test]
fn a_stream_whose_tokens_are_spent_is_cut_only_where_the_limit_says_so() {
    for (on_exhausted, is_cut) in [("finish", false), ("cut", true)] {
        let site = site(&format!(", on_exhausted = \"{on_exhausted}\""));
        let mut metered = admitted(&site, "text/event-stream");
        let mut cut = 0;
        for word in 1..=150 {
            metered.data(&Bytes::from_static(WORD));
            if let Some(last) = extend(&mut metered) {
                assert!(last.starts_with(b"data: {\"error\":{\"message\":\"Too Many Requests: "), "{last:?}");
                cut = word;
                break;
            }
        }
        assert_eq!(cut, if is_cut { 101 } else { 0 }, "{on_exhausted}");
        metered.end(End::Dropped);
        assert_eq!(remaining(&site), 0);
    }
}

fn site(terms: &str) -> Site {
    with_quota(100, terms)
}

fn with_quota(quota: u32, terms: &str) -> Site {
    Site::new(&format!(
        "[[route]]\npath = \"/\"\nmeter = {{ tokens = \"openai\", default_output = 10 }}\n\
         limits = [{{ name = \"otpm\", quota = \"{quota} output_tokens/day\"{terms} }}]"
    ))
}

/// A request that passes, whose answer has come with this content type.
fn admitted<'s>(site: &'s Site, kind: &str) -> Metered<'s> {
    let read = |reading: &mut sluicegate_policy::Reading| {
        reading.take(Bytes::from_static(REQUEST)).and_then(|_| reading.end())
    };
    let pass = site.send(&post("/"), read).expect("it is the first").pass;
    let head: response::Parts =
        Response::builder().header("content-type", kind).body(()).expect("a good head").into_parts().0;
    let mut metering = Metering::default();
    metering.answered(&pass, &head);
    Metered { site, pass: Some(pass), metering }
}

fn extend(metered: &mut Metered<'_>) -> Option<Bytes> {
    let pass = metered.pass.as_mut().expect("it has not ended");
    let gate = metered.site.admission.gate();
    metered.metering.extend(pass, gate, &mut Context::from_waker(Waker::noop())).map(|cut| cut.last)
}

fn remaining(site: &Site) -> u64 {
    let gate = site.admission.gate();
    let accounts = gate.accounts("client_ip=127.0.0.1", None);
    pollster::block_on(gate.balances(&accounts)).expect("memory answers")[0].remaining
}

const REQUEST: &[u8] = b"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
const ANSWER: &[u8] = b"{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":7}}";
const WORD: &[u8] = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n";
