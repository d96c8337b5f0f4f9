//! Shop: find the product that an instruction describes, choose its options and buy it.

use std::fmt;
use std::sync::Arc;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::screen::{self, Area, FONT_KNOB, Icon, Pen, Screen, Style, UNIT};
use crate::draw::{BLACK, BLUE, GRAY, GREEN, RED, Rgb, WHITE};
use crate::envs::kit;
use crate::{
    Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step, TruthForm,
};

const GRAMMAR: &str = "search[words] | click[label] | buy";

const SPEC: EnvSpec = EnvSpec {
    id: "shop",
    group: EnvGroup::Gui,
    title: "Shop",
    summary: "A shop with a search, lists of results and product pages: buy what the instruction describes.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "WebShop's reward of what is bought: attributes, options and price that match, times the match of the type",
    pixel_answers: false,
    players: 1,
    source: "WebShop (Yao et al. 2022); Shop-R1",
};

const TRUTH: &[TruthForm] = &[
    TruthForm {
        name: "action",
        rewards: &["gui_r1", "gui_action_type", "gui_text"],
        doc: "the next of the fewest actions: {action, text: the words or the label}",
    },
    TruthForm {
        name: "goal",
        rewards: &["webshop"],
        doc: "what is wanted: {title, category, attributes, options, price_upper}",
    },
    TruthForm {
        name: "purchase",
        rewards: &["webshop"],
        doc: "what buying now would buy: {title, category, attributes, options, price}, or null; the field `purchase` of rewards after a turn that bought",
    },
];

const KNOBS: &[KnobSpec] = &[
    KnobSpec::int("products", Axis::Reasoning, 4, 200, 8, "products in the catalogue").dialled(4.0, 120.0),
    KnobSpec::int("attributes", Axis::Reasoning, 1, 3, 1, "attributes of a product, all of them wanted")
        .dialled(1.0, 3.0),
    KnobSpec::float(
        "near_misses",
        Axis::Reasoning,
        0.0,
        1.0,
        0.5,
        "share of the other products that differ from the wanted one in one thing only",
    )
    .dialled(0.2, 0.7),
    KnobSpec::flag("hidden", Axis::Reasoning, false, "the last attribute is told on the product's page only")
        .dialled(0.0, 1.0),
    KnobSpec::int("options", Axis::Horizon, 0, 3, 1, "options to choose: color, size, pack")
        .dialled(0.0, 3.0),
    KnobSpec::int("slack", Axis::Horizon, 0, 30, 4, "turns beyond the fewest until the shop closes")
        .dialled(6.0, 4.0),
    KnobSpec::choice(
        "screen",
        Axis::Perception,
        SIZES,
        "168x224",
        "width and height in pixels; 3, 4, 10 or 36 results a page",
    )
    .dialled(0.0, 3.0),
    KnobSpec::int("text_px", Axis::Perception, 10, 22, 15, "line height of text in pixels")
        .dialled(17.0, 12.0),
    KnobSpec::choice(
        "theme",
        Axis::Perception,
        screen::THEMES,
        "light",
        "colours; the last has little contrast",
    )
    .dialled(0.0, 2.0),
    FONT_KNOB,
];

const SIZES: &[&str] = &["168x224", "224x280", "364x644", "1288x812"];

