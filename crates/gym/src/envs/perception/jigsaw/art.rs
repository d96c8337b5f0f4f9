//! Pictures for jigsaws, drawn by rule. Each gets lighter towards the left or changes its colours from
//! place to place, so that no two pieces look alike and every piece has a place.

use eyas_core::{Rng, Seed};
use serde::{Deserialize, Serialize};

use super::super::scene::{Tint, draw_shape, mix};
use crate::draw::{BLACK, Canvas, Rgb, Shape, WHITE};

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Motif {
    Landscape,
    Shapes,
    Rings,
    Stripes,
}

/// What the sky and the meadows turn to at the right. Downwards their shade changes, so no two places
/// have one colour.
const NIGHT: Rgb = [110, 30, 110];
const DUSK: Rgb = [40, 60, 130];

/// Gradients are drawn in blocks of this many pixels.
const BLOCK: u32 = 4;

impl Motif {
    const ALL: [Self; 4] = [Self::Landscape, Self::Shapes, Self::Rings, Self::Stripes];
    pub(super) const NAMES: &'static [&'static str] = &["landscape", "shapes", "rings", "stripes", "mixed"];

    /// `None` for any other word.
    pub(super) fn named(word: &str) -> Option<Self> {
        Self::NAMES.iter().position(|name| *name == word).and_then(|i| Self::ALL.get(i)).copied()
    }

    pub(super) fn any(rng: &mut Rng) -> Self {
        Self::ALL[rng.below(Self::ALL.len())]
    }

    /// The picture that a seed gives.
    pub(super) fn draw(self, seed: Seed, width: u32, height: u32) -> Canvas {
        let mut rng = seed.rng();
        let mut canvas = Canvas::new(width, height, WHITE);
        match self {
            Self::Landscape => landscape(&mut canvas, &mut rng),
            Self::Shapes => shapes(&mut canvas, &mut rng),
            Self::Rings => rings(&mut canvas, &mut rng),
            Self::Stripes => stripes(&mut canvas, &mut rng),
        }
        canvas
    }
}

/// One of several, for tables that are never empty.
fn pick<T: Copy, const N: usize>(rng: &mut Rng, all: &[T; N]) -> T {
    all[rng.below(N)]
}

/// `of` parts in a hundred of `whole`.
fn percent(whole: u32, of: i64) -> f32 {
    whole as f32 * of as f32 / 100.0
}

/// Fills the rows from `top` on with a gradient between four corner colours.
fn gradient(canvas: &mut Canvas, top: u32, bottom: u32, [a, b, c, d]: [Rgb; 4]) {
    let (width, height) = (canvas.width(), bottom.saturating_sub(top).max(1));
    for y in (0..height).step_by(BLOCK as usize) {
        let (left, right) = (mix(a, c, y * 255 / height), mix(b, d, y * 255 / height));
        for x in (0..width).step_by(BLOCK as usize) {
            let color = mix(left, right, x * 255 / width);
            canvas.fill_rect(x as i32, (top + y) as i32, BLOCK, BLOCK.min(height - y), color);
        }
    }
}

/// A sky that is light at the left, where the sun is, a ridge of mountains, meadows with a path, a
/// house and trees.
fn landscape(canvas: &mut Canvas, rng: &mut Rng) {
    let (width, height) = (canvas.width(), canvas.height());
    let horizon = percent(height, rng.between(46, 60)) as u32;
    let (sky, glow): (Rgb, Rgb) = pick(
        rng,
        &[
            ([50, 110, 205], [190, 220, 245]),
            ([70, 60, 140], [250, 180, 120]),
            ([30, 130, 180], [250, 230, 180]),
        ],
    );
    let (near, far): (Rgb, Rgb) = pick(
        rng,
        &[
            ([30, 105, 40], [130, 185, 80]),
            ([150, 105, 45], [225, 195, 120]),
            ([60, 130, 60], [190, 200, 90]),
        ],
    );
    gradient(
        canvas,
        0,
        horizon,
        [mix(sky, WHITE, 70), mix(sky, NIGHT, 110), mix(glow, WHITE, 40), mix(glow, NIGHT, 110)],
    );
    let (sun_x, sun_y) = (percent(width, rng.between(10, 32)), percent(height, rng.between(10, 24)));
    let sun = width.min(height) as f32 / 10.0;
    canvas.fill_circle(sun_x, sun_y, sun * 1.4, mix(glow, [255, 240, 170], 150));
    canvas.fill_circle(sun_x, sun_y, sun, [255, 225, 70]);
    // Each cloud has a white of its own and is smaller than a piece.
    for white in [[250, 250, 252], [222, 226, 236], [240, 220, 214]] {
        let (x, y) = (percent(width, rng.between(45, 95)), percent(height, rng.between(6, 26)));
        let size = percent(width, rng.between(5, 8));
        for (dx, dy, scale) in [(-0.8, 0.1, 0.8), (0.0, 0.0, 1.0), (0.9, 0.15, 0.7)] {
            canvas.fill_ellipse(x + dx * size, y + dy * size, size * scale, size * scale * 0.45, white);
        }
    }
    ridge(canvas, rng, horizon, 30, [105, 100, 135]);
    ridge(canvas, rng, horizon, 14, [70, 95, 90]);
    gradient(
        canvas,
        horizon,
        height,
        [mix(far, WHITE, 60), mix(far, DUSK, 110), mix(near, WHITE, 30), mix(near, DUSK, 120)],
    );
    path(canvas, rng, horizon);
    house(canvas, rng, horizon);
    for _ in 0..4 {
        tree(canvas, rng, horizon);
    }
}

