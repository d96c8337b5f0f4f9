//! The gym: seed + knobs -> observations; action text -> next state.
//!
//! An environment is a plain `Clone + Serialize` struct, random source included ([`Env`]). So a
//! snapshot is a clone, a fork is a clone, and a group of rollouts can start from any state.
//! Stepping never draws; pictures are drawn on request, the same bytes every time.
//! [`Game`] is the same thing with its type erased; [`registry`] lists all of them.
#![forbid(unsafe_code)]

mod arena;
mod difficulty;
pub mod draw;
mod env;
pub mod envs;
mod game;
mod grid;
mod knob;
mod pool;
mod prompt;
mod reference;
mod registry;
mod stored;
mod table;
pub mod tasks;
mod view;
mod wrap;

pub use arena::{Arena, SEAT, Seated};
pub use difficulty::{Difficulty, Preset};
pub use env::{Env, EnvGroup, EnvSpec, Frame, ParseError, Perception, Status, Step, TruthForm};
pub use game::{Game, Observation};
pub use grid::{Cell, Direction};
pub use knob::{Axis, Dial, KnobError, KnobKind, KnobSpec, KnobValue, Knobs};
pub use pool::{Ahead, Pool};
pub use prompt::{ResponseStyle, first_message, later_message, response};
pub use reference::{normalised, play_oracle, play_oracle_with, play_random, play_random_with};
pub use registry::{EnvEntry, GymError, common_knobs, find, registry};
pub use stored::{StoredReference, StoredReferences, measure_reference, stored_reference, stored_references};
pub use table::{Move, Table, open_table, play_table};
pub use tasks::QUIZ_KNOBS;
pub use view::VIEW_KNOBS;
pub use wrap::{WRAP_KNOBS, fast_forward, fast_forward_oracle};
