//! Screens: what the environments of the GUI group share. Sizes and themes, icons drawn from polygons,
//! widgets in the bundled fonts, and the action `click(x,y)`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::draw::{Canvas, Font, Rgb, Shape, WHITE};
use crate::{KnobSpec, Knobs, ParseError};

/// The height of a row of widgets: one visual token.
pub(super) const UNIT: u32 = 28;

/// Sizes of screens, as the words of a knob: two small ones, a phone, a desktop. Multiples of 28.
pub(super) const SIZES: &[&str] = &["112x112", "168x168", "224x224", "364x644", "1288x812"];

/// Themes, as the words of a knob.
pub(super) const THEMES: &[&str] = &["light", "dark", "low-contrast"];

/// Width and height of a size; the second of [`SIZES`] for any other word.
pub(super) fn size(word: &str) -> (u32, u32) {
    let sides = word.split_once('x').map(|(w, h)| (w.parse(), h.parse()));
    if let Some((Ok(width), Ok(height))) = sides { (width, height) } else { (168, 168) }
}

/// The largest screen that a state may have.
const MAX_SIDE: u32 = 1400;

/// How a screen looks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Style {
    /// Width and height in pixels.
    pub(super) size: (u32, u32),
    theme: Theme,
    pub(super) font: Font,
    /// Line height of text in pixels.
    pub(super) text_px: u32,
}

impl Style {
    /// The style that the knobs `screen`, `theme`, `font` and (where there is one) `text_px` ask for.
    pub(super) fn new(knobs: &Knobs) -> Self {
        let theme = match knobs.choice("theme") {
            "dark" => Theme::Dark,
            "low-contrast" => Theme::LowContrast,
            _ => Theme::Light,
        };
        let text_px = match u32::try_from(knobs.int("text_px")) {
            Ok(px) if px > 0 => px,
            _ => 15,
        };
        Self { size: size(knobs.choice("screen")), theme, font: Font::named(knobs.choice("font")), text_px }
    }

    /// False for a size that no screen has.
    pub(super) fn is_sane(&self) -> bool {
        let side = |px: u32| (UNIT..=MAX_SIDE).contains(&px);
        side(self.size.0) && side(self.size.1) && (4..=64).contains(&self.text_px)
    }
}

/// The knob for the font of a screen.
pub(super) const FONT_KNOB: KnobSpec =
    KnobSpec::choice("font", crate::Axis::Perception, Font::NAMES, "sans", "the font of all text");

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Light,
    Dark,
    LowContrast,
}

/// The colours of a theme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Colors {
    /// Behind everything.
    pub(super) page: Rgb,
    /// Bars, fields and icon buttons.
    pub(super) card: Rgb,
    /// Frames.
    pub(super) line: Rgb,
    /// Text and icons.
    pub(super) ink: Rgb,
    /// Less important text.
    pub(super) faint: Rgb,
    /// Buttons, and what is chosen.
    pub(super) accent: Rgb,
    /// Text on the accent.
    pub(super) on_accent: Rgb,
}

impl Theme {
    fn colors(self) -> Colors {
        match self {
            Self::Light => Colors {
                page: [240, 242, 246],
                card: WHITE,
                line: [172, 176, 188],
                ink: [30, 32, 40],
                faint: [112, 116, 128],
                accent: [36, 96, 220],
                on_accent: WHITE,
            },
            Self::Dark => Colors {
                page: [22, 24, 30],
                card: [46, 49, 58],
                line: [96, 100, 112],
                ink: [236, 238, 242],
                faint: [158, 162, 172],
                accent: [96, 154, 250],
                on_accent: [10, 14, 26],
            },
            Self::LowContrast => Colors {
                page: [198, 198, 202],
                card: [208, 208, 212],
                line: [182, 182, 188],
                ink: [142, 142, 150],
                faint: [160, 160, 168],
                accent: [164, 172, 188],
                on_accent: [212, 214, 220],
            },
        }
    }
}

/// A rectangle of whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Area {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) w: u32,
    pub(super) h: u32,
}

