//! Transformation: name every change that leads from one scene to another, which may be seen from
//! another side. One turn.

use std::collections::BTreeSet;
use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::scene::{Panel, Theme, Tint, draw_shape, shape_word};
use crate::draw::{Canvas, Shape};
use crate::{
    Axis, Cell, Direction, Env, EnvGroup, EnvSpec, Frame, KnobError, KnobSpec, Knobs, ParseError, Perception,
    Status, Step,
};

const GRAMMAR: &str = "change_color(0,red), change_shape(1,star), change_size(2,small), move(3,up), ...";

const SPEC: EnvSpec = EnvSpec {
    id: "transformation",
    group: EnvGroup::Perception,
    title: "Transformation",
    summary: "Objects before and after, perhaps seen from another side: list every change.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "changes that are right in full / the larger of changes made and changes named",
    pixel_answers: false,
    players: 1,
    source: "STAR-R1; Reason-RFT; TRANCE (TVR)",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("size", Axis::Perception, 2, 6, 3, "cells along each side of a scene").dialled(2.0, 5.0),
    KnobSpec::int("objects", Axis::Perception, 2, 12, 4, "objects; two thirds of the cells at most")
        .dialled(2.0, 10.0),
    KnobSpec::int("changes", Axis::Reasoning, 1, 5, 1, "most changes; one at least").dialled(1.0, 5.0),
    KnobSpec::choice(
        "kinds",
        Axis::Reasoning,
        &["color", "look", "all"],
        "look",
        "what may change: the colour; colour, shape and size; also the cell",
    )
    .dialled(0.0, 2.0),
    KnobSpec::choice(
        "view",
        Axis::Reasoning,
        &["same", "turned"],
        "same",
        "turned: the scene after is seen from another side; a bar marks the same edge in both",
    )
    .dialled(0.0, 1.0),
    KnobSpec::choice(
        "reward",
        Axis::Reasoning,
        &["star-r1", "reason-rft", "exact"],
        "star-r1",
        "partial credit by object and attribute, by parts of a change, or none",
    ),
    KnobSpec::choice(
        "layout",
        Axis::Perception,
        &["panels", "frames"],
        "panels",
        "before and after side by side in one picture, or as two pictures",
    ),
    KnobSpec::flag("numbers", Axis::Perception, true, "print the objects' numbers in the scene before"),
    KnobSpec::int("tile_px", Axis::Perception, 20, 56, 28, "pixels along each side of a cell"),
    KnobSpec::flag("grid", Axis::Perception, true, "draw lines between the cells"),
    Theme::KNOB,
];

/// An answer has at most this many bytes.
const MAX_BYTES: usize = 2000;

/// How often changes are drawn until they can be told from the two scenes alone.
const TRIES: usize = 200;

/// What an object looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Thing {
    tint: Tint,
    shape: Shape,
    small: bool,
}

impl Thing {
    fn draw(rng: &mut Rng, kinds: Kinds) -> Self {
        let tint = Tint::ALL[rng.below(6)];
        let shape = Shape::ALL[rng.below(Shape::ALL.len())];
        Self { tint, shape, small: kinds != Kinds::Color && rng.chance(0.4) }
    }

    /// One word.
    fn name(&self) -> String {
        format!("{}{}{}", if self.small { "Small" } else { "" }, self.tint.name(), self.shape.name())
    }
}

/// An object and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Placed {
    cell: usize,
    thing: Thing,
}

/// What becomes of an object. The order is that of a canonical answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum To {
    Color(Tint),
    Shape(Shape),
    Small(bool),
    Move(Direction),
}

impl To {
    /// What is changed, without the value.
    fn kind(self) -> usize {
        match self {
            Self::Color(_) => 0,
            Self::Shape(_) => 1,
            Self::Small(_) => 2,
            Self::Move(_) => 3,
        }
    }

