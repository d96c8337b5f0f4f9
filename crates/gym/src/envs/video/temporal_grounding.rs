//! Temporal grounding: a clip and a phrase; say from when to when what it names goes on.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::draw::{Canvas, PALETTE, Rgb, Shape};
use crate::envs::kit;
use crate::{
    Axis, Env, EnvGroup, EnvSpec, Frame, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step,
    TruthForm,
};

const GRAMMAR: &str = "START to END in seconds: 1.5 to 3.0";

const SPEC: EnvSpec = EnvSpec {
    id: "temporal-grounding",
    group: EnvGroup::Video,
    title: "Temporal grounding",
    summary: "A clip in which things come, move and glow: say from when to when a phrase holds.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "intersection over union of the two spans of time",
    pixel_answers: false,
    players: 1,
    source: "Time-R1; Charades-STA; TSPO",
};

const TRUTH: &[TruthForm] = &[
    TruthForm {
        name: "span",
        rewards: &["tiou", "time_coverage"],
        doc: "[start, end] in seconds of what is asked for",
    },
    TruthForm { name: "spans", rewards: &["tiou_sets", "time_coverage"], doc: "a list of that span alone" },
    TruthForm {
        name: "events",
        rewards: &[],
        doc: "every event of the clip: {thing, event, span} with the span in seconds",
    },
];

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("frames", Axis::Memory, 4, 16, 6, "frames in the clip").dialled(4.0, 12.0),
    KnobSpec::choice("fps", Axis::Reasoning, &["1", "2", "4", "5"], "2", "frames a second").dialled(0.0, 2.0),
    KnobSpec::int("events", Axis::Reasoning, 1, 9, 2, "things, each with an event of its own")
        .dialled(1.0, 6.0),
    KnobSpec::choice(
        "kinds",
        Axis::Reasoning,
        &["shows", "glows", "moves", "mixed"],
        "shows",
        "what happens: a thing is there for a while, glows, or moves across its cell",
    )
    .dialled(0.0, 3.0),
    KnobSpec::choice(
        "phrase",
        Axis::Reasoning,
        &["one", "both", "mixed"],
        "one",
        "what is asked: one event, or the time in which two go on; one where no two do",
    )
    .dialled(0.0, 2.0),
    KnobSpec::int(
        "colors",
        Axis::Perception,
        1,
        8,
        8,
        "how many colours there are; fewer make things more alike",
    )
    .dialled(8.0, 2.0),
    KnobSpec::int("tile_px", Axis::Perception, 14, 56, 28, "pixels along a cell of a frame"),
    KnobSpec::flag("clock", Axis::Perception, false, "print the time on every frame"),
    KnobSpec::choice("theme", Axis::Perception, &["light", "dark"], "light", "what things lie on"),
];

/// How often a clip is drawn before the knobs are said to contradict each other.
const TRIES: usize = 200;

/// Spans that [`Env::legal_actions`] lists.
const SAMPLED: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Happening {
    /// The thing is there during the event only.
    Shows,
    /// A ring shines around it during the event.
    Glows,
    /// It crosses its cell from left to right during the event.
    Moves,
}

impl Happening {
    const ALL: [Self; 3] = [Self::Shows, Self::Glows, Self::Moves];

    fn phrase(self) -> &'static str {
        match self {
            Self::Shows => "is there",
            Self::Glows => "glows",
            Self::Moves => "moves",
        }
    }
}

/// A thing and what happens with it, from frame `start` to before frame `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Event {
    color: usize,
    shape: Shape,
    /// Cell of the frame, in reading order.
    cell: usize,
    happening: Happening,
    start: usize,
    end: usize,
}

impl Event {
    fn name(&self) -> String {
        format!("{}{}", PALETTE[self.color].0, self.shape.name())
    }

    fn phrase(&self) -> String {
        let name = format!("{} {}", PALETTE[self.color].0, self.shape.name()).to_lowercase();
        format!("the {name} {}", self.happening.phrase())
    }

    fn goes_on(&self, frame: usize) -> bool {
        (self.start..self.end).contains(&frame)
    }

    /// How far it has moved in `frame`, in steps: 0 up to its first frame, then one more a frame.
    fn moved(&self, frame: usize) -> usize {
        frame.clamp(self.start, self.end) - self.start
    }

