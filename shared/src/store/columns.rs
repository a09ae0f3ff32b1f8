//! The columns of the table `emailAccess`: names and types that owners see, in both stores.

/// The table's name.
pub const TABLE: &str = "emailAccess";

/// Who visited.
pub const EMAIL: &str = "emailOfAccessor";
/// When the visit began.
pub const START: &str = "sessionStartTime";
/// Last seen.
pub const LAST_SEEN: &str = "sessionEndTime";
/// Why it ended; an owner who types a word here ends that session.
pub const END_REASON: &str = "endReason";
/// When the reason was written.
pub const ENDED_AT: &str = "endedAt";
/// How long the visitor really looked.
pub const ACTIVE_SECONDS: &str = "activeSeconds";
/// The page of the newest activity.
pub const CURRENT_PAGE: &str = "currentPage";
/// Figures by page.
pub const PAGES: &str = "pages";
/// Which text the visitor agreed to at the gate.
pub const CONSENT: &str = "consentVersion";

/// Stands in the email column of a row that is no visit: every session that began at or before its
/// start is ended. No visitor's address can read like it.
pub const EVERYONE: &str = "everyone";

/// One column: what it is called, its type in NocoDB, and what goes missing without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// Its type in NocoDB.
    pub kind: &'static str,
    /// What is turned off where it is missing; `None` where nothing works without it.
    pub without: Option<&'static str>,
}

/// All columns, in the order an owner reads them.
pub const ALL: [Column; 9] = [
    Column {
        title: EMAIL,
        kind: "Email",
        without: None,
    },
    Column {
        title: START,
        kind: "DateTime",
        without: None,
    },
    Column {
        title: LAST_SEEN,
        kind: "DateTime",
        without: None,
    },
    Column {
        title: END_REASON,
        kind: "SingleLineText",
        without: Some(
            "endings do not reach other browsers, you cannot end a session, and MAX_SESSIONS_PER_VISITOR lets nobody in",
        ),
    },
    Column {
        title: ENDED_AT,
        kind: "DateTime",
        without: Some("the moment a session was ended is not recorded"),
    },
    Column {
        title: ACTIVE_SECONDS,
        kind: "Number",
        without: Some("you see how long visits spanned, not how long visitors looked"),
    },
    Column {
        title: CURRENT_PAGE,
        kind: "SingleLineText",
        without: Some("you do not see which page a visitor is on"),
    },
    Column {
        title: PAGES,
        kind: "JSON",
        without: Some("you do not see the time spent on each page"),
    },
    Column {
        title: CONSENT,
        kind: "SingleLineText",
        without: Some("the version of the text that visitors agree to is not recorded"),
    },
];
