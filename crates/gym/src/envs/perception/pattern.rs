//! Patterns: find the law behind a few grids and give the grid that is missing. One turn.
//!
//! Three kinds of the same task: demonstration pairs as in ARC, sequences, and matrices of three by three
//! after Raven. The laws are ours (see `laws`), not the tasks of the data sets. A puzzle is posed only
//! when every law of the environment that explains what is shown, alone or two in a row where `steps` is
//! 2, gives the same missing grid; so the generator's answer is the only one.

mod laws;

use std::collections::BTreeSet;
use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{Canvas, DARK, LIGHT, Rgb};
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};
use laws::{Family, Grid, Law, MAX_SIDE, Op};

const GRAMMAR: &str = "[[0,1],[2,0]] (the rows of the grid)";

const SPEC: EnvSpec = EnvSpec {
    id: "pattern",
    group: EnvGroup::Perception,
    title: "Patterns",
    summary: "Small coloured grids that follow a law: give the missing grid.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "share of right cells (the reward is 1 for the whole grid, 0 otherwise)",
    pixel_answers: false,
    players: 1,
    source: "ARC; reasoning-gym; Gym-V; Raven's matrices",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 2, 8, 3, "cells along each side of a grid").dialled(2.0, 6.0),
    KnobSpec::int("colors", Axis::Reasoning, 2, 8, 3, "colours, the background included").dialled(3.0, 5.0),
    KnobSpec::choice(
        "kind",
        Axis::Reasoning,
        &["arc", "sequence", "raven", "mixed"],
        "arc",
        "demonstration pairs, a sequence, or rows of three grids",
    )
    .dialled(0.0, 3.0),
    KnobSpec::choice(
        "rules",
        Axis::Reasoning,
        &["moves", "colours", "all", "shapes"],
        "moves",
        "the laws: turns, mirrors and shifts; changes of colour; lines, borders, halves and the like",
    )
    .dialled(0.0, 2.0),
    KnobSpec::int("steps", Axis::Horizon, 1, 2, 1, "laws that act one after the other").dialled(1.0, 2.0),
    KnobSpec::int("demos", Axis::Memory, 1, 4, 2, "pairs, or steps of a sequence, that are shown")
        .dialled(2.0, 4.0),
    KnobSpec::int("tile_px", Axis::Perception, 6, 28, 14, "pixels along each side of a cell")
        .dialled(14.0, 10.0),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["night", "paper", "faint"],
        "night",
        "colours; faint has little contrast",
    )
    .dialled(0.0, 2.0),
    KnobSpec::flag("numbers", Axis::Perception, false, "print each cell's number into it"),
];

/// The colours by their number, the background first.
const COLORS: [(&str, Rgb); 8] = [
    ("black", [0, 0, 0]),
    ("blue", [30, 110, 220]),
    ("red", [240, 50, 50]),
    ("green", [50, 190, 60]),
    ("yellow", [255, 220, 0]),
    ("purple", [170, 60, 200]),
    ("orange", [255, 133, 27]),
    ("cyan", [120, 220, 255]),
];

/// How many puzzles are drawn before the knobs are said to contradict each other.
const TRIES: usize = 3_000;

/// The longest answer that is read, in characters.
const MAX_ANSWER: usize = 1_000;

/// How many grids [`Env::legal_actions`] samples.
const SAMPLED_GRIDS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Arc,
    Sequence,
    Raven,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Night,
    Paper,
    Faint,
}

impl Theme {
    fn color(self, number: u8) -> Rgb {
        let plain = COLORS[usize::from(number) % COLORS.len()].1;
        match (self, number) {
            (Self::Paper, 0) => [255, 255, 255],
            (Self::Faint, _) => plain.map(|v| (90 + u16::from(v) * 7 / 20) as u8),
            _ => plain,
        }
    }

    /// The name of a colour number.
    fn name(self, number: u8) -> &'static str {
        if self == Self::Paper && number == 0 {
            "white"
        } else {
            COLORS[usize::from(number) % COLORS.len()].0
        }
    }

    fn line(self) -> Rgb {
        match self {
            Self::Night => [85, 85, 90],
            Self::Paper => [170, 170, 175],
            Self::Faint => [112, 112, 116],
        }
    }
}

/// What explains a puzzle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theory {
    /// Each grid follows from the one before.
    Chain(Vec<Law>),
    /// The third grid of a row follows from the two before.
    Combine(Op),
}

