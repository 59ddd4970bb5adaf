//! Recognition of callers, by an API key or a proxy's header.

use std::{
    net::IpAddr,
    slice::from_ref,
    sync::{Arc, PoisonError},
};

use http::{HeaderMap, header};
use sluicegate::{Balance, Charge, Cost, Decision, Denial, Resilient, Timestamp, Wait};
use smallvec::smallvec;

use super::{Denied, Gate, Rejection, Visit};
use crate::{LimitId, Refusal, TierId};

impl<S: Resilient> Gate<S> {
    /// Recognises the caller by an API key or, if there is none, by the header of a proxy.
    pub(super) async fn recognise(&self, visit: &mut Visit<'_>, peer: IpAddr) -> Result<(), Rejection> {
        let headers = &visit.head.headers;
        if let Some(api_key) = self.presented(headers) {
            return self.verify(visit, api_key).await;
        }
        if let Some(tier) = self.header_tier(headers, peer) {
            visit.caller.tier = tier;
        }
        Ok(())
    }

    /// The API key that a request brings, where the policy knows any.
    fn presented<'h>(&self, headers: &'h HeaderMap) -> Option<&'h [u8]> {
        self.policy.identity.api_keys.as_ref()?;
        if let Some(key) = headers.get("x-api-key") {
            return Some(key.as_bytes());
        }
        let (scheme, key) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked(BEARER.len())?;
        scheme.eq_ignore_ascii_case(BEARER).then(|| key.trim_ascii())
    }

    /// The tier that a proxy gives a caller. If the policy names its proxies, only they can give tiers. If it
    /// names none, every peer is trusted with the header.
    pub(super) fn header_tier(&self, headers: &HeaderMap, peer: IpAddr) -> Option<TierId> {
        if !self.policy.gateway.trusted_proxies.is_empty() && !self.client_ip.trusts(peer) {
            return None;
        }
        let name = headers.get(self.policy.identity.tier_header.as_ref()?)?;
        self.policy.tiers.find(name.to_str().ok()?)
    }

    /// Finds the caller to whom an API key belongs.
    async fn verify(&self, visit: &mut Visit<'_>, api_key: &[u8]) -> Result<(), Rejection> {
        let keys = Arc::clone(&self.api_keys.read().unwrap_or_else(PoisonError::into_inner));
        let known = std::str::from_utf8(api_key).ok().and_then(|api_key| keys.verify(api_key));
        if let Some(failures) = self.policy.identity.failures {
            self.limit_guesses(visit, failures, known.is_some()).await?;
        }
        let Some(known) = known else { return Err(visit.refused(Refusal::UnknownApiKey)) };
        let tier = known.tier.as_deref().and_then(|tier| self.policy.tiers.find(tier));
        visit.caller.api_key = Some(Arc::clone(known));
        visit.caller.tier = tier.unwrap_or_else(|| self.policy.tiers.default_tier());
        Ok(())
    }

    /// Charges a wrong key to its client. A client that has shown too many is not told whether this one is right, so that
    /// guessing is no faster than the limit on it.
    async fn limit_guesses(
        &self,
        visit: &Visit<'_>,
        failures: LimitId,
        is_known: bool,
    ) -> Result<(), Rejection> {
        let charge = self.failure(failures, visit);
        if !is_known {
            self.key_failures.record(&charge);
        } else if !self.key_failures.has_failed(&charge) {
            return Ok(());
        }
        let charge = charge.cost(Cost::new(u64::from(!is_known)));
        let taking = self.limiter.take_or(from_ref(&charge), |_| self.outage(failures));
        let denial = match taking.await {
            Err(error) => return Err(visit.unanswered(error)),
            Ok(Decision::Deny(denial)) => Some(denial),
            // A right key costs nothing, so it passes where one more wrong key would not.
            Ok(Decision::Allow(permit)) if is_known => {
                permit.balances().first().and_then(|balance| spent(balance, permit.at()))
            }
            Ok(Decision::Allow(_)) => None,
        };
        denial.map_or(Ok(()), |denial| Err(Self::guessed(visit, failures, charge, denial)))
    }

    /// The denial of a client that has shown too many wrong keys.
    fn guessed(visit: &Visit<'_>, failures: LimitId, charge: Charge, denial: Denial) -> Rejection {
        Rejection::Denied(Box::new(Denied {
            route: visit.route(),
            tier: visit.tier(),
            limits: smallvec![failures],
            charges: smallvec![charge],
            denial,
            is_of_route: false,
            warmup: None,
            usage: None,
        }))
    }
}

/// The denial of one more charge on an account that has nothing left.
fn spent(balance: &Balance, at: Timestamp) -> Option<Denial> {
    let wait = Wait::For(balance.next_after);
    (balance.remaining == 0).then(|| Denial {
        charge: 0,
        wait,
        balances: [Balance { wait, ..*balance }].into_iter().collect(),
        at,
    })
}

const BEARER: &[u8] = b"Bearer ";
