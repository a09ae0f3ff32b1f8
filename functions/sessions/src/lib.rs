//! The owner's routes: reports of the visits, ending sessions, and logging in.

use http::Method;
use shared::app::App;
use shared::session::RecordId;
use shared::timestamp::Timestamp;
use shared::web::{self, Request, Response};

mod owner;
mod reports;
mod revoke;

/// What a path names.
enum Route {
    Sessions,
    SessionsCsv,
    #[expect(dead_code, reason = "its report comes with the others")]
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
    web::serve(&app.settings, request, async |request| {
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
    if matches!(route, Route::Login | Route::Logout) {
        return Ok(web::not_found());
    }
    owner::check(app, request.headers()).await?;
    match route {
        Route::RevokeOne(id) => revoke::one(app, id, now).await,
        Route::RevokeMany => revoke::many(app, request, now).await,
        _ => Ok(web::not_found()),
    }
}
