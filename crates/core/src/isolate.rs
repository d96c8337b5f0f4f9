//! Work that may panic without taking its caller with it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    /// How many [`isolate`] this thread is inside of.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Where the last panic inside of one happened.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work`; a panic in it is an error: what it said and, after [`catch_quietly`], where.
///
/// What `work` had changed when it panicked is in no known state, so `work` should own what it changes, or
/// the caller should drop it.
///
/// # Errors
/// When `work` panics.
pub fn isolate<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    DEPTH.set(DEPTH.get() + 1);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    result.map_err(|payload| match PLACE.take() {
        Some(place) => format!("panicked at {place}: {}", message(payload.as_ref())),
        None => format!("panicked: {}", message(payload.as_ref())),
    })
}

/// From now on a panic inside [`isolate`] prints nothing by itself: whoever called it tells. Other panics are
/// told as before. For programs, at their start.
pub fn catch_quietly() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if DEPTH.get() == 0 {
            before(info);
        } else {
            PLACE.set(info.location().map(ToString::to_string));
        }
    }));
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        assert_eq!(isolate(|| 7), Ok(7));
        assert!(isolate(|| panic!("at {}", 3)).unwrap_err().ends_with("at 3"));
        assert!(isolate(|| panic!("plain")).unwrap_err().ends_with("plain"));
        assert!(isolate(|| panic::panic_any(5_u8)).unwrap_err().ends_with("without a message"));
        let nested = isolate(|| isolate(|| panic!("inner")).unwrap_err());
        assert!(nested.unwrap().ends_with("inner"));
        assert_eq!(DEPTH.get(), 0);
    }
}
