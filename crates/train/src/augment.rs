//! Episodes whose pictures are changed.

use std::sync::Arc;

use eyas_core::{Image, Rng, Seed, isolate};
use eyas_data::DataError;
use eyas_data::augment::Augmentation;
use eyas_data::pick::partners;
use eyas_gym::{EnvSpec, Frame, Game, Observation, ParseError, Perception, Status, Step};
use eyas_rollout::Start;

use crate::recipe::AugmentSettings;

/// Changes the pictures of some of the starts: which of them, and how, is drawn from `seed`. All pictures of an
/// episode are changed alike, and alike for all members of a group. How many were changed.
///
/// A start whose environment panics when it is drawn stays as it is: whoever plays it loses it, and says so. So
/// does one that was to be mixed with it.
///
/// # Errors
/// [`DataError`] when a setting is out of range.
pub(crate) fn augment(
    starts: &mut [Start],
    settings: &AugmentSettings,
    (step, steps): (u64, u64),
    seed: Seed,
) -> Result<usize, DataError> {
    let strength = settings.strength.strength(step, steps)?;
    let mut rng = seed.rng();
    let others = partners(starts.len(), &mut rng);
    // Taken before any is changed.
    let firsts: Vec<Option<Image>> =
        starts.iter().map(|s| drawn(s).and_then(|frames| Some(frames.into_iter().next()?.image))).collect();
    let mut changed = 0;
    for (i, start) in starts.iter_mut().enumerate() {
        let picked = rng.chance(settings.share);
        let Some(with) = rng.choose(&settings.with).copied().filter(|_| picked) else { continue };
        let change = Change {
            with,
            strength,
            partner: others.get(i).and_then(|other| firsts[*other].clone()),
            seed: seed.split("change", i as u64),
        };
        let Some(frames) = drawn(start).filter(|_| change.partner.is_some() || !needs_partner(with)) else {
            continue;
        };
        for frame in frames {
            // What could fail later fails here, where there is somebody to tell.
            change.apply(&frame.image)?;
        }
        let game = start.game.fork();
        start.game = Box::new(Augmented { game, change: Arc::new(change) });
        changed += 1;
    }
    Ok(changed)
}

/// What a start shows; nothing when its environment panics.
fn drawn(start: &Start) -> Option<Vec<Frame>> {
    isolate(|| start.game.frames()).ok()
}

fn needs_partner(with: Augmentation) -> bool {
    matches!(with, Augmentation::Mixup(_) | Augmentation::Concat(_))
}

/// How the pictures of an episode are changed.
struct Change {
    with: Augmentation,
    strength: f64,
    /// The picture of another episode, for changes that mix two.
    partner: Option<Image>,
    seed: Seed,
}

impl Change {
    fn apply(&self, image: &Image) -> Result<Image, DataError> {
        self.with.apply(image, self.partner.as_ref(), self.strength, self.seed)
    }
}

/// A game that is seen through a change. What it knows, and what is right in it, stays the same.
struct Augmented {
    game: Box<dyn Game>,
    change: Arc<Change>,
}

impl Augmented {
    /// The first pictures went through; later ones differ from them in what they show only.
    fn changed(&self, image: Image) -> Image {
        self.change.apply(&image).unwrap_or(image)
    }
}

