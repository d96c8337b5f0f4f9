//! Screen graph: find the way from screen to screen by clicking icons, and say when the wanted screen is
//! reached.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::screen::{self, Area, Click, FONT_KNOB, Icon, Screen, Style, UNIT};
use crate::envs::kit;
use crate::{
    Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step, TruthForm,
};

const GRAMMAR: &str = "click(x,y) | back | done";

const SPEC: EnvSpec = EnvSpec {
    id: "screen-graph",
    group: EnvGroup::Gui,
    title: "Screen graph",
    summary: "Screens joined by icon buttons: go to the wanted screen and say done.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "success weighted by path length (fewest moves over moves taken) when done is said on the wanted screen",
    pixel_answers: true,
    players: 1,
    source: "GUI Exploration Lab",
};

const TRUTH: &[TruthForm] = &[TruthForm {
    name: "target",
    rewards: &["gui_r1", "ui_r1", "infigui_r1", "gui_action_type"],
    doc: "the next action of a shortest way: {action: click, bbox}, {action: back} or {action: done}",
}];

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("screens", Axis::Reasoning, 3, 20, 6, "screens with buttons on them").dialled(4.0, 16.0),
    KnobSpec::int("links", Axis::Reasoning, 2, 6, 3, "most links of a screen").dialled(2.0, 4.0),
    KnobSpec::int(
        "dead_ends",
        Axis::Reasoning,
        0,
        8,
        1,
        "further screens that have no link; only back leads on",
    )
    .dialled(0.0, 6.0),
    KnobSpec::choice(
        "icons",
        Axis::Reasoning,
        &["target", "arbitrary"],
        "target",
        "what a link shows: the icon of the screen it leads to, or one that says nothing of it",
    )
    .dialled(0.0, 1.0),
    KnobSpec::int("depth", Axis::Horizon, 1, 8, 2, "clicks from the first screen to the wanted one")
        .dialled(1.0, 5.0),
    KnobSpec::int("slack", Axis::Horizon, 0, 40, 6, "turns beyond the fewest until the episode is cut off")
        .dialled(6.0, 20.0),
    KnobSpec::flag(
        "fresh",
        Axis::Memory,
        false,
        "a new graph every episode, to be explored; false: always the same graph, to be known by heart",
    )
    .dialled(0.0, 1.0),
    KnobSpec::int("world", Axis::Memory, 0, 99, 0, "which graph it is when it is always the same"),
    KnobSpec::flag("shuffle", Axis::Memory, false, "icons change places at every visit; false: never")
        .dialled(0.0, 1.0),
    KnobSpec::flag("trail", Axis::Memory, true, "the bar at the bottom names the screen that back leads to")
        .dialled(1.0, 0.0),
    KnobSpec::choice("screen", Axis::Perception, SIZES, "168x168", "width and height in pixels")
        .dialled(0.0, 3.0),
    KnobSpec::int("icon_px", Axis::Perception, 10, 44, 32, "side of an icon in pixels").dialled(36.0, 16.0),
    KnobSpec::int("decoys", Axis::Perception, 0, 3, 0, "icons on every screen that lead nowhere")
        .dialled(0.0, 3.0),
    KnobSpec::flag("labels", Axis::Perception, false, "the name of its icon under every button"),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        screen::THEMES,
        "light",
        "colours; the last has little contrast",
    )
    .dialled(0.0, 2.0),
    FONT_KNOB,
];

/// Screens with at least six places for buttons.
const SIZES: &[&str] = &["168x168", "224x224", "364x644", "1288x812"];

/// Side of a place for a button, two rows.
const SLOT: u32 = 2 * UNIT;

/// The root of the graphs that are always the same.
const WORLDS: u64 = 0x5c4e_e465;

/// Chance that a place for a further link is used.
const LINK_CHANCE: f64 = 0.6;

/// How many names of the way a reason gives.
const NAMED_STEPS: usize = 9;

/// A button that leads to another screen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// What it shows.
    pub icon: Icon,
    /// The screen it leads to.
    pub to: usize,
}

