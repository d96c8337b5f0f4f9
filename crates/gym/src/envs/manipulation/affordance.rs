//! Affordance: tools on a table and a purpose; give the box of the part to hold, or the path of the
//! gripper to it and on to the plate.
//!
//! Boxes are scored as in VLA-R1 by (GIoU + 1) / 2, paths by a discrete Fréchet distance that also
//! compares direction and length of steps. Our reading of the latter: both paths are resampled to nine
//! points; distances count in sides of the picture, directions as a quarter of (1 − cosine) / 2 in place
//! of the angle, and lengths as a tenth of one minus the smaller over the larger in place of the
//! logarithm of their ratio, so that nothing depends on the machine's transcendental functions.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::tabletop::{Theme, shade};
use crate::draw::{Canvas, PALETTE};
use crate::envs::kit;
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "[x1, y1, x2, y2] for a box, [[x, y], [x, y], ...] for a path";

const SPEC: EnvSpec = EnvSpec {
    id: "affordance",
    group: EnvGroup::Manipulation,
    title: "Affordance",
    summary: "Tools and a purpose: give the box of the part to hold, or the gripper's path.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "box: (GIoU + 1) / 2; path: 1 - 2 x Frechet distance, at least 0",
    pixel_answers: true,
    players: 1,
    source: "VLA-R1; MolmoAct",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::choice(
        "ask",
        Axis::Reasoning,
        &["part", "use", "pass", "mixed"],
        "use",
        "how the part is asked for: by name, by what the tool is for, or for passing the tool on, handle first",
    )
    .dialled(0.0, 3.0),
    KnobSpec::choice("answer", Axis::Horizon, &["box", "path"], "box", "a box, or a path of the gripper")
        .dialled(0.0, 1.0),
    KnobSpec::int("tools", Axis::Perception, 1, 5, 2, "tools on the table").dialled(1.0, 4.0),
    KnobSpec::flag("alike", Axis::Reasoning, false, "all tools are of one kind and differ in colour only")
        .dialled(0.0, 1.0),
    KnobSpec::int("tool_px", Axis::Perception, 32, 72, 52, "length of a tool; less where there is no room")
        .dialled(64.0, 40.0),
    KnobSpec::choice(
        "turned",
        Axis::Perception,
        &["level", "square", "any"],
        "square",
        "how tools lie: from left to right, along the edges, or at any multiple of 15 degrees",
    )
    .dialled(0.0, 2.0),
    KnobSpec::int("canvas_px", Axis::Perception, 112, 448, 112, "pixels along each side of the picture"),
    KnobSpec::choice("theme", Axis::Perception, Theme::NAMES, "pale", "colours; dusk has little contrast"),
];

/// How often tools are laid out at one size before a smaller one is tried.
const TRIES: usize = 40;

/// A path has at most this many points, and is compared by this many.
const MOST_POINTS: usize = 16;
const SAMPLES: usize = 9;

/// Half the side of the marks for the gripper and the plate.
const MARK: i32 = 7;

/// Boxes or paths that [`Env::legal_actions`] samples.
const SAMPLED: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Hammer,
    Knife,
    Mug,
    Pan,
    Screwdriver,
    Spoon,
    Brush,
    Kettle,
}

