//! From logits to a token.

use eyas_core::Rng;

use super::PolicyError;
use crate::ops::simd;

/// How tokens are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Logits are divided by this; 0 takes the most likely token.
    pub temperature: f32,
    /// Keep the smallest set of tokens whose probability reaches this; 1 keeps all.
    pub top_p: f32,
    /// Keep this many most likely tokens; 0 keeps all.
    pub top_k: usize,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_p: 1.0, top_k: 0 }
    }
}

impl Sampling {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`PolicyError::Sampling`] naming the setting.
    pub fn validate(&self) -> Result<(), PolicyError> {
        let check = |ok: bool, setting, value, range| {
            if ok { Ok(()) } else { Err(PolicyError::Sampling { setting, value, range }) }
        };
        let t = self.temperature;
        check(t.is_finite() && t >= 0.0, "temperature", t, "a finite number, at least 0")?;
        check(self.top_p > 0.0 && self.top_p <= 1.0, "top_p", self.top_p, "above 0, at most 1")
    }
}

/// A drawn token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampled {
    /// Its id.
    pub id: u32,
    /// Its log-probability under the distribution at this temperature, before top-p and top-k: the same
    /// quantity that scoring computes. At temperature 0 it is that of temperature 1.
    pub logprob: f32,
}

/// Draws a token from `logits`; tokens in `forbidden` have no probability.
pub fn sample(logits: &mut [f32], settings: &Sampling, forbidden: &[u32], rng: &mut Rng) -> Sampled {
    for &id in forbidden {
        if let Some(logit) = logits.get_mut(id as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
    let greedy = settings.temperature == 0.0;
    let inv = if greedy { 1.0 } else { 1.0 / settings.temperature };
    logits.iter_mut().for_each(|l| *l *= inv);
    let greedy_id = greedy.then(|| {
        // The first of equals, so that ties do not depend on anything.
        let top = simd::max(logits);
        logits.iter().position(|l| *l == top).unwrap_or(0)
    });
    let mut order = Vec::new();
    let truncated = greedy_id.is_none() && (settings.top_k > 0 || settings.top_p < 1.0);
    if truncated {
        order = (0..logits.len()).filter(|&i| logits[i] > f32::NEG_INFINITY).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
        if settings.top_k > 0 {
            order.truncate(settings.top_k);
        }
    }
    let sum = simd::exp_in_place(logits, 1.0, simd::max(logits));
    // That exponential has a smallest value above 0.
    for &id in forbidden {
        if let Some(mass) = logits.get_mut(id as usize) {
            *mass = 0.0;
        }
    }
    let mass = |i: usize| f64::from(logits[i]);
    let id = if let Some(id) = greedy_id {
        id
    } else if truncated {
        let (mut n, mut kept) = (0, 0.0);
        while n < order.len() && kept < f64::from(settings.top_p) * f64::from(sum) {
            kept += mass(order[n]);
            n += 1;
        }
        draw(order[..n].iter().map(|&i| (i, mass(i))), kept, rng)
    } else {
        draw((0..logits.len()).map(|i| (i, mass(i))), f64::from(sum), rng)
    };
    Sampled { id: id as u32, logprob: (logits[id] / sum).ln().min(0.0) }
}

/// The item at which the running sum passes a uniform number in `[0, total)`.
fn draw(items: impl Iterator<Item = (usize, f64)>, total: f64, rng: &mut Rng) -> usize {
    let mut left = rng.unit() * total;
    let mut last = 0;
    for (item, mass) in items {
        if mass > 0.0 {
            last = item;
            if left < mass {
                return item;
            }
            left -= mass;
        }
    }
    // Rounding can leave a crumb past the last item.
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Seed;

    fn counts(settings: Sampling, forbidden: &[u32]) -> [usize; 4] {
        // Probabilities 0.1, 0.2, 0.3, 0.4.
        let logits: Vec<f32> = [0.1f32, 0.2, 0.3, 0.4].iter().map(|p| p.ln()).collect();
        let mut rng = Seed::new(1).rng();
        let mut counts = [0; 4];
        for _ in 0..10_000 {
            counts[sample(&mut logits.clone(), &settings, forbidden, &mut rng).id as usize] += 1;
        }
        counts
    }

    #[test]
    fn frequencies_follow_probabilities() {
        let near = |got: usize, p: f64| {
            (got as f64 - p * 10_000.0).abs() < 5.0 * (p * (1.0 - p) * 10_000.0).sqrt() + 1.0
        };
        let all = counts(Sampling::default(), &[]);
        assert!(near(all[0], 0.1) && near(all[1], 0.2) && near(all[2], 0.3) && near(all[3], 0.4), "{all:?}");
        let two = counts(Sampling { top_k: 2, ..Sampling::default() }, &[]);
        assert!(two[0] == 0 && two[1] == 0 && near(two[2], 3.0 / 7.0), "{two:?}");
        let nucleus = counts(Sampling { top_p: 0.65, ..Sampling::default() }, &[]);
        assert!(nucleus[0] == 0 && nucleus[1] == 0 && near(nucleus[3], 4.0 / 7.0), "{nucleus:?}");
        let without = counts(Sampling::default(), &[3]);
        assert!(without[3] == 0 && near(without[2], 0.5), "{without:?}");
        // T = 0.5 squares the odds: 1:4:9:16 of 30.
        assert!(near(counts(Sampling { temperature: 0.5, ..Sampling::default() }, &[])[3], 16.0 / 30.0));
        assert_eq!(counts(Sampling { temperature: 0.0, ..Sampling::default() }, &[]), [0, 0, 0, 10_000]);
    }

    #[test]
    fn logprob_is_of_the_untruncated_distribution() {
        let mut logits: Vec<f32> = [0.1f32, 0.9].iter().map(|p| p.ln()).collect();
        let settings = Sampling { top_k: 1, ..Sampling::default() };
        let s = sample(&mut logits, &settings, &[], &mut Seed::new(1).rng());
        assert!((s.logprob - 0.9f32.ln()).abs() < 1e-6);
    }
}
