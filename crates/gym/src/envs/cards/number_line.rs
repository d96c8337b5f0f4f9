//! Number line: go left or right until the current number is the target.
//!
//! Faithful to RL4VLM: numbers 0 to 5, both numbers as text in the picture, +1 at the target, -1 for a
//! move that does not come nearer, 0 otherwise, two turns for every number of the line. Our reading:
//! start and target always differ; the drawn line, longer lines, rings and slips are knobs.

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{BLUE, Canvas, DARK, Font, GRAY, RED, Rgb, WHITE};
use crate::{
    Axis, Direction, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step,
};

const GRAMMAR: &str = "left | right";

const SPEC: EnvSpec = EnvSpec {
    id: "number-line",
    group: EnvGroup::Cards,
    title: "Number line",
    summary: "A target and a current number: go left (minus one) or right (plus one) to the target.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: -1.0,
    oracle: "exact",
    score: "return (1 at the target, -1 for a move that does not come nearer, 0 otherwise)",
    pixel_answers: false,
    players: 1,
    source: "RL4VLM (gym_cards NumberLine)",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("max_position", Axis::Horizon, 3, 100, 5, "largest number of the line").dialled(4.0, 40.0),
    KnobSpec::flag("ring", Axis::Reasoning, false, "right of the largest number comes 0 again")
        .dialled(0.0, 1.0),
    KnobSpec::float("slip", Axis::Stochasticity, 0.0, 0.4, 0.0, "chance that a move goes the other way"),
    KnobSpec::choice(
        "style",
        Axis::Perception,
        &["text", "both", "line"],
        "both",
        "the numbers are written, written and drawn on a line, or only drawn (target red, current blue)",
    )
    .dialled(0.0, 2.0),
    KnobSpec::flag("coordinates", Axis::Perception, true, "numbers along the drawn line; off: its ends only")
        .dialled(1.0, 0.0),
    KnobSpec::choice("font", Axis::Perception, Font::NAMES, "bold", "font of the written numbers"),
    KnobSpec::int("tile_px", Axis::Perception, 20, 56, 28, "height of a line of text in pixels"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["paper", "board", "night"],
        "paper",
        "colours; night has little contrast",
    ),
];

/// Lines of text a picture is wide.
const COLUMNS: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Paper,
    Board,
    Night,
}

/// Colours: ground, ink, line, target, current.
struct Colors {
    ground: Rgb,
    ink: Rgb,
    line: Rgb,
    target: Rgb,
    current: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Paper => Colors { ground: WHITE, ink: DARK, line: GRAY, target: RED, current: BLUE },
            Self::Board => Colors {
                ground: [30, 70, 52],
                ink: [240, 244, 236],
                line: [140, 170, 150],
                target: [255, 150, 130],
                current: [130, 200, 255],
            },
            Self::Night => Colors {
                ground: [38, 40, 50],
                ink: [84, 88, 104],
                line: [62, 66, 80],
                target: [120, 66, 70],
                current: [66, 78, 130],
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Style {
    Text,
    Both,
    Line,
}

/// What is stored of a number line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    max_position: usize,
    ring: bool,
    slip: f64,
    target: usize,
    current: usize,
    turn: usize,
    outcome: Option<Outcome>,
    rng: Rng,
    style: Style,
    coordinates: bool,
    font: Font,
    tile_px: u32,
    theme: Theme,
}

/// The state of a number line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct NumberLine(State);

impl From<NumberLine> for State {
    fn from(game: NumberLine) -> Self {
        game.0
    }
}

impl TryFrom<State> for NumberLine {
    type Error = String;

