//! Coverage masks that are drawn once and stamped many times: boards repeat the same few shapes and
//! screens the same few letters. A mask depends on nothing but its key, so it never matters which thread
//! drew it, or when.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::{Canvas, Rgb, blend};

/// Masks with more pixels are drawn anew each time.
const LARGEST: usize = 128 * 128;
/// Bytes that a thread keeps; beyond that it forgets all.
const KEPT: usize = 4 << 20;

/// How much of each pixel a shape covers: a rectangle of shares of 255 and where it lies.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) width: usize,
    pub(super) shares: Vec<u8>,
}

#[derive(Default)]
struct Kept {
    stamps: HashMap<Box<[u32]>, Rc<Stamp>>,
    bytes: usize,
    key: Vec<u32>,
}

thread_local! {
    static KEPT_STAMPS: RefCell<Kept> = RefCell::default();
}

/// The stamp for what `key` writes down, made by `draw` unless the thread has it already. `pixels` is its
/// size, as far as it is known beforehand.
pub(super) fn stamp(
    pixels: usize,
    key: impl FnOnce(&mut Vec<u32>),
    draw: impl FnOnce() -> Option<Stamp>,
) -> Option<Rc<Stamp>> {
    if pixels > LARGEST {
        return draw().map(Rc::new);
    }
    // The key is written into a buffer that is used again, so that a hit allocates nothing.
    let mut words = KEPT_STAMPS.with_borrow_mut(|kept| std::mem::take(&mut kept.key));
    words.clear();
    key(&mut words);
    let known = KEPT_STAMPS.with_borrow(|kept| kept.stamps.get(words.as_slice()).cloned());
    let found = match known {
        Some(known) => Some(known),
        None => draw().map(|made| {
            let made = Rc::new(made);
            KEPT_STAMPS.with_borrow_mut(|kept| {
                let bytes = made.shares.len() + 4 * words.len() + 100;
                if kept.bytes + bytes > KEPT {
                    kept.stamps.clear();
                    kept.bytes = 0;
                }
                kept.bytes += bytes;
                kept.stamps.insert(words.as_slice().into(), made.clone());
            });
            made
        }),
    };
    KEPT_STAMPS.with_borrow_mut(|kept| kept.key = words);
    found
}

impl Canvas {
    /// Blends `color` in where the stamp, moved by (`x`, `y`), covers the canvas.
    pub(super) fn apply(&mut self, stamp: &Stamp, (x, y): (i32, i32), color: Rgb) {
        let (left, top) = (i64::from(stamp.left) + i64::from(x), i64::from(stamp.top) + i64::from(y));
        let (width, height) = (i64::from(self.width), i64::from(self.height));
        let first = (-left).clamp(0, stamp.width as i64) as usize;
        let last = (width - left).clamp(first as i64, stamp.width as i64) as usize;
        if first == last {
            return;
        }
        for (row, shares) in stamp.shares.chunks_exact(stamp.width).enumerate() {
            let y = top + row as i64;
            if !(0..height).contains(&y) {
                continue;
            }
            let start = (y * width + left + first as i64) as usize * 3;
            let shares = &shares[first..last];
            let line = &mut self.pixels[start..start + 3 * shares.len()];
            for (pixel, &share) in line.chunks_exact_mut(3).zip(shares) {
                match share {
                    0 => {}
                    255 => pixel.copy_from_slice(&color),
                    share => {
                        for (value, new) in pixel.iter_mut().zip(color) {
                            *value = blend(*value, new, share);
                        }
                    }
                }
            }
        }
    }
}
