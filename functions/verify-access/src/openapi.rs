//! What the API's description says of this route.

use http::StatusCode;
use shared::openapi::bodies::{Body, Member};
use shared::openapi::{Route, Security};
use utoipa::openapi::Required;

use crate::{CodeSent, Entered};

/// The routes of this function.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/verify-temp-access", "enter", "Lets a visitor in")
            .describe("The gate's form. The visit is recorded first; an error sets no cookie.")
            .security(Security::Nobody)
            .body(Required::True, enter())
            .json::<Entered>(StatusCode::OK, "To programs: let in.", Some("both cookies"))
            .json::<CodeSent>(
                StatusCode::ACCEPTED,
                "To programs, where codes are on: a code may have been mailed.",
                Some("the cookie of the code"),
            )
            .redirect(
                StatusCode::SEE_OTHER,
                "To forms: to the page, or to the gate with `?error=CODE#CODE` or `?step=code#code`.",
                Some("as to programs"),
            )
            .refuses_bodies(
                &["invalid-email", "consent-missing"],
                "No address, or no consent to the text of today. ",
            )
            .refuses_strangers(
                &["not-allowed", "wrong-passcode", "wrong-code", "code-expired"],
                "Not on the list, another passcode, another code, or none waiting. ",
            )
            .limits()
            .needs_the_store(),
    ]
}

fn enter() -> Body {
    Body::new("Enter", "Who comes in.")
        .needs(
            "email",
            "One address; trimmed and lower-cased. Not read where `code` is given.",
            Member::email(),
        )
        .member(
            "redirect",
            "The way back, a path on this site; anything else counts as not given.",
            Member::lenient(),
        )
        .member(
            "passcode",
            "Where `ACCESS_PASSCODE` is set.",
            Member::lenient(),
        )
        .member(
            "consent",
            "Where `CONSENT_VERSION` is set: the version of the text that was agreed to.",
            Member::lenient(),
        )
        .member(
            "code",
            "Where codes are on, the second time: the one that was mailed.",
            Member::lenient(),
        )
}
