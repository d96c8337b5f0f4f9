//! Looking for the right frames of a long video, by rules that forbid pretending.

use std::collections::BTreeSet;

use eyas_core::Score;
use serde_json::Value;

use super::fields::{bad_field, flag, share};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, missing};

/// Most actions of a response; one with more breaks the rules.
const MAX_ACTIONS: usize = 64;

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "frame_spotlight",
    family: "process",
    doc: "correctness, plus bonuses for looking up times and choosing frames; 0 when a rule is broken",
    source: "FrameThinker, arXiv 2509.24304, as in its code; a second lookup does not replace one that was not followed up",
    gold: "",
    range: Some((0.0, 3.0)),
    params: &[
        ParamInfo::number("time", 0.0, 1.0, 0.5, "bonus for looking up a time where the question names one"),
        ParamInfo::number("choose", 0.0, 1.0, 0.02, "bonus for choosing frames"),
        ParamInfo::number("frames", 0.0, 1e6, 8.0, "an interval must be wider than this many frames"),
        ParamInfo::flag("only_correct", true, "no bonus for wrong answers"),
    ],
    score: Scorer::Sample(score),
};

/// What the policy did in a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `choose frames between A and B`, with the last two numbers of the thinking before.
    Choose {
        /// The interval.
        range: (u64, u64),
        /// The last two numbers that were thought.
        thought: Option<(u64, u64)>,
    },
    /// `get frame number at time MM:SS`.
    Time,
    /// `output answer: …`.
    Answer,
}

/// The actions of a response in order, each in `<action>` tags, with the closed `<think>` that stands
/// between it and the action before. `None` when one cannot be read, none is there, or there are too many.
pub fn actions(text: &str) -> Option<Vec<Action>> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("<action>") {
        let (inside, next) = after.split_once("</action>")?;
        let thought =
            before.rsplit_once("</think>").and_then(|(t, _)| t.rsplit_once("<think>")).map_or("", |t| t.1);
        found.push(action(inside.trim(), thought)?);
        if found.len() > MAX_ACTIONS {
            return None;
        }
        rest = next;
    }
    (!found.is_empty()).then_some(found)
}

fn action(text: &str, thought: &str) -> Option<Action> {
    let lower = text.to_lowercase();
    if let Some(range) = lower.strip_prefix("choose frames between ") {
        let (a, b) = range.split_once(" and ")?;
        let range = (whole(a.trim())?, whole(b.trim())?);
        return Some(Action::Choose { range, thought: last_two(thought) });
    }
    if let Some(time) = lower.strip_prefix("get frame number at time ") {
        let time = time.split(':').map(|p| whole(p.trim())).collect::<Option<Vec<_>>>()?;
        return (2..=3).contains(&time.len()).then_some(Action::Time);
    }
    lower.starts_with("output answer").then_some(Action::Answer)
}

