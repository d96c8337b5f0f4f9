//! Chart to table: write down every value of a chart.
//!
//! The reward is RMS-F1, the relative mapping similarity of DePlot: rows are matched by their labels
//! (normalised Levenshtein distance, 1 from 0.5 up), a matched pair counts (1 - label distance) times
//! (1 - relative error of the value, 1 from 0.1 up); precision and recall are the sum over the rows that
//! were given and over the true rows. Our reading: case does not count, and of equally good matchings
//! the one with the nearer values is taken.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::chart::{
    CATEGORIES, CHART, Chart, FONT, GRID, LARGEST, LOG_AXIS, MISSING, Milli, SERIES, SIDE, THEME,
    VALUE_LABELS, any_label,
};
use crate::envs::kit;
use crate::{
    Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step, TruthForm,
};

const GRAMMAR: &str = "label,value; label,value; ...";

const SPEC: EnvSpec = EnvSpec {
    id: "chart-table",
    group: EnvGroup::Charts,
    title: "Chart to table",
    summary: "A bar, line or pie chart: write down every label with its value.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "RMS-F1 of the table",
    pixel_answers: false,
    players: 1,
    source: "DePlot; Gym-V (chart to table)",
};

const TRUTH: &[TruthForm] = &[TruthForm {
    name: "table",
    rewards: &["table_rms"],
    doc: "{label: value}, for tables without headers",
}];

const KNOBS: &[KnobSpec] =
    &[CATEGORIES, SERIES, CHART, LARGEST, LOG_AXIS, VALUE_LABELS, MISSING, GRID, FONT, THEME, SIDE];

/// Longest table.
const MAX_ROWS: usize = 64;
/// Longest label.
const MAX_LABEL: usize = 24;
/// From this distance on labels count as different.
const LABEL_LIMIT: f64 = 0.5;
/// From this relative error on values count as wrong.
const VALUE_LIMIT: f64 = 0.1;
/// Longest reason.
const MAX_WORDS: usize = 40;
/// Tables that are listed, as there are endlessly many.
const SAMPLED: u64 = 8;

/// A table: rows of a label and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table(pub Vec<(String, Milli)>);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (label, value)) in self.0.iter().enumerate() {
            write!(f, "{}{label},{value}", if i > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// One row.
type Row = (String, Milli);

/// What is stored of a chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    chart: Chart,
    outcome: Option<Outcome>,
}

/// The state of a chart to be written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct ChartTable(State);

impl From<ChartTable> for State {
    fn from(game: ChartTable) -> Self {
        game.0
    }
}

impl TryFrom<State> for ChartTable {
    type Error = String;

    fn try_from(state: State) -> Result<Self, String> {
        state.chart.check()?;
        Ok(Self(state))
    }
}

/// The normalised Levenshtein distance of two labels.
fn label_distance(a: &str, b: &str) -> f64 {
    // Labels are ASCII. The distance is at least the difference in length.
    let longest = a.len().max(b.len()).max(1) as f64;
    if a.len().abs_diff(b.len()) as f64 / longest > LABEL_LIMIT {
        return 1.0;
    }
    let distance = strsim::levenshtein(a, b) as f64 / longest;
    if distance > LABEL_LIMIT { 1.0 } else { distance }
}

/// The relative error of a value; of a true 0 only 0 is right.
fn value_distance(given: Milli, truth: Milli) -> f64 {
    let apart = given.0.abs_diff(truth.0) as f64;
    let error = if truth.0 > 0 { apart / truth.0 as f64 } else { apart.min(1.0) };
    if error > VALUE_LIMIT { 1.0 } else { error }
}

