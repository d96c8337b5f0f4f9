//! Curves and shapes written as formulas or markup.

mod plot;
mod svg;

pub use plot::Plot;
pub use svg::Svg;
