//! `eyas reward score`: a spec of rewards on the rows of a file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use eyas_core::{Interrupt, Score};
use eyas_reward::compose::{Composition, Evaluation};
use eyas_reward::judge::Docket;
use eyas_reward::{Around, Progress, Response, RewardSpec, Sample};
use eyas_store::read_text;
use eyas_train::Judges;
use eyas_train::recipe::Recipe;
use rayon::prelude::*;
use serde::Deserialize;

use super::super::data_lines::data_lines;
use super::columns::{Columns, Row};
use super::report::{self, Scored};

/// Arguments of `eyas reward score`.
#[derive(Args, Debug)]
pub(crate) struct ScoreArgs {
    /// The rewards, a TOML file
    spec: PathBuf,
    /// The responses, one JSON object a line
    file: PathBuf,
    /// Print one JSON object a line instead of a table
    #[arg(long, conflicts_with = "explain")]
    json: bool,
    /// Print the parse and every term of each response
    #[arg(long)]
    explain: bool,
}

/// The spec as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    #[serde(default)]
    reward: Vec<RewardSpec>,
    /// A tree of rewards that makes the total; without one it is the weighted sum of the list.
    #[serde(default)]
    total: Option<Composition>,
    #[serde(default)]
    columns: Columns,
    /// Judges as in a recipe; read by [`Recipe::judges_of`].
    #[serde(default, rename = "judge")]
    _judges: Vec<toml::Value>,
    /// Where training stands, for rewards that change on the way.
    #[serde(default)]
    step: u64,
    #[serde(default)]
    steps: u64,
}

/// Most bytes of a spec.
const MAX_SPEC: u64 = 4 << 20;
/// Most problems that are told one by one.
const TOLD: usize = 20;

/// Runs `eyas reward score`.
///
/// # Errors
/// When a file cannot be read, the spec is refused, or a line could not be read; the others are scored.
pub(super) fn run(args: &ScoreArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let (spec, judges) = read_spec(&args.spec)?;
    let (mut rows, mut problems, mut bad) = (Vec::new(), Vec::new(), 0);
    for line in data_lines(&args.file)? {
        let (number, line) = line?;
        match line.and_then(|line| spec.columns.read(number, &line)) {
            Ok(row) => rows.push(row),
            Err(problem) => {
                bad += 1;
                if bad <= TOLD {
                    problems.push(format!("{}:{number}: {problem}", args.file.display()));
                }
            }
        }
    }
    let mut docket = Docket::default();
    let scored = loop {
        let scored = score(&spec, &rows, &docket);
        if docket.settle(|questions| judges.ask(questions, None)).0 == 0 {
            break scored;
        }
    };
    if args.json {
        report::json_lines(&spec.reward, &rows, &scored, out)?;
    } else if args.explain {
        report::explain(&spec.reward, &rows, &scored, out)?;
    } else {
        report::table(&spec.reward, &scored, out)?;
    }
    if bad == 0 {
        return Ok(());
    }
    bail!(
        "{bad} of {} lines could not be read; the others were scored\n{}\nhint: name columns in the spec, \
         for example [columns] response = \"text\"",
        rows.len() + bad,
        problems.join("\n")
    )
}

fn read_spec(path: &Path) -> anyhow::Result<(SpecFile, Judges)> {
    let text = read_text(path, MAX_SPEC).with_context(|| format!("cannot read {}", path.display()))?;
    let spec: SpecFile =
        toml::from_str(&text).with_context(|| format!("{} is not a spec of rewards", path.display()))?;
    ensure!(
        !spec.reward.is_empty() || spec.total.is_some(),
        "{} names no reward\nhint: [[reward]] name = \"...\"; `eyas reward list` shows all",
        path.display()
    );
    let judges = Judges::open(&Recipe::judges_of(&text, &path.to_string_lossy())?, &Interrupt::default())?;
    Ok((spec, judges))
}

/// The scores of every row, in the order of the rows. Rows of one group are seen together.
fn score(spec: &SpecFile, rows: &[Row], docket: &Docket) -> Vec<Scored> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut alone = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        match &row.group {
            Some(group) => groups.entry(group).or_default().push(index),
            None => alone.push(vec![index]),
        }
    }
    let groups: Vec<Vec<usize>> = groups.into_values().chain(alone).collect();
    let progress = Progress { step: spec.step, steps: spec.steps };
    let of_group = |members: &Vec<usize>| -> Vec<(usize, Scored)> {
        let responses: Vec<Response<'_>> =
            members.iter().map(|i| Response::parse(&rows[*i].response)).collect();
        let samples: Vec<Sample<'_>> = members
            .iter()
            .zip(&responses)
            .map(|(i, response)| Sample {
                response,
                gold: &rows[*i].gold,
                fields: &rows[*i].fields,
                progress,
                around: Around { docket: Some(docket), ..Around::default() },
            })
            .collect();
        let columns: Vec<Vec<Score>> = spec.reward.iter().map(|r| r.score_samples(&samples)).collect();
        let mut totals: Vec<Option<Evaluation>> = match &spec.total {
            Some(tree) => tree.evaluate(&samples).into_iter().map(Some).collect(),
            None => vec![None; samples.len()],
        };
        let mut of = |k: usize| {
            let scores = columns.iter().filter_map(|column| column.get(k).cloned()).collect();
            Scored::new(&spec.reward, scores, totals.get_mut(k).and_then(Option::take))
        };
        members.iter().enumerate().map(|(k, i)| (*i, of(k))).collect()
    };
    let mut all: Vec<(usize, Scored)> = groups.par_iter().flat_map(of_group).collect();
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, scored)| scored).collect()
}
