//! A key under check: what its value may be, and what to say where it is something else.

use super::layer::Places;
use super::{Problem, RecipeError};

/// The key that is being checked.
pub(super) struct At<'a> {
    places: &'a Places,
    key: String,
}

impl<'a> At<'a> {
    /// The whole recipe.
    pub(super) fn root(places: &'a Places) -> Self {
        Self { places, key: String::new() }
    }

    /// A key or index inside this one.
    pub(super) fn at(&self, name: impl std::fmt::Display) -> Self {
        let key = if self.key.is_empty() { name.to_string() } else { format!("{}.{name}", self.key) };
        Self { places: self.places, key }
    }

    /// This key is wrong.
    pub(super) fn fail(&self, problem: impl Into<Problem>) -> RecipeError {
        RecipeError::Invalid {
            at: self.places.of(&self.key),
            key: self.key.clone(),
            problem: Box::new(problem.into()),
        }
    }

    /// The value that must have been written.
    pub(super) fn given<T>(&self, value: Option<T>, hint: &'static str) -> Result<T, RecipeError> {
        value.ok_or_else(|| self.fail(Problem::Missing { hint }))
    }

    /// `value`, if `fits`.
    pub(super) fn range(&self, value: f64, fits: bool, range: &'static str) -> Result<f64, RecipeError> {
        if fits { Ok(value) } else { Err(self.fail(Problem::Range { value, range })) }
    }

    /// A finite number above 0.
    pub(super) fn positive(&self, value: f64) -> Result<f64, RecipeError> {
        self.range(value, value.is_finite() && value > 0.0, "a finite number above 0")
    }

    /// A finite number of at least 0.
    pub(super) fn zero_or_more(&self, value: f64) -> Result<f64, RecipeError> {
        self.range(value, value.is_finite() && value >= 0.0, "a finite number of at least 0")
    }

    /// A number from 0 to 1.
    pub(super) fn share(&self, value: f64) -> Result<f64, RecipeError> {
        self.range(value, (0.0..=1.0).contains(&value), "0 to 1")
    }

    /// A number from 0 to below 1.
    pub(super) fn decay(&self, value: f64) -> Result<f64, RecipeError> {
        self.range(value, (0.0..1.0).contains(&value), "0 to less than 1")
    }

    /// A count of at least 1.
    pub(super) fn count(&self, value: usize) -> Result<usize, RecipeError> {
        self.range(value as f64, value >= 1, "at least 1").map(|_| value)
    }

    /// Texts, none of them empty.
    pub(super) fn texts(&self, values: Vec<String>) -> Result<Vec<String>, RecipeError> {
        match values.iter().position(String::is_empty) {
            Some(index) => Err(self.at(index).fail(Problem::Empty)),
            None => Ok(values),
        }
    }
}
