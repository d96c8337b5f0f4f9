//! An environment that panics or hangs loses its own episode; the others are what they would have been.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, Instant};

use eyas_core::{Episode, Group, Image, Interrupt, Outcome, Rng, Seed};
use eyas_gym::{
    EnvSpec, Frame, Game, Knobs, Observation, ParseError, Perception, ResponseStyle, Status, Step, find,
};
use eyas_model::{Sampling, Vlm};
use eyas_rollout::{
    Agent, Demonstrated, Lesson, Pictures, Reference, RolloutConfig, Start, Teacher, Watch, demonstrate,
    rollout,
};

const CONTEXT: usize = 700;

/// Where an environment fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fails {
    /// In the first picture.
    Opening,
    /// In what it knows of its start.
    Knowing,
    /// In the second step.
    Step,
    /// In the picture after the first step.
    Picture,
    /// The second step never ends.
    Hangs,
}

/// A frozen lake with a fault.
struct Faulty {
    inner: Box<dyn Game>,
    turns: u32,
    fails: Fails,
}

impl Faulty {
    fn turn(&mut self) {
        self.turns += 1;
        match self.fails {
            Fails::Step if self.turns == 2 => panic!("no second step"),
            Fails::Hangs if self.turns == 2 => loop {
                std::thread::sleep(Duration::from_secs(3600));
            },
            _ => {}
        }
    }
}

impl Game for Faulty {
    fn spec(&self) -> &'static EnvSpec {
        self.inner.spec()
    }
    fn rules(&self) -> String {
        self.inner.rules()
    }
    fn render(&self) -> Image {
        self.inner.render()
    }
    fn frames(&self) -> Vec<Frame> {
        match self.fails {
            Fails::Opening => panic!("no picture"),
            Fails::Picture if self.turns == 1 => panic!("no second picture"),
            _ => self.inner.frames(),
        }
    }
    fn observe(&self) -> Observation {
        self.inner.observe()
    }
    fn parse(&self, answer: &str) -> Result<String, ParseError> {
        self.inner.parse(answer)
    }
    fn step(&mut self, action: &str) -> Result<Step, ParseError> {
        self.turn();
        self.inner.step(action)
    }
    fn pass(&mut self) -> Step {
        self.turn();
        self.inner.pass()
    }
    fn oracle(&self) -> String {
        self.inner.oracle()
    }
    fn reason(&self, action: &str) -> Result<String, ParseError> {
        self.inner.reason(action)
    }
    fn perception(&self) -> Perception {
        match self.fails {
            Fails::Knowing => panic!("knows nothing"),
            _ => self.inner.perception(),
        }
    }
    fn truths(&self) -> serde_json::Map<String, serde_json::Value> {
        self.inner.truths()
    }
    fn begin_here(&mut self) {
        self.inner.begin_here();
    }
    fn legal_actions(&self) -> Vec<String> {
        self.inner.legal_actions()
    }
    fn guess(&self, rng: &mut Rng) -> Option<String> {
        self.inner.guess(rng)
    }
    fn status(&self) -> Status {
        self.inner.status()
    }
    fn fork(&self) -> Box<dyn Game> {
        Box::new(Self { inner: self.inner.fork(), turns: self.turns, fails: self.fails })
    }
    fn snapshot(&self) -> Result<serde_json::Value, serde_json::Error> {
        self.inner.snapshot()
    }
}

/// Four starts; the third one, if `fails` is given, with a fault.
fn starts(fails: Option<Fails>) -> Vec<Start> {
    let entry = find("frozen-lake").unwrap();
    let knobs = Knobs::defaults(entry.spec.knobs);
    let start = |n: u64| {
        let mut start = Start::reset("frozen-lake", Seed::new(n), &knobs).unwrap();
        if let (2, Some(fails)) = (n, fails) {
            start.game = Box::new(Faulty { inner: start.game, turns: 0, fails });
        }
        start
    };
    (0..4).map(start).collect()
}

fn play(model: &Vlm, fails: Option<Fails>, limit: Option<Duration>, contexts: usize) -> Vec<Group> {
    let config = RolloutConfig {
        style: ResponseStyle::Think,
        sampling: Sampling::default(),
        max_tokens: 6,
        max_context: CONTEXT,
        stop: Vec::new(),
        record_truth: true,
        kv_bytes: contexts * CONTEXT * model.policy.kv_bytes_per_token(),
        env_limit: limit,
    };
    let (mut pictures, quiet) = (Pictures::default(), Interrupt::default());
    let agent = Agent::of(model);
    rollout(agent, &starts(fails), 2, &config, Seed::new(9), &mut pictures, &quiet).unwrap().0
}

