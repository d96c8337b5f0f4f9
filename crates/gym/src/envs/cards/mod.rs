//! Cards and number lines: read, then compute.

mod blackjack;
mod deck;
mod ezpoints;
mod formula;
mod number_line;
mod points24;

pub use blackjack::Blackjack;
pub use ezpoints::EzPoints;
pub use number_line::NumberLine;
pub use points24::Points24;
