//! Form: fill in a form on a screen as the goal says, and submit it.

use std::fmt;
use std::sync::Arc;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::screen::{self, Area, Click, FONT_KNOB, Screen, Style, UNIT};
use crate::envs::kit;
use crate::{
    Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step, TruthForm,
};

const GRAMMAR: &str = "click(x,y) | type(\"text\") | scroll(dx,dy) | press(backspace|escape|enter)";

const SPEC: EnvSpec = EnvSpec {
    id: "form",
    group: EnvGroup::Gui,
    title: "Form",
    summary: "A form with fields, lists, radio buttons and check boxes: fill it in as wanted and submit it.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "1 when a form that is filled in exactly as wanted is submitted, less with time where decay is set",
    pixel_answers: true,
    players: 1,
    source: "MiniWoB++; BrowserGym",
};

const TRUTH: &[TruthForm] = &[TruthForm {
    name: "target",
    rewards: &["gui_r1", "ui_r1", "infigui_r1", "gui_action_type"],
    doc: "the next action of a shortest way: {action, bbox of what is clicked, text, direction}",
}];

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("fields", Axis::Horizon, 1, 12, 2, "controls that the goal names").dialled(1.0, 10.0),
    KnobSpec::int("slack", Axis::Horizon, 0, 20, 4, "turns beyond the fewest until the episode is cut off")
        .dialled(6.0, 2.0),
    KnobSpec::float(
        "decay",
        Axis::Horizon,
        0.0,
        1.0,
        0.0,
        "share of the reward that has decayed when the time is over",
    ),
    KnobSpec::int(
        "distractors",
        Axis::Reasoning,
        0,
        6,
        0,
        "controls that the goal does not name; they must stay as they are",
    )
    .dialled(0.0, 5.0),
    KnobSpec::float(
        "prefilled",
        Axis::Reasoning,
        0.0,
        1.0,
        0.0,
        "chance that a control starts with some value",
    )
    .dialled(0.0, 0.5),
    KnobSpec::choice(
        "kinds",
        Axis::Reasoning,
        &["mixed", "text", "picks"],
        "mixed",
        "controls: all kinds, input fields only, or all but input fields",
    ),
    KnobSpec::choice("screen", Axis::Perception, screen::SIZES, "168x168", "width and height in pixels")
        .dialled(1.0, 4.0),
    KnobSpec::int("text_px", Axis::Perception, 9, 22, 15, "line height of text in pixels")
        .dialled(16.0, 11.0),
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

const PEOPLE: &[&str] = &["Ann", "Ben", "Eva", "Leo", "Mia", "Tom", "Zoe", "Max"];
const PLACES: &[&str] = &["Rome", "Oslo", "Lima", "Cairo", "Paris", "Kyoto", "Bonn", "Quito"];
const CODES: &[&str] = &["A7", "K3", "Q9", "X4", "B2", "M8", "T5", "R6"];

/// Labels of input fields with what is written into them.
const TEXTS: [(&str, &[&str]); 18] = [
    ("Name", PEOPLE),
    ("City", PLACES),
    ("Code", CODES),
    ("Boss", PEOPLE),
    ("From", PLACES),
    ("Pass", CODES),
    ("Guest", PEOPLE),
    ("To", PLACES),
    ("Key", CODES),
    ("Coach", PEOPLE),
    ("Via", PLACES),
    ("Desk", CODES),
    ("Twin", PEOPLE),
    ("Port", PLACES),
    ("Tag", CODES),
    ("Aunt", PEOPLE),
    ("Born", PLACES),
    ("Door", CODES),
];

/// Labels of radio buttons with their short words.
const RADIOS: [(&str, &[&str]); 6] = [
    ("Size", &["S", "M", "L"]),
    ("Pay", &["cash", "card"]),
    ("Side", &["left", "right"]),
    ("Time", &["am", "pm"]),
    ("Seat", &["1", "2", "3"]),
    ("Trip", &["one", "both"]),
];

/// Labels of drop-down lists with their words.
const DROPS: [(&str, &[&str]); 6] = [
    ("Color", &["red", "blue", "green"]),
    ("Month", &["March", "May", "June"]),
    ("Room", &["small", "large", "hall"]),
    ("Day", &["Mon", "Tue", "Wed", "Thu"]),
    ("Tea", &["mint", "black", "fruit"]),
    ("Meal", &["fish", "rice", "soup", "none"]),
];

