//! Did a single response keep to its form?
//!
//! All read the one parse of the response. Scores are 1 or 0 where nothing else is said. Blank blocks
//! count as missing, known tags inside a block spoil it, and white space between blocks is free.
//! None reads a ground truth.

pub mod rules;

use eyas_core::Score;

use crate::{ParamInfo, Params, Response, RewardInfo, Sample, Scorer};

const BLOCKS: ParamInfo = ParamInfo::choice(
    "blocks",
    &[
        "think answer",
        "perception think answer",
        "observe think answer",
        "caption think answer",
        "perception answer",
        "think tool_call",
        "answer",
    ],
    "the blocks, in order",
);

fn blocks(params: &Params) -> Vec<&str> {
    params.text("blocks").split(' ').collect()
}

fn yes(good: bool) -> Score {
    Score::Ok(if good { 1.0 } else { 0.0 })
}

fn signed(sample: &Sample<'_>, params: &Params) -> Score {
    let response = sample.response;
    let answered = !params.flag("need_answer") || rules::says_something(response, "answer");
    let good = answered && rules::balanced(response, params.count("max_chars"));
    Score::Ok(if good { 0.0 } else { -1.0 })
}

fn vagen(sample: &Sample<'_>, params: &Params) -> Score {
    let names: &[&str] = match params.text("form") {
        "worldmodeling" => &["reasoning", "prediction"],
        "grounding_worldmodeling" => &["observation", "reasoning", "prediction"],
        _ => &["observation", "reasoning"],
    };
    let response = sample.response;
    let thought = response.block("think").is_some_and(|b| rules::elements(b.text, names));
    yes(thought && rules::exactly(response, &["think", "answer"]))
}

fn rec(sample: &Sample<'_>, params: &Params) -> Score {
    let response = sample.response;
    let located = response.block("answer").is_some_and(|b| rules::holds_box(b.text, params.flag("bare")));
    yes(located && rules::exactly(response, &["think", "answer"]))
}

fn json(sample: &Sample<'_>, params: &Params) -> Score {
    let Some(block) = sample.response.block("answer") else { return Score::Ok(0.0) };
    let value = serde_json::from_str::<serde_json::Value>(crate::answer::list::unfence(block.text));
    yes(value.is_ok_and(|v| match params.text("form") {
        "object" => v.is_object(),
        "list" => v.is_array(),
        _ => true,
    }))
}

/// How many of these rules are met: thought and answer once each; both closed; neither blank; nothing
/// else in the response, in this order.
fn rules_met(response: &Response<'_>) -> usize {
    const TAGS: [&str; 2] = ["think", "answer"];
    let closed = TAGS.iter().all(|tag| response.block(tag).is_some());
    [
        closed,
        rules::once(response, &TAGS),
        TAGS.iter().all(|tag| rules::says_something(response, tag)),
        response.well_formed(&TAGS),
    ]
    .iter()
    .filter(|met| **met)
    .count()
}

