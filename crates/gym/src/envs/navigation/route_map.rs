//! Route map: find the shortest way on a map of stations and streets.

use std::fmt;
use std::sync::Arc;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{Canvas, Font, Rgb};
use crate::envs::checked::checked_serde;
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "letters of stations: A,C,F for a whole route, or C for the next one";

const SPEC: EnvSpec = EnvSpec {
    id: "route-map",
    group: EnvGroup::Navigation,
    title: "Route map",
    summary: "A map of stations and streets with their lengths: find the shortest route.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "optimality ratio: length of the shortest route / length travelled; 0 if the goal is not reached",
    pixel_answers: false,
    players: 1,
    source: "reasoning-gym shortest_path; KORGym city_path",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::choice(
        "mode",
        Axis::Horizon,
        &["route", "steps"],
        "route",
        "route: one answer names all stations of the route; steps: each names the next station",
    ),
    KnobSpec::int(
        "attempts",
        Axis::Horizon,
        1,
        5,
        1,
        "turns; in the mode steps as many more as there are stations",
    ),
    KnobSpec::int("stations", Axis::Reasoning, 4, 12, 6, "stations on the map").dialled(4.0, 12.0),
    KnobSpec::float(
        "density",
        Axis::Reasoning,
        0.0,
        1.0,
        0.5,
        "chance that two neighbours which need not be joined are joined",
    )
    .dialled(0.4, 0.9),
    KnobSpec::choice(
        "lengths",
        Axis::Reasoning,
        &["none", "small", "large"],
        "small",
        "lengths of streets: all alike and not printed, 1..5, or 1..20",
    )
    .dialled(0.0, 2.0),
    KnobSpec::int("crossings", Axis::Perception, 0, 6, 0, "long streets that cross others").dialled(0.0, 4.0),
    KnobSpec::int("clutter", Axis::Perception, 0, 6, 0, "parks and lakes in the background")
        .dialled(0.0, 5.0),
    KnobSpec::choice(
        "letters",
        Axis::Perception,
        &["first", "any"],
        "first",
        "letters of stations: the first of the alphabet, or any",
    ),
    KnobSpec::choice("font", Axis::Perception, Font::NAMES, "bold", "font of letters and numbers"),
    KnobSpec::int("cell_px", Axis::Perception, 42, 84, 56, "pixels between neighbouring stations"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["street", "metro", "night"],
        "street",
        "colours; metro: streets in many colours; night: little contrast",
    ),
];

/// The most stations, and so the most letters of a route.
const MAX_STATIONS: usize = 12;

/// How many routes [`Env::legal_actions`] lists.
const LISTED: usize = 40;

/// Stations whose distances a reason tells.
const TOLD: usize = 8;

/// How often stations are spread anew until streets can join all of them.
const TRIES: usize = 50;

const LINES: [Rgb; 6] =
    [[214, 48, 56], [30, 120, 200], [40, 150, 80], [236, 150, 20], [140, 70, 170], [20, 160, 170]];

/// An answer: all stations of a route, or the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route(Vec<u8>);

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, letter) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", char::from(*letter))?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Street,
    Metro,
    Night,
}

