//! Relative mapping similarity: is each number of a chart in the table, under the right headers?

use eyas_core::Score;

use super::read;
use super::sequence::Pattern;
use super::table::{self, Entry};
use crate::matching::assign;
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// Most entries that are matched. Those of a prediction beyond count as wrong.
pub const MAX_ENTRIES: usize = 400;

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "table_rms",
    family: "structure",
    doc: "RMS-F1 of a table: entries matched by headers and value, with text and number tolerance",
    source: "DePlot, arXiv 2212.10505; matched for the best sum of the whole similarity, not by headers alone",
    gold: "a table: CSV, Markdown or JSON",
    range: Some((0.0, 1.0)),
    params: &[
        ParamInfo::number("text", 0.0, 1.0, 0.5, "largest edit distance of headers that still counts"),
        ParamInfo::number("number", 0.0, 1.0, 0.1, "largest relative error of a number that still counts"),
        ParamInfo::choice("part", &["f1", "precision", "recall"], "which of the three"),
        ParamInfo::flag("transpose", true, "rows and columns may be exchanged"),
        ParamInfo::flag(
            "headers",
            true,
            "the answer's first row has headers; false: each row is label,value",
        ),
    ],
    score: Scorer::Sample(score),
};

/// Precision, recall and their harmonic mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rms {
    /// Sum of similarities over the entries predicted.
    pub precision: f64,
    /// Sum of similarities over the entries of the ground truth.
    pub recall: f64,
}

impl Rms {
    /// The harmonic mean; 0 when both are.
    pub fn f1(self) -> f64 {
        let sum = self.precision + self.recall;
        if sum > 0.0 { 2.0 * self.precision * self.recall / sum } else { 0.0 }
    }
}

/// A value: its text, and the numbers that it may mean.
struct Value {
    text: Pattern,
    number: Option<f64>,
    percent: bool,
}

/// An entry made ready to be compared.
struct Ready {
    key: Pattern,
    value: Value,
}

fn ready(entry: &Entry, transposed: bool) -> Ready {
    let (first, second) = if transposed { (&entry.column, &entry.row) } else { (&entry.row, &entry.column) };
    // Half of the 64 characters for each header, so that a long one does not hide the other.
    let half = |text: &str| text.chars().take(31).collect::<String>();
    let (number, percent) = read::printed_number(&entry.value).map_or((None, false), |(v, p)| (Some(v), p));
    Ready {
        key: Pattern::new(&format!("{}|{}", half(first), half(second))),
        value: Value { text: Pattern::new(&read::name(&entry.value)), number, percent },
    }
}

/// 0 for equal numbers, rising to 1 at the relative error `most`; 1 beyond. Beside 0 only 0 is right.
fn number_distance(said: f64, gold: f64, most: f64) -> f64 {
    if said == gold {
        return 0.0;
    }
    let error = (said - gold).abs() / gold.abs();
    if error.is_finite() && error <= most { error } else { 1.0 }
}

fn similarity(said: &Ready, gold: &Ready, text: f64, number: f64) -> f64 {
    let tolerated = |distance: f64| if distance > text { 1.0 } else { distance };
    let key = 1.0 - tolerated(said.key.normalised(&gold.key));
    if key <= 0.0 {
        return 0.0;
    }
    let value = match (said.value.number, gold.value.number) {
        (Some(s), Some(g)) => {
            let plain = number_distance(s, g, number);
            // "12%" may stand for 12 or for 0.12 beside a number without the sign.
            match (said.value.percent, gold.value.percent) {
                (true, false) => plain.min(number_distance(s / 100.0, g, number)),
                (false, true) => plain.min(number_distance(s, g / 100.0, number)),
                _ => plain,
            }
        }
        (None, None) => tolerated(said.value.text.normalised(&gold.value.text)),
        _ => 1.0,
    };
    key * (1.0 - value)
}

/// Relative mapping similarity with tolerance `text` for headers and `number` for values. 0 for an empty
/// prediction; order of entries plays no part. Headers are compared by their first 31 characters, values
/// that are no numbers by their first 64. Time: [`MAX_ENTRIES`]³ at most.
pub fn rms(said: &[Entry], gold: &[Entry], text: f64, number: f64, transposed: bool) -> Rms {
    if said.is_empty() || gold.is_empty() {
        return Rms { precision: 0.0, recall: 0.0 };
    }
    let s: Vec<Ready> = said.iter().take(MAX_ENTRIES).map(|e| ready(e, transposed)).collect();
    let g: Vec<Ready> = gold.iter().take(MAX_ENTRIES).map(|e| ready(e, false)).collect();
    let gains: Vec<Vec<f64>> =
        s.iter().map(|s| g.iter().map(|g| similarity(s, g, text, number)).collect()).collect();
    let gain = |i: usize, j: usize| gains.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0.0);
    let pairs = assign(s.len(), g.len(), gain);
    let sum: f64 = pairs.iter().enumerate().filter_map(|(i, j)| j.map(|j| gain(i, j))).sum();
    Rms { precision: sum / said.len() as f64, recall: sum / gold.len() as f64 }
}

fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let Some(gold) = table::from_json(sample.gold).filter(|g| (1..=MAX_ENTRIES).contains(&g.len())) else {
        return bad_gold("the ground truth is no table, an empty or a too large one");
    };
    let parse = if params.flag("headers") { table::parse } else { table::pairs };
    let Some(said) = sample.answer().and_then(parse) else { return Score::Ok(0.0) };
    let (text, number) = (params.number("text"), params.number("number"));
    let part = |rms: Rms| match params.text("part") {
        "precision" => rms.precision,
        "recall" => rms.recall,
        _ => rms.f1(),
    };
    let mut value = part(rms(&said, &gold, text, number, false));
    if params.flag("transpose") && value < 1.0 {
        value = value.max(part(rms(&said, &gold, text, number, true)));
    }
    Score::from_value(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOLD: &str = "Year,Sales,Cost\n2001,5,100\n2002,8,200";

    fn f1(said: &str) -> f64 {
        rms(&table::parse(said).unwrap(), &table::parse(GOLD).unwrap(), 0.5, 0.1, false).f1()
    }

    #[test]
    fn hand_computed() {
        assert_eq!(f1(GOLD), 1.0);
        assert_eq!(f1("Year,Cost,Sales\n2002,200,8\n2001,100,5"), 1.0, "order plays no part");
        // 3 of 4 right, the fourth 5 % off.
        assert!((f1("Year,Sales,Cost\n2001,5,100\n2002,8,210") - (3.0 + 0.95) / 4.0).abs() < 1e-12);
        // 20 % off: worth nothing.
        assert!((f1("Year,Sales,Cost\n2001,5,100\n2002,8,240") - 0.75).abs() < 1e-12);
        // Half of the table: precision 1, recall 1/2.
        assert!((f1("Year,Sales,Cost\n2001,5,100") - 2.0 / 3.0).abs() < 1e-12);
        // "2001|sales" against "2001|sale": one of ten characters.
        let close = f1("Year,Sale,Cost\n2001,5,100\n2002,8,200");
        assert!((close - (0.9 * 2.0 + 2.0) / 4.0).abs() < 1e-12, "{close}");
    }

    #[test]
    fn rows_without_headers() {
        let gold = table::from_json(&serde_json::json!({"Jan": 3, "Feb": 8})).unwrap();
        let f1 = |said: &str| rms(&table::pairs(said).unwrap(), &gold, 0.5, 0.1, false).f1();
        for said in ["Jan,3; Feb,8", "Feb,8\nJan,3", "| Jan | 3 |\n| Feb | 8 |"] {
            assert_eq!(f1(said), 1.0, "{said}");
        }
        assert!((f1("Jan,3") - 2.0 / 3.0).abs() < 1e-12);
        for said in ["", "Jan", "Jan,3; Feb", "Jan,; Feb,8", ",3"] {
            assert_eq!(table::pairs(said), None, "{said}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number_distance(0.0, 0.0, 0.1), 0.0);
        assert_eq!(number_distance(0.1, 0.0, 0.1), 1.0);
        assert!((number_distance(105.0, 100.0, 0.1) - 0.05).abs() < 1e-12);
        let of = |said: &str, gold: &str| {
            let e = |v: &str| ready(&Entry { row: "a".into(), column: "b".into(), value: v.into() }, false);
            similarity(&e(said), &e(gold), 0.5, 0.1)
        };
        assert_eq!(
            (of("1,000", "1000"), of("$5", "5.0"), of("12%", "12"), of("12%", "0.12")),
            (1.0, 1.0, 1.0, 1.0)
        );
        assert_eq!((of("5", "five"), of("٥", "5"), of("nan", "5")), (0.0, 0.0, 0.0));
    }

    #[test]
    fn copies_and_the_whole_alphabet_of_values_cost() {
        let spam = format!("Year,Sales,Cost\n{}", "2001,5,100\n2002,8,200\n".repeat(20));
        assert!(f1(&spam) < 0.1);
    }

    proptest! {
        #[test]
        fn in_range_and_symmetric_under_row_order(values in prop::collection::vec((0u8..3, 0u8..9), 1..8)) {
            let rows: Vec<Entry> = values.iter()
                .map(|(r, v)| Entry { row: format!("row {r}"), column: "x".into(), value: v.to_string() }).collect();
            let gold = table::parse("a,x\nrow 0,1\nrow 1,2\nrow 2,3").unwrap();
            let mut back = rows.clone();
            back.reverse();
            let (a, b) = (rms(&rows, &gold, 0.5, 0.1, false), rms(&back, &gold, 0.5, 0.1, false));
            prop_assert!((a.f1() - b.f1()).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&a.precision) && (0.0..=1.0).contains(&a.recall));
            let same = rms(&rows, &rows, 0.5, 0.1, false);
            prop_assert!((same.f1() - 1.0).abs() < 1e-12);
        }
    }
}
