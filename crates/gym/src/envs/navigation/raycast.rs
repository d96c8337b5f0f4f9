//! A software ray-caster: walls on the edges of a grid of cells, upright boxes, a floor of tiles.
//!
//! One ray for each column of the picture walks from cell to cell until it meets a wall. All numbers
//! come from tables, additions, multiplications and divisions, which IEEE 754 rounds the same way
//! everywhere; so the pictures are the same bytes on every machine. A cell is one unit wide, walls are
//! one unit high, the eye is half a unit above the floor; y runs downwards on the map.

use eyas_core::Image;
use serde::{Deserialize, Serialize};

use crate::draw::{Canvas, Rgb};

/// Texels along each side of a texture.
const TEXELS: usize = 32;

/// A texture: brightness of each texel, 255 for the colour of the wall itself.
type Texture = [u8; TEXELS * TEXELS];

/// What covers the walls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pattern {
    /// One even colour with a dark skirting.
    Plain,
    /// Courses of bricks.
    Brick,
    /// Upright planks.
    Planks,
    /// Large stones.
    Stone,
}

impl Pattern {
    fn texture(self) -> &'static Texture {
        static PLAIN: Texture = texture(Pattern::Plain);
        static BRICK: Texture = texture(Pattern::Brick);
        static PLANKS: Texture = texture(Pattern::Planks);
        static STONE: Texture = texture(Pattern::Stone);
        match self {
            Self::Plain => &PLAIN,
            Self::Brick => &BRICK,
            Self::Planks => &PLANKS,
            Self::Stone => &STONE,
        }
    }
}

/// A little unevenness in 0..32, the same for the same place.
const fn grain(x: usize, y: usize) -> usize {
    let mixed = (x * 73 + y * 179 + x * y * 31) ^ (x * 7 + y * 13);
    (mixed ^ (mixed >> 3)) % 32
}

const fn texture(pattern: Pattern) -> Texture {
    let mut texels = [0; TEXELS * TEXELS];
    let mut y = 0;
    while y < TEXELS {
        let mut x = 0;
        while x < TEXELS {
            texels[y * TEXELS + x] = texel(pattern, x, y) as u8;
            x += 1;
        }
        y += 1;
    }
    texels
}

const fn texel(pattern: Pattern, x: usize, y: usize) -> usize {
    match pattern {
        Pattern::Plain => {
            if y >= 29 {
                150
            } else {
                246 + grain(x / 4, y / 4) / 4
            }
        }
        // Courses of eight texels; every second one is shifted by half a brick.
        Pattern::Brick => {
            let shifted = x + (y / 8 % 2) * 8;
            if y % 8 == 7 || shifted % 16 == 15 { 120 } else { 255 - grain(shifted / 16, y / 8) }
        }
        Pattern::Planks => {
            if x % 8 == 7 {
                110
            } else {
                255 - grain(x / 8, 3) - grain(x, y / 6) / 4
            }
        }
        Pattern::Stone => {
            let shifted = x + (y / 16 % 2) * 8;
            if y % 16 == 15 || shifted % 16 == 15 {
                140
            } else {
                255 - grain(shifted / 16, y / 16) / 2 - grain(x, y) / 2
            }
        }
    }
}

/// Walls, floor and ceiling that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Look {
    /// Bricks.
    Brick,
    /// Large stones.
    Stone,
    /// Wood.
    Planks,
    /// Even colours.
    Plain,
    /// Even grayish colours that differ little.
    Murky,
}

/// The names of the wall colours, as many as [`Look::paints`] gives.
pub(super) const PAINT_NAMES: [&str; 6] = ["Red", "Green", "Blue", "Purple", "Teal", "Gray"];

