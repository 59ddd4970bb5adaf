//! The state of a gateway, as the dashboard shows it.

use std::{
    collections::BTreeMap,
    ptr,
    sync::{Arc, Weak},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use sluicegate::OutageMode;
use sluicegate_http::{AccountUse, BusiestAccounts, DeniedKey, RecentDenial};
use sluicegate_policy::{Limit, LimitId, LogKeys, Mode, Policy, Route};
use sluicegate_stores::StoreStatistics;

use super::history::{Known, News, Range};
use crate::{
    admin::{Admin, denials},
    amounts::{amount, seconds},
    reload::generation::Generation,
    upstream::Health,
};

/// The state of a gateway, or what has changed of it. What grows with the policy is written as JSON without a copy.
#[derive(Serialize)]
pub(super) struct GatewayState<'a> {
    #[serde(flatten)]
    history: News<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<Whole<'a>>,
    time: f64,
    gateway: Value,
    upstreams: Vec<Value>,
    store: Value,
    recent_denials: Vec<Value>,
    most_denied: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<Accounts<'a>>,
}

/// Facts that stay until a reload.
#[derive(Serialize)]
struct Whole<'a> {
    version: &'static str,
    range: &'static str,
    step: u64,
    points: usize,
    policy_read: String,
    has_token: bool,
    log_keys: LogKeys,
    store: String,
    limits: Limits<'a>,
}

/// The limits of a policy, by name.
struct Limits<'a>(&'a Policy);

#[derive(Serialize)]
struct LimitFacts<'a> {
    quota: String,
    unit: &'static str,
    key: Vec<String>,
    shadow: bool,
    routes: Vec<&'a str>,
}

#[derive(Serialize)]
struct Accounts<'a> {
    counted_for: f64,
    /// By the names of limits.
    busiest: BTreeMap<&'a str, BusiestAccount>,
    most_spent: Vec<Value>,
}

#[derive(Serialize)]
struct BusiestAccount {
    key: String,
    used: f64,
    denied: f64,
}

/// The part of the state that somebody has been told.
#[derive(Debug)]
pub(super) struct Told {
    known: Known,
    /// Weak, because somebody who reads slowly is not to keep an old policy.
    generation: Weak<Generation>,
    denial: u64,
}

/// Has the state written, or what has changed of it since somebody was told. After a reload that is everything.
pub(super) fn tell<T>(
    admin: &Admin,
    range: Range,
    told: Option<Told>,
    write: impl FnOnce(&GatewayState<'_>) -> T,
) -> (T, Told) {
    let generation = admin.reloads.current();
    let history = admin.dashboard.history();
    let is_same = |told: &Told| ptr::eq(told.generation.as_ptr(), Arc::as_ptr(&generation));
    let told = told.filter(|told| is_same(told) && !history.has_lost_series_since(told.known));
    let (news, known) = history.since(range, told.as_ref().map(|told| told.known));
    let before = told.as_ref().map_or(0, |told| told.denial);
    let recent = generation.denials.recent(before);
    let denial = recent.first().map_or(before, |denial| denial.number);
    let policy = generation.gate.policy();
    let state = GatewayState {
        history: news,
        whole: told.is_none().then(|| whole(range, &generation)),
        time: seconds_since_1970(SystemTime::now()),
        gateway: gateway(admin, &generation),
        upstreams: generation.healths.iter().map(|health| upstream(health)).collect(),
        store: store(&generation.metrics.all.store()),
        recent_denials: recent.iter().map(recent_denial).collect(),
        most_denied: most_denied(&generation.denials.most_denied()),
        accounts: generation.admission.watch_accounts().map(|accounts| self::accounts(policy, accounts)),
    };
    (write(&state), Told { known, generation: Arc::downgrade(&generation), denial })
}

fn whole(range: Range, generation: &Generation) -> Whole<'_> {
    let policy = generation.gate.policy();
    Whole {
        version: env!("CARGO_PKG_VERSION"),
        range: range.name(),
        step: range.step(),
        points: range.points(),
        policy_read: generation.read.to_string(),
        has_token: policy.gateway.admin_token.is_some(),
        log_keys: policy.gateway.log_keys,
        store: policy.store.url.kind().to_string(),
        limits: Limits(policy),
    }
}

impl Serialize for Limits<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(policy) = self;
        serializer
            .collect_map(policy.limits.iter().map(|limit| (limit.name(), LimitFacts::of(limit, policy))))
    }
}

