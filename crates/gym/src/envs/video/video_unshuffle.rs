//! Video unshuffle: the frames of a clip in the wrong order; say in which order they were taken.
//!
//! Every moving thing has an arrow of time that the rules state (a car drives forwards, a candle burns
//! down), so one order only is right. With several things each frame advances one of them at least:
//! the order is that of the sum of their phases, and no single thing shows all of it.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{BLUE, Canvas, RED, Rgb, YELLOW};
use crate::envs::kit;
use crate::{
    Axis, Direction, Env, EnvGroup, EnvSpec, Frame, KnobError, KnobSpec, Knobs, ParseError, Perception,
    Status, Step,
};

const GRAMMAR: &str = "the frame numbers in order of time, each once, with blanks between them: 3 1 2";

const SPEC: EnvSpec = EnvSpec {
    id: "video-unshuffle",
    group: EnvGroup::Video,
    title: "Video unshuffle",
    summary: "The frames of a clip in the wrong order: give the order in which they were taken.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "1 for the exact order, 0 otherwise",
    pixel_answers: false,
    players: 1,
    source: "VisGym video_unshuffle; ENACT",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("frames", Axis::Reasoning, 3, 8, 4, "frames in the clip").dialled(3.0, 8.0),
    KnobSpec::int("movers", Axis::Reasoning, 1, 3, 1, "things that move, in bands one below the other")
        .dialled(1.0, 3.0),
    KnobSpec::int(
        "step",
        Axis::Perception,
        1,
        7,
        6,
        "how far a thing moves from frame to frame, in 23rds of its whole way; less where there is no room",
    )
    .dialled(7.0, 2.0),
    KnobSpec::flag("uneven", Axis::Perception, false, "things move faster and slower").dialled(0.0, 1.0),
    KnobSpec::choice(
        "motion",
        Axis::Reasoning,
        &["mixed", "car", "candle", "clock", "glass"],
        "mixed",
        "what moves",
    ),
    KnobSpec::int("clutter", Axis::Perception, 0, 12, 0, "dots that lie elsewhere in every frame")
        .dialled(0.0, 6.0),
    KnobSpec::flag("numbers", Axis::Perception, true, "print its number on every frame"),
    KnobSpec::int("frame_px", Axis::Perception, 28, 140, 56, "pixels along a frame's width"),
    KnobSpec::choice("theme", Axis::Perception, &["day", "dusk"], "day", "colours; dusk has little contrast"),
];

/// The last phase of a motion. A clock's hand stops short of where it began.
const LAST: u8 = 23;

/// Orders listed or sampled by [`Env::legal_actions`].
const SAMPLED: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Day,
    Dusk,
}

/// The colours of a theme.
struct Colors {
    ground: Rgb,
    edge: Rgb,
    body: Rgb,
    mark: Rgb,
    light: Rgb,
    clutter: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Day => Colors {
                ground: [240, 240, 236],
                edge: [120, 120, 128],
                body: BLUE,
                mark: RED,
                light: YELLOW,
                clutter: [150, 170, 150],
            },
            Self::Dusk => Colors {
                ground: [70, 74, 86],
                edge: [50, 52, 60],
                body: [94, 98, 124],
                mark: [128, 92, 92],
                light: [126, 122, 90],
                clutter: [84, 88, 92],
            },
        }
    }
}

/// Something whose state tells the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mover {
    /// Drives the way its windscreen points.
    Car(Direction),
    /// Burns down.
    Candle,
    /// Its hand turns clockwise, from the top.
    Clock,
    /// Fills.
    Glass,
}

impl Mover {
    fn word(self) -> String {
        match self {
            Self::Car(direction) => format!("car-{direction}"),
            Self::Candle => "candle".into(),
            Self::Clock => "clock".into(),
            Self::Glass => "glass".into(),
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Car(_) => "A car drives the way its windscreen points.",
            Self::Candle => "A candle burns down.",
            Self::Clock => "A hand turns clockwise from the top.",
            Self::Glass => "A glass fills.",
        }
    }
}

