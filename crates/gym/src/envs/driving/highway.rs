//! Highway: drive through traffic with meta-actions, a change of speed and a path.
//!
//! The words, and the reward for deciding as the planner does with more weight on what keeps safe, are
//! AlphaDrive's. Its rewards for diversity and for format need a group or the whole response and are not
//! the environment's; turns at crossings do not occur on a highway. Traffic follows IDM and changes lanes
//! by MOBIL, on steps of one second in whole metres; nobody of it ever drives so fast that hard braking
//! of the car ahead would be too much.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::draw::{Canvas, Rgb, WHITE};
use crate::envs::kit;
use crate::{
    Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step, TruthForm,
};

const GRAMMAR: &str =
    "SPEED, PATH: KEEP | ACCELERATE | DECELERATE | STOP, then STRAIGHT | LEFT_CHANGE | RIGHT_CHANGE";

const SPEC: EnvSpec = EnvSpec {
    id: "highway",
    group: EnvGroup::Driving,
    title: "Highway",
    summary: "A highway from above with the speed of every car: get on without a crash.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: -0.1,
    oracle: "search three seconds ahead over actions that hard braking of others cannot make unsafe",
    score: "share of the distance at the speed limit; a crash ends the drive",
    pixel_answers: false,
    players: 1,
    source: "AlphaDrive; highway-env; IDM (Treiber); MOBIL (Kesting)",
};

const TRUTH: &[TruthForm] = &[TruthForm {
    name: "plan",
    rewards: &["meta_action_f1", "alphadrive"],
    doc: "the planner's meta-actions: {speed, path}",
}];

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("lanes", Axis::Reasoning, 2, 5, 3, "lanes of the road").dialled(2.0, 4.0),
    KnobSpec::int("cars", Axis::Reasoning, 1, 14, 6, "other cars within about 150 metres").dialled(3.0, 12.0),
    KnobSpec::int("limit", Axis::Reasoning, 12, 24, 18, "speed limit in metres a second").dialled(16.0, 24.0),
    KnobSpec::int("max_turns", Axis::Horizon, 1, 40, 8, "seconds of the drive").dialled(6.0, 20.0),
    KnobSpec::float(
        "whims",
        Axis::Stochasticity,
        0.0,
        0.5,
        0.0,
        "chance that a car brakes for no reason in a second",
    )
    .dialled(0.0, 0.2),
    KnobSpec::choice(
        "speeds",
        Axis::Perception,
        &["printed", "trails", "hidden"],
        "printed",
        "how the speed of other cars is shown: as a number, as the length of a trail, or not at all",
    )
    .dialled(0.0, 1.0),
    KnobSpec::flag("front", Axis::Perception, false, "show the view through the windscreen, too"),
    KnobSpec::int(
        "lane_px",
        Axis::Perception,
        24,
        48,
        28,
        "pixels across a lane; 12 metres along it are as long",
    ),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["day", "snow", "night"],
        "day",
        "colours; night has little contrast",
    ),
];

/// Metres of a car.
const LENGTH: i32 = 5;
/// Metres from the middle of a car to that of the next one at rest.
const SPACE: i32 = 7;
/// Hard braking: metres a second lost in a second.
const BRAKE: i32 = 8;
/// The driver's own change of speed.
const PUSH: i32 = 3;
/// Metres in sight ahead and behind.
const AHEAD: i32 = 56;
const BEHIND: i32 = 16;
/// Seconds that the planner looks ahead.
const DEPTH: i32 = 3;
/// What a crash pays.
const CRASH: f32 = -1.0;
/// The value of a state in which nothing is safe.
const HOPELESS: i32 = -10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Day,
    Snow,
    Night,
}

