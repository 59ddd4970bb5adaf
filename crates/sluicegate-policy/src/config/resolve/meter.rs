//! `meter` of a route.

use std::collections::BTreeMap;

use super::token_places::{foreign_fields, token_places};
use crate::{
    Dialect, InputCount, JsonPointer, Meter, Refunds, TokenClass, TokenMeter, TokenWeights, TokenizerError,
    TokenizerFile,
    config::{
        diagnostic::did_you_mean,
        file::{MeterEntry, MeterTable, Number, Placed, RouteTable, Status},
        report::Report,
    },
    meter::{items::Tensor, token_meter::TokenInterface, token_pointers::TokenPointers},
};

use super::{gateway::timeout, path};

/// The meter of a route: at most one that counts items, one that counts tokens, and one that counts bytes.
pub(super) fn meter(report: &mut Report<'_>, table: &RouteTable) -> Meter {
    let (mut items, mut tokens, mut bytes) = (None, None, false);
    let (mut input_count, mut own_tokenizer) = (None, None);
    for entry in table.meter.as_ref().map(Placed::entries).unwrap_or_default() {
        let is_first = match &entry.value {
            MeterEntry::Word(word) if word == BYTES => !std::mem::replace(&mut bytes, true),
            MeterEntry::Word(word) if word == KSERVE => {
                items.replace(Meter::items(JsonPointer::kserve(0))).is_none()
            }
            MeterEntry::Word(word) => match Dialect::named(word) {
                Some(dialect) => tokens.replace(TokenMeter::new(dialect)).is_none(),
                None => {
                    unknown(report, entry.start(), word);
                    true
                }
            },
            MeterEntry::Table(table) => {
                let (of_items, of_tokens) = of_table(report, table, entry.start());
                let is_twice =
                    items.is_some() && of_items.is_some() || tokens.is_some() && of_tokens.is_some();
                input_count = count(report, table, of_tokens.as_ref()).or(input_count);
                own_tokenizer = tokenizer(report, table, of_tokens.as_ref()).or(own_tokenizer);
                items = of_items.or(items);
                tokens = of_tokens.or(tokens);
                !is_twice
            }
        };
        if !is_first {
            report.error(entry.start(), "this meter appears twice");
        }
    }
    let mut meter = items.unwrap_or_default();
    if let Some(tokens) = tokens {
        meter = meter.and_tokens(tokens);
    }
    if let Some(count) = input_count {
        meter = meter.and_input_count(count);
    }
    if let Some(tokenizer) = own_tokenizer {
        meter = meter.and_tokenizer(tokenizer);
    }
    if bytes { meter.and_bytes() } else { meter }
}

fn of_table(
    report: &mut Report<'_>,
    table: &MeterTable,
    start: usize,
) -> (Option<Meter>, Option<TokenMeter>) {
    let items = table.items.as_ref().map(|items| of_items(report, items, table));
    let tokens = table.tokens.as_ref().and_then(|tokens| of_tokens(report, tokens, table));
    if table.items.is_none() && table.tokens.is_none() {
        report.error_help(start, "this meter counts nothing", METERS);
    }
    if table.items.as_ref().is_none_or(|items| items.value != KSERVE) {
        let (input, dimension) =
            (table.input.as_ref().map(Placed::start), table.dimension.as_ref().map(Placed::start));
        for (name, start) in [("input", input), ("dimension", dimension)] {
            let Some(start) = start else { continue };
            let help = format!("remove `{name}`, or write: items = \"kserve\"");
            report.error_help(start, format!("`{name}` is for meters whose items are \"kserve\""), help);
        }
    }
    if let (Some(max), None) = (&table.max, &table.items) {
        report.error_help(max.start(), "nothing counts the items of a request", "add: items = \"/inputs\"");
    }
    if table.tokens.is_none() {
        let output = table.default_output.as_ref().map(Placed::start);
        let weights = table.weights.keys().next().map(Placed::start);
        let count = table.count.as_ref().map(Placed::start);
        let refund = table.refund.as_ref().map(Placed::start);
        let tokenizer = table.tokenizer.as_ref().map(Placed::start);
        for start in output.into_iter().chain(count).chain(tokenizer).chain(weights).chain(refund) {
            report.error_help(start, "nothing counts the tokens of a request", "add: tokens = \"openai\"");
        }
    }
    if table.tokens.as_ref().is_none_or(|tokens| tokens.value != MeterTable::JSON) {
        foreign_fields(report, table);
    }
    (items, tokens)
}

