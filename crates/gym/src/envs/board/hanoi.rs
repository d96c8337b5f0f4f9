//! The Tower of Hanoi: bring all discs to the marked peg, never a larger one onto a smaller.

use std::collections::VecDeque;
use std::fmt;

use eyas_core::{Image, Outcome, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cells::{conflict, mix, pixels};
use crate::draw::{Canvas, Rgb};
use crate::envs::checked::checked_serde;
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "from->to, as in A->C";

const SPEC: EnvSpec = EnvSpec {
    id: "hanoi",
    group: EnvGroup::Board,
    title: "Tower of Hanoi",
    summary: "Discs on pegs, from any position: bring all of them to the marked peg.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact: a shortest way (recursion for three pegs, breadth-first search for four)",
    score: "success (1 when all discs are on the marked peg, 0 otherwise)",
    pixel_answers: false,
    players: 1,
    source: "TextArena; KORGym",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("discs", Axis::Reasoning, 2, 8, 3, "discs").dialled(3.0, 6.0),
    KnobSpec::int("pegs", Axis::Reasoning, 3, 4, 3, "pegs"),
    KnobSpec::int("min_moves", Axis::Horizon, 1, 200, 1, "fewest moves that the best solution may have"),
    KnobSpec::int("max_moves", Axis::Horizon, 3, 255, 6, "most moves that the best solution may have")
        .dialled(4.0, 40.0),
    KnobSpec::int("spare_turns", Axis::Horizon, 0, 60, 4, "turns beyond the best solution"),
    KnobSpec::flag("any_goal", Axis::Reasoning, true, "any peg may be the marked one; false: the last"),
    KnobSpec::int("tile_px", Axis::Perception, 28, 112, 56, "width of a peg's place, half the height"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["day", "night", "dusk"],
        "day",
        "colours; dusk has little contrast",
    ),
    KnobSpec::choice(
        "colours",
        Axis::Perception,
        &["rainbow", "shades", "plain"],
        "rainbow",
        "a colour for each disc, shades of one colour, or all alike",
    ),
    KnobSpec::flag("labels", Axis::Perception, false, "print the discs' numbers, 1 for the smallest"),
    KnobSpec::flag("coordinates", Axis::Perception, true, "print the pegs' letters"),
];

/// The most discs.
const MAX_DISCS: usize = 8;

/// The letters of the pegs.
const PEGS: [&str; 4] = ["A", "B", "C", "D"];

/// Eight colours from small to large.
const RAINBOW: [Rgb; MAX_DISCS] = [
    [220, 30, 40],
    [250, 140, 20],
    [240, 205, 20],
    [60, 170, 60],
    [20, 180, 205],
    [50, 80, 225],
    [150, 50, 185],
    [125, 75, 40],
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Day,
    Night,
    Dusk,
}

/// The colours of a theme.
struct Colors {
    back: Rgb,
    wood: Rgb,
    goal: Rgb,
    ink: Rgb,
    /// How much of the background is mixed into the discs, in percent.
    veil: u32,
}

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Day => Colors {
                back: [244, 240, 230],
                wood: [150, 130, 112],
                goal: [20, 140, 60],
                ink: [40, 36, 34],
                veil: 0,
            },
            Self::Night => Colors {
                back: [26, 28, 40],
                wood: [112, 108, 122],
                goal: [90, 220, 120],
                ink: [226, 226, 234],
                veil: 10,
            },
            Self::Dusk => Colors {
                back: [84, 82, 88],
                wood: [72, 70, 76],
                goal: [78, 98, 84],
                ink: [120, 118, 124],
                veil: 82,
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Coloring {
    Rainbow,
    Shades,
    Plain,
}

/// The peg of every disc, the smallest first. Every such list is a legal position: the discs of a peg
/// lie in order.
type Places = [u8; MAX_DISCS];

/// The rules that stay: pegs, discs and the marked peg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Table {
    pegs: u8,
    discs: usize,
    goal: u8,
}

impl Table {
    fn solved(self, places: &Places) -> bool {
        places[..self.discs].iter().all(|peg| *peg == self.goal)
    }

    /// The smallest disc on a peg.
    fn top(self, places: &Places, peg: u8) -> Option<usize> {
        places[..self.discs].iter().position(|p| *p == peg)
    }

    /// The position after a move, if the rules allow it.
    fn play(self, places: &Places, action: Move) -> Option<Places> {
        let disc = self.top(places, action.from)?;
        let free = self.top(places, action.to).is_none_or(|other| disc < other);
        let mut after = *places;
        after[disc] = action.to;
        free.then_some(after)
    }

    fn moves(self) -> impl Iterator<Item = Move> {
        let pairs = (0..self.pegs).flat_map(move |from| (0..self.pegs).map(move |to| Move { from, to }));
        pairs.filter(|m| m.from != m.to)
    }

    fn positions(self) -> usize {
        usize::from(self.pegs).pow(self.discs as u32)
    }

    fn index(self, places: &Places) -> usize {
        places[..self.discs]
            .iter()
            .rev()
            .fold(0, |index, peg| index * usize::from(self.pegs) + usize::from(*peg))
    }

    fn places(self, mut index: usize) -> Places {
        let mut places = [0; MAX_DISCS];
        for peg in &mut places[..self.discs] {
            *peg = (index % usize::from(self.pegs)) as u8;
            index /= usize::from(self.pegs);
        }
        places
    }

    /// Moves to the end for every position, by breadth-first search.
    fn distances(self) -> Vec<u16> {
        let mut found = vec![u16::MAX; self.positions()];
        let mut end = [0; MAX_DISCS];
        end[..self.discs].fill(self.goal);
        found[self.index(&end)] = 0;
        let mut queue = VecDeque::from([end]);
        while let Some(places) = queue.pop_front() {
            let distance = found[self.index(&places)] + 1;
            for next in self.moves().filter_map(|m| self.play(&places, m)) {
                let seen = &mut found[self.index(&next)];
                if *seen == u16::MAX {
                    *seen = distance;
                    queue.push_back(next);
                }
            }
        }
        found
    }

    /// With three pegs, the largest disc that is not at its place has to go there, so all smaller ones
    /// have to go to the third peg first, and so on. Gives (disc, peg it has to go to) from large to
    /// small; the last of them is the move to make.
    fn chain(self, places: &Places) -> Vec<(usize, u8)> {
        let mut target = self.goal;
        let mut chain = Vec::new();
        for disc in (0..self.discs).rev() {
            if places[disc] != target {
                chain.push((disc, target));
                target = 3 - places[disc] - target;
            }
        }
        chain
    }

    /// Moves to the end from each of `all`: a disc that has to move costs 2^disc moves, itself and the
    /// smaller ones that follow it.
    fn needed(self, all: &[Places]) -> Vec<usize> {
        if self.pegs == 3 {
            let sum = |places| self.chain(places).iter().map(|(disc, _)| 1 << disc).sum();
            return all.iter().map(sum).collect();
        }
        let distances = self.distances();
        all.iter().map(|places| usize::from(distances[self.index(places)])).collect()
    }
}

/// The top disc of one peg goes to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    from: u8,
    to: u8,
}