/// Mountains up to `tall` percent of the picture high, lighter towards the left.
fn ridge(canvas: &mut Canvas, rng: &mut Rng, horizon: u32, tall: i64, color: Rgb) {
    const STEPS: i64 = 8;
    let (width, height) = (i64::from(canvas.width()), i64::from(canvas.height()));
    let peaks = [0; STEPS as usize + 1].map(|_| height * rng.between(tall / 5, tall) / 100);
    for x in 0..width {
        let (step, along) = (x * STEPS / width, x * STEPS % width);
        let [left, right] = [step, step + 1].map(|i| peaks[i as usize]);
        let top = (left * (width - along) + right * along) / width;
        let shade = mix(mix(color, WHITE, 90), mix(color, BLACK, 90), (x * 255 / width) as u32);
        canvas.fill_rect(x as i32, i64::from(horizon) as i32 - top as i32, 1, top as u32, shade);
    }
}

/// A path from the horizon to the lower edge.
fn path(canvas: &mut Canvas, rng: &mut Rng, horizon: u32) {
    let (width, height) = (canvas.width(), canvas.height() as f32);
    let (far, near) = (percent(width, rng.between(30, 60)), percent(width, rng.between(15, 70)));
    let bend = (far + near) / 2.0 + percent(width, rng.between(-12, 12));
    let middle = (horizon as f32 + height) / 2.0;
    let wide = percent(width, 6);
    let points = [
        (far - wide * 0.2, horizon as f32),
        (far + wide * 0.2, horizon as f32),
        (bend + wide * 0.6, middle),
        (near + wide * 1.3, height),
        (near - wide * 1.3, height),
        (bend - wide * 0.6, middle),
    ];
    canvas.fill_polygon(&points, [214, 190, 150]);
}

/// A house in the right half.
fn house(canvas: &mut Canvas, rng: &mut Rng, horizon: u32) {
    let (width, height) = (canvas.width(), canvas.height());
    let size = percent(width.min(height), rng.between(16, 24));
    let x = percent(width, rng.between(56, 74));
    let y = horizon as f32 + percent(height, rng.between(2, 14)) - size * 0.5;
    let wall: Rgb = pick(rng, &[[235, 220, 200], [205, 90, 70], [240, 225, 130]]);
    let roof: Rgb = pick(rng, &[[130, 40, 35], [75, 60, 60], [60, 70, 130]]);
    let rect = |canvas: &mut Canvas, x: f32, y: f32, w: f32, h: f32, color: Rgb| {
        canvas.fill_rect(x as i32, y as i32, w as u32, h as u32, color);
    };
    rect(canvas, x, y, size, size * 0.8, wall);
    canvas.fill_polygon(
        &[(x - size * 0.12, y + 1.0), (x + size * 0.5, y - size * 0.55), (x + size * 1.12, y + 1.0)],
        roof,
    );
    rect(canvas, x + size * 0.15, y + size * 0.3, size * 0.22, size * 0.5, roof);
    rect(canvas, x + size * 0.58, y + size * 0.22, size * 0.25, size * 0.25, [120, 180, 230]);
}

