//! Coefficients that change over a run: by the step, or by what was observed.
//!
//! [`Control`] holds the settings, [`Controller`] the settings with the little that has to be remembered from
//! one step to the next. All of it is plain data: a run that is stopped and resumed goes on with the same
//! numbers.

mod dual;
mod entropy;
mod kl;
mod schedule;
mod spike;
mod temperature;

pub use dual::{Dual, DualForm, Side, lagrangian_advantage};
pub use entropy::AdaptiveEntropy;
pub use kl::AdaptiveKl;
pub use schedule::{Exponential, Ramp, RampShape, WarmupCosine};
pub use spike::Window;
pub use temperature::HoldEntropy;

use serde::{Deserialize, Serialize};

use crate::loss::LossError;

/// How a coefficient changes. The schedules look at the step only, the others at what is observed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Control {
    /// Not at all.
    Fixed(Fixed),
    /// From one number to another: see [`Ramp`].
    Ramp(Ramp),
    /// By a factor a step: see [`Exponential`].
    Exponential(Exponential),
    /// Up along a line, down along half a cosine: see [`WarmupCosine`].
    WarmupCosine(WarmupCosine),
    /// A KL coefficient that holds the KL near a target: see [`AdaptiveKl`].
    AdaptiveKl(AdaptiveKl),
    /// A multiplier of a constraint: see [`Dual`].
    Dual(Dual),
    /// An entropy coefficient that switches on where entropy is low: see [`AdaptiveEntropy`].
    AdaptiveEntropy(AdaptiveEntropy),
    /// A sampling temperature that holds the entropy near a target: see [`HoldEntropy`].
    HoldEntropy(HoldEntropy),
}

/// A coefficient that does not change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fixed {
    /// The coefficient. Finite.
    pub value: f64,
}

/// What a controller remembers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The coefficient as it stands; not used by schedules.
    pub value: f64,
    /// The last observation, if there was one.
    pub observed: Option<f64>,
}

/// A control with what it remembers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// The settings.
    pub control: Control,
    /// What it remembers.
    pub state: State,
}

impl Control {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`LossError::Config`] naming the setting.
    pub fn check(&self) -> Result<(), LossError> {
        match self {
            Self::Fixed(cfg) => finite("fixed.value", cfg.value),
            Self::Ramp(cfg) => cfg.check(),
            Self::Exponential(cfg) => cfg.check(),
            Self::WarmupCosine(cfg) => cfg.check(),
            Self::AdaptiveKl(cfg) => cfg.check(),
            Self::Dual(cfg) => cfg.check(),
            Self::AdaptiveEntropy(cfg) => cfg.check(),
            Self::HoldEntropy(cfg) => cfg.check(),
        }
    }

    fn initial(&self) -> f64 {
        match self {
            Self::Fixed(cfg) => cfg.value,
            Self::Ramp(cfg) => cfg.value(0),
            Self::Exponential(cfg) => cfg.value(0),
            Self::WarmupCosine(cfg) => cfg.value(0),
            Self::AdaptiveKl(cfg) => cfg.initial,
            Self::Dual(cfg) => cfg.initial,
            Self::AdaptiveEntropy(cfg) => cfg.initial,
            Self::HoldEntropy(cfg) => cfg.initial,
        }
    }
}

impl Controller {
    /// At its start.
    ///
    /// # Errors
    /// [`LossError::Config`] naming the setting that is out of range.
    pub fn new(control: Control) -> Result<Self, LossError> {
        control.check()?;
        Ok(Self { control, state: State { value: control.initial(), observed: None } })
    }

    /// Takes in what was observed over `samples` samples (only [`AdaptiveKl`] weighs by their number).
    /// Schedules and fixed coefficients remember nothing but the observation.
    ///
    /// # Errors
    /// [`LossError::Config`] naming `observed` when it is not finite; nothing changes then.
    pub fn update(&mut self, observed: f64, samples: u64) -> Result<(), LossError> {
        finite("observed", observed)?;
        let value = self.state.value;
        self.state.value = match self.control {
            Control::AdaptiveKl(cfg) => cfg.next(value, observed, samples),
            Control::Dual(cfg) => cfg.next(value, observed),
            Control::AdaptiveEntropy(cfg) => cfg.next(value, observed),
            Control::HoldEntropy(cfg) => cfg.next(value, observed),
            Control::Fixed(_) | Control::Ramp(_) | Control::Exponential(_) | Control::WarmupCosine(_) => {
                value
            }
        };
        self.state.observed = Some(observed);
        Ok(())
    }

