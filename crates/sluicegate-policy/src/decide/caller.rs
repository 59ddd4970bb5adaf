//! The caller of a request.

use std::sync::Arc;

use crate::{ApiKey, TierId};

/// The caller of a request, as far as its head tells.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The client's IP address, with an IPv6 address cut to its network.
    pub client: String,
    /// The facts about the API key of the request, if it has one.
    pub api_key: Option<Arc<ApiKey>>,
    /// Its tier.
    pub tier: TierId,
}

impl Caller {
    /// A caller of which only the address is known.
    #[must_use]
    pub fn anonymous(client: String, tier: TierId) -> Self {
        Self { client, api_key: None, tier }
    }

    /// The customer: the tenant of the API key, or else the client's address.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.api_key.as_ref().map_or(&self.client, |key| &key.tenant)
    }
}