impl Theory {
    fn words(&self) -> String {
        match self {
            Self::Chain(laws) => laws.iter().map(|l| l.words()).collect::<Vec<_>>().join(" then "),
            Self::Combine(op) => op.words().into(),
        }
    }
}

/// An answer: a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct GridAnswer(Grid);

impl fmt::Display for GridAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The state of a pattern task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Pattern {
    size: usize,
    colors: u8,
    kind: Kind,
    tile_px: u32,
    theme: Theme,
    numbers: bool,
    /// In reading order; the missing one comes after the last.
    grids: Vec<Grid>,
    missing: Grid,
    theory: Theory,
    /// Where the sampled grids of [`Env::legal_actions`] come from.
    samples: Seed,
    outcome: Option<Outcome>,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    size: usize,
    colors: u8,
    kind: Kind,
    tile_px: u32,
    theme: Theme,
    numbers: bool,
    grids: Vec<Grid>,
    missing: Grid,
    theory: Theory,
    samples: Seed,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for Pattern {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let ranges = (2..=8).contains(&raw.size) && (2..=8).contains(&raw.colors);
        if !ranges || !(6..=28).contains(&raw.tile_px) {
            return Err("size, colors or tile_px is out of range".into());
        }
        let fits = |g: &Grid| g.is_sound(raw.colors) && g.rows <= raw.size && g.cols <= raw.size;
        if !raw.grids.iter().all(fits) || !fits(&raw.missing) {
            return Err("a grid is larger than its place or has another colour".into());
        }
        let count = match raw.kind {
            Kind::Arc => (3..=9).contains(&raw.grids.len()) && raw.grids.len() % 2 == 1,
            Kind::Sequence => (2..=5).contains(&raw.grids.len()),
            Kind::Raven => raw.grids.len() == 8,
        };
        if !count {
            return Err(format!("{} grids for {:?}", raw.grids.len(), raw.kind));
        }
        if matches!(&raw.theory, Theory::Chain(laws) if laws.is_empty() || laws.len() > 2) {
            return Err("a puzzle has one law or two".into());
        }
        Ok(Self {
            size: raw.size,
            colors: raw.colors,
            kind: raw.kind,
            tile_px: raw.tile_px,
            theme: raw.theme,
            numbers: raw.numbers,
            grids: raw.grids,
            missing: raw.missing,
            theory: raw.theory,
            samples: raw.samples,
            outcome: raw.outcome,
        })
    }
}

/// What a puzzle is made with.
struct Maker {
    size: usize,
    colors: u8,
    steps: usize,
    demos: usize,
    /// The laws to choose from.
    laws: Vec<Law>,
    /// The laws that could explain a puzzle.
    all: Vec<Law>,
}

/// Grids in reading order and the missing one.
struct Puzzle {
    grids: Vec<Grid>,
    missing: Grid,
    theory: Theory,
}

impl Maker {
    fn apply(&self, laws: &[Law], grid: &Grid) -> Grid {
        let Some((first, rest)) = laws.split_first() else { return grid.clone() };
        rest.iter().fold(first.apply(grid, self.colors), |grid, law| law.apply(&grid, self.colors))
    }

    /// One or two laws at random, able to go on where that is needed.
    fn choose(&self, going_on: bool, rng: &mut Rng) -> Option<Vec<Law>> {
        let laws: Vec<Law> = self.laws.iter().copied().filter(|l| !going_on || l.goes_on()).collect();
        (0..self.steps).map(|_| rng.choose(&laws).copied()).collect()
    }

    fn draw(&self, kind: Kind, rng: &mut Rng) -> Option<Puzzle> {
        match kind {
            Kind::Arc => self.arc(rng),
            Kind::Sequence => self.sequence(rng),
            Kind::Raven => self.raven(rng),
        }
    }

    /// Pairs that all change, on different inputs.
    fn arc(&self, rng: &mut Rng) -> Option<Puzzle> {
        let laws = self.choose(false, rng)?;
        let law = *laws.first()?;
        let mut pairs = Vec::new();
        let mut seen = BTreeSet::new();
        for _ in 0..=self.demos {
            let input = law.input(self.size, self.colors, rng);
            let output = self.apply(&laws, &input);
            if output == input || output.is_blank() || !seen.insert(input.clone()) {
                return None;
            }
            pairs.push((input, output));
        }
        let (test, missing) = pairs.pop()?;
        if !self.is_clear(&pairs, &test, &missing) {
            return None;
        }
        let mut grids: Vec<Grid> = pairs.into_iter().flat_map(|(a, b)| [a, b]).collect();
        grids.push(test);
        Some(Puzzle { grids, missing, theory: Theory::Chain(laws) })
    }

