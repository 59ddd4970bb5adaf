//! The charges of a request, by the slots of their accounts.

use std::sync::Arc;

use sluicegate::{Algorithm, Charge, Cost, Lease, Quota, Remainder, StoreError, Timestamp};
use sluicegate_remote::unix_time::{TICKS_PER_MICROSECOND, micros, timestamp};
use smallvec::{SmallVec, smallvec};

use crate::{
    MOST,
    call::Call,
    key_names::{KeyNames, Kind},
    request::{Line, Request, Row, Verb},
};

/// The charges of a request, sorted by the slots of their accounts. Charges on one account make one line.
pub(crate) struct ChargesBySlot<'c> {
    charges: &'c [Charge],
    lines: SmallVec<[Draft; 4]>,
    /// The line of each charge.
    places: SmallVec<[usize; 4]>,
}

/// One line: an account and all charges on it.
struct Draft {
    account: Arc<str>,
    slot: u16,
    charges: SmallVec<[usize; 1]>,
}

impl<'c> ChargesBySlot<'c> {
    pub(crate) fn of(charges: &'c [Charge], names: &KeyNames) -> Result<Self, StoreError> {
        if charges.len() > Call::LINES {
            let many = format!(
                "Redis takes at most {} limits of a request at once, not {}",
                Call::LINES,
                charges.len()
            );
            return Err(StoreError::misconfigured(many));
        }
        let mut charges_by_slot = Self { charges, lines: SmallVec::new(), places: SmallVec::new() };
        for (index, charge) in charges.iter().enumerate() {
            let algorithm = charge.quota.algorithm();
            if algorithm != Algorithm::TokenBucket && charge.quota.amount() >= MOST {
                return Err(StoreError::misconfigured(format!(
                    "Redis counts to {}, and a quota says {}; give it a smaller amount, or keep it in a token bucket",
                    MOST - 1,
                    charge.quota
                )));
            }
            let same = |earlier: &Charge| earlier.key == charge.key && earlier.quota.algorithm() == algorithm;
            let place = match charges[..index].iter().position(same) {
                Some(earlier) => charges_by_slot.places[earlier],
                None => {
                    let (account, slot) = names.account(&charge.key, algorithm);
                    charges_by_slot.lines.push(Draft {
                        account: account.into(),
                        slot,
                        charges: SmallVec::new(),
                    });
                    charges_by_slot.lines.len() - 1
                }
            };
            charges_by_slot.lines[place].charges.push(index);
            charges_by_slot.places.push(place);
        }
        Ok(charges_by_slot)
    }

    /// The lines of each slot, in the order of the charges.
    pub(crate) fn slots(&self) -> SmallVec<[SmallVec<[usize; 4]>; 1]> {
        let mut slots: SmallVec<[SmallVec<[usize; 4]>; 1]> = SmallVec::new();
        for (line, draft) in self.lines.iter().enumerate() {
            match slots.iter_mut().find(|lines| self.lines[lines[0]].slot == draft.slot) {
                Some(lines) => lines.push(line),
                None => slots.push(smallvec![line]),
            }
        }
        slots
    }

    /// The line of each charge.
    pub(crate) fn places(&self) -> &[usize] {
        &self.places
    }

    /// A line's kind, and a charge that is on it.
    pub(crate) fn line(&self, line: usize) -> (Kind, &'c Charge) {
        let charge = self.first(line);
        (Kind::from(charge.quota.algorithm()), charge)
    }

    /// Returns `true` if a charge can never fit, so that nothing needs to be tried.
    pub(crate) fn never_fits(&self) -> bool {
        let never = |draft: &Draft| {
            draft.charges.iter().any(|index| {
                let charge = &self.charges[*index];
                // Two charges of one quota that fit only one by one never fit together.
                let together = draft.charges.iter().map(|index| &self.charges[*index]);
                let together = together.filter(|other| other.quota == charge.quota);
                let units = together.fold(0_u64, |sum, other| sum.saturating_add(other.cost.units()));
                !charge.cost.is_zero() && !charge.quota.can_hold(Cost::new(units))
            })
        };
        self.lines.iter().any(never)
    }

