//! Graphs: read the edges of a drawn graph, or compute a shortest path, a topological order, a minimum
//! spanning tree or a maximum flow. One turn.
//!
//! Numbers must be exact; of an order every valid one counts; edges pay their F1.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{Canvas, Font, Rgb, WHITE};
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "edges A-B; B-C | a number | an order A B C";

const SPEC: EnvSpec = EnvSpec {
    id: "graph",
    group: EnvGroup::Charts,
    title: "Graphs",
    summary: "A drawn graph: its edges, a shortest path, an order, a spanning tree or a flow.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "F1 of the edges; for the other tasks 1 for a right answer, 0 otherwise",
    pixel_answers: false,
    players: 1,
    source: "Gym-V (perception and graphs)",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::choice(
        "task",
        Axis::Reasoning,
        &["edges", "path", "order", "tree", "flow", "mixed"],
        "edges",
        "all edges, length of a shortest path, topological order, weight of a spanning tree, maximum flow",
    )
    .dialled(0.0, 5.0),
    KnobSpec::int("nodes", Axis::Reasoning, 3, 12, 5, "nodes of the graph").dialled(4.0, 10.0),
    KnobSpec::int("extra_edges", Axis::Reasoning, 0, 10, 2, "edges beyond those that connect all nodes")
        .dialled(1.0, 7.0),
    KnobSpec::flag(
        "directed",
        Axis::Reasoning,
        false,
        "edges have arrows (orders and flows always, trees never)",
    ),
    KnobSpec::flag(
        "weights",
        Axis::Reasoning,
        false,
        "lengths for paths, clutter for edges (trees and flows: always)",
    ),
    KnobSpec::int("crossings", Axis::Perception, 0, 12, 1, "the most pairs of edges that cross")
        .dialled(0.0, 8.0),
    KnobSpec::int("side_px", Axis::Perception, 112, 448, 140, "pixels along each side of the picture")
        .dialled_by(140.0, 224.0, 28.0),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["light", "dark", "faint"],
        "light",
        "colours; faint has little contrast",
    )
    .dialled(0.0, 2.0),
];

/// The most nodes.
const MAX_NODES: usize = 12;
/// The largest weight that is drawn.
const MAX_WEIGHT: u32 = 9;
/// Layouts that are tried for as many edges as are wanted.
const TRIES: usize = 40;
/// Answers that are listed where there are many.
const SAMPLED: u64 = 12;
/// Where along an edge its weight may stand, the best place first.
const PLACES: [f32; 7] = [0.5, 0.42, 0.58, 0.35, 0.65, 0.28, 0.72];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    Edges,
    Path,
    Order,
    Tree,
    Flow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Light,
    Dark,
    Faint,
}

/// Colours: ground, edges, nodes, letters, weights.
struct Colors {
    ground: Rgb,
    edge: Rgb,
    node: Rgb,
    letter: Rgb,
    weight: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Light => Colors {
                ground: WHITE,
                edge: [90, 92, 104],
                node: [40, 84, 190],
                letter: WHITE,
                weight: [170, 30, 30],
            },
            Self::Dark => Colors {
                ground: [26, 28, 36],
                edge: [160, 166, 184],
                node: [240, 190, 60],
                letter: [26, 28, 36],
                weight: [140, 230, 160],
            },
            Self::Faint => Colors {
                ground: [222, 222, 218],
                edge: [190, 190, 188],
                node: [186, 192, 206],
                letter: [140, 142, 152],
                weight: [164, 146, 146],
            },
        }
    }
}

/// An edge; without arrows `from` is the smaller number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Edge {
    from: usize,
    to: usize,
    weight: u32,
}

/// The letter of a node.
fn letter(node: usize) -> char {
    char::from(b'A' + (node % 26) as u8)
}

fn pair_text(from: usize, to: usize) -> String {
    format!("{}-{}", letter(from), letter(to))
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A length, a weight or a flow.
    Number(u32),
    /// All nodes, by number.
    Order(Vec<usize>),
    /// Pairs of nodes; without arrows the smaller one is first.
    Edges(Vec<(usize, usize)>),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Order(nodes) => {
                let letters: Vec<String> = nodes.iter().map(|n| letter(*n).to_string()).collect();
                f.write_str(&letters.join(" "))
            }
            Self::Edges(edges) => {
                let pairs: Vec<String> = edges.iter().map(|(a, b)| pair_text(*a, *b)).collect();
                f.write_str(&pairs.join("; "))
            }
        }
    }
}

