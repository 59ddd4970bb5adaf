//! Certificates of the test's own, and connections that trust them.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use sluicegate_policy::TlsSettings;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::soon;

/// An authority that signs certificates for `localhost`, and a folder for the gateway's files.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
    folder: TempDir,
}

/// A certificate and its key.
pub(crate) struct Signed {
    pub(crate) certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a pair of keys");
        let certificate = params.self_signed(&key).expect("a certificate");
        let folder = TempDir::new().expect("a folder");
        Self { issuer: Issuer::new(params, key), certificate, folder }
    }

    pub(crate) fn sign(&self) -> Signed {
        let key = KeyPair::generate().expect("a pair of keys");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a host's name");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        Signed { certificate: signed.der().clone(), pem: signed.pem(), key }
    }

    /// Writes a new certificate and its key, and says where.
    pub(crate) fn settings(&self) -> TlsSettings {
        self.write(&self.sign());
        TlsSettings { certificate: self.file("gateway.pem"), key: self.file("gateway.key"), client_ca: None }
    }

    /// Writes a certificate and its key where the gateway reads them.
    pub(crate) fn write(&self, signed: &Signed) {
        fs::write(self.file("gateway.pem"), &signed.pem).expect("the folder is ours");
        fs::write(self.file("gateway.key"), signed.key.serialize_pem()).expect("the folder is ours");
    }

    /// Writes the authority's own certificate, and says where.
    pub(crate) fn root(&self) -> PathBuf {
        let file = self.file("root.pem");
        fs::write(&file, self.certificate.pem()).expect("the folder is ours");
        file
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Connects as a client that trusts this authority and wants these protocols, in this order.
    pub(crate) async fn connect(&self, address: SocketAddr, alpn: &[&str]) -> TlsStream<TcpStream> {
        self.try_connect(address, alpn, None).await.expect("the handshake succeeds")
    }

    /// The same, showing a certificate.
    pub(crate) async fn try_connect(
        &self,
        address: SocketAddr,
        alpn: &[&str],
        shown: Option<Signed>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        stream.set_nodelay(true).expect("it is open");
        self.handshake(stream, alpn, shown).await
    }

    /// The same, over a connection that is there already.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        alpn: &[&str],
        shown: Option<Signed>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some(Signed { certificate, key, .. }) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
                builder.with_client_auth_cert(vec![certificate], key).expect("they belong together")
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").expect("a name");
        soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }
}
