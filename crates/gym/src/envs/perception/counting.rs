//! Counting: how many objects of a scene are what a phrase says. One turn.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};

use super::scene::{COARSE_PX, Item, Kind, Layout, Scene, Theme, Tint, shape_plural, shape_word};
use crate::draw::Shape;
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "a whole number from 0 to 99";

const SPEC: EnvSpec = EnvSpec {
    id: "counting",
    group: EnvGroup::Perception,
    title: "Counting",
    summary: "Coloured shapes that may overlap: say how many of them are what the question asks for.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "the exact number (1 or 0)",
    pixel_answers: false,
    players: 1,
    source: "VisGym counting; PR1 counting",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("objects", Axis::Reasoning, 3, 40, 6, "most objects in the picture; two thirds at least")
        .dialled(4.0, 28.0),
    KnobSpec::choice(
        "question",
        Axis::Reasoning,
        &["class", "attribute", "logic", "mixed"],
        "class",
        "what is asked for: red stars; red objects or stars; both joined by or, not, nor; any of these",
    )
    .dialled(0.0, 3.0),
    KnobSpec::flag(
        "partial_credit",
        Axis::Reasoning,
        false,
        "reward 1 - |error| / objects instead of 1 for the exact number only",
    ),
    KnobSpec::int("colors", Axis::Perception, 2, 8, 4, "colours in the picture").dialled(3.0, 6.0),
    KnobSpec::int("shapes", Axis::Perception, 2, 6, 3, "shapes in the picture").dialled(2.0, 5.0),
    KnobSpec::float("overlap", Axis::Perception, 0.0, 0.7, 0.0, "share of an object that others may hide")
        .dialled(0.0, 0.6),
    Layout::CANVAS.dialled_by(112.0, 224.0, 28.0),
    Layout::SIZE.dialled(32.0, 30.0),
    Layout::CLUTTER.dialled(0.0, 16.0),
    Theme::KNOB,
];

/// The largest number that can be answered.
const MAX_ANSWER: u8 = 99;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Query {
    Both(Kind),
    Tint(Tint),
    Shape(Shape),
    Either(Kind),
    ButNot(Kind),
    Neither(Kind),
}

impl Query {
    fn wants(self, kind: Kind) -> bool {
        match self {
            Self::Both(k) => kind == k,
            Self::Tint(tint) => kind.tint == tint,
            Self::Shape(shape) => kind.shape == shape,
            Self::Either(k) => kind.tint == k.tint || kind.shape == k.shape,
            Self::ButNot(k) => kind.tint == k.tint && kind.shape != k.shape,
            Self::Neither(k) => kind.tint != k.tint && kind.shape != k.shape,
        }
    }

    /// A question about `kind`.
    fn draw(rng: &mut Rng, knob: &str, kind: Kind) -> Self {
        let form = match knob {
            "attribute" => 1 + rng.below(2),
            "logic" => 3 + rng.below(3),
            "mixed" => rng.below(6),
            _ => 0,
        };
        match form {
            0 => Self::Both(kind),
            1 => Self::Tint(kind.tint),
            2 => Self::Shape(kind.shape),
            3 => Self::Either(kind),
            4 => Self::ButNot(kind),
            _ => Self::Neither(kind),
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Both(Kind { tint, shape }) => write!(f, "{} {}", tint.word(), shape_plural(shape)),
            Self::Tint(tint) => write!(f, "{} objects", tint.word()),
            Self::Shape(shape) => write!(f, "{}", shape_plural(shape)),
            Self::Either(Kind { tint, shape }) => {
                write!(f, "objects that are {} or a {} or both", tint.word(), shape_word(shape))
            }
            Self::ButNot(Kind { tint, shape }) => {
                write!(f, "{} objects that are not {}", tint.word(), shape_plural(shape))
            }
            Self::Neither(Kind { tint, shape }) => {
                write!(f, "objects that are neither {} nor a {}", tint.word(), shape_word(shape))
            }
        }
    }
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(u8);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The state of a counting task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counting {
    scene: Scene,
    query: Query,
    /// The most objects there could have been.
    most: u8,
    partial_credit: bool,
    outcome: Option<Outcome>,
}

impl Counting {
    fn wanted(&self) -> impl Iterator<Item = &Item> {
        self.scene.items().iter().filter(|item| self.query.wants(item.kind))
    }

    fn count(&self) -> u8 {
        self.wanted().count() as u8
    }

