//! The nouns of Eyas. No tensor library, no I/O beyond serde.
//!
//! Data flows `Env -> Episode -> Score -> Advantage -> Loss -> Update`; every crate along that
//! path speaks in the types defined here.
#![forbid(unsafe_code)]

mod episode;
mod geometry;
mod image;
mod interrupt;
mod isolate;
mod score;
mod seed;
mod shares;
mod trajectory;
mod unique;

pub use episode::{EPISODE_VERSION, Episode, Group, Outcome, Truth, Turn};
pub use geometry::{BBox, Frame, ImageFrame, ModelPx, Norm1000, OriginalPx, Point, Unit};
pub use image::{Image, ImageError, ImageId};
pub use interrupt::Interrupt;
pub use isolate::{catch_quietly, isolate};
pub use score::{Invalid, Score, ScoreSheet, TokenSpan};
pub use seed::{Rng, Seed};
pub use shares::shares;
pub use trajectory::{ImageSpan, TokenKind, Trajectory, TrajectoryError};
pub use unique::Unique;
