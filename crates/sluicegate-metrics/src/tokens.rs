//! Tokens by route.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{encoding::EncodeLabelSet, metrics::counter::Counter, registry::Registry};
use sluicegate_policy::{Reservation, Reserved, Settlement, TokenClass};

use crate::{Family, TokenTotals};

/// The tokens of every route with a meter of tokens that any gate has had so far.
#[derive(Debug, Default)]
pub(crate) struct AllTokens {
    used: Family<UsedLabels, Counter>,
    reserved: Family<ReservedLabels, Counter>,
    charged: Family<RouteLabels, Counter>,
    refunded: Family<RouteLabels, Counter>,
    known: Mutex<BTreeMap<String, Tokens>>,
}

/// The tokens of one route.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    /// By source and class.
    used: [[Counter; TokenClass::ALL.len()]; SOURCES.len()],
    input: Counter,
    output: Counter,
    charged: Counter,
    refunded: Counter,
}

impl AllTokens {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("tokens", "Tokens that requests have used, unweighted", self.used.clone());
        registry.register(
            "reserved_tokens",
            "Weighted tokens that requests have reserved before they ran",
            self.reserved.clone(),
        );
        registry.register(
            "charged_tokens",
            "Weighted tokens that ended requests have used, or reserved if their use is unknown",
            self.charged.clone(),
        );
        registry.register(
            "refunded_tokens",
            "Weighted tokens that ended requests have reserved and not used",
            self.refunded.clone(),
        );
    }

    /// Those of one route.
    pub(crate) fn of(&self, route: &str) -> Tokens {
        let used = |source| {
            TokenClass::ALL.map(|class| {
                let class = class.name();
                self.used.series(&UsedLabels { route: route.to_owned(), class, source })
            })
        };
        let reserved = |class| self.reserved.series(&ReservedLabels { route: route.to_owned(), class });
        let labels = RouteLabels { route: route.to_owned() };
        let tokens = Tokens {
            used: SOURCES.map(used),
            input: reserved(INPUT),
            output: reserved(OUTPUT),
            charged: self.charged.series(&labels),
            refunded: self.refunded.series(&labels),
        };
        // Clones of one counter are one counter, so it does not matter which of them is known.
        self.known().insert(labels.route, tokens.clone());
        tokens
    }

    /// Tells the tokens of each route.
    pub(crate) fn tell(&self, mut tell: impl FnMut(&str, TokenTotals)) {
        self.known().iter().for_each(|(route, tokens)| tell(route, tokens.totals()));
    }

    /// Forgets the series of all routes but these.
    pub(crate) fn keep(&self, keeps: impl Fn(&str) -> bool) {
        for (route, _) in self.known().extract_if(.., |route, _| !keeps(route)) {
            for source in SOURCES {
                for class in TokenClass::ALL {
                    let class = class.name();
                    self.used.remove(&UsedLabels { route: route.clone(), class, source });
                }
            }
            for class in [INPUT, OUTPUT] {
                self.reserved.remove(&ReservedLabels { route: route.clone(), class });
            }
            let labels = RouteLabels { route };
            self.charged.remove(&labels);
            self.refunded.remove(&labels);
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Tokens>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tokens {
    pub(crate) fn reserved(&self, reserved: Reserved) {
        self.input.inc_by(reserved.input);
        self.output.inc_by(reserved.output);
    }

    pub(crate) fn settled(&self, reservation: &Reservation, settlement: &Settlement) {
        let (usage, source) = match settlement {
            Settlement::Used(actual) if actual.is_reported() => (actual.usage, REPORTED),
            Settlement::Used(actual) => (actual.usage, COUNTED),
            Settlement::Reserved => (reservation.usage(), RESERVED),
        };
        for (class, counter) in TokenClass::ALL.into_iter().zip(&self.used[source]) {
            match usage.of(class) {
                0 => {}
                tokens => {
                    counter.inc_by(tokens);
                }
            }
        }
        let (reserved, charged) = (reservation.reserved(), reservation.charged(settlement));
        self.charged.inc_by(charged);
        self.refunded.inc_by(reserved.input.saturating_add(reserved.output).saturating_sub(charged));
    }

    fn totals(&self) -> TokenTotals {
        TokenTotals {
            reserved: self.input.get() + self.output.get(),
            charged: self.charged.get(),
            refunded: self.refunded.get(),
        }
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Ord, PartialEq, PartialOrd)]
struct UsedLabels {
    route: String,
    class: &'static str,
    source: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Ord, PartialEq, PartialOrd)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Ord, PartialEq, PartialOrd)]
struct ReservedLabels {
    route: String,
    class: &'static str,
}

/// Sources of a usage: the upstream's report, the text of its answer, or the reservation where neither is known.
const SOURCES: [&str; 3] = ["reported", "counted", "reserved"];
const REPORTED: usize = 0;
const COUNTED: usize = 1;
const RESERVED: usize = 2;
const INPUT: &str = "input";
const OUTPUT: &str = "output";
