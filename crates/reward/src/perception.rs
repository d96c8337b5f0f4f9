//! Did the policy see what the picture shows?
//!
//! Ground truth is one line a row and one word a cell ([`eyas_core::Turn::perception`]). Only the text
//! inside the last closed `<perception>` block is compared, so that a board written elsewhere pays
//! nothing. (The published G1 reward looks for the whole board as a substring anywhere.)

use eyas_core::{Invalid, Score, Turn};

use crate::{Response, RewardInfo, Scorer, no_turns};

/// The reward as recipes name it.
pub static INFO: RewardInfo = RewardInfo {
    name: "perception",
    family: "process",
    doc: "share of cells described correctly inside <perception>, mean over the turns",
    source: "G1's perception reward, cell by cell",
    gold: "",
    range: Some((0.0, 1.0)),
    params: &[],
    score: Scorer::Episode(|view, _| accuracy(&view.episode.turns, view.responses)),
};

/// The strict form of [`INFO`].
pub static EXACT: RewardInfo = RewardInfo {
    name: "perception_exact",
    family: "process",
    doc: "1 for each turn whose <perception> is right in every cell, mean over the turns",
    source: "G1's perception reward; it looks for the board anywhere in the response",
    gold: "",
    range: Some((0.0, 1.0)),
    params: &[],
    score: Scorer::Episode(|view, _| exact(&view.episode.turns, view.responses)),
};

/// Mean over the turns of [`cell_accuracy`]; a turn without a closed `<perception>` block counts 0.
/// `Invalid` when the episode has no turns or a turn has no ground truth.
pub fn accuracy(turns: &[Turn], responses: &[Response<'_>]) -> Score {
    mean(turns, responses, cell_accuracy)
}

/// Mean over the turns of 1 for a block with exactly the rows and words of the ground truth, else 0.
/// `Invalid` as in [`accuracy`].
pub fn exact(turns: &[Turn], responses: &[Response<'_>]) -> Score {
    mean(turns, responses, |gold, said| if rows(gold).eq(rows(said)) { 1.0 } else { 0.0 })
}

/// The share of cells that agree: words are compared position by position within rows, rows in order,
/// and the number of agreements is divided by the larger of the two cell counts, so that cells which
/// are missing and cells which are too many both cost. Blank lines and the width of blanks do not
/// matter. 1 when both are blank.
pub fn cell_accuracy(gold: &str, said: &str) -> f64 {
    let matches: usize =
        rows(gold).zip(rows(said)).map(|(g, s)| g.iter().zip(&s).filter(|(a, b)| a == b).count()).sum();
    let cells = |text: &str| text.split_whitespace().count();
    match cells(gold).max(cells(said)) {
        0 => 1.0,
        total => matches as f64 / total as f64,
    }
}

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|row| !row.is_empty())
}

fn mean(turns: &[Turn], responses: &[Response<'_>], score: impl Fn(&str, &str) -> f64) -> Score {
    if turns.is_empty() {
        return no_turns();
    }
    if let Some(turn) = turns.iter().position(|t| t.perception.trim().is_empty()) {
        let detail = format!("turn {turn} has no perception text");
        return Score::Invalid(Invalid::UnparseableGold { detail });
    }
    let of_turn = |(turn, response): (&Turn, &Response<'_>)| {
        response.block("perception").map_or(0.0, |block| score(&turn.perception, block.text))
    };
    let sum: f64 = turns.iter().zip(responses).map(of_turn).sum();
    Score::from_value((sum / turns.len() as f64) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOARD: &str = "8 - 2\n- 4 -";

    /// (accuracy, exact) of one episode with the same ground truth in each turn.
    fn scores(gold: &str, said: &[&str]) -> (Score, Score) {
        let turns: Vec<Turn> =
            said.iter().map(|_| Turn { perception: gold.into(), ..Turn::default() }).collect();
        let responses: Vec<_> = said.iter().map(|s| Response::parse(s)).collect();
        (accuracy(&turns, &responses), exact(&turns, &responses))
    }

    fn pair(accuracy: f32, exact: f32) -> (Score, Score) {
        (Score::Ok(accuracy), Score::Ok(exact))
    }

    #[test]
    fn cells_are_compared_position_by_position() {
        assert_eq!(cell_accuracy(BOARD, BOARD), 1.0);
        assert_eq!(cell_accuracy(BOARD, "\n 8  -  2\n\n-\t4 - \n"), 1.0, "layout does not matter");
        assert_eq!(cell_accuracy(BOARD, "8 - 2\n- 4 8"), 5.0 / 6.0);
        assert_eq!(cell_accuracy(BOARD, "8 - 2"), 0.5, "half is missing");
        assert_eq!(cell_accuracy(BOARD, "8 - 2 - 4 -"), 0.5, "rows count: the second row is lost");
        assert_eq!(cell_accuracy(BOARD, "8 - 2 7\n- 4 - 7"), 6.0 / 8.0, "cells too many cost");
        assert_eq!(cell_accuracy(BOARD, &format!("{BOARD}\n{}", "x ".repeat(6))), 0.5);
        assert_eq!(cell_accuracy(BOARD, ""), 0.0);
    }

    #[test]
    fn only_the_perception_block_counts() {
        let board = format!("<perception>{BOARD}</perception>");
        assert_eq!(scores(BOARD, &[&board]), pair(1.0, 1.0));
        assert_eq!(scores(BOARD, &["<perception>8 - 2\n- 4 4</perception>"]), pair(5.0 / 6.0, 0.0));
        assert_eq!(scores(BOARD, &[&format!("<think>{BOARD}</think>")]), pair(0.0, 0.0));
        assert_eq!(scores(BOARD, &[BOARD]), pair(0.0, 0.0));
        assert_eq!(scores(BOARD, &[&format!("<perception>{BOARD}")]), pair(0.0, 0.0), "never closed");
        assert_eq!(scores(BOARD, &[&format!("<think>{board}</think>")]), pair(0.0, 0.0), "quoted");
    }

    #[test]
    fn guessing_every_board_does_not_pay() {
        // With a substring test, listing all boards of one cell would score 1.
        let all = "<perception>2\n4\n8\n16</perception>";
        assert_eq!(scores("2", &[all]), pair(0.25, 0.0));
    }

    #[test]
    fn turns_are_averaged_and_a_missing_block_is_zero() {
        let board = format!("<perception>{BOARD}</perception>");
        assert_eq!(scores(BOARD, &[&board, "<answer>up</answer>"]), pair(0.5, 0.5));
    }

    #[test]
    fn without_ground_truth_there_is_no_score() {
        for gold in ["", " \n "] {
            let (a, e) = scores(gold, &["<perception></perception>"]);
            assert!(matches!(a, Score::Invalid(Invalid::UnparseableGold { .. })));
            assert_eq!(a, e);
        }
        assert!(matches!(scores(BOARD, &[]).0, Score::Invalid(Invalid::NotApplicable { .. })));
    }

    proptest! {
        #[test]
        fn accuracy_is_a_share_and_symmetric(a in "[ab \n]{0,20}", b in "[ab \n]{0,20}") {
            let score = cell_accuracy(&a, &b);
            prop_assert!((0.0..=1.0).contains(&score));
            prop_assert_eq!(score, cell_accuracy(&b, &a));
            prop_assert_eq!(score == 1.0, rows(&a).eq(rows(&b)));
        }
    }
}
