//! The list of environments.

use std::collections::BTreeMap;
use std::sync::Arc;

use eyas_core::Seed;

use crate::env::Env;
use crate::envs;
use crate::game::Slot;
use crate::table::{Table, open_table};
use crate::tasks::{self, QUIZ_KNOBS};
use crate::view::{VIEW_KNOBS, View};
use crate::wrap::{self, WRAP_KNOBS, Wrap};
use crate::{Arena, Difficulty, EnvSpec, Game, KnobError, KnobSpec, KnobValue, Knobs, Seated, TruthForm};

type Reset = fn(Seed, &Knobs) -> Result<Box<dyn Game>, KnobError>;
type OpenTable = fn(Seed, &Knobs) -> Result<Box<dyn Table>, KnobError>;
type Restore = fn(serde_json::Value) -> Result<Box<dyn Game>, serde_json::Error>;

/// An environment that can be made by name.
#[derive(Clone, Copy)]
pub struct EnvEntry {
    /// What it says of itself.
    pub spec: &'static EnvSpec,
    /// The forms of ground truth for rewards, under `/truth` of [`Game::facts`].
    pub truth: &'static [TruthForm],
    reset: Reset,
    restore: Restore,
    table: Option<OpenTable>,
}

/// Why an environment could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GymError {
    /// No such environment.
    #[error("unknown environment {name:?}{}; `eyas gym list` shows all", .nearest.as_ref().map(|n| format!(", did you mean {n:?}?")).unwrap_or_default())]
    UnknownEnv {
        /// The name given.
        name: String,
        /// The nearest known name, if one is near.
        nearest: Option<String>,
    },
    /// Its knobs were refused.
    #[error(transparent)]
    Knob(#[from] KnobError),
    /// A snapshot does not fit the environment.
    #[error("snapshot of {env:?} cannot be read: {source}")]
    Snapshot {
        /// The environment.
        env: String,
        /// What was wrong.
        source: serde_json::Error,
    },
}

impl EnvEntry {
    fn of<E: Env>() -> Self {
        Self {
            spec: E::spec(),
            truth: E::truth_forms(),
            reset: |seed, knobs| {
                let view = View::new(seed, knobs, E::spec().id, E::spec().pixel_answers)?;
                Ok(Box::new(Slot { env: E::reset(seed, knobs)?, view }))
            },
            restore: |value| Ok(Box::new(Slot::<E>::restore(value)?)),
            table: None,
        }
    }

    /// A game of several players, from one chair.
    fn of_arena<A: Arena>() -> Self {
        Self { table: Some(open_table::<A>), ..Self::of::<Seated<A>>() }
    }

    /// The game with all its chairs, for self-play; `None` where nobody else plays.
    ///
    /// # Errors
    /// [`KnobError::Conflict`] when knobs contradict each other.
    pub fn table(&self, seed: Seed, knobs: &Knobs) -> Option<Result<Box<dyn Table>, KnobError>> {
        self.table.map(|open| open(seed, knobs))
    }

    /// Checks knobs and fills in defaults.
    ///
    /// # Errors
    /// [`KnobError`] naming the knob.
    pub fn knobs(&self, given: &BTreeMap<String, KnobValue>) -> Result<Knobs, KnobError> {
        Knobs::resolve_with(self.spec.id, self.spec.knobs, &common_knobs(), given)
    }

    /// The knobs at a position of the difficulty dial, with the values of `given` over them.
    ///
    /// # Errors
    /// [`KnobError`] naming the knob.
    pub fn knobs_at(
        &self,
        difficulty: &Difficulty,
        given: &BTreeMap<String, KnobValue>,
    ) -> Result<Knobs, KnobError> {
        let mut values = difficulty.values(self.spec.knobs);
        values.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.knobs(&values)
    }

    /// A fresh episode.
    ///
    /// # Errors
    /// [`KnobError::Conflict`] when knobs contradict each other.
    pub fn reset(&self, seed: Seed, knobs: &Knobs) -> Result<Box<dyn Game>, KnobError> {
        let fresh = |seed| Ok(wrap::begin((self.reset)(seed, knobs)?, knobs, seed));
        Ok(Wrap::new(knobs).around(tasks::begin(self.spec, knobs, seed, fresh)?))
    }

    /// The state that [`Game::snapshot`] wrote.
    ///
    /// # Errors
    /// [`GymError::Snapshot`] when the value is not such a state.
    pub fn restore(&self, mut snapshot: serde_json::Value) -> Result<Box<dyn Game>, GymError> {
        let restored = wrap::unwrap_snapshot(&mut snapshot).and_then(|wrap| {
            let asked = tasks::unwrap_snapshot(&mut snapshot)?;
            let mut game = (self.restore)(snapshot)?;
            if let Some((item, shown)) = asked {
                let shown = shown.into_iter().map(self.restore).collect::<Result<_, _>>()?;
                game = tasks::restore(self.spec.id, game, item, shown)?;
            }
            Ok(match wrap {
                Some((wrap, past)) => {
                    let past = past.into_iter().map(self.restore).map(|g| g.map(Arc::from));
                    wrap.around_after(game, past.collect::<Result<_, _>>()?)
                }
                None => game,
            })
        });
        restored.map_err(|source| GymError::Snapshot { env: self.spec.id.into(), source })
    }
}