    /// Its word in a line of the perception text; `None` when it is not there.
    fn word(&self, frame: usize) -> Option<String> {
        match self.happening {
            Happening::Shows => self.goes_on(frame).then(|| self.name()),
            Happening::Glows if self.goes_on(frame) => Some(self.name() + "-glows"),
            Happening::Glows => Some(self.name()),
            Happening::Moves => Some(format!("{}-{}", self.name(), self.moved(frame))),
        }
    }
}

/// A span of time in hundredths of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Intersection over union; a span without length shares nothing.
    fn iou(self, other: Self) -> f32 {
        let shared = self.end.min(other.end).saturating_sub(self.start.max(other.start));
        let union = (self.end - self.start) + (other.end - other.start) - shared;
        if union == 0 { 0.0 } else { shared as f32 / union as f32 }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", kit::decimal(self.start), kit::decimal(self.end))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Light,
    Dark,
}

/// The state of a grounding task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State")]
pub struct TemporalGrounding(State);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    frames: usize,
    fps: u32,
    events: Vec<Event>,
    /// The events that the phrase names: one or two.
    asked: Vec<usize>,
    tile_px: u32,
    clock: bool,
    theme: Theme,
    outcome: Option<Outcome>,
}

impl TryFrom<State> for TemporalGrounding {
    type Error = String;

    fn try_from(raw: State) -> Result<Self, String> {
        if !(4..=16).contains(&raw.frames) || ![1, 2, 4, 5].contains(&raw.fps) {
            return Err(format!("{} frames, {} a second", raw.frames, raw.fps));
        }
        let cells = side(raw.events.len()) * side(raw.events.len());
        let sound =
            |e: &Event| e.color < PALETTE.len() && e.cell < cells && e.start < e.end && e.end <= raw.frames;
        if !(1..=9).contains(&raw.events.len()) || !raw.events.iter().all(sound) {
            return Err("an event lies outside the clip, its frame or the palette".into());
        }
        if !(1..=2).contains(&raw.asked.len()) || raw.asked.iter().any(|i| *i >= raw.events.len()) {
            return Err("the phrase names no event".into());
        }
        if !(14..=56).contains(&raw.tile_px) {
            return Err("tile_px is out of range".into());
        }
        let game = Self(raw);
        let (start, end) = game.asked_frames();
        if start >= end { Err("the two events never go on together".into()) } else { Ok(game) }
    }
}

/// Cells along each side of a frame.
fn side(events: usize) -> usize {
    if events <= 4 { 2 } else { 3 }
}

impl TemporalGrounding {
    fn asked(&self) -> impl Iterator<Item = &Event> {
        self.0.asked.iter().map(|i| &self.0.events[*i])
    }

    /// The frame in which what is asked starts, and the one before which it ends.
    fn asked_frames(&self) -> (usize, usize) {
        let start = self.asked().map(|e| e.start).max().unwrap_or(0);
        (start, self.asked().map(|e| e.end).min().unwrap_or(0))
    }

    /// When `frame` begins, in hundredths of a second.
    fn time(&self, frame: usize) -> u32 {
        100 / self.0.fps * frame as u32
    }

