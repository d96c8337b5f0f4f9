//! Pictures of things for tiles that match by class: two tiles of one class show the same kind of
//! thing in different pictures. All are drawn by rule, so nothing has to be downloaded.

use eyas_core::Seed;

use crate::draw::{BLACK, Canvas, DARK, Rgb, WHITE};

/// The classes, one capitalised word each.
pub(super) const CLASSES: [&str; 10] =
    ["House", "Tree", "Car", "Boat", "Fish", "Flower", "Mug", "Umbrella", "Rocket", "Mushroom"];

/// The colours of bodies, roofs and petals.
const PAINTS: [Rgb; 7] = [
    [205, 60, 50],
    [60, 110, 190],
    [235, 180, 50],
    [90, 150, 80],
    [150, 90, 170],
    [230, 130, 60],
    [90, 170, 180],
];
const LEAVES: [Rgb; 3] = [[45, 120, 50], [95, 150, 50], [190, 120, 40]];
const WOOD: Rgb = [110, 75, 45];

/// What differs between two pictures of a class.
struct Variant {
    main: Rgb,
    second: Rgb,
    leaf: Rgb,
    /// 0 to 1, twice: proportions.
    a: f32,
    b: f32,
    mirrored: bool,
}

impl Variant {
    fn new(number: u64) -> Self {
        let mut rng = Seed::new(number).rng();
        let main = rng.below(PAINTS.len());
        let second = (main + 1 + rng.below(PAINTS.len() - 1)) % PAINTS.len();
        let mut share = || rng.below(101) as f32 / 100.0;
        let (a, b) = (share(), share());
        Self {
            main: PAINTS[main],
            second: PAINTS[second],
            leaf: LEAVES[rng.below(LEAVES.len())],
            a,
            b,
            mirrored: rng.chance(0.5),
        }
    }
}

/// A square of the canvas in which a thing is drawn: coordinates from 0 to 1, y downwards.
struct Frame<'a> {
    canvas: &'a mut Canvas,
    x: f32,
    y: f32,
    side: f32,
    mirrored: bool,
}

impl Frame<'_> {
    fn at(&self, (x, y): (f32, f32)) -> (f32, f32) {
        let x = if self.mirrored { 1.0 - x } else { x };
        (self.x + x * self.side, self.y + y * self.side)
    }

    fn polygon(&mut self, points: &[(f32, f32)], color: Rgb) {
        let points: Vec<_> = points.iter().map(|p| self.at(*p)).collect();
        self.canvas.fill_polygon(&points, color);
    }

    fn rect(&mut self, left: f32, top: f32, right: f32, bottom: f32, color: Rgb) {
        self.polygon(&[(left, top), (right, top), (right, bottom), (left, bottom)], color);
    }

    fn disc(&mut self, middle: (f32, f32), radius: f32, color: Rgb) {
        let (x, y) = self.at(middle);
        self.canvas.fill_circle(x, y, radius * self.side, color);
    }

    fn oval(&mut self, middle: (f32, f32), width: f32, height: f32, color: Rgb) {
        let (x, y) = self.at(middle);
        self.canvas.fill_ellipse(x, y, width * self.side, height * self.side, color);
    }

    fn ring(&mut self, middle: (f32, f32), radius: f32, width: f32, color: Rgb) {
        let (x, y) = self.at(middle);
        self.canvas.ring(x, y, radius * self.side, width * self.side, color);
    }

    fn line(&mut self, from: (f32, f32), to: (f32, f32), width: f32, color: Rgb) {
        let (from, to) = (self.at(from), self.at(to));
        self.canvas.line(from, to, width * self.side, color);
    }
}

/// Draws picture number `variant` of class number `class` into the square of `px` pixels at (`x`, `y`).
pub(super) fn draw(canvas: &mut Canvas, class: usize, variant: u64, (x, y): (u32, u32), px: u32) {
    let variant = Variant::new(variant);
    let margin = px as f32 * 0.06;
    let side = px as f32 - 2.0 * margin;
    let mirrored = variant.mirrored;
    let mut frame = Frame { canvas, x: x as f32 + margin, y: y as f32 + margin, side, mirrored };
    let paint = [house, tree, car, boat, fish, flower, mug, umbrella, rocket, mushroom];
    if let Some(paint) = paint.get(class) {
        paint(&mut frame, &variant);
    }
}