    /// `count` grids, each made from the one before and different from it.
    fn chain(&self, laws: &[Law], count: usize, rng: &mut Rng) -> Option<Vec<Grid>> {
        let mut grids = vec![laws.first()?.input(self.size, self.colors, rng)];
        while grids.len() < count {
            let next = self.apply(laws, grids.last()?);
            if Some(&next) == grids.last() || next.is_blank() {
                return None;
            }
            grids.push(next);
        }
        Some(grids)
    }

    fn sequence(&self, rng: &mut Rng) -> Option<Puzzle> {
        let laws = self.choose(true, rng)?;
        let mut grids = self.chain(&laws, self.demos + 2, rng)?;
        let missing = grids.pop()?;
        let pairs: Vec<(Grid, Grid)> = grids.windows(2).map(|w| (w[0].clone(), w[1].clone())).collect();
        let clear = self.is_clear(&pairs, grids.last()?, &missing);
        clear.then_some(Puzzle { grids, missing, theory: Theory::Chain(laws) })
    }

    /// Three rows of three: the third combines the first two, or each follows from the one before.
    fn raven(&self, rng: &mut Rng) -> Option<Puzzle> {
        let laws = if rng.chance(0.5) { self.choose(true, rng) } else { None };
        let mut grids = Vec::new();
        let theory = if let Some(laws) = laws {
            for _ in 0..3 {
                grids.extend(self.chain(&laws, 3, rng)?);
            }
            Theory::Chain(laws)
        } else {
            let op = *rng.choose(&Op::ALL)?;
            for _ in 0..3 {
                let mut one = || Law::Cycle.input(self.size, self.colors, rng);
                let (a, b) = (one(), one());
                let made = op.apply(&a, &b);
                if made == a || made == b || made.is_blank() {
                    return None;
                }
                grids.extend([a, b, made]);
            }
            Theory::Combine(op)
        };
        let missing = grids.pop()?;
        self.is_clear_matrix(&grids, &missing).then_some(Puzzle { grids, missing, theory })
    }

    /// Whether all laws, and all pairs of laws where there are two steps, that explain `pairs` make
    /// `missing` of `test`.
    fn is_clear(&self, pairs: &[(Grid, Grid)], test: &Grid, missing: &Grid) -> bool {
        let Some(((input, output), rest)) = pairs.split_first() else { return false };
        let agrees = |laws: &[Law]| {
            let explains = rest.iter().all(|(a, b)| self.apply(laws, a) == *b);
            !explains || self.apply(laws, test) == *missing
        };
        self.all.iter().all(|law| {
            let once = law.apply(input, self.colors);
            let alone = once != *output || agrees(&[*law]);
            alone
                && (self.steps == 1
                    || self
                        .all
                        .iter()
                        .all(|next| next.apply(&once, self.colors) != *output || agrees(&[*law, *next])))
        })
    }

    /// The same for rows of three, where combining is an explanation too.
    fn is_clear_matrix(&self, grids: &[Grid], missing: &Grid) -> bool {
        let [a, b, c, d, e, f, g, h] = grids else { return false };
        let combined = Op::ALL
            .iter()
            .all(|op| op.apply(a, b) != *c || op.apply(d, e) != *f || op.apply(g, h) == *missing);
        let pairs = [(a, b), (b, c), (d, e), (e, f), (g, h)].map(|(x, y)| (x.clone(), y.clone()));
        combined && self.is_clear(&pairs, h, missing)
    }
}

impl Pattern {
    /// Rows and columns of places in the picture.
    fn places(&self) -> (usize, usize) {
        let count = self.grids.len() + 1;
        let cols = if self.kind == Kind::Arc { 2 } else { 3 };
        (count.div_ceil(cols), cols)
    }

    /// Pixels along each side of a place: a grid and room for an arrow, a multiple of a visual token.
    fn place_px(&self) -> u32 {
        (self.size as u32 * self.tile_px + 12).next_multiple_of(28)
    }

