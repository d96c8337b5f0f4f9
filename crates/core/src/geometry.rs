//! Points and boxes whose type says in which frame their numbers live.
//!
//! Models, data sets and tools disagree on frames (pixels of the original image, pixels of the
//! resized image the model sees, 0–1000, 0–1). Here a box carries its frame in its type, and
//! converting needs the image's sizes, so mixing frames does not compile.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

mod sealed {
    pub trait Sealed {}
}

/// A coordinate frame over one image.
pub trait Frame: sealed::Sealed + Copy + Default + std::fmt::Debug + PartialEq {
    /// The extent `(width, height)` of the whole image in this frame.
    fn extent(image: &ImageFrame) -> (f32, f32);
}

/// The sizes of one image: as stored, and as resized for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFrame {
    /// Stored size in pixels (width, height).
    pub original: (u32, u32),
    /// Size the model sees (width, height).
    pub model: (u32, u32),
}

macro_rules! frame {
    ($(#[$doc:meta])* $name:ident, $image:ident => $extent:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;
        impl sealed::Sealed for $name {}
        impl Frame for $name {
            fn extent($image: &ImageFrame) -> (f32, f32) { $extent }
        }
    };
}
frame!(/// Pixels of the stored image.
    OriginalPx, image => (image.original.0 as f32, image.original.1 as f32));
frame!(/// Pixels of the resized image that the model sees (Qwen2.5-VL's convention).
    ModelPx, image => (image.model.0 as f32, image.model.1 as f32));
frame!(/// 0–1000 on both axes (the convention of Qwen2-VL and Qwen3-VL).
    Norm1000, _image => (1000.0, 1000.0));
frame!(/// 0–1 on both axes.
    Unit, _image => (1.0, 1.0));

/// A point `(x, y)`, y downwards.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Point<F: Frame> {
    /// Horizontal coordinate.
    pub x: f32,
    /// Vertical coordinate.
    pub y: f32,
    #[serde(skip)]
    frame: PhantomData<F>,
}

impl<F: Frame> Point<F> {
    /// A point in frame `F`.
    pub fn new(x: f32, y: f32) -> Self {
        Self { x, y, frame: PhantomData }
    }

    /// The same place in another frame of the same image.
    pub fn to<T: Frame>(self, image: &ImageFrame) -> Point<T> {
        let ((fw, fh), (tw, th)) = (F::extent(image), T::extent(image));
        Point::new(self.x * tw / fw, self.y * th / fh)
    }
}

/// An axis-aligned box by two corners. Corners may be given in any order of quality: a box with
/// `x2 <= x1` or `y2 <= y1`, or with a non-finite corner, is degenerate and has area 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct BBox<F: Frame> {
    /// Left.
    pub x1: f32,
    /// Top.
    pub y1: f32,
    /// Right.
    pub x2: f32,
    /// Bottom.
    pub y2: f32,
    #[serde(skip)]
    frame: PhantomData<F>,
}

impl<F: Frame> BBox<F> {
    /// A box in frame `F`.
    pub fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        Self { x1, y1, x2, y2, frame: PhantomData }
    }

    /// The same box in another frame of the same image.
    pub fn to<T: Frame>(self, image: &ImageFrame) -> BBox<T> {
        let a = Point::<F>::new(self.x1, self.y1).to::<T>(image);
        let b = Point::<F>::new(self.x2, self.y2).to::<T>(image);
        BBox::new(a.x, a.y, b.x, b.y)
    }

    /// Area in the frame's square units; 0 for a degenerate box.
    pub fn area(&self) -> f32 {
        let finite = [self.x1, self.y1, self.x2, self.y2].iter().all(|v| v.is_finite());
        if finite { (self.x2 - self.x1).max(0.0) * (self.y2 - self.y1).max(0.0) } else { 0.0 }
    }

    /// Intersection over union in continuous coordinates, in `[0, 1]`; 0 when either box is degenerate.
    pub fn iou(&self, other: &Self) -> f32 {
        let (a, b) = (self.area(), other.area());
        if a <= 0.0 || b <= 0.0 {
            return 0.0;
        }
        let w = (self.x2.min(other.x2) - self.x1.max(other.x1)).max(0.0);
        let h = (self.y2.min(other.y2) - self.y1.max(other.y1)).max(0.0);
        (w * h / (a + b - w * h)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_convert_by_hand() {
        let image = ImageFrame { original: (200, 100), model: (112, 56) };
        let b = BBox::<OriginalPx>::new(50.0, 25.0, 150.0, 75.0);
        assert_eq!(b.to::<ModelPx>(&image), BBox::new(28.0, 14.0, 84.0, 42.0));
        assert_eq!(b.to::<Norm1000>(&image), BBox::new(250.0, 250.0, 750.0, 750.0));
        assert_eq!(b.to::<Unit>(&image), BBox::new(0.25, 0.25, 0.75, 0.75));
    }

    #[test]
    fn iou_of_the_published_bug_cases() {
        let px = BBox::<OriginalPx>::new(5.0, 5.0, 6.0, 6.0);
        assert_eq!(px.iou(&px), 1.0, "identical boxes of one pixel");
        let unit = BBox::<Unit>::new(0.1, 0.1, 0.4, 0.4);
        assert_eq!(unit.iou(&unit), 1.0, "identical boxes in 0-1");
        assert_eq!(BBox::<Unit>::new(0.4, 0.1, 0.1, 0.4).iou(&unit), 0.0, "inverted");
        assert_eq!(BBox::<Unit>::new(f32::NAN, 0.1, 0.4, 0.4).iou(&unit), 0.0);
        let half = BBox::<OriginalPx>::new(0.0, 0.0, 2.0, 1.0);
        assert!((half.iou(&BBox::new(1.0, 0.0, 3.0, 1.0)) - 1.0 / 3.0).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_and_bounded(v in prop::array::uniform8(-50f32..50.0)) {
            let a = BBox::<Unit>::new(v[0], v[1], v[2], v[3]);
            let b = BBox::<Unit>::new(v[4], v[5], v[6], v[7]);
            prop_assert_eq!(a.iou(&b), b.iou(&a));
            prop_assert!((0.0..=1.0).contains(&a.iou(&b)));
        }

        #[test]
        fn conversion_round_trips(x in 0f32..500.0, y in 0f32..500.0, w in 1u32..4000, h in 1u32..4000) {
            let image = ImageFrame { original: (w, h), model: (112, 84) };
            let back = Point::<OriginalPx>::new(x, y).to::<Norm1000>(&image).to::<OriginalPx>(&image);
            prop_assert!((back.x - x).abs() < 1e-2 && (back.y - y).abs() < 1e-2);
        }
    }
}
