//! The layers of a recipe: files, scale and overrides, merged into one table that remembers where each
//! key was written.

use std::collections::BTreeMap;
use std::path::Path;

use eyas_store::read_text;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::{Place, Problem, RecipeError};

/// Most bytes of a recipe.
pub const MAX_RECIPE: u64 = 4 << 20;

/// A table of keys, and where they were written.
pub(super) struct Layer {
    pub(super) table: Table,
    pub(super) places: Places,
}

/// Where keys were written, by dotted path.
pub(super) struct Places {
    file: Place,
    by_key: BTreeMap<String, Place>,
}

impl Places {
    /// The place of `key`, or of the nearest table around it that was written.
    pub(super) fn of(&self, key: &str) -> Place {
        let mut key = key;
        loop {
            match (self.by_key.get(key), key.rsplit_once('.')) {
                (Some(place), _) => return place.clone(),
                (None, Some((parent, _))) => key = parent,
                (None, None) => return self.file.clone(),
            }
        }
    }

    fn forget(&mut self, key: &str) {
        let inside: Vec<String> = self.inside(key).map(|(k, _)| k.clone()).collect();
        self.by_key.remove(key);
        inside.iter().for_each(|k| drop(self.by_key.remove(k)));
    }

    /// What is inside of `key`.
    fn inside(&self, key: &str) -> impl Iterator<Item = (&String, &Place)> {
        let inside = format!("{key}.");
        let from = self.by_key.range(inside.clone()..);
        from.take_while(move |(k, _)| k.starts_with(&inside))
    }

    /// Records what `other` knows of `key` and of what is inside it.
    fn adopt(&mut self, other: &Self, key: &str) {
        let of_key = other.by_key.get_key_value(key).into_iter().chain(other.inside(key));
        self.by_key.extend(of_key.map(|(k, place)| (k.clone(), place.clone())));
    }
}

/// The text of a file.
pub(super) fn text_of(path: &Path) -> Result<String, RecipeError> {
    read_text(path, MAX_RECIPE).map_err(|source| RecipeError::Read { path: path.into(), source })
}

/// All layers of the recipe `text` that stands in `path`.
pub(super) fn assemble(
    path: &Path,
    text: &str,
    scale: Option<&str>,
    sets: &[String],
) -> Result<Layer, RecipeError> {
    let file = path.display().to_string();
    let mut own = Layer::parse(&file, text)?;
    let own_set = own.take_overrides("set")?;
    let mut layer = match own.table.remove("extends") {
        None => own,
        Some(base) => {
            let mut layer = extended(path, &own.places.of("extends"), &base)?;
            layer.merge(own);
            layer
        }
    };
    layer.put_all(own_set)?;
    let scales = layer.take_scales()?;
    if let Some(name) = scale {
        let chosen = pick_scale(&layer, &file, &scales, name)?;
        layer.put_all(chosen)?;
    }
    for text in sets {
        layer.set(text)?;
    }
    Ok(layer)
}

/// The names of a recipe's scales.
pub(super) fn scale_names(path: &Path, text: &str) -> Result<Vec<String>, RecipeError> {
    let mut layer = Layer::parse(&path.display().to_string(), text)?;
    if let Some(base) = layer.table.remove("extends") {
        let mut whole = extended(path, &layer.places.of("extends"), &base)?;
        whole.merge(layer);
        layer = whole;
    }
    Ok(layer.take_scales()?.keys().cloned().collect())
}

/// The file that `extends` names, with its own `[set]` applied.
fn extended(path: &Path, at: &Place, base: &Value) -> Result<Layer, RecipeError> {
    let invalid =
        |problem| RecipeError::Invalid { at: at.clone(), key: "extends".into(), problem: Box::new(problem) };
    let Some(base) = base.as_str() else {
        let message = format!("invalid type: {}, expected the path of a file", base.type_str());
        return Err(invalid(Problem::Type(message)));
    };
    let path = path.parent().unwrap_or(Path::new("")).join(base);
    let text = read_text(&path, MAX_RECIPE).map_err(|source| RecipeError::Extends {
        at: at.clone(),
        path: path.clone(),
        source,
    })?;
    let file = path.display().to_string();
    let mut layer = Layer::parse(&file, &text)?;
    if let Some(next) = layer.table.get("extends") {
        let next = next.as_str().map_or_else(|| next.to_string(), str::to_string);
        return Err(invalid(Problem::Chain { base: file, next }));
    }
    let overrides = layer.take_overrides("set")?;
    layer.put_all(overrides)?;
    Ok(layer)
}