    fn draw_grid(&self, canvas: &mut Canvas, grid: &Grid, (x, y): (i32, i32)) {
        let (place, tile) = (self.place_px() as i32, self.tile_px as i32);
        let (width, height) = (grid.cols as i32 * tile, grid.rows as i32 * tile);
        let (left, top) = (x + (place - width) / 2, y + (place - height) / 2);
        canvas.fill_rect(left - 1, top - 1, width as u32 + 1, height as u32 + 1, self.theme.line());
        for row in 0..grid.rows {
            for col in 0..grid.cols {
                let (cx, cy) = (left + col as i32 * tile, top + row as i32 * tile);
                let number = grid.at(row, col);
                let color = self.theme.color(number);
                canvas.fill_rect(cx, cy, self.tile_px - 1, self.tile_px - 1, color);
                if self.numbers {
                    let sum: u32 = color.iter().map(|v| u32::from(*v)).sum();
                    let ink = if sum > 330 { [0, 0, 0] } else { [255, 255, 255] };
                    let (half, room) = (self.tile_px as f32 / 2.0, self.tile_px as f32 - 2.0);
                    let text = number.to_string();
                    canvas.text_in_box(&text, cx as f32 + half, cy as f32 + half, room, room, ink);
                }
            }
        }
    }

    /// An arrow over the border between a place and the one to its right.
    fn draw_arrow(&self, canvas: &mut Canvas, (x, y): (i32, i32)) {
        let place = self.place_px() as i32;
        let gap = (place - self.size as i32 * self.tile_px as i32) as f32;
        let (at, middle) = ((x + place) as f32, (y + place / 2) as f32);
        let half = (gap / 2.0 - 2.0).min(8.0);
        canvas.arrow((at - half, middle), (at + half, middle), 2.0, half.min(6.0), DARK);
    }

    fn random_grid(&self, rng: &mut Rng) -> Grid {
        let colors = usize::from(self.colors);
        Grid::from_fn(self.size, self.size, |_, _| rng.below(colors) as u8)
    }

    fn report(&self, reward: f32, score: f32, legal: bool) -> Step {
        Step { reward, score, legal, status: self.status() }
    }
}