/// Outlines on a box of side 2 around the origin; the handle first.
type Outlines = [&'static [(f32, f32)]; 2];

impl Kind {
    const ALL: [Self; 8] = [
        Self::Hammer,
        Self::Knife,
        Self::Mug,
        Self::Pan,
        Self::Screwdriver,
        Self::Spoon,
        Self::Brush,
        Self::Kettle,
    ];

    fn outlines(self) -> Outlines {
        match self {
            Self::Hammer => [
                &[(-1.0, -0.1), (0.55, -0.1), (0.55, 0.1), (-1.0, 0.1)],
                &[(0.5, -0.45), (0.85, -0.45), (0.85, 0.45), (0.5, 0.45)],
            ],
            Self::Knife => [
                &[(-1.0, -0.14), (-0.25, -0.14), (-0.25, 0.14), (-1.0, 0.14)],
                &[(-0.25, -0.2), (0.6, -0.2), (1.0, 0.12), (-0.25, 0.12)],
            ],
            Self::Mug => [
                &[
                    (0.3, -0.4),
                    (0.85, -0.4),
                    (0.85, 0.4),
                    (0.3, 0.4),
                    (0.3, 0.2),
                    (0.65, 0.2),
                    (0.65, -0.2),
                    (0.3, -0.2),
                ],
                &[(-0.75, -0.65), (0.3, -0.65), (0.3, 0.65), (-0.75, 0.65)],
            ],
            Self::Pan => [
                &[(-1.0, -0.1), (-0.02, -0.1), (-0.02, 0.1), (-1.0, 0.1)],
                &[
                    (-0.05, -0.22),
                    (0.24, -0.52),
                    (0.68, -0.52),
                    (0.97, -0.22),
                    (0.97, 0.22),
                    (0.68, 0.52),
                    (0.24, 0.52),
                    (-0.05, 0.22),
                ],
            ],
            Self::Screwdriver => [
                &[(-1.0, -0.2), (-0.2, -0.2), (-0.1, -0.1), (-0.1, 0.1), (-0.2, 0.2), (-1.0, 0.2)],
                &[(-0.1, -0.06), (0.8, -0.06), (1.0, -0.13), (1.0, 0.13), (0.8, 0.06), (-0.1, 0.06)],
            ],
            Self::Spoon => [
                &[(-1.0, -0.08), (0.36, -0.08), (0.36, 0.08), (-1.0, 0.08)],
                &[
                    (0.34, -0.12),
                    (0.5, -0.28),
                    (0.8, -0.28),
                    (1.0, -0.12),
                    (1.0, 0.12),
                    (0.8, 0.28),
                    (0.5, 0.28),
                    (0.34, 0.12),
                ],
            ],
            Self::Brush => [
                &[(-1.0, -0.09), (0.2, -0.09), (0.2, 0.09), (-1.0, 0.09)],
                &[(0.2, -0.25), (0.45, -0.25), (1.0, -0.38), (1.0, 0.38), (0.45, 0.25), (0.2, 0.25)],
            ],
            Self::Kettle => [
                &[
                    (-0.45, -0.2),
                    (-0.45, -0.75),
                    (0.45, -0.75),
                    (0.45, -0.2),
                    (0.28, -0.2),
                    (0.28, -0.56),
                    (-0.28, -0.56),
                    (-0.28, -0.2),
                ],
                &[(-0.65, 0.75), (-0.5, -0.2), (0.5, -0.2), (0.9, -0.1), (0.62, 0.25), (0.65, 0.75)],
            ],
        }
    }

    fn parts(self) -> [&'static str; 2] {
        let other = match self {
            Self::Hammer => "head",
            Self::Knife => "blade",
            Self::Mug => "cup",
            Self::Pan => "pan",
            Self::Screwdriver => "shaft",
            Self::Spoon => "bowl",
            Self::Brush => "bristles",
            Self::Kettle => "body",
        };
        ["handle", other]
    }

    fn purpose(self) -> &'static str {
        match self {
            Self::Hammer => "drive a nail",
            Self::Knife => "cut bread",
            Self::Mug => "drink hot tea",
            Self::Pan => "lift it off the stove",
            Self::Screwdriver => "turn a screw",
            Self::Spoon => "stir soup",
            Self::Brush => "paint a wall",
            Self::Kettle => "pour boiling water",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tool {
    kind: Kind,
    color: usize,
    x: i32,
    y: i32,
    /// Pixels from end to end.
    size: i32,
    /// Steps of 15 degrees.
    turn: usize,
}

/// A box in whole pixels: left, top, right, bottom.
type Corners = [i32; 4];

impl Tool {
    fn name(&self) -> String {
        format!("{}{:?}", PALETTE[self.color].0, self.kind)
    }

    fn words(&self) -> String {
        format!("{} {:?}", PALETTE[self.color].0, self.kind).to_lowercase()
    }

    fn outline(&self, part: usize) -> Vec<(f32, f32)> {
        let (sine, cosine) = kit::turned(self.turn);
        let half = self.size as f32 / 2.0;
        let turn = |&(x, y): &(f32, f32)| {
            (self.x as f32 + half * (x * cosine - y * sine), self.y as f32 + half * (x * sine + y * cosine))
        };
        self.kind.outlines()[part].iter().map(turn).collect()
    }

    /// The box of a part, rounded outwards.
    fn corners(&self, part: usize) -> Corners {
        let points = self.outline(part);
        let least = |f: fn(&(f32, f32)) -> f32| points.iter().map(f).fold(f32::MAX, f32::min).floor() as i32;
        let most = |f: fn(&(f32, f32)) -> f32| points.iter().map(f).fold(f32::MIN, f32::max).ceil() as i32;
        [least(|p| p.0), least(|p| p.1), most(|p| p.0), most(|p| p.1)]
    }

    fn extent(&self) -> Corners {
        hull(self.corners(0), self.corners(1))
    }
}

fn hull(a: Corners, b: Corners) -> Corners {
    [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]
}

fn area(b: Corners) -> f32 {
    ((b[2] - b[0]).max(0) * (b[3] - b[1]).max(0)) as f32
}

fn shared(a: Corners, b: Corners) -> f32 {
    area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])])
}

