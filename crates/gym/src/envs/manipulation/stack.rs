//! Stack: build a tower in a given order, sort blocks by colour, or line them up, in as few moves as
//! can be.
//!
//! A blocks world with a limited number of pads: a move takes the top block of one pad and puts it on
//! another. The oracle searches with A*; its estimate counts the blocks that must move at least once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::tabletop::{STRIP, Theme, View, draw_block, draw_gripper, shade};
use crate::draw::{Canvas, PALETTE};
use crate::envs::kit;
use crate::{
    Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step, TruthForm,
};

const GRAMMAR: &str = "pick(x,y) | place(x,y) in pixels of the picture";

const SPEC: EnvSpec = EnvSpec {
    id: "stack",
    group: EnvGroup::Manipulation,
    title: "Stack, sort, line up",
    summary: "Blocks on pads: build a tower, sort them by colour, or line them up.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact (A*, fewest moves)",
    score: "half for the blocks brought into place, half for success",
    pixel_answers: true,
    players: 1,
    source: "ManiSkill; VAGEN PrimitiveSkill; the blocks world",
};

const TRUTH: &[TruthForm] = &[TruthForm {
    name: "plan",
    rewards: &["plan"],
    doc: "the steps of the oracle to the end: a list of {action, target: the pixels, separated by blanks}",
}];

const KNOBS: &[KnobSpec] = &[
    KnobSpec::choice(
        "goal",
        Axis::Reasoning,
        &["stack", "sort", "align", "mixed"],
        "mixed",
        "a tower in order, every block on the pad of its colour, or one block a pad from left to right",
    ),
    KnobSpec::int("blocks", Axis::Reasoning, 2, 6, 3, "blocks that the goal names").dialled(2.0, 5.0),
    KnobSpec::int(
        "pads",
        Axis::Reasoning,
        3,
        7,
        4,
        "pads on the table; to line up takes one for every block",
    ),
    KnobSpec::int("extra", Axis::Reasoning, 0, 2, 0, "blocks that no goal names (with a tower or a line)")
        .dialled(0.0, 1.0),
    KnobSpec::int("spare", Axis::Horizon, 0, 20, 4, "turns more than the fewest").dialled(6.0, 2.0),
    KnobSpec::choice(
        "view",
        Axis::Perception,
        View::NAMES,
        "oblique",
        "from where the table is seen; from above towers lean, so that lower blocks peep out",
    )
    .dialled(1.0, 0.0),
    KnobSpec::int("tile_px", Axis::Perception, 20, 56, 28, "pixels from pad to pad"),
    KnobSpec::flag("coordinates", Axis::Perception, false, "print the number of every pad"),
    KnobSpec::choice("theme", Axis::Perception, Theme::NAMES, "pale", "colours; dusk has little contrast"),
];

/// How often blocks are laid out before the knobs are said to contradict each other.
const TRIES: usize = 200;

/// Blocks on a pad, by index, from the bottom up.
type Pads = Vec<Vec<u8>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Goal {
    /// Blocks 0, 1, 2 ... one on the other, alone on some pad.
    Stack,
    /// Every block on the pad of its colour.
    Sort,
    /// Block `i` alone on pad `i`.
    Align,
}

/// What the gripper does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grasp {
    /// Takes the top block that is at a pixel.
    Pick(i32, i32),
    /// Puts the block that is held on the pad at or under a pixel.
    Place(i32, i32),
}

impl fmt::Display for Grasp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pick(x, y) => write!(f, "pick({x},{y})"),
            Self::Place(x, y) => write!(f, "place({x},{y})"),
        }
    }
}

/// The task: what is asked, and of which blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    goal: Goal,
    /// The first so many blocks are the ones that the goal names.
    named: usize,
    /// The colour of every block.
    colors: Vec<usize>,
    /// For sorting, the colour of every pad.
    pad_colors: Vec<usize>,
}

