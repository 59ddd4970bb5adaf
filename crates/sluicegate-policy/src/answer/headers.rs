//! Header fields that show clients their limits, in the families that the policy selects.

mod anthropic;
mod draft06;
mod github;
mod ietf;
mod openai;
mod value_writer;

use std::{sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, header::Entry};
use sfv::{List, Parser};
use sluicegate::{Algorithm, Balance, Cost, Quota, Wait};
use smallvec::SmallVec;

pub(super) use ietf::policy_line;

use crate::{
    HeaderFamily, LimitId,
    answer::{retry, whole_seconds::whole_seconds},
    decide::cors::CorsFields,
};
use value_writer::ValueWriter;

/// The state of one enforced limit for a caller, as headers tell it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LimitState<'a> {
    pub(super) id: LimitId,
    /// The limit's name, as headers may write it.
    pub(super) name: &'a str,
    pub(super) quota: &'a Quota,
    pub(super) cost: Cost,
    pub(super) balance: &'a Balance,
}

impl LimitState<'_> {
    pub(super) fn is_denied(&self) -> bool {
        !self.balance.wait.fits()
    }

    /// The amount that a client may still spend; zero for a limit that has denied it.
    fn remaining(&self) -> u64 {
        if self.is_denied() { 0 } else { self.balance.remaining }
    }

    /// Whole seconds until the account is full.
    fn reset_seconds(&self) -> u64 {
        whole_seconds(self.balance.reset_after)
    }

    fn is_concurrent(&self) -> bool {
        self.quota.algorithm() == Algorithm::Concurrent
    }
}

/// The headers that tell a client its limits, up to two without allocating, and the CORS headers that let a page read
/// them.
#[derive(Clone, Debug, Default)]
pub struct LimitHeaders {
    balances: SmallVec<[(HeaderName, HeaderValue); 2]>,
    cors: Option<Arc<CorsFields>>,
}

impl LimitHeaders {
    /// The headers of all families. The states are sorted: those that denied come first, the longest wait before all.
    ///
    /// `policy` is the `RateLimit-Policy` line, if it has been worked out before, and `now` the time where a family
    /// [tells moments](HeaderFamily::tells_moments).
    pub(super) fn of(
        families: &[HeaderFamily],
        states: &[LimitState<'_>],
        policy: Option<&HeaderValue>,
        now: Option<SystemTime>,
    ) -> Self {
        let mut lines = Self::default();
        if states.is_empty() {
            return lines;
        }
        let now = now.unwrap_or(SystemTime::UNIX_EPOCH);
        for family in families {
            match family {
                HeaderFamily::Ietf => ietf::write(&mut lines, states, policy),
                HeaderFamily::Draft06 => draft06::write(&mut lines, states),
                HeaderFamily::Github => github::write(&mut lines, states, now),
                HeaderFamily::Openai => openai::write(&mut lines, states),
                HeaderFamily::Anthropic => anthropic::write(&mut lines, states, now),
            }
        }
        lines
    }

    fn push(&mut self, name: HeaderName, value: HeaderValue) {
        self.balances.push((name, value));
    }

    fn push_number(&mut self, name: HeaderName, number: u64) {
        self.push(name, ValueWriter::number(number));
    }

    /// The lines with those that let a page read the answer.
    pub(super) fn shared(self, cors: Option<Arc<CorsFields>>) -> Self {
        Self { cors, ..self }
    }

    /// Returns `true` if the response's own headers decide which others it gets.
    #[must_use]
    pub fn are_shared(&self) -> bool {
        self.cors.is_some()
    }

    /// The lines of balances, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.balances.iter().map(|(name, value)| (name, value))
    }

    /// Adds the headers to a response. All are appended: the response keeps the headers that it has.
    ///
    /// An upstream's own `RateLimit` fields stay, and ours follow as further members of its lists. Where its field
    /// is malformed, ours would be lost with it, and would only hide who is to blame: then it stays alone. Other
    /// families have no lists, so a header that the upstream has set stays as it is.
    pub fn append_to(&self, headers: &mut HeaderMap) {
        self.clone().move_to(headers);
    }

    /// [`append_to`](Self::append_to) without a copy.
    pub fn move_to(self, headers: &mut HeaderMap) {
        for (name, value) in self.balances {
            match headers.try_entry(name) {
                Ok(Entry::Vacant(field)) => {
                    // A map that is full has no room for more.
                    let _ = field.try_insert(value);
                }
                Ok(Entry::Occupied(field)) => {
                    let name = field.key().clone();
                    if ietf::is_list(&name) && is_valid_list(headers, &name) {
                        let _ = headers.try_append(name, value);
                    }
                }
                Err(_) => {}
            }
        }
        // A preflight that has come so far is answered by the upstream, which knows what it allows.
        if let Some(cors) = self.cors.as_deref().filter(|cors| !cors.are_for_preflight()) {
            cors.append_to(headers);
        }
    }
}

impl HeaderFamily {
    /// Returns `true` if its fields name points in time.
    pub(super) fn tells_moments(self) -> bool {
        matches!(self, Self::Github | Self::Anthropic)
    }

    /// The fields that answers may have.
    pub(crate) fn fields(self) -> Vec<HeaderName> {
        match self {
            Self::Ietf => ietf::FIELDS.to_vec(),
            Self::Draft06 => draft06::FIELDS.to_vec(),
            Self::Github => github::FIELDS.to_vec(),
            Self::Openai => openai::FIELDS
                .into_iter()
                .flat_map(|(_, names)| names)
                .chain([retry::RETRY_AFTER_MS])
                .collect(),
            Self::Anthropic => anthropic::FIELDS.into_iter().flat_map(|(_, names)| names).collect(),
        }
    }
}

/// The limit that single-valued families speak of: the one that denied for longest, or else the one that runs out
/// first under more requests of the same cost. Slots have no reset, which all of these families need.
fn tightest<'s, 'a>(states: impl IntoIterator<Item = &'s LimitState<'a>>) -> Option<&'s LimitState<'a>>
where
    'a: 's,
{
    states.into_iter().filter(|state| !state.is_concurrent()).min_by_key(|state| {
        let requests_left = state.balance.remaining / state.cost.units().max(1);
        let denied = state.is_denied();
        // Those that denied come in the order of their waits, and of equals the first is taken.
        (!denied, if denied { 0 } else { requests_left })
    })
}

/// RFC 9651 reads all lines of a field as one list, in which one bad member spoils the whole.
fn is_valid_list(headers: &HeaderMap, name: &HeaderName) -> bool {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let joined = lines.collect::<SmallVec<[_; 2]>>().join(&b", "[..]);
    Parser::new(&joined).parse::<List>().is_ok()
}

/// The value of a header that is a number.
pub(super) fn number(number: u64) -> HeaderValue {
    ValueWriter::number(number)
}

/// The milliseconds of `retry-after-ms`, which OpenAI's and Anthropic's clients prefer to `Retry-After`.
pub(super) fn retry_after_ms(wait: Wait) -> Option<u64> {
    match wait {
        Wait::For(duration) => {
            u64::try_from(duration.as_nanos().div_ceil(1_000_000)).ok().map(|ms| ms.max(1))
        }
        Wait::None | Wait::Release | Wait::Forever => None,
    }
}