/// Generalised intersection over union, in -1..=1; -1 when a box has no area.
fn giou(a: Corners, b: Corners) -> f32 {
    if area(a) <= 0.0 || area(b) <= 0.0 {
        return -1.0;
    }
    let (inner, outer) = (shared(a, b), area(hull(a, b)));
    let union = area(a) + area(b) - inner;
    inner / union - (outer - union) / outer
}

fn middle(b: Corners) -> (i32, i32) {
    ((b[0] + b[2]) / 2, (b[1] + b[3]) / 2)
}

type Point = (f32, f32);

fn distance(a: Point, b: Point) -> f32 {
    ((a.0 - b.0) * (a.0 - b.0) + (a.1 - b.1) * (a.1 - b.1)).sqrt()
}

/// Nine points at equal distances along a path.
fn resampled(path: &[(i32, i32)]) -> [Point; SAMPLES] {
    let points: Vec<Point> = path.iter().map(|(x, y)| (*x as f32, *y as f32)).collect();
    let total: f32 = points.windows(2).map(|p| distance(p[0], p[1])).sum();
    let mut out = [points.first().copied().unwrap_or((0.0, 0.0)); SAMPLES];
    for (i, slot) in out.iter_mut().enumerate().skip(1) {
        let mut left = total * i as f32 / (SAMPLES - 1) as f32;
        *slot = points.last().copied().unwrap_or(*slot);
        for pair in points.windows(2) {
            let length = distance(pair[0], pair[1]);
            if left <= length && length > 0.0 {
                let share = left / length;
                *slot = (
                    pair[0].0 + share * (pair[1].0 - pair[0].0),
                    pair[0].1 + share * (pair[1].1 - pair[0].1),
                );
                break;
            }
            left -= length;
        }
    }
    out
}

/// The step that leaves a point, at the end the one that leads to it.
fn stride(path: &[Point; SAMPLES], i: usize) -> Point {
    let i = i.min(SAMPLES - 2);
    (path[i + 1].0 - path[i].0, path[i + 1].1 - path[i].1)
}

