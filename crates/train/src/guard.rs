//! What a training does about updates, scores and episodes that go wrong: it leaves them out, says so, and
//! knows when that is too much.
//!
//! Each update is judged before it is made, by its loss and the norm of its gradient. A stage asks the guard;
//! whoever runs the stage ([`StepReport`](crate::StepReport)) looks at [`Guard::must_go_back`] and takes the
//! run back to a checkpoint. What the guard remembers is a [`GuardState`], a part of the checkpoint.

use std::collections::BTreeMap;

use eyas_algo::LossError;
use eyas_algo::control::Window;
use eyas_algo::loss::preference::PreferenceError;
use eyas_algo::loss::reward_model::ScoreError;
use eyas_core::{Episode, Invalid, Score};
use eyas_model::{AdamW, Policy, Update};
use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::recipe::GuardSettings;

/// What is remembered from one update to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardState {
    /// The losses of the last updates of the stage that were made.
    pub losses: Window,
    /// Their gradient norms.
    pub norms: Window,
    /// Updates that were skipped since the last one that was made.
    pub skips: u64,
    /// How often the run went back to a checkpoint.
    pub rollbacks: u64,
}

impl GuardState {
    /// The same at the start of another stage, whose losses are others.
    pub fn next_stage(&self) -> Self {
        Self { rollbacks: self.rollbacks, ..Self::default() }
    }
}

/// Settings, memory, and what happened in the present step.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    settings: GuardSettings,
    state: GuardState,
    spikes: u64,
    not_finite: u64,
    lost: u64,
    notes: Vec<String>,
}

impl Guard {
    /// A guard that goes on where `state` was.
    pub fn new(settings: GuardSettings, state: GuardState) -> Self {
        Self { settings, state, ..Self::default() }
    }

    /// What it remembers.
    pub fn state(&self) -> &GuardState {
        &self.state
    }

    /// What went wrong in the present step, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether so many updates were skipped that the run should go back to a checkpoint.
    pub fn must_go_back(&self) -> bool {
        self.settings.max_skips > 0 && self.state.skips >= self.settings.max_skips
    }

    /// A new step begins: counts and notes are those of one step.
    pub(crate) fn begin(&mut self) {
        (self.spikes, self.not_finite, self.lost) = (0, 0, 0);
        self.notes.clear();
    }

    /// Makes the update of `policy` whose gradient is accumulated and whose loss is given, if nothing speaks
    /// against it. The gradient is used up either way.
    ///
    /// # Errors
    /// Those of the loss that are no matter of numbers.
    pub(crate) fn apply(
        &mut self,
        policy: &mut Policy,
        optim: &AdamW,
        loss: Result<f64, TrainError>,
    ) -> Result<Update, TrainError> {
        match loss {
            Ok(loss) => Ok(policy.apply_if(optim, |norm| self.judge(loss, norm))),
            Err(error) => {
                policy.discard_gradients();
                self.excuse(error)?;
                Ok(Update { grad_norm: f64::NAN, applied: false })
            }
        }
    }

    /// Whether an update of that loss and gradient norm should be made.
    fn judge(&mut self, loss: f64, norm: f64) -> bool {
        if !loss.is_finite() || !norm.is_finite() {
            self.refuse(&format!("loss {loss}, gradient norm {norm}"));
            return false;
        }
        let GuardSettings { max_z, window, min_count, .. } = self.settings;
        let measured = [("loss", loss, &self.state.losses), ("gradient norm", norm, &self.state.norms)];
        let far = measured.into_iter().find_map(|(name, value, before)| {
            let z = before.z(value, min_count).filter(|z| *z > max_z)?;
            let n = before.len();
            Some(format!("{name} {value:.4} is {z:.1} standard deviations above the mean of the last {n}"))
        });
        if let Some(far) = far {
            self.spikes += 1;
            self.state.skips += 1;
            self.notes.push(format!("update skipped: {far}"));
            return false;
        }
        self.state.losses.push(loss, window);
        self.state.norms.push(norm, window);
        self.state.skips = 0;
        true
    }

    /// An update cannot be made, because a number in it is not finite.
    fn refuse(&mut self, why: &str) {
        self.not_finite += 1;
        self.state.skips += 1;
        self.notes.push(format!("update skipped, not finite: {why}"));
    }

