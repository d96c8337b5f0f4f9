//! SVG: write the SVG that draws the picture. One turn.
//!
//! VAGEN's SVG task and RRVF compare real logos with neural features; here the pictures are a few plain
//! shapes, and the likeness is counted from the pixels (see `likeness`): structure, colours and edges,
//! each 0 for an empty picture, so that painting nothing earns nothing.

mod likeness;
mod markup;
mod scene;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::Rgb;
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};
use likeness::{Analysis, Target};
use markup::{Element, MAX_ELEMENTS, NAMES, Refusal, color_name, draw, read, write};
use scene::{Maker, longest};

const GRAMMAR: &str = "<svg> elements </svg>, elements: <rect x y width height fill/>, <circle cx cy r fill/>, \
    <line x1 y1 x2 y2 stroke stroke-width/>, <polygon points fill/>, attributes as x=\"1\", at most 64";

const SPEC: EnvSpec = EnvSpec {
    id: "svg",
    group: EnvGroup::Geometry,
    title: "SVG",
    summary: "A picture of plain shapes: write the SVG that draws it.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "mean of structural similarity above the empty picture, colour overlap and edge overlap",
    pixel_answers: true,
    players: 1,
    source: "VAGEN SVG; RRVF; VinciCoder",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("shapes", Axis::Reasoning, 1, 12, 2, "shapes in the picture").dialled(1.0, 8.0),
    KnobSpec::choice(
        "kinds",
        Axis::Reasoning,
        &["rect", "basic", "all"],
        "basic",
        "rectangles; circles too; lines and polygons too",
    )
    .dialled(0.0, 2.0),
    KnobSpec::flag("overlap", Axis::Reasoning, false, "shapes may cover parts of each other")
        .dialled(0.0, 1.0),
    KnobSpec::int("snap_px", Axis::Perception, 1, 28, 14, "coordinates are multiples of this")
        .dialled(28.0, 2.0),
    KnobSpec::int("colors", Axis::Perception, 2, 8, 6, "how many colours there are").dialled(4.0, 8.0),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["paper", "night", "muted"],
        "paper",
        "white paper, dark paper, or colours that are close to that of the paper",
    )
    .dialled(0.0, 2.0),
    KnobSpec::int(
        "canvas_px",
        Axis::Perception,
        84,
        448,
        112,
        "pixels along each side of the picture; a multiple of 28",
    ),
];

/// How many pictures are drawn before the knobs are said to contradict each other.
const SCENE_TRIES: usize = 400;

/// How many pictures [`Env::legal_actions`] samples.
const SAMPLED: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Paper,
    Night,
    Muted,
}

impl Theme {
    fn background(self) -> Rgb {
        match self {
            Self::Paper => [255, 255, 255],
            Self::Night => [16, 18, 30],
            Self::Muted => [200, 200, 196],
        }
    }

    /// The colour number `n`.
    fn color(self, n: usize) -> Rgb {
        // On dark paper the dark colours make room for light ones.
        let n = n % 8;
        match self {
            Self::Paper => NAMES[n].1,
            Self::Night => NAMES[[0, 3, 11, 10, 9, 7, 6, 1][n]].1,
            Self::Muted => NAMES[n].1.map(|v| (110 + u16::from(v) / 4) as u8),
        }
    }
}

/// Which shapes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kinds {
    Rect,
    Basic,
    All,
}

/// An answer: the elements of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture(Vec<Element>);

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write(&self.0))
    }
}

/// The state of an SVG task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Svg {
    canvas_px: u32,
    theme: Theme,
    kinds: Kinds,
    snap_px: u32,
    colors: usize,
    /// From back to front.
    shapes: Vec<Element>,
    /// Where the sampled pictures of [`Env::legal_actions`] come from.
    samples: Seed,
    outcome: Option<Outcome>,
    #[serde(skip)]
    target: SharedTarget,
}

/// The picture of a task as answers are compared with it: made for the first answer, so that a reset stays
/// cheap, and shared with all forks. No part of the state, since it follows from the shapes.
#[derive(Clone, Default)]
struct SharedTarget(Arc<OnceLock<Target>>);

impl fmt::Debug for SharedTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedTarget")
    }
}

impl PartialEq for SharedTarget {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    canvas_px: u32,
    theme: Theme,
    kinds: Kinds,
    snap_px: u32,
    colors: usize,
    shapes: Vec<Element>,
    samples: Seed,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for Svg {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let side = raw.canvas_px;
        if !(84..=448).contains(&side) || !side.is_multiple_of(28) {
            return Err(format!("a picture of {side} px"));
        }
        if !(1..=28).contains(&raw.snap_px) || !(2..=8).contains(&raw.colors) {
            return Err("snap_px or colors is out of range".into());
        }
        let few = (1..=MAX_ELEMENTS).contains(&raw.shapes.len());
        if !few || !raw.shapes.iter().all(|s| s.is_sound(side)) {
            return Err("no shapes, too many, or one that cannot be written".into());
        }
        Ok(Self {
            canvas_px: side,
            theme: raw.theme,
            kinds: raw.kinds,
            snap_px: raw.snap_px,
            colors: raw.colors,
            shapes: raw.shapes,
            samples: raw.samples,
            outcome: raw.outcome,
            target: SharedTarget::default(),
        })
    }
}

impl Svg {
    fn maker(&self) -> Maker {
        Maker {
            side: i64::from(self.canvas_px),
            snap: i64::from(self.snap_px),
            theme: self.theme,
            kinds: self.kinds,
            colors: self.colors,
            most: longest(i64::from(self.canvas_px), self.shapes.len()),
        }
    }

