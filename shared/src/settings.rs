//! Settings: environment variables, the same for every way of running. A bad or contradictory one
//! stops the program at start with one line that names it.

use http::HeaderMap;

use crate::cookies::{CookiePolicy, Presented};
use crate::email::EmailRules;
use crate::redirect::RedirectPath;
use crate::session::{EndReason, Limits};
use crate::setting_names;
use crate::site_path::{ProtectedPaths, SitePath};
use crate::timestamp::Timestamp;
use crate::token::Keys;

mod address;
mod codes;
mod notify;
mod pattern;
mod queue;
mod secret;
mod store;
mod variables;
mod web;

pub use codes::{CodeSettings, SmtpUrl};
pub use notify::{NotifyKey, NotifySettings, NotifyUrl};
pub use queue::{QUEUE_URL, endings_url, queue_url, write_every, write_requests};
pub use secret::Secret;
pub use store::{NocoDbSettings, Pace, StoreSettings};
pub use variables::Variables;

/// Browsers keep no cookie for longer (RFC 6265bis 5.5: 400 days), so no session can live longer.
const MAX_LIFETIME_SECONDS: u64 = 399 * 86_400;
/// What an owner can ask for without saying that they mean it: an hour of idleness and a day in all
/// (NIST SP 800-63B-4 2.2.3 and 5.2; OWASP ASVS 5.0 7.1.1).
const USUAL: Limits = Limits {
    idle_timeout: 3_600,
    lifetime: 86_400,
};
/// Shorter ones could be guessed. `lastseen serve` makes one of 43.
const MIN_ADMIN_TOKEN_LENGTH: usize = 32;
/// Visitors type it, and the gate bounds how often a wrong one is looked at.
const MIN_PASSCODE_LENGTH: usize = 8;
/// As many open sessions as a store lists at once; more is no bound.
const MOST_SESSIONS: usize = crate::store::PAGE_SIZE as usize;
/// A version is a short name, such as `2026-11`, and stands in a cell of the table.
const MAX_CONSENT_VERSION_LENGTH: usize = 64;

/// Secrets that may be kept in SSM, as the variable that names the parameter and the one it stands
/// for. On AWS they are resolved before settings are read.
pub(crate) const SECRETS: [(&str, &str); 8] = [
    ("SESSION_KEYS_PARAMETER", "SESSION_KEYS"),
    ("NOCODB_API_TOKEN_PARAMETER", "NOCODB_API_TOKEN"),
    ("ACCESS_PASSCODE_PARAMETER", "ACCESS_PASSCODE"),
    ("ADMIN_TOKEN_PARAMETER", "ADMIN_TOKEN"),
    ("SMTP_URL_PARAMETER", "SMTP_URL"),
    ("EDGE_SECRET_PARAMETER", "EDGE_SECRET"),
    ("NOTIFY_URL_PARAMETER", "NOTIFY_URL"),
    ("NOTIFY_SECRET_PARAMETER", "NOTIFY_SECRET"),
];

/// A setting is missing, wrong, or contradicts another.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct SettingError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong and what would be right. Never holds a secret.
    pub problem: String,
}

fn wrong(name: &'static str, problem: impl Into<String>) -> SettingError {
    SettingError {
        name,
        problem: problem.into(),
    }
}

/// Which endings reach all of a visitor's browsers: `EVERYWHERE_ON`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EverywhereOn {
    logout: bool,
    idle: bool,
}

impl EverywhereOn {
    /// Whether an ending for this reason ends every open session of the visitor.
    #[must_use]
    pub const fn includes(self, reason: EndReason) -> bool {
        match reason {
            EndReason::Logout => self.logout,
            EndReason::Idle => self.idle,
            EndReason::Expired | EndReason::Revoked => false,
        }
    }
}

