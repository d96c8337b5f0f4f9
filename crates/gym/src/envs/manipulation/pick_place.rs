//! Pick and place: bring things on a table to the plates where they belong.
//!
//! Kinematic and without chance: the gripper takes a cube, puts it down where there is room, and pushes
//! anything along a straight line until it touches something.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::tabletop::{Table, Theme, View};
use crate::draw::{Canvas, PALETTE};
use crate::envs::kit;
use crate::{
    Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step, TruthForm,
};

const GRAMMAR: &str = "pick(x,y) | place(x,y) | push(x1,y1,x2,y2) in pixels of the picture";

const SPEC: EnvSpec = EnvSpec {
    id: "pick-place",
    group: EnvGroup::Manipulation,
    title: "Pick, place, push",
    summary: "A table with cubes, pucks and plates: bring what the goal names to its plate.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "plan: clear plates and ways, then one goal after the other",
    score: "half for the stages reached (held, on its plate), half for success",
    pixel_answers: true,
    players: 1,
    source: "VAGEN PrimitiveSkill; LIBERO",
};

const TRUTH: &[TruthForm] = &[TruthForm {
    name: "plan",
    rewards: &["plan"],
    doc: "the steps of the oracle to the end: a list of {action, target: the pixels, separated by blanks}",
}];

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("goals", Axis::Horizon, 1, 3, 1, "things to bring to a plate").dialled(1.0, 2.0),
    KnobSpec::choice(
        "skills",
        Axis::Reasoning,
        &["pick", "push", "mixed"],
        "pick",
        "what the goals name: cubes to pick and place, pucks to push, or either",
    )
    .dialled(0.0, 2.0),
    KnobSpec::int("blockers", Axis::Reasoning, 0, 3, 0, "plates of goals that another cube stands on")
        .dialled(0.0, 1.0),
    KnobSpec::int("clutter", Axis::Perception, 0, 5, 2, "other cubes on the table").dialled(0.0, 4.0),
    KnobSpec::int("plates", Axis::Perception, 0, 2, 1, "other plates").dialled(0.0, 1.0),
    KnobSpec::int("spare", Axis::Horizon, 0, 20, 3, "turns more than the plan needs").dialled(4.0, 2.0),
    KnobSpec::choice("view", Axis::Perception, View::NAMES, "above", "from where the table is seen")
        .dialled(0.0, 1.0),
    KnobSpec::int("table_px", Axis::Perception, 112, 224, 112, "pixels across the table"),
    KnobSpec::choice("theme", Axis::Perception, Theme::NAMES, "pale", "colours; dusk has little contrast"),
];

/// Half the width of a cube, a puck and a plate, in units of the table.
const CUBE: i32 = 9;
const PUCK: i32 = 10;
const PLATE: i32 = 13;

/// A thing is on a plate when its middle is this near to the plate's along both sides.
const NEAR: i32 = 6;

/// Units between spots that the planner and the samples try.
const STRIDE: usize = 9;

/// How often a table is set before the knobs are said to contradict each other.
const TRIES: usize = 400;

/// Turns in which a plan must succeed.
const LONGEST: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Cube,
    Puck,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Thing {
    kind: Kind,
    color: usize,
    x: i32,
    y: i32,
}

impl Thing {
    fn half(&self) -> i32 {
        if self.kind == Kind::Cube { CUBE } else { PUCK }
    }

    fn name(&self) -> String {
        format!("{}{:?}", PALETTE[self.color].0, self.kind)
    }

    fn words(&self) -> String {
        format!("{} {:?}", PALETTE[self.color].0, self.kind).to_lowercase()
    }