/// An order of frames, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order(Vec<usize>);

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(|i| (i + 1).to_string()).collect();
        f.write_str(&numbers.join(" "))
    }
}

/// The state of a shuffled clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State")]
pub struct VideoUnshuffle(State);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    movers: Vec<Mover>,
    /// Frames as they are shown, each with the phases of all movers.
    shown: Vec<Vec<u8>>,
    frame_px: u32,
    numbers: bool,
    theme: Theme,
    clutter: usize,
    /// Of the clutter and of the sampled orders.
    seed: Seed,
    outcome: Option<Outcome>,
}

impl TryFrom<State> for VideoUnshuffle {
    type Error = String;

    fn try_from(raw: State) -> Result<Self, String> {
        let (movers, frames) = (raw.movers.len(), raw.shown.len());
        if !(1..=3).contains(&movers) || !(3..=8).contains(&frames) {
            return Err(format!("{frames} frames of {movers} things"));
        }
        let whole = |phases: &Vec<u8>| phases.len() == movers && phases.iter().all(|p| *p <= LAST);
        if !raw.shown.iter().all(whole) {
            return Err("a frame lacks a phase, or a phase is too large".into());
        }
        if !(28..=140).contains(&raw.frame_px) || raw.clutter > 12 {
            return Err("frame_px or clutter is out of range".into());
        }
        let game = Self(raw);
        let ordered = game.truth();
        if ordered.windows(2).any(|pair| game.time(pair[0]) == game.time(pair[1])) {
            return Err("two frames are of one time".into());
        }
        Ok(game)
    }
}

impl VideoUnshuffle {
    /// A number that grows from each frame to the next one in time.
    fn time(&self, frame: usize) -> u32 {
        self.0.shown[frame].iter().map(|p| u32::from(*p)).sum()
    }

    fn truth(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.0.shown.len()).collect();
        order.sort_by_key(|frame| self.time(*frame));
        order
    }

    fn report(&self, reward: f32, score: f32, legal: bool) -> Step {
        Step { reward, score, legal, status: self.status() }
    }

    fn images(&self) -> Vec<Image> {
        (0..self.0.shown.len()).map(|frame| self.draw(frame)).collect()
    }

    fn draw(&self, frame: usize) -> Image {
        let state = &self.0;
        let bands = state.movers.len() as u32;
        let (width, height) = (state.frame_px, state.frame_px.max(28 * bands));
        let colors = state.theme.colors();
        let mut canvas = Canvas::new(width, height, colors.ground);
        for (x, y, _) in kit::scatter(state.seed, frame as u64, state.clutter) {
            let at = |v: i32, side: u32| v as f32 * side as f32 / 1000.0;
            canvas.fill_circle(at(x, width), at(y, height), 2.0, colors.clutter);
        }
        let band = height as f32 / bands as f32;
        for (i, (mover, phase)) in state.movers.iter().zip(&state.shown[frame]).enumerate() {
            let area = Area { top: i as f32 * band, width: width as f32, height: band };
            area.draw(&mut canvas, *mover, f32::from(*phase) / f32::from(LAST), usize::from(*phase), &colors);
        }
        canvas.frame(0, 0, width, height, 1, colors.edge);
        if state.numbers {
            canvas.text(&(frame + 1).to_string(), 3.0, 3.0, 1.0, colors.edge);
        }
        canvas.into_image()
    }
}

/// The band of a frame that one thing has to itself.
struct Area {
    top: f32,
    width: f32,
    height: f32,
}

impl Area {
    fn draw(&self, canvas: &mut Canvas, mover: Mover, share: f32, phase: usize, colors: &Colors) {
        match mover {
            Mover::Car(direction) => self.car(canvas, direction, share, colors),
            Mover::Candle => self.candle(canvas, share, colors),
            Mover::Clock => self.clock(canvas, phase, colors),
            Mover::Glass => self.glass(canvas, share, colors),
        }
    }