/// The colours of a theme.
struct Colors {
    verge: Rgb,
    road: Rgb,
    line: Rgb,
    car: Rgb,
    ego: Rgb,
    glass: Rgb,
    ink: Rgb,
    sky: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Day => Colors {
                verge: [120, 170, 96],
                road: [92, 94, 100],
                line: [236, 236, 230],
                car: [240, 196, 60],
                ego: [40, 70, 225],
                glass: [30, 32, 38],
                ink: [20, 20, 24],
                sky: [170, 210, 240],
            },
            Self::Snow => Colors {
                verge: [244, 246, 250],
                road: [206, 212, 222],
                line: [150, 158, 172],
                car: [190, 60, 60],
                ego: [30, 90, 60],
                glass: [40, 44, 52],
                ink: WHITE,
                sky: [226, 232, 240],
            },
            Self::Night => Colors {
                verge: [24, 28, 26],
                road: [42, 44, 50],
                line: [66, 68, 74],
                car: [78, 66, 56],
                ego: [52, 60, 92],
                glass: [30, 32, 36],
                ink: [150, 146, 132],
                sky: [18, 20, 30],
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Speeds {
    Printed,
    Trails,
    Hidden,
}

/// What to do with the speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// As it is.
    Keep,
    /// Three metres a second more, up to the limit.
    Accelerate,
    /// Three less.
    Decelerate,
    /// Hard braking: eight less.
    Stop,
}

impl Pace {
    const ALL: [Self; 4] = [Self::Keep, Self::Accelerate, Self::Decelerate, Self::Stop];

    fn word(self) -> &'static str {
        match self {
            Self::Keep => "KEEP",
            Self::Accelerate => "ACCELERATE",
            Self::Decelerate => "DECELERATE",
            Self::Stop => "STOP",
        }
    }

    fn applied(self, speed: i32, limit: i32) -> i32 {
        let wanted = match self {
            Self::Keep => speed,
            Self::Accelerate => speed + PUSH,
            Self::Decelerate => speed - PUSH,
            Self::Stop => speed - BRAKE,
        };
        wanted.clamp(0, limit)
    }

    /// AlphaDrive's weights put what is critical for safety first; the numbers are ours.
    fn weight(self) -> f32 {
        match self {
            Self::Keep | Self::Accelerate => 1.0,
            Self::Decelerate => 2.0,
            Self::Stop => 3.0,
        }
    }

    /// What the planner charges, in tenths of a metre: comfort.
    fn cost(self) -> i32 {
        match self {
            Self::Keep => 0,
            Self::Accelerate | Self::Decelerate => 2,
            Self::Stop => 12,
        }
    }
}

/// Where to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// Along the lane.
    Straight,
    /// To the lane at the left.
    LeftChange,
    /// To the lane at the right.
    RightChange,
}

impl Path {
    const ALL: [Self; 3] = [Self::Straight, Self::LeftChange, Self::RightChange];

    fn word(self) -> &'static str {
        match self {
            Self::Straight => "STRAIGHT",
            Self::LeftChange => "LEFT_CHANGE",
            Self::RightChange => "RIGHT_CHANGE",
        }
    }

    /// The lane that it leads to, if there is one.
    fn lane(self, lane: usize, lanes: usize) -> Option<usize> {
        match self {
            Self::Straight => Some(lane),
            Self::LeftChange => lane.checked_sub(1),
            Self::RightChange => Some(lane + 1).filter(|l| *l < lanes),
        }
    }

    fn weight(self) -> f32 {
        if self == Self::Straight { 1.0 } else { 2.0 }
    }
}

/// A meta-action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaAction {
    pace: Pace,
    path: Path,
}

impl fmt::Display for MetaAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.pace.word(), self.path.word())
    }
}

/// A car: lane from the left, metres along the road, metres a second, the speed that it would like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Car {
    lane: usize,
    x: i32,
    v: i32,
    wish: i32,
}

/// Metres that a car at this speed needs to stop, after the second in which it has it.
fn braking(speed: i32) -> i32 {
    let steps = (speed.max(0) - 1) / BRAKE;
    steps * speed - BRAKE * steps * (steps + 1) / 2
}

/// True when a car that drives `speed` this second could still stop behind a car `gap` metres ahead at
/// `ahead` metres a second, should that one brake hard from now on.
fn is_safe(speed: i32, gap: i32, ahead: i32) -> bool {
    speed + braking(speed) + SPACE <= gap + braking(ahead)
}