/// Labels of check boxes.
const CHECKS: [&str; 6] = ["News", "Gift", "Rush", "Alarm", "Photo", "Terms"];

/// The words of a check box.
const ON: &[&str] = &["on"];

/// The longest text of an input field.
const MAX_TEXT: usize = 16;

/// The panel of the form is never wider or higher than this; on a desktop it stands somewhere.
const PANEL: (u32, u32) = (15 * UNIT, 12 * UNIT);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Text,
    Radio,
    Drop,
    Check,
}

impl Kind {
    /// How many labels there are.
    fn labels(self) -> usize {
        match self {
            Self::Text => TEXTS.len(),
            Self::Radio => RADIOS.len(),
            Self::Drop => DROPS.len(),
            Self::Check => CHECKS.len(),
        }
    }

    /// A label with its words.
    fn label(self, index: usize) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            Self::Text => TEXTS.get(index).copied(),
            Self::Radio => RADIOS.get(index).copied(),
            Self::Drop => DROPS.get(index).copied(),
            Self::Check => CHECKS.get(index).map(|label| (*label, ON)),
        }
    }
}

/// The value of a control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Value {
    /// Of an input field.
    Text(String),
    /// Of a choice: the index of its word, if there is one. A check box that is on has 0.
    Pick(Option<usize>),
}

/// A control of the form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Control {
    kind: Kind,
    /// Which label of its kind it has.
    label: usize,
    /// Named by the goal.
    asked: bool,
    /// What it has to be in the end.
    goal: Value,
}

impl Control {
    fn words(&self) -> (&'static str, &'static [&'static str]) {
        self.kind.label(self.label).unwrap_or(("Name", PEOPLE))
    }

    fn name(&self) -> &'static str {
        self.words().0
    }

    fn options(&self) -> &'static [&'static str] {
        self.words().1
    }

    /// A value as a word; `-` for none, `off` for a check box that is not on.
    fn say(&self, value: &Value) -> String {
        match value {
            Value::Text(text) if text.is_empty() => "-".into(),
            Value::Text(text) => text.clone(),
            Value::Pick(pick) => match pick.and_then(|i| self.options().get(i)) {
                Some(word) => (*word).into(),
                None if self.kind == Kind::Check => "off".into(),
                None => "-".into(),
            },
        }
    }

    /// True when the value is of this control's kind.
    fn accepts(&self, value: &Value) -> bool {
        match value {
            Value::Text(text) => {
                self.kind == Kind::Text && text.len() <= MAX_TEXT && text.bytes().all(is_plain)
            }
            Value::Pick(pick) => self.kind != Kind::Text && pick.is_none_or(|i| i < self.options().len()),
        }
    }
}

/// What does not change: the form and the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Task {
    style: Style,
    panel: Area,
    controls: Vec<Control>,
    decay: f32,
    max_turns: usize,
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Now {
    values: Vec<Value>,
    /// The input field that typing goes to.
    focus: Option<usize>,
    /// All text of that field is marked: typing replaces it.
    marked: bool,
    /// The drop-down list that is open.
    open: Option<usize>,
    /// The first row on view.
    offset: usize,
    turn: usize,
    outcome: Option<Outcome>,
}

/// The state of a form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Form {
    task: Arc<Task>,
    now: Now,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    task: Task,
    now: Now,
}

impl TryFrom<Unchecked> for Form {
    type Error = String;

    fn try_from(Unchecked { task, now }: Unchecked) -> Result<Self, String> {
        let count = task.controls.len();
        let panel = task.panel;
        let large = panel.w >= 4 * UNIT && panel.h >= 4 * UNIT;
        if !task.style.is_sane() || !panel.is_on(task.style.size) || !large || count == 0 || count > 18 {
            return Err(format!("{count} controls on a panel of {} by {}", panel.w, panel.h));
        }
        let labelled = |c: &Control| c.label < c.kind.labels() && c.accepts(&c.goal);
        let valued =
            now.values.len() == count && task.controls.iter().zip(&now.values).all(|(c, v)| c.accepts(v));
        if !task.controls.iter().all(labelled) || !valued {
            return Err("a value does not fit its control".into());
        }
        let kind = |index: Option<usize>, kind: Kind| {
            index.is_none_or(|i| task.controls.get(i).is_some_and(|c| c.kind == kind))
        };
        if !kind(now.focus, Kind::Text) || !kind(now.open, Kind::Drop) {
            return Err("a control that is not there has the focus or is open".into());
        }
        let numbers =
            task.max_turns <= 1000 && now.turn <= task.max_turns && (0.0..=1.0).contains(&task.decay);
        let form = Self { task: Arc::new(task), now };
        if !numbers || form.now.offset > form.last_offset() {
            return Err("turn, decay or offset is out of range".into());
        }
        Ok(form)
    }
}

