//! Overcooked: two cooks in a small kitchen bring onions to the pot and serve the soup together.
//!
//! After the grid world of Overcooked-AI: a cook turns and walks, and interacts with what it faces.
//! A full pot starts to cook by itself. Ours: small recipes by default, cooks that start anywhere,
//! kitchens turned over at random, the hall; only served soups pay.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{Board, BoardStyle, Canvas, Rgb};
use crate::{
    Arena, Axis, Cell, Direction, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception,
    SEAT, Status, Step,
};

const GRAMMAR: &str = "up | right | down | left | stay | interact";

const SPEC: EnvSpec = EnvSpec {
    id: "overcooked",
    group: EnvGroup::Strategy,
    title: "Overcooked",
    summary: "A kitchen from above, two cooks: onions into the pot, soup onto a dish, dish to the hatch.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "planner by tasks and shortest ways, improved by playing out each of its actions to the end",
    score: "soups served by both cooks",
    pixel_answers: false,
    players: 2,
    source: "Overcooked-AI (Carroll et al. 2019); VS-Bench",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::choice(
        "layout",
        Axis::Reasoning,
        &["cramped", "ring", "hall"],
        "cramped",
        "the kitchen: cramped room, coordination ring (both of Overcooked-AI), or a hall around a counter",
    )
    .dialled(0.0, 2.0),
    KnobSpec::int("onions", Axis::Reasoning, 1, 3, 1, "onions in a soup").dialled(1.0, 3.0),
    KnobSpec::int("cook_time", Axis::Horizon, 1, 20, 3, "turns that a full pot cooks").dialled(2.0, 5.0),
    KnobSpec::int("turns", Axis::Horizon, 10, 200, 30, "turns of an episode").dialled(24.0, 60.0),
    KnobSpec::choice(
        "opponent",
        Axis::Reasoning,
        &["planner", "loader", "random"],
        "planner",
        "the other cook; planner: does what is most useful; loader: brings onions only",
    )
    .dialled(0.0, 1.0),
    SEAT,
    KnobSpec::flag(
        "mirror",
        Axis::Stochasticity,
        true,
        "turn the kitchen over at random, in both directions",
    ),
    KnobSpec::int("tile_px", Axis::Perception, 14, 56, 28, "pixels along each side of a cell"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["tiles", "wood", "smoke"],
        "tiles",
        "colours; smoke has little contrast",
    )
    .dialled(0.0, 1.0),
    KnobSpec::flag("coordinates", Axis::Perception, false, "print row and column numbers"),
];

const CRAMPED: &[&str] = &["XXPXX", "O---O", "X---X", "XDXSX"];
const RING: &[&str] = &["XXXPX", "X---P", "D-X-X", "O---X", "XOSXX"];
const HALL: &[&str] = &["XXPXSXX", "O-----X", "X-XXX-D", "O-----X", "XXPXSXX"];

/// Turns that the oracle plays out.
const OUTLOOK: u32 = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tile {
    Floor,
    Counter,
    Onions,
    Dishes,
    Pot,
    Hatch,
}

impl Tile {
    fn read(letter: char) -> Self {
        match letter {
            '-' => Self::Floor,
            'O' => Self::Onions,
            'D' => Self::Dishes,
            'P' => Self::Pot,
            'S' => Self::Hatch,
            _ => Self::Counter,
        }
    }
}

/// What a cook holds, or what lies on a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Item {
    Nothing,
    Onion,
    Dish,
    Soup,
}

impl Item {
    fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Onion => "onion",
            Self::Dish => "dish",
            Self::Soup => "soup",
        }
    }

    fn letter(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Onion => "o",
            Self::Dish => "d",
            Self::Soup => "s",
        }
    }
}

/// An action of a cook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Turns, and walks where the way is free.
    Go(Direction),
    /// Does nothing.
    Stay,
    /// Uses what is in front.
    Interact,
}

