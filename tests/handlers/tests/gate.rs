//! The gate's form: who comes in, where they go, and what anything else is told.

use handler_tests::{START, Site, at};
use http::StatusCode;
use proptest::prelude::*;
use serde_json::json;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");
const PATH: &str = "/api/verify-temp-access";

#[tokio::test]
async fn the_way_back_comes_from_the_form_or_from_the_gates_address() {
    let site = Site::new(&[]);
    for (body, referrer, location) in [
        ("email=a%40b.cc&redirect=%2Fx%2F", None, "/x/"),
        (
            "email=a%40b.cc",
            Some("http://localhost/access/?redirect=%2Fx%2F%3Fa%3D1"),
            "/x/?a=1",
        ),
        (
            "email=a%40b.cc&redirect=",
            Some("http://localhost/access/?redirect=%2Fx%2F"),
            "/x/",
        ),
        (
            "email=a%40b.cc&redirect=%2Fy%2F",
            Some("http://localhost/access/?redirect=%2Fx%2F"),
            "/y/",
        ),
        (
            "email=a%40b.cc",
            Some("http://evil.example/access/?redirect=%2Fx%2F"),
            "/portfolio/confidential/",
        ),
        (
            "email=a%40b.cc",
            Some("http://localhost/other/?redirect=%2Fx%2F"),
            "/portfolio/confidential/",
        ),
        (
            "email=a%40b.cc&redirect=%2F%2Fevil.example",
            None,
            "/portfolio/confidential/",
        ),
        (
            "email=a%40b.cc&redirect=%2Faccess%2F",
            None,
            "/portfolio/confidential/",
        ),
    ] {
        let mut headers = vec![FORM];
        headers.extend(referrer.map(|referrer| ("referer", referrer)));
        let answer = site
            .browser()
            .send("POST", PATH, &headers, body, START)
            .await;
        assert_eq!(
            (answer.status, answer.location.as_deref()),
            (StatusCode::SEE_OTHER, Some(location)),
            "{body} {referrer:?}"
        );
        assert!(answer.sets_cookies);
    }
}

#[tokio::test]
async fn a_mistake_in_the_form_keeps_the_way_back() {
    let site = Site::new(&[
        ("ALLOWED_EMAILS", "@example.com"),
        ("ACCESS_PASSCODE", "open-sesame"),
    ]);
    for (body, code) in [
        ("redirect=%2Fx%2F", "invalid-email"),
        ("redirect=%2Fx%2F&email=", "invalid-email"),
        ("redirect=%2Fx%2F&email=nope", "invalid-email"),
        (
            "redirect=%2Fx%2F&email=a%40b.cc&passcode=open-sesame",
            "not-allowed",
        ),
        ("redirect=%2Fx%2F&email=a%40example.com", "wrong-passcode"),
        (
            "redirect=%2Fx%2F&email=a%40example.com&passcode=x",
            "wrong-passcode",
        ),
    ] {
        let answer = site
            .browser()
            .send("POST", PATH, &[FORM], body, START)
            .await;
        assert_eq!(
            answer.location,
            Some(format!("/access/?redirect=%2Fx%2F&error={code}#{code}")),
            "{body}"
        );
        assert!(!answer.sets_cookies);
    }
    assert!(site.rows().await.is_empty());
    let body = "email=a%40example.com&passcode=open-sesame";
    assert!(
        site.browser()
            .send("POST", PATH, &[FORM], body, START)
            .await
            .sets_cookies
    );
}

