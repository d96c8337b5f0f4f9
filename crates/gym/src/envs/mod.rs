//! The environments by group, one file each: rules, drawing, oracle, parser.

mod board;
mod cards;
mod charts;
mod checked;
mod driving;
mod geometry;
mod gui;
pub(crate) mod kit;
mod manipulation;
mod navigation;
mod perception;
mod strategy;
mod video;

pub use board::{
    FrozenLake, Game2048, Hanoi, LightsOut, Minesweeper, RushHour, ShisenSho, SlidingPuzzle, Sokoban, Sudoku,
    Swap, Tetris,
};
pub use cards::{Blackjack, EzPoints, NumberLine, Points24};
pub use charts::{ChartQa, ChartTable, Graph};
pub use driving::Highway;
pub use geometry::{Plot, Svg};
pub use gui::{Click, Form, GuiGrounding, Icon, ScreenGraph, Shop};
pub use manipulation::{Affordance, PickPlace, Stack};
pub use navigation::{Maze, Maze3d, MiniGrid, Rooms3d, RouteMap};
pub use perception::{
    Counting, Detection, Jigsaw, MentalRotation, Ocr, OddOneOut, Pattern, PointAt, Referring, Transformation,
};
pub use strategy::{Breakthrough, Connect4, KuhnPoker, Overcooked, TicTacToe};
pub(crate) use strategy::{CoinDilemma, ColourBattle, StagHunt};
pub use video::{BouncingBall, ShellGame, TemporalGrounding, VideoUnshuffle};
