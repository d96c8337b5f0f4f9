//! Point at: give one pixel of the object that a phrase names. One turn.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::scene::{Item, Kind, Layout, Scene, Theme, Tint, coordinate, shape_word};
use crate::draw::Shape;
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "(x, y)";

const SPEC: EnvSpec = EnvSpec {
    id: "point-at",
    group: EnvGroup::Perception,
    title: "Point at",
    summary: "Coloured shapes and a phrase: give one pixel of the shape that the phrase names.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "the point lies on the visible part of the object (1 or 0)",
    pixel_answers: true,
    players: 1,
    source: "VisGym referring_dot_pointing; grounded-rl",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("objects", Axis::Perception, 3, 24, 4, "objects in the picture").dialled(3.0, 16.0),
    KnobSpec::int("colors", Axis::Reasoning, 2, 8, 6, "how many colours there are; fewer make objects alike")
        .dialled(6.0, 3.0),
    KnobSpec::int("shapes", Axis::Reasoning, 2, 6, 4, "how many shapes there are; fewer make objects alike")
        .dialled(4.0, 3.0),
    KnobSpec::choice(
        "phrase",
        Axis::Reasoning,
        &["attribute", "extreme", "nearest", "mixed"],
        "attribute",
        "how the object is named: colour and shape; an extreme within a group; nearest to another; any",
    )
    .dialled(0.0, 3.0),
    KnobSpec::float("overlap", Axis::Perception, 0.0, 0.7, 0.0, "share of an object that others may hide")
        .dialled(0.0, 0.5),
    Layout::CANVAS.dialled_by(112.0, 224.0, 28.0),
    Layout::SIZE.dialled(40.0, 18.0),
    Layout::CLUTTER.dialled(0.0, 20.0),
    Theme::KNOB,
];

/// An extreme must lead by this many pixels, so that the phrase is not decided by a hair.
const MARGIN_PX: u32 = 4;

/// How many scenes are drawn until the wanted sort of phrase fits one.
const SCENE_TRIES: u64 = 200;

/// How many points [`Env::legal_actions`] samples.
const SAMPLED_POINTS: usize = 16;

/// Of a group, a reason lists no more objects than this.
const LISTED: usize = 12;

/// The objects that a phrase ranges over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Group {
    Shape(Shape),
    Tint(Tint),
}

impl Group {
    fn has(self, item: &Item) -> bool {
        match self {
            Self::Shape(shape) => item.kind.shape == shape,
            Self::Tint(tint) => item.kind.tint == tint,
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(shape) => f.write_str(&shape_word(*shape)),
            Self::Tint(tint) => write!(f, "{} object", tint.word()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Extreme {
    Leftmost,
    Rightmost,
    Topmost,
    Lowest,
    Largest,
    Smallest,
}

impl Extreme {
    const ALL: [Self; 6] =
        [Self::Leftmost, Self::Rightmost, Self::Topmost, Self::Lowest, Self::Largest, Self::Smallest];

    fn word(self) -> &'static str {
        match self {
            Self::Leftmost => "leftmost",
            Self::Rightmost => "rightmost",
            Self::Topmost => "topmost",
            Self::Lowest => "lowest",
            Self::Largest => "largest",
            Self::Smallest => "smallest",
        }
    }

    /// What is compared, in pixels: the centre or the side.
    fn key(self, item: &Item) -> u32 {
        match self {
            Self::Leftmost | Self::Rightmost => item.x + item.side / 2,
            Self::Topmost | Self::Lowest => item.y + item.side / 2,
            Self::Largest | Self::Smallest => item.side,
        }
    }

    fn wants_most(self) -> bool {
        matches!(self, Self::Rightmost | Self::Lowest | Self::Largest)
    }
}

/// How the object is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phrase {
    /// By colour and shape, which no other object shares.
    Attribute,
    /// As the extreme of a group of two or more.
    Extreme(Extreme, Group),
    /// As the one of a group of two or more that is nearest to another object, which is named by its
    /// colour and shape and does not belong to the group.
    Nearest(usize, Group),
}

impl Phrase {
    /// What is compared, in pixels.
    fn key(self, items: &[Item], item: &Item) -> u32 {
        match self {
            Self::Attribute => 0,
            Self::Extreme(extreme, _) => extreme.key(item),
            Self::Nearest(anchor, _) => items.get(anchor).map_or(0, |a| a.far(item).isqrt() / 2),
        }
    }

    fn group(self) -> Option<Group> {
        match self {
            Self::Attribute => None,
            Self::Extreme(_, group) | Self::Nearest(_, group) => Some(group),
        }
    }

    /// The object that leads its group by the margin.
    fn target(self, items: &[Item]) -> Option<usize> {
        let group = self.group()?;
        let members = items.iter().enumerate().filter(|(_, item)| group.has(item));
        let mut order: Vec<(u32, usize)> = members.map(|(i, item)| (self.key(items, item), i)).collect();
        order.sort_unstable();
        if matches!(self, Self::Extreme(extreme, _) if extreme.wants_most()) {
            order.reverse();
        }
        let [(first, target), (second, _), ..] = order[..] else { return None };
        (first.abs_diff(second) >= MARGIN_PX).then_some(target)
    }
}

/// An answer: a point in pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    x: f32,
    y: f32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.x, self.y)
    }
}

