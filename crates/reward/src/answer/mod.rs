//! Answers that are right or wrong: text, choices, numbers, dates, lists, objects.
//!
//! All read [`Sample::answer`](crate::Sample::answer). A missing, blank or unreadable answer scores 0 (in
//! `baseline_corrected`, which reads only the field `correct`, the score of a wrong one), and so does one
//! longer than [`MAX_TEXT`](crate::text::normal::MAX_TEXT). A ground truth that cannot be read is
//! `Invalid`.

pub mod choice;
#[cfg(test)]
mod choice_tests;
pub mod date;
pub mod json;
pub mod letters;
pub mod list;
pub mod number;
pub mod numeric;
mod rewards;
pub mod same;
pub mod yes_no;

pub(crate) use rewards::REWARDS;