fn of_tokens(report: &mut Report<'_>, word: &Placed<String>, table: &MeterTable) -> Option<TokenMeter> {
    let interface = match word.value.as_str() {
        MeterTable::JSON => {
            let places = token_places(report, table, word.start());
            Some(TokenInterface::Json(TokenPointers::new(places)))
        }
        name => Dialect::named(name).map(TokenInterface::Named),
    };
    if interface.is_none() {
        report.error_or(word.start(), format!("unknown interface `{}`", word.value.escape_debug()), || {
            let names = Dialect::ALL.map(Dialect::name).into_iter().chain([MeterTable::JSON]);
            did_you_mean(&word.value, names.clone())
                .or_else(|| Some(format!("the interfaces are {}", names.collect::<Vec<_>>().join(", "))))
        });
    }
    let default_output = match &table.default_output {
        None => TokenMeter::DEFAULT_OUTPUT,
        Some(given) => u64::try_from(given.value).ok().filter(|tokens| *tokens > 0).unwrap_or_else(|| {
            let message = format!("a request cannot reserve {} tokens", given.value);
            report.error_help(given.start(), message, "give a whole number of tokens, at least 1");
            TokenMeter::DEFAULT_OUTPUT
        }),
    };
    let weights = weights(report, &table.weights);
    let refunds = table.refund.as_ref().map_or_else(Refunds::default, |given| refunds(report, &given.value));
    Some(TokenMeter { interface: interface?, default_output, weights, refunds })
}

fn refunds(report: &mut Report<'_>, given: &[Placed<Status>]) -> Refunds {
    given.iter().fold(Refunds::NONE, |refunds, status| {
        let Status(text) = &status.value;
        match text.strip_suffix("xx") {
            Some("4") => refunds.and_class(4),
            Some("5") => refunds.and_class(5),
            _ => match text.parse() {
                Ok(single @ 400..=599) => refunds.and(single),
                _ => {
                    let message = format!("`{}` is no status of a failed answer", text.escape_debug());
                    report.error_help(status.start(), message, "write it as \"4xx\", \"5xx\" or \"429\"");
                    refunds
                }
            },
        }
    })
}

/// The counting of the input by the upstream.
fn count(report: &mut Report<'_>, table: &MeterTable, tokens: Option<&TokenMeter>) -> Option<InputCount> {
    let Some(given) = &table.count else {
        if let Some(timeout) = &table.count_timeout {
            let help = "add: count = \"upstream\"";
            report.error_help(timeout.start(), "the upstream counts no tokens of this route", help);
        }
        return None;
    };
    let timeout = timeout(report, table.count_timeout.as_ref(), InputCount::TIMEOUT);
    let dialect = tokens?.dialect();
    if dialect.is_none_or(|dialect| !InputCount::DIALECTS.contains(&dialect)) {
        let name = dialect.map_or(MeterTable::JSON, Dialect::name);
        let message = format!("servers of the interface {name} do not count tokens beforehand");
        let names = InputCount::DIALECTS.map(Dialect::name).join(", ");
        report.error_help(given.start(), message, format!("leave `count` out; it is for {names}"));
        return None;
    }
    let endpoint = match given.value.as_str() {
        "upstream" => None,
        path if path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Some(path.to_owned())
        }
        other => {
            let message = format!("`{}` is no way to count tokens", other.escape_debug());
            let help = "write \"upstream\", or the path of its endpoint, such as \"/tokenize\"";
            report.error_help(given.start(), message, help);
            None
        }
    };
    Some(InputCount { endpoint, timeout })
}

