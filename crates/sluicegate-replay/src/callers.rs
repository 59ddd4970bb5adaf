//! Callers, as logs name them.

use std::{collections::HashMap, sync::Arc};

use sluicegate_policy::{ApiKey, ApiKeys};

use crate::record::Caller;

/// The API keys of callers: those of the policy's own file, and others that only the log knows.
pub(crate) struct Callers {
    known: ApiKeys,
    /// Keys that were made of records, by id and tenant.
    recorded: HashMap<(String, String), Arc<ApiKey>>,
}

impl Callers {
    pub(crate) fn new(known: ApiKeys) -> Self {
        Self { known, recorded: HashMap::new() }
    }

    /// Returns the caller's API key and tier. A key of the policy's file has the tier of that file.
    pub(crate) fn recognise<'c>(&mut self, caller: &'c Caller) -> (Option<Arc<ApiKey>>, Option<&'c str>) {
        let tier = caller.tier.as_deref();
        let id = caller.api_key.as_deref();
        if let Some(key) = id.and_then(|id| self.known.of(id)) {
            return (Some(Arc::clone(key)), None);
        }
        if id.is_none() && caller.tenant.is_none() {
            return (None, tier);
        }
        let tenant = caller.tenant.clone().unwrap_or_default();
        let name = (id.unwrap_or_default().to_owned(), tenant);
        if self.recorded.len() >= MOST {
            self.recorded.clear();
        }
        let key = self
            .recorded
            .entry(name)
            .or_insert_with_key(|(id, tenant)| Arc::new(ApiKey::recorded(id, tenant)));
        (Some(Arc::clone(key)), tier)
    }
}

/// The most keys that are kept for the next request.
const MOST: usize = 100_000;