/// The colours of a theme.
struct Colors {
    ground: Rgb,
    casing: Rgb,
    street: Rgb,
    park: Rgb,
    lake: Rgb,
    plate: Rgb,
    number: Rgb,
    station: Rgb,
    start: Rgb,
    goal: Rgb,
    ink: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Street => Colors {
                ground: [240, 236, 226],
                casing: [176, 168, 156],
                street: [255, 255, 255],
                park: [198, 226, 178],
                lake: [176, 212, 236],
                plate: [240, 236, 226],
                number: [30, 34, 48],
                station: [255, 255, 255],
                start: [70, 200, 90],
                goal: [240, 90, 84],
                ink: [24, 28, 40],
            },
            Self::Metro => Colors {
                ground: [252, 252, 250],
                casing: [252, 252, 250],
                street: [90, 90, 100],
                park: [222, 238, 210],
                lake: [206, 228, 244],
                plate: [252, 252, 250],
                number: [20, 20, 28],
                station: [255, 255, 255],
                start: [110, 226, 120],
                goal: [255, 120, 110],
                ink: [10, 10, 16],
            },
            Self::Night => Colors {
                ground: [40, 44, 54],
                casing: [34, 38, 46],
                street: [62, 68, 82],
                park: [42, 54, 48],
                lake: [38, 48, 66],
                plate: [40, 44, 54],
                number: [116, 120, 132],
                station: [58, 62, 76],
                start: [48, 84, 58],
                goal: [98, 54, 58],
                ink: [128, 132, 144],
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Station {
    letter: u8,
    x: i32,
    y: i32,
}

/// A street between two stations, given by their numbers, the lower first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Street {
    a: u8,
    b: u8,
    length: u32,
    /// Where its length is printed.
    x: i32,
    y: i32,
    /// Its colour on a metro map.
    line: u8,
}

impl Street {
    /// The other end.
    fn from(&self, station: usize) -> Option<usize> {
        let (a, b) = (usize::from(self.a), usize::from(self.b));
        if a == station { Some(b) } else { (b == station).then_some(a) }
    }
}

/// A park (or a lake) in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Park {
    x: i32,
    y: i32,
    width: u32,
    height: u32,
    lake: bool,
}

/// What stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Map {
    width: u32,
    height: u32,
    cell_px: u32,
    stations: Vec<Station>,
    streets: Vec<Street>,
    parks: Vec<Park>,
    goal: u8,
    /// Lengths are printed.
    printed: bool,
}

impl Map {
    /// The street between two stations.
    fn street(&self, a: usize, b: usize) -> Option<&Street> {
        self.streets.iter().find(|street| street.from(a) == Some(b))
    }

    /// Neighbours of a station and the lengths of the streets to them, by number.
    fn neighbours(&self, station: usize) -> impl Iterator<Item = (usize, u32)> + use<'_> {
        // Streets are in order of their lower and then their higher end, so neighbours come in order.
        self.streets.iter().filter_map(move |street| Some((street.from(station)?, street.length)))
    }

    /// The number of the station called `letter`.
    fn named(&self, letter: u8) -> Option<usize> {
        self.stations.iter().position(|s| s.letter == letter)
    }

    fn letter(&self, station: usize) -> char {
        self.stations.get(station).map_or('?', |s| char::from(s.letter))
    }

    /// Dijkstra's search: distances to `end`, and the stations in the order of their distance.
    fn distances(&self, end: usize) -> (Vec<Option<u32>>, Vec<usize>) {
        let count = self.stations.len();
        let (mut best, mut order): (Vec<Option<u32>>, Vec<usize>) = (vec![None; count], Vec::new());
        if let Some(first) = best.get_mut(end) {
            *first = Some(0);
        }
        loop {
            let next =
                (0..count).filter(|s| !order.contains(s) && best[*s].is_some()).min_by_key(|s| best[*s]);
            let Some(station) = next else { return (best, order) };
            order.push(station);
            let here = best[station].unwrap_or(0);
            for (other, length) in self.neighbours(station) {
                let through = here + length;
                if best[other].is_none_or(|old| through < old) {
                    best[other] = Some(through);
                }
            }
        }
    }

    /// The shortest route between two stations and its length; among equals the first by number.
    fn shortest(&self, from: usize) -> (Vec<usize>, u32) {
        let (best, _) = self.distances(usize::from(self.goal));
        let mut route = vec![from];
        let mut at = from;
        while let Some(here) = best.get(at).copied().flatten().filter(|left| *left > 0) {
            let mut on = self.neighbours(at);
            let Some((next, _)) = on.find(|(s, length)| best[*s].is_some_and(|left| left + length == here))
            else {
                break;
            };
            route.push(next);
            at = next;
        }
        (route, best.get(from).copied().flatten().unwrap_or(0))
    }

    /// The length of a route; `None` when two stations in a row are not joined.
    fn length(&self, route: &[usize]) -> Option<u32> {
        route.windows(2).map(|pair| Some(self.street(pair[0], pair[1])?.length)).sum()
    }

    fn check(&self) -> Result<(), String> {
        let count = self.stations.len();
        if !(2..=MAX_STATIONS).contains(&count) || usize::from(self.goal) >= count {
            return Err(format!("{count} stations, the goal is number {}", self.goal));
        }
        let sides = (56..=1000).contains(&self.width) && (56..=1000).contains(&self.height);
        if !sides || !(42..=84).contains(&self.cell_px) {
            return Err("width, height or cell_px is out of range".into());
        }
        let on_map =
            |x: i32, y: i32| (0..self.width as i32).contains(&x) && (0..self.height as i32).contains(&y);
        for (index, station) in self.stations.iter().enumerate() {
            let again = self.stations[..index].iter().any(|s| s.letter == station.letter);
            if again || !station.letter.is_ascii_uppercase() || !on_map(station.x, station.y) {
                return Err(format!("station {index} is off the map or has no letter of its own"));
            }
        }
        for (index, street) in self.streets.iter().enumerate() {
            let (a, b) = (usize::from(street.a), usize::from(street.b));
            let before = index.checked_sub(1).and_then(|i| self.streets.get(i));
            let in_order = a < b && before.is_none_or(|s| (s.a, s.b) < (street.a, street.b));
            let sane = (1..=99).contains(&street.length) && street.line < 6 && on_map(street.x, street.y);
            if b >= count || !in_order || !sane {
                return Err(format!("street {index} joins no two stations, or is out of order"));
            }
        }
        let small = |p: &Park| on_map(p.x, p.y) && p.width <= 1000 && p.height <= 1000;
        if self.parks.len() > 6 || !self.parks.iter().all(small) {
            return Err("a park is off the map".into());
        }
        if self.distances(usize::from(self.goal)).1.len() != count {
            return Err("some station cannot be reached".into());
        }
        Ok(())
    }
}

