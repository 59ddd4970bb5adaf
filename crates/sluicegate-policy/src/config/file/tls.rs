//! `[gateway.tls]`: encrypted connections from clients.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Placed;

/// `[gateway.tls]`: clients connect by TLS. Files are in PEM, relative to the policy file, and read again when they change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tls")]
pub struct TlsTable {
    /// The file of the gateway's certificate, and after it those between it and the root.
    pub certificate: Placed<String>,
    /// The file of the certificate's private key.
    pub key: Placed<String>,
    /// A file of root certificates. With it, clients must show a certificate that one of them has signed.
    pub client_ca: Option<Placed<String>>,
}