/// A screen of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Its icon, which names it.
    pub icon: Icon,
    /// Its links.
    pub links: Vec<Link>,
    /// Icons that lead nowhere.
    pub decoys: Vec<Icon>,
}

/// What does not change: the graph and the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Task {
    style: Style,
    icon_px: u32,
    labels: bool,
    trail: bool,
    shuffle: bool,
    /// Where the places of the icons come from.
    places: Seed,
    pages: Vec<Page>,
    goal: usize,
    /// Moves from the start to the goal.
    fewest: usize,
    max_turns: usize,
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Now {
    at: usize,
    /// The screens that `back` leads through, the next one last.
    trail: Vec<usize>,
    /// How often a screen was entered.
    visit: u64,
    /// The screens that were on view, in the order of first sight.
    seen: Vec<usize>,
    turn: usize,
    outcome: Option<Outcome>,
}

/// The state of a walk through a graph of screens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct ScreenGraph {
    task: Arc<Task>,
    now: Now,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    task: Task,
    now: Now,
}

impl TryFrom<Unchecked> for ScreenGraph {
    type Error = String;

    fn try_from(Unchecked { task, now }: Unchecked) -> Result<Self, String> {
        let count = task.pages.len();
        let known = |index: &usize| *index < count;
        if !task.style.is_sane() || task.icon_px > SLOT || task.fewest == 0 {
            return Err(format!("a screen of {:?}, {} moves", task.style.size, task.fewest));
        }
        if !known(&task.goal) || !known(&now.at) || !now.trail.iter().chain(&now.seen).all(known) {
            return Err(format!("{count} screens, but the state names another"));
        }
        let room = slots(task.style.size).len();
        let fits = |p: &Page| p.links.len() + p.decoys.len() <= room && p.links.iter().all(|l| known(&l.to));
        if !task.pages.iter().all(fits) {
            return Err("a screen has too many buttons, or one that leads to no screen".into());
        }
        if task.max_turns > 1000 || now.turn > task.max_turns {
            return Err(format!("turn {} of {}", now.turn, task.max_turns));
        }
        Ok(Self { task: Arc::new(task), now })
    }
}

/// An action on a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Clicks a pixel.
    Click(Click),
    /// Goes to the screen before.
    Back,
    /// Says that this is the wanted screen.
    Done,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Click(click) => click.fmt(f),
            Self::Back => f.write_str("back"),
            Self::Done => f.write_str("done"),
        }
    }
}

/// A button where it is drawn; `to` is `None` for a decoy.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Button {
    icon: Icon,
    to: Option<usize>,
    area: Area,
    row: u32,
    column: u32,
}

/// The best next move from a state.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Plan {
    Done,
    Back,
    /// To a screen that the present one links to.
    Follow(usize),
}

impl ScreenGraph {
    /// The whole graph, also what was not on view yet.
    pub fn graph(&self) -> &[Page] {
        &self.task.pages
    }

    fn page(&self) -> &Page {
        &self.task.pages[self.now.at]
    }

