//! A composition in files.

use std::collections::BTreeMap;

use eyas_core::TokenSpan;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value, json};

use super::{Composition, How, MAX_DEPTH, MAX_NODES, Node, Op, Weight};
use crate::{ParamValue, RewardSpec};

/// What is wrong with a composition, and where.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct ComposeError {
    /// Where, from the root: `sum[1].gate.when`; `root` for the whole.
    pub path: String,
    /// What is wrong.
    pub what: String,
}

const OPERATORS: [&str; 13] = [
    "reward", "field", "value", "sum", "product", "min", "max", "gate", "clamp", "affine", "route",
    "fallback", "group",
];

/// A place in the file, for errors.
#[derive(Clone)]
struct At {
    path: String,
    depth: usize,
}

impl At {
    fn error(&self, what: impl Into<String>) -> ComposeError {
        let path = if self.path.is_empty() { "root".into() } else { self.path.clone() };
        ComposeError { path, what: what.into() }
    }

    fn key(&self, key: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        // A name out of the file may be of any length.
        let key: String = key.chars().take(40).collect();
        Self { path: format!("{}{dot}{key}", self.path), depth: self.depth }
    }

    fn item(&self, index: usize) -> Self {
        Self { path: format!("{}[{index}]", self.path), depth: self.depth }
    }
}

impl Composition {
    /// The composition that `value` describes.
    ///
    /// # Errors
    /// [`ComposeError`] with the path of what is wrong.
    pub fn from_value(value: &Value) -> Result<Self, ComposeError> {
        let mut left = MAX_NODES;
        Ok(Self { root: node(value, &At { path: String::new(), depth: 0 }, &mut left)? })
    }

    /// The composition as it is written in files.
    pub fn to_value(&self) -> Value {
        write(&self.root)
    }
}

impl Serialize for Composition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Composition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn node(value: &Value, at: &At, left: &mut usize) -> Result<Node, ComposeError> {
    match value.get("weight") {
        Some(_) => Err(at.key("weight").error("only parts of a sum have weights")),
        None => weighted(value, at, left),
    }
}

/// A node beside which a weight may stand.
fn weighted(value: &Value, at: &At, left: &mut usize) -> Result<Node, ComposeError> {
    if at.depth >= MAX_DEPTH {
        return Err(at.error(format!("nested deeper than {MAX_DEPTH} levels")));
    }
    *left = left.checked_sub(1).ok_or_else(|| at.error(format!("more than {MAX_NODES} nodes")))?;
    let at = &At { depth: at.depth + 1, ..at.clone() };
    let map = match value {
        Value::Number(_) => return Ok(Node { name: None, op: Op::Constant(number(value, at)?) }),
        Value::String(reward) => return Ok(Node { name: None, op: leaf(reward, &Map::new(), at)? }),
        Value::Object(map) => map,
        _ => return Err(at.error("a node is a number, the name of a reward or a table")),
    };
    let known = |key: &&String| OPERATORS.contains(&key.as_str());
    let mut operators = map.keys().filter(known);
    let (Some(operator), None) = (operators.next(), operators.next()) else {
        let known = OPERATORS.join(", ");
        return Err(at.error(format!("a node has exactly one of: {known}")));
    };
    let also: &[&str] = if operator == "reward" { &["params", "needs"] } else { &[] };
    // A weight is read by the sum that the node stands in.
    let allowed = |key: &str| key == operator || ["name", "weight"].contains(&key) || also.contains(&key);
    if let Some(key) = map.keys().find(|key| !allowed(key)) {
        return Err(at.key(key).error(format!("not known beside {operator:?}")));
    }
    let body = map.get(operator).unwrap_or(&Value::Null);
    let name = match map.get("name") {
        None => None,
        Some(Value::String(name)) if (1..=64).contains(&name.len()) => Some(name.clone()),
        Some(_) => return Err(at.key("name").error("a name is a text of 1 to 64 bytes")),
    };
    Ok(Node { name, op: op(operator, body, map, &at.key(operator), left)? })
}