/// Everything the handlers need to know, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where sessions live.
    pub store: StoreSettings,
    /// `SESSION_KEYS`.
    pub keys: Keys,
    /// `SITE_AUDIENCE`: the site's host, which tokens are bound to.
    pub audience: String,
    /// `PROTECTED_PREFIXES` and `GATE_PATH`.
    pub protected: ProtectedPaths,
    /// `GATE_PATH`.
    pub gate: RedirectPath,
    /// `DEFAULT_REDIRECT`.
    pub default_redirect: RedirectPath,
    /// `ALLOWED_EMAILS` and `DENIED_EMAILS`.
    pub email_rules: EmailRules,
    /// `ACCESS_PASSCODE`.
    pub passcode: Option<Secret>,
    /// `ADMIN_TOKEN`: what the owner's programs show. Without it nobody is the owner.
    pub admin_token: Option<Secret>,
    /// `CONSENT_VERSION`: which text visitors agree to at the gate.
    pub consent_version: Option<String>,
    /// `MAX_SESSIONS_PER_VISITOR`.
    pub max_sessions: Option<usize>,
    /// `RETENTION_DAYS`.
    pub retention_days: Option<u64>,
    /// `IDLE_TIMEOUT_SECONDS` and `SESSION_LIFETIME_SECONDS`.
    pub limits: Limits,
    /// `FRESH_SECONDS`.
    pub fresh_seconds: u64,
    /// `SECRETS_MAX_AGE_SECONDS`: after how long a function reads its secrets anew.
    pub secrets_max_age: u64,
    /// `EVERYWHERE_ON`.
    pub everywhere_on: EverywhereOn,
    /// `ALLOWED_ORIGINS`: other origins whose pages may call the API.
    pub allowed_origins: Vec<String>,
    /// `EDGE_SECRET`: what shows that a request came through the site; any of them does. Without
    /// one, every way here is as good.
    pub edge_secrets: Vec<Secret>,
    /// `COOKIE_SECURE` and `COOKIE_DOMAIN`.
    pub cookies: CookiePolicy,
    /// `VERIFY_EMAIL` and what belongs to it; `None` where codes are off.
    pub codes: Option<CodeSettings>,
    /// `FLOOD_LIMITS`: false only where something in front counts requests.
    pub flood_limits: bool,
    /// `NOTIFY_URL` and what belongs to it; `None` where nobody is told of visits.
    pub notify: Option<NotifySettings>,
    /// `WRITE_EVERY_SECONDS`: batched mode, in which each row is written once in so many seconds;
    /// `None` where every heartbeat is written at once.
    pub write_every: Option<u64>,
    /// `TRUSTED_HOPS`: how many proxies in front append to `X-Forwarded-For`.
    pub trusted_hops: usize,
}

impl Settings {
    /// Reads and checks all settings.
    ///
    /// # Errors
    /// The first [`SettingError`].
    pub fn read(variables: &Variables) -> Result<Self, SettingError> {
        setting_names::check(variables)?;
        if let Some((name, _)) = SECRETS.into_iter().find(|(parameter, plain)| {
            variables.get(parameter).is_some() && variables.get(plain).is_none()
        }) {
            let problem = "only the functions on AWS read secrets from SSM; set the value itself";
            return Err(wrong(name, problem));
        }
        let gate_path = variables.get("GATE_PATH").unwrap_or("/access/");
        refuse_pattern("GATE_PATH", [gate_path])?;
        let gate = path("GATE_PATH", gate_path)?;
        if gate.as_str() != gate.path() {
            return Err(wrong(
                "GATE_PATH",
                format!("`{gate_path}` is more than a path"),
            ));
        }
        let prefixes = variables.list("PROTECTED_PREFIXES", "/portfolio/confidential");
        refuse_pattern("PROTECTED_PREFIXES", prefixes.iter().map(String::as_str))?;
        let protected = ProtectedPaths::new(&prefixes, gate_path)
            .map_err(|problem| wrong("PROTECTED_PREFIXES", problem))?;
        let default_redirect = default_redirect(variables, &prefixes, &protected, &gate)?;
        let codes = CodeSettings::read(variables)?;
        let flood_limits = flood_limits(variables, codes.is_some())?;
        let audience = audience(variables)?;
        let allowed_origins = web::allowed_origins(variables)?;
        Ok(Self {
            store: StoreSettings::read(variables)?,
            keys: keys(variables)?,
            protected,
            gate,
            default_redirect,
            email_rules: email_rules(variables)?,
            passcode: passcode(variables)?,
            admin_token: admin_token(variables)?,
            consent_version: consent_version(variables)?,
            max_sessions: max_sessions(variables)?,
            retention_days: retention_days(variables)?,
            limits: limits(variables)?,
            fresh_seconds: variables.seconds("FRESH_SECONDS", 60)?,
            secrets_max_age: variables.seconds("SECRETS_MAX_AGE_SECONDS", 300)?,
            everywhere_on: everywhere_on(variables)?,
            edge_secrets: web::edge_secrets(variables)?,
            cookies: CookiePolicy {
                secure: variables.flag("COOKIE_SECURE", true)?,
                domain: web::cookie_domain(variables, &audience, &allowed_origins)?,
            },
            audience,
            allowed_origins,
            codes,
            flood_limits,
            notify: NotifySettings::read(variables)?,
            write_every: queue::write_every(variables)?,
            trusted_hops: variables.parse("TRUSTED_HOPS", 1, "a number of proxies")?,
        })
    }