impl Env for Pattern {
    type Action = GridAnswer;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let conflict = |detail: String| KnobError::Conflict { env: SPEC.id.into(), detail };
        let (size, colors) = (knobs.size("size"), u8::try_from(knobs.size("colors")).unwrap_or(3));
        let family = Family::named(knobs.choice("rules"));
        let mut rng = seed.split("puzzle", 0).rng();
        let kinds = match (knobs.choice("kind"), family) {
            ("sequence", Family::Shapes) => {
                return Err(conflict("kind = sequence needs rules that go on, not shapes".into()));
            }
            ("arc", _) => &[Kind::Arc][..],
            ("sequence", _) => &[Kind::Sequence],
            ("raven", _) => &[Kind::Raven],
            (_, Family::Shapes) => &[Kind::Arc, Kind::Raven],
            _ => &[Kind::Arc, Kind::Sequence, Kind::Raven],
        };
        let kind = rng.choose(kinds).copied().unwrap_or(Kind::Arc);
        let maker = Maker {
            size,
            colors,
            steps: knobs.size("steps"),
            demos: knobs.size("demos"),
            laws: family.laws(size, colors),
            all: Family::All.laws(size, colors),
        };
        let puzzle = (0..TRIES).find_map(|_| maker.draw(kind, &mut rng));
        let Some(Puzzle { grids, missing, theory }) = puzzle else {
            return Err(conflict(format!(
                "no puzzle with one answer on {size} × {size} in {colors} colours"
            )));
        };
        Ok(Self {
            size,
            colors,
            kind,
            tile_px: u32::try_from(knobs.size("tile_px")).unwrap_or(14),
            theme: match knobs.choice("theme") {
                "paper" => Theme::Paper,
                "faint" => Theme::Faint,
                _ => Theme::Night,
            },
            numbers: knobs.flag("numbers"),
            grids,
            missing,
            theory,
            samples: seed.split("samples", 0),
            outcome: None,
        })
    }

    fn rules(&self) -> String {
        let task = match self.kind {
            Kind::Arc => "Every pair follows one rule. Give the missing grid.",
            Kind::Sequence => "Each grid follows from the one before. Give the next.",
            Kind::Raven => "Every row follows one rule. Give the missing grid.",
        };
        let names: Vec<String> = (0..self.colors).map(|n| format!("{n} {}", self.theme.name(n))).collect();
        format!("{task} {}.", names.join(", "))
    }

    fn render(&self) -> Image {
        let (rows, cols) = self.places();
        let place = self.place_px();
        let mut canvas = Canvas::new(cols as u32 * place, rows as u32 * place, LIGHT);
        let corner = |n: usize| ((n % cols) as i32 * place as i32, (n / cols) as i32 * place as i32);
        for (index, grid) in self.grids.iter().enumerate() {
            self.draw_grid(&mut canvas, grid, corner(index));
        }
        let (x, y) = corner(self.grids.len());
        let (half, side) = (place as f32 / 2.0, self.size as f32 * self.tile_px as f32);
        canvas.text_in_box("?", x as f32 + half, y as f32 + half, side, side.min(35.0), DARK);
        for index in 0..self.grids.len() {
            if index % cols + 1 < cols && self.kind != Kind::Raven {
                self.draw_arrow(&mut canvas, corner(index));
            }
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<GridAnswer, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let text = answer.trim();
        if text.len() > MAX_ANSWER {
            return Err(wrong());
        }
        let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '\n')).collect();
        let inner = plain.strip_prefix("[[").and_then(|s| s.strip_suffix("]]")).ok_or_else(wrong)?;
        let mut cells = Vec::new();
        let (mut rows, mut cols) = (0, None);
        for line in inner.split("],[") {
            let before = cells.len();
            for number in line.split(',') {
                let [digit @ b'0'..=b'9'] = number.as_bytes() else { return Err(wrong()) };
                cells.push(digit - b'0');
            }
            rows += 1;
            let width = cells.len() - before;
            if *cols.get_or_insert(width) != width {
                return Err(wrong());
            }
        }
        let grid = Grid { rows, cols: cols.unwrap_or(0), cells };
        if rows > MAX_SIDE || grid.cols > MAX_SIDE {
            return Err(ParseError::range(answer, format!("more than {MAX_SIDE} rows or columns")));
        }
        if !grid.is_sound(self.colors) {
            return Err(ParseError::range(answer, format!("colours are 0 to {}", self.colors - 1)));
        }
        Ok(GridAnswer(grid))
    }

    fn step(&mut self, action: &GridAnswer) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, 0.0, false);
        }
        let score = action.0.agreement(&self.missing);
        let right = action.0 == self.missing;
        self.outcome = Some(if right { Outcome::Success } else { Outcome::Failure });
        self.report(f32::from(u8::from(right)), score, true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, 0.0, false)
    }

    fn oracle(&self) -> GridAnswer {
        GridAnswer(self.missing.clone())
    }

    /// The law, the grid or grids that it is applied to, and what it makes of them.
    fn reason(&self, action: &GridAnswer) -> String {
        let known = self.grids.len();
        let from = match self.theory {
            Theory::Combine(_) => &self.grids[known.saturating_sub(2)..],
            Theory::Chain(_) => &self.grids[known.saturating_sub(1)..],
        };
        let mut from: Vec<String> = from.iter().map(Grid::row_words).collect();
        let law = self.theory.words();
        let made = action.0.row_words();
        let count = |s: &str| s.split(' ').count();
        // Two large grids and the answer would be too long.
        while from.len() > 1 && count(&law) + from.iter().map(|f| count(f)).sum::<usize>() + count(&made) > 35
        {
            from.pop();
        }
        format!("{law} of {} gives {made}", from.join(" and "))
    }

    /// One line a grid, in reading order: the numbers of its cells, `/` between rows; `?` for the missing
    /// one.
    fn perception(&self) -> Perception {
        let mut lines: Vec<String> = self.grids.iter().map(Grid::cell_words).collect();
        lines.push("?".into());
        let rows = |g: &Grid| g.cells.chunks(g.cols.max(1)).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let grids: Vec<_> = self.grids.iter().map(rows).collect();
        Perception { text: lines.join("\n"), data: json!({ "kind": self.kind, "grids": grids }) }
    }

    /// Random grids of the usual size, always the same for one state.
    fn legal_actions(&self) -> Vec<GridAnswer> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let mut rng = self.samples.rng();
        (0..SAMPLED_GRIDS).map(|_| GridAnswer(self.random_grid(&mut rng))).collect()
    }

    fn guess(&self, rng: &mut Rng) -> Option<GridAnswer> {
        self.outcome.is_none().then(|| GridAnswer(self.random_grid(rng)))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
