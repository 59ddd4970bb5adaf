//! `[defaults]`, `[limits.NAME]` and lists of limits.

use std::collections::BTreeMap;

use sluicegate::{Algorithm, OutageMode, Quota, Unit};

use crate::{
    KeyTemplate, LimitId, Mode, Terms,
    config::{
        diagnostic::did_you_mean,
        file::{File, InlineLimit, LimitEntry, OneOrMany, Placed},
        report::Report,
    },
};

use super::{
    limit_names,
    store::outage_at,
    terms::WrittenTerms,
    tiers::{NAME, is_name},
};

/// The limits that have been found so far, before all of their names are known.
pub(super) struct Drafts {
    pub(super) drafts: Vec<Draft>,
    pub(super) named: BTreeMap<String, LimitId>,
    default_key: KeyTemplate,
    default_algorithm: Option<Algorithm>,
    full: bool,
}

/// A limit without its final name.
pub(super) struct Draft {
    pub(super) name: Name,
    pub(super) quota: Quota,
    pub(super) key: KeyTemplate,
    pub(super) mode: Mode,
    /// Its own mode, if it has one; otherwise the store's.
    pub(super) outage: Option<OutageMode>,
    pub(super) terms: Terms,
    /// Its position in the file.
    pub(super) start: usize,
    /// The position of its quota in the file.
    pub(super) quota_start: usize,
    /// Set if tiers and warm-up leave it alone.
    pub(super) built_in: bool,
}

/// The name of a limit, or what it is made from.
pub(super) enum Name {
    Given(String),
    /// To be made like this, once all given names are known.
    Like(String),
}

/// The fields of a limit, wherever it is written.
struct Fields<'f> {
    quota: &'f Placed<String>,
    key: Option<&'f Placed<OneOrMany<String>>>,
    algorithm: Option<&'f Placed<String>>,
    mode: Option<Mode>,
    outage: Option<&'f Placed<String>>,
    terms: WrittenTerms<'f>,
}

impl Drafts {
    /// The most limits of a policy.
    const MOST: usize = 10_000;

    /// Begins with the limits of `[limits]`.
    pub(super) fn new(report: &mut Report<'_>, file: &File) -> Self {
        let default_key = match &file.defaults.key {
            Some(key) => key_at(report, key),
            None => Some(KeyTemplate::client_ip()),
        };
        let default_algorithm = file.defaults.algorithm.as_ref().and_then(|word| algorithm_at(report, word));
        let mut drafts = Self {
            drafts: Vec::new(),
            named: BTreeMap::new(),
            // Where the key is wrong an error has been reported, and the policy is not used.
            default_key: default_key.unwrap_or_default(),
            default_algorithm,
            full: false,
        };
        for (name, table) in &file.limits {
            if !is_name(&name.value) {
                let message = format!("`{}` is not a valid name of a limit", name.value.escape_debug());
                report.error_help(name.start(), message, NAME);
            }
            let fields = Fields {
                quota: &table.quota,
                key: table.key.as_ref(),
                algorithm: table.algorithm.as_ref(),
                mode: table.mode,
                outage: table.outage.as_ref(),
                terms: WrittenTerms {
                    reserve: table.reserve.as_ref(),
                    debt: table.debt.as_ref(),
                    max_debt: table.max_debt.as_ref(),
                    on_exhausted: table.on_exhausted.as_ref(),
                },
            };
            let made = drafts.table(report, Name::Given(name.value.clone()), name.start(), &fields);
            // A limit that is wrong is known all the same, so that routes that name it are not called wrong too.
            let id = made.unwrap_or(LimitId(usize::MAX));
            drafts.named.insert(name.value.clone(), id);
        }
        drafts
    }

    /// A limit that the file has no name for; `start` is where its quota is written, if it is.
    pub(super) fn built_in(&mut self, name: &str, quota: Quota, start: usize) -> LimitId {
        let key = KeyTemplate::client_ip();
        let name = Name::Like(name.to_owned());
        let id = LimitId(self.drafts.len());
        self.drafts.push(Draft { built_in: true, ..Draft::new(name, quota, key, start) });
        id
    }

    /// Reads limits whose key is this one, unless they have their own.
    pub(super) fn with_default_key<T>(&mut self, key: KeyTemplate, read: impl FnOnce(&mut Self) -> T) -> T {
        let usual = std::mem::replace(&mut self.default_key, key);
        let limits = read(self);
        self.default_key = usual;
        limits
    }