/// Distance, direction and length of step at a point of each path.
fn unlike(a: &[Point; SAMPLES], i: usize, b: &[Point; SAMPLES], j: usize, side: f32) -> f32 {
    let (u, v) = (stride(a, i), stride(b, j));
    let (lu, lv) = (distance((0.0, 0.0), u), distance((0.0, 0.0), v));
    let (bend, ratio) = if lu > 0.0 && lv > 0.0 {
        let cosine = ((u.0 * v.0 + u.1 * v.1) / (lu * lv)).clamp(-1.0, 1.0);
        ((1.0 - cosine) / 2.0, 1.0 - lu.min(lv) / lu.max(lv))
    } else {
        (1.0, 1.0)
    };
    distance(a[i], b[j]) / side + 0.25 * bend + 0.1 * ratio
}

/// The discrete Fréchet distance: the least, over all ways to walk both paths forwards, of the largest
/// cost on the way.
fn frechet(a: &[Point; SAMPLES], b: &[Point; SAMPLES], side: f32) -> f32 {
    let mut least = [[0.0f32; SAMPLES]; SAMPLES];
    for i in 0..SAMPLES {
        for j in 0..SAMPLES {
            let before = match (i, j) {
                (0, 0) => 0.0,
                (0, _) => least[0][j - 1],
                (_, 0) => least[i - 1][0],
                _ => least[i - 1][j].min(least[i][j - 1]).min(least[i - 1][j - 1]),
            };
            least[i][j] = before.max(unlike(a, i, b, j, side));
        }
    }
    least[SAMPLES - 1][SAMPLES - 1]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ask {
    /// A part by its name: 0 is the handle.
    Part(usize),
    /// To use the tool: the handle.
    Use,
    /// To pass it on, handle first: the other part.
    Pass,
}

impl Ask {
    fn part(self) -> usize {
        match self {
            Self::Part(part) => part,
            Self::Use => 0,
            Self::Pass => 1,
        }
    }
}

/// An answer in pixels of the picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Hold {
    /// The box of the part.
    Box([i32; 4]),
    /// The path of the gripper.
    Path(Vec<(i32, i32)>),
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Box([x1, y1, x2, y2]) => write!(f, "[{x1}, {y1}, {x2}, {y2}]"),
            Self::Path(points) => {
                let points: Vec<String> = points.iter().map(|(x, y)| format!("[{x}, {y}]")).collect();
                write!(f, "[{}]", points.join(", "))
            }
        }
    }
}

/// The state of an affordance task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State")]
pub struct Affordance(State);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    canvas_px: i32,
    tools: Vec<Tool>,
    target: usize,
    ask: Ask,
    /// Where the gripper starts and where the plate is, when a path is asked for.
    marks: Option<[(i32, i32); 2]>,
    theme: Theme,
    /// Where the sampled answers of [`Env::legal_actions`] come from.
    samples: Seed,
    outcome: Option<Outcome>,
}

impl TryFrom<State> for Affordance {
    type Error = String;

    fn try_from(raw: State) -> Result<Self, String> {
        let side = raw.canvas_px;
        if !(112..=448).contains(&side) {
            return Err(format!("a picture of {side} px"));
        }
        let inside = |x: i32, y: i32| (0..=side).contains(&x) && (0..=side).contains(&y);
        let sound = |t: &Tool| {
            inside(t.x, t.y) && (8..=96).contains(&t.size) && t.turn < kit::CIRCLE && t.color < PALETTE.len()
        };
        let fits = |b: Corners| inside(b[0], b[1]) && inside(b[2], b[3]);
        if raw.tools.len() > 5 || !raw.tools.iter().all(|t| sound(t) && fits(t.extent())) {
            return Err("a tool is outside the picture".into());
        }
        if raw.target >= raw.tools.len() || matches!(raw.ask, Ask::Part(part) if part > 1) {
            return Err("no such tool or part".into());
        }
        if raw.marks.is_some_and(|marks| marks.iter().any(|(x, y)| !inside(*x, *y))) {
            return Err("a mark is outside the picture".into());
        }
        Ok(Self(raw))
    }
}

impl Affordance {
    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    fn target(&self) -> &Tool {
        &self.0.tools[self.0.target]
    }

