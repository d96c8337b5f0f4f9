//! Games of two players.

mod breakthrough;
mod coin_dilemma;
mod colour_battle;
mod connect4;
mod duel;
mod kuhn_poker;
mod lines;
mod overcooked;
mod stag_hunt;
mod tic_tac_toe;
mod walkers;

pub use breakthrough::Breakthrough;
pub(crate) use coin_dilemma::CoinDilemma;
pub(crate) use colour_battle::ColourBattle;
pub use connect4::Connect4;
pub use kuhn_poker::KuhnPoker;
pub use overcooked::Overcooked;
pub(crate) use stag_hunt::StagHunt;
pub use tic_tac_toe::TicTacToe;
