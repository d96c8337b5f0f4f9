//! The order in which the vision tower sees patches, so that each attention window is contiguous.

/// The order of merged units (2×2 patches in the released models) of one image, window by window, and
/// the number of units in each window. `rows × cols` is the merged grid, `side` the window's side in
/// merged units; windows at the edge are smaller.
pub(crate) fn window_order(rows: usize, cols: usize, side: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut order, mut lengths) = (Vec::with_capacity(rows * cols), Vec::new());
    for top in (0..rows).step_by(side) {
        for left in (0..cols).step_by(side) {
            let before = order.len();
            for row in top..(top + side).min(rows) {
                order.extend((left..(left + side).min(cols)).map(|col| row * cols + col));
            }
            lengths.push(order.len() - before);
        }
    }
    (order, lengths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edge_windows_are_smaller() {
        let (order, lengths) = window_order(3, 5, 2);
        assert_eq!(order, [0, 1, 5, 6, 2, 3, 7, 8, 4, 9, 10, 11, 12, 13, 14]);
        assert_eq!(lengths, [4, 4, 2, 2, 2, 1]);
    }
}
