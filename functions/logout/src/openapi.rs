//! What the API's description says of these routes.

use http::StatusCode;
use shared::openapi::bodies::{Body, Member, snapshot};
use shared::openapi::{Route, Security, text};
use utoipa::openapi::Required;

const CLEARED: Option<&str> = Some("both cookies, cleared");

/// The routes of this function.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/logout", "logOut", "Ends the session")
            .describe("Without one it answers the same.")
            .security(Security::PerhapsSession)
            .body(Required::False, log_out())
            .empty(StatusCode::NO_CONTENT, "To fetch and beacons.", CLEARED)
            .redirect(StatusCode::SEE_OTHER, "To forms: to the gate.", CLEARED)
            .refuses_bodies(
                &["invalid-reason", "invalid-snapshot"],
                "A member has the wrong type, or `reason` is neither `logout` nor `idle`. ",
            )
            .refuses_strangers(&[], ""),
        Route::get("/logout", "logOutByLink", "The same, as a link")
            .describe("Acts on a navigation that began on this site. A prefetch is answered 503.")
            .security(Security::PerhapsSession)
            .query(
                "reason",
                "`logout` or `idle`; anything else counts as `logout`.",
                text(),
            )
            .redirect(StatusCode::SEE_OTHER, "Logged out: to the gate.", CLEARED)
            .text(
                StatusCode::OK,
                "For any other request: a page with a button that posts.",
                "text/html",
            )
            .problem(
                StatusCode::SERVICE_UNAVAILABLE,
                &["prefetch"],
                "To a browser that fetches ahead.",
            )
            .refuses_calls_around(),
    ]
}

fn log_out() -> Body {
    snapshot("LogOut", "How a session is to end, and its last figures. ")
        .member(
            "reason",
            "Why: `logout`, or `idle` where a clock ran out.",
            Member::word(&["logout", "idle", ""]),
        )
        .member(
            "everywhere",
            "False ends this browser's session alone; true what the setting `EVERYWHERE_ON` allows.",
            Member::flag(),
        )
}
