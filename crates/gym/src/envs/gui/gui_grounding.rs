//! GUI grounding: click the one widget of a screen that an instruction means. One turn.

use std::sync::Arc;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::screen::{self, Area, Click, FONT_KNOB, Icon, Screen, Style, UNIT};
use crate::envs::kit;
use crate::{
    Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step, TruthForm,
};

const GRAMMAR: &str = "click(x,y)";

const SPEC: EnvSpec = EnvSpec {
    id: "gui-grounding",
    group: EnvGroup::Gui,
    title: "GUI grounding",
    summary: "A screen full of widgets and an instruction: click the widget that it means.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "1 for a click inside the widget's box, 0 otherwise",
    pixel_answers: true,
    players: 1,
    source: "ScreenSpot; ScreenSpot-Pro; UI-R1; InfiGUI-G1",
};

const TRUTH: &[TruthForm] = &[TruthForm {
    name: "target",
    rewards: &["gui_r1", "ui_r1", "infigui_r1", "gui_action_type", "gui_grounding"],
    doc: "the click: {action, bbox}",
}];

const KNOBS: &[KnobSpec] = &[
    KnobSpec::choice("screen", Axis::Perception, screen::SIZES, "168x168", "width and height in pixels")
        .dialled(0.0, 4.0),
    KnobSpec::int("widgets", Axis::Perception, 2, 80, 5, "widgets on the screen, as far as there is room")
        .dialled(2.0, 70.0),
    KnobSpec::int(
        "icon_px",
        Axis::Perception,
        8,
        40,
        20,
        "side of an icon in pixels, at a scale of 100; never larger than a row",
    )
    .dialled(24.0, 14.0),
    KnobSpec::int(
        "scale",
        Axis::Perception,
        50,
        200,
        100,
        "dots per inch: size of widgets and text in percent",
    )
    .dialled_by(100.0, 60.0, 10.0),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        screen::THEMES,
        "light",
        "colours; the last has little contrast",
    )
    .dialled(0.0, 2.0),
    FONT_KNOB,
    KnobSpec::int(
        "distractors",
        Axis::Reasoning,
        0,
        4,
        0,
        "widgets of another kind with the same word as the one that is meant",
    )
    .dialled(0.0, 3.0),
    KnobSpec::choice(
        "instruction",
        Axis::Reasoning,
        &["literal", "functional", "relation", "mixed"],
        "literal",
        "how the widget is named: by its word, by what it is for, by its left or right neighbour, or any",
    )
    .dialled(0.0, 3.0),
];

/// How many screens are drawn before the knobs are said to contradict each other.
const SCREEN_TRIES: u64 = 400;

/// How many places are tried for one widget.
const PLACE_TRIES: usize = 60;

/// How many points [`Env::legal_actions`] samples.
const SAMPLED_POINTS: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Kind {
    Button,
    Icon,
    Check,
    Tab,
    Field,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Button, Self::Icon, Self::Check, Self::Tab, Self::Field];

    /// What people call it.
    fn noun(self) -> &'static str {
        match self {
            Self::Button => "button",
            Self::Icon => "icon",
            Self::Check => "check box",
            Self::Tab => "tab",
            Self::Field => "input field",
        }
    }

    /// Its width in rows.
    fn columns(self, wide: bool) -> u32 {
        match (self, wide) {
            (Self::Icon, _) => 1,
            (Self::Tab, _) | (Self::Button, false) => 2,
            (Self::Button, true) | (Self::Check, _) | (Self::Field, false) => 3,
            (Self::Field, true) => 4,
        }
    }
}

/// A widget: its kind, what it says (an icon's meaning, else its text), and its box.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Widget {
    kind: Kind,
    word: Icon,
    area: Area,
    /// The row of the layout that it stands in, counted in rows of its own scale.
    row: u32,
}

impl Widget {
    /// Its line in the perception text: word, kind, row and column of its middle on a grid of 28 px.
    fn line(&self) -> String {
        let at = self.area.middle();
        format!("{} {:?} {} {}", self.word.name(), self.kind, at.y / UNIT, at.x / UNIT)
    }
}

/// How the widget is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phrase {
    Literal,
    Functional,
    /// By the index of its neighbour, which stands left of it (true) or right of it.
    Beside(usize, bool),
}

/// What does not change: the screen and the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Task {
    style: Style,
    icon_px: u32,
    /// In reading order.
    widgets: Vec<Widget>,
    target: usize,
    phrase: Phrase,
    /// Where the sampled points of [`Env::legal_actions`] come from.
    points: Seed,
}

/// The state of a grounding task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct GuiGrounding {
    task: Arc<Task>,
    outcome: Option<Outcome>,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    task: Task,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for GuiGrounding {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let task = raw.task;
        if !task.style.is_sane() || task.icon_px > 64 {
            return Err(format!("a screen of {:?}", task.style.size));
        }
        let count = task.widgets.len();
        let known = |index: usize| index < count;
        let neighbour = if let Phrase::Beside(index, _) = task.phrase { index } else { task.target };
        if !known(task.target) || !known(neighbour) {
            return Err(format!("{count} widgets, but the task names number {}", task.target));
        }
        if task.widgets.iter().any(|w| !w.area.is_on(task.style.size)) {
            return Err("a widget is off the screen".into());
        }
        Ok(Self { task: Arc::new(task), outcome: raw.outcome })
    }
}