/// The state of a route map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RouteMap {
    map: Arc<Map>,
    /// The number of the station where the player is.
    here: u8,
    /// The answer is one station, not the whole route.
    stepwise: bool,
    travelled: u32,
    shortest: u32,
    font: Font,
    theme: Theme,
    max_turns: u32,
    turn: u32,
    outcome: Option<Outcome>,
}

checked_serde!(RouteMap);

impl RouteMap {
    fn check(&self) -> Result<(), String> {
        self.map.check()?;
        if usize::from(self.here) >= self.map.stations.len() {
            return Err(format!("there is no station {}", self.here));
        }
        if self.max_turns > 100 || self.turn > self.max_turns || self.travelled > 100_000 {
            return Err("max_turns, turn or travelled is out of range".into());
        }
        Ok(())
    }

    fn here(&self) -> usize {
        usize::from(self.here)
    }

    /// The stations of an answer that the rules accept, from where the player is.
    fn accepted(&self, route: &Route) -> Option<Vec<usize>> {
        let mut stations: Vec<usize> = route.0.iter().map(|l| self.map.named(*l)).collect::<Option<_>>()?;
        if self.stepwise {
            stations.insert(0, self.here());
            return (stations.len() == 2 && self.map.length(&stations).is_some()).then_some(stations);
        }
        let once = stations.iter().enumerate().all(|(i, s)| !stations[..i].contains(s));
        let ends =
            stations.first() == Some(&self.here()) && stations.last() == Some(&usize::from(self.map.goal));
        (once && ends && self.map.length(&stations).is_some()).then_some(stations)
    }

    fn route(&self, stations: &[usize]) -> Route {
        Route(stations.iter().map(|s| self.map.letter(*s) as u8).collect())
    }

    /// Routes from `trail` to the goal that visit no station twice, depth first.
    fn extend(&self, trail: &mut Vec<usize>, found: &mut Vec<Route>) {
        let Some(at) = trail.last().copied() else { return };
        if at == usize::from(self.map.goal) {
            found.push(self.route(trail));
            return;
        }
        for (next, _) in self.map.neighbours(at) {
            if found.len() < LISTED && !trail.contains(&next) {
                trail.push(next);
                self.extend(trail, found);
                trail.pop();
            }
        }
    }