    fn try_from(state: State) -> Result<Self, String> {
        let top = state.max_position;
        if !(3..=100).contains(&top) || state.target > top || state.current > top || state.turn > 2 * top {
            return Err(format!("{} and {} on a line to {top}", state.target, state.current));
        }
        if !(0.0..=0.4).contains(&state.slip) || !(20..=56).contains(&state.tile_px) {
            return Err("slip or tile_px is out of range".into());
        }
        Ok(Self(state))
    }
}

impl State {
    /// Moves between two numbers, the short way.
    fn distance(&self, from: usize) -> usize {
        let direct = from.abs_diff(self.target);
        if self.ring { direct.min(self.max_position + 1 - direct.min(self.max_position + 1)) } else { direct }
    }

    /// The next number; `None` beyond an end.
    fn beside(&self, direction: Direction) -> Option<usize> {
        let (at, top) = (self.current, self.max_position);
        match direction {
            Direction::Left if at > 0 => Some(at - 1),
            Direction::Left if self.ring => Some(top),
            Direction::Right if at < top => Some(at + 1),
            Direction::Right if self.ring => Some(0),
            _ => None,
        }
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }

    fn tick(&mut self) {
        self.turn += 1;
        if self.current == self.target {
            self.outcome = Some(Outcome::Success);
        } else if self.turn >= 2 * self.max_position {
            self.outcome = Some(Outcome::Truncated);
        }
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    fn draw_text(&self, canvas: &mut Canvas, colors: &Colors) {
        let tile = self.tile_px as f32;
        let room = tile * COLUMNS as f32 - 8.0;
        for (row, text) in
            [format!("Target: {}", self.target), format!("Current: {}", self.current)].iter().enumerate()
        {
            let px = self.font.fit(text, tile * 0.86, room);
            let top = row as f32 * tile + (tile - px) / 2.0;
            canvas.label(text, 4.0, top, px, self.font, colors.ink);
        }
    }

    /// How many numbers there are from one tick to the next: as many ticks as have room.
    fn stride(&self) -> usize {
        [1, 2, 5, 10, 20, 50].into_iter().find(|step| self.max_position / step <= 10).unwrap_or(100)
    }

    /// The line in the two rows from `top` on: the target above it, the current number on it.
    fn draw_line(&self, canvas: &mut Canvas, top: f32, colors: &Colors) {
        let tile = self.tile_px as f32;
        let (left, right) = (tile * 0.5, tile * (COLUMNS as f32 - 0.5));
        let (y, thick) = (top + tile * 0.95, (tile / 14.0).max(1.5));
        let x = |n: usize| left + (right - left) * n as f32 / self.max_position as f32;
        canvas.line((left, y), (right, y), thick, colors.line);
        let mut numbers: Vec<usize> = (0..=self.max_position).step_by(self.stride()).collect();
        if numbers.last() != Some(&self.max_position) {
            numbers.pop();
            numbers.push(self.max_position);
        }
        for &n in &numbers {
            canvas.line((x(n), y - tile * 0.15), (x(n), y + tile * 0.15), thick, colors.line);
            let end = n == 0 || n == self.max_position;
            if end || self.coordinates {
                let room = (x(self.stride()) - left).min(tile * 0.9) - 1.0;
                canvas.label_centred(
                    &n.to_string(),
                    x(n),
                    y + tile * 0.55,
                    room,
                    tile * 0.5,
                    Font::Sans,
                    colors.ink,
                );
            }
        }
        let (tip, wide, high) = (x(self.target), tile * 0.2, tile * 0.45);
        let base = y - tile * 0.25;
        canvas.fill_polygon(
            &[(tip, base), (tip + wide, base - high), (tip - wide, base - high)],
            colors.target,
        );
        canvas.fill_circle(x(self.current), y, tile * 0.2, colors.current);
    }
}

impl Env for NumberLine {
    type Action = Direction;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("numbers", 0).rng();
        let max_position = knobs.size("max_position");
        let current = rng.below(max_position + 1);
        // Any of the other numbers.
        let other = rng.below(max_position);
        let target = if other < current { other } else { other + 1 };
        Ok(Self(State {
            max_position,
            ring: knobs.flag("ring"),
            slip: knobs.float("slip"),
            target,
            current,
            turn: 0,
            outcome: None,
            rng: seed.split("slip", 0).rng(),
            style: match knobs.choice("style") {
                "text" => Style::Text,
                "line" => Style::Line,
                _ => Style::Both,
            },
            coordinates: knobs.flag("coordinates"),
            font: Font::named(knobs.choice("font")),
            tile_px: u32::try_from(knobs.size("tile_px")).unwrap_or(28),
            theme: match knobs.choice("theme") {
                "board" => Theme::Board,
                "night" => Theme::Night,
                _ => Theme::Paper,
            },
        }))
    }

