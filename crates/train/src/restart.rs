//! Groups that start in the middle of earlier episodes, right and wrong ones (restart and explore of Satori).

use eyas_algo::advantage::shape::{Restart as Bonus, restart_reward};
use eyas_core::{Episode, Group, Outcome, Score, ScoreSheet, Seed, TokenSpan};
use eyas_data::replay::{Key, Replay, ReplayConfig, plan_starts, restart_points};
use eyas_gym::{Game, Status};
use eyas_rollout::{Start, Watch, each};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::TrainError;
use crate::recipe::{RestartSettings, RlStage};
use crate::source::Place;

/// The reward that [`pay`] adds, by its name in score sheets.
const NAME: &str = "restart";

/// A state in the middle of an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The environment, by its position in the stage.
    env: usize,
    /// What its snapshot wrote.
    state: Value,
}

/// The states that a stage may start from again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restarts {
    /// Of episodes that did not reach their goal.
    failed: Replay<Kept>,
    /// Of those that did.
    passed: Replay<Kept>,
}

/// A start in the middle of an earlier episode.
pub(crate) struct Again {
    pub(crate) place: Place,
    /// Whether that episode reached its goal.
    pub(crate) passed: bool,
}

impl Restarts {
    /// Nothing is kept yet.
    ///
    /// # Errors
    /// [`eyas_data::DataError`] when a setting is out of range.
    pub(crate) fn new(settings: &RestartSettings) -> Result<Self, TrainError> {
        let config = ReplayConfig {
            capacity: settings.capacity,
            max_age: Some(settings.max_age),
            ..ReplayConfig::default()
        };
        Ok(Self { failed: Replay::new(config)?, passed: Replay::new(config)? })
    }

    /// How many states are kept, of failed and of successful episodes.
    pub(crate) fn kept(&self) -> [usize; 2] {
        [self.failed.entries().len(), self.passed.entries().len()]
    }

    /// Those of the `n` groups of `step` that start from a kept state, at most `n`. Turns and score count anew from
    /// there. A state that cannot be restored is left out; why is added to `notes`.
    pub(crate) fn draw(
        &self,
        stage: &RlStage,
        settings: &RestartSettings,
        n: usize,
        step: u64,
        seed: Seed,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Again>, TrainError> {
        let mut rng = seed.rng();
        let fresh = |replay: &Replay<Kept>| !replay.draw(1, step, &mut seed.rng()).is_empty();
        let plan = plan_starts(n, fresh(&self.failed), fresh(&self.passed), &settings.starts())?;
        let mut again = Vec::new();
        for (replay, count, passed) in [(&self.failed, plan.failed, false), (&self.passed, plan.passed, true)]
        {
            for i in replay.draw(count, step, &mut rng) {
                let entry = &replay.entries()[i];
                let Some(env) = stage.env.get(entry.item.env) else {
                    notes.push(format!(
                        "a state to start again from is lost: no environment {}",
                        entry.item.env
                    ));
                    continue;
                };
                match Start::restore(&env.id, entry.key.seed, &env.knobs, entry.item.state.clone()) {
                    Ok(start) => {
                        let item = entry.item.env as u64;
                        again.push(Again { place: Place { env: entry.item.env, item, start }, passed });
                    }
                    Err(error) => notes.push(format!("a state to start again from is lost: {error}")),
                }
            }
        }
        Ok(again)
    }

    /// Keeps states of the policy's own episodes. What cannot be kept is left out; why is added to `notes`.
    pub(crate) fn keep(
        &mut self,
        settings: &RestartSettings,
        played: &Played<'_>,
        step: u64,
        seed: Seed,
        watch: Watch<'_>,
        notes: &mut Vec<String>,
    ) -> Result<(), TrainError> {
        let (mut ways, mut of) = (Vec::new(), Vec::new());
        for (n, (group, start)) in played.groups.iter().zip(played.starts).enumerate() {
            for (member, episode) in group.episodes.iter().take(played.sampled).enumerate() {
                if episode.lost().is_some() {
                    continue;
                }
                let mut rng = seed.split("group", n as u64).split("member", member as u64).rng();
                let points = restart_points(episode.turns.len(), &settings.starts(), &mut rng)?;
                let actions = episode.turns.iter().map(|turn| turn.action.clone()).collect();
                ways.push(Way { game: start.game.fork(), actions, points });
                of.push((n, member, start.seed, episode.outcome == Outcome::Success));
            }
        }
        for ((n, member, seed, passed), states) in of.into_iter().zip(each(ways, watch, Way::states)?) {
            let states = match states {
                Ok(Ok(states)) => states,
                Ok(Err(why)) => {
                    notes.push(format!("a state to start again from is not kept: {why}"));
                    continue;
                }
                Err(why) => {
                    notes.push(format!("a state to start again from is not kept: its environment {why}"));
                    continue;
                }
            };
            let replay = if passed { &mut self.passed } else { &mut self.failed };
            for (turn, state) in states {
                // Members of a group share its seed.
                let key = Key { seed, state: (member as u64) << 32 | turn as u64 };
                replay.push(key, Kept { env: played.envs[n], state }, 1.0, step)?;
            }
        }
        self.failed.expire(step);
        self.passed.expire(step);
        Ok(())
    }
}

/// The groups of a round.
pub(crate) struct Played<'a> {
    /// Where each began.
    pub(crate) starts: &'a [Start],
    /// In which environment, by its position in the stage.
    pub(crate) envs: &'a [usize],
    pub(crate) groups: &'a [Group],
    /// How many members of each the policy sampled; the others come behind them.
    pub(crate) sampled: usize,
}