#[test]
fn a_fault_loses_its_own_episodes() {
    let text = "<think>left</think><answer>left right up down</answer> walk to the flag";
    let model = Vlm::tiny([text.to_string()].into_iter(), 300, &[], Seed::new(3)).unwrap();
    let whole = play(&model, None, None, 100);
    assert!(whole.iter().flat_map(|g| &g.episodes).all(|e| e.turns.len() > 1 && e.lost().is_none()));
    assert_eq!(play(&model, None, Some(Duration::from_secs(600)), 100), whole, "watching changes nothing");
    let cases = [
        (Fails::Opening, "no picture", 0),
        (Fails::Knowing, "knows nothing", 0),
        (Fails::Step, "no second step", 2),
        (Fails::Picture, "no second picture", 1),
        (Fails::Hangs, "gave no answer within 0.5 s", 2),
    ];
    for (fails, why, answered) in cases {
        let begun = Instant::now();
        // All at once, and one group after the other.
        let ways = match fails {
            Fails::Hangs => vec![(Some(Duration::from_millis(500)), 100)],
            _ => vec![(None, 100), (Some(Duration::from_secs(600)), 2)],
        };
        for (limit, contexts) in ways {
            let groups = play(&model, Some(fails), limit, contexts);
            for (n, (group, whole)) in groups.iter().zip(&whole).enumerate() {
                if n != 2 {
                    assert_eq!(group, whole, "{fails:?}: a group without the fault");
                    continue;
                }
                for (episode, whole) in group.episodes.iter().zip(&whole.episodes) {
                    assert_eq!(episode.outcome, Outcome::Lost, "{fails:?}");
                    assert!(episode.lost().unwrap().ends_with(why), "{fails:?}: {:?}", episode.lost());
                    assert_eq!((episode.seed, episode.env.as_str()), (Seed::new(2), "frozen-lake"));
                    // What was said before it is kept as it was said.
                    let said = |e: &Episode, n| {
                        e.turns.iter().take(n).map(|t| t.response.clone()).collect::<Vec<_>>()
                    };
                    assert_eq!(said(episode, answered), said(whole, answered), "{fails:?}");
                    let ids = episode.trajectory.ids();
                    assert_eq!(ids, &whole.trajectory.ids()[..ids.len()], "{fails:?}");
                    assert_eq!(ids.is_empty(), answered == 0, "{fails:?}");
                }
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{fails:?}");
    }
}

fn show(model: &Vlm, fails: Option<Fails>, limit: Option<Duration>) -> Vec<Demonstrated> {
    let style = ResponseStyle::Think;
    let teacher = Teacher { noise: 0.3, style, max_tokens: 4000, thought_dropout: 0.3, record_truth: true };
    // None before the one with the fault, which counts its turns.
    let moves = |n| usize::from(n != 2);
    let lesson = |(n, start)| Lesson { start, moves: moves(n), rng: Seed::new(n as u64).rng() };
    let lessons = starts(fails).into_iter().enumerate().map(lesson).collect();
    let watch = Watch { limit, interrupt: &Interrupt::default() };
    demonstrate(Agent::of(model), lessons, &teacher, watch).unwrap()
}

#[test]
fn a_fault_loses_its_own_demonstration() {
    let text = "<think>left</think><answer>left right up down</answer> walk to the flag";
    let model = Vlm::tiny([text.to_string()].into_iter(), 300, &[], Seed::new(3)).unwrap();
    let (short, long) = (Some(Duration::from_millis(500)), Some(Duration::from_secs(600)));
    let whole = show(&model, None, None);
    let turns = |shown: &Demonstrated| shown.as_ref().map_or(0, |(episode, _)| episode.turns.len());
    assert!(whole.iter().all(|shown| turns(shown) > 0) && turns(&whole[2]) > 1);
    assert_eq!(show(&model, None, long), whole, "watching changes nothing");
    let cases = [
        (Fails::Opening, long, "no picture"),
        (Fails::Step, None, "no second step"),
        (Fails::Step, long, "no second step"),
        (Fails::Picture, None, "no second picture"),
        (Fails::Hangs, short, "gave no answer within 0.5 s"),
    ];
    for (fails, limit, why) in cases {
        for (n, (shown, whole)) in show(&model, Some(fails), limit).iter().zip(&whole).enumerate() {
            match n {
                2 => assert!(shown.as_ref().unwrap_err().ends_with(why), "{fails:?}: {shown:?}"),
                _ => assert_eq!(shown, whole, "{fails:?}: a demonstration without the fault"),
            }
        }
    }
}

#[test]
fn a_fault_is_left_out_of_the_references() {
    let (quiet, short) = (Interrupt::default(), Some(Duration::from_millis(500)));
    let of = |starts: &[Start], limit| Reference::of(starts, Watch { limit, interrupt: &quiet }).unwrap();
    let mut whole = starts(None);
    assert_eq!(of(&whole, None), of(&whole, short), "watching changes nothing");
    whole.remove(2);
    let left = of(&whole, None);
    // The moves before the second one do not fail: what counts is a whole game.
    assert_eq!(of(&starts(Some(Fails::Step)), None), left);
    assert_eq!(of(&starts(Some(Fails::Hangs)), short), left);
}
