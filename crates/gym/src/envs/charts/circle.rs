//! Points on a circle without sine and cosine, whose last bit differs between platforms.

use std::sync::OnceLock;

/// Cosine and sine of one degree.
const DEGREE: (f64, f64) = (0.999_847_695_156_391_2, 0.017_452_406_437_283_51);

/// The point of the unit circle after `turn` whole turns, clockwise from the top, y downwards.
/// Between two degrees it is interpolated, which is off by less than a ten-thousandth.
pub(super) fn on_circle(turn: f64) -> (f64, f64) {
    static POINTS: OnceLock<Vec<(f64, f64)>> = OnceLock::new();
    let points = POINTS.get_or_init(|| {
        let (cos, sin) = DEGREE;
        let next = |&(x, y): &(f64, f64)| Some((x * cos - y * sin, x * sin + y * cos));
        std::iter::successors(Some((0.0, -1.0)), next).take(360).collect()
    });
    let degrees = (turn - turn.floor()) * 360.0;
    let (index, part) = (degrees as usize, degrees - degrees.floor());
    let (a, b) = (points[index % 360], points[(index + 1) % 360]);
    (a.0 + (b.0 - a.0) * part, a.1 + (b.1 - a.1) * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_where_they_should_be() {
        for (turn, x, y) in [(0.0, 0.0, -1.0), (0.25, 1.0, 0.0), (0.5, 0.0, 1.0), (1.75, -1.0, 0.0)] {
            let (px, py) = on_circle(turn);
            assert!((px - x).abs() < 1e-12 && (py - y).abs() < 1e-12, "{turn}");
        }
        for i in 0..1000 {
            let (x, y) = on_circle(f64::from(i) / 1000.0);
            assert!((x * x + y * y - 1.0).abs() < 1e-4);
        }
    }
}
