//! Jigsaw: say where each piece of a cut and shuffled picture belongs. One turn.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::draw::{BLACK, Canvas, PALETTE, Rgb, WHITE};
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

mod art;

use art::Motif;

const GRAMMAR: &str = "3 1 4 2 (a number for each piece, each number once)";

const SPEC: EnvSpec = EnvSpec {
    id: "jigsaw",
    group: EnvGroup::Perception,
    title: "Jigsaw",
    summary: "A picture cut into pieces that are shuffled: give the order that restores it.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "share of pieces in the right place",
    pixel_answers: false,
    players: 1,
    source: "Jigsaw-R1; VisGym",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("rows", Axis::Reasoning, 1, 5, 2, "rows of pieces").dialled(1.0, 4.0),
    KnobSpec::int("cols", Axis::Reasoning, 2, 5, 2, "columns of pieces").dialled(3.0, 5.0),
    KnobSpec::choice(
        "motif",
        Axis::Perception,
        Motif::NAMES,
        "landscape",
        "what the picture shows; mixed: any of them",
    )
    .dialled_by(0.0, 4.0, 4.0),
    KnobSpec::choice(
        "answer",
        Axis::Reasoning,
        &["places", "pieces"],
        "places",
        "for each piece as shown the place it belongs to, or for each place the piece that belongs there",
    )
    .dialled(0.0, 1.0),
    KnobSpec::int("border_px", Axis::Perception, 0, 8, 1, "pixels hidden at each edge of a piece")
        .dialled(1.0, 6.0),
    KnobSpec::int("piece_px", Axis::Perception, 28, 112, 56, "pixels along each side of a piece"),
    KnobSpec::flag(
        "numbers",
        Axis::Perception,
        true,
        "print the number of each place on the piece shown there",
    )
    .dialled(1.0, 0.0),
];

/// How many answers [`Env::legal_actions`] samples where there are more than that.
const SAMPLED: usize = 24;

/// The colour of hidden edges.
const EDGE: Rgb = [30, 30, 36];

/// An answer: a permutation of the numbers from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order(Vec<u8>);

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, number) in self.0.iter().enumerate() {
            write!(f, "{}{number}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// The state of a jigsaw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Jigsaw {
    rows: usize,
    cols: usize,
    /// The place, from 0 in reading order, that the piece shown at each place belongs to.
    belongs: Vec<u8>,
    motif: Motif,
    art: Seed,
    /// The answer names the piece for each place, not the place for each piece.
    pieces: bool,
    border_px: u32,
    piece_px: u32,
    numbers: bool,
    outcome: Option<Outcome>,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    rows: usize,
    cols: usize,
    belongs: Vec<u8>,
    motif: Motif,
    art: Seed,
    pieces: bool,
    border_px: u32,
    piece_px: u32,
    numbers: bool,
    outcome: Option<Outcome>,
}

impl TryFrom<Unchecked> for Jigsaw {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let Unchecked { rows, cols, belongs, motif, art, pieces, border_px, piece_px, numbers, outcome } =
            raw;
        if !(1..=5).contains(&rows) || !(2..=5).contains(&cols) || !is_permutation(&belongs, rows * cols, 0) {
            return Err(format!("no order of {rows} x {cols} pieces"));
        }
        if !(28..=112).contains(&piece_px) || border_px > 8 {
            return Err(format!("pieces of {piece_px} px with edges of {border_px} px"));
        }
        Ok(Self { rows, cols, belongs, motif, art, pieces, border_px, piece_px, numbers, outcome })
    }
}

/// Whether `numbers` are those from `first` on, `count` of them, in any order.
fn is_permutation(numbers: &[u8], count: usize, first: u8) -> bool {
    let mut seen = vec![false; count];
    for number in numbers {
        match number.checked_sub(first).and_then(|n| seen.get_mut(usize::from(n))) {
            Some(seen) if !*seen => *seen = true,
            _ => return false,
        }
    }
    numbers.len() == count
}

/// Where each number stands.
fn inverse(order: &[u8]) -> Vec<u8> {
    let mut inverse = vec![0; order.len()];
    for (at, number) in order.iter().enumerate() {
        if let Some(place) = inverse.get_mut(usize::from(*number)) {
            *place = at as u8;
        }
    }
    inverse
}

/// Colours that a piece is described by.
const NAMED: [(&str, Rgb); 4] =
    [("White", WHITE), ("Gray", [140, 140, 146]), ("Black", BLACK), ("Sky", [150, 195, 235])];

impl Jigsaw {
    fn count(&self) -> usize {
        self.rows * self.cols
    }

