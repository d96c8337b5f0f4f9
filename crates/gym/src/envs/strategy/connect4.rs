//! Connect four: discs fall down the columns, so many in a row win.
//!
//! Seven columns of six and four in a row are the classic game; the default is smaller. Games start
//! after a few random discs, so that they differ.

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

const GRAMMAR: &str = "the column, counted from 0 at the left";

const SPEC: EnvSpec = EnvSpec {
    id: "connect4",
    group: EnvGroup::Strategy,
    title: "Connect four",
    summary: "A rack of red and yellow discs: drop yours so that they line up first.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "alpha-beta 6 deep on open lines; with 9 cells left the exact best reply to the opponent",
    score: "1 for a win, 0.5 for a draw, 0 for a loss or stalling",
    pixel_answers: false,
    players: 2,
    source: "VS-Bench; TextArena",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("columns", Axis::Reasoning, 4, 8, 5, "columns of the rack").dialled(4.0, 7.0),
    KnobSpec::int("rows", Axis::Reasoning, 3, 7, 4, "discs that fit into a column").dialled(4.0, 6.0),
    KnobSpec::int(
        "line",
        Axis::Reasoning,
        3,
        5,
        4,
        "discs in a row that win; fits on both sides of the rack",
    )
    .dialled(3.0, 4.0),
    KnobSpec::choice(
        "opponent",
        Axis::Reasoning,
        &["random", "scripted", "strong"],
        "random",
        "scripted: wins or blocks where it can, else random; strong: alpha-beta 4 deep on open lines",
    )
    .dialled(0.0, 2.0),
    KnobSpec::int("opening", Axis::Stochasticity, 2, 6, 2, "random discs in the rack at the start"),
    SEAT,
    KnobSpec::int("tile_px", Axis::Perception, 14, 56, 28, "pixels along each side of a cell"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["blue", "wood", "dusk"],
        "blue",
        "colours of rack and discs; dusk has little contrast",
    )
    .dialled(0.0, 1.0),
    KnobSpec::flag("coordinates", Axis::Perception, false, "print row and column numbers"),
];

/// Red moves first.
const NAMES: [&str; 2] = ["R", "Y"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Blue,
    Wood,
    Dusk,
}

impl Theme {
    /// Rack, hole, and the discs of both players.
    fn colors(self) -> (Rgb, Rgb, [Rgb; 2]) {
        match self {
            Self::Blue => ([36, 84, 190], [226, 236, 250], [[220, 30, 40], [250, 210, 20]]),
            Self::Wood => ([168, 116, 66], [96, 60, 32], [[196, 52, 44], [236, 204, 96]]),
            Self::Dusk => ([58, 60, 78], [48, 50, 64], [[104, 62, 66], [102, 96, 64]]),
        }
    }
}

/// A disc dropped into a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop(usize);

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The game of connect four.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Connect4 {
    game: Match,
    tile_px: u32,
    theme: Theme,
    coordinates: bool,
}

/// A game as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    game: Match,
    tile_px: u32,
    theme: Theme,
    coordinates: bool,
}

impl TryFrom<Unchecked> for Connect4 {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Unchecked { game, tile_px, theme, coordinates } = raw;
        if (14..=56).contains(&tile_px) && game.field.falls {
            Ok(Self { game, tile_px, theme, coordinates })
        } else {
            Err("tile_px is out of range, or stones do not fall".into())
        }
    }
}

impl Connect4 {
    /// Where a disc dropped into the column comes to rest; 0 when the column is full.
    fn landing(&self, drop: Drop) -> u64 {
        self.game.field.column(drop.0) & self.game.field.moves(self.game.stones)
    }

    fn drop(&self, bit: u64) -> Drop {
        Drop(self.game.field.cell(bit).col)
    }
}

