//! A splittable, counter-based source of randomness.
//!
//! [`Seed`] names a stream, [`Rng`] walks along it. A child seed depends only on its parent, a
//! name and an index, never on how many numbers somebody else drew, so results do not depend on
//! thread count or call order.

use serde::{Deserialize, Serialize};

/// The name of a random stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(u64);

impl Seed {
    /// The root seed of a run.
    pub fn new(value: u64) -> Self {
        Self(value)
    }

    /// The raw value, for files and messages.
    pub fn value(self) -> u64 {
        self.0
    }

    /// The child stream `name[index]`. Distinct names or indices give independent streams.
    pub fn split(self, name: &str, index: u64) -> Self {
        // FNV-1a over the name is enough: the result is mixed twice with the parent and the index.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self(mix(mix(self.0 ^ mix(hash)).wrapping_add(mix(index ^ 0x6a09_e667_f3bc_c909))))
    }

    /// A generator at the start of this stream.
    pub fn rng(self) -> Rng {
        Rng { key: mix(self.0 ^ 0xbb67_ae85_84ca_a73b), counter: 0 }
    }
}

/// A position in a random stream: the `n`-th number is a hash of (key, n), so the state is two words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rng {
    key: u64,
    counter: u64,
}

impl Rng {
    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        mix(self.key.wrapping_add(self.counter.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Uniform in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `0..n`; 0 when `n` is 0. Multiply-shift: the bias is below 2⁻³² for every n in use.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// Uniform in `low..=high`; `low` when the range is empty.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(0) as usize) as i64
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// One element, or `None` of an empty slice.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.below(items.len())) }
    }

    /// Fisher–Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// A standard normal number (Box–Muller, one of the pair).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection with full avalanche.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_reproducible_and_distinct() {
        let seed = Seed::new(7);
        let draw = |s: Seed| {
            let mut r = s.rng();
            (0..8).map(|_| r.next_u64()).collect::<Vec<_>>()
        };
        assert_eq!(draw(seed.split("gym", 3)), draw(seed.split("gym", 3)));
        assert_ne!(draw(seed.split("gym", 3)), draw(seed.split("gym", 4)));
        assert_ne!(draw(seed.split("gym", 3)), draw(seed.split("mug", 3)));
        assert_ne!(seed.split("a", 1).split("b", 2), seed.split("b", 2).split("a", 1));
    }

    #[test]
    fn below_is_close_to_uniform() {
        let mut rng = Seed::new(1).rng();
        let mut counts = [0usize; 7];
        for _ in 0..70_000 {
            counts[rng.below(7)] += 1;
        }
        // 10,000 expected, standard deviation 92.6: five of them.
        assert!(counts.iter().all(|&c| (9_537..=10_463).contains(&c)), "{counts:?}");
    }

    #[test]
    fn normal_has_unit_moments() {
        let mut rng = Seed::new(2).rng();
        let xs: Vec<f64> = (0..40_000).map(|_| rng.normal()).collect();
        let mean = xs.iter().sum::<f64>() / xs.len() as f64;
        let var = xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / xs.len() as f64;
        assert!(mean.abs() < 0.025 && (var - 1.0).abs() < 0.04, "{mean} {var}");
    }

    #[test]
    fn state_round_trips_through_json() {
        let mut rng = Seed::new(3).rng();
        rng.next_u64();
        let mut copy: Rng = serde_json::from_str(&serde_json::to_string(&rng).unwrap()).unwrap();
        assert_eq!(rng.next_u64(), copy.next_u64());
    }
}