impl Task {
    /// Blocks that must still move, each at least once; 0 exactly when the goal is met. A block that
    /// is held counts, as it is on no pad.
    fn unplaced(&self, pads: &Pads) -> usize {
        match self.goal {
            Goal::Stack => {
                let left = |pad: &Vec<u8>| {
                    let built = pad.iter().zip(0..self.named as u8).take_while(|(a, b)| **a == *b).count();
                    // What stands on the part that is built and is not named must go, too.
                    let extra = pad[built..].iter().filter(|b| usize::from(**b) >= self.named).count();
                    self.named - built + extra
                };
                pads.iter().map(left).min().unwrap_or(self.named)
            }
            Goal::Sort => {
                let right = |(pad, color): (&Vec<u8>, &usize)| {
                    pad.iter().take_while(|b| self.colors[usize::from(**b)] == *color).count()
                };
                self.colors.len() - pads.iter().zip(&self.pad_colors).map(right).sum::<usize>()
            }
            Goal::Align => {
                let line = pads.iter().enumerate().take(self.named);
                let blocks = line.clone().filter(|(i, pad)| pad.first() != Some(&(*i as u8))).count();
                // Whatever is not named must leave the line.
                let strays =
                    line.map(|(_, pad)| pad.iter().filter(|b| usize::from(**b) >= self.named).count());
                blocks + strays.sum::<usize>()
            }
        }
    }
}

/// The state as one number: four bits a block, zero between pads.
fn key(pads: &Pads) -> u64 {
    let mut key = 1;
    for pad in pads {
        for block in pad {
            key = key << 4 | (u64::from(*block) + 1);
        }
        key <<= 4;
    }
    key
}

/// A state of the search: the pads, its cost, the state before it, and the move from there.
type Node = (Pads, usize, Option<usize>, (usize, usize));

/// The fewest moves, as pairs of pads, from one of several states: the index of the start and the moves.
fn solve(task: &Task, starts: &[Pads]) -> Option<(usize, Vec<(usize, usize)>)> {
    // Estimate of the whole, then the newest first, so that ties go deep.
    let mut queue = BinaryHeap::new();
    let mut nodes: Vec<Node> = Vec::new();
    let mut best: BTreeMap<u64, usize> = BTreeMap::new();
    for (i, pads) in starts.iter().enumerate() {
        best.insert(key(pads), 0);
        queue.push((Reverse(task.unplaced(pads)), Reverse(i)));
        nodes.push((pads.clone(), 0, None, (0, 0)));
    }
    while let Some((_, Reverse(at))) = queue.pop() {
        let (pads, cost, _, _) = nodes[at].clone();
        if best.get(&key(&pads)).is_some_and(|least| *least < cost) {
            continue;
        }
        if task.unplaced(&pads) == 0 {
            return Some(trace(&nodes, at));
        }
        for from in (0..pads.len()).filter(|p| !pads[*p].is_empty()) {
            for to in (0..pads.len()).filter(|to| *to != from) {
                let mut next = pads.clone();
                let Some(block) = next[from].pop() else { continue };
                next[to].push(block);
                let key = key(&next);
                if best.get(&key).is_none_or(|least| cost + 1 < *least) {
                    best.insert(key, cost + 1);
                    queue.push((Reverse(cost + 1 + task.unplaced(&next)), Reverse(nodes.len())));
                    nodes.push((next, cost + 1, Some(at), (from, to)));
                }
            }
        }
    }
    None
}

fn trace(nodes: &[Node], end: usize) -> (usize, Vec<(usize, usize)>) {
    let (mut at, mut moves) = (end, Vec::new());
    while let Some(parent) = nodes[at].2 {
        moves.push(nodes[at].3);
        at = parent;
    }
    moves.reverse();
    (at, moves)
}

/// The state of a blocks world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State")]
pub struct Stack(State);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    task: Task,
    pads: Pads,
    held: Option<u8>,
    /// Blocks out of place at the start, and the fewest so far.
    first: usize,
    least: usize,
    tile_px: u32,
    seen_from: View,
    theme: Theme,
    coordinates: bool,
    max_turns: usize,
    turn: usize,
    outcome: Option<Outcome>,
}

impl TryFrom<State> for Stack {
    type Error = String;

