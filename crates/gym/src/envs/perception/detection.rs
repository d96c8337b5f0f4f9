//! Detection: boxes and labels of every object of the classes asked for, some of which are not there.
//! One turn.

use std::fmt;

use eyas_core::{BBox, Image, OriginalPx, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::scene::{Item, Kind, Layout, Scene, Theme};
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = r#"[{"bbox_2d": [x1, y1, x2, y2], "label": "red star"}, ...] | None"#;

const SPEC: EnvSpec = EnvSpec {
    id: "detection",
    group: EnvGroup::Perception,
    title: "Detection",
    summary: "Coloured shapes and a list of classes: give a box and a label for each of them that is there.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "F1 of boxes that overlap by 0.5 and have the right label",
    pixel_answers: true,
    players: 1,
    source: "VLM-R1 OVD; V-Triune; Vision-R1",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("objects", Axis::Perception, 2, 20, 4, "objects in the picture").dialled(2.0, 14.0),
    KnobSpec::int("asked", Axis::Reasoning, 1, 4, 1, "classes that are asked for").dialled(1.0, 4.0),
    KnobSpec::float("absent", Axis::Reasoning, 0.0, 1.0, 0.35, "chance that a class asked for is not there")
        .dialled(0.0, 0.4),
    KnobSpec::int(
        "copies",
        Axis::Reasoning,
        1,
        4,
        2,
        "most objects of a class asked for, as far as there are objects",
    )
    .dialled(1.0, 3.0),
    KnobSpec::float(
        "false_positive_price",
        Axis::Reasoning,
        0.0,
        4.0,
        1.5,
        "what a wrong box costs in the reward, in missed objects; 1 makes the reward F1",
    ),
    KnobSpec::int("colors", Axis::Perception, 3, 8, 5, "colours in the picture"),
    KnobSpec::int("shapes", Axis::Perception, 2, 6, 4, "shapes in the picture").dialled(4.0, 5.0),
    KnobSpec::float("overlap", Axis::Perception, 0.0, 0.6, 0.0, "share of an object that others may hide")
        .dialled(0.0, 0.4),
    Layout::CANVAS.dialled_by(112.0, 224.0, 28.0),
    Layout::SIZE.dialled(40.0, 32.0),
    Layout::CLUTTER.dialled(0.0, 16.0),
    Theme::KNOB,
];

/// A box finds an object from this overlap on.
const IOU: f32 = 0.5;

/// An answer has at most this many boxes, and this many bytes.
const MAX_BOXES: usize = 50;
const MAX_BYTES: usize = 8000;

/// A label has at most this many letters.
const MAX_LABEL: usize = 40;

/// How many one-box answers [`Env::legal_actions`] samples.
const SAMPLED_BOXES: usize = 16;

/// A box and what is said to be in it.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    bbox: BBox<OriginalPx>,
    label: String,
}

/// An answer: boxes with labels; none of them means that nothing is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Boxes(Vec<Found>);

impl fmt::Display for Boxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("None");
        }
        for (i, Found { bbox, label }) in self.0.iter().enumerate() {
            let BBox { x1, y1, x2, y2, .. } = bbox;
            f.write_str(if i == 0 { "[" } else { ", " })?;
            write!(f, r#"{{"bbox_2d": [{x1}, {y1}, {x2}, {y2}], "label": "{label}"}}"#)?;
        }
        f.write_str("]")
    }
}

/// How an answer compares with the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tally {
    right: usize,
    wrong: usize,
    missed: usize,
}

impl Tally {
    /// Tversky's index: F1 where `price` is 1. Nothing said where nothing is there is right.
    fn index(self, price: f64) -> f32 {
        let right = self.right as f64;
        let all = right + 0.5 * (price * self.wrong as f64 + self.missed as f64);
        match (self.right + self.missed, self.wrong) {
            (0, 0) => 1.0,
            (0, _) => 0.0,
            _ => (right / all) as f32,
        }
    }
}

/// The state of a detection task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Detection {
    scene: Scene,
    asked: Vec<Kind>,
    price: f64,
    /// Where the sampled boxes of [`Env::legal_actions`] come from.
    boxes: Seed,
    outcome: Option<Outcome>,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    scene: Scene,
    asked: Vec<Kind>,
    price: f64,
    boxes: Seed,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for Detection {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Unchecked { scene, asked, price, boxes, outcome } = raw;
        if !(1..=4).contains(&asked.len()) || !(0.0..=4.0).contains(&price) {
            return Err("no class is asked for, or too many, or the price is out of range".into());
        }
        Ok(Self { scene, asked, price, boxes, outcome })
    }
}

