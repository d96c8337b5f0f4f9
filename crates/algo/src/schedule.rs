//! The learning rate over the steps of a run.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Not at all.
    #[default]
    Constant,
    /// Along half a cosine (Loshchilov and Hutter, arXiv 1608.03983, eq. 5, without restarts).
    Cosine,
    /// Along a line.
    Linear,
}

/// Linear warm-up, then a decay down to `min_ratio` of the peak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The highest learning rate.
    pub peak: f64,
    /// Steps of the warm-up; step `s` of it runs at `(s + 1) / warmup_steps` of the peak, so no step is
    /// wasted at 0.
    #[serde(default)]
    pub warmup_steps: u64,
    /// The step at which the decay has reached its end.
    pub total_steps: u64,
    /// How it falls.
    #[serde(default)]
    pub decay: Decay,
    /// The share of the peak that is left at the end. Not used by [`Decay::Constant`].
    #[serde(default)]
    pub min_ratio: f64,
}

/// Why a schedule was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// The learning rate must be finite and at least 0.
    #[error("peak learning rate {0} is not a number of at least 0")]
    Peak(f64),
    /// The share left must be in `0..=1`.
    #[error("min_ratio {0} is not between 0 and 1")]
    MinRatio(f64),
    /// The warm-up must fit into the run.
    #[error("{warmup_steps} warm-up steps do not fit into {total_steps} steps")]
    Warmup {
        /// Steps of the warm-up.
        warmup_steps: u64,
        /// Steps of the run.
        total_steps: u64,
    },
}

impl Schedule {
    /// The same learning rate throughout.
    pub fn constant(peak: f64, total_steps: u64) -> Self {
        Self { peak, warmup_steps: 0, total_steps, decay: Decay::Constant, min_ratio: 0.0 }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ScheduleError`] naming the setting.
    pub fn check(&self) -> Result<(), ScheduleError> {
        if !(self.peak.is_finite() && self.peak >= 0.0) {
            return Err(ScheduleError::Peak(self.peak));
        }
        if !(0.0..=1.0).contains(&self.min_ratio) {
            return Err(ScheduleError::MinRatio(self.min_ratio));
        }
        if self.warmup_steps > self.total_steps {
            let (warmup_steps, total_steps) = (self.warmup_steps, self.total_steps);
            return Err(ScheduleError::Warmup { warmup_steps, total_steps });
        }
        Ok(())
    }

    /// The learning rate of step `step`, counted from 0. The first step after the warm-up runs at the
    /// peak; from `total_steps` on it stays at the end of the decay.
    pub fn learning_rate(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let length = self.total_steps.saturating_sub(self.warmup_steps);
        let done = match length {
            0 => 1.0,
            _ => ((step - self.warmup_steps) as f64 / length as f64).min(1.0),
        };
        let left = match self.decay {
            Decay::Constant => return self.peak,
            Decay::Cosine => 0.5 * (1.0 + (PI * done).cos()),
            Decay::Linear => 1.0 - done,
        };
        self.peak * (self.min_ratio + (1.0 - self.min_ratio) * left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rates(decay: Decay, steps: &[u64]) -> Vec<f64> {
        let s = Schedule { peak: 8.0, warmup_steps: 4, total_steps: 12, decay, min_ratio: 0.5 };
        s.check().unwrap();
        // Rounded, because cos(π/2) is not exactly 0.
        steps.iter().map(|&step| (s.learning_rate(step) * 1e9).round() / 1e9).collect()
    }

    #[test]
    fn hand_computed() {
        let steps = [0, 1, 3, 4, 6, 8, 12, 99];
        assert_eq!(rates(Decay::Constant, &steps), [2.0, 4.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0]);
        assert_eq!(rates(Decay::Linear, &steps), [2.0, 4.0, 8.0, 8.0, 7.0, 6.0, 4.0, 4.0]);
        // A quarter of the way cos is 1/√2: 8·(0.5 + 0.5·0.5·(1 + 0.70710678)) = 7.414213562.
        assert_eq!(rates(Decay::Cosine, &steps), [2.0, 4.0, 8.0, 8.0, 7.414213562, 6.0, 4.0, 4.0]);
    }

    #[test]
    fn mistakes_are_named() {
        let good = Schedule::constant(1e-6, 10);
        assert_eq!(good.check(), Ok(()));
        assert!(matches!(Schedule { peak: f64::NAN, ..good }.check(), Err(ScheduleError::Peak(_))));
        assert_eq!(Schedule { peak: -1.0, ..good }.check(), Err(ScheduleError::Peak(-1.0)));
        assert_eq!(Schedule { min_ratio: 1.5, ..good }.check(), Err(ScheduleError::MinRatio(1.5)));
        assert_eq!(
            Schedule { warmup_steps: 11, ..good }.check(),
            Err(ScheduleError::Warmup { warmup_steps: 11, total_steps: 10 })
        );
    }

    #[test]
    fn reads_its_config() {
        let s: Schedule =
            serde_json::from_str(r#"{"peak": 1e-6, "total_steps": 5, "decay": "cosine"}"#).unwrap();
        assert_eq!(s, Schedule { decay: Decay::Cosine, ..Schedule::constant(1e-6, 5) });
    }

    proptest! {
        #[test]
        fn rises_then_falls_within_bounds(
            warmup_steps in 0u64..20, more in 0u64..20, min_ratio in 0.0f64..=1.0,
            decay in prop::sample::select(vec![Decay::Constant, Decay::Cosine, Decay::Linear]),
        ) {
            let total_steps = warmup_steps + more;
            let s = Schedule { peak: 1.0, warmup_steps, total_steps, decay, min_ratio };
            for step in 0..total_steps + 3 {
                let (now, next) = (s.learning_rate(step), s.learning_rate(step + 1));
                prop_assert!((0.0..=1.0).contains(&now));
                if step + 1 < warmup_steps { prop_assert!(next > now); }
                if step >= warmup_steps { prop_assert!(next <= now && next >= min_ratio - 1e-12); }
            }
        }
    }
}