/// A kind of product. Its two words are the nouns of every title.
struct Kind {
    nouns: [&'static str; 2],
    /// What WebShop calls the query: the search that finds the category.
    query: &'static str,
    category: [&'static str; 3],
}

const fn kind(first: &'static str, head: &'static str, category: [&'static str; 3]) -> Kind {
    Kind { nouns: [first, head], query: head, category }
}

const KINDS: [Kind; 16] = [
    kind("tea", "mug", ["home", "kitchen", "mugs"]),
    kind("travel", "mug", ["home", "kitchen", "mugs"]),
    kind("desk", "lamp", ["home", "light", "lamps"]),
    kind("floor", "lamp", ["home", "light", "lamps"]),
    kind("rain", "coat", ["clothes", "outdoor", "coats"]),
    kind("winter", "coat", ["clothes", "outdoor", "coats"]),
    kind("sun", "hat", ["clothes", "outdoor", "hats"]),
    kind("wool", "hat", ["clothes", "outdoor", "hats"]),
    kind("hand", "bag", ["clothes", "travel", "bags"]),
    kind("school", "bag", ["clothes", "travel", "bags"]),
    kind("wall", "clock", ["home", "decor", "clocks"]),
    kind("alarm", "clock", ["home", "decor", "clocks"]),
    kind("sport", "shoe", ["clothes", "feet", "shoes"]),
    kind("dance", "shoe", ["clothes", "feet", "shoes"]),
    kind("garden", "chair", ["home", "seats", "chairs"]),
    kind("office", "chair", ["home", "seats", "chairs"]),
];

const ATTRIBUTES: [&str; 12] =
    ["soft", "light", "strong", "round", "plain", "shiny", "slim", "smart", "thick", "quiet", "fine", "dry"];

/// Groups of options. The words of a group, and all words of the shop, differ by so much that WebShop's
/// fuzzy match (token set ratio above 85) is the same as equality.
const OPTIONS: [(&str, &[&str]); 3] = [
    ("color", &["red", "blue", "green", "black", "white", "pink"]),
    ("size", &["small", "medium", "large"]),
    ("pack", &["single", "double", "triple"]),
];

const COLORS: [Rgb; 6] = [RED, BLUE, GREEN, BLACK, WHITE, [240, 130, 180]];

/// The longest search and the longest label, in letters.
const MAX_SEARCH: usize = 60;
const MAX_LABEL: usize = 12;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Product {
    /// A letter and a digit, by which it is clicked.
    code: String,
    /// Which of the kinds.
    kind: usize,
    /// Which attributes; where one is hidden, the last.
    attributes: Vec<usize>,
    /// For every group, which of its words can be had.
    options: Vec<Vec<usize>>,
    /// In dollars.
    price: u32,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Goal {
    kind: usize,
    attributes: Vec<usize>,
    /// One word of every group.
    options: Vec<usize>,
    /// The highest price that is good.
    upper: u32,
}

/// What does not change: the catalogue and the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Task {
    style: Style,
    hidden: bool,
    products: Vec<Product>,
    goal: Goal,
    max_turns: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Page {
    Search,
    Results,
    /// The product with this index.
    Item(usize),
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Now {
    page: Page,
    /// Indices of the products that the last search found, best first.
    results: Vec<usize>,
    /// The page of the results.
    sheet: usize,
    /// For every group, the word that is chosen.
    chosen: Vec<Option<usize>>,
    turn: usize,
    outcome: Option<Outcome>,
}

/// The state of a visit to the shop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Shop {
    task: Arc<Task>,
    now: Now,
}

/// A state as read from a file, not yet checked.
#[derive(Deserialize)]
struct Unchecked {
    task: Task,
    now: Now,
}

impl TryFrom<Unchecked> for Shop {
    type Error = String;

    fn try_from(Unchecked { task, now }: Unchecked) -> Result<Self, String> {
        let (count, groups, goal) = (task.products.len(), task.goal.options.len(), &task.goal);
        if !task.style.is_sane() || count == 0 || count > 200 || groups > OPTIONS.len() {
            return Err(format!("{count} products with {groups} options"));
        }
        let words = |group: usize| OPTIONS[group].1.len();
        let attributes = |list: &[usize]| !list.is_empty() && list.iter().all(|a| *a < ATTRIBUTES.len());
        let product = |p: &Product| {
            let offered = |(group, list): (usize, &Vec<usize>)| list.iter().all(|i| *i < words(group));
            let code = p.code.len() == 2 && p.code.bytes().all(|b| b.is_ascii_alphanumeric());
            let grouped = p.options.len() == groups && p.options.iter().enumerate().all(offered);
            code && p.kind < KINDS.len() && attributes(&p.attributes) && grouped
        };
        let wanted = goal.options.iter().enumerate().all(|(group, i)| *i < words(group));
        if !task.products.iter().all(product)
            || goal.kind >= KINDS.len()
            || !attributes(&goal.attributes)
            || !wanted
        {
            return Err("a product or the goal has words that the shop does not know".into());
        }
        let item = !matches!(now.page, Page::Item(index) if index >= count);
        let chosen = now.chosen.len() == groups
            && now.chosen.iter().enumerate().all(|(group, c)| c.is_none_or(|i| i < words(group)));
        if !item || !chosen || now.results.iter().any(|index| *index >= count) || now.results.len() > count {
            return Err("the page shows a product or an option that is not there".into());
        }
        let per_page = capacity(task.style.size);
        let sheets = now.results.len().div_ceil(per_page).max(1);
        if now.sheet >= sheets || task.max_turns > 1000 || now.turn > task.max_turns {
            return Err(format!("page {} of {sheets}, turn {} of {}", now.sheet, now.turn, task.max_turns));
        }
        Ok(Self { task: Arc::new(task), now })
    }
}

/// An action in the shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Searches for words; on the search page only.
    Search(String),
    /// Clicks what carries this label: a product's code, an option, or Back, Prev, Next.
    Click(String),
    /// Buys the product on view with the options that are chosen.
    Buy,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Search(words) => write!(f, "search[{words}]"),
            Self::Click(label) => write!(f, "click[{label}]"),
            Self::Buy => f.write_str("buy"),
        }
    }
}

impl Product {
    /// The attributes that its title tells.
    fn shown(&self, hidden: bool) -> &[usize] {
        &self.attributes[..self.attributes.len() - usize::from(hidden)]
    }

    /// The words of its title.
    fn title(&self, hidden: bool) -> Vec<&'static str> {
        let attributes = self.shown(hidden).iter().map(|a| ATTRIBUTES[*a]);
        attributes.chain(KINDS[self.kind].nouns).collect()
    }

    /// True when it can be had for a reward of 1. As in WebShop, a kind that answers the same query will
    /// do: a travel mug for a tea mug.
    fn fits(&self, goal: &Goal) -> bool {
        kind_reward(self.kind, goal.kind) >= 1.0
            && self.price <= goal.upper
            && goal.attributes.iter().all(|a| self.attributes.contains(a))
            && goal.options.iter().zip(&self.options).all(|(wanted, offered)| offered.contains(wanted))
    }
}