    fn truth(&self) -> Span {
        let (start, end) = self.asked_frames();
        Span { start: self.time(start), end: self.time(end) }
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    fn images(&self) -> Vec<Image> {
        (0..self.0.frames).map(|frame| self.draw(frame)).collect()
    }

    fn draw(&self, frame: usize) -> Image {
        let state = &self.0;
        let cells = side(state.events.len());
        let (ground, ink): (Rgb, Rgb) = match state.theme {
            Theme::Light => ([242, 242, 238], [110, 110, 116]),
            Theme::Dark => ([58, 60, 68], [120, 122, 128]),
        };
        let glow: Rgb = match state.theme {
            Theme::Light => [30, 30, 34],
            Theme::Dark => [255, 255, 255],
        };
        let width = cells as u32 * state.tile_px;
        let mut canvas = Canvas::new(width, width, ground);
        let tile = state.tile_px as f32;
        for event in &state.events {
            if event.happening == Happening::Shows && !event.goes_on(frame) {
                continue;
            }
            let (row, col) = (event.cell / cells, event.cell % cells);
            let (mut x, y) = ((col as f32 + 0.5) * tile, (row as f32 + 0.5) * tile);
            let mut size = 0.62 * tile;
            if event.happening == Happening::Moves {
                size = 0.46 * tile;
                let share = event.moved(frame) as f32 / (event.end - event.start) as f32;
                x += (share - 0.5) * 0.46 * tile;
            }
            if event.happening == Happening::Glows && event.goes_on(frame) {
                canvas.ring(x, y, 0.47 * tile, (0.06 * tile).max(1.5), glow);
            }
            canvas.shape(event.shape, x, y, size, PALETTE[event.color].1);
        }
        canvas.frame(0, 0, width, width, 1, ink);
        if state.clock {
            canvas.text(&kit::decimal(self.time(frame)), 2.0, 2.0, 1.0, ink);
        }
        canvas.into_image()
    }
}

impl Env for TemporalGrounding {
    type Action = Span;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("clip", 0).rng();
        let (frames, count) = (knobs.size("frames"), knobs.size("events"));
        for _ in 0..TRIES {
            let Some(events) = draw_events(&mut rng, frames, count, knobs) else { continue };
            let together = match knobs.choice("phrase") {
                "both" => true,
                "mixed" => rng.chance(0.5),
                _ => false,
            };
            let mut asked = vec![rng.below(count)];
            if together {
                asked = pairs(&events).get(rng.below(pairs(&events).len())).cloned().unwrap_or(asked);
            }
            return Ok(Self(State {
                frames,
                fps: knobs.choice("fps").parse().unwrap_or(2),
                events,
                asked,
                tile_px: u32::try_from(knobs.size("tile_px")).unwrap_or(28),
                clock: knobs.flag("clock"),
                theme: if knobs.choice("theme") == "dark" { Theme::Dark } else { Theme::Light },
                outcome: None,
            }));
        }
        let detail = format!("{count} things of {} colours cannot be told apart", knobs.size("colors"));
        Err(KnobError::Conflict { env: SPEC.id.into(), detail })
    }

    fn rules(&self) -> String {
        let (frames, each) = (self.0.frames, kit::decimal(self.time(1)));
        let phrases: Vec<String> = self.asked().map(Event::phrase).collect();
        format!("{frames} frames, {each} seconds each. From when to when: {}?", phrases.join(" while "))
    }

    fn render(&self) -> Image {
        kit::sheet(&self.images())
    }

    fn frames(&self) -> Vec<Frame> {
        kit::clip(self.images(), self.0.fps)
    }

    /// The two ends may come in either order; both must lie in the clip.
    fn parse(&self, answer: &str) -> Result<Span, ParseError> {
        let text = answer.trim().to_ascii_lowercase();
        let ends =
            text.split_once(" to ").and_then(|(a, b)| Some((kit::hundredths(a)?, kit::hundredths(b)?)));
        let (a, b) = ends.ok_or_else(|| ParseError::grammar(answer, GRAMMAR))?;
        let length = self.time(self.0.frames);
        if a.max(b) > length {
            let detail = format!("the clip is {} seconds long", kit::decimal(length));
            return Err(ParseError::range(answer, detail));
        }
        if a == b {
            return Err(ParseError::range(answer, "the span has no length"));
        }
        Ok(Span { start: a.min(b), end: a.max(b) })
    }

    /// The outcome is a success from an overlap of 0.5 on, the usual threshold in grounding.
    fn step(&mut self, action: &Span) -> Step {
        if self.0.outcome.is_some() {
            return self.report(0.0, false);
        }
        let iou = action.iou(self.truth());
        self.0.outcome = Some(if iou >= 0.5 { Outcome::Success } else { Outcome::Failure });
        self.report(iou, true)
    }