impl Move {
    fn letters(self) -> [&'static str; 2] {
        [self.from, self.to].map(|peg| PEGS[usize::from(peg) % PEGS.len()])
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = self.letters();
        write!(f, "{from}->{to}")
    }
}

/// The state of a Tower of Hanoi.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Hanoi {
    table: Table,
    places: Places,
    max_turns: usize,
    tile_px: u32,
    theme: Theme,
    coloring: Coloring,
    labels: bool,
    coordinates: bool,
    turn: usize,
    outcome: Option<Outcome>,
}

checked_serde!(Hanoi);

impl Hanoi {
    fn check(&self) -> Result<(), String> {
        let Table { pegs, discs, goal } = self.table;
        if !(3..=4).contains(&pegs) || !(2..=MAX_DISCS).contains(&discs) || goal >= pegs {
            return Err(format!("{discs} discs on {pegs} pegs, peg {goal} marked"));
        }
        let (discs, unused) = self.places.split_at(discs);
        if discs.iter().any(|peg| *peg >= pegs) || unused.iter().any(|peg| *peg != 0) {
            return Err(format!("discs on pegs {:?}", self.places));
        }
        if !(28..=112).contains(&self.tile_px) || self.max_turns > 400 || self.turn > self.max_turns {
            return Err("tile_px, max_turns or turn is out of range".into());
        }
        Ok(())
    }

    /// The discs of a peg from the bottom upwards.
    fn stack(&self, peg: u8) -> Vec<usize> {
        (0..self.table.discs).rev().filter(|disc| self.places[*disc] == peg).collect()
    }