impl Detection {
    /// What should be found, class by class, each in reading order.
    fn truth(&self) -> Vec<&Item> {
        let order = self.scene.reading();
        let items = self.scene.items();
        self.asked
            .iter()
            .flat_map(|kind| order.iter().map(|i| &items[*i]).filter(|item| item.kind == *kind))
            .collect()
    }

    /// As many boxes as possible get an object each: of the same label, overlapping enough.
    fn tally(&self, answer: &Boxes) -> Tally {
        let truth = self.truth();
        let fits: Vec<Vec<usize>> = answer
            .0
            .iter()
            .map(|found| {
                let same =
                    |item: &Item| item.kind.words() == found.label && bbox(item).iou(&found.bbox) >= IOU;
                (0..truth.len()).filter(|i| same(truth[*i])).collect()
            })
            .collect();
        let mut taken: Vec<Option<usize>> = vec![None; truth.len()];
        let right = (0..fits.len())
            .filter(|found| assign(*found, &fits, &mut taken, &mut vec![false; truth.len()]))
            .count();
        Tally { right, wrong: answer.0.len() - right, missed: truth.len() - right }
    }

    fn report(&self, reward: f32, score: f32, legal: bool) -> Step {
        Step { reward, score, legal, status: self.status() }
    }
}

impl Env for Detection {
    type Action = Boxes;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("objects", 0).rng();
        let mut kinds = Kind::some(&mut rng, knobs.size("colors"), knobs.size("shapes"));
        rng.shuffle(&mut kinds);
        let (asked, others) = kinds.split_at(knobs.size("asked").min(kinds.len().saturating_sub(1)));
        let total = knobs.size("objects");
        let mut drawn = Vec::new();
        for kind in asked {
            let there = !rng.chance(knobs.float("absent"));
            let copies = rng.between(1, knobs.int("copies")) as usize;
            drawn.extend(std::iter::repeat_n(*kind, if there { copies } else { 0 }));
        }
        drawn.truncate(total);
        while drawn.len() < total {
            // What shares the colour or the shape of a class asked for is the likelier mistake.
            let near = |k: &Kind| asked.iter().any(|a| a.tint == k.tint || a.shape == k.shape);
            let alike: Vec<Kind> = others.iter().copied().filter(near).collect();
            let from = if alike.is_empty() || rng.chance(0.4) { others } else { &alike };
            drawn.extend(rng.choose(from));
        }
        rng.shuffle(&mut drawn);
        let scene = Scene::draw_lots(seed, &drawn, Layout::from_knobs(knobs)).ok_or_else(|| {
            let detail = format!("{total} objects do not fit into the picture");
            KnobError::Conflict { env: SPEC.id.into(), detail }
        })?;
        let price = knobs.float("false_positive_price");
        Ok(Self { scene, asked: asked.to_vec(), price, boxes: seed.split("boxes", 0), outcome: None })
    }

    fn rules(&self) -> String {
        let names: Vec<String> = self.asked.iter().map(|kind| kind.words()).collect();
        let side = self.scene.side();
        format!(
            "Find every {}. Give each a box in pixels and its label, or say None if there is none; the \
             picture is {side} by {side}.",
            names.join(", ")
        )
    }

    fn render(&self) -> Image {
        self.scene.canvas().into_image()
    }

    fn parse(&self, answer: &str) -> Result<Boxes, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let text = answer.trim();
        if text == "None" {
            return Ok(Boxes(Vec::new()));
        }
        if text.len() > MAX_BYTES {
            return Err(ParseError::range(answer, format!("more than {MAX_BYTES} bytes")));
        }
        let list: Vec<Value> = serde_json::from_str(text).map_err(|_| wrong())?;
        if list.len() > MAX_BOXES {
            return Err(ParseError::range(answer, format!("more than {MAX_BOXES} boxes")));
        }
        let side = self.scene.side() as f32;
        let mut found = Vec::with_capacity(list.len());
        for entry in &list {
            let one = read_box(entry).ok_or_else(wrong)?;
            let BBox { x1, y1, x2, y2, .. } = one.bbox;
            if [x1, y1, x2, y2].iter().any(|v| !(0.0..=side).contains(v)) {
                return Err(ParseError::range(answer, format!("the picture is {side} by {side}")));
            }
            if x1 >= x2 || y1 >= y2 {
                return Err(ParseError::range(answer, "x1 < x2 and y1 < y2 are wanted"));
            }
            found.push(one);
        }
        Ok(Boxes(found))
    }

    /// The reward charges `false_positive_price` for a wrong box; the score is plain F1. A success is
    /// everything found and nothing else.
    fn step(&mut self, action: &Boxes) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, 0.0, false);
        }
        let tally = self.tally(action);
        let all = tally.wrong == 0 && tally.missed == 0;
        self.outcome = Some(if all { Outcome::Success } else { Outcome::Failure });
        self.report(tally.index(self.price), tally.index(1.0), true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, 0.0, false)
    }

    fn oracle(&self) -> Boxes {
        let found = |item: &&Item| Found { bbox: bbox(item), label: item.kind.words() };
        Boxes(self.truth().iter().map(found).collect())
    }

    /// Every class asked for with the coarse cells of its objects, or none.
    fn reason(&self, _action: &Boxes) -> String {
        let truth = self.truth();
        let mut words = Vec::new();
        for kind in &self.asked {
            words.push(kind.name());
            let cells = truth.iter().filter(|item| item.kind == *kind).map(|item| item.coarse());
            let cells: Vec<String> = cells.map(|(row, col)| format!("{row} {col}")).take(4).collect();
            words.push(if cells.is_empty() { "none".into() } else { cells.join(" ") });
        }
        words.join(" ")
    }

    fn perception(&self) -> Perception {
        let Perception { text, mut data } = self.scene.perception();
        data["asked"] = json!(self.asked.iter().map(|kind| kind.words()).collect::<Vec<_>>());
        Perception { text, data }
    }

    /// Nothing at all, and single boxes of an object's usual size at random places, always the same
    /// for one state. They are not made from the objects, which would be far better than chance.
    fn legal_actions(&self) -> Vec<Boxes> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let mut rng = self.boxes.rng();
        let one = |_| Boxes(vec![self.any_box(&mut rng)]);
        std::iter::once(Boxes(Vec::new())).chain((0..SAMPLED_BOXES).map(one)).collect()
    }

    /// As many random boxes as there are classes, or one fewer.
    fn guess(&self, rng: &mut Rng) -> Option<Boxes> {
        if self.outcome.is_some() {
            return None;
        }
        let count = self.asked.len() - rng.below(2).min(self.asked.len());
        Some(Boxes((0..count).map(|_| self.any_box(rng)).collect()))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

impl Detection {
    /// A class asked for at a random place.
    fn any_box(&self, rng: &mut Rng) -> Found {
        let side = i64::from(self.scene.side());
        let [width, height] = [16, 40].map(|_| rng.between(16, 40));
        let (x, y) = (rng.between(0, side - width), rng.between(0, side - height));
        let [x1, y1, x2, y2] = [x, y, x + width, y + height].map(|v| v as f32);
        let label = rng.choose(&self.asked).map(|kind| kind.words()).unwrap_or_default();
        Found { bbox: BBox::new(x1, y1, x2, y2), label }
    }
}

fn bbox(item: &Item) -> BBox<OriginalPx> {
    let [x1, y1, x2, y2] = item.corners().map(|v| v as f32);
    BBox::new(x1, y1, x2, y2)
}

/// One entry of the list: exactly a box of four numbers and a label of letters and blanks.
fn read_box(entry: &Value) -> Option<Found> {
    let fields = entry.as_object().filter(|fields| fields.len() == 2)?;
    let numbers = fields.get("bbox_2d")?.as_array().filter(|numbers| numbers.len() == 4)?;
    let mut corners = [0.0; 4];
    for (corner, number) in corners.iter_mut().zip(numbers) {
        // Adding zero turns -0 into 0, so that the text of an action is unique.
        *corner = number.as_f64()? as f32 + 0.0;
    }
    let label = fields.get("label")?.as_str()?;
    let plain = label.chars().all(|c| c.is_ascii_lowercase() || c == ' ');
    if !plain || label.is_empty() || label.len() > MAX_LABEL {
        return None;
    }
    let [x1, y1, x2, y2] = corners;
    Some(Found { bbox: BBox::new(x1, y1, x2, y2), label: label.into() })
}

/// Finds an object for a box, moving boxes that are already placed to other objects where that helps
/// (an augmenting path of the bipartite matching).
fn assign(found: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], tried: &mut Vec<bool>) -> bool {
    for &object in &fits[found] {
        if std::mem::replace(&mut tried[object], true) {
            continue;
        }
        let free = match taken[object] {
            None => true,
            Some(other) => assign(other, fits, taken, tried),
        };
        if free {
            taken[object] = Some(found);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