/// A tree, larger the nearer it stands.
fn tree(canvas: &mut Canvas, rng: &mut Rng, horizon: u32) {
    let (width, height) = (canvas.width(), canvas.height());
    let depth = rng.between(0, 100);
    let foot = horizon as f32 + (height - horizon) as f32 * (8 + depth * 8 / 10) as f32 / 100.0;
    let size = percent(width.min(height), 6 + depth / 12);
    let x = percent(width, rng.between(4, 96));
    let leaf: Rgb = pick(rng, &[[25, 90, 45], [45, 120, 40], [150, 100, 30]]);
    // Darker towards the right, so that two trees of one kind are not alike.
    let leaf = mix(mix(leaf, WHITE, 50), mix(leaf, BLACK, 110), (255.0 * x / width as f32) as u32);
    canvas.fill_rect(
        (x - size * 0.14) as i32,
        (foot - size * 0.8) as i32,
        (size * 0.3) as u32 + 1,
        size as u32,
        [95, 60, 35],
    );
    if rng.chance(0.5) {
        canvas.fill_circle(x, foot - size * 1.2, size * 0.75, leaf);
    } else {
        canvas.fill_polygon(
            &[
                (x, foot - size * 2.3),
                (x + size * 0.75, foot - size * 0.5),
                (x - size * 0.75, foot - size * 0.5),
            ],
            leaf,
        );
    }
}

/// Four different colours.
fn four(rng: &mut Rng) -> [Rgb; 4] {
    let mut tints = Tint::ALL;
    rng.shuffle(&mut tints);
    [tints[0], tints[1], tints[2], tints[3]].map(Tint::rgb)
}

/// Large shapes on a gradient, each with a colour of its own and none as large as two pieces side by
/// side, so that no two pieces are of one colour.
fn shapes(canvas: &mut Canvas, rng: &mut Rng) {
    let (width, height) = (canvas.width(), canvas.height());
    let corners = four(rng).map(|color| mix(color, WHITE, 110));
    gradient(canvas, 0, height, corners);
    let mut tints = Tint::ALL;
    rng.shuffle(&mut tints);
    for color in tints.map(Tint::rgb) {
        let side = percent(width.min(height), rng.between(22, 38));
        let (x, y) = (percent(width, rng.between(0, 90)), percent(height, rng.between(0, 90)));
        let at = (x - side / 4.0, y - side / 4.0, side);
        draw_shape(canvas, pick(rng, &Shape::ALL), at, (color, mix(color, BLACK, 110)));
    }
}

/// Rings around a point away from the middle, each with a colour of its own.
fn rings(canvas: &mut Canvas, rng: &mut Rng) {
    let (width, height) = (canvas.width() as i64, canvas.height() as i64);
    let (x, y) = (width * rng.between(22, 42) / 100, height * rng.between(25, 75) / 100);
    let wide = (width + height) / rng.between(22, 28);
    let [a, b, c, d] = four(rng);
    let count = (width + height) / wide.max(1) + 1;
    for row in 0..height {
        let shade = (row * 60 / height) as u32;
        // From the middle outwards, what each ring adds to the row on both sides.
        let mut inner = 0;
        for ring in 0..count {
            let (radius, along) = ((ring + 1) * wide, (ring * 255 / count) as u32);
            let half = (radius * radius - (row - y) * (row - y)).max(0).isqrt();
            if half > inner {
                let color = if ring % 2 == 0 { mix(a, b, along) } else { mix(c, d, along) };
                let (added, color) = ((half - inner) as u32, mix(color, BLACK, shade));
                canvas.fill_rect((x - half) as i32, row as i32, added, 1, color);
                canvas.fill_rect((x + inner) as i32, row as i32, added, 1, color);
                inner = half;
            }
        }
    }
}

/// Slanted stripes whose colours change from left to right and from top to bottom.
fn stripes(canvas: &mut Canvas, rng: &mut Rng) {
    let (width, height) = (i64::from(canvas.width()), i64::from(canvas.height()));
    let wide = (width + height) / rng.between(16, 24);
    let slant = rng.between(-9, 9);
    let corners = four(rng);
    for row in 0..height {
        let down = (row * 255 / height) as u32;
        let (left, right) = (mix(corners[0], corners[2], down), mix(corners[1], corners[3], down));
        let shift = row * slant / 10;
        let first = shift.div_euclid(wide.max(1)) - 1;
        for stripe in first..first + width / wide.max(1) + 3 {
            let start = stripe * wide - shift;
            let along = ((start + wide / 2).clamp(0, width) * 255 / width) as u32;
            let color = mix(left, right, along);
            let color = if stripe.rem_euclid(2) == 0 { mix(color, WHITE, 90) } else { mix(color, BLACK, 60) };
            canvas.fill_rect(start as i32, row as i32, wide as u32, 1, color);
        }
    }
}