impl Area {
    /// True when the clicked pixel is one of its own.
    pub(super) fn contains(&self, at: Click) -> bool {
        let within = |p: u32, low: u32, length: u32| p >= low && p - low < length;
        within(at.x, self.x, self.w) && within(at.y, self.y, self.h)
    }

    /// The pixel in its middle.
    pub(super) fn middle(&self) -> Click {
        Click { x: self.x + self.w / 2, y: self.y + self.h / 2 }
    }

    /// The same area, `by` pixels smaller on each side.
    pub(super) fn inset(&self, by: u32) -> Self {
        let cut = |length: u32| length.saturating_sub(2 * by).max(1);
        Self { x: self.x + by, y: self.y + by, w: cut(self.w), h: cut(self.h) }
    }

    /// True when it has pixels and all of them lie on the screen.
    pub(super) fn is_on(&self, (width, height): (u32, u32)) -> bool {
        let fits = |at: u32, length: u32, side: u32| length > 0 && at <= side && length <= side - at;
        fits(self.x, self.w, width) && fits(self.y, self.h, height)
    }

    /// Left, top, right, bottom; the last two lie just outside.
    pub(super) fn corners(&self) -> [u32; 4] {
        [self.x, self.y, self.x + self.w, self.y + self.h]
    }
}

/// The action `click(x,y)`: a pixel of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Click {
    /// Pixels from the left edge.
    pub x: u32,
    /// Pixels from the top edge.
    pub y: u32,
}

impl fmt::Display for Click {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "click({},{})", self.x, self.y)
    }
}

impl Click {
    /// Reads `click(x,y)`, white space around it and around the numbers allowed.
    pub(super) fn parse(
        answer: &str,
        (width, height): (u32, u32),
        grammar: &'static str,
    ) -> Result<Self, ParseError> {
        let pair = inner(answer, "click(", ")").and_then(pair);
        let (x, y) = pair.ok_or_else(|| ParseError::grammar(answer, grammar))?;
        match (u32::try_from(x), u32::try_from(y)) {
            (Ok(x), Ok(y)) if x < width && y < height => Ok(Self { x, y }),
            _ => Err(ParseError::range(answer, format!("the picture is {width} by {height}"))),
        }
    }

    /// A pixel of the screen, all equally likely.
    pub(super) fn random(rng: &mut eyas_core::Rng, (width, height): (u32, u32)) -> Self {
        Self { x: rng.below(width as usize) as u32, y: rng.below(height as usize) as u32 }
    }
}

/// What stands between `open` and `close`, white space around the whole allowed.
pub(super) fn inner<'a>(answer: &'a str, open: &str, close: &str) -> Option<&'a str> {
    answer.trim().strip_prefix(open)?.strip_suffix(close)
}

/// Two whole numbers with a comma between them.
pub(super) fn pair(text: &str) -> Option<(i32, i32)> {
    let (first, second) = text.split_once(',')?;
    Some((number(first)?, number(second)?))
}