/// A key of the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Takes the last letter of the focused field, or all of it where it is marked.
    Backspace,
    /// Closes an open list.
    Escape,
    /// Submits the form while the button for it is on view.
    Enter,
}

const KEYS: [(Key, &str); 3] =
    [(Key::Backspace, "backspace"), (Key::Escape, "escape"), (Key::Enter, "enter")];

impl Key {
    fn name(self) -> &'static str {
        KEYS.iter().find(|(key, _)| *key == self).map_or("", |(_, name)| name)
    }
}

/// An action on a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Clicks a pixel.
    Click(Click),
    /// Types a text into the focused field.
    Type(String),
    /// Scrolls by so many pixels to the right and down.
    Scroll(i32, i32),
    /// Presses a key.
    Press(Key),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Click(click) => click.fmt(f),
            Self::Type(text) => write!(f, "type(\"{text}\")"),
            Self::Scroll(dx, dy) => write!(f, "scroll({dx},{dy})"),
            Self::Press(key) => write!(f, "press({})", key.name()),
        }
    }
}

/// What a click can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A field, a closed list or a check box.
    Whole(usize),
    /// A radio button, or a word of an open list.
    Option(usize, usize),
    Submit,
}

impl Form {
    fn controls(&self) -> &[Control] {
        &self.task.controls
    }

    /// Rows on view under the title.
    fn view_rows(&self) -> usize {
        (self.task.panel.h / UNIT) as usize - 1
    }

    /// The row of the button that submits: the last one.
    fn submit_row(&self) -> usize {
        self.controls().len()
    }

    fn last_offset(&self) -> usize {
        (self.submit_row() + 1).saturating_sub(self.view_rows())
    }

    fn is_on_view(&self, row: usize) -> bool {
        (self.now.offset..self.now.offset + self.view_rows()).contains(&row)
    }

    /// The whole row on the screen; only for rows on view.
    fn row_area(&self, row: usize) -> Area {
        let panel = self.task.panel;
        let down = (1 + row - self.now.offset) as u32;
        Area { x: panel.x, y: panel.y + down * UNIT, w: panel.w, h: UNIT }
    }

    /// The part of a row right of the label.
    fn control_area(&self, row: usize) -> Area {
        let area = self.row_area(row);
        let label = label_width(area.w);
        Area { x: area.x + label, y: area.y + 2, w: area.w - label - 8, h: UNIT - 4 }
    }

    fn submit_area(&self) -> Area {
        let row = self.row_area(self.submit_row());
        let width = (row.w / 2).min(5 * UNIT);
        Area { x: row.x + (row.w - width) / 2, y: row.y + 2, w: width, h: UNIT - 4 }
    }

    /// The words of an open list, one under the other, moved up where they would leave the panel.
    fn list_areas(&self, control: usize) -> Vec<Area> {
        let (panel, count) = (self.task.panel, self.controls()[control].options().len() as u32);
        let below = (2 + control).saturating_sub(self.now.offset) as u32;
        let first = below.min((panel.h / UNIT).saturating_sub(count));
        let x = panel.x + label_width(panel.w);
        (0..count)
            .map(|i| Area { x, y: panel.y + (first + i) * UNIT, w: panel.x + panel.w - x - 8, h: UNIT })
            .collect()
    }

    /// Everything that a click can hit now.
    fn parts(&self) -> Vec<(Part, Area)> {
        if let Some(open) = self.now.open {
            let areas = self.list_areas(open).into_iter().enumerate();
            return areas.map(|(i, area)| (Part::Option(open, i), area)).collect();
        }
        let mut parts = Vec::new();
        for (row, control) in self.controls().iter().enumerate().filter(|(row, _)| self.is_on_view(*row)) {
            let area = self.control_area(row);
            match control.kind {
                Kind::Text | Kind::Drop => parts.push((Part::Whole(row), area)),
                Kind::Check => parts.push((Part::Whole(row), Area { w: UNIT, ..area })),
                Kind::Radio => {
                    let count = control.options().len();
                    parts.extend((0..count).map(|i| (Part::Option(row, i), radio_area(area, i, count))));
                }
            }
        }
        if self.is_on_view(self.submit_row()) {
            parts.push((Part::Submit, self.submit_area()));
        }
        parts
    }

