//! What the gate at the edge has to know: settings and keys as one JSON value in its key-value
//! store, because functions there have no environment.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::settings::{SettingError, Settings};
use crate::timestamp::Timestamp;

/// `CloudFront`'s limit for one value, in bytes.
const MAX_VALUE_BYTES: usize = 1024;

/// As `functions/edge-gate/gate.js` reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EdgeSettings<'a> {
    audience: &'a str,
    keys: BTreeMap<&'a str, String>,
    prefixes: Vec<&'a str>,
    gate: &'a str,
    fresh: u64,
    lifetime: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
}

/// The value for the edge. It holds the keys: whoever can read it can sign.
///
/// `not_before` has the meaning it has in [`super::decide`].
///
/// # Errors
/// Names the setting that takes the most room where the value would be larger than `CloudFront`
/// keeps.
pub fn settings(
    settings: &Settings,
    not_before: Option<Timestamp>,
) -> Result<String, SettingError> {
    let edge = EdgeSettings {
        audience: &settings.audience,
        keys: settings
            .keys
            .secrets()
            .map(|(id, secret)| (id, STANDARD.encode(secret)))
            .collect(),
        prefixes: settings.protected.prefixes().collect(),
        gate: settings.gate.path(),
        fresh: settings.fresh_seconds,
        lifetime: settings.limits.lifetime,
        not_before,
    };
    let value = serde_json::json!(edge).to_string();
    if value.len() <= MAX_VALUE_BYTES {
        return Ok(value);
    }
    let sizes = [
        ("PROTECTED_PREFIXES", edge.prefixes.concat().len()),
        (
            "SESSION_KEYS",
            edge.keys.values().map(String::len).sum::<usize>(),
        ),
        ("GATE_PATH", edge.gate.len()),
        ("SITE_AUDIENCE", edge.audience.len()),
    ];
    let name = sizes
        .into_iter()
        .max_by_key(|(_, size)| *size)
        .map_or("PROTECTED_PREFIXES", |(name, _)| name);
    Err(SettingError {
        name,
        problem: format!(
            "is too long for the gate at the edge: all its settings make {} bytes, and CloudFront \
             keeps {MAX_VALUE_BYTES}",
            value.len()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Variables;

    fn read(changes: &[(&str, &str)]) -> Settings {
        let mut variables = Variables::default();
        variables.set(
            "SESSION_KEYS",
            "b:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE,a:-_-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        );
        variables.set("SITE_AUDIENCE", "Example.com");
        for (name, value) in changes {
            variables.set(name, value);
        }
        Settings::read(&variables).unwrap()
    }

    #[test]
    fn the_edge_is_told_what_it_decides_by() {
        let changes = [("PROTECTED_PREFIXES", "/a%20b/,/"), ("FRESH_SECONDS", "30")];
        let moment = Some(Timestamp::from_unix(1_000_000));
        assert_eq!(
            settings(&read(&changes), moment).unwrap(),
            concat!(
                r#"{"audience":"example.com","fresh":30,"gate":"/access/","#,
                r#""keys":{"a":"+/+/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","#,
                r#""b":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="},"lifetime":86400,"#,
                r#""notBefore":1000000,"prefixes":["/a b","/"]}"#
            )
        );
        assert!(
            !settings(&read(&changes), None)
                .unwrap()
                .contains("notBefore")
        );
    }

    #[test]
    fn what_cloudfront_cannot_keep_is_refused_by_name() {
        let long = format!("/{}", "a".repeat(900));
        let keys: Vec<String> = (0..20)
            .map(|number| format!("{number}:{}", STANDARD.encode([number; 32])))
            .collect();
        for (name, value) in [
            ("PROTECTED_PREFIXES", &long),
            ("GATE_PATH", &long),
            ("SESSION_KEYS", &keys.join(",")),
        ] {
            let error = settings(&read(&[(name, value)]), None).unwrap_err();
            assert_eq!(error.name, name);
            assert!(error.problem.contains("CloudFront keeps 1024"), "{error}");
        }
    }

    #[test]
    fn a_value_of_just_the_size_cloudfront_keeps_is_made() {
        let length = |prefix: usize| {
            let prefix = format!("/{}", "a".repeat(prefix));
            settings(&read(&[("PROTECTED_PREFIXES", &prefix)]), None).map(|value| value.len())
        };
        let frame = length(1).unwrap() - 1;
        assert_eq!(length(1024 - frame).unwrap(), 1024);
        assert!(length(1025 - frame).is_err());
    }
}
