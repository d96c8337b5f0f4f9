//! Referring: draw a box around the one object that a phrase names. One turn.

use std::fmt;

use eyas_core::{BBox, Image, OriginalPx, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{BLUE, Canvas, GREEN, LIGHT, ORANGE, PURPLE, RED, Rgb, YELLOW};
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "[x1, y1, x2, y2]";

const SPEC: EnvSpec = EnvSpec {
    id: "referring",
    group: EnvGroup::Perception,
    title: "Referring",
    summary: "Coloured shapes and a phrase: give the box of the shape that the phrase names.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "intersection over union with the true box",
    pixel_answers: true,
    players: 1,
    source: "VLM-R1; UniVG-R1",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int(
        "canvas_px",
        Axis::Perception,
        84,
        448,
        112,
        "pixels along each side of the picture; a multiple of 28",
    ),
    KnobSpec::int("objects", Axis::Perception, 2, 8, 4, "objects in the picture").dialled(2.0, 8.0),
    KnobSpec::choice(
        "sizes",
        Axis::Perception,
        &["mixed", "small", "large"],
        "mixed",
        "side of an object: mixed 18..40 px, small 18..26, large 30..40",
    )
    .dialled(2.0, 1.0),
    KnobSpec::int(
        "colors",
        Axis::Reasoning,
        2,
        6,
        6,
        "how many colours there are; fewer make objects more alike",
    )
    .dialled(6.0, 3.0),
    KnobSpec::choice(
        "phrase",
        Axis::Reasoning,
        &["attribute", "relation", "mixed"],
        "attribute",
        "how the object is named: by colour and shape, by an extreme within a group, or either",
    )
    .dialled(0.0, 2.0),
];

/// The visual token grid of the coarse cells, in pixels.
const COARSE_PX: u32 = 28;

/// An extreme must lead by this many pixels, so that the phrase is not decided by a hair.
const MARGIN_PX: u32 = 4;

/// Boxes of different colours may overlap by this share of the smaller one; of the same colour not at
/// all, as the shapes would run together.
const MAX_OVERLAP: f32 = 0.1;

/// How many scenes are drawn before the knobs are said to contradict each other.
const SCENE_TRIES: usize = 500;

/// How many places are tried for one object.
const PLACE_TRIES: usize = 60;

/// How many boxes [`Env::legal_actions`] samples.
const SAMPLED_BOXES: usize = 16;

/// A coordinate has at most this many characters. Longer ones say nothing about a picture.
const MAX_NUMBER_LEN: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Tint {
    Red,
    Green,
    Blue,
    Yellow,
    Purple,
    Orange,
}

const TINTS: [Tint; 6] = [Tint::Red, Tint::Blue, Tint::Green, Tint::Yellow, Tint::Purple, Tint::Orange];

impl Tint {
    fn rgb(self) -> Rgb {
        match self {
            Self::Red => RED,
            Self::Green => GREEN,
            Self::Blue => BLUE,
            Self::Yellow => YELLOW,
            Self::Purple => PURPLE,
            Self::Orange => ORANGE,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
}

const SHAPES: [Shape; 4] = [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Diamond];

/// A shape that touches all four sides of its box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Object {
    tint: Tint,
    shape: Shape,
    /// Left side of its box.
    x: u32,
    /// Top side of its box.
    y: u32,
    /// Width and height of its box.
    side: u32,
}

impl Object {
    fn bbox(&self) -> BBox<OriginalPx> {
        let (x, y, side) = (self.x as f32, self.y as f32, self.side as f32);
        BBox::new(x, y, x + side, y + side)
    }

    /// Fills the shape so that its true extent is exactly its box.
    fn draw(&self, canvas: &mut Canvas) {
        let (x, y, side) = (self.x as f32, self.y as f32, self.side as f32);
        let (mid_x, mid_y, right, bottom) = (x + side / 2.0, y + side / 2.0, x + side, y + side);
        let color = self.tint.rgb();
        match self.shape {
            Shape::Circle => canvas.fill_circle(mid_x, mid_y, side / 2.0, color),
            Shape::Square => canvas.fill_rect(self.x as i32, self.y as i32, self.side, self.side, color),
            Shape::Triangle => canvas.fill_polygon(&[(mid_x, y), (right, bottom), (x, bottom)], color),
            Shape::Diamond => {
                canvas.fill_polygon(&[(mid_x, y), (right, mid_y), (mid_x, bottom), (x, mid_y)], color);
            }
        }
    }

    /// Row and column of its centre on the coarse grid.
    fn coarse(&self) -> (u32, u32) {
        ((self.y + self.side / 2) / COARSE_PX, (self.x + self.side / 2) / COARSE_PX)
    }

    fn name(&self) -> String {
        format!("{:?}{:?}", self.tint, self.shape)
    }

    /// Its line in the perception text.
    fn line(&self) -> String {
        let (row, col) = self.coarse();
        format!("{} {row} {col}", self.name())
    }
}

/// The objects that a relation ranges over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kin {
    Shape(Shape),
    Tint(Tint),
}

impl Kin {
    fn has(self, object: &Object) -> bool {
        match self {
            Self::Shape(shape) => object.shape == shape,
            Self::Tint(tint) => object.tint == tint,
        }
    }
}

impl fmt::Display for Kin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(shape) => f.write_str(&format!("{shape:?}").to_lowercase()),
            Self::Tint(tint) => write!(f, "{} one", format!("{tint:?}").to_lowercase()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Extreme {
    Leftmost,
    Rightmost,
    Topmost,
    Lowest,
    Largest,
    Smallest,
}

const EXTREMES: [Extreme; 6] = [
    Extreme::Leftmost,
    Extreme::Rightmost,
    Extreme::Topmost,
    Extreme::Lowest,
    Extreme::Largest,
    Extreme::Smallest,
];

impl Extreme {
    fn word(self) -> &'static str {
        match self {
            Self::Leftmost => "leftmost",
            Self::Rightmost => "rightmost",
            Self::Topmost => "topmost",
            Self::Lowest => "lowest",
            Self::Largest => "largest",
            Self::Smallest => "smallest",
        }
    }

    /// What is compared, in pixels: the centre or the side.
    fn key(self, object: &Object) -> u32 {
        match self {
            Self::Leftmost | Self::Rightmost => object.x + object.side / 2,
            Self::Topmost | Self::Lowest => object.y + object.side / 2,
            Self::Largest | Self::Smallest => object.side,
        }
    }

    fn wants_most(self) -> bool {
        matches!(self, Self::Rightmost | Self::Lowest | Self::Largest)
    }
}

/// How the object is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phrase {
    Attribute,
    Relation(Extreme, Kin),
}