    /// The request that does this with these lines, which live in one slot: `Take` or `Look`.
    pub(crate) fn asking(&self, verb: Verb, lines: &[usize]) -> Request {
        let line = |line: &usize| {
            let draft = &self.lines[*line];
            let kind = self.line(*line).0;
            let row = match kind {
                Kind::TokenBucket => {
                    let (mut worth, mut tolerance) = (0_u64, u64::MAX);
                    for Charge { quota, cost, .. } in self.costly(draft) {
                        // Each must fit beside those before it, so the first may take what the later ones leave.
                        let more = quota.worth(cost.units());
                        tolerance = tolerance.saturating_add(more).min(quota.tolerance());
                        worth = worth.saturating_add(more);
                    }
                    let ([worth, fraction], [tolerance, rest]) = (split(worth), split(tolerance));
                    [worth, fraction, tolerance, rest].map(number)
                }
                _ => {
                    let (mut units, mut amount) = (0_u64, u64::MAX);
                    for Charge { quota, cost, .. } in self.costly(draft) {
                        amount = amount.saturating_add(cost.units()).min(quota.amount());
                        units = units.saturating_add(cost.units());
                    }
                    [number(units), number(amount), window(&self.first(*line).quota), 0]
                }
            };
            Line { account: Arc::clone(&draft.account), kind, row }
        };
        let lines_of = lines.iter().map(line).collect();
        Request { verb, slot: self.lines[lines[0]].slot, lines: lines_of }
    }

    /// The request that settles these lines, or `None` where there is nothing to settle. Charges beyond the end of
    /// `actual` keep their estimates, and slots are given back.
    pub(crate) fn settling(&self, lease: Lease, actual: &[Cost], lines: &[usize]) -> Option<Request> {
        let mut settled: SmallVec<[Line; 4]> = SmallVec::new();
        let mut counts = false;
        for line in lines {
            let (draft, kind) = (&self.lines[*line], self.line(*line).0);
            let line = |row: Row| Line { account: Arc::clone(&draft.account), kind, row };
            if kind == Kind::Concurrent {
                settled.extend(self.slots_given_back(draft).map(line));
            } else {
                let before = settled.len();
                settled.extend(self.corrections(draft, kind, actual).map(line));
                counts |= settled.len() > before;
            }
        }
        // Giving back slots twice changes nothing, so it needs no mark.
        let first = settled.first()?;
        let mark = counts.then(|| KeyNames::mark(&first.account, lease.id).into());
        let slot = self.lines[lines[0]].slot;
        // What lives in several slots was charged at several times, of which a lease tells the last.
        let give_or_take = if self.lines.iter().any(|line| line.slot != slot) { APART } else { 0 };
        let taken_at = number(micros(lease.taken_at));
        let verb = Verb::Settle { lease: lease.id, taken_at, give_or_take, mark };
        Some(Request { verb, slot, lines: settled })
    }

    /// The request that gives back the rest of a bucket's chunk, which is its only line.
    pub(crate) fn giving_back(&self, lease: u64, rest: Remainder) -> Option<Request> {
        let (draft, charge) = (self.lines.first()?, self.charges.first()?);
        let amount = charge.cost.units();
        let spent = amount.saturating_sub(rest.left.units());
        let left = charge.quota.worth(amount).saturating_sub(charge.quota.worth(spent));
        let ([left, left_fraction], at) = (split(left), micros(rest.floor));
        // Rounded up, against admission.
        let floor = if timestamp(at) < rest.floor { at.saturating_add(1) } else { at };
        let row = [number(left), number(left_fraction), 0, 0];
        let line = Line { account: Arc::clone(&draft.account), kind: Kind::TokenBucket, row };
        let verb = Verb::GiveBack { lease, floor: [number(floor), 0] };
        Some(Request { verb, slot: draft.slot, lines: smallvec![line] })
    }

    /// The request that forgets these lines, which live in one slot.
    pub(crate) fn forgetting(&self, lines: &[usize]) -> Request {
        let line = |line: &usize| {
            let account = Arc::clone(&self.lines[*line].account);
            Line { account, kind: self.line(*line).0, row: [0; 4] }
        };
        let forgotten = lines.iter().map(line).collect();
        Request { verb: Verb::Reset, slot: self.lines[lines[0]].slot, lines: forgotten }
    }

    /// The costs of a request that used nothing after all.
    pub(crate) fn nothing(&self) -> SmallVec<[Cost; 4]> {
        self.charges.iter().map(|_| Cost::ZERO).collect()
    }