    fn middle(&self) -> (f32, f32) {
        (self.width / 2.0, self.top + self.height / 2.0)
    }

    fn car(&self, canvas: &mut Canvas, direction: Direction, share: f32, colors: &Colors) {
        let (dy, dx) = direction.delta();
        let (dx, dy) = (dx as f32, dy as f32);
        let size = self.width.min(self.height) * 0.34;
        let reach = if dx == 0.0 { self.height } else { self.width } / 2.0 - size * 0.75;
        let (cx, cy) = self.middle();
        let (x, y) = (cx + dx * reach * (2.0 * share - 1.0), cy + dy * reach * (2.0 * share - 1.0));
        // From along and across the way of driving to the picture.
        let at = |along: f32, across: f32| {
            (x + size * (dx * along - dy * across), y + size * (dy * along + dx * across))
        };
        let plate =
            |from: f32, to: f32, wide: f32| [at(from, -wide), at(to, -wide), at(to, wide), at(from, wide)];
        canvas.fill_polygon(&plate(-0.65, 0.65, 0.38), colors.body);
        canvas.fill_polygon(&plate(0.1, 0.35, 0.32), colors.ground);
        canvas.fill_polygon(&plate(0.52, 0.68, 0.34), colors.light);
    }

    fn candle(&self, canvas: &mut Canvas, share: f32, colors: &Colors) {
        let (cx, _) = self.middle();
        let foot = self.top + self.height * 0.92;
        let wax = self.height * (0.68 - 0.58 * share);
        let half = self.height * 0.11;
        let top = foot - wax;
        canvas.fill_polygon(
            &[(cx - half, foot), (cx - half, top), (cx + half, top), (cx + half, foot)],
            colors.body,
        );
        canvas.fill_ellipse(cx, top - self.height * 0.09, half * 0.55, self.height * 0.09, colors.mark);
        let plate = self.height * 0.3;
        canvas.line((cx - plate, foot), (cx + plate, foot), self.height * 0.06, colors.edge);
    }

    fn clock(&self, canvas: &mut Canvas, phase: usize, colors: &Colors) {
        let (cx, cy) = self.middle();
        let radius = self.width.min(self.height) * 0.42;
        canvas.fill_circle(cx, cy, radius, colors.edge);
        canvas.fill_circle(cx, cy, radius * 0.9, colors.ground);
        let (sine, cosine) = kit::turned(phase);
        let tip = (cx + sine * radius * 0.8, cy - cosine * radius * 0.8);
        canvas.line((cx, cy), tip, radius * 0.16, colors.mark);
        canvas.fill_circle(cx, cy, radius * 0.14, colors.body);
        canvas.line((cx, cy - radius), (cx, cy - radius * 0.78), radius * 0.12, colors.body);
    }

    fn glass(&self, canvas: &mut Canvas, share: f32, colors: &Colors) {
        let (cx, _) = self.middle();
        let (top, foot) = (self.top + self.height * 0.12, self.top + self.height * 0.9);
        let (half, wall) = (self.height * 0.26, self.height * 0.045);
        let level = foot - (foot - top) * (0.04 + 0.92 * share);
        canvas.fill_polygon(
            &[(cx - half, level), (cx + half, level), (cx + half, foot), (cx - half, foot)],
            colors.body,
        );
        for x in [cx - half, cx + half] {
            canvas.line((x, top), (x, foot), wall, colors.edge);
        }
        canvas.line((cx - half, foot), (cx + half, foot), wall, colors.edge);
    }
}