    fn name(&self, page: usize) -> &'static str {
        self.task.pages[page].icon.name()
    }

    /// The buttons of the present screen, in reading order.
    fn buttons(&self) -> Vec<Button> {
        let (task, page) = (&*self.task, self.page());
        let mut free = slots(task.style.size);
        let (what, number) =
            if task.shuffle { ("visit", self.now.visit) } else { ("page", self.now.at as u64) };
        let mut rng = task.places.split(what, number).rng();
        let links = page.links.iter().map(|l| (l.icon, Some(l.to)));
        let all = links.chain(page.decoys.iter().map(|icon| (*icon, None)));
        let mut buttons: Vec<Button> = all
            .filter_map(|(icon, to)| {
                let place =
                    if free.is_empty() { None } else { Some(free.swap_remove(rng.below(free.len()))) };
                place.map(|(row, column)| {
                    let (x, y) = (column * SLOT, UNIT + row * SLOT);
                    let area = Area { x, y, w: SLOT, h: SLOT }.inset(4);
                    Button { icon, to, area, row, column }
                })
            })
            .collect();
        buttons.sort_by_key(|b| (b.row, b.column));
        buttons
    }

    /// Where a click leads to; `None` when it hits nothing that leads anywhere.
    fn hit(&self, click: Click) -> Option<usize> {
        self.buttons().into_iter().find(|b| b.area.contains(click)).and_then(|b| b.to)
    }

    /// The shortest way: some steps back, then some links. Going back after a click only undoes it, so
    /// no other order can be shorter.
    fn plan(&self) -> Plan {
        let (pages, goal) = (&self.task.pages, self.task.goal);
        let distances = distances_to(pages, goal);
        if self.now.at == goal {
            return Plan::Done;
        }
        let ahead = distances[self.now.at];
        let behind = self.now.trail.iter().rev().zip(1..).filter_map(|(p, n)| Some(distances[*p]? + n)).min();
        match (ahead, behind) {
            (Some(ahead), behind) if behind.is_none_or(|b| ahead <= b) => self
                .page()
                .links
                .iter()
                .find(|l| distances[l.to].is_some_and(|d| d + 1 == ahead))
                .map_or(Plan::Done, |l| Plan::Follow(l.to)),
            (_, Some(_)) => Plan::Back,
            // From here the goal cannot be reached at all: nothing is left but to give up.
            _ => Plan::Done,
        }
    }

    /// The names on the way that the plan means.
    fn way(&self) -> Vec<&'static str> {
        let mut walker = self.clone();
        let mut names = Vec::new();
        while names.len() < NAMED_STEPS {
            match walker.plan() {
                Plan::Done => break,
                Plan::Back => walker.go_back(),
                Plan::Follow(to) => walker.enter(to),
            }
            names.push(self.name(walker.now.at));
        }
        names
    }

    fn enter(&mut self, page: usize) {
        self.now.trail.push(self.now.at);
        self.arrive(page);
    }

    fn go_back(&mut self) {
        if let Some(page) = self.now.trail.pop() {
            self.arrive(page);
        }
    }

    fn arrive(&mut self, page: usize) {
        self.now.at = page;
        self.now.visit += 1;
        if !self.now.seen.contains(&page) {
            self.now.seen.push(page);
        }
    }

    /// Plays an action; false when the rules refuse it.
    fn act(&mut self, action: &Move) -> bool {
        match action {
            Move::Click(click) => match self.hit(*click) {
                Some(page) => self.enter(page),
                None => return false,
            },
            Move::Back if self.now.trail.is_empty() => return false,
            Move::Back => self.go_back(),
            Move::Done => {
                let there = self.now.at == self.task.goal;
                self.now.outcome = Some(if there { Outcome::Success } else { Outcome::Failure });
            }
        }
        true
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    fn count_turn(&mut self) {
        self.now.turn += 1;
        if self.now.turn >= self.task.max_turns && self.now.outcome.is_none() {
            self.now.outcome = Some(Outcome::Truncated);
        }
    }

    /// The name of the screen that `back` leads to, as far as it is shown.
    fn behind(&self) -> Option<&'static str> {
        let page = self.now.trail.last().filter(|_| self.task.trail)?;
        Some(self.name(*page))
    }
}

