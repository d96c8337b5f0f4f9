//! The size at which the model sees an image.

/// How many times longer than the other a side may be.
pub const MAX_ASPECT_RATIO: u32 = 200;

/// The image is too long and thin to be resized, or has a zero side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("image of {width}x{height} has a zero side or one more than {MAX_ASPECT_RATIO} times the other")]
pub struct AspectRatioError {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// The (height, width) in pixels to resize to: multiples of `factor`, near the aspect ratio, with about
/// `min_pixels..=max_pixels` pixels. Rounds halves to even, as Python does. A very thin image may end
/// above `max_pixels`, because no side gets shorter than `factor`.
///
/// `factor`, `min_pixels` and `max_pixels` must be at least 1.
///
/// # Errors
/// [`AspectRatioError`] when a side is 0 or more than 200 times the other.
pub fn smart_resize(
    height: u32,
    width: u32,
    factor: u32,
    min_pixels: u64,
    max_pixels: u64,
) -> Result<(u32, u32), AspectRatioError> {
    let (short, long) = (height.min(width), height.max(width));
    if short == 0 || u64::from(long) > u64::from(short) * u64::from(MAX_ASPECT_RATIO) {
        return Err(AspectRatioError { width, height });
    }
    let (h, w, side) = (f64::from(height), f64::from(width), f64::from(factor));
    let (min, max) = (min_pixels as f64, max_pixels as f64);
    let rounded = ((h / side).round_ties_even() * side, (w / side).round_ties_even() * side);
    // The order of the divisions below decides ties, so it must stay.
    let (h, w) = if rounded.0 * rounded.1 > max {
        let shrink = (h * w / max).sqrt();
        let fit = |length: f64| ((length / shrink / side).floor() * side).max(side);
        (fit(h), fit(w))
    } else if rounded.0 * rounded.1 < min {
        let grow = (min / (h * w)).sqrt();
        let fit = |length: f64| (length * grow / side).ceil() * side;
        (fit(h), fit(w))
    } else {
        rounded
    };
    Ok((h as u32, w as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: u64 = 56 * 56;
    const MAX: u64 = 28 * 28 * 1280;

    #[test]
    fn sizes_by_hand() {
        let to = |h, w| smart_resize(h, w, 28, MIN, MAX).unwrap();
        assert_eq!(to(112, 112), (112, 112));
        assert_eq!(to(75, 100), (84, 112));
        assert_eq!(to(70, 98), (56, 112), "2.5 rounds to 2 and 3.5 to 4");
        assert_eq!(to(1, 1), (56, 56));
        assert_eq!(to(30, 30), (56, 56));
        let (h, w) = to(3000, 4000);
        assert!(u64::from(h * w) <= MAX && h % 28 == 0 && w % 28 == 0);
    }

    #[test]
    fn thin_images_are_refused_beyond_200() {
        assert!(smart_resize(1, 200, 28, MIN, MAX).is_ok());
        assert_eq!(smart_resize(1, 201, 28, MIN, MAX), Err(AspectRatioError { width: 201, height: 1 }));
        assert!(smart_resize(u32::MAX, 1, 28, MIN, MAX).is_err());
        assert!(smart_resize(0, 0, 28, MIN, MAX).is_err());
    }
}
