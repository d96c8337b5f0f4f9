//! JSON objects in which no key may be there twice.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A JSON object, by key. Where a key is there twice, parsers keep the first value, the last, or both: two
/// readers of one file would see different things, so reading it is an error that names the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unique<V>(pub BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys(PhantomData))
    }
}

struct Keys<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Keys<V> {
    type Value = Unique<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if found.contains_key(&key) {
                let key: String = key.chars().take(200).collect();
                return Err(A::Error::custom(format!("the key {key:?} is there twice")));
            }
            let value = map.next_value()?;
            found.insert(key, value);
        }
        Ok(Unique(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_there_twice_is_named() {
        let read = |text| serde_json::from_str::<Unique<u8>>(text);
        assert_eq!(
            read(r#"{"b": 1, "a": 2}"#).unwrap().0,
            BTreeMap::from([("a".into(), 2), ("b".into(), 1)])
        );
        let error = read(r#"{"a": 1, "\u0061": 1}"#).unwrap_err().to_string();
        assert!(error.starts_with("the key \"a\" is there twice at line 1"), "{error}");
        assert!(read("[1]").is_err());
        assert!(read(r#"{"a": 300}"#).is_err());
    }
}
