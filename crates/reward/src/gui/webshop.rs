//! WebShop's reward (arXiv 2207.01206): how much of what was asked for the bought product is.
//!
//! `(attributes met + options met + price met) / (attributes + options + 1) × type`, where `type` falls
//! to 0.5, 0.1 and 0 as the product is of another kind. The product is a fact of the environment, the
//! field `purchase`; nothing that the policy claims of it is read.

use serde_json::Value;

use crate::boxes::settle;
use crate::{RewardInfo, Sample, Scorer, bad_gold, missing};
use eyas_core::Score;

/// More attributes or options than this are refused.
const MAX_ITEMS: usize = 200;
/// Longer texts are cut before they are compared.
const MAX_TEXT: usize = 200;

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Goal {
    /// Words that should describe the product.
    pub attributes: Vec<String>,
    /// What should be chosen: a colour, a size.
    pub options: Vec<String>,
    /// The most that it may cost.
    pub price_upper: f64,
    /// The title of the product that was meant.
    pub title: String,
    /// Its category.
    pub category: String,
}

/// What was bought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Purchase {
    /// Words that describe the product.
    pub attributes: Vec<String>,
    /// What was chosen.
    pub options: Vec<String>,
    /// What it costs.
    pub price: f64,
    /// Its title.
    pub title: String,
    /// Its category.
    pub category: String,
}

fn tokens(text: &str) -> Vec<String> {
    let short: String = text.chars().take(MAX_TEXT).collect::<String>().to_lowercase();
    let mut words: Vec<String> =
        short.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_string).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Alike in words: one holds all words of the other, or the sorted words differ in at most 15 % of their
/// letters.
fn alike(a: &str, b: &str) -> bool {
    let (a, b) = (tokens(a), tokens(b));
    if a.is_empty() || b.is_empty() {
        return false;
    }
    let within = |x: &[String], y: &[String]| x.iter().all(|w| y.contains(w));
    within(&a, &b) || within(&b, &a) || strsim::normalized_levenshtein(&a.join(" "), &b.join(" ")) > 0.85
}

fn met(wanted: &[String], there: &[String]) -> f64 {
    wanted.iter().filter(|w| there.iter().any(|t| alike(w, t))).count() as f64
}

/// The reward of `bought` for `goal`, 0 to 1.
pub fn webshop(goal: &Goal, bought: &Purchase) -> f64 {
    let (want, have) = (tokens(&goal.title), tokens(&bought.title));
    let common = want.iter().filter(|w| have.contains(w)).count() as f64;
    let title = if want.is_empty() { 0.0 } else { common / want.len() as f64 };
    let category = !goal.category.is_empty() && goal.category.eq_ignore_ascii_case(&bought.category);
    let kind = match title {
        _ if title <= 0.0 => 0.0,
        _ if title < 0.1 => 0.1,
        _ if title <= 0.2 && !category => 0.5,
        _ => 1.0,
    };
    let price = f64::from(u8::from(bought.price <= goal.price_upper));
    let asked = (goal.attributes.len() + goal.options.len() + 1) as f64;
    let sum = met(&goal.attributes, &bought.attributes) + met(&goal.options, &bought.options) + price;
    sum / asked * kind
}

fn texts(value: &Value, key: &str) -> Option<Vec<String>> {
    let items = match value.get(key) {
        None => return Some(Vec::new()),
        Some(items) => items.as_array().filter(|items| items.len() <= MAX_ITEMS)?,
    };
    items.iter().map(|v| v.as_str().map(str::to_string)).collect()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or("").chars().take(MAX_TEXT).collect()
}

fn price(value: &Value, key: &str) -> Option<f64> {
    value.get(key)?.as_f64().filter(|v| v.is_finite())
}

fn goal(value: &Value) -> Option<Goal> {
    Some(Goal {
        attributes: texts(value, "attributes")?,
        options: texts(value, "options")?,
        price_upper: price(value, "price_upper")?,
        title: Some(text(value, "title")).filter(|t| !tokens(t).is_empty())?,
        category: text(value, "category"),
    })
}

fn purchase(value: &Value) -> Option<Purchase> {
    Some(Purchase {
        attributes: texts(value, "attributes")?,
        options: texts(value, "options")?,
        price: price(value, "price")?,
        title: text(value, "title"),
        category: text(value, "category"),
    })
}

fn score(sample: &Sample<'_>) -> Result<f64, Score> {
    let goal = goal(sample.gold)
        .ok_or_else(|| bad_gold("the ground truth is not a goal with title and price_upper"))?;
    match sample.fields.get("purchase") {
        // Nothing was bought.
        Some(Value::Null) => Ok(0.0),
        value => {
            let bought = value.and_then(purchase).ok_or_else(|| missing("purchase"))?;
            Ok(webshop(&goal, &bought))
        }
    }
}

pub(super) const INFO: RewardInfo = RewardInfo {
    name: "webshop",
    family: "gui",
    doc: "share of attributes, options and price that the bought product meets, by its type",
    source: "WebShop (arXiv 2207.01206); words of titles instead of their nouns, no fuzzy library",
    gold: "{title, price_upper, attributes, options, category}; the product in the field `purchase`, or null",
    range: Some((0.0, 1.0)),
    params: &[],
    score: Scorer::Sample(|s, _| settle(score(s))),
};

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| w.to_string()).collect()
    }

    #[test]
    fn by_hand() {
        let goal = Goal {
            attributes: list(&["waterproof", "long lasting"]),
            options: list(&["red"]),
            price_upper: 50.0,
            title: "Trail running shoes".into(),
            category: "shoes".into(),
        };
        let mut bought = Purchase {
            attributes: list(&["Waterproof", "long-lasting"]),
            options: list(&["red"]),
            price: 40.0,
            title: "running shoes, trail".into(),
            category: "shoes".into(),
        };
        assert_eq!(webshop(&goal, &bought), 1.0);
        bought.price = 60.0;
        assert_eq!(webshop(&goal, &bought), 0.75);
        bought.options = list(&["blue"]);
        assert_eq!(webshop(&goal, &bought), 0.5);
        bought.title = "teapot".into();
        assert_eq!(webshop(&goal, &bought), 0.0);
        bought.options = list(&["r"]);
        assert!(!alike("red", "r") && alike("navy blue", "blue"));
    }
}