    /// True when the two would touch with this one at (`x`, `y`).
    fn touches(&self, x: i32, y: i32, other: &Self) -> bool {
        let apart = self.half() + other.half();
        (x - other.x).abs() < apart && (y - other.y).abs() < apart
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Plate {
    color: usize,
    x: i32,
    y: i32,
}

impl Plate {
    fn name(&self) -> String {
        format!("{}Plate", PALETTE[self.color].0)
    }

    fn holds(&self, thing: &Thing) -> bool {
        (thing.x - self.x).abs() <= NEAR && (thing.y - self.y).abs() <= NEAR
    }
}

/// `thing` belongs on `plate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Goal {
    thing: usize,
    plate: usize,
}

/// What the gripper does, at pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skill {
    /// Takes the cube at a pixel.
    Pick(i32, i32),
    /// Puts down what is held.
    Place(i32, i32),
    /// Pushes what is at the first pixel straight towards the second.
    Push(i32, i32, i32, i32),
}

impl fmt::Display for Skill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pick(x, y) => write!(f, "pick({x},{y})"),
            Self::Place(x, y) => write!(f, "place({x},{y})"),
            Self::Push(x1, y1, x2, y2) => write!(f, "push({x1},{y1},{x2},{y2})"),
        }
    }
}

/// The state of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State")]
pub struct PickPlace(State);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    table: Table,
    things: Vec<Thing>,
    plates: Vec<Plate>,
    goals: Vec<Goal>,
    held: Option<usize>,
    /// The most stages of goals reached so far: 1 when held, 2 when on the plate.
    stages: usize,
    max_turns: usize,
    turn: usize,
    outcome: Option<Outcome>,
}

impl TryFrom<State> for PickPlace {
    type Error = String;

    fn try_from(raw: State) -> Result<Self, String> {
        if !raw.table.is_sound() || raw.things.len() > 16 || raw.plates.len() > 8 {
            return Err("the table cannot be drawn".into());
        }
        let side = raw.table.side as i32;
        let inside = |x: i32, y: i32| (0..side).contains(&x) && (0..side).contains(&y);
        let sound = raw.things.iter().all(|t| inside(t.x, t.y) && t.color < PALETTE.len())
            && raw.plates.iter().all(|p| inside(p.x, p.y) && p.color < PALETTE.len());
        let named = |g: &Goal| g.thing < raw.things.len() && g.plate < raw.plates.len();
        if !sound || raw.goals.is_empty() || raw.goals.len() > 3 || !raw.goals.iter().all(named) {
            return Err("a thing is off the table, or a goal names none".into());
        }
        if raw.held.is_some_and(|i| raw.things.get(i).is_none_or(|t| t.kind != Kind::Cube)) {
            return Err("what is held is no cube".into());
        }
        if raw.stages > 2 * raw.goals.len() || raw.max_turns > 100 || raw.turn > raw.max_turns {
            return Err("stages or turns are out of range".into());
        }
        Ok(Self(raw))
    }
}

impl PickPlace {
    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    /// The thing that a pixel shows; the nearest to the viewer where two are there.
    fn at(&self, pixel: (i32, i32)) -> Option<usize> {
        let table = &self.0.table;
        let hit = |t: &Thing| {
            let (left, top, right, bottom) = table.body(t.x, t.y, t.half());
            (left..=right).contains(&pixel.0) && (top..=bottom).contains(&pixel.1)
        };
        let things = self.0.things.iter().enumerate().filter(|(i, t)| Some(*i) != self.0.held && hit(t));
        things.max_by_key(|(i, t)| (t.y, *i)).map(|(i, _)| i)
    }

    /// True when thing `i` could stand at (`x`, `y`).
    fn is_free(&self, i: usize, x: i32, y: i32) -> bool {
        let thing = &self.0.things[i];
        let inside = thing.half()..=self.0.table.side as i32 - thing.half();
        let others = self.0.things.iter().enumerate().filter(|(j, _)| *j != i && Some(*j) != self.0.held);
        inside.contains(&x) && inside.contains(&y) && others.clone().all(|(_, t)| !thing.touches(x, y, t))
    }

