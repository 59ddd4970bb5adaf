//! The pointers of a meter of tokens.

use crate::{
    JsonPointer, TokenClass,
    config::{
        diagnostic::did_you_mean,
        file::{MeterTable, OneOrMany, Placed},
        report::Report,
    },
    meter::{
        Word,
        token_pointers::{TokenPlaces, UsageNumber},
    },
};

/// A field as it is written: a pointer, or a list of them.
type Given = Placed<OneOrMany<String>>;

/// The places of tokens in requests and answers of an interface that begins here in the policy.
pub(super) fn token_places(report: &mut Report<'_>, table: &MeterTable, start: usize) -> TokenPlaces {
    let mut request = Document::new(Kind::Request);
    let mut of_request = |given: &Option<Given>| request.pointers(report, given.as_ref());
    let (prompt, max_output, choices, model, stream) = (
        of_request(&table.prompt),
        of_request(&table.max_output),
        of_request(&table.choices),
        of_request(&table.model),
        of_request(&table.stream),
    );
    let mut answer = Document::new(Kind::Answer);
    let text = answer.pointers(report, table.text.as_ref());
    let usage = usage(report, table, &mut answer);
    let parts = TokenClass::ALL.into_iter().filter(|class| class.is_part()).map(UsageNumber::Class);
    let beside = listed(report, table, &table.beside, &parts);
    let summed = listed(report, table, &table.summed, &UsageNumber::all());
    let places = TokenPlaces { prompt, max_output, choices, model, stream, text, usage, beside, summed };
    if table.prompt.is_none() {
        let message = "nothing says where the prompt of a request is";
        report.error_help(start, message, "add: prompt = \"/prompt\"");
    }
    if !places.counts_output() {
        let maximum = table.max_output.as_ref().map(Placed::start);
        for start in maximum.into_iter().chain(table.default_output.as_ref().map(Placed::start)) {
            let help = "add: usage = { output = \"/usage/output\" }, or text = \"/text\"";
            report.error_help(start, "nothing counts the output of an answer", help);
        }
    }
    places
}

/// Reports the fields that no other interface has.
pub(super) fn foreign_fields(report: &mut Report<'_>, table: &MeterTable) {
    let of = |given: &Option<Given>| given.as_ref().map(Placed::start);
    for (name, start) in [
        ("prompt", of(&table.prompt)),
        ("max_output", of(&table.max_output)),
        ("choices", of(&table.choices)),
        ("model", of(&table.model)),
        ("stream", of(&table.stream)),
        ("text", of(&table.text)),
        ("usage", table.usage.keys().next().map(Placed::start)),
        ("beside", table.beside.first().map(Placed::start)),
        ("summed", table.summed.first().map(Placed::start)),
    ] {
        let Some(start) = start else { continue };
        let help = format!("remove `{name}`, or write: tokens = \"json\"");
        report.error_help(start, format!("`{name}` is for meters whose tokens are \"json\""), help);
    }
}

fn usage(
    report: &mut Report<'_>,
    table: &MeterTable,
    answer: &mut Document,
) -> Vec<(UsageNumber, JsonPointer)> {
    let mut usage = Vec::new();
    for (name, given) in &table.usage {
        let pointers = answer.pointers(report, Some(given));
        match UsageNumber::all().find(|number| number.name() == name.value) {
            Some(number) => usage.extend(pointers.into_iter().map(|pointer| (number, pointer))),
            None => unknown(report, name, UsageNumber::all().map(UsageNumber::name)),
        }
    }
    usage
}

/// The numbers of a list, which `usage` points to.
fn listed(
    report: &mut Report<'_>,
    table: &MeterTable,
    given: &[Placed<String>],
    possible: &(impl Iterator<Item = UsageNumber> + Clone),
) -> Vec<UsageNumber> {
    let mut listed = Vec::new();
    for name in given {
        let Some(number) = possible.clone().find(|number| number.name() == name.value) else {
            unknown(report, name, possible.clone().map(UsageNumber::name));
            continue;
        };
        if !table.usage.keys().any(|known| known.value == name.value) {
            let help = format!("add: usage = {{ {} = \"/usage/{0}\" }}", number.name());
            report.error_help(name.start(), format!("nothing points to `{}`", number.name()), help);
        }
        listed.push(number);
    }
    listed
}

fn unknown(
    report: &mut Report<'_>,
    name: &Placed<String>,
    names: impl Iterator<Item = &'static str> + Clone,
) {
    report.error_or(name.start(), format!("unknown class of tokens `{}`", name.value.escape_debug()), || {
        did_you_mean(&name.value, names.clone())
            .or_else(|| Some(format!("the classes here are {}", names.collect::<Vec<_>>().join(", "))))
    });
}

/// The pointers into one kind of document.
struct Document {
    kind: Kind,
    known: Vec<JsonPointer>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Request,
    Answer,
}

impl Document {
    fn new(kind: Kind) -> Self {
        Self { kind, known: Vec::new() }
    }

    fn pointers(&mut self, report: &mut Report<'_>, given: Option<&Given>) -> Vec<JsonPointer> {
        let entries = given.map(Placed::entries).unwrap_or_default();
        entries.iter().filter_map(|entry| self.pointer(report, entry)).collect()
    }

    fn pointer(&mut self, report: &mut Report<'_>, given: &Placed<String>) -> Option<JsonPointer> {
        let text = given.value.escape_debug();
        let pointer: JsonPointer = match given.value.parse() {
            Ok(pointer) => pointer,
            Err(error) => {
                let message = format!("`{text}` is not a JSON pointer: {error}");
                report.error_help(given.start(), message, "write it as \"/usage/output\"");
                return None;
            }
        };
        let is_answer = self.kind == Kind::Answer;
        if is_answer && pointer.segments().is_empty() {
            let help = "point to a member of it, as in \"/usage/output\"";
            report.error_help(given.start(), "an empty pointer is the whole answer", help);
            return None;
        }
        if is_answer && pointer.segments().iter().any(|name| name.len() > Word::MAX) {
            let message = format!("a name in a pointer into answers has at most {} bytes", Word::MAX);
            report.error(given.start(), message);
            return None;
        }
        if let Some(known) =
            self.known.iter().find(|known| known.leads_to(&pointer) || pointer.leads_to(known))
        {
            let known = known.to_string();
            let message = if known == given.value {
                format!("`{text}` appears twice")
            } else {
                format!("one of `{text}` and `{}` is inside the other", known.escape_debug())
            };
            report.error_help(given.start(), message, "each value can count once");
            return None;
        }
        self.known.push(pointer.clone());
        Some(pointer)
    }
}
