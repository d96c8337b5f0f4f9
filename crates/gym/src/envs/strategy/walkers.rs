//! Two players who walk over a grid at the same time: coin dilemma, stag hunt, battle of the colours.
//!
//! A game says what lies about and what meeting it pays ([`Rules`]); everything else is here.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{Board, BoardStyle, Canvas, Rgb};
use crate::{
    Arena, Axis, Cell, Direction, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step,
};

/// The grammar of one move.
pub(crate) const GRAMMAR: &str = "up | right | down | left | stay";

/// What is not on the board.
pub(crate) const AWAY: u8 = u8::MAX;
/// Most things that lie about.
pub(crate) const MAX_ITEMS: usize = 5;
/// Kinds of event that are counted.
pub(crate) const EVENTS: usize = 4;
/// What the look-ahead takes off a point for every turn that it is later, in thousandths.
const IMPATIENCE: i32 = 40;

/// Knobs that all these games share.
pub(crate) const SIZE: KnobSpec =
    KnobSpec::int("size", Axis::Reasoning, 3, 8, 5, "cells along each side").dialled(4.0, 7.0);
/// See [`SIZE`].
pub(crate) const TURNS: KnobSpec =
    KnobSpec::int("turns", Axis::Horizon, 4, 100, 12, "turns of an episode; VS-Bench plays 50")
        .dialled(10.0, 24.0);
/// See [`SIZE`].
pub(crate) const TILE: KnobSpec =
    KnobSpec::int("tile_px", Axis::Perception, 14, 56, 28, "pixels along each side of a cell");
/// See [`SIZE`].
pub(crate) const THEME: KnobSpec = KnobSpec::choice(
    "theme",
    Axis::Perception,
    &["lawn", "slate", "dusk"],
    "lawn",
    "colours; dusk has little contrast",
)
.dialled(0.0, 2.0);
/// See [`SIZE`].
pub(crate) const GRID: KnobSpec =
    KnobSpec::flag("grid", Axis::Perception, true, "draw lines between the cells");
/// See [`SIZE`].
pub(crate) const COORDINATES: KnobSpec =
    KnobSpec::flag("coordinates", Axis::Perception, false, "print row and column numbers");

/// A move of one walker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stride {
    /// Towards a neighbouring cell; at the edge one stays where one is.
    Go(Direction),
    /// Stays.
    Stay,
}

impl Stride {
    /// All five, in the order of the grammar.
    pub(crate) const ALL: [Self; 5] = [
        Self::Go(Direction::Up),
        Self::Go(Direction::Right),
        Self::Go(Direction::Down),
        Self::Go(Direction::Left),
        Self::Stay,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Go(direction) => direction.word(),
            Self::Stay => "stay",
        }
    }

    fn parse(answer: &str) -> Result<Self, ParseError> {
        let word = answer.trim().to_ascii_lowercase();
        let found = Self::ALL.into_iter().find(|stride| stride.word() == word);
        found.ok_or_else(|| ParseError::grammar(answer, GRAMMAR))
    }
}

