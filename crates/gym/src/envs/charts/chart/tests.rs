use super::*;

#[test]
fn numbers_are_read_exactly() {
    for (text, value) in
        [("7", 7000), ("7.5", 7500), ("0.125", 125), ("0", 0), ("123456789", 123_456_789_000)]
    {
        assert_eq!(Milli::read(text), Some(Milli(value)), "{text}");
        assert_eq!(Milli(value).to_string(), text);
    }
    assert_eq!(Milli::read("7.50"), Some(Milli(7500)));
    for text in ["", ".", "7.", ".5", "-1", "+1", "1e3", "nan", "1234567890", "1.2345", "007", "1,000", "７"]
    {
        assert_eq!(Milli::read(text), None, "{text}");
    }
}

#[test]
fn logarithms_are_exact_enough() {
    for value in 1..=1000_u32 {
        assert!((log10(value) - f64::from(value).log10()).abs() < 1e-10, "{value}");
    }
}

#[test]
fn axes_have_few_round_numbers() {
    for top in 5..=100_u32 {
        let step = stride(top);
        let end = top.next_multiple_of(step);
        assert_eq!(stride(end), step, "{top}");
        assert!((2..=5).contains(&(end / step)) && end <= 120, "{top}: {end} in steps of {step}");
    }
}

#[test]
fn values_keep_to_their_range() {
    let mut rng = Seed::new(1).rng();
    for _ in 0..500 {
        let column = draw_column(&mut rng, 3, 5, false, Kind::Line);
        assert!(column.iter().all(|v| (1..=5).contains(v)));
        assert!(column[0] != column[1] && column[1] != column[2] && column[0] != column[2]);
        assert!(draw_column(&mut rng, 1, 100, false, Kind::Pie)[0] >= 17);
        let value = draw_column(&mut rng, 1, 5, true, Kind::Bar)[0];
        assert!((2..=900).contains(&value) && value.to_string().trim_end_matches('0').len() == 1);
    }
}
