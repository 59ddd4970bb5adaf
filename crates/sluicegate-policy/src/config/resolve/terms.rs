//! The terms of a limit of tokens.

use sluicegate::Unit;

use crate::{
    Debt, DebtMode, OnExhausted, Reserve, Terms,
    config::{file::Placed, report::Report},
};

/// The terms of a limit as the file writes them.
pub(super) struct WrittenTerms<'f> {
    pub(super) reserve: Option<&'f Placed<Reserve>>,
    pub(super) debt: Option<&'f Placed<DebtMode>>,
    pub(super) max_debt: Option<&'f Placed<i64>>,
    pub(super) on_exhausted: Option<&'f Placed<OnExhausted>>,
}

impl WrittenTerms<'_> {
    /// The terms of a limit that counts in this unit. Limits of other units than tokens have none.
    pub(super) fn resolved(&self, report: &mut Report<'_>, unit: Unit) -> Terms {
        if !unit.is_tokens() {
            for (field, start) in self.starts() {
                let message = format!("`{field}` is for limits of tokens, and this one counts {unit}");
                report.error_help(start, message, format!("remove `{field}`"));
            }
        }
        Terms {
            reserve: self.reserve.map(|reserve| reserve.value).unwrap_or_default(),
            debt: self.debt(report),
            on_exhausted: self.on_exhausted.map(|fate| fate.value).unwrap_or_default(),
        }
    }

    fn debt(&self, report: &mut Report<'_>) -> Debt {
        let mode = self.debt.map(|debt| debt.value).unwrap_or_default();
        match (mode, self.max_debt) {
            (DebtMode::Carry, None) => Debt::ALL,
            (DebtMode::Forgive, None) => Debt::NONE,
            (DebtMode::Carry, Some(most)) => match u64::try_from(most.value) {
                Ok(most) => Debt { most },
                Err(_) => {
                    let message = format!("a debt cannot be {} tokens", most.value);
                    report.error_help(most.start(), message, "give a whole number of tokens");
                    Debt::ALL
                }
            },
            (DebtMode::Forgive, Some(most)) => {
                let help = "remove `max_debt`, or let the caller carry the debt";
                report.error_help(most.start(), "there is no debt where it is forgiven", help);
                Debt::NONE
            }
        }
    }

    fn starts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let starts = [
            self.reserve.map(|reserve| ("reserve", reserve.start())),
            self.debt.map(|debt| ("debt", debt.start())),
            self.max_debt.map(|most| ("max_debt", most.start())),
            self.on_exhausted.map(|fate| ("on_exhausted", fate.start())),
        ];
        starts.into_iter().flatten()
    }
}
