//! Choosing one of several upstreams.

use std::{
    cell::{Cell, RefCell},
    hash::{BuildHasher, RandomState},
};

/// Chooses by two draws: random enough that workers which know nothing of each other do not all run to the same
/// upstream, and informed enough that a slow one gets less.
pub(super) struct Choice {
    random: Cell<u64>,
    weights: RefCell<Vec<u64>>,
}

impl Choice {
    /// A choice that is unlike that of every other worker.
    pub(super) fn new() -> Self {
        // Any seed but zero is good.
        Self::seeded(RandomState::new().hash_one(0) | 1)
    }

    fn seeded(seed: u64) -> Self {
        Self { random: Cell::new(seed), weights: RefCell::default() }
    }

    /// Of two that are drawn by weight, the one with less in flight for its weight. `None` if nothing has a weight.
    ///
    /// The second is taken only if it would be no busier with the request than the first is without it. So
    /// the draw alone decides among idle upstreams, and shares stay near the weights under any load.
    pub(super) fn among(
        &self,
        weights: impl Iterator<Item = u64>,
        in_flight: impl Fn(usize) -> u64,
    ) -> Option<usize> {
        let mut drawn = self.weights.borrow_mut();
        drawn.clear();
        drawn.extend(weights);
        let first = self.draw(&drawn)?;
        let weight = std::mem::take(&mut drawn[first]);
        let Some(second) = self.draw(&drawn) else { return Some(first) };
        let second_is_idler = in_flight(first) * drawn[second] >= (in_flight(second) + 1) * weight;
        Some(if second_is_idler { second } else { first })
    }

    /// One of the weights, each as often as it is large.
    fn draw(&self, weights: &[u64]) -> Option<usize> {
        let mut left = self.below(weights.iter().sum());
        weights.iter().position(|weight| match left.checked_sub(*weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
    }

    /// A number below `end` (xorshift64*): who gets a request is no secret.
    fn below(&self, end: u64) -> u64 {
        let mut x = self.random.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random.set(x);
        let spread = u128::from(x.wrapping_mul(0x2545_F491_4F6C_DD1D)) * u128::from(end);
        // The upper half of the product is below `end`.
        (spread >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUNDS: u64 = 40_000;

    /// Shares in per cent, with `held` requests in flight at any time, of which one at random ends each round.
    fn shares(weights: &[u64], held: usize) -> Vec<u64> {
        let choice = Choice::seeded(7);
        let (mut counts, mut in_flight, mut running) =
            (vec![0; weights.len()], vec![0_u64; weights.len()], Vec::new());
        for _ in 0..ROUNDS {
            if running.len() > held {
                let ends = usize::try_from(choice.below(running.len() as u64)).unwrap();
                let ended: usize = running.swap_remove(ends);
                in_flight[ended] -= 1;
            }
            let chosen = choice.among(weights.iter().copied(), |index| in_flight[index]).unwrap();
            counts[chosen] += 1;
            in_flight[chosen] += 1;
            running.push(chosen);
        }
        counts.into_iter().map(|count| (100 * count + ROUNDS / 2) / ROUNDS).collect()
    }

    #[test]
    fn shares_follow_the_weights_within_eight_of_a_hundred_at_every_load() {
        for held in [0, 1, 2, 8, 100] {
            for (weights, expected) in
                [(&[1, 3][..], &[25, 75][..]), (&[1, 1], &[50, 50]), (&[2, 3, 5], &[20, 30, 50])]
            {
                for (share, expected) in shares(weights, held).into_iter().zip(expected) {
                    assert!(
                        share.abs_diff(*expected) <= 8,
                        "{share} for {expected} of {weights:?} at {held}"
                    );
                }
            }
        }
    }

    #[test]
    fn who_is_busier_for_its_weight_gets_nothing() {
        let choice = Choice::new();
        let in_flight = [9, 6];
        assert!((0..1_000).all(|_| choice.among([2, 2].into_iter(), |index| in_flight[index]) == Some(1)));
        assert!((0..1_000).all(|_| choice.among([6, 2].into_iter(), |index| in_flight[index]) == Some(0)));
    }

    #[test]
    fn what_has_no_weight_is_never_chosen() {
        let choice = Choice::new();
        assert!((0..1_000).all(|_| choice.among([0, 1, 0].into_iter(), |_| 0) == Some(1)));
        assert_eq!(choice.among([0, 0].into_iter(), |_| 0), None);
        assert_eq!(choice.among([].into_iter(), |_| 0), None);
    }
}
