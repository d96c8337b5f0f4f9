//! Shell game: a ball is put under a cup, cups change places; say where it is.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{BROWN, Canvas, PALETTE, Rgb, WHITE};
use crate::envs::kit;
use crate::{
    Axis, Env, EnvGroup, EnvSpec, Frame, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step,
};

const GRAMMAR: &str = "cup N, counted from 1 at the left";

const SPEC: EnvSpec = EnvSpec {
    id: "shell-game",
    group: EnvGroup::Video,
    title: "Shell game",
    summary: "A ball is put under a cup and cups change places: say under which cup it ends.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "1 for the right cup, 0 otherwise",
    pixel_answers: false,
    players: 1,
    source: "MASS; V-STaR",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("cups", Axis::Reasoning, 2, 7, 3, "cups on the table").dialled(3.0, 6.0),
    KnobSpec::int("swaps", Axis::Memory, 1, 12, 3, "frames in which cups change places").dialled(1.0, 9.0),
    KnobSpec::int(
        "pairs",
        Axis::Reasoning,
        1,
        3,
        1,
        "pairs that change places at once; twice as many cups are needed",
    )
    .dialled(1.0, 2.0),
    KnobSpec::int("balls", Axis::Memory, 1, 3, 1, "balls under different cups; one of them is asked for")
        .dialled(1.0, 2.0),
    KnobSpec::int("stages", Axis::Perception, 1, 3, 1, "frames of each change of places"),
    KnobSpec::choice(
        "cup_colors",
        Axis::Perception,
        &["alike", "different"],
        "alike",
        "cups all alike, or each of its own colour, so that the first and the last frame tell all",
    ),
    KnobSpec::int("tile_px", Axis::Perception, 20, 56, 28, "pixels from cup to cup"),
    KnobSpec::choice("theme", Axis::Perception, &["day", "dusk"], "day", "colours; dusk has little contrast"),
    KnobSpec::int("clutter", Axis::Perception, 0, 12, 0, "spots on the table, elsewhere in every frame")
        .dialled(0.0, 8.0),
];

/// Frames a second.
const FPS: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Day,
    Dusk,
}

/// The colours of a theme.
struct Colors {
    wall: Rgb,
    table: Rgb,
    edge: Rgb,
    cup: Rgb,
    rim: Rgb,
    spot: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Day => Colors {
                wall: [238, 240, 244],
                table: [196, 222, 196],
                edge: [110, 110, 116],
                cup: BROWN,
                rim: [60, 34, 16],
                spot: [150, 190, 150],
            },
            Self::Dusk => Colors {
                wall: [70, 72, 80],
                table: [78, 84, 80],
                edge: [52, 54, 60],
                cup: [96, 88, 82],
                rim: [62, 58, 56],
                spot: [88, 94, 90],
            },
        }
    }
}

/// An answer: a place, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cup(usize);

impl fmt::Display for Cup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cup {}", self.0 + 1)
    }
}

/// Two places whose cups change, the left one first.
type Pair = (usize, usize);

/// The state of a shell game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State")]
pub struct ShellGame(State);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    cups: usize,
    /// Where each ball starts.
    balls: Vec<usize>,
    /// The colour of each ball.
    colors: Vec<usize>,
    asked: usize,
    /// What changes places, one after the other; the pairs of one entry at once.
    swaps: Vec<Vec<Pair>>,
    stages: usize,
    tile_px: u32,
    different: bool,
    theme: Theme,
    clutter: usize,
    /// Of the spots on the table.
    seed: Seed,
    outcome: Option<Outcome>,
}

impl TryFrom<State> for ShellGame {
    type Error = String;

    fn try_from(raw: State) -> Result<Self, String> {
        if !(2..=7).contains(&raw.cups) || !(1..=12).contains(&raw.swaps.len()) {
            return Err(format!("{} cups, {} swaps", raw.cups, raw.swaps.len()));
        }
        if !(1..=3).contains(&raw.balls.len()) || raw.asked >= raw.balls.len() || !distinct(&raw.balls) {
            return Err("no such ball, or two balls under one cup".into());
        }
        if raw.colors.len() != raw.balls.len()
            || raw.colors.iter().any(|c| *c >= PALETTE.len())
            || !distinct(&raw.colors)
        {
            return Err("a ball has no colour of its own".into());
        }
        let ends = |swap: &Vec<Pair>| -> Vec<usize> { swap.iter().flat_map(|(a, b)| [*a, *b]).collect() };
        let sound = |swap: &Vec<Pair>| {
            let ends = ends(swap);
            !ends.is_empty() && ends.iter().all(|cup| *cup < raw.cups) && distinct(&ends)
        };
        if raw.balls.iter().any(|cup| *cup >= raw.cups) || !raw.swaps.iter().all(sound) {
            return Err("a ball or a swap is at no cup".into());
        }
        if !(1..=3).contains(&raw.stages) || !(20..=56).contains(&raw.tile_px) || raw.clutter > 12 {
            return Err("stages, tile_px or clutter is out of range".into());
        }
        Ok(Self(raw))
    }
}

fn distinct(items: &[usize]) -> bool {
    items.iter().enumerate().all(|(i, a)| !items[..i].contains(a))
}