/// The intelligent driver model's change of speed, rounded: `gap` metres to the car ahead at `ahead`.
fn idm(speed: i32, wish: i32, leader: Option<(i32, i32)>) -> i32 {
    const MOST: f32 = 2.0;
    // Twice the root of the largest acceleration times the comfortable braking of 3.
    const TWICE_ROOT: f32 = 4.899;
    let (v, wish) = (speed as f32, wish.max(1) as f32);
    let share = (v / wish) * (v / wish);
    let mut change = MOST * (1.0 - share * share);
    if let Some((gap, ahead)) = leader {
        let free = ((gap - LENGTH) as f32).max(0.5);
        let wanted = 2.0 + (v + v * (v - ahead as f32) / TWICE_ROOT).max(0.0);
        change -= MOST * (wanted / free) * (wanted / free);
    }
    (change.round() as i32).clamp(-BRAKE, MOST as i32)
}

/// The state of a drive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State")]
pub struct Highway(State);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    lanes: usize,
    limit: i32,
    ego: Car,
    cars: Vec<Car>,
    whims: f64,
    max_turns: usize,
    speeds: Speeds,
    front: bool,
    lane_px: u32,
    theme: Theme,
    turn: usize,
    outcome: Option<Outcome>,
    rng: Rng,
}

impl TryFrom<State> for Highway {
    type Error = String;

    fn try_from(raw: State) -> Result<Self, String> {
        let sound = |c: &Car| {
            c.lane < raw.lanes
                && (0..=40).contains(&c.v)
                && (0..=40).contains(&c.wish)
                && c.x.abs() <= 100_000
        };
        if !(2..=5).contains(&raw.lanes)
            || raw.cars.len() > 14
            || !raw.cars.iter().all(sound)
            || !sound(&raw.ego)
        {
            return Err("a car is off the road or too fast".into());
        }
        if !(12..=24).contains(&raw.limit) || !(0.0..=0.5).contains(&raw.whims) || raw.ego.v > raw.limit {
            return Err("limit, speed or whims is out of range".into());
        }
        if !(1..=40).contains(&raw.max_turns) || raw.turn > raw.max_turns || !(24..=48).contains(&raw.lane_px)
        {
            return Err("max_turns, turn or lane_px is out of range".into());
        }
        Ok(Self(raw))
    }
}

/// The nearest car ahead of `x` (or beside it) in a lane, `seconds` from now at constant speed: gap and speed.
fn ahead(cars: &[Car], lane: usize, x: i32, seconds: i32) -> Option<(i32, i32)> {
    let gaps = cars.iter().filter(|c| c.lane == lane).map(|c| (c.x + c.v * seconds - x, c.v));
    gaps.filter(|(gap, _)| *gap >= 0).min()
}

/// The nearest car behind `x` in a lane: gap and speed.
fn behind(cars: &[Car], lane: usize, x: i32, seconds: i32) -> Option<(i32, i32)> {
    let gaps = cars.iter().filter(|c| c.lane == lane).map(|c| (x - c.x - c.v * seconds, c.v));
    gaps.filter(|(gap, _)| *gap > 0).min()
}

/// The planner: what it sees.
struct Planner<'a> {
    lanes: usize,
    limit: i32,
    cars: &'a [Car],
}