    fn pass(&mut self) -> Step {
        self.0.outcome = self.0.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, false)
    }

    fn oracle(&self) -> Span {
        self.truth()
    }

    /// The frames of each event that is named, those that they share, and their times in hundredths.
    fn reason(&self, action: &Span) -> String {
        let mut text = String::new();
        for event in self.asked() {
            text += &format!("{} frames {} to {} ", event.name(), event.start + 1, event.end);
        }
        let (start, end) = self.asked_frames();
        if self.0.asked.len() > 1 {
            text += &format!("both {} to {end} ", start + 1);
        }
        let each = self.time(1);
        text + &format!("{start} x {each} is {} and {end} x {each} is {}", action.start, action.end)
    }

    fn truth_forms() -> &'static [TruthForm] {
        TRUTH
    }

    fn truths(&self) -> Map<String, Value> {
        let seconds = |hundredths: u32| f64::from(hundredths) / 100.0;
        let asked = self.truth();
        let span = json!([seconds(asked.start), seconds(asked.end)]);
        let event = |e: &Event| {
            let span = [seconds(self.time(e.start)), seconds(self.time(e.end))];
            json!({ "thing": e.name(), "event": e.happening, "span": span })
        };
        let events: Vec<Value> = self.0.events.iter().map(event).collect();
        kit::truths([("span", span.clone()), ("spans", json!([span])), ("events", json!(events))])
    }

    /// One line a frame: its number, then a word for everything that is to be seen: what glows says so,
    /// what moves says how many steps it has moved.
    fn perception(&self) -> Perception {
        let line = |frame: usize| {
            let words = self.0.events.iter().filter_map(|e| e.word(frame)).map(|w| format!(" {w}"));
            format!("{}{}", frame + 1, words.collect::<String>())
        };
        let lines: Vec<String> = (0..self.0.frames).map(line).collect();
        let events: Vec<_> = self
            .0
            .events
            .iter()
            .map(|e| json!({ "thing": e.name(), "cell": e.cell, "event": e.happening, "frames": [e.start, e.end] }))
            .collect();
        let data = json!({ "frames": self.0.frames, "fps": self.0.fps, "events": events });
        Perception { text: lines.join("\n"), data }
    }

    /// Spans that begin and end with a frame: all of them, or every so many where there are many.
    fn legal_actions(&self) -> Vec<Span> {
        if self.0.outcome.is_some() {
            return Vec::new();
        }
        let ends = |start: usize| (start + 1..=self.0.frames).map(move |end| (start, end));
        let all: Vec<(usize, usize)> = (0..self.0.frames).flat_map(ends).collect();
        let stride = all.len().div_ceil(SAMPLED);
        let span = |&(start, end): &(usize, usize)| Span { start: self.time(start), end: self.time(end) };
        all.iter().step_by(stride).map(span).collect()
    }

    /// Two different times of the clip, on frames.
    fn guess(&self, rng: &mut Rng) -> Option<Span> {
        let frames = self.0.frames;
        let (a, mut b) = (rng.below(frames + 1), rng.below(frames));
        b += usize::from(b >= a);
        self.0.outcome.is_none().then(|| Span { start: self.time(a.min(b)), end: self.time(a.max(b)) })
    }

    fn status(&self) -> Status {
        self.0.outcome.map_or(Status::Running, Status::Done)
    }
}

/// Things that differ in colour or shape, in different cells; `None` when they came out alike.
fn draw_events(rng: &mut Rng, frames: usize, count: usize, knobs: &Knobs) -> Option<Vec<Event>> {
    let colors = knobs.size("colors").clamp(1, PALETTE.len());
    let mut kinds: Vec<(usize, Shape)> =
        (0..colors).flat_map(|c| Shape::ALL.into_iter().map(move |s| (c, s))).collect();
    rng.shuffle(&mut kinds);
    let cells = side(count) * side(count);
    let mut places: Vec<usize> = (0..cells).collect();
    rng.shuffle(&mut places);
    let mut events: Vec<Event> = Vec::new();
    for i in 0..count {
        let happening = match knobs.choice("kinds") {
            "glows" => Happening::Glows,
            "moves" => Happening::Moves,
            "mixed" => Happening::ALL[rng.below(3)],
            _ => Happening::Shows,
        };
        // Never the whole clip, or there would be no event to see.
        let length = 1 + rng.below(frames - 2);
        let length = if happening == Happening::Moves { length.max(2) } else { length };
        // A movement is seen by its first and its last place, so both must be in the clip.
        let latest = if happening == Happening::Moves { frames - 1 - length } else { frames - length };
        let start = rng.below(latest + 1);
        let (color, shape) = *kinds.get(i)?;
        events.push(Event { color, shape, cell: *places.get(i)?, happening, start, end: start + length });
    }
    events.sort_by_key(|e| e.cell);
    Some(events)
}

/// The pairs of events that go on together for a while, neither of them all that time.
fn pairs(events: &[Event]) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    for (i, a) in events.iter().enumerate() {
        for (j, b) in events.iter().enumerate().skip(i + 1) {
            let (start, end) = (a.start.max(b.start), a.end.min(b.end));
            let real = start < end && [a, b].iter().all(|e| (e.start, e.end) != (start, end));
            if real {
                found.push(vec![i, j]);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
