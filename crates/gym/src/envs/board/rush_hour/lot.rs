//! A car park of 6 × 6 cells: rules, search, random boards.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use eyas_core::Rng;
use serde::{Deserialize, Serialize};

/// Cells along each side.
pub(super) const SIDE: usize = 6;
/// The most cars.
pub(super) const MAX_CARS: usize = 13;
/// The row of car A where a board is made; mirrored boards have it in the row below.
const EXIT_ROW: u8 = 2;

/// Where a car can go: the row or column it stays in, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lane {
    pub(super) vertical: bool,
    pub(super) line: u8,
    pub(super) len: u8,
}

impl Lane {
    /// The cells of a car that starts at `place` of its lane, as bits.
    fn mask(self, place: u64) -> u64 {
        (0..u64::from(self.len)).fold(0, |mask, step| mask | 1 << self.cell(place + step))
    }

    fn cell(self, place: u64) -> u64 {
        let (side, line) = (SIDE as u64, u64::from(self.line));
        if self.vertical { place * side + line } else { line * side + place }
    }

    /// The last place it can start at.
    fn last(self) -> u64 {
        (SIDE as u64).saturating_sub(u64::from(self.len))
    }
}

/// A car goes along its lane: to the right or down when `by` is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slide {
    pub(super) car: usize,
    pub(super) by: i8,
}

/// Cars and where they are; car 0 is the one that wants out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lot {
    lanes: Vec<Lane>,
    /// Three bits for each car: the place of its left or upper end in its lane.
    places: u64,
}

/// A fast hash for positions: they are numbers already.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 << 8 | u64::from(*byte)));
    }
    fn write_u64(&mut self, value: u64) {
        let mixed = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 29;
    }
}

type Positions = HashMap<u64, u32, BuildHasherDefault<Mixer>>;

fn place(places: u64, car: usize) -> u64 {
    places >> (3 * car) & 7
}

fn moved(places: u64, car: usize, to: u64) -> u64 {
    places & !(7 << (3 * car)) | to << (3 * car)
}

/// Whether car A stands at the exit.
fn solved(places: u64) -> bool {
    place(places, 0) == SIDE as u64 - 2
}

impl Lot {
    /// What is wrong with a park read from a file.
    pub(super) fn check(&self) -> Result<(), String> {
        let cars = self.lanes.len();
        if !(1..=MAX_CARS).contains(&cars) || self.places >> (3 * cars) != 0 {
            return Err(format!("{cars} cars at {:o}", self.places));
        }
        let mut taken = 0;
        for (car, lane) in self.lanes.iter().enumerate() {
            let at = place(self.places, car);
            if usize::from(lane.line) >= SIDE || !(2..=3).contains(&lane.len) || at > lane.last() {
                return Err(format!("car {car} is off the park"));
            }
            if taken & lane.mask(at) != 0 {
                return Err("two cars in one cell".into());
            }
            taken |= lane.mask(at);
        }
        match self.lanes[0] {
            Lane { vertical: false, len: 2, .. } => Ok(()),
            _ => Err("car A cannot leave at the right".into()),
        }
    }

    pub(super) fn cars(&self) -> usize {
        self.lanes.len()
    }

    pub(super) fn lane(&self, car: usize) -> Option<Lane> {
        self.lanes.get(car).copied()
    }

    /// The same cars elsewhere.
    pub(super) fn at(&self, places: u64) -> Self {
        Self { lanes: self.lanes.clone(), places }
    }

    /// The cells of a car, as row * 6 + column.
    pub(super) fn cells(&self, car: usize) -> impl Iterator<Item = usize> {
        let (lane, at) = (self.lanes[car], place(self.places, car));
        (0..u64::from(lane.len)).map(move |step| lane.cell(at + step) as usize)
    }

    pub(super) fn solved(&self) -> bool {
        solved(self.places)
    }

    /// The cars between A and the exit, from left to right.
    pub(super) fn blockers(&self) -> impl Iterator<Item = usize> {
        let lane = self.lanes[0];
        let way = (place(self.places, 0) + 2..SIDE as u64).map(move |at| lane.cell(at));
        way.filter_map(|cell| {
            (1..self.cars()).find(|car| self.lanes[*car].mask(place(self.places, *car)) >> cell & 1 == 1)
        })
    }

