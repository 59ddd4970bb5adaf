//! Identification of callers by the head of their requests.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use crate::site::{Site, now};

proptest! {
    #[test]
    fn an_ipv4_client_is_written_as_everybody_writes_it(address: [u8; 4]) {
        let site = Site::with_limits("[]");
        let (head, ()) = http::Request::post("/").body(()).unwrap().into_parts();
        let peer = IpAddr::V4(Ipv4Addr::from(address));
        let visit = now(site.gate.enter(&head, peer)).unwrap();
        prop_assert_eq!(&visit.caller().client, &peer.to_string());
    }
}
