//! Playing cards: ranks, suits and how a card is drawn, shared by the card games.

use std::fmt;

use eyas_core::Rng;
use serde::{Deserialize, Serialize};

use crate::draw::{BLACK, BLUE, Canvas, DARK, Font, GREEN, Rgb, WHITE};
use crate::{Axis, KnobSpec, Knobs};

/// The least side of a card; pictures are laid out on a raster of this many pixels.
pub(super) const RASTER: u32 = 28;

/// Width of a card as a knob: wide cards are easy to read.
pub(super) const fn card_px(default: i64) -> KnobSpec {
    KnobSpec::int("card_px", Axis::Perception, 28, 112, default, "width of a card in pixels")
}

/// Colours of the table as a knob.
pub(super) const THEME: KnobSpec = KnobSpec::choice(
    "theme",
    Axis::Perception,
    &["felt", "paper", "night"],
    "felt",
    "colours of table and cards; night has little contrast",
)
.dialled(0.0, 2.0);

/// Colours of the suits as a knob.
pub(super) const SUITS: KnobSpec = KnobSpec::choice(
    "suits",
    Axis::Perception,
    &["two", "four", "one"],
    "two",
    "colours of the suits: red and black, one for each suit, or black only",
);

/// A suit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Suit {
    Spades,
    Hearts,
    Diamonds,
    Clubs,
}

impl Suit {
    const ALL: [Self; 4] = [Self::Spades, Self::Hearts, Self::Diamonds, Self::Clubs];

    fn letter(self) -> char {
        match self {
            Self::Spades => 'S',
            Self::Hearts => 'H',
            Self::Diamonds => 'D',
            Self::Clubs => 'C',
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Spades => "♠",
            Self::Hearts => "♥",
            Self::Diamonds => "♦",
            Self::Clubs => "♣",
        }
    }
}

/// A card. Its text is rank and suit: `AS`, `10H`, `KD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Card {
    /// 1 (ace) to 13 (king).
    pub(super) rank: u8,
    pub(super) suit: Suit,
}

impl Card {
    /// Any card of an endless deck.
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let rank = rng.between(1, 13) as u8;
        Self { rank, suit: Suit::ALL[rng.below(4)] }
    }

    /// Card number `index` of a full deck of 52.
    pub(super) fn of_deck(index: usize) -> Self {
        Self { rank: (index % 13) as u8 + 1, suit: Suit::ALL[index / 13 % 4] }
    }

    /// Its number when faces count ten.
    pub(super) fn ten_value(self) -> u8 {
        self.rank.min(10)
    }

    fn rank_text(self) -> String {
        match self.rank {
            1 => "A".into(),
            11 => "J".into(),
            12 => "Q".into(),
            13 => "K".into(),
            n => n.to_string(),
        }
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.rank_text(), self.suit.letter())
    }
}

impl From<Card> for String {
    fn from(card: Card) -> Self {
        card.to_string()
    }
}

