//! The lessons of earlier requests: the input that estimates missed, and the output that nobody announced.

mod input_correction;
mod output_forecast;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::Estimate;

pub use input_correction::InputCorrection;
pub use output_forecast::OutputForecast;

/// The lessons of earlier requests, for each tenant and model: the ratio of the input to its estimate, and the output of requests
/// that name no maximum.
///
/// A tenant learns from its own requests alone, so nobody can lower what another reserves. Until a tenant has made a few, its
/// estimates are raised by what all have taught about the model, and never lowered. Memory is bounded: 4096 pairs of tenant and
/// model and as many models at most, about 4 MB. A tenant that names many models forgets its own first. It may be shared by any number of threads.
///
/// ```
/// use sluicegate_policy::{Dialect, Estimate, TokenHistory};
///
/// let history = TokenHistory::default();
/// let estimate = Estimate::read(Dialect::OpenAi, br#"{"model": "m", "prompt": "Write a poem."}"#)?;
/// assert_eq!(history.output("acme", &estimate, 512), 512);
/// for _ in 0..20 {
///     history.record("acme", &estimate, estimate.input, 100);
/// }
/// assert!(history.output("acme", &estimate, 512) < 110);
/// # Ok::<(), sluicegate_policy::BodyError>(())
/// ```
#[derive(Debug)]
pub struct TokenHistory {
    hasher: RandomState,
    shelves: Vec<Mutex<Vec<Entry>>>,
    uses: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    /// The fingerprint of the tenant, which is even, or of a model as such, which is odd.
    owner: u64,
    key: u64,
    last_use: u64,
    input: InputCorrection,
    output: OutputForecast,
}

impl TokenHistory {
    /// The input to reserve: the estimate, corrected by what was learned, 0.5 to 2 times as much. Input that was counted needs no
    /// correction.
    #[must_use]
    pub fn input(&self, tenant: &str, estimate: &Estimate) -> u64 {
        if let Some(counted) = estimate.counted {
            return counted;
        }
        let model = model(estimate);
        let own =
            self.read(self.of_tenant(tenant, model), |entry| entry.input).filter(InputCorrection::is_known);
        let factor = own.map_or_else(
            || self.read(self.of_all(model), |entry| entry.input.factor()).unwrap_or(1.0).max(1.0),
            |own| own.factor(),
        );
        times(estimate.input, factor)
    }

    /// The output to reserve for all choices. `default` is the output of a choice that nothing is known of.
    #[must_use]
    pub fn output(&self, tenant: &str, estimate: &Estimate, default: u64) -> u64 {
        if estimate.max_output.is_some() {
            return estimate.output(default);
        }
        let key = self.of_tenant(tenant, model(estimate));
        let forecast = self.read(key, |entry| entry.output.forecast()).flatten();
        estimate.output(forecast.unwrap_or(default))
    }

    /// Learns from a request whose server has reported this input and output of all choices.
    ///
    /// Requests that were broken off must not be recorded, for they had less than they asked for.
    pub fn record(&self, tenant: &str, estimate: &Estimate, input: u64, output: u64) {
        let model = model(estimate);
        let is_forecast = estimate.max_output.is_none() && !estimate.is_without_output;
        self.write(self.of_tenant(tenant, model), |entry| {
            entry.input.record(estimate.input, input);
            if is_forecast {
                entry.output.record(output.div_ceil(estimate.choices.max(1)));
            }
        });
        self.write(self.of_all(model), |entry| entry.input.record(estimate.input, input));
    }

    /// The owner and the key of a tenant's lessons about a model.
    fn of_tenant(&self, tenant: &str, model: &str) -> (u64, u64) {
        (self.hasher.hash_one(("tenant", tenant)) & !1, self.hasher.hash_one((tenant, model)))
    }

    /// The owner and the key of what all tenants have taught about a model.
    fn of_all(&self, model: &str) -> (u64, u64) {
        let model = self.hasher.hash_one(("model", model)) | 1;
        (model, model)
    }

    fn read<T>(&self, (owner, key): (u64, u64), read: impl FnOnce(&Entry) -> T) -> Option<T> {
        let mut entries = self.shelf(owner).lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.iter_mut().find(|entry| entry.key == key)?;
        entry.last_use = self.uses.fetch_add(1, Ordering::Relaxed);
        Some(read(entry))
    }

    fn write(&self, (owner, key): (u64, u64), write: impl FnOnce(&mut Entry)) {
        let mut entries = self.shelf(owner).lock().unwrap_or_else(PoisonError::into_inner);
        let last_use = self.uses.fetch_add(1, Ordering::Relaxed);
        if let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) {
            entry.last_use = last_use;
            return write(entry);
        }
        if entries.len() >= SHELF {
            let least = (0..entries.len()).max_by_key(|at| worthlessness(&entries, &entries[*at]));
            least.map(|at| entries.swap_remove(at));
        }
        let mut entry = Entry {
            owner,
            key,
            last_use,
            input: InputCorrection::default(),
            output: OutputForecast::default(),
        };
        write(&mut entry);
        entries.push(entry);
    }

    /// All lessons of one owner are on the same shelf. Tenants have the even shelves and models the odd ones, so that no number of
    /// models makes a tenant's lessons be forgotten.
    fn shelf(&self, owner: u64) -> &Mutex<Vec<Entry>> {
        let index = owner % self.shelves.len() as u64;
        &self.shelves[usize::try_from(index).unwrap_or_default()]
    }
}