impl Act {
    const ALL: [Self; 6] = [
        Self::Go(Direction::Up),
        Self::Go(Direction::Right),
        Self::Go(Direction::Down),
        Self::Go(Direction::Left),
        Self::Stay,
        Self::Interact,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Go(direction) => direction.word(),
            Self::Stay => "stay",
            Self::Interact => "interact",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cook {
    place: usize,
    facing: Direction,
    holds: Item,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pot {
    place: usize,
    onions: u32,
    /// Turns that it still cooks, once it is full.
    left: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Tiles,
    Wood,
    Smoke,
}

/// The colours of a theme.
struct Colors {
    floor: Rgb,
    line: Rgb,
    counter: Rgb,
    pot: Rgb,
    hatch: Rgb,
    onion: Rgb,
    dish: Rgb,
    soup: Rgb,
    cooks: [Rgb; 2],
    strip: Rgb,
    ink: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Tiles => Colors {
                floor: [240, 236, 226],
                line: [214, 206, 190],
                counter: [170, 122, 74],
                pot: [50, 52, 60],
                hatch: [90, 170, 110],
                onion: [246, 206, 70],
                dish: [250, 250, 252],
                soup: [230, 120, 30],
                cooks: [[214, 40, 46], [44, 84, 220]],
                strip: [252, 252, 250],
                ink: [40, 40, 48],
            },
            Self::Wood => Colors {
                floor: [206, 176, 132],
                line: [180, 148, 106],
                counter: [96, 92, 100],
                pot: [24, 24, 28],
                hatch: [150, 70, 160],
                onion: [250, 236, 170],
                dish: [210, 230, 246],
                soup: [150, 60, 20],
                cooks: [[230, 90, 40], [30, 120, 130]],
                strip: [60, 50, 44],
                ink: [240, 230, 214],
            },
            Self::Smoke => Colors {
                floor: [128, 126, 124],
                line: [120, 118, 116],
                counter: [106, 102, 98],
                pot: [86, 84, 86],
                hatch: [104, 116, 106],
                onion: [138, 130, 104],
                dish: [146, 146, 148],
                soup: [132, 108, 92],
                cooks: [[134, 98, 98], [98, 102, 132]],
                strip: [112, 110, 108],
                ink: [146, 144, 142],
            },
        }
    }
}

/// The state of a kitchen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Overcooked {
    width: usize,
    tiles: Vec<Tile>,
    /// What lies on the counters, cell by cell.
    lying: Vec<Item>,
    pots: Vec<Pot>,
    cooks: [Cook; 2],
    recipe: u32,
    cook_time: u32,
    served: u32,
    turn: u32,
    turns: u32,
    /// True after the last turn.
    outcome: bool,
    tile_px: u32,
    theme: Theme,
    coordinates: bool,
}

/// A kitchen as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    width: usize,
    tiles: Vec<Tile>,
    lying: Vec<Item>,
    pots: Vec<Pot>,
    cooks: [Cook; 2],
    recipe: u32,
    cook_time: u32,
    served: u32,
    turn: u32,
    turns: u32,
    outcome: bool,
    tile_px: u32,
    theme: Theme,
    coordinates: bool,
}

impl TryFrom<Unchecked> for Overcooked {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Unchecked { width, tiles, lying, pots, cooks, recipe, cook_time, served, turn, turns, .. } = raw;
        let cells = tiles.len();
        if !(4..=9).contains(&width) || cells > 63 || cells < 4 * width || !cells.is_multiple_of(width) {
            return Err(format!("{cells} cells do not make a kitchen {width} wide"));
        }
        let edge = |i: usize| {
            i < width || i + width >= cells || i.is_multiple_of(width) || (i + 1).is_multiple_of(width)
        };
        if (0..cells).any(|i| edge(i) && tiles[i] == Tile::Floor) || lying.len() != cells {
            return Err("the kitchen is open at the edge, or its counters are not its cells".into());
        }
        let stray = |(i, item): (usize, &Item)| *item != Item::Nothing && tiles[i] != Tile::Counter;
        if lying.iter().enumerate().any(stray) {
            return Err("something lies where no counter is".into());
        }
        let standing = cooks.iter().all(|cook| tiles.get(cook.place) == Some(&Tile::Floor));
        if !standing || cooks[0].place == cooks[1].place {
            return Err(format!("the cooks {cooks:?} do not stand on the floor"));
        }
        let places: Vec<usize> = (0..cells).filter(|i| tiles[*i] == Tile::Pot).collect();
        let sound = |pot: &Pot| pot.onions <= recipe && pot.left <= cook_time;
        if !pots.iter().map(|pot| pot.place).eq(places) || !pots.iter().all(sound) {
            return Err(format!("the pots {pots:?} are not those of the kitchen"));
        }
        let numbers = (1..=3).contains(&recipe) && (1..=20).contains(&cook_time) && served <= 200;
        let clock = turns <= 200 && turn <= turns && raw.outcome == (turn == turns);
        if !numbers || !clock || !(14..=56).contains(&raw.tile_px) {
            return Err("recipe, cook_time, turn or tile_px is out of range".into());
        }
        let Unchecked { outcome, tile_px, theme, coordinates, .. } = raw;
        Ok(Self {
            width,
            tiles,
            lying,
            pots,
            cooks,
            recipe,
            cook_time,
            served,
            turn,
            turns,
            outcome,
            tile_px,
            theme,
            coordinates,
        })
    }
}