    fn find(&self, part: Part) -> Option<Click> {
        self.parts().into_iter().find(|(p, _)| *p == part).map(|(_, area)| area.middle())
    }

    fn blur(&mut self) {
        self.now.focus = None;
        self.now.marked = false;
    }

    fn submit(&mut self) {
        let right = self.controls().iter().zip(&self.now.values).all(|(c, v)| c.goal == *v);
        self.now.outcome = Some(if right { Outcome::Success } else { Outcome::Failure });
    }

    /// A click; false where it hits nothing. Beside an open list it closes the list and does no more.
    fn click(&mut self, click: Click) -> bool {
        let hit = self.parts().into_iter().find(|(_, area)| area.contains(click)).map(|(part, _)| part);
        if let Some(open) = self.now.open.take() {
            if let Some(Part::Option(_, i)) = hit {
                self.now.values[open] = Value::Pick(Some(i));
            }
            return true;
        }
        let Some(part) = hit else { return false };
        self.blur();
        match part {
            Part::Submit => self.submit(),
            Part::Option(row, i) => self.now.values[row] = Value::Pick(Some(i)),
            Part::Whole(row) => match self.controls()[row].kind {
                Kind::Text => (self.now.focus, self.now.marked) = (Some(row), true),
                Kind::Check => {
                    let off = self.now.values[row] == Value::Pick(None);
                    self.now.values[row] = Value::Pick(off.then_some(0));
                }
                _ => self.now.open = Some(row),
            },
        }
        true
    }

    /// The focused field, its text, and whether it is marked.
    fn focused(&self) -> Option<(usize, &str, bool)> {
        let row = self.now.focus?;
        match self.now.values.get(row)? {
            Value::Text(text) => Some((row, text, self.now.marked)),
            Value::Pick(_) => None,
        }
    }

    fn type_text(&mut self, typed: &str) -> bool {
        let Some((row, text, marked)) = self.focused() else { return false };
        let text = if marked { typed.to_string() } else { format!("{text}{typed}") };
        if text.len() > MAX_TEXT {
            return false;
        }
        self.now.values[row] = Value::Text(text);
        self.now.marked = false;
        true
    }

    fn press(&mut self, key: Key) -> bool {
        match key {
            Key::Escape => self.now.open.take().is_some(),
            Key::Enter if self.now.open.is_none() && self.is_on_view(self.submit_row()) => {
                self.submit();
                true
            }
            Key::Enter => false,
            Key::Backspace => {
                let Some((row, text, marked)) = self.focused() else { return false };
                if text.is_empty() {
                    return false;
                }
                let left = if marked { String::new() } else { text[..text.len() - 1].to_string() };
                self.now.values[row] = Value::Text(left);
                self.now.marked = false;
                true
            }
        }
    }

    /// Scrolls by whole rows. Not while a list is open; the focus is lost.
    fn scroll(&mut self, dy: i32) -> bool {
        let rows = i64::from(dy) / i64::from(UNIT);
        let wanted = self.now.offset as i64 + rows;
        let offset = usize::try_from(wanted.max(0)).unwrap_or(0).min(self.last_offset());
        if self.now.open.is_some() || offset == self.now.offset {
            return false;
        }
        self.now.offset = offset;
        self.blur();
        true
    }

    fn act(&mut self, action: &Act) -> bool {
        match action {
            Act::Click(click) => self.click(*click),
            Act::Type(_) if self.now.open.is_some() => false,
            Act::Type(text) => self.type_text(text),
            Act::Scroll(_, dy) => self.scroll(*dy),
            Act::Press(key) => self.press(*key),
        }
    }

    /// Controls that are not yet as wanted, by row. A choice that should be empty again stays out: no
    /// action can empty it.
    fn pending(&self) -> Vec<usize> {
        let open = self.controls().iter().zip(&self.now.values).enumerate();
        open.filter(|(_, (c, v))| c.goal != **v && (c.goal != Value::Pick(None) || c.kind == Kind::Check))
            .map(|(row, _)| row)
            .collect()
    }

