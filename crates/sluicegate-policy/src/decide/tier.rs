//! Tiers: scales of the limits, sold to customers.

use crate::Scale;

/// A named scale of the limits, sold to customers.
#[derive(Clone, Debug)]
pub struct Tier {
    name: String,
    scale: Scale,
}

/// The tiers of a policy. There is always one: without `[tiers]` everybody is in the tier `default`.
#[derive(Clone, Debug)]
pub struct Tiers {
    tiers: Vec<Tier>,
    default: TierId,
    named: bool,
}

/// A tier of a policy, by its place in [`Tiers::as_slice`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TierId(usize);

impl Tier {
    pub(crate) fn new(name: String, scale: Scale) -> Self {
        Self { name, scale }
    }

    /// The name, as keys and headers give it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The scale of every limit per caller.
    #[must_use]
    pub fn scale(&self) -> Scale {
        self.scale
    }
}

impl Tiers {
    /// At least one, and one of them the default.
    pub(crate) fn new(tiers: Vec<Tier>, default: &str) -> Option<Self> {
        let default = TierId(tiers.iter().position(|tier| tier.name == default)?);
        Some(Self { tiers, default, named: true })
    }

    /// The one tier of a policy that has none.
    pub(crate) fn none() -> Self {
        Self { tiers: vec![Tier::new("default".to_owned(), Scale::WHOLE)], default: TierId(0), named: false }
    }

    /// Every tier, in the order of their ids.
    #[must_use]
    pub fn as_slice(&self) -> &[Tier] {
        &self.tiers
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = TierId> + use<> {
        (0..self.tiers.len()).map(TierId)
    }

    /// Returns `true` if the policy has tiers, so that accounts are kept per tier.
    #[must_use]
    pub fn are_named(&self) -> bool {
        self.named
    }

    /// The tier of callers that bring none, or one that does not exist.
    #[must_use]
    pub fn default_tier(&self) -> TierId {
        self.default
    }

    /// The tier with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<TierId> {
        self.tiers.iter().position(|tier| tier.name == name).map(TierId)
    }

    /// The name of a tier.
    #[must_use]
    pub fn name(&self, tier: TierId) -> &str {
        self.tiers.get(tier.0).map_or("", Tier::name)
    }
}

impl TierId {
    /// The place in [`Tiers::as_slice`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}
