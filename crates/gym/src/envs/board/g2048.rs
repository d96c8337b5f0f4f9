//! 2048: slide the tiles, merge equal ones.

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{BLACK, Canvas, Rgb, WHITE};
use crate::envs::kit;
use crate::{
    Axis, Direction, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step,
};

const SPEC: EnvSpec = EnvSpec {
    id: "2048",
    group: EnvGroup::Board,
    title: "2048",
    summary: "A board of numbered tiles: slide it so that equal tiles merge.",
    knobs: KNOBS,
    grammar: Direction::GRAMMAR,
    invalid_reward: -1.0,
    oracle: "exact for the last two turns, before that two-move expectimax with an evaluation of the board; \
             ties: left, up, right, down",
    score: "merging moves, or the points of all merges (knob score)",
    pixel_answers: false,
    players: 1,
    source: "G1 (VLM-Gym)",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 3, 6, 4, "tiles along each side").dialled(3.0, 5.0),
    KnobSpec::int("tile_px", Axis::Perception, 14, 210, 28, "side of a tile in pixels"),
    KnobSpec::int(
        "warmup",
        Axis::Horizon,
        0,
        200,
        20,
        "random legal moves before the episode; halved when several boards in a row die under it",
    )
    .dialled(8.0, 40.0),
    KnobSpec::int("turns", Axis::Horizon, 1, 1000, 1, "moves in an episode").dialled(1.0, 8.0),
    KnobSpec::float(
        "four_prob",
        Axis::Stochasticity,
        0.0,
        1.0,
        0.1,
        "chance that a new tile is a 4 instead of a 2",
    ),
    KnobSpec::choice(
        "score",
        Axis::Horizon,
        &["merges", "points"],
        "merges",
        "what the score counts: moves that merge, or the values of the merged tiles",
    ),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["classic", "dark", "gray"],
        "classic",
        "colours of the tiles; gray gives all tiles one colour",
    )
    .dialled(0.0, 2.0),
    KnobSpec::flag(
        "numbers",
        Axis::Perception,
        true,
        "write the number on each tile; without, its colour alone tells it",
    ),
];

/// The order in which the oracle prefers directions that are equally good.
const PREFERENCE: [Direction; 4] = [Direction::Left, Direction::Up, Direction::Right, Direction::Down];

/// Boards drawn at one warm-up length before it is halved.
const DRAWS: u64 = 4;

/// What the score counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Scoring {
    Merges,
    Points,
}

/// Colours of the tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Classic,
    Dark,
    Gray,
}

/// The game of 2048.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Game2048 {
    board: Board,
    turn: u32,
    turns: u32,
    points: u64,
    /// Turns that scored.
    #[serde(default, skip_serializing_if = "kit::is_zero")]
    scored: u32,
    outcome: Option<Outcome>,
    four_prob: f64,
    score: Scoring,
    theme: Theme,
    numbers: bool,
    tile_px: u32,
    rng: Rng,
}

impl Game2048 {
    fn ended(&self) -> Option<Step> {
        let outcome = self.outcome?;
        Some(Step { reward: 0.0, score: 0.0, legal: false, status: Status::Done(outcome) })
    }

    /// Counts a turn and says how it paid. At the last turn the episode is a success when three quarters
    /// of its moves merged.
    fn finish_turn(&mut self, reward: f32, score: f32, legal: bool) -> Step {
        self.turn += 1;
        self.scored += u32::from(score > 0.0);
        if legal && !self.board.is_alive() {
            self.outcome = Some(Outcome::Failure);
        } else if self.turn >= self.turns {
            self.outcome = Some(kit::outcome_of_turns(self.scored, self.turns));
        }
        Step { reward, score, legal, status: self.status() }
    }

    /// What a slide is worth to the oracle. When merging moves are counted, the number of merges only
    /// decides between moves that merge.
    fn worth(&self, slide: Slide) -> f64 {
        match self.score {
            Scoring::Merges if slide.merges == 0 => 0.0,
            Scoring::Merges => 1.0 + 0.001 * f64::from(slide.merges),
            Scoring::Points => slide.points as f64,
        }
    }

    /// The best sum of worths that `turns` further moves can be expected to give, looking `depth`
    /// moves ahead, and the first move towards it; `None` on a dead board.
    fn best(&self, board: &Board, turns: u32, depth: u32) -> Option<(f64, Direction)> {
        let mut best: Option<(f64, Direction)> = None;
        for direction in PREFERENCE {
            let mut next = board.clone();
            let slide = next.slide(direction);
            if !slide.moved {
                continue;
            }
            let value = self.worth(slide) + self.future(&mut next, turns - 1, depth - 1);
            if best.is_none_or(|(other, _)| value > other + 1e-9) {
                best = Some((value, direction));
            }
        }
        best
    }