    fn report(&self, reward: f32, score: f32, legal: bool) -> Step {
        Step { reward, score, legal, status: self.status() }
    }
}

impl Env for Counting {
    type Action = Count;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    /// The number is drawn first, evenly from none to all, then the objects: no number is likelier
    /// than another.
    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("objects", 0).rng();
        let most = knobs.size("objects");
        let total = rng.between((most as i64 * 2 + 2) / 3, most as i64) as usize;
        let number = rng.below(total + 1);
        let kinds = Kind::some(&mut rng, knobs.size("colors"), knobs.size("shapes"));
        let about = rng.choose(&kinds).copied().unwrap_or(Kind { tint: Tint::Red, shape: Shape::Star });
        let query = Query::draw(&mut rng, knobs.choice("question"), about);
        let (wanted, mut others): (Vec<Kind>, Vec<Kind>) = kinds.iter().partition(|k| query.wants(**k));
        // What shares the colour or the shape is twice as likely, so that both must be looked at.
        let near: Vec<Kind> =
            others.iter().copied().filter(|k| k.tint == about.tint || k.shape == about.shape).collect();
        others.extend(near);
        let mut drawn: Vec<Kind> = (0..total)
            .filter_map(|i| rng.choose(if i < number { &wanted } else { &others }).copied())
            .collect();
        rng.shuffle(&mut drawn);
        let scene =
            Scene::draw_lots(seed, &drawn, Layout::from_knobs(knobs)).ok_or_else(|| KnobError::Conflict {
                env: SPEC.id.into(),
                detail: format!("{total} objects do not fit into the picture"),
            })?;
        let partial_credit = knobs.flag("partial_credit");
        Ok(Self { scene, query, most: most as u8, partial_credit, outcome: None })
    }

    fn rules(&self) -> String {
        format!("How many {} are there? Objects may be partly hidden.", self.query)
    }

    fn render(&self) -> Image {
        self.scene.canvas().into_image()
    }

    fn parse(&self, answer: &str) -> Result<Count, ParseError> {
        let text = answer.trim();
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits || (text.len() > 1 && text.starts_with('0')) {
            return Err(ParseError::grammar(answer, GRAMMAR));
        }
        let small = text.parse().ok().filter(|n| *n <= MAX_ANSWER);
        small.map(Count).ok_or_else(|| ParseError::range(answer, format!("the largest is {MAX_ANSWER}")))
    }

