//! The gym: seed + knobs -> observations; action text -> next state.
//!
//! An environment is a plain `Clone + Serialize` struct, random source included ([`Env`]). So a
//! snapshot is a clone, a fork is a clone, and a group of rollouts can start from any state.
//! Stepping never draws; pictures are drawn on request, the same bytes every time.
//! [`Game`] is the same thing with its type erased; [`registry`] lists all of them.
#![forbid(unsafe_code)]

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

pub use env::{Env, EnvSpec, ParseError, Perception, Status, Step};
pub use game::{Game, Observation};
pub use grid::{Cell, Direction};
pub use knob::{Axis, KnobError, KnobKind, KnobSpec, KnobValue, Knobs};
pub use pool::Pool;
pub use prompt::{ResponseStyle, first_message, later_message, response};
pub use reference::{normalised, play_oracle, play_random};
pub use registry::{EnvEntry, GymError, find, registry};