    /// The expected worth of what follows on `board` when a tile has yet to appear.
    fn future(&self, board: &mut Board, turns: u32, depth: u32) -> f64 {
        if turns == 0 {
            return 0.0;
        }
        if depth == 0 {
            return self.estimate(board);
        }
        let (mut sum, mut places) = (0.0, 0.0);
        for place in 0..board.tiles.len() {
            if board.tiles[place] != 0 {
                continue;
            }
            places += 1.0;
            for (exponent, chance) in [(1, 1.0 - self.four_prob), (2, self.four_prob)] {
                if chance > 0.0 {
                    board.tiles[place] = exponent;
                    sum += chance * self.best(board, turns, depth).map_or(0.0, |(value, _)| value);
                }
            }
            board.tiles[place] = 0;
        }
        if places > 0.0 { sum / places } else { 0.0 }
    }

    /// How good a board is for the moves beyond the horizon: room, equal neighbours, and large tiles
    /// lying next to tiles of similar size.
    fn estimate(&self, board: &Board) -> f64 {
        let (mut empty, mut equal, mut rough, mut largest) = (0.0, 0.0, 0.0, 0u8);
        for row in 0..board.size {
            for col in 0..board.size {
                let tile = board.at(row, col);
                largest = largest.max(tile);
                if tile == 0 {
                    empty += 1.0;
                    continue;
                }
                for other in [board.get(row, col + 1), board.get(row + 1, col)].into_iter().flatten() {
                    if other == tile {
                        equal += 1.0;
                    } else if other != 0 {
                        rough += f64::from(other.abs_diff(tile));
                    }
                }
            }
        }
        let value = 0.3 * empty + 0.5 * equal - 0.15 * rough;
        match self.score {
            Scoring::Merges => value,
            // Points grow with the largest tile; so must the weight of keeping the board in order.
            Scoring::Points => value * f64::from(1u32 << largest.min(20)) / 8.0,
        }
    }
}