/// What is stored of a graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    task: Task,
    directed: bool,
    weighted: bool,
    /// Middles of the nodes in pixels.
    nodes: Vec<(u32, u32)>,
    /// In order.
    edges: Vec<Edge>,
    /// Start of the path or the flow.
    start: usize,
    /// End of the path or the flow.
    end: usize,
    side_px: u32,
    theme: Theme,
    guesses: Seed,
    outcome: Option<Outcome>,
}

/// The state of a graph task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct Graph(State);

impl From<Graph> for State {
    fn from(game: Graph) -> Self {
        game.0
    }
}

impl TryFrom<State> for Graph {
    type Error = String;

    fn try_from(state: State) -> Result<Self, String> {
        let count = state.nodes.len();
        let side = state.side_px;
        let sizes = (3..=MAX_NODES).contains(&count) && (112..=448).contains(&side);
        if !sizes || !state.nodes.iter().all(|(x, y)| *x < side && *y < side) {
            return Err("nodes are missing or off the picture".into());
        }
        let sound = |e: &Edge| {
            let ordered = if state.directed { e.from != e.to } else { e.from < e.to };
            ordered && e.from < count && e.to < count && (1..=MAX_WEIGHT).contains(&e.weight)
        };
        let once = state.edges.windows(2).all(|w| (w[0].from, w[0].to) < (w[1].from, w[1].to));
        if state.edges.is_empty() || !once || !state.edges.iter().all(sound) {
            return Err("the edges do not make a graph".into());
        }
        let ends = state.start < count && state.end < count && state.start != state.end;
        let fits = match state.task {
            Task::Edges => true,
            Task::Path => state.way().is_some(),
            Task::Order => state.directed && state.order().len() == count,
            Task::Tree => !state.directed && state.tree().len() == count - 1,
            Task::Flow => state.directed,
        };
        (ends && fits).then_some(Self(state)).ok_or_else(|| "the task has no answer on this graph".into())
    }
}

impl State {
    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn length(&self, edge: &Edge) -> u32 {
        if self.weighted { edge.weight } else { 1 }
    }

    /// The edges that lead away from a node, with their other ends.
    fn leaving(&self, node: usize) -> impl Iterator<Item = (usize, &Edge)> {
        self.edges.iter().filter_map(move |edge| match (edge.from == node, edge.to == node) {
            (true, _) => Some((edge.to, edge)),
            (_, true) if !self.directed => Some((edge.from, edge)),
            _ => None,
        })
    }

    /// Shortest lengths from `start` with the node before each (Dijkstra).
    fn lengths(&self, start: usize) -> Vec<Option<(u32, usize)>> {
        let mut best: Vec<Option<(u32, usize)>> = vec![None; self.count()];
        let mut done = vec![false; self.count()];
        best[start] = Some((0, start));
        loop {
            let open = (0..self.count()).filter(|n| !done[*n]);
            let next = open.filter_map(|n| best[n].map(|(length, _)| (length, n))).min();
            let Some((length, node)) = next else { return best };
            done[node] = true;
            for (other, edge) in self.leaving(node) {
                let new = length + self.length(edge);
                if best[other].is_none_or(|(old, _)| new < old) {
                    best[other] = Some((new, node));
                }
            }
        }
    }

    /// The shortest path and its length.
    fn way(&self) -> Option<(u32, Vec<usize>)> {
        if self.start >= self.count() || self.end >= self.count() {
            return None;
        }
        let lengths = self.lengths(self.start);
        let (length, _) = lengths[self.end]?;
        let mut nodes = vec![self.end];
        while let Some(&at) = nodes.last().filter(|n| **n != self.start) {
            nodes.push(lengths[at]?.1);
        }
        nodes.reverse();
        Some((length, nodes))
    }

    fn arrows_into(&self) -> Vec<usize> {
        let mut arrows = vec![0; self.count()];
        self.edges.iter().for_each(|e| arrows[e.to] += 1);
        arrows
    }

    /// The alphabetically first topological order (Kahn); shorter than all nodes on a cycle.
    fn order(&self) -> Vec<usize> {
        let mut arrows = self.arrows_into();
        let mut order: Vec<usize> = Vec::new();
        while let Some(node) = (0..self.count()).find(|n| arrows[*n] == 0 && !order.contains(n)) {
            order.push(node);
            self.edges.iter().filter(|e| e.from == node).for_each(|e| arrows[e.to] -= 1);
        }
        order
    }