/// `r_type` of WebShop's `get_type_reward`. The nouns that WebShop finds with a tagger are here the two
/// words of the kind.
fn type_reward(same_query: bool, shared_categories: usize, shared_nouns: usize, nouns: usize) -> f64 {
    // Title score s = shared / nouns, 0.2 where there are no nouns: s > 0.2, s < 0.1, s = 0.
    let (above, below, zero) = match nouns {
        0 => (false, false, false),
        n => (5 * shared_nouns > n, 10 * shared_nouns < n, shared_nouns == 0),
    };
    match (zero, below, same_query || shared_categories >= 2 || above) {
        (true, ..) => 0.0,
        (_, true, _) => 0.1,
        (_, _, true) => 1.0,
        _ => 0.5,
    }
}

/// `r_type` for buying one kind where another is wanted.
fn kind_reward(bought: usize, wanted: usize) -> f64 {
    let (bought, wanted) = (&KINDS[bought], &KINDS[wanted]);
    let shared = |a: &[&str], b: &[&str]| a.iter().filter(|word| b.contains(word)).count();
    type_reward(
        bought.query == wanted.query,
        shared(&bought.category, &wanted.category),
        shared(&wanted.nouns, &bought.nouns),
        wanted.nouns.len(),
    )
}

/// WebShop's `get_reward` (goal.py): (attributes that match + options that match + price is good) /
/// (attributes + options + 1), times `r_type`.
fn reward(product: &Product, chosen: &[Option<usize>], goal: &Goal) -> f64 {
    let r_type = kind_reward(product.kind, goal.kind);
    let attributes = goal.attributes.iter().filter(|a| product.attributes.contains(a)).count();
    let options = goal.options.iter().zip(chosen).filter(|(wanted, c)| **c == Some(**wanted)).count();
    let price = usize::from(product.price <= goal.upper);
    let all = goal.attributes.len() + goal.options.len() + 1;
    r_type * (attributes + options + price) as f64 / all as f64
}

impl Task {
    /// Products whose title has one of the words: those with most of them first, else in the order of
    /// the catalogue. (WebShop ranks by BM25.)
    fn search(&self, text: &str) -> Vec<usize> {
        let text = text.to_ascii_lowercase();
        let mut words: Vec<&str> = text.split_ascii_whitespace().collect();
        words.sort_unstable();
        words.dedup();
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (index, product) in self.products.iter().enumerate() {
            let title = product.title(self.hidden);
            let hits = words.iter().filter(|w| title.contains(w)).count();
            if hits > 0 {
                found.push((words.len() - hits, index));
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, index)| index).collect()
    }

    fn per_page(&self) -> usize {
        capacity(self.style.size)
    }

    /// The words of the wanted title, as the instruction has them.
    fn wanted(&self) -> Vec<&'static str> {
        let attributes = self.goal.attributes.iter().map(|a| ATTRIBUTES[*a]);
        attributes.chain(KINDS[self.goal.kind].nouns).collect()
    }

    /// The instruction as a sequence of words.
    fn want(&self) -> Vec<String> {
        let mut words: Vec<String> = self.wanted().into_iter().map(String::from).collect();
        for (group, option) in self.goal.options.iter().enumerate() {
            words.extend([OPTIONS[group].0.to_string(), OPTIONS[group].1[*option].to_string()]);
        }
        words.extend(["under".to_string(), self.goal.upper.to_string()]);
        words
    }

    /// The search after which the fewest clicks lead to a product that fits, with that number: the words
    /// of the instruction, or the title of such a product, after which nothing but the same title can
    /// stand before it.
    fn best_search(&self) -> Option<(usize, String)> {
        let fitting = self.products.iter().filter(|p| p.fits(&self.goal));
        let titles = fitting.map(|p| p.title(self.hidden).join(" "));
        let mut best: Option<(usize, String)> = None;
        for words in std::iter::once(self.wanted().join(" ")).chain(titles) {
            let results = self.search(&words);
            let rank = results.iter().position(|i| self.products[*i].fits(&self.goal));
            let Some(sheet) = rank.map(|r| r / self.per_page()) else { continue };
            if best.as_ref().is_none_or(|(least, _)| sheet < *least) {
                best = Some((sheet, words));
            }
        }
        best
    }
}

impl Shop {
    fn sheets(&self) -> usize {
        self.now.results.len().div_ceil(self.task.per_page()).max(1)
    }

    /// The products on view on the present page of results.
    fn on_view(&self) -> &[usize] {
        let per_page = self.task.per_page();
        let from = (self.now.sheet * per_page).min(self.now.results.len());
        let to = (from + per_page).min(self.now.results.len());
        &self.now.results[from..to]
    }

    fn item(&self) -> Option<&Product> {
        match self.now.page {
            Page::Item(index) => self.task.products.get(index),
            _ => None,
        }
    }

