//! Stand-in for the policy's gate.

use std::net::IpAddr;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};

pub(crate) struct Gate {
    pub(crate) max_body: u64,
}

pub(crate) struct Visit {
    read: Option<u64>,
}

pub(crate) struct Pass;

pub(crate) struct Answer(pub(crate) Response<Bytes>);

impl Gate {
    pub(crate) async fn enter(&self, head: &Parts, _peer: IpAddr) -> Result<Visit, Answer> {
        Ok(Visit { read: head.uri.path().starts_with("/read").then_some(self.max_body) })
    }

    pub(crate) async fn decide(
        &self,
        _visit: &Visit,
        head: &Parts,
        _body: Option<&Bytes>,
    ) -> Result<Pass, Answer> {
        if head.uri.path().starts_with("/deny") {
            return Err(answer(StatusCode::TOO_MANY_REQUESTS, "denied"));
        }
        Ok(Pass)
    }
}

impl Visit {
    pub(crate) fn body_limit(&self) -> Option<u64> {
        self.read
    }
}

impl Pass {
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        let _ = headers;
    }
}

pub(crate) fn answer(status: StatusCode, detail: &str) -> Answer {
    let mut response = Response::new(Bytes::from(detail.to_owned()));
    *response.status_mut() = status;
    Answer(response)
}