impl Arena for Connect4 {
    type Action = Drop;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let (rows, cols, line) = (knobs.size("rows"), knobs.size("columns"), knobs.size("line"));
        if line > rows.max(cols) {
            let detail = format!("line = {line} does not fit into {cols} columns of {rows}");
            return Err(KnobError::Conflict { env: SPEC.id.into(), detail });
        }
        let field = Field { rows: rows as u32, cols: cols as u32, line: line as u32, falls: true };
        Ok(Self {
            game: Match::open(seed, field, knobs.size("opening")),
            tile_px: knobs.size("tile_px") as u32,
            theme: match knobs.choice("theme") {
                "wood" => Theme::Wood,
                "dusk" => Theme::Dusk,
                _ => Theme::Blue,
            },
            coordinates: knobs.flag("coordinates"),
        })
    }

    fn acting(&self) -> Vec<usize> {
        self.game.acting()
    }

    fn rules(&self, player: usize) -> String {
        let color = if player == 0 { "red" } else { "yellow" };
        format!(
            "You play {color}; red began. Discs fall to the bottom of their column. Line up {} of yours in any direction to win.",
            self.game.field.line
        )
    }

    fn render(&self, _player: usize) -> Image {
        let (rack, hole, colors) = self.theme.colors();
        let field = self.game.field;
        let style = BoardStyle {
            tile: self.tile_px,
            grid: false,
            coordinates: self.coordinates,
            cell: rack,
            line: if self.theme == Theme::Dusk { rack } else { [250, 250, 250] },
            ink: if self.theme == Theme::Dusk { [84, 86, 104] } else { [30, 30, 36] },
        };
        let (rows, cols) = (field.rows as usize, field.cols as usize);
        let mut board = Board::new(rows, cols, style);
        let radius = 0.42 * board.tile();
        for row in 0..rows {
            for col in 0..cols {
                let (bit, (x, y)) = (field.bit(Cell { row, col }), board.middle(Cell { row, col }));
                let owner = (0..2).find(|p| self.game.stones[*p] & bit != 0);
                let color = owner.map_or(hole, |player| colors[player]);
                board.canvas.fill_circle(x, y, radius, color);
                if owner.is_some() {
                    let shade = color.map(|v| (u32::from(v) * 4 / 5) as u8);
                    board.canvas.ring(x, y, 0.72 * radius, 0.12 * radius, shade);
                }
            }
        }
        board.canvas.into_image()
    }

    fn parse(&self, _player: usize, answer: &str) -> Result<Drop, ParseError> {
        let [digit @ b'0'..=b'9'] = answer.trim().as_bytes() else {
            return Err(ParseError::grammar(answer, GRAMMAR));
        };
        let (column, columns) = (usize::from(digit - b'0'), self.game.field.cols);
        if column < columns as usize {
            Ok(Drop(column))
        } else {
            Err(ParseError::range(answer, format!("the rack has {columns} columns")))
        }
    }

    fn step(&mut self, actions: &[(usize, Drop)]) -> Vec<Step> {
        let Some((player, drop)) = actions.first() else { return Vec::new() };
        self.game.play(*player, self.landing(*drop))
    }

    fn pass(&mut self, player: usize) -> Step {
        self.game.pass(player)
    }

    fn opponent(&self, _player: usize, kind: &str, rng: &mut Rng) -> Drop {
        self.drop(lines::draw_bit(lines::choices(self.game.field, self.game.stones, kind), rng))
    }

    fn oracle(&self, _player: usize, opponent: &str) -> Drop {
        self.drop(lines::best(&lines::rate(self.game.field, self.game.stones, opponent)))
    }

    fn reason(&self, _player: usize, opponent: &str, action: &Drop) -> String {
        let landing = self.landing(*action);
        if landing == 0 {
            return format!("column {action} is full");
        }
        lines::reason(&self.game, opponent, landing, NAMES, |cell| cell.col.to_string())
    }

    /// Words: `R` red, `Y` yellow, `-` for a free cell.
    fn perception(&self, player: usize) -> Perception {
        let words = self.game.words(NAMES);
        let rows: Vec<String> = words.iter().map(|row| row.join(" ")).collect();
        let data = json!({ "board": words, "you": NAMES[player.min(1)], "line": self.game.field.line });
        Perception { text: rows.join("\n"), data }
    }

    /// From the left to the right.
    fn legal_actions(&self, player: usize) -> Vec<Drop> {
        let moves = self.game.moves(player);
        let field = self.game.field;
        (0..field.cols as usize).filter(|col| field.column(*col) & moves != 0).map(Drop).collect()
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

    /// A rack from its words.
    fn rack(rows: &[&str]) -> Connect4 {
        let given = [("columns", rows[0].len() as i64), ("rows", rows.len() as i64)];
        let mut game =
            Connect4::reset(Seed::new(1), &knobs(&given.map(|(k, v)| (k, KnobValue::Int(v))))).unwrap();
        game.game.stones = [0; 2];
        for (row, text) in rows.iter().enumerate() {
            for (col, letter) in text.chars().enumerate() {
                if let Some(player) = NAMES.iter().position(|n| n.starts_with(letter)) {
                    game.game.stones[player] |= game.game.field.bit(Cell { row, col });
                }
            }
        }
        game
    }

    #[test]
    fn discs_fall_and_full_columns_refuse() {
        let mut game = rack(&["R---", "Y---", "R---", "Y---"]);
        assert_eq!(game.legal_actions(0), [Drop(1), Drop(2), Drop(3)]);
        let before = game.clone();
        let step = game.step(&[(0, Drop(0))]);
        assert!(!step[0].legal && step[1].legal);
        assert_eq!((game.perception(0).text, game.acting()), (before.perception(0).text, vec![0]));
        assert_eq!(game.reason(0, "random", &Drop(0)), "column 0 is full");
        game.step(&[(0, Drop(2))]);
        game.step(&[(1, Drop(2))]);
        assert_eq!(game.perception(0).text, "R - - -\nY - - -\nR - Y -\nY - R -");
        assert!(game.legal_actions(1).is_empty());
    }

    #[test]
    fn the_oracle_wins_blocks_and_sees_double_threats() {
        let column = rack(&["-----", "R----", "R--Y-", "R--YY"]);
        assert_eq!(column.oracle(0, "strong"), Drop(0));
        let block = rack(&["-----", "R----", "R--Y-", "R--Y-"]);
        assert_eq!((block.acting(), block.oracle(1, "strong")), (vec![1], Drop(0)));
        // A third red on the bottom row is open on both sides.
        let fork = rack(&["------", "------", "--YY--", "--RR--"]);
        let action = fork.oracle(0, "strong");
        assert!([Drop(1), Drop(4)].contains(&action), "{action}");
        assert!(
            fork.reason(0, "strong", &action).ends_with("so 1 100"),
            "{}",
            fork.reason(0, "strong", &action)
        );
    }

    #[test]
    fn answers_are_columns() {
        let game = rack(&["----", "----", "----"]);
        assert_eq!(game.parse(0, " 3\n"), Ok(Drop(3)));
        assert!(matches!(game.parse(0, "4"), Err(ParseError::Range { .. })));
        for text in ["", "03", "+1", "-1", "1.0", "(1)", "1 2", "१"] {
            assert!(matches!(game.parse(0, text), Err(ParseError::Grammar { .. })), "{text}");
        }
    }

    #[test]
    fn a_hostile_snapshot_is_refused() {
        let game = Seated::<Connect4>::reset(Seed::new(3), &knobs(&[])).unwrap();
        let value = serde_json::to_value(&game).unwrap();
        assert!(serde_json::from_value::<Seated<Connect4>>(value.clone()).is_ok());
        let mut floating = value.clone();
        floating["arena"]["game"]["stones"] = json!([1, 0]);
        assert!(serde_json::from_value::<Seated<Connect4>>(floating).is_err());
        let mut wide = value;
        wide["arena"]["game"]["field"]["cols"] = json!(4_000_000_000_u32);
        assert!(serde_json::from_value::<Seated<Connect4>>(wide).is_err());
    }
}