    /// Takes note of an error that only means that the present update cannot be made; gives back others.
    fn excuse(&mut self, error: TrainError) -> Result<(), TrainError> {
        match &error {
            TrainError::Loss(LossError::NonFinite { .. } | LossError::Overflow { .. })
            | TrainError::Preference(
                PreferenceError::NonFinite { .. }
                | PreferenceError::Loss(LossError::NonFinite { .. } | LossError::Overflow { .. }),
            )
            | TrainError::Score(
                ScoreError::Value { .. }
                | ScoreError::Loss(LossError::NonFinite { .. } | LossError::Overflow { .. }),
            ) => {
                self.refuse(&error.to_string());
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Counts the episodes whose environment failed.
    pub(crate) fn see_lost<'a>(&mut self, episodes: impl IntoIterator<Item = &'a Episode>) {
        for why in episodes.into_iter().filter_map(lost_episode) {
            self.lost += 1;
            self.notes.push(why);
        }
    }

    /// Something that the user should know of the present step.
    pub(crate) fn note(&mut self, why: String) {
        self.notes.push(why);
    }

    /// Something was lost before there was an episode.
    pub(crate) fn see_lost_start(&mut self, why: String) {
        self.lost += 1;
        self.notes.push(why);
    }

    /// Checks how many of the scores of a step could be computed.
    ///
    /// # Errors
    /// [`TrainError::Scores`] when they are too few.
    pub(crate) fn check_scores<'a>(
        &self,
        episodes: impl IntoIterator<Item = &'a Episode>,
    ) -> Result<(), TrainError> {
        let (mut all, mut failed) = (0, 0);
        let mut rewards: BTreeMap<&str, (usize, usize, Option<&Invalid>)> = BTreeMap::new();
        for row in episodes.into_iter().flat_map(|e| &e.scores) {
            let reward = rewards.entry(&row.name).or_default();
            match &row.score {
                // A reward that has nothing to say of an episode has not failed.
                Score::Invalid(Invalid::NotApplicable { .. }) => continue,
                Score::Invalid(why) => {
                    failed += 1;
                    reward.0 += 1;
                    reward.2.get_or_insert(why);
                }
                Score::Ok(_) => {}
            }
            reward.1 += 1;
            all += 1;
        }
        if all < self.settings.min_scores || failed as f64 <= self.settings.max_invalid * all as f64 {
            return Ok(());
        }
        let told: Vec<String> = rewards
            .into_iter()
            .filter_map(|(name, (failed, all, why))| Some(format!("{name} {failed} of {all} ({})", why?)))
            .collect();
        Err(TrainError::Scores { failed, all, rewards: told.join("; ") })
    }

    /// The counts of the step.
    pub(crate) fn metrics(&self, mut put: impl FnMut(&str, f64)) {
        put("guard/skipped", self.spikes as f64);
        put("guard/nonfinite", self.not_finite as f64);
        put("guard/lost", self.lost as f64);
        put("guard/rollbacks", self.state.rollbacks as f64);
    }
}

/// What is said of an episode whose environment failed.
pub(crate) fn lost_episode(e: &Episode) -> Option<String> {
    let why = e.lost()?;
    let (env, seed, turn) = (&e.env, e.seed.value(), e.turns.len());
    Some(format!("an episode of {env} is lost (start {seed}, turn {turn}): it {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::{EPISODE_VERSION, Outcome, ScoreSheet, Seed, TokenSpan, Trajectory, Turn};

    fn guard(max_z: f64, max_skips: u64) -> Guard {
        let settings =
            GuardSettings { max_z, window: 4, min_count: 2, max_skips, ..GuardSettings::default() };
        Guard::new(settings, GuardState::default())
    }

    #[test]
    fn spikes_are_skipped_and_do_not_become_usual() {
        let mut g = guard(3.0, 2);
        for (loss, norm) in [(1.0, 10.0), (3.0, 30.0)] {
            assert!(g.judge(loss, norm), "nothing to compare with");
        }
        // Mean 2, deviation 1: 5 lies exactly 3 above, 5.1 further. Norms: mean 20, deviation 10.
        assert!(!g.judge(5.1, 20.0) && !g.must_go_back());
        assert!(!g.judge(2.0, 50.1) && g.must_go_back());
        assert_eq!((g.spikes, g.not_finite, g.state.losses.len()), (2, 0, 2));
        assert!(g.notes[0].contains("loss 5.1000 is 3.1 standard deviations above the mean of the last 2"));
        assert!(g.notes[1].contains("gradient norm 50.1000 is 3.0 standard deviations"), "{:?}", g.notes);
        assert!(g.judge(5.0, 50.0), "as far as allowed");
        assert!(!g.must_go_back() && g.state.skips == 0);
        assert!(g.judge(-1e6, 0.0), "low is not far");
        g.begin();
        assert_eq!((g.spikes, g.notes().len(), g.state.losses.len()), (0, 0, 4));
    }

    #[test]
    fn what_is_not_finite_is_always_skipped() {
        let mut g = guard(f64::INFINITY, 3);
        assert!(g.judge(1.0, 1.0) && g.judge(2.0, 2.0) && g.judge(1e9, 1e9), "off");
        assert!(!g.judge(f64::NAN, 1.0) && !g.judge(1.0, f64::INFINITY));
        let numeric = LossError::NonFinite { name: "logprob", index: 3, value: f32::NAN };
        g.excuse(TrainError::Loss(numeric)).unwrap_or_else(|e| panic!("{e}"));
        assert!(g.must_go_back() && (g.not_finite, g.state.losses.len()) == (3, 3));
        let score = ScoreError::Value { name: "score", index: 1, value: f64::NAN };
        g.excuse(TrainError::Score(score)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(g.notes().last().map(String::as_str), Some("update skipped, not finite: score 1 is NaN"));
        let other = TrainError::Loss(LossError::Denominator { value: 0.0 });
        assert!(matches!(g.excuse(other), Err(TrainError::Loss(LossError::Denominator { .. }))));
        assert!(!guard(1.0, 0).must_go_back(), "never");
    }

    #[test]
    fn a_guard_that_was_written_down_goes_on_alike() {
        let mut through = guard(2.0, 9);
        let numbers: Vec<(f64, f64)> =
            (0..40).map(|i| (f64::from(i * 37 % 11) / 3.0, f64::from(i * 7 % 13))).collect();
        for (i, (loss, norm)) in numbers.iter().enumerate() {
            let text = serde_json::to_string(&through.state).unwrap_or_default();
            let mut resumed = Guard::new(through.settings, serde_json::from_str(&text).unwrap_or_default());
            assert_eq!(resumed.state, through.state, "update {i}");
            assert_eq!(resumed.judge(*loss, *norm), through.judge(*loss, *norm));
            assert_eq!(resumed.state, through.state);
        }
        let next = GuardState { rollbacks: 2, ..through.state.clone() }.next_stage();
        assert_eq!(next, GuardState { rollbacks: 2, ..GuardState::default() });
    }

    fn episode(scores: &[(&str, Score)]) -> Episode {
        let row = |(name, score): &(&str, Score)| ScoreSheet {
            name: (*name).into(),
            weight: 1.0,
            span: TokenSpan::All,
            score: score.clone(),
        };
        Episode {
            version: EPISODE_VERSION,
            env: "2048".into(),
            seed: Seed::new(77),
            knobs: serde_json::Value::Null,
            turns: vec![Turn { error: Some("panicked: here".into()), ..Turn::default() }],
            trajectory: Trajectory::new(5),
            scores: scores.iter().map(row).collect(),
            env_return: 0.0,
            env_score: 0.0,
            outcome: Outcome::Failure,
            images: Default::default(),
        }
    }

    #[test]
    fn too_many_failed_scores_are_an_error_that_names_them() {
        let crash = |detail: &str| Score::Invalid(Invalid::Crash { detail: detail.into() });
        let aside = || Score::Invalid(Invalid::NotApplicable { detail: "no boxes".into() });
        let settings = GuardSettings { max_invalid: 0.5, min_scores: 4, ..GuardSettings::default() };
        let check = |episodes: &[Episode]| Guard::new(settings, GuardState::default()).check_scores(episodes);
        let good = || episode(&[("a", Score::Ok(0.0)), ("b", aside())]);
        let bad = || episode(&[("a", crash("first")), ("b", aside())]);
        assert!(check(&[good(), good(), bad(), bad()]).is_ok(), "half is allowed");
        assert!(
            check(&[good(), bad(), bad()]).is_ok(),
            "too few to tell: what does not apply does not count"
        );
        let error = check(&[good(), bad(), bad(), bad()]).unwrap_err().to_string();
        assert_eq!(error, "3 of 4 scores of this step could not be computed: a 3 of 4 (crashed: first)");
        assert!(check(&vec![episode(&[("b", aside())]); 9]).is_ok(), "nobody failed");
    }

    #[test]
    fn lost_episodes_are_named() {
        let mut g = guard(1.0, 1);
        let whole = episode(&[]);
        let lost = Episode { outcome: Outcome::Lost, ..whole.clone() };
        g.see_lost([&whole, &lost]);
        assert_eq!(g.notes(), ["an episode of 2048 is lost (start 77, turn 1): it panicked: here"]);
        let mut seen = BTreeMap::new();
        g.metrics(|name, value| {
            seen.insert(name.to_string(), value);
        });
        assert_eq!((seen["guard/lost"], seen["guard/skipped"]), (1.0, 0.0));
    }
}
