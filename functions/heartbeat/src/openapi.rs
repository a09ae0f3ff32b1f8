//! What the API's description says of these routes.

use http::StatusCode;
use shared::openapi::bodies::snapshot;
use shared::openapi::{Route, Security, flag, one_of, text, whole};
use utoipa::openapi::{Required, Schema};

use crate::{Alive, Status};

/// Why there is no open session.
pub(crate) fn reason() -> Schema {
    one_of(&["missing", "invalid", "idle", "expired", "logout", "revoked"])
}

/// The routes of this function.
#[must_use]
pub fn routes() -> Vec<Route> {
    let heartbeat = "/api/session-heartbeat";
    vec![
        Route::post(heartbeat, "heartbeat", "Still here")
            .describe("Moves last seen and the idle deadline. An empty body counts as looking now.")
            .security(Security::Session)
            .body(Required::False, snapshot("Snapshot", "What a browser reports. "))
            .json::<Alive>(
                StatusCode::OK,
                "It is written down.",
                Some("both cookies, renewed; none where `leaving`"),
            )
            .problem_with(
                StatusCode::UNAUTHORIZED,
                &["no-session"],
                "There is no open session, and `reason` is why. Clears the cookies unless `leaving`.",
                &[("reason", reason()), ("protected", flag())],
            )
            .refuses_bodies(&["invalid-snapshot"], "A member has the wrong type. ")
            .refuses_strangers(&[], "")
            .limits()
            .problem_with_perhaps(
                StatusCode::SERVICE_UNAVAILABLE,
                &["unavailable"],
                "The store cannot take it; the idle deadline moves all the same.",
                &[
                    ("idleExpiresInSeconds", whole(0)),
                    ("sessionExpiresInSeconds", whole(0)),
                ],
            ),
        Route::get(heartbeat, "hasSession", "Is there an open session?")
            .describe("Asks the store, and extends nothing.")
            .security(Security::PerhapsSession)
            .json::<Status>(StatusCode::OK, "Whether there is, or why not.", None)
            .refuses_calls_around()
            .limits()
            .needs_the_store(),
        Route::get(
            "/api/session-refresh",
            "refresh",
            "Confirms a session for the gate",
        )
        .describe(
            "Where the gate sends a visitor whose token was not confirmed lately. A page that a person opens counts as a heartbeat.",
        )
        .security(Security::PerhapsSession)
        .query(
            "redirect",
            "The way back: a path on this site. Anything else counts as not given.",
            text(),
        )
        .redirect(
            StatusCode::FOUND,
            "Back with a fresh cookie; or to the gate, where there is no open session. While the store does not answer, back all the same.",
            Some("both cookies, renewed or cleared"),
        )
        .refuses_calls_around()
        .limits()
        .problem(
            StatusCode::SERVICE_UNAVAILABLE,
            &["prefetch", "unavailable"],
            "To a browser that fetches ahead (`prefetch`); or the store does not answer, see Retry-After.",
        ),
    ]
}
