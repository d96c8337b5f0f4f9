//! Bouncing ball: the first frames of a ball in a box; say where it will be, or which wall it hits first.
//!
//! Everything moves in whole units, 28 of them to a cell: each frame adds the fall to the speed and the
//! speed to the place, and walls mirror both. So the future is exact, and can be computed by hand.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{Board, BoardStyle, PALETTE, Rgb};
use crate::envs::kit;
use crate::{
    Axis, Cell, Env, EnvGroup, EnvSpec, Frame, KnobError, KnobSpec, Knobs, ParseError, Perception, Status,
    Step,
};

const GRAMMAR: &str = "(row,col) of the cell, or the wall: left | right | top | bottom, as is asked";

const SPEC: EnvSpec = EnvSpec {
    id: "bouncing-ball",
    group: EnvGroup::Video,
    title: "Bouncing ball",
    summary: "The first frames of a ball in a box: say in which cell it will be, or which wall it hits first.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "1 for the right cell or wall, 0 otherwise",
    pixel_answers: false,
    players: 1,
    source: "MASS; Gen-ViRe",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::choice(
        "ask",
        Axis::Reasoning,
        &["cell", "wall", "mixed"],
        "cell",
        "what is asked: the cell after some frames, the wall that is hit first, or either",
    )
    .dialled(0.0, 2.0),
    KnobSpec::int("cells", Axis::Perception, 3, 7, 3, "cells along each side of the box").dialled(3.0, 6.0),
    KnobSpec::int("frames", Axis::Perception, 2, 6, 4, "frames that are shown").dialled(4.0, 3.0),
    KnobSpec::int(
        "ahead",
        Axis::Horizon,
        1,
        12,
        2,
        "frames from the last one shown to the one that is asked for",
    )
    .dialled(1.0, 9.0),
    KnobSpec::int(
        "speed",
        Axis::Reasoning,
        4,
        20,
        9,
        "largest step between frames along each side, in 28ths of a cell",
    )
    .dialled(7.0, 16.0),
    KnobSpec::int("gravity", Axis::Reasoning, 0, 3, 0, "what the fall adds to the speed each frame")
        .dialled(0.0, 2.0),
    KnobSpec::int(
        "balls",
        Axis::Perception,
        1,
        4,
        1,
        "balls; they pass through one another, the red one counts",
    )
    .dialled(1.0, 3.0),
    KnobSpec::int("tile_px", Axis::Perception, 14, 42, 28, "pixels along a cell"),
    KnobSpec::flag("grid", Axis::Perception, true, "draw lines between cells"),
    KnobSpec::flag("coordinates", Axis::Perception, false, "print row and column numbers"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["light", "dusk"],
        "light",
        "colours; dusk has little contrast",
    ),
];

/// Units along a cell.
const CELL: i32 = 28;

/// A ball's radius in units.
const RADIUS: i32 = 5;

/// The ball must end so many units from the next cell, so that the answer is not decided by a hair.
const MARGIN: i32 = 3;

/// Frames within which a wall must be hit.
const WALL_FRAMES: usize = 12;

/// How often a scene is drawn before the knobs are said to contradict each other.
const TRIES: usize = 4000;

/// Frames a second.
const FPS: u32 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Light,
    Dusk,
}

/// A wall of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wall {
    /// At column 0.
    Left,
    /// At the last column.
    Right,
    /// At row 0.
    Top,
    /// At the last row.
    Bottom,
}

impl Wall {
    const ALL: [Self; 4] = [Self::Left, Self::Right, Self::Top, Self::Bottom];

    fn word(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Top => "top",
            Self::Bottom => "bottom",
        }
    }
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where the ball will be.
    Cell(Cell),
    /// What it hits first.
    Wall(Wall),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell(cell) => write!(f, "({},{})", cell.row, cell.col),
            Self::Wall(wall) => f.write_str(wall.word()),
        }
    }
}

/// A ball: the place of its middle and its speed, in units, y downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ball {
    x: i32,
    y: i32,
    vx: i32,
    vy: i32,
}

impl Ball {
    /// The next frame in a box of `side` units, and the walls that are hit on the way.
    fn next(self, side: i32, gravity: i32) -> (Self, [Option<Wall>; 2]) {
        let vy = self.vy + gravity;
        let (x, vx, low, high) = bounce(self.x, self.vx, side);
        let (y, vy, top, bottom) = bounce(self.y, vy, side);
        let wall = |low: bool, high: bool, walls: [Wall; 2]| match (low, high) {
            (true, _) => Some(walls[0]),
            (_, true) => Some(walls[1]),
            _ => None,
        };
        let walls =
            [wall(low, high, [Wall::Left, Wall::Right]), wall(top, bottom, [Wall::Top, Wall::Bottom])];
        (Self { x, y, vx, vy }, walls)
    }