impl TryFrom<String> for Card {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let found = (0..52).map(Self::of_deck).find(|card| card.to_string() == text);
        found.ok_or_else(|| format!("{:?} is no card", text.chars().take(8).collect::<String>()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Theme {
    Felt,
    Paper,
    Night,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SuitColors {
    Two,
    Four,
    One,
}

/// How cards and table look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CardLook {
    pub(super) card_px: u32,
    theme: Theme,
    suits: SuitColors,
}

impl CardLook {
    pub(super) fn from_knobs(knobs: &Knobs) -> Self {
        Self {
            card_px: u32::try_from(knobs.size("card_px")).unwrap_or(RASTER),
            theme: match knobs.choice("theme") {
                "paper" => Theme::Paper,
                "night" => Theme::Night,
                _ => Theme::Felt,
            },
            suits: match knobs.choice("suits") {
                "four" => SuitColors::Four,
                "one" => SuitColors::One,
                _ => SuitColors::Two,
            },
        }
    }

    /// Whether a look that was read from a file can be drawn.
    pub(super) fn check(&self) -> Result<(), String> {
        let drawable = (RASTER..=112).contains(&self.card_px);
        drawable.then_some(()).ok_or_else(|| format!("a card of {} px", self.card_px))
    }

    /// Height of a card: one and a half times its width, on the raster.
    pub(super) fn card_height(&self) -> u32 {
        (self.card_px * 3 / 2).next_multiple_of(RASTER)
    }

    pub(super) fn table(&self) -> Rgb {
        match self.theme {
            Theme::Felt => [53, 101, 77],
            Theme::Paper => [226, 228, 234],
            Theme::Night => [34, 36, 44],
        }
    }

    /// What is written on the table.
    pub(super) fn ink(&self) -> Rgb {
        match self.theme {
            Theme::Felt => WHITE,
            Theme::Paper => DARK,
            Theme::Night => [108, 112, 126],
        }
    }

    fn face(&self) -> Rgb {
        match self.theme {
            Theme::Night => [62, 64, 74],
            _ => WHITE,
        }
    }

    fn edge(&self) -> Rgb {
        match self.theme {
            Theme::Felt => [30, 66, 48],
            Theme::Paper => [140, 142, 150],
            Theme::Night => [46, 48, 56],
        }
    }

    fn suit_color(&self, suit: Suit) -> Rgb {
        let (red, black) = match self.theme {
            Theme::Night => ([134, 84, 88], [112, 116, 130]),
            _ => ([205, 20, 30], BLACK),
        };
        match (self.suits, suit) {
            (SuitColors::One, _) | (_, Suit::Spades) => black,
            (_, Suit::Hearts) | (SuitColors::Two, Suit::Diamonds) => red,
            (SuitColors::Two, Suit::Clubs) => black,
            (SuitColors::Four, Suit::Diamonds) => dim(BLUE, self.theme),
            (SuitColors::Four, Suit::Clubs) => dim(GREEN, self.theme),
        }
    }

    fn blank(&self, canvas: &mut Canvas, x: i32, y: i32, color: Rgb) {
        let (width, height) = (self.card_px - 2, self.card_height() - 2);
        let radius = self.card_px as f32 / 9.0;
        canvas.fill_round_rect(x + 1, y + 1, width, height, radius, self.edge());
        canvas.fill_round_rect(x + 2, y + 2, width - 2, height - 2, radius - 1.0, color);
    }

    /// A card face up with its slot's corner at (`x`, `y`): the rank above, the suit below.
    pub(super) fn face_up(&self, canvas: &mut Canvas, card: Card, x: i32, y: i32) {
        self.blank(canvas, x, y, self.face());
        let (width, half) = (self.card_px as f32, self.card_height() as f32 / 2.0);
        let (middle, color) = (x as f32 + width / 2.0, self.suit_color(card.suit));
        let px = (width * 0.86).min(half);
        let (upper, lower) = (y as f32 + half * 0.54, y as f32 + half * 1.46);
        canvas.label_centred(&card.rank_text(), middle, upper, width - 5.0, px, Font::Bold, color);
        canvas.label_centred(card.suit.sign(), middle, lower, width - 5.0, px * 1.1, Font::Sans, color);
    }

    /// A card face down.
    pub(super) fn face_down(&self, canvas: &mut Canvas, x: i32, y: i32) {
        self.blank(canvas, x, y, self.face());
        let ink = dim([60, 80, 160], self.theme);
        let (left, top) = (x as u32 + 5, y as u32 + 5);
        let (right, bottom) = (x as u32 + self.card_px - 5, y as u32 + self.card_height() - 5);
        for row in (top..bottom - 2).step_by(4) {
            // Every second row of dots is shifted.
            let shift = (row - top) / 4 % 2 * 2;
            for column in (left + shift..right - 2).step_by(4) {
                canvas.fill_rect(column as i32, row as i32, 3, 3, ink);
            }
        }
    }
}

fn dim(color: Rgb, theme: Theme) -> Rgb {
    match theme {
        Theme::Night => color.map(|v| 70 + v / 5),
        _ => color,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Seed;

    #[test]
    fn cards_are_read_back_and_nothing_else_is() {
        for index in 0..52 {
            let card = Card::of_deck(index);
            assert_eq!(Card::try_from(card.to_string()), Ok(card));
        }
        let texts: Vec<String> = [0, 22, 25, 51].map(|i| Card::of_deck(i).to_string()).into();
        assert_eq!(texts, ["AS", "10H", "KH", "KC"]);
        for text in ["", "1S", "14S", "A", "as", "10", "é"] {
            assert!(Card::try_from(text.to_string()).is_err(), "{text}");
        }
    }

    #[test]
    fn every_rank_and_suit_looks_different() {
        let look = CardLook { card_px: 28, theme: Theme::Felt, suits: SuitColors::One };
        let draw = |index| {
            let mut canvas = Canvas::new(28, 56, look.table());
            look.face_up(&mut canvas, Card::of_deck(index), 0, 0);
            canvas.into_image().id().to_string()
        };
        let pictures: std::collections::BTreeSet<String> = (0..52).map(draw).collect();
        assert_eq!(pictures.len(), 52);
    }

    #[test]
    fn an_endless_deck_has_all_ranks() {
        let mut rng = Seed::new(3).rng();
        let mut counts = [0; 13];
        for _ in 0..13_000 {
            counts[usize::from(Card::draw(&mut rng).rank) - 1] += 1;
        }
        // 1,000 expected, standard deviation 30: five of them.
        assert!(counts.iter().all(|c| (850..=1150).contains(c)), "{counts:?}");
    }
}