    /// The way back, as given by anybody: `given` if it is a path on this site other than the gate,
    /// else the default.
    #[must_use]
    pub fn redirect_or_default(&self, given: Option<&str>) -> RedirectPath {
        self.redirect(given)
            .unwrap_or_else(|| self.default_redirect.clone())
    }

    /// The way back, where one was given that is a path on this site other than the gate.
    #[must_use]
    pub fn redirect(&self, given: Option<&str>) -> Option<RedirectPath> {
        given
            .and_then(RedirectPath::parse)
            .filter(|path| path.path() != self.gate.path())
    }

    /// What a request's session cookie says, under the limits of today.
    #[must_use]
    pub fn presented(&self, headers: &HeaderMap, now: Timestamp) -> Presented {
        match self.cookies.read(headers, &self.keys, &self.audience) {
            Presented::Session(token) => token
                .in_force(&self.limits, now)
                .map_or(Presented::Invalid, Presented::Session),
            presented => presented,
        }
    }

    /// Without the setting every visitor passes.
    #[must_use]
    pub fn passcode_matches(&self, given: &str) -> bool {
        self.passcode
            .as_ref()
            .is_none_or(|passcode| passcode.matches(given))
    }

    /// Without the setting nobody is the owner.
    #[must_use]
    pub fn is_admin_token(&self, given: &str) -> bool {
        self.admin_token
            .as_ref()
            .is_some_and(|token| token.matches(given))
    }
}

fn passcode(variables: &Variables) -> Result<Option<Secret>, SettingError> {
    const NAME: &str = "ACCESS_PASSCODE";
    match variables.get(NAME) {
        Some(given) if given.chars().count() < MIN_PASSCODE_LENGTH => Err(wrong(
            NAME,
            format!(
                "must have at least {MIN_PASSCODE_LENGTH} characters; shorter ones are guessed"
            ),
        )),
        given => Ok(given.map(Secret::from)),
    }
}

fn keys(variables: &Variables) -> Result<Keys, SettingError> {
    let text = variables.require("SESSION_KEYS", "`lastseen keys new` makes one")?;
    Keys::parse(text).map_err(|error| wrong("SESSION_KEYS", error.to_string()))
}

fn audience(variables: &Variables) -> Result<String, SettingError> {
    let audience = variables.require(
        "SITE_AUDIENCE",
        "it is the site's host, such as www.example.com",
    )?;
    let is_host = audience
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || ".-:".contains(c));
    if is_host {
        Ok(audience.to_ascii_lowercase())
    } else {
        Err(wrong(
            "SITE_AUDIENCE",
            format!("`{audience}` is not a host name"),
        ))
    }
}

