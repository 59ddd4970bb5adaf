//! The policy as written: what the file says, with the place of everything that can be wrong.

mod chunks;
mod cors;
mod decision_log;
mod decisions;
mod descriptor;
mod entry;
mod gateway;
mod health;
mod identity;
mod limits;
mod named_files;
mod number;
mod one_or_many;
mod period;
mod placed;
mod responses;
mod route;
mod schema;
mod size;
mod status;
mod store;
mod telemetry;
mod text;
mod tiers;
mod tls;
mod unknown;
mod upstream;
mod warmup;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub use chunks::ChunksTable;
pub use cors::CorsTable;
pub use decision_log::DecisionLogTable;
pub use decisions::DecisionsTable;
pub use descriptor::DescriptorTable;
pub use gateway::{Address, GatewayTable};
pub use health::{EjectionTable, HealthTable};
pub use identity::IdentityTable;
pub use limits::{DefaultsTable, InlineLimit, LimitEntry, LimitTable};
pub use number::Number;
pub use one_or_many::OneOrMany;
pub use period::Period;
pub use placed::Placed;
pub use responses::ResponsesTable;
pub use route::{MeterEntry, MeterTable, RouteTable};
pub use schema::schema;
pub use size::Size;
pub use status::Status;
pub use store::StoreTable;
pub use telemetry::TelemetryTable;
pub use tiers::TierTable;
pub use tls::TlsTable;
pub use upstream::{UpstreamEntry, UpstreamTable};
pub use warmup::WarmupTable;

use crate::{
    Diagnostics, Source,
    config::{overrides, report::Report},
};
use descriptor::WholeRoute;
use entry::read;

/// A policy file, as it is written.
#[derive(Clone, Debug, Default, JsonSchema)]
#[schemars(title = "Sluicegate policy", deny_unknown_fields, default)]
pub struct File {
    /// The gateway's own settings.
    pub gateway: GatewayTable,
    /// The store of balances.
    pub store: StoreTable,
    /// Identification of callers.
    pub identity: IdentityTable,
    /// Scales of the limits, sold to customers, by name.
    #[schemars(with = "BTreeMap<String, TierTable>")]
    pub tiers: Vec<(Placed<String>, TierTable)>,
    /// Smaller limits while the upstream warms up.
    pub warmup: Option<WarmupTable>,
    /// Defaults of limits and routes.
    pub defaults: DefaultsTable,
    /// Limits that several routes share, by name.
    #[schemars(with = "BTreeMap<String, LimitTable>")]
    pub limits: Vec<(Placed<String>, LimitTable)>,
    /// A route: the requests that a list of limits applies to.
    pub route: Vec<RouteTable>,
    /// The responses to clients.
    pub responses: ResponsesTable,
    /// The web pages that may call the API.
    pub cors: Option<CorsTable>,
    /// The file of decisions.
    pub decision_log: Option<DecisionLogTable>,
    /// Traces and metrics sent to a collector.
    pub telemetry: Option<TelemetryTable>,
    /// The address at which other proxies ask for decisions.
    pub decisions: Option<DecisionsTable>,
}

impl File {
    /// Reads the source and applies its overrides.
    ///
    /// # Errors
    ///
    /// Everything that is no policy: broken TOML (the first error only, since the rest may follow from it),
    /// fields that do not exist, values of the wrong type.
    pub fn parse(source: &Source) -> Result<Self, Diagnostics> {
        let mut report = Report::new(source);
        let file = Self::read(&mut report);
        report.finish(file)
    }

    fn read(report: &mut Report<'_>) -> Option<Self> {
        let text = report.source().text();
        let mut table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                report.toml(&error, error.span().unwrap_or(text.len()..text.len()), None);
                return None;
            }
        };
        let schema = schema::inlined();
        overrides::apply(report, &mut table, &schema);
        unknown::take_out(report, &mut table, &schema);
        let mut file = Self::default();
        // Each table is read by itself, so that what is wrong with one does not hide what is wrong with the next.
        for (key, value) in table {
            match key.get_ref().as_ref() {
                name @ "gateway" => file.gateway = read(report, name, value).unwrap_or_default(),
                name @ "store" => file.store = read(report, name, value).unwrap_or_default(),
                name @ "identity" => file.identity = read(report, name, value).unwrap_or_default(),
                name @ "warmup" => file.warmup = read(report, name, value),
                name @ "defaults" => file.defaults = read(report, name, value).unwrap_or_default(),
                name @ "responses" => file.responses = read(report, name, value).unwrap_or_default(),
                name @ "cors" => file.cors = read(report, name, value),
                name @ "decision_log" => file.decision_log = read(report, name, value),
                name @ "telemetry" => file.telemetry = read(report, name, value),
                name @ "decisions" => file.decisions = read(report, name, value),
                "tiers" => file.tiers = named(report, value, "tiers"),
                "limits" => file.limits = named(report, value, "limits"),
                "route" => file.route = routes(report, value),
                // `$schema`, which is for editors.
                _ => {}
            }
        }
        Some(file)
    }
}

/// Reads `[limits]` or `[tiers]`: a table of tables by name.
fn named<'de, T: Deserialize<'de>>(
    report: &mut Report<'_>,
    value: Spanned<DeValue<'de>>,
    table: &str,
) -> Vec<(Placed<String>, T)> {
    let place = value.span();
    let DeValue::Table(entries) = value.into_inner() else {
        let help = format!("give each a name and a table, as in [{table}.NAME]");
        report.error_help(place.start, format!("`{table}` is a table of tables"), help);
        return Vec::new();
    };
    let mut read_entries = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let name = Placed { place: key.span(), value: key.into_inner().into_owned() };
        let read = read(report, &format!("{table}.{}", name.value), value);
        read_entries.extend(read.map(|entry| (name, entry)));
    }
    read_entries
}

fn routes<'de>(report: &mut Report<'_>, value: Spanned<DeValue<'de>>) -> Vec<RouteTable> {
    let place = value.span();
    match value.into_inner() {
        DeValue::Array(routes) => {
            let routes = routes.into_iter().filter_map(|route| read(report, "route", route));
            routes.map(|WholeRoute(route)| route).collect()
        }
        _ => {
            let help = "write [[route]] with two brackets, one for each route";
            report.error_help(place.start, "`route` is a list of tables", help);
            Vec::new()
        }
    }
}
