//! OCR: read the text of a sign. One turn.
//!
//! The reward is that of the OCR tasks of PR1 and Video-R1, one minus the normalised edit distance. The
//! texts are drawn at random, so that nothing can be guessed from knowing a language; signs of several
//! colours stand in for a scene. Letters that look alike in one of the fonts are left out where they
//! could be confused.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{BLACK, Canvas, Font, LIGHT, PALETTE, Rgb, WHITE};
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "\"TEXT\" (in double quotes)";

const SPEC: EnvSpec = EnvSpec {
    id: "ocr",
    group: EnvGroup::Perception,
    title: "OCR",
    summary: "Signs with a line of text each: read the one that is asked for.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "1 - edit distance / length of the longer text",
    pixel_answers: false,
    players: 1,
    source: "PR1 OCR; Video-R1 OCR",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("length", Axis::Perception, 1, 16, 4, "characters on each sign").dialled(3.0, 12.0),
    KnobSpec::choice(
        "text",
        Axis::Perception,
        &["digits", "capitals", "mixed", "symbols", "words"],
        "capitals",
        "what is written: digits, capitals, both cases and digits, signs too, or made-up words",
    )
    .dialled(0.0, 3.0),
    KnobSpec::int("signs", Axis::Reasoning, 1, 4, 1, "signs in the picture; one is asked for by its colour")
        .dialled(1.0, 4.0),
    KnobSpec::choice(
        "font",
        Axis::Perception,
        &["sans", "bold", "mono", "serif", "any"],
        "any",
        "the font; any: one at random for each sign",
    ),
    KnobSpec::float("slant", Axis::Perception, 0.0, 1.0, 0.2, "how far the text may lean to either side")
        .dialled(0.0, 1.0),
    KnobSpec::float("warp", Axis::Perception, 0.0, 1.0, 0.0, "how far the line may go up and down in waves")
        .dialled(0.0, 0.8),
    KnobSpec::float("clutter", Axis::Perception, 0.0, 1.0, 0.0, "strokes and dots over the text")
        .dialled(0.0, 0.5),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        &["clear", "dim", "faint"],
        "clear",
        "contrast of the text with its sign; faint has little",
    )
    .dialled(0.0, 1.0),
    KnobSpec::int("width_px", Axis::Perception, 112, 448, 168, "width of the picture in pixels"),
    KnobSpec::int("text_px", Axis::Perception, 12, 44, 30, "height of the text; less where it would not fit"),
];

/// Height of a sign with its margins, in pixels.
const STRIP_PX: u32 = 56;

/// Margin around a sign's plate.
const EDGE_PX: u32 = 3;

/// Room between the plate's edge and the text.
const ROOM_PX: i64 = 6;

/// A character has at least this many pixels of width.
const LEAST_PX: i64 = 7;

/// The longest answer that is read.
const MAX_ANSWER: usize = 64;

/// How many texts [`Env::legal_actions`] samples.
const SAMPLED_TEXTS: usize = 8;

/// Full slant: this many 256ths of a pixel sideways for a pixel up.
const MAX_SHEAR: i32 = 110;

/// Full warp: this many 256ths of a pixel up and down.
const MAX_WAVE: i32 = 7 * 256;

/// What a sign may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Writing {
    Digits,
    Capitals,
    Mixed,
    Symbols,
    Words,
}

impl Writing {
    fn named(name: &str) -> Self {
        match name {
            "digits" => Self::Digits,
            "mixed" => Self::Mixed,
            "symbols" => Self::Symbols,
            "words" => Self::Words,
            _ => Self::Capitals,
        }
    }

    /// The characters. From both cases those are left out whose two forms differ in size only, and
    /// those that look like a digit.
    fn letters(self) -> &'static [u8] {
        match self {
            Self::Digits => b"0123456789",
            Self::Capitals => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            Self::Mixed => b"ABDEFGHJKLMNPQRTUYabdefghijmnqrty23456789",
            Self::Symbols => b"ABDEFGHJKLMNPQRTUYabdefghijmnqrty23456789+=:/%?!#&@*$()",
            Self::Words => b"abdefgiklmnoprstuvz",
        }
    }

    /// A text of `length` characters.
    fn draw(self, length: usize, rng: &mut Rng) -> String {
        if self == Self::Words {
            return words(length, rng);
        }
        let letters = self.letters();
        (0..length).filter_map(|_| rng.choose(letters)).map(|b| char::from(*b)).collect()
    }

    fn phrase(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Capitals => "capitals",
            Self::Mixed => "letters of both cases and digits",
            Self::Symbols => "letters of both cases, digits and symbols",
            Self::Words => "made-up words",
        }
    }
}