/// `DEFAULT_REDIRECT`: where somebody goes who came to the gate from nowhere in particular. Unset, it is
/// the first of `PROTECTED_PREFIXES`.
///
/// # Errors
/// [`SettingError`] for what is open to everybody: whoever set it takes the page for closed.
fn default_redirect(
    variables: &Variables,
    prefixes: &[String],
    protected: &ProtectedPaths,
    gate: &RedirectPath,
) -> Result<RedirectPath, SettingError> {
    const NAME: &str = "DEFAULT_REDIRECT";
    let Some(given) = variables.get(NAME) else {
        return path(NAME, &first_page(prefixes));
    };
    let target = path(NAME, given)?;
    if target.path() == gate.path() {
        return Err(wrong(NAME, "is the gate, which nobody would get past"));
    }
    if SitePath::normalise(target.path()).is_some_and(|path| protected.contain(&path)) {
        return Ok(target);
    }
    let prefixes: Vec<&str> = protected.prefixes().collect();
    Err(wrong(
        NAME,
        format!(
            "`{given}` is open to everybody, as PROTECTED_PREFIXES ({}) does not cover it; add its folder there, or set another page here",
            prefixes.join(", ")
        ),
    ))
}

/// The page of the first prefix: the folder's, or the file itself.
fn first_page(prefixes: &[String]) -> String {
    let first = prefixes.first().map_or("/", String::as_str);
    let is_file = first
        .rsplit('/')
        .next()
        .is_some_and(|name| name.contains('.'));
    let page = format!("{first}{}", if is_file { "" } else { "/" });
    SitePath::normalise(&page).map_or(page, |path| path.to_url_path())
}

fn path(name: &'static str, text: &str) -> Result<RedirectPath, SettingError> {
    RedirectPath::parse(text).ok_or_else(|| {
        wrong(
            name,
            format!("`{text}` is not a path on this site, such as /access/"),
        )
    })
}

fn refuse_pattern<'a>(
    name: &'static str,
    paths: impl IntoIterator<Item = &'a str>,
) -> Result<(), SettingError> {
    match paths.into_iter().find_map(pattern::of_path) {
        Some(problem) => Err(wrong(name, problem)),
        None => Ok(()),
    }
}

/// `ALLOWED_EMAILS` and `DENIED_EMAILS`.
///
/// # Errors
/// [`SettingError`] for an entry that is neither an address nor a domain.
pub fn email_rules(variables: &Variables) -> Result<EmailRules, SettingError> {
    let [allowed, denied] =
        ["ALLOWED_EMAILS", "DENIED_EMAILS"].map(|name| variables.get(name).unwrap_or_default());
    for (name, list) in [("ALLOWED_EMAILS", allowed), ("DENIED_EMAILS", denied)] {
        let mut entries = list.split(',').map(str::trim);
        // Separators alone would let everybody in, or deny nobody, and be meant as the opposite.
        if !list.is_empty() && entries.clone().all(str::is_empty) {
            return Err(wrong(
                name,
                "names nobody; leave it out, or write name@example.com or @example.com".to_owned(),
            ));
        }
        if let Some(problem) = entries.find_map(pattern::of_address) {
            return Err(wrong(name, problem));
        }
    }
    EmailRules::parse(allowed, denied).map_err(|entry| {
        let name = if EmailRules::parse(allowed, "").is_err() {
            "ALLOWED_EMAILS"
        } else {
            "DENIED_EMAILS"
        };
        wrong(
            name,
            format!("`{entry}` is neither name@example.com nor @example.com"),
        )
    })
}

/// `IDLE_TIMEOUT_SECONDS` and `SESSION_LIFETIME_SECONDS`.
///
/// # Errors
/// The first [`SettingError`].
pub fn limits(variables: &Variables) -> Result<Limits, SettingError> {
    let lifetime = variables.seconds("SESSION_LIFETIME_SECONDS", 86_400)?;
    if lifetime > MAX_LIFETIME_SECONDS {
        return Err(wrong(
            "SESSION_LIFETIME_SECONDS",
            format!("must be at most {MAX_LIFETIME_SECONDS}: browsers keep no cookie for longer"),
        ));
    }
    let idle_timeout = variables.seconds("IDLE_TIMEOUT_SECONDS", 1_800)?;
    if idle_timeout > lifetime {
        return Err(wrong(
            "IDLE_TIMEOUT_SECONDS",
            format!("{idle_timeout} is longer than SESSION_LIFETIME_SECONDS {lifetime}"),
        ));
    }
    if !variables.flag("ALLOW_LONG_SESSIONS", false)? {
        for (name, given, usual) in [
            ("IDLE_TIMEOUT_SECONDS", idle_timeout, USUAL.idle_timeout),
            ("SESSION_LIFETIME_SECONDS", lifetime, USUAL.lifetime),
        ] {
            if given > usual {
                let problem = format!(
                    "{given} is longer than the {usual} that guidelines recommend; ALLOW_LONG_SESSIONS=true says that you mean it"
                );
                return Err(wrong(name, problem));
            }
        }
    }
    Ok(Limits {
        idle_timeout,
        lifetime,
    })
}

