//! Answering twice, with a reflection between.

use eyas_core::Score;

use super::fields::share;
use crate::structure::read;
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "reflection",
    family: "process",
    doc: "two answers around one <reflection>: what the second makes of the first",
    source: "SRPO, arXiv 2506.01713; its 1 for wrong-right and 0.75 for right-right teach to be wrong first; its verl code never pays wrong-right",
    gold: "the right answer, a text or number; not read where the fields first_correct and second_correct are there",
    range: Some((-1.0, 1.0)),
    params: &[
        ParamInfo::number("wrong_right", -1.0, 1.0, 1.0, "a mistake mended"),
        ParamInfo::number("right_right", -1.0, 1.0, 1.0, "right and kept; 0.75 in SRPO"),
        ParamInfo::number(
            "right_wrong",
            -1.0,
            1.0,
            -0.25,
            "right and spoilt; 0.25 in SRPO's paper and OpenRLHF code",
        ),
        ParamInfo::number(
            "wrong_wrong",
            -1.0,
            1.0,
            0.0,
            "wrong and kept wrong; also a response of another form",
        ),
    ],
    score: Scorer::Sample(score),
};

/// The two answers of a response of the form answer, reflection, answer: exactly two closed `<answer>`
/// blocks, and between them exactly one `<reflection>` that says something. `None` for any other form.
pub fn answers<'a>(sample: &Sample<'a>) -> Option<(&'a str, &'a str)> {
    let mut blocks = sample.response.blocks().iter().filter(|b| b.tag == "answer");
    let (Some(first), Some(second), None) = (blocks.next(), blocks.next(), blocks.next()) else {
        return None;
    };
    if !(first.closed && second.closed) || first.nested || second.nested {
        return None;
    }
    let text = sample.response.text();
    let once = |tag: &str| text.match_indices(tag).nth(1).is_none();
    let between = text.get(first.outer.end..second.outer.start)?;
    let (_, rest) = between.split_once("<reflection>")?;
    let (inside, _) = rest.split_once("</reflection>")?;
    let said = !inside.trim().is_empty() && once("<reflection>") && once("</reflection>");
    said.then(|| (first.text.trim(), second.text.trim()))
}

fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let given = ["first_correct", "second_correct"].map(|name| sample.fields.contains_key(name));
    let gold = match (read::scalar(sample.gold), given) {
        (_, [true, true]) => None,
        (Some(gold), _) if !gold.is_empty() => Some(gold),
        _ => return bad_gold("the ground truth is no text or number"),
    };
    let right = match gold {
        // Both fields are read before the form, so that a missing one is seen whatever the policy wrote.
        None => match (share(sample, "first_correct"), share(sample, "second_correct")) {
            (Ok(first), Ok(second)) => answers(sample).map(|_| (first > 0.5, second > 0.5)),
            (Err(reason), _) | (_, Err(reason)) => return reason,
        },
        Some(gold) => answers(sample).map(|(a, b)| (same(a, &gold), same(b, &gold))),
    };
    let transition = match right {
        Some((false, true)) => "wrong_right",
        Some((true, true)) => "right_right",
        Some((true, false)) => "right_wrong",
        Some((false, false)) | None => "wrong_wrong",
    };
    Score::from_value(params.number(transition) as f32)
}

/// The same name, or the same number.
fn same(said: &str, gold: &str) -> bool {
    let numbers = read::number(said).zip(read::number(gold));
    read::name(said) == gold || numbers.is_some_and(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Around, Progress, Response};

    fn of(text: &str) -> Option<(String, String)> {
        let (response, fields) = (Response::parse(text), serde_json::Map::new());
        let sample = Sample {
            response: &response,
            gold: &serde_json::Value::Null,
            fields: &fields,
            progress: Progress::default(),
            around: Around::default(),
        };
        answers(&sample).map(|(a, b)| (a.to_string(), b.to_string()))
    }

    #[test]
    fn only_the_whole_form_has_two_answers() {
        let good = "<think>t</think><answer>4</answer><reflection>check</reflection><answer>5</answer>";
        assert_eq!(of(good), Some(("4".into(), "5".into())));
        for bad in [
            "<answer>4</answer><answer>5</answer>",
            "<answer>4</answer><reflection> </reflection><answer>5</answer>",
            "<reflection>r</reflection><answer>4</answer><answer>5</answer>",
            "<answer>4</answer><reflection>r</reflection><answer>5",
            "<answer>4</answer><reflection>r</reflection><answer>5</answer><answer>6</answer>",
            "<answer>4</answer><reflection>r</reflection><reflection>r</reflection><answer>5</answer>",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(same("5.0", "5") && same(" Paris", "paris") && !same("", "5") && !same("nan", "5"));
    }
}