fn op(
    operator: &str,
    body: &Value,
    map: &Map<String, Value>,
    at: &At,
    left: &mut usize,
) -> Result<Op, ComposeError> {
    Ok(match operator {
        "reward" => leaf(body.as_str().ok_or_else(|| at.error("the name of a reward is a text"))?, map, at)?,
        "value" => Op::Constant(number(body, at)?),
        "field" => Op::Field(text(body, at)?),
        "sum" => {
            let list = list(body, at)?;
            let part = |(i, value): (usize, &Value)| {
                let at = at.item(i);
                let weight = match value.get("weight") {
                    None => Weight::Fixed(1.0),
                    Some(written) => weight(written, &at.key("weight"))?,
                };
                Ok((weight, weighted(value, &at, left)?))
            };
            Op::Sum(list.iter().enumerate().map(part).collect::<Result<_, _>>()?)
        }
        "product" => Op::Product(nodes(body, at, left)?),
        "min" => Op::Min(nodes(body, at, left)?),
        "max" => Op::Max(nodes(body, at, left)?),
        "gate" => {
            let body = table(body, at, &["when", "at_least", "then", "else"])?;
            let otherwise = match body.get("else") {
                None => Node { name: None, op: Op::Constant(0.0) },
                Some(value) => node(value, &at.key("else"), left)?,
            };
            Op::Gate {
                when: part(body, "when", at, left)?,
                at_least: number(body.get("at_least").unwrap_or(&Value::Null), &at.key("at_least"))?,
                then: part(body, "then", at, left)?,
                otherwise: Box::new(otherwise),
            }
        }
        "clamp" => {
            let body = table(body, at, &["of", "min", "max"])?;
            let bound = |key: &str, default| body.get(key).map_or(Ok(default), |v| number(v, &at.key(key)));
            let (min, max) = (bound("min", f64::MIN)?, bound("max", f64::MAX)?);
            if min > max {
                return Err(at.error(format!("min {min} is above max {max}")));
            }
            Op::Clamp { of: part(body, "of", at, left)?, min, max }
        }
        "affine" => {
            let body = table(body, at, &["of", "scale", "offset"])?;
            let given = |key: &str, default| body.get(key).map_or(Ok(default), |v| number(v, &at.key(key)));
            let (scale, offset) = (given("scale", 1.0)?, given("offset", 0.0)?);
            Op::Affine { of: part(body, "of", at, left)?, scale, offset }
        }
        "route" => {
            let body = table(body, at, &["field", "cases", "default"])?;
            let field = text(body.get("field").unwrap_or(&json!("task")), &at.key("field"))?;
            let at_cases = at.key("cases");
            let cases = body.get("cases").and_then(Value::as_object).filter(|c| !c.is_empty());
            let cases = cases.ok_or_else(|| at_cases.error("a table of nodes by task, at least one"))?;
            let case = |(task, value): (&String, &Value)| {
                Ok((task.clone(), node(value, &at_cases.key(task), left)?))
            };
            let cases = cases.iter().map(case).collect::<Result<_, ComposeError>>()?;
            let default = match body.get("default") {
                None => None,
                Some(value) => Some(Box::new(node(value, &at.key("default"), left)?)),
            };
            Op::Route { field, cases, default }
        }
        "fallback" => {
            let body = table(body, at, &["of", "or"])?;
            Op::Fallback { of: part(body, "of", at, left)?, or: part(body, "or", at, left)? }
        }
        _ => {
            let body = table(body, at, &["of", "as"])?;
            let how = match body.get("as").and_then(Value::as_str) {
                Some("mean") => How::Mean,
                Some("min") => How::Min,
                Some("max") => How::Max,
                Some("centred") => How::Centred,
                Some("rank") => How::Rank,
                _ => return Err(at.key("as").error("one of mean, min, max, centred, rank")),
            };
            Op::Group { of: part(body, "of", at, left)?, how }
        }
    })
}

fn leaf(reward: &str, map: &Map<String, Value>, at: &At) -> Result<Op, ComposeError> {
    let params: BTreeMap<String, ParamValue> = match map.get("params") {
        None => BTreeMap::new(),
        Some(params) => Deserialize::deserialize(params)
            .map_err(|_| at.error("params is a table of numbers, texts and flags"))?,
    };
    let needs: Vec<String> = match map.get("needs") {
        None => Vec::new(),
        Some(needs) => {
            Deserialize::deserialize(needs).map_err(|_| at.error("needs is a list of names of fields"))?
        }
    };
    let spec = RewardSpec::new(reward, 1.0, TokenSpan::All, &params).map_err(|e| at.error(e.to_string()))?;
    // A tree in a text within a tree would escape the bounds on depth and size.
    if spec.name() == "compose" {
        return Err(at.error("a composition holds no other by name; write its nodes here"));
    }
    Ok(Op::Reward { spec: Box::new(spec), needs })
}

fn number(value: &Value, at: &At) -> Result<f64, ComposeError> {
    value.as_f64().filter(|v| v.is_finite()).ok_or_else(|| at.error("must be a finite number"))
}

fn text(value: &Value, at: &At) -> Result<String, ComposeError> {
    let text = value.as_str().filter(|t| (1..=64).contains(&t.len()));
    text.map(str::to_string).ok_or_else(|| at.error("must be a text of 1 to 64 bytes"))
}