/// Where what was at `place` is after a swap.
fn moved(place: usize, swap: &[Pair]) -> usize {
    for &(a, b) in swap {
        if place == a {
            return b;
        }
        if place == b {
            return a;
        }
    }
    place
}

/// One frame of the clip.
enum Scene<'a> {
    /// Cups lifted, the balls below them.
    Open,
    /// A swap on its way: stage `.1` of all of them.
    Swap(&'a [Pair], usize),
    /// All cups in their places.
    Still,
}

impl ShellGame {
    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    /// Where the ball that is asked for is, at the start and after every swap.
    fn track(&self) -> Vec<usize> {
        let mut place = self.0.balls[self.0.asked];
        let mut track = vec![place];
        for swap in &self.0.swaps {
            place = moved(place, swap);
            track.push(place);
        }
        track
    }

    fn truth(&self) -> Cup {
        Cup(self.track().last().copied().unwrap_or(0))
    }

    fn ball_name(&self) -> String {
        PALETTE[self.0.colors[self.0.asked]].0.to_lowercase()
    }

    fn images(&self) -> Vec<Image> {
        let mut cups: Vec<usize> = (0..self.0.cups).collect();
        let mut images = vec![self.draw(0, &Scene::Open, &cups)];
        for swap in &self.0.swaps {
            for stage in 0..self.0.stages {
                images.push(self.draw(images.len(), &Scene::Swap(swap, stage), &cups));
            }
            swap.iter().for_each(|&(a, b)| cups.swap(a, b));
        }
        images.push(self.draw(images.len(), &Scene::Still, &cups));
        images
    }

    /// Draws a frame; `cups` says which cup is at each place.
    fn draw(&self, frame: usize, scene: &Scene<'_>, cups: &[usize]) -> Image {
        let (tile, state) = (self.0.tile_px as f32, &self.0);
        let (width, height) = (state.tile_px * state.cups as u32, state.tile_px * 2);
        let colors = state.theme.colors();
        let mut canvas = Canvas::new(width, height, colors.wall);
        let table = (height as f32 * 0.36) as i32;
        canvas.fill_rect(0, table, width, height, colors.table);
        for (x, y, _) in kit::scatter(state.seed, frame as u64, state.clutter) {
            let y = table as f32 + y as f32 / 1000.0 * (height as f32 - table as f32);
            canvas.fill_ellipse(x as f32 / 1000.0 * width as f32, y, 0.14 * tile, 0.09 * tile, colors.spot);
        }
        if matches!(scene, Scene::Open) {
            for (i, place) in state.balls.iter().enumerate() {
                let at = ((*place as f32 + 0.5) * tile, 1.62 * tile);
                canvas.fill_circle(at.0, at.1, 0.22 * tile, colors.edge);
                canvas.fill_circle(at.0, at.1, 0.18 * tile, PALETTE[state.colors[i]].1);
            }
        }
        // Cups farther back first, so that those in front cover them.
        let mut places: Vec<(f32, f32, usize)> = (0..state.cups)
            .map(|place| {
                let (x, y) = self.position(place, scene);
                (y, x, cups[place])
            })
            .collect();
        places.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (y, x, cup) in places {
            let color = if state.different { PALETTE[cup % PALETTE.len()].1 } else { colors.cup };
            draw_cup(&mut canvas, x * tile, y * tile, tile, color, colors.rim);
        }
        canvas.frame(0, 0, width, height, 1, colors.edge);
        canvas.into_image()
    }

    /// Middle of the foot of the cup from `place`, in tiles. In a swap the cup from the left passes in
    /// front and the other one behind.
    fn position(&self, place: usize, scene: &Scene<'_>) -> (f32, f32) {
        let home = place as f32 + 0.5;
        let (swap, stage) = match scene {
            Scene::Open if self.0.balls.contains(&place) => return (home, 1.18),
            Scene::Swap(swap, stage) => (swap, *stage),
            _ => return (home, 1.6),
        };
        let share = (stage as f32 + 1.0) / (self.0.stages as f32 + 2.0);
        for &(a, b) in swap.iter() {
            let way = (b as f32 - a as f32) * share;
            if place == a {
                return (home + way, 1.86);
            }
            if place == b {
                return (home - way, 1.34);
            }
        }
        (home, 1.6)
    }
}

/// A cup upside down, its foot at (`x`, `y`).
fn draw_cup(canvas: &mut Canvas, x: f32, y: f32, tile: f32, color: Rgb, rim: Rgb) {
    let outline = |grow: f32| {
        let (wide, narrow, high) = (0.4 * tile + grow, 0.27 * tile + grow, 0.78 * tile + grow);
        [(x - wide, y + grow), (x - narrow, y - high), (x + narrow, y - high), (x + wide, y + grow)]
    };
    canvas.fill_polygon(&outline(0.0), rim);
    canvas.fill_polygon(&outline(-0.05 * tile), color);
    canvas.line((x - 0.38 * tile, y - 0.1 * tile), (x + 0.38 * tile, y - 0.1 * tile), 0.06 * tile, rim);
    canvas.fill_ellipse(x - 0.1 * tile, y - 0.48 * tile, 0.04 * tile, 0.14 * tile, WHITE);
}