    fn truth(&self) -> Hold {
        let part = self.target().corners(self.0.ask.part());
        match self.0.marks {
            None => Hold::Box(part),
            Some([gripper, plate]) => Hold::Path(vec![gripper, middle(part), plate]),
        }
    }

    fn score(&self, answer: &Hold) -> f32 {
        match (answer, self.truth()) {
            (Hold::Box(a), Hold::Box(b)) => (giou(*a, b) + 1.0) / 2.0,
            (Hold::Path(a), Hold::Path(b)) => {
                let cost = frechet(&resampled(a), &resampled(&b), self.0.canvas_px as f32);
                (1.0 - 2.0 * cost).max(0.0)
            }
            _ => 0.0,
        }
    }

    fn sample(&self, rng: &mut Rng) -> Hold {
        let side = self.0.canvas_px;
        let mut point = || (rng.below(side as usize + 1) as i32, rng.below(side as usize + 1) as i32);
        if self.0.marks.is_some() {
            return Hold::Path((0..3).map(|_| point()).collect());
        }
        // Boxes as large as parts are.
        let (w, h) = (6 + rng.below(40) as i32, 6 + rng.below(40) as i32);
        let x = rng.below((side - w) as usize + 1) as i32;
        let y = rng.below((side - h) as usize + 1) as i32;
        Hold::Box([x, y, x + w, y + h])
    }

    fn draw_tool(&self, canvas: &mut Canvas, tool: &Tool) {
        let paint = self.0.theme.paint(tool.color);
        let edge = shade(paint, 110);
        for (part, color) in [(1, shade(paint, -70)), (0, paint)] {
            let outline = tool.outline(part);
            canvas.fill_polygon(&outline, color);
            let mut closed = outline.clone();
            closed.extend(outline.first());
            canvas.polyline(&closed, 1.0, edge);
        }
    }
}