    /// The slots that a lease has taken then and there, to be held for longer.
    pub(crate) fn holding(&self, lease: u64, taken_at: Timestamp, lines: &[usize]) -> Option<Request> {
        let mut held = self.asking(Verb::Take { lease }, lines).release()?;
        held.lines.iter_mut().for_each(|line| line.row[1] = number(micros(taken_at)));
        Some(Request { verb: Verb::Renew { lease }, ..held })
    }

    /// The row that gives back the slots of a concurrent limit, if there are any.
    fn slots_given_back(&self, draft: &Draft) -> Option<Row> {
        let units = draft.charges.iter().map(|index| self.charges[*index].cost.units());
        let held = units.fold(0, u64::saturating_add);
        (held > 0).then(|| [number(held), 0, 0, 0])
    }

    /// A row for each charge whose cost differs from its estimate. One by one: a refund that comes too late does not pay for
    /// another charge's debt.
    fn corrections(&self, draft: &Draft, kind: Kind, actual: &[Cost]) -> impl Iterator<Item = Row> {
        let charges = draft.charges.iter().map(|index| (&self.charges[*index], actual.get(*index)));
        charges.filter_map(move |(charge, actual)| {
            let actual = actual.filter(|actual| **actual != charge.cost)?;
            Some(correction(kind, charge, *actual))
        })
    }

    fn first(&self, line: usize) -> &'c Charge {
        &self.charges[self.lines[line].charges[0]]
    }

    fn costly(&self, draft: &Draft) -> impl Iterator<Item = &'c Charge> {
        let charges = draft.charges.iter().map(|index| &self.charges[*index]);
        charges.filter(|charge| !charge.cost.is_zero())
    }
}

/// The row that replaces a charge's estimate by its actual cost.
fn correction(kind: Kind, Charge { quota, cost: estimate, .. }: &Charge, actual: Cost) -> Row {
    match kind {
        Kind::TokenBucket => {
            let (charged, owed) = (quota.worth(estimate.units()), quota.worth(actual.units()));
            let [difference, fraction] = split(owed.abs_diff(charged));
            [if owed > charged { 1 } else { -1 }, number(difference), number(fraction), 0]
        }
        _ => {
            let [estimate, actual] = [*estimate, actual].map(|cost| number(cost.units()));
            [estimate, actual, number(quota.amount()), window(quota)]
        }
    }
}

/// The same charges with windows of whole microseconds, rounded up: what Redis' clock can tell apart.
pub(crate) fn in_micros(charges: &[Charge]) -> SmallVec<[Charge; 4]> {
    let whole = |charge: &Charge| {
        let window = charge.quota.window();
        let rounds = charge.quota.algorithm() != Algorithm::TokenBucket
            && !window.subsec_nanos().is_multiple_of(1_000);
        let quota = if rounds { rounded(charge.quota) } else { charge.quota };
        Charge { quota, ..charge.clone() }
    };
    charges.iter().map(whole).collect()
}

fn rounded(quota: Quota) -> Quota {
    let nanos = quota.window().as_nanos().div_ceil(1_000) * 1_000;
    let window = std::time::Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    let rounded = Quota::new(quota.amount(), window)
        .and_then(|rounded| rounded.with_algorithm(quota.algorithm()))
        .and_then(|rounded| rounded.with_unit(quota.unit()));
    // The longest window of all is whole microseconds, so a rounded one is never too long.
    rounded.unwrap_or(quota)
}

/// Returns ticks as microseconds and the remainder in ticks.
const fn split(ticks: u64) -> [u64; 2] {
    [ticks / TICKS_PER_MICROSECOND, ticks % TICKS_PER_MICROSECOND]
}

fn window(quota: &Quota) -> i64 {
    number(u64::try_from(quota.window().as_micros()).unwrap_or(MOST))
}

/// At most the largest integer that a double counts exactly.
fn number(number: u64) -> i64 {
    i64::try_from(number.min(MOST)).unwrap_or(i64::MAX)
}

/// The maximum distance in time, in microseconds, between the parts of one take.
const APART: i64 = 1_000_000;
const _: () = assert!(TICKS_PER_MICROSECOND == 16_000, "the script's FRACTION");