impl Planner<'_> {
    /// The best action from `ego`, `seconds` from now, and its value in tenths of a metre.
    fn best(&self, ego: Car, seconds: i32) -> (i32, MetaAction) {
        let mut best = (HOPELESS, MetaAction { pace: Pace::Stop, path: Path::Straight });
        for path in Path::ALL {
            let Some(lane) = path.lane(ego.lane, self.lanes) else { continue };
            let leader = ahead(self.cars, lane, ego.x, seconds);
            let follower =
                if path == Path::Straight { None } else { behind(self.cars, lane, ego.x, seconds) };
            let beside =
                |car: Option<(i32, i32)>| path != Path::Straight && car.is_some_and(|(gap, _)| gap < SPACE);
            if beside(leader) || beside(follower) {
                continue;
            }
            let clear = |v: i32| {
                leader.is_none_or(|(gap, speed)| is_safe(v, gap, speed))
                    // The car behind can brake now at the earliest.
                    && follower.is_none_or(|(gap, speed)| braking(speed) + SPACE <= gap + v + braking(v))
            };
            for pace in Pace::ALL {
                let v = pace.applied(ego.v, self.limit);
                if (pace != Pace::Keep && v == ego.v) || !clear(v) {
                    continue;
                }
                let next = Car { lane, x: ego.x + v, v, ..ego };
                let later =
                    if seconds + 1 < DEPTH { self.best(next, seconds + 1).0 } else { self.outlook(next) };
                let change = if path == Path::Straight { 0 } else { 8 };
                let value = 10 * v - pace.cost() - change + later;
                if value > best.0 {
                    best = (value, MetaAction { pace, path });
                }
            }
        }
        best
    }

    /// What a state at the end of the search promises: five seconds at the speed that its lane allows.
    fn outlook(&self, ego: Car) -> i32 {
        let speed = match ahead(self.cars, ego.lane, ego.x, DEPTH) {
            Some((gap, speed)) if gap < AHEAD => (speed + (gap - 2 * SPACE).max(0) / 5).min(self.limit),
            _ => self.limit,
        };
        50 * speed
    }
}