/// A phrase and the index of the object that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named {
    phrase: Phrase,
    target: usize,
}

/// An answer: a box in pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxAnswer(pub BBox<OriginalPx>);

impl fmt::Display for BoxAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}, {}, {}]", self.0.x1, self.0.y1, self.0.x2, self.0.y2)
    }
}

/// The state of a referring task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Referring {
    canvas_px: u32,
    /// In reading order of their coarse cells.
    objects: Vec<Object>,
    phrase: Phrase,
    target: Object,
    /// Where the sampled boxes of [`Env::legal_actions`] come from.
    boxes: Seed,
    outcome: Option<Outcome>,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    canvas_px: u32,
    objects: Vec<Object>,
    phrase: Phrase,
    target: Object,
    boxes: Seed,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for Referring {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let side = raw.canvas_px;
        if !(84..=448).contains(&side) || !side.is_multiple_of(COARSE_PX) {
            return Err(format!("a picture of {side} px"));
        }
        let inside = |o: &Object| {
            let fits = |at: u32| at <= side && o.side <= side - at;
            o.side > 0 && fits(o.x) && fits(o.y)
        };
        if !raw.objects.iter().all(inside) || !raw.objects.contains(&raw.target) {
            return Err("an object is outside the picture, or the named one is none of them".into());
        }
        Ok(Self {
            canvas_px: side,
            objects: raw.objects,
            phrase: raw.phrase,
            target: raw.target,
            boxes: raw.boxes,
            outcome: raw.outcome,
        })
    }
}

impl Referring {
    fn text(&self) -> String {
        match self.phrase {
            Phrase::Attribute => format!("{:?} {:?}", self.target.tint, self.target.shape).to_lowercase(),
            Phrase::Relation(extreme, kin) => format!("{} {kin}", extreme.word()),
        }
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }
}