impl Env for ScreenGraph {
    type Action = Move;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let conflict = |detail: String| KnobError::Conflict { env: SPEC.id.into(), detail };
        let plan = GraphPlan {
            screens: knobs.size("screens"),
            links: knobs.size("links"),
            dead_ends: knobs.size("dead_ends"),
            depth: knobs.size("depth"),
            decoys: knobs.size("decoys"),
            speaking: knobs.choice("icons") == "target",
        };
        if plan.depth >= plan.screens {
            return Err(conflict(format!("depth = {} needs more than {} screens", plan.depth, plan.screens)));
        }
        let style = Style::new(knobs);
        let room = slots(style.size).len();
        if plan.links + plan.decoys > room {
            return Err(conflict(format!("a screen has room for {room} buttons, links and decoys together")));
        }
        let world = match knobs.flag("fresh") {
            true => seed.split("graph", 0),
            false => Seed::new(WORLDS).split("world", knobs.int("world").unsigned_abs()),
        };
        let pages = build(&mut world.rng(), &plan);
        let mut rng = seed.split("task", 0).rng();
        let pairs: Vec<(usize, usize)> = (0..pages.len())
            .flat_map(|goal| {
                let distances = distances_to(&pages, goal);
                (0..pages.len()).filter(move |p| distances[*p] == Some(plan.depth)).map(move |p| (p, goal))
            })
            .collect();
        let (start, goal) =
            *rng.choose(&pairs).ok_or_else(|| conflict(format!("no way of {} clicks", plan.depth)))?;
        let task = Task {
            style,
            icon_px: u32::try_from(knobs.int("icon_px")).unwrap_or(32),
            labels: knobs.flag("labels"),
            trail: knobs.flag("trail"),
            shuffle: knobs.flag("shuffle"),
            places: seed.split("places", 0),
            pages,
            goal,
            fewest: plan.depth,
            max_turns: plan.depth + 1 + knobs.size("slack"),
        };
        let now = Now { at: start, trail: Vec::new(), visit: 0, seen: vec![start], turn: 0, outcome: None };
        Ok(Self { task: Arc::new(task), now })
    }

    fn rules(&self) -> String {
        let (width, height) = self.task.style.size;
        format!(
            "Go to the {} screen and say done there. Icons lead to other screens, back to the one before. \
             Few moves count. The picture is {width} by {height}.",
            self.name(self.task.goal)
        )
    }

    fn render(&self) -> Image {
        let task = &*self.task;
        let (width, height) = task.style.size;
        let mut screen = Screen::new(&task.style);
        screen.bar(Area { x: 0, y: 0, w: width, h: UNIT }, "");
        let (ink, card, icon) = (screen.colors.ink, screen.colors.card, self.page().icon);
        icon.draw(&mut screen.canvas, 15.0, 13.5, 18.0, ink, card);
        screen.text(icon.name(), Area { x: 30, y: 0, w: width - 36, h: UNIT - 2 }, ink);
        for button in self.buttons() {
            draw_button(&mut screen, &button, task.icon_px, task.labels);
        }
        if task.trail {
            let bar = Area { x: 0, y: height - UNIT, w: width, h: UNIT };
            screen.fill(bar, card);
            let faint = screen.colors.faint;
            let text = self.behind().map_or("\u{2013}".to_string(), |name| format!("\u{2190} {name}"));
            screen.text(&text, Area { x: 8, w: width - 16, ..bar }, faint);
        }
        screen.canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Move, ParseError> {
        match answer.trim() {
            "back" => Ok(Move::Back),
            "done" => Ok(Move::Done),
            other => Click::parse(other, self.task.style.size, GRAMMAR).map(Move::Click),
        }
    }

    /// Success weighted by path length (Anderson et al. 2018): every turn before `done` is a move, also
    /// one that was refused.
    fn step(&mut self, action: &Move) -> Step {
        if self.now.outcome.is_some() {
            return self.report(0.0, false);
        }
        let moves = self.now.turn;
        let legal = self.act(action);
        self.count_turn();
        let reached = self.now.outcome == Some(Outcome::Success);
        let fewest = self.task.fewest;
        self.report(if reached { fewest as f32 / moves.max(fewest) as f32 } else { 0.0 }, legal)
    }

    fn begin_here(&mut self) {
        let mut walker = self.clone();
        let mut moves = 0;
        // Every move of the plan leads nearer; more than back along the trail and over all screens is none.
        while moves <= self.now.trail.len() + self.task.pages.len() {
            match walker.plan() {
                Plan::Done => break,
                Plan::Back => walker.go_back(),
                Plan::Follow(to) => walker.enter(to),
            }
            moves += 1;
        }
        self.now.turn = 0;
        if walker.now.at == self.task.goal {
            let slack = self.task.max_turns.saturating_sub(self.task.fewest);
            let task = Arc::make_mut(&mut self.task);
            task.fewest = moves.max(1);
            task.max_turns = task.fewest + slack;
        }
    }

    fn pass(&mut self) -> Step {
        if self.now.outcome.is_none() {
            self.count_turn();
        }
        self.report(0.0, false)
    }

    /// The first move of a shortest way over the whole graph. Where graphs are fresh this knows more
    /// than can be seen.
    fn oracle(&self) -> Move {
        match self.plan() {
            Plan::Done => Move::Done,
            Plan::Back => Move::Back,
            Plan::Follow(page) => self
                .buttons()
                .into_iter()
                .find(|b| b.to == Some(page))
                .map_or(Move::Done, |b| Move::Click(b.area.middle())),
        }
    }

    /// Where one is, the goal, the screens on the shortest way, and the icon that is clicked.
    fn reason(&self, action: &Move) -> String {
        let mut text = format!("at {} goal {}", self.name(self.now.at), self.name(self.task.goal));
        let way = self.way();
        if !way.is_empty() {
            text += &format!(" way {}", way.join(" "));
        }
        let clicked = |click: Click| self.buttons().into_iter().find(|b| b.area.contains(click));
        match action {
            Move::Done => text + " done",
            Move::Back => text + " back",
            Move::Click(click) => match clicked(*click) {
                Some(b) => {
                    let middle = b.area.middle();
                    let name = b.icon.name();
                    text + &format!(" icon {name} {} {} middle {} {}", b.row, b.column, middle.x, middle.y)
                }
                None => text + " nothing there",
            },
        }
    }

    fn truth_forms() -> &'static [TruthForm] {
        TRUTH
    }

    fn truths(&self) -> Map<String, Value> {
        let target = match self.oracle() {
            Move::Click(click) => {
                let hit = self.buttons().into_iter().find(|b| b.area.contains(click));
                let place = hit.map_or(json!([click.x, click.y]), |b| json!(b.area.corners()));
                json!({ "action": "click", "bbox": place })
            }
            other => json!({ "action": other.to_string() }),
        };
        kit::truths([("target", target)])
    }

    /// First line: the name of the screen, and of the one that back leads to (`-` for none). Then a line
    /// for every icon, in reading order: its name, its row and its column.
    fn perception(&self) -> Perception {
        let mut lines = vec![format!("at {}", self.name(self.now.at))];
        if self.task.trail {
            lines[0] += &format!(" back {}", self.behind().unwrap_or("-"));
        }
        let buttons = self.buttons();
        lines.extend(buttons.iter().map(|b| format!("{} {} {}", b.icon.name(), b.row, b.column)));
        let icons: Vec<_> =
            buttons.iter().map(|b| json!({ "icon": b.icon.name(), "box": b.area.corners() })).collect();
        // The graph as far as it was on view: links of the screens that were visited, with where they
        // lead to only where that was visited as well.
        let seen = &self.now.seen;
        let graph: Vec<_> = seen
            .iter()
            .map(|p| {
                let lead = |l: &Link| seen.contains(&l.to).then(|| self.name(l.to));
                let links = self.task.pages[*p].links.iter();
                let links: Vec<_> = links.map(|l| json!({ "icon": l.icon.name(), "to": lead(l) })).collect();
                json!({ "screen": self.name(*p), "links": links })
            })
            .collect();
        let data = json!({ "at": self.name(self.now.at), "icons": icons, "graph": graph });
        Perception { text: lines.join("\n"), data }
    }

    /// The middle of every link, `back` where there is a screen before, and `done`.
    fn legal_actions(&self) -> Vec<Move> {
        if self.now.outcome.is_some() {
            return Vec::new();
        }
        let links = self.buttons().into_iter().filter(|b| b.to.is_some());
        let mut moves: Vec<Move> = links.map(|b| Move::Click(b.area.middle())).collect();
        if !self.now.trail.is_empty() {
            moves.push(Move::Back);
        }
        moves.push(Move::Done);
        moves
    }

    /// A click anywhere, `back` or `done`: half of the time a click.
    fn guess(&self, rng: &mut Rng) -> Option<Move> {
        let guess = match rng.below(4) {
            0 => Move::Back,
            1 => Move::Done,
            _ => Move::Click(Click::random(rng, self.task.style.size)),
        };
        self.now.outcome.is_none().then_some(guess)
    }

    fn status(&self) -> Status {
        self.now.outcome.map_or(Status::Running, Status::Done)
    }
}

