//! SVG: write the SVG that draws the picture. One turn.
//!
//! VAGEN's SVG task and RRVF compare real logos with neural features; here the pictures are a few plain
//! shapes, and the likeness is counted from the pixels (see `likeness`): structure, colours and edges,
//! each 0 for an empty picture, so that painting nothing earns nothing.

mod likeness;
mod markup;

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::Rgb;
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};
use likeness::likeness;
use markup::{Element, MAX_ELEMENTS, NAMES, Refusal, color_name, draw, read, write};

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

/// Width of a line.
const STROKE_PX: f32 = 4.0;

/// A shape is at least this large, and at least this share of it is seen.
const LEAST_PX: i64 = 14;
const LEAST_SEEN: f64 = 0.5;

/// How many pictures are drawn before the knobs are said to contradict each other.
const SCENE_TRIES: usize = 400;

/// How many places are tried for one shape.
const PLACE_TRIES: usize = 60;

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
        })
    }
}

/// What shapes are drawn by lot from.
struct Maker {
    side: i64,
    snap: i64,
    theme: Theme,
    kinds: Kinds,
    colors: usize,
    /// The longest side of a shape.
    most: i64,
}

impl Maker {
    /// A coordinate between `low` and `high` on the lattice.
    fn place(&self, low: i64, high: i64, rng: &mut Rng) -> i64 {
        let (first, last) = ((low + self.snap - 1).div_euclid(self.snap), high.div_euclid(self.snap));
        rng.between(first, last) * self.snap
    }

    /// A length of at most `most`.
    fn size(&self, most: i64, rng: &mut Rng) -> i64 {
        self.place(LEAST_PX, most.max(LEAST_PX + self.snap), rng)
    }

    fn shape(&self, rng: &mut Rng) -> Element {
        let kinds = match self.kinds {
            Kinds::Rect => 1,
            Kinds::Basic => 2,
            Kinds::All => 4,
        };
        let color = self.theme.color(rng.below(self.colors));
        let (side, half) = (self.side, self.most);
        match rng.below(kinds) {
            0 => {
                let (width, height) = (self.size(half, rng), self.size(half, rng));
                let (x, y) = (self.place(0, side - width, rng), self.place(0, side - height, rng));
                let [x, y, width, height] = [x, y, width, height].map(|v| v as f32);
                Element::Rect { x, y, width, height, fill: color }
            }
            1 => {
                let r = self.size(half / 2, rng);
                let (cx, cy) = (self.place(r, side - r, rng), self.place(r, side - r, rng));
                Element::Circle { cx: cx as f32, cy: cy as f32, r: r as f32, fill: color }
            }
            2 => {
                let (from, to) = (self.point(rng), self.point(rng));
                Element::Line { from, to, stroke: color, width: STROKE_PX }
            }
            _ => {
                let points = (0..3 + rng.below(2)).map(|_| self.point(rng)).collect();
                Element::Polygon { points, fill: color }
            }
        }
    }

    fn point(&self, rng: &mut Rng) -> (f32, f32) {
        (self.place(4, self.side - 4, rng) as f32, self.place(4, self.side - 4, rng) as f32)
    }

    /// The pixels that a shape paints.
    fn pixels(&self, shape: &Element) -> Vec<bool> {
        let canvas = draw(std::slice::from_ref(shape), self.side as u32, self.theme.background());
        let background = self.theme.background();
        canvas.pixels().chunks_exact(3).map(|p| p != background).collect()
    }

    /// `count` shapes of which enough is seen; `None` when there was no room for one.
    fn scene(&self, count: usize, overlap: bool, rng: &mut Rng) -> Option<Vec<Element>> {
        let mut placed: Vec<Placed> = Vec::new();
        for _ in 0..count {
            let found = (0..PLACE_TRIES).find_map(|_| {
                let shape = self.shape(rng);
                if !is_broad(&shape) {
                    return None;
                }
                let own = self.pixels(&shape);
                let mut free = true;
                let fits = placed.iter().all(|other| {
                    let covered = other.covered(&shape, &own);
                    free &= covered == 0;
                    let left = other.seen.iter().filter(|p| **p).count() - covered;
                    if overlap { left as f64 >= LEAST_SEEN * other.size as f64 } else { covered == 0 }
                });
                // Two of one colour would run together.
                let alike = placed.iter().any(|o| o.shape.color() == shape.color());
                (fits && (free || !alike)).then_some((shape, own))
            });
            let (shape, own) = found?;
            for other in &mut placed {
                other.seen.iter_mut().zip(&own).for_each(|(o, p)| *o &= !p);
            }
            let size = own.iter().filter(|p| **p).count();
            placed.push(Placed { shape, seen: own, size });
        }
        Some(placed.into_iter().map(|p| p.shape).collect())
    }
}

/// The longest side of a shape: half the picture, less where many must find room.
fn longest(side: i64, count: usize) -> i64 {
    (side / 2).min((side as f64 / (count.max(1) as f64).sqrt()) as i64)
}

/// A shape of a scene that is being made.
struct Placed {
    shape: Element,
    /// Its pixels that no later shape covers.
    seen: Vec<bool>,
    /// Its pixels.
    size: usize,
}

impl Placed {
    /// How many of its pixels a new shape would cover.
    fn covered(&self, shape: &Element, own: &[bool]) -> usize {
        let ([l, t, r, b], [left, top, right, bottom]) = (self.shape.bounds(), shape.bounds());
        if right < l || r < left || bottom < t || b < top {
            return 0;
        }
        self.seen.iter().zip(own).filter(|(a, b)| **a && **b).count()
    }
}

