//! Tic-tac-toe on boards of any size: so many signs in a row win.
//!
//! Games start after a few random signs, so that they differ; on 3 x 3 from positions that are a draw.

use std::fmt;

use eyas_core::{Image, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::lines::{self, Field, Match};
use crate::draw::{Board, BoardStyle, Rgb};
use crate::{
    Arena, Axis, Cell, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, SEAT, Status,
    Step,
};

const GRAMMAR: &str = "(row,col), counted from 0 at the top left";

const SPEC: EnvSpec = EnvSpec {
    id: "tic-tac-toe",
    group: EnvGroup::Strategy,
    title: "Tic-tac-toe",
    summary: "A board of crosses and noughts: complete a line before the opponent does.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact best reply to the opponent on 3 x 3 boards; on larger ones alpha-beta 4 to 6 deep, exact with 9 cells left",
    score: "1 for a win, 0.5 for a draw, 0 for a loss or stalling",
    pixel_answers: false,
    players: 2,
    source: "VS-Bench; TextArena",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Reasoning, 3, 6, 3, "cells along each side").dialled(3.0, 5.0),
    KnobSpec::int("line", Axis::Reasoning, 3, 5, 3, "signs in a row that win; at most size")
        .dialled(3.0, 4.0),
    KnobSpec::choice(
        "opponent",
        Axis::Reasoning,
        &["random", "scripted", "strong"],
        "random",
        "scripted: wins or blocks where it can, else random; strong: perfect on 3 x 3, else searches 3 or 4 deep",
    )
    .dialled(0.0, 2.0),
    KnobSpec::int("opening", Axis::Stochasticity, 2, 4, 2, "random signs on the board at the start"),
    SEAT,
    KnobSpec::int("tile_px", Axis::Perception, 14, 84, 56, "pixels along each side of a cell")
        .dialled_by(56.0, 28.0, 28.0),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["paper", "slate", "faint"],
        "paper",
        "colours; faint has little contrast",
    )
    .dialled(0.0, 1.0),
    KnobSpec::choice("signs", Axis::Perception, &["signs", "discs"], "signs", "X and O, or discs of two colours"),
    KnobSpec::flag("coordinates", Axis::Perception, false, "print row and column numbers"),
];

const NAMES: [&str; 2] = ["X", "O"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Paper,
    Slate,
    Faint,
}

impl Theme {
    /// Cell, line, and the colours of both players.
    fn colors(self) -> (Rgb, Rgb, [Rgb; 2]) {
        match self {
            Self::Paper => ([252, 250, 240], [120, 120, 128], [[210, 40, 50], [40, 80, 210]]),
            Self::Slate => ([44, 58, 62], [130, 146, 150], [[250, 240, 170], [140, 220, 250]]),
            Self::Faint => ([196, 194, 188], [182, 180, 176], [[172, 150, 146], [148, 156, 176]]),
        }
    }
}

/// A sign put on a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(Cell);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.0.row, self.0.col)
    }
}

/// How the board is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedLook")]
struct Look {
    tile_px: u32,
    theme: Theme,
    discs: bool,
    coordinates: bool,
}

/// A look as read from a file, not yet checked.
#[derive(Deserialize)]
struct UncheckedLook {
    tile_px: u32,
    theme: Theme,
    discs: bool,
    coordinates: bool,
}

impl TryFrom<UncheckedLook> for Look {
    type Error = String;

    fn try_from(raw: UncheckedLook) -> Result<Self, String> {
        let UncheckedLook { tile_px, theme, discs, coordinates } = raw;
        if (14..=84).contains(&tile_px) {
            Ok(Self { tile_px, theme, discs, coordinates })
        } else {
            Err(format!("tile_px = {tile_px} is out of range"))
        }
    }
}

/// The game of tic-tac-toe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TicTacToe {
    game: Match,
    look: Look,
}

impl TicTacToe {
    fn mark(&self, bit: u64) -> Mark {
        Mark(self.game.field.cell(bit))
    }