    /// How to mend the focused field from the keyboard, where that takes no more than the two actions of
    /// marking it by a click and typing it anew.
    fn mend(&self) -> Option<Act> {
        let (row, text, marked) = self.focused()?;
        let Value::Text(goal) = &self.controls()[row].goal else { return None };
        if text == goal {
            return None;
        }
        if marked && goal.is_empty() {
            return Some(Act::Press(Key::Backspace));
        }
        if marked {
            return Some(Act::Type(goal.clone()));
        }
        let shared = text.bytes().zip(goal.bytes()).take_while(|(a, b)| a == b).count();
        let (surplus, missing) = (text.len() - shared, &goal[shared..]);
        match surplus + usize::from(!missing.is_empty()) {
            1 | 2 if surplus > 0 => Some(Act::Press(Key::Backspace)),
            1 | 2 => Some(Act::Type(missing.into())),
            _ => None,
        }
    }

    /// Where to scroll to when all on view is as wanted: with as few stops as possible over the rows that
    /// the last stop, which shows the button, does not show.
    fn next_offset(&self, pending: &[usize]) -> usize {
        let last = self.last_offset();
        pending.iter().copied().find(|row| *row < last).unwrap_or(last)
    }

    /// The next of the fewest actions. Every control has a fixed price (a field two actions, a list two,
    /// others one), and a focused field or open list is cheapest now, so it comes first; the rest goes
    /// from top to bottom.
    fn plan(&self) -> Act {
        let pending = self.pending();
        if let Some(open) = self.now.open {
            let wanted = match self.controls()[open].goal {
                Value::Pick(Some(i)) if pending.contains(&open) => self.find(Part::Option(open, i)),
                _ => None,
            };
            return wanted.map_or(Act::Press(Key::Escape), Act::Click);
        }
        if let Some(act) = self.mend() {
            return act;
        }
        let part = match pending.iter().find(|row| self.is_on_view(**row)) {
            Some(&row) => match (self.controls()[row].kind, &self.controls()[row].goal) {
                (Kind::Radio, Value::Pick(Some(i))) => Part::Option(row, *i),
                _ => Part::Whole(row),
            },
            None => Part::Submit,
        };
        let ready = part != Part::Submit || pending.is_empty();
        match self.find(part).filter(|_| ready) {
            Some(click) => Act::Click(click),
            None => {
                let rows = self.next_offset(&pending) as i32 - self.now.offset as i32;
                Act::Scroll(0, rows * UNIT as i32)
            }
        }
    }

    /// Actions that the plan takes from here to the end.
    fn fewest(&self) -> usize {
        let mut walker = self.clone();
        let mut count = 0;
        while walker.now.outcome.is_none() && count < 1000 {
            walker.act(&walker.plan());
            count += 1;
        }
        count
    }