/// Made-up words of syllables, the first letter of each in capitals, `length` characters with the
/// blanks.
fn words(length: usize, rng: &mut Rng) -> String {
    const CONSONANTS: &[u8] = b"bdfgklmnprstvz";
    const VOWELS: &[u8] = b"aeiou";
    let (mut text, mut left) = (String::new(), length);
    while left > 0 {
        // Neither a blank at the end nor a word of one letter after a blank.
        let mut size = (3 + rng.below(4)).min(left);
        if left - size < 3 {
            size = left.min(8);
        }
        for i in 0..size {
            let from = if i % 2 == 0 { CONSONANTS } else { VOWELS };
            let letter = rng.choose(from).copied().map_or('a', char::from);
            text.push(if i == 0 { letter.to_ascii_uppercase() } else { letter });
        }
        left -= size;
        if left > 0 {
            text.push(' ');
            left -= 1;
        }
    }
    text
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Clear,
    Dim,
    Faint,
}

impl Theme {
    /// How far the ink is from the plate towards black or white, of 100.
    fn contrast(self) -> i32 {
        match self {
            Self::Clear => 100,
            Self::Dim => 50,
            Self::Faint => 24,
        }
    }
}

/// One sign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sign {
    /// Index of its plate's colour.
    color: usize,
    text: String,
    font: Font,
    /// 256ths of a pixel to the right for a pixel up.
    shear: i32,
    /// Height of the waves, in 256ths of a pixel.
    wave: i32,
    /// Length of a wave in pixels.
    period: i32,
    /// Where on the wave the sign begins, of 256.
    phase: i32,
    /// Where the text begins in the room that it leaves, of 256.
    place: i32,
}

impl Sign {
    fn name(&self) -> &'static str {
        PALETTE[self.color % PALETTE.len()].0
    }

    fn plate(&self) -> Rgb {
        PALETTE[self.color % PALETTE.len()].1
    }

    fn ink(&self, theme: Theme) -> Rgb {
        let plate = self.plate();
        let light = plate.iter().zip([77, 150, 29]).map(|(v, w)| u32::from(*v) * w).sum::<u32>() >> 8;
        let far = if light > 120 { BLACK } else { WHITE };
        mix(plate, far, theme.contrast(), 100)
    }

    /// How far the line is pushed down at column `x`, in 256ths of a pixel: parabolas up and down, which
    /// is close to a sine and the same on every machine.
    fn sag(&self, x: i32) -> i32 {
        let at = (x * 256 / self.period.max(1) + self.phase).rem_euclid(256);
        let half = at % 128;
        let height = self.wave * (half * (128 - half)) / 4096;
        if at < 128 { height } else { -height }
    }
}

/// `from` moved towards `to` by `share` of `whole`.
fn mix(from: Rgb, to: Rgb, share: i32, whole: i32) -> Rgb {
    let one = |a: u8, b: u8| {
        let (a, b) = (i32::from(a), i32::from(b));
        ((a * (whole - share) + b * share + whole / 2) / whole).clamp(0, 255) as u8
    };
    [one(from[0], to[0]), one(from[1], to[1]), one(from[2], to[2])]
}

/// An answer: the text as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading(String);

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// The state of an OCR task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Ocr {
    width_px: u32,
    text_px: u32,
    theme: Theme,
    clutter: f64,
    writing: Writing,
    /// From top to bottom.
    signs: Vec<Sign>,
    /// Index of the sign that is asked for.
    target: usize,
    /// Where strokes, dots and sampled texts come from.
    looks: Seed,
    outcome: Option<Outcome>,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    width_px: u32,
    text_px: u32,
    theme: Theme,
    clutter: f64,
    writing: Writing,
    signs: Vec<Sign>,
    target: usize,
    looks: Seed,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for Ocr {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let sizes = (112..=448).contains(&raw.width_px) && (12..=44).contains(&raw.text_px);
        if !sizes || !(0.0..=1.0).contains(&raw.clutter) {
            return Err("width_px, text_px or clutter is out of range".into());
        }
        if !(1..=4).contains(&raw.signs.len()) || raw.target >= raw.signs.len() {
            return Err(format!("sign {} of {}", raw.target, raw.signs.len()));
        }
        let sound = |s: &Sign| {
            s.color < PALETTE.len()
                && is_text(&s.text)
                && s.text.len() <= 16
                && s.shear.abs() <= MAX_SHEAR
                && (0..=MAX_WAVE).contains(&s.wave)
                && (16..=1000).contains(&s.period)
                && (0..=256).contains(&s.phase)
                && (0..=256).contains(&s.place)
        };
        if !raw.signs.iter().all(sound) {
            return Err("a sign cannot be drawn".into());
        }
        Ok(Self {
            width_px: raw.width_px,
            text_px: raw.text_px,
            theme: raw.theme,
            clutter: raw.clutter,
            writing: raw.writing,
            signs: raw.signs,
            target: raw.target,
            looks: raw.looks,
            outcome: raw.outcome,
        })
    }
}