    fn idle(&self) -> Step {
        Step { reward: 0.0, score: 0.0, legal: false, status: self.status() }
    }

    fn tick(&mut self) {
        self.turn += 1;
        self.outcome = if self.here == self.map.goal {
            Some(Outcome::Success)
        } else {
            (self.turn >= self.max_turns).then_some(Outcome::Truncated)
        };
    }

    fn draw_streets(&self, canvas: &mut Canvas, colors: &Colors) {
        let unit = self.map.cell_px as f32;
        let (wide, narrow) = ((unit * 0.15).max(6.0), (unit * 0.1).max(4.0));
        let end = |number: u8| {
            let station = self.map.stations.get(usize::from(number));
            station.map_or((0.0, 0.0), |s| (s.x as f32, s.y as f32))
        };
        if self.theme != Theme::Metro {
            for street in &self.map.streets {
                canvas.line(end(street.a), end(street.b), wide, colors.casing);
            }
        }
        for street in &self.map.streets {
            let metro = LINES[usize::from(street.line) % LINES.len()];
            let color = if self.theme == Theme::Metro { metro } else { colors.street };
            if self.theme == Theme::Metro {
                // A thin edge shows which line is on top where two cross.
                canvas.line(end(street.a), end(street.b), narrow + 3.0, colors.casing);
            }
            canvas.line(end(street.a), end(street.b), narrow, color);
        }
        if !self.map.printed {
            return;
        }
        for street in &self.map.streets {
            let text = street.length.to_string();
            let px = unit * 0.27;
            let wide = self.font.width(&text, px).max(px * 0.62) + 3.0;
            let (x, y) = (street.x as f32, street.y as f32);
            let (left, top) = (x - wide / 2.0, y - px * 0.47);
            let (left, top) = (left.round() as i32, top.round() as i32);
            canvas.fill_rect(left, top, wide.round() as u32, (px * 0.94).round() as u32, colors.plate);
            canvas.label_centred(&text, x, y, wide, px, self.font, colors.number);
        }
    }

    fn draw_stations(&self, canvas: &mut Canvas, colors: &Colors) {
        let unit = self.map.cell_px as f32;
        let radius = station_radius(self.map.cell_px);
        for (number, station) in self.map.stations.iter().enumerate() {
            let (x, y) = (station.x as f32, station.y as f32);
            let fill = if number == self.here() {
                colors.start
            } else if number == usize::from(self.map.goal) {
                colors.goal
            } else {
                colors.station
            };
            canvas.fill_circle(x, y, radius, colors.ink);
            canvas.fill_circle(x, y, radius - 2.0, fill);
            let letter = char::from(station.letter).to_string();
            canvas.label_centred(&letter, x, y, radius * 1.7, unit * 0.3, self.font, colors.ink);
        }
    }
}

fn station_radius(cell_px: u32) -> f32 {
    cell_px as f32 * 0.19
}

