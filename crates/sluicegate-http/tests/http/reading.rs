//! Reading a body up to a bound.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http_body_util::{Full, channel::Channel};
use sluicegate_http::{MALFORMED, read};
use sluicegate_policy::{Reading, Refusal, Rejection};

use crate::site::{PEER, Site, Slept, post};

#[test]
fn a_body_is_read_until_the_decision_has_enough() {
    let timer = Slept::default();
    let body = Full::new(Bytes::from_static(b"{\"inputs\": 7}"));
    assert_eq!(decided(body, &timer), Ok(7));
    assert!(timer.0.lock().unwrap().is_empty(), "all was there at once");
}

#[test]
fn a_client_that_stalls_is_given_up() {
    let timer = Slept::default();
    let (_sender, body) = Channel::<Bytes, Infallible>::new(1);
    assert_eq!(decided(body, &timer), Err(Refusal::ClientStalled));
    assert_eq!(*timer.0.lock().unwrap(), [STALL]);
}

#[test]
fn a_body_above_the_bound_is_refused() {
    let body = Full::new(Bytes::from(vec![b' '; 2_000]));
    assert_eq!(decided(body, &Slept::default()), Err(Refusal::BodyTooLarge { limit: 1_024 }));
}

#[test]
fn a_body_that_breaks_off_is_malformed() {
    let (sender, body) = Channel::<Bytes, &str>::new(1);
    sender.abort("reset");
    assert_eq!(decided(body, &Slept::default()), Err(MALFORMED));
}

/// The items in a body that are charged, or the refusal.
fn decided(mut body: impl http_body::Body<Data = Bytes> + Unpin, timer: &Slept) -> Result<u64, Refusal> {
    let site = Site::new(
        "[gateway]\nmax_body = \"1KiB\"\n[[route]]\npath = \"/\"\nmeter = { items = \"/inputs\" }\nlimits = [\"9 items/day\"]",
    );
    let head = post("/");
    let decided = pollster::block_on(async {
        let mut entry = site.admission.enter(&head, PEER).await?;
        let reading = entry
            .read(|mut reading: Box<Reading>| async {
                read(&mut body, &mut reading, timer, STALL).await?;
                Ok(reading)
            })
            .await?;
        entry.decide(reading.as_deref()).await
    });
    match decided {
        Ok(admitted) => Ok(admitted.pass.charges()[0].cost.units()),
        Err(Rejection::Refused(refused)) => Err(refused.refusal),
        Err(rejection) => panic!("{rejection:?}"),
    }
}

const STALL: Duration = Duration::from_secs(9);