impl fmt::Display for Stride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Where everybody and everything is. Places are cell numbers, row by row, or [`AWAY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scene {
    /// Cells along each side.
    pub(crate) size: u8,
    /// How many things lie about.
    pub(crate) count: u8,
    /// The players.
    pub(crate) walkers: [u8; 2],
    /// The things.
    pub(crate) items: [u8; MAX_ITEMS],
    /// What a player has to settle with the other (see the games).
    pub(crate) debts: [u8; 2],
    /// What events pay (see the games).
    pub(crate) pays: [i8; 3],
}

impl Hash for Scene {
    /// Only what changes in a game.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b] = self.walkers;
        let [v, w, x, y, z] = self.items;
        state.write_u64(u64::from_le_bytes([a, b, v, w, x, y, z, self.debts[0] ^ (self.debts[1] << 4)]));
    }
}

impl Scene {
    fn cells(&self) -> u8 {
        self.size * self.size
    }

    /// Row and column of a place.
    pub(crate) fn cell(&self, place: u8) -> Cell {
        Cell { row: usize::from(place / self.size), col: usize::from(place % self.size) }
    }

    /// Moves between two places; far when one of them is away.
    pub(crate) fn distance(&self, from: u8, to: u8) -> u8 {
        if from == AWAY || to == AWAY {
            return AWAY;
        }
        let size = self.size;
        (from / size).abs_diff(to / size) + (from % size).abs_diff(to % size)
    }

    /// Where a stride from `place` ends.
    pub(crate) fn after(&self, place: u8, stride: Stride) -> u8 {
        let (size, col) = (self.size, place % self.size);
        if place == AWAY {
            return AWAY;
        }
        match stride {
            Stride::Go(Direction::Up) if place >= size => place - size,
            Stride::Go(Direction::Right) if col + 1 < size => place + 1,
            Stride::Go(Direction::Down) if place + size < size * size => place + size,
            Stride::Go(Direction::Left) if col > 0 => place - 1,
            _ => place,
        }
    }

    /// The stride from `from` towards `to`: along the longer way, along the column when both are equal.
    pub(crate) fn towards(&self, from: u8, to: u8) -> Stride {
        if from == AWAY || to == AWAY || from == to {
            return Stride::Stay;
        }
        let (a, b) = (self.cell(from), self.cell(to));
        let direction = if a.row.abs_diff(b.row) >= a.col.abs_diff(b.col) {
            if b.row < a.row { Direction::Up } else { Direction::Down }
        } else if b.col < a.col {
            Direction::Left
        } else {
            Direction::Right
        };
        Stride::Go(direction)
    }

    /// The nearest of some places to `from`, the first among equals; [`AWAY`] when there is none.
    pub(crate) fn nearest(&self, from: u8, places: impl IntoIterator<Item = u8>) -> u8 {
        places.into_iter().filter(|p| *p != AWAY).min_by_key(|p| self.distance(from, *p)).unwrap_or(AWAY)
    }

    /// Moves both players.
    pub(crate) fn walk(&mut self, strides: [Stride; 2]) {
        for (player, stride) in strides.into_iter().enumerate() {
            if self.walkers[player] != AWAY {
                self.walkers[player] = self.after(self.walkers[player], stride);
            }
        }
    }

    /// Puts whatever is away on a free cell, drawn at random.
    fn refill(&mut self, rng: &mut Rng) {
        for index in 0..2 + usize::from(self.count) {
            let place = if index < 2 { self.walkers[index] } else { self.items[index - 2] };
            if place != AWAY {
                continue;
            }
            let free: Vec<u8> =
                (0..self.cells()).filter(|p| !self.walkers.contains(p) && !self.items.contains(p)).collect();
            let place = rng.choose(&free).copied().unwrap_or(0);
            *(if index < 2 { &mut self.walkers[index] } else { &mut self.items[index - 2] }) = place;
        }
    }
}

/// The colours of a theme.
pub(crate) struct Colors {
    /// The board.
    pub(crate) cell: Rgb,
    line: Rgb,
    strip: Rgb,
    ink: Rgb,
    /// The eye of whom the picture is for, and those of monsters.
    pub(crate) eye: Rgb,
    /// Red and blue, players and things alike.
    pub(crate) sides: [Rgb; 2],
    /// Apples.
    pub(crate) fruit: Rgb,
    /// Monsters, and outlines.
    pub(crate) dark: Rgb,
}

impl Colors {
    /// Half-way between the colour of a side and the board.
    pub(crate) fn pale(&self, side: usize) -> Rgb {
        let color = self.sides[side.min(1)];
        std::array::from_fn(|i| ((u16::from(color[i]) + u16::from(self.cell[i])) / 2) as u8)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Lawn,
    Slate,
    Dusk,
}

impl Theme {
    fn named(name: &str) -> Self {
        match name {
            "slate" => Self::Slate,
            "dusk" => Self::Dusk,
            _ => Self::Lawn,
        }
    }

    fn colors(self) -> Colors {
        match self {
            Self::Lawn => Colors {
                cell: [232, 242, 216],
                line: [196, 212, 176],
                strip: [250, 250, 246],
                ink: [40, 40, 48],
                eye: [255, 255, 255],
                sides: [[216, 40, 44], [44, 84, 220]],
                fruit: [60, 160, 50],
                dark: [36, 30, 44],
            },
            Self::Slate => Colors {
                cell: [58, 64, 74],
                line: [82, 90, 102],
                strip: [34, 38, 46],
                ink: [220, 224, 232],
                eye: [255, 255, 255],
                sides: [[244, 96, 88], [104, 160, 255]],
                fruit: [130, 214, 90],
                dark: [12, 12, 18],
            },
            Self::Dusk => Colors {
                cell: [96, 94, 100],
                line: [106, 104, 110],
                strip: [86, 84, 90],
                ink: [128, 126, 132],
                eye: [150, 148, 154],
                sides: [[132, 92, 94], [92, 98, 132]],
                fruit: [94, 118, 92],
                dark: [74, 70, 78],
            },
        }
    }
}

/// What a game of two walkers is about.
pub(crate) trait Rules: Clone + fmt::Debug + Send + Sync + 'static {
    /// How many turns the oracle looks ahead.
    const DEPTH: usize;
    /// The names of the events that are counted.
    const EVENTS: [&'static str; EVENTS];

    /// See [`Arena::spec`].
    fn spec() -> &'static EnvSpec;
    /// How many things lie about, and what events pay.
    fn setup(knobs: &Knobs) -> Result<(u8, [i8; 3]), KnobError>;
    /// See [`Arena::rules`].
    fn rules(scene: &Scene, player: usize) -> String;
    /// Plays one turn. What is to appear anew is [`AWAY`] afterwards. Gives each player's points and
    /// the events.
    fn advance(scene: &mut Scene, strides: [Stride; 2]) -> ([i32; 2], [u8; EVENTS]);
    /// What an opponent of the named kind does; `None`: anything.
    fn habit(scene: &Scene, player: usize, kind: &str) -> Option<Stride>;
    /// What a scene is worth to `player` beyond the look-ahead, in thousandths of a point.
    fn hope(scene: &Scene, player: usize, kind: &str) -> i32;
    /// The letter of a thing in perception texts.
    fn letter(item: usize) -> char;
    /// Draws a thing around (`x`, `y`).
    fn draw(canvas: &mut Canvas, item: usize, x: f32, y: f32, tile: f32, colors: &Colors);
}

/// A running game of two walkers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "", try_from = "Unchecked")]
pub(crate) struct Walk<R: Rules> {
    scene: Scene,
    returns: [i32; 2],
    events: [u32; EVENTS],
    turn: u32,
    turns: u32,
    /// True after the last turn.
    outcome: bool,
    tile_px: u32,
    theme: Theme,
    grid: bool,
    coordinates: bool,
    rng: Rng,
    #[serde(skip)]
    rules: PhantomData<R>,
}

/// A game as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    scene: Scene,
    returns: [i32; 2],
    events: [u32; EVENTS],
    turn: u32,
    turns: u32,
    outcome: bool,
    tile_px: u32,
    theme: Theme,
    grid: bool,
    coordinates: bool,
    rng: Rng,
}

impl<R: Rules> TryFrom<Unchecked> for Walk<R> {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Unchecked { scene, returns, events, turn, turns, outcome, tile_px, .. } = raw;
        if !(3..=8).contains(&scene.size) || usize::from(scene.count) > MAX_ITEMS {
            return Err(format!("no such board: {scene:?}"));
        }
        let (there, rest) = scene.items.split_at(usize::from(scene.count));
        let inside = scene.walkers.iter().chain(there).all(|place| *place < scene.cells());
        if !inside || rest.iter().any(|place| *place != AWAY) || scene.debts.iter().any(|d| *d > MAX_DEBT) {
            return Err(format!("somebody or something is off the board: {scene:?}"));
        }
        let numbers = (14..=56).contains(&tile_px) && turns <= 100 && turn <= turns;
        if !numbers || returns.iter().any(|r| r.unsigned_abs() > 10_000) || outcome != (turn == turns) {
            return Err("tile_px, turn or the returns are out of range".into());
        }
        let Unchecked { theme, grid, coordinates, rng, .. } = raw;
        let rules = PhantomData;
        Ok(Self {
            scene,
            returns,
            events,
            turn,
            turns,
            outcome,
            tile_px,
            theme,
            grid,
            coordinates,
            rng,
            rules,
        })
    }
}

/// Debts are not counted beyond this.
pub(crate) const MAX_DEBT: u8 = 9;

const SIDES: [&str; 2] = ["R", "B"];

impl<R: Rules> Walk<R> {
    fn report(&self, player: usize, pay: f32, legal: bool) -> Step {
        Step { reward: pay, score: pay, legal, status: self.status(player) }
    }

    fn count_turn(&mut self) {
        self.turn += 1;
        self.outcome = self.turn >= self.turns;
    }

    /// The word of a cell: who is there, then what lies there.
    fn word(&self, place: u8) -> String {
        let here = |p: &u8| *p == place;
        let mut word = String::new();
        for (walker, side) in self.scene.walkers.iter().zip(SIDES) {
            if here(walker) {
                word += side;
            }
        }
        let items = self.scene.items.iter().enumerate().filter(|(_, item)| here(item));
        word.extend(items.map(|(index, _)| R::letter(index)));
        if word.is_empty() { "-".into() } else { word }
    }

    fn draw_walkers(&self, board: &mut Board, player: usize, colors: &Colors) {
        let tile = board.tile();
        let together = self.scene.walkers[0] == self.scene.walkers[1];
        for (who, place) in self.scene.walkers.into_iter().enumerate() {
            let (mut x, y) = board.middle(self.scene.cell(place));
            let radius = if together { 0.23 * tile } else { 0.36 * tile };
            if together {
                x += if who == 0 { -0.23 * tile } else { 0.23 * tile };
            }
            board.canvas.fill_circle(x, y, radius, colors.dark);
            board.canvas.fill_circle(x, y, 0.86 * radius, colors.sides[who]);
            if who == player {
                // The white eye is the player whom the picture is for.
                board.canvas.fill_circle(x, y, 0.42 * radius, colors.eye);
            }
        }
    }

    /// The points of both under the board.
    fn draw_strip(&self, canvas: &mut Canvas, top: u32, player: usize, colors: &Colors) {
        let (tile, half) = (self.tile_px as f32, canvas.width() as f32 / 2.0);
        let y = top as f32 + tile / 2.0;
        for (who, color) in colors.sides.into_iter().enumerate() {
            let left = who as f32 * half;
            canvas.fill_circle(left + 0.45 * tile, y, 0.26 * tile, color);
            if who == player {
                canvas.fill_circle(left + 0.45 * tile, y, 0.11 * tile, colors.eye);
            }
            let (text, room) = (format!("{:+}", self.returns[who]), half - 0.9 * tile);
            canvas.text_in_box(&text, left + 0.8 * tile + room / 2.0, y, room, 0.62 * tile, colors.ink);
        }
    }
}

/// Best replies to a scripted opponent, a number of turns ahead.
struct Plan<'a, R: Rules> {
    me: usize,
    kind: &'a str,
    /// The look-ahead reaches the end of the episode: nothing comes after it.
    to_the_end: bool,
    known: HashMap<(Scene, u8), i32>,
    rules: PhantomData<R>,
}

impl<R: Rules> Plan<'_, R> {
    /// What a stride is worth in thousandths of a point: what it pays and the best that can follow
    /// within `left` more turns, sooner points counting more. The opponent follows its habit (one that
    /// does anything is taken to stand still); what appears anew is not foreseen.
    fn stride(&mut self, scene: &Scene, mine: Stride, left: u8, waited: i32) -> i32 {
        let foe = R::habit(scene, 1 - self.me, self.kind).unwrap_or(Stride::Stay);
        let strides = if self.me == 0 { [mine, foe] } else { [foe, mine] };
        let mut next = *scene;
        let (points, _) = R::advance(&mut next, strides);
        points[self.me] * (1000 - IMPATIENCE * waited) + self.best(&next, left, waited + 1)
    }

    fn best(&mut self, scene: &Scene, left: u8, waited: i32) -> i32 {
        if left == 0 {
            return if self.to_the_end { 0 } else { R::hope(scene, self.me, self.kind) };
        }
        if let Some(value) = self.known.get(&(*scene, left)) {
            return *value;
        }
        let values = Stride::ALL.map(|stride| self.stride(scene, stride, left - 1, waited));
        let value = values.into_iter().max().unwrap_or(0);
        self.known.insert((*scene, left), value);
        value
    }
}

impl<R: Rules> Walk<R> {
    /// What every stride is worth in thousandths of a point.
    fn values(&self, me: usize, kind: &str) -> [i32; 5] {
        let turns = self.turns.saturating_sub(self.turn) as usize;
        let (to_the_end, left) = (turns <= R::DEPTH, R::DEPTH.min(turns).saturating_sub(1) as u8);
        let mut plan =
            Plan::<R> { me: me.min(1), kind, to_the_end, known: HashMap::new(), rules: PhantomData };
        Stride::ALL.map(|stride| plan.stride(&self.scene, stride, left, 0))
    }
}

impl<R: Rules> Arena for Walk<R> {
    type Action = Stride;

    fn spec() -> &'static EnvSpec {
        R::spec()
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let (count, pays) = R::setup(knobs)?;
        let mut rng = seed.split("places", 0).rng();
        let size = knobs.size("size") as u8;
        let mut scene =
            Scene { size, count, walkers: [AWAY; 2], items: [AWAY; MAX_ITEMS], debts: [0; 2], pays };
        scene.refill(&mut rng);
        Ok(Self {
            scene,
            returns: [0; 2],
            events: [0; EVENTS],
            turn: 0,
            turns: knobs.size("turns") as u32,
            outcome: false,
            tile_px: knobs.size("tile_px") as u32,
            theme: Theme::named(knobs.choice("theme")),
            grid: knobs.flag("grid"),
            coordinates: knobs.flag("coordinates"),
            rng,
            rules: PhantomData,
        })
    }

    fn acting(&self) -> Vec<usize> {
        if self.outcome { Vec::new() } else { vec![0, 1] }
    }

    fn rules(&self, player: usize) -> String {
        R::rules(&self.scene, player.min(1))
    }

    fn render(&self, player: usize) -> Image {
        let colors = self.theme.colors();
        let style = BoardStyle {
            tile: self.tile_px,
            grid: self.grid,
            coordinates: self.coordinates,
            cell: colors.cell,
            line: if self.coordinates && !self.grid { colors.strip } else { colors.line },
            ink: colors.ink,
        };
        let size = usize::from(self.scene.size);
        let mut board = Board::new(size, size, style);
        for (index, place) in self.scene.items.into_iter().enumerate().filter(|(_, place)| *place != AWAY) {
            let ((x, y), tile) = (board.middle(self.scene.cell(place)), board.tile());
            R::draw(&mut board.canvas, index, x, y, tile, &colors);
        }
        self.draw_walkers(&mut board, player.min(1), &colors);
        let board = board.canvas.into_image();
        let mut canvas = Canvas::new(board.width(), board.height() + self.tile_px, colors.strip);
        canvas.paste(&board, 0, 0);
        self.draw_strip(&mut canvas, board.height(), player.min(1), &colors);
        canvas.into_image()
    }

    fn parse(&self, _player: usize, answer: &str) -> Result<Stride, ParseError> {
        Stride::parse(answer)
    }

    fn step(&mut self, actions: &[(usize, Stride)]) -> Vec<Step> {
        if self.outcome {
            return vec![self.report(0, 0.0, false), self.report(1, 0.0, false)];
        }
        let of = |player| actions.iter().find(|(who, _)| *who == player).map_or(Stride::Stay, |(_, s)| *s);
        let (points, events) = R::advance(&mut self.scene, [of(0), of(1)]);
        self.scene.refill(&mut self.rng);
        for (sum, points) in self.returns.iter_mut().zip(points) {
            *sum += points;
        }
        for (sum, event) in self.events.iter_mut().zip(events) {
            *sum += u32::from(event);
        }
        self.count_turn();
        vec![self.report(0, points[0] as f32, true), self.report(1, points[1] as f32, true)]
    }

    fn pass(&mut self, player: usize) -> Step {
        if self.outcome {
            return self.report(player, 0.0, false);
        }
        self.count_turn();
        self.report(player, R::spec().invalid_reward, false)
    }

    fn opponent(&self, player: usize, kind: &str, rng: &mut Rng) -> Stride {
        R::habit(&self.scene, player.min(1), kind)
            .unwrap_or_else(|| rng.choose(&Stride::ALL).copied().unwrap_or(Stride::Stay))
    }

    /// The stride worth most. Among equals the one that leads to a better place, then staying.
    fn oracle(&self, player: usize, opponent: &str) -> Stride {
        let me = player.min(1);
        let values = self.values(me, opponent);
        let mut best = (Stride::Stay, i32::MIN, i32::MIN);
        for (stride, value) in Stride::ALL.into_iter().zip(values).rev() {
            let mut next = self.scene;
            next.walkers[me] = next.after(next.walkers[me], stride);
            let hope = R::hope(&next, me, opponent);
            if (value, hope) > (best.1, best.2) {
                best = (stride, value, hope);
            }
        }
        best.0
    }

    /// Who and what is where, and what every move is worth in hundredths of a point.
    fn reason(&self, player: usize, opponent: &str, action: &Stride) -> String {
        let me = player.min(1);
        let at = |place: u8| {
            let cell = self.scene.cell(place);
            format!("{} {}", cell.row, cell.col)
        };
        let mut text = format!("{} {}", SIDES[me], at(self.scene.walkers[me]));
        text += &format!(" {} {}", SIDES[1 - me], at(self.scene.walkers[1 - me]));
        for (index, place) in self.scene.items.into_iter().enumerate().filter(|(_, p)| *p != AWAY) {
            text += &format!(" {} {}", R::letter(index), at(place));
        }
        for (stride, value) in Stride::ALL.iter().zip(self.values(me, opponent)) {
            text += &format!(" {stride} {}", value / 10);
        }
        text + &format!(" so {action}")
    }

    /// Words: `R` and `B` the players, small letters and `M` what lies about, `-` nothing. The last
    /// row: own colour and points, the other's.
    fn perception(&self, player: usize) -> Perception {
        let me = player.min(1);
        let words: Vec<String> = (0..self.scene.cells()).map(|place| self.word(place)).collect();
        let mut rows: Vec<String> =
            words.chunks(usize::from(self.scene.size)).map(|row| row.join(" ")).collect();
        let points = |who: usize| format!("{} {:+}", SIDES[who], self.returns[who]);
        rows.push(format!("you {} foe {}", points(me), points(1 - me)));
        let pair = |place: u8| {
            let cell = self.scene.cell(place);
            [cell.row, cell.col]
        };
        let items = self.scene.items.iter().enumerate().filter(|(_, place)| **place != AWAY);
        let items: Vec<_> = items.map(|(i, place)| json!([R::letter(i).to_string(), pair(*place)])).collect();
        let events: serde_json::Map<_, _> = R::EVENTS
            .iter()
            .zip(self.events)
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, count)| (name.to_string(), count.into()))
            .collect();
        let data = json!({
            "you": SIDES[me],
            "red": pair(self.scene.walkers[0]),
            "blue": pair(self.scene.walkers[1]),
            "items": items,
            "returns": self.returns,
            "social_welfare": self.returns[0] + self.returns[1],
            "events": events,
        });
        Perception { text: rows.join("\n"), data }
    }

    fn legal_actions(&self, _player: usize) -> Vec<Stride> {
        if self.outcome { Vec::new() } else { Stride::ALL.to_vec() }
    }

    /// A return above zero is a success.
    fn status(&self, player: usize) -> Status {
        match (self.outcome, self.returns[player.min(1)] > 0) {
            (false, _) => Status::Running,
            (true, true) => Status::Done(Outcome::Success),
            (true, false) => Status::Done(Outcome::Failure),
        }
    }
}

#[cfg(test)]
impl<R: Rules> Walk<R> {
    /// A game on a board given by its perception text, without the row of points.
    pub(crate) fn from_text(rows: &str, knobs: &Knobs) -> Self {
        let mut game = Self::reset(Seed::new(1), knobs).unwrap();
        let words: Vec<&str> = rows.split_whitespace().collect();
        game.scene.size = rows.lines().count() as u8;
        let (mut walkers, mut items) = ([AWAY; 2], [AWAY; MAX_ITEMS]);
        for (place, letter) in
            words.iter().enumerate().flat_map(|(i, w)| w.chars().map(move |c| (i as u8, c)))
        {
            match letter {
                'R' => walkers[0] = place,
                'B' => walkers[1] = place,
                '-' => {}
                _ => {
                    let free = (0..MAX_ITEMS).find(|i| R::letter(*i) == letter && items[*i] == AWAY);
                    items[free.unwrap()] = place;
                }
            }
        }
        (game.scene.walkers, game.scene.items) = (walkers, items);
        game
    }

    /// The scene, to look at and to change.
    pub(crate) fn scene_mut(&mut self) -> &mut Scene {
        &mut self.scene
    }

    /// The points that both get for one turn.
    pub(crate) fn points(&mut self, words: [&str; 2]) -> [f32; 2] {
        let [a, b] = words.map(|w| Stride::parse(w).unwrap());
        let steps = self.step(&[(0, a), (1, b)]);
        [steps[0].score, steps[1].score]
    }

    /// Whether a snapshot with one value of the arena changed is refused.
    pub(crate) fn refuses(&self, pointer: &str, to: serde_json::Value) -> bool {
        let mut value = serde_json::to_value(self).unwrap();
        *value.pointer_mut(pointer).unwrap() = to;
        serde_json::from_value::<Self>(value).is_err()
    }
}

#[cfg(test)]
mod tests;