    fn disc_color(&self, disc: usize, colors: &Colors) -> Rgb {
        let color = match self.coloring {
            Coloring::Rainbow => RAINBOW[disc],
            Coloring::Shades => mix([150, 200, 255], [20, 50, 130], 12 * disc as u32),
            Coloring::Plain => RAINBOW[5],
        };
        mix(color, colors.back, colors.veil)
    }

    fn finish_turn(&mut self) {
        self.turn += 1;
        self.outcome = if self.table.solved(&self.places) {
            Some(Outcome::Success)
        } else {
            (self.turn >= self.max_turns).then_some(Outcome::Truncated)
        };
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    /// Legal moves with the moves that are needed after them.
    fn options(&self) -> Vec<(Move, usize)> {
        let (moves, after): (Vec<Move>, Vec<Places>) =
            self.table.moves().filter_map(|m| Some((m, self.table.play(&self.places, m)?))).unzip();
        moves.into_iter().zip(self.table.needed(&after)).collect()
    }
}

impl Env for Hanoi {
    type Action = Move;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let (min, max) = (knobs.size("min_moves"), knobs.size("max_moves"));
        let mut rng = seed.split("discs", 0).rng();
        let pegs = if knobs.int("pegs") == 4 { 4 } else { 3 };
        let goal = if knobs.flag("any_goal") { rng.below(pegs) } else { pegs - 1 };
        let table = Table { pegs: pegs as u8, discs: knobs.size("discs"), goal: goal as u8 };
        let distances = table.distances();
        let wanted = |index: &usize| (min..=max).contains(&usize::from(distances[*index]));
        let starts: Vec<usize> = (0..distances.len()).filter(wanted).collect();
        let Some(&start) = rng.choose(&starts) else {
            let detail =
                format!("no position of {} discs on {pegs} pegs is {min} to {max} moves away", table.discs);
            return Err(conflict(SPEC.id, detail));
        };
        Ok(Self {
            table,
            places: table.places(start),
            max_turns: usize::from(distances[start]) + knobs.size("spare_turns"),
            tile_px: pixels(knobs, "tile_px"),
            theme: match knobs.choice("theme") {
                "night" => Theme::Night,
                "dusk" => Theme::Dusk,
                _ => Theme::Day,
            },
            coloring: match knobs.choice("colours") {
                "shades" => Coloring::Shades,
                "plain" => Coloring::Plain,
                _ => Coloring::Rainbow,
            },
            labels: knobs.flag("labels"),
            coordinates: knobs.flag("coordinates"),
            turn: 0,
            outcome: None,
        })
    }

    fn rules(&self) -> String {
        format!(
            "Bring all discs to the peg with the flag within {} moves. Only the top disc of a peg moves, \
             never onto a smaller one. Pegs are A to {} from the left.",
            self.max_turns,
            PEGS[usize::from(self.table.pegs) - 1]
        )
    }