impl Env for Affordance {
    type Action = Hold;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("tools", 0).rng();
        let canvas_px = knobs.int("canvas_px") as i32;
        let path = knobs.choice("answer") == "path";
        // Smaller and smaller tools until all find room.
        let mut size = knobs.int("tool_px") as i32;
        let (tools, marks) = loop {
            let tries = (0..TRIES).find_map(|_| lay_out(&mut rng, canvas_px, size, path, knobs));
            if let Some(found) = tries {
                break found;
            }
            size -= 4;
            if size < 16 {
                let detail = "the tools do not fit into the picture".to_string();
                return Err(KnobError::Conflict { env: SPEC.id.into(), detail });
            }
        };
        let ask = match knobs.choice("ask") {
            "part" => Ask::Part(rng.below(2)),
            "pass" => Ask::Pass,
            "mixed" => [Ask::Use, Ask::Pass][rng.below(2)],
            _ => Ask::Use,
        };
        Ok(Self(State {
            canvas_px,
            target: rng.below(tools.len()),
            tools,
            ask,
            marks: path.then_some(marks),
            theme: Theme::named(knobs.choice("theme")),
            samples: seed.split("samples", 0),
            outcome: None,
        }))
    }

    fn rules(&self) -> String {
        let (tool, side) = (self.target(), self.0.canvas_px);
        let name = tool.words();
        let part = match self.0.ask {
            Ask::Part(part) => format!("Hold the {} of the {name}.", tool.kind.parts()[part]),
            Ask::Use => format!("Hold the {name} by the right part to {}.", tool.kind.purpose()),
            Ask::Pass => format!("Hold the {name} so that another hand can take its handle."),
        };
        let what = match self.0.marks {
            None => "Give the box of that part",
            Some(_) => "Give the path from the ring to the middle of that part and on to the plate",
        };
        format!("{part} {what} in pixels; the picture is {side} by {side}.")
    }

    fn render(&self) -> Image {
        let (side, theme) = (self.0.canvas_px as u32, self.0.theme);
        let mut canvas = Canvas::new(side, side, theme.top());
        if let Some([gripper, plate]) = self.0.marks {
            let (x, y, r) = (plate.0 as f32, plate.1 as f32, MARK as f32);
            canvas.fill_circle(x, y, r, theme.ink());
            canvas.fill_circle(x, y, r * 0.7, theme.wall());
            canvas.ring(gripper.0 as f32, gripper.1 as f32, r * 0.8, 2.0, theme.ink());
        }
        self.0.tools.iter().for_each(|tool| self.draw_tool(&mut canvas, tool));
        canvas.into_image()
    }

    /// Reads the kind of answer that is asked for only.
    fn parse(&self, answer: &str) -> Result<Hold, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let outside = |detail: String| Err(ParseError::range(answer, detail));
        let side = self.0.canvas_px;
        if self.0.marks.is_some() {
            let points = read_path(answer).ok_or_else(wrong)?;
            if points.iter().any(|(x, y)| *x.max(y) > side) {
                return outside(format!("the picture is {side} by {side}"));
            }
            return Ok(Hold::Path(points));
        }
        let corners: Corners = kit::tuple(answer, '[', ']').ok_or_else(wrong)?;
        if corners.iter().any(|v| *v > side) {
            return outside(format!("the picture is {side} by {side}"));
        }
        if corners[0] >= corners[2] || corners[1] >= corners[3] {
            return outside("x1 < x2 and y1 < y2 are wanted".into());
        }
        Ok(Hold::Box(corners))
    }

    /// The outcome is a success from an overlap of 0.5 on, or a path at least half right.
    fn step(&mut self, action: &Hold) -> Step {
        if self.0.outcome.is_some() {
            return self.report(0.0, false);
        }
        let score = self.score(action);
        let good = match (action, self.truth()) {
            (Hold::Box(a), Hold::Box(b)) => {
                let inner = shared(*a, b);
                2.0 * inner >= area(*a) + area(b) - inner
            }
            _ => score >= 0.5,
        };
        self.0.outcome = Some(if good { Outcome::Success } else { Outcome::Failure });
        self.report(score, true)
    }

    fn pass(&mut self) -> Step {
        self.0.outcome = self.0.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, false)
    }

    fn oracle(&self) -> Hold {
        self.truth()
    }

    /// The tool, what is to be done with it, the part that follows, and where that is.
    fn reason(&self, _action: &Hold) -> String {
        let tool = self.target();
        let ([handle, other], part) = (tool.kind.parts(), self.0.ask.part());
        let why = match self.0.ask {
            Ask::Part(_) => "by name",
            Ask::Use => "to use it",
            Ask::Pass => "handle stays free",
        };
        let [x1, y1, x2, y2] = tool.corners(part);
        let text = format!("{} has {handle} and {other} {why} so {}", tool.name(), tool.kind.parts()[part]);
        match self.0.marks {
            None => format!("{text} from {x1} {y1} to {x2} {y2}"),
            Some([(gx, gy), (px, py)]) => {
                let (x, y) = middle([x1, y1, x2, y2]);
                format!("{text} from {gx} {gy} over {x} {y} to {px} {py}")
            }
        }
    }

    /// One line a tool: its name, then each part with the pixel of its middle; then the ring and the
    /// plate, where they are drawn.
    fn perception(&self) -> Perception {
        let line = |tool: &Tool| {
            let parts = (0..2).map(|part| {
                let (x, y) = middle(tool.corners(part));
                format!(" {} {x} {y}", tool.kind.parts()[part])
            });
            tool.name() + &parts.collect::<String>()
        };
        let mut lines: Vec<String> = self.0.tools.iter().map(line).collect();
        if let Some([(gx, gy), (px, py)]) = self.0.marks {
            lines.push(format!("ring {gx} {gy} plate {px} {py}"));
        }
        let tools: Vec<_> = self
            .0
            .tools
            .iter()
            .map(|t| json!({ "tool": t.name(), "handle": t.corners(0), "other": t.corners(1), "turn": 15 * t.turn }))
            .collect();
        Perception { text: lines.join("\n"), data: json!({ "tools": tools, "marks": self.0.marks }) }
    }

    /// Random boxes of the size of parts, or random paths; always the same for one state.
    fn legal_actions(&self) -> Vec<Hold> {
        if self.0.outcome.is_some() {
            return Vec::new();
        }
        let mut rng = self.0.samples.rng();
        (0..SAMPLED).map(|_| self.sample(&mut rng)).collect()
    }

    fn guess(&self, rng: &mut Rng) -> Option<Hold> {
        self.0.outcome.is_none().then(|| self.sample(rng))
    }

    fn status(&self) -> Status {
        self.0.outcome.map_or(Status::Running, Status::Done)
    }
}

