//! The files that a policy names.

use std::path::Path;

use super::{File, Placed};
use crate::{Diagnostic, Place, Source};

impl Source {
    /// Says what is wrong with a file that this source names for TLS, at the place where it does.
    ///
    /// ```
    /// use std::path::Path;
    /// use sluicegate_policy::Source;
    ///
    /// let source = Source::new("etc/sluicegate.toml", b"[gateway]\nupstream_ca = 'roots.pem'")?;
    /// let wrong = source.wrong_file(Path::new("etc/roots.pem"), "there is no such file".to_owned());
    /// assert_eq!(wrong.to_string(), "etc/sluicegate.toml:2:15: there is no such file");
    /// # Ok::<(), sluicegate_policy::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn wrong_file(&self, path: &Path, message: String) -> Diagnostic {
        let named = |given: &&Placed<String>| self.beside(given.start()).join(&given.value) == path;
        let file = File::parse(self).ok();
        let place = file.as_ref().and_then(|file| file.tls_files().find(named));
        let place = place.map_or_else(|| Place::File(self.name().clone()), |given| self.place(given.start()));
        Diagnostic { place, message, help: None }
    }
}

impl File {
    fn tls_files(&self) -> impl Iterator<Item = &Placed<String>> {
        let of_proxies = self.decisions.iter().filter_map(|decisions| decisions.tls.as_ref());
        let tls = self.gateway.tls.iter().chain(of_proxies);
        let of_clients = tls.flat_map(|tls| [Some(&tls.certificate), Some(&tls.key), tls.client_ca.as_ref()]);
        of_clients.flatten().chain(&self.gateway.upstream_ca)
    }
}