impl Env for RouteMap {
    type Action = Route;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("map", 0).rng();
        let (map, here) = draw_map(&mut rng, &mut seed.split("parks", 0).rng(), knobs);
        let stepwise = knobs.choice("mode") == "steps";
        let attempts = knobs.int("attempts").clamp(1, 5) as u32;
        let shortest = map.shortest(here).1;
        Ok(Self {
            here: here as u8,
            stepwise,
            travelled: 0,
            shortest,
            font: Font::named(knobs.choice("font")),
            theme: match knobs.choice("theme") {
                "metro" => Theme::Metro,
                "night" => Theme::Night,
                _ => Theme::Street,
            },
            max_turns: if stepwise { attempts + map.stations.len() as u32 } else { attempts },
            turn: 0,
            outcome: None,
            map: Arc::new(map),
        })
    }

    fn rules(&self) -> String {
        let lengths = if self.map.printed { "Numbers are lengths." } else { "All streets are equally long." };
        if self.stepwise {
            return format!(
                "Travel the shortest way from the green station, where you are, to the red one within {} turns. {lengths} Answer the next station.",
                self.max_turns
            );
        }
        format!(
            "Find the shortest route from the green station to the red one. {lengths} Answer all stations of the route, both ends included. Answers allowed: {}.",
            self.max_turns
        )
    }

    fn render(&self) -> Image {
        let colors = self.theme.colors();
        let mut canvas = Canvas::new(self.map.width, self.map.height, colors.ground);
        for park in &self.map.parks {
            let color = if park.lake { colors.lake } else { colors.park };
            canvas.fill_round_rect(park.x, park.y, park.width, park.height, 8.0, color);
        }
        self.draw_streets(&mut canvas, &colors);
        self.draw_stations(&mut canvas, &colors);
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Route, ParseError> {
        let text = answer.trim();
        let malformed = || ParseError::grammar(answer, GRAMMAR);
        // A letter and a comma for each station, with room for blanks.
        if text.len() > 8 * MAX_STATIONS {
            return Err(malformed());
        }
        let mut letters = Vec::new();
        for word in text.split(',') {
            let [letter] = word.trim().as_bytes() else { return Err(malformed()) };
            if !letter.is_ascii_alphabetic() {
                return Err(malformed());
            }
            letters.push(letter.to_ascii_uppercase());
        }
        if let Some(letter) = letters.iter().find(|l| self.map.named(**l).is_none()) {
            let detail = format!("no station is called {}", char::from(*letter));
            return Err(ParseError::range(answer, detail));
        }
        if self.stepwise != (letters.len() == 1) {
            let detail =
                if self.stepwise { "one station is asked for" } else { "a whole route is asked for" };
            return Err(ParseError::range(answer, detail));
        }
        Ok(Route(letters))
    }

    fn step(&mut self, action: &Route) -> Step {
        if self.outcome.is_some() {
            return self.idle();
        }
        let stations = self.accepted(action);
        if let Some(stations) = &stations {
            self.travelled += self.map.length(stations).unwrap_or(0);
            self.here = stations.last().map_or(self.here, |s| *s as u8);
        }
        self.tick();
        let arrived = self.outcome == Some(Outcome::Success);
        let ratio = self.shortest as f32 / self.travelled.max(1) as f32;
        let reward = if arrived { ratio.min(1.0) } else { 0.0 };
        Step { reward, score: reward, legal: stations.is_some(), status: self.status() }
    }

    fn begin_here(&mut self) {
        self.shortest = self.map.shortest(self.here()).1;
        (self.travelled, self.turn) = (0, 0);
    }

    fn pass(&mut self) -> Step {
        if self.outcome.is_none() {
            self.tick();
        }
        self.idle()
    }

    fn oracle(&self) -> Route {
        let (route, _) = self.map.shortest(self.here());
        if self.stepwise { self.route(route.get(1..2).unwrap_or_default()) } else { self.route(&route) }
    }

    /// Distances to the goal in the order in which Dijkstra's search finds them, up to here; then the
    /// route and its length.
    fn reason(&self, action: &Route) -> String {
        let goal = usize::from(self.map.goal);
        let (best, order) = self.map.distances(goal);
        let here = self.here();
        let far = |s: usize| format!("{} {}", self.map.letter(s), best[s].unwrap_or(0));
        let before = order.iter().copied().take_while(|s| *s != here).take(TOLD - 1);
        let told: Vec<String> = before.chain([here]).map(far).collect();
        let named = |stations: &[usize]| {
            stations.iter().map(|s| self.map.letter(*s).to_string()).collect::<Vec<_>>().join(" ")
        };
        let text =
            format!("from {} to {} left {}", self.map.letter(here), self.map.letter(goal), told.join(" "));
        if self.stepwise {
            return format!("{text} way {} so {action}", named(&self.map.shortest(here).0));
        }
        match self.accepted(action) {
            Some(stations) => {
                let length = self.map.length(&stations).unwrap_or(0);
                format!("{text} way {} length {length}", named(&stations))
            }
            None => format!("{text} way none"),
        }
    }

    /// A line for each street: its two stations and its length, if it is printed; then the two ends.
    fn perception(&self) -> Perception {
        let mut lines: Vec<String> = self
            .map
            .streets
            .iter()
            .map(|street| {
                let (a, b) = (self.map.letter(usize::from(street.a)), self.map.letter(usize::from(street.b)));
                let length = if self.map.printed { format!(" {}", street.length) } else { String::new() };
                format!("{} {}{length}", a.min(b), a.max(b))
            })
            .collect();
        lines.sort();
        let (here, goal) = (self.map.letter(self.here()), self.map.letter(usize::from(self.map.goal)));
        let data = json!({
            "streets": lines,
            "stations": self.map.stations.iter().map(|s| json!({"letter": char::from(s.letter), "at": [s.x, s.y]})).collect::<Vec<_>>(),
            "here": here,
            "goal": goal,
        });
        Perception { text: format!("{}\nfrom {here} to {goal}", lines.join("\n")), data }
    }

    /// In the mode steps all neighbours; else up to forty routes, depth first.
    fn legal_actions(&self) -> Vec<Route> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        if self.stepwise {
            return self.map.neighbours(self.here()).map(|(station, _)| self.route(&[station])).collect();
        }
        let mut found = Vec::new();
        self.extend(&mut vec![self.here()], &mut found);
        found
    }

    /// Random stations, none twice: which of them are joined has to be seen.
    fn guess(&self, rng: &mut Rng) -> Option<Route> {
        if self.outcome.is_some() {
            return None;
        }
        let mut stations: Vec<usize> = (0..self.map.stations.len()).collect();
        rng.shuffle(&mut stations);
        let count = if self.stepwise { 1 } else { rng.between(2, stations.len().min(5) as i64) as usize };
        stations.truncate(count);
        Some(self.route(&stations))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

/// A map that is being drawn.
struct Draft {
    /// Row and column of each station.
    cells: Vec<(i32, i32)>,
    stations: Vec<Station>,
    streets: Vec<Street>,
    cell_px: u32,
}

/// The square of the distance from a point to the nearest point of a line between two others.
fn off_line(point: (f32, f32), from: (f32, f32), to: (f32, f32)) -> f32 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (px, py) = (point.0 - from.0, point.1 - from.1);
    let along = ((px * dx + py * dy) / (dx * dx + dy * dy).max(1.0)).clamp(0.0, 1.0);
    let (ox, oy) = (px - along * dx, py - along * dy);
    ox * ox + oy * oy
}

