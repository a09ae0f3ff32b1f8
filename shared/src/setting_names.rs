//! The names of all settings, and those in the environment that look like one and are none: what is
//! misspelt would be ignored, and a closed page would be open.

use crate::settings::{SECRETS, SettingError, Variables};

/// Every setting, in the order of the README. [`Variables::get`] reads no other name (debug builds stop).
pub const NAMES: [&str; 42] = [
    "NOCODB_URL",
    "NOCODB_BASE_ID",
    "NOCODB_TABLE_ID",
    "NOCODB_API_TOKEN",
    "DATABASE_PATH",
    "SESSION_KEYS",
    "SITE_AUDIENCE",
    "PROTECTED_PREFIXES",
    "GATE_PATH",
    "DEFAULT_REDIRECT",
    "ALLOWED_EMAILS",
    "DENIED_EMAILS",
    "ACCESS_PASSCODE",
    "VERIFY_EMAIL",
    "MAIL_FROM",
    "SMTP_URL",
    "CODES_TABLE",
    "FLOOD_LIMITS",
    "TRUSTED_HOPS",
    "CONSENT_VERSION",
    "MAX_SESSIONS_PER_VISITOR",
    "ADMIN_TOKEN",
    "IDLE_TIMEOUT_SECONDS",
    "SESSION_LIFETIME_SECONDS",
    "ALLOW_LONG_SESSIONS",
    "RETENTION_DAYS",
    "FRESH_SECONDS",
    "WRITE_EVERY_SECONDS",
    "WRITE_REQUESTS_PER_SECOND",
    "QUEUE_URL",
    "ENDINGS_URL",
    "EVERYWHERE_ON",
    "ALLOWED_ORIGINS",
    "EDGE_SECRET",
    "COOKIE_SECURE",
    "COOKIE_DOMAIN",
    "NOTIFY_URL",
    "NOTIFY_SECRET",
    "HOST",
    "PORT",
    "STATIC_DIR",
    "SECRETS_MAX_AGE_SECONDS",
];

/// What is read here and set by others: AWS's own, and the platform's certificates.
const READ_OF_OTHERS: [&str; 9] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SSM",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_SESV2",
    "AWS_ENDPOINT_URL_DYNAMODB",
];

/// Names that other programs own, though few letters tell them from one of ours.
const OF_OTHERS: [&str; 5] = [
    "COOKIE_SECRET",
    "DATABASE_PASS",
    "EMAIL_FROM",
    "NOTIFY_SOCKET",
    "TRUSTED_HOSTS",
];

/// How names begin that are meant for a setting which closes something, however they go on. Letters
/// alone would not show that `PROTECTED_PATHS` is one.
const BEGINNINGS: [(&str, &str); 14] = [
    ("PROTECT", "PROTECTED_PREFIXES"),
    ("ALLOWED_EMAIL", "ALLOWED_EMAILS"),
    ("ALLOW_EMAIL", "ALLOWED_EMAILS"),
    ("ALLOWED_DOMAIN", "ALLOWED_EMAILS"),
    ("ALLOWED_VISITOR", "ALLOWED_EMAILS"),
    ("DENIED", "DENIED_EMAILS"),
    ("DENY_EMAIL", "DENIED_EMAILS"),
    ("BLOCKED_EMAIL", "DENIED_EMAILS"),
    ("PASSCODE", "ACCESS_PASSCODE"),
    ("ACCESS_CODE", "ACCESS_PASSCODE"),
    ("ACCESS_PASS", "ACCESS_PASSCODE"),
    ("GATE_PASS", "ACCESS_PASSCODE"),
    ("IDLE_TIMEOUT", "IDLE_TIMEOUT_SECONDS"),
    ("SESSION_LIFETIME", "SESSION_LIFETIME_SECONDS"),
];

/// Shorter names (`HOST`, `PORT`) are everybody's: no other name is taken for one of them.
const SHORTEST: usize = 6;

/// Every name that is read: settings, and those that stand for a secret in SSM.
fn all() -> impl Iterator<Item = &'static str> {
    NAMES
        .into_iter()
        .chain(SECRETS.into_iter().map(|(parameter, _)| parameter))
}