impl Env for Game2048 {
    type Action = Direction;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let theme = match knobs.choice("theme") {
            "gray" => Theme::Gray,
            "dark" => Theme::Dark,
            _ => Theme::Classic,
        };
        let numbers = knobs.flag("numbers");
        if theme == Theme::Gray && !numbers {
            let detail = "theme = gray with numbers = false leaves nothing to tell tiles apart".into();
            return Err(KnobError::Conflict { env: SPEC.id.into(), detail });
        }
        let (size, four_prob) = (knobs.size("size"), knobs.float("four_prob"));
        let (board, rng) = warm_board(seed, size, knobs.size("warmup"), four_prob);
        Ok(Self {
            board,
            turn: 0,
            turns: knobs.size("turns") as u32,
            points: 0,
            scored: 0,
            outcome: None,
            four_prob,
            score: if knobs.choice("score") == "points" { Scoring::Points } else { Scoring::Merges },
            theme,
            numbers,
            tile_px: knobs.size("tile_px") as u32,
            rng,
        })
    }

    fn rules(&self) -> String {
        "2048: a move slides all tiles; equal tiles that meet merge. Choose a move that merges.".into()
    }

    fn render(&self) -> Image {
        let (px, gap) = (self.tile_px, (self.tile_px / 28).max(1));
        let side = self.board.size as u32 * px;
        let (back, empty) = match self.theme {
            Theme::Dark => ([16, 16, 20], [40, 40, 48]),
            _ => ([120, 116, 112], [204, 200, 196]),
        };
        let mut canvas = Canvas::new(side, side, back);
        for row in 0..self.board.size {
            for col in 0..self.board.size {
                let exponent = self.board.at(row, col);
                let fill = if exponent == 0 { empty } else { tile_color(self.theme, exponent) };
                let (x, y) = (col as u32 * px, row as u32 * px);
                canvas.fill_rect((x + gap) as i32, (y + gap) as i32, px - 2 * gap, px - 2 * gap, fill);
                if exponent > 0 && self.numbers {
                    let (half, ink) = (px as f32 / 2.0, if luma(fill) > 140 { BLACK } else { WHITE });
                    let (width, height) = ((px - 4 * gap) as f32, (px - 6 * gap) as f32);
                    let text = (1u64 << exponent.min(63)).to_string();
                    canvas.text_in_box(&text, x as f32 + half, y as f32 + half, width, height, ink);
                }
            }
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Direction, ParseError> {
        Direction::parse(answer)
    }

    fn step(&mut self, action: &Direction) -> Step {
        if let Some(step) = self.ended() {
            return step;
        }
        let slide = self.board.slide(*action);
        if !slide.moved {
            return self.finish_turn(SPEC.invalid_reward, 0.0, false);
        }
        self.points += slide.points;
        self.board.spawn(self.four_prob, &mut self.rng);
        let merged = slide.merges > 0;
        let score = match self.score {
            Scoring::Merges => f32::from(u8::from(merged)),
            Scoring::Points => slide.points as f32,
        };
        self.finish_turn(if merged { 1.0 } else { -1.0 }, score, true)
    }

    fn begin_here(&mut self) {
        (self.turn, self.scored) = (0, 0);
    }

    fn pass(&mut self) -> Step {
        self.ended().unwrap_or_else(|| self.finish_turn(SPEC.invalid_reward, 0.0, false))
    }

    fn oracle(&self) -> Direction {
        let turns = self.turns.saturating_sub(self.turn).max(1);
        self.best(&self.board, turns, turns.min(2)).map_or(Direction::Left, |(_, direction)| direction)
    }

    /// What each row gives when slid sideways and each column when slid up or down (a line gives the
    /// same both ways), both totals, and the choice. Where nothing merges, the directions that move
    /// something are listed, in the oracle's order.
    fn reason(&self, action: &Direction) -> String {
        let size = self.board.size;
        let lines = |cell: &dyn Fn(usize, usize) -> u8| -> Vec<u64> {
            let gains = (0..size).map(|line| line_gain((0..size).map(|place| cell(line, place))));
            gains
                .map(|(merges, points)| if self.score == Scoring::Points { points } else { merges })
                .collect()
        };
        let rows = lines(&|line, place| self.board.at(line, place));
        let cols = lines(&|line, place| self.board.at(place, line));
        let (sideways, upright): (u64, u64) = (rows.iter().sum(), cols.iter().sum());
        let join = |gains: &[u64]| gains.iter().map(|g| format!(" {g}")).collect::<String>();
        let moves: String = if sideways + upright == 0 {
            let movable = PREFERENCE.into_iter().filter(|d| self.board.moves(*d));
            format!(" moves{}", movable.map(|d| format!(" {d}")).collect::<String>())
        } else {
            String::new()
        };
        let (rows, cols) = (join(&rows), join(&cols));
        format!("rows{rows} cols{cols} left right {sideways} up down {upright}{moves} so {action}")
    }

    fn perception(&self) -> Perception {
        let values = self.board.tiles.iter().map(|e| if *e == 0 { 0 } else { 1u64 << (*e).min(63) });
        let values: Vec<u64> = values.collect();
        let rows: Vec<&[u64]> = values.chunks(self.board.size).collect();
        let word = |value: &u64| if *value == 0 { "-".to_string() } else { value.to_string() };
        let line = |row: &&[u64]| row.iter().map(word).collect::<Vec<_>>().join(" ");
        Perception {
            text: rows.iter().map(line).collect::<Vec<_>>().join("\n"),
            data: json!({ "board": rows }),
        }
    }

    fn legal_actions(&self) -> Vec<Direction> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        Direction::ALL.into_iter().filter(|d| self.board.moves(*d)).collect()
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

/// A board on which a move is possible, after `warmup` random ones, and its random source. A board
/// that dies on the way is drawn anew; after every [`DRAWS`] deaths the warm-up is halved, down to
/// none, so that this ends on small boards too.
fn warm_board(seed: Seed, size: usize, warmup: usize, four_prob: f64) -> (Board, Rng) {
    let mut attempt = 0;
    loop {
        let mut rng = seed.split("board", attempt).rng();
        let mut board = Board { size, tiles: vec![0; size * size] };
        board.spawn(four_prob, &mut rng);
        board.spawn(four_prob, &mut rng);
        let moves = warmup.checked_shr((attempt / DRAWS) as u32).unwrap_or(0);
        if (0..moves).all(|_| board.random_move(four_prob, &mut rng)) && board.is_alive() {
            return (board, rng);
        }
        attempt += 1;
    }
}

/// What a slide did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slide {
    moved: bool,
    merges: u32,
    points: u64,
}

/// The tiles as exponents of two, row-major; 0 is an empty place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawBoard")]
struct Board {
    size: usize,
    tiles: Vec<u8>,
}

/// A board as read from a file, not yet checked.
#[derive(Deserialize)]
struct RawBoard {
    size: usize,
    tiles: Vec<u8>,
}

impl TryFrom<RawBoard> for Board {
    type Error = String;

    fn try_from(raw: RawBoard) -> Result<Self, String> {
        let fits = (3..=6).contains(&raw.size) && raw.tiles.len() == raw.size * raw.size;
        if !fits || raw.tiles.iter().any(|exponent| *exponent > 62) {
            return Err(format!("{} tiles do not make a board of side {}", raw.tiles.len(), raw.size));
        }
        Ok(Self { size: raw.size, tiles: raw.tiles })
    }
}

impl Board {
    fn at(&self, row: usize, col: usize) -> u8 {
        self.tiles[row * self.size + col]
    }

    fn get(&self, row: usize, col: usize) -> Option<u8> {
        (row < self.size && col < self.size).then(|| self.at(row, col))
    }

    /// The lines that `direction` slides, as index of the first place and step to the next one,
    /// counted from the edge the tiles move to.
    fn lines(&self, direction: Direction) -> (isize, isize, isize) {
        let (size, last) = (self.size as isize, (self.size * self.size) as isize - 1);
        match direction {
            Direction::Left => (0, size, 1),
            Direction::Right => (size - 1, size, -1),
            Direction::Up => (0, 1, size),
            Direction::Down => (last - size + 1, 1, -size),
        }
    }

    /// Slides all tiles. Each tile merges at most once, those nearest to the edge first.
    fn slide(&mut self, direction: Direction) -> Slide {
        let (first, to_next_line, step) = self.lines(direction);
        let mut slide = Slide::default();
        for line in 0..self.size as isize {
            let start = first + line * to_next_line;
            let place = |index: isize| (start + index * step) as usize;
            let (mut free, mut waiting) = (0, 0);
            for index in 0..self.size as isize {
                let tile = std::mem::take(&mut self.tiles[place(index)]);
                if tile == 0 {
                    continue;
                }
                if tile == waiting {
                    self.tiles[place(free - 1)] = tile + 1;
                    waiting = 0;
                    slide.moved = true;
                    slide.merges += 1;
                    slide.points += 2u64 << tile;
                } else {
                    self.tiles[place(free)] = tile;
                    slide.moved |= free != index;
                    free += 1;
                    waiting = tile;
                }
            }
        }
        slide
    }

    /// Whether `direction` would change the board: a tile has room before it or meets its like.
    fn moves(&self, direction: Direction) -> bool {
        let (first, to_next_line, step) = self.lines(direction);
        (0..self.size as isize).any(|line| {
            let start = first + line * to_next_line;
            let tile = |index: isize| self.tiles[(start + index * step) as usize];
            (1..self.size as isize).any(|i| tile(i) != 0 && (tile(i - 1) == 0 || tile(i - 1) == tile(i)))
        })
    }

    fn is_alive(&self) -> bool {
        self.tiles.contains(&0) || self.moves(Direction::Left) || self.moves(Direction::Up)
    }

    /// Puts a new tile on a random empty place; a full board stays as it is.
    fn spawn(&mut self, four_prob: f64, rng: &mut Rng) {
        let empty = self.tiles.iter().filter(|tile| **tile == 0).count();
        let chosen = rng.below(empty);
        let exponent = if rng.chance(four_prob) { 2 } else { 1 };
        if let Some(tile) = self.tiles.iter_mut().filter(|tile| **tile == 0).nth(chosen) {
            *tile = exponent;
        }
    }

    /// Plays a random legal move; false when there is none.
    fn random_move(&mut self, four_prob: f64, rng: &mut Rng) -> bool {
        let mut order = Direction::ALL;
        rng.shuffle(&mut order);
        let moved = order.into_iter().any(|direction| self.slide(direction).moved);
        if moved {
            self.spawn(four_prob, rng);
        }
        moved
    }
}

/// How many merges a line gives and their points. A run of n equal tiles gives ⌊n/2⌋ merges from
/// either side, so the direction along the line does not matter.
fn line_gain(line: impl Iterator<Item = u8>) -> (u64, u64) {
    let (mut merges, mut points, mut waiting) = (0, 0, 0);
    for tile in line.filter(|tile| *tile != 0) {
        if tile == waiting {
            merges += 1;
            points += 2u64 << tile;
            waiting = 0;
        } else {
            waiting = tile;
        }
    }
    (merges, points)
}

/// Colours of 2, 4, 8 … 8192. No episode gets further: 200 + 1000 moves bring at most 4,808 in all.
const TILE_COLORS: [Rgb; 13] = [
    [255, 255, 255],
    [255, 236, 140],
    [255, 165, 40],
    [235, 85, 25],
    [185, 15, 45],
    [255, 130, 190],
    [165, 50, 205],
    [50, 50, 225],
    [70, 175, 250],
    [10, 135, 135],
    [45, 170, 45],
    [165, 230, 60],
    [95, 60, 25],
];

fn tile_color(theme: Theme, exponent: u8) -> Rgb {
    let index = usize::from(exponent).saturating_sub(1).min(TILE_COLORS.len() - 1);
    match theme {
        Theme::Classic => TILE_COLORS[index],
        Theme::Dark => TILE_COLORS[index].map(|v| (u16::from(v) * 7 / 10) as u8),
        Theme::Gray => [236, 234, 232],
    }
}

/// Perceived brightness (Rec. 601), 0..=255.
fn luma([r, g, b]: Rgb) -> u32 {
    (299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b)) / 1000
}

#[cfg(test)]
mod tests;
