//! Did the policy keep to the response format?
//!
//! The published G1 reward asks only that the tags occur somewhere as substrings, so a list of tags
//! in any order, or tags quoted inside the thinking, is paid in full. Here the response must be the
//! blocks themselves, in order (see [`Response::well_formed`]), and must answer something.
//!
//! Format is scored once an episode, never once a turn: paying every turn rewards delay. The score of
//! an episode is that of its worst turn, so no further turn can raise it.

use eyas_core::Score;

use crate::{EpisodeView, ParamInfo, Params, Response, RewardInfo, Scorer, no_turns};

/// The reward as recipes name it.
pub static INFO: RewardInfo = RewardInfo {
    name: "format",
    family: "format",
    doc: "the response keeps to its tags; once an episode, by its worst turn",
    source: "DeepSeek-R1, G1, V-Triune's tag count; read from the parse, not by substring",
    gold: "",
    range: Some((0.0, 1.0)),
    params: &[ParamInfo::choice(
        "form",
        &["exact", "partial"],
        "all or nothing, or the share of tags that occur exactly once",
    )],
    score: Scorer::Episode(score),
};

fn score(view: &EpisodeView<'_>, params: &Params) -> Score {
    if params.text("form") == "partial" {
        partial(view.responses, view.tags)
    } else {
        exact(view.responses, view.tags)
    }
}

/// 1 when every turn consists of the blocks `tags` in order and its answer, if one is asked for, is not
/// blank; else 0. A response that was cut at the token limit passes only if it was complete by then.
/// `Invalid` for an episode without turns.
pub fn exact(responses: &[Response<'_>], tags: &[&str]) -> Score {
    worst(responses, |r| {
        let answers =
            !tags.contains(&"answer") || r.block("answer").is_some_and(|b| !b.text.trim().is_empty());
        if answers && r.well_formed(tags) { 1.0 } else { 0.0 }
    })
}

/// The share of opening and closing tags of `tags` that occur exactly once, in the worst turn. Order,
/// nesting and stray text are not looked at: a gentler slope for a policy that is still far away (the
/// tag-count reward of V-Triune, arXiv 2505.18129, for any list of tags).
/// `Invalid` for an episode without turns; 1 when `tags` is empty.
pub fn partial(responses: &[Response<'_>], tags: &[&str]) -> Score {
    worst(responses, |r| {
        let once = |tag: &&str| {
            let (open, close) = r.tag_counts(tag);
            usize::from(open == 1) + usize::from(close == 1)
        };
        let found: usize = tags.iter().map(once).sum();
        if tags.is_empty() { 1.0 } else { found as f32 / (2 * tags.len()) as f32 }
    })
}

fn worst(responses: &[Response<'_>], score: impl Fn(&Response<'_>) -> f32) -> Score {
    responses.iter().map(score).reduce(f32::min).map_or_else(no_turns, Score::from_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGS: [&str; 2] = ["think", "answer"];
    const GOOD: &str = "<think>t</think>\n<answer>up</answer>\n";

    fn scores(turns: &[&str]) -> (Option<f32>, Option<f32>) {
        let responses: Vec<_> = turns.iter().map(|t| Response::parse(t)).collect();
        (exact(&responses, &TAGS).value(), partial(&responses, &TAGS).value())
    }

    #[test]
    fn the_whole_form_is_paid_and_nothing_less() {
        assert_eq!(scores(&[GOOD]), (Some(1.0), Some(1.0)));
        // Cut at the token limit: three of four tags.
        assert_eq!(scores(&["<think>t</think><answer>u"]), (Some(0.0), Some(0.75)));
        // Answer first, then thinking: G1's substring test pays this.
        assert_eq!(scores(&["<answer>up</answer><think>t</think>"]), (Some(0.0), Some(1.0)));
        // Tags quoted in the thinking.
        assert_eq!(scores(&["<think><answer></answer></think>"]).0, Some(0.0));
        assert_eq!(scores(&["up"]), (Some(0.0), Some(0.0)));
        assert_eq!(scores(&["so: <think>t</think><answer>up</answer>"]), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn nested_and_doubled_answers_are_ill_formed() {
        assert_eq!(scores(&["<think>t</think><answer>a<answer>b</answer></answer>"]), (Some(0.0), Some(0.5)));
        assert_eq!(scores(&["<think>t</think><answer>a</answer><answer>b</answer>"]), (Some(0.0), Some(0.5)));
    }

    #[test]
    fn a_blank_answer_answers_nothing() {
        assert_eq!(scores(&["<think>t</think><answer></answer>"]).0, Some(0.0));
        assert_eq!(scores(&["<think>t</think><answer> \n</answer>"]).0, Some(0.0));
        assert_eq!(scores(&["<think></think><answer>up</answer>"]).0, Some(1.0), "no thought is allowed");
    }

    #[test]
    fn an_episode_is_paid_once_and_by_its_worst_turn() {
        assert_eq!(scores(&[GOOD; 9]), (Some(1.0), Some(1.0)));
        assert_eq!(scores(&[GOOD, "<think>t</think>", GOOD]), (Some(0.0), Some(0.5)));
        assert_eq!(scores(&[]), (None, None));
    }
}