impl Look {
    /// The words of a knob.
    pub(super) const NAMES: &'static [&'static str] = &["brick", "stone", "planks", "plain", "murky"];

    /// The look called `name`.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "stone" => Self::Stone,
            "planks" => Self::Planks,
            "plain" => Self::Plain,
            "murky" => Self::Murky,
            _ => Self::Brick,
        }
    }

    /// What covers the walls.
    pub(super) fn pattern(self) -> Pattern {
        match self {
            Self::Brick => Pattern::Brick,
            Self::Stone => Pattern::Stone,
            Self::Planks => Pattern::Planks,
            Self::Plain | Self::Murky => Pattern::Plain,
        }
    }

    /// The colours of walls; orange and bright red are left to the things to be found.
    pub(super) fn paints(self) -> [Rgb; 6] {
        let clear =
            [[196, 92, 84], [104, 168, 96], [92, 118, 200], [156, 98, 178], [76, 172, 172], [172, 172, 166]];
        clear.map(|color| self.tint(color))
    }

    /// The two colours of floor tiles.
    pub(super) fn floor(self) -> [Rgb; 2] {
        match self {
            Self::Brick => [[150, 138, 118], [134, 122, 104]],
            Self::Stone => [[126, 128, 132], [110, 112, 118]],
            Self::Planks => [[168, 132, 92], [150, 116, 78]],
            Self::Plain => [[188, 186, 178], [168, 166, 160]],
            Self::Murky => [[112, 112, 108], [108, 108, 104]],
        }
    }

    /// The colour of the ceiling.
    pub(super) fn ceiling(self) -> Rgb {
        match self {
            Self::Brick => [176, 206, 236],
            Self::Stone => [96, 96, 108],
            Self::Planks => [214, 200, 178],
            Self::Plain => [226, 228, 234],
            Self::Murky => [124, 124, 126],
        }
    }

    /// The colour of a thing in this look: as it is, or three quarters gray.
    pub(super) fn tint(self, color: Rgb) -> Rgb {
        if self == Self::Murky { color.map(|c| ((u32::from(c) + 3 * 118) / 4) as u8) } else { color }
    }
}

/// A box with a square base whose sides run along the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cuboid {
    /// Where its middle is.
    pub(super) x: f32,
    /// Where its middle is.
    pub(super) y: f32,
    /// Half of its width.
    pub(super) half: f32,
    /// How high it is, below the eye or above.
    pub(super) height: f32,
    /// Its colour in full light.
    pub(super) color: Rgb,
}

/// How bright it is, near and far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lighting {
    /// Daylight.
    Bright,
    /// Half as bright.
    Dim,
    /// A lamp in the hand: what is far away is black.
    Dark,
}

impl Lighting {
    /// The words of a knob.
    pub(super) const NAMES: &'static [&'static str] = &["bright", "dim", "dark"];

    /// The light called `name`.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "dim" => Self::Dim,
            "dark" => Self::Dark,
            _ => Self::Bright,
        }
    }

    /// Light out of 256 on a surface at a distance.
    fn at(self, distance: f32) -> u32 {
        let (full, fall) = match self {
            Self::Bright => (256.0, 0.06),
            Self::Dim => (150.0, 0.1),
            Self::Dark => (130.0, 0.55),
        };
        (full / (1.0 + fall * distance)) as u32
    }
}

/// Walls, boxes and colours.
pub(super) struct Scene<'a> {
    /// Cells in a row.
    pub(super) cols: usize,
    /// Rows of cells.
    pub(super) rows: usize,
    /// The walls above each cell and below the last row, `(rows + 1) × cols`: 0 for none, else 1 + the
    /// index of a colour.
    pub(super) above: &'a [u8],
    /// The walls at the left of each cell and at the right of the last, `rows × (cols + 1)`.
    pub(super) left: &'a [u8],
    /// The colours of walls.
    pub(super) paints: &'a [Rgb],
    /// What covers the walls.
    pub(super) pattern: Pattern,
    /// The boxes.
    pub(super) boxes: &'a [Cuboid],
    /// The two colours of floor tiles.
    pub(super) floor: [Rgb; 2],
    /// The colour of the ceiling.
    pub(super) ceiling: Rgb,
    /// How bright it is.
    pub(super) lighting: Lighting,
}