    /// The buttons of the bar at the bottom.
    fn buttons(&self) -> Vec<&'static str> {
        match self.now.page {
            Page::Search => Vec::new(),
            Page::Item(_) => vec!["Back", "Prev"],
            Page::Results => {
                let ways = [
                    ("Back", true),
                    ("Prev", self.now.sheet > 0),
                    ("Next", self.now.sheet + 1 < self.sheets()),
                ];
                ways.into_iter().filter(|(_, open)| *open).map(|(label, _)| label).collect()
            }
        }
    }

    fn click(&mut self, label: &str) -> bool {
        let groups = self.now.chosen.len();
        if self.buttons().contains(&label) {
            match (label, self.now.page) {
                ("Prev", Page::Item(_)) => self.now.page = Page::Results,
                ("Prev", _) => self.now.sheet -= 1,
                ("Next", _) => self.now.sheet += 1,
                _ => {
                    self.now.page = Page::Search;
                    self.now.results.clear();
                    self.now.sheet = 0;
                }
            }
            // What was chosen is forgotten when the product's page is left, as in WebShop.
            self.now.chosen = vec![None; groups];
            return true;
        }
        match self.now.page {
            Page::Search => false,
            Page::Results => {
                let found = self.on_view().iter().copied().find(|i| self.task.products[*i].code == label);
                if let Some(index) = found {
                    self.now.page = Page::Item(index);
                }
                found.is_some()
            }
            Page::Item(_) => {
                let option = self.item().and_then(|p| find_option(p, label));
                if let Some((group, word)) = option {
                    self.now.chosen[group] = Some(word);
                }
                option.is_some()
            }
        }
    }

    fn act(&mut self, action: &Act) -> bool {
        match action {
            Act::Search(_) if self.now.page != Page::Search => false,
            Act::Search(words) => {
                self.now.results = self.task.search(words);
                self.now.sheet = 0;
                self.now.page = Page::Results;
                true
            }
            Act::Click(label) => self.click(label),
            Act::Buy => {
                let paid = self.paid();
                self.now.outcome = match paid {
                    Some(paid) if paid >= 1.0 => Some(Outcome::Success),
                    Some(_) => Some(Outcome::Failure),
                    None => None,
                };
                paid.is_some()
            }
        }
    }

    /// The reward for buying now.
    fn paid(&self) -> Option<f64> {
        Some(reward(self.item()?, &self.now.chosen, &self.task.goal))
    }

    /// Clicks from a page of results to the nearest product that fits, over pages and its own click.
    fn nearest(&self) -> Option<(usize, usize)> {
        let (goal, per_page) = (&self.task.goal, self.task.per_page());
        let ranked = self.now.results.iter().enumerate();
        ranked
            .filter(|(_, i)| self.task.products[**i].fits(goal))
            .map(|(rank, _)| ((rank / per_page).abs_diff(self.now.sheet) + 1, rank))
            .min()
    }

    /// The next of the fewest actions that lead to a reward of 1.
    fn plan(&self) -> Act {
        let goal = &self.task.goal;
        if self.item().is_some_and(|p| p.fits(goal)) {
            let mut options = goal.options.iter().zip(&self.now.chosen).enumerate();
            return match options.find(|(_, (wanted, chosen))| **chosen != Some(**wanted)) {
                Some((group, (word, _))) => Act::Click(OPTIONS[group].1[*word].into()),
                None => Act::Buy,
            };
        }
        let Some((sheet, words)) = self.task.best_search() else { return self.resign() };
        if self.now.page == Page::Search {
            return Act::Search(words);
        }
        // A new search costs its two clicks more than the clicks after it.
        let anew = 1 + 1 + sheet + 1;
        match self.nearest() {
            Some((clicks, rank)) if clicks + usize::from(self.item().is_some()) <= anew => {
                let target = rank / self.task.per_page();
                match (self.item().is_some(), target.cmp(&self.now.sheet)) {
                    (true, _) | (_, std::cmp::Ordering::Less) => Act::Click("Prev".into()),
                    (_, std::cmp::Ordering::Greater) => Act::Click("Next".into()),
                    _ => Act::Click(self.task.products[self.now.results[rank]].code.clone()),
                }
            }
            _ => Act::Click("Back".into()),
        }
    }

    /// What is done where no product fits: only in states that no reset gives.
    fn resign(&self) -> Act {
        match self.now.page {
            Page::Search => Act::Search(self.task.wanted().join(" ")),
            Page::Results => Act::Click("Back".into()),
            Page::Item(_) => Act::Buy,
        }
    }

    fn fewest(&self) -> usize {
        let mut walker = self.clone();
        let mut count = 0;
        while walker.now.outcome.is_none() && count < 500 {
            walker.act(&walker.plan());
            count += 1;
        }
        count
    }

    fn count_turn(&mut self) {
        self.now.turn += 1;
        if self.now.turn >= self.task.max_turns && self.now.outcome.is_none() {
            self.now.outcome = Some(Outcome::Truncated);
        }
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }

    /// The line of a product in a list: code, words of the title, price.
    fn line(&self, product: &Product) -> String {
        format!("{} {} {}", product.code, product.title(self.task.hidden).join(" "), product.price)
    }

    /// A group of options: its name, the words to be had, and the one that is chosen.
    fn option_line(&self, product: &Product, group: usize) -> String {
        let (name, words) = OPTIONS[group];
        let offered: Vec<&str> = product.options[group].iter().map(|i| words[*i]).collect();
        let chosen = self.now.chosen[group].map_or("-", |i| words[i]);
        format!("{name} {} is {chosen}", offered.join(" "))
    }

    fn draw_search(&self, screen: &mut Screen) {
        let (width, _) = self.task.style.size;
        let colors = screen.colors;
        screen.bar(Area { x: 0, y: 0, w: width, h: UNIT }, "Shop");
        screen.field(Area { x: 6, y: UNIT + 4, w: width - 12, h: UNIT - 2 }, "", colors.faint, false);
        Icon::Search.draw(&mut screen.canvas, 20.0, UNIT as f32 + 17.0, 14.0, colors.faint, colors.card);
        let goal = &self.task.goal;
        let attributes: Vec<&str> = goal.attributes.iter().map(|a| ATTRIBUTES[*a]).collect();
        let mut lines = vec!["Wanted:".to_string(), attributes.join(" "), KINDS[goal.kind].nouns.join(" ")];
        lines.extend(
            goal.options.iter().zip(OPTIONS).map(|(i, (name, words))| format!("{name} {}", words[*i])),
        );
        lines.push(format!("under ${}", goal.upper));
        for (i, line) in lines.iter().enumerate() {
            let (y, color) = (72 + 20 * i as u32, if i == 0 { colors.faint } else { colors.ink });
            screen.text(line, Area { x: 12, y, w: width - 20, h: 20 }, color);
        }
    }

    fn draw_results(&self, screen: &mut Screen) {
        let (width, height) = self.task.style.size;
        let title = format!("Page {} of {}", self.now.sheet + 1, self.sheets());
        screen.bar(Area { x: 0, y: 0, w: width, h: UNIT }, &title);
        let (columns, rows) = grid((width, height));
        let (w, h) = (width / columns, card_height(width));
        let (line, ink, faint) = (screen.colors.line, screen.colors.ink, screen.colors.faint);
        for (place, index) in (0u32..).zip(self.on_view()) {
            let product = &self.task.products[*index];
            let (x, y) = (place / rows * w, UNIT + place % rows * h);
            screen.card(Area { x, y, w, h }.inset(2), line);
            draw_product(screen, product, x as f32 + 27.0, y as f32 + h as f32 / 2.0, 40.0);
            let at = Area { x: x + 54, y: y + h / 2 - 24, w: w - 60, h: 24 };
            let kind = KINDS[product.kind].nouns.join(" ");
            let code = screen.text_bold(&product.code, at, screen.colors.accent);
            screen.text(
                &kind,
                Area { x: at.x + code + 5, w: at.w.saturating_sub(code + 5).max(1), ..at },
                ink,
            );
            let shown = product.shown(self.task.hidden).iter().map(|a| ATTRIBUTES[*a]);
            let words: Vec<&str> = shown.collect();
            let text = format!("${}  {}", product.price, words.join(" "));
            screen.text(&text, Area { y: at.y + 24, ..at }, faint);
        }
    }

    fn draw_item(&self, screen: &mut Screen, product: &Product) {
        let (width, _) = self.task.style.size;
        let (line, ink, faint) = (screen.colors.line, screen.colors.ink, screen.colors.faint);
        let title = format!("{}  {}", product.code, KINDS[product.kind].nouns.join(" "));
        screen.bar(Area { x: 0, y: 0, w: width, h: UNIT }, &title);
        screen.card(Area { x: 2, y: UNIT + 2, w: 52, h: 52 }, line);
        draw_product(screen, product, 28.0, UNIT as f32 + 28.0, 44.0);
        let right = Area { x: 60, y: UNIT + 4, w: width - 64, h: 24 };
        screen.text(&format!("${}", product.price), right, ink);
        let words: Vec<&str> = product.attributes.iter().map(|a| ATTRIBUTES[*a]).collect();
        screen.text(&words.join(" "), Area { y: right.y + 26, ..right }, ink);
        for (group, offered) in product.options.iter().enumerate() {
            let (name, words) = OPTIONS[group];
            let y = (3 + group as u32) * UNIT;
            screen.text(name, Area { x: 4, y, w: 36, h: UNIT }, faint);
            let each = ((width - 44) / offered.len().max(1) as u32).min(100);
            for (place, word) in (0u32..).zip(offered) {
                let area = Area { x: 42 + place * each, y: y + 2, w: each - 3, h: UNIT - 4 };
                screen.chip(area, words[*word], self.now.chosen[group] == Some(*word));
            }
        }
    }

    fn draw_buttons(&self, screen: &mut Screen) {
        let (width, height) = self.task.style.size;
        let bar = Area { x: 0, y: height - UNIT, w: width, h: UNIT };
        let card = screen.colors.card;
        screen.fill(bar, card);
        let each = (width / 3).min(100);
        let place = |i: u32| Area { x: bar.x + i * each + 3, y: bar.y + 2, w: each - 6, h: UNIT - 4 };
        for label in self.buttons() {
            let at = ["Back", "Prev", "Next"].iter().position(|l| *l == label).unwrap_or(0);
            screen.chip(place(at as u32), label, false);
        }
        if self.item().is_some() {
            screen.chip(place(2), "Buy", true);
        }
    }
}

