//! Files that nobody meant.

use eyas_core::Rng;

/// One to eight mutations of a file of the corpus, cut after `longest` bytes.
pub(crate) fn mutated(corpus: &[Vec<u8>], pieces: &[&[u8]], longest: usize, rng: &mut Rng) -> Vec<u8> {
    let mut file = rng.choose(corpus).cloned().unwrap_or_default();
    for _ in 0..1 + rng.below(8) {
        let at = rng.below(file.len() + 1);
        let end = (at + 1 + rng.below(20)).min(file.len());
        match rng.below(10) {
            0 => drop(file.drain(at..end)),
            1 => {
                let part = file[at..end].to_vec();
                let times = if rng.chance(0.05) { 500 } else { 1 + rng.below(20) };
                file.splice(at..at, part.repeat(times));
            }
            2 => {
                let other: &[u8] = rng.choose(corpus).map_or(&[], Vec::as_slice);
                let from = rng.below(other.len() + 1);
                let to = if rng.chance(0.5) { other.len() } else { (from + rng.below(60)).min(other.len()) };
                file.splice(at..end, other[from..to].iter().copied());
            }
            3 | 4 => {
                let piece: &[u8] = rng.choose(pieces).copied().unwrap_or(b"");
                let times = if rng.chance(0.05) { 300 } else { 1 };
                let until = if rng.chance(0.5) { end } else { at };
                file.splice(at..until, piece.repeat(times));
            }
            5 if at < file.len() => file[at] ^= 1 << rng.below(8),
            6 if at < file.len() => file[at] = rng.next_u64() as u8,
            7 => number(&mut file, at, rng),
            8 => character(&mut file, at, rng),
            _ => file.insert(at, rng.next_u64() as u8),
        }
        file.truncate(longest);
    }
    file
}

/// Puts in a character of some script.
fn character(file: &mut Vec<u8>, at: usize, rng: &mut Rng) {
    let new = char::from_u32(rng.below(0x3000) as u32).unwrap_or('?');
    file.splice(at..at, new.encode_utf8(&mut [0; 4]).bytes());
}

/// Puts another number in place of the next one.
fn number(file: &mut Vec<u8>, at: usize, rng: &mut Rng) {
    const NUMBERS: &[&str] = &[
        "0",
        "-1",
        "1",
        "2",
        "7",
        "1e9",
        "1e400",
        "0.5",
        "1000000000",
        "4294967296",
        "9223372036854775807",
        "18446744073709551615",
        "-0.0",
        "1e-320",
        "NaN",
        "null",
    ];
    let Some(start) = file[at..].iter().position(u8::is_ascii_digit).map(|i| at + i) else { return };
    let len = file[start..].iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    let new = rng.choose(NUMBERS).copied().unwrap_or("0");
    file.splice(start..start + len, new.bytes());
}