    /// Row and column of a place.
    fn place(&self, index: usize) -> (usize, usize) {
        (index / self.cols, index % self.cols)
    }

    /// The right answer, from 1.
    fn solution(&self) -> Vec<u8> {
        let order = if self.pieces { inverse(&self.belongs) } else { self.belongs.clone() };
        order.iter().map(|n| n + 1).collect()
    }

    fn whole(&self) -> Canvas {
        let side = |n: usize| n as u32 * self.piece_px;
        self.motif.draw(self.art, side(self.cols), side(self.rows))
    }

    /// The colours that fill most of the upper and of the lower half of the piece of each place, as one
    /// word.
    fn descriptions(&self) -> Vec<String> {
        let whole = self.whole().into_image();
        let (piece, half) = (self.piece_px as usize, self.piece_px as usize / 2);
        let main = |left: usize, top: usize| {
            let mut counts = [0; NAMED.len() + PALETTE.len()];
            for y in (top..top + half).step_by(3) {
                for x in (left..left + piece).step_by(3) {
                    let at = (y * whole.width() as usize + x) * 3;
                    counts[nearest(&whole.pixels()[at..at + 3])] += 1;
                }
            }
            let most = counts.iter().max().copied().unwrap_or(0);
            name(counts.iter().position(|n| *n == most).unwrap_or(0))
        };
        let one = |index: usize| {
            let (row, col) = self.place(index);
            [main(col * piece, row * piece), main(col * piece, row * piece + half)].concat()
        };
        (0..self.count()).map(one).collect()
    }

    fn any(&self, rng: &mut Rng) -> Order {
        let mut numbers: Vec<u8> = (1..=self.count() as u8).collect();
        rng.shuffle(&mut numbers);
        Order(numbers)
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }
}

/// The named colour nearest to a pixel.
fn nearest(pixel: &[u8]) -> usize {
    let all = NAMED.iter().chain(&PALETTE);
    let far = |(_, color): &(&str, Rgb)| -> u32 {
        pixel.iter().zip(color).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum()
    };
    all.enumerate().min_by_key(|(_, named)| far(named)).map_or(0, |(i, _)| i)
}

fn name(index: usize) -> &'static str {
    NAMED.iter().chain(&PALETTE).nth(index).map_or("", |(name, _)| name)
}

