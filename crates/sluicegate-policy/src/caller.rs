//! Who sends a request.

use crate::TierId;

/// Who sends a request, as far as its head tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// The client's IP address, with an IPv6 address cut to its network.
    pub client: String,
    /// The id of its API key; never the key.
    pub api_key: Option<String>,
    /// The customer behind the API key.
    pub tenant: Option<String>,
    /// Its tier.
    pub tier: TierId,
}

impl Caller {
    /// A caller of which only the address is known.
    #[must_use]
    pub fn anonymous(client: String, tier: TierId) -> Self {
        Self { client, api_key: None, tenant: None, tier }
    }
}