/// RMS-F1 of `given` against `truth`.
fn rms_f1(given: &[Row], truth: &[Row]) -> f64 {
    let lower = |rows: &[Row]| -> Vec<Row> {
        rows.iter().map(|(label, value)| (label.to_ascii_lowercase(), *value)).collect()
    };
    let (given, truth) = (lower(given), lower(truth));
    if given.is_empty() || truth.is_empty() {
        return 0.0;
    }
    // Labels decide the matching; values only between equal labels.
    let cost = |a: &Row, b: &Row| {
        let labels = (label_distance(&a.0, &b.0) * 1e6).round() as i64;
        labels * 10_000 + (value_distance(a.1, b.1) * 100.0).round() as i64
    };
    let swapped = given.len() > truth.len();
    let (rows, columns) = if swapped { (&truth, &given) } else { (&given, &truth) };
    let either = |a: &Row, b: &Row| if swapped { cost(b, a) } else { cost(a, b) };
    let costs: Vec<Vec<i64>> = rows.iter().map(|a| columns.iter().map(|b| either(a, b)).collect()).collect();
    let matched: f64 = assign(&costs)
        .into_iter()
        .enumerate()
        .map(|(i, j)| {
            let (a, b) = if swapped { (&given[j], &truth[i]) } else { (&given[i], &truth[j]) };
            (1.0 - label_distance(&a.0, &b.0)) * (1.0 - value_distance(a.1, b.1))
        })
        .sum();
    2.0 * matched / (given.len() + truth.len()) as f64
}

/// The cheapest matching of every row to a column of its own (the Hungarian method with potentials);
/// there are at least as many columns as rows. Gives the column of every row.
fn assign(costs: &[Vec<i64>]) -> Vec<usize> {
    let (rows, columns) = (costs.len(), costs.first().map_or(0, Vec::len));
    // Row and column 0 are a start outside the matrix.
    let (mut row_price, mut column_price) = (vec![0_i64; rows + 1], vec![0_i64; columns + 1]);
    let (mut owner, mut before) = (vec![0; columns + 1], vec![0; columns + 1]);
    for row in 1..=rows {
        owner[0] = row;
        let mut column = 0;
        let (mut least, mut used) = (vec![i64::MAX; columns + 1], vec![false; columns + 1]);
        while owner[column] != 0 {
            used[column] = true;
            let (current, mut delta, mut next) = (owner[column], i64::MAX, 0);
            for j in (1..=columns).filter(|j| !used[*j]) {
                let reduced = costs[current - 1][j - 1] - row_price[current] - column_price[j];
                if reduced < least[j] {
                    (least[j], before[j]) = (reduced, column);
                }
                if least[j] < delta {
                    (delta, next) = (least[j], j);
                }
            }
            for j in 0..=columns {
                if used[j] {
                    row_price[owner[j]] += delta;
                    column_price[j] -= delta;
                } else if least[j] < i64::MAX {
                    least[j] -= delta;
                }
            }
            column = next;
        }
        while column != 0 {
            owner[column] = owner[before[column]];
            column = before[column];
        }
    }
    let mut columns_of = vec![0; rows];
    for (j, row) in owner.iter().enumerate().skip(1).filter(|(_, row)| **row > 0) {
        columns_of[row - 1] = j - 1;
    }
    columns_of
}

/// A label as it is written in a table: words of letters and digits, a letter first.
fn read_label(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let label = words.join(" ");
    let plain = words.iter().all(|word| word.bytes().all(|b| b.is_ascii_alphanumeric()));
    let fits = (1..=MAX_LABEL).contains(&label.len()) && label.starts_with(|c: char| c.is_ascii_alphabetic());
    (plain && fits).then_some(label)
}

/// A table of random labels and values.
fn any_table(rng: &mut Rng, chart: &Chart) -> Table {
    let named = !chart.series.is_empty();
    let rows = 1 + rng.below(2 * chart.labels.len());
    let row = |rng: &mut Rng| {
        let value = rng.between(1, i64::from(chart.top())) as u32;
        (any_label(rng, named), Milli::whole(value))
    };
    Table((0..rows).map(|_| row(rng)).collect())
}

impl State {
    fn truth(&self) -> Vec<Row> {
        self.chart.rows().into_iter().map(|(label, value)| (label, Milli::whole(value))).collect()
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }
}