impl Highway {
    fn planner(&self) -> Planner<'_> {
        Planner { lanes: self.0.lanes, limit: self.0.limit, cars: &self.0.cars }
    }

    fn report(&self, reward: f32, score: f32, legal: bool) -> Step {
        Step { reward, score, legal, status: self.status() }
    }

    /// Lets a second go by; true when the ego car crashed.
    fn drive(&mut self, action: MetaAction, lane: usize) -> bool {
        let state = &mut self.0;
        let v = action.pace.applied(state.ego.v, state.limit);
        let blocked = |c: &Car| c.lane == lane && (c.x - state.ego.x).abs() < LENGTH;
        if lane != state.ego.lane && state.cars.iter().any(blocked) {
            return true;
        }
        state.ego.lane = lane;
        self.change_lanes(v);
        let speeds = self.traffic_speeds();
        let state = &mut self.0;
        let before = state.ego.x;
        state.ego.x += v;
        state.ego.v = v;
        let mut crashed = false;
        for (car, speed) in state.cars.iter_mut().zip(speeds) {
            let gap = car.x - before;
            car.v = speed;
            car.x += speed;
            let after = car.x - state.ego.x;
            let through = (gap > 0) != (after > 0);
            crashed |= car.lane == lane && (after.abs() < LENGTH || through);
        }
        self.recycle();
        crashed
    }

    /// Where `car` changes to by MOBIL. `ego_speed` is what the ego car drives in this second.
    fn change_lanes(&mut self, ego_speed: i32) {
        for i in 0..self.0.cars.len() {
            let car = self.0.cars[i];
            let others = |lane: usize, front: bool| self.neighbour(i, lane, front);
            let own = others(car.lane, true);
            let now = idm(car.v, car.wish, own.map(|(gap, c)| (gap, c.v)));
            let mut best = (1, None);
            for path in [Path::LeftChange, Path::RightChange] {
                let Some(lane) = path.lane(car.lane, self.0.lanes) else { continue };
                let (leader, follower) = (others(lane, true), others(lane, false));
                let in_front =
                    leader.is_none_or(|(gap, c)| is_safe((car.v - BRAKE).max(0), gap, c.v) && gap > SPACE);
                let at_back = follower.is_none_or(|(gap, c)| {
                    let needed = if c.x == self.0.ego.x && c.lane == self.0.ego.lane {
                        ego_speed + braking(ego_speed)
                    } else {
                        braking(c.v)
                    };
                    gap > SPACE && needed + SPACE <= gap + braking(car.v)
                });
                if !in_front || !at_back {
                    continue;
                }
                // What the two cars behind it gain and lose counts a third.
                let then = idm(car.v, car.wish, leader.map(|(gap, c)| (gap, c.v)));
                let loss = follower.map_or(0, |(gap, c)| {
                    let alone = leader.map(|(front, l)| (gap + front, l.v));
                    idm(c.v, c.wish, alone) - idm(c.v, c.wish, Some((gap, car.v)))
                });
                let gain = others(car.lane, false).map_or(0, |(gap, c)| {
                    let freed = own.map(|(front, l)| (gap + front, l.v));
                    idm(c.v, c.wish, freed) - idm(c.v, c.wish, Some((gap, car.v)))
                });
                let incentive = 3 * (then - now) + gain - loss;
                if loss <= 4 && incentive > best.0 {
                    best = (incentive, Some(lane));
                }
            }
            if let Some(lane) = best.1 {
                self.0.cars[i].lane = lane;
            }
        }
    }

    /// The nearest car to car `i` in `lane`, ahead or behind, the ego car among them: gap and car.
    fn neighbour(&self, i: usize, lane: usize, front: bool) -> Option<(i32, Car)> {
        let x = self.0.cars[i].x;
        let others = self.0.cars.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, c)| c);
        let gap = |c: &Car| if front { c.x - x } else { x - c.x };
        others
            .chain([&self.0.ego])
            .filter(|c| c.lane == lane && gap(c) >= i32::from(!front))
            .map(|c| (gap(c), *c))
            .min_by_key(|(gap, _)| *gap)
    }

    fn traffic_speeds(&mut self) -> Vec<i32> {
        let mut speeds = Vec::with_capacity(self.0.cars.len());
        for i in 0..self.0.cars.len() {
            let car = self.0.cars[i];
            let leader = self.neighbour(i, car.lane, true).map(|(gap, c)| (gap, c.v));
            let mut v = car.v + idm(car.v, car.wish, leader);
            if self.0.whims > 0.0 && self.0.rng.chance(self.0.whims) {
                v -= 1 + self.0.rng.below(4) as i32;
            }
            if let Some((gap, ahead)) = leader {
                while v > 0 && !is_safe(v, gap, ahead) {
                    v -= 1;
                }
            }
            speeds.push(v.max(car.v - BRAKE).max(0));
        }
        speeds
    }

    /// Cars far behind or far ahead come back at the other end, where there is room.
    fn recycle(&mut self) {
        for i in 0..self.0.cars.len() {
            let away = self.0.cars[i].x - self.0.ego.x;
            let from = if away < -60 {
                70
            } else if away > 120 {
                -58
            } else {
                continue;
            };
            let state = &mut self.0;
            let car = draw_car(&mut state.rng, state.lanes, state.limit, state.ego.x + from, 24);
            let others: Vec<Car> = state
                .cars
                .iter()
                .enumerate()
                .filter(|(j, _)| *j != i)
                .map(|(_, c)| *c)
                .chain([state.ego])
                .collect();
            if has_room(&others, &car) {
                state.cars[i] = car;
            }
        }
    }

    /// Cars in sight, from the left lane to the right one, the nearest to the top of the picture first.
    fn seen(&self) -> Vec<Car> {
        let in_sight = |c: &&Car| (-BEHIND..=AHEAD).contains(&(c.x - self.0.ego.x));
        let mut seen: Vec<Car> = self.0.cars.iter().filter(in_sight).copied().collect();
        seen.sort_by_key(|c| (c.lane, -c.x));
        seen
    }

    /// How a lane looks ahead, for a reason.
    fn outlook(&self, name: &str, lane: Option<usize>) -> String {
        let Some(lane) = lane else { return format!(" {name} none") };
        match ahead(&self.0.cars, lane, self.0.ego.x, 0) {
            Some((gap, v)) if gap <= AHEAD => format!(" {name} {gap} at {v}"),
            _ => format!(" {name} clear"),
        }
    }

    fn draw_road(&self, canvas: &mut Canvas, colors: &Colors, top: i32) {
        let (state, lane) = (&self.0, self.0.lane_px as i32);
        let height = lane * (AHEAD + BEHIND) / 12;
        let road = lane * state.lanes as i32;
        canvas.fill_rect(lane / 2, top, road as u32, height as u32, colors.road);
        for edge in [lane / 2, lane / 2 + road - 1] {
            canvas.fill_rect(edge, top, 1, height as u32, colors.line);
        }
        // Dashes of 6 metres with 6 metres between them; they stay where they are on the road.
        let phase = state.ego.x.rem_euclid(12);
        for k in -1..=(AHEAD + BEHIND) / 12 {
            let metres = 12 * k + 12 - phase;
            let y = top + height - metres * lane / 12;
            let (from, to) = (y.max(top), (y + lane / 2).min(top + height));
            for side in 1..state.lanes as i32 {
                canvas.fill_rect(lane / 2 + side * lane - 1, from, 2, (to - from).max(0) as u32, colors.line);
            }
        }
        for car in self.seen() {
            self.draw_car(canvas, colors, &car, top, false);
        }
        self.draw_car(canvas, colors, &state.ego, top, true);
    }

    fn draw_car(&self, canvas: &mut Canvas, colors: &Colors, car: &Car, top: i32, ego: bool) {
        let (state, lane) = (&self.0, self.0.lane_px as f32);
        let metre = lane / 12.0;
        let x = (car.lane as f32 + 1.0) * lane;
        let y = top as f32 + (AHEAD - (car.x - state.ego.x)) as f32 * metre;
        let (wide, long) = (0.62 * lane, (LENGTH as f32 + 0.6) * metre);
        let (left, up) = ((x - wide / 2.0).round() as i32, (y - long / 2.0).round() as i32);
        let (w, h) = (wide.round() as u32, long.round() as u32);
        if state.speeds == Speeds::Trails && !ego {
            canvas.line((x, y), (x, y + long / 2.0 + car.v as f32 * metre * 0.6), 0.12 * lane, colors.car);
        }
        canvas.fill_round_rect(left, up, w, h, 0.12 * lane, if ego { colors.ego } else { colors.car });
        let ink = if ego { WHITE } else { colors.ink };
        if ego || state.speeds == Speeds::Printed {
            let middle = (left as f32 + w as f32 / 2.0, up as f32 + h as f32 / 2.0);
            canvas.text_in_box(&car.v.to_string(), middle.0, middle.1, wide - 2.0, long - 2.0, ink);
        } else {
            canvas.fill_rect(left + 2, up + h as i32 / 4, w.saturating_sub(4), (h / 4).max(1), colors.glass);
        }
    }

    /// The view through the windscreen: a pinhole camera over the ego car's lane.
    fn draw_front(&self, canvas: &mut Canvas, colors: &Colors, height: f32) {
        let (state, lane) = (&self.0, self.0.lane_px as f32);
        let width = canvas.width() as f32;
        let horizon = 0.34 * height;
        canvas.fill_rect(0, 0, canvas.width(), horizon as u32, colors.sky);
        let at = |side: f32, metres: f32| {
            let near = 1.0 / (1.0 + metres / 7.0);
            let x = width / 2.0 + (side - state.ego.lane as f32 - 0.5) * lane * 1.5 * near;
            (x, horizon + (height - horizon) * near, near)
        };
        let point = |side: f32, metres: f32| (at(side, metres).0, at(side, metres).1);
        let last = state.lanes as f32;
        canvas.fill_polygon(
            &[point(0.0, 0.0), point(0.0, 200.0), point(last, 200.0), point(last, 0.0)],
            colors.road,
        );
        for side in 0..=state.lanes {
            canvas.line(point(side as f32, 0.0), point(side as f32, 120.0), 1.2, colors.line);
        }
        let mut cars = self.seen();
        cars.retain(|c| c.x > state.ego.x);
        cars.sort_by_key(|c| -c.x);
        for car in cars {
            let (x, y, near) = at(car.lane as f32 + 0.5, (car.x - state.ego.x - LENGTH / 2) as f32);
            let (wide, high) = (lane * near, 0.75 * lane * near);
            let (left, up) = (x - wide / 2.0, y - high);
            canvas.fill_round_rect(
                left as i32,
                up as i32,
                wide as u32 + 1,
                high as u32 + 1,
                0.2 * high,
                colors.car,
            );
            let glass = ((left + 0.15 * wide) as i32, (up + 0.12 * high) as i32);
            canvas.fill_rect(glass.0, glass.1, (0.7 * wide) as u32, (0.32 * high) as u32, colors.glass);
        }
        canvas.fill_rect(0, height as i32 - 1, canvas.width(), 1, colors.glass);
    }
}