    fn try_from(raw: State) -> Result<Self, String> {
        let (blocks, pads) = (raw.task.colors.len(), raw.pads.len());
        if !(3..=7).contains(&pads) || !(2..=8).contains(&blocks) || !(1..=blocks).contains(&raw.task.named) {
            return Err(format!("{blocks} blocks on {pads} pads"));
        }
        let mut there: Vec<u8> = raw.pads.iter().flatten().copied().chain(raw.held).collect();
        there.sort_unstable();
        if !there.into_iter().map(usize::from).eq(0..blocks) {
            return Err("a block is missing, or there twice".into());
        }
        let colors = raw.task.colors.iter().chain(&raw.task.pad_colors);
        if colors.into_iter().any(|c| *c > PALETTE.len()) || raw.task.pad_colors.len() != pads {
            return Err("a colour is missing".into());
        }
        let reachable = match raw.task.goal {
            Goal::Stack => true,
            Goal::Sort => raw.task.colors.iter().all(|c| raw.task.pad_colors.contains(c)),
            Goal::Align => raw.task.named + usize::from(raw.task.named < blocks) <= pads,
        };
        if !reachable || raw.first == 0 || raw.least > 16 || raw.first > 16 {
            return Err("the goal cannot be met, or is met already".into());
        }
        if !(20..=56).contains(&raw.tile_px) || raw.max_turns > 200 || raw.turn > raw.max_turns {
            return Err("tile_px or turns are out of range".into());
        }
        Ok(Self(raw))
    }
}

impl Stack {
    /// Blocks that are not where they belong, one that is held included.
    fn left(&self) -> usize {
        self.0.task.unplaced(&self.0.pads)
            + usize::from(self.0.held.is_some_and(|b| usize::from(b) >= self.0.task.named))
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    fn name(&self, block: u8) -> &'static str {
        PALETTE[self.0.task.colors[usize::from(block)] % PALETTE.len()].0
    }

    /// Pixels from one block to the one on it.
    fn rise(&self) -> i32 {
        let tile = self.0.tile_px as i32;
        if self.0.seen_from == View::Above { tile / 4 } else { tile * 4 / 7 }
    }

    /// Width and height of a block as drawn, and how much of it is its front.
    fn block_size(&self) -> (i32, i32, i32) {
        let wide = self.0.tile_px as i32 * 5 / 7;
        let depth = if self.0.seen_from == View::Above { wide } else { wide * 3 / 10 };
        let front = if self.0.seen_from == View::Above { 0 } else { self.rise() };
        (wide, depth + front, front)
    }

    fn size(&self) -> (u32, u32) {
        let blocks = self.0.task.colors.len() as u32;
        let tile = self.0.tile_px;
        let stack = blocks * self.rise() as u32 + tile;
        (self.0.pads.len() as u32 * tile, STRIP + stack.next_multiple_of(tile))
    }

    /// Left and upper edge of the block at `level` of a pad.
    fn corner(&self, pad: usize, level: usize) -> (i32, i32) {
        let (wide, high, _) = self.block_size();
        let tile = self.0.tile_px as i32;
        let foot = self.size().1 as i32 - tile / 5;
        (pad as i32 * tile + (tile - wide) / 2, foot - high - level as i32 * self.rise())
    }

    /// The pixel in the middle of what is to be seen of the top block of a pad, or of the empty pad.
    fn grip(&self, pad: usize) -> (i32, i32) {
        let (wide, high, _) = self.block_size();
        let (left, top) = self.corner(pad, self.0.pads[pad].len().saturating_sub(1));
        (left + wide / 2, top + high / 2)
    }

    fn pad_at(&self, x: i32) -> Option<usize> {
        let pad = usize::try_from(x / self.0.tile_px as i32).ok()?;
        (pad < self.0.pads.len()).then_some(pad)
    }

    /// Does what the grasp says; false when it is refused.
    fn act(&mut self, grasp: Grasp) -> bool {
        match (grasp, self.0.held) {
            (Grasp::Pick(x, y), None) => {
                let Some(pad) = self.pad_at(x) else { return false };
                let Some(level) = self.0.pads[pad].len().checked_sub(1) else { return false };
                let ((left, top), (wide, high, _)) = (self.corner(pad, level), self.block_size());
                if !(left..left + wide).contains(&x) || !(top..top + high).contains(&y) {
                    return false;
                }
                self.0.held = self.0.pads[pad].pop();
                true
            }
            (Grasp::Place(x, _), Some(block)) => {
                let Some(pad) = self.pad_at(x) else { return false };
                self.0.pads[pad].push(block);
                self.0.held = None;
                true
            }
            _ => false,
        }
    }