    fn is_order(&self, order: &[usize]) -> bool {
        let place = |node| order.iter().position(|n| *n == node);
        order.len() == self.count() && self.edges.iter().all(|e| place(e.from) < place(e.to))
    }

    /// The edges of a minimum spanning tree (Kruskal), the lightest first.
    fn tree(&self) -> Vec<Edge> {
        let mut sorted = self.edges.clone();
        sorted.sort_by_key(|e| (e.weight, e.from, e.to));
        let mut part: Vec<usize> = (0..self.count()).collect();
        sorted.retain(|e| join(&mut part, e.from, e.to));
        sorted
    }

    /// The maximum flow (Edmonds and Karp) and the nodes on the start's side of a smallest cut.
    fn flow(&self) -> (u32, Vec<bool>) {
        let mut room = [[0_u32; MAX_NODES]; MAX_NODES];
        self.edges.iter().for_each(|e| room[e.from][e.to] += e.weight);
        let mut total = 0;
        loop {
            let mut before = vec![None; self.count()];
            before[self.start] = Some(self.start);
            let mut queue = vec![self.start];
            let mut next = 0;
            while let Some(&node) = queue.get(next) {
                next += 1;
                for other in 0..self.count() {
                    if before[other].is_none() && room[node][other] > 0 {
                        before[other] = Some(node);
                        queue.push(other);
                    }
                }
            }
            let mut steps = Vec::new();
            let mut at = self.end;
            while let Some(previous) = before[at].filter(|_| at != self.start) {
                steps.push((previous, at));
                at = previous;
            }
            let Some(amount) = steps.iter().map(|(a, b)| room[*a][*b]).min() else {
                return (total, before.iter().map(Option::is_some).collect());
            };
            for (a, b) in steps {
                room[a][b] -= amount;
                room[b][a] += amount;
            }
            total += amount;
        }
    }

    fn truth(&self) -> Answer {
        match self.task {
            Task::Edges => Answer::Edges(self.edges.iter().map(|e| (e.from, e.to)).collect()),
            Task::Path => Answer::Number(self.way().map_or(0, |(length, _)| length)),
            Task::Order => Answer::Order(self.order()),
            Task::Tree => Answer::Number(self.tree().iter().map(|e| e.weight).sum()),
            Task::Flow => Answer::Number(self.flow().0),
        }
    }

    /// F1 for edges; 1 or 0 for the others.
    fn worth(&self, answer: &Answer) -> f32 {
        match (answer, self.truth()) {
            (Answer::Edges(given), Answer::Edges(truth)) => {
                let shared = given.iter().filter(|pair| truth.contains(pair)).count();
                2.0 * shared as f32 / (given.len() + truth.len()).max(1) as f32
            }
            (Answer::Order(order), _) => f32::from(u8::from(self.is_order(order))),
            (given, truth) => f32::from(u8::from(*given == truth)),
        }
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    /// Any answer of the kind that is asked for.
    fn any_answer(&self, rng: &mut Rng) -> Answer {
        match self.task {
            Task::Edges => {
                let all = pairs(self.count());
                let mut given: Vec<(usize, usize)> =
                    all.iter().copied().filter(|_| rng.chance(0.4)).collect();
                if given.is_empty() {
                    given.extend(rng.choose(&all));
                }
                if self.directed {
                    given.iter_mut().filter(|_| rng.chance(0.5)).for_each(|pair| *pair = (pair.1, pair.0));
                }
                Answer::Edges(given)
            }
            Task::Order => {
                let mut order: Vec<usize> = (0..self.count()).collect();
                rng.shuffle(&mut order);
                Answer::Order(order)
            }
            _ => {
                let most =
                    if self.weighted { MAX_WEIGHT as usize * (self.count() - 1) } else { self.count() - 1 };
                Answer::Number(1 + rng.below(most) as u32)
            }
        }
    }

    fn radius(&self) -> f32 {
        radius(self.side_px, self.count())
    }

    fn at(&self, node: usize) -> (f32, f32) {
        let (x, y) = self.nodes[node];
        (x as f32, y as f32)
    }

    /// Where the weights stand: as far as can be from nodes, other edges and other weights.
    fn weight_places(&self) -> Vec<(f32, f32)> {
        let mut placed: Vec<(f32, f32)> = Vec::new();
        for (i, edge) in self.edges.iter().enumerate() {
            let (a, b) = (self.at(edge.from), self.at(edge.to));
            let place = |share: f32| (a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share);
            let clearance = |p: (f32, f32)| {
                let nodes = (0..self.count()).map(|n| gap(p, self.at(n)) - self.radius());
                let weights = placed.iter().map(|q| gap(p, *q) * 0.6);
                let others = self.edges.iter().enumerate().filter(|(j, _)| *j != i);
                let edges = others.map(|(_, e)| segment_gap(p, self.at(e.from), self.at(e.to)));
                nodes.chain(weights).chain(edges).fold(f32::MAX, f32::min)
            };
            let mut best = (f32::MIN, place(0.5));
            for share in PLACES {
                let free = clearance(place(share));
                // A place further off the middle must be clearly better.
                if free > best.0 + 0.5 {
                    best = (free, place(share));
                }
            }
            placed.push(best.1);
        }
        placed
    }
}

/// How large nodes are drawn.
fn radius(side_px: u32, count: usize) -> f32 {
    (side_px as f32 / columns(count) as f32 * 0.25).clamp(7.0, 14.0)
}

/// Columns of the raster on which nodes are placed.
fn columns(count: usize) -> usize {
    (1..).find(|n| n * n >= count).unwrap_or(4)
}

fn pairs(count: usize) -> Vec<(usize, usize)> {
    (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))).collect()
}