    fn count_turn(&mut self) {
        self.now.turn += 1;
        if self.now.turn >= self.task.max_turns && self.now.outcome.is_none() {
            self.now.outcome = Some(Outcome::Truncated);
        }
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    /// The word that a row of the perception text has for a control's kind.
    fn line(&self, row: usize) -> String {
        let control = &self.controls()[row];
        let focus = if self.now.focus == Some(row) { " focus" } else { "" };
        format!("{} {:?} {}{focus}", control.name(), control.kind, control.say(&self.now.values[row]))
    }

    fn draw_row(&self, screen: &mut Screen, row: usize) {
        let (control, value) = (&self.controls()[row], &self.now.values[row]);
        let (label, area) = (self.row_area(row), self.control_area(row));
        let ink = screen.colors.ink;
        let width = label_width(label.w) - 10;
        screen.text(control.name(), Area { x: label.x + 6, w: width, ..label }, ink);
        match (control.kind, value) {
            (Kind::Text, Value::Text(text)) => {
                let focused = self.now.focus == Some(row);
                if focused && self.now.marked && !text.is_empty() {
                    screen.button(area, "");
                    let color = screen.colors.on_accent;
                    screen.text(text, Area { x: area.x + 5, w: area.w - 9, ..area }, color);
                } else {
                    screen.field(area, text, ink, focused);
                }
            }
            (Kind::Radio, Value::Pick(pick)) => {
                let count = control.options().len();
                for (i, word) in control.options().iter().enumerate() {
                    screen.radio(radio_area(area, i, count), word, *pick == Some(i));
                }
            }
            (Kind::Check, Value::Pick(pick)) => screen.check(Area { w: UNIT, ..area }, "", pick.is_some()),
            _ => screen.drop_down(area, &control.say(value)),
        }
    }

    /// A bar at the right edge: which part of the form is on view.
    fn draw_scroll_bar(&self, screen: &mut Screen) {
        let (panel, rows) = (self.task.panel, self.submit_row() + 1);
        if self.last_offset() == 0 {
            return;
        }
        let height = panel.h - UNIT;
        let part = |n: usize| height * n as u32 / rows as u32;
        let track = Area { x: panel.x + panel.w - 5, y: panel.y + UNIT, w: 5, h: height };
        let (line, faint) = (screen.colors.line, screen.colors.faint);
        screen.fill(track, line);
        screen.fill(Area { y: track.y + part(self.now.offset), h: part(self.view_rows()), ..track }, faint);
    }
}

impl Env for Form {
    type Action = Act;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let style = Style::new(knobs);
        let mut rng = seed.split("form", 0).rng();
        let panel = place_panel(&mut rng, style.size);
        let (asked, others) = (knobs.size("fields"), knobs.size("distractors"));
        let prefilled = knobs.float("prefilled");
        let mut labels = draw_labels(&mut rng, knobs.choice("kinds"), asked + others);
        let mut is_asked: Vec<bool> = (0..labels.len()).map(|i| i < asked).collect();
        rng.shuffle(&mut is_asked);
        let mut values = Vec::new();
        let mut controls: Vec<Control> = Vec::new();
        for ((kind, label), asked) in labels.drain(..).zip(is_asked) {
            let mut control = Control { kind, label, asked, goal: Value::Pick(None) };
            let start = if rng.chance(prefilled) { some_value(&mut rng, &control) } else { no_value(kind) };
            // A check box that is off is to be switched on, or there would be nothing to do.
            let either = kind == Kind::Check && start != no_value(kind) && rng.chance(0.5);
            control.goal = match asked {
                true if either => no_value(kind),
                true => some_value(&mut rng, &control),
                false => start.clone(),
            };
            values.push(start);
            controls.push(control);
        }
        let decay = knobs.float("decay") as f32;
        let mut task = Task { style, panel, controls, decay, max_turns: 1000 };
        let now = Now { values, focus: None, marked: false, open: None, offset: 0, turn: 0, outcome: None };
        let form = Self { task: Arc::new(task.clone()), now };
        task.max_turns = form.fewest() + knobs.size("slack");
        Ok(Self { task: Arc::new(task), now: form.now })
    }

    fn rules(&self) -> String {
        let asked = self.controls().iter().filter(|c| c.asked);
        let wanted: Vec<String> = asked.map(|c| format!("{} {}", c.name(), c.say(&c.goal))).collect();
        let (width, height) = self.task.style.size;
        format!("Set {}. Leave the rest, then submit. The picture is {width} by {height}.", wanted.join(", "))
    }

