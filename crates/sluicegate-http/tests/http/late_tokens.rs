//! Requests that end while the store is still asked for more tokens, or for their settlement.

use std::task::{Context, Waker};

use bytes::Bytes;
use http::Response;
use sluicegate_http::{Metering, Settling};
use sluicegate_policy::{Pass, Reading};

use crate::{
    held_store::{Answers, HeldStore},
    site::{Site, post},
};

/// A stream that has used up its reservation of 10 tokens, and one more, while the store's answers are held back.
struct Stream {
    site: Site<HeldStore>,
    store: HeldStore,
    pass: Box<Pass<HeldStore>>,
    metering: Metering<HeldStore>,
}

impl Stream {
    fn of_eleven_words(quota: u64) -> Self {
        let mut held = None;
        let policy = format!(
            "[[route]]\npath = \"/\"\nmeter = {{ tokens = \"openai\", default_output = 10 }}\n\
             limits = [{{ name = \"otpm\", quota = \"{quota} output_tokens/day\" }}, \"1 concurrent\"]"
        );
        let site = Site::on(&policy, |clock| held.insert(HeldStore::new(clock)).clone());
        let store = held.expect("the site has made it");
        let read =
            |reading: &mut Reading| reading.take(Bytes::from_static(REQUEST)).and_then(|_| reading.end());
        let pass = site.send(&post("/"), read).expect("it is the first").pass;
        let response = Response::builder().header("content-type", "text/event-stream");
        let mut metering = Metering::default();
        metering.answered(&pass, &response.body(()).expect("a good head").into_parts().0);
        store.answers(Answers::AreHeld);
        let mut stream = Self { site, store, pass, metering };
        for _ in 0..11 {
            stream.metering.data(WORD);
            stream.extends();
        }
        stream
    }

    fn extends(&mut self) {
        let gate = self.site.admission.gate();
        let cut = self.metering.extend(&mut self.pass, gate, &mut Context::from_waker(Waker::noop()));
        assert!(cut.is_none());
    }

    /// Ends. Returns its settlement, which waits for the store.
    fn ends(self) -> (Site<HeldStore>, HeldStore, Settling) {
        let Self { site, store, pass, metering } = self;
        let mut later = None;
        site.admission
            .settle(pass, metering, None, |settling| later = Some(settling))
            .expect("no error has come");
        (site, store, later.expect("it waits"))
    }
}

#[test]
fn a_request_that_ends_while_more_tokens_are_taken_is_charged_what_it_has_used() {
    let (site, store, settling) = Stream::of_eleven_words(100).ends();
    assert_eq!(remaining(&site), 100 - 20, "the reservation, and what is taken beyond it");
    store.answers(Answers::Come);
    pollster::block_on(settling).expect("the store answers");
    assert_eq!(remaining(&site), 100 - 11);
}

#[test]
fn a_request_that_ends_while_more_tokens_are_denied_has_a_debt() {
    let (site, store, settling) = Stream::of_eleven_words(10).ends();
    assert_eq!(remaining(&site), 0);
    store.answers(Answers::Come);
    pollster::block_on(settling).expect("the store answers");
    assert_eq!(remaining(&site), 0, "it owes one");
    site.clock.advance(std::time::Duration::from_secs(86_400 / 10));
    assert_eq!(remaining(&site), 0, "it owes none");
    site.clock.advance(std::time::Duration::from_secs(86_400 / 10));
    assert_eq!(remaining(&site), 1);
}

#[test]
fn tokens_of_which_nobody_knows_whether_they_were_taken_stay_charged() {
    let (site, store, mut settling) = Stream::of_eleven_words(100).ends();
    store.answers(Answers::AreLost);
    assert!(pollster::block_on(&mut settling).is_err());
    assert_eq!(remaining(&site), 100 - 11 - 10);
}

#[test]
fn a_settlement_that_is_dropped_leaves_everything_charged_and_no_slot_taken() {
    let (site, store, settling) = Stream::of_eleven_words(100).ends();
    drop(settling);
    store.answers(Answers::Come);
    assert_eq!(remaining(&site), 100 - 20);
    assert_eq!(slots(&site), 1);
}

#[test]
fn a_settlement_whose_answer_is_late_is_made_once() {
    let mut stream = Stream::of_eleven_words(100);
    stream.store.answers(Answers::Come);
    stream.extends();
    stream.store.answers(Answers::AreHeld);
    let (site, store, settling) = stream.ends();
    assert_eq!(slots(&site), 1, "the slot is given back with the settlement");
    store.answers(Answers::Come);
    pollster::block_on(settling).expect("the store answers");
    assert_eq!(remaining(&site), 100 - 11);
    assert_eq!(slots(&site), 1);
}

/// The tokens that are left.
fn remaining(site: &Site<HeldStore>) -> u64 {
    balances(site)[0]
}

/// The slots that are left.
fn slots(site: &Site<HeldStore>) -> u64 {
    balances(site)[1]
}

fn balances(site: &Site<HeldStore>) -> Vec<u64> {
    let gate = site.admission.gate();
    let accounts = gate.accounts("client_ip=127.0.0.1", None);
    let balances = pollster::block_on(gate.balances(&accounts)).expect("looking is never held back");
    balances.iter().map(|balance| balance.remaining).collect()
}

const REQUEST: &[u8] = b"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
const WORD: &[u8] = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n";