/// One override: dotted path, value, where it was written.
type Override = (String, Value, Place);

fn pick_scale(layer: &Layer, file: &str, scales: &Table, name: &str) -> Result<Vec<Override>, RecipeError> {
    match scales.get(name) {
        Some(Value::Table(table)) => Ok(layer.flatten(table, &format!("scale.{name}"))),
        Some(other) => Err(layer.not_a_table(&format!("scale.{name}"), other)),
        None => {
            let known = scales.keys().cloned().collect();
            Err(RecipeError::UnknownScale { file: file.into(), name: name.into(), known })
        }
    }
}

impl Layer {
    fn parse(file: &str, text: &str) -> Result<Self, RecipeError> {
        let syntax = |error: toml::de::Error| RecipeError::Syntax {
            at: Place::of(file, text, error.span().map_or(0, |s| s.start)),
            message: error.message().replace('\n', ", "),
        };
        let table = text.parse::<Table>().map_err(syntax)?;
        let spanned = DeTable::parse(text).map_err(syntax)?;
        let mut keys = Vec::new();
        record_table(spanned.get_ref(), "", &mut |key, offset| keys.push((offset, key.to_string())));
        let by_key = Place::all(file, text, keys);
        Ok(Self { table, places: Places { file: Place::File { file: file.into() }, by_key } })
    }

    /// Lays `over` on top: tables merge key by key, everything else is replaced.
    fn merge(&mut self, over: Self) {
        let given = over.table.get("model").and_then(Value::as_table);
        let given = |key: &str| given.is_some_and(|m| m.contains_key(key));
        let (path, preset) = (given("path"), given("preset"));
        self.forget_model_source(path, preset);
        merge_tables(&mut self.table, over.table, "", &mut self.places, &over.places);
    }

    /// The last layer that says where the model comes from is the one that counts.
    fn forget_model_source(&mut self, path: bool, preset: bool) {
        let Some(model) = self.table.get_mut("model").and_then(Value::as_table_mut) else { return };
        if path {
            model.remove("preset");
            model.remove("vocab_size");
        }
        if preset {
            model.remove("path");
        }
    }

    /// Takes a table of overrides out of the layer.
    fn take_overrides(&mut self, key: &str) -> Result<Vec<Override>, RecipeError> {
        match self.table.remove(key) {
            None => Ok(Vec::new()),
            Some(Value::Table(table)) => Ok(self.flatten(&table, key)),
            Some(other) => Err(self.not_a_table(key, &other)),
        }
    }

    /// Takes the table of scales out of the layer.
    fn take_scales(&mut self) -> Result<Table, RecipeError> {
        match self.table.remove("scale") {
            None => Ok(Table::new()),
            Some(Value::Table(scales)) => Ok(scales),
            Some(other) => Err(self.not_a_table("scale", &other)),
        }
    }

    /// The leaves of a table of overrides. `"a.b" = 1` and `a.b = 1` mean the same. A table with a `kind` is one
    /// choice among several: it replaces what was chosen before, with all its settings.
    fn flatten(&self, table: &Table, inside: &str) -> Vec<Override> {
        let mut found = Vec::new();
        for (key, value) in table {
            let full = format!("{inside}.{key}");
            match value {
                Value::Table(table) if !table.contains_key("kind") => {
                    let deeper = self.flatten(table, &full).into_iter();
                    found.extend(deeper.map(|(k, value, at)| (format!("{key}.{k}"), value, at)));
                }
                value => found.push((key.clone(), value.clone(), self.places.of(&full))),
            }
        }
        found
    }

    fn not_a_table(&self, key: &str, value: &Value) -> RecipeError {
        let message = format!("invalid type: {}, expected a table", value.type_str());
        RecipeError::Invalid {
            at: self.places.of(key),
            key: key.into(),
            problem: Box::new(Problem::Type(message)),
        }
    }

