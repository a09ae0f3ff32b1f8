//! The owner's routes: reports of the visits, ending sessions, and logging in.

use http::Method;
use shared::app::App;
use shared::session::RecordId;
use shared::timestamp::Timestamp;
use shared::web::{self, Request, Response};

use refusal::Refusal;

mod export;
mod login;
#[cfg(feature = "openapi")]
pub mod openapi;
mod owner;
mod question;
mod refusal;
mod reports;
mod revoke;

/// What a path names.
enum Route {
    Sessions,
    SessionsCsv,
    Session(RecordId),
    Visitors,
    VisitorsCsv,
    Summary,
    RevokeOne(RecordId),
    RevokeMany,
    Login,
    Logout,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        Some(match path.strip_prefix("/api/")? {
            "sessions" => Self::Sessions,
            "sessions.csv" => Self::SessionsCsv,
            "visitors" => Self::Visitors,
            "visitors.csv" => Self::VisitorsCsv,
            "summary" => Self::Summary,
            "admin/login" => Self::Login,
            "admin/logout" => Self::Logout,
            "sessions/revoke" => Self::RevokeMany,
            path => match path.strip_prefix("sessions/")?.split_once('/') {
                Some((id, "revoke")) if !id.is_empty() => Self::RevokeOne(RecordId::new(id)),
                None if path != "sessions/" => {
                    Self::Session(RecordId::new(path.strip_prefix("sessions/")?))
                }
                _ => return None,
            },
        })
    }

    const fn method(&self) -> Method {
        match self {
            Self::RevokeOne(_) | Self::RevokeMany | Self::Login | Self::Logout => Method::POST,
            _ => Method::GET,
        }
    }
}

/// Answers one request; see the routes in `docs/api.md`.
pub async fn handle(app: App, request: Request, now: Timestamp) -> Response {
    web::serve_owner(&app.settings, request, async |request| {
        let Some(route) = Route::of(request.uri().path()) else {
            return web::not_found();
        };
        if request.method() != route.method() {
            return web::method_not_allowed(match route.method() {
                Method::POST => "POST",
                _ => "GET",
            });
        }
        answer(&app, &route, &request, now)
            .await
            .unwrap_or_else(|problem| problem)
    })
    .await
}

async fn answer(
    app: &App,
    route: &Route,
    request: &Request,
    now: Timestamp,
) -> Result<Response, Response> {
    if !matches!(route, Route::Login | Route::Logout) {
        owner::check(app, request.headers(), now).await?;
    }
    match route {
        Route::Login => Ok(login::login(app, request, now).await),
        Route::Logout => Ok(login::logout(app, request).await),
        Route::RevokeOne(id) => {
            let done = revoke::one(app, id, now).await;
            app.reports.changed();
            done
        }
        Route::RevokeMany => {
            let done = revoke::many(app, request, now).await;
            app.reports.changed();
            done
        }
        Route::Sessions => Ok(report(reports::sessions(app, request, now).await)),
        Route::SessionsCsv => Ok(report(export::sessions(app, request, now).await)),
        Route::Session(id) => Ok(report(reports::session(app, request, id, now).await)),
        Route::Visitors => Ok(report(reports::visitors(app, request, now).await)),
        Route::VisitorsCsv => Ok(report(export::visitors(app, request, now).await)),
        Route::Summary => Ok(report(reports::summary(app, request, now).await)),
    }
}

fn report(given: Result<Response, Refusal>) -> Response {
    given.unwrap_or_else(Refusal::into_response)
}