/// A whole number of at most six ASCII digits.
fn number(text: &str) -> Option<i32> {
    let text = text.trim_matches(' ');
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A screen that is being drawn.
pub(super) struct Screen {
    pub(super) canvas: Canvas,
    pub(super) colors: Colors,
    font: Font,
    px: f32,
}

impl Screen {
    /// An empty page.
    pub(super) fn new(style: &Style) -> Self {
        let colors = style.theme.colors();
        let canvas = Canvas::new(style.size.0, style.size.1, colors.page);
        Self { canvas, colors, font: style.font, px: style.text_px as f32 }
    }

    /// A plain rectangle.
    pub(super) fn fill(&mut self, area: Area, color: Rgb) {
        self.canvas.fill_rect(area.x as i32, area.y as i32, area.w, area.h, color);
    }

    /// A card with a frame around it.
    pub(super) fn card(&mut self, area: Area, frame: Rgb) {
        self.round(area, frame);
        self.canvas.fill_round_rect(
            area.x as i32 + 1,
            area.y as i32 + 1,
            area.w.saturating_sub(2),
            area.h.saturating_sub(2),
            3.0,
            self.colors.card,
        );
    }

    fn round(&mut self, area: Area, color: Rgb) {
        self.canvas.fill_round_rect(area.x as i32, area.y as i32, area.w, area.h, 4.0, color);
    }

    /// One line of text from the left, in the middle of the area's height, shrunk where it is too long.
    pub(super) fn text(&mut self, text: &str, area: Area, color: Rgb) {
        let px = self.font.fit(text, self.px.min(area.h as f32), area.w as f32);
        let y = area.y as f32 + (area.h as f32 - px) / 2.0;
        self.canvas.label(text, area.x as f32, y, px, self.font, color);
    }

    /// One line of bold text from the left; gives its width in whole pixels.
    pub(super) fn text_bold(&mut self, text: &str, area: Area, color: Rgb) -> u32 {
        let px = self.px.min(area.h as f32);
        let y = area.y as f32 + (area.h as f32 - px) / 2.0;
        self.canvas.label(text, area.x as f32, y, px, Font::Bold, color).ceil() as u32
    }

    /// One line of text in the middle of the area.
    pub(super) fn centred(&mut self, text: &str, area: Area, color: Rgb) {
        let (x, y) = (area.x as f32 + area.w as f32 / 2.0, area.y as f32 + area.h as f32 / 2.0);
        let px = self.px.min(area.h as f32);
        self.canvas.label_centred(text, x, y, area.w as f32, px, self.font, color);
    }

    /// A bar with a title.
    pub(super) fn bar(&mut self, area: Area, title: &str) {
        self.fill(area, self.colors.card);
        self.fill(Area { y: area.y + area.h - 1, h: 1, ..area }, self.colors.line);
        self.text(title, Area { x: area.x + 6, w: area.w.saturating_sub(12), ..area }, self.colors.ink);
    }

    /// A button with a word on it.
    pub(super) fn button(&mut self, area: Area, text: &str) {
        self.round(area, self.colors.accent);
        self.centred(text, area.inset(3), self.colors.on_accent);
    }

    /// A button that can be chosen, like a size in a shop.
    pub(super) fn chip(&mut self, area: Area, text: &str, chosen: bool) {
        if chosen {
            self.button(area, text);
        } else {
            self.card(area, self.colors.line);
            self.centred(text, area.inset(3), self.colors.ink);
        }
    }

    /// A button with an icon of `icon_px` pixels on it.
    pub(super) fn icon_button(&mut self, area: Area, icon: Icon, icon_px: u32) {
        self.card(area, self.colors.line);
        let (x, y) = (area.x as f32 + area.w as f32 / 2.0, area.y as f32 + area.h as f32 / 2.0);
        icon.draw(&mut self.canvas, x, y, icon_px as f32, self.colors.ink, self.colors.card);
    }

    /// A check box with a word beside it.
    pub(super) fn check(&mut self, area: Area, text: &str, on: bool) {
        let side = (area.h * 2 / 3).max(4);
        let at = Area { x: area.x + 1, y: area.y + (area.h - side) / 2, w: side, h: side };
        self.card(at, self.colors.faint);
        if on {
            let (x, y) = (at.x as f32 + side as f32 / 2.0, at.y as f32 + side as f32 / 2.0);
            let (ink, paper) = (self.colors.ink, self.colors.card);
            Icon::Confirm.draw(&mut self.canvas, x, y, side as f32 - 3.0, ink, paper);
        }
        self.beside(area, side, text);
    }

    /// A radio button with a word beside it.
    pub(super) fn radio(&mut self, area: Area, text: &str, on: bool) {
        let side = (area.h / 2).max(4);
        let (x, y, r) = (area.x as f32 + 1.0 + side as f32 / 2.0, area.y as f32 + area.h as f32 / 2.0, side);
        self.canvas.fill_circle(x, y, r as f32 / 2.0, self.colors.faint);
        self.canvas.fill_circle(x, y, r as f32 / 2.0 - 1.0, self.colors.card);
        if on {
            self.canvas.fill_circle(x, y, r as f32 / 2.0 - 3.0, self.colors.ink);
        }
        self.beside(area, side, text);
    }

    fn beside(&mut self, area: Area, side: u32, text: &str) {
        let used = side + 4;
        let rest = Area { x: area.x + used, w: area.w.saturating_sub(used).max(1), ..area };
        self.text(text, rest, self.colors.ink);
    }

    /// A tab.
    pub(super) fn tab(&mut self, area: Area, text: &str) {
        self.centred(text, area.inset(3), self.colors.ink);
        self.fill(Area { y: area.y + area.h - 3, h: 3, ..area }, self.colors.accent);
    }

    /// An input field; `focused` draws its frame in the accent.
    pub(super) fn field(&mut self, area: Area, text: &str, color: Rgb, focused: bool) {
        self.card(area, if focused { self.colors.accent } else { self.colors.line });
        self.text(text, Area { x: area.x + 5, w: area.w.saturating_sub(9).max(1), ..area }, color);
    }

    /// A drop-down list, closed.
    pub(super) fn drop_down(&mut self, area: Area, text: &str) {
        self.card(area, self.colors.line);
        let side = 12.min(area.w);
        let left = Area { x: area.x + 5, w: area.w.saturating_sub(9 + side).max(1), ..area };
        self.text(text, left, self.colors.ink);
        let (x, y) = ((area.x + area.w) as f32 - 9.0, area.y as f32 + area.h as f32 / 2.0);
        self.canvas.fill_polygon(&[(x - 5.0, y - 3.0), (x + 5.0, y - 3.0), (x, y + 4.0)], self.colors.faint);
    }
}

/// An icon that is told apart by its outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Icon {
    Home,
    Save,
    Search,
    Delete,
    Mail,
    Settings,
    Play,
    Pause,
    Like,
    Star,
    User,
    Lock,
    Camera,
    Phone,
    Cart,
    Add,
    Bell,
    Calendar,
    Clock,
    Folder,
    Edit,
    Menu,
    Close,
    Sound,
    Chart,
    Flag,
    Map,
    Download,
    Confirm,
    Cloud,
}

