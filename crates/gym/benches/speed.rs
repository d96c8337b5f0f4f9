//! Steps, pictures, forks and resets of every environment at its default knobs, on one core, with what they
//! allocate: `cargo bench -p eyas-gym --bench speed`, or of one of them with `-- 'step.*2048'` behind it.
//!
//! `eyas gym bench` measures the same at any knobs, and pools.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails should stop")]

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use eyas_core::Seed;
use eyas_gym::{Game, Status, find, registry};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Most steps of the episode that is played.
const STEPS: usize = 400;

fn main() {
    divan::main();
}

fn ids() -> impl Iterator<Item = &'static str> {
    registry().into_iter().map(|entry| entry.spec.id)
}

fn start(id: &str) -> Box<dyn Game> {
    let entry = find(id).unwrap();
    entry.reset(Seed::new(0), &entry.knobs(&Default::default()).unwrap()).unwrap()
}

/// A whole episode of a random player; its answers are parsed.
#[divan::bench(args = ids())]
fn step(bencher: Bencher<'_, '_>, id: &str) {
    let start = start(id);
    let (mut game, mut rng, mut answers) = (start.fork(), Seed::new(1).rng(), Vec::new());
    while game.status() == Status::Running && answers.len() < STEPS {
        let Some(answer) = game.guess(&mut rng) else { break };
        game.step(&answer).unwrap();
        answers.push(answer);
    }
    bencher.counter(ItemsCount::new(answers.len())).with_inputs(|| start.fork()).bench_local_values(
        |mut game| {
            answers.iter().for_each(|answer| {
                game.step(answer).unwrap();
            });
            game
        },
    );
}

/// What the policy is shown: one picture, or all frames of a clip.
#[divan::bench(args = ids())]
fn draw(bencher: Bencher<'_, '_>, id: &str) {
    let start = start(id);
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| start.frames());
}

#[divan::bench(args = ids())]
fn fork(bencher: Bencher<'_, '_>, id: &str) {
    let start = start(id);
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| start.fork());
}

/// A new episode, generators and their solvers included.
#[divan::bench(args = ids())]
fn reset(bencher: Bencher<'_, '_>, id: &str) {
    let entry = find(id).unwrap();
    let (knobs, mut seed) = (entry.knobs(&Default::default()).unwrap(), 0);
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        seed += 1;
        entry.reset(Seed::new(seed), &knobs).unwrap()
    });
}
