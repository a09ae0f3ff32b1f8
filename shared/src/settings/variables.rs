//! Environment variables, and the forms their values take.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::str::FromStr;

use super::{SettingError, wrong};

/// The variables settings are read from. An empty value counts as unset, as templates pass what
/// nobody filled in (except where empty means something: [`Variables::get_even_empty`]).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables {
    values: HashMap<String, String>,
    /// The names of those whose value is not UTF-8.
    unreadable: HashSet<String>,
}

impl Variables {
    /// The process's environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_os(std::env::vars_os())
    }

    /// Values that are not UTF-8 have no value here; see [`setting_names::check`](crate::setting_names::check).
    pub(crate) fn from_os(given: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut variables = Self::default();
        for (name, value) in given {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => variables.set(&name, &value),
                Err(_) => drop(variables.unreadable.insert(name)),
            }
        }
        variables
    }

    /// Whether it has a value that is not UTF-8.
    pub(crate) fn is_unreadable(&self, name: &str) -> bool {
        self.unreadable.contains(name)
    }

    /// A value, trimmed, if it is there and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_even_empty(name).filter(|value| !value.is_empty())
    }

    /// A value, trimmed, if it is there.
    #[must_use]
    pub fn get_even_empty(&self, name: &str) -> Option<&str> {
        debug_assert!(
            crate::setting_names::is_read(name),
            "{name} is missing in `setting_names`"
        );
        self.values.get(name).map(|value| value.trim())
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
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// Forgets a value, readable or not.
    pub fn unset(&mut self, name: &str) {
        self.values.remove(name);
        self.unreadable.remove(name);
    }

    /// All names, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
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
        Self {
            values: variables.into_iter().collect(),
            unreadable: HashSet::new(),
        }
    }
}