/// The state of a pointing task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct PointAt {
    scene: Scene,
    phrase: Phrase,
    target: usize,
    /// Where the sampled points of [`Env::legal_actions`] come from.
    points: Seed,
    outcome: Option<Outcome>,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    scene: Scene,
    phrase: Phrase,
    target: usize,
    points: Seed,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for PointAt {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Unchecked { scene, phrase, target, points, outcome } = raw;
        let count = scene.items().len();
        if target >= count || matches!(phrase, Phrase::Nearest(anchor, _) if anchor >= count) {
            return Err("the phrase is about an object that is not there".into());
        }
        Ok(Self { scene, phrase, target, points, outcome })
    }
}

impl PointAt {
    fn item(&self, index: usize) -> &Item {
        &self.scene.items()[index]
    }

    fn text(&self) -> String {
        match self.phrase {
            Phrase::Attribute => self.item(self.target).kind.words(),
            Phrase::Extreme(extreme, group) => format!("{} {group}", extreme.word()),
            Phrase::Nearest(anchor, group) => {
                format!("{group} nearest to the {}", self.item(anchor).kind.words())
            }
        }
    }

    /// The pixel that a point lies in; the last one for a point on the far edge.
    fn hits(&self, point: &Point) -> bool {
        let last = self.scene.side() - 1;
        let pixel = |v: f32| (v as u32).min(last);
        self.scene.at(pixel(point.x), pixel(point.y)) == Some(self.target)
    }

    /// The visible pixel nearest to the middle of the object, with visible ones all around it where
    /// there is such a pixel.
    fn heart(&self) -> Point {
        let item = self.item(self.target);
        let seen = |x: u32, y: u32| self.scene.at(x, y) == Some(self.target);
        let middle = |v: u32| v + item.side / 2;
        let from_middle = |x: u32, y: u32| x.abs_diff(middle(item.x)) + y.abs_diff(middle(item.y));
        let box_pixels =
            || (item.y..item.y + item.side).flat_map(|y| (item.x..item.x + item.side).map(move |x| (x, y)));
        let around = |x: u32, y: u32| {
            let beside = |v: u32| v.saturating_sub(1)..=v + 1;
            beside(y).all(|ny| beside(x).all(|nx| seen(nx, ny)))
        };
        let mut order: Vec<(u32, u32, u32)> = box_pixels().map(|(x, y)| (from_middle(x, y), x, y)).collect();
        order.sort_unstable();
        let inner = order.iter().find(|(_, x, y)| around(*x, *y));
        let any = inner.or_else(|| order.iter().find(|(_, x, y)| seen(*x, *y)));
        let (x, y) = any.map_or((middle(item.x), middle(item.y)), |(_, x, y)| (*x, *y));
        Point { x: x as f32, y: y as f32 }
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }
}

