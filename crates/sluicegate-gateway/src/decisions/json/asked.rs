//! The request that a program asks about.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method,
    header::{CONTENT_ENCODING, CONTENT_TYPE, TRANSFER_ENCODING},
};
use sluicegate::Cost;
use sluicegate_policy::{DecisionsSettings, Hints};

use super::call::Asking;
use crate::{SampleRequest, problem::Problem};

/// The request that a program asks about, as the gateway would get it.
pub(super) struct Asked {
    pub(super) request: SampleRequest,
    cost: Option<Cost>,
    /// Unless the policy's own is meant.
    pub(super) lease: Option<Duration>,
}

impl Asked {
    /// Reads a call. A client without an address is the caller itself. At most so many `max_headers` are read.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the call.
    pub(super) fn read(call: &[u8], caller: IpAddr, max_headers: usize) -> Result<Self, Problem> {
        let call: Asking<'_> = super::parse(call)?;
        if call.headers.0.len() > max_headers {
            let most = format!(
                "`headers` has more than {max_headers} fields: send fewer, or raise gateway.max_headers"
            );
            return Err(Problem::bad_request(most));
        }
        if !call.path.starts_with('/') {
            return Err(Problem::bad_request("`path` begins with `/`, as in \"/predict?stream=1\""));
        }
        let lease = call.lease.map(lease).transpose()?;
        let has_body = call.body.is_some();
        let body = call.body.map(|body| Bytes::copy_from_slice(body.get().as_bytes()));
        let client = call.client_ip.unwrap_or(caller).to_canonical();
        let mut request = SampleRequest::of(&call.method, &call.path, call.headers.0, body, client)
            .map_err(Problem::bad_request)?;
        if request.head.method == Method::CONNECT {
            return Err(Problem::bad_request("`method` is CONNECT, which asks for a tunnel and has no path"));
        }
        if has_body {
            // The body is here as it is, however it reached the program.
            let headers = &mut request.head.headers;
            headers.remove(CONTENT_ENCODING);
            headers.remove(TRANSFER_ENCODING);
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        Ok(Self { request, cost: call.cost.map(|cost| Cost::new(cost.0)), lease })
    }

    /// The cost, if the program gives it.
    pub(super) fn hints(&self) -> Hints<'static> {
        Hints { cost: self.cost, ..Hints::default() }
    }
}

fn lease(seconds: f64) -> Result<Duration, Problem> {
    let longest = DecisionsSettings::LONGEST_LEASE;
    match Duration::try_from_secs_f64(seconds) {
        Ok(lease) if lease >= SHORTEST_LEASE && lease <= longest => Ok(lease),
        _ => Err(Problem::bad_request(format!(
            "`lease` is {seconds}: give the seconds for which to hold the permit, from {} to {}",
            SHORTEST_LEASE.as_secs_f64(),
            longest.as_secs()
        ))),
    }
}

const SHORTEST_LEASE: Duration = Duration::from_millis(1);