    /// The limits of a list, each with its place; `owner` is whom inline limits are named after.
    pub(super) fn list(
        &mut self,
        report: &mut Report<'_>,
        owner: &str,
        list: &Placed<OneOrMany<LimitEntry>>,
    ) -> Vec<(LimitId, usize)> {
        let mut found: Vec<(LimitId, usize)> = Vec::new();
        for entry in list.entries() {
            let start = entry.start();
            let ids = match &entry.value {
                LimitEntry::Text(text) => {
                    self.text(report, owner, &Placed { value: text.clone(), place: entry.place.clone() })
                }
                LimitEntry::Table(table) => self.inline(report, owner, start, table).into_iter().collect(),
            };
            for id in ids {
                if found.iter().any(|(known, _)| *known == id) {
                    report.error(start, "this limit is in the list twice");
                } else {
                    found.push((id, start));
                }
            }
        }
        found
    }

    /// A text in a list: a limit's name, or quotas.
    fn text(&mut self, report: &mut Report<'_>, owner: &str, text: &Placed<String>) -> Vec<LimitId> {
        let written = text.value.as_str();
        if let Some(id) = self.named.get(written) {
            return match id.0 {
                usize::MAX => Vec::new(),
                _ => vec![*id],
            };
        }
        // A quota begins with its amount.
        if is_name(written) && !written.starts_with(|c: char| c.is_ascii_digit()) {
            let names = self.named.keys().map(String::as_str);
            report.error_or(text.start(), format!("no limit is called `{written}`"), || {
                let add = format!("add [limits.{written}], or write a quota such as \"10/minute\"");
                Some(did_you_mean(written, names).unwrap_or(add))
            });
            return Vec::new();
        }
        let quotas = match Quota::parse_list(written) {
            Ok(quotas) => quotas,
            Err(error) => {
                quota_error(report, text, &error);
                return Vec::new();
            }
        };
        let mut ids = Vec::with_capacity(quotas.len());
        for quota in quotas {
            let like = Name::Like(limit_names::inline(owner, &quota));
            let key = self.default_key.clone();
            let made = checked(report, text, quota)
                .and_then(|quota| self.with_algorithm(report, text, quota, None))
                .and_then(|quota| self.push(report, Draft::new(like, quota, key, text.start())));
            ids.extend(made);
        }
        ids
    }

    /// A table in a list.
    fn inline(
        &mut self,
        report: &mut Report<'_>,
        owner: &str,
        start: usize,
        table: &InlineLimit,
    ) -> Option<LimitId> {
        let (name, start) = match &table.name {
            Some(name) => {
                if !is_name(&name.value) {
                    let message = format!("`{}` is not a valid name of a limit", name.value.escape_debug());
                    report.error_help(name.start(), message, NAME);
                }
                (Name::Given(name.value.clone()), name.start())
            }
            None => (Name::Like(owner.to_owned()), start),
        };
        let fields = Fields {
            quota: &table.quota,
            key: table.key.as_ref(),
            algorithm: table.algorithm.as_ref(),
            mode: table.mode,
            outage: table.outage.as_ref(),
            terms: WrittenTerms {
                reserve: table.reserve.as_ref(),
                debt: table.debt.as_ref(),
                max_debt: table.max_debt.as_ref(),
                on_exhausted: table.on_exhausted.as_ref(),
            },
        };
        self.table(report, name, start, &fields)
    }

    fn table(
        &mut self,
        report: &mut Report<'_>,
        name: Name,
        start: usize,
        fields: &Fields<'_>,
    ) -> Option<LimitId> {
        // Read all of them before giving up on any, so that all of their errors are seen.
        let quota = quota_at(report, fields.quota);
        let key = match fields.key {
            Some(key) => key_at(report, key),
            None => Some(self.default_key.clone()),
        };
        let algorithm = fields.algorithm.map(|word| algorithm_at(report, word).map(|it| (it, word)));
        let outage = fields.outage.and_then(|word| outage_at(report, word));
        let quota = match algorithm {
            Some(algorithm) => self.with_algorithm(report, fields.quota, quota?, Some(algorithm?))?,
            None => self.with_algorithm(report, fields.quota, quota?, None)?,
        };
        let name = match name {
            Name::Like(owner) => Name::Like(limit_names::inline(&owner, &quota)),
            given @ Name::Given(_) => given,
        };
        let mode = fields.mode.unwrap_or_default();
        let terms = fields.terms.resolved(report, quota.unit());
        self.push(
            report,
            Draft { mode, outage, terms, start, ..Draft::new(name, quota, key?, fields.quota.start()) },
        )
    }

