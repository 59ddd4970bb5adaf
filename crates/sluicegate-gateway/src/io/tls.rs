//! TLS with clients: the certificate, and reading it again when its files change.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring::{Ticketer, default_provider},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::WebPkiClientVerifier,
};
use sluicegate_policy::{FileVersion, TlsSettings};
use tokio::sync::watch;

use crate::io::interval::every;

/// The certificates for connections: always those of the newest good files.
#[derive(Debug)]
pub(crate) struct Tls {
    settings: TlsSettings,
    /// The versions that were read last, good or bad.
    seen: Versions,
    newest: watch::Sender<Arc<ServerConfig>>,
}

/// Gives the newest certificate to connections.
pub(crate) type Certificates = watch::Receiver<Arc<ServerConfig>>;

type Versions = [Option<FileVersion>; 3];

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`TlsError`], which names the file that cannot be used.
    pub(crate) fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        // The versions before the files, so that a write in between is noticed at the next check.
        let seen = versions(&settings);
        let newest = watch::Sender::new(Arc::new(read(&settings)?));
        Ok(Self { settings, seen, newest })
    }

    /// The certificates for new connections, from now on.
    pub(crate) fn certificates(&self) -> Certificates {
        self.newest.subscribe()
    }

    /// Reads the files again whenever one of them has changed. Files that cannot be used change nothing: the old
    /// certificate stays. Connections keep the one that they began with.
    pub(crate) async fn watch(mut self) {
        let mut interval = every(INTERVAL);
        loop {
            interval.tick().await;
            let now = versions(&self.settings);
            if now == self.seen {
                continue;
            }
            self.seen = now;
            match read(&self.settings) {
                Ok(config) => {
                    tracing::info!(certificate = %self.settings.certificate.display(), "read the certificate");
                    self.newest.send_replace(Arc::new(config));
                }
                Err(error) => tracing::error!(%error, "the old certificate stays"),
            }
        }
    }
}

fn versions(TlsSettings { certificate, key, client_ca }: &TlsSettings) -> Versions {
    let version = |path: &PathBuf| FileVersion::of(path);
    [version(certificate), version(key), client_ca.as_ref().and_then(version)]
}

/// Everything that is wrong with the files: each by itself or, where each is good, with them together.
pub(crate) fn wrong_files(settings: &TlsSettings) -> Vec<TlsError> {
    let TlsSettings { certificate, key, client_ca } = settings;
    let clients = client_ca.as_deref().and_then(|file| roots(file).err());
    let alone = [certificates(certificate).err(), private_key(key).err(), clients];
    let alone: Vec<_> = alone.into_iter().flatten().collect();
    if alone.is_empty() { read(settings).err().into_iter().collect() } else { alone }
}

fn read(settings: &TlsSettings) -> Result<ServerConfig, TlsError> {
    let TlsSettings { certificate, key, client_ca } = settings;
    let provider = Arc::new(default_provider());
    let chain = certificates(certificate)?;
    let private = private_key(key)?;
    let clients = match client_ca {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(file) => {
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots(file)?), Arc::clone(&provider))
                .build()
                .map_err(|error| TlsError::new(file, error))?
        }
    };
    let unusable = |error: rustls::Error| match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::new(key, format!("it is not the key of the certificate in {}", certificate.display()))
        }
        rustls::Error::InvalidCertificate(_) => TlsError::new(certificate, problem(error)),
        error => TlsError::new(key, error),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
    // A returning client resumes on any worker without a new key exchange.
    config.ticketer = Ticketer::new().map_err(unusable)?;
    Ok(config)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file)
        .map_err(|error| TlsError::new(file, pem_problem(&error, "it holds no private key in PEM")))
}

/// The root certificates in a file.
pub(crate) fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in certificates(file)? {
        roots.add(root).map_err(|error| TlsError::new(file, problem(error)))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| TlsError::new(file, pem_problem(&error, NO_CERTIFICATE)))?;
    if chain.is_empty() { Err(TlsError::new(file, NO_CERTIFICATE)) } else { Ok(chain) }
}

fn pem_problem(error: &pem::Error, nothing: &str) -> String {
    match error {
        pem::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            "there is no such file".to_owned()
        }
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => nothing.to_owned(),
        error => format!("it is not PEM: {error}"),
    }
}

/// Rustls speaks of a peer's certificate, and this is ours.
fn problem(error: rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => format!("its certificate is not valid: {error}"),
        error => error.to_string(),
    }
}

/// A file that cannot be used for TLS, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    file: PathBuf,
    problem: String,
}

impl TlsError {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn new(file: &Path, problem: impl fmt::Display) -> Self {
        Self { file: file.to_owned(), problem: problem.to_string() }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use {} for TLS: {}", self.file.display(), self.problem)
    }
}

impl std::error::Error for TlsError {}

/// The name of HTTP/2 where protocols are negotiated.
pub(crate) const HTTP_2: &[u8] = b"h2";

/// The name of HTTP/1.1 there.
pub(crate) const HTTP_1: &[u8] = b"http/1.1";

const NO_CERTIFICATE: &str = "it holds no certificate in PEM";

/// The time between two checks.
const INTERVAL: Duration = Duration::from_secs(1);
