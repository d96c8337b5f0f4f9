//! Episodes before and after training, side by side on the same held-out seed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use eyas_core::{Episode, ImageId, Outcome, Score, Turn};
use eyas_reward::{Response, perception::cell_accuracy};

use super::ReportError;
use super::chart::value;
use super::html::{escape, shorten};
use super::picture::data_uri;

/// A sample is to be looked at, not to be complete: the run directory has every episode.
const PAIRS_PER_ENV: usize = 12;
const TURNS: usize = 40;
const CHARACTERS: usize = 4000;

type Pair<'a> = (Option<&'a Episode>, Option<&'a Episode>);

/// The sample as HTML articles; empty without episodes.
///
/// # Errors
/// When a picture cannot be encoded.
pub(super) fn gallery(before: &[Episode], after: &[Episode]) -> Result<String, ReportError> {
    let mut pictures = BTreeMap::new();
    let mut articles = String::new();
    let mut options = String::new();
    for (env, pairs) in pair_up(before, after) {
        let shown = pairs.len().min(PAIRS_PER_ENV);
        write_option(&mut options, env, shown, pairs.len());
        for (index, pair) in pairs.iter().take(shown).enumerate() {
            articles.push_str(&article(env, index, shown, pair, &mut pictures)?);
        }
    }
    if articles.is_empty() {
        return Ok(String::new());
    }
    Ok(format!(
        "<section id=\"episodes\"><h2>Episodes</h2>\
         <p class=\"note\">The same held-out seeds, played before and after training.</p>\
         <div class=\"controls\" hidden><select aria-label=\"environment\"><option value=\"\">all environments</option>\
         {options}</select><button type=\"button\" data-move=\"-1\">← previous</button>\
         <button type=\"button\" data-move=\"1\">next →</button><output></output></div>{articles}</section>"
    ))
}

fn write_option(options: &mut String, env: &str, shown: usize, all: usize) {
    let env = escape(env);
    let count = if shown < all { format!("{shown} of {all}") } else { all.to_string() };
    options.push_str(&format!("<option value=\"{env}\">{env} ({count})</option>"));
}

/// By environment, in the order in which the start states first occur.
fn pair_up<'a>(before: &'a [Episode], after: &'a [Episode]) -> BTreeMap<&'a str, Vec<Pair<'a>>> {
    let key = |e: &Episode| (e.env.clone(), e.seed.value(), e.knobs.to_string());
    let mut places: BTreeMap<_, usize> = BTreeMap::new();
    let mut by_env: BTreeMap<&str, Vec<Pair<'_>>> = BTreeMap::new();
    for (episodes, is_after) in [(before, false), (after, true)] {
        let mut seen = BTreeSet::new();
        for episode in episodes {
            let key = key(episode);
            // One play of a start state is enough to look at.
            if !seen.insert(key.clone()) {
                continue;
            }
            let pairs = by_env.entry(&episode.env).or_default();
            let place = *places.entry(key).or_insert(pairs.len());
            if place == pairs.len() {
                pairs.push((None, None));
            }
            let pair = &mut pairs[place];
            if is_after { pair.1 = Some(episode) } else { pair.0 = Some(episode) }
        }
    }
    by_env
}

fn article(
    env: &str,
    index: usize,
    shown: usize,
    pair: &Pair<'_>,
    pictures: &mut BTreeMap<ImageId, String>,
) -> Result<String, ReportError> {
    let Some(any) = pair.0.or(pair.1) else { return Ok(String::new()) };
    let prompt = any.turns.first().map(|t| t.observation.as_str()).unwrap_or_default();
    let mut html = format!(
        "<article data-env=\"{0}\"><h3>{0} <small>{1} of {shown} · seed {2} · {3}</small></h3>\
         <details class=\"prompt\"><summary>first message</summary><pre>{4}</pre></details><div class=\"columns\">",
        escape(env),
        index + 1,
        any.seed.value(),
        escape(&knobs(&any.knobs)),
        escape(&shorten(prompt, CHARACTERS)),
    );
    for (name, episode) in [("before", pair.0), ("after", pair.1)] {
        match episode {
            Some(episode) => html.push_str(&play(name, episode, pictures)?),
            None => html.push_str(&format!("<div class=\"play\"><h4>{name}: not played</h4></div>")),
        }
    }
    html.push_str("</div></article>");
    Ok(html)
}

