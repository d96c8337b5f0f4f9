//! A setting of the allocator for programs that train.

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

/// `mi_option_purge_delay` of mimalloc.h, which the bindings do not name.
const PURGE_DELAY: mi_option_t = 15;

/// Tells mimalloc to keep the pages that it has, unless the environment says otherwise
/// (`MIMALLOC_PURGE_DELAY`, in milliseconds, -1 for never).
///
/// Training makes and drops the same large buffers at every step. Given back to the system after a second, as
/// is mimalloc's default, their pages have to be cleared again: about a tenth of a step on two cores, for 20 to 30 MB
/// (BENCHMARKS.md). In a program with another allocator it does nothing.
pub fn keep_pages() {
    // SAFETY: the option is in the allocator's list (the test finds it there), and any number is a value of it.
    unsafe { mi_option_set_default(PURGE_DELAY, -1) }
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
}