/// The places for buttons between the two bars: row and column.
fn slots((width, height): (u32, u32)) -> Vec<(u32, u32)> {
    let (columns, rows) = (width / SLOT, height.saturating_sub(2 * UNIT) / SLOT);
    (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).collect()
}

fn draw_button(screen: &mut Screen, button: &Button, icon_px: u32, labels: bool) {
    if !labels {
        screen.icon_button(button.area, button.icon, icon_px.min(button.area.w - 4));
        return;
    }
    let text = Area { y: button.area.y + button.area.h - 16, h: 14, ..button.area };
    let above = Area { h: button.area.h - 14, ..button.area };
    let line = screen.colors.line;
    screen.card(button.area, line);
    let (x, y) = (above.x as f32 + above.w as f32 / 2.0, above.y as f32 + above.h as f32 / 2.0);
    let (ink, card) = (screen.colors.ink, screen.colors.card);
    button.icon.draw(&mut screen.canvas, x, y, icon_px.min(above.h - 4) as f32, ink, card);
    screen.centred(button.icon.name(), Area { x: text.x + 2, w: text.w - 4, ..text }, ink);
}

/// How a graph is built.
#[derive(Clone, Copy, Debug)]
struct GraphPlan {
    screens: usize,
    links: usize,
    dead_ends: usize,
    depth: usize,
    decoys: usize,
    /// A link shows the icon of the screen that it leads to.
    speaking: bool,
}