/// Where the eye is and what it looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Camera {
    /// Where it is.
    pub(super) x: f32,
    /// Where it is.
    pub(super) y: f32,
    /// The direction it looks into, of length 1.
    pub(super) ahead: (f32, f32),
    /// Half the width of what is seen at distance 1.
    pub(super) spread: f32,
}

/// What a ray met.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Hit {
    /// How far away, measured along the direction of the camera.
    distance: f32,
    /// Along the wall, 0..1.
    along: f32,
    /// The wall: 1 + the index of its colour; 0 when there is none.
    wall: u8,
    /// The wall runs up and down on the map.
    upright: bool,
}

impl Camera {
    /// The direction of the ray through column `column` of `width`; it goes one unit ahead.
    fn ray(&self, column: usize, width: usize) -> (f32, f32) {
        let side = ((2 * column + 1) as f32 / width as f32 - 1.0) * self.spread;
        let (dx, dy) = self.ahead;
        (dx - dy * side, dy + dx * side)
    }
}

impl Scene<'_> {
    fn wall_above(&self, row: usize, col: usize) -> u8 {
        self.above.get(row * self.cols + col).copied().unwrap_or(1)
    }

    fn wall_left(&self, row: usize, col: usize) -> u8 {
        self.left.get(row * (self.cols + 1) + col).copied().unwrap_or(1)
    }

    /// Follows a ray from cell to cell up to the first wall.
    fn cast(&self, camera: &Camera, (dx, dy): (f32, f32)) -> Hit {
        let (mut col, mut row) = (camera.x.max(0.0) as usize, camera.y.max(0.0) as usize);
        // How far along the ray one cell is, and how far the next border; never, for a ray that runs
        // along the border.
        let per = |d: f32| if d == 0.0 { f32::MAX } else { 1.0 / d.abs() };
        let (per_x, per_y) = (per(dx), per(dy));
        let first = |place: f32, cell: usize, d: f32, per: f32| {
            if d == 0.0 {
                f32::MAX
            } else if d > 0.0 {
                (cell as f32 + 1.0 - place) * per
            } else {
                (place - cell as f32) * per
            }
        };
        let (mut next_x, mut next_y) = (first(camera.x, col, dx, per_x), first(camera.y, row, dy, per_y));
        for _ in 0..self.cols + self.rows + 2 {
            let upright = next_x < next_y;
            let distance = if upright { next_x } else { next_y };
            let wall = if upright {
                self.wall_left(row, if dx > 0.0 { col + 1 } else { col })
            } else {
                self.wall_above(if dy > 0.0 { row + 1 } else { row }, col)
            };
            let outside = if upright {
                if dx > 0.0 { col + 1 >= self.cols } else { col == 0 }
            } else if dy > 0.0 {
                row + 1 >= self.rows
            } else {
                row == 0
            };
            if wall > 0 || outside {
                let place = if upright { camera.y + dy * distance } else { camera.x + dx * distance };
                let along = (place - place.floor()).clamp(0.0, 1.0);
                return Hit { distance: distance.max(0.01), along, wall, upright };
            }
            if upright {
                next_x += per_x;
                col = if dx > 0.0 { col + 1 } else { col - 1 };
            } else {
                next_y += per_y;
                row = if dy > 0.0 { row + 1 } else { row - 1 };
            }
        }
        Hit { distance: (self.cols + self.rows) as f32, along: 0.0, wall: 0, upright: false }
    }

    /// How many columns of `width` show each box, and the sum of their numbers.
    fn sightings(&self, camera: &Camera, width: usize) -> Vec<(usize, usize)> {
        let mut seen = vec![(0, 0); self.boxes.len()];
        for column in 0..width {
            let ray = camera.ray(column, width);
            let wall = self.cast(camera, ray).distance;
            let met = self.boxes.iter().enumerate();
            let met =
                met.filter_map(|(i, b)| Some((i, meet(b, camera, ray)?.near))).filter(|(_, d)| *d < wall);
            if let Some((index, _)) = met.min_by(|a, b| a.1.total_cmp(&b.1)) {
                seen[index].0 += 1;
                seen[index].1 += column;
            }
        }
        seen
    }

    /// The column out of `columns` in which the middle of what is seen of each box lies; `None` for a
    /// box that is hidden or out of view.
    pub(super) fn columns_of_boxes(&self, camera: &Camera, columns: usize) -> Vec<Option<usize>> {
        const RAYS: usize = 112;
        let place = |(count, sum): (usize, usize)| {
            (count > 0).then(|| (((2 * sum + count) * columns) / (2 * count * RAYS)).min(columns.max(1) - 1))
        };
        self.sightings(camera, RAYS).into_iter().map(place).collect()
    }

    /// Draws what the camera sees.
    pub(super) fn draw(&self, camera: &Camera, width: usize, height: usize) -> Image {
        let focal = width as f32 / (2.0 * camera.spread);
        let lines: Vec<Line> = (0..width).map(|x| self.line(camera, x, width, height, focal)).collect();
        let mut pixels = vec![0; width * height * 3];
        for (y, row) in pixels.chunks_exact_mut((width * 3).max(1)).enumerate() {
            self.draw_row(camera, row, y, height, focal, &lines);
        }
        if !self.boxes.is_empty() {
            for (x, line) in lines.iter().enumerate() {
                self.draw_boxes(camera, &mut pixels, (x, width, height), focal, line);
            }
        }
        let (w, h) = (width as u32, height as u32);
        Image::new(w, h, pixels).unwrap_or_else(|_| Canvas::new(w, h, self.ceiling).into_image())
    }

    /// The wall in one column of the picture.
    fn line(&self, camera: &Camera, x: usize, width: usize, height: usize, focal: f32) -> Line {
        let hit = self.cast(camera, camera.ray(x, width));
        let (middle, half) = (height as f32 / 2.0, focal * 0.5 / hit.distance);
        let (top, bottom) = (middle - half, middle + half);
        let face = if hit.upright { 205 } else { 256 };
        let light = self.lighting.at(hit.distance) * face / 256;
        let paint = self.paints.get(usize::from(hit.wall).wrapping_sub(1)).copied().unwrap_or([90; 3]);
        let per_pixel = TEXELS as f32 / (bottom - top);
        let first = top.ceil().max(0.0);
        Line {
            distance: hit.distance,
            top: first as usize,
            bottom: (bottom.ceil().max(0.0) as usize).min(height),
            across: ((hit.along * TEXELS as f32) as usize).min(TEXELS - 1),
            // In 1/65536 of a texel.
            down: ((first - top) * per_pixel * 65536.0) as u32,
            step: (per_pixel * 65536.0) as u32,
            color: paint.map(|c| u32::from(c) * light),
        }
    }

    /// Ceiling, walls and floor of one row of the picture.
    fn draw_row(&self, camera: &Camera, row: &mut [u8], y: usize, height: usize, focal: f32, lines: &[Line]) {
        let texture = self.pattern.texture();
        let below = y as f32 + 0.5 - height as f32 / 2.0;
        let distance = focal * 0.5 / below.abs().max(0.5);
        let light = self.lighting.at(distance);
        let ceiling = lit(self.ceiling, light);
        let floor = self.floor.map(|tile| lit(tile, light));
        let (left, right) = (camera.ray(0, lines.len()), camera.ray(lines.len() - 1, lines.len()));
        let gaps = (lines.len().max(2) - 1) as f32;
        // Places on the floor in 1/65536 of a cell.
        let fixed = |v: f32| (v * 65536.0) as i32;
        let (mut fx, mut fy) = (fixed(camera.x + distance * left.0), fixed(camera.y + distance * left.1));
        let step_x = fixed(distance * (right.0 - left.0) / gaps);
        let step_y = fixed(distance * (right.1 - left.1) / gaps);
        for (pixel, line) in row.chunks_exact_mut(3).zip(lines) {
            let color = if y < line.top {
                ceiling
            } else if y < line.bottom {
                let down = (line.down + (y - line.top) as u32 * line.step) >> 16;
                let texel = u32::from(texture[(down as usize).min(TEXELS - 1) * TEXELS + line.across]);
                line.color.map(|c| ((c * texel) >> 16) as u8)
            } else {
                floor[(((fx >> 15) ^ (fy >> 15)) & 1) as usize]
            };
            pixel.copy_from_slice(&color);
            fx = fx.wrapping_add(step_x);
            fy = fy.wrapping_add(step_y);
        }
    }

    /// The boxes in one column of the picture, the farthest first.
    fn draw_boxes(
        &self,
        camera: &Camera,
        pixels: &mut [u8],
        (x, width, height): (usize, usize, usize),
        focal: f32,
        line: &Line,
    ) {
        let ray = camera.ray(x, width);
        let mut met: Vec<(Meeting, &Cuboid)> =
            self.boxes.iter().filter_map(|b| Some((meet(b, camera, ray)?, b))).collect();
        met.retain(|(meeting, _)| meeting.near < line.distance);
        met.sort_by(|a, b| b.0.near.total_cmp(&a.0.near));
        let middle = height as f32 / 2.0;
        let row = |above_eye: f32, distance: f32| {
            ((middle - focal * above_eye / distance).ceil().max(0.0) as usize).min(height)
        };
        let mut fill = |from: usize, to: usize, color: Rgb| {
            for y in from..to {
                let at = (y * width + x) * 3;
                pixels[at..at + 3].copy_from_slice(&color);
            }
        };
        for (meeting, cuboid) in met {
            let light = self.lighting.at(meeting.near);
            let side = if meeting.upright { 190 } else { 235 };
            let (top, bottom) = (row(cuboid.height - 0.5, meeting.near), row(-0.5, meeting.near));
            let edge = if meeting.edge { 130 } else { side };
            fill(row(cuboid.height - 0.5, meeting.far), top, lit(cuboid.color, light));
            fill(top, bottom, lit(cuboid.color, light * edge / 256));
        }
    }
}

