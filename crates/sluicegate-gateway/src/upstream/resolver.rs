//! The addresses of upstreams that have names.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{net::lookup_host, sync::watch};

/// Looks up names, each once at a time for any number of callers. Clones share running lookups.
///
/// The system takes a thread and a socket for each lookup, for ten seconds and more without an answer, and cannot be told
/// to cancel it. With one lookup for every connection, a name service that is gone would cost the gateway
/// all its files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolver(Arc<Mutex<Lookups>>);

/// The running lookups, by name.
type Lookups = HashMap<String, watch::Receiver<Option<Found>>>;

/// The outcome of a lookup, which all get who wait for it.
type Found = Result<Arc<[IpAddr]>, (io::ErrorKind, String)>;

impl Resolver {
    /// The addresses of a host, which may be one itself.
    ///
    /// # Errors
    ///
    /// Those of the system, such as that there is no such name.
    pub(crate) async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let lookup = |host: String| async move {
            Ok(lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
        };
        let found = self.once(host, lookup).await?;
        Ok(found.iter().map(|ip| SocketAddr::new(*ip, port)).collect())
    }

    /// The outcome of the lookup of `host` that runs, or else of a new one.
    async fn once<L>(&self, host: &str, lookup: impl FnOnce(String) -> L) -> io::Result<Arc<[IpAddr]>>
    where
        L: Future<Output = io::Result<Arc<[IpAddr]>>> + Send + 'static,
    {
        let mut running = self.running(host, lookup);
        let found = running.wait_for(Option::is_some).await;
        match found.as_deref() {
            Ok(Some(Ok(addresses))) => Ok(Arc::clone(addresses)),
            Ok(Some(Err((kind, error)))) => Err(io::Error::new(*kind, error.clone())),
            Ok(None) | Err(_) => Err(io::Error::other("the lookup was broken off")),
        }
    }

    fn running<L>(&self, host: &str, lookup: impl FnOnce(String) -> L) -> watch::Receiver<Option<Found>>
    where
        L: Future<Output = io::Result<Arc<[IpAddr]>>> + Send + 'static,
    {
        let mut lookups = self.lookups();
        // A lookup that was cancelled, because its thread ended, has no result.
        if let Some(running) = lookups.get(host).filter(|running| running.has_changed().is_ok()) {
            return running.clone();
        }
        let (told, running) = watch::channel(None);
        lookups.insert(host.to_owned(), running.clone());
        let (resolver, host, lookup) = (self.clone(), host.to_owned(), lookup(host.to_owned()));
        // A task of its own, because the first caller may be the first to give up.
        tokio::spawn(async move {
            let found = lookup.await.map_err(|error| (error.kind(), error.to_string()));
            resolver.lookups().remove(&host);
            told.send_replace(Some(found));
        });
        running
    }

    fn lookups(&self) -> MutexGuard<'_, Lookups> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use tokio::{sync::Semaphore, task::yield_now};

    use super::*;

    /// A name service that answers when it is told to, and counts lookups.
    struct Service {
        asked: AtomicUsize,
        answers: Semaphore,
    }

    impl Service {
        fn new() -> Arc<Self> {
            Arc::new(Self { asked: AtomicUsize::new(0), answers: Semaphore::new(0) })
        }

        async fn answer(self: Arc<Self>, host: String) -> io::Result<Arc<[IpAddr]>> {
            self.asked.fetch_add(1, SeqCst);
            self.answers.acquire().await.expect("it is never closed").forget();
            match host.as_str() {
                "model" => Ok([IpAddr::from(Ipv4Addr::LOCALHOST)].into()),
                _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such name")),
            }
        }
    }

    fn ask(
        resolver: &Resolver,
        service: &Arc<Service>,
        host: &'static str,
    ) -> tokio::task::JoinHandle<io::Result<Arc<[IpAddr]>>> {
        let (resolver, service) = (resolver.clone(), Arc::clone(service));
        tokio::spawn(async move { resolver.once(host, |host| service.answer(host)).await })
    }

    async fn all_have_asked() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn those_who_ask_at_a_time_share_one_lookup_and_the_next_has_its_own() {
        let (resolver, service) = (Resolver::default(), Service::new());
        for round in 1..=2 {
            let waiting: Vec<_> = (0..100).map(|_| ask(&resolver, &service, "model")).collect();
            all_have_asked().await;
            assert_eq!(service.asked.load(SeqCst), round);
            service.answers.add_permits(1);
            for one in waiting {
                let addresses = one.await.expect("no panic").expect("it is found");
                assert_eq!(&*addresses, [IpAddr::from(Ipv4Addr::LOCALHOST)]);
            }
        }
        assert!(resolver.lookups().is_empty());
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_the_lookup_to_the_others() {
        let (resolver, service) = (Resolver::default(), Service::new());
        let first = ask(&resolver, &service, "model");
        all_have_asked().await;
        let second = ask(&resolver, &service, "model");
        all_have_asked().await;
        first.abort();
        service.answers.add_permits(1);
        assert!(second.await.expect("no panic").is_ok());
        assert_eq!(service.asked.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn names_are_looked_up_side_by_side_and_all_learn_what_is_wrong() {
        let (resolver, service) = (Resolver::default(), Service::new());
        let waiting = [
            ask(&resolver, &service, "nobody"),
            ask(&resolver, &service, "nobody"),
            ask(&resolver, &service, "model"),
        ];
        all_have_asked().await;
        assert_eq!(service.asked.load(SeqCst), 2);
        service.answers.add_permits(2);
        let [one, other, model] = waiting;
        for nobody in [one, other] {
            let error = nobody.await.expect("no panic").expect_err("there is no such name");
            assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::NotFound, "no such name"));
        }
        assert!(model.await.expect("no panic").is_ok());
    }

    #[tokio::test]
    async fn a_lookup_that_was_broken_off_is_no_obstacle() {
        let (resolver, service) = (Resolver::default(), Service::new());
        let (other, host) = (resolver.clone(), "model");
        let elsewhere = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async move {
                drop(other.running(host, |_| std::future::pending()));
            });
        });
        elsewhere.join().expect("no panic");
        service.answers.add_permits(1);
        assert!(ask(&resolver, &service, host).await.expect("no panic").is_ok());
    }

    #[tokio::test]
    async fn an_address_needs_no_lookup() {
        let resolver = Resolver::default();
        for (host, address) in [("192.0.2.1", "192.0.2.1:80"), ("::1", "[::1]:80")] {
            let found = resolver.addresses(host, 80).await.expect("it is one");
            assert_eq!(found, [address.parse::<SocketAddr>().expect("an address")]);
        }
    }
}