/// Printable, without double quotes, no blank at either end.
fn is_text(text: &str) -> bool {
    let plain = text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'"');
    plain && !text.is_empty() && text.trim() == text
}

impl Ocr {
    /// The sign that is asked for. `target` is checked whenever a state is made.
    fn sign(&self) -> &Sign {
        &self.signs[self.target]
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    /// Draws one sign with its top edge at `top`.
    fn draw_sign(&self, canvas: &mut Canvas, sign: &Sign, top: i32) {
        let (width, edge) = (self.width_px, EDGE_PX as i32);
        let (plate, ink) = (sign.plate(), sign.ink(self.theme));
        canvas.fill_rect(edge, top + edge, width - 2 * EDGE_PX, STRIP_PX - 2 * EDGE_PX, plate);
        let lean = sign.shear.abs() as f32 * self.text_px as f32 / 256.0;
        let room = width as f32 - (2 * ROOM_PX) as f32 - (2 * EDGE_PX) as f32 - lean;
        let px = sign.font.fit(&sign.text, self.text_px as f32, room);
        let free = (room - sign.font.width(&sign.text, px)).max(0.0);
        let x = (width as f32 - room) / 2.0 + free * sign.place as f32 / 256.0;
        let y = (STRIP_PX as f32 - px) / 2.0;
        if sign.shear == 0 && sign.wave == 0 {
            canvas.label(&sign.text, x, top as f32 + y, px, sign.font, ink);
            return;
        }
        let mut mask = Canvas::new(width, STRIP_PX, BLACK);
        mask.label(&sign.text, x, y, px, sign.font, WHITE);
        let mask = mask.into_image();
        let inner = |side: u32| edge..side as i32 - edge;
        for x in inner(width) {
            let sag = sign.sag(x);
            for y in inner(STRIP_PX) {
                let from_x = x * 256 + sign.shear * (y - STRIP_PX as i32 / 2);
                let share = i32::from(sample(&mask, from_x, y * 256 - sag));
                if share > 0 {
                    canvas.fill_rect(x, top + y, 1, 1, mix(plate, ink, share, 255));
                }
            }
        }
    }

    /// Strokes and dots in the colours of the sign, always the same for one state.
    fn draw_clutter(&self, canvas: &mut Canvas, index: usize, sign: &Sign, top: i32) {
        let mut rng = self.looks.split("clutter", index as u64).rng();
        let count = (self.clutter * f64::from(self.width_px) / 16.0).round() as usize;
        let color = mix(sign.plate(), sign.ink(self.theme), 70, 100);
        let (left, right) = (EDGE_PX as i64 + 2, i64::from(self.width_px - EDGE_PX) - 2);
        let (low, high) = (EDGE_PX as i64 + 2, i64::from(STRIP_PX - EDGE_PX) - 2);
        for n in 0..count {
            let mut point =
                || (rng.between(left, right) as f32, (i64::from(top) + rng.between(low, high)) as f32);
            let (x, y) = point();
            if n % 3 == 0 {
                let (to_x, to_y) = point();
                // Strokes of at most a third of the width, so that no letter is hidden for good.
                let reach = self.width_px as f32 / 3.0;
                canvas.line((x, y), (x + (to_x - x).clamp(-reach, reach), to_y), 1.0, color);
            } else {
                canvas.fill_circle(x, y, 1.4, color);
            }
        }
    }
}

/// The coverage of a mask at a place given in 256ths of a pixel, between the four nearest pixels.
fn sample(mask: &Image, x: i32, y: i32) -> u8 {
    let (width, height) = (mask.width() as i32, mask.height() as i32);
    let (column, row) = (x >> 8, y >> 8);
    if column < 0 || row < 0 || column + 1 >= width || row + 1 >= height {
        return 0;
    }
    let (right, down) = ((x & 255) as u32, (y & 255) as u32);
    let first = (row * width + column) as usize * 3;
    let second = first + width as usize * 3;
    let pixels = mask.pixels();
    let at = |i: usize| u32::from(pixels[i]);
    let (above, below) = (
        at(first) * (256 - right) + at(first + 3) * right,
        at(second) * (256 - right) + at(second + 3) * right,
    );
    ((above * (256 - down) + below * down + 32_768) >> 16) as u8
}

impl Env for Ocr {
    type Action = Reading;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let (length, width_px) = (knobs.size("length"), knobs.int("width_px"));
        let room = width_px - 2 * ROOM_PX - 2 * i64::from(EDGE_PX);
        if length as i64 * LEAST_PX > room {
            let detail = format!("length = {length} characters cannot be read on width_px = {width_px}");
            return Err(KnobError::Conflict { env: SPEC.id.into(), detail });
        }
        let writing = Writing::named(knobs.choice("text"));
        let mut rng = seed.split("signs", 0).rng();
        let mut colors: Vec<usize> = (0..PALETTE.len()).collect();
        rng.shuffle(&mut colors);
        let shear = (knobs.float("slant") * f64::from(MAX_SHEAR)).round() as i64;
        let wave = (knobs.float("warp") * f64::from(MAX_WAVE)).round() as i64;
        let signs: Vec<Sign> = colors
            .into_iter()
            .take(knobs.size("signs"))
            .map(|color| Sign {
                color,
                text: writing.draw(length, &mut rng),
                font: match knobs.choice("font") {
                    "any" => rng.choose(&Font::ALL).copied().unwrap_or_default(),
                    name => Font::named(name),
                },
                shear: rng.between(-shear, shear) as i32,
                wave: rng.between(wave / 2, wave) as i32,
                period: rng.between(60, 140) as i32,
                phase: rng.between(0, 255) as i32,
                place: rng.between(0, 256) as i32,
            })
            .collect();
        let target = rng.below(signs.len());
        Ok(Self {
            width_px: u32::try_from(width_px).unwrap_or(168),
            text_px: u32::try_from(knobs.size("text_px")).unwrap_or(30),
            theme: match knobs.choice("theme") {
                "dim" => Theme::Dim,
                "faint" => Theme::Faint,
                _ => Theme::Clear,
            },
            clutter: knobs.float("clutter"),
            writing,
            signs,
            target,
            looks: seed.split("looks", 0),
            outcome: None,
        })
    }