    /// Where thing `i` comes to rest when it is pushed from `from` towards `to`.
    fn slide(&self, i: usize, from: (i32, i32), to: (i32, i32)) -> (i32, i32) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let steps = dx.abs().max(dy.abs());
        let mut rest = from;
        for step in 1..=steps {
            let next = (from.0 + dx * step / steps, from.1 + dy * step / steps);
            if !self.is_free(i, next.0, next.1) {
                break;
            }
            rest = next;
        }
        rest
    }

    fn is_met(&self, goal: &Goal) -> bool {
        self.0.held != Some(goal.thing) && self.0.plates[goal.plate].holds(&self.0.things[goal.thing])
    }

    fn stages(&self) -> usize {
        let stage = |g: &Goal| if self.is_met(g) { 2 } else { usize::from(self.0.held == Some(g.thing)) };
        self.0.goals.iter().map(stage).sum()
    }

    /// Does what the skill says; false when it is refused.
    fn act(&mut self, skill: Skill) -> bool {
        match (skill, self.0.held) {
            (Skill::Pick(x, y), None) => {
                let found = self.at((x, y)).filter(|i| self.0.things[*i].kind == Kind::Cube);
                self.0.held = found;
                found.is_some()
            }
            (Skill::Place(x, y), Some(i)) => {
                let spot = self.0.table.place((x, y)).filter(|(x, y)| self.is_free(i, *x, *y));
                let Some((x, y)) = spot else { return false };
                self.0.things[i].x = x;
                self.0.things[i].y = y;
                self.0.held = None;
                true
            }
            (Skill::Push(x1, y1, x2, y2), None) => {
                let (Some(i), Some(to)) = (self.at((x1, y1)), self.0.table.place((x2, y2))) else {
                    return false;
                };
                let from = (self.0.things[i].x, self.0.things[i].y);
                let rest = self.slide(i, from, to);
                self.0.things[i].x = rest.0;
                self.0.things[i].y = rest.1;
                rest != from
            }
            _ => false,
        }
    }

    fn pick(&self, i: usize) -> Skill {
        let t = &self.0.things[i];
        let (x, y) = self.0.table.grip(t.x, t.y, t.half());
        Skill::Pick(x, y)
    }

    fn push(&self, i: usize, to: (i32, i32)) -> Skill {
        let t = &self.0.things[i];
        let ((x1, y1), (x2, y2)) = (self.0.table.grip(t.x, t.y, t.half()), self.0.table.pixel(to.0, to.1));
        Skill::Push(x1, y1, x2, y2)
    }

    /// Spots all over the table.
    fn spots(&self) -> impl Iterator<Item = (i32, i32)> + use<> {
        let side = self.0.table.side as i32;
        let along = move || (PUCK + 1..side - PUCK).step_by(STRIDE);
        along().flat_map(move |y| along().map(move |x| (x, y)))
    }

    /// A free spot for thing `i` away from the plates of goals that are still open; the first one that
    /// can be reached by a push where that is asked.
    fn aside(&self, i: usize, by_push: bool) -> Option<(i32, i32)> {
        let thing = &self.0.things[i];
        let open: Vec<&Plate> =
            self.0.goals.iter().filter(|g| !self.is_met(g)).map(|g| &self.0.plates[g.plate]).collect();
        let away =
            |x: i32, y: i32| open.iter().all(|p| (x - p.x).abs().max((y - p.y).abs()) >= 2 * PUCK + NEAR);
        let from = (thing.x, thing.y);
        self.spots().find(|&(x, y)| {
            away(x, y) && self.is_free(i, x, y) && (!by_push || self.slide(i, from, (x, y)) == (x, y))
        })
    }

    /// A push that brings puck `i` to `to`, or on the way there: straight, or around one corner.
    fn route(&self, i: usize, to: (i32, i32)) -> Option<(i32, i32)> {
        let from = (self.0.things[i].x, self.0.things[i].y);
        if self.slide(i, from, to) == to {
            return Some(to);
        }
        let reaches = |spot: &(i32, i32)| {
            self.slide(i, from, *spot) == *spot && self.slide(i, *spot, to) == to && *spot != from
        };
        let length = |spot: &(i32, i32)| {
            (spot.0 - from.0).abs() + (spot.1 - from.1).abs() + (spot.0 - to.0).abs() + (spot.1 - to.1).abs()
        };
        self.spots().filter(reaches).min_by_key(length)
    }

    /// What stands where thing `i` should stand.
    fn blocker(&self, i: usize, x: i32, y: i32) -> Option<usize> {
        let thing = &self.0.things[i];
        let others = self.0.things.iter().enumerate().filter(|(j, _)| *j != i && Some(*j) != self.0.held);
        others.filter(|(_, t)| thing.touches(x, y, t)).map(|(j, _)| j).next()
    }

    /// The next skill of the plan and why.
    fn plan(&self) -> Option<(Skill, String)> {
        let (things, plates) = (&self.0.things, &self.0.plates);
        if let Some(i) = self.0.held {
            let name = things[i].name();
            let home = self.0.goals.iter().find(|g| g.thing == i).map(|g| &plates[g.plate]);
            if let Some(p) = home.filter(|p| self.is_free(i, p.x, p.y)) {
                let (x, y) = self.0.table.pixel(p.x, p.y);
                return Some((
                    Skill::Place(x, y),
                    format!("hold {name} {} at {x} {y} free so place", p.name()),
                ));
            }
            let (x, y) = self.aside(i, false).map(|(x, y)| self.0.table.pixel(x, y))?;
            return Some((Skill::Place(x, y), format!("hold {name} aside {x} {y} free so place")));
        }
        let open: Vec<&Goal> = self.0.goals.iter().filter(|g| !self.is_met(g)).collect();
        let mut in_the_way = Vec::new();
        for goal in &open {
            let (i, p) = (goal.thing, &plates[goal.plate]);
            let (x, y) = self.0.table.pixel(p.x, p.y);
            if let Some(j) = self.blocker(i, p.x, p.y) {
                in_the_way.push((j, format!("{} at {x} {y} under", p.name())));
                continue;
            }
            let why = |way: &str| self.why(i, &format!("to {} at {x} {y} {way}", p.name()));
            if things[i].kind == Kind::Cube {
                return Some((self.pick(i), why("free so pick")));
            }
            if let Some(to) = self.route(i, (p.x, p.y)) {
                let way = if to == (p.x, p.y) { "free so push" } else { "not straight so push around" };
                return Some((self.push(i, to), why(way)));
            }
            let rest = self.slide(i, (things[i].x, things[i].y), (p.x, p.y));
            let near = |j: &usize| (things[*j].x - rest.0).abs().max((things[*j].y - rest.1).abs());
            let cubes = (0..things.len()).filter(|j| *j != i && things[*j].kind == Kind::Cube);
            in_the_way.extend(cubes.min_by_key(near).map(|j| (j, format!("way of {} by", things[i].name()))));
        }
        in_the_way.iter().find_map(|(j, what)| {
            if things[*j].kind == Kind::Cube {
                return Some((self.pick(*j), format!("{what} {}", self.why(*j, "so pick"))));
            }
            let spot = self.aside(*j, true)?;
            Some((self.push(*j, spot), format!("{what} {}", self.why(*j, "so push aside"))))
        })
    }

    /// A thing's name and pixel, then what is to be done with it.
    fn why(&self, i: usize, what: &str) -> String {
        let t = &self.0.things[i];
        let (x, y) = self.0.table.grip(t.x, t.y, t.half());
        format!("{} at {x} {y} {what}", t.name())
    }

    /// Turns that the plan takes; `None` when it does not succeed.
    fn plan_length(&self) -> Option<usize> {
        let mut game = self.clone();
        for turns in 0..LONGEST {
            if game.0.goals.iter().all(|g| game.is_met(g)) {
                return Some(turns);
            }
            let (skill, _) = game.plan()?;
            if !game.act(skill) {
                return None;
            }
        }
        None
    }

    fn draw_thing(&self, canvas: &mut Canvas, thing: &Thing) {
        let (table, color) = (&self.0.table, self.0.table.theme.paint(thing.color));
        match thing.kind {
            Kind::Cube => table.draw_cube(canvas, thing.x, thing.y, CUBE, color),
            Kind::Puck => table.draw_puck(canvas, thing.x, thing.y, PUCK, color),
        }
    }
}

