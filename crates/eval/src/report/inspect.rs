//! Episodes token by token: what was seen, what was written, how likely it was, what it earned.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use eyas_core::{Episode, ImageId, TokenKind};

use super::ReportError;
use super::chart::value;
use super::episodes::{ended, facts, knobs, sheet, shown};
use super::html::escape;
use super::page::{SCRIPT, STYLE, document};

const OWN_STYLE: &str = include_str!("inspect.css");
const OWN_SCRIPT: &str = include_str!("inspect.js");

/// An episode as a page shows it.
#[derive(Clone, Debug)]
pub struct ShownEpisode<'a> {
    /// What it is called: `episode 3, group 1`.
    pub name: String,
    /// The episode, with its pictures as far as there are.
    pub episode: &'a Episode,
    /// The text of each token.
    pub texts: Vec<String>,
    /// The advantage of each token, where that is known.
    pub advantages: Option<&'a [f32]>,
}

/// A page with episodes one at a time; complete in itself. The same input gives the same bytes.
///
/// # Errors
/// [`ReportError::Picture`] when a picture cannot be encoded.
pub fn inspect_page(title: &str, note: &str, episodes: &[ShownEpisode<'_>]) -> Result<String, ReportError> {
    let envs: BTreeSet<&str> = episodes.iter().map(|e| e.episode.env.as_str()).collect();
    let options: String = envs.iter().map(|env| format!("<option>{}</option>", escape(env))).collect();
    let mut pictures = BTreeMap::new();
    // Advantages are shaded against the largest one of the page.
    let all = episodes.iter().filter_map(|e| e.advantages).flatten();
    let largest = all.fold(0.0f32, |most, a| most.max(a.abs()));
    let articles: String =
        episodes.iter().map(|e| article(e, largest, &mut pictures)).collect::<Result<_, _>>()?;
    let kinds: String = ["perception", "think", "answer", "tool_call", "other"]
        .iter()
        .map(|kind| format!("<span class=\"{kind}\">{}</span>", kind.replace('_', " ")))
        .collect();
    let title = escape(title);
    let body = format!(
        "<header><h1>{title}</h1><p class=\"note\">{note}</p></header>\n<main><section id=\"episodes\">\
         <div class=\"controls\" hidden><select aria-label=\"environment\"><option value=\"\">all environments</option>\
         {options}</select><button type=\"button\" data-move=\"-1\">← previous</button>\
         <button type=\"button\" data-move=\"1\">next →</button><output></output>\
         <select id=\"by\" aria-label=\"colour\"><option value=\"kind\">colour by kind</option>\
         <option value=\"logprob\">by log-prob</option><option value=\"advantage\">by advantage</option></select></div>\
         <div class=\"key\">{kinds}</div>{articles}</section></main>",
        note = escape(note),
    );
    Ok(document(&title, &format!("{STYLE}{OWN_STYLE}"), &body, &format!("{SCRIPT}{OWN_SCRIPT}")))
}

fn article(
    shown_episode: &ShownEpisode<'_>,
    largest: f32,
    pictures: &mut BTreeMap<ImageId, String>,
) -> Result<String, ReportError> {
    let ShownEpisode { name, episode, .. } = shown_episode;
    let mut html = format!(
        "<article data-env=\"{env}\"><h3>{name} <small>{env} · seed {seed} · {knobs}</small></h3><h4>{ended}</h4>{sheet}<ol>",
        env = escape(&episode.env),
        name = escape(name),
        seed = episode.seed.value(),
        knobs = escape(&knobs(&episode.knobs)),
        ended = ended(episode),
        sheet = sheet(episode),
    );
    for (n, turn) in episode.turns.iter().enumerate() {
        html.push_str("<li>");
        html.push_str(&shown(turn, episode, pictures)?);
        html.push_str("<div class=\"said\">");
        html.push_str(&tokens(shown_episode, n, largest));
        html.push_str(&facts(turn));
        html.push_str("</div></li>");
    }
    html.push_str("</ol></article>");
    Ok(html)
}

/// The tokens of a turn: what was given, folded away, then what was written.
fn tokens(shown: &ShownEpisode<'_>, turn: usize, largest: f32) -> String {
    let trajectory = &shown.episode.trajectory;
    let of_turn = |i: &usize| usize::from(trajectory.turns()[*i]) == turn;
    let all: Vec<usize> = (0..trajectory.len()).filter(of_turn).collect();
    let Some((&first, &last)) = all.first().zip(all.last()) else { return String::new() };
    let sampled = (first..=last).find(|i| trajectory.kinds()[*i].is_sampled()).unwrap_or(last + 1);
    let mut html = given(shown, first..sampled);
    html.push_str("<pre class=\"tokens\">");
    for i in sampled..=last {
        let (kind, logprob) = (kind_word(trajectory.kinds()[i]), trajectory.logprobs()[i]);
        let advantage = shown.advantages.map(|a| a[i]);
        let told = advantage.map_or_else(String::new, |a| format!(", advantage {}", value(f64::from(a))));
        let share = advantage.filter(|_| largest > 0.0).map_or(0.0, |a| a / largest);
        html.push_str(&format!(
            "<span class=\"t {kind}{neg}\" style=\"--s:{s:.2};--a:{share:.2}\" title=\"token {i}: id {id}, {kind}, \
             log-prob {l}{told}\">{text}</span>",
            neg = if share < 0.0 { " neg" } else { "" },
            s = -logprob,
            id = trajectory.ids()[i],
            l = value(f64::from(logprob)),
            text = escape(&shown.texts[i]),
        ));
    }
    html.push_str("</pre>");
    html
}

/// Given text and the places of pictures in it.
fn given(shown: &ShownEpisode<'_>, range: Range<usize>) -> String {
    let trajectory = &shown.episode.trajectory;
    let mut text = String::new();
    let mut i = range.start;
    while i < range.end {
        match trajectory.images().iter().find(|span| span.start == i) {
            Some(span) => {
                text.push_str(&format!("<i>[picture, {} tokens]</i>", span.len));
                i += span.len.max(1);
            }
            None => {
                text.push_str(&escape(&shown.texts[i]));
                i += 1;
            }
        }
    }
    format!(
        "<details class=\"given\"><summary>given, {} tokens</summary><pre>{text}</pre></details>",
        range.len()
    )
}

/// As in stored episodes; also the class of the style sheet.
fn kind_word(kind: TokenKind) -> String {
    let word = serde_json::to_value(kind).ok();
    word.as_ref().and_then(|w| w.as_str()).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::{EPISODE_VERSION, Image, Outcome, Seed, Trajectory, Turn};

    #[test]
    fn tokens_carry_their_numbers_and_text_stays_text() {
        let image = Image::new(1, 1, vec![1, 2, 3]).unwrap();
        let mut trajectory = Trajectory::new(5);
        trajectory.push_text(&[7], 0).unwrap();
        trajectory.push_image(image.id(), 2, 0).unwrap();
        trajectory.push_sampled(&[8, 9], &[TokenKind::Think, TokenKind::Answer], &[-0.5, -2.0], 0).unwrap();
        let episode = Episode {
            version: EPISODE_VERSION,
            env: "2048".into(),
            seed: Seed::new(1),
            knobs: serde_json::json!({"size": 4}),
            turns: vec![Turn { images: vec![image.id()], action: Some("up".into()), ..Turn::default() }],
            trajectory,
            scores: Vec::new(),
            env_return: 1.0,
            env_score: 1.0,
            outcome: Outcome::Success,
            images: [(image.id(), image)].into(),
        };
        let texts = ["<b>", "x", "x", "<script>", "up"].map(String::from).to_vec();
        let advantages = [0.0, 0.0, 0.0, 0.5, -1.0];
        let shown = ShownEpisode {
            name: "episode 0".into(),
            episode: &episode,
            texts,
            advantages: Some(&advantages),
        };
        let page = inspect_page("a & b", "n", std::slice::from_ref(&shown)).unwrap();
        assert!(page.contains("<pre>&lt;b&gt;<i>[picture, 2 tokens]</i></pre>"), "{page}");
        let think = "<span class=\"t think\" style=\"--s:0.50;--a:0.50\" title=\"token 3: id 8, think, log-prob -0.5, \
                     advantage 0.5\">&lt;script&gt;</span>";
        assert!(page.contains(think), "{page}");
        assert!(page.contains("<span class=\"t answer neg\" style=\"--s:2.00;--a:-1.00\""), "{page}");
        assert!(page.contains("<img src=\"data:image/png;base64,") && page.contains("<h1>a &amp; b</h1>"));
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("://"), "nothing is loaded");
        let unknown = ShownEpisode { advantages: None, ..shown };
        let page = inspect_page("a", "n", &[unknown]).unwrap();
        assert!(page.contains("log-prob -0.5\">") && !page.contains("advantage 0"), "{page}");
    }
}
