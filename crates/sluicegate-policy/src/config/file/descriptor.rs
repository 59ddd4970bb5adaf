//! `descriptor` of `[[route]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error};

use super::{Placed, RouteTable};

/// The descriptors of Envoy's rate limit filter that a route is for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Descriptor")]
pub struct DescriptorTable {
    /// Domain of the filter.
    pub domain: Placed<String>,
    /// Entries in the filter's order: `"user"` has any value, and `"generic_key=chat"` this one. The most specific
    /// route of a descriptor wins.
    #[schemars(length(min = 1))]
    pub entries: Placed<Vec<Placed<String>>>,
}

/// A route that says what it is for.
pub(super) struct WholeRoute(pub(super) RouteTable);

impl<'de> Deserialize<'de> for WholeRoute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = RouteTable::deserialize(deserializer)?;
        match (&table.path, &table.descriptor) {
            (None, None) => Err(D::Error::missing_field("path")),
            _ => Ok(Self(table)),
        }
    }
}
