//! Driving.

mod highway;

pub use highway::Highway;
