//! What the API's description says of the owner's routes.

use http::StatusCode;
use shared::openapi::bodies::{Body, Member};
use shared::openapi::{Route, Security, one_of, text, text_like};
use shared::report::answers::{SessionItem, SessionList, Summary, VisitorList};
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{Required, Schema};

use crate::login::SignedIn;
use crate::question::MAX_LIMIT;
use crate::revoke::{EndedMany, EndedOne};

const OWNERS_COOKIE: Option<&str> = Some("the owner's cookie");
const CLEARED: Option<&str> = Some("the owner's cookie, cleared");

/// The routes of this function.
#[must_use]
pub fn routes() -> Vec<Route> {
    [sign_in_and_out(), reports(), revoking()]
        .into_iter()
        .flatten()
        .collect()
}

fn sign_in_and_out() -> Vec<Route> {
    vec![
        Route::post("/api/admin/login", "signIn", "Signs the owner in")
            .security(Security::Nobody)
            .body(Required::True, sign_in())
            .json::<SignedIn>(StatusCode::OK, "To programs: signed in.", OWNERS_COOKIE)
            .redirect(
                StatusCode::SEE_OTHER,
                "To forms: to the owner's page, with `?error=CODE#CODE` where something was wrong.",
                OWNERS_COOKIE,
            )
            .problem(
                StatusCode::UNAUTHORIZED,
                &["wrong-token", "wrong-link", "link-used", "link-expired"],
                "This is not the owner's token, answered after a second; or a link that signs nobody in (any more).",
            )
            .refuses_bodies(&[], "")
            .refuses_strangers(&[], "")
            .limits()
            .needs_the_store(),
        Route::post("/api/admin/logout", "signOut", "Signs the owner out")
            .describe("Whoever is not signed in is answered the same. Of the body, only the type matters.")
            .security(Security::Nobody)
            .empty(StatusCode::NO_CONTENT, "To programs.", CLEARED)
            .redirect(StatusCode::SEE_OTHER, "To forms: to the owner's page.", CLEARED)
            .refuses_bodies(&[], "")
            .refuses_strangers(&[], ""),
    ]
}

fn reports() -> Vec<Route> {
    let sort = one_of(&["last", "email", "active", "duration", "sessions"]);
    vec![
        report(
            "/api/sessions",
            "sessions",
            "Visits, the newest start first",
        )
        .filters()
        .pages()
        .json::<SessionList>(StatusCode::OK, "The visits.", None)
        .refuses_parameters(),
        report(
            "/api/sessions/{id}",
            "session",
            "One visit, as the store has it",
        )
        .id()
        .json::<SessionItem>(StatusCode::OK, "The visit.", None)
        .refuses_parameters()
        .problem_with(
            StatusCode::NOT_FOUND,
            &["no-such-session"],
            "There is none with this id.",
            &[("parameter", one_of(&["id"]))],
        ),
        report(
            "/api/visitors",
            "visitors",
            "Visitors, and what their visits add up to",
        )
        .filters()
        .pages()
        .query("sort", "Of the list; `last` unless it is given.", sort)
        .json::<VisitorList>(StatusCode::OK, "The visitors.", None)
        .refuses_parameters(),
        report("/api/summary", "summary", "What visits add up to")
            .filters()
            .json::<Summary>(StatusCode::OK, "The sums.", None)
            .refuses_parameters(),
        report(
            "/api/sessions.csv",
            "sessionsAsCsv",
            "Visits as a file, the newest start first",
        )
        .filters()
        .parts(),
        report(
            "/api/visitors.csv",
            "visitorsAsCsv",
            "Visitors as a file, by address",
        )
        .filters()
        .parts(),
    ]
}

fn revoking() -> Vec<Route> {
    vec![
        Route::post("/api/sessions/{id}/revoke", "revoke", "Ends one session")
            .is_the_owners()
            .id()
            .json::<EndedOne>(StatusCode::OK, "It is over.", None)
            .problem(
                StatusCode::NOT_FOUND,
                &["not-found"],
                "There is no session with this id.",
            )
            .needs_the_store(),
        Route::post(
            "/api/sessions/revoke",
            "revokeMany",
            "Ends all of a visitor's sessions, or all there are",
        )
        .is_the_owners()
        .body(Required::True, revoke())
        .json::<EndedMany>(StatusCode::OK, "They are over.", None)
        .refuses_bodies(
            &["invalid-email", "invalid-before", "invalid-snapshot"],
            "Neither one address nor `all`, or a `before` that no answer gave. ",
        )
        .needs_the_store(),
    ]
}