impl Env for Shop {
    type Action = Act;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let mut rng = seed.split("catalogue", 0).rng();
        let style = Style::new(knobs);
        let (groups, attributes) = (knobs.size("options"), knobs.size("attributes"));
        let target = draw_product_data(&mut rng, groups, attributes);
        let goal = Goal {
            kind: target.kind,
            attributes: target.attributes.clone(),
            options: target.options.iter().map(|o| rng.choose(o).copied().unwrap_or(0)).collect(),
            upper: price_limit(&mut rng, target.price),
        };
        let near = knobs.float("near_misses");
        let mut products = vec![target.clone()];
        for _ in 1..knobs.size("products") {
            products.push(match rng.chance(near) {
                true => near_miss(&mut rng, &target, &goal),
                false => draw_product_data(&mut rng, groups, attributes),
            });
        }
        rng.shuffle(&mut products);
        let mut codes: Vec<String> =
            ('A'..='Z').flat_map(|letter| (0..10).map(move |digit| format!("{letter}{digit}"))).collect();
        rng.shuffle(&mut codes);
        products.iter_mut().zip(codes).for_each(|(product, code)| product.code = code);
        let mut task = Task { style, hidden: knobs.flag("hidden"), products, goal, max_turns: 1000 };
        let now = Now {
            page: Page::Search,
            results: Vec::new(),
            sheet: 0,
            chosen: vec![None; groups],
            turn: 0,
            outcome: None,
        };
        let fresh = Self { task: Arc::new(task.clone()), now };
        task.max_turns = fresh.fewest() + knobs.size("slack");
        Ok(Self { task: Arc::new(task), now: fresh.now })
    }

    fn rules(&self) -> String {
        let goal = &self.task.goal;
        let mut text = format!("Buy a {}", self.task.wanted().join(" "));
        for (group, option) in goal.options.iter().enumerate() {
            text += &format!(", {} {}", OPTIONS[group].0, OPTIONS[group].1[*option]);
        }
        text + &format!(
            ", price lower than {} dollars. Search, click a code, click its options, buy.",
            goal.upper
        )
    }

    fn render(&self) -> Image {
        let mut screen = Screen::new(&self.task.style);
        match (self.now.page, self.item()) {
            (Page::Item(_), Some(product)) => self.draw_item(&mut screen, product),
            (Page::Results, _) => self.draw_results(&mut screen),
            _ => self.draw_search(&mut screen),
        }
        if self.now.page != Page::Search {
            self.draw_buttons(&mut screen);
        }
        screen.canvas.into_image()
    }

    fn parse(&self, answer: &str) -> Result<Act, ParseError> {
        let wrong = || ParseError::grammar(answer, GRAMMAR);
        if answer.trim() == "buy" {
            return Ok(Act::Buy);
        }
        let plain = |text: &str, most: usize| {
            let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ');
            letters && text.len() <= most && !text.trim().is_empty()
        };
        if let Some(words) = screen::inner(answer, "search[", "]").filter(|w| plain(w, MAX_SEARCH)) {
            return Ok(Act::Search(words.into()));
        }
        let label = screen::inner(answer, "click[", "]").filter(|l| plain(l, MAX_LABEL));
        label.map(|l| Act::Click(l.into())).ok_or_else(wrong)
    }

    fn step(&mut self, action: &Act) -> Step {
        if self.now.outcome.is_some() {
            return self.report(0.0, false);
        }
        let paid = if *action == Act::Buy { self.paid() } else { None };
        let legal = self.act(action);
        self.count_turn();
        self.report(paid.unwrap_or(0.0) as f32, legal)
    }

    fn pass(&mut self) -> Step {
        if self.now.outcome.is_none() {
            self.count_turn();
        }
        self.report(0.0, false)
    }

    /// A next action of a shortest way to a purchase that pays 1, found by a search of the whole
    /// catalogue. With hidden attributes it knows more than the results show.
    fn oracle(&self) -> Act {
        self.plan()
    }

    fn reason(&self, action: &Act) -> String {
        let task = &*self.task;
        let want = format!("want {}", task.want().join(" "));
        let fitting = |i: &&usize| task.products[**i].fits(&task.goal);
        match (action, self.now.page) {
            (Act::Search(_), _) => format!("{want} so search"),
            (Act::Buy, _) => match self.item() {
                Some(p) => format!("{want} {} costs {} all chosen so buy", p.code, p.price),
                None => format!("{want} nothing to buy here"),
            },
            (Act::Click(label), Page::Results) => match self.on_view().iter().find(fitting) {
                Some(i) => format!("{want} found {} so {label}", self.line(&task.products[*i])),
                None => format!("{want} not on page {} so {label}", self.now.sheet + 1),
            },
            (Act::Click(label), Page::Item(_)) => match self.item().and_then(|p| find_option(p, label)) {
                Some((group, _)) => format!("{want} so {} {label}", OPTIONS[group].0),
                None => format!("{want} not this so {label}"),
            },
            (Act::Click(label), Page::Search) => format!("{want} no {label} here"),
        }
    }

    fn truth_forms() -> &'static [TruthForm] {
        TRUTH
    }

    fn truths(&self) -> Map<String, Value> {
        let action = match self.plan() {
            Act::Search(words) => json!({ "action": "search", "text": words }),
            Act::Click(label) => json!({ "action": "click", "text": label }),
            Act::Buy => json!({ "action": "buy" }),
        };
        let words = |attributes: &[usize]| attributes.iter().map(|a| ATTRIBUTES[*a]).collect::<Vec<_>>();
        let kind = |index: usize| (KINDS[index].nouns.join(" "), KINDS[index].query);
        let goal = &self.task.goal;
        let (title, category) = kind(goal.kind);
        let options: Vec<_> = goal.options.iter().enumerate().map(|(g, o)| OPTIONS[g].1[*o]).collect();
        let wanted = json!({
            "title": title, "category": category, "attributes": words(&goal.attributes),
            "options": options, "price_upper": goal.upper,
        });
        let bought = self.item().map(|product| {
            let (title, category) = kind(product.kind);
            let chosen = self.now.chosen.iter().enumerate();
            let options: Vec<_> = chosen.filter_map(|(g, o)| Some(OPTIONS[g].1[(*o)?])).collect();
            json!({
                "title": title, "category": category, "attributes": words(&product.attributes),
                "options": options, "price": product.price,
            })
        });
        kit::truths([("action", action), ("goal", wanted), ("purchase", json!(bought))])
    }

    /// The search page says what is wanted; the results are one line a product: code, words of the title,
    /// price; a product's page has its attributes and options.
    fn perception(&self) -> Perception {
        let task = &*self.task;
        let json_of = |p: &Product| {
            let words = |list: &[usize]| list.iter().map(|a| ATTRIBUTES[*a]).collect::<Vec<_>>();
            json!({
                "code": p.code, "kind": KINDS[p.kind].nouns, "attributes": words(p.shown(task.hidden)),
                "price": p.price,
            })
        };
        let (lines, data) = match (self.now.page, self.item()) {
            (Page::Item(_), Some(p)) => {
                let mut lines =
                    vec![format!("item {} {} {}", p.code, KINDS[p.kind].nouns.join(" "), p.price)];
                let words: Vec<&str> = p.attributes.iter().map(|a| ATTRIBUTES[*a]).collect();
                lines.push(words.join(" "));
                let groups = 0..p.options.len();
                let options: Vec<String> = groups.map(|group| self.option_line(p, group)).collect();
                let data = json!({ "item": json_of(p), "all_attributes": words, "options": options });
                lines.extend(options);
                (lines, data)
            }
            (Page::Results, _) => {
                let mut lines = vec![format!("results page {} of {}", self.now.sheet + 1, self.sheets())];
                let shown: Vec<&Product> = self.on_view().iter().map(|i| &task.products[*i]).collect();
                lines.extend(shown.iter().map(|p| self.line(p)));
                let list: Vec<_> = shown.into_iter().map(json_of).collect();
                (lines, json!({ "results": list, "page": self.now.sheet + 1, "pages": self.sheets() }))
            }
            _ => {
                let words = task.want();
                (vec![format!("want {}", words.join(" "))], json!({ "want": words }))
            }
        };
        Perception { text: lines.join("\n"), data }
    }

    /// All labels of the page, and `buy` on a product's page; on the search page a search for each of the
    /// kinds.
    fn legal_actions(&self) -> Vec<Act> {
        if self.now.outcome.is_some() {
            return Vec::new();
        }
        let click = |label: &str| Act::Click(label.into());
        let mut acts: Vec<Act> = match (self.now.page, self.item()) {
            (Page::Item(_), Some(product)) => {
                let words =
                    product.options.iter().zip(OPTIONS).flat_map(|(o, (_, w))| o.iter().map(move |i| w[*i]));
                words.map(click).chain([Act::Buy]).collect()
            }
            (Page::Results, _) => {
                self.on_view().iter().map(|i| click(&self.task.products[*i].code)).collect()
            }
            _ => KINDS.iter().map(|k| Act::Search(k.nouns.join(" "))).collect(),
        };
        acts.extend(self.buttons().into_iter().map(click));
        acts
    }

    fn status(&self) -> Status {
        self.now.outcome.map_or(Status::Running, Status::Done)
    }
}