const NAMES: [&str; 2] = ["R", "B"];

/// A set of cells. The edge of a kitchen is never floor, so shifts cannot lead over it.
type Cells = u64;

impl Overcooked {
    fn height(&self) -> usize {
        self.tiles.len() / self.width
    }

    fn cell(&self, place: usize) -> Cell {
        Cell { row: place / self.width, col: place % self.width }
    }

    /// The cell beside `place`. Everybody stands inside the edge, so there is one.
    fn beside(&self, place: usize, direction: Direction) -> usize {
        let next = match direction {
            Direction::Up => place.saturating_sub(self.width),
            Direction::Right => place + 1,
            Direction::Down => place + self.width,
            Direction::Left => place.saturating_sub(1),
        };
        next.min(self.tiles.len() - 1)
    }

    fn where_is(&self, tile: Tile) -> Cells {
        self.tiles.iter().enumerate().filter(|(_, t)| **t == tile).fold(0, |mask, (i, _)| mask | 1 << i)
    }

    fn where_lies(&self, item: Item) -> Cells {
        let counters = self.lying.iter().zip(&self.tiles).enumerate();
        let found = counters.filter(|(_, (i, t))| **i == item && **t == Tile::Counter);
        found.fold(0, |mask, (i, _)| mask | 1 << i)
    }

    fn around(&self, cells: Cells) -> Cells {
        cells << 1 | cells >> 1 | cells << self.width | cells >> self.width
    }

    fn is_full(&self, pot: &Pot) -> bool {
        pot.onions >= self.recipe
    }

    fn interact(&mut self, who: usize) -> u32 {
        let cook = self.cooks[who];
        let front = self.beside(cook.place, cook.facing);
        let (recipe, cook_time) = (self.recipe, self.cook_time);
        let pot = self.pots.iter_mut().find(|pot| pot.place == front);
        let mut served = 0;
        let holds = match (self.tiles[front], cook.holds, pot) {
            (Tile::Onions, Item::Nothing, _) => Item::Onion,
            (Tile::Dishes, Item::Nothing, _) => Item::Dish,
            (Tile::Pot, Item::Onion, Some(pot)) if pot.onions < recipe => {
                pot.onions += 1;
                // The present turn counts down already, so one more.
                pot.left = if pot.onions == recipe { cook_time + 1 } else { 0 };
                Item::Nothing
            }
            (Tile::Pot, Item::Dish, Some(pot)) if pot.onions == recipe && pot.left == 0 => {
                pot.onions = 0;
                Item::Soup
            }
            (Tile::Hatch, Item::Soup, _) => {
                served = 1;
                Item::Nothing
            }
            (Tile::Counter, _, _)
                if (cook.holds == Item::Nothing) != (self.lying[front] == Item::Nothing) =>
            {
                std::mem::replace(&mut self.lying[front], cook.holds)
            }
            (_, holds, _) => holds,
        };
        self.cooks[who].holds = holds;
        served
    }

    /// Plays one turn: first both interact, then both walk, then the pots cook. Gives the soups served.
    fn advance(&mut self, acts: [Act; 2]) -> u32 {
        let mut served = 0;
        for (who, act) in acts.into_iter().enumerate() {
            if act == Act::Interact {
                served += self.interact(who);
            }
        }
        let from = self.cooks.map(|cook| cook.place);
        let mut to = from;
        for (who, act) in acts.into_iter().enumerate() {
            if let Act::Go(direction) = act {
                self.cooks[who].facing = direction;
                let next = self.beside(from[who], direction);
                if self.tiles[next] == Tile::Floor {
                    to[who] = next;
                }
            }
        }
        // Nobody walks into another, and two do not change places.
        if to[0] != to[1] && !(to[0] == from[1] && to[1] == from[0]) {
            self.cooks[0].place = to[0];
            self.cooks[1].place = to[1];
        }
        for pot in &mut self.pots {
            pot.left = pot.left.saturating_sub(1);
        }
        self.served += served;
        self.turn += 1;
        self.outcome = self.turn >= self.turns;
        served
    }