    fn put_all(&mut self, overrides: Vec<Override>) -> Result<(), RecipeError> {
        overrides.into_iter().try_for_each(|(key, value, at)| self.put(&key, value, at))
    }

    /// Applies an override from the command line.
    fn set(&mut self, text: &str) -> Result<(), RecipeError> {
        let form = || RecipeError::SetForm { text: text.into() };
        let (key, raw) = text.split_once('=').ok_or_else(form)?;
        let (key, raw) = (key.trim(), raw.trim());
        if key.split('.').any(str::is_empty) {
            return Err(form());
        }
        let value = raw.parse::<Value>().unwrap_or_else(|_| Value::String(raw.into()));
        let at = Place::Set { text: text.into() };
        match value {
            Value::Table(table) => {
                let leaves = self.flatten(&table, key).into_iter();
                let leaves = leaves.map(|(k, value, _)| (format!("{key}.{k}"), value, at.clone())).collect();
                self.put_all(leaves)
            }
            value => self.put(key, value, at),
        }
    }

    /// Writes `value` at a dotted path; tables on the way are made, elements of arrays are not.
    fn put(&mut self, key: &str, value: Value, at: Place) -> Result<(), RecipeError> {
        self.forget_model_source(key == "model.path", key == "model.preset");
        let invalid =
            |problem| RecipeError::Invalid { at: at.clone(), key: key.into(), problem: Box::new(problem) };
        let (first, rest) = key.split_once('.').unwrap_or((key, ""));
        let mut slot = self.table.entry(first).or_insert_with(|| Value::Table(Table::new()));
        let mut path = first.to_string();
        for segment in rest.split('.').filter(|s| !s.is_empty()) {
            let (inner, name) = step(slot, segment, &path).map_err(invalid)?;
            path = format!("{path}.{name}");
            slot = inner;
        }
        *slot = value;
        self.places.forget(&path);
        self.places.by_key.insert(path, at);
        Ok(())
    }
}

/// One segment of a dotted path: the value it leads to, and the segment with a name turned into an index.
fn step<'a>(value: &'a mut Value, segment: &str, path: &str) -> Result<(&'a mut Value, String), Problem> {
    match value {
        Value::Table(table) => {
            let slot = table.entry(segment).or_insert_with(|| Value::Table(Table::new()));
            Ok((slot, segment.to_string()))
        }
        Value::Array(items) => {
            let by_index = segment.parse::<usize>().ok().filter(|i| *i < items.len());
            let by_name = || items.iter().position(|item| name_of(item) == Some(segment));
            let known = || {
                items.iter().enumerate().map(|(i, item)| name_of(item).map_or(i.to_string(), str::to_string))
            };
            let Some(index) = by_index.or_else(by_name) else {
                return Err(Problem::NoElement { element: segment.into(), known: known().collect() });
            };
            Ok((&mut items[index], index.to_string()))
        }
        _ => Err(Problem::NotATable(path.into())),
    }
}

/// What an element of an array is called in a dotted path.
fn name_of(item: &Value) -> Option<&str> {
    ["name", "id", "kind"].iter().find_map(|key| item.get(key)).and_then(Value::as_str)
}

fn merge_tables(base: &mut Table, over: Table, inside: &str, places: &mut Places, over_places: &Places) {
    for (key, value) in over {
        let path = if inside.is_empty() { key.clone() } else { format!("{inside}.{key}") };
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => {
                merge_tables(base, over, &path, places, over_places);
            }
            (_, value) => {
                places.forget(&path);
                places.adopt(over_places, &path);
                base.insert(key, value);
            }
        }
    }
}

fn record_table(table: &DeTable<'_>, inside: &str, record: &mut impl FnMut(&str, usize)) {
    for (key, value) in table {
        let name = key.get_ref();
        let path = if inside.is_empty() { name.to_string() } else { format!("{inside}.{name}") };
        record(&path, key.span().start);
        record_value(value.get_ref(), &path, record);
    }
}

fn record_value(value: &DeValue<'_>, path: &str, record: &mut impl FnMut(&str, usize)) {
    match value {
        DeValue::Table(table) => record_table(table, path, record),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}.{index}");
                record(&path, item.span().start);
                record_value(item.get_ref(), &path, record);
            }
        }
        _ => {}
    }
}