    /// Everything that can be said.
    fn all() -> impl Iterator<Item = Self> {
        Tint::ALL
            .map(Self::Color)
            .into_iter()
            .chain(Shape::ALL.map(Self::Shape))
            .chain([true, false].map(Self::Small))
            .chain(Direction::ALL.map(Self::Move))
    }

    fn word(self) -> String {
        match self {
            Self::Color(tint) => tint.word(),
            Self::Shape(shape) => shape_word(shape),
            Self::Small(small) => (if small { "small" } else { "large" }).into(),
            Self::Move(direction) => direction.word().into(),
        }
    }
}

/// The names of changes, in the order of [`To::kind`].
const NAMES: [&str; 4] = ["change_color", "change_shape", "change_size", "move"];

/// One change of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Change {
    object: usize,
    to: To,
}

impl Change {
    fn key(self) -> (usize, usize) {
        (self.object, self.to.kind())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({},{})", NAMES[self.to.kind()], self.object, self.to.word())
    }
}

/// An answer: changes in canonical order, no two of the same attribute of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes(Vec<Change>);

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, change) in self.0.iter().enumerate() {
            write!(f, "{}{change}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Which changes there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    Color,
    Look,
    All,
}

/// What a partly right answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Credit {
    StarR1,
    ReasonRft,
    Exact,
}

impl Credit {
    /// The worth of naming `said` where `true_changes` happened, in 0..=1.
    fn worth(self, said: &[Change], truth: &[Change]) -> f32 {
        let (made, named) = (truth.len() as f32, said.len() as f32);
        match self {
            // 5 for object, attribute and value, 1.5 for object and attribute, 0.5 for the object. Our
            // reading of the penalties for listing too much and for doing nothing: 1 for each change
            // named too many or too few.
            Self::StarR1 => {
                let points = paired(said, truth, |s, t| match (s == t, s.key() == t.key()) {
                    (true, _) => 5.0,
                    (_, true) => 1.5,
                    _ if s.object == t.object => 0.5,
                    _ => 0.0,
                });
                ((points - (made - named).abs()) / (5.0 * made)).clamp(0.0, 1.0)
            }
            // 1 for all of it, 0.5 for the attribute with either the object or the value, 0.25 for the
            // attribute alone; by the longer list.
            Self::ReasonRft => {
                let points = paired(said, truth, |s, t| match s.to.kind() == t.to.kind() {
                    true if s == t => 1.0,
                    true if s.object == t.object || s.to == t.to => 0.5,
                    true => 0.25,
                    false => 0.0,
                });
                points / made.max(named)
            }
            Self::Exact => {
                if said == truth {
                    1.0
                } else {
                    0.0
                }
            }
        }
    }
}

/// The sum of what pairs are worth when the dearest pairs are formed first, every change in one pair.
fn paired(said: &[Change], truth: &[Change], worth: impl Fn(&Change, &Change) -> f32) -> f32 {
    let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
    for (i, s) in said.iter().enumerate() {
        pairs.extend(truth.iter().enumerate().map(|(j, t)| (worth(s, t), i, j)).filter(|p| p.0 > 0.0));
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let (mut used, mut met, mut sum) = (vec![false; said.len()], vec![false; truth.len()], 0.0);
    for (value, i, j) in pairs {
        if !used[i] && !met[j] {
            (used[i], met[j]) = (true, true);
            sum += value;
        }
    }
    sum
}

/// How a scene is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Style {
    tile_px: u32,
    frames: bool,
    numbers: bool,
    grid: bool,
    theme: Theme,
}

