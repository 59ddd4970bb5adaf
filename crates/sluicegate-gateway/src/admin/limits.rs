//! `/limits`: the balances of a caller's accounts, and resetting them.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{RawQuery, State},
    http::StatusCode,
};
use serde_json::{Value, json};
use sluicegate::{Algorithm, Balance, Cost, StoreError};
use sluicegate_policy::{LimitAccount, Mode, Policy};

use super::Admin;
use crate::{
    amounts::{amount, seconds},
    problem::Problem,
    reload::generation::Generation,
};

/// 200 with the balance of each account of the key.
pub(super) async fn show(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let generation = admin.reloads.current();
    let Selection { key, accounts } = Selection::of(query.as_deref(), &generation)?;
    let balances = generation.gate.balances(&accounts).await.map_err(|error| unanswered(&error))?;
    let policy = generation.gate.policy();
    let limits: Vec<_> =
        accounts.iter().zip(&balances).map(|(account, balance)| entry(policy, account, balance)).collect();
    Ok(Json(json!({ "key": key, "limits": limits })))
}

/// 200 with the accounts that are now as if they had never been used.
pub(super) async fn reset(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let generation = admin.reloads.current();
    let Selection { key, mut accounts } = Selection::of(query.as_deref(), &generation)?;
    accounts.dedup_by(|account, before| account.key() == before.key());
    // Not ended, nor left out of the log, by a client that goes away meanwhile.
    let reset = tokio::spawn(reset_and_log(generation, accounts)).await;
    let reset =
        reset.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The reset was broken off"))?;
    let reset = reset.map_err(|error| unanswered(&error))?;
    Ok(Json(json!({ "key": key, "reset": reset })))
}

/// The accounts that a request selects.
struct Selection {
    key: String,
    accounts: Vec<LimitAccount>,
}

impl Selection {
    fn of(query: Option<&str>, generation: &Generation) -> Result<Self, Problem> {
        let (mut key, mut limit) = (None, None);
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let parameter = match &*name {
                "key" => &mut key,
                "limit" => &mut limit,
                _ => return Err(Problem::new(StatusCode::BAD_REQUEST, PARAMETERS)),
            };
            if parameter.replace(value.into_owned()).is_some() {
                return Err(Problem::new(StatusCode::BAD_REQUEST, PARAMETERS));
            }
        }
        let key = key.filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, PARAMETERS))?;
        let known = |name: String| {
            let limit = generation.gate.policy().find_limit(&name);
            limit.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, NO_LIMIT))
        };
        let accounts = generation.gate.accounts(&key, limit.map(known).transpose()?);
        if accounts.is_empty() {
            Err(Problem::new(StatusCode::NOT_FOUND, NO_ACCOUNT))
        } else {
            Ok(Self { key, accounts })
        }
    }
}

fn entry(policy: &Policy, account: &LimitAccount, balance: &Balance) -> Value {
    let limit = policy.limit(account.limit());
    let tiers: Vec<_> = account.tiers().iter().map(|tier| policy.tiers.name(*tier)).collect();
    let quota = account.tiers().first().map_or_else(String::new, |tier| limit.quota(*tier).to_string());
    json!({
        "limit": limit.name(),
        "account": account.key().as_str(),
        "tiers": tiers,
        "quota": quota,
        "unit": limit.unit().as_str(),
        "remaining": amount(balance.remaining, limit.unit()),
        "reset_after": seconds(balance.reset_after),
        "wait": wait(account, balance).map(seconds),
        "shadow": limit.mode() == Mode::Shadow,
    })
}

/// Until one more unit can be spent; `None` where that depends on others who hold slots, or can never be.
fn wait(account: &LimitAccount, balance: &Balance) -> Option<Duration> {
    let quota = account.quota();
    let never =
        quota.algorithm() == Algorithm::Concurrent && balance.remaining == 0 || !quota.can_hold(Cost::ONE);
    (!never).then_some(balance.next_after)
}

/// Resets the accounts, and says which.
async fn reset_and_log(
    generation: Arc<Generation>,
    accounts: Vec<LimitAccount>,
) -> Result<Vec<Value>, StoreError> {
    generation.admission.reset(&accounts).await?;
    let reset = |account: &LimitAccount| {
        let limit = generation.gate.policy().limit(account.limit()).name();
        tracing::info!(limit, key = generation.denials.written(account.key()), "reset an account");
        json!({ "limit": limit, "account": account.key().as_str() })
    };
    Ok(accounts.iter().map(reset).collect())
}

fn unanswered(error: &StoreError) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("The accounts are in the store, which does not answer: {error}; ask again when it does"),
    )
}

const PARAMETERS: &str = "Name one key, and one limit if only that is meant: /limits?key=KEY&limit=NAME, percent-encoded. A key is \
     what the log writes with log_keys = \"plain\", such as client_ip=192.0.2.7";
const NO_LIMIT: &str = "The policy has no limit of this name; GET /policy names all of them";
const NO_ACCOUNT: &str = "No limit that was asked for has accounts of such a key. A key is what the log writes with log_keys = \
     \"plain\", with or without the limit's name before it: the values that the limit's key names, as in client_ip=192.0.2.7 or \
     tenant=acme|api_key=ID|method=POST; or global";