impl Env for Highway {
    type Action = MetaAction;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("traffic", 0).rng();
        let (lanes, limit) = (knobs.size("lanes"), knobs.int("limit") as i32);
        let lane = rng.below(lanes);
        let ego = Car {
            lane,
            x: 0,
            v: rng.between(i64::from(limit) / 2, i64::from(limit) - 2) as i32,
            wish: limit,
        };
        // The first car is a slow one ahead, so that there is something to decide.
        let slow = Car { lane, x: 26 + rng.below(24) as i32, v: limit / 2, wish: limit / 2 };
        let mut cars = vec![slow];
        for _ in 1..knobs.size("cars") {
            let fits = |car: &Car| has_room(&cars, car) && has_room(&[ego], car);
            if let Some(car) = (0..40).map(|_| draw_car(&mut rng, lanes, limit, -45, 150)).find(fits) {
                cars.push(car);
            }
        }
        Ok(Self(State {
            lanes,
            limit,
            ego,
            cars,
            whims: knobs.float("whims"),
            max_turns: knobs.size("max_turns"),
            speeds: match knobs.choice("speeds") {
                "trails" => Speeds::Trails,
                "hidden" => Speeds::Hidden,
                _ => Speeds::Printed,
            },
            front: knobs.flag("front"),
            lane_px: u32::try_from(knobs.size("lane_px")).unwrap_or(28),
            theme: match knobs.choice("theme") {
                "snow" => Theme::Snow,
                "night" => Theme::Night,
                _ => Theme::Day,
            },
            turn: 0,
            outcome: None,
            rng: seed.split("drive", 0).rng(),
        }))
    }

    fn rules(&self) -> String {
        let (limit, turns) = (self.0.limit, self.0.max_turns);
        format!("Drive the numbered blue car up the road for {turns} seconds, as near to {limit} metres a second as is safe. Speed changes by 3, STOP by 8.")
            .replace("blue ", if self.0.theme == Theme::Snow { "green " } else { "blue " })
    }

    fn render(&self) -> Image {
        let (state, lane) = (&self.0, self.0.lane_px);
        let colors = state.theme.colors();
        let front = if state.front { 3 * lane } else { 0 };
        let height = lane * (AHEAD + BEHIND) as u32 / 12;
        let mut canvas = Canvas::new(lane * (state.lanes as u32 + 1), front + height, colors.verge);
        // Cars that reach over the upper edge are covered by the front view.
        self.draw_road(&mut canvas, &colors, front as i32);
        if state.front {
            canvas.fill_rect(0, 0, canvas.width(), front, colors.verge);
            self.draw_front(&mut canvas, &colors, front as f32);
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<MetaAction, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let (pace, path) = answer.split_once(',').ok_or_else(wrong)?;
        let is = |word: &str, text: &str| text.trim().eq_ignore_ascii_case(word);
        let pace = Pace::ALL.into_iter().find(|p| is(p.word(), pace)).ok_or_else(wrong)?;
        let path = Path::ALL.into_iter().find(|p| is(p.word(), path)).ok_or_else(wrong)?;
        Ok(MetaAction { pace, path })
    }

    /// Pays the share of the planner's decision that was met, speed and path weighted by how much safety
    /// hangs on them; a crash pays -1 and ends the drive. Off the road is refused.
    fn step(&mut self, action: &MetaAction) -> Step {
        if self.0.outcome.is_some() {
            return self.report(0.0, 0.0, false);
        }
        let Some(lane) = action.path.lane(self.0.ego.lane, self.0.lanes) else {
            return self.pass();
        };
        let expert = self.oracle();
        self.0.turn += 1;
        if self.drive(*action, lane) {
            self.0.outcome = Some(Outcome::Failure);
            return self.report(CRASH, 0.0, true);
        }
        if self.0.turn >= self.0.max_turns {
            self.0.outcome = Some(Outcome::Success);
        }
        let part = |met: bool, weight: f32| if met { weight } else { 0.0 };
        let (pace, path) = (expert.pace.weight(), expert.path.weight());
        let met = part(action.pace == expert.pace, pace) + part(action.path == expert.path, path);
        let share = self.0.ego.v as f32 / self.0.limit as f32 / self.0.max_turns as f32;
        self.report(met / (pace + path), share, true)
    }

    fn begin_here(&mut self) {
        self.0.turn = 0;
    }

    fn pass(&mut self) -> Step {
        if self.0.outcome.is_some() {
            return self.report(0.0, 0.0, false);
        }
        self.0.turn += 1;
        self.0.outcome = (self.0.turn >= self.0.max_turns).then_some(Outcome::Truncated);
        self.report(SPEC.invalid_reward, 0.0, false)
    }

    fn oracle(&self) -> MetaAction {
        self.planner().best(self.0.ego, 0).1
    }

    /// The own speed, then the gap and the speed of the next car in each lane.
    fn reason(&self, action: &MetaAction) -> String {
        let (ego, lanes) = (self.0.ego, self.0.lanes);
        let mut text = format!("at {} limit {}", ego.v, self.0.limit);
        text += &self.outlook("left", Path::LeftChange.lane(ego.lane, lanes));
        text += &self.outlook("ahead", Some(ego.lane));
        text += &self.outlook("right", Path::RightChange.lane(ego.lane, lanes));
        let v = action.pace.applied(ego.v, self.0.limit);
        text += &format!(" so {v} {}", action.path.word().replace('_', "-"));
        text
    }

    fn truth_forms() -> &'static [TruthForm] {
        TRUTH
    }

    fn truths(&self) -> Map<String, Value> {
        let MetaAction { pace, path } = self.oracle();
        kit::truths([("plan", json!({ "speed": pace.word(), "path": path.word() }))])
    }

    /// First the ego car's lane, counted from 1 at the left, and its speed; then one line a car in sight:
    /// lane, metres ahead of the ego car, and its speed where that is shown.
    fn perception(&self) -> Perception {
        let ego = self.0.ego;
        let mut lines = vec![format!("ego {} {}", ego.lane + 1, ego.v)];
        let mut cars = Vec::new();
        for car in self.seen() {
            let speed = if self.0.speeds == Speeds::Hidden { String::new() } else { format!(" {}", car.v) };
            lines.push(format!("car {} {}{speed}", car.lane + 1, car.x - ego.x));
            cars.push(json!({ "lane": car.lane, "ahead": car.x - ego.x, "speed": car.v }));
        }
        let data = json!({ "lanes": self.0.lanes, "lane": ego.lane, "speed": ego.v, "cars": cars });
        Perception { text: lines.join("\n"), data }
    }

    fn legal_actions(&self) -> Vec<MetaAction> {
        if self.0.outcome.is_some() {
            return Vec::new();
        }
        let paths = Path::ALL.into_iter().filter(|p| p.lane(self.0.ego.lane, self.0.lanes).is_some());
        paths.flat_map(|path| Pace::ALL.map(|pace| MetaAction { pace, path })).collect()
    }

    fn status(&self) -> Status {
        self.0.outcome.map_or(Status::Running, Status::Done)
    }
}

/// A car somewhere in `reach` metres from `from`, a little slower than the limit.
fn draw_car(rng: &mut Rng, lanes: usize, limit: i32, from: i32, reach: usize) -> Car {
    let wish = rng.between(i64::from(limit) / 2, i64::from(limit) - 2) as i32;
    Car { lane: rng.below(lanes), x: from + rng.below(reach) as i32, v: wish, wish }
}

/// True when neither `car` nor those around it in its lane would have to brake hard at once.
fn has_room(others: &[Car], car: &Car) -> bool {
    others.iter().filter(|c| c.lane == car.lane).all(|other| {
        let (back, front) = if other.x > car.x { (car, other) } else { (other, car) };
        let gap = front.x - back.x;
        // A second at a speed up to 3 higher than now, which the ego car might choose.
        gap >= 2 * SPACE && is_safe(back.v + PUSH, gap, front.v)
    })
}

#[cfg(test)]
mod tests;
