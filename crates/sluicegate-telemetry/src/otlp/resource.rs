//! The program that is told about.

use opentelemetry_proto::tonic::{common::v1::InstrumentationScope, resource::v1};

use super::value::attribute;
use crate::Attribute;

/// The program that is told about: attributes that all its spans and metrics share.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource(v1::Resource);

impl Resource {
    /// An instance of a service.
    #[must_use]
    pub fn new(service: &str, version: &str, instance: &str) -> Self {
        let attributes =
            [("service.name", service), ("service.version", version), ("service.instance.id", instance)];
        let attributes =
            attributes.map(|(name, value)| attribute(name, Attribute::from(value.to_owned()))).to_vec();
        Self(v1::Resource { attributes, ..v1::Resource::default() })
    }

    pub(super) fn message(&self) -> v1::Resource {
        self.0.clone()
    }

    /// The part of the program that made the spans and metrics.
    pub(super) fn scope() -> InstrumentationScope {
        InstrumentationScope {
            name: "sluicegate".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        }
    }
}
