//! A visit as programs read it: its cells, by the names the table has for them.

use serde_json::{Value, json};
use shared::session::Session;
use shared::store::columns;

/// The names of [`cells`], in their order.
pub(super) const NAMES: [&str; 10] = [
    "id",
    columns::EMAIL,
    columns::START,
    columns::LAST_SEEN,
    columns::END_REASON,
    columns::ENDED_AT,
    columns::ACTIVE_SECONDS,
    columns::CURRENT_PAGE,
    columns::PAGES,
    "durationSeconds",
];

/// What stands under each of [`NAMES`]. Times are RFC 3339 in UTC; what is not known is null.
pub(super) fn cells(session: &Session) -> [Value; NAMES.len()] {
    [
        json!(session.id),
        json!(session.email),
        json!(session.start.to_string()),
        json!(session.last_seen.to_string()),
        json!(session.end_reason),
        json!(session.ended_at.map(|moment| moment.to_string())),
        json!(session.active_seconds),
        json!(session.current_page),
        json!(session.pages),
        json!(session.duration_seconds()),
    ]
}