/// The group and the word of an option that a product can be had in.
fn find_option(product: &Product, label: &str) -> Option<(usize, usize)> {
    product.options.iter().enumerate().find_map(|(group, offered)| {
        offered.iter().copied().find(|word| OPTIONS[group].1[*word] == label).map(|word| (group, word))
    })
}

/// The height of a product in the list.
fn card_height(width: u32) -> u32 {
    if width > 1000 { 3 * UNIT } else { 2 * UNIT }
}

/// Columns and rows of the list of results.
fn grid((width, height): (u32, u32)) -> (u32, u32) {
    let columns = if width > 1000 { 4 } else { 1 };
    (columns, (height.saturating_sub(2 * UNIT) / card_height(width)).max(1))
}

/// Products on a page of results.
fn capacity(size: (u32, u32)) -> usize {
    let (columns, rows) = grid(size);
    (columns * rows) as usize
}

/// WebShop's limit: of the four multiples of ten above the price, the larger of two drawn at random.
fn price_limit(rng: &mut Rng, price: u32) -> u32 {
    let mut steps = [1, 2, 3, 4];
    rng.shuffle(&mut steps);
    (price / 10 + steps[0].max(steps[1])) * 10
}

/// `count` distinct numbers below `n`.
fn sample(rng: &mut Rng, n: usize, count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..n).collect();
    rng.shuffle(&mut all);
    all.truncate(count);
    all
}