    fn rules(&self) -> String {
        let which =
            if self.signs.len() == 1 { String::new() } else { self.sign().name().to_lowercase() + " " };
        format!("Read the {which}sign, exactly as written: {}.", self.writing.phrase())
    }

    fn render(&self) -> Image {
        let mut canvas = Canvas::new(self.width_px, STRIP_PX * self.signs.len() as u32, LIGHT);
        for (index, sign) in self.signs.iter().enumerate() {
            let top = (index as u32 * STRIP_PX) as i32;
            self.draw_sign(&mut canvas, sign, top);
            if self.clutter > 0.0 {
                self.draw_clutter(&mut canvas, index, sign, top);
            }
        }
        canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Reading, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let inner = answer.trim().strip_prefix('"').and_then(|s| s.strip_suffix('"')).ok_or_else(wrong)?;
        if inner.len() > MAX_ANSWER {
            return Err(ParseError::range(answer, format!("more than {MAX_ANSWER} characters")));
        }
        if is_text(inner) { Ok(Reading(inner.to_string())) } else { Err(wrong()) }
    }

    /// The outcome is a success when every character is right.
    fn step(&mut self, action: &Reading) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let near = strsim::normalized_levenshtein(&action.0, &self.sign().text) as f32;
        self.outcome = Some(if near >= 1.0 { Outcome::Success } else { Outcome::Failure });
        self.report(near, true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, false)
    }

    fn oracle(&self) -> Reading {
        Reading(self.sign().text.clone())
    }

    /// The sign, how many characters it has, and the answer spelt out.
    fn reason(&self, action: &Reading) -> String {
        let spelt: Vec<String> = action.0.chars().take(32).map(spell).collect();
        format!("{} sign {} characters {}", self.sign().name(), action.0.len(), spelt.join(" "))
    }

    /// One line a sign, from top to bottom: the colour of its plate and its text.
    fn perception(&self) -> Perception {
        let lines: Vec<String> = self.signs.iter().map(|s| format!("{} {}", s.name(), s.text)).collect();
        let signs: Vec<_> =
            self.signs.iter().map(|s| json!({ "color": s.name(), "text": s.text, "font": s.font })).collect();
        Perception { text: lines.join("\n"), data: json!({ "signs": signs, "asked": self.target }) }
    }

    /// Random texts of the same letters, always the same for one state.
    fn legal_actions(&self) -> Vec<Reading> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        let mut rng = self.looks.split("texts", 0).rng();
        (0..SAMPLED_TEXTS)
            .map(|_| {
                let length = 1 + rng.below(12);
                Reading(self.writing.draw(length, &mut rng))
            })
            .collect()
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

/// A character as a word of letters and digits.
fn spell(letter: char) -> String {
    let name = match letter {
        ' ' => "blank",
        '+' => "plus",
        '=' => "equals",
        ':' => "colon",
        '/' => "slash",
        '%' => "percent",
        '?' => "question",
        '!' => "exclamation",
        '#' => "hash",
        '&' => "ampersand",
        '@' => "at",
        '*' => "star",
        '$' => "dollar",
        '(' => "open",
        ')' => "close",
        c if c.is_ascii_alphanumeric() || c == '-' => return c.to_string(),
        _ => "sign",
    };
    name.to_string()
}

#[cfg(test)]
mod tests;
