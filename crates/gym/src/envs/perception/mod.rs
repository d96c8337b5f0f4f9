//! Looking closely: one picture, one question.

mod counting;
mod detection;
mod jigsaw;
mod mental_rotation;
mod ocr;
mod odd_one_out;
mod pattern;
mod point_at;
mod referring;
mod scene;
mod transformation;

pub use counting::Counting;
pub use detection::Detection;
pub use jigsaw::Jigsaw;
pub use mental_rotation::MentalRotation;
pub use ocr::Ocr;
pub use odd_one_out::OddOneOut;
pub use pattern::Pattern;
pub use point_at::PointAt;
pub use referring::Referring;
pub use transformation::Transformation;