/// Whether anything reads this name.
pub(crate) fn is_read(name: &str) -> bool {
    all()
        .chain(READ_OF_OTHERS)
        .chain(["SSL_CERT_FILE"])
        .any(|read| read == name)
}

/// Refuses names that look like a setting and are none, and settings whose value is no text: both would
/// count as unset.
///
/// # Errors
/// The first of [`misspelt`].
pub fn check(variables: &Variables) -> Result<(), SettingError> {
    match misspelt(variables).into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

/// Every such name, in alphabetical order, with the line that names the setting it is nearest to.
#[must_use]
pub fn misspelt(variables: &Variables) -> Vec<(String, SettingError)> {
    let mut found: Vec<(String, SettingError)> = variables
        .iter()
        .filter_map(|(given, _)| {
            let name = nearest(given)?;
            let problem = format!(
                "the environment has {given:?}, which is no setting; write {name}, or unset it where lastseen runs"
            );
            Some((given.to_owned(), SettingError { name, problem }))
        })
        .collect();
    let unreadable = all().filter(|name| variables.is_unreadable(name));
    found.extend(unreadable.map(|name| {
        let problem = "its value is no UTF-8 text; write it anew".to_owned();
        (name.to_owned(), SettingError { name, problem })
    }));
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// The setting that was meant by a name that is none.
fn nearest(given: &str) -> Option<&'static str> {
    if is_read(given) || OF_OTHERS.contains(&given) {
        return None;
    }
    // `protected-prefixes` and `LASTSEEN_PROTECTED_PREFIXES` are spelt right but for that.
    let written = given.trim().to_uppercase().replace(['-', '.', ' '], "_");
    let written = written.strip_prefix("LASTSEEN_").unwrap_or(&written);
    let meant = BEGINNINGS
        .into_iter()
        .find(|(beginning, _)| written.starts_with(beginning));
    meant.map(|(_, name)| name).or_else(|| {
        all()
            .filter(|name| name.len() >= SHORTEST)
            .map(|name| (distance(written, name), name))
            .filter(|(distance, name)| *distance <= tolerance(name))
            .min()
            .map(|(_, name)| name)
    })
}

/// In letters added, left out, exchanged or swapped; of the words in either order.
fn distance(given: &str, name: &str) -> usize {
    let words = |text: &str, is_sorted: bool| {
        let mut words: Vec<&str> = text.split('_').collect();
        if is_sorted {
            words.sort_unstable();
        }
        words.concat()
    };
    [false, true]
        .map(|is_sorted| strsim::osa_distance(&words(given, is_sorted), &words(name, is_sorted)))
        .into_iter()
        .min()
        .unwrap_or(usize::MAX)
}

/// One letter of a short name, two of `STATIC_DIR`, up to five of the longest: not as many as make it
/// another word (`DATABASE_URL`).
fn tolerance(name: &str) -> usize {
    (name.replace('_', "").len().saturating_sub(2) / 4).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_a_setting_is_named_with_the_nearest() {
        for (given, name) in [
            ("PROTECTED_PREFIX", "PROTECTED_PREFIXES"),
            ("PROTECTED_PATHS", "PROTECTED_PREFIXES"),
            ("PROTECTED", "PROTECTED_PREFIXES"),
            ("PREFIXES_PROTECTED", "PROTECTED_PREFIXES"),
            ("PROTETCED_PREFIXES", "PROTECTED_PREFIXES"),
            ("PORTECTED_PREFIXS", "PROTECTED_PREFIXES"),
            ("protected_prefixes", "PROTECTED_PREFIXES"),
            ("PROTECTED-PREFIXES", "PROTECTED_PREFIXES"),
            ("PROTECTED_PREFIXES ", "PROTECTED_PREFIXES"),
            ("PROTECTEDPREFIXES", "PROTECTED_PREFIXES"),
            ("LASTSEEN_PROTECTED_PREFIXES", "PROTECTED_PREFIXES"),
            ("LASTSEEN_PASSCODE", "ACCESS_PASSCODE"),
            ("ALLOWED_EMAIL", "ALLOWED_EMAILS"),
            ("ALLOW_EMAILS", "ALLOWED_EMAILS"),
            ("EMAILS_ALLOWED", "ALLOWED_EMAILS"),
            ("ALOWED_EMAILS", "ALLOWED_EMAILS"),
            ("ALLOWED_DOMAINS", "ALLOWED_EMAILS"),
            ("DENIED_EMAIL", "DENIED_EMAILS"),
            ("DENY_EMAILS", "DENIED_EMAILS"),
            ("ACCESS_PASSWORD", "ACCESS_PASSCODE"),
            ("ACESS_PASSCODE", "ACCESS_PASSCODE"),
            ("PASSCODE", "ACCESS_PASSCODE"),
            ("PASSCODE_ACCESS", "ACCESS_PASSCODE"),
            ("VERIFY_MAIL", "VERIFY_EMAIL"),
            ("GATE_PATHS", "GATE_PATH"),
            ("DEFAULT_REDIRECTS", "DEFAULT_REDIRECT"),
            ("IDLE_TIMEOUT", "IDLE_TIMEOUT_SECONDS"),
            ("IDLE_TIMEOUT_MINUTES", "IDLE_TIMEOUT_SECONDS"),
            ("SESSION_LIFETIME", "SESSION_LIFETIME_SECONDS"),
            ("RETENTION_DAY", "RETENTION_DAYS"),
            ("SESSION_KEY", "SESSION_KEYS"),
            ("SESSION_KEY_PARAMETER", "SESSION_KEYS_PARAMETER"),
            ("ADMIN_TOKENS", "ADMIN_TOKEN"),
            ("NOCODB_TOKEN", "NOCODB_API_TOKEN"),
            ("NOCODB_TABLE", "NOCODB_TABLE_ID"),
            ("STATICDIR", "STATIC_DIR"),
            ("SMTP_URI", "SMTP_URL"),
        ] {
            assert_eq!(nearest(given), Some(name), "{given}");
            let variables: Variables = [(given.to_owned(), "x".to_owned())].into_iter().collect();
            let error = check(&variables).unwrap_err();
            let line = error.to_string();
            assert_eq!(error.name, name);
            assert!(line.contains(given) && line.contains(&format!("write {name}")));
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }

    /// As seen on machines with nothing but their own: a login, systemd, containers, CI, Lambda.
    #[test]
    fn what_others_own_is_no_misspelling() {
        const LOGIN: &str = "HOME HOST HOSTNAME HOSTTYPE LANG LANGUAGE LC_ALL LOGNAME LS_COLORS MAIL MAILCHECK MAILTO MACHTYPE OLDPWD OSTYPE PATH PORT PWD SESSION_MANAGER SHELL SHLVL SSH_AUTH_SOCK SSH_CLIENT SSH_CONNECTION SSH_TTY TERM TMPDIR USER VISUAL XDG_RUNTIME_DIR XDG_SESSION_ID XDG_SESSION_TYPE DBUS_SESSION_BUS_ADDRESS DESKTOP_SESSION COLORTERM http_proxy https_proxy no_proxy HTTP_PROXY NO_PROXY _";
        const SYSTEMD: &str = "NOTIFY_SOCKET INVOCATION_ID JOURNAL_STREAM LISTEN_FDS LISTEN_PID LISTEN_FDNAMES WATCHDOG_PID WATCHDOG_USEC MAINPID MANAGERPID SYSTEMD_EXEC_PID STATE_DIRECTORY RUNTIME_DIRECTORY CACHE_DIRECTORY LOGS_DIRECTORY CONFIGURATION_DIRECTORY CREDENTIALS_DIRECTORY FDSTORE MEMORY_PRESSURE_WATCH";
        const CONTAINERS: &str = "DOCKER_HOST DOCKER_CONFIG container KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT KUBERNETES_PORT_443_TCP_ADDR LASTSEEN_PORT LASTSEEN_SERVICE_HOST LASTSEEN_SERVICE_PORT LASTSEEN_PORT_8080_TCP LASTSEEN_PORT_8080_TCP_PROTO NOCODB_PORT NOCODB_SERVICE_HOST NOCODB_SERVICE_PORT NOCODB_PORT_8080_TCP_ADDR SMTP_PORT SMTP_HOST SMTP_USER SMTP_PASSWORD ADMIN_PORT POD_NAME POD_NAMESPACE NODE_NAME NC_DB NC_AUTH_JWT_SECRET NC_PUBLIC_URL NC_ADMIN_EMAIL FLY_APP_NAME FLY_REGION RENDER_EXTERNAL_HOSTNAME RAILWAY_STATIC_URL RAILWAY_PUBLIC_DOMAIN";
        const HEROKU: &str = "DYNO DATABASE_URL REDIS_URL PORT WEB_CONCURRENCY HEROKU_APP_NAME HEROKU_SLUG_COMMIT SOURCE_VERSION STACK";
        const CI: &str = "CI GITHUB_ACTIONS GITHUB_TOKEN GITHUB_REF GITHUB_REF_PROTECTED GITHUB_ENV GITHUB_PATH GITHUB_STEP_SUMMARY GITHUB_SERVER_URL RUNNER_TEMP RUNNER_TOOL_CACHE ACTIONS_RUNTIME_TOKEN ACTIONS_CACHE_URL ImageOS ImageVersion CI_COMMIT_REF_PROTECTED CI_JOB_TOKEN CI_SERVER_URL CI_PAGES_DOMAIN GITLAB_CI GITLAB_USER_EMAIL BUILD_URL JENKINS_URL CARGO_HOME CARGO_MANIFEST_DIR RUSTUP_TOOLCHAIN RUST_LOG RUST_BACKTRACE npm_config_cache npm_lifecycle_event npm_package_json NODE_ENV NODE_OPTIONS JAVA_HOME";
        const LAMBDA: &str = "_HANDLER _X_AMZN_TRACE_ID AWS_REGION AWS_DEFAULT_REGION AWS_ACCESS_KEY AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_NAME AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME AWS_LAMBDA_RUNTIME_API AWS_XRAY_CONTEXT_MISSING AWS_XRAY_DAEMON_ADDRESS LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR LD_LIBRARY_PATH TZ AWS_ENDPOINT_URL_SSM";
        const APPS: &str = "DATABASE_HOST DATABASE_NAME DATABASE_PASS DATABASE_PASSWORD DATABASE_PORT DATABASE_USER COOKIE_SECRET SESSION_SECRET SECRET_KEY SECRET_KEY_BASE SITE_URL SITE_NAME STATIC_URL STATIC_ROOT DATA_PATH DATA_DIR EMAIL_FROM MAIL_FROM_ADDRESS MAIL_HOST MAIL_PORT ALLOWED_HOSTS TRUSTED_HOSTS TRUSTED_PROXIES ADMIN_EMAIL ADMIN_PASSWORD ADMIN_USER API_TOKEN ACCESS_TOKEN APP_URL BASE_URL PUBLIC_URL SENTRY_DSN SSL_CERT_DIR SSL_CERT_FILE EDITOR PAGER";
        for list in [LOGIN, SYSTEMD, CONTAINERS, HEROKU, CI, LAMBDA, APPS] {
            for name in list.split(' ') {
                assert_eq!(nearest(name), None, "{name}");
            }
        }
    }

    #[test]
    fn no_setting_is_taken_for_another_and_the_readme_has_them_all() {
        let readme = include_str!("../../README.md");
        for name in all() {
            assert_eq!(nearest(name), None, "{name}");
        }
        for name in NAMES {
            assert!(readme.contains(&format!("`{name}`")), "{name}");
        }
        let table = readme.lines().filter_map(|line| line.strip_prefix("| `"));
        for line in table {
            let cell = line.split(" |").next().unwrap_or_default();
            for name in cell.trim_end_matches('`').split("`, `") {
                let is_setting = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
                assert!(!is_setting || NAMES.contains(&name), "{name}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_setting_that_is_no_text_is_not_taken_for_unset() {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt;
        let given = [("PROTECTED_PREFIXES", &b"/caf\xe9"[..]), ("OTHER", b"\xff")];
        let given = given.map(|(name, value)| {
            let value = OsString::from_vec(value.to_vec());
            (OsString::from(name), value)
        });
        let error = check(&Variables::from_os(given)).unwrap_err();
        assert_eq!(error.name, "PROTECTED_PREFIXES");
    }
}