    /// The moves that are left on a best way: the block held to a pad, then pairs of pads.
    fn plan(&self) -> (Option<usize>, Vec<(usize, usize)>) {
        let pads = &self.0.pads;
        let Some(block) = self.0.held else {
            return (None, solve(&self.0.task, std::slice::from_ref(pads)).map_or(Vec::new(), |(_, m)| m));
        };
        let put = |pad: usize| {
            let mut next = pads.clone();
            next[pad].push(block);
            next
        };
        let starts: Vec<Pads> = (0..pads.len()).map(put).collect();
        solve(&self.0.task, &starts).map_or((Some(0), Vec::new()), |(pad, moves)| (Some(pad), moves))
    }

    fn place_on(&self, pad: usize) -> Grasp {
        let (x, y) = self.grip(pad);
        Grasp::Place(x, y)
    }

    fn draw_pad(&self, canvas: &mut Canvas, pad: usize) {
        let (state, tile) = (&self.0, self.0.tile_px as i32);
        let (height, wide) = (self.size().1 as i32, tile * 6 / 7);
        let color = match state.task.goal {
            Goal::Sort if state.task.pad_colors[pad] < PALETTE.len() => {
                state.theme.paint(state.task.pad_colors[pad])
            }
            _ => shade(state.theme.top(), 45),
        };
        let left = pad as i32 * tile + (tile - wide) / 2;
        let deep = if state.seen_from == View::Above { tile * 6 / 7 } else { tile * 2 / 7 };
        canvas.fill_rect(left, height - tile / 9 - deep, wide as u32, deep as u32, color);
        if state.coordinates {
            let at = ((pad as f32 + 0.5) * tile as f32, STRIP as f32 + 5.0);
            canvas.text_in_box(&(pad + 1).to_string(), at.0, at.1, 10.0, 8.0, state.theme.ink());
        }
    }
}

