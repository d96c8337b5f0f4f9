//! In what coordinates the answer and the ground truth are written.

use serde_json::Value;

use super::Box2;
use crate::{ParamInfo, Params, Sample, bad_gold, missing};
use eyas_core::Score;

/// A system of coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Pixels of the image as the sample gives its size.
    Pixels,
    /// Shares of the width and height, 0 to 1.
    Norm1,
    /// Thousandths of the width and height, 0 to 1000.
    Norm1000,
}

impl Frame {
    fn named(name: &str) -> Self {
        match name {
            "norm1" => Self::Norm1,
            "norm1000" => Self::Norm1000,
            _ => Self::Pixels,
        }
    }
}

pub(crate) const FRAME: ParamInfo = ParamInfo::choice(
    "frame",
    &["pixels", "norm1", "norm1000"],
    "coordinates of the answer; pixels are those of image_width and image_height",
);
pub(crate) const GOLD_FRAME: ParamInfo = ParamInfo::choice(
    "gold_frame",
    &["same", "pixels", "norm1", "norm1000"],
    "coordinates of the ground truth, where they are not those of the answer",
);
pub(crate) const INVERTED: ParamInfo = ParamInfo::choice(
    "inverted",
    &["refuse", "swap"],
    "a box whose corners are the wrong way round is no box, or has them swapped",
);
pub(crate) const OUTSIDE: ParamInfo = ParamInfo::choice(
    "outside",
    &["clip", "refuse"],
    "a box that leaves the image is cut at its edge, or is no box (pixels need the image size for this)",
);

/// How coordinates are read and brought to one frame: pixels where the image size is known or both
/// sides are in pixels, else shares of the image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    said: Frame,
    gold: Frame,
    size: Option<(f64, f64)>,
    swap: bool,
    clip: bool,
}

/// Ground truth may pass the edge by this share of the side (annotators round); beyond it the frame is
/// taken to be wrong.
const GOLD_SLACK: f64 = 0.01;

impl View {
    /// The view that the parameters and the fields of the sample ask for.
    pub(crate) fn of(sample: &Sample<'_>, params: &Params) -> Result<Self, Score> {
        let side = |name: &str| match sample.fields.get(name) {
            None => Ok(None),
            Some(v) => match v.as_f64().filter(|v| *v > 0.0 && *v <= 1e7) {
                Some(v) => Ok(Some(v)),
                None => Err(missing(name)),
            },
        };
        Self::sized(params, side("image_width")?.zip(side("image_height")?))
    }

    /// The view of an image of which the size is known otherwise.
    pub(crate) fn sized(params: &Params, size: Option<(f64, f64)>) -> Result<Self, Score> {
        let said = Frame::named(params.text("frame"));
        let gold = match params.text("gold_frame") {
            "same" => said,
            name => Frame::named(name),
        };
        if size.is_none() && (said == Frame::Pixels) != (gold == Frame::Pixels) {
            return Err(missing("image_width"));
        }
        Ok(Self { said, gold, size, swap: false, clip: true })
    }

    /// With the policies for boxes that [`INVERTED`] and [`OUTSIDE`] name.
    pub(crate) fn with_policies(self, params: &Params) -> Self {
        Self { swap: params.text("inverted") == "swap", clip: params.text("outside") == "clip", ..self }
    }

    /// Distances need pixels.
    pub(crate) fn in_pixels(self) -> Result<Self, Score> {
        if self.size.is_none() && self.said != Frame::Pixels { Err(missing("image_width")) } else { Ok(self) }
    }

    /// Width and height of the common frame, where they are known.
    pub(crate) fn bounds(self) -> Option<(f64, f64)> {
        self.size.or((self.said != Frame::Pixels).then_some((1.0, 1.0)))
    }

    fn scale(self, frame: Frame) -> (f64, f64) {
        let (width, height) = self.bounds().unwrap_or((1.0, 1.0));
        match frame {
            Frame::Pixels => (1.0, 1.0),
            Frame::Norm1 => (width, height),
            Frame::Norm1000 => (width / 1000.0, height / 1000.0),
        }
    }

    /// A point of the answer in the common frame.
    pub(crate) fn point(self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (sx, sy) = self.scale(self.said);
        [x * sx, y * sy]
    }

    /// A box of the answer in the common frame; `None` when the policies refuse it or nothing of it is
    /// left.
    pub(crate) fn rect(self, [x1, y1, x2, y2]: [f64; 4]) -> Option<Box2> {
        let ([x1, y1], [x2, y2]) = (self.point([x1, y1]), self.point([x2, y2]));
        let swapped = if self.swap {
            Box2::new(x1.min(x2), y1.min(y2), x1.max(x2), y1.max(y2))
        } else {
            Box2::new(x1, y1, x2, y2)
        };
        let rect = swapped?;
        let Some((width, height)) = self.bounds() else { return Some(rect) };
        let clipped = rect.clip(width, height);
        if clipped == rect { Some(rect) } else { Some(clipped).filter(|c| self.clip && c.area() > 0.0) }
    }

    /// A point of the ground truth in the common frame.
    pub(crate) fn gold_point(self, [x, y]: [f64; 2]) -> Result<[f64; 2], Score> {
        let (sx, sy) = self.scale(self.gold);
        let point = [x * sx, y * sy];
        let inside = |v: f64, side: f64| (-GOLD_SLACK * side..=(1.0 + GOLD_SLACK) * side).contains(&v);
        let fits = self.bounds().is_none_or(|(w, h)| inside(point[0], w) && inside(point[1], h));
        if fits && point.iter().all(|v| v.abs() <= 1e7) {
            Ok(point)
        } else {
            Err(bad_gold("a coordinate of the ground truth is outside the image: is the frame right?"))
        }
    }

    /// A box of the ground truth in the common frame, cut at the edge of the image.
    pub(crate) fn gold_rect(self, [x1, y1, x2, y2]: [f64; 4]) -> Result<Box2, Score> {
        let ([x1, y1], [x2, y2]) = (self.gold_point([x1, y1])?, self.gold_point([x2, y2])?);
        let rect = Box2::new(x1, y1, x2, y2);
        let rect = rect.map(|r| self.bounds().map_or(r, |(w, h)| r.clip(w, h)));
        rect.filter(|r| r.area() > 0.0).ok_or_else(|| bad_gold("a box of the ground truth has no area"))
    }
}

/// `N` finite numbers of a JSON array that holds nothing else.
pub(crate) fn gold_numbers<const N: usize>(value: &Value) -> Option<[f64; N]> {
    let items = value.as_array().filter(|items| items.len() == N)?;
    let mut out = [0.0; N];
    for (slot, item) in out.iter_mut().zip(items) {
        *slot = item.as_f64().filter(|v| v.is_finite())?;
    }
    Some(out)
}
