//! Boards: one picture, one move, the whole state in sight.

mod cells;
mod frozen_lake;
mod g2048;
mod hanoi;
mod lights_out;
mod minesweeper;
mod rush_hour;
mod shisen_sho;
mod sliding_puzzle;
mod sokoban;
mod sudoku;
mod swap;
mod tetris;

pub use frozen_lake::FrozenLake;
pub use g2048::Game2048;
pub use hanoi::Hanoi;
pub use lights_out::LightsOut;
pub use minesweeper::Minesweeper;
pub use rush_hour::RushHour;
pub use shisen_sho::ShisenSho;
pub use sliding_puzzle::SlidingPuzzle;
pub use sokoban::Sokoban;
pub use sudoku::Sudoku;
pub use swap::Swap;
pub use tetris::Tetris;