/// The state of a transformation task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Transformation {
    size: usize,
    /// The objects before, in reading order, which numbers them.
    before: Vec<Placed>,
    changes: Vec<Change>,
    /// By how many quarter turns clockwise the scene after is seen; `None` where the view stays.
    turned: Option<u8>,
    style: Style,
    credit: Credit,
    outcome: Option<Outcome>,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    size: usize,
    before: Vec<Placed>,
    changes: Vec<Change>,
    turned: Option<u8>,
    style: Style,
    credit: Credit,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for Transformation {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Unchecked { size, before, changes, turned, style, credit, outcome } = raw;
        let sorted = before.windows(2).all(|pair| pair[0].cell < pair[1].cell);
        if !(2..=6).contains(&size) || !sorted || before.iter().any(|p| p.cell >= size * size) {
            return Err(format!("objects off a board of side {size}, or out of order"));
        }
        let ordered = changes.windows(2).all(|pair| pair[0].key() < pair[1].key());
        if changes.is_empty() || !ordered || after(size, &before, &changes).is_none() {
            return Err("changes that cannot be made".into());
        }
        if turned.is_some_and(|turns| turns > 3) || !(20..=56).contains(&style.tile_px) {
            return Err(format!("{turned:?} turns, cells of {} px", style.tile_px));
        }
        Ok(Self { size, before, changes, turned, style, credit, outcome })
    }
}

/// The objects after the changes, under their old numbers. `None` where a change is about nothing,
/// changes nothing, or moves an object off the board, onto a cell that was taken, or twice.
fn after(size: usize, before: &[Placed], changes: &[Change]) -> Option<Vec<Placed>> {
    let mut after = before.to_vec();
    for Change { object, to } in changes {
        let placed = after.get_mut(*object)?;
        let old = *placed;
        match *to {
            To::Color(tint) => placed.thing.tint = tint,
            To::Shape(shape) => placed.thing.shape = shape,
            To::Small(small) => placed.thing.small = small,
            To::Move(direction) => {
                let cell = Cell { row: old.cell / size, col: old.cell % size };
                let next = cell.neighbour(direction, size, size)?;
                placed.cell = next.row * size + next.col;
                if before.iter().any(|p| p.cell == placed.cell) {
                    return None;
                }
            }
        }
        if *placed == old {
            return None;
        }
    }
    let cells: BTreeSet<usize> = after.iter().map(|p| p.cell).collect();
    (cells.len() == after.len()).then_some(after)
}

/// In how many ways the cells that are left can be matched with those that are filled, each object one
/// cell away from where it was and looking as before.
fn explanations(size: usize, before: &[Placed], after: &[Placed]) -> usize {
    let has = |all: &[Placed], cell: usize| all.iter().any(|p| p.cell == cell);
    let left: Vec<&Placed> = before.iter().filter(|p| !has(after, p.cell)).collect();
    let filled: Vec<&Placed> = after.iter().filter(|p| !has(before, p.cell)).collect();
    let near = |a: usize, b: usize| (a / size).abs_diff(b / size) + (a % size).abs_diff(b % size) == 1;
    fn ways(left: &[&Placed], filled: &mut Vec<&Placed>, near: &dyn Fn(usize, usize) -> bool) -> usize {
        let Some((first, rest)) = left.split_first() else { return 1 };
        let mut sum = 0;
        for i in 0..filled.len() {
            if near(first.cell, filled[i].cell) && first.thing == filled[i].thing {
                let taken = filled.remove(i);
                sum += ways(rest, filled, near);
                filled.insert(i, taken);
            }
        }
        sum
    }
    ways(&left, &mut filled.clone(), &near)
}

impl Transformation {
    fn after(&self) -> Vec<Placed> {
        // Cannot fail: the changes were checked when the state was made or read.
        after(self.size, &self.before, &self.changes).unwrap_or_else(|| self.before.clone())
    }

    fn cell(&self, index: usize) -> Cell {
        Cell { row: index / self.size, col: index % self.size }
    }

    /// Where a cell is seen in the scene after.
    fn seen(&self, index: usize) -> Cell {
        let last = self.size - 1;
        (0..self.turned.unwrap_or(0))
            .fold(self.cell(index), |cell, _| Cell { row: cell.col, col: last - cell.row })
    }