/// A graph in which every screen can be reached from screen 0, and screen `depth` in no less than
/// `depth` clicks: a chain, then a tree around it, then links that skip no level.
fn build(rng: &mut Rng, plan: &GraphPlan) -> Vec<Page> {
    let count = plan.screens + plan.dead_ends;
    let mut icons = Icon::ALL;
    rng.shuffle(&mut icons);
    let mut links: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut level = vec![0; count];
    for page in 1..count {
        let parents: Vec<usize> =
            (0..page.min(plan.screens)).filter(|p| links[*p].len() < plan.links).collect();
        let parent = if page <= plan.depth { page - 1 } else { rng.choose(&parents).copied().unwrap_or(0) };
        links[parent].push(page);
        level[page] = level[parent] + 1;
    }
    for page in 0..plan.screens {
        let mut others: Vec<usize> =
            (0..count).filter(|p| *p != page && level[*p] <= level[page] + 1).collect();
        rng.shuffle(&mut others);
        for other in others {
            if links[page].len() < plan.links && !links[page].contains(&other) && rng.chance(LINK_CHANCE) {
                links[page].push(other);
            }
        }
    }
    (0..count)
        .map(|page| {
            let mut free: Vec<Icon> = Icon::ALL.to_vec();
            rng.shuffle(&mut free);
            let mut take = |wanted: Option<Icon>| {
                let at = wanted.and_then(|w| free.iter().position(|i| *i == w)).unwrap_or(0);
                free.swap_remove(at)
            };
            let shown = |to: &usize| Link { icon: take(plan.speaking.then_some(icons[*to])), to: *to };
            let links: Vec<Link> = links[page].iter().map(shown).collect();
            let decoys = (0..plan.decoys).map(|_| take(None)).collect();
            Page { icon: icons[page], links, decoys }
        })
        .collect()
}

/// Clicks from every screen to `goal`; `None` where it cannot be reached by clicks.
fn distances_to(pages: &[Page], goal: usize) -> Vec<Option<usize>> {
    let mut sources: Vec<Vec<usize>> = vec![Vec::new(); pages.len()];
    for (from, page) in pages.iter().enumerate() {
        page.links.iter().for_each(|l| sources[l.to].push(from));
    }
    let mut found = vec![None; pages.len()];
    found[goal] = Some(0);
    let mut queue = VecDeque::from([(goal, 0)]);
    while let Some((page, distance)) = queue.pop_front() {
        for &source in &sources[page] {
            if found[source].is_none() {
                found[source] = Some(distance + 1);
                queue.push_back((source, distance + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