    /// Steps between `place` and the nearest of `cells` as the crow flies.
    fn way(&self, place: usize, cells: Cells) -> usize {
        let from = self.cell(place);
        let far = |i: &usize| {
            let to = self.cell(*i);
            from.row.abs_diff(to.row) + from.col.abs_diff(to.col)
        };
        (0..self.tiles.len()).filter(|i| cells >> i & 1 == 1).map(|i| far(&i)).min().unwrap_or(usize::MAX)
    }

    /// True when `me` is nearer to `cells` than the other, or as near and first.
    fn is_nearer(&self, me: usize, cells: Cells) -> bool {
        let [mine, theirs] = [me, 1 - me].map(|who| self.way(self.cooks[who].place, cells));
        mine < theirs || (mine == theirs && me == 0)
    }

    /// The pots to go to: the one to fill (what is begun comes first), and those whose soup is next.
    fn pots_next(&self) -> (Cells, Cells) {
        let hungry = self.pots.iter().filter(|pot| !self.is_full(pot));
        let begun = hungry.max_by_key(|pot| (pot.onions, std::cmp::Reverse(pot.place)));
        let busy = || self.pots.iter().filter(|pot| self.is_full(pot));
        let soonest = busy().map(|pot| pot.left).min().unwrap_or(0);
        let ready = busy().filter(|pot| pot.left == soonest).fold(0, |mask, pot| mask | 1 << pot.place);
        (begun.map_or(0, |pot| 1 << pot.place), ready)
    }

    /// What `me` should go to now, and what to call it; `None`: nothing to do. `partner` is the kind of
    /// the other cook.
    fn task(&self, me: usize, partner: &str) -> Option<(Cells, &'static str)> {
        let (mine, theirs) = (self.cooks[me].holds, self.cooks[1 - me].holds);
        let (hungry, ready) = self.pots_next();
        let busy = self.pots.iter().filter(|pot| self.is_full(pot)).count();
        let missing: u32 = self.pots.iter().map(|pot| self.recipe.saturating_sub(pot.onions)).sum();
        let counters = self.where_lies(Item::Nothing);
        let helps = partner != "random";
        // The other brings what fills the last pot.
        let filling = helps && theirs == Item::Onion && self.pots.iter().any(|p| p.onions + 1 == self.recipe);
        let served = helps && matches!(theirs, Item::Dish | Item::Soup);
        match mine {
            Item::Soup => Some((self.where_is(Tile::Hatch), "hatch")),
            Item::Dish => {
                let rival = usize::from(theirs == Item::Dish && !self.is_nearer(me, ready));
                match (busy > rival, filling) {
                    (true, _) => Some((ready, "pot")),
                    (false, true) => None,
                    (false, false) => Some((counters, "counter")),
                }
            }
            Item::Onion if hungry != 0 => Some((hungry, "pot")),
            Item::Onion if served => None,
            Item::Onion => Some((counters, "counter")),
            Item::Nothing => {
                let soup = self.where_lies(Item::Soup);
                if soup != 0 {
                    return Some((soup, "soup"));
                }
                let dishes = self.where_is(Tile::Dishes) | self.where_lies(Item::Dish);
                let covered = usize::from(theirs == Item::Dish);
                let other_free = partner == "planner" && theirs == Item::Nothing;
                if busy > covered && (!other_free || self.is_nearer(me, dishes)) {
                    return Some((dishes, "dish"));
                }
                let onions = self.where_is(Tile::Onions) | self.where_lies(Item::Onion);
                let coming = u32::from(theirs == Item::Onion);
                if missing > coming {
                    let enough = other_free && missing == 1 && !self.is_nearer(me, onions);
                    return (!enough).then_some((onions, "onion"));
                }
                // Ahead of time: a dish for the soup to come, an onion for the pot that will be free.
                match (filling, served) {
                    (true, _) => Some((dishes, "dish")),
                    (_, true) if coming == 0 => Some((onions, "onion")),
                    _ => None,
                }
            }
        }
    }

