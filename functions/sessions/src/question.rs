//! What a report is asked: the query of its address.

use shared::app::App;
use shared::report::cache::{Known, Unavailable};
use shared::report::cursor::Cursors;
use shared::report::visitors::Sort;
use shared::report::{BadParameter, Filter};
use shared::timestamp::Timestamp;
use shared::web::Request;

pub(crate) const DEFAULT_LIMIT: usize = 100;
pub(crate) const MAX_LIMIT: usize = 1_000;
/// Below what Lambda can answer (6 MB), with room for escaping, and quick to make.
pub(crate) const MAX_PART_BYTES: usize = 2_000_000;

/// What a report knows besides the filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    Limit,
    Cursor,
    Sort,
    Part,
}

impl Extra {
    /// As the address spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Cursor => "cursor",
            Self::Sort => "sort",
            Self::Part => "part",
        }
    }
}

/// One question, read.
pub(crate) struct Question {
    pub(crate) filter: Filter,
    /// How many a page holds.
    pub(crate) limit: usize,
    /// Where the list goes on.
    pub(crate) cursor: Option<String>,
    pub(crate) sort: Sort,
}

impl Question {
    /// Reads the filters, and what else this report knows.
    ///
    /// # Errors
    /// [`BadParameter`] for the first one that cannot be followed.
    pub(crate) fn read(
        request: &Request,
        extras: &[Extra],
        now: Timestamp,
    ) -> Result<Self, BadParameter> {
        let pairs = pairs(request);
        let is_extra = |name: &str| extras.iter().any(|extra| extra.name() == name);
        let filters = pairs.iter().filter(|(name, _)| !is_extra(name));
        let filters = filters.map(|(name, value)| (name.as_str(), value.as_str()));
        let filter = Filter::read(filters, now)?;
        let cursor = only(&pairs, extras, Extra::Cursor)?;
        match only(&pairs, extras, Extra::Part)? {
            None => {}
            Some("first") if cursor.is_none() => {}
            Some("first") => {
                return Err(BadParameter::new(
                    "part",
                    "cannot be combined with `cursor`; give one of them",
                ));
            }
            Some(_) => return Err(BadParameter::new("part", "must be `first`")),
        }
        Ok(Self {
            filter,
            limit: only(&pairs, extras, Extra::Limit)?.map_or(Ok(DEFAULT_LIMIT), limit)?,
            cursor: cursor.map(str::to_owned),
            sort: only(&pairs, extras, Extra::Sort)?.map_or(Ok(Sort::default()), Sort::read)?,
        })
    }
}

/// The parameters of the query, in their order.
pub(crate) fn pairs(request: &Request) -> Vec<(String, String)> {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

fn only<'a>(
    pairs: &'a [(String, String)],
    extras: &[Extra],
    wanted: Extra,
) -> Result<Option<&'a str>, BadParameter> {
    let mut values = pairs
        .iter()
        .filter(|(name, _)| extras.contains(&wanted) && name == wanted.name())
        .map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(BadParameter::new(wanted.name(), "is given more than once")),
    }
}

fn limit(text: &str) -> Result<usize, BadParameter> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(limit @ 1..=MAX_LIMIT) if is_number => Ok(limit),
        _ => Err(BadParameter::new(
            "limit",
            format!("must be a number from 1 to {MAX_LIMIT}"),
        )),
    }
}

/// Groups and adds up on a thread that may be busy for as long as that takes: those of the executor
/// have heartbeats to answer.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // It is never called off, so that it has panicked.
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// What is known of the table.
///
/// # Errors
/// [`Unavailable`] where nothing is.
pub(crate) async fn known(app: &App, now: Timestamp) -> Result<Known, Unavailable> {
    let settings = &app.settings;
    let pause = settings.store.pace().pause;
    let store = app.store.as_ref();
    app.reports.know(store, pause, &settings.limits, now).await
}

/// The cursors of a list: what decides what it holds, and in which order.
///
/// # Errors
/// [`BadParameter`] without an `ADMIN_TOKEN`: but then nobody is the owner, and nobody comes this far.
pub(crate) fn cursors<'a>(
    app: &'a App,
    list: &str,
    filter: &Filter,
    order: &str,
) -> Result<Cursors<'a>, BadParameter> {
    match &app.settings.admin_token {
        Some(secret) => Ok(Cursors::new(secret, &[list, &filter.canonical(), order])),
        None => Err(BadParameter::new(
            "cursor",
            "there are none without an ADMIN_TOKEN",
        )),
    }
}
