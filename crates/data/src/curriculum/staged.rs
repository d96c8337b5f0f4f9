//! Stages with gates between them.

use serde::{Deserialize, Serialize};

use super::pool::{Entry, Pool};
use crate::error::{DataError, at_least_one, share};

/// When a stage is over: when enough groups passed, or after so many groups.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// The moving pass rate that opens the gate, in `0..=1`; `None`: only `max_groups` opens it.
    pub threshold: Option<f64>,
    /// Weight of the latest batch in the moving pass rate, in `0..=1`.
    pub rate: f64,
    /// It stays closed for so many groups.
    pub min_groups: u64,
    /// It opens after so many groups, whatever the pass rate. At least 1.
    pub max_groups: Option<u64>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { threshold: Some(0.8), rate: 0.1, min_groups: 1, max_groups: None }
    }
}

/// Settings of stages: items of tag `k` are drawn, uniformly, in stage `k`.
///
/// **Reading:** Jigsaw-R1's stages of (m, n) by number of samples are gates with `max_groups` only;
/// Curr-ReFT's three stages (yes/no, multiple choice, open) advance here when the pass rate is reached,
/// where the paper trains each for a fixed time. MMedAgent-RL's order of cases by the specialists'
/// accuracy is a tag as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staged {
    /// The gate at the end of each stage but the last: one less than there are stages.
    pub gates: Vec<Gate>,
}

/// Where a staged curriculum is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageState {
    /// The stage, from 0.
    pub stage: usize,
    /// Groups with a score seen in it.
    pub groups: u64,
    /// The moving pass rate in it.
    pub rate: Option<f64>,
}

impl Staged {
    /// Checks the gates.
    ///
    /// # Errors
    /// [`DataError::Config`].
    pub fn check(&self) -> Result<(), DataError> {
        for gate in &self.gates {
            share("gate.threshold", gate.threshold.unwrap_or(0.0))?;
            share("gate.rate", gate.rate)?;
            at_least_one("gate.max_groups", gate.max_groups.unwrap_or(1))?;
        }
        Ok(())
    }

    /// Checks that every stage has an item.
    ///
    /// # Errors
    /// [`DataError::Empty`].
    pub fn check_pool(&self, pool: &Pool) -> Result<(), DataError> {
        let has_item = |stage: usize| pool.entries().iter().any(|e| e.item.tag as usize == stage);
        if (0..=self.gates.len()).all(has_item) { Ok(()) } else { Err(DataError::Empty { name: "stage" }) }
    }

    /// 1 for items of the stage, 0 for the others.
    pub fn weight(&self, state: &StageState, entry: &Entry) -> f64 {
        f64::from(u8::from(entry.item.tag as usize == state.stage))
    }

    /// The state after a batch whose groups had these pass rates. At most one gate is passed at a time; the
    /// next stage starts with nothing known.
    pub fn next(&self, state: StageState, rates: &[f64]) -> StageState {
        let Some(gate) = self.gates.get(state.stage).filter(|_| !rates.is_empty()) else { return state };
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        let before = state.rate.unwrap_or(mean);
        let rate = before + gate.rate * (mean - before);
        let groups = state.groups + rates.len() as u64;
        let passed = gate.threshold.is_some_and(|t| rate >= t) && groups >= gate.min_groups;
        if passed || gate.max_groups.is_some_and(|max| groups >= max) {
            StageState { stage: state.stage + 1, groups: 0, rate: None }
        } else {
            StageState { groups, rate: Some(rate), ..state }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_open_at_the_threshold() {
        let gate = Gate { threshold: Some(0.6), rate: 0.5, min_groups: 4, max_groups: None };
        let staged = Staged { gates: vec![gate] };
        let mut state = StageState::default();
        // Enough, but too few groups.
        state = staged.next(state, &[1.0, 1.0]);
        assert_eq!(state, StageState { stage: 0, groups: 2, rate: Some(1.0) });
        // 1 + ½·(0 − 1) = 0.5: below.
        state = staged.next(state, &[0.0, 0.0]);
        assert_eq!(state, StageState { stage: 0, groups: 4, rate: Some(0.5) });
        assert_eq!(staged.next(state, &[]), state);
        // 0.5 + ½·(0.7 − 0.5) = 0.6: open.
        state = staged.next(state, &[0.7]);
        assert_eq!(state, StageState { stage: 1, groups: 0, rate: None });
        // The last stage has no end.
        assert_eq!(staged.next(state, &[1.0]), state);
    }

    #[test]
    fn gates_open_by_number() {
        let gate = Gate { threshold: None, max_groups: Some(3), ..Gate::default() };
        let staged = Staged { gates: vec![gate, gate] };
        let state = staged.next(StageState::default(), &[1.0, 1.0]);
        assert_eq!(state.stage, 0);
        assert_eq!(staged.next(state, &[0.0]).stage, 1);
    }
}
