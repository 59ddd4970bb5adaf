//! Decisions by the protocol of Redis, for clients of redis-cell and of throttlecrab. Their limits come with each command.

mod catalogue;
mod connection;
mod parser;
mod replies;
mod session;
mod throttle;

use std::{cell::RefCell, error::Error, rc::Rc, sync::Arc};

use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use self::connection::Connection;
use super::{callers::Callers, calls::serve_until_drained};
use crate::{
    io::{tcp, tls::Certificates},
    reload::current::Current,
    threads::drain::Draining,
};

/// One worker's server of the Redis protocol.
pub(crate) struct Resp {
    current: Rc<Current>,
    /// By TLS, if given.
    certificates: Option<Certificates>,
    draining: Draining,
    callers: Callers,
    /// The buffer into which all connections read, so that an idle one has none.
    scratch: RefCell<Box<[u8]>>,
}

impl Resp {
    pub(crate) fn new(current: Rc<Current>, certificates: Option<Certificates>, draining: Draining) -> Self {
        let scratch = RefCell::new(vec![0; MOST_READ].into());
        Self { current, certificates, draining, callers: Callers::default(), scratch }
    }

    /// Answers commands until the drain begins, then for as long as the gateway's own requests may finish.
    ///
    /// Returns the number of connections that had to be cut.
    pub(crate) async fn run(self, listener: TcpListener) -> usize {
        let this = Rc::new(self);
        let serve = |stream, _| Rc::clone(&this).serve(stream);
        serve_until_drained(listener, &this.current, this.draining.clone(), serve).await
    }

    async fn serve(self: Rc<Self>, stream: TcpStream) {
        if let Err(error) = self.begin(stream).await {
            tracing::debug!(error, "a connection of the Redis protocol ended early");
        }
    }

    async fn begin(&self, stream: TcpStream) -> Result<(), Box<dyn Error + Send + Sync>> {
        tcp::prepare(&stream)?;
        match &self.certificates {
            None => Connection::new(self, stream).run().await?,
            Some(certificates) => {
                let acceptor = TlsAcceptor::from(Arc::clone(&certificates.borrow()));
                let bound = self.current.proxy().settings().header_timeout;
                let stream = timeout(bound, acceptor.accept(stream)).await??;
                Connection::new(self, stream).run().await?;
            }
        }
        Ok(())
    }
}

/// The most bytes of one read.
const MOST_READ: usize = 16 * 1024;