/// The tokenizer that counts the input.
fn tokenizer(
    report: &mut Report<'_>,
    table: &MeterTable,
    tokens: Option<&TokenMeter>,
) -> Option<TokenizerFile> {
    // Without tokens the table is wrong already.
    let (given, tokens) = (table.tokenizer.as_ref()?, tokens?);
    if tokens.dialect().is_none() {
        let help = "leave `tokenizer` out, or name the interface of the server";
        let message = "a tokenizer counts the texts in requests of a known interface";
        report.error_help(given.start(), message, help);
        return None;
    }
    if table.count.is_some() {
        let help = "leave out `tokenizer` or `count`";
        report.error_help(given.start(), "the upstream counts the tokens already", help);
        return None;
    }
    let path = path(report, given, "give the tokenizer.json that belongs to the model");
    match TokenizerFile::read(&path) {
        Ok(tokenizer) => Some(tokenizer),
        Err(TokenizerError { message, help }) => {
            report.error_help(given.start(), message, help);
            None
        }
    }
}

fn weights(report: &mut Report<'_>, given: &BTreeMap<Placed<String>, Placed<Number>>) -> TokenWeights {
    given.iter().fold(TokenWeights::default(), |weights, (name, weight)| {
        let class = TokenClass::ALL.into_iter().find(|class| class.name() == name.value);
        let thousandths = thousandths(weight.value.0);
        if class.is_none() {
            let names = TokenClass::ALL.map(TokenClass::name);
            report.error_or(name.start(), format!("unknown class of tokens `{}`", name.value), || {
                did_you_mean(&name.value, names)
                    .or_else(|| Some(format!("the classes are {}", names.join(", "))))
            });
        }
        if thousandths.is_none() {
            let message = format!("a weight cannot be {}", weight.value.0);
            report.error_help(weight.start(), message, "give a number from 0 to 1000000, such as 0.1");
        }
        match (class, thousandths) {
            (Some(class), Some(thousandths)) => weights.with(class, thousandths),
            _ => weights,
        }
    })
}

/// A weight in thousandths, rounded up: a class with a weight costs something.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn thousandths(weight: f64) -> Option<u32> {
    let thousandths = (weight * 1000.0 - ROUNDING).ceil().max(0.0);
    (0.0..=1e6).contains(&weight).then_some(thousandths as u32)
}

/// Less than this above a whole number of thousandths is the error of a float.
const ROUNDING: f64 = 1e-6;

fn unknown(report: &mut Report<'_>, start: usize, word: &str) {
    if word == MeterTable::JSON {
        let help =
            "write it as { tokens = \"json\", prompt = \"/prompt\", usage = { output = \"/usage/output\" } }";
        return report.error_help(start, "this meter needs pointers to the tokens", help);
    }
    report.error_or(start, format!("unknown meter `{}`", word.escape_debug()), || {
        let names = Dialect::ALL.map(Dialect::name).into_iter().chain([BYTES, KSERVE]);
        did_you_mean(word, names).or_else(|| Some(METERS.to_owned()))
    });
}

fn of_items(report: &mut Report<'_>, items: &Placed<String>, table: &MeterTable) -> Meter {
    let meter = match items.value.as_str() {
        KSERVE => of_kserve(report, table),
        text => Meter::items(text.parse().unwrap_or_else(|error| {
            let message = format!("`{}` is not a JSON pointer: {error}", text.escape_debug());
            report.error_help(items.start(), message, "write it as \"/inputs\"");
            JsonPointer::default()
        })),
    };
    let Some(max) = &table.max else { return meter };
    match u64::try_from(max.value) {
        Ok(most @ 1..) => meter.at_most(most),
        _ => {
            let message = format!("the most items cannot be {}", max.value);
            report.error_help(max.start(), message, "give a whole number of items, at least 1");
            meter
        }
    }
}

fn of_kserve(report: &mut Report<'_>, table: &MeterTable) -> Meter {
    let dimension = table.dimension.as_ref().map_or(0, |given| {
        usize::try_from(given.value).unwrap_or_else(|_| {
            let message = format!("a shape has no dimension {}", given.value);
            report.error_help(given.start(), message, "give a whole number; the first dimension is 0");
            0
        })
    });
    match &table.input {
        Some(name) => Meter::tensor(Tensor { name: name.value.clone(), dimension }),
        None => Meter::items(JsonPointer::kserve(dimension)),
    }
}

const BYTES: &str = "bytes";
const KSERVE: &str = "kserve";
const METERS: &str = "the meters are \"bytes\", \"kserve\", the name of a server's interface such as \"openai\", and { items = \"/inputs\" }";