/// A played way through an environment, and where on it states are wanted.
struct Way {
    game: Box<dyn Game>,
    /// What was done in each turn; none where the turn passed.
    actions: Vec<Option<String>>,
    /// Turns after which the state is wanted, ascending.
    points: Vec<usize>,
}

impl Way {
    /// The wanted states, each with its turn.
    fn states(mut self) -> Result<Vec<(usize, Value)>, String> {
        let mut states = Vec::with_capacity(self.points.len());
        for (turn, action) in self.actions.iter().enumerate() {
            if self.points.contains(&turn) {
                states.push((turn, self.game.snapshot().map_err(|error| error.to_string())?));
            }
            if states.len() == self.points.len() || self.game.status() != Status::Running {
                break;
            }
            match action {
                Some(action) => drop(self.game.step(action).map_err(|error| error.to_string())?),
                None => drop(self.game.pass()),
            }
        }
        Ok(states)
    }
}

/// Adds to every episode what it earns for turning a wrong way right, and what it pays for turning a right one
/// wrong. `prefixes`: for each group whether the episode it goes on from was right; none for a fresh start.
pub(crate) fn pay(groups: &mut [Group], prefixes: &[Option<bool>], bonus: f64) -> Result<(), TrainError> {
    for (group, prefix) in groups.iter_mut().zip(prefixes) {
        for episode in &mut group.episodes {
            let correct = episode.outcome == Outcome::Success;
            // The part that every episode has, `correct − 1`, is for the recipe's rewards to pay.
            let turned = restart_reward(*prefix, correct, &Bonus { bonus })?
                - restart_reward(None, correct, &Bonus { bonus })?;
            episode.scores.push(ScoreSheet {
                name: NAME.into(),
                weight: 1.0,
                span: TokenSpan::All,
                score: Score::from_value(turned as f32),
            });
        }
    }
    Ok(())
}