/// `RETENTION_DAYS`: after how many days without a sign of its visitor a row is deleted.
///
/// # Errors
/// [`SettingError`] for what is no number, and where a session could still be open.
pub fn retention_days(variables: &Variables) -> Result<Option<u64>, SettingError> {
    const NAME: &str = "RETENTION_DAYS";
    let Some(days) = variables.count(NAME)? else {
        return Ok(None);
    };
    let days = u64::try_from(days).unwrap_or(u64::MAX);
    // Cookies live a day longer than sessions, and late figures still come in with them.
    let needed = limits(variables)?.lifetime.div_ceil(86_400) + 1;
    if days < needed {
        return Err(wrong(
            NAME,
            format!("must be at least {needed}: a session and its cookie can live that long"),
        ));
    }
    Ok(Some(days))
}

fn max_sessions(variables: &Variables) -> Result<Option<usize>, SettingError> {
    const NAME: &str = "MAX_SESSIONS_PER_VISITOR";
    match variables.count(NAME)? {
        Some(most) if most > MOST_SESSIONS => Err(wrong(
            NAME,
            format!("must be at most {MOST_SESSIONS}; unset it for as many as they like"),
        )),
        most => Ok(most),
    }
}

fn admin_token(variables: &Variables) -> Result<Option<Secret>, SettingError> {
    const NAME: &str = "ADMIN_TOKEN";
    match variables.get(NAME) {
        None => Ok(None),
        Some(token) if token.len() < MIN_ADMIN_TOKEN_LENGTH => Err(wrong(
            NAME,
            format!(
                "must have at least {MIN_ADMIN_TOKEN_LENGTH} characters; `openssl rand -base64 32` makes one"
            ),
        )),
        Some(token) if !token.chars().all(|c| c.is_ascii_graphic()) => {
            Err(wrong(NAME, "must be one line of visible characters"))
        }
        Some(token) => Ok(Some(Secret::from(token))),
    }
}

fn consent_version(variables: &Variables) -> Result<Option<String>, SettingError> {
    const NAME: &str = "CONSENT_VERSION";
    match variables.get(NAME) {
        Some(version)
            if version.len() > MAX_CONSENT_VERSION_LENGTH
                || version.chars().any(char::is_control) =>
        {
            Err(wrong(
                NAME,
                format!(
                    "must be one line of at most {MAX_CONSENT_VERSION_LENGTH} bytes, such as 2026-11"
                ),
            ))
        }
        version => Ok(version.map(str::to_owned)),
    }
}

fn flood_limits(variables: &Variables, codes: bool) -> Result<bool, SettingError> {
    const NAME: &str = "FLOOD_LIMITS";
    match variables.get(NAME) {
        None | Some("on") => Ok(true),
        Some("off") if codes => {
            let problem = "is off while codes are on, so that anybody could have anybody flooded with mail; unset it";
            Err(wrong(NAME, problem))
        }
        Some("off") => Ok(false),
        Some(_) => Err(wrong(NAME, "is neither `on` nor `off`")),
    }
}

fn everywhere_on(variables: &Variables) -> Result<EverywhereOn, SettingError> {
    const NAME: &str = "EVERYWHERE_ON";
    let mut on = EverywhereOn {
        logout: false,
        idle: false,
    };
    // Empty means something here: each browser for itself.
    for word in variables
        .get_even_empty(NAME)
        .unwrap_or("logout")
        .split(',')
        .map(str::trim)
    {
        match word {
            "" => {}
            "logout" => on.logout = true,
            "idle" => on.idle = true,
            _ => {
                return Err(wrong(
                    NAME,
                    format!("`{word}` is neither `logout` nor `idle`"),
                ));
            }
        }
    }
    Ok(on)
}

#[cfg(test)]
mod tests;
