//! Actions on a screen: what to do, where, with what text.
//!
//! The answer is read by [`action()`]; one that holds no action earns the lowest score of the reward.

mod action;
mod text;
mod webshop;

pub use action::{Action, action};
pub use text::token_f1;
pub use webshop::{Goal, Purchase, webshop};

use eyas_core::Score;

use action::{Wanted, wanted};

use crate::boxes::{FRAME, GOLD_FRAME, View, gold_boxes, gold_numbers, settle};
use crate::points::{distance, gold_point};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// Which arguments of the ground truth the action meets.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Verdict {
    kind: bool,
    /// `None` where the ground truth asks for none.
    place: Option<bool>,
    text: Option<f64>,
    direction: Option<bool>,
}

impl Verdict {
    /// All arguments that are asked for are right; a text is when its score reaches `least`.
    fn arguments(self, least: f64) -> bool {
        self.place.unwrap_or(true)
            && self.direction.unwrap_or(true)
            && self.text.is_none_or(|score| score >= least)
    }
}

fn unit(v: bool) -> f64 {
    f64::from(u8::from(v))
}

fn gold<'a>(sample: &Sample<'a>) -> Result<Wanted<'a>, Score> {
    wanted(sample.gold)
        .ok_or_else(|| bad_gold("the ground truth is not {action, bbox or point, text, direction}"))
}

/// Is the place right? `None` where the ground truth names none. A box is hit inside, a point within
/// `radius` pixels.
fn place(
    sample: &Sample<'_>,
    params: &Params,
    want: &Wanted<'_>,
    said: Option<[f64; 2]>,
) -> Result<Option<bool>, Score> {
    let Some(value) = want.place else { return Ok(None) };
    let view = View::of(sample, params)?;
    let said = said.map(|p| view.point(p));
    let strict = params.text("edges") == "strict";
    if gold_numbers::<2>(value).is_some() {
        let view = view.in_pixels()?;
        let gold = gold_point(value, view)?;
        let radius = params.number("radius");
        let near = |p| if strict { distance(p, gold) < radius } else { distance(p, gold) <= radius };
        return Ok(Some(said.is_some_and(near)));
    }
    let boxes = gold_boxes(value, view)?;
    Ok(Some(said.is_some_and(|p| boxes.iter().any(|b| b.area.contains(p, strict)))))
}

fn judge(sample: &Sample<'_>, params: &Params, exact: bool) -> Result<Verdict, Score> {
    let want = gold(sample)?;
    let said = sample.answer().and_then(action).unwrap_or_default();
    let typed = said.text.as_deref().unwrap_or("");
    let compare = |text: &str| if exact { unit(text::same(text, typed)) } else { token_f1(text, typed) };
    Ok(Verdict {
        kind: said.kind == want.kind,
        place: place(sample, params, &want, said.point)?,
        text: want.text.map(compare),
        direction: want.direction.map(|d| said.direction == Some(d)),
    })
}

fn kind(sample: &Sample<'_>) -> Result<f64, Score> {
    let want = gold(sample)?;
    Ok(unit(sample.answer().and_then(action).is_some_and(|said| said.kind == want.kind)))
}

fn grounding(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let want = gold(sample)?;
    let said = sample.answer().and_then(action).unwrap_or_default();
    let right = place(sample, params, &want, said.point)?;
    right.map(unit).ok_or_else(|| bad_gold("the ground truth names no place"))
}

fn typed(sample: &Sample<'_>) -> Result<f64, Score> {
    let want = gold(sample)?;
    let text = want.text.ok_or_else(|| bad_gold("the ground truth has no text"))?;
    let said = sample.answer().and_then(action).unwrap_or_default();
    Ok(token_f1(text, said.text.as_deref().unwrap_or("")))
}

fn step(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let verdict = judge(sample, params, false)?;
    Ok(unit(verdict.kind && verdict.arguments(params.number("least_f1"))))
}

fn ui_r1(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let verdict = judge(sample, params, false)?;
    if !verdict.kind {
        return Ok(0.0);
    }
    Ok(1.0 + unit(verdict.arguments(params.number("least_f1"))))
}

fn infigui(sample: &Sample<'_>, params: &Params) -> Result<f64, Score> {
    let verdict = judge(sample, params, true)?;
    if !verdict.kind {
        return Ok(0.0);
    }
    Ok(0.2 + 0.8 * unit(verdict.arguments(1.0)))
}

const EDGES: ParamInfo =
    ParamInfo::choice("edges", &["inclusive", "strict"], "does the edge of the box or circle belong to it?");
const STRICT: ParamInfo =
    ParamInfo::choice("edges", &["strict", "inclusive"], "does the edge of the box or circle belong to it?");
const RADIUS: ParamInfo =
    ParamInfo::number("radius", 0.0, 1e7, 140.0, "how far from a point is still right, in pixels");
const LEAST_F1: ParamInfo =
    ParamInfo::number("least_f1", 0.01, 1.0, 0.5, "the token F1 from which a text is right");
const GOLD: &str = "{action, bbox or point, text, direction}; all but the action as the action needs them";

const STEP: RewardInfo = RewardInfo {
    name: "gui_r1",
    family: "gui",
    doc: "1 when the action and every argument that it needs are right",
    source: "GUI-R1's accuracy; all arguments of all actions are checked, texts by token, nothing by eval()",
    gold: GOLD,
    range: Some((0.0, 1.0)),
    params: &[FRAME, GOLD_FRAME, STRICT, RADIUS, LEAST_F1],
    score: Scorer::Sample(|s, p| settle(step(s, p))),
};

/// The rewards of the family.
pub(crate) const REWARDS: &[RewardInfo] = &[
    STEP,
    RewardInfo {
        name: "gui_action_type",
        doc: "1 when the action is of the right type, whatever its arguments",
        source: "UI-R1, GUI-R1; names for the same action (tap, click) are one",
        params: &[],
        score: Scorer::Sample(|s, _| settle(kind(s))),
        ..STEP
    },
    RewardInfo {
        name: "gui_grounding",
        doc: "1 when the action is at the right place, whatever its type",
        source: "ScreenSpot, UI-R1: point in box; GUI-R1: within 140 px of a point",
        params: &[FRAME, GOLD_FRAME, EDGES, RADIUS],
        score: Scorer::Sample(|s, p| settle(grounding(s, p))),
        ..STEP
    },
    RewardInfo {
        name: "gui_text",
        doc: "F1 of the words that the action types with those that it should",
        source: "GUI-R1's text F1, where a letter matches any word that holds it; here words match words",
        params: &[],
        score: Scorer::Sample(|s, _| settle(typed(s))),
        ..STEP
    },
    RewardInfo {
        name: "ui_r1",
        doc: "1 for the right type of action and 1 more for the right arguments",
        source: "UI-R1 without its format point; other actions' arguments count too, coordinates are not cut to whole pixels",
        range: Some((0.0, 2.0)),
        params: &[FRAME, GOLD_FRAME, EDGES, RADIUS, LEAST_F1],
        score: Scorer::Sample(|s, p| settle(ui_r1(s, p))),
        ..STEP
    },
    RewardInfo {
        name: "infigui_r1",
        doc: "0.2 for the right type of action and 0.8 more for exact arguments",
        source: "InfiGUI-R1's agent reward without its judge; texts are equal but for case and blanks",
        params: &[FRAME, GOLD_FRAME, EDGES, RADIUS],
        score: Scorer::Sample(|s, p| settle(infigui(s, p))),
        ..STEP
    },
    webshop::INFO,
];