/// How many groups of a step went on from earlier episodes, and what came of it; how many states are kept now.
/// `episodes`: the policy's own, the same number for each group.
pub(crate) fn restart_metrics(
    put: &mut impl FnMut(&str, f64),
    episodes: &[&Episode],
    prefixes: &[Option<bool>],
    kept: [usize; 2],
) {
    let size = episodes.len() / prefixes.len().max(1);
    for (name, prefix, turned) in [("right", false, true), ("wrong", true, false)] {
        let of_prefix = episodes.chunks(size.max(1)).zip(prefixes).filter(|(_, p)| **p == Some(prefix));
        let of_prefix: Vec<&Episode> = of_prefix.flat_map(|(group, _)| group.iter().copied()).collect();
        let count = of_prefix.iter().filter(|e| (e.outcome == Outcome::Success) == turned).count();
        if !of_prefix.is_empty() {
            put(&format!("restart/turned_{name}"), count as f64 / of_prefix.len() as f64);
        }
    }
    put("restart/groups", prefixes.iter().flatten().count() as f64);
    put("restart/kept_failed", kept[0] as f64);
    put("restart/kept_passed", kept[1] as f64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::{Interrupt, Trajectory, Turn};

    const SETTINGS: RestartSettings = RestartSettings {
        points: 1,
        backtrack: 2,
        share: 0.5,
        failed: 0.5,
        capacity: 3,
        max_age: 4,
        bonus: 0.5,
    };

    /// A group of two of which the second is right, each of these turns.
    fn group(start: &Start, actions: &[Option<&str>]) -> Group {
        let one = |outcome| {
            let turns = actions.iter().map(|a| Turn { action: a.map(Into::into), ..Turn::default() });
            Episode { turns: turns.collect(), outcome, ..start.episode(Trajectory::new(0)) }
        };
        Group { episodes: vec![one(Outcome::Failure), one(Outcome::Success)] }
    }

    #[test]
    fn a_way_gives_the_states_it_went_through() {
        let entry = eyas_gym::find("sliding-puzzle").unwrap();
        let knobs = entry.knobs(&Default::default()).unwrap();
        let mut game = entry.reset(Seed::new(4), &knobs).unwrap();
        let way = game.fork();
        let mut actions = Vec::new();
        let mut want = Vec::new();
        for turn in 0..4 {
            want.push((turn, game.snapshot().unwrap()));
            let action = (turn != 1).then(|| game.legal_actions()[0].clone());
            match &action {
                Some(action) => drop(game.step(action).unwrap()),
                None => drop(game.pass()),
            }
            actions.push(action);
        }
        let got = Way { game: way, actions, points: vec![1, 2, 3] }.states().unwrap();
        assert_eq!(got, want[1..]);
    }

    #[test]
    fn states_of_right_and_wrong_episodes_come_back_until_they_are_old() {
        let recipe = crate::recipe::Recipe::from_toml(
            "[model]\npreset = \"tiny\"\n[[stage]]\nkind = \"rl\"\nsteps = 1\nenv = [{ id = \"sliding-puzzle\" }]\n\
             reward = [{ name = \"game\" }]\noptim.lr = 0.1\n",
            "r.toml",
        );
        let crate::recipe::Stage::Rl(stage) = &recipe.unwrap().stages[0] else { panic!() };
        let interrupt = Interrupt::default();
        let watch = Watch { limit: None, interrupt: &interrupt };
        let start = Start::reset("sliding-puzzle", Seed::new(4), &stage.env[0].knobs).unwrap();
        let mut kept = Restarts::new(&SETTINGS).unwrap();
        let draw = |kept: &Restarts, step| {
            let mut notes = Vec::new();
            let drawn = kept.draw(stage, &SETTINGS, 4, step, Seed::new(1), &mut notes).unwrap();
            assert_eq!(notes, Vec::<String>::new());
            drawn
        };
        assert!(draw(&kept, 0).is_empty());
        let first = start.game.legal_actions()[0].clone();
        let group = group(&start, &[Some(&first), None, None]);
        let played = Played { starts: &[start], envs: &[0], groups: &[group], sampled: 2 };
        kept.keep(&SETTINGS, &played, 0, Seed::new(2), watch, &mut Vec::new()).unwrap();
        assert_eq!(kept.kept(), [1, 1]);
        let drawn = draw(&kept, 1);
        assert_eq!(drawn.iter().map(|a| a.passed).collect::<Vec<_>>(), [false, true]);
        // All of it comes back from a checkpoint.
        let stored: Restarts = serde_json::from_value(serde_json::to_value(&kept).unwrap()).unwrap();
        assert_eq!(stored, kept);
        assert!(draw(&kept, 5).is_empty(), "more than four steps later");
    }

    #[test]
    fn turning_is_paid_on_top() {
        let start = Start::reset("sliding-puzzle", Seed::new(1), &{
            eyas_gym::find("sliding-puzzle").unwrap().knobs(&Default::default()).unwrap()
        })
        .unwrap();
        for (prefix, want) in [(None, [0.0, 0.0]), (Some(false), [0.0, 0.5]), (Some(true), [-0.5, 0.0])] {
            let mut groups = [group(&start, &[])];
            pay(&mut groups, &[prefix], 0.5).unwrap();
            let rows = groups[0].episodes.iter().map(|e| e.scores[0].score.value().unwrap());
            assert_eq!(rows.collect::<Vec<_>>(), want, "{prefix:?}");
        }
    }
}
