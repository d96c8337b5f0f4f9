//! Tables, blocks and a gripper.

mod affordance;
mod pick_place;
mod stack;
mod tabletop;

pub use affordance::Affordance;
pub use pick_place::PickPlace;
pub use stack::Stack;