/// Whether a line is long and a polygon large enough to be seen.
fn is_broad(shape: &Element) -> bool {
    match shape {
        Element::Line { from, to, .. } => {
            let (dx, dy) = (to.0 - from.0, to.1 - from.1);
            dx * dx + dy * dy >= 28.0 * 28.0
        }
        Element::Polygon { points, .. } => {
            let next = points.iter().cycle().skip(1);
            let cross = |(a, b): (&(f32, f32), &(f32, f32))| a.0 * b.1 - b.0 * a.1;
            let twice: f32 = points.iter().zip(next).map(cross).sum();
            let turns = |i: usize| {
                let [a, b, c] = [i, i + 1, i + 2].map(|k| points[k % points.len()]);
                (b.0 - a.0) * (c.1 - b.1) - (b.1 - a.1) * (c.0 - b.0)
            };
            let convex = (0..points.len()).all(|i| turns(i) * twice > 0.0);
            convex && twice.abs() >= 2.0 * 300.0
        }
        _ => true,
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
        let target = draw(&self.shapes, self.canvas_px, background);
        let made = draw(&action.0, self.canvas_px, background);
        let alike =
            likeness(target.pixels(), made.pixels(), self.canvas_px as usize, background).mean() as f32;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KnobValue;

    fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Result<Svg, KnobError> {
        let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
        Svg::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given)?)
    }

    fn word(text: &str) -> KnobValue {
        KnobValue::Choice(text.into())
    }

    fn hand_made() -> Svg {
        let red = Element::Rect { x: 14.0, y: 28.0, width: 42.0, height: 28.0, fill: [255, 0, 0] };
        let disc = Element::Circle { cx: 84.0, cy: 70.0, r: 14.0, fill: [0, 0, 255] };
        Svg { shapes: vec![red, disc], ..reset(1, &[]).unwrap() }
    }

    #[test]
    fn the_likeness_is_the_reward() {
        let play = |text: &str| {
            let mut game = hand_made();
            let action = game.parse(text).unwrap();
            game.step(&action)
        };
        let whole = hand_made().oracle().to_string();
        assert_eq!((play(&whole).reward, play(&whole).status), (1.0, Status::Done(Outcome::Success)));
        assert_eq!(play("<svg></svg>").reward, 0.0);
        let rect = "<svg><rect x=\"14\" y=\"28\" width=\"42\" height=\"28\" fill=\"red\"/></svg>";
        let part = play(rect).reward;
        assert!((0.4..0.9).contains(&part), "{part}");
        let flood =
            play("<svg><rect x=\"0\" y=\"0\" width=\"112\" height=\"112\" fill=\"red\"/></svg>").reward;
        assert!(flood < 0.2, "{flood}");
        // Another way to write the same picture.
        let twice = rect.replace("</svg>", "<circle cx=\"84\" cy=\"70\" r=\"14\" fill=\"#00f\"/></svg>");
        assert_eq!(play(&twice).reward, 1.0);
    }

    #[test]
    fn reasons_and_perception_name_the_shapes() {
        let game = hand_made();
        assert_eq!(
            game.reason(&game.oracle()),
            "2 shapes Rect width 42 height 28 Circle centre 84 70 radius 14"
        );
        assert_eq!(game.perception().text, "red Rect 14 28 56 56\nblue Circle 70 56 98 84");
        assert!(matches!(game.parse("<svg><rect/></svg>"), Err(ParseError::Grammar { .. })));
        assert!(matches!(game.parse("<svg width=\"1\"></svg>"), Err(ParseError::Range { .. })));
    }

    #[test]
    fn enough_is_seen_of_every_shape() {
        for seed in 0..20 {
            let given = [
                ("shapes", KnobValue::Int(6)),
                ("kinds", word("all")),
                ("overlap", KnobValue::Bool(true)),
                ("snap_px", KnobValue::Int(2)),
            ];
            let game = reset(seed, &given).unwrap();
            let whole = game.render();
            for index in 0..game.shapes.len() {
                // Without it, the picture is another one.
                let mut rest = game.clone();
                rest.shapes.remove(index);
                let rest = rest.render();
                let changed = whole.pixels().chunks_exact(3).zip(rest.pixels().chunks_exact(3));
                assert!(changed.filter(|(a, b)| a != b).count() > 40, "seed {seed}, shape {index}");
            }
            let mut copy = game.clone();
            assert_eq!(copy.step(&game.oracle()).reward, 1.0);
        }
    }

    #[test]
    fn broken_snapshots_are_refused() {
        let broken = |change: &dyn Fn(&mut Svg)| {
            let mut game = hand_made();
            change(&mut game);
            serde_json::from_value::<Svg>(serde_json::to_value(game).unwrap()).is_err()
        };
        assert!(!broken(&|_| ()));
        assert!(broken(&|g| g.canvas_px = 100));
        assert!(broken(&|g| g.shapes.clear()));
        assert!(broken(&|g| g.shapes = vec![g.shapes[0].clone(); 80]));
        assert!(broken(&|g| g.shapes[0] = Element::Polygon { points: vec![], fill: [0; 3] }));
        let huge = Element::Circle { cx: 1e9, cy: 0.0, r: 1.0, fill: [0; 3] };
        assert!(broken(&|g| g.shapes[0] = huge.clone()));
        assert!(broken(&|g| g.snap_px = 0));
    }
}