    /// The next action on the shortest way to use one of `targets`, around the other cook where that
    /// can be done, else up to it; `None` when the other stands in the very next cell.
    fn approach(&self, me: usize, targets: Cells) -> Option<Act> {
        let cook = self.cooks[me];
        let within = |cells: Cells, direction| cells >> self.beside(cook.place, direction) & 1 == 1;
        if within(targets, cook.facing) {
            return Some(Act::Interact);
        }
        if let Some(direction) = Direction::ALL.into_iter().find(|d| within(targets, *d)) {
            return Some(Act::Go(direction));
        }
        let other: Cells = 1 << self.cooks[1 - me].place;
        let floor = self.where_is(Tile::Floor);
        for open in [floor & !other, floor] {
            let (mut layer, mut seen) = (self.around(targets) & open, 0);
            while layer != 0 {
                if let Some(direction) = Direction::ALL.into_iter().find(|d| within(layer, *d)) {
                    return (!within(other, direction)).then_some(Act::Go(direction));
                }
                seen |= layer;
                layer = self.around(layer) & open & !seen;
            }
        }
        None
    }

    /// Out of the other's way.
    fn step_aside(&self, me: usize) -> Act {
        let (cook, other) = (self.cooks[me], self.cooks[1 - me].place);
        let reach = |place| self.way(place, 1 << other);
        let free = |d: &Direction| self.tiles[self.beside(cook.place, *d)] == Tile::Floor;
        let best = Direction::ALL.into_iter().filter(free).max_by_key(|d| reach(self.beside(cook.place, *d)));
        match best {
            Some(d) if reach(self.beside(cook.place, d)) > reach(cook.place) && reach(cook.place) < 3 => {
                Act::Go(d)
            }
            _ => Act::Stay,
        }
    }

    /// True when `me` should let the other go first: it has less in its hands, or as much and comes later.
    fn gives_way(&self, me: usize) -> bool {
        let [mine, theirs] = [me, 1 - me].map(|who| self.cooks[who].holds as u8);
        mine < theirs || (mine == theirs && me == 1)
    }

    /// The cell that an action leads a cook into, where it walks at all.
    fn walks_to(&self, who: usize, act: Act) -> Option<usize> {
        let Act::Go(direction) = act else { return None };
        let next = self.beside(self.cooks[who].place, direction);
        (self.tiles[next] == Tile::Floor).then_some(next)
    }

    /// What a cook does who plans by tasks, beside a partner of the named kind.
    fn planner(&self, me: usize, partner: &str) -> Act {
        let Some((targets, _)) = self.task(me, partner) else { return self.step_aside(me) };
        let Some(act) = self.approach(me, targets) else {
            return if self.gives_way(me) { self.step_aside(me) } else { Act::Stay };
        };
        // When both want the same cell, neither would get it.
        let theirs = match partner {
            "planner" => self.task(1 - me, partner).and_then(|(cells, _)| self.approach(1 - me, cells)),
            "loader" => Some(self.loader(1 - me)),
            _ => None,
        };
        let meet = self
            .walks_to(me, act)
            .is_some_and(|next| theirs.and_then(|theirs| self.walks_to(1 - me, theirs)) == Some(next));
        if meet && (partner == "loader" || self.gives_way(me)) { Act::Stay } else { act }
    }

    /// What a cook does who brings onions only.
    fn loader(&self, me: usize) -> Act {
        let (hungry, _) = self.pots_next();
        let targets = match self.cooks[me].holds {
            _ if hungry == 0 => 0,
            Item::Nothing => self.where_is(Tile::Onions),
            _ => hungry,
        };
        self.approach(me, targets).unwrap_or_else(|| self.step_aside(me))
    }

    /// What the other cook does; one that does anything is taken to stand still.
    fn partner(&self, who: usize, kind: &str) -> Act {
        match kind {
            "planner" => self.planner(who, "planner"),
            "loader" => self.loader(who),
            _ => Act::Stay,
        }
    }

    /// The soups that follow when `me` does `act` now and plans by tasks afterwards, and what they are
    /// worth: sooner is better.
    fn play_out(&self, me: usize, kind: &str, act: Act) -> (u32, u32) {
        let mut copy = self.clone();
        let (mut mine, mut soups, mut worth) = (act, 0, 0);
        for waited in 0..OUTLOOK {
            let theirs = copy.partner(1 - me, kind);
            let served = copy.advance(if me == 0 { [mine, theirs] } else { [theirs, mine] });
            soups += served;
            worth += served * (1000 - 5 * waited);
            if copy.outcome {
                break;
            }
            mine = copy.planner(me, kind);
        }
        (soups, worth)
    }

    fn report(&self, player: usize, served: f32, legal: bool) -> Step {
        Step { reward: served, score: served, legal, status: self.status(player) }
    }