    fn cell(self) -> Cell {
        Cell { row: (self.y.max(0) / CELL) as usize, col: (self.x.max(0) / CELL) as usize }
    }
}

/// Moves along one side: place, speed, and whether the low or the high wall is hit. A step is shorter
/// than the box, so one wall at most.
fn bounce(at: i32, speed: i32, side: i32) -> (i32, i32, bool, bool) {
    let (low, high, to) = (RADIUS, side - RADIUS, at + speed);
    if to < low {
        ((2 * low - to).min(high), -speed, true, false)
    } else if to > high {
        ((2 * high - to).max(low), -speed, false, true)
    } else {
        (to, speed, false, false)
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Question {
    /// The cell after so many frames more.
    Cell(usize),
    /// The next wall.
    Wall,
}

/// The state of a bouncing ball.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State")]
pub struct BouncingBall(State);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    cells: usize,
    /// The balls in the first frame; the first of them is asked for.
    balls: Vec<Ball>,
    gravity: i32,
    frames: usize,
    question: Question,
    tile_px: u32,
    grid: bool,
    coordinates: bool,
    theme: Theme,
    outcome: Option<Outcome>,
}

impl TryFrom<State> for BouncingBall {
    type Error = String;

    fn try_from(raw: State) -> Result<Self, String> {
        if !(3..=7).contains(&raw.cells) || !(2..=6).contains(&raw.frames) || !(0..=3).contains(&raw.gravity)
        {
            return Err("cells, frames or gravity is out of range".into());
        }
        let inside = RADIUS..=raw.cells as i32 * CELL - RADIUS;
        let sound =
            |b: &Ball| inside.contains(&b.x) && inside.contains(&b.y) && b.vx.abs() <= 30 && b.vy.abs() <= 30;
        if !(1..=4).contains(&raw.balls.len()) || !raw.balls.iter().all(sound) {
            return Err("a ball is outside the box or too fast".into());
        }
        if matches!(raw.question, Question::Cell(ahead) if !(1..=12).contains(&ahead)) {
            return Err("the question reaches too far".into());
        }
        if !(14..=42).contains(&raw.tile_px) {
            return Err("tile_px is out of range".into());
        }
        let game = Self(raw);
        if game.0.question == Question::Wall && game.first_wall().is_none() {
            return Err("no wall is hit first".into());
        }
        Ok(game)
    }
}

impl BouncingBall {
    fn side(&self) -> i32 {
        self.0.cells as i32 * CELL
    }

    /// The ball in frame `frame`, counted from 0.
    fn at(&self, ball: Ball, frame: usize) -> Ball {
        (0..frame).fold(ball, |b, _| b.next(self.side(), self.0.gravity).0)
    }

    /// The red ball in the last frame that is shown.
    fn last(&self) -> Ball {
        self.at(self.0.balls[0], self.0.frames - 1)
    }

    /// The wall that is hit first after the last frame and the frames until then; `None` when no wall
    /// is hit in time, or two are in the same frame.
    fn first_wall(&self) -> Option<(Wall, usize)> {
        let mut ball = self.last();
        for frame in 1..=WALL_FRAMES {
            let (next, walls) = ball.next(self.side(), self.0.gravity);
            ball = next;
            match walls {
                [None, None] => {}
                [Some(wall), None] | [None, Some(wall)] => return Some((wall, frame)),
                _ => return None,
            }
        }
        None
    }

    fn truth(&self) -> Place {
        match self.0.question {
            Question::Cell(ahead) => Place::Cell(self.at(self.last(), ahead).cell()),
            Question::Wall => Place::Wall(self.first_wall().map_or(Wall::Left, |(wall, _)| wall)),
        }
    }

    /// True when the answer can be worked out from what is shown, is not decided by a hair, and is not
    /// simply where the ball is.
    fn is_fair(&self) -> bool {
        // No wall is hit between the last frames, from which the speed (and the fall) is read.
        let needed = if self.0.gravity > 0 { 2 } else { 1 };
        let mut ball = self.at(self.0.balls[0], (self.0.frames - 1).saturating_sub(needed));
        for _ in 0..needed {
            let (next, walls) = ball.next(self.side(), self.0.gravity);
            if walls != [None, None] {
                return false;
            }
            ball = next;
        }
        match self.0.question {
            Question::Wall => self.first_wall().is_some_and(|(_, frames)| frames > 1),
            Question::Cell(ahead) => {
                let end = self.at(ball, ahead);
                let clear = |v: i32| (MARGIN..CELL - MARGIN).contains(&(v % CELL));
                clear(end.x) && clear(end.y) && end.cell() != ball.cell()
            }
        }
    }

    fn report(&self, reward: f32, score: f32, legal: bool) -> Step {
        Step { reward, score, legal, status: self.status() }
    }

    fn images(&self) -> Vec<Image> {
        let mut balls = self.0.balls.clone();
        let mut images = Vec::new();
        for _ in 0..self.0.frames {
            images.push(self.draw(&balls));
            balls.iter_mut().for_each(|b| *b = b.next(self.side(), self.0.gravity).0);
        }
        images
    }

    fn draw(&self, balls: &[Ball]) -> Image {
        let state = &self.0;
        let (cell, line, ink): (Rgb, Rgb, Rgb) = match state.theme {
            Theme::Light => ([246, 246, 242], [196, 198, 204], [60, 60, 66]),
            Theme::Dusk => ([74, 76, 84], [86, 88, 96], [118, 120, 126]),
        };
        let style = BoardStyle {
            tile: state.tile_px,
            grid: state.grid,
            coordinates: state.coordinates,
            cell,
            line,
            ink,
        };
        let mut board = Board::new(state.cells, state.cells, style);
        let (left, top) = board.corner(Cell { row: 0, col: 0 });
        let scale = state.tile_px as f32 / CELL as f32;
        for (i, ball) in balls.iter().enumerate().rev() {
            let at = |v: i32, start: i32| start as f32 + v as f32 * scale;
            let color = match state.theme {
                Theme::Light => PALETTE[i].1,
                Theme::Dusk => PALETTE[i].1.map(|v| v / 4 + 64),
            };
            board.canvas.fill_circle(at(ball.x, left), at(ball.y, top), RADIUS as f32 * scale, color);
        }
        let side = state.tile_px * state.cells as u32;
        board.canvas.frame(left, top, side, side, 1, ink);
        board.canvas.into_image()
    }
}

impl Env for BouncingBall {
    type Action = Place;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let conflict = |detail: String| KnobError::Conflict { env: SPEC.id.into(), detail };
        let (frames, gravity) = (knobs.size("frames"), knobs.int("gravity") as i32);
        if frames < 3 && gravity > 0 {
            return Err(conflict("gravity cannot be seen in 2 frames".into()));
        }
        let mut rng = seed.split("scene", 0).rng();
        let wall = match knobs.choice("ask") {
            "wall" => true,
            "mixed" => rng.chance(0.5),
            _ => false,
        };
        let question = if wall { Question::Wall } else { Question::Cell(knobs.size("ahead")) };
        let cells = knobs.size("cells");
        let (side, speed) = (cells as i32 * CELL, knobs.int("speed"));
        for _ in 0..TRIES {
            let balls = (0..knobs.size("balls")).map(|_| throw(&mut rng, side, speed)).collect();
            let game = Self(State {
                cells,
                balls,
                gravity,
                frames,
                question,
                tile_px: u32::try_from(knobs.size("tile_px")).unwrap_or(28),
                grid: knobs.flag("grid"),
                coordinates: knobs.flag("coordinates"),
                theme: if knobs.choice("theme") == "dusk" { Theme::Dusk } else { Theme::Light },
                outcome: None,
            });
            if game.is_fair() {
                return Ok(game);
            }
        }
        Err(conflict(format!("no ball with speed = {speed} has a clear future on {cells} cells")))
    }

    fn rules(&self) -> String {
        let (frames, cells) = (self.0.frames, self.0.cells);
        let fall = if self.0.gravity > 0 { " and falls" } else { "" };
        let start =
            format!("{frames} frames of a red ball that bounces{fall} in a box of {cells} by {cells} cells.");
        match self.0.question {
            Question::Cell(1) => format!("{start} In which cell is it 1 frame after the last?"),
            Question::Cell(ahead) => format!("{start} In which cell is it {ahead} frames after the last?"),
            Question::Wall => format!("{start} Which wall does it hit next?"),
        }
    }

    fn render(&self) -> Image {
        kit::sheet(&self.images())
    }

    fn frames(&self) -> Vec<Frame> {
        kit::clip(self.images(), FPS)
    }

    /// Reads the kind of answer that is asked for only.
    fn parse(&self, answer: &str) -> Result<Place, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        if self.0.question == Question::Wall {
            let word = answer.trim().to_ascii_lowercase();
            return Wall::ALL.into_iter().find(|w| w.word() == word).map(Place::Wall).ok_or_else(wrong);
        }
        let [row, col] = kit::tuple(answer, '(', ')').ok_or_else(wrong)?.map(|v: i32| v as usize);
        if row.max(col) >= self.0.cells {
            let last = self.0.cells - 1;
            return Err(ParseError::range(answer, format!("rows and columns are 0 to {last}")));
        }
        Ok(Place::Cell(Cell { row, col }))
    }

    /// A cell pays 1, one half beside the right one, and a quarter at two steps from it; a wall pays 1.
    fn step(&mut self, action: &Place) -> Step {
        if self.0.outcome.is_some() {
            return self.report(0.0, 0.0, false);
        }
        let truth = self.truth();
        let right = *action == truth;
        self.0.outcome = Some(if right { Outcome::Success } else { Outcome::Failure });
        let reward = match (action, truth) {
            (Place::Cell(a), Place::Cell(b)) => match a.row.abs_diff(b.row) + a.col.abs_diff(b.col) {
                0 => 1.0,
                1 => 0.5,
                2 => 0.25,
                _ => 0.0,
            },
            _ => f32::from(u8::from(right)),
        };
        self.report(reward, f32::from(u8::from(right)), true)
    }

    fn pass(&mut self) -> Step {
        self.0.outcome = self.0.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, 0.0, false)
    }

    fn oracle(&self) -> Place {
        self.truth()
    }

    /// The last place, the step to the next one, the fall, and every place until the one that counts.
    fn reason(&self, _action: &Place) -> String {
        let mut ball = self.last();
        let mut text = format!("last {} {} step {} {}", ball.x, ball.y, ball.vx, ball.vy);
        if self.0.gravity > 0 {
            text += &format!(" fall {}", self.0.gravity);
        }
        let frames = match self.0.question {
            Question::Cell(ahead) => ahead,
            Question::Wall => self.first_wall().map_or(0, |(_, frames)| frames),
        };
        for _ in 0..frames {
            ball = ball.next(self.side(), self.0.gravity).0;
            text += &format!(" {} {}", ball.x, ball.y);
        }
        match self.truth() {
            Place::Cell(cell) => text + &format!(" so {} {}", cell.row, cell.col),
            Place::Wall(wall) => text + " so " + wall.word(),
        }
    }

    /// One line a frame: its number, then every ball with the place of its middle, 28 units to a cell.
    fn perception(&self) -> Perception {
        let mut balls = self.0.balls.clone();
        let mut lines = Vec::new();
        let mut places = Vec::new();
        for frame in 0..self.0.frames {
            let words = balls.iter().enumerate().map(|(i, b)| format!(" {} {} {}", PALETTE[i].0, b.x, b.y));
            lines.push(format!("{}{}", frame + 1, words.collect::<String>()));
            places.push(balls.iter().map(|b| [b.x, b.y]).collect::<Vec<_>>());
            balls.iter_mut().for_each(|b| *b = b.next(self.side(), self.0.gravity).0);
        }
        let data = json!({ "side": self.side(), "frames": places, "speeds": self.0.balls.iter().map(|b| [b.vx, b.vy]).collect::<Vec<_>>() });
        Perception { text: lines.join("\n"), data }
    }

    fn legal_actions(&self) -> Vec<Place> {
        if self.0.outcome.is_some() {
            return Vec::new();
        }
        let cells = self.0.cells;
        match self.0.question {
            Question::Wall => Wall::ALL.map(Place::Wall).to_vec(),
            Question::Cell(_) => {
                (0..cells * cells).map(|i| Place::Cell(Cell { row: i / cells, col: i % cells })).collect()
            }
        }
    }

    fn status(&self) -> Status {
        self.0.outcome.map_or(Status::Running, Status::Done)
    }
}

/// A ball anywhere, at a speed that moves it visibly.
fn throw(rng: &mut Rng, side: i32, speed: i64) -> Ball {
    let place = |rng: &mut Rng| rng.between(i64::from(RADIUS), i64::from(side - RADIUS)) as i32;
    let (x, y) = (place(rng), place(rng));
    loop {
        let (vx, vy) = (rng.between(-speed, speed) as i32, rng.between(-speed, speed) as i32);
        // Half of all pairs are this fast, so the loop ends soon.
        if i64::from(vx.abs() + vy.abs()) >= speed {
            return Ball { x, y, vx, vy };
        }
    }
}

#[cfg(test)]
mod tests;