/// Joins the parts of two nodes; false when they were one already.
fn join(part: &mut [usize], a: usize, b: usize) -> bool {
    let (old, new) = (part[a], part[b]);
    part.iter_mut().filter(|p| **p == old).for_each(|p| *p = new);
    old != new
}

fn gap(a: (f32, f32), b: (f32, f32)) -> f32 {
    let (dx, dy) = (a.0 - b.0, a.1 - b.1);
    (dx * dx + dy * dy).sqrt()
}

/// The distance of a point from a segment.
fn segment_gap(p: (f32, f32), a: (f32, f32), b: (f32, f32)) -> f32 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let along = ((p.0 - a.0) * dx + (p.1 - a.1) * dy) / (dx * dx + dy * dy).max(1.0);
    let share = along.clamp(0.0, 1.0);
    gap(p, (a.0 + dx * share, a.1 + dy * share))
}

/// Whether two segments between nodes cross away from their ends.
fn cross(nodes: &[(u32, u32)], (a, b): (usize, usize), (c, d): (usize, usize)) -> bool {
    let side = |p: usize, q: usize, r: usize| {
        let [(px, py), (qx, qy), (rx, ry)] =
            [p, q, r].map(|n| (i64::from(nodes[n].0), i64::from(nodes[n].1)));
        ((qx - px) * (ry - py) - (qy - py) * (rx - px)).signum()
    };
    let apart = a != c && a != d && b != c && b != d;
    apart && side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0
}

/// Nodes on a raster, each shifted at random within its field.
fn place_nodes(rng: &mut Rng, count: usize, side_px: u32) -> Vec<(u32, u32)> {
    let columns = columns(count);
    let rows = count.div_ceil(columns);
    let radius = radius(side_px, count);
    let mut fields: Vec<usize> = (0..columns * rows).collect();
    rng.shuffle(&mut fields);
    let along = |rng: &mut Rng, field: usize, fields: usize| {
        let size = side_px as f32 / fields as f32;
        let shift = (size / 2.0 - radius - 5.0).max(0.0) as i64;
        let middle = (size * (field as f32 + 0.5)) as i64;
        (middle + rng.between(-shift, shift)) as u32
    };
    let place = |rng: &mut Rng, f: usize| (along(rng, f % columns, columns), along(rng, f / columns, rows));
    fields.into_iter().take(count).map(|field| place(rng, field)).collect()
}

