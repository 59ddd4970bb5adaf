//! An upstream that works on when its client has left, as most servers of models do.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};

/// Works on each request until the test releases it, whether anybody waits or not.
pub(crate) struct Stubborn {
    pub(crate) address: SocketAddr,
    work: Arc<Work>,
    serving: JoinHandle<()>,
}

struct Work {
    begun: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
    released: Semaphore,
}

impl Stubborn {
    /// One that speaks HTTP/1.1, or HTTP/2.
    pub(crate) async fn start(by_http_2: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let work = Arc::new(Work {
            begun: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            released: Semaphore::new(0),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&work), by_http_2));
        Self { address, work, serving }
    }

    /// Requests that arrived so far.
    pub(crate) fn begun(&self) -> usize {
        self.work.begun.load(SeqCst)
    }

    /// The most requests that it ever worked on at once.
    pub(crate) fn most(&self) -> usize {
        self.work.most.load(SeqCst)
    }

    /// Ends its work on so many requests.
    pub(crate) fn release(&self, requests: usize) {
        self.work.released.add_permits(requests);
    }
}

impl Drop for Stubborn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, work: Arc<Work>, by_http_2: bool) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let work = Arc::clone(&work);
        connections.spawn(async move {
            let service = service_fn(|_| {
                // A task of its own is not dropped with the connection.
                let done = tokio::spawn(Arc::clone(&work).done());
                async move {
                    done.await.expect("no panic");
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
                }
            });
            let stream = TokioIo::new(stream);
            let _ = if by_http_2 {
                http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
            } else {
                http1::Builder::new().serve_connection(stream, service).await
            };
        });
    }
}

impl Work {
    async fn done(self: Arc<Self>) {
        self.begun.fetch_add(1, SeqCst);
        let running = self.running.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(running, SeqCst);
        self.released.acquire().await.expect("it is never closed").forget();
        self.running.fetch_sub(1, SeqCst);
    }
}