impl Draft {
    fn at(&self, station: usize) -> (f32, f32) {
        (self.stations[station].x as f32, self.stations[station].y as f32)
    }

    fn ends(&self, street: &Street) -> ((f32, f32), (f32, f32)) {
        (self.at(usize::from(street.a)), self.at(usize::from(street.b)))
    }

    /// Where the length of a street can be printed: clear of stations, other streets and their lengths;
    /// and how clear it is (1 or more is enough).
    fn plate(&self, a: usize, b: usize) -> (f32, (f32, f32)) {
        let (from, to) = (self.at(a), self.at(b));
        let unit = self.cell_px as f32;
        let mut best = (-1.0, from);
        for share in [0.5, 0.42, 0.58, 0.35, 0.65, 0.29, 0.71] {
            let place = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            let apart = |other: (f32, f32)| (other.0 - place.0).powi(2) + (other.1 - place.1).powi(2);
            let mut clear = f32::MAX;
            for station in 0..self.stations.len() {
                clear = clear.min(apart(self.at(station)) / (unit * 0.37).powi(2));
            }
            for street in &self.streets {
                clear = clear.min(apart((street.x as f32, street.y as f32)) / (unit * 0.36).powi(2));
                let (a, b) = self.ends(street);
                clear = clear.min(off_line(place, a, b) / (unit * 0.21).powi(2));
            }
            if clear > best.0 {
                best = (clear, place);
            }
            if clear >= 1.0 {
                break;
            }
        }
        best
    }