impl Env for ChartTable {
    type Action = Table;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        Ok(Self(State { chart: Chart::new(seed, knobs), outcome: None }))
    }

    fn rules(&self) -> String {
        let label = if self.0.chart.series.is_empty() {
            ""
        } else {
            " A label is the one below the chart, a blank, the name of the colour."
        };
        format!("Write the chart as a table: every label with its value.{label}")
    }

    fn render(&self) -> Image {
        self.0.chart.render()
    }

    fn parse(&self, answer: &str) -> Result<Table, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        let mut rows = Vec::new();
        for row in answer.trim().split(';') {
            if rows.len() == MAX_ROWS {
                return Err(ParseError::range(answer, format!("at most {MAX_ROWS} rows")));
            }
            let (label, value) = row.trim_matches(' ').rsplit_once(',').ok_or_else(wrong)?;
            let value = Milli::read(value.trim_matches(' ')).ok_or_else(wrong)?;
            rows.push((read_label(label).ok_or_else(wrong)?, value));
        }
        Ok(Table(rows))
    }

    /// The outcome is a success when every row is right.
    fn step(&mut self, action: &Table) -> Step {
        if self.0.outcome.is_some() {
            return self.0.report(0.0, false);
        }
        let score = rms_f1(&action.0, &self.0.truth());
        self.0.outcome = Some(if score > 1.0 - 1e-9 { Outcome::Success } else { Outcome::Failure });
        self.0.report(score as f32, true)
    }

    fn pass(&mut self) -> Step {
        self.0.outcome = self.0.outcome.or(Some(Outcome::Truncated));
        self.0.report(0.0, false)
    }

    fn oracle(&self) -> Table {
        Table(self.0.truth())
    }

    /// The size of the table and the end of the axis, then as many rows as have room.
    fn reason(&self, _action: &Table) -> String {
        let chart = &self.0.chart;
        let rows = chart.rows();
        let mut text = format!("{} rows axis to {}", rows.len(), chart.top());
        let width = if chart.series.is_empty() { 2 } else { 3 };
        for (label, value) in rows.iter().take((MAX_WORDS - 5) / width) {
            text += &format!(" {label} {value}");
        }
        text
    }

    fn truth_forms() -> &'static [TruthForm] {
        TRUTH
    }

    fn truths(&self) -> Map<String, Value> {
        let rows = self.0.chart.rows().into_iter().map(|(label, value)| (label, json!(value)));
        kit::truths([("table", Value::Object(rows.collect()))])
    }

    fn perception(&self) -> Perception {
        self.0.chart.perception()
    }

    /// Tables of random labels and values, the same ones for every chart of one size.
    fn legal_actions(&self) -> Vec<Table> {
        if self.0.outcome.is_some() {
            return Vec::new();
        }
        (0..SAMPLED).map(|i| any_table(&mut Seed::new(i).split("table", 0).rng(), &self.0.chart)).collect()
    }

    fn guess(&self, rng: &mut Rng) -> Option<Table> {
        self.0.outcome.is_none().then(|| any_table(rng, &self.0.chart))
    }

    fn status(&self) -> Status {
        self.0.status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Row> {
        game().parse(text).unwrap().0
    }

    fn game() -> ChartTable {
        let mut game = ChartTable::reset(Seed::new(1), &Knobs::defaults(KNOBS)).unwrap();
        game.0.chart.labels = ["Jan", "Feb", "Mar", "Apr"].map(String::from).into();
        game.0.chart.values = vec![vec![3, 8, 10, 5]];
        game
    }

    fn near(value: f64, wanted: f64) -> bool {
        (value - wanted).abs() < 1e-9
    }

    #[test]
    fn the_measure_is_the_published_one() {
        let truth = rows("Jan,3; Feb,8; Mar,10; Apr,5");
        let f1 = |text: &str| rms_f1(&rows(text), &truth);
        // Order and case do not count.
        assert!(near(f1("apr,5; MAR,10; Jan,3; feb,8.0"), 1.0));
        // Half of the rows: precision 1, recall 1/2.
        assert!(near(f1("Jan,3; Feb,8"), 2.0 / 3.0));
        // A row twice: precision 4/5.
        assert!(near(f1("Jan,3; Feb,8; Mar,10; Apr,5; Jan,3"), 8.0 / 9.0));
        // 5 percent off in one value, 20 percent in another.
        assert!(near(f1("Jan,3; Feb,8; Mar,10.5; Apr,6"), (3.0 - 0.05) / 4.0));
        // One letter of three is wrong in a label; a label of other letters matches nothing.
        assert!(near(f1("Jun,3; Feb,8; Mar,10; Oslo,5"), (2.0 + 2.0 / 3.0) / 4.0));
        assert_eq!(f1("Oslo,3"), 0.0);
        // Values decide between equal labels, whatever the order.
        assert!(near(rms_f1(&rows("a,1; a,2"), &rows("a,2; a,1")), 1.0));
    }

    #[test]
    fn the_matching_is_the_cheapest() {
        // Against all permutations of small random matrices.
        let mut rng = Seed::new(5).rng();
        for _ in 0..200 {
            let (rows, columns) = (1 + rng.below(4), 4);
            let costs: Vec<Vec<i64>> =
                (0..rows).map(|_| (0..columns).map(|_| rng.between(0, 20)).collect()).collect();
            let found = assign(&costs);
            let mut least = i64::MAX;
            for code in 0..4_usize.pow(rows as u32) {
                let picks: Vec<usize> = (0..rows).map(|i| code / 4_usize.pow(i as u32) % 4).collect();
                if (0..rows).all(|i| picks[..i].iter().all(|p| *p != picks[i])) {
                    least = least.min((0..rows).map(|i| costs[i][picks[i]]).sum());
                }
            }
            assert_eq!((0..rows).map(|i| costs[i][found[i]]).sum::<i64>(), least, "{costs:?}");
            assert!((0..rows).all(|i| found[..i].iter().all(|c| *c != found[i])));
        }
    }

    #[test]
    fn tables_are_read_strictly() {
        let game = game();
        assert_eq!(game.parse(" Jan , 3;Feb  Ana,8.50 ").unwrap().to_string(), "Jan,3; Feb Ana,8.5");
        let long = "a,1;".repeat(100);
        for text in [
            "",
            "Jan",
            "Jan,3;",
            ";",
            ",3",
            "Jan,-3",
            "Jan,3,",
            "J(n,3",
            "3,3",
            "Jan,3; Feb",
            "Jan\n,3",
            &long,
        ] {
            assert!(game.parse(text).is_err(), "{text:?}");
        }
        assert!(matches!(game.parse(&"Jan,1; ".repeat(70)), Err(ParseError::Range { .. })));
    }

    #[test]
    fn a_table_is_paid_once() {
        let mut game = game();
        assert_eq!(game.oracle().to_string(), "Jan,3; Feb,8; Mar,10; Apr,5");
        assert_eq!(game.reason(&game.oracle()), "4 rows axis to 10 Jan 3 Feb 8 Mar 10 Apr 5");
        let mut half = game.clone();
        let step = half.step(&half.parse("Jan,3; Feb,8").unwrap());
        assert_eq!((step.reward, step.status), (2.0 / 3.0, Status::Done(Outcome::Failure)));
        let step = game.step(&game.oracle());
        assert_eq!((step.reward, step.score, step.status), (1.0, 1.0, Status::Done(Outcome::Success)));
        assert_eq!(game.step(&game.oracle()).reward, 0.0);
    }

    #[test]
    fn several_series_have_a_row_for_every_name() {
        let mut game = game();
        game.0.chart.series = ["Ana", "Ben"].map(String::from).into();
        game.0.chart.values.push(vec![1, 2, 3, 4]);
        assert!(game.oracle().to_string().starts_with("Jan Ana,3; Jan Ben,1; Feb Ana,8"));
        assert!(game.perception().text.starts_with("- Ana Ben\nJan 3 1\nFeb 8 2"));
        let read = game.parse(&game.oracle().to_string()).unwrap();
        assert_eq!(game.step(&read).reward, 1.0);
    }

    #[test]
    fn broken_snapshots_are_refused() {
        let whole = serde_json::to_value(game()).unwrap();
        let broken = |key: &str, value: serde_json::Value| {
            let mut copy = whole.clone();
            copy["chart"][key] = value;
            serde_json::from_value::<ChartTable>(copy).is_err()
        };
        assert!(!broken("missing", json!([17])));
        assert!(broken("top", json!(0)));
        assert!(broken("values", json!([[1, 2, 3]])));
        assert!(broken("labels", json!(["Jan", "Feb", "Mar", ""])));
    }
}
