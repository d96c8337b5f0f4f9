use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Jigsaw {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Jigsaw::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

/// Two rows of two: the piece shown first belongs to place 3, and so on.
fn game(belongs: [u8; 4], pieces: bool) -> Jigsaw {
    Jigsaw { belongs: belongs.to_vec(), pieces, ..reset(1, &[]) }
}

#[test]
fn places_and_pieces_are_inverse() {
    let belongs = [2, 0, 3, 1];
    let forward = game(belongs, false);
    assert_eq!(forward.oracle().to_string(), "3 1 4 2");
    assert_eq!(forward.reason(&forward.oracle()), "1 1 0 2 0 0 3 1 1 4 0 1");
    assert!(forward.rules().ends_with("For each piece give the number of the place where it belongs."));
    let backward = game(belongs, true);
    assert_eq!(backward.oracle().to_string(), "2 4 1 3");
    let play = |text: &str| forward.clone().step(&forward.parse(text).unwrap());
    assert_eq!((play("3 1 4 2").reward, play("3 1 4 2").status), (1.0, Status::Done(Outcome::Success)));
    assert_eq!((play("3 1 2 4").reward, play("3 1 2 4").status), (0.5, Status::Done(Outcome::Failure)));
    assert_eq!(play("1 2 3 4").reward, 0.0);
}

#[test]
fn putting_the_pieces_back_gives_the_picture() {
    for motif in Motif::NAMES {
        let given = [("motif", word(motif)), ("rows", KnobValue::Int(3)), ("border_px", KnobValue::Int(0))];
        let mut game = reset(4, &given);
        game.numbers = false;
        let (shown, whole) = (game.render(), game.whole().into_image());
        assert_eq!((shown.width(), shown.height()), (112, 168));
        // Moves every piece to the place that the answer names.
        let mut pixels = vec![0; whole.pixels().len()];
        for (from, to) in game.oracle().0.iter().enumerate() {
            let ((row, col), (to_row, to_col)) = (game.place(from), game.place(usize::from(*to) - 1));
            for y in 0..56 {
                let at = |row: usize, col: usize| ((row * 56 + y) * 112 + col * 56) * 3;
                let (from, to) = (at(row, col), at(to_row, to_col));
                pixels[to..to + 168].copy_from_slice(&shown.pixels()[from..from + 168]);
            }
        }
        assert_eq!(pixels, whole.pixels(), "{motif}");
    }
}

#[test]
fn only_permutations_are_answers() {
    let game = game([0, 1, 2, 3], false);
    assert_eq!(game.parse(" 2 1\n4  3 ").unwrap().to_string(), "2 1 4 3");
    for text in ["1 1 2 3", "1 2 3", "1 2 3 4 1", "1 2 3 5", "1 2 3 255"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["", "0 1 2 3", "1,2,3,4", "1 2 3 four", "01 2 3 4", "1 2 3 256", "[1 2 3 4]", "+1 2 3 4"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn permutations_are_complete() {
    let all = permutations(4);
    let distinct: std::collections::BTreeSet<String> = all.iter().map(Order::to_string).collect();
    assert_eq!((all.len(), distinct.len()), (24, 24));
    assert_eq!(all[0].to_string(), "1 2 3 4");
}

/// By how much the two pieces that are most alike differ, in hundredths of a level of 255 on
/// average, away from their edges.
fn least_difference(image: &Image, piece: usize) -> u64 {
    let width = image.width() as usize;
    let corners: Vec<(usize, usize)> = (0..image.height() as usize / piece)
        .flat_map(|row| (0..width / piece).map(move |col| (col * piece, row * piece)))
        .collect();
    let inner = |corner: &(usize, usize)| -> Vec<u8> {
        let range = piece / 7..piece - piece / 7;
        let at = |y: usize, x: usize| ((corner.1 + y) * width + corner.0 + x) * 3;
        let pixels = range.clone().flat_map(|y| range.clone().map(move |x| at(y, x)));
        pixels.flat_map(|i| image.pixels()[i..i + 3].iter().copied()).collect()
    };
    let pieces: Vec<Vec<u8>> = corners.iter().map(inner).collect();
    let far = |a: &[u8], b: &[u8]| {
        100 * a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() / a.len() as u64
    };
    let pairs = pieces.iter().enumerate().flat_map(|(i, a)| pieces[..i].iter().map(move |b| far(a, b)));
    pairs.min().unwrap()
}

#[test]
fn no_two_pieces_are_alike_even_at_the_hard_end() {
    for motif in Motif::NAMES {
        let mut least = u64::MAX;
        for seed in 0..60 {
            let given = [
                ("motif", word(motif)),
                ("rows", KnobValue::Int(1 + seed as i64 % 5)),
                ("cols", KnobValue::Int(5)),
                ("piece_px", KnobValue::Int(28)),
            ];
            let game = reset(seed, &given);
            least = least.min(least_difference(&game.whole().into_image(), 28));
            assert!(game.reason(&game.oracle()).split(' ').count() <= 40);
        }
        assert!(least >= 200, "{motif}: {least}");
    }
    assert_eq!(least_difference(&Canvas::new(112, 112, WHITE).into_image(), 56), 0);
}

#[test]
fn pieces_are_described_by_their_colours() {
    let game = game([0, 1, 2, 3], false);
    let text = game.perception().text;
    assert_eq!(text.lines().count(), 2);
    assert_eq!(text, game.descriptions().chunks(2).map(|row| row.join(" ")).collect::<Vec<_>>().join("\n"));
    assert_eq!((name(nearest(&[250, 252, 250])), name(nearest(&[210, 40, 40]))), ("White", "Red"));
}

#[test]
fn broken_snapshots_are_refused() {
    let fine = game([3, 1, 2, 0], false);
    let read = |game: &Jigsaw| serde_json::from_value::<Jigsaw>(serde_json::to_value(game).unwrap()).is_ok();
    assert!(read(&fine));
    assert!(!read(&game([3, 1, 2, 2], false)));
    assert!(!read(&game([3, 1, 2, 4], false)));
    assert!(!read(&Jigsaw { rows: 3, ..fine.clone() }));
    assert!(!read(&Jigsaw { rows: 1 << 40, ..fine.clone() }));
    assert!(!read(&Jigsaw { piece_px: 1 << 30, ..fine }));
}