impl Env for PickPlace {
    type Action = Skill;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let conflict = |detail: String| KnobError::Conflict { env: SPEC.id.into(), detail };
        let side = u32::try_from(knobs.size("table_px")).unwrap_or(112);
        let table = Table {
            side,
            view: View::named(knobs.choice("view")),
            theme: Theme::named(knobs.choice("theme")),
        };
        let mut rng = seed.split("table", 0).rng();
        for _ in 0..TRIES {
            let Some(mut game) = set_table(&mut rng, table, knobs) else { continue };
            // A goal that is met already is none.
            if game.0.goals.iter().any(|g| game.is_met(g)) {
                continue;
            }
            if let Some(turns) = game.plan_length() {
                game.0.max_turns = turns + knobs.size("spare");
                return Ok(game);
            }
        }
        Err(conflict("so many things do not fit on the table".into()))
    }

    fn rules(&self) -> String {
        let goal = |g: &Goal| {
            let plate = PALETTE[self.0.plates[g.plate].color].0.to_lowercase();
            format!("{} on {plate} plate", self.0.things[g.thing].words())
        };
        let goals: Vec<String> = self.0.goals.iter().map(goal).collect();
        let pucks = self.0.things.iter().any(|t| t.kind == Kind::Puck);
        let how = if pucks { "Pucks can only be pushed." } else { "A plate takes one cube." };
        format!("Goal: {}. {how} {} turns.", goals.join(", "), self.0.max_turns)
    }

    fn render(&self) -> Image {
        let table = &self.0.table;
        let mut canvas = table.canvas();
        for plate in &self.0.plates {
            table.draw_plate(&mut canvas, plate.x, plate.y, PLATE, table.theme.paint(plate.color));
        }
        let mut things: Vec<usize> = (0..self.0.things.len()).filter(|i| Some(*i) != self.0.held).collect();
        things.sort_by_key(|i| self.0.things[*i].y);
        for i in things {
            self.draw_thing(&mut canvas, &self.0.things[i]);
        }
        let middle = table.side as i32 / 2;
        if let Some(i) = self.0.held {
            let color = table.theme.paint(self.0.things[i].color);
            super::tabletop::draw_block(&mut canvas, (middle - CUBE, 7), (2 * CUBE, 2 * CUBE), 0, color);
        }
        table.draw_gripper(&mut canvas, middle, if self.0.held.is_some() { 2 * CUBE } else { 2 * CUBE + 8 });
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Skill, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let text = answer.trim().to_ascii_lowercase();
        let (name, rest) = text.split_at_checked(text.find('(').ok_or_else(wrong)?).ok_or_else(wrong)?;
        let two = || kit::tuple::<2>(rest, '(', ')').ok_or_else(wrong);
        let skill = match name.trim() {
            "pick" => two().map(|[x, y]| Skill::Pick(x, y))?,
            "place" => two().map(|[x, y]| Skill::Place(x, y))?,
            "push" => {
                let [x1, y1, x2, y2] = kit::tuple::<4>(rest, '(', ')').ok_or_else(wrong)?;
                Skill::Push(x1, y1, x2, y2)
            }
            _ => return Err(wrong()),
        };
        let (width, height) = self.0.table.size();
        let inside = |x: i32, y: i32| x < width as i32 && y < height as i32;
        let fits = match skill {
            Skill::Pick(x, y) | Skill::Place(x, y) => inside(x, y),
            Skill::Push(x1, y1, x2, y2) => inside(x1, y1) && inside(x2, y2),
        };
        if fits {
            Ok(skill)
        } else {
            Err(ParseError::range(answer, format!("the picture is {width} by {height}")))
        }
    }

    /// Each stage of a goal pays when it is reached for the first time, all of them together one half;
    /// success pays the other half.
    fn step(&mut self, action: &Skill) -> Step {
        if self.0.outcome.is_some() {
            return self.report(0.0, false);
        }
        self.0.turn += 1;
        let legal = self.act(*action);
        let (stages, most) = (self.stages(), 2 * self.0.goals.len());
        let mut reward = 0.5 * stages.saturating_sub(self.0.stages) as f32 / most as f32;
        self.0.stages = self.0.stages.max(stages);
        if stages == most {
            self.0.outcome = Some(Outcome::Success);
            reward += 0.5;
        } else if self.0.turn >= self.0.max_turns {
            self.0.outcome = Some(Outcome::Truncated);
        }
        self.report(reward, legal)
    }

    fn pass(&mut self) -> Step {
        if self.0.outcome.is_none() {
            self.0.turn += 1;
            self.0.outcome = (self.0.turn >= self.0.max_turns).then_some(Outcome::Truncated);
        }
        self.report(0.0, false)
    }

    /// The plan; where it is at a loss (which random play can bring about), anything that is accepted.
    fn oracle(&self) -> Skill {
        let planned = self.plan().map(|(skill, _)| skill).filter(|s| self.clone().act(*s));
        planned.or_else(|| self.legal_actions().first().copied()).unwrap_or(Skill::Pick(0, 0))
    }

    /// Why the plan does what it does; for another action what it is at.
    fn reason(&self, action: &Skill) -> String {
        match (self.plan(), action) {
            (Some((skill, why)), _) if skill == *action => why,
            (_, Skill::Pick(x, y)) => format!("pick at {x} {y}"),
            (_, Skill::Place(x, y)) => format!("place at {x} {y}"),
            (_, Skill::Push(x1, y1, x2, y2)) => format!("push from {x1} {y1} to {x2} {y2}"),
        }
    }

    fn truth_forms() -> &'static [TruthForm] {
        TRUTH
    }

    fn truths(&self) -> Map<String, Value> {
        kit::truths([("plan", kit::plan(self))])
    }

    /// What is held; then one line a thing and a plate with the pixel of its middle.
    fn perception(&self) -> Perception {
        let (table, held) = (&self.0.table, self.0.held);
        let mut lines = vec![format!("hand {}", held.map_or("empty".into(), |i| self.0.things[i].name()))];
        for (_, thing) in self.0.things.iter().enumerate().filter(|(i, _)| Some(*i) != held) {
            let (x, y) = table.grip(thing.x, thing.y, thing.half());
            lines.push(format!("{} {x} {y}", thing.name()));
        }
        for plate in &self.0.plates {
            let (x, y) = table.pixel(plate.x, plate.y);
            lines.push(format!("{} {x} {y}", plate.name()));
        }
        let data =
            json!({ "held": held, "things": self.0.things, "plates": self.0.plates, "goals": self.0.goals });
        Perception { text: lines.join("\n"), data }
    }

    /// With empty hand, picking every cube and pushing everything to four sides; else placing on free
    /// spots. A sample: every pixel of a cube would do.
    fn legal_actions(&self) -> Vec<Skill> {
        if self.0.outcome.is_some() {
            return Vec::new();
        }
        let table = &self.0.table;
        if let Some(i) = self.0.held {
            let accepted = |(x, y): (i32, i32)| {
                let (px, py) = table.pixel(x, y);
                let free = table.place((px, py)).is_some_and(|(x, y)| self.is_free(i, x, y));
                free.then_some(Skill::Place(px, py))
            };
            return self.spots().filter_map(accepted).step_by(3).collect();
        }
        let mut skills = Vec::new();
        for (i, thing) in self.0.things.iter().enumerate() {
            let grip = table.grip(thing.x, thing.y, thing.half());
            // Another thing may stand in front of it.
            if self.at(grip) != Some(i) {
                continue;
            }
            if thing.kind == Kind::Cube {
                skills.push(Skill::Pick(grip.0, grip.1));
            }
            for (dx, dy) in [(0, -20), (20, 0), (0, 20), (-20, 0)] {
                let (px, py) = table.pixel(thing.x + dx, thing.y + dy);
                let to = table.place((px, py));
                if to.is_some_and(|to| self.slide(i, (thing.x, thing.y), to) != (thing.x, thing.y)) {
                    skills.push(Skill::Push(grip.0, grip.1, px, py));
                }
            }
        }
        skills
    }

    /// Any skill at any pixels.
    fn guess(&self, rng: &mut Rng) -> Option<Skill> {
        let (width, height) = self.0.table.size();
        let mut point = || (rng.below(width as usize) as i32, rng.below(height as usize) as i32);
        let (a, b) = (point(), point());
        let skills = [Skill::Pick(a.0, a.1), Skill::Place(a.0, a.1), Skill::Push(a.0, a.1, b.0, b.1)];
        self.0.outcome.is_none().then(|| rng.choose(&skills).copied()).flatten()
    }

    fn status(&self) -> Status {
        self.0.outcome.map_or(Status::Running, Status::Done)
    }
}