impl Env for VideoUnshuffle {
    type Action = Order;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("clip", 0).rng();
        let movers = draw_movers(&mut rng, knobs.size("movers"), knobs.choice("motion"));
        let step = u8::try_from(knobs.size("step")).unwrap_or(1);
        let mut shown = film(&mut rng, movers.len(), knobs.size("frames"), step, knobs.flag("uneven"));
        rng.shuffle(&mut shown);
        Ok(Self(State {
            movers,
            shown,
            frame_px: u32::try_from(knobs.size("frame_px")).unwrap_or(56),
            numbers: knobs.flag("numbers"),
            theme: if knobs.choice("theme") == "dusk" { Theme::Dusk } else { Theme::Day },
            clutter: knobs.size("clutter"),
            seed: seed.split("clutter", 0),
            outcome: None,
        }))
    }

    fn rules(&self) -> String {
        let mut said: Vec<&str> = Vec::new();
        for rule in self.0.movers.iter().map(|m| m.rule()) {
            if !said.contains(&rule) {
                said.push(rule);
            }
        }
        format!("{} frames of a clip are in the wrong order. {}", self.0.shown.len(), said.join(" "))
    }

    fn render(&self) -> Image {
        kit::sheet(&self.images())
    }

    /// Frames without a time: when they were taken is the question.
    fn frames(&self) -> Vec<Frame> {
        self.images().into_iter().map(|image| Frame { image, seconds: None }).collect()
    }

    fn parse(&self, answer: &str) -> Result<Order, ParseError> {
        let frames = self.0.shown.len();
        let mut order = Vec::new();
        for word in answer.split_ascii_whitespace() {
            let number = kit::whole(word).ok_or_else(|| ParseError::grammar(answer, GRAMMAR))?;
            order.push(number as usize);
            if order.len() > frames {
                break;
            }
        }
        if order.is_empty() {
            return Err(ParseError::grammar(answer, GRAMMAR));
        }
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(1..=frames) {
            return Err(ParseError::range(
                answer,
                format!("each of the numbers 1 to {frames} once is wanted"),
            ));
        }
        Ok(Order(order.into_iter().map(|n| n - 1).collect()))
    }

    /// The exact order pays 1; another one half of Kendall's rank correlation, where that is positive.
    fn step(&mut self, action: &Order) -> Step {
        if self.0.outcome.is_some() {
            return self.report(0.0, 0.0, false);
        }
        let exact = action.0 == self.truth();
        self.0.outcome = Some(if exact { Outcome::Success } else { Outcome::Failure });
        if exact {
            return self.report(1.0, 1.0, true);
        }
        let times: Vec<u32> =
            action.0.iter().filter(|f| **f < self.0.shown.len()).map(|f| self.time(*f)).collect();
        self.report(kendall(&times).max(0.0) / 2.0, 0.0, true)
    }

    fn pass(&mut self) -> Step {
        self.0.outcome = self.0.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, 0.0, false)
    }

    fn oracle(&self) -> Order {
        Order(self.truth())
    }

    /// The frames in the order given, each with the phases of its things.
    fn reason(&self, action: &Order) -> String {
        let pair = |frame: &usize| {
            let phases: Vec<String> = self.0.shown[*frame].iter().map(u8::to_string).collect();
            format!("{} at {}", frame + 1, phases.join("-"))
        };
        action.0.iter().filter(|f| **f < self.0.shown.len()).map(pair).collect::<Vec<_>>().join(" ")
    }

    /// One line a frame as shown: its number, then each thing with its phase in 0..=23.
    fn perception(&self) -> Perception {
        let line = |(i, phases): (usize, &Vec<u8>)| {
            let things = self.0.movers.iter().zip(phases).map(|(m, p)| format!(" {} {p}", m.word()));
            format!("{}{}", i + 1, things.collect::<String>())
        };
        let lines: Vec<String> = self.0.shown.iter().enumerate().map(line).collect();
        let movers: Vec<String> = self.0.movers.iter().map(|m| m.word()).collect();
        Perception { text: lines.join("\n"), data: json!({ "movers": movers, "phases": self.0.shown }) }
    }

    /// Every order of up to four frames; else a sample, always the same for one state.
    fn legal_actions(&self) -> Vec<Order> {
        if self.0.outcome.is_some() {
            return Vec::new();
        }
        let frames = self.0.shown.len();
        if frames <= 4 {
            let mut orders = vec![Vec::new()];
            for _ in 0..frames {
                let longer = |o: &Vec<usize>| -> Vec<Vec<usize>> {
                    (0..frames).filter(|f| !o.contains(f)).map(|f| [o.clone(), vec![f]].concat()).collect()
                };
                orders = orders.iter().flat_map(longer).collect();
            }
            return orders.into_iter().map(Order).collect();
        }
        let mut rng = self.0.seed.split("orders", 0).rng();
        (0..SAMPLED).map(|_| random_order(&mut rng, frames)).collect()
    }

    fn guess(&self, rng: &mut Rng) -> Option<Order> {
        self.0.outcome.is_none().then(|| random_order(rng, self.0.shown.len()))
    }

    fn status(&self) -> Status {
        self.0.outcome.map_or(Status::Running, Status::Done)
    }
}