impl Game for Augmented {
    fn spec(&self) -> &'static EnvSpec {
        self.game.spec()
    }
    fn rules(&self) -> String {
        self.game.rules()
    }
    fn note(&self) -> String {
        self.game.note()
    }
    fn render(&self) -> Image {
        self.changed(self.game.render())
    }
    fn frames(&self) -> Vec<Frame> {
        let changed = |frame: Frame| Frame { image: self.changed(frame.image), ..frame };
        self.game.frames().into_iter().map(changed).collect()
    }
    fn observe(&self) -> Observation {
        Observation::new(self.fork())
    }
    fn parse(&self, answer: &str) -> Result<String, ParseError> {
        self.game.parse(answer)
    }
    fn step(&mut self, action: &str) -> Result<Step, ParseError> {
        self.game.step(action)
    }
    fn pass(&mut self) -> Step {
        self.game.pass()
    }
    fn oracle(&self) -> String {
        self.game.oracle()
    }
    fn reason(&self, action: &str) -> Result<String, ParseError> {
        self.game.reason(action)
    }
    fn perception(&self) -> Perception {
        self.game.perception()
    }
    fn truths(&self) -> serde_json::Map<String, serde_json::Value> {
        self.game.truths()
    }
    fn begin_here(&mut self) {
        self.game.begin_here();
    }
    fn legal_actions(&self) -> Vec<String> {
        self.game.legal_actions()
    }
    fn guess(&self, rng: &mut Rng) -> Option<String> {
        self.game.guess(rng)
    }
    fn status(&self) -> Status {
        self.game.status()
    }
    fn fork(&self) -> Box<dyn Game> {
        Box::new(Self { game: self.game.fork(), change: self.change.clone() })
    }
    fn snapshot(&self) -> Result<serde_json::Value, serde_json::Error> {
        self.game.snapshot()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::{Group, Interrupt};
    use eyas_data::augment::{Anneal, Concat, Noise, Rotate};
    use eyas_gym::{Knobs, ResponseStyle};
    use eyas_model::Sampling;
    use eyas_rollout::{Agent, Pictures, RolloutConfig, rollout};

    use crate::recipe::{GuardSettings, Recipe};
    use crate::{Guard, GuardState};

    fn starts(n: u64) -> Vec<Start> {
        let entry = eyas_gym::find("frozen-lake").unwrap();
        let knobs = Knobs::defaults(entry.spec.knobs);
        (0..n).map(|i| Start::reset("frozen-lake", Seed::new(i), &knobs).unwrap()).collect()
    }

    fn settings(with: Augmentation) -> AugmentSettings {
        AugmentSettings { with: vec![with], share: 1.0, strength: Anneal::Constant }
    }

    #[test]
    fn pictures_change_and_the_game_does_not() {
        let plain = starts(3);
        for with in [
            Augmentation::Rotate(Rotate::default()),
            Augmentation::Noise(Noise { std: 20.0 }),
            Augmentation::Concat(Concat::default()),
        ] {
            let mut changed = starts(3);
            assert_eq!(augment(&mut changed, &settings(with), (0, 1), Seed::new(1)).unwrap(), 3);
            for (plain, mut changed) in plain.iter().zip(changed) {
                assert_ne!(changed.game.render().id(), plain.game.render().id(), "{with:?}");
                assert_eq!(changed.game.frames()[0].image.id(), changed.game.render().id());
                assert_eq!(changed.game.observe().image().id(), changed.game.render().id());
                assert_eq!(changed.game.perception().text, plain.game.perception().text);
                // Members of a group are forks: they see the same, also after a move.
                let mut fork = changed.game.fork();
                let action = changed.game.oracle();
                fork.step(&action).unwrap();
                changed.game.step(&action).unwrap();
                assert_eq!(fork.render().id(), changed.game.render().id());
            }
        }
    }

    /// A game that cannot be drawn.
    struct Undrawable(Box<dyn Game>);

    impl Game for Undrawable {
        fn spec(&self) -> &'static EnvSpec {
            self.0.spec()
        }
        fn rules(&self) -> String {
            self.0.rules()
        }
        fn render(&self) -> Image {
            panic!("no picture")
        }
        fn frames(&self) -> Vec<Frame> {
            panic!("no picture")
        }
        fn observe(&self) -> Observation {
            self.0.observe()
        }
        fn parse(&self, answer: &str) -> Result<String, ParseError> {
            self.0.parse(answer)
        }
        fn step(&mut self, action: &str) -> Result<Step, ParseError> {
            self.0.step(action)
        }
        fn pass(&mut self) -> Step {
            self.0.pass()
        }
        fn oracle(&self) -> String {
            self.0.oracle()
        }
        fn reason(&self, action: &str) -> Result<String, ParseError> {
            self.0.reason(action)
        }
        fn perception(&self) -> Perception {
            self.0.perception()
        }
        fn truths(&self) -> serde_json::Map<String, serde_json::Value> {
            self.0.truths()
        }
        fn begin_here(&mut self) {
            self.0.begin_here();
        }
        fn legal_actions(&self) -> Vec<String> {
            self.0.legal_actions()
        }
        fn guess(&self, rng: &mut Rng) -> Option<String> {
            self.0.guess(rng)
        }
        fn status(&self) -> Status {
            self.0.status()
        }
        fn fork(&self) -> Box<dyn Game> {
            Box::new(Self(self.0.fork()))
        }
        fn snapshot(&self) -> Result<serde_json::Value, serde_json::Error> {
            self.0.snapshot()
        }
    }

    /// Plays three starts, two of each, with a random model of the tiny size.
    fn play(starts: &[Start]) -> Vec<Group> {
        let recipe = "[model]\npreset = \"tiny\"\nvocab_size = 500\n[[stage]]\nkind = \"sft\"\nsteps = 1\n\
                      env = [{ id = \"frozen-lake\" }]\noptim = { lr = 1e-3 }\n";
        let model = crate::open_model(&Recipe::from_toml(recipe, "r.toml").unwrap()).unwrap();
        let config = RolloutConfig {
            style: ResponseStyle::Think,
            sampling: Sampling::default(),
            max_tokens: 4,
            max_context: 600,
            stop: Vec::new(),
            record_truth: false,
            kv_bytes: RolloutConfig::KV_BYTES,
            env_limit: None,
        };
        let (mut pictures, stop) = (Pictures::default(), Interrupt::default());
        rollout(Agent::of(&model), starts, 2, &config, Seed::new(1), &mut pictures, &stop).unwrap().0
    }

    #[test]
    fn an_environment_that_cannot_be_drawn_loses_its_own_episodes() {
        let rotate = Augmentation::Rotate(Rotate::default());
        let (mut whole, mut broken) = (starts(3), starts(3));
        broken[1].game = Box::new(Undrawable(broken[1].game.fork()));
        assert_eq!(augment(&mut whole, &settings(rotate), (0, 1), Seed::new(1)).unwrap(), 3);
        assert_eq!(augment(&mut broken, &settings(rotate), (0, 1), Seed::new(1)).unwrap(), 2);
        let (whole, broken) = (play(&whole), play(&broken));
        assert_eq!(
            (&broken[0], &broken[2]),
            (&whole[0], &whole[2]),
            "the others are what they would have been"
        );
        let mut guard = Guard::new(GuardSettings::default(), GuardState::default());
        guard.see_lost(broken.iter().flat_map(|group| &group.episodes));
        assert_eq!(guard.notes().len(), 2);
        let note = &guard.notes()[0];
        assert!(
            note.contains("frozen-lake is lost (start 1, turn 1)") && note.contains("no picture"),
            "{note}"
        );

        // One that was to be mixed with it has no partner, and stays as it is.
        let concat = Augmentation::Concat(Concat::default());
        let (plain, mut mixed) = (starts(3), starts(3));
        mixed[1].game = Box::new(Undrawable(mixed[1].game.fork()));
        assert_eq!(augment(&mut mixed, &settings(concat), (0, 1), Seed::new(1)).unwrap(), 1);
        let shown = |start: &Start| start.game.render().id();
        let same = [0, 2].iter().filter(|i| shown(&mixed[**i]) == shown(&plain[**i])).count();
        assert_eq!(same, 1);
    }

    #[test]
    fn a_share_of_the_episodes_and_less_with_the_steps() {
        let noise = Augmentation::Noise(Noise { std: 40.0 });
        let half = AugmentSettings { share: 0.5, ..settings(noise) };
        let counts: Vec<usize> =
            (0..50).map(|s| augment(&mut starts(4), &half, (0, 1), Seed::new(s)).unwrap()).collect();
        let sum: usize = counts.iter().sum();
        // 100 expected of 200, standard deviation 7.1.
        assert!((70..=130).contains(&sum), "{sum}");
        let falling = AugmentSettings { strength: Anneal::Linear, ..settings(noise) };
        let distance = |step| {
            let (mut changed, plain) = (starts(1), starts(1));
            augment(&mut changed, &falling, (step, 10), Seed::new(1)).unwrap();
            let (a, b) = (changed[0].game.render(), plain[0].game.render());
            a.pixels().iter().zip(b.pixels()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
        };
        assert!(distance(0) > 2 * distance(8), "{} {}", distance(0), distance(8));
    }
}