    fn render(&self) -> Image {
        let mut screen = Screen::new(&self.task.style);
        let (panel, line) = (self.task.panel, screen.colors.line);
        if (panel.w, panel.h) != self.task.style.size {
            let (x, y) = (panel.x.saturating_sub(1), panel.y.saturating_sub(1));
            screen.fill(Area { x, y, w: panel.w + 2, h: panel.h + 2 }, line);
            let page = screen.colors.page;
            screen.fill(panel, page);
        }
        screen.bar(Area { h: UNIT, ..panel }, "Form");
        (0..self.controls().len())
            .filter(|row| self.is_on_view(*row))
            .for_each(|row| self.draw_row(&mut screen, row));
        if self.is_on_view(self.submit_row()) {
            screen.button(self.submit_area(), "Submit");
        }
        self.draw_scroll_bar(&mut screen);
        if let Some(open) = self.now.open {
            let (accent, ink) = (screen.colors.accent, screen.colors.ink);
            for (area, word) in self.list_areas(open).into_iter().zip(self.controls()[open].options()) {
                screen.card(area, accent);
                screen.text(word, Area { x: area.x + 6, w: area.w - 12, ..area }, ink);
            }
        }
        screen.canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Act, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        if let Some(text) = screen::inner(answer, "type(\"", "\")") {
            let plain = (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(is_plain);
            return plain.then(|| Act::Type(text.into())).ok_or_else(wrong);
        }
        if let Some(text) = screen::inner(answer, "scroll(", ")") {
            return screen::pair(text).map(|(dx, dy)| Act::Scroll(dx, dy)).ok_or_else(wrong);
        }
        if let Some(name) = screen::inner(answer, "press(", ")") {
            let key = KEYS.iter().find(|(_, word)| *word == name);
            return key.map(|(key, _)| Act::Press(*key)).ok_or_else(wrong);
        }
        Click::parse(answer, self.task.style.size, GRAMMAR).map(Act::Click)
    }

    /// MiniWoB's reward with time counted in turns: success, of which the share `decay` shrinks evenly
    /// from the first turn to the last.
    fn step(&mut self, action: &Act) -> Step {
        if self.now.outcome.is_some() {
            return self.report(0.0, false);
        }
        let spent = self.now.turn as f32 / self.task.max_turns.max(1) as f32;
        let legal = self.act(action);
        self.count_turn();
        let right = self.now.outcome == Some(Outcome::Success);
        self.report(if right { 1.0 - self.task.decay * spent } else { 0.0 }, legal)
    }

    fn pass(&mut self) -> Step {
        if self.now.outcome.is_none() {
            self.count_turn();
        }
        self.report(0.0, false)
    }

    /// A next action of a shortest way to a right form that is submitted.
    fn oracle(&self) -> Act {
        self.plan()
    }

    /// What is still wrong on view, as "name has value wants value", then where the click goes.
    fn reason(&self, action: &Act) -> String {
        const NAMED: usize = 3;
        let pending = self.pending();
        let wrong = |row: &usize| {
            let control = &self.controls()[*row];
            let (has, wants) = (control.say(&self.now.values[*row]), control.say(&control.goal));
            let word = |text: String| if text == "-" { "nothing".into() } else { hyphenate(&text) };
            format!("{} has {} wants {}", control.name(), word(has), word(wants))
        };
        let listed: Vec<String> = pending.iter().take(NAMED).map(wrong).collect();
        let mut text = if listed.is_empty() { "all is right".into() } else { listed.join(" ") };
        if pending.len() > NAMED {
            text += &format!(" and {} more", pending.len() - NAMED);
        }
        match action {
            Act::Click(click) => {
                let hit = self.parts().into_iter().find(|(_, area)| area.contains(*click));
                text += &match hit {
                    Some((Part::Submit, _)) => " click Submit".into(),
                    Some((Part::Whole(row), _)) => format!(" click {}", self.controls()[row].name()),
                    Some((Part::Option(row, i), _)) => {
                        let control = &self.controls()[row];
                        format!(" click {} {}", control.name(), control.options()[i])
                    }
                    None => " click nothing".into(),
                };
                text + &format!(" middle {} {}", click.x, click.y)
            }
            Act::Type(_) => text + " type it",
            Act::Scroll(_, dy) => text + &format!(" out of view scroll {dy}"),
            Act::Press(Key::Escape) => text + " close the list",
            Act::Press(_) => text + " press the key",
        }
    }

    fn truth_forms() -> &'static [TruthForm] {
        TRUTH
    }

    fn truths(&self) -> Map<String, Json> {
        let target = match self.plan() {
            Act::Click(click) => {
                let hit = self.parts().into_iter().find(|(_, area)| area.contains(click));
                let place = hit.map_or(json!([click.x, click.y]), |(_, area)| json!(area.corners()));
                json!({ "action": "click", "bbox": place })
            }
            Act::Type(text) => json!({ "action": "type", "text": text }),
            Act::Scroll(_, dy) => {
                json!({ "action": "scroll", "direction": if dy < 0 { "up" } else { "down" } })
            }
            Act::Press(key) => json!({ "action": "press", "text": key.name() }),
        };
        kit::truths([("target", target)])
    }

    /// The title with the row and column of its corner on a grid of 28 px. Then one line a row on view:
    /// label, kind, value (`-` for none), `focus` where typing goes; the button; the words of an open list.
    fn perception(&self) -> Perception {
        let rows: Vec<usize> = (0..self.controls().len()).filter(|row| self.is_on_view(*row)).collect();
        let mut lines = vec![format!("Form {} {}", self.task.panel.y / UNIT, self.task.panel.x / UNIT)];
        lines.extend(rows.iter().map(|row| self.line(*row)));
        if self.is_on_view(self.submit_row()) {
            lines.push("Submit".into());
        }
        if let Some(open) = self.now.open {
            lines.push(format!("list {}", self.controls()[open].options().join(" ")));
        }
        let controls: Vec<_> = rows
            .iter()
            .map(|row| {
                let (control, value) = (&self.controls()[*row], &self.now.values[*row]);
                let value = (*value != no_value(control.kind)).then(|| control.say(value));
                json!({
                    "label": control.name(), "kind": control.kind, "value": value,
                    "box": self.control_area(*row).corners(), "focus": self.now.focus == Some(*row),
                })
            })
            .collect();
        let open = self.now.open.map(|open| self.controls()[open].options());
        let data = json!({
            "panel": self.task.panel.corners(), "controls": controls, "list": open,
            "offset": self.now.offset, "rows": self.submit_row() + 1,
        });
        Perception { text: lines.join("\n"), data }
    }