/// A product without a code.
fn draw_product_data(rng: &mut Rng, groups: usize, attributes: usize) -> Product {
    let mut option = |words: &[&str]| {
        let count = 2 + rng.below(2);
        sample(rng, words.len(), count)
    };
    let options = OPTIONS[..groups].iter().map(|(_, words)| option(words)).collect();
    Product {
        code: String::new(),
        kind: rng.below(KINDS.len()),
        attributes: sample(rng, ATTRIBUTES.len(), attributes),
        options,
        price: 5 + rng.below(85) as u32,
    }
}

/// A product that differs from the wanted one in one thing: the kind, an attribute, the price, or the
/// option that is wanted.
fn near_miss(rng: &mut Rng, target: &Product, goal: &Goal) -> Product {
    let other = draw_product_data(rng, target.options.len(), target.attributes.len());
    let mut product = Product { options: target.options.clone(), ..other };
    let attribute = rng.below(target.attributes.len());
    let fresh: Vec<usize> = (0..ATTRIBUTES.len()).filter(|a| !target.attributes.contains(a)).collect();
    let replacement = rng.choose(&fresh).copied();
    (product.kind, product.attributes) = (target.kind, target.attributes.clone());
    product.price = (goal.upper - rng.below(10) as u32).max(5);
    match rng.below(3 + usize::from(!goal.options.is_empty())) {
        0 => {
            let others: Vec<usize> = (0..KINDS.len()).filter(|k| kind_reward(*k, goal.kind) < 1.0).collect();
            product.kind = rng.choose(&others).copied().unwrap_or(0);
        }
        1 => product.attributes[attribute] = replacement.unwrap_or(0),
        2 => product.price = goal.upper + 1 + rng.below(30) as u32,
        _ => {
            let group = rng.below(goal.options.len());
            let words = OPTIONS[group].1.len();
            product.options[group] = sample(rng, words, words);
            product.options[group].retain(|word| *word != goal.options[group]);
            product.options[group].truncate(2);
        }
    }
    product
}