impl Env for Stack {
    type Action = Grasp;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let conflict = |detail: &str| KnobError::Conflict { env: SPEC.id.into(), detail: detail.into() };
        let mut rng = seed.split("blocks", 0).rng();
        let (named, pads) = (knobs.size("blocks"), knobs.size("pads"));
        let extra = knobs.size("extra");
        // A line needs a pad for every block, and one more where others must make way.
        let line = named + extra.min(1) <= pads;
        let goal = match knobs.choice("goal") {
            "stack" => Goal::Stack,
            "sort" => Goal::Sort,
            "align" => Goal::Align,
            _ => [Goal::Stack, Goal::Sort, Goal::Align][rng.below(if line { 3 } else { 2 })],
        };
        if goal == Goal::Align && !line {
            return Err(conflict("to line up takes a pad for every block, and one more for others"));
        }
        for _ in 0..TRIES {
            let (task, start) = lay_out(&mut rng, goal, named, pads, extra);
            let first = task.unplaced(&start);
            if first == 0 {
                continue;
            }
            let Some((_, moves)) = solve(&task, std::slice::from_ref(&start)) else { continue };
            return Ok(Self(State {
                task,
                pads: start,
                held: None,
                first,
                least: first,
                tile_px: u32::try_from(knobs.size("tile_px")).unwrap_or(28),
                seen_from: View::named(knobs.choice("view")),
                theme: Theme::named(knobs.choice("theme")),
                coordinates: knobs.flag("coordinates"),
                max_turns: 2 * moves.len() + knobs.size("spare"),
                turn: 0,
                outcome: None,
            }));
        }
        Err(conflict("every layout meets the goal"))
    }

    fn rules(&self) -> String {
        let names: Vec<String> = (0..self.0.task.named as u8).map(|b| self.name(b).to_lowercase()).collect();
        let goal = match self.0.task.goal {
            Goal::Stack => format!("Stack alone on one pad, from the bottom: {}.", names.join(", ")),
            Goal::Sort => "Put every block on the pad of its colour.".to_string(),
            Goal::Align => format!("One block alone on each pad, from the left: {}.", names.join(", ")),
        };
        format!("{goal} Only top blocks can be picked. {} turns.", self.0.max_turns)
    }

    fn render(&self) -> Image {
        let (width, height) = self.size();
        let state = &self.0;
        let mut canvas = Canvas::new(width, height, state.theme.wall());
        let tile = state.tile_px as i32;
        let table = if state.seen_from == View::Above { STRIP as i32 } else { height as i32 - tile / 2 };
        canvas.fill_rect(0, table, width, height - table as u32, state.theme.top());
        canvas.fill_rect(0, STRIP as i32 - 1, width, 1, shade(state.theme.wall(), 40));
        (0..state.pads.len()).for_each(|pad| self.draw_pad(&mut canvas, pad));
        let (wide, high, front) = self.block_size();
        let paint = |block: u8| state.theme.paint(state.task.colors[usize::from(block)]);
        for (pad, blocks) in state.pads.iter().enumerate() {
            for (level, block) in blocks.iter().enumerate() {
                draw_block(&mut canvas, self.corner(pad, level), (wide, high), front, paint(*block));
            }
        }
        let middle = width as i32 / 2;
        let small = (wide.min(20), high.min(20));
        if let Some(block) = state.held {
            draw_block(&mut canvas, (middle - small.0 / 2, 6), small, front.min(12), paint(block));
        }
        draw_gripper(
            &mut canvas,
            middle,
            if state.held.is_some() { small.0 } else { small.0 + 8 },
            state.theme.ink(),
        );
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Grasp, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let text = answer.trim().to_ascii_lowercase();
        let (name, rest) = text.split_at_checked(text.find('(').ok_or_else(wrong)?).ok_or_else(wrong)?;
        let [x, y] = kit::tuple(rest, '(', ')').ok_or_else(wrong)?;
        let grasp = match name.trim() {
            "pick" => Grasp::Pick(x, y),
            "place" => Grasp::Place(x, y),
            _ => return Err(wrong()),
        };
        let (width, height) = self.size();
        if x < width as i32 && y < height as i32 {
            Ok(grasp)
        } else {
            Err(ParseError::range(answer, format!("the picture is {width} by {height}")))
        }
    }

    /// Blocks that come into place pay when there are more of them than ever before, all together one
    /// half; success pays the other half.
    fn step(&mut self, action: &Grasp) -> Step {
        if self.0.outcome.is_some() {
            return self.report(0.0, false);
        }
        self.0.turn += 1;
        let legal = self.act(*action);
        let left = self.left();
        let mut reward = 0.5 * self.0.least.saturating_sub(left) as f32 / self.0.first.max(1) as f32;
        self.0.least = self.0.least.min(left);
        if left == 0 && self.0.held.is_none() {
            self.0.outcome = Some(Outcome::Success);
            reward += 0.5;
        } else if self.0.turn >= self.0.max_turns {
            self.0.outcome = Some(Outcome::Truncated);
        }
        self.report(reward, legal)
    }

    fn begin_here(&mut self) {
        let left = self.left();
        (self.0.first, self.0.least, self.0.turn) = (left, left, 0);
    }

    fn pass(&mut self) -> Step {
        if self.0.outcome.is_none() {
            self.0.turn += 1;
            self.0.outcome = (self.0.turn >= self.0.max_turns).then_some(Outcome::Truncated);
        }
        self.report(0.0, false)
    }

    fn oracle(&self) -> Grasp {
        match self.plan() {
            (Some(pad), _) => self.place_on(pad),
            (None, moves) => {
                let (x, y) = self.grip(moves.first().map_or(0, |(from, _)| *from));
                Grasp::Pick(x, y)
            }
        }
    }

    /// The moves that are left on a best way, pads counted from 1 at the left; the first six of them.
    fn reason(&self, action: &Grasp) -> String {
        let (held, moves) = self.plan();
        let mut words = Vec::new();
        let mut pads = self.0.pads.clone();
        if let (Some(pad), Some(block)) = (held, self.0.held) {
            words.push(format!("{} to {}", self.name(block), pad + 1));
            pads[pad].push(block);
        }
        let count = words.len() + moves.len();
        for (from, to) in moves.into_iter().take(6) {
            let Some(block) = pads[from].pop() else { break };
            words.push(format!("{} {} to {}", self.name(block), from + 1, to + 1));
            pads[to].push(block);
        }
        let (verb, x, y) = match action {
            Grasp::Pick(x, y) => ("pick", x, y),
            Grasp::Place(x, y) => ("place", x, y),
        };
        format!("left {count} {} so {verb} {x} {y}", words.join(" "))
    }

    fn truth_forms() -> &'static [TruthForm] {
        TRUTH
    }

    fn truths(&self) -> Map<String, Value> {
        kit::truths([("plan", kit::plan(self))])
    }

    /// What is held; then one line a pad: its number, its colour where it has one, the blocks on it from
    /// the bottom up, and the pixel of the top one.
    fn perception(&self) -> Perception {
        let mut lines = vec![format!("hand {}", self.0.held.map_or("empty", |b| self.name(b)))];
        for (pad, blocks) in self.0.pads.iter().enumerate() {
            let mut line = format!("{}", pad + 1);
            if self.0.task.goal == Goal::Sort {
                line += &PALETTE
                    .get(self.0.task.pad_colors[pad])
                    .map_or(" pad-gray".into(), |c| format!(" pad-{}", c.0));
            }
            blocks.iter().for_each(|b| line += &format!(" {}", self.name(*b)));
            let (x, y) = self.grip(pad);
            lines.push(if blocks.is_empty() { line } else { format!("{line} at {x} {y}") });
        }
        let data = json!({ "held": self.0.held, "pads": self.0.pads, "colors": self.0.task.colors, "goal": self.0.task.goal });
        Perception { text: lines.join("\n"), data }
    }

    /// The top block of every pad, or every pad to put the block on: one pixel each.
    fn legal_actions(&self) -> Vec<Grasp> {
        if self.0.outcome.is_some() {
            return Vec::new();
        }
        let pads = 0..self.0.pads.len();
        if self.0.held.is_some() {
            return pads.map(|pad| self.place_on(pad)).collect();
        }
        let full = pads.filter(|pad| !self.0.pads[*pad].is_empty());
        full.map(|pad| self.grip(pad)).map(|(x, y)| Grasp::Pick(x, y)).collect()
    }

    /// Either verb at any pixel.
    fn guess(&self, rng: &mut Rng) -> Option<Grasp> {
        let (width, height) = self.size();
        let (x, y) = (rng.below(width as usize) as i32, rng.below(height as usize) as i32);
        let grasp = if rng.chance(0.5) { Grasp::Pick(x, y) } else { Grasp::Place(x, y) };
        self.0.outcome.is_none().then_some(grasp)
    }

    fn status(&self) -> Status {
        self.0.outcome.map_or(Status::Running, Status::Done)
    }
}

/// A task and a random start.
fn lay_out(rng: &mut Rng, goal: Goal, named: usize, pads: usize, extra: usize) -> (Task, Pads) {
    let mut palette: Vec<usize> = (0..PALETTE.len()).collect();
    rng.shuffle(&mut palette);
    let (colors, mut pad_colors) = if goal == Goal::Sort {
        // Two colours or three, on as many pads.
        let kinds = (2 + rng.below(2)).min(pads - 1).min(named);
        let colors: Vec<usize> =
            (0..named).map(|i| palette[if i < kinds { i } else { rng.below(kinds) }]).collect();
        (colors, palette[..kinds].to_vec())
    } else {
        (palette[..(named + extra).min(palette.len())].to_vec(), Vec::new())
    };
    // Pads without a colour have the number after the last.
    pad_colors.resize(pads, PALETTE.len());
    rng.shuffle(&mut pad_colors);
    let mut blocks: Vec<u8> = (0..colors.len() as u8).collect();
    rng.shuffle(&mut blocks);
    let mut start = vec![Vec::new(); pads];
    for block in blocks {
        let pad = rng.below(pads);
        start[pad].push(block);
    }
    (Task { goal, named, colors, pad_colors }, start)
}

#[cfg(test)]
mod tests;
