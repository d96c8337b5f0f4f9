//! Screens to be read, clicked and typed into.

mod form;
mod gui_grounding;
mod screen;
mod screen_graph;
mod shop;

pub use form::Form;
pub use gui_grounding::GuiGrounding;
pub use screen::{Click, Icon};
pub use screen_graph::ScreenGraph;
pub use shop::Shop;