    /// Draws one of the two scenes with its left side at `x`.
    fn draw_scene(&self, canvas: &mut Canvas, x: u32, is_after: bool) {
        let Style { tile_px, theme, numbers, grid, .. } = self.style;
        let panel = Panel { x, y: 0, size: self.size, tile: tile_px };
        if grid {
            panel.draw_lines(canvas, theme.line());
        }
        let things = if is_after { self.after() } else { self.before.clone() };
        for (number, Placed { cell, thing }) in things.iter().enumerate() {
            let cell = if is_after { self.seen(*cell) } else { self.cell(*cell) };
            let side = (tile_px * if thing.small { 12 } else { 20 }) as f32 / 28.0;
            let color = theme.shown(thing.tint.rgb());
            draw_shape(canvas, thing.shape, panel.middle(cell, side), (color, theme.rim(color)));
            if numbers && !is_after {
                let ((left, top), scale) = (panel.corner(cell), (tile_px / 28).max(1));
                let width = Canvas::text_width(&number.to_string(), scale as f32) as u32;
                let (left, top) = (left as i32 + 1, top as i32 + 1);
                canvas.fill_rect(left, top, width + 2 * scale, 9 * scale, theme.background());
                let at = |v: i32| v as f32 + scale as f32;
                canvas.text(&number.to_string(), at(left), at(top), scale as f32, theme.ink());
            }
        }
        if let Some(turns) = self.turned {
            let (side, wide) = (panel.side(), (tile_px / 9).max(2));
            let turns = if is_after { turns } else { 0 };
            let (dx, dy, w, h) = match turns {
                0 => (0, 0, side, wide),
                1 => (side - wide, 0, wide, side),
                2 => (0, side - wide, side, wide),
                _ => (0, 0, wide, side),
            };
            canvas.fill_rect((x + dx) as i32, dy as i32, w, h, theme.ink());
        }
    }

    fn side(&self) -> u32 {
        self.size as u32 * self.style.tile_px
    }

    /// Names of the things on the board, row by row.
    fn words(&self, is_after: bool) -> Vec<String> {
        let mut words = vec![".".to_string(); self.size * self.size];
        let things = if is_after { self.after() } else { self.before.clone() };
        for Placed { cell, thing } in things {
            let cell = if is_after { self.seen(cell) } else { self.cell(cell) };
            words[cell.row * self.size + cell.col] = thing.name();
        }
        words
    }

    fn report(&self, reward: f32, score: f32, legal: bool) -> Step {
        Step { reward, score, legal, status: self.status() }
    }
}

