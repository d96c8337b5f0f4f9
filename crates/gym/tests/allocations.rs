//! A step of a board game allocates nothing. In a file of its own because it counts what the whole
//! process allocates.
#![allow(clippy::unwrap_used, unsafe_code, reason = "an allocator that counts is an unsafe impl")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{seed, settings, start};
use eyas_gym::{EnvGroup, Status, registry};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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
                let before = COUNT.with(Cell::get);
                let done = game.step(&answer);
                let made = COUNT.with(Cell::get) - before;
                done.unwrap();
                most = most.max(made);
                steps += 1;
            }
        }
        assert!(steps > 0, "{} was not played", entry.spec.id);
        // A sudoku answer may fill several cells: the list of them is the one exception.
        let allowed = usize::from(entry.spec.id == "sudoku");
        if most > allowed {
            failures.push(format!("{}: up to {most} allocations a step", entry.spec.id));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
