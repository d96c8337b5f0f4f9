//! Text in real fonts, for screens, charts and signs. Boards use the pixel font of [`Canvas::text`].

use std::sync::OnceLock;

use ab_glyph::{Font as _, FontRef, GlyphId, PxScale, ScaleFont as _, point};
use serde::{Deserialize, Serialize};

use super::stamp::{Stamp, stamp};
use super::{Canvas, Rgb};

/// A bundled font (DejaVu; printable ASCII, Greek small letters, arrows, card suits, a few signs).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Font {
    /// Without serifs.
    #[default]
    Sans,
    /// Without serifs, bold.
    Bold,
    /// All letters of one width.
    Mono,
    /// With serifs.
    Serif,
}

impl Font {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Sans, Self::Bold, Self::Mono, Self::Serif];
    /// Their names, as the words of a knob, in the same order.
    pub const NAMES: &'static [&'static str] = &["sans", "bold", "mono", "serif"];

    /// The font called `name`; the plain one for any other word.
    pub fn named(name: &str) -> Self {
        Self::NAMES.iter().position(|n| *n == name).map_or(Self::Sans, |i| Self::ALL[i])
    }

    fn data(self) -> &'static FontRef<'static> {
        static FONTS: OnceLock<[FontRef<'static>; 4]> = OnceLock::new();
        let load = |bytes| FontRef::try_from_slice(bytes).expect("a bundled font");
        &FONTS.get_or_init(|| {
            [
                load(include_bytes!("../../assets/fonts/DejaVuSans.ttf")),
                load(include_bytes!("../../assets/fonts/DejaVuSans-Bold.ttf")),
                load(include_bytes!("../../assets/fonts/DejaVuSansMono.ttf")),
                load(include_bytes!("../../assets/fonts/DejaVuSerif.ttf")),
            ]
        })[self as usize]
    }

    /// The width of `text` in pixels at a line height of `px`.
    pub fn width(self, text: &str, px: f32) -> f32 {
        let font = self.data().as_scaled(PxScale::from(px));
        text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum()
    }

    /// The largest line height up to `px` at which `text` is at most `width` wide.
    pub fn fit(self, text: &str, px: f32, width: f32) -> f32 {
        let natural = self.width(text, px);
        if natural <= width { px } else { px * width / natural }
    }

    /// True when the font can draw `letter`.
    pub fn has(self, letter: char) -> bool {
        self.data().glyph_id(letter) != GlyphId(0)
    }
}

impl Canvas {
    /// Writes one line of `text`, its top-left corner at (`x`, `y`), `px` pixels high from ascender to
    /// descender. Gives its width.
    pub fn label(&mut self, text: &str, x: f32, y: f32, px: f32, font: Font, color: Rgb) -> f32 {
        let scaled = font.data().as_scaled(PxScale::from(px));
        let baseline = y + scaled.ascent();
        let mut pen = x;
        for letter in text.chars() {
            let id = scaled.glyph_id(letter);
            // A letter looks the same at every place with the same fractions of a pixel.
            let (left, top) = (pen.floor(), baseline.floor());
            let at = point(pen - left, baseline - top);
            let key = |words: &mut Vec<u32>| {
                let (font, id) = (font as u32, u32::from(id.0));
                words.extend([1, font, id, px.to_bits(), at.x.to_bits(), at.y.to_bits()]);
            };
            let draw = || {
                let outline = scaled.outline_glyph(id.with_scale_and_position(scaled.scale(), at))?;
                let bounds = outline.px_bounds();
                let (width, height) = (bounds.width() as usize, bounds.height() as usize);
                let mut shares = vec![0; width * height];
                outline.draw(|dx, dy, coverage| {
                    if let Some(share) = shares.get_mut(dy as usize * width + dx as usize) {
                        *share = (coverage.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
                    }
                });
                Some(Stamp { left: bounds.min.x as i32, top: bounds.min.y as i32, width, shares })
            };
            if let Some(stamp) = stamp((px * px) as usize, key, draw) {
                self.apply(&stamp, (left as i32, top as i32), color);
            }
            pen += scaled.h_advance(id);
        }
        pen - x
    }

    /// Writes one line of `text` centred on (`x`, `y`), shrunk to at most `width` pixels.
    #[expect(clippy::too_many_arguments, reason = "what, where, how large, how")]
    pub fn label_centred(&mut self, text: &str, x: f32, y: f32, width: f32, px: f32, font: Font, color: Rgb) {
        let px = font.fit(text, px, width);
        self.label(text, x - font.width(text, px) / 2.0, y - px / 2.0, px, font, color);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{BLACK, WHITE};

    #[test]
    fn fonts_draw_what_they_say_and_differ() {
        let mut pictures = Vec::new();
        for (font, name) in Font::ALL.into_iter().zip(Font::NAMES) {
            assert_eq!(Font::named(name), font);
            assert!((' '..='~').all(|c| font.has(c)), "{name}");
            assert!("αβγ♠♥♦♣←↑→↓≤≥−×÷√°€✓…".chars().all(|c| font.has(c) || font == Font::Serif), "{name}");
            let mut canvas = Canvas::new(120, 24, WHITE);
            let width = canvas.label("Total 42", 4.0, 2.0, 20.0, font, BLACK);
            assert!((width - font.width("Total 42", 20.0)).abs() < 1e-3);
            let image = canvas.into_image();
            let dark = image.pixels().chunks_exact(3).enumerate().filter(|(_, p)| p[0] < 128);
            let columns: Vec<usize> = dark.map(|(i, _)| i % 120).collect();
            assert!(columns.len() > 100, "{name}: {} dark pixels", columns.len());
            assert!(columns.iter().all(|x| (4..=(4.0 + width) as usize).contains(x)));
            assert!(!pictures.contains(&image), "{name}");
            pictures.push(image);
        }
    }

    #[test]
    fn text_is_clipped_and_fitted() {
        let mut canvas = Canvas::new(30, 30, WHITE);
        canvas.label("far away", -500.0, 400.0, 20.0, Font::Sans, BLACK);
        canvas.label("cut off at the edge", 20.0, 20.0, 20.0, Font::Sans, BLACK);
        let px = Font::Sans.fit("a long line of words", 20.0, 26.0);
        assert!((Font::Sans.width("a long line of words", px) - 26.0).abs() < 0.5);
    }
}
