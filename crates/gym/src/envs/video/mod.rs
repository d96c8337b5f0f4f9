//! Frame sequences.

mod bouncing_ball;
mod shell_game;
mod temporal_grounding;
mod video_unshuffle;

pub use bouncing_ball::BouncingBall;
pub use shell_game::ShellGame;
pub use temporal_grounding::TemporalGrounding;
pub use video_unshuffle::VideoUnshuffle;