    fn with_algorithm(
        &self,
        report: &mut Report<'_>,
        text: &Placed<String>,
        quota: Quota,
        given: Option<(Algorithm, &Placed<String>)>,
    ) -> Option<Quota> {
        let (algorithm, start) = match (given, self.default_algorithm) {
            (Some((algorithm, word)), _) => (algorithm, word.start()),
            (None, Some(algorithm)) if quota.unit() != Unit::Concurrent => (algorithm, text.start()),
            _ => return Some(quota),
        };
        quota.with_algorithm(algorithm).map_err(|error| report.error(start, error.to_string())).ok()
    }

    fn push(&mut self, report: &mut Report<'_>, draft: Draft) -> Option<LimitId> {
        if self.drafts.len() >= Self::MOST {
            if !std::mem::replace(&mut self.full, true) {
                report.error(draft.start, format!("more than {} limits", Self::MOST));
            }
            return None;
        }
        let id = LimitId(self.drafts.len());
        self.drafts.push(draft);
        Some(id)
    }

    /// The key of a limit.
    pub(super) fn key(&self, id: LimitId) -> &KeyTemplate {
        &self.drafts[id.0].key
    }

    /// The quota of a limit, before tiers.
    pub(super) fn quota(&self, id: LimitId) -> Quota {
        self.drafts[id.0].quota
    }
}

impl Draft {
    /// A limit that is no more than a quota on a key.
    pub(super) fn new(name: Name, quota: Quota, key: KeyTemplate, start: usize) -> Self {
        Self {
            name,
            quota,
            key,
            mode: Mode::Enforce,
            outage: None,
            terms: Terms::default(),
            start,
            quota_start: start,
            built_in: false,
        }
    }
}

/// A quota of a policy: not of nothing, and in a unit that a meter gives.
pub(super) fn quota_at(report: &mut Report<'_>, text: &Placed<String>) -> Option<Quota> {
    match text.value.parse() {
        Ok(quota) => checked(report, text, quota),
        Err(error) => {
            quota_error(report, text, &error);
            None
        }
    }
}

fn quota_error(report: &mut Report<'_>, text: &Placed<String>, error: &sluicegate::QuotaError) {
    let inside = report.source().inside(&text.place, &text.value);
    let at = inside.map_or(text.start(), |start| start + error.span().start);
    match error.unknown_unit_word() {
        Some(word) => report.error_help(at, format!("unknown unit `{word}`"), UNITS),
        None => report.error(at, error.to_string()),
    }
}

fn checked(report: &mut Report<'_>, text: &Placed<String>, quota: Quota) -> Option<Quota> {
    if quota.unit() == Unit::Usd {
        let message = format!("no meter gives {} yet", quota.unit());
        report.error_help(text.start(), message, UNITS);
        return None;
    }
    Some(quota)
}

fn key_at(report: &mut Report<'_>, key: &Placed<OneOrMany<String>>) -> Option<KeyTemplate> {
    let parts = key.entries();
    match KeyTemplate::parse(parts.iter().map(|part| part.value.as_str())) {
        Ok(template) => Some(template),
        Err(error) => {
            let start = parts.get(error.index).map_or(key.start(), Placed::start);
            report.error_help(start, error.message, error.help);
            None
        }
    }
}

fn algorithm_at(report: &mut Report<'_>, word: &Placed<String>) -> Option<Algorithm> {
    let algorithm = word.value.parse().ok();
    if algorithm.is_none() {
        report.error_or(word.start(), format!("unknown algorithm `{}`", word.value), || {
            let names = Algorithm::ALL.map(Algorithm::as_str);
            did_you_mean(&word.value, names)
                .or_else(|| Some(format!("the algorithms are {}", names.join(", "))))
        });
    }
    algorithm
}

/// The units that meters give.
const UNITS: &str = "count requests, items, tokens, input_tokens, output_tokens, bytes or concurrent";