impl Icon {
    /// All thirty.
    pub(super) const ALL: [Self; 30] = [
        Self::Home,
        Self::Save,
        Self::Search,
        Self::Delete,
        Self::Mail,
        Self::Settings,
        Self::Play,
        Self::Pause,
        Self::Like,
        Self::Star,
        Self::User,
        Self::Lock,
        Self::Camera,
        Self::Phone,
        Self::Cart,
        Self::Add,
        Self::Bell,
        Self::Calendar,
        Self::Clock,
        Self::Folder,
        Self::Edit,
        Self::Menu,
        Self::Close,
        Self::Sound,
        Self::Chart,
        Self::Flag,
        Self::Map,
        Self::Download,
        Self::Confirm,
        Self::Cloud,
    ];

    /// Its name, one capitalised word, and what it is good for.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Home => ("Home", "go to the first screen"),
            Self::Save => ("Save", "store the file"),
            Self::Search => ("Search", "find something"),
            Self::Delete => ("Delete", "throw it away"),
            Self::Mail => ("Mail", "read your letters"),
            Self::Settings => ("Settings", "change how it works"),
            Self::Play => ("Play", "start the film"),
            Self::Pause => ("Pause", "halt the film"),
            Self::Like => ("Like", "say that you love it"),
            Self::Star => ("Star", "keep as a favourite"),
            Self::User => ("User", "see your profile"),
            Self::Lock => ("Lock", "keep others out"),
            Self::Camera => ("Camera", "take a picture"),
            Self::Phone => ("Phone", "call someone"),
            Self::Cart => ("Cart", "see what you are buying"),
            Self::Add => ("Add", "make one more"),
            Self::Bell => ("Bell", "hear of news"),
            Self::Calendar => ("Calendar", "look up a date"),
            Self::Clock => ("Clock", "set an alarm"),
            Self::Folder => ("Folder", "open a document"),
            Self::Edit => ("Edit", "rewrite the text"),
            Self::Menu => ("Menu", "see more choices"),
            Self::Close => ("Close", "shut the window"),
            Self::Sound => ("Sound", "make it louder"),
            Self::Chart => ("Chart", "compare the numbers"),
            Self::Flag => ("Flag", "report a problem"),
            Self::Map => ("Map", "plan a route"),
            Self::Download => ("Download", "fetch it from the net"),
            Self::Confirm => ("Confirm", "say yes"),
            Self::Cloud => ("Cloud", "check the weather"),
        }
    }

    /// Its name, one capitalised word.
    pub(super) fn name(self) -> &'static str {
        self.words().0
    }

    /// What it is good for, as the end of a sentence.
    pub(super) fn purpose(self) -> &'static str {
        self.words().1
    }

    /// Draws it, centred on (`x`, `y`), into a box of side `size`; holes show `paper`.
    pub(super) fn draw(self, canvas: &mut Canvas, x: f32, y: f32, size: f32, ink: Rgb, paper: Rgb) {
        let mut pen = Pen::new(canvas, x, y, size);
        if !pen.draw_plain(self, ink) {
            pen.draw_hollow(self, ink, paper);
        }
    }
}