fn house(f: &mut Frame<'_>, v: &Variant) {
    let (left, eaves) = (0.16 + 0.08 * v.a, 0.42 + 0.1 * v.b);
    f.rect(left, eaves, 1.0 - left, 0.96, [236, 224, 204]);
    f.polygon(&[(left - 0.12, eaves + 0.02), (0.5, 0.06), (1.12 - left, eaves + 0.02)], v.main);
    f.rect(left + 0.08, eaves + 0.2, left + 0.26, 0.96, v.second);
    f.rect(0.58, eaves + 0.14, 0.76, eaves + 0.32, [110, 170, 220]);
}

fn tree(f: &mut Frame<'_>, v: &Variant) {
    let (trunk, wide) = (0.05 + 0.03 * v.a, 0.3 + 0.1 * v.b);
    f.rect(0.5 - trunk, 0.6, 0.5 + trunk, 0.97, WOOD);
    if v.a < 0.5 {
        f.polygon(&[(0.5, 0.02), (0.5 + wide, 0.7), (0.5 - wide, 0.7)], v.leaf);
        f.polygon(&[(0.5, 0.0), (0.5 + 0.7 * wide, 0.36), (0.5 - 0.7 * wide, 0.36)], v.leaf);
    } else {
        f.disc((0.5, 0.36), 0.22 + 0.3 * (wide - 0.3), v.leaf);
        f.disc((0.5 - wide / 2.0, 0.48), 0.18, v.leaf);
        f.disc((0.5 + wide / 2.0, 0.48), 0.18, v.leaf);
    }
}

fn car(f: &mut Frame<'_>, v: &Variant) {
    let roof = 0.3 + 0.1 * v.a;
    f.polygon(&[(0.2, 0.54), (0.32, roof), (0.66, roof), (0.82, 0.54)], v.main);
    f.polygon(&[(0.28, 0.53), (0.36, roof + 0.05), (0.48, roof + 0.05), (0.48, 0.53)], [190, 220, 240]);
    f.polygon(&[(0.52, 0.53), (0.52, roof + 0.05), (0.63, roof + 0.05), (0.74, 0.53)], [190, 220, 240]);
    f.rect(0.04, 0.52, 0.96, 0.74, v.main);
    for x in [0.24, 0.74] {
        f.disc((x, 0.75), 0.13 + 0.02 * v.b, DARK);
        f.disc((x, 0.75), 0.06, [200, 200, 205]);
    }
}

fn boat(f: &mut Frame<'_>, v: &Variant) {
    let mast = 0.44 + 0.12 * v.a;
    f.rect(mast - 0.02, 0.06, mast + 0.02, 0.7, WOOD);
    f.polygon(&[(mast + 0.04, 0.1), (0.94, 0.62), (mast + 0.04, 0.62)], v.second);
    if v.b < 0.6 {
        f.polygon(&[(mast - 0.04, 0.2), (mast - 0.04, 0.62), (0.14, 0.62)], [240, 240, 244]);
    }
    f.polygon(&[(0.02, 0.7), (0.98, 0.7), (0.82, 0.94), (0.18, 0.94)], v.main);
}

fn fish(f: &mut Frame<'_>, v: &Variant) {
    let tall = 0.2 + 0.1 * v.a;
    f.polygon(&[(0.68, 0.5), (0.98, 0.5 - 0.26), (0.9, 0.5), (0.98, 0.5 + 0.26)], v.second);
    f.oval((0.42, 0.5), 0.4, tall, v.main);
    f.polygon(&[(0.36, 0.52), (0.56, 0.5 + tall * 0.2), (0.42, 0.5 + tall + 0.12)], v.second);
    if v.b < 0.5 {
        f.rect(0.44, 0.5 - tall * 0.85, 0.5, 0.5 + tall * 0.85, v.second);
    }
    f.disc((0.2, 0.46), 0.06, WHITE);
    f.disc((0.19, 0.46), 0.03, BLACK);
}