    fn draw_sign(&self, board: &mut Board, cell: Cell, player: usize, color: Rgb) {
        let ((x, y), tile) = (board.middle(cell), board.tile());
        let reach = 0.27 * tile;
        if self.look.discs {
            board.canvas.fill_circle(x, y, 0.33 * tile, color);
        } else if player == 0 {
            board.canvas.line((x - reach, y - reach), (x + reach, y + reach), 0.14 * tile, color);
            board.canvas.line((x - reach, y + reach), (x + reach, y - reach), 0.14 * tile, color);
        } else {
            board.canvas.ring(x, y, 0.34 * tile, 0.12 * tile, color);
        }
    }
}

impl Arena for TicTacToe {
    type Action = Mark;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let (size, line) = (knobs.size("size") as u32, knobs.size("line") as u32);
        if line > size {
            let detail = format!("line = {line} does not fit on a board of size {size}");
            return Err(KnobError::Conflict { env: SPEC.id.into(), detail });
        }
        let field = Field { rows: size, cols: size, line, falls: false };
        let look = Look {
            tile_px: knobs.size("tile_px") as u32,
            theme: match knobs.choice("theme") {
                "slate" => Theme::Slate,
                "faint" => Theme::Faint,
                _ => Theme::Paper,
            },
            discs: knobs.choice("signs") == "discs",
            coordinates: knobs.flag("coordinates"),
        };
        Ok(Self { game: Match::open(seed, field, knobs.size("opening")), look })
    }

    fn acting(&self) -> Vec<usize> {
        self.game.acting()
    }

    fn rules(&self, player: usize) -> String {
        let look = match (self.look.discs, player) {
            (false, _) => NAMES[player.min(1)].to_string(),
            (true, 0) => "X, the first colour (red or yellow)".to_string(),
            (true, _) => "O, the second colour (blue)".to_string(),
        };
        format!("You play {look}; X began. Put {} in a row to win.", self.game.field.line)
    }

    fn render(&self, _player: usize) -> Image {
        let (cell, line, colors) = self.look.theme.colors();
        let field = self.game.field;
        let style = BoardStyle {
            tile: self.look.tile_px,
            grid: false,
            coordinates: self.look.coordinates,
            cell,
            line,
            ink: if self.look.theme == Theme::Paper { [255; 3] } else { [20, 24, 28] },
        };
        let (rows, cols, tile) = (field.rows as usize, field.cols as usize, self.look.tile_px);
        let mut board = Board::new(rows, cols, style);
        let thick = (tile / 16).max(1);
        for n in 1..rows {
            let (x, y) = board.corner(Cell { row: n, col: n });
            let (left, top) = board.corner(Cell { row: 0, col: 0 });
            let half = (thick / 2) as i32;
            board.canvas.fill_rect(x - half, top, thick, tile * rows as u32, line);
            board.canvas.fill_rect(left, y - half, tile * cols as u32, thick, line);
        }
        for (player, color) in colors.into_iter().enumerate() {
            for bit in lines::bits(self.game.stones[player]) {
                self.draw_sign(&mut board, field.cell(bit), player, color);
            }
        }
        board.canvas.into_image()
    }

    fn parse(&self, _player: usize, answer: &str) -> Result<Mark, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let inner =
            answer.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?;
        let (row, col) = inner.split_once(',').ok_or_else(wrong)?;
        let number = |text: &str| match text.trim().as_bytes() {
            [digit @ b'0'..=b'9'] => Ok(usize::from(digit - b'0')),
            _ => Err(wrong()),
        };
        let cell = Cell { row: number(row)?, col: number(col)? };
        if self.game.field.bit(cell) == 0 {
            return Err(ParseError::range(answer, format!("the board has {} rows", self.game.field.rows)));
        }
        Ok(Mark(cell))
    }

    fn step(&mut self, actions: &[(usize, Mark)]) -> Vec<Step> {
        let Some((player, mark)) = actions.first() else { return Vec::new() };
        self.game.play(*player, self.game.field.bit(mark.0))
    }

    fn pass(&mut self, player: usize) -> Step {
        self.game.pass(player)
    }

    fn opponent(&self, _player: usize, kind: &str, rng: &mut Rng) -> Mark {
        self.mark(lines::draw_bit(lines::choices(self.game.field, self.game.stones, kind), rng))
    }

    fn oracle(&self, _player: usize, opponent: &str) -> Mark {
        self.mark(lines::best(&lines::rate(self.game.field, self.game.stones, opponent)))
    }

    fn reason(&self, _player: usize, opponent: &str, action: &Mark) -> String {
        let word = |cell: Cell| format!("{} {}", cell.row, cell.col);
        lines::reason(&self.game, opponent, self.game.field.bit(action.0), NAMES, word)
    }

    /// Words: `X`, `O`, `-` for a free cell.
    fn perception(&self, player: usize) -> Perception {
        let words = self.game.words(NAMES);
        let rows: Vec<String> = words.iter().map(|row| row.join(" ")).collect();
        let data = json!({ "board": words, "you": NAMES[player.min(1)], "line": self.game.field.line });
        Perception { text: rows.join("\n"), data }
    }

    fn legal_actions(&self, player: usize) -> Vec<Mark> {
        lines::bits(self.game.moves(player)).map(|bit| self.mark(bit)).collect()
    }

    fn status(&self, player: usize) -> Status {
        self.game.status(player)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::{Env as _, KnobValue, Seated};

    fn knobs(given: &[(&str, KnobValue)]) -> Knobs {
        let given: BTreeMap<_, _> = given.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
        Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()
    }

    #[test]
    fn answers_are_cells_of_the_board() {
        let game = TicTacToe::reset(Seed::new(1), &knobs(&[])).unwrap();
        let mark = Mark(Cell { row: 1, col: 2 });
        for text in ["(1,2)", " ( 1 , 2 )\n"] {
            assert_eq!(game.parse(0, text), Ok(mark));
        }
        assert_eq!(mark.to_string(), "(1,2)");
        assert!(matches!(game.parse(0, "(3,0)"), Err(ParseError::Range { .. })));
        for text in ["1,2", "(1,2,0)", "(01,2)", "(+1,2)", "(1 2)", "(1,2) (0,0)"] {
            assert!(matches!(game.parse(0, text), Err(ParseError::Grammar { .. })), "{text}");
        }
        let big = [("line", KnobValue::Int(5))];
        assert!(matches!(TicTacToe::reset(Seed::new(1), &knobs(&big)), Err(KnobError::Conflict { .. })));
    }

    #[test]
    fn nobody_beats_the_perfect_opponent_and_the_oracle_never_loses_to_it() {
        let knobs = knobs(&[("opponent", KnobValue::Choice("strong".into()))]);
        for index in 0..30 {
            let mut game = Seated::<TicTacToe>::reset(Seed::new(index), &knobs).unwrap();
            let mut rng = Seed::new(index).split("guess", 0).rng();
            let mut guessed = game.clone();
            let (mut oracle, mut guesses) = (0.0, 0.0);
            while game.status() == Status::Running {
                oracle += game.step(&game.oracle()).score;
            }
            while guessed.status() == Status::Running {
                let action = guessed.guess(&mut rng).unwrap();
                guesses += guessed.step(&action).score;
            }
            assert!(oracle == 0.5 && guesses <= 0.5, "{oracle} {guesses}");
        }
    }

    #[test]
    fn a_chair_read_from_a_file_is_checked() {
        let game = Seated::<TicTacToe>::reset(Seed::new(2), &knobs(&[])).unwrap();
        let value = serde_json::to_value(&game).unwrap();
        let refused = |path: &[&str], to: serde_json::Value| {
            let mut value = value.clone();
            let mut at = &mut value;
            for key in path {
                at = &mut at[*key];
            }
            *at = to;
            serde_json::from_value::<Seated<TicTacToe>>(value).is_err()
        };
        assert!(!refused(&["opponent"], json!("strong")));
        assert!(refused(&["opponent"], json!("nobody")));
        assert!(refused(&["seat"], json!(2)));
        assert!(refused(&["seat"], json!(1 - game.seat())), "it is not its turn");
        assert!(refused(&["arena", "look", "tile_px"], json!(4_000_000)));
        assert!(refused(&["arena", "game", "field", "rows"], json!(0)));
        assert!(refused(&["arena", "game", "stones"], json!([1, 1])));
    }
}