    /// The coefficient at step `step`, counted from 0.
    pub fn value(&self, step: u64) -> f64 {
        match self.control {
            Control::Fixed(cfg) => cfg.value,
            Control::Ramp(cfg) => cfg.value(step),
            Control::Exponential(cfg) => cfg.value(step),
            Control::WarmupCosine(cfg) => cfg.value(step),
            Control::AdaptiveEntropy(cfg) => cfg.applied(self.state),
            Control::AdaptiveKl(_) | Control::Dual(_) | Control::HoldEntropy(_) => self.state.value,
        }
    }
}

fn finite(name: &'static str, value: f64) -> Result<(), LossError> {
    if value.is_finite() { Ok(()) } else { Err(LossError::Config { name, value, range: "a finite number" }) }
}

fn positive(name: &'static str, value: f64) -> Result<(), LossError> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(LossError::Config { name, value, range: "more than 0" })
    }
}

/// `low ≤ initial ≤ high`, all finite.
fn ordered(low: f64, (name, initial): (&'static str, f64), high: f64) -> Result<(), LossError> {
    if low.is_finite() && high.is_finite() && (low..=high).contains(&initial) {
        Ok(())
    } else {
        Err(LossError::Config { name, value: initial, range: "finite, between its low and its high" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Control> {
        vec![
            Control::Fixed(Fixed { value: 0.5 }),
            Control::Ramp(Ramp::default()),
            Control::Exponential(Exponential::default()),
            Control::WarmupCosine(WarmupCosine::default()),
            Control::AdaptiveKl(AdaptiveKl::default()),
            Control::Dual(Dual::default()),
            Control::AdaptiveEntropy(AdaptiveEntropy::default()),
            Control::HoldEntropy(HoldEntropy::default()),
        ]
    }

    #[test]
    fn resuming_from_what_was_written_goes_on_with_the_same_numbers() {
        for control in all() {
            let mut through = Controller::new(control).unwrap();
            for step in 0..20u32 {
                through.update(f64::from(step % 5) * 0.1, 64).unwrap();
                let text = serde_json::to_string(&through).unwrap();
                let mut resumed: Controller = serde_json::from_str(&text).unwrap();
                assert_eq!(resumed, through);
                through.update(0.3, 8).unwrap();
                resumed.update(0.3, 8).unwrap();
                assert_eq!(resumed.value(7).to_bits(), through.value(7).to_bits());
            }
        }
    }

    #[test]
    fn an_observation_that_is_no_number_changes_nothing() {
        for control in all() {
            let mut controller = Controller::new(control).unwrap();
            let before = controller;
            for bad in [f64::NAN, f64::INFINITY] {
                assert!(matches!(controller.update(bad, 1), Err(LossError::Config { name: "observed", .. })));
            }
            assert_eq!(controller, before);
        }
    }

    #[test]
    fn extreme_observations_stay_finite() {
        for control in all() {
            let mut controller = Controller::new(control).unwrap();
            for observed in [1e300, -1e300, 1e300, 1e300, 0.0] {
                for _ in 0..200 {
                    controller.update(observed, u64::MAX).unwrap();
                    assert!(controller.value(3).is_finite(), "{control:?}");
                }
            }
        }
    }

    #[test]
    fn reads_its_config() {
        let read = |s: &str| serde_json::from_str::<Control>(s);
        let control = read(r#"{"kind": "adaptive_kl", "target": 0.2}"#).unwrap();
        assert_eq!(control, Control::AdaptiveKl(AdaptiveKl { target: 0.2, ..AdaptiveKl::default() }));
        assert!(read(r#"{"kind": "adaptive_kl", "goal": 0.2}"#).is_err());
        assert!(read(r#"{"kind": "pid"}"#).is_err());
        assert!(Controller::new(Control::Fixed(Fixed { value: f64::NAN })).is_err());
    }

    #[test]
    fn a_constant_control_is_a_constant_loss() {
        let controller = Controller::new(Control::Fixed(Fixed { value: 0.04 })).unwrap();
        assert_eq!((controller.value(0), controller.value(u64::MAX)), (0.04, 0.04));
    }
}