impl<'a> LimitFacts<'a> {
    fn of(limit: &Limit, policy: &'a Policy) -> Self {
        let routes = policy.routes.as_slice().iter();
        let has = |id: &LimitId| policy.limit(*id).name() == limit.name();
        let routes = routes.filter(|route| route.limits().iter().any(has)).map(Route::label);
        let key: Vec<_> = limit.key_template().parts().iter().map(ToString::to_string).collect();
        Self {
            quota: limit.quota(policy.tiers.default_tier()).to_string(),
            unit: limit.unit().as_str(),
            key: if key.is_empty() { vec!["global".to_owned()] } else { key },
            shadow: limit.mode() == Mode::Shadow,
            routes: routes.collect(),
        }
    }
}

fn gateway(admin: &Admin, generation: &Generation) -> Value {
    json!({
        "draining": admin.draining.has_begun(),
        "warmup": generation.metrics.warmup(),
        "in_flight": generation.metrics.in_flight(),
        "policy_is_current": generation.metrics.reloads.is_current(),
    })
}

fn upstream(health: &Health) -> Value {
    json!({
        "upstream": health.name(),
        "healthy": health.is_well(),
        "in_flight": health.in_flight(),
        "failed": health.failures(),
    })
}

fn store(store: &StoreStatistics) -> Value {
    let servers = store.servers.iter().map(|server| {
        let (name, up) = (&server.server, server.up);
        json!({ "server": name, "up": up, "errors": server.errors, "outages": server.outages })
    });
    json!({
        "up": store.up,
        "live_keys": store.live_keys,
        "evictions": store.evictions,
        "errors": store.errors,
        "outage_decisions": {
            OutageMode::Allow.as_str(): store.allowed,
            OutageMode::Deny.as_str(): store.refused,
            OutageMode::Local.as_str(): store.decided_locally,
        },
        "servers": servers.collect::<Vec<_>>(),
    })
}

fn recent_denial(denial: &RecentDenial) -> Value {
    let unit = denial.quota.unit();
    json!({
        "number": denial.number,
        "time": seconds_since_1970(denial.time),
        "route": denial.route,
        "limit": denial.limit,
        "key": denial.key,
        "quota": denial.quota.to_string(),
        "unit": unit.as_str(),
        "cost": amount(denial.cost.units(), unit),
        "remaining": amount(denial.remaining, unit),
        "retry_after": denial.retry_after,
    })
}

fn most_denied(keys: &[DeniedKey]) -> Value {
    keys.iter().take(MOST_KEYS).map(denials::entry).collect()
}

fn accounts(policy: &Policy, BusiestAccounts { counted_for, mut accounts }: BusiestAccounts) -> Accounts<'_> {
    let mut busiest = BTreeMap::<_, &AccountUse>::new();
    for account in &accounts {
        let busiest = busiest.entry(account.limit).or_insert(account);
        if asked(account) > asked(busiest) {
            *busiest = account;
        }
    }
    let busiest = busiest.into_iter().map(|(limit, AccountUse { key, used, denied, .. })| {
        let account = BusiestAccount { key: key.clone(), used: share(*used), denied: share(*denied) };
        (policy.limit(limit).name(), account)
    });
    let busiest = busiest.collect();
    // Limits in shadow mode are charged for requests that others are charged for, too.
    accounts.retain(|account| policy.limit(account.limit).mode() == Mode::Enforce);
    accounts.sort_unstable_by(|one, other| {
        (one.unit.as_str(), other.spent).cmp(&(other.unit.as_str(), one.spent))
    });
    let of_units = accounts.chunk_by(|one, other| one.unit == other.unit);
    let most_spent = of_units.flat_map(|accounts| accounts.iter().take(MOST_KEYS));
    let most_spent = most_spent.map(|account| self::account(policy, account)).collect();
    Accounts { counted_for: seconds(counted_for), busiest, most_spent }
}

fn account(policy: &Policy, account: &AccountUse) -> Value {
    json!({
        "limit": policy.limit(account.limit).name(),
        "key": account.key,
        "unit": account.unit.as_str(),
        "spent": amount(account.spent, account.unit),
        "denials": account.denials,
        "used": share(account.used),
        "denied": share(account.denied),
        "idle": seconds(account.idle),
    })
}

/// The share of a quota that an account has asked for.
fn asked(account: &AccountUse) -> f64 {
    account.used + account.denied
}

/// To a tenth of a per cent.
fn share(share: f64) -> f64 {
    (share * 1000.0).round() / 1000.0
}

fn seconds_since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The most keys that are shown.
const MOST_KEYS: usize = 50;