/// Reads `[[x, y], [x, y], ...]`: two points or more.
fn read_path(answer: &str) -> Option<Vec<(i32, i32)>> {
    let mut rest = answer.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut points = Vec::new();
    loop {
        let (point, after) = rest.split_at_checked(rest.find(']')? + 1)?;
        let [x, y] = kit::tuple(point, '[', ']')?;
        points.push((x, y));
        if points.len() > MOST_POINTS {
            return None;
        }
        rest = after.trim();
        if rest.is_empty() {
            return (points.len() >= 2).then_some(points);
        }
        rest = rest.strip_prefix(',')?.trim();
    }
}

/// Tools, and the centres of the gripper and the plate.
type LaidOut = (Vec<Tool>, [(i32, i32); 2]);

/// Tools at free places, and free places for the gripper and the plate; `None` when something found none.
fn lay_out(rng: &mut Rng, side: i32, size: i32, path: bool, knobs: &Knobs) -> Option<LaidOut> {
    const GAP: i32 = 3;
    let mut colors: Vec<usize> = (0..PALETTE.len()).collect();
    let mut kinds = Kind::ALL;
    rng.shuffle(&mut colors);
    rng.shuffle(&mut kinds);
    let mut taken: Vec<Corners> = Vec::new();
    let apart = |b: Corners, taken: &[Corners]| {
        let wide = [b[0] - GAP, b[1] - GAP, b[2] + GAP, b[3] + GAP];
        b[0] >= 1 && b[1] >= 1 && b[2] < side && b[3] < side && taken.iter().all(|t| shared(wide, *t) == 0.0)
    };
    let mut marks = [(0, 0); 2];
    if path {
        for mark in &mut marks {
            let around = |(x, y): (i32, i32)| [x - MARK, y - MARK, x + MARK, y + MARK];
            let mut spots =
                (0..30).map(|_| (rng.below(side as usize) as i32, rng.below(side as usize) as i32));
            *mark = spots.find(|spot| apart(around(*spot), &taken))?;
            taken.push(around(*mark));
        }
    }
    let mut tools = Vec::new();
    for (i, color) in colors.into_iter().take(knobs.size("tools")).enumerate() {
        let kind = if knobs.flag("alike") { kinds[0] } else { kinds[i] };
        let turn = match knobs.choice("turned") {
            "level" => 12 * rng.below(2),
            "any" => rng.below(kit::CIRCLE),
            _ => 6 * rng.below(4),
        };
        // A kettle and a mug stand upright where things lie level.
        let turn = if knobs.choice("turned") == "level" && kind == Kind::Kettle { 0 } else { turn };
        let size = size - rng.below(size as usize / 6 + 1) as i32;
        let mut spots = (0..30).map(|_| {
            let (x, y) = (rng.below(side as usize) as i32, rng.below(side as usize) as i32);
            Tool { kind, color, x, y, size, turn }
        });
        let tool = spots.find(|tool| apart(tool.extent(), &taken))?;
        taken.push(tool.extent());
        tools.push(tool);
    }
    Some((tools, marks))
}

#[cfg(test)]
mod tests;
