//! A file that a function answers in parts, as one answer: only Lambda's answers have a limit.

use std::fmt;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http::header::LINK;
use http::request::Parts;
use http::{HeaderName, Method, StatusCode};
use shared::app::App;
use shared::timestamp::Timestamp;
use shared::web;
use url::form_urlencoded;

use crate::serve;

/// What a part names the next one by.
const NEXT: HeaderName = HeaderName::from_static("lastseen-next");

/// Part after part as one body, except to programs that ask for parts themselves (`cursor`, or
/// `part=first`).
pub(crate) async fn answer<Handler, Answer>(
    app: App,
    request: Request,
    handler: Handler,
) -> Response
where
    Handler: Fn(App, web::Request, Timestamp) -> Answer + Copy + Send + 'static,
    Answer: Future<Output = web::Response> + Send,
{
    if request.method() != Method::GET || asks_for_a_part(&request) {
        return serve::answer(app, request, handler).await;
    }
    let (head, _) = request.into_parts();
    let first = web::Request::from_parts(head.clone(), Bytes::new());
    let (mut answer, body) = handler(app.clone(), first, Timestamp::now())
        .await
        .into_parts();
    let Some(cursor) = next(&answer.headers) else {
        return Response::from_parts(answer, Body::from(body));
    };
    answer.headers.remove(LINK);
    answer.headers.remove(NEXT);
    let parts = try_unfold(Some(Then::Body(body, cursor)), move |then| {
        let (app, head) = (app.clone(), head.clone());
        async move {
            Ok::<_, Broken>(match then {
                None => None,
                Some(Then::Body(body, cursor)) => Some((body, Some(Then::Ask(cursor)))),
                Some(Then::Ask(cursor)) => {
                    let part = following(app, &head, &cursor, handler).await?;
                    let next = next(part.headers()).map(Then::Ask);
                    Some((part.into_body(), next))
                }
            })
        }
    });
    Response::from_parts(answer, Body::from_stream(parts))
}

/// What comes next.
enum Then {
    /// The first part, and the cursor of the one after it.
    Body(Bytes, String),
    /// The part of this cursor.
    Ask(String),
}

/// A later part cannot be had. The connection ends with the file unfinished, which programs notice;
/// an end in good order would look like the whole.
#[derive(Debug)]
struct Broken(StatusCode);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the next part of a file was answered {}", self.0)
    }
}

impl std::error::Error for Broken {}

async fn following<Answer: Future<Output = web::Response>>(
    app: App,
    head: &Parts,
    cursor: &str,
    handler: impl Fn(App, web::Request, Timestamp) -> Answer,
) -> Result<web::Response, Broken> {
    let mut head = head.clone();
    let query = head.uri.query().unwrap_or_default();
    let and = if query.is_empty() { "" } else { "&" };
    let address = format!("{}?{query}{and}cursor={cursor}", head.uri.path());
    head.uri = address
        .parse()
        .map_err(|_| Broken(StatusCode::URI_TOO_LONG))?;
    let request = web::Request::from_parts(head, Bytes::new());
    let part = handler(app, request, Timestamp::now()).await;
    if part.status() == StatusCode::OK {
        return Ok(part);
    }
    let broken = Broken(part.status());
    tracing::error!("{broken}, and the file breaks off");
    Err(broken)
}

fn asks_for_a_part(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "cursor" || name == "part")
}

fn next(headers: &http::HeaderMap) -> Option<String> {
    headers.get(NEXT)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use shared::settings::Variables;

    use super::*;

    /// Three parts, of which the last one may not be had.
    async fn parts(_: App, request: web::Request, _: Timestamp) -> web::Response {
        let query = request.uri().query().unwrap_or_default();
        let (body, next) = match query.rsplit_once("cursor=").map(|(_, cursor)| cursor) {
            None => ("names\r\n", Some("one")),
            Some("one") => ("", Some("two")),
            Some("two") if query.contains("email=") => {
                return web::unreadable(std::time::Duration::from_secs(5));
            }
            Some(_) => ("row\r\n", None),
        };
        let mut part = web::csv("file.csv", body.into());
        for name in [LINK, NEXT] {
            if let Some(next) = next {
                part.headers_mut().insert(name, next.parse().unwrap());
            }
        }
        part
    }

    fn app(folder: &std::path::Path) -> App {
        let database = folder.join("sessions.db");
        let settings = [
            (
                "SESSION_KEYS",
                "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            ),
            ("SITE_AUDIENCE", "localhost"),
            ("DATABASE_PATH", database.to_str().unwrap()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        App::start(&settings.into_iter().collect::<Variables>()).unwrap()
    }

    async fn asked(query: &str) -> Response {
        let folder = tempfile::tempdir().unwrap();
        let request = http::Request::get(format!("/api/sessions.csv{query}"))
            .body(Body::empty())
            .unwrap();
        answer(app(folder.path()), request, parts).await
    }

    #[tokio::test]
    async fn parts_are_one_answer_that_names_no_next_one() {
        for query in ["", "?state=ended"] {
            let answer = asked(query).await;
            assert!(!answer.headers().contains_key(LINK) && !answer.headers().contains_key(NEXT));
            let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            assert_eq!(body, "names\r\nrow\r\n");
        }
    }

    #[tokio::test]
    async fn a_part_that_cannot_be_had_breaks_the_answer_off() {
        let answer = asked("?email=ann@example.com").await;
        assert_eq!(answer.status(), StatusCode::OK, "the first part was there");
        assert!(to_bytes(answer.into_body(), usize::MAX).await.is_err());
    }

    #[tokio::test]
    async fn who_asks_for_a_part_gets_that() {
        for (query, body) in [("?part=first", "names\r\n"), ("?cursor=two", "row\r\n")] {
            let answer = asked(query).await;
            let is_first = query.contains("part");
            assert_eq!(answer.headers().contains_key(NEXT), is_first);
            let whole = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            assert_eq!(whole, body);
        }
    }
}