/// One column of the picture: from where to where the wall reaches, and how it looks.
struct Line {
    distance: f32,
    top: usize,
    bottom: usize,
    across: usize,
    down: u32,
    step: u32,
    color: [u32; 3],
}

fn lit(color: Rgb, light: u32) -> Rgb {
    color.map(|c| (u32::from(c) * light.min(256) / 256) as u8)
}

/// Where a ray enters a box and where it leaves it.
struct Meeting {
    near: f32,
    far: f32,
    /// It enters through a side that runs up and down on the map.
    upright: bool,
    /// It enters close to an upright edge.
    edge: bool,
}

fn meet(cuboid: &Cuboid, camera: &Camera, (dx, dy): (f32, f32)) -> Option<Meeting> {
    let slab = |from: f32, middle: f32, d: f32| {
        let (low, high) = (middle - cuboid.half - from, middle + cuboid.half - from);
        if d == 0.0 {
            // Beside the box for ever, or within its width for ever.
            return (low < 0.0 && high > 0.0).then_some((f32::MIN, f32::MAX));
        }
        let (a, b) = (low / d, high / d);
        Some((a.min(b), a.max(b)))
    };
    let (near_x, far_x) = slab(camera.x, cuboid.x, dx)?;
    let (near_y, far_y) = slab(camera.y, cuboid.y, dy)?;
    let (near, far) = (near_x.max(near_y), far_x.min(far_y));
    // A box around the camera is not drawn.
    if near >= far || near < 0.01 {
        return None;
    }
    let upright = near_x > near_y;
    let place = if upright { camera.y + dy * near - cuboid.y } else { camera.x + dx * near - cuboid.x };
    Some(Meeting { near, far, upright, edge: place.abs() > cuboid.half * 0.88 })
}

#[cfg(test)]
mod tests;