    /// Whether a street would pass a station or a printed length too closely.
    fn is_blocked(&self, a: usize, b: usize) -> bool {
        let (from, to) = (self.at(a), self.at(b));
        let unit = self.cell_px as f32;
        let others = (0..self.stations.len()).filter(|s| *s != a && *s != b);
        let mut plates = self.streets.iter().map(|s| (s.x as f32, s.y as f32));
        others.into_iter().any(|s| off_line(self.at(s), from, to) < (unit * 0.3).powi(2))
            || plates.any(|plate| off_line(plate, from, to) < (unit * 0.2).powi(2))
    }

    /// Joins two stations, if there is room or `needed`; tells whether it did.
    fn join(&mut self, a: usize, b: usize, length: u32, line: u8, needed: bool) -> bool {
        let (clear, place) = self.plate(a, b);
        if !needed && (clear < 1.0 || self.is_blocked(a, b)) {
            return false;
        }
        let (x, y) = (place.0.round() as i32, place.1.round() as i32);
        self.streets.push(Street { a: a.min(b) as u8, b: a.max(b) as u8, length, x, y, line });
        true
    }

    /// Pairs of stations in neighbouring cells; of two diagonals that cross only one.
    fn pairs(&self, rng: &mut Rng) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        let count = self.cells.len();
        let falling = rng.below(2) == 0;
        for a in 0..count {
            for b in a + 1..count {
                let (dr, dc) = (self.cells[b].0 - self.cells[a].0, self.cells[b].1 - self.cells[a].1);
                let (upper, lower) =
                    (self.cells[a].0.min(self.cells[b].0), self.cells[a].1.min(self.cells[b].1));
                let diagonal = dr.abs() == 1 && dc.abs() == 1;
                let chosen = ((dr == dc) == falling) != ((upper + lower) % 2 == 0);
                if dr.abs() + dc.abs() == 1 || (diagonal && chosen) {
                    pairs.push((a, b));
                }
            }
        }
        rng.shuffle(&mut pairs);
        pairs
    }
}

/// Columns and rows of the cells in which stations lie.
fn cells_for(stations: usize) -> (usize, usize) {
    match stations {
        0..=4 => (2, 2),
        5..=6 => (3, 2),
        7..=9 => (3, 3),
        _ => (4, 3),
    }
}

/// Stations in different cells, a little off the middle.
fn spread(rng: &mut Rng, knobs: &Knobs, random: bool) -> Draft {
    let count = knobs.size("stations").clamp(2, MAX_STATIONS);
    let (cols, rows) = cells_for(count);
    let cell_px = knobs.int("cell_px").clamp(42, 84) as u32;
    let mut cells: Vec<usize> = (0..cols * rows).collect();
    if random {
        rng.shuffle(&mut cells);
    }
    cells.truncate(count);
    let mut letters: Vec<u8> = (b'A'..=b'Z').collect();
    if knobs.choice("letters") == "any" {
        rng.shuffle(&mut letters);
    }
    letters.truncate(count);
    rng.shuffle(&mut letters);
    let off = i64::from(cell_px) / 7;
    let place = |cell: usize, rng: &mut Rng| {
        cell as i32 * cell_px as i32 + cell_px as i32 / 2 + rng.between(-off, off) as i32
    };
    let stations = cells
        .iter()
        .zip(letters)
        .map(|(cell, letter)| Station { letter, x: place(cell % cols, rng), y: place(cell / cols, rng) })
        .collect();
    let cells = cells.iter().map(|cell| ((cell / cols) as i32, (cell % cols) as i32)).collect();
    Draft { cells, stations, streets: Vec::new(), cell_px }
}