/// Draws on a box of side 2 around the origin, y downwards.
pub(super) struct Pen<'a> {
    canvas: &'a mut Canvas,
    x: f32,
    y: f32,
    half: f32,
}

impl<'a> Pen<'a> {
    /// A pen for a box of side `size`, centred on (`x`, `y`).
    pub(super) fn new(canvas: &'a mut Canvas, x: f32, y: f32, size: f32) -> Self {
        Self { canvas, x, y, half: size / 2.0 }
    }

    fn at(&self, (x, y): (f32, f32)) -> (f32, f32) {
        (self.x + self.half * x, self.y + self.half * y)
    }

    pub(super) fn polygon(&mut self, points: &[(f32, f32)], color: Rgb) {
        let mut placed = [(0.0, 0.0); 8];
        for (to, from) in placed.iter_mut().zip(points) {
            *to = self.at(*from);
        }
        self.canvas.fill_polygon(&placed[..points.len().min(8)], color);
    }

    /// A rectangle from its left, top, width and height.
    pub(super) fn bar(&mut self, left: f32, top: f32, width: f32, height: f32, color: Rgb) {
        let (right, bottom) = (left + width, top + height);
        self.polygon(&[(left, top), (right, top), (right, bottom), (left, bottom)], color);
    }

    pub(super) fn bars(&mut self, bars: &[[f32; 4]], color: Rgb) {
        bars.iter().for_each(|[left, top, width, height]| self.bar(*left, *top, *width, *height, color));
    }

    pub(super) fn disc(&mut self, x: f32, y: f32, radius: f32, color: Rgb) {
        let (x, y) = self.at((x, y));
        self.canvas.fill_circle(x, y, radius * self.half, color);
    }

    pub(super) fn ring(&mut self, x: f32, y: f32, radius: f32, width: f32, color: Rgb) {
        let (x, y) = self.at((x, y));
        self.canvas.ring(x, y, radius * self.half, width * self.half, color);
    }

    fn path(&mut self, points: &[(f32, f32)], width: f32, color: Rgb) {
        for pair in points.windows(2) {
            let (from, to) = (self.at(pair[0]), self.at(pair[1]));
            self.canvas.line(from, to, width * self.half, color);
        }
    }