/// The knobs that every environment has besides its own: how pictures are spoilt, how it is played, and whether
/// it is a question instead. They are off when not given.
pub fn common_knobs() -> Vec<KnobSpec> {
    [VIEW_KNOBS, WRAP_KNOBS, QUIZ_KNOBS].concat()
}

/// Every environment, in the order of the gallery.
pub fn registry() -> Vec<EnvEntry> {
    vec![
        EnvEntry::of::<envs::Game2048>(),
        EnvEntry::of::<envs::ShisenSho>(),
        EnvEntry::of::<envs::Swap>(),
        EnvEntry::of::<envs::FrozenLake>(),
        EnvEntry::of::<envs::Sokoban>(),
        EnvEntry::of::<envs::LightsOut>(),
        EnvEntry::of::<envs::SlidingPuzzle>(),
        EnvEntry::of::<envs::Hanoi>(),
        EnvEntry::of::<envs::Minesweeper>(),
        EnvEntry::of::<envs::Sudoku>(),
        EnvEntry::of::<envs::RushHour>(),
        EnvEntry::of::<envs::Tetris>(),
        EnvEntry::of::<envs::Referring>(),
        EnvEntry::of::<envs::Counting>(),
        EnvEntry::of::<envs::Jigsaw>(),
        EnvEntry::of::<envs::OddOneOut>(),
        EnvEntry::of::<envs::PointAt>(),
        EnvEntry::of::<envs::Detection>(),
        EnvEntry::of::<envs::Transformation>(),
        EnvEntry::of::<envs::Ocr>(),
        EnvEntry::of::<envs::Pattern>(),
        EnvEntry::of::<envs::MentalRotation>(),
        EnvEntry::of::<envs::Plot>(),
        EnvEntry::of::<envs::Svg>(),
        EnvEntry::of::<envs::ChartQa>(),
        EnvEntry::of::<envs::ChartTable>(),
        EnvEntry::of::<envs::Graph>(),
        EnvEntry::of::<envs::NumberLine>(),
        EnvEntry::of::<envs::EzPoints>(),
        EnvEntry::of::<envs::Points24>(),
        EnvEntry::of::<envs::Blackjack>(),
        EnvEntry::of::<envs::Maze>(),
        EnvEntry::of::<envs::MiniGrid>(),
        EnvEntry::of::<envs::Maze3d>(),
        EnvEntry::of::<envs::Rooms3d>(),
        EnvEntry::of::<envs::RouteMap>(),
        EnvEntry::of_arena::<envs::TicTacToe>(),
        EnvEntry::of_arena::<envs::Connect4>(),
        EnvEntry::of_arena::<envs::Breakthrough>(),
        EnvEntry::of_arena::<envs::KuhnPoker>(),
        EnvEntry::of_arena::<envs::CoinDilemma>(),
        EnvEntry::of_arena::<envs::StagHunt>(),
        EnvEntry::of_arena::<envs::ColourBattle>(),
        EnvEntry::of_arena::<envs::Overcooked>(),
        EnvEntry::of::<envs::GuiGrounding>(),
        EnvEntry::of::<envs::Form>(),
        EnvEntry::of::<envs::ScreenGraph>(),
        EnvEntry::of::<envs::Shop>(),
        EnvEntry::of::<envs::VideoUnshuffle>(),
        EnvEntry::of::<envs::TemporalGrounding>(),
        EnvEntry::of::<envs::ShellGame>(),
        EnvEntry::of::<envs::BouncingBall>(),
        EnvEntry::of::<envs::Highway>(),
        EnvEntry::of::<envs::PickPlace>(),
        EnvEntry::of::<envs::Stack>(),
        EnvEntry::of::<envs::Affordance>(),
    ]
}

/// The environment called `name`.
///
/// # Errors
/// [`GymError::UnknownEnv`] with the nearest known name.
pub fn find(name: &str) -> Result<EnvEntry, GymError> {
    let all = registry();
    if let Some(entry) = all.iter().find(|e| e.spec.id == name) {
        return Ok(*entry);
    }
    let nearest = all
        .iter()
        .map(|e| (strsim::damerau_levenshtein(e.spec.id, name), e.spec.id))
        .min()
        .filter(|(distance, id)| *distance <= id.len() / 2)
        .map(|(_, id)| id.to_string());
    Err(GymError::UnknownEnv { name: name.into(), nearest })
}