fn random_order(rng: &mut Rng, frames: usize) -> Order {
    let mut order: Vec<usize> = (0..frames).collect();
    rng.shuffle(&mut order);
    Order(order)
}

/// Kendall's rank correlation of a list of different numbers with the sorted list: 1 when it is
/// sorted, -1 when it is reversed.
fn kendall(times: &[u32]) -> f32 {
    let (mut sum, mut pairs) = (0, 0);
    for (i, a) in times.iter().enumerate() {
        for b in &times[i + 1..] {
            sum += if a < b { 1 } else { -1 };
            pairs += 1;
        }
    }
    sum as f32 / pairs.max(1) as f32
}

fn draw_movers(rng: &mut Rng, count: usize, motion: &str) -> Vec<Mover> {
    // Up and down need the height of a whole frame.
    let ways = if count == 1 { 4 } else { 2 };
    let ways = [Direction::Left, Direction::Right, Direction::Up, Direction::Down][..ways].to_vec();
    let mut kinds = vec!["car", "candle", "clock", "glass"];
    rng.shuffle(&mut kinds);
    (0..count)
        .map(|i| match if motion == "mixed" { kinds[i % kinds.len()] } else { motion } {
            "candle" => Mover::Candle,
            "clock" => Mover::Clock,
            "glass" => Mover::Glass,
            _ => Mover::Car(ways[rng.below(ways.len())]),
        })
        .collect()
}

/// The phases of all movers in every frame, in order of time. Each frame moves one of them, sometimes
/// more; every mover moves at least once where there are frames enough.
fn film(rng: &mut Rng, movers: usize, frames: usize, step: u8, uneven: bool) -> Vec<Vec<u8>> {
    let moves = frames - 1;
    // Who must move before each frame: everyone gets a turn, in random order.
    let mut leaders: Vec<usize> = (0..moves).map(|i| i % movers).collect();
    rng.shuffle(&mut leaders);
    let mut shown = vec![Vec::with_capacity(movers); frames];
    for mover in 0..movers {
        let steps: Vec<bool> = leaders.iter().map(|l| *l == mover || rng.chance(0.25)).collect();
        let count = steps.iter().filter(|s| **s).count().max(1) as u8;
        let least = step.min(LAST / count).max(1);
        let mut room = LAST - least * count;
        let mut sizes = Vec::new();
        for moves in &steps {
            let extra = if *moves && uneven { rng.below(usize::from(room.min(least)) + 1) as u8 } else { 0 };
            room -= extra;
            sizes.push(if *moves { least + extra } else { 0 });
        }
        let mut phase = rng.below(usize::from(room) + 1) as u8;
        for (frame, phases) in shown.iter_mut().enumerate() {
            phase += if frame == 0 { 0 } else { sizes[frame - 1] };
            phases.push(phase);
        }
    }
    shown
}

#[cfg(test)]
mod tests;