/// Edges that connect all nodes, and `extra` more where there is room: none runs over a node, at most
/// `crossings` pairs cross. `None` when the nodes cannot be connected so.
fn place_edges(
    rng: &mut Rng,
    nodes: &[(u32, u32)],
    extra: usize,
    crossings: usize,
    side_px: u32,
) -> Option<Vec<(usize, usize)>> {
    let point = |n: usize| (nodes[n].0 as f32, nodes[n].1 as f32);
    let free = radius(side_px, nodes.len()) + 4.0;
    let mut candidates = pairs(nodes.len());
    candidates.retain(|(a, b)| {
        let others = (0..nodes.len()).filter(|n| n != a && n != b);
        others.map(point).all(|p| segment_gap(p, point(*a), point(*b)) >= free)
    });
    rng.shuffle(&mut candidates);
    let (mut edges, mut crossed) = (Vec::new(), 0);
    let mut part: Vec<usize> = (0..nodes.len()).collect();
    for connecting in [true, false] {
        let mut wanted = if connecting { nodes.len() - 1 } else { extra };
        for &pair in &candidates {
            let new = edges.iter().filter(|other| cross(nodes, pair, **other)).count();
            let bridges = part[pair.0] != part[pair.1];
            if wanted == 0 || crossed + new > crossings || edges.contains(&pair) || connecting != bridges {
                continue;
            }
            join(&mut part, pair.0, pair.1);
            edges.push(pair);
            (wanted, crossed) = (wanted - 1, crossed + new);
        }
        if connecting && wanted > 0 {
            return None;
        }
    }
    Some(edges)
}

/// The nearest pairs first until all is connected: such edges never cross and never run over a node.
fn nearest_edges(nodes: &[(u32, u32)]) -> Vec<(usize, usize)> {
    let mut all = pairs(nodes.len());
    let square = |n: u32, m: u32| u64::from(n.abs_diff(m)).pow(2);
    all.sort_by_key(|(a, b)| square(nodes[*a].0, nodes[*b].0) + square(nodes[*a].1, nodes[*b].1));
    let mut part: Vec<usize> = (0..nodes.len()).collect();
    all.retain(|(a, b)| join(&mut part, *a, *b));
    all
}