fn weight(value: &Value, at: &At) -> Result<Weight, ComposeError> {
    let Some(points) = value.as_array() else { return Ok(Weight::Fixed(number(value, at)?)) };
    let point = |(i, v): (usize, &Value)| match v.as_array().map(Vec::as_slice) {
        Some([share, weight]) => Ok((number(share, &at.item(i))?, number(weight, &at.item(i))?)),
        _ => Err(at.item(i).error("a point is [share of training, weight]")),
    };
    let points: Vec<(f64, f64)> = points.iter().enumerate().map(point).collect::<Result<_, _>>()?;
    let ascending = points.windows(2).all(|w| matches!(w, [a, b] if a.0 < b.0));
    let inside = points.iter().all(|(share, _)| (0.0..=1.0).contains(share));
    if points.is_empty() || !ascending || !inside {
        return Err(at.error("shares of training must ascend from 0 to 1"));
    }
    Ok(Weight::Points(points))
}

fn list<'a>(value: &'a Value, at: &At) -> Result<&'a [Value], ComposeError> {
    let list = value.as_array().filter(|list| !list.is_empty());
    list.map(Vec::as_slice).ok_or_else(|| at.error("a list of nodes, at least one"))
}

fn nodes(value: &Value, at: &At, left: &mut usize) -> Result<Vec<Node>, ComposeError> {
    let each = |(i, value): (usize, &Value)| node(value, &at.item(i), left);
    list(value, at)?.iter().enumerate().map(each).collect()
}

fn table<'a>(value: &'a Value, at: &At, keys: &[&str]) -> Result<&'a Map<String, Value>, ComposeError> {
    let map = value.as_object().ok_or_else(|| at.error(format!("a table of {}", keys.join(", "))))?;
    match map.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(at.key(key).error(format!("not known; known are {}", keys.join(", ")))),
        None => Ok(map),
    }
}

fn part(map: &Map<String, Value>, key: &str, at: &At, left: &mut usize) -> Result<Box<Node>, ComposeError> {
    let value = map.get(key).ok_or_else(|| at.key(key).error("is missing"))?;
    Ok(Box::new(node(value, &at.key(key), left)?))
}

fn write(node: &Node) -> Value {
    let all = |parts: &[Node]| parts.iter().map(write).collect::<Vec<_>>();
    let mut out = match &node.op {
        Op::Constant(value) if node.name.is_none() => return json!(value),
        Op::Constant(value) => json!({ "value": value }),
        Op::Reward { spec, needs } => {
            let params: BTreeMap<_, _> = spec.params().iter().collect();
            let mut out = json!({ "reward": spec.name() });
            if !params.is_empty() {
                out["params"] = json!(params);
            }
            if !needs.is_empty() {
                out["needs"] = json!(needs);
            }
            out
        }
        Op::Field(field) => json!({ "field": field }),
        Op::Sum(parts) => {
            let part = |(weight, part): &(Weight, Node)| {
                let mut out = match write(part) {
                    number @ Value::Number(_) => json!({ "value": number }),
                    other => other,
                };
                out["weight"] = match weight {
                    Weight::Fixed(weight) => json!(weight),
                    Weight::Points(points) => json!(points),
                };
                out
            };
            json!({ "sum": parts.iter().map(part).collect::<Vec<_>>() })
        }
        Op::Product(parts) => json!({ "product": all(parts) }),
        Op::Min(parts) => json!({ "min": all(parts) }),
        Op::Max(parts) => json!({ "max": all(parts) }),
        Op::Gate { when, at_least, then, otherwise } => {
            json!({ "gate": { "when": write(when), "at_least": at_least, "then": write(then), "else": write(otherwise) } })
        }
        Op::Clamp { of, min, max } => json!({ "clamp": { "of": write(of), "min": min, "max": max } }),
        Op::Affine { of, scale, offset } => {
            json!({ "affine": { "of": write(of), "scale": scale, "offset": offset } })
        }
        Op::Route { field, cases, default } => {
            let cases: Map<String, Value> =
                cases.iter().map(|(task, part)| (task.clone(), write(part))).collect();
            let mut body = json!({ "field": field, "cases": cases });
            if let Some(default) = default {
                body["default"] = write(default);
            }
            json!({ "route": body })
        }
        Op::Fallback { of, or } => json!({ "fallback": { "of": write(of), "or": write(or) } }),
        Op::Group { of, how } => {
            let how = match how {
                How::Mean => "mean",
                How::Min => "min",
                How::Max => "max",
                How::Centred => "centred",
                How::Rank => "rank",
            };
            json!({ "group": { "of": write(of), "as": how } })
        }
    };
    if let Some(name) = &node.name {
        out["name"] = json!(name);
    }
    out
}
