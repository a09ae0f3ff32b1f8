#![allow(clippy::unwrap_used)]
use super::*;

fn error(status: u16, body: &str) -> Error {
    Error::from_answer(
        StatusCode::from_u16(status).unwrap(),
        &HeaderMap::new(),
        body.as_bytes(),
    )
}

fn limited(header: &str) -> Option<Duration> {
    let headers = HeaderMap::from_iter([(RETRY_AFTER, header.parse().unwrap())]);
    match Error::from_answer(StatusCode::TOO_MANY_REQUESTS, &headers, b"") {
        Error::RateLimited { retry_after } => retry_after,
        other => panic!("{other:?}"),
    }
}

/// The bodies as 0.265.1 and 0.301.3 sent them.
#[test]
#[expect(clippy::too_many_lines, reason = "a table, one entry per answer seen")]
fn every_answer_has_its_meaning() {
    let refused =
        |status, code: &str| format!("NocoDB refused the request: {code} (HTTP {status})");
    let unexpected = |status| format!("NocoDB answered with HTTP status {status}");
    let table: &[(u16, &str, String)] = &[
        (
            401,
            r#"{"error":"AUTHENTICATION_REQUIRED","message":"Authentication required - Invalid token"}"#,
            Error::BadCredentials.to_string(),
        ),
        (
            401,
            r#"{"error":"ERR_AUTHENTICATION_REQUIRED","message":"Authentication required - Invalid token"}"#,
            Error::BadCredentials.to_string(),
        ),
        (
            403,
            r#"{"msg":"Forbidden"}"#,
            Error::BadCredentials.to_string(),
        ),
        (403, "<html>", Error::BadCredentials.to_string()),
        (
            422,
            r#"{"error":"BASE_NOT_FOUND","message":"Base 'px' not found"}"#,
            Error::TableNotFound.to_string(),
        ),
        (
            422,
            r#"{"error":"ERR_BASE_NOT_FOUND","message":"Base 'px' not found"}"#,
            Error::TableNotFound.to_string(),
        ),
        (
            422,
            r#"{"error":"TABLE_NOT_FOUND","message":"Table 'mx' not found"}"#,
            Error::TableNotFound.to_string(),
        ),
        (
            422,
            r#"{"error":"ERR_TABLE_NOT_FOUND","message":"Table 'mx' not found"}"#,
            Error::TableNotFound.to_string(),
        ),
        (
            404,
            r#"{"error":"TABLE_NOT_FOUND","message":"Table 'mx' not found"}"#,
            Error::TableNotFound.to_string(),
        ),
        (
            404,
            r#"{"error":"RECORD_NOT_FOUND","message":"Record '2' not found"}"#,
            Error::RecordNotFound.to_string(),
        ),
        (
            404,
            r#"{"error":"ERR_RECORD_NOT_FOUND","message":"Record '2' not found"}"#,
            Error::RecordNotFound.to_string(),
        ),
        (
            422,
            r#"{"error":"INVALID_PK_VALUE","message":"Primary key value 'abc' is invalid for column 'Id'"}"#,
            Error::RecordNotFound.to_string(),
        ),
        (
            422,
            r#"{"error":"ERR_INVALID_PK_VALUE","message":"Primary key value 'abc' is invalid for column 'Id'"}"#,
            Error::RecordNotFound.to_string(),
        ),
        (
            404,
            r#"{"error":"NOT_FOUND","message":"Cannot GET /api/v3/nope"}"#,
            unexpected(404),
        ),
        (
            422,
            r#"{"error":"INVALID_VALUE_FOR_FIELD","message":"Invalid value 'ada@x.y' for type"}"#,
            refused(422, "INVALID_VALUE_FOR_FIELD"),
        ),
        (
            422,
            r#"{"error":"ERR_INVALID_VALUE_FOR_FIELD","message":"Invalid value 'ada@x.y' for type"}"#,
            refused(422, "INVALID_VALUE_FOR_FIELD"),
        ),
        (
            400,
            r#"{"error":"ERR_INVALID_REQUEST_BODY","message":"Properties 'why' on index 0 is not allowed."}"#,
            refused(400, "INVALID_REQUEST_BODY"),
        ),
        (
            422,
            r#"{"msg":"Duplicate record with id 1"}"#,
            refused(422, "UNKNOWN"),
        ),
        (
            400,
            r#"{"msg":"Expected property name or '}' in JSON at position 1"}"#,
            refused(400, "UNKNOWN"),
        ),
        (
            422,
            r#"{"error":"ada@example.com is no code"}"#,
            refused(422, "UNKNOWN"),
        ),
        (400, "<html>Bad Request</html>", unexpected(400)),
        (302, "", unexpected(302)),
        (
            500,
            r#"{"message":"Something didn't work as expected.","innerError":{}}"#,
            unexpected(500),
        ),
        (502, "<html><h1>Bad Gateway</h1></html>", unexpected(502)),
        (503, "", unexpected(503)),
        (
            429,
            r#"{"statusCode":429,"message":"ThrottlerException: Too Many Requests"}"#,
            Error::RateLimited { retry_after: None }.to_string(),
        ),
    ];
    for (status, body, meaning) in table {
        assert_eq!(
            &error(*status, body).to_string(),
            meaning,
            "{status} {body}"
        );
    }
}