impl Default for TokenHistory {
    fn default() -> Self {
        let shelves = (0..SHELVES).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), shelves, uses: AtomicU64::new(0) }
    }
}

/// The order in which entries are forgotten: of the owner with the most, then those that have taught nothing yet, then the one
/// that was not used for longest.
fn worthlessness(entries: &[Entry], entry: &Entry) -> (usize, bool, std::cmp::Reverse<u64>) {
    let of_owner = entries.iter().filter(|other| other.owner == entry.owner).count();
    (of_owner, !entry.input.is_known(), std::cmp::Reverse(entry.last_use))
}

fn model(estimate: &Estimate) -> &str {
    estimate.model.as_deref().unwrap_or_default()
}

/// Rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it ends at the largest number")]
fn times(tokens: u64, factor: f32) -> u64 {
    if factor == 1.0 { tokens } else { (tokens as f64 * f64::from(factor)).ceil() as u64 }
}

/// Locks, each for the entries of some owners. An even number, so that an owner's lowest bit is its shelf's.
const SHELVES: usize = 512;
/// The most entries of a shelf.
const SHELF: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(model: &str) -> Estimate {
        Estimate { input: 1000, choices: 1, prompts: 1, model: Some(model.to_owned()), ..Estimate::default() }
    }

    fn teach(history: &TokenHistory, tenant: &str, model: &str, input: u64, output: u64) {
        (0..50).for_each(|_| history.record(tenant, &request(model), input, output));
    }

    #[test]
    fn a_tenant_learns_its_own_ratio_and_its_own_output() {
        let history = TokenHistory::default();
        teach(&history, "a", "m", 800, 100);
        let (input, output) = (history.input("a", &request("m")), history.output("a", &request("m"), 512));
        assert!((800..850).contains(&input) && (96..108).contains(&output), "{input} {output}");
        assert_eq!(
            (history.input("a", &request("other")), history.output("a", &request("other"), 512)),
            (1000, 512)
        );
        let chosen = Estimate { choices: 4, ..request("m") };
        assert_eq!(history.output("a", &chosen, 512), 4 * output);
    }

    #[test]
    fn nobody_lowers_what_another_tenant_reserves() {
        let history = TokenHistory::default();
        teach(&history, "hostile", "m", 1, 1);
        assert!(history.input("hostile", &request("m")) <= 520);
        assert_eq!((history.input("b", &request("m")), history.output("b", &request("m"), 512)), (1000, 512));
        teach(&history, "b", "m", 1400, 300);
        teach(&history, "hostile", "m", 1, 1);
        let (input, output) = (history.input("b", &request("m")), history.output("b", &request("m"), 512));
        assert!(input >= 1390 && output >= 288, "{input} {output}");
    }

    #[test]
    fn what_all_have_taught_about_a_model_raises_the_estimates_of_a_new_tenant() {
        let history = TokenHistory::default();
        teach(&history, "a", "m", 1500, 100);
        let input = history.input("new", &request("m"));
        assert!((1450..1560).contains(&input), "{input}");
    }

    #[test]
    fn a_maximum_is_not_forecast_and_teaches_nothing() {
        let history = TokenHistory::default();
        let short = Estimate { max_output: Some(1), ..request("m") };
        (0..100).for_each(|_| history.record("a", &short, 1000, 1));
        assert_eq!(history.output("a", &short, 512), 1);
        assert_eq!(history.output("a", &request("m"), 512), 512);
        let embeddings = Estimate { is_without_output: true, ..request("m") };
        (0..100).for_each(|_| history.record("a", &embeddings, 1000, 0));
        assert_eq!(
            (history.output("a", &embeddings, 512), history.output("a", &request("m"), 512)),
            (0, 512)
        );
    }

    #[test]
    fn a_flood_of_models_makes_a_tenant_forget_its_own_lessons_and_no_others() {
        let history = TokenHistory::default();
        let tenants: Vec<String> = (0..100).map(|tenant| format!("t{tenant}")).collect();
        tenants.iter().for_each(|tenant| teach(&history, tenant, "m", 1400, 300));
        for flood in 0..100 {
            for model in 0..100 {
                let request = request(&format!("x{flood}-{model}"));
                (0..10).for_each(|_| history.record(&format!("flood{flood}"), &request, 1000, 1));
            }
        }
        for tenant in &tenants {
            assert!(history.input(tenant, &request("m")) > 1300, "{tenant}");
        }
        let entries: usize = history.shelves.iter().map(|shelf| shelf.lock().unwrap().len()).sum();
        assert!(entries <= SHELVES * SHELF, "{entries}");
    }

    #[test]
    fn threads_share_one_history() {
        let history = TokenHistory::default();
        std::thread::scope(|scope| {
            for tenant in ["a", "b", "a", "b"] {
                let history = &history;
                scope.spawn(move || teach(history, tenant, "m", 1200, 64));
            }
        });
        assert!(history.output("a", &request("m"), 512) < 80);
    }
}