impl Env for Referring {
    type Action = BoxAnswer;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let conflict = |detail: String| KnobError::Conflict { env: SPEC.id.into(), detail };
        let canvas_px = u32::try_from(knobs.size("canvas_px")).unwrap_or(112);
        if canvas_px % COARSE_PX != 0 {
            return Err(conflict(format!("canvas_px = {canvas_px} is not a multiple of {COARSE_PX}")));
        }
        let (count, tints) = (knobs.size("objects"), knobs.size("colors"));
        let sides = match knobs.choice("sizes") {
            "small" => (18, 26),
            "large" => (30, 40),
            _ => (18, 40),
        };
        let mut rng = seed.split("scene", 0).rng();
        for _ in 0..SCENE_TRIES {
            let Some(objects) = draw_scene(&mut rng, canvas_px, count, tints, sides) else {
                continue;
            };
            let by_relation = match knobs.choice("phrase") {
                "relation" => true,
                "mixed" => rng.chance(0.5),
                _ => false,
            };
            let phrases = if by_relation { relations(&objects) } else { attributes(&objects) };
            let Some(named) = rng.choose(&phrases) else {
                continue;
            };
            let (phrase, target) = (named.phrase, objects[named.target]);
            let boxes = seed.split("boxes", 0);
            return Ok(Self { canvas_px, objects, phrase, target, boxes, outcome: None });
        }
        Err(conflict(format!(
            "no scene with {count} objects of {}..={} px and such a phrase was found on {canvas_px} px",
            sides.0, sides.1
        )))
    }

    fn rules(&self) -> String {
        let side = self.canvas_px;
        format!("Find the {}. Give its box in pixels; the picture is {side} by {side}.", self.text())
    }

    fn render(&self) -> Image {
        let mut canvas = Canvas::new(self.canvas_px, self.canvas_px, LIGHT);
        for object in &self.objects {
            object.draw(&mut canvas);
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<BoxAnswer, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let inner = answer.trim().strip_prefix('[').and_then(|s| s.strip_suffix(']')).ok_or_else(wrong)?;
        let mut numbers = [0.0; 4];
        let mut parts = inner.split(',');
        for number in &mut numbers {
            *number = parts.next().and_then(coordinate).ok_or_else(wrong)?;
        }
        if parts.next().is_some() {
            return Err(wrong());
        }
        let [x1, y1, x2, y2] = numbers;
        let side = self.canvas_px as f32;
        if numbers.iter().any(|v| !(0.0..=side).contains(v)) {
            return Err(ParseError::range(answer, format!("the picture is {side} by {side}")));
        }
        if x1 >= x2 || y1 >= y2 {
            return Err(ParseError::range(answer, "x1 < x2 and y1 < y2 are wanted"));
        }
        Ok(BoxAnswer(BBox::new(x1, y1, x2, y2)))
    }

    /// The outcome is a success from an overlap of 0.5 on, the usual threshold in grounding.
    fn step(&mut self, action: &BoxAnswer) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let iou = action.0.iou(&self.target.bbox());
        self.outcome = Some(if iou >= 0.5 { Outcome::Success } else { Outcome::Failure });
        self.report(iou, true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, false)
    }

    fn oracle(&self) -> BoxAnswer {
        BoxAnswer(self.target.bbox())
    }

    /// For a relation: every object of the group with the number that is compared, then the object
    /// that the phrase means, as its line in the perception text says it.
    fn reason(&self, _action: &BoxAnswer) -> String {
        let mut text = String::new();
        if let Phrase::Relation(extreme, kin) = self.phrase {
            for object in self.objects.iter().filter(|o| kin.has(o)) {
                text += &format!("{} {} ", object.name(), extreme.key(object));
            }
            text = text + extreme.word() + " ";
        }
        text + &self.target.line()
    }

    /// One line an object, in reading order: colour and shape as one word, then row and column of its
    /// centre on a grid of 28 px.
    fn perception(&self) -> Perception {
        let lines: Vec<String> = self.objects.iter().map(Object::line).collect();
        let objects: Vec<_> = self
            .objects
            .iter()
            .map(|o| {
                let bbox = [o.x, o.y, o.x + o.side, o.y + o.side];
                json!({ "color": o.tint, "shape": o.shape, "box": bbox })
            })
            .collect();
        Perception { text: lines.join("\n"), data: json!({ "side": self.canvas_px, "objects": objects }) }
    }

    /// Boxes of an object's usual size at random places, always the same for one state. They are not
    /// made from the objects: the boxes of random objects would be a far better than random guess.
    fn legal_actions(&self) -> Vec<BoxAnswer> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let mut rng = self.boxes.rng();
        (0..SAMPLED_BOXES)
            .map(|_| {
                let [width, height] = [18, 40].map(|_| rng.between(18, 40));
                let side = i64::from(self.canvas_px);
                let (x, y) = (rng.between(0, side - width), rng.between(0, side - height));
                let [x1, y1, x2, y2] = [x, y, x + width, y + height].map(|v| v as f32);
                BoxAnswer(BBox::new(x1, y1, x2, y2))
            })
            .collect()
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