impl Env for ShellGame {
    type Action = Cup;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("game", 0).rng();
        let cups = knobs.size("cups");
        let mut balls: Vec<usize> = (0..cups).collect();
        rng.shuffle(&mut balls);
        balls.truncate(knobs.size("balls"));
        let asked = rng.below(balls.len());
        let mut colors: Vec<usize> = (0..PALETTE.len()).collect();
        rng.shuffle(&mut colors);
        colors.truncate(balls.len());
        let pairs = knobs.size("pairs");
        if 2 * pairs > cups {
            let detail = format!("pairs = {pairs} at once need {} cups", 2 * pairs);
            return Err(KnobError::Conflict { env: SPEC.id.into(), detail });
        }
        let swaps = (0..knobs.size("swaps")).map(|_| draw_swap(&mut rng, cups, pairs)).collect();
        Ok(Self(State {
            cups,
            balls,
            colors,
            asked,
            swaps,
            stages: knobs.size("stages"),
            tile_px: u32::try_from(knobs.size("tile_px")).unwrap_or(28),
            different: knobs.choice("cup_colors") == "different",
            theme: if knobs.choice("theme") == "dusk" { Theme::Dusk } else { Theme::Day },
            clutter: knobs.size("clutter"),
            seed: seed.split("spots", 0),
            outcome: None,
        }))
    }

    fn rules(&self) -> String {
        let swaps = self.0.swaps.len();
        let frames = match self.0.stages {
            1 => "one frame each".to_string(),
            n => format!("{n} frames each"),
        };
        format!(
            "First the balls are shown; then cups change places {swaps} times, {frames}. Which cup hides the {} ball in the end?",
            self.ball_name()
        )
    }

    fn render(&self) -> Image {
        kit::sheet(&self.images())
    }

    fn frames(&self) -> Vec<Frame> {
        kit::clip(self.images(), FPS)
    }

    fn parse(&self, answer: &str) -> Result<Cup, ParseError> {
        let text = answer.trim().to_ascii_lowercase();
        let number = text.strip_prefix("cup ").and_then(kit::whole);
        let number = number.ok_or_else(|| ParseError::grammar(answer, GRAMMAR))? as usize;
        if (1..=self.0.cups).contains(&number) {
            Ok(Cup(number - 1))
        } else {
            Err(ParseError::range(answer, format!("there are {} cups", self.0.cups)))
        }
    }

    fn step(&mut self, action: &Cup) -> Step {
        if self.0.outcome.is_some() {
            return self.report(0.0, false);
        }
        let right = *action == self.truth();
        self.0.outcome = Some(if right { Outcome::Success } else { Outcome::Failure });
        self.report(f32::from(u8::from(right)), true)
    }

    fn pass(&mut self) -> Step {
        self.0.outcome = self.0.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, false)
    }

    fn oracle(&self) -> Cup {
        self.truth()
    }

    /// The cup over the ball at the start; then every swap that moves it with the cup after it; the
    /// other swaps as `no`.
    fn reason(&self, _action: &Cup) -> String {
        let track = self.track();
        let mut text = format!("{} ball {}", self.ball_name(), track[0] + 1);
        for pair in track.windows(2) {
            text += &if pair[0] == pair[1] { " no".to_string() } else { format!(" to {}", pair[1] + 1) };
        }
        text + &format!(" so {}", track.last().unwrap_or(&0) + 1)
    }

    /// The first line says under which cups the balls are, then one line a swap with the places that
    /// change, the left one first.
    fn perception(&self) -> Perception {
        let balls = self.0.balls.iter().zip(&self.0.colors);
        let mut lines = vec![
            balls
                .map(|(at, color)| format!("{} {}", PALETTE[*color].0, at + 1))
                .collect::<Vec<_>>()
                .join(" "),
        ];
        for swap in &self.0.swaps {
            let pairs: Vec<String> = swap.iter().map(|(a, b)| format!("{}-{}", a + 1, b + 1)).collect();
            lines.push(format!("swap {}", pairs.join(" ")));
        }
        let data = json!({ "cups": self.0.cups, "balls": self.0.balls, "colors": self.0.colors, "swaps": self.0.swaps });
        Perception { text: lines.join("\n"), data }
    }

    fn legal_actions(&self) -> Vec<Cup> {
        if self.0.outcome.is_some() { Vec::new() } else { (0..self.0.cups).map(Cup).collect() }
    }

    fn status(&self) -> Status {
        self.0.outcome.map_or(Status::Running, Status::Done)
    }
}

/// Random pairs of different places, from left to right.
fn draw_swap(rng: &mut Rng, cups: usize, pairs: usize) -> Vec<Pair> {
    let mut places: Vec<usize> = (0..cups).collect();
    rng.shuffle(&mut places);
    let mut swap: Vec<Pair> =
        places.chunks_exact(2).take(pairs.max(1)).map(|p| (p[0].min(p[1]), p[0].max(p[1]))).collect();
    swap.sort_unstable();
    swap
}

#[cfg(test)]
mod tests;