impl Env for PointAt {
    type Action = Point;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let forms = ["attribute", "extreme", "nearest"];
        let mut rng = seed.split("phrase", 0).rng();
        let wanted = knobs.choice("phrase");
        let form = forms.iter().position(|f| *f == wanted).unwrap_or_else(|| rng.below(forms.len()));
        let layout = Layout::from_knobs(knobs);
        for attempt in 0..SCENE_TRIES {
            let seed = seed.split("scene", attempt);
            let mut rng = seed.split("objects", 0).rng();
            let (kinds, named) = draw_kinds(&mut rng, knobs);
            let Some(scene) = Scene::draw_lots(seed, &kinds, layout) else { continue };
            let phrases = match form {
                0 => vec![(Phrase::Attribute, named)],
                1 => extremes(scene.items()),
                _ => nearest(scene.items(), named),
            };
            if let Some(&(phrase, target)) = rng.choose(&phrases) {
                return Ok(Self { scene, phrase, target, points: seed.split("points", 0), outcome: None });
            }
        }
        let detail = format!("no scene with {} objects has such a phrase", knobs.size("objects"));
        Err(KnobError::Conflict { env: SPEC.id.into(), detail })
    }

    fn rules(&self) -> String {
        let side = self.scene.side();
        format!("Point at the {}. Give one pixel on it; the picture is {side} by {side}.", self.text())
    }

    fn render(&self) -> Image {
        self.scene.canvas().into_image()
    }

    fn parse(&self, answer: &str) -> Result<Point, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let inner = answer.trim().strip_prefix('(').and_then(|s| s.strip_suffix(')')).ok_or_else(wrong)?;
        let (x, y) = inner.split_once(',').ok_or_else(wrong)?;
        let point = Point { x: coordinate(x).ok_or_else(wrong)?, y: coordinate(y).ok_or_else(wrong)? };
        let side = self.scene.side() as f32;
        if [point.x, point.y].iter().any(|v| !(0.0..=side).contains(v)) {
            return Err(ParseError::range(answer, format!("the picture is {side} by {side}")));
        }
        Ok(point)
    }

    fn step(&mut self, action: &Point) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let hit = self.hits(action);
        self.outcome = Some(if hit { Outcome::Success } else { Outcome::Failure });
        self.report(if hit { 1.0 } else { 0.0 }, true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, false)
    }

    fn oracle(&self) -> Point {
        self.heart()
    }

    /// For a comparison: what it starts from, the objects of the group in reading order with the
    /// number that is compared, and the word; then the object that the phrase means, as its line in
    /// the perception text says it.
    fn reason(&self, _action: &Point) -> String {
        let items = self.scene.items();
        let mut words = Vec::new();
        if let Phrase::Nearest(anchor, _) = self.phrase {
            words.push(self.item(anchor).line());
        }
        if let Some(group) = self.phrase.group() {
            let lead = self.phrase.key(items, self.item(self.target));
            let away = |i: usize| self.phrase.key(items, &items[i]).abs_diff(lead);
            let mut members: Vec<usize> =
                self.scene.reading().into_iter().filter(|i| group.has(&items[*i])).collect();
            if members.len() > LISTED {
                let mut order: Vec<u32> = members.iter().map(|i| away(*i)).collect();
                order.sort_unstable();
                members.retain(|i| away(*i) <= order[LISTED - 1]);
                members.truncate(LISTED);
            }
            let one = |i: &usize| format!("{} {}", items[*i].kind.name(), self.phrase.key(items, &items[*i]));
            words.extend(members.iter().map(one));
            words.push(match self.phrase {
                Phrase::Extreme(extreme, _) => extreme.word().into(),
                _ => "nearest".into(),
            });
        }
        words.push(self.item(self.target).line());
        words.join(" ")
    }

    fn perception(&self) -> Perception {
        let Perception { text, mut data } = self.scene.perception();
        data["target"] = json!(self.item(self.target).corners());
        Perception { text, data }
    }

    /// Points at random places, always the same for one state.
    fn legal_actions(&self) -> Vec<Point> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let mut rng = self.points.rng();
        (0..SAMPLED_POINTS).map(|_| any_point(&mut rng, self.scene.side())).collect()
    }

    fn guess(&self, rng: &mut Rng) -> Option<Point> {
        self.outcome.is_none().then(|| any_point(rng, self.scene.side()))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

fn any_point(rng: &mut Rng, side: u32) -> Point {
    let mut at = || rng.below(side as usize) as f32;
    Point { x: at(), y: at() }
}

/// The objects' kinds from back to front, and which of them is the one that no other is like.
fn draw_kinds(rng: &mut Rng, knobs: &Knobs) -> (Vec<Kind>, usize) {
    let kinds = Kind::some(rng, knobs.size("colors"), knobs.size("shapes"));
    let count = knobs.size("objects").max(1);
    let special = rng.below(kinds.len());
    let mut drawn: Vec<Kind> = (1..count)
        .filter_map(|_| {
            let other = rng.below(kinds.len().saturating_sub(1));
            kinds.get(if other >= special { other + 1 } else { other }).copied()
        })
        .collect();
    let named = rng.below(count);
    drawn.insert(named.min(drawn.len()), kinds[special]);
    (drawn, named)
}

/// The groups that some of the objects form.
fn groups(items: &[Item]) -> Vec<Group> {
    let all = Shape::ALL.into_iter().map(Group::Shape).chain(Tint::ALL.into_iter().map(Group::Tint));
    all.filter(|group| items.iter().any(|item| group.has(item))).collect()
}

/// Every extreme of every group that leads by the margin.
fn extremes(items: &[Item]) -> Vec<(Phrase, usize)> {
    let phrases = groups(items)
        .into_iter()
        .flat_map(|group| Extreme::ALL.into_iter().map(move |extreme| Phrase::Extreme(extreme, group)));
    phrases.filter_map(|phrase| Some((phrase, phrase.target(items)?))).collect()
}

/// Every group without `anchor` of which one is nearest to it by the margin.
fn nearest(items: &[Item], anchor: usize) -> Vec<(Phrase, usize)> {
    let phrases = groups(items)
        .into_iter()
        .filter(|group| !group.has(&items[anchor]))
        .map(|group| Phrase::Nearest(anchor, group));
    phrases.filter_map(|phrase| Some((phrase, phrase.target(items)?))).collect()
}

#[cfg(test)]
mod tests;