impl Env for Jigsaw {
    type Action = Order;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("pieces", 0).rng();
        let (rows, cols) = (knobs.size("rows"), knobs.size("cols"));
        let motif = Motif::named(knobs.choice("motif")).unwrap_or_else(|| Motif::any(&mut rng));
        let mut belongs: Vec<u8> = (0..(rows * cols) as u8).collect();
        rng.shuffle(&mut belongs);
        Ok(Self {
            rows,
            cols,
            belongs,
            motif,
            art: seed.split("art", 0),
            pieces: knobs.choice("answer") == "pieces",
            border_px: knobs.size("border_px") as u32,
            piece_px: knobs.size("piece_px") as u32,
            numbers: knobs.flag("numbers"),
            outcome: None,
        })
    }

    fn rules(&self) -> String {
        let (rows, cols, count) = (self.rows, self.cols, self.count());
        let wanted = if self.pieces {
            "For each place give the number of the piece that belongs there."
        } else {
            "For each piece give the number of the place where it belongs."
        };
        format!(
            "The picture was cut into {rows} rows and {cols} columns and shuffled. Places and pieces are \
             numbered 1 to {count} in reading order. {wanted}"
        )
    }

    /// Edges and numbers go onto the whole picture, which is then cut and put together as shuffled.
    fn render(&self) -> Image {
        let mut whole = self.whole();
        let shown = inverse(&self.belongs);
        let (piece, scale) = (self.piece_px, (self.piece_px / 28).clamp(1, 3));
        for (index, at) in shown.iter().enumerate() {
            let (row, col) = self.place(index);
            let (x, y) = ((col as u32 * piece) as i32, (row as u32 * piece) as i32);
            if self.border_px > 0 {
                whole.frame(x, y, piece, piece, self.border_px, EDGE);
            }
            if self.numbers {
                let text = (at + 1).to_string();
                let width = Canvas::text_width(&text, scale as f32) as u32 + 2 * scale;
                let inset = self.border_px as i32;
                whole.fill_rect(x + inset, y + inset, width, 9 * scale, WHITE);
                let corner = |v: i32| (v + inset) as f32 + scale as f32;
                whole.text(&text, corner(x), corner(y), scale as f32, BLACK);
            }
        }
        let image = whole.into_image();
        let (line, width) = (piece as usize * 3, image.width() as usize * 3);
        let mut pixels = Vec::with_capacity(image.pixels().len());
        for row in 0..self.rows {
            for y in 0..piece as usize {
                for belongs in &self.belongs[row * self.cols..(row + 1) * self.cols] {
                    let (from_row, from_col) = self.place(usize::from(*belongs));
                    let start = (from_row * piece as usize + y) * width + from_col * line;
                    pixels.extend_from_slice(&image.pixels()[start..start + line]);
                }
            }
        }
        // Cannot fail: every piece was copied once.
        Image::new(image.width(), image.height(), pixels).unwrap_or(image)
    }

    fn parse(&self, answer: &str) -> Result<Order, ParseError> {
        let count = self.count();
        // Long enough for every permutation, so that hostile text is not read to its end.
        if answer.len() > 1000 {
            return Err(ParseError::grammar(answer, GRAMMAR));
        }
        let mut numbers = Vec::with_capacity(count);
        for word in answer.split_ascii_whitespace() {
            let plain = word.len() <= 3 && word.bytes().all(|b| b.is_ascii_digit()) && !word.starts_with('0');
            let number = plain.then(|| word.parse::<u8>().ok()).flatten();
            numbers.push(number.ok_or_else(|| ParseError::grammar(answer, GRAMMAR))?);
        }
        if numbers.is_empty() {
            return Err(ParseError::grammar(answer, GRAMMAR));
        }
        if !is_permutation(&numbers, count, 1) {
            return Err(ParseError::range(answer, format!("each of 1 to {count} is wanted once")));
        }
        Ok(Order(numbers))
    }

    fn step(&mut self, action: &Order) -> Step {
        if self.outcome.is_some() {
            return self.report(0.0, false);
        }
        let solution = self.solution();
        let right = solution.iter().zip(&action.0).filter(|(a, b)| a == b).count();
        self.outcome = Some(if right == solution.len() { Outcome::Success } else { Outcome::Failure });
        self.report(right as f32 / solution.len() as f32, true)
    }

    fn pass(&mut self) -> Step {
        self.outcome = self.outcome.or(Some(Outcome::Truncated));
        self.report(0.0, false)
    }

    fn oracle(&self) -> Order {
        Order(self.solution())
    }

    /// Row and column where each piece belongs, piece by piece; with many pieces only the numbers of
    /// the pieces of each row of the whole.
    fn reason(&self, _action: &Order) -> String {
        let mut words = Vec::new();
        if self.count() <= 12 {
            for (index, belongs) in self.belongs.iter().enumerate() {
                let (row, col) = self.place(usize::from(*belongs));
                words.push(format!("{} {row} {col}", index + 1));
            }
        } else {
            for (row, pieces) in inverse(&self.belongs).chunks(self.cols).enumerate() {
                words.push(format!("row {row}"));
                words.extend(pieces.iter().map(|piece| (piece + 1).to_string()));
            }
        }
        words.join(" ")
    }

    /// One line a row, one word a piece as shown: the main colours of its upper and its lower half.
    fn perception(&self) -> Perception {
        let names = self.descriptions();
        let shown: Vec<&str> =
            self.belongs.iter().map(|place| names.get(usize::from(*place)).map_or("", |n| n)).collect();
        let lines: Vec<String> = shown.chunks(self.cols).map(|row| row.join(" ")).collect();
        let belongs: Vec<u8> = self.belongs.iter().map(|n| n + 1).collect();
        Perception { text: lines.join("\n"), data: json!({ "pieces": shown, "belongs": belongs }) }
    }

    /// All orders of up to four pieces, else some.
    fn legal_actions(&self) -> Vec<Order> {
        if self.outcome.is_some() {
            return Vec::new();
        }
        if self.count() <= 4 {
            return permutations(self.count() as u8);
        }
        let mut rng = self.art.split("answers", 0).rng();
        (0..SAMPLED).map(|_| self.any(&mut rng)).collect()
    }

    fn guess(&self, rng: &mut Rng) -> Option<Order> {
        self.outcome.is_none().then(|| self.any(rng))
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }
}

/// Every order of the numbers from 1 to `count`.
fn permutations(count: u8) -> Vec<Order> {
    let mut all = vec![Vec::new()];
    for _ in 0..count {
        let longer = |order: &Vec<u8>| -> Vec<Vec<u8>> {
            let free = (1..=count).filter(|n| !order.contains(n));
            free.map(|n| [order.as_slice(), &[n]].concat()).collect()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all.into_iter().map(Order).collect()
}

#[cfg(test)]
mod tests;