const fn row(
    name: &'static str,
    doc: &'static str,
    source: &'static str,
    params: &'static [ParamInfo],
    score: fn(&Sample<'_>, &Params) -> Score,
) -> RewardInfo {
    RewardInfo {
        name,
        family: "format",
        doc,
        source,
        gold: "",
        range: Some((0.0, 1.0)),
        params,
        score: Scorer::Sample(score),
    }
}

/// The rewards of this family.
pub(crate) const REWARDS: &[RewardInfo] = &[
    row(
        "format_think_answer",
        "the response is a thought and an answer, neither blank, and nothing else",
        "DeepSeek-R1 and its followers; a second or nested answer, which their lazy pattern lets through, is refused",
        &[],
        |sample, _| yes(rules::exactly(sample.response, &["think", "answer"])),
    ),
    row(
        "format_boxed",
        "a thought, then text with exactly one \\boxed{…} that is closed and not blank",
        "EasyR1's math format; a box inside the thought does not count, and no text is rewritten",
        &[],
        |sample, _| yes(rules::boxed(sample.response)),
    ),
    row(
        "format_tags",
        "these blocks once each, in order, closed and not blank; text may stand around them unless strict",
        "G1's six tags, SATORI-R1, Conan; read from the parse, where G1 looks for substrings in any order",
        &[BLOCKS, ParamInfo::flag("strict", false, "nothing else may be in the response")],
        |sample, params| {
            let rule = if params.flag("strict") { rules::exactly } else { rules::in_order };
            yes(rule(sample.response, &blocks(params)))
        },
    ),
    row(
        "format_tag_count",
        "the share of opening and closing tags that occur exactly once: a quarter each for thought and answer",
        "V-Triune (arXiv 2505.18129), whose code wants line breaks around tags; a closing tag counts only after content",
        &[BLOCKS],
        |sample, params| Score::from_value(rules::tag_share(sample.response, &blocks(params)) as f32),
    ),
    RewardInfo {
        range: Some((-1.0, 0.0)),
        ..row(
            "format_signed",
            "-1 when tags are not balanced, the answer is missing, or as long as the cap; else 0",
            "DeepEyes; a missing or blank answer is refused too, unless need_answer is off",
            &[
                ParamInfo::number(
                    "max_chars",
                    1.0,
                    1e6,
                    1000.0,
                    "characters that the answer must stay below",
                ),
                ParamInfo::flag("need_answer", true, "a missing or blank answer is -1"),
            ],
            signed,
        )
    },
    row(
        "format_once",
        "each tag of these blocks occurs exactly once, in any order, and no block is blank",
        "ARFT's exactly-one rules",
        &[BLOCKS],
        |sample, params| {
            let (response, tags) = (sample.response, blocks(params));
            let full = tags.iter().all(|tag| rules::says_something(response, tag));
            yes(full && rules::once(response, &tags))
        },
    ),
    row(
        "format_vagen",
        "a thought of observation, reasoning and prediction as the form asks, and an answer",
        "VAGEN; no part may be blank, repeated or nested",
        &[ParamInfo::choice(
            "form",
            &["grounding", "worldmodeling", "grounding_worldmodeling"],
            "observation and reasoning, reasoning and prediction, or all three",
        )],
        vagen,
    ),
    row(
        "format_rec",
        "a thought, and an answer in JSON with a box of four numbers",
        "VLM-R1's referring-expression format; floats and negative numbers are allowed, the JSON must be whole",
        &[ParamInfo::flag("bare", false, "a list outside an object counts too")],
        rec,
    ),
    row(
        "format_json",
        "the answer is valid JSON, bare or in a code fence",
        "V-ToolRL's valid-JSON term",
        &[ParamInfo::choice("form", &["any", "object", "list"], "what it must be")],
        json,
    ),
    row(
        "format_ordinal",
        "(e^m - 1) / (e^4 - 1) for m of 4 rules: blocks closed, once each, not blank, nothing else",
        "RS-EoT's ordinal format reward, over these rules",
        &[],
        |sample, _| Score::from_value(rules::ordinal(rules_met(sample.response), 4) as f32),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Around, Progress, RewardSpec, TAGS};
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    proptest! {
        #[test]
        fn scores_stay_in_range_and_strict_is_stricter(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "<think>", "</think>", "<answer>", "</answer>", "t", " ", "\\boxed{5}", "{\"a\":[1,2,3,4]}",
                ]),
                0..10,
            ),
        ) {
            let text = pieces.concat();
            let response = Response::parse(&text);
            let fields = Map::new();
            let sample = Sample { response: &response, gold: &Value::Null, fields: &fields, progress: Progress::default(), around: Around::default() };
            let score = |info: &'static RewardInfo| {
                let spec = RewardSpec::of(info);
                spec.score_samples(&[sample]).first().and_then(Score::value).unwrap()
            };
            for info in REWARDS {
                let (low, high) = info.range.unwrap();
                prop_assert!((low..=high).contains(&score(info)), "{}", info.name);
            }
            let by_name = |name: &str| score(crate::find(name).unwrap());
            prop_assert!(by_name("format_think_answer") <= by_name("format_tags"));
            prop_assert!(by_name("format_tags") <= by_name("format_once"));
            prop_assert!(by_name("format_once") <= by_name("format_tag_count"));
            prop_assert!(by_name("format_rec") <= by_name("format_think_answer"));
        }
    }

    #[test]
    fn every_block_list_is_of_known_tags() {
        let crate::ParamKind::Choice { options } = BLOCKS.kind else { panic!("a choice") };
        assert!(options.iter().flat_map(|o| o.split(' ')).all(|tag| TAGS.contains(&tag)));
    }
}