impl Env for Transformation {
    type Action = Changes;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("scene", 0).rng();
        let kinds = match knobs.choice("kinds") {
            "color" => Kinds::Color,
            "all" => Kinds::All,
            _ => Kinds::Look,
        };
        let size = knobs.size("size");
        let objects = knobs.size("objects").clamp(1, (size * size * 2 / 3).max(1));
        let wanted = rng.between(1, knobs.int("changes")) as usize;
        let (before, changes) = (0..TRIES)
            .find_map(|_| draw_puzzle(&mut rng, size, objects, wanted, kinds))
            .ok_or_else(|| {
                let detail = format!("no {wanted} changes of {objects} objects can be told apart");
                KnobError::Conflict { env: SPEC.id.into(), detail }
            })?;
        Ok(Self {
            size,
            before,
            changes,
            turned: (knobs.choice("view") == "turned").then(|| 1 + rng.below(3) as u8),
            style: Style {
                tile_px: knobs.size("tile_px") as u32,
                frames: knobs.choice("layout") == "frames",
                numbers: knobs.flag("numbers"),
                grid: knobs.flag("grid"),
                theme: Theme::named(knobs.choice("theme")),
            },
            credit: match knobs.choice("reward") {
                "reason-rft" => Credit::ReasonRft,
                "exact" => Credit::Exact,
                _ => Credit::StarR1,
            },
            outcome: None,
        })
    }

    fn rules(&self) -> String {
        let (first, second) = if self.style.frames { ("first", "second") } else { ("left", "right") };
        let turned = if self.turned.is_some() { ", turned with its bar" } else { "" };
        format!(
            "List what changed from the {first} scene to the {second} one{turned}. Objects of the {first} \
             scene are numbered from 0 in reading order. Moves go one cell; moved objects keep their look."
        )
    }

    /// Both scenes in one picture.
    fn render(&self) -> Image {
        if self.style.frames {
            let images: Vec<Image> = self.frames().into_iter().map(|frame| frame.image).collect();
            return Canvas::sheet(&images, 2, 8, self.style.theme.line());
        }
        let side = self.side();
        let mut canvas = self.style.theme.canvas(2 * side, side);
        self.draw_scene(&mut canvas, 0, false);
        self.draw_scene(&mut canvas, side, true);
        canvas.fill_rect(side as i32 - 1, 0, 2, side, self.style.theme.ink());
        canvas.into_image()
    }

    fn frames(&self) -> Vec<Frame> {
        if !self.style.frames {
            return vec![Frame { image: self.render(), seconds: None }];
        }
        let one = |is_after: bool| {
            let mut canvas = self.style.theme.canvas(self.side(), self.side());
            self.draw_scene(&mut canvas, 0, is_after);
            Frame { image: canvas.into_image(), seconds: Some(if is_after { 1.0 } else { 0.0 }) }
        };
        vec![one(false), one(true)]
    }

    fn parse(&self, answer: &str) -> Result<Changes, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        if answer.len() > MAX_BYTES {
            return Err(ParseError::range(answer, format!("more than {MAX_BYTES} bytes")));
        }
        let mut rest = answer.trim();
        let mut changes = BTreeSet::new();
        loop {
            let (change, after) = read_change(rest).ok_or_else(wrong)?;
            if change.object >= self.before.len() {
                return Err(ParseError::range(answer, format!("there are {} objects", self.before.len())));
            }
            let twice = changes.iter().any(|other: &Change| other.key() == change.key());
            if twice || !changes.insert(change) {
                return Err(ParseError::range(answer, "one attribute of one object twice"));
            }
            rest = after.trim_start();
            if rest.is_empty() {
                return Ok(Changes(changes.into_iter().collect()));
            }
            rest = rest.strip_prefix(',').ok_or_else(wrong)?.trim_start();
        }
    }

    /// The reward is as the knob says; the score counts changes that are right in full.
    fn step(&mut self, action: &Changes) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, 0.0, false);
        }
        let right = action.0.iter().filter(|change| self.changes.contains(change)).count();
        let score = right as f32 / self.changes.len().max(action.0.len()) as f32;
        let exact = action.0 == self.changes;
        self.outcome = Some(if exact { Outcome::Success } else { Outcome::Failure });
        self.report(self.credit.worth(&action.0, &self.changes), score, true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, 0.0, false)
    }

    fn oracle(&self) -> Changes {
        Changes(self.changes.clone())
    }

    /// How the view turned; then every object that changed: what it was and what it is, or where it
    /// was and where it is.
    fn reason(&self, _action: &Changes) -> String {
        let mut words = Vec::new();
        if let Some(turns) = self.turned {
            words.push(format!("turned {}", u32::from(turns) * 90));
        }
        for (number, (old, new)) in self.before.iter().zip(self.after()).enumerate() {
            if old.thing != new.thing {
                words.push(format!("{number} {} {}", old.thing.name(), new.thing.name()));
            } else if old.cell != new.cell {
                let [from, to] = [old.cell, new.cell].map(|c| self.cell(c));
                words.push(format!("{number} {} {} to {} {}", from.row, from.col, to.row, to.col));
            }
        }
        words.join(" ")
    }

    /// One line a row: the scene before and, beside it, the scene after as it is seen.
    fn perception(&self) -> Perception {
        let (before, after) = (self.words(false), self.words(true));
        let line = |row: usize| {
            let range = row * self.size..(row + 1) * self.size;
            [before[range.clone()].join(" "), after[range].join(" ")].join(" ")
        };
        let lines: Vec<String> = (0..self.size).map(line).collect();
        let changes: Vec<String> = self.changes.iter().map(Change::to_string).collect();
        let data = json!({ "size": self.size, "before": before, "after": after, "changes": changes });
        Perception { text: lines.join("\n"), data }
    }

    /// Every single change of every object.
    fn legal_actions(&self) -> Vec<Changes> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let one = |object: usize| To::all().map(move |to| Changes(vec![Change { object, to }]));
        (0..self.before.len()).flat_map(one).collect()
    }

    /// One change of any sort.
    fn guess(&self, rng: &mut Rng) -> Option<Changes> {
        if self.outcome.is_some() {
            return None;
        }
        let kind = rng.below(NAMES.len());
        let values: Vec<To> = To::all().filter(|to| to.kind() == kind).collect();
        let (object, to) = (rng.below(self.before.len()), *rng.choose(&values)?);
        Some(Changes(vec![Change { object, to }]))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

/// One change at the start of `text`, and what follows it.
fn read_change(text: &str) -> Option<(Change, &str)> {
    let (name, rest) = text.split_once('(')?;
    let (inner, rest) = rest.split_once(')')?;
    let kind = NAMES.iter().position(|n| *n == name)?;
    let (object, value) = inner.split_once(',')?;
    let object = object.trim();
    let plain = (1..=2).contains(&object.len()) && object.bytes().all(|b| b.is_ascii_digit());
    let object = plain.then(|| object.parse().ok()).flatten()?;
    let to = To::all().find(|to| to.kind() == kind && to.word() == value.trim())?;
    Some((Change { object, to }, rest))
}

/// Objects and changes that can be told from the two scenes alone: a moved object changes in no other
/// way, and its way is the only one.
fn draw_puzzle(
    rng: &mut Rng,
    size: usize,
    objects: usize,
    wanted: usize,
    kinds: Kinds,
) -> Option<(Vec<Placed>, Vec<Change>)> {
    let mut cells: Vec<usize> = (0..size * size).collect();
    rng.shuffle(&mut cells);
    let mut cells = cells.get(..objects)?.to_vec();
    cells.sort_unstable();
    let before: Vec<Placed> =
        cells.into_iter().map(|cell| Placed { cell, thing: Thing::draw(rng, kinds) }).collect();
    let mut changes: Vec<Change> = Vec::new();
    let sorts = match kinds {
        Kinds::Color => 1,
        Kinds::Look => 3,
        Kinds::All => 4,
    };
    // With few objects there may be no room for as many; then there are as many as fit.
    for _ in 0..40 {
        if changes.len() == wanted {
            break;
        }
        let (object, kind) = (rng.below(objects), rng.below(sorts));
        let old = before.get(object)?.thing;
        let to = match kind {
            0 => To::Color(Tint::ALL[rng.below(6)]),
            1 => To::Shape(Shape::ALL[rng.below(Shape::ALL.len())]),
            2 => To::Small(!old.small),
            _ => To::Move(*rng.choose(&Direction::ALL)?),
        };
        let clash = changes
            .iter()
            .any(|c| c.object == object && (kind == 3 || c.to.kind() == 3 || c.to.kind() == kind));
        if clash {
            continue;
        }
        let mut more = changes.clone();
        more.push(Change { object, to });
        if after(size, &before, &more).is_some() {
            changes = more;
        }
    }
    changes.sort_unstable();
    let after = after(size, &before, &changes)?;
    let told = !changes.is_empty() && explanations(size, &before, &after) == 1;
    told.then_some((before, changes))
}

#[cfg(test)]
mod tests;