#[test]
fn only_passing_troubles_are_retryable() {
    for (status, expected) in [
        (401, false),
        (404, false),
        (422, false),
        (429, true),
        (500, true),
        (501, false),
        (502, true),
        (503, true),
        (504, true),
    ] {
        assert_eq!(
            error(status, r#"{"msg":"x"}"#).is_retryable(),
            expected,
            "{status}"
        );
    }
}

#[test]
fn retry_after_is_read_as_seconds_and_as_a_date() {
    assert_eq!(limited("30"), Some(Duration::from_secs(30)));
    assert_eq!(limited("0"), Some(Duration::ZERO));
    let now: Timestamp = "1994-11-06T08:49:07Z".parse().unwrap();
    assert_eq!(
        wait("Sun, 06 Nov 1994 08:49:37 GMT", now),
        Some(Duration::from_secs(30))
    );
    assert_eq!(
        wait("Sun, 06 Nov 1994 08:49:00 GMT", now),
        Some(Duration::ZERO),
        "a date in the past"
    );
    for nonsense in ["soon", "-5", "1.5", "99999999999999999999999"] {
        assert_eq!(limited(nonsense), None, "{nonsense}");
    }
    assert_eq!(
        Error::RateLimited {
            retry_after: limited("30")
        }
        .to_string(),
        "NocoDB limits the rate of requests; it asks to wait 30 s"
    );
}

#[test]
fn a_server_that_quotes_a_value_does_not_bring_it_into_a_log() {
    let error = error(
        422,
        r#"{"error":"INVALID_VALUE_FOR_FIELD","message":"Invalid value 'ada@example.com' for type"}"#,
    );
    assert!(
        !format!("{error} {error:?}").contains("ada"),
        "{error} {error:?}"
    );
    let Error::Refused { message, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(message.reveal(), "Invalid value 'ada@example.com' for type");
}

/// The stack's alarm counts errors by how they begin (`template.yaml`, `NocoDbFailsHeartbeats`).
#[test]
fn whatever_keeps_rows_from_being_written_begins_with_the_name() {
    let mut errors = vec![
        Error::Unreachable {
            how: Unreachable::Connect,
            source: None,
        },
        Error::Unreachable {
            how: Unreachable::Timeout,
            source: None,
        },
    ];
    errors.extend([401, 403, 404, 422, 429, 500, 502, 503].map(|status| error(status, "")));
    for error in errors {
        assert!(error.to_string().starts_with("NocoDB"), "{error}");
    }
}