fn whole(text: &str) -> Option<u64> {
    let plain = (1..=12).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// The last two whole numbers of a text, in order.
fn last_two(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.rsplit(|c: char| !c.is_ascii_digit()).filter_map(whole);
    let (second, first) = (numbers.next()?, numbers.next()?);
    Some((first, second))
}

/// Do the actions keep the rules? No interval twice or one frame narrower at both ends, nor the whole video of
/// `total` frames, where that is known; none reversed or of `frames` frames or fewer, each as it was thought; after each time lookup the next action chooses an interval that holds the frame it
/// returned (`returned`, in order); an answer comes last, and once.
pub fn keeps_rules(actions: &[Action], returned: &[u64], frames: u64, total: Option<u64>) -> bool {
    let mut seen: BTreeSet<(u64, u64)> = total.map(|n| (0, n.saturating_sub(1))).into_iter().collect();
    let mut returned = returned.iter();
    for (at, action) in actions.iter().enumerate() {
        let kept = match action {
            Action::Choose { range, thought } => {
                let fresh = seen.insert(*range);
                seen.insert((range.0 + 1, range.1.saturating_sub(1)));
                fresh && range.1.saturating_sub(range.0) > frames && *thought == Some(*range)
            }
            Action::Time => match (returned.next(), actions.get(at + 1)) {
                (Some(frame), Some(Action::Choose { range, .. })) => (range.0..=range.1).contains(frame),
                _ => false,
            },
            Action::Answer => at + 1 == actions.len(),
        };
        if !kept {
            return false;
        }
    }
    matches!(actions.last(), Some(Action::Answer))
}

/// Reads the fields `correct`, `timed` (does the question name a time?) and `returned_frames` (what the
/// lookups of times gave, in order; `[]` for none); and, where it is there, `total_frames` of the video.
fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let (correct, timed) = match (share(sample, "correct"), flag(sample, "timed")) {
        (Ok(correct), Ok(timed)) => (correct, timed),
        (Err(reason), _) | (_, Err(reason)) => return reason,
    };
    // Read whatever the policy did, so that nothing it writes can leave it without a score.
    let Some(returned) = sample.fields.get("returned_frames") else { return missing("returned_frames") };
    let frames =
        returned.as_array().and_then(|list| list.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>());
    let Some(returned) = frames else { return bad_field("returned_frames", "a list of whole numbers") };
    let total = match sample.fields.get("total_frames").map(Value::as_u64) {
        Some(None) => return bad_field("total_frames", "a whole number"),
        known => known.flatten(),
    };
    let Some(actions) = actions(sample.response.text()) else { return Score::Ok(0.0) };
    let asked = actions.contains(&Action::Time);
    if !keeps_rules(&actions, &returned, params.count("frames") as u64, total) {
        return Score::Ok(0.0);
    }
    let chose = actions.iter().any(|a| matches!(a, Action::Choose { .. }));
    let bonus =
        f64::from(asked && timed) * params.number("time") + f64::from(chose) * params.number("choose");
    let paid = correct > 0.5 || !params.flag("only_correct");
    Score::from_value((correct + if paid { bonus } else { 0.0 }) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(a: u64, b: u64) -> String {
        format!("<think>look at {a} to {b}</think><action>choose frames between {a} and {b}</action>")
    }

    const END: &str = "<think>so</think><action>output answer: B</action>";

    fn kept(text: &str, returned: &[u64]) -> bool {
        actions(text).is_some_and(|a| keeps_rules(&a, returned, 8, None))
    }

    #[test]
    fn rules() {
        let ask = "<think>when</think><action>get frame number at time 01:05</action>";
        assert!(kept(&format!("{}{END}", choose(0, 100)), &[]));
        assert!(kept(&format!("{ask}{}{END}", choose(60, 80)), &[65]));
        assert!(!kept(&format!("{ask}{}{END}", choose(70, 80)), &[65]), "the frame is outside");
        assert!(!kept(&format!("{ask}{END}"), &[65]), "no interval after the lookup");
        assert!(!kept(&format!("{0}{0}{END}", choose(0, 100)), &[]), "twice the same");
        assert!(!kept(&format!("{}{}{END}", choose(0, 100), choose(1, 99)), &[]), "almost the same");
        assert!(kept(&format!("{}{}{END}", choose(0, 100), choose(2, 98)), &[]));
        let whole = actions(&format!("{}{END}", choose(0, 99))).unwrap();
        assert!(!keeps_rules(&whole, &[], 8, Some(100)), "nothing is chosen");
        assert!(!kept(&format!("{}{END}", choose(0, 8)), &[]), "too narrow");
        assert!(!kept(&format!("{}{END}", choose(100, 0)), &[]), "reversed");
        let other = "<think>look at 5 to 50</think><action>choose frames between 0 and 100</action>";
        assert!(!kept(&format!("{other}{END}"), &[]), "thought another interval");
        assert!(!kept(&choose(0, 100), &[]), "no answer");
        assert!(!kept("<action>dance</action>", &[]) && !kept("", &[]));
        assert_eq!(actions(&END.repeat(MAX_ACTIONS + 1)), None);
    }
}
