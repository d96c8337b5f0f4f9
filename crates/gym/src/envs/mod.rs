//! The environments, one file each: rules, drawing, oracle, parser.

mod frozen_lake;
mod g2048;
mod referring;
mod shisen_sho;
mod sokoban;
mod swap;

pub use frozen_lake::FrozenLake;
pub use g2048::Game2048;
pub use referring::Referring;
pub use shisen_sho::ShisenSho;
pub use sokoban::Sokoban;
pub use swap::Swap;