/// A small picture of a product, in the first of its colours.
fn draw_product(screen: &mut Screen, product: &Product, x: f32, y: f32, size: f32) {
    let color = product.options.first().and_then(|o| o.first()).and_then(|i| COLORS.get(*i)).copied();
    let (fill, line) = (color.unwrap_or(GRAY), screen.colors.faint);
    // A rim, so that black, white and low contrast all stay visible.
    let mut pen = Pen::new(&mut screen.canvas, x, y, size);
    draw_shape(&mut pen, product.kind, line);
    let mut pen = Pen::new(&mut screen.canvas, x, y, size * 0.86);
    draw_shape(&mut pen, product.kind, fill);
}

fn draw_shape(pen: &mut Pen, kind: usize, ink: Rgb) {
    let first = kind.is_multiple_of(2);
    match kind / 2 {
        0 => {
            let top = if first { -0.4 } else { -0.9 };
            pen.ring(0.45, 0.15, 0.45, 0.2, ink);
            pen.bar(-0.7, top, 1.1, 0.8 - top, ink);
        }
        1 => {
            let (shade, stem) = if first { (0.6, 0.5) } else { (0.45, 0.9) };
            pen.polygon(&[(-0.25, -0.95), (0.25, -0.95), (shade, -0.2), (-shade, -0.2)], ink);
            pen.bars(&[[-0.09, -0.2, 0.18, stem + 0.1], [-0.45, stem - 0.15, 0.9, 0.2]], ink);
        }
        2 => {
            let hem = if first { 0.95 } else { 0.6 };
            pen.polygon(&[(-0.4, -0.8), (0.4, -0.8), (0.55, hem), (-0.55, hem)], ink);
            pen.polygon(&[(-0.4, -0.8), (-0.25, -0.35), (-0.75, 0.35), (-0.95, 0.1)], ink);
            pen.polygon(&[(0.4, -0.8), (0.25, -0.35), (0.75, 0.35), (0.95, 0.1)], ink);
        }
        3 => {
            let brim = if first { 0.98 } else { 0.62 };
            pen.disc(0.0, 0.1, 0.55, ink);
            pen.bar(-brim, 0.2, 2.0 * brim, 0.35, ink);
        }
        4 => {
            let width = if first { 0.6 } else { 0.8 };
            pen.ring(0.0, -0.3, 0.45, 0.16, ink);
            pen.polygon(&[(-width, -0.25), (width, -0.25), (0.85, 0.85), (-0.85, 0.85)], ink);
        }
        5 => {
            pen.ring(0.0, 0.0, 0.8, 0.22, ink);
            pen.bars(&[[-0.09, -0.5, 0.18, 0.6], [-0.09, -0.05, 0.5, 0.18]], ink);
            if !first {
                pen.disc(-0.6, -0.75, 0.24, ink);
                pen.disc(0.6, -0.75, 0.24, ink);
            }
        }
        6 => {
            let heel = if first { 0.45 } else { 0.75 };
            pen.polygon(
                &[(-0.9, -0.6), (-0.3, -0.6), (0.1, 0.0), (0.9, 0.2), (0.9, 0.45), (-0.9, 0.45)],
                ink,
            );
            pen.bars(&[[-0.9, 0.35, 0.45, heel - 0.35 + 0.1], [0.1, 0.35, 0.8, 0.2]], ink);
        }
        _ => {
            pen.bars(&[[-0.6, -0.9, 0.22, 1.8], [-0.6, 0.0, 1.2, 0.24]], ink);
            if first {
                pen.bars(&[[0.38, 0.0, 0.22, 0.9], [0.3, -0.4, 0.3, 0.16]], ink);
            } else {
                pen.bars(&[[-0.1, 0.2, 0.2, 0.6], [-0.5, 0.7, 1.1, 0.2]], ink);
            }
        }
    }
}

#[cfg(test)]
mod tests;