#[tokio::test]
async fn programs_are_told_by_status_and_code() {
    let site = Site::new(&[
        ("DENIED_EMAILS", "no@example.com"),
        ("ACCESS_PASSCODE", "open-sesame"),
    ]);
    let big = "x".repeat(64 * 1024 + 1);
    for (headers, body, status, code) in [
        (&[JSON][..], r#"{"email":"nope"}"#, 400, "invalid-email"),
        (&[JSON], r#"{"email":["a@b.cc"]}"#, 400, "invalid-email"),
        (&[JSON], "{}", 400, "invalid-email"),
        (&[JSON], "", 400, "invalid-email"),
        (
            &[JSON],
            r#"{"email":"no@example.com","passcode":"open-sesame"}"#,
            403,
            "not-allowed",
        ),
        // Without the passcode nobody learns who is on the list.
        (
            &[JSON],
            r#"{"email":"no@example.com"}"#,
            403,
            "wrong-passcode",
        ),
        (
            &[JSON],
            r#"{"email":"a@example.com","passcode":"x"}"#,
            403,
            "wrong-passcode",
        ),
        (&[JSON], "{", 400, "invalid-body"),
        (
            &[FORM],
            "email=a%40b.cc&email=b%40b.cc",
            400,
            "invalid-body",
        ),
        (
            &[("content-type", "multipart/form-data; boundary=x")],
            "--y",
            400,
            "invalid-body",
        ),
        (
            &[("content-type", "application/xml")],
            "<x/>",
            415,
            "unsupported-type",
        ),
        (&[JSON], &big, 413, "too-large"),
    ] {
        let answer = site
            .browser()
            .send("POST", PATH, headers, body, START)
            .await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json["code"]),
            (status, &json!(code)),
            "{body:.60}"
        );
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(!answer.sets_cookies);
    }
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = site.browser().send(method, PATH, &[], "", START).await;
        assert_eq!(
            (answer.status, answer.headers["allow"].to_str().unwrap()),
            (StatusCode::METHOD_NOT_ALLOWED, "POST"),
            "{method}"
        );
    }
    assert!(site.rows().await.is_empty());
}

#[tokio::test]
async fn another_origin_of_the_owner_may_call_and_is_answered_by_name() {
    let site = Site::new(&[("ALLOWED_ORIGINS", "https://www.example.com")]);
    let preflight = [
        ("origin", "https://www.example.com"),
        ("access-control-request-method", "POST"),
    ];
    let answer = site
        .browser()
        .send("OPTIONS", "/api/session-heartbeat", &preflight, "", START)
        .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(
        answer.headers["access-control-allow-origin"],
        "https://www.example.com"
    );
    assert_eq!(answer.headers["access-control-allow-credentials"], "true");
    let stranger = [("origin", "https://evil.example")];
    let answer = site
        .browser()
        .send("OPTIONS", "/api/session-heartbeat", &stranger, "", START)
        .await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is typed: no panic, and either a recorded visit with cookies or neither.
    #[test]
    fn nothing_typed_at_the_gate_lets_anybody_in_unrecorded(email in "\\PC{0,40}|[a-z'~+()\",@.\\n\\\\]{0,30}@[a-z.]{1,10}\\.[a-z]{2,5}", redirect in "\\PC{0,30}|[/\\\\.%a-z:]{0,12}") {
        let site = Site::new(&[]);
        let body = json!({ "email": email, "redirect": redirect }).to_string();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (answer, rows) = runtime.block_on(async {
            (site.browser().send("POST", PATH, &[JSON], &body, START).await, site.rows().await)
        });
        prop_assert_eq!(answer.sets_cookies, answer.status == StatusCode::OK);
        prop_assert_eq!(rows.len(), usize::from(answer.sets_cookies));
        if let Some(back) = answer.json["redirect"].as_str() {
            prop_assert!(back.starts_with('/') && !back.starts_with("//") && !back.contains('\\'));
        }
    }
}

#[tokio::test]
async fn no_session_id_and_no_token_is_stored() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    browser.enters("ann@example.com", START).await;
    browser.beats(serde_json::Value::Null, at(10)).await;
    let token = browser.cookies["__Host-lastseen"].clone();
    let claims = browser.claims();
    let stored = site.stored();
    let holds = |text: &str| {
        stored
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(holds("ann@example.com"), "the rows were read");
    for secret in [
        claims.session_id.as_str(),
        token.rsplit('.').next().unwrap(),
    ] {
        assert!(!holds(secret), "{secret}");
    }
}