    /// The word of a cell (see [`Arena::perception`]).
    fn word(&self, place: usize) -> String {
        if let Some(who) = self.cooks.iter().position(|cook| cook.place == place) {
            let cook = self.cooks[who];
            return format!("{}{}{}", NAMES[who], &cook.facing.word()[..1], cook.holds.letter());
        }
        let pot = self.pots.iter().find(|pot| pot.place == place);
        match (self.tiles[place], pot) {
            (Tile::Pot, Some(pot)) if !self.is_full(pot) => format!("P{}", pot.onions),
            (Tile::Pot, Some(pot)) if pot.left > 0 => format!("C{}", pot.left),
            (Tile::Pot, _) => "F".into(),
            (Tile::Floor, _) => "-".into(),
            (Tile::Counter, _) => format!("X{}", self.lying[place].letter()),
            (Tile::Onions, _) => "O".into(),
            (Tile::Dishes, _) => "D".into(),
            (Tile::Hatch, _) => "S".into(),
        }
    }

    fn draw_item(canvas: &mut Canvas, item: Item, x: f32, y: f32, size: f32, colors: &Colors) {
        if matches!(item, Item::Dish | Item::Soup) {
            canvas.fill_circle(x, y, 0.5 * size, [70, 70, 76]);
            canvas.fill_circle(x, y, 0.44 * size, colors.dish);
        }
        match item {
            Item::Nothing | Item::Dish => {}
            Item::Soup => canvas.fill_circle(x, y, 0.3 * size, colors.soup),
            Item::Onion => {
                let tip = [
                    (x - 0.16 * size, y - 0.2 * size),
                    (x, y - 0.58 * size),
                    (x + 0.16 * size, y - 0.2 * size),
                ];
                canvas.fill_polygon(&tip, colors.onion);
                canvas.fill_circle(x, y + 0.04 * size, 0.36 * size, colors.onion);
            }
        }
    }

    fn draw_tile(&self, board: &mut Board, place: usize, colors: &Colors) {
        let (cell, tile) = (self.cell(place), board.tile());
        let (x, y) = board.middle(cell);
        match self.tiles[place] {
            Tile::Floor => return,
            Tile::Hatch => board.fill(cell, true, colors.hatch),
            _ => board.fill(cell, true, colors.counter),
        }
        let canvas = &mut board.canvas;
        match self.tiles[place] {
            Tile::Onions => {
                for (dx, dy) in [(-0.18, 0.16), (0.18, 0.16), (0.0, -0.12)] {
                    Self::draw_item(canvas, Item::Onion, x + dx * tile, y + dy * tile, 0.46 * tile, colors);
                }
            }
            Tile::Dishes => {
                for dy in [0.12, 0.0, -0.12] {
                    Self::draw_item(canvas, Item::Dish, x, y + dy * tile, 0.64 * tile, colors);
                }
            }
            Tile::Hatch => {
                let (low, high) = ((x - 0.28 * tile, y), (x + 0.3 * tile, y));
                canvas.arrow(low, high, 0.14 * tile, 0.3 * tile, colors.dish);
            }
            Tile::Pot => self.draw_pot(canvas, place, (x, y), tile, colors),
            _ => Self::draw_item(canvas, self.lying[place], x, y, 0.6 * tile, colors),
        }
    }

    fn draw_pot(&self, canvas: &mut Canvas, place: usize, (x, y): (f32, f32), tile: f32, colors: &Colors) {
        canvas.fill_circle(x, y, 0.44 * tile, colors.pot);
        let Some(pot) = self.pots.iter().find(|pot| pot.place == place) else { return };
        if self.is_full(pot) {
            canvas.fill_circle(x, y, 0.34 * tile, colors.soup);
            if pot.left > 0 {
                canvas.text_in_box(&pot.left.to_string(), x, y, 0.6 * tile, 0.5 * tile, colors.dish);
            }
            return;
        }
        for n in 0..pot.onions {
            let dx = (n as f32 - (pot.onions - 1) as f32 / 2.0) * 0.3 * tile;
            Self::draw_item(canvas, Item::Onion, x + dx, y, 0.36 * tile, colors);
        }
    }

