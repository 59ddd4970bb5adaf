//! The thread beside the workers: the admin port and the background jobs.

use std::{
    io,
    net::TcpListener,
    thread::{self, JoinHandle},
};

use tokio::runtime::Builder;

use crate::{admin::Admin, threads::drain::Draining};

/// Starts the thread. When the gateway is dropped, after the drain, it does the `last` job and ends.
///
/// # Errors
///
/// When the operating system gives no thread or no event queue.
pub(crate) fn spawn(
    listener: TcpListener,
    admin: Admin,
    mut draining: Draining,
    jobs: impl Future<Output = ()> + Send + 'static,
    last: impl Future<Output = ()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _context = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    thread::Builder::new().name("sluicegate-admin".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let serve = axum::serve(listener, admin.router()).into_future();
            let work = async {
                // Neither ends the other.
                let ((), _) = tokio::join!(jobs, serve);
            };
            tokio::select! {
                () = work => {}
                () = draining.stopped() => {}
            }
            last.await;
        });
    })
}
