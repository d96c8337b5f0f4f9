//! A step of a board game allocates nothing. In a file of its own because the counter is the allocator of
//! the whole process.
#![allow(clippy::unwrap_used)]

mod common;

use allocation_counter::measure;
use common::{seed, settings, start};
use eyas_gym::{EnvGroup, Status, registry};

#[test]
fn a_step_on_a_board_allocates_nothing() {
    let mut failures = Vec::new();
    for entry in registry().into_iter().filter(|e| e.spec.group == EnvGroup::Board) {
        let knobs = settings(&entry).swap_remove(0);
        let (mut steps, mut most) = (0, 0);
        for episode in 0..20 {
            let mut game = start(&entry, &knobs, episode);
            let mut rng = seed(episode).rng();
            while game.status() == Status::Running && steps < 400 {
                let Some(answer) = game.guess(&mut rng) else { break };
                let mut done = None;
                let made = measure(|| done = Some(game.step(&answer)));
                done.unwrap().unwrap();
                most = most.max(made.count_total);
                steps += 1;
            }
        }
        assert!(steps > 0, "{} was not played", entry.spec.id);
        // A sudoku answer may fill several cells: the list of them is the one exception.
        let allowed = u64::from(entry.spec.id == "sudoku");
        if most > allowed {
            failures.push(format!("{}: up to {most} allocations a step", entry.spec.id));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(measure(|| drop(vec![1u8])).count_total > 0, "nothing is counted");
}