    fn draw_cook(&self, board: &mut Board, who: usize, player: usize, colors: &Colors) {
        let (cook, tile) = (self.cooks[who], board.tile());
        let (x, y) = board.middle(self.cell(cook.place));
        let (dr, dc) = cook.facing.delta();
        let (fx, fy) = (dc as f32, dr as f32);
        let at = |along: f32, across: f32| {
            (x + (fx * along - fy * across) * tile, y + (fy * along + fx * across) * tile)
        };
        // The nose shows where the cook looks.
        board.canvas.fill_polygon(&[at(0.5, 0.0), at(0.1, 0.3), at(0.1, -0.3)], colors.cooks[who]);
        board.canvas.fill_circle(x, y, 0.34 * tile, colors.cooks[who]);
        if who == player {
            // The white ring is the cook whom the picture is for.
            board.canvas.ring(x, y, 0.34 * tile, 0.09 * tile, colors.dish);
        }
        let (ix, iy) = at(0.06, 0.0);
        Self::draw_item(&mut board.canvas, cook.holds, ix, iy, 0.42 * tile, colors);
    }
}

/// The letters of a kitchen, turned over as asked.
fn kitchen(rows: &[&str], turned: bool, mirrored: bool) -> (usize, Vec<Tile>) {
    let mut rows: Vec<Vec<Tile>> = rows.iter().map(|row| row.chars().map(Tile::read).collect()).collect();
    if turned {
        rows.reverse();
    }
    if mirrored {
        rows.iter_mut().for_each(|row| row.reverse());
    }
    (rows[0].len(), rows.concat())
}