    fn step(&mut self, action: &Count) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, 0.0, false);
        }
        let error = action.0.abs_diff(self.count());
        let exact = if error == 0 { 1.0 } else { 0.0 };
        let near = 1.0 - f32::from(error) / self.scene.items().len().max(1) as f32;
        let reward = if self.partial_credit { near.max(0.0) } else { exact };
        self.outcome = Some(if error == 0 { Outcome::Success } else { Outcome::Failure });
        self.report(reward, exact, true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, 0.0, false)
    }

    fn oracle(&self) -> Count {
        Count(self.count())
    }

    /// How many there are in each row of the coarse grid that has any, then all together.
    fn reason(&self, _action: &Count) -> String {
        let mut words = Vec::new();
        for row in 0..self.scene.side() / COARSE_PX + 1 {
            let count = self.wanted().filter(|item| item.coarse().0 == row).count();
            // Twelve rows are what a reason has room for; of a taller picture the total is still given.
            if count > 0 && words.len() < 12 {
                words.push(format!("row {row} {count}"));
            }
        }
        words.push(format!("total {}", self.count()));
        words.join(" ")
    }

    fn perception(&self) -> Perception {
        self.scene.perception()
    }

    fn legal_actions(&self) -> Vec<Count> {
        if self.outcome.is_some() { Vec::new() } else { (0..=MAX_ANSWER).map(Count).collect() }
    }

    /// Any number that this setting could have.
    fn guess(&self, rng: &mut Rng) -> Option<Count> {
        self.outcome.is_none().then(|| Count(rng.below(usize::from(self.most) + 1) as u8))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KnobValue;

    fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Counting {
        let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
        Counting::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
    }

    fn scene(kinds: &[Kind], query: Query) -> Counting {
        let items: Vec<Item> = kinds
            .iter()
            .zip(0..)
            .map(|(kind, i)| Item { kind: *kind, x: i % 4 * 28 + 4, y: i / 4 * 28 + 4, side: 20 })
            .collect();
        Counting { scene: Scene::of(&items), query, most: 6, partial_credit: false, outcome: None }
    }

    const RED_STAR: Kind = Kind { tint: Tint::Red, shape: Shape::Star };
    const RED_CROSS: Kind = Kind { tint: Tint::Red, shape: Shape::Cross };
    const BLUE_STAR: Kind = Kind { tint: Tint::Blue, shape: Shape::Star };
    const BLUE_DISC: Kind = Kind { tint: Tint::Blue, shape: Shape::Circle };

    #[test]
    fn questions_count_what_they_say() {
        let kinds = [RED_STAR, RED_STAR, RED_CROSS, BLUE_STAR, BLUE_DISC, BLUE_DISC, RED_CROSS, RED_CROSS];
        let cases = [
            (Query::Both(RED_STAR), 2, "How many red stars are there?"),
            (Query::Tint(Tint::Red), 5, "How many red objects are there?"),
            (Query::Shape(Shape::Cross), 3, "How many crosses are there?"),
            (Query::Either(RED_STAR), 6, "How many objects that are red or a star or both are there?"),
            (Query::ButNot(RED_STAR), 3, "How many red objects that are not stars are there?"),
            (Query::Neither(RED_STAR), 2, "How many objects that are neither red nor a star are there?"),
        ];
        for (query, count, text) in cases {
            let game = scene(&kinds, query);
            assert_eq!(game.oracle(), Count(count), "{text}");
            assert!(game.rules().starts_with(text), "{}", game.rules());
        }
        let game = scene(&kinds, Query::Tint(Tint::Red));
        assert_eq!(game.reason(&game.oracle()), "row 0 3 row 1 2 total 5");
        let game = scene(&kinds[3..4], Query::Tint(Tint::Red));
        assert_eq!(game.reason(&game.oracle()), "total 0");
        assert_eq!(game.perception().text, "BlueStar 0 0");
    }

    #[test]
    fn the_exact_number_pays_and_near_ones_pay_if_asked_for() {
        let play = |partial_credit: bool, answer: u8| {
            let mut game = scene(&[RED_STAR, RED_STAR, RED_STAR, BLUE_DISC], Query::Both(RED_STAR));
            game.partial_credit = partial_credit;
            game.step(&Count(answer))
        };
        let exact = play(false, 3);
        assert_eq!((exact.reward, exact.score, exact.status), (1.0, 1.0, Status::Done(Outcome::Success)));
        let near = play(false, 2);
        assert_eq!((near.reward, near.score, near.status), (0.0, 0.0, Status::Done(Outcome::Failure)));
        assert_eq!((play(true, 3).reward, play(true, 2).reward, play(true, 2).score), (1.0, 0.75, 0.0));
        assert_eq!((play(true, 5).reward, play(true, 99).reward), (0.5, 0.0));
    }

    #[test]
    fn numbers_are_read_strictly() {
        let game = scene(&[RED_STAR], Query::Tint(Tint::Red));
        assert_eq!(game.parse(" 12\n"), Ok(Count(12)));
        assert_eq!(game.parse("0"), Ok(Count(0)));
        for text in ["+3", "-1", "3.0", "03", "three", "1 2", "３"] {
            assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
        }
        for text in ["100", "300", "99999999999"] {
            assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
        }
    }

    #[test]
    fn every_number_is_equally_likely() {
        let mut counts = [0; 7];
        for seed in 0..600 {
            let game = reset(seed, &[]);
            assert!((4..=6).contains(&game.scene.items().len()));
            counts[usize::from(game.count())] += 1;
        }
        assert!(counts[..5].iter().all(|n| (80..170).contains(n)) && counts[6] > 15, "{counts:?}");
        for question in ["attribute", "logic", "mixed"] {
            let given = [("question", KnobValue::Choice(question.into()))];
            let numbers: std::collections::BTreeSet<u8> = (0..60).map(|s| reset(s, &given).count()).collect();
            assert_eq!(numbers.len(), 7, "{question}");
        }
    }

    #[test]
    fn hidden_objects_stay_recognisable_and_broken_snapshots_are_refused() {
        let given = [("overlap", KnobValue::Float(0.6)), ("objects", KnobValue::Int(30))];
        let game = reset(3, &given);
        let mut seen = vec![0; game.scene.items().len()];
        (0..112 * 112).filter_map(|i| game.scene.at(i % 112, i / 112)).for_each(|front| seen[front] += 1);
        assert!(seen.iter().all(|n| *n > 5), "{seen:?}");
        let mut value = serde_json::to_value(&game).unwrap();
        assert!(serde_json::from_value::<Counting>(value.clone()).is_ok());
        value["scene"]["items"][0]["x"] = 4_000_000_000_u32.into();
        assert!(serde_json::from_value::<Counting>(value).is_err());
    }
}
