//! A connection to an upstream, whichever HTTP it speaks.

use std::{cell::Cell, io, mem};

use http::{Request, Response, Version};
use sluicegate_policy::Upstream as Address;
use tokio::{sync::Mutex, time::Instant};

use super::{MaxHead, Timeouts, connection::Connection, connection::Failure, http2, pool::Pool};
use crate::{
    request::{
        body::{RequestBody, UpstreamBody},
        interim::Interims,
    },
    upstream::dial::{Dialer, Offer},
};

/// A connection on which a request can go now.
pub(super) enum Link {
    Http1(Connection),
    Http2(http2::Connection),
}

impl Link {
    /// Takes a request, sends it and waits for the head of the answer; for all of it until then, if that is limited. With
    /// the answer comes the connection, if that is the answer's alone.
    pub(super) async fn send(
        self,
        request: &mut Request<RequestBody>,
        offer: Offer,
        timeouts: Timeouts,
        until: Option<Instant>,
        interims: Option<&Interims>,
    ) -> Result<(Response<UpstreamBody>, Option<Connection>), Failure> {
        match self {
            Self::Http1(connection) => {
                let (response, connection) =
                    connection.send(request, offer, timeouts, until, interims).await?;
                Ok((response.map(UpstreamBody::Http1), Some(connection)))
            }
            // Boxed, because it is large: requests of HTTP/1.1 would carry room for it.
            Self::Http2(connection) => {
                let request = mem::take(request);
                let response = Box::pin(connection.send(request, timeouts, until, interims)).await?;
                Ok((response.map(|body| UpstreamBody::Http2(Box::new(body))), None))
            }
        }
    }
}

/// The connections of one worker to one upstream.
pub(super) struct Links {
    pool: Pool,
    shared: http2::Pool,
    /// Set if one connection is expected to carry many requests. Then it is opened once for all that wait for
    /// it.
    is_shared: Cell<bool>,
    dialing: Mutex<()>,
}

impl Links {
    /// No connection yet to this upstream.
    pub(super) fn new(address: &Address) -> Self {
        Self {
            pool: Pool::default(),
            shared: http2::Pool::default(),
            is_shared: Cell::new(address.is_h2c() || address.is_tls()),
            dialing: Mutex::default(),
        }
    }

    /// A connection that is there, if a request can go on one now.
    pub(super) fn take(&self, offer: Offer) -> Option<Link> {
        let shared = if offer == Offer::Any { self.shared.find() } else { None };
        shared.map(Link::Http2).or_else(|| self.pool.take().map(Link::Http1))
    }

    /// Opens a connection, or waits for one that others open. The first request is to have these timeouts.
    pub(super) async fn open(
        &self,
        dialer: &Dialer,
        address: &Address,
        offer: Offer,
        timeouts: Timeouts,
        max_head: MaxHead,
    ) -> io::Result<Link> {
        let mut turn = None;
        if offer == Offer::Any && self.is_shared.get() {
            turn = Some(self.dialing.lock().await);
            if let Some(connection) = self.shared.find() {
                return Ok(Link::Http2(connection));
            }
            if !self.is_shared.get() {
                turn = None;
            }
        }
        let (wire, version) = dialer.dial(address, offer).await?;
        if offer == Offer::Any {
            self.is_shared.set(version == Version::HTTP_2);
        }
        let link = match version {
            Version::HTTP_2 => {
                let connection = http2::Connection::open(wire, address, timeouts, max_head).await?;
                self.shared.put(connection.clone());
                Link::Http2(connection)
            }
            _ => Link::Http1(Connection::open(wire, timeouts, max_head).await?),
        };
        drop(turn);
        Ok(link)
    }

    /// Keeps a connection of HTTP/1.1 for the next request.
    pub(super) fn put(&self, connection: Connection) {
        self.pool.put(connection);
    }
}