pub(super) fn knobs(knobs: &serde_json::Value) -> String {
    let text = |v: &serde_json::Value| v.as_str().map_or_else(|| v.to_string(), str::to_string);
    let one = |(name, v): (&String, &serde_json::Value)| format!("{name} {}", text(v));
    knobs.as_object().map(|map| map.iter().map(one).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

fn play(
    name: &str,
    episode: &Episode,
    pictures: &mut BTreeMap<ImageId, String>,
) -> Result<String, ReportError> {
    let mut html = format!("<div class=\"play {name}\"><h4>{name} {}</h4>", ended(episode));
    html.push_str(&sheet(episode));
    html.push_str("<ol>");
    for turn in episode.turns.iter().take(TURNS) {
        html.push_str(&self::turn(turn, episode, pictures)?);
    }
    html.push_str("</ol>");
    if episode.turns.len() > TURNS {
        html.push_str(&format!(
            "<p class=\"note\">{} more turns are not shown.</p>",
            episode.turns.len() - TURNS
        ));
    }
    html.push_str("</div>");
    Ok(html)
}

/// How an episode ended, in one line.
pub(super) fn ended(episode: &Episode) -> String {
    let (class, outcome) = match episode.outcome {
        Outcome::Success => ("good", "success"),
        Outcome::Failure => ("bad", "failure"),
        Outcome::Truncated => ("plain", "out of turns"),
        Outcome::Lost => ("plain", "lost: the environment failed"),
    };
    format!(
        "<span class=\"badge {class}\">{outcome}</span> <small>score {} · return {} · {}</small>",
        value(f64::from(episode.env_score)),
        value(f64::from(episode.env_return)),
        turns_count(episode.turns.len()),
    )
}

fn turns_count(n: usize) -> String {
    if n == 1 { "1 turn".into() } else { format!("{n} turns") }
}

/// The score sheet in one line.
pub(super) fn sheet(episode: &Episode) -> String {
    let row = |row: &eyas_core::ScoreSheet| match &row.score {
        Score::Ok(v) => {
            format!(
                "<span>{} <b>{}</b> × {}</span>",
                escape(&row.name),
                value(f64::from(*v)),
                value(f64::from(row.weight))
            )
        }
        Score::Invalid(why) => {
            format!("<span class=\"error\">{}: {}</span>", escape(&row.name), escape(&why.to_string()))
        }
    };
    let rows: String = episode.scores.iter().map(row).collect();
    if rows.is_empty() { rows } else { format!("<div class=\"sheet\">{rows}</div>") }
}

fn turn(
    turn: &Turn,
    episode: &Episode,
    pictures: &mut BTreeMap<ImageId, String>,
) -> Result<String, ReportError> {
    let mut html = format!("<li>{}<div class=\"said\">", shown(turn, episode, pictures)?);
    if !turn.perception.trim().is_empty() {
        let _ = write!(
            html,
            "<div class=\"part truth\"><span>the picture shows</span><pre>{}</pre></div>",
            escape(&shorten(&turn.perception, CHARACTERS))
        );
    }
    html.push_str(&response(&turn.response, &turn.perception));
    html.push_str(&facts(turn));
    html.push_str("</div></li>");
    Ok(html)
}

/// The pictures of a turn.
pub(super) fn shown(
    turn: &Turn,
    episode: &Episode,
    pictures: &mut BTreeMap<ImageId, String>,
) -> Result<String, ReportError> {
    let mut html = String::from("<div class=\"pictures\">");
    for id in &turn.images {
        html.push_str(&picture(*id, episode, pictures)?);
    }
    html.push_str("</div>");
    Ok(html)
}

/// What a turn led to.
pub(super) fn facts(turn: &Turn) -> String {
    let mut html = String::from("<p class=\"facts\">");
    match &turn.action {
        Some(action) => html.push_str(&format!("action <code>{}</code>", escape(&shorten(action, 200)))),
        None => html.push_str("<span class=\"error\">no action</span>"),
    }
    html.push_str(&format!(" · reward <b>{}</b>", value(f64::from(turn.reward))));
    if !turn.terminated {
        html.push_str(" · <span class=\"error\">cut at the token limit</span>");
    }
    if let Some(error) = &turn.error {
        html.push_str(&format!(" · <span class=\"error\">{}</span>", escape(&shorten(error, 400))));
    }
    html.push_str("</p>");
    html
}

fn picture(
    id: ImageId,
    episode: &Episode,
    pictures: &mut BTreeMap<ImageId, String>,
) -> Result<String, ReportError> {
    let Some(image) = episode.images.get(&id) else {
        return Ok(format!("<span class=\"missing\">picture {id} was not kept</span>"));
    };
    let uri = match pictures.get(&id) {
        Some(uri) => uri,
        None => {
            let uri = data_uri(image)?;
            pictures.entry(id).or_insert(uri)
        }
    };
    Ok(format!(
        "<img src=\"{uri}\" width=\"{}\" height=\"{}\" loading=\"lazy\" alt=\"what the policy saw\">",
        image.width(),
        image.height()
    ))
}

/// The response in its blocks, stray text included, in the order in which it was written.
fn response(text: &str, truth: &str) -> String {
    let parsed = Response::parse(text);
    let mut parts: Vec<(usize, String)> = parsed
        .blocks()
        .iter()
        .map(|block| {
            let (label, body) = match block.tag {
                "perception" => (seen(truth, block.text), marked(truth, block.text)),
                "think" => ("reasoning".to_string(), escape(&shorten(block.text.trim(), CHARACTERS))),
                tag => (tag.replace('_', " "), escape(&shorten(block.text.trim(), CHARACTERS))),
            };
            let open = if block.closed { "" } else { ", not closed" };
            let html = format!(
                "<div class=\"part {}\"><span>{label}{open}</span><pre>{body}</pre></div>",
                block.tag
            );
            (block.outer.start, html)
        })
        .collect();
    parts.extend(parsed.stray().iter().map(|range| {
        let body = escape(&shorten(&text[range.clone()], CHARACTERS));
        (
            range.start,
            format!("<div class=\"part stray\"><span>outside any block</span><pre>{body}</pre></div>"),
        )
    }));
    parts.sort_by_key(|(start, _)| *start);
    if parts.is_empty() {
        return "<p class=\"error\">nothing was written</p>".into();
    }
    parts.into_iter().map(|(_, html)| html).collect()
}

fn seen(truth: &str, said: &str) -> String {
    if truth.trim().is_empty() {
        return "perception".into();
    }
    format!("perception, {:.0} % of cells right", 100.0 * cell_accuracy(truth, said))
}

/// The words of a perception block with those that disagree with the ground truth marked, compared as
/// the perception reward compares them: by position in rows that are not blank.
fn marked(truth: &str, said: &str) -> String {
    let said = shorten(said, CHARACTERS);
    let mut gold = truth.lines().filter(|line| !line.trim().is_empty());
    let rows: Vec<String> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let mut gold = gold.next().unwrap_or_default().split_whitespace();
            let words: Vec<String> = line
                .split_whitespace()
                .map(|word| {
                    let text = escape(word);
                    if truth.is_empty() || gold.next() == Some(word) {
                        text
                    } else {
                        format!("<mark>{text}</mark>")
                    }
                })
                .collect();
            words.join(" ")
        })
        .collect();
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_words_are_marked_in_place() {
        assert_eq!(
            marked("8 -\n4 2", "\n8  4\n4 2 9\n1"),
            "8 <mark>4</mark>\n4 2 <mark>9</mark>\n<mark>1</mark>"
        );
        assert_eq!(marked("", "<b> x"), "&lt;b&gt; x", "without ground truth nothing is wrong");
        assert_eq!(seen("8 -\n4 2", "8 4\n4 2"), "perception, 75 % of cells right");
    }

    #[test]
    fn a_response_keeps_its_order_and_its_stray_text() {
        let html = response("Sure <answer>up</answer> bye <think>a", "");
        let order: Vec<usize> = ["Sure", "part answer", "bye", "reasoning, not closed"]
            .iter()
            .map(|w| html.find(w).unwrap())
            .collect();
        assert!(order.is_sorted(), "{html}");
        assert!(response("  ", "").contains("nothing was written"));
    }

    #[test]
    fn knobs_are_readable() {
        assert_eq!(knobs(&serde_json::json!({"size": 4, "theme": "ice"})), "size 4, theme ice");
        assert_eq!(knobs(&serde_json::Value::Null), "");
    }
}
