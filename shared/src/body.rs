//! Request bodies: forms (urlencoded or multipart) and JSON, as one set of named values.

use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use crate::web::Request;

/// Every body of ours is under 8 KB; this leaves room for long page paths and none for floods.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// What was sent, and in which form: that decides how errors are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// A form post answers with redirects.
    pub is_form: bool,
    /// The values by name. A form's are all text.
    pub fields: Map<String, Value>,
}

/// The body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More than [`MAX_BODY_BYTES`].
    #[error("the body is larger than 64 KiB")]
    TooLarge,
    /// A content type that none of the readers knows.
    #[error("send application/json, application/x-www-form-urlencoded or multipart/form-data")]
    UnsupportedType,
    /// Not what its content type says.
    #[error("the body is not valid {0}")]
    Malformed(&'static str),
    /// A form gives one value twice, so that nobody can say which was meant.
    #[error("{0}: given more than once")]
    Repeated(String),
}

impl Body {
    /// Reads a body by its content type. Beacons send JSON as `text/plain`, since anything else
    /// would need a preflight. An empty body is an empty set of values, whatever its type.
    ///
    /// # Errors
    /// [`BodyError`].
    pub async fn read(request: &Request) -> Result<Self, BodyError> {
        let bytes = request.body();
        if bytes.len() > MAX_BODY_BYTES {
            return Err(BodyError::TooLarge);
        }
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let media_type = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let is_form = media_type == "application/x-www-form-urlencoded"
            || media_type == "multipart/form-data";
        let fields = match media_type.as_str() {
            _ if bytes.is_empty() => Map::new(),
            "application/json" | "text/plain" => json(bytes)?,
            "application/x-www-form-urlencoded" => {
                collect(form_urlencoded::parse(bytes).into_owned())?
            }
            "multipart/form-data" => multipart(bytes.clone(), content_type).await?,
            _ => return Err(BodyError::UnsupportedType),
        };
        Ok(Self { is_form, fields })
    }

    /// A value as text; numbers and the like as JSON writes them. `None` where it is missing, and
    /// where it is an object or a list.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }
}

/// A value is there that is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected text")]
pub struct NotText;

impl Body {
    /// A value as text, for what must not be taken for missing where it is something else. Null is
    /// missing.
    ///
    /// # Errors
    /// [`NotText`].
    pub fn only_text(&self, name: &str) -> Result<Option<&str>, NotText> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(NotText),
        }
    }
}

fn json(bytes: &[u8]) -> Result<Map<String, Value>, BodyError> {
    serde_json::from_slice(bytes).map_err(|_| BodyError::Malformed("JSON: send one object"))
}

async fn multipart(
    bytes: bytes::Bytes,
    content_type: &str,
) -> Result<Map<String, Value>, BodyError> {
    const MALFORMED: BodyError = BodyError::Malformed("multipart/form-data");
    let boundary = multer::parse_boundary(content_type).map_err(|_| MALFORMED)?;
    let stream = futures_util::stream::once(async { Ok::<_, std::convert::Infallible>(bytes) });
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut pairs = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|_| MALFORMED)? {
        let name = part.name().ok_or(MALFORMED)?.to_owned();
        let value = part.bytes().await.map_err(|_| MALFORMED)?;
        pairs.push((
            name,
            String::from_utf8(value.to_vec()).map_err(|_| MALFORMED)?,
        ));
    }
    collect(pairs.into_iter())
}

fn collect(pairs: impl Iterator<Item = (String, String)>) -> Result<Map<String, Value>, BodyError> {
    let mut fields = Map::new();
    for (name, value) in pairs {
        if fields.insert(name.clone(), Value::String(value)).is_some() {
            return Err(BodyError::Repeated(name));
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(content_type: &str, body: &str) -> Result<Body, BodyError> {
        let request = http::Request::builder()
            .header(CONTENT_TYPE, content_type)
            .body(bytes::Bytes::from(body.to_owned()))
            .unwrap();
        Body::read(&request).await
    }

    #[tokio::test]
    async fn what_is_no_text_is_not_taken_for_missing() {
        let body = r#"{"a":"x","b":null,"c":5,"d":["x"],"e":{},"f":false,"g":""}"#;
        let body = read("application/json", body).await.unwrap();
        for (name, expected) in [
            ("a", Ok(Some("x"))),
            ("b", Ok(None)),
            ("c", Err(NotText)),
            ("d", Err(NotText)),
            ("e", Err(NotText)),
            ("f", Err(NotText)),
            ("g", Ok(Some(""))),
            ("h", Ok(None)),
        ] {
            assert_eq!(body.only_text(name), expected, "{name}");
        }
    }

    const MULTIPART: &str = "multipart/form-data; boundary=xx";

    #[tokio::test]
    async fn all_forms_give_the_same_values() {
        for (content_type, body, is_form) in [
            (
                "application/json",
                r#"{"email":"a+b@example.com","n":null}"#,
                false,
            ),
            (
                "text/plain;charset=UTF-8",
                r#"{"email":"a+b@example.com"}"#,
                false,
            ),
            (
                "Application/X-WWW-Form-Urlencoded; charset=utf-8",
                "email=a%2Bb%40example.com",
                true,
            ),
            (
                MULTIPART,
                "--xx\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\na+b@example.com\r\n--xx--\r\n",
                true,
            ),
        ] {
            let body = read(content_type, body).await.unwrap();
            assert_eq!(
                (body.text("email"), body.is_form),
                (Some("a+b@example.com"), is_form),
                "{content_type}"
            );
        }
    }

    #[tokio::test]
    async fn an_empty_body_is_an_empty_set_of_values() {
        for content_type in [
            "application/json",
            "text/plain",
            "image/png",
            "application/x-www-form-urlencoded",
        ] {
            assert!(
                read(content_type, "").await.unwrap().fields.is_empty(),
                "{content_type}"
            );
        }
    }

    #[tokio::test]
    async fn broken_bodies_are_told_apart() {
        let malformed = |what| Err(BodyError::Malformed(what));
        for body in ["{", "[]", "null", "\"x\"", "{\"a\":1}x"] {
            assert_eq!(
                read("application/json", body).await,
                malformed("JSON: send one object"),
                "{body}"
            );
        }
        for body in [
            "x",
            "--xx",
            "--xx\r\n\r\nx\r\n--xx--",
            "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx",
        ] {
            assert_eq!(
                read(MULTIPART, body).await,
                malformed("multipart/form-data"),
                "{body}"
            );
        }
        assert_eq!(
            read("multipart/form-data", "x").await,
            malformed("multipart/form-data")
        );
        assert_eq!(
            read("application/xml", "<x/>").await,
            Err(BodyError::UnsupportedType)
        );
        assert_eq!(read("", "x").await, Err(BodyError::UnsupportedType));
        assert_eq!(
            read("application/x-www-form-urlencoded", "a=1&b=2&a=3").await,
            Err(BodyError::Repeated("a".to_owned()))
        );
    }

    #[tokio::test]
    async fn a_body_may_have_64_kib_and_not_a_byte_more() {
        let body = |length: usize| format!("a={}", "x".repeat(length - 2));
        assert!(
            read("application/x-www-form-urlencoded", &body(MAX_BODY_BYTES))
                .await
                .is_ok()
        );
        assert_eq!(
            read(
                "application/x-www-form-urlencoded",
                &body(MAX_BODY_BYTES + 1)
            )
            .await,
            Err(BodyError::TooLarge)
        );
    }
}