    fn rules(&self) -> String {
        let State { max_position, ring, slip, style, .. } = self.0;
        let ring = if ring { " Beyond an end it goes on at the other." } else { "" };
        let slip = if slip > 0.0 { " Moves may go the wrong way." } else { "" };
        let marks = if style == Style::Line { " The target is red, the current number blue." } else { "" };
        format!(
            "Numbers go from 0 to {max_position}. Left subtracts 1, right adds 1. Make the current number \
             the target.{marks}{ring}{slip}"
        )
    }

    fn render(&self) -> Image {
        let state = &self.0;
        let rows = if state.style == Style::Both { 4 } else { 2 };
        let colors = state.theme.colors();
        let mut canvas = Canvas::new(COLUMNS * state.tile_px, rows * state.tile_px, colors.ground);
        if state.style != Style::Line {
            state.draw_text(&mut canvas, &colors);
        }
        if state.style != Style::Text {
            state.draw_line(&mut canvas, ((rows - 2) * state.tile_px) as f32, &colors);
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Direction, ParseError> {
        match Direction::parse(answer) {
            Ok(direction @ (Direction::Left | Direction::Right)) => Ok(direction),
            _ => Err(ParseError::grammar(answer, GRAMMAR)),
        }
    }

    fn step(&mut self, action: &Direction) -> Step {
        let state = &mut self.0;
        if state.outcome.is_some() {
            return state.report(0.0, false);
        }
        let Some(mut next) = state.beside(*action) else {
            state.tick();
            return state.report(SPEC.invalid_reward, false);
        };
        if state.rng.chance(state.slip) {
            let other = if *action == Direction::Left { Direction::Right } else { Direction::Left };
            next = state.beside(other).unwrap_or(state.current);
        }
        let nearer = state.distance(next) < state.distance(state.current);
        state.current = next;
        state.tick();
        let reward = match (state.outcome, nearer) {
            (Some(Outcome::Success), _) => 1.0,
            (_, true) => 0.0,
            (_, false) => -1.0,
        };
        state.report(reward, true)
    }

    fn pass(&mut self) -> Step {
        if self.0.outcome.is_some() {
            return self.0.report(0.0, false);
        }
        self.0.tick();
        self.0.report(SPEC.invalid_reward, false)
    }

    /// The move that leaves the shorter way; right where both are equal.
    fn oracle(&self) -> Direction {
        let way = |d| self.0.beside(d).map_or(usize::MAX, |n| self.0.distance(n));
        if way(Direction::Left) < way(Direction::Right) { Direction::Left } else { Direction::Right }
    }

    /// Both numbers and the moves that would be left after each move.
    fn reason(&self, action: &Direction) -> String {
        let state = &self.0;
        let way = |d| state.beside(d).map_or("end".to_string(), |n| state.distance(n).to_string());
        let (left, right) = (way(Direction::Left), way(Direction::Right));
        format!("target {} current {} left {left} right {right} so {action}", state.target, state.current)
    }

    fn perception(&self) -> Perception {
        let State { target, current, max_position, .. } = self.0;
        Perception {
            text: format!("target {target}\ncurrent {current}"),
            data: json!({ "target": target, "current": current, "max_position": max_position }),
        }
    }

    fn legal_actions(&self) -> Vec<Direction> {
        if self.0.outcome.is_some() {
            return Vec::new();
        }
        let both = [Direction::Left, Direction::Right];
        both.into_iter().filter(|d| self.0.beside(*d).is_some()).collect()
    }

    fn status(&self) -> Status {
        self.0.status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(current: usize, target: usize, max_position: usize, ring: bool) -> NumberLine {
        let mut game = NumberLine::reset(Seed::new(1), &Knobs::defaults(KNOBS)).unwrap();
        game.0 = State { current, target, max_position, ring, ..game.0 };
        game
    }

    #[test]
    fn the_rewards_are_those_of_the_source() {
        let mut game = line(2, 4, 5, false);
        let running = |reward, legal| Step { reward, score: reward, legal, status: Status::Running };
        assert_eq!(game.reason(&Direction::Right), "target 4 current 2 left 3 right 1 so right");
        assert_eq!(game.step(&Direction::Left), running(-1.0, true));
        assert_eq!(game.step(&Direction::Right), running(0.0, true));
        assert_eq!(game.step(&Direction::Right), running(0.0, true));
        assert_eq!(game.perception().text, "target 4\ncurrent 3");
        let end = game.step(&game.oracle());
        assert_eq!((end.reward, end.status), (1.0, Status::Done(Outcome::Success)));
        let mut edge = line(0, 3, 5, false);
        assert_eq!(edge.legal_actions(), [Direction::Right]);
        assert_eq!(edge.step(&Direction::Left), running(-1.0, false));
        assert_eq!((edge.0.current, edge.0.turn), (0, 1));
    }

    #[test]
    fn a_ring_has_a_short_way() {
        let mut game = line(1, 9, 9, true);
        assert_eq!(game.reason(&Direction::Left), "target 9 current 1 left 1 right 3 so left");
        assert_eq!((game.oracle(), line(1, 9, 9, false).oracle()), (Direction::Left, Direction::Right));
        assert_eq!(game.step(&Direction::Left).reward, 0.0);
        assert_eq!(game.step(&Direction::Left).reward, 1.0);
        // Every pair of a small ring, against the distance counted out.
        for (current, target) in (0..6).flat_map(|a| (0..6).map(move |b| (a, b))).filter(|(a, b)| a != b) {
            let game = line(current, target, 5, true);
            let counted = (0..6).find(|d| (current + d) % 6 == target || (current + 6 - d) % 6 == target);
            assert_eq!(Some(game.0.distance(current)), counted);
        }
    }

    #[test]
    fn turns_run_out_and_slips_happen() {
        let mut game = line(0, 5, 5, false);
        let total: f32 = (0..10).map(|_| game.step(&Direction::Left).reward).sum();
        assert_eq!((total, game.status()), (-10.0, Status::Done(Outcome::Truncated)));
        let mut slips = 0;
        for seed in 0..1000 {
            let mut game = line(50, 90, 100, false);
            (game.0.slip, game.0.rng) = (0.4, Seed::new(seed).rng());
            game.step(&Direction::Right);
            slips += i32::from(game.0.current == 49);
        }
        // Four standard deviations: 4 * sqrt(1000 * 0.4 * 0.6) = 62.
        assert!((338..=462).contains(&slips), "{slips}");
    }

    #[test]
    fn words_are_read_and_nothing_else() {
        let game = line(2, 4, 5, false);
        assert_eq!(game.parse(" Left\n"), Ok(Direction::Left));
        for text in ["up", "down", "", "left right", "+1", "l"] {
            assert!(game.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn broken_snapshots_are_refused() {
        let whole = serde_json::to_value(line(2, 4, 5, false)).unwrap();
        let broken = |key: &str, value: serde_json::Value| {
            let mut copy = whole.clone();
            copy[key] = value;
            serde_json::from_value::<NumberLine>(copy).is_err()
        };
        assert!(!broken("current", json!(5)));
        assert!(broken("current", json!(6)));
        assert!(broken("target", json!(6)));
        assert!(broken("max_position", json!(0)));
        assert!(broken("turn", json!(11)));
        assert!(broken("tile_px", json!(70_000)));
    }
}