/// A plain decimal number: no exponent, no `nan`, no `inf`.
fn coordinate(text: &str) -> Option<f32> {
    let text = text.trim();
    let plain = text.strip_prefix('-').unwrap_or(text);
    let digits =
        plain.chars().all(|c| c.is_ascii_digit() || c == '.') && plain.starts_with(|c: char| c != '.');
    // Adding zero turns -0 into 0, so that the text of an action is unique.
    (digits && text.len() <= MAX_NUMBER_LEN).then(|| text.parse::<f32>().ok()).flatten().map(|v| v + 0.0)
}

/// Objects at free places; `None` when one of them found none.
fn draw_scene(
    rng: &mut Rng,
    canvas_px: u32,
    count: usize,
    tints: usize,
    sides: (i64, i64),
) -> Option<Vec<Object>> {
    let mut objects: Vec<Object> = Vec::new();
    for _ in 0..count {
        let tint = *rng.choose(TINTS.get(..tints)?)?;
        let shape = *rng.choose(&SHAPES)?;
        let placed = (0..PLACE_TRIES).find_map(|_| {
            let side = u32::try_from(rng.between(sides.0, sides.1)).ok()?;
            let mut place = || rng.below((canvas_px - side) as usize + 1) as u32;
            let object = Object { tint, shape, x: place(), y: place(), side };
            let allowed = |other: &Object| if other.tint == tint { 0.0 } else { MAX_OVERLAP };
            let free = objects.iter().all(|other| overlap(&object, other) <= allowed(other));
            free.then_some(object)
        })?;
        objects.push(placed);
    }
    objects.sort_by_key(|o| (o.coarse(), o.x, o.y));
    Some(objects)
}

/// The shared area as a share of the smaller box.
fn overlap(a: &Object, b: &Object) -> f32 {
    let shared = |a0: u32, a1: u32, b0: u32, b1: u32| a1.min(b1).saturating_sub(a0.max(b0)) as f32;
    let width = shared(a.x, a.x + a.side, b.x, b.x + b.side);
    let height = shared(a.y, a.y + a.side, b.y, b.y + b.side);
    let side = a.side.min(b.side) as f32;
    width * height / (side * side)
}

/// Every object that its colour and shape name alone.
fn attributes(objects: &[Object]) -> Vec<Named> {
    let alike = |a: &Object, b: &Object| a.tint == b.tint && a.shape == b.shape;
    (0..objects.len())
        .filter(|&i| objects.iter().filter(|o| alike(o, &objects[i])).count() == 1)
        .map(|target| Named { phrase: Phrase::Attribute, target })
        .collect()
}

/// Every extreme of every group of two or more that leads by the margin.
fn relations(objects: &[Object]) -> Vec<Named> {
    let mut named = Vec::new();
    for kin in SHAPES.map(Kin::Shape).into_iter().chain(TINTS.map(Kin::Tint)) {
        for extreme in EXTREMES {
            let mut group: Vec<(u32, usize)> = objects
                .iter()
                .enumerate()
                .filter(|(_, o)| kin.has(o))
                .map(|(i, o)| (extreme.key(o), i))
                .collect();
            group.sort_unstable();
            if extreme.wants_most() {
                group.reverse();
            }
            let [(first, target), (second, _), ..] = group[..] else {
                continue;
            };
            if first.abs_diff(second) >= MARGIN_PX {
                named.push(Named { phrase: Phrase::Relation(extreme, kin), target });
            }
        }
    }
    named
}

#[cfg(test)]
mod tests;
