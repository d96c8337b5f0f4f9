//! The allocator of programs that train.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Range;
use std::ptr;

use libmimalloc_sys::{mi_option_set_default, mi_option_t};
use mimalloc::MiMalloc;

/// Bytes of the blocks that the system's allocator serves, where that is glibc's. It maps larger ones anew each time.
const SYSTEM: Range<usize> =
    if cfg!(all(target_os = "linux", target_env = "gnu")) { 1 << 13..1 << 25 } else { 0..0 };

/// Bytes.
const CACHE_LINE: usize = 64;

/// `mi_option_purge_delay` of mimalloc.h, which the bindings do not name.
const PURGE_DELAY: mi_option_t = 15;

/// Small blocks from mimalloc, whose threads need not wait for each other; buffers from glibc, which cuts them from
/// one piece of memory and joins what lies free side by side.
///
/// mimalloc keeps blocks of different sizes apart. A training step makes buffers of hundreds of sizes, and it then
/// holds half as much again as was ever in use at once (BENCHMARKS.md).
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: eyas_model::Allocator = eyas_model::Allocator;
///
/// eyas_model::keep_pages();
/// ```
pub struct Allocator;

/// The layout for the system's allocator, if it serves blocks of so many bytes. They begin where a line of the cache
/// does, as large ones of mimalloc do: else every second wide load would read two lines.
fn system(layout: Layout) -> Option<Layout> {
    if SYSTEM.contains(&layout.size()) { layout.align_to(CACHE_LINE).ok() } else { None }
}

// SAFETY: a block goes back to where it came from, since its layout tells; both allocators fulfil the contract, and
// what is aligned to more than was asked for is aligned.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        unsafe { system(layout).map_or_else(|| MiMalloc.alloc(layout), |layout| System.alloc(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            system(layout).map_or_else(|| MiMalloc.alloc_zeroed(layout), |layout| System.alloc_zeroed(layout))
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe {
            system(layout)
                .map_or_else(|| MiMalloc.dealloc(block, layout), |layout| System.dealloc(block, layout))
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the size; the two blocks are valid for what is copied.
        unsafe {
            let larger = Layout::from_size_align_unchecked(size, layout.align());
            match (system(layout), system(larger)) {
                (Some(layout), Some(_)) => System.realloc(block, layout, size),
                (None, None) => MiMalloc.realloc(block, layout, size),
                _ => {
                    let moved = self.alloc(larger);
                    if !moved.is_null() {
                        ptr::copy_nonoverlapping(block, moved, size.min(layout.size()));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

/// Tells both parts of [`Allocator`] to keep the pages that they have, unless the environment says otherwise
/// (`MIMALLOC_PURGE_DELAY`, in milliseconds, -1 for never; the `MALLOC_` variables of mallopt(3)). To be called before
/// there are threads.
///
/// Training makes and drops the same large buffers at every step. Given back to the system, their pages have to be
/// cleared again: about a tenth of a step on two cores (BENCHMARKS.md). In a program with another allocator it does
/// nothing.
pub fn keep_pages() {
    // SAFETY: the option is in the allocator's list (the test finds it there), and any number is a value of it.
    unsafe { mi_option_set_default(PURGE_DELAY, -1) }
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (name, parameter, value) in [
        ("MALLOC_TRIM_THRESHOLD_", libc::M_TRIM_THRESHOLD, i32::MAX),
        ("MALLOC_MMAP_THRESHOLD_", libc::M_MMAP_THRESHOLD, SYSTEM.end as i32),
        // What one thread gave back serves the others.
        ("MALLOC_ARENA_MAX", libc::M_ARENA_MAX, 1),
    ] {
        if std::env::var_os(name).is_none() {
            // SAFETY: it only sets what its arguments name.
            unsafe { libc::mallopt(parameter, value) };
        }
    }
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    #[test]
    fn pages_are_kept_unless_the_environment_says_otherwise() {
        // SAFETY: as above.
        let delay = || unsafe { mi_option_get(PURGE_DELAY) };
        let said = std::env::var("MIMALLOC_PURGE_DELAY").ok();
        // A second, unlike its neighbours in the list: the number is that of the delay.
        let before = said.as_deref().map_or(1000, |ms| ms.parse().expect("milliseconds"));
        assert_eq!(delay(), before);
        keep_pages();
        assert_eq!(delay(), if said.is_some() { before } else { -1 });
    }

    #[test]
    fn blocks_keep_what_they_hold_as_they_grow_and_shrink() {
        let sizes =
            [8, SYSTEM.start - 1, SYSTEM.start, 100_000, SYSTEM.end - 1, SYSTEM.end, 1 << 26, 5000, 64];
        for align in [1, 16, 64, 4096] {
            let mut layout = Layout::from_size_align(3, align).unwrap();
            // SAFETY: every block is written and read inside its size and given back with its own layout.
            unsafe {
                let mut block = Allocator.alloc(layout);
                block.copy_from(b"abc".as_ptr(), 3);
                for size in sizes {
                    block = Allocator.realloc(block, layout, size);
                    assert!(
                        !block.is_null() && block.addr().is_multiple_of(align),
                        "{size} bytes aligned to {align}"
                    );
                    layout = Layout::from_size_align(size, align).unwrap();
                    assert_eq!(
                        std::slice::from_raw_parts(block, 3),
                        b"abc",
                        "{size} bytes aligned to {align}"
                    );
                    block.add(size - 1).write(7);
                }
                Allocator.dealloc(block, layout);
            }
        }
    }

    #[test]
    fn zeroed_blocks_are_zero_when_memory_is_used_again() {
        for size in [100, SYSTEM.start, 1 << 20, SYSTEM.end] {
            let layout = Layout::from_size_align(size, 8).unwrap();
            for _ in 0..3 {
                // SAFETY: the block is used inside its size and given back.
                unsafe {
                    let block = Allocator.alloc_zeroed(layout);
                    assert!(std::slice::from_raw_parts(block, size).iter().all(|byte| *byte == 0), "{size}");
                    block.write_bytes(0xFF, size);
                    Allocator.dealloc(block, layout);
                }
            }
        }
    }
}
