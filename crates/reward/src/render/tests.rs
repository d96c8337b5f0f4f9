use super::*;
use proptest::prelude::*;

fn picture(width: u32, height: u32, at: impl Fn(u32, u32) -> [u8; 3]) -> Image {
    let pixels: Vec<u8> =
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| at(x, y)).collect();
    Image::new(width, height, pixels).unwrap()
}

fn plain(width: u32, height: u32, value: u8) -> Image {
    picture(width, height, |_, _| [value; 3])
}

fn square(width: u32, left: u32) -> Image {
    let inside = |v: u32, from: u32| (from..from + 20).contains(&v);
    picture(width, width, |x, y| if inside(x, left) && inside(y, 20) { [200, 0, 0] } else { [255; 3] })
}

fn edges_of(a: &Image, b: &Image) -> f64 {
    edge_f1(a, b, 1, 64.0).unwrap()
}

#[test]
fn equal_pictures_are_alike_in_every_way() {
    for image in [square(64, 20), plain(1, 1, 7), plain(200, 1, 7), square(180, 3)] {
        for value in [
            ssim(&image, &image).unwrap(),
            ms_ssim(&image, &image).unwrap(),
            edges_of(&image, &image),
            colour_similarity(&image, &image).unwrap(),
            drawing(&image, &image).unwrap(),
        ] {
            assert!((value - 1.0).abs() < 1e-6, "{value} {image:?}");
        }
    }
}

#[test]
fn plain_pictures_have_known_similarities() {
    let (a, b) = (plain(32, 32, 100), plain(32, 32, 200));
    let c1 = 2.55f64.powi(2);
    let want = (2.0 * 100.0 * 200.0 + c1) / (100.0f64.powi(2) + 200.0f64.powi(2) + c1);
    assert!((ssim(&a, &b).unwrap() - want).abs() < 1e-3);
    assert!((colour_similarity(&a, &b).unwrap() - (1.0 - 100.0 / 255.0)).abs() < 1e-12);
    assert!(colour_similarity(&plain(3, 5, 0), &plain(9, 2, 255)).unwrap() < 1e-12);
    assert_eq!(edges_of(&a, &b), 1.0, "neither has an edge");
}

#[test]
fn edges_may_be_off_by_one_pixel() {
    assert_eq!(edges_of(&square(64, 20), &square(64, 21)), 1.0);
    assert!(edges_of(&square(64, 20), &square(64, 26)) < 0.7);
    assert_eq!(edges_of(&plain(64, 64, 255), &square(64, 20)), 0.0);
}

#[test]
fn blank_pictures_earn_nothing() {
    let gold = square(64, 20);
    for value in [0, 128, 200, 245, 255] {
        assert_eq!(drawing(&plain(64, 64, value), &gold).unwrap(), 0.0);
    }
    // One wrong pixel on white is as good as blank.
    let speck = picture(64, 64, |x, y| if (x, y) == (60, 60) { [0; 3] } else { [255; 3] });
    assert!(drawing(&speck, &gold).unwrap() < 0.05);
    // Without the correction the white page looks good.
    assert!(ssim(&plain(64, 64, 255), &gold).unwrap() > 0.5);
    let near = drawing(&square(64, 22), &gold).unwrap();
    assert!((0.3..1.0).contains(&near), "{near}");
    assert_eq!(drawing(&gold, &plain(64, 64, 255)).unwrap(), 0.0);
}

#[test]
fn sizes_are_checked_and_changed() {
    let (a, b) = (plain(4, 4, 1), plain(5, 4, 1));
    assert_eq!(ssim(&a, &b), Err(RenderError::Sizes(4, 4, 5, 4)));
    assert_eq!(resized(&b, 4, 4).unwrap(), a);
    assert!(resized(&b, 0, 4).is_err() && resized(&b, 1 << 16, 1 << 16).is_err());
    let board = picture(2, 2, |x, y| [(x * 2 + y) as u8; 3]);
    let large = resized(&board, 4, 4).unwrap();
    assert_eq!(resized(&large, 2, 2).unwrap(), board);
}

/// Milliseconds for pictures of 512 x 512: `cargo test --release -- --ignored render_speed --nocapture`.
#[test]
#[ignore = "measures"]
fn render_speed() {
    let (a, b) = (square(512, 20), square(512, 23));
    let start = std::time::Instant::now();
    let value = drawing(&a, &b).unwrap();
    println!("drawing 512x512: {value:.3} in {:?}", start.elapsed());
    let start = std::time::Instant::now();
    println!("ssim 512x512: {:.3} in {:?}", ssim(&a, &b).unwrap(), start.elapsed());
}

proptest! {
    #[test]
    fn in_range_and_symmetric(width in 1u32..20, height in 1u32..20, seed in prop::collection::vec(any::<u8>(), 16)) {
        let of = |k: u32| picture(width, height, |x, y| {
            let v = |c: u32| seed[((x * 7 + y * 13 + c * 5 + k * (x * y + 3)) % 16) as usize];
            [v(0), v(1), v(2)]
        });
        let (a, b) = (of(0), of(1));
        let close = |x: f64, y: f64| (x - y).abs() < 1e-4;
        prop_assert!(close(ssim(&a, &b).unwrap(), ssim(&b, &a).unwrap()));
        prop_assert!(close(edges_of(&a, &b), edges_of(&b, &a)));
        for value in [ms_ssim(&a, &b).unwrap(), edges_of(&a, &b), colour_similarity(&a, &b).unwrap(), drawing(&a, &b).unwrap()] {
            prop_assert!((0.0..=1.0).contains(&value));
        }
    }
}