impl Arena for Overcooked {
    type Action = Act;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("kitchen", 0).rng();
        let rows = match knobs.choice("layout") {
            "ring" => RING,
            "hall" => HALL,
            _ => CRAMPED,
        };
        let turn_over = knobs.flag("mirror");
        let (turned, mirrored) = (turn_over && rng.chance(0.5), turn_over && rng.chance(0.5));
        let (width, tiles) = kitchen(rows, turned, mirrored);
        let mut floor: Vec<usize> = (0..tiles.len()).filter(|i| tiles[*i] == Tile::Floor).collect();
        rng.shuffle(&mut floor);
        let mut cook = |place: usize| Cook {
            place,
            facing: rng.choose(&Direction::ALL).copied().unwrap_or(Direction::Up),
            holds: Item::Nothing,
        };
        let pots = (0..tiles.len()).filter(|i| tiles[*i] == Tile::Pot);
        Ok(Self {
            width,
            lying: vec![Item::Nothing; tiles.len()],
            pots: pots.map(|place| Pot { place, onions: 0, left: 0 }).collect(),
            cooks: [cook(floor[0]), cook(floor[1])],
            tiles,
            recipe: knobs.size("onions") as u32,
            cook_time: knobs.size("cook_time") as u32,
            served: 0,
            turn: 0,
            turns: knobs.size("turns") as u32,
            outcome: false,
            tile_px: knobs.size("tile_px") as u32,
            theme: match knobs.choice("theme") {
                "wood" => Theme::Wood,
                "smoke" => Theme::Smoke,
                _ => Theme::Tiles,
            },
            coordinates: knobs.flag("coordinates"),
        })
    }

    fn acting(&self) -> Vec<usize> {
        if self.outcome { Vec::new() } else { vec![0, 1] }
    }

    fn rules(&self, player: usize) -> String {
        format!(
            "You are the {} cook with the ring. {} fill a pot, which cooks {} turns. Take the soup with a dish and bring it to the hatch. Each soup pays both cooks 1. Interact uses what you face.",
            if player == 0 { "first" } else { "second" },
            ["One onion", "Two onions", "Three onions"][self.recipe.clamp(1, 3) as usize - 1],
            self.cook_time
        )
    }

    fn render(&self, player: usize) -> Image {
        let colors = self.theme.colors();
        let style = BoardStyle {
            tile: self.tile_px,
            grid: true,
            coordinates: self.coordinates,
            cell: colors.floor,
            line: colors.line,
            ink: if self.theme == Theme::Smoke { colors.pot } else { [40, 36, 34] },
        };
        let mut board = Board::new(self.height(), self.width, style);
        (0..self.tiles.len()).for_each(|place| self.draw_tile(&mut board, place, &colors));
        (0..2).for_each(|who| self.draw_cook(&mut board, who, player.min(1), &colors));
        let kitchen = board.canvas.into_image();
        let tile = self.tile_px as f32;
        let mut canvas = Canvas::new(kitchen.width(), kitchen.height() + self.tile_px, colors.strip);
        canvas.paste(&kitchen, 0, 0);
        let y = kitchen.height() as f32 + tile / 2.0;
        Self::draw_item(&mut canvas, Item::Soup, 0.6 * tile, y, 0.7 * tile, &colors);
        let room = kitchen.width() as f32 / 2.0;
        let text = self.served.to_string();
        canvas.text_in_box(&text, 1.6 * tile, y, room.min(1.4 * tile), 0.62 * tile, colors.ink);
        canvas.into_image()
    }

    fn parse(&self, _player: usize, answer: &str) -> Result<Act, ParseError> {
        let word = answer.trim().to_ascii_lowercase();
        let found = Act::ALL.into_iter().find(|act| act.word() == word);
        found.ok_or_else(|| ParseError::grammar(answer, GRAMMAR))
    }

    fn step(&mut self, actions: &[(usize, Act)]) -> Vec<Step> {
        if self.outcome {
            return vec![self.report(0, 0.0, false), self.report(1, 0.0, false)];
        }
        let of = |player| actions.iter().find(|(who, _)| *who == player).map_or(Act::Stay, |(_, act)| *act);
        let served = self.advance([of(0), of(1)]) as f32;
        vec![self.report(0, served, true), self.report(1, served, true)]
    }

    fn pass(&mut self, player: usize) -> Step {
        if !self.outcome {
            self.turn += 1;
            self.outcome = self.turn >= self.turns;
        }
        self.report(player, 0.0, false)
    }

    fn opponent(&self, player: usize, kind: &str, rng: &mut Rng) -> Act {
        match kind {
            "random" => rng.choose(&Act::ALL).copied().unwrap_or(Act::Stay),
            _ => self.partner(player.min(1), kind),
        }
    }

    /// The action after which most soups follow, the planner's own choice among equals.
    fn oracle(&self, player: usize, opponent: &str) -> Act {
        let me = player.min(1);
        let own = self.planner(me, opponent);
        let mut best = (own, self.play_out(me, opponent, own).1);
        for act in Act::ALL {
            let (_, worth) = self.play_out(me, opponent, act);
            if worth > best.1 {
                best = (act, worth);
            }
        }
        best.0
    }

    /// Who is where with what, the pots, the task, and the soups that follow.
    fn reason(&self, player: usize, opponent: &str, action: &Act) -> String {
        let me = player.min(1);
        let about = |who: usize| {
            let cook = self.cooks[who];
            let cell = self.cell(cook.place);
            format!("{} {} {} {} {}", NAMES[who], cell.row, cell.col, cook.facing, cook.holds.word())
        };
        let pots: Vec<String> = self.pots.iter().map(|pot| self.word(pot.place)).collect();
        let task = self.task(me, opponent).map_or("nothing", |(_, name)| name);
        let (soups, _) = self.play_out(me, opponent, *action);
        format!(
            "{} {} pots {} task {task} soups {soups} so {action}",
            about(me),
            about(1 - me),
            pots.join(" ")
        )
    }

    /// Words: `X` counter, `O` onions, `D` dishes, `S` hatch, `-` floor, `P0` a pot with so many onions,
    /// `C2` one that cooks so long, `F` one with a finished soup; `Rud` the red cook, looking up, with a
    /// dish. What lies on a counter follows its letter. The last row: own colour, soups served.
    fn perception(&self, player: usize) -> Perception {
        let me = player.min(1);
        let words: Vec<String> = (0..self.tiles.len()).map(|place| self.word(place)).collect();
        let mut rows: Vec<String> = words.chunks(self.width).map(|row| row.join(" ")).collect();
        rows.push(format!("you {} soups {}", NAMES[me], self.served));
        let cooks = self.cooks.map(|cook| {
            let cell = self.cell(cook.place);
            json!({ "at": [cell.row, cell.col], "facing": cook.facing.word(), "holds": cook.holds.word() })
        });
        let data =
            json!({ "kitchen": words, "width": self.width, "you": me, "cooks": cooks, "soups": self.served });
        Perception { text: rows.join("\n"), data }
    }

    fn legal_actions(&self, _player: usize) -> Vec<Act> {
        if self.outcome { Vec::new() } else { Act::ALL.to_vec() }
    }

    /// A soup served is a success.
    fn status(&self, _player: usize) -> Status {
        match (self.outcome, self.served > 0) {
            (false, _) => Status::Running,
            (true, true) => Status::Done(Outcome::Success),
            (true, false) => Status::Done(Outcome::Failure),
        }
    }
}

#[cfg(test)]
mod tests;