/// A random table; `None` when something found no place.
fn set_table(rng: &mut Rng, table: Table, knobs: &Knobs) -> Option<PickPlace> {
    let (goals, others) = (knobs.size("goals"), knobs.size("clutter"));
    let mut colors: Vec<usize> = (0..PALETTE.len()).collect();
    let side = i64::from(table.side);
    rng.shuffle(&mut colors);
    let mut plates: Vec<Plate> = Vec::new();
    for color in colors.iter().take(goals + knobs.size("plates")) {
        let free =
            |x: i32, y: i32| plates.iter().all(|p| (p.x - x).abs().max((p.y - y).abs()) >= 2 * PLATE + 2);
        let (low, high) = (i64::from(PLATE), side - i64::from(PLATE));
        let spot = (0..60).map(|_| (rng.between(low, high) as i32, rng.between(low, high) as i32));
        let (x, y) = { spot }.find(|(x, y)| free(*x, *y))?;
        plates.push(Plate { color: *color, x, y });
    }
    let blockers = knobs.size("blockers").min(goals);
    let mut kinds: Vec<Kind> = Vec::new();
    for i in 0..goals + blockers + others {
        let push = i < goals
            && match knobs.choice("skills") {
                "push" => true,
                "mixed" => rng.chance(0.5),
                _ => false,
            };
        kinds.push(if push { Kind::Puck } else { Kind::Cube });
    }
    rng.shuffle(&mut colors);
    let mut things: Vec<Thing> = Vec::new();
    for (i, kind) in kinds.into_iter().enumerate() {
        // Eight colours; a second thing of a colour is of the other kind, or there is none.
        let color = *colors.iter().find(|c| !things.iter().any(|t| t.color == **c && t.kind == kind))?;
        colors.rotate_left(1);
        let thing = Thing { kind, color, x: 0, y: 0 };
        let half = i64::from(thing.half());
        let blocked = i.checked_sub(goals).filter(|b| *b < blockers);
        let (x, y) = if let Some(b) = blocked {
            (plates[b].x + rng.between(-4, 4) as i32, plates[b].y + rng.between(-4, 4) as i32)
        } else {
            let clear = |x: i32, y: i32| {
                let apart = |cx: i32, cy: i32, least: i32| (cx - x).abs() >= least || (cy - y).abs() >= least;
                things.iter().all(|t| apart(t.x, t.y, thing.half() + t.half() + 3))
                    && plates.iter().all(|p| apart(p.x, p.y, thing.half() + PLATE - 2))
            };
            let mut spots = (0..80)
                .map(|_| (rng.between(half, side - half) as i32, rng.between(half, side - half) as i32));
            spots.find(|(x, y)| clear(*x, *y))?
        };
        things.push(Thing { x, y, ..thing });
    }
    let goals = (0..goals).map(|i| Goal { thing: i, plate: i }).collect();
    let game = PickPlace(State {
        table,
        things,
        plates,
        goals,
        held: None,
        stages: 0,
        max_turns: 1,
        turn: 0,
        outcome: None,
    });
    let standing = (0..game.0.things.len()).all(|i| game.is_free(i, game.0.things[i].x, game.0.things[i].y));
    standing.then_some(game)
}

#[cfg(test)]
mod tests;
