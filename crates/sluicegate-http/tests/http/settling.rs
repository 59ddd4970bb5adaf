//! Settling a pass at the end of a body, however it ends.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use sluicegate::{Cost, Unit};
use sluicegate_http::{End, Observed, Observer, settle};
use sluicegate_policy::Pass;

use crate::site::{Site, Store, post};

/// Settles its pass by the bytes that it has seen.
struct Metered {
    pass: Option<Box<Pass<Store>>>,
    seen: u64,
}

impl Observer for Metered {
    fn data(&mut self, data: &Bytes) {
        self.seen += data.len() as u64;
    }

    fn end(&mut self, _: End) {
        let Some(pass) = self.pass.take() else { return };
        let actual = vec![(Unit::Bytes, Cost::new(self.seen))];
        settle(pass, actual, |_| panic!("memory never waits")).expect("memory never fails");
    }
}

#[test]
fn a_response_that_is_sent_to_its_end_is_settled_by_what_was_sent() {
    let site = site();
    let mut body = response(&site);
    assert!(pollster::block_on(body.frame()).is_some());
    assert_eq!(remaining(&site), 100 - 4);
}

#[test]
fn a_response_whose_client_has_left_is_settled_when_it_is_dropped() {
    let site = site();
    let body = response(&site);
    assert_eq!(remaining(&site), 100 - 9, "the estimate");
    drop(body);
    assert_eq!(remaining(&site), 100);
}

fn site() -> Site {
    Site::new(
        "[[route]]\npath = \"/\"\nmeter = \"bytes\"\nlimits = [{ name = \"bytes\", quota = \"100 bytes/day\" }]",
    )
}

fn response(site: &Site) -> Observed<Full<Bytes>, Metered> {
    let admitted = site.send(&post("/"), |_| Ok(())).expect("it is the first");
    let metered = Metered { pass: Some(admitted.pass), seen: 0 };
    Observed::new(Full::new(Bytes::from_static(b"done")), metered)
}

fn remaining(site: &Site) -> u64 {
    let gate = site.admission.gate();
    let accounts = gate.accounts("client_ip=127.0.0.1", None);
    pollster::block_on(gate.balances(&accounts)).expect("memory answers")[0].remaining
}