fn sign_in() -> Body {
    Body::new(
        "SignIn",
        "The owner's token, or the code of a link: one of them.",
    )
    .member("token", "The setting `ADMIN_TOKEN`.", Member::text())
    .member(
        "once",
        "What `lastseen admin link` put behind `#once=`: good once, for ten minutes. The functions on AWS know none.",
        Member::text(),
    )
}

fn revoke() -> Body {
    Body::new(
        "Revoke",
        "Whose sessions are to end: either `email`, or `all`.",
    )
    .member("email", "One visitor's address.", Member::perhaps_email())
    .member("all", "True for every session there is.", Member::flag())
    .member(
        "before",
        "With `all`, to go on closing rows: the `before` of an earlier answer.",
        Member::perhaps_moment(),
    )
}

fn report(path: &'static str, id: &str, summary: &str) -> Route {
    Route::get(path, id, summary)
        .is_the_owners()
        .needs_the_store()
}

/// What several reports have in common.
trait Report {
    fn filters(self) -> Self;
    fn pages(self) -> Self;
    fn parts(self) -> Self;
    fn id(self) -> Self;
    fn refuses_parameters(self) -> Self;
}

impl Report for Route {
    fn filters(self) -> Self {
        let moment = "(a date as `2026-11-01`, or a moment in RFC 3339)";
        self.query(
            "email",
            "One visitor's address; not with `domain`.",
            email(),
        )
        .query("domain", "All addresses of this domain.", domain())
        .query("from", &format!("Begun then or later {moment}."), when())
        .query(
            "to",
            &format!("Begun before that, or by the end of that day {moment}."),
            when(),
        )
        .query(
            "state",
            "Open ones, or those that are over.",
            one_of(&["open", "ended"]),
        )
        .query(
            "reason",
            "How they ended; `none` where the visitor just vanished. Not with `state=open`.",
            one_of(&["logout", "idle", "expired", "revoked", "none"]),
        )
        .query(
            "tz",
            "Whose days are meant: the IANA name of a time zone; UTC unless it is given.",
            zone(),
        )
    }

    fn pages(self) -> Self {
        let limit = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(MAX_LIMIT))
            .default(Some(crate::question::DEFAULT_LIMIT.into()));
        self.query("limit", "How many at most.", limit).query(
            "cursor",
            CURSOR,
            text_like("^[A-Za-z0-9_.-]+$"),
        )
    }

    fn parts(self) -> Self {
        self.query("cursor", CURSOR, text_like("^[A-Za-z0-9_.-]+$"))
            .query(
                "part",
                "From `lastseen serve`: the first part alone, and not all of them as one.",
                one_of(&["first"]),
            )
            .describe(
                "Where more follows, `Link` (RFC 8288) and `Lastseen-Next` say where it begins.",
            )
            .text(
                StatusCode::OK,
                "RFC 4180; no cell is a formula.",
                "text/csv",
            )
            .refuses_parameters()
    }

    fn id(self) -> Self {
        self.parameter(
            ParameterIn::Path,
            "id",
            "The id of its row.",
            text_like("^[A-Za-z0-9_-]{1,64}$"),
        )
    }

    fn refuses_parameters(self) -> Self {
        self.problem_with(
            StatusCode::BAD_REQUEST,
            &["invalid-parameter"],
            "A parameter is unknown, given twice, wrong, or contradicts another; `parameter` names it.",
            &[("parameter", text())],
        )
    }
}

const CURSOR: &str = "Where to go on: the `next` of an earlier answer to the same question.";

fn email() -> Schema {
    formatted(KnownFormat::Email)
}

fn domain() -> Schema {
    formatted(KnownFormat::Hostname)
}

fn formatted(format: KnownFormat) -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(format)))
        .into()
}

fn when() -> Schema {
    text_like(
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2}))?$",
    )
}

fn zone() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(64))
        .examples(["Europe/Berlin"])
        .into()
}