    fn render(&self) -> Image {
        let (tile, unit) = (self.tile_px, self.tile_px as f32);
        let Table { pegs, discs, goal } = self.table;
        let colors = self.theme.colors();
        let (width, height) = (u32::from(pegs) * tile, 2 * tile);
        let mut canvas = Canvas::new(width, height, colors.back);
        // From the top: flag or letter, post, discs, base.
        let base = (tile / 7).max(3);
        let letters = if self.coordinates { (tile / 4).max(7) } else { 0 };
        let floor = (height - base - letters) as i32;
        let top = (height / 6) as i32;
        let thick = ((floor - top) as u32 / (discs as u32 + 1)).min(tile / 4).max(2);
        canvas.fill_rect(0, floor, width, base, colors.wood);
        for peg in 0..pegs {
            let left = (u32::from(peg) * tile) as i32;
            let middle = left + (tile / 2) as i32;
            let post = (tile / 14).max(2);
            let wood = if peg == goal { colors.goal } else { colors.wood };
            canvas.fill_rect(middle - (post / 2) as i32, top, post, (floor - top) as u32, wood);
            if peg == goal {
                canvas.fill_rect(left + 1, floor, tile - 2, base, colors.goal);
                let (x, y) = (middle as f32, top as f32);
                let flag = [(x, y - 0.24 * unit), (x + 0.4 * unit, y - 0.08 * unit), (x, y + 0.08 * unit)];
                canvas.fill_polygon(&flag, colors.goal);
                canvas.fill_rect(middle - (post / 2) as i32, top - (tile / 4) as i32, post, tile / 4, wood);
            }
            if self.coordinates {
                let y = (floor as u32 + base) as f32 + letters as f32 / 2.0;
                let side = 0.8 * letters as f32;
                canvas.text_in_box(PEGS[usize::from(peg)], middle as f32, y, side, side, colors.ink);
            }
            for (level, disc) in self.stack(peg).into_iter().enumerate() {
                // The largest disc leaves a seam between neighbouring pegs.
                let wide = tile / 4 + (tile * 7 / 10) * (disc as u32 + 1) / discs as u32;
                let (x, y) = (middle - (wide / 2) as i32, floor - ((level as u32 + 1) * thick) as i32);
                let color = self.disc_color(disc, &colors);
                canvas.fill_rect(x, y, wide, thick - 1, color);
                if self.labels {
                    let ink = if self.theme == Theme::Dusk { colors.ink } else { [255; 3] };
                    let (cx, cy) = (middle as f32, y as f32 + (thick - 1) as f32 / 2.0);
                    let side = thick as f32 - 2.0;
                    canvas.text_in_box(&(disc + 1).to_string(), cx, cy, wide as f32, side.max(4.0), ink);
                }
            }
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Move, ParseError> {
        let refused = || ParseError::grammar(answer, GRAMMAR);
        let (from, to) = answer.trim().split_once("->").ok_or_else(refused)?;
        let peg = |text: &str| match text.trim().as_bytes() {
            [letter] if letter.is_ascii_alphabetic() => Ok(letter.to_ascii_uppercase() - b'A'),
            _ => Err(refused()),
        };
        let action = Move { from: peg(from)?, to: peg(to)? };
        if action.from >= self.table.pegs || action.to >= self.table.pegs || action.from == action.to {
            let last = PEGS[usize::from(self.table.pegs) - 1];
            return Err(ParseError::range(answer, format!("two different pegs from A to {last} are wanted")));
        }
        Ok(action)
    }

    fn step(&mut self, action: &Move) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let after = self.table.play(&self.places, *action);
        self.places = after.unwrap_or(self.places);
        self.finish_turn();
        let reward = if self.outcome == Some(Outcome::Success) { 1.0 } else { 0.0 };
        self.report(reward, after.is_some())
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.finish_turn();
        }
        self.report(0.0, false)
    }

    /// The move after which the fewest moves are needed; the first in the order of the letters among
    /// equals.
    fn oracle(&self) -> Move {
        let best = self.options().into_iter().min_by_key(|(_, needed)| *needed);
        best.map_or(Move { from: 0, to: 1 }, |(action, _)| action)
    }

    /// Three pegs: where discs have to go, from large to small, each so that the one before it can.
    /// Four pegs: what is needed after each move.
    fn reason(&self, action: &Move) -> String {
        let mut words = Vec::new();
        if self.table.pegs == 3 {
            for (disc, peg) in self.table.chain(&self.places) {
                words.push(format!("{} to {}", disc + 1, PEGS[usize::from(peg)]));
            }
        } else {
            for (option, needed) in self.options() {
                let [from, to] = option.letters();
                words.push(format!("{from} to {to} {needed}"));
            }
        }
        let [from, to] = action.letters();
        let left = match self.table.play(&self.places, *action) {
            Some(after) => self.table.needed(&[after])[0].to_string(),
            None => "refused".into(),
        };
        words.push(format!("so {from} to {to} left {left}"));
        words.join(" ")
    }

    /// A line for each peg: its letter, then its discs from the bottom upwards, 1 for the smallest, `-`
    /// for none; at last the marked peg.
    fn perception(&self) -> Perception {
        let line = |peg: u8| {
            let discs: Vec<String> = self.stack(peg).iter().map(|d| (d + 1).to_string()).collect();
            let discs = if discs.is_empty() { "-".into() } else { discs.join(" ") };
            format!("{} {discs}", PEGS[usize::from(peg)])
        };
        let mut lines: Vec<String> = (0..self.table.pegs).map(line).collect();
        lines.push(format!("goal {}", PEGS[usize::from(self.table.goal)]));
        let pegs: Vec<&str> =
            self.places[..self.table.discs].iter().map(|peg| PEGS[usize::from(*peg)]).collect();
        let data = json!({ "discs": pegs, "goal": PEGS[usize::from(self.table.goal)] });
        Perception { text: lines.join("\n"), data }
    }

    fn legal_actions(&self) -> Vec<Move> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        self.table.moves().filter(|m| self.table.play(&self.places, *m).is_some()).collect()
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests;
