//! An authority of the test's own, and a certificate that it gives the server.

use std::{fs, net::Ipv4Addr, path::Path};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

/// Writes `ca.pem`, `server.pem` and `server.key` into `folder`. The server is `localhost` and `127.0.0.1`.
pub(super) fn write(folder: &Path) {
    let pair = || KeyPair::generate().expect("a pair of keys");
    let (authority_key, server_key) = (pair(), pair());

    let mut authority = CertificateParams::default();
    // A name of its own: OpenSSL takes a certificate for self-signed whose issuer is called as its subject is.
    authority.distinguished_name.push(DnType::CommonName, "Sluicegate's tests");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&authority_key).expect("a certificate of the authority");

    let mut server = CertificateParams::new(["localhost".to_owned()]).expect("a host's name");
    server.subject_alt_names.push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
    let issuer = Issuer::new(authority, authority_key);
    let signed = server.signed_by(&server_key, &issuer).expect("a certificate of the server");

    let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("the folder is ours");
    write(CA, certificate.pem());
    write(CERTIFICATE, signed.pem());
    write(KEY, server_key.serialize_pem());
}

pub(super) const CA: &str = "ca.pem";
pub(super) const CERTIFICATE: &str = "server.pem";
pub(super) const KEY: &str = "server.key";
