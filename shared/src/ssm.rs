//! Secrets from SSM Parameter Store: for `NAME_PARAMETER=/path`, the variable `NAME` is read from
//! the SecureString at `/path`.

use std::time::Duration;

use aws_sdk_ssm::Client;

use crate::aws;
use crate::causes::in_one_line;
use crate::settings::{SECRETS, SettingError, Variables};

/// A sandbox has ten seconds to start; a service that does not answer in half of them will not.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The secrets cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// A secret is given twice, in a variable and in SSM. Trying again does not help.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// SSM did not answer in time.
    #[error("SSM did not answer within {} seconds", TIMEOUT.as_secs())]
    Timeout,
    /// SSM refused or could not be reached.
    #[error("SSM: {0}")]
    Failed(String),
    /// Parameters are not there.
    #[error("SSM has no parameter {0}; the function starts as soon as it is there")]
    Missing(String),
}

/// Fills in every secret whose value is kept in SSM, all of them in one request. Without any,
/// nothing is asked.
///
/// # Errors
/// [`SecretsError`].
pub async fn resolve(variables: &Variables) -> Result<Variables, SecretsError> {
    let mut resolved = variables.clone();
    let wanted = wanted(variables)?;
    if wanted.is_empty() {
        return Ok(resolved);
    }
    let paths = wanted.iter().map(|(_, path)| (*path).to_owned()).collect();
    let request = Client::new(&aws::config(variables, "AWS_ENDPOINT_URL_SSM"))
        .get_parameters()
        .set_names(Some(paths))
        .with_decryption(true)
        .send();
    let answer = tokio::time::timeout(TIMEOUT, request)
        .await
        .map_err(|_| SecretsError::Timeout)?;
    let answer = answer.map_err(|error| SecretsError::Failed(in_one_line(&error)))?;

    let value = |path: &str| {
        answer
            .parameters()
            .iter()
            .find(|parameter| parameter.name() == Some(path))?
            .value()
    };
    let missing: Vec<&str> = wanted
        .iter()
        .map(|(_, path)| *path)
        .filter(|path| value(path).is_none())
        .collect();
    if !missing.is_empty() {
        return Err(SecretsError::Missing(missing.join(", ")));
    }
    for (name, path) in wanted {
        resolved.set(name, value(path).unwrap_or_default());
    }
    Ok(resolved)
}

/// The secrets to be read, with their paths.
fn wanted(variables: &Variables) -> Result<Vec<(&'static str, &str)>, SettingError> {
    let mut wanted = Vec::new();
    for (pointer, name) in SECRETS {
        match (variables.get(pointer), variables.get(name)) {
            (Some(path), None) => wanted.push((name, path)),
            (Some(_), Some(_)) => {
                let problem = format!("is set, and so is {name}; unset one of them");
                return Err(SettingError {
                    name: pointer,
                    problem,
                });
            }
            (None, _) => {}
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(given: &[(&str, &str)]) -> Variables {
        given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn only_secrets_that_are_kept_in_ssm_are_asked_for() {
        let given = [
            ("SESSION_KEYS_PARAMETER", "/x/keys"),
            ("ACCESS_PASSCODE_PARAMETER", ""),
            ("OTHER_PARAMETER", "/y"),
        ];
        assert_eq!(
            wanted(&variables(&given)).unwrap(),
            [("SESSION_KEYS", "/x/keys")]
        );
    }

    #[test]
    fn a_secret_that_is_given_twice_is_refused_by_name() {
        let given = variables(&[
            ("SESSION_KEYS_PARAMETER", "/x/keys"),
            ("SESSION_KEYS", "secret"),
        ]);
        let error = wanted(&given).unwrap_err();
        assert_eq!(
            error.to_string(),
            "SESSION_KEYS_PARAMETER: is set, and so is SESSION_KEYS; unset one of them"
        );
    }
}
