//! Boxes: one or many, with or without labels, and masks.
//!
//! What every reward of the family shares:
//! - the answer is read by [`boxes()`]; items that should be a box and are none count as
//!   false positives, and so does every box beyond [`MAX_BOXES`];
//! - an answer without a box that can be read earns the lowest score of the reward. For sets, saying
//!   that there is nothing is right exactly when the ground truth is an empty list;
//! - a ground truth that cannot be read, has no area or lies outside the image is `Invalid`;
//! - labels are compared in lower case, blanks collapsed. They count where the ground truth has them.

mod average_precision;
mod detection;
mod frame;
mod geometry;
pub(crate) mod lenient;
mod mask;
mod parse;
mod single;

pub use average_precision::{Ranked, average_precision};
pub use detection::{Tally, f_beta, tally};
pub use frame::Frame;
pub use geometry::{Box2, diou, giou, intersection, iou, union_areas, union_iou};
pub use mask::Mask;
pub use parse::{Boxes, Claim, Labelled, MAX_BOXES, Written, boxes};
pub use single::{banded, dynamic_threshold, karl};

pub(crate) use frame::{FRAME, GOLD_FRAME, View, gold_numbers};
pub(crate) use geometry::{common_length, merged};
pub(crate) use parse::gold_boxes;
pub(crate) use single::settle;

use crate::RewardInfo;

/// The rewards of the family.
pub(crate) const REWARDS: &[RewardInfo] = &{
    let mut all = [single::IOU; single::ALL.len() + detection::ALL.len() + average_precision::ALL.len() + 1];
    let tables: [&[RewardInfo]; 4] = [&single::ALL, &detection::ALL, &average_precision::ALL, &mask::ALL];
    let (mut table, mut at) = (0, 0);
    while table < tables.len() {
        let mut row = 0;
        while row < tables[table].len() {
            all[at] = tables[table][row];
            (row, at) = (row + 1, at + 1);
        }
        table += 1;
    }
    all
};