    /// One shape or two by lot.
    fn sample(&self, rng: &mut Rng) -> Picture {
        let maker = self.maker();
        let count = 1 + rng.below(2);
        Picture((0..count).map(|_| maker.shape(rng)).collect())
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }
}

impl Env for Svg {
    type Action = Picture;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let conflict = |detail: String| KnobError::Conflict { env: SPEC.id.into(), detail };
        let canvas_px = u32::try_from(knobs.size("canvas_px")).unwrap_or(112);
        if canvas_px % 28 != 0 {
            return Err(conflict(format!("canvas_px = {canvas_px} is not a multiple of 28")));
        }
        let mut game = Self {
            canvas_px,
            theme: match knobs.choice("theme") {
                "night" => Theme::Night,
                "muted" => Theme::Muted,
                _ => Theme::Paper,
            },
            kinds: match knobs.choice("kinds") {
                "rect" => Kinds::Rect,
                "all" => Kinds::All,
                _ => Kinds::Basic,
            },
            snap_px: u32::try_from(knobs.size("snap_px")).unwrap_or(14),
            colors: knobs.size("colors"),
            shapes: Vec::new(),
            samples: seed.split("samples", 0),
            outcome: None,
            target: SharedTarget::default(),
        };
        let (count, overlap) = (knobs.size("shapes"), knobs.flag("overlap"));
        let mut rng = seed.split("scene", 0).rng();
        let maker = Maker { most: longest(i64::from(canvas_px), count), ..game.maker() };
        let scene = (0..SCENE_TRIES).find_map(|_| maker.scene(count, overlap, &mut rng));
        game.shapes =
            scene.ok_or_else(|| conflict(format!("no room for {count} shapes on {canvas_px} px")))?;
        Ok(game)
    }

    fn rules(&self) -> String {
        let side = self.canvas_px;
        let paper = color_name(self.theme.background());
        format!(
            "Write the SVG that draws this picture of {side} by {side} pixels on {paper} paper, back to front."
        )
    }

    fn render(&self) -> Image {
        draw(&self.shapes, self.canvas_px, self.theme.background()).into_image()
    }

    fn parse(&self, answer: &str) -> Result<Picture, ParseError> {
        read(answer, self.canvas_px).map(Picture).map_err(|refusal| match refusal {
            Refusal::Grammar => ParseError::grammar(answer, GRAMMAR),
            Refusal::Range(detail) => ParseError::range(answer, detail),
        })
    }

    /// The outcome is a success from a likeness of 0.9 on.
    fn step(&mut self, action: &Picture) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let background = self.theme.background();
        let picture = |shapes: &[Element]| draw(shapes, self.canvas_px, background);
        let target = self.target.0.get_or_init(|| Target::new(picture(&self.shapes), background));
        let made = Analysis::new(picture(&action.0), background);
        let alike = target.likeness(&made).mean() as f32;
        self.outcome = Some(if alike >= 0.9 { Outcome::Success } else { Outcome::Failure });
        self.report(alike, true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, false)
    }

    fn oracle(&self) -> Picture {
        Picture(self.shapes.clone())
    }

    /// From the boxes that are seen to the numbers that are written: of a rectangle its width and height,
    /// of a circle its centre and radius, of all others the corners.
    fn reason(&self, action: &Picture) -> String {
        let mut words = vec![format!("{}", action.0.len()), "shapes".to_string()];
        for shape in &action.0 {
            let numbers: Vec<String> =
                shape.numbers().iter().map(|v| (v.round() as i32).to_string()).collect();
            let mut line = vec![shape.name().to_string()];
            match (shape, numbers.as_slice()) {
                (Element::Rect { .. }, [_, _, width, height]) => {
                    line.extend(["width".into(), width.clone(), "height".into(), height.clone()]);
                }
                (Element::Circle { .. }, [x, y, r]) => {
                    line.extend(["centre".into(), x.clone(), y.clone(), "radius".into(), r.clone()]);
                }
                _ => line.extend(numbers),
            }
            if words.len() + line.len() > 38 {
                words.extend(["and".into(), "more".into()]);
                break;
            }
            words.extend(line);
        }
        words.join(" ")
    }

    /// One line a shape, from back to front: its colour, its kind, and the corners of its box; of a line
    /// and a polygon the ends and corners.
    fn perception(&self) -> Perception {
        let line = |shape: &Element| {
            let numbers = match shape {
                Element::Rect { x, y, width, height, .. } => vec![*x, *y, x + width, y + height],
                Element::Circle { cx, cy, r, .. } => vec![cx - r, cy - r, cx + r, cy + r],
                other => other.numbers(),
            };
            let numbers: Vec<String> = numbers.iter().map(f32::to_string).collect();
            format!("{} {} {}", color_name(shape.color()), shape.name(), numbers.join(" "))
        };
        let lines: Vec<String> = self.shapes.iter().map(line).collect();
        let data = json!({ "side": self.canvas_px, "shapes": self.shapes, "svg": write(&self.shapes) });
        Perception { text: lines.join("\n"), data }
    }

    /// Pictures of one shape or two by lot, always the same for one state.
    fn legal_actions(&self) -> Vec<Picture> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let mut rng = self.samples.rng();
        (0..SAMPLED).map(|_| self.sample(&mut rng)).collect()
    }

    fn guess(&self, rng: &mut Rng) -> Option<Picture> {
        self.outcome.is_none().then(|| self.sample(rng))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}
