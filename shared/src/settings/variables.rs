//! Environment variables, and the forms their values take.

use std::collections::HashMap;
use std::str::FromStr;

use super::{SettingError, wrong};

/// The variables settings are read from. An empty value counts as unset, as templates pass what
/// nobody filled in (except where empty means something: [`Variables::get_even_empty`]).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(HashMap<String, String>);

impl Variables {
    /// The process's environment. Values that are not UTF-8 are left out.
    #[must_use]
    pub fn from_env() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A value, trimmed, if it is there and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_even_empty(name).filter(|value| !value.is_empty())
    }

    /// A value, trimmed, if it is there.
    #[must_use]
    pub fn get_even_empty(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim())
    }

    /// Sets a value where there is none, and says whether it did.
    pub fn set_default(&mut self, name: &str, value: &str) -> bool {
        let missing = self.get(name).is_none();
        if missing {
            self.set(name, value);
        }
        missing
    }

    /// Sets a value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// The names that start or end as wanted, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn require(&self, name: &'static str, because: &str) -> Result<&str, SettingError> {
        self.get(name)
            .ok_or_else(|| wrong(name, format!("is missing; {because}")))
    }

    pub(super) fn parse<T: FromStr>(
        &self,
        name: &'static str,
        default: T,
        expected: &str,
    ) -> Result<T, SettingError> {
        self.get(name).map_or(Ok(default), |text| {
            text.parse()
                .map_err(|_| wrong(name, format!("`{text}` is not {expected}")))
        })
    }

    pub(super) fn seconds(&self, name: &'static str, default: u64) -> Result<u64, SettingError> {
        match self.parse(name, default, "a whole number of seconds")? {
            0 => Err(wrong(name, "must be at least 1 second")),
            seconds => Ok(seconds),
        }
    }

    /// A number of at least 1, or nothing where it is unset.
    pub(super) fn count(&self, name: &'static str) -> Result<Option<usize>, SettingError> {
        let given = self
            .get(name)
            .map(|_| self.parse(name, 0, "a whole number"));
        match given.transpose()? {
            Some(0) => Err(wrong(name, "must be at least 1; unset it to turn it off")),
            count => Ok(count),
        }
    }

    pub(super) fn flag(&self, name: &'static str, default: bool) -> Result<bool, SettingError> {
        self.parse(name, default, "true or false")
    }

    pub(super) fn list(&self, name: &str, default: &str) -> Vec<String> {
        self.get(name)
            .unwrap_or(default)
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self(variables.into_iter().collect())
    }
}