    fn taken(&self, places: u64) -> u64 {
        let masks = self.lanes.iter().enumerate().map(|(car, lane)| lane.mask(place(places, car)));
        masks.fold(0, |all, mask| all | mask)
    }

    /// Calls `found` with every move and the places after it: cars by letter, backwards before forwards,
    /// near before far.
    fn each_move(&self, places: u64, mut found: impl FnMut(Slide, u64)) {
        let taken = self.taken(places);
        for (car, lane) in self.lanes.iter().enumerate() {
            let at = place(places, car);
            let others = taken & !lane.mask(at);
            let back = (0..at).rev().take_while(|to| lane.mask(*to) & others == 0);
            back.for_each(|to| found(Slide { car, by: -((at - to) as i8) }, moved(places, car, to)));
            let forth = (at + 1..=lane.last()).take_while(|to| lane.mask(*to) & others == 0);
            forth.for_each(|to| found(Slide { car, by: (to - at) as i8 }, moved(places, car, to)));
        }
    }

    /// All legal moves.
    pub(super) fn slides(&self) -> impl Iterator<Item = Slide> + use<> {
        let mut slides = Vec::new();
        self.each_move(self.places, |slide, _| slides.push(slide));
        slides.into_iter()
    }

    /// Makes a move if its way is free.
    pub(super) fn slide(&mut self, slide: Slide) -> bool {
        let Some(lane) = self.lane(slide.car) else { return false };
        let at = place(self.places, slide.car);
        let Some(to) = at.checked_add_signed(i64::from(slide.by)).filter(|to| *to <= lane.last()) else {
            return false;
        };
        let others = self.taken(self.places) & !lane.mask(at);
        let free = (at.min(to)..=at.max(to)).all(|step| lane.mask(step) & others == 0);
        if free && slide.by != 0 {
            self.places = moved(self.places, slide.car, to);
        }
        free && slide.by != 0
    }

    /// A shortest solution; `None` when there is none.
    pub(super) fn solution(&self) -> Option<Vec<Slide>> {
        let mut seen = Positions::default();
        seen.insert(self.places, 0);
        // Each position with the one it was reached from and the move.
        let mut order = vec![(self.places, 0, Slide { car: 0, by: 0 })];
        let mut next = 0;
        while let Some(&(places, _, _)) = order.get(next) {
            if solved(places) {
                return Some(way_to(&order, next));
            }
            self.each_move(places, |slide, after| {
                seen.entry(after).or_insert_with(|| {
                    order.push((after, next, slide));
                    0
                });
            });
            next += 1;
        }
        None
    }

    /// Every position that moves can reach from this one, with the length of its best solution; `None`
    /// when there are more than `limit` or none has a solution.
    pub(super) fn positions(&self, limit: usize) -> Option<Vec<(u64, u16)>> {
        let mut index = Positions::default();
        let mut order = vec![self.places];
        index.insert(self.places, 0);
        let mut next = 0;
        while let Some(&places) = order.get(next) {
            self.each_move(places, |_, after| {
                index.entry(after).or_insert_with(|| {
                    order.push(after);
                    order.len() as u32 - 1
                });
            });
            if order.len() > limit {
                return None;
            }
            next += 1;
        }
        // Moves can be taken back, so distances to the exit are found from all solved positions at once.
        let mut far = vec![u16::MAX; order.len()];
        let mut queue: Vec<usize> = (0..order.len()).filter(|i| solved(order[*i])).collect();
        queue.iter().for_each(|i| far[*i] = 0);
        let mut next = 0;
        while let Some(&at) = queue.get(next) {
            self.each_move(order[at], |_, after| {
                let Some(&to) = index.get(&after) else { return };
                let to = to as usize;
                if far[to] == u16::MAX {
                    far[to] = far[at] + 1;
                    queue.push(to);
                }
            });
            next += 1;
        }
        (!queue.is_empty()).then(|| order.into_iter().zip(far).collect())
    }