    /// Icons of ink alone. False for the others.
    fn draw_plain(&mut self, icon: Icon, ink: Rgb) -> bool {
        match icon {
            Icon::Search => {
                self.ring(-0.22, -0.22, 0.68, 0.22, ink);
                self.path(&[(0.2, 0.2), (0.85, 0.85)], 0.3, ink);
            }
            Icon::Play => self.polygon(&[(-0.6, -0.85), (0.85, 0.0), (-0.6, 0.85)], ink),
            Icon::Pause => self.bars(&[[-0.65, -0.8, 0.45, 1.6], [0.2, -0.8, 0.45, 1.6]], ink),
            Icon::Like => {
                self.disc(-0.43, -0.28, 0.47, ink);
                self.disc(0.43, -0.28, 0.47, ink);
                self.polygon(&[(-0.82, 0.0), (0.0, -0.45), (0.82, 0.0), (0.0, 0.92)], ink);
            }
            Icon::Star => self.canvas.shape(Shape::Star, self.x, self.y, 2.0 * self.half, ink),
            Icon::User => {
                self.disc(0.0, -0.45, 0.42, ink);
                self.disc(-0.4, 0.5, 0.35, ink);
                self.disc(0.4, 0.5, 0.35, ink);
                self.bars(&[[-0.4, 0.15, 0.8, 0.7], [-0.75, 0.5, 1.5, 0.4]], ink);
            }
            Icon::Cart => {
                self.path(&[(-1.0, -0.75), (-0.62, -0.75), (-0.28, 0.4), (0.75, 0.4)], 0.17, ink);
                self.polygon(&[(-0.5, -0.5), (0.95, -0.5), (0.7, 0.15), (-0.32, 0.15)], ink);
                self.disc(-0.15, 0.75, 0.19, ink);
                self.disc(0.6, 0.75, 0.19, ink);
            }
            Icon::Add => self.bars(&[[-0.85, -0.2, 1.7, 0.4], [-0.2, -0.85, 0.4, 1.7]], ink),
            Icon::Bell => {
                self.disc(0.0, -0.2, 0.55, ink);
                self.disc(0.0, 0.75, 0.2, ink);
                self.disc(0.0, -0.8, 0.14, ink);
                self.bar(-0.55, -0.2, 1.1, 0.55, ink);
                self.polygon(&[(-0.55, 0.3), (0.55, 0.3), (0.85, 0.6), (-0.85, 0.6)], ink);
            }
            Icon::Clock => {
                self.ring(0.0, 0.0, 0.92, 0.2, ink);
                self.path(&[(0.0, -0.55), (0.0, 0.08)], 0.18, ink);
                self.path(&[(-0.05, 0.0), (0.5, 0.0)], 0.18, ink);
            }
            Icon::Menu => {
                self.bars(&[[-0.85, -0.7, 1.7, 0.3], [-0.85, -0.15, 1.7, 0.3], [-0.85, 0.4, 1.7, 0.3]], ink);
            }
            Icon::Close => {
                self.path(&[(-0.75, -0.75), (0.75, 0.75)], 0.34, ink);
                self.path(&[(0.75, -0.75), (-0.75, 0.75)], 0.34, ink);
            }
            Icon::Sound => {
                self.bar(-0.95, -0.3, 0.4, 0.6, ink);
                self.polygon(&[(-0.6, -0.3), (0.0, -0.8), (0.0, 0.8), (-0.6, 0.3)], ink);
                self.bars(&[[0.22, -0.35, 0.17, 0.7], [0.6, -0.65, 0.17, 1.3]], ink);
            }
            Icon::Chart => {
                self.bars(
                    &[[-0.85, 0.1, 0.42, 0.8], [-0.2, -0.35, 0.42, 1.25], [0.45, -0.85, 0.42, 1.75]],
                    ink,
                );
            }
            Icon::Flag => {
                self.bar(-0.75, -0.95, 0.2, 1.9, ink);
                self.polygon(&[(-0.55, -0.9), (0.85, -0.45), (-0.55, 0.05)], ink);
            }
            Icon::Download => {
                self.bars(&[[-0.17, -0.95, 0.34, 0.9], [-0.85, 0.65, 1.7, 0.26]], ink);
                self.polygon(&[(-0.6, -0.15), (0.6, -0.15), (0.0, 0.5)], ink);
            }
            Icon::Confirm => self.path(&[(-0.85, 0.0), (-0.22, 0.63), (0.85, -0.6)], 0.34, ink),
            Icon::Cloud => {
                self.disc(-0.5, 0.25, 0.4, ink);
                self.disc(0.0, -0.12, 0.5, ink);
                self.disc(0.52, 0.22, 0.42, ink);
                self.bar(-0.5, 0.2, 1.02, 0.44, ink);
            }
            _ => return false,
        }
        true
    }