    /// The middle of everything that a click can hit; a sample text and backspace where a field has the
    /// focus; one row up and down; the keys that do something.
    fn legal_actions(&self) -> Vec<Act> {
        if self.now.outcome.is_some() {
            return Vec::new();
        }
        let mut acts: Vec<Act> = self.parts().iter().map(|(_, area)| Act::Click(area.middle())).collect();
        let row = UNIT as i32;
        let further = [Act::Type("a".into()), Act::Scroll(0, -row), Act::Scroll(0, row)];
        let keys = KEYS.map(|(key, _)| Act::Press(key));
        acts.extend(further.into_iter().chain(keys).filter(|act| self.clone().act(act)));
        acts
    }

    /// Half of the time a click anywhere, else a word, a turn of the wheel or a key.
    fn guess(&self, rng: &mut Rng) -> Option<Act> {
        let word = |rng: &mut Rng| {
            let labels = TEXTS[rng.below(TEXTS.len())].1;
            Act::Type(labels[rng.below(labels.len())].into())
        };
        let guess = match rng.below(8) {
            0 | 1 => word(rng),
            2 => Act::Scroll(0, UNIT as i32 * rng.between(-8, 8) as i32),
            3 => Act::Press(KEYS[rng.below(KEYS.len())].0),
            _ => Act::Click(Click::random(rng, self.task.style.size)),
        };
        self.now.outcome.is_none().then_some(guess)
    }

    fn status(&self) -> Status {
        self.now.outcome.map_or(Status::Running, Status::Done)
    }
}

/// Printable ASCII without the quotation mark that ends a text.
fn is_plain(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) && byte != b'"'
}

/// A text as one plain word.
fn hyphenate(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// The width of the labels on a panel.
fn label_width(panel: u32) -> u32 {
    (panel * 3 / 8).min(4 * UNIT)
}

/// The `i`-th of `count` radio buttons in the area of their control.
fn radio_area(area: Area, i: usize, count: usize) -> Area {
    let width = (area.w / count.max(1) as u32).min(3 * UNIT);
    Area { x: area.x + i as u32 * width, w: width, ..area }
}

/// The whole screen, or a panel somewhere on a large one.
fn place_panel(rng: &mut Rng, (width, height): (u32, u32)) -> Area {
    let (w, h) = (width.min(PANEL.0), height.min(PANEL.1));
    let mut place = |side: u32, own: u32| match (side - own) / UNIT {
        0 => 0,
        // Not at the very edge, so that its frame is on the screen.
        free => UNIT * rng.between(1, i64::from(free) - 1).clamp(1, 100) as u32,
    };
    let (x, y) = (place(width, w), place(height, h));
    Area { x, y, w, h }
}

/// Distinct controls; as many of each kind as chance gives.
fn draw_labels(rng: &mut Rng, kinds: &str, count: usize) -> Vec<(Kind, usize)> {
    let kinds: &[Kind] = match kinds {
        "text" => &[Kind::Text],
        "picks" => &[Kind::Radio, Kind::Drop, Kind::Check],
        _ => &[Kind::Text, Kind::Radio, Kind::Drop, Kind::Check],
    };
    let mut drawn: Vec<(Kind, usize)> = Vec::new();
    while drawn.len() < count.min(18) {
        let Some(&kind) = rng.choose(kinds) else { break };
        let control = (kind, rng.below(kind.labels()));
        if !drawn.contains(&control) {
            drawn.push(control);
        }
    }
    drawn
}

fn no_value(kind: Kind) -> Value {
    if kind == Kind::Text { Value::Text(String::new()) } else { Value::Pick(None) }
}

fn some_value(rng: &mut Rng, control: &Control) -> Value {
    let index = rng.below(control.options().len());
    if control.kind == Kind::Text {
        return Value::Text(control.options().get(index).copied().unwrap_or("Ann").into());
    }
    Value::Pick(Some(index))
}

#[cfg(test)]
mod tests;