    /// A random board: car A in its row, the others anywhere.
    pub(super) fn random(rng: &mut Rng, cars: usize, trucks: f64) -> Option<Self> {
        const PLACES: usize = 60;
        let mut lot = Self {
            lanes: vec![Lane { vertical: false, line: EXIT_ROW, len: 2 }],
            places: rng.below(4) as u64,
        };
        while lot.cars() < cars {
            let taken = lot.taken(lot.places);
            let placed = (0..PLACES).find_map(|_| {
                let vertical = rng.chance(0.5);
                let len = if rng.chance(trucks) { 3 } else { 2 };
                let lane = Lane { vertical, line: rng.below(SIDE) as u8, len };
                let at = rng.below(lane.last() as usize + 1) as u64;
                // Nothing else may lie in car A's row: it could never let A pass.
                let allowed = vertical || lane.line != EXIT_ROW;
                (allowed && taken & lane.mask(at) == 0).then_some((lane, at))
            });
            let (lane, at) = placed?;
            lot.places |= at << (3 * lot.cars());
            lot.lanes.push(lane);
        }
        Some(lot)
    }

    /// The same board with its cars in another order, upside down where `mirrored`.
    pub(super) fn arranged(&self, order: &[usize], mirrored: bool) -> Self {
        let mut lot = Self { lanes: Vec::with_capacity(order.len()), places: 0 };
        for car in order {
            let (mut lane, mut at) = (self.lanes[*car], place(self.places, *car));
            if mirrored && lane.vertical {
                at = lane.last() - at;
            } else if mirrored {
                lane.line = SIDE as u8 - 1 - lane.line;
            }
            lot.places |= at << (3 * lot.cars());
            lot.lanes.push(lane);
        }
        lot
    }

    /// A board from six words, a letter for each cell.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let cells: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let mut lot = Self { lanes: Vec::new(), places: 0 };
        for name in b'A'..b'A' + MAX_CARS as u8 {
            let own: Vec<usize> = (0..cells.len()).filter(|i| cells[*i] == name).collect();
            let [first, second, ..] = own[..] else { break };
            let vertical = second == first + SIDE;
            let (row, col) = (first / SIDE, first % SIDE);
            let (line, at) = if vertical { (col, row) } else { (row, col) };
            let lane = Lane { vertical, line: line as u8, len: own.len() as u8 };
            lot.places |= (at as u64) << (3 * lot.cars());
            lot.lanes.push(lane);
            let mask = own.iter().fold(0, |mask, cell| mask | 1_u64 << cell);
            if at as u64 > lane.last() || lane.mask(at as u64) != mask {
                return None;
            }
        }
        lot.check().is_ok().then_some(lot)
    }
}

/// The moves that led to a position.
fn way_to(order: &[(u64, usize, Slide)], mut at: usize) -> Vec<Slide> {
    let mut way = Vec::new();
    while at != 0 {
        let (_, before, slide) = order[at];
        way.push(slide);
        at = before;
    }
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Seed;

    #[test]
    fn both_searches_agree() {
        let mut rng = Seed::new(9).rng();
        let mut checked = 0;
        while checked < 12 {
            let Some(lot) = Lot::random(&mut rng, 7, 0.3) else { continue };
            assert_eq!(lot.check(), Ok(()));
            let Some(positions) = lot.positions(3_000) else { continue };
            checked += 1;
            for (places, moves) in positions.iter().step_by(97) {
                let at = lot.at(*places);
                let plan = at.solution().unwrap();
                assert_eq!(plan.len(), usize::from(*moves));
                let mut end = at.clone();
                assert!(plan.iter().all(|slide| end.slide(*slide)) && end.solved());
                // Mirrored and with other letters it is as hard.
                let order: Vec<usize> = [0].into_iter().chain((1..7).rev()).collect();
                let other = at.arranged(&order, true);
                assert_eq!((other.check(), other.solution().map(|p| p.len())), (Ok(()), Some(plan.len())));
            }
        }
    }

    #[test]
    fn a_walled_in_car_has_no_solution() {
        let lot = Lot::from_text("--B--- --B--- AAB--- ------ ------ ------").unwrap();
        assert!(lot.solution().is_some());
        let lot = Lot::from_text("--B--- --B--- AAB--- --C--- --C--- --C---").unwrap();
        assert!(lot.solution().is_none() && lot.positions(1_000).is_none());
        assert_eq!(lot.blockers().collect::<Vec<_>>(), [1]);
    }
}