    /// Icons with holes.
    fn draw_hollow(&mut self, icon: Icon, ink: Rgb, paper: Rgb) {
        match icon {
            Icon::Home => {
                let wall = [(0.65, 0.0), (0.65, 0.85), (-0.65, 0.85), (-0.65, 0.0)];
                self.polygon(&[(0.0, -0.9), (0.97, 0.02), (-0.97, 0.02)], ink);
                self.polygon(&wall, ink);
                self.bar(-0.2, 0.25, 0.4, 0.6, paper);
            }
            Icon::Save => {
                self.polygon(&[(-0.8, -0.8), (0.5, -0.8), (0.8, -0.5), (0.8, 0.8), (-0.8, 0.8)], ink);
                self.bars(&[[-0.42, -0.8, 0.75, 0.5], [-0.5, 0.1, 1.0, 0.55]], paper);
                self.bar(0.02, -0.72, 0.18, 0.32, ink);
            }
            Icon::Delete => {
                self.bars(&[[-0.8, -0.72, 1.6, 0.2], [-0.3, -0.95, 0.6, 0.25]], ink);
                self.polygon(&[(-0.64, -0.4), (0.64, -0.4), (0.5, 0.95), (-0.5, 0.95)], ink);
                self.bars(&[[-0.3, -0.2, 0.15, 0.9], [0.15, -0.2, 0.15, 0.9]], paper);
            }
            Icon::Mail => {
                self.bar(-0.95, -0.65, 1.9, 1.3, ink);
                self.path(&[(-0.95, -0.6), (0.0, 0.15), (0.95, -0.6)], 0.17, paper);
            }
            Icon::Settings => {
                for (x, y) in [(0.95, 0.0), (0.0, 0.95), (0.67, 0.67), (0.67, -0.67)] {
                    self.path(&[(-x, -y), (x, y)], 0.32, ink);
                }
                self.disc(0.0, 0.0, 0.66, ink);
                self.disc(0.0, 0.0, 0.28, paper);
            }
            Icon::Lock => {
                self.ring(0.0, -0.35, 0.52, 0.2, ink);
                self.bar(-0.7, -0.2, 1.4, 1.1, ink);
                self.disc(0.0, 0.3, 0.18, paper);
            }
            Icon::Camera => {
                self.bars(&[[-0.95, -0.5, 1.9, 1.25], [-0.35, -0.78, 0.7, 0.35]], ink);
                self.disc(0.0, 0.12, 0.45, paper);
                self.disc(0.0, 0.12, 0.26, ink);
            }
            Icon::Phone => {
                self.bar(-0.55, -0.95, 1.1, 1.9, ink);
                self.bar(-0.38, -0.7, 0.76, 1.2, paper);
                self.disc(0.0, 0.72, 0.12, paper);
            }
            Icon::Calendar => {
                self.bars(&[[-0.8, -0.7, 1.6, 1.6], [-0.5, -0.95, 0.22, 0.4], [0.28, -0.95, 0.22, 0.4]], ink);
                self.bar(-0.62, -0.25, 1.24, 0.97, paper);
                for (x, y) in [(-0.45, -0.08), (-0.1, -0.08), (0.25, -0.08), (-0.45, 0.3), (-0.1, 0.3)] {
                    self.bar(x, y, 0.22, 0.24, ink);
                }
            }
            Icon::Folder => {
                let tab =
                    [(-0.95, -0.65), (-0.2, -0.65), (0.0, -0.4), (0.95, -0.4), (0.95, 0.7), (-0.95, 0.7)];
                self.polygon(&tab, ink);
                self.bar(-0.8, -0.2, 1.6, 0.14, paper);
            }
            Icon::Edit => {
                self.path(&[(-0.5, 0.5), (0.65, -0.65)], 0.46, ink);
                self.polygon(&[(-0.92, 0.92), (-0.7, 0.3), (-0.3, 0.7)], ink);
                self.path(&[(0.15, -0.5), (0.5, -0.15)], 0.12, paper);
            }
            _ => {
                self.disc(0.0, -0.3, 0.62, ink);
                self.polygon(&[(-0.56, -0.05), (0.56, -0.05), (0.0, 0.95)], ink);
                self.disc(0.0, -0.3, 0.27, paper);
            }
        }
    }
}

#[cfg(test)]
mod tests;