fn flower(f: &mut Frame<'_>, v: &Variant) {
    f.line((0.5, 0.4), (0.5 + 0.1 * (v.a - 0.5), 0.98), 0.05, [50, 125, 55]);
    f.oval((0.64, 0.78), 0.14, 0.06, [70, 150, 70]);
    // Petals at the corners of a hexagon or a square.
    let six = [(0.0, -1.0), (0.87, -0.5), (0.87, 0.5), (0.0, 1.0), (-0.87, 0.5), (-0.87, -0.5)];
    let four = [(0.7, -0.7), (0.7, 0.7), (-0.7, 0.7), (-0.7, -0.7)];
    let petals: &[(f32, f32)] = if v.b < 0.6 { &six } else { &four };
    let size = if v.b < 0.6 { 0.12 } else { 0.16 };
    for (x, y) in petals {
        f.disc((0.5 + 0.2 * x, 0.32 + 0.2 * y), size, v.main);
    }
    f.disc((0.5, 0.32), 0.11, if v.main == PAINTS[2] { WOOD } else { PAINTS[2] });
}

fn mug(f: &mut Frame<'_>, v: &Variant) {
    let right = 0.62 + 0.06 * v.a;
    f.ring((right + 0.04, 0.58), 0.2, 0.07, v.main);
    f.rect(0.14, 0.26, right, 0.92, v.main);
    f.oval(((0.14 + right) / 2.0, 0.27), (right - 0.14) / 2.0, 0.07, [85, 55, 35]);
    if v.b < 0.5 {
        f.rect(0.14, 0.52, right, 0.66, v.second);
    } else {
        f.disc(((0.14 + right) / 2.0, 0.6), 0.12, v.second);
    }
}

fn umbrella(f: &mut Frame<'_>, v: &Variant) {
    f.rect(0.48, 0.3, 0.52, 0.9, WOOD);
    f.rect(0.48, 0.86, 0.66, 0.91, WOOD);
    let edge = 0.5 + 0.06 * v.a;
    let arch =
        [(0.04, edge), (0.1, 0.34), (0.26, 0.16), (0.5, 0.08), (0.74, 0.16), (0.9, 0.34), (0.96, edge)];
    f.polygon(&arch, v.main);
    f.polygon(&[(0.34, edge), (0.42, 0.2), (0.5, 0.08), (0.58, 0.2), (0.66, edge)], v.second);
    if v.b < 0.5 {
        f.rect(0.48, 0.0, 0.52, 0.1, WOOD);
    }
}

fn rocket(f: &mut Frame<'_>, v: &Variant) {
    let wide = 0.14 + 0.05 * v.a;
    f.polygon(&[(0.42, 0.76), (0.5, 1.0), (0.58, 0.76)], [250, 150, 30]);
    for side in [-1.0, 1.0] {
        f.polygon(
            &[(0.5 + side * wide, 0.52), (0.5 + side * 0.36, 0.84), (0.5 + side * wide, 0.76)],
            v.second,
        );
    }
    f.rect(0.5 - wide, 0.3, 0.5 + wide, 0.78, [225, 228, 235]);
    f.polygon(&[(0.5 - wide, 0.31), (0.5, 0.02), (0.5 + wide, 0.31)], v.main);
    f.disc((0.5, 0.44), 0.07 + 0.03 * v.b, [70, 120, 190]);
}

fn mushroom(f: &mut Frame<'_>, v: &Variant) {
    let stem = 0.1 + 0.06 * v.a;
    f.polygon(
        &[(0.5 - stem, 0.5), (0.5 + stem, 0.5), (0.56 + stem, 0.96), (0.44 - stem, 0.96)],
        [238, 226, 206],
    );
    let cap = [(0.06, 0.54), (0.12, 0.32), (0.3, 0.14), (0.5, 0.1), (0.7, 0.14), (0.88, 0.32), (0.94, 0.54)];
    f.polygon(&cap, v.main);
    for (x, y) in [(0.3, 0.36), (0.52, 0.26), (0.72, 0.4)] {
        f.disc((x, y), 0.05 + 0.03 * v.b, WHITE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(class: usize, variant: u64) -> Vec<u8> {
        let mut canvas = Canvas::new(28, 28, [232, 232, 236]);
        draw(&mut canvas, class, variant, (0, 0), 28);
        canvas.pixels().to_vec()
    }

    #[test]
    fn pictures_of_a_class_differ_and_classes_differ_more_surely() {
        for (class, name) in CLASSES.iter().enumerate() {
            let distinct: std::collections::BTreeSet<_> = (0..20).map(|v| picture(class, v)).collect();
            assert!(distinct.len() >= 17, "{name}: {} pictures", distinct.len());
            for other in 0..class {
                assert!((0..20).all(|v| picture(class, v) != picture(other, v)));
            }
        }
    }
}