impl Task {
    fn target(&self) -> &Widget {
        &self.widgets[self.target]
    }

    /// The name of a widget: its word, and its kind where the word alone names several.
    fn name(&self, index: usize) -> String {
        let widget = &self.widgets[index];
        let word = widget.word.name();
        if is_unique(&self.widgets, index) {
            word.into()
        } else {
            format!("the {word} {}", widget.kind.noun())
        }
    }

    fn instruction(&self) -> String {
        match self.phrase {
            Phrase::Literal => format!("Click {}.", self.name(self.target)),
            Phrase::Functional => {
                let target = self.target();
                let unique = is_unique(&self.widgets, self.target);
                let what = if unique { "widget" } else { target.kind.noun() };
                format!("You want to {}. Click the {what} for it.", target.word.purpose())
            }
            Phrase::Beside(index, left) => {
                let side = if left { "right" } else { "left" };
                format!("Click the widget next to the {side} of {}, in the same row.", self.name(index))
            }
        }
    }
}

impl GuiGrounding {
    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }
}

impl Env for GuiGrounding {
    type Action = Click;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let scale = u32::try_from(knobs.int("scale")).unwrap_or(100);
        let scaled = |px: u32| px * scale / 100;
        let unit = scaled(UNIT);
        let mut style = Style::new(knobs);
        style.text_px = scaled(style.text_px);
        let icon_px = scaled(u32::try_from(knobs.int("icon_px")).unwrap_or(20)).min(unit - 4);
        let (count, twins) = (knobs.size("widgets"), knobs.size("distractors"));
        for attempt in 0..SCREEN_TRIES {
            let mut rng = seed.split("screen", attempt).rng();
            let widgets = lay_out(&mut rng, style.size, unit, icon_px, count, twins);
            let options = match knobs.choice("instruction") {
                "functional" => by_word(&widgets, Phrase::Functional),
                "relation" => by_neighbour(&widgets),
                "mixed" => match rng.below(3) {
                    0 => by_word(&widgets, Phrase::Literal),
                    1 => by_word(&widgets, Phrase::Functional),
                    _ => by_neighbour(&widgets),
                },
                _ => by_word(&widgets, Phrase::Literal),
            };
            // Where there are widgets of one word, the first two share it: one of them is meant.
            let twinned = |target: &usize| twins == 0 || !is_unique(&widgets, *target);
            let options: Vec<_> = options
                .into_iter()
                .filter(|(target, phrase)| matches!(phrase, Phrase::Beside(..)) || twinned(target))
                .collect();
            if let Some(&(target, phrase)) = rng.choose(&options) {
                let points = seed.split("points", 0);
                let task = Task { style, icon_px, widgets, target, phrase, points };
                return Ok(Self { task: Arc::new(task), outcome: None });
            }
        }
        let detail = format!("no screen with {count} widgets, {twins} distractors and such an instruction");
        Err(KnobError::Conflict { env: SPEC.id.into(), detail })
    }

    fn rules(&self) -> String {
        let (width, height) = self.task.style.size;
        format!("{} Coordinates are pixels; the picture is {width} by {height}.", self.task.instruction())
    }

    fn render(&self) -> Image {
        let task = &*self.task;
        let mut screen = Screen::new(&task.style);
        for widget in &task.widgets {
            draw(&mut screen, widget, task.icon_px);
        }
        screen.canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Click, ParseError> {
        Click::parse(answer, self.task.style.size, GRAMMAR)
    }

    /// All pixels of the box count, those of its edges too.
    fn step(&mut self, action: &Click) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let hit = self.task.target().area.contains(*action);
        self.outcome = Some(if hit { Outcome::Success } else { Outcome::Failure });
        self.report(f32::from(u8::from(hit)), true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, false)
    }

    fn oracle(&self) -> Click {
        self.task.target().area.middle()
    }

    /// The line of the neighbour where one is named, the line of the widget, its box, and its middle.
    fn reason(&self, _action: &Click) -> String {
        let task = &*self.task;
        let mut text = String::new();
        match task.phrase {
            Phrase::Literal => {}
            Phrase::Functional => {
                text = format!("to {} is {} so ", task.target().word.purpose(), task.target().word.name());
            }
            Phrase::Beside(index, left) => {
                let side = if left { "right" } else { "left" };
                text = format!("{} {side} of it ", task.widgets[index].line());
            }
        }
        let [left, top, right, bottom] = task.target().area.corners();
        let middle = task.target().area.middle();
        let line = task.target().line();
        text + &format!("{line} box {left} {top} {right} {bottom} middle {} {}", middle.x, middle.y)
    }

    fn truth_forms() -> &'static [TruthForm] {
        TRUTH
    }

    fn truths(&self) -> Map<String, Value> {
        kit::truths([("target", json!({ "action": "click", "bbox": self.task.target().area.corners() }))])
    }

    /// One line a widget, in reading order: its word, its kind, row and column of its middle on a grid
    /// of 28 px.
    fn perception(&self) -> Perception {
        let task = &*self.task;
        let lines: Vec<String> = task.widgets.iter().map(Widget::line).collect();
        let widgets: Vec<_> = task
            .widgets
            .iter()
            .map(|w| json!({ "kind": w.kind, "word": w.word.name(), "box": w.area.corners() }))
            .collect();
        let (width, height) = task.style.size;
        let data = json!({ "width": width, "height": height, "widgets": widgets });
        Perception { text: lines.join("\n"), data }
    }

    /// Random points, always the same for one state. They are not taken from the widgets: points on
    /// random widgets would be a far better than random guess.
    fn legal_actions(&self) -> Vec<Click> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let mut rng = self.task.points.rng();
        (0..SAMPLED_POINTS).map(|_| Click::random(&mut rng, self.task.style.size)).collect()
    }

    fn guess(&self, rng: &mut Rng) -> Option<Click> {
        self.outcome.is_none().then(|| Click::random(rng, self.task.style.size))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

/// True when no other widget has the same word.
fn is_unique(widgets: &[Widget], index: usize) -> bool {
    widgets.iter().filter(|w| w.word == widgets[index].word).count() == 1
}

/// Every widget, named by itself. Kind and word together are never there twice.
fn by_word(widgets: &[Widget], phrase: Phrase) -> Vec<(usize, Phrase)> {
    (0..widgets.len()).map(|target| (target, phrase)).collect()
}

/// Every widget that has a neighbour in its row, named by that neighbour.
fn by_neighbour(widgets: &[Widget]) -> Vec<(usize, Phrase)> {
    let mut named = Vec::new();
    // In reading order, neighbours of a row follow each other.
    for right in 1..widgets.len() {
        let left = right - 1;
        if widgets[left].row == widgets[right].row {
            named.push((right, Phrase::Beside(left, true)));
            named.push((left, Phrase::Beside(right, false)));
        }
    }
    named
}

/// Widgets at free places of a grid, in reading order: tabs and icons in the bar at the top, icons and
/// buttons in the bar at the bottom, all but tabs between them. The first `twins + 1` share their word.
fn lay_out(
    rng: &mut Rng,
    size: (u32, u32),
    unit: u32,
    icon_px: u32,
    count: usize,
    twins: usize,
) -> Vec<Widget> {
    let (columns, rows) = (size.0 / unit, size.1 / unit);
    let mut taken = vec![false; (columns * rows) as usize];
    let mut names: Vec<(Kind, Icon)> = Vec::new();
    let mut words = Icon::ALL;
    rng.shuffle(&mut words);
    let mut widgets: Vec<Widget> = Vec::new();
    for index in 0..count {
        let word = words[index.saturating_sub(twins) % words.len()];
        let free: Vec<Kind> = Kind::ALL.into_iter().filter(|k| !names.contains(&(*k, word))).collect();
        let Some(&kind) = rng.choose(&free) else { continue };
        let place = (0..PLACE_TRIES).find_map(|_| {
            let wide = columns >= 6 && rng.chance(0.5);
            let width = kind.columns(wide).min(columns);
            let row = row_for(rng, kind, rows);
            let column = rng.below((columns - width + 1) as usize) as u32;
            let cells = (row * columns + column) as usize..(row * columns + column + width) as usize;
            let open = taken.get(cells.clone())?.iter().all(|t| !t);
            open.then(|| {
                taken[cells].fill(true);
                Area { x: column * unit, y: row * unit, w: width * unit, h: unit }
            })
        });
        if let Some(cell) = place {
            names.push((kind, word));
            let area = if kind == Kind::Icon {
                cell.inset(((unit - icon_px) / 2).saturating_sub(2))
            } else {
                cell.inset(2)
            };
            widgets.push(Widget { kind, word, area, row: cell.y / unit });
        }
    }
    widgets.sort_by_key(|w| (w.row, w.area.x));
    widgets
}

/// A row that suits a kind.
fn row_for(rng: &mut Rng, kind: Kind, rows: u32) -> u32 {
    let last = i64::from(rows) - 1;
    let row = match kind {
        Kind::Tab => 0,
        Kind::Icon => rng.between(0, last),
        Kind::Button => rng.between(1.min(last), last),
        Kind::Check | Kind::Field => rng.between(1.min(last), (last - 1).max(0)),
    };
    u32::try_from(row).unwrap_or(0)
}

fn draw(screen: &mut Screen, widget: &Widget, icon_px: u32) {
    let (area, word) = (widget.area, widget.word.name());
    match widget.kind {
        Kind::Button => screen.button(area, word),
        Kind::Icon => screen.icon_button(area, widget.word, icon_px),
        Kind::Check => screen.check(area, word, area.x % 3 == 0),
        Kind::Tab => screen.tab(area, word),
        Kind::Field => screen.field(area, word, screen.colors.faint, false),
    }
}

#[cfg(test)]
mod tests;