impl Env for Graph {
    type Action = Answer;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("graph", 0).rng();
        let task = match knobs.choice("task") {
            "edges" => Task::Edges,
            "path" => Task::Path,
            "order" => Task::Order,
            "tree" => Task::Tree,
            "flow" => Task::Flow,
            _ => [Task::Edges, Task::Path, Task::Order, Task::Tree, Task::Flow][rng.below(5)],
        };
        let (count, extra) = (knobs.size("nodes"), knobs.size("extra_edges"));
        let side_px = u32::try_from(knobs.size("side_px")).unwrap_or(140);
        let mut nodes = place_nodes(&mut rng, count, side_px);
        let mut found = nearest_edges(&nodes);
        for _ in 0..TRIES {
            let places = place_nodes(&mut rng, count, side_px);
            let edges = place_edges(&mut rng, &places, extra, knobs.size("crossings"), side_px);
            if let Some(edges) = edges.filter(|edges| edges.len() > found.len() || found.len() < count) {
                (nodes, found) = (places, edges);
            }
            if found.len() >= count - 1 + extra {
                break;
            }
        }
        let mut state = State {
            task,
            directed: matches!(task, Task::Order | Task::Flow)
                || (knobs.flag("directed") && task != Task::Tree),
            weighted: matches!(task, Task::Tree | Task::Flow)
                || (knobs.flag("weights") && task != Task::Order),
            nodes,
            edges: Vec::new(),
            start: 0,
            end: 1,
            side_px,
            theme: match knobs.choice("theme") {
                "dark" => Theme::Dark,
                "faint" => Theme::Faint,
                _ => Theme::Light,
            },
            guesses: seed.split("guesses", 0),
            outcome: None,
        };
        state.direct(&mut rng, found);
        state.choose_ends(&mut rng);
        Ok(Self(state))
    }

    fn rules(&self) -> String {
        let State { task, directed, weighted, start, end, .. } = self.0;
        let (from, to) = (letter(start), letter(end));
        match task {
            Task::Edges if directed => {
                "List all arrows of the graph, each once, from its tail to its head.".into()
            }
            Task::Edges => "List all edges of the graph, each once.".into(),
            Task::Path if weighted => {
                format!("How long is the shortest path from {from} to {to}? Numbers are lengths.")
            }
            Task::Path => format!("How many edges has the shortest path from {from} to {to}?"),
            Task::Order => "Order all nodes so that every arrow goes from an earlier to a later node.".into(),
            Task::Tree => "What is the total weight of a minimum spanning tree?".into(),
            Task::Flow => format!("What is the maximum flow from {from} to {to}? Numbers are capacities."),
        }
    }

    fn render(&self) -> Image {
        let state = &self.0;
        let (colors, radius) = (state.theme.colors(), state.radius());
        let mut canvas = Canvas::new(state.side_px, state.side_px, colors.ground);
        let thick = (radius / 6.0).max(1.5);
        for edge in &state.edges {
            let (a, b) = (state.at(edge.from), state.at(edge.to));
            if state.directed {
                // The head ends at the rim of the node.
                let share = radius / gap(a, b).max(1.0);
                let tip = (b.0 + (a.0 - b.0) * share, b.1 + (a.1 - b.1) * share);
                canvas.arrow(a, tip, thick, radius * 0.95, colors.edge);
            } else {
                canvas.line(a, b, thick, colors.edge);
            }
        }
        for node in 0..state.count() {
            let (x, y) = state.at(node);
            canvas.fill_circle(x, y, radius, colors.node);
            let px = radius * 1.55;
            canvas.label_centred(&letter(node).to_string(), x, y, px, px, Font::Bold, colors.letter);
        }
        if state.weighted {
            let px = (radius * 1.35).max(10.0);
            for (edge, (x, y)) in state.edges.iter().zip(state.weight_places()) {
                canvas.fill_circle(x, y, px * 0.48, colors.ground);
                canvas.label_centred(&edge.weight.to_string(), x, y, px, px, Font::Bold, colors.weight);
            }
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Answer, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let text = answer.trim();
        // More than that is no answer about twelve nodes.
        if text.len() > 1000 {
            return Err(ParseError::range(answer, "longer than any answer"));
        }
        let count = self.0.count();
        let node = |name: &str| match name.as_bytes() {
            [one] if one.is_ascii_alphabetic() => {
                let node = usize::from(one.to_ascii_uppercase() - b'A');
                let last = letter(count - 1);
                if node < count {
                    Ok(node)
                } else {
                    Err(ParseError::range(answer, format!("nodes go from A to {last}")))
                }
            }
            _ => Err(wrong()),
        };
        match self.0.task {
            Task::Edges => {
                let mut edges: Vec<(usize, usize)> = Vec::new();
                for part in text.split(';') {
                    let (a, b) = part.trim_matches(' ').split_once('-').ok_or_else(wrong)?;
                    let (a, b) = (node(a)?, node(b)?);
                    let pair = if self.0.directed { (a, b) } else { (a.min(b), a.max(b)) };
                    if a == b || edges.contains(&pair) {
                        return Err(ParseError::range(answer, "an edge joins two nodes and is listed once"));
                    }
                    edges.push(pair);
                }
                Ok(Answer::Edges(edges))
            }
            Task::Order => {
                let order = text
                    .split(' ')
                    .filter(|word| !word.is_empty())
                    .map(node)
                    .collect::<Result<Vec<_>, _>>()?;
                let all = (0..count).all(|n| order.iter().filter(|m| **m == n).count() == 1);
                if order.is_empty() {
                    return Err(wrong());
                }
                if !all {
                    return Err(ParseError::range(answer, "an order has every node once"));
                }
                Ok(Answer::Order(order))
            }
            _ => {
                let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
                if !digits || (text.len() > 1 && text.starts_with('0')) {
                    return Err(wrong());
                }
                text.parse().map(Answer::Number).map_err(|_| wrong())
            }
        }
    }

    fn step(&mut self, action: &Answer) -> Step {
        if self.0.outcome.is_some() {
            return self.0.report(0.0, false);
        }
        let worth = self.0.worth(action);
        self.0.outcome = Some(if worth >= 1.0 { Outcome::Success } else { Outcome::Failure });
        self.0.report(worth, true)
    }

    fn pass(&mut self) -> Step {
        self.0.outcome = self.0.outcome.or(Some(Outcome::Truncated));
        self.0.report(0.0, false)
    }

    fn oracle(&self) -> Answer {
        self.0.truth()
    }

    /// What is computed: degrees, the path, arrows into each node, the edges of the tree, a smallest cut.
    fn reason(&self, action: &Answer) -> String {
        let state = &self.0;
        let each = |numbers: &[usize]| {
            let words: Vec<String> =
                numbers.iter().enumerate().map(|(n, k)| format!("{} {k}", letter(n))).collect();
            words.join(" ")
        };
        let listed = |edges: &[Edge]| {
            let words: Vec<String> =
                edges.iter().map(|e| format!("{} {}", pair_text(e.from, e.to), e.weight)).collect();
            words.join(" ")
        };
        match (state.task, action) {
            (_, Answer::Edges(edges)) => {
                let touching = |n: usize| state.edges.iter().filter(|e| e.from == n || e.to == n).count();
                let degrees: Vec<usize> = (0..state.count()).map(touching).collect();
                format!("edges at {} given {}", each(&degrees), edges.len())
            }
            (_, Answer::Order(order)) => {
                let letters: Vec<String> = order.iter().map(|n| letter(*n).to_string()).collect();
                format!("arrows into {} order {}", each(&state.arrows_into()), letters.join(" "))
            }
            (Task::Path, _) => {
                let nodes = state.way().map_or(Vec::new(), |(_, nodes)| nodes);
                let letters: Vec<String> = nodes.iter().map(|n| letter(*n).to_string()).collect();
                format!("way {} length {action}", letters.join(" "))
            }
            (Task::Tree, _) => format!("take {} sum {action}", listed(&state.tree())),
            _ => {
                let near = state.flow().1;
                let cut: Vec<Edge> =
                    state.edges.iter().filter(|e| near[e.from] && !near[e.to]).copied().collect();
                format!("cut {} flow {action}", listed(&cut)).split_whitespace().collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// One line a node: its letter, then the nodes that edges lead to, with their weights.
    fn perception(&self) -> Perception {
        let state = &self.0;
        let line = |node: usize| {
            let mut ends: Vec<(usize, u32)> = state.leaving(node).map(|(n, e)| (n, e.weight)).collect();
            ends.sort_unstable();
            let weight = |w: u32| if state.weighted { w.to_string() } else { String::new() };
            let words: Vec<String> =
                ends.iter().map(|(n, w)| format!(" {}{}", letter(*n), weight(*w))).collect();
            format!("{}{}", letter(node), words.concat())
        };
        let lines: Vec<String> = (0..state.count()).map(line).collect();
        let edges: Vec<_> = state.edges.iter().map(|e| json!([e.from, e.to, e.weight])).collect();
        let data = json!({
            "directed": state.directed, "weighted": state.weighted, "nodes": state.nodes, "edges": edges,
        });
        Perception { text: lines.join("\n"), data }
    }

    /// Random answers of the kind that is asked for, always the same ones for one state.
    fn legal_actions(&self) -> Vec<Answer> {
        if self.0.outcome.is_some() {
            return Vec::new();
        }
        (0..SAMPLED).map(|i| self.0.any_answer(&mut self.0.guesses.split("guess", i).rng())).collect()
    }

    fn guess(&self, rng: &mut Rng) -> Option<Answer> {
        self.0.outcome.is_none().then(|| self.0.any_answer(rng))
    }

    fn status(&self) -> Status {
        self.0.status()
    }
}

impl State {
    /// Gives the pairs weights and directions; orders and flows have no cycles.
    fn direct(&mut self, rng: &mut Rng, pairs: Vec<(usize, usize)>) {
        let acyclic = matches!(self.task, Task::Order | Task::Flow);
        let mut rank: Vec<usize> = (0..self.count()).collect();
        rng.shuffle(&mut rank);
        for (a, b) in pairs {
            let weight = rng.between(1, i64::from(MAX_WEIGHT)) as u32;
            let turned = if acyclic { rank[a] > rank[b] } else { rng.chance(0.5) };
            let (from, to) = if self.directed && turned { (b, a) } else { (a, b) };
            self.edges.push(Edge { from, to, weight });
        }
        self.edges.sort_unstable();
    }

    /// Two nodes that a path joins, with more than one edge where there are such.
    fn choose_ends(&mut self, rng: &mut Rng) {
        let mut joined: Vec<(usize, usize)> = Vec::new();
        for start in 0..self.count() {
            let lengths = self.lengths(start);
            joined.extend(
                (0..self.count()).filter(|n| *n != start && lengths[*n].is_some()).map(|n| (start, n)),
            );
        }
        let beside = |pair: &(usize, usize)| self.leaving(pair.0).any(|(other, _)| other == pair.1);
        let far: Vec<(usize, usize)> = joined.iter().filter(|pair| !beside(pair)).copied().collect();
        let chosen = rng.choose(&far).or_else(|| rng.choose(&joined)).copied();
        // A graph has an edge, so that some two nodes are joined.
        (self.start, self.end) = chosen.unwrap_or((0, 1));
    }
}

#[cfg(test)]
mod tests;
