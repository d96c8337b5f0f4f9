//! How fast this machine multiplies matrices: the measure for everything else.

use std::time::Instant;

use super::Precision;
use super::matrix::Mat;

/// Side of the matrices: large enough that the sums dominate, small enough for the cache.
const SIDE: usize = 1024;

/// Billions of floating-point operations a second in a product of 1024×1024 matrices, over all threads:
/// the best of `repeats`.
pub fn matmul_peak_gflops(precision: Precision, repeats: usize) -> f64 {
    let fill = |k: usize| (0..SIDE * SIDE).map(|i| ((i * k) % 17) as f32 * 0.1 - 0.8).collect::<Vec<f32>>();
    let (a, b, mut out) = (fill(7), fill(5), vec![0.0; SIDE * SIDE]);
    let mut best = f64::INFINITY;
    for _ in 0..repeats.max(1) {
        let clock = Instant::now();
        precision.matmul(&mut out, SIDE, false, Mat::new(&a, SIDE, SIDE), Mat::new(&b, SIDE, SIDE));
        best = best.min(clock.elapsed().as_secs_f64());
    }
    2.0 * (SIDE as f64).powi(3) / best / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_speed() {
        for precision in [Precision::F32, Precision::Bf16] {
            assert!(matmul_peak_gflops(precision, 1).is_finite());
        }
    }
}
