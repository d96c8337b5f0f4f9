//! Charts and graphs.

mod chart;
mod chart_qa;
mod chart_table;
mod circle;
mod graph;

pub use chart_qa::ChartQa;
pub use chart_table::ChartTable;
pub use graph::Graph;
