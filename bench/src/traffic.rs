//! The keys of requests, and their order.

/// Keys of 16 bytes.
#[must_use]
pub fn keys(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("user:{index:011}")).collect()
}

/// The way to draw the next key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Draw {
    /// All keys alike.
    Uniform,
    /// The n-th key 1/n times as often as the first.
    Zipf,
}

/// A sequence of keys, by their index, drawn before anything is timed.
#[derive(Debug)]
pub struct Traffic {
    indices: Vec<u32>,
}

impl Traffic {
    /// So many draws from so many keys. Each `seed` is another sequence, the same in each run.
    ///
    /// # Panics
    ///
    /// With more keys than 32 bits count.
    #[must_use]
    pub fn new(draw: Draw, keys: usize, draws: usize, seed: u64) -> Self {
        let keys = u32::try_from(keys).expect("fewer keys than 2³²");
        let mut random = Random(seed);
        let indices = match draw {
            Draw::Uniform => (0..draws).map(|_| random.below(keys)).collect(),
            Draw::Zipf => {
                let mut sum = 0.0;
                let shares: Vec<f64> = (1..=keys)
                    .map(|rank| {
                        sum += 1.0 / f64::from(rank);
                        sum
                    })
                    .collect();
                (0..draws)
                    .map(|_| {
                        let share = f64::from(random.below(u32::MAX)) / f64::from(u32::MAX) * sum;
                        let rank = shares.partition_point(|upto| *upto < share);
                        u32::try_from(rank).map_or(keys - 1, |rank| rank.min(keys - 1))
                    })
                    .collect()
            }
        };
        Self { indices }
    }

    /// The round's share of the sequence, so that no round repeats what the last one warmed.
    #[must_use]
    pub fn round(&self, round: usize, rounds: usize) -> &[u32] {
        let share = self.indices.len() / rounds.max(1);
        &self.indices[round * share..(round + 1) * share]
    }
}

/// Numbers that look random (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 32 of its bits times `end`, shifted back: below `end`.
        u32::try_from(((mixed >> 32) * u64::from(end)) >> 32).unwrap_or(0)
    }
}