/// A map on which every station can be reached, and the station to start from.
fn draw_map(rng: &mut Rng, park_rng: &mut Rng, knobs: &Knobs) -> (Map, usize) {
    let longest = match knobs.choice("lengths") {
        "none" => 1,
        "small" => 5,
        _ => 20,
    };
    let mut draft = spread(rng, knobs, true);
    for attempt in 0..=TRIES {
        // The first cells row by row always hang together.
        draft = spread(rng, knobs, attempt < TRIES);
        if weave(&mut draft, rng, longest, knobs) {
            break;
        }
    }
    let (cols, rows) = cells_for(draft.stations.len());
    let (width, height) = (cols as u32 * draft.cell_px, rows as u32 * draft.cell_px);
    draft.streets.sort_by_key(|street| (street.a, street.b));
    let parks = (0..knobs.size("clutter").min(6)).map(|_| draw_park(park_rng, width, height)).collect();
    let mut map = Map {
        width,
        height,
        cell_px: draft.cell_px,
        stations: draft.stations,
        streets: draft.streets,
        parks,
        goal: 0,
        printed: longest > 1,
    };
    let here = choose_ends(&mut map, rng);
    (map, here)
}

/// Joins all stations by a random tree, then some neighbours more, then some that are farther apart.
/// False when a station has no neighbour to be joined to.
fn weave(draft: &mut Draft, rng: &mut Rng, longest: i64, knobs: &Knobs) -> bool {
    let count = draft.stations.len();
    let length = |rng: &mut Rng| (rng.between(1, longest) as u32, rng.below(LINES.len()) as u8);
    let pairs = draft.pairs(rng);
    let mut group: Vec<usize> = (0..count).collect();
    let mut spare = Vec::new();
    for (a, b) in pairs {
        if group[a] == group[b] {
            spare.push((a, b));
            continue;
        }
        let (old, new) = (group[b], group[a]);
        group.iter_mut().filter(|g| **g == old).for_each(|g| *g = new);
        let (far, line) = length(rng);
        draft.join(a, b, far, line, true);
    }
    if group.iter().any(|g| *g != group[0]) {
        return false;
    }
    for (a, b) in spare {
        if rng.chance(knobs.float("density")) {
            let (far, line) = length(rng);
            draft.join(a, b, far, line, false);
        }
    }
    let wanted = knobs.size("crossings");
    let mut added = 0;
    for _ in 0..wanted * 30 {
        let (a, b) = (rng.below(count), rng.below(count));
        let joined = draft.streets.iter().any(|s| s.from(a) == Some(b));
        let apart =
            (draft.cells[a].0 - draft.cells[b].0).abs().max((draft.cells[a].1 - draft.cells[b].1).abs());
        let crossed = draft.cells[a].0 != draft.cells[b].0 && draft.cells[a].1 != draft.cells[b].1;
        if added < wanted && a != b && !joined && (apart > 1 || crossed) {
            // A long street is longer than a short one, so that it is not always the best.
            let (far, line) = length(rng);
            let far = if longest > 1 { far + longest as u32 / 2 } else { far };
            added += usize::from(draft.join(a, b, far, line, false));
        }
    }
    true
}

fn draw_park(rng: &mut Rng, width: u32, height: u32) -> Park {
    let (w, h) = (
        width / 6 + rng.below(width as usize / 4) as u32,
        height / 6 + rng.below(height as usize / 4) as u32,
    );
    Park {
        x: rng.below((width - w) as usize) as i32,
        y: rng.below((height - h) as usize) as i32,
        width: w,
        height: h,
        lake: rng.chance(0.4),
    }
}

/// Sets the goal and gives the start: the route between them has three stations or more wherever the
/// map has such a pair.
fn choose_ends(map: &mut Map, rng: &mut Rng) -> usize {
    let count = map.stations.len();
    let mut pairs: Vec<(usize, usize)> =
        (0..count).flat_map(|a| (0..count).map(move |b| (a, b))).filter(|(a, b)| a != b).collect();
    rng.shuffle(&mut pairs);
    let mut fallback = (0, 1);
    // Routes of as many stations as drawn, if there is one; so long and short ones are equally likely.
    let wanted = 3 + rng.below(count.saturating_sub(3).clamp(1, 4));
    let mut most = 0;
    for (from, to) in pairs {
        map.goal = to as u8;
        let stops = map.shortest(from).0.len();
        if stops == wanted {
            return from;
        }
        if stops > most && stops <= wanted {
            (most, fallback) = (stops, (from, to));
        }
    }
    map.goal = fallback.1 as u8;
    fallback.0
}

#[cfg(test)]
mod tests;
