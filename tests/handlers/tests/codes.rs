//! Codes by mail, from the gate's form to the recorded visit, and everything that is no code.
#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use handler_tests::{Answer, Browser, START, Site, at};
use http::StatusCode;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use serde_json::json;
use shared::codes::memory::MemoryCodes;
use shared::codes::{ChallengeId, CodeHash, CodeStore, CodeStoreError, Codes};
use shared::timestamp::Timestamp;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CODES: [(&str, &str); 2] = [("VERIFY_EMAIL", "code"), ("MAIL_FROM", "gate@example.com")];
const COOKIE: &str = "__Host-lastseen-code";
const ANNA: &str = "anna@example.com";

fn site(more: &[(&str, &str)]) -> Site {
    Site::new(&[CODES.as_slice(), more].concat())
}

async fn tries(browser: &mut Browser<'_>, code: &str, now: Timestamp) -> Answer {
    let body = json!({ "code": code }).to_string();
    let headers = [(CONTENT_TYPE.as_str(), "application/json")];
    browser
        .send("POST", "/api/verify-temp-access", &headers, &body, now)
        .await
}

async fn posts(browser: &mut Browser<'_>, form: &str, now: Timestamp) -> Answer {
    let headers = [
        (CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
    ];
    browser
        .send("POST", "/api/verify-temp-access", &headers, form, now)
        .await
}

fn refused(answer: &Answer, code: &str) {
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.json["code"], code);
    assert!(!answer.sets_cookies);
}

/// Another code than this one: its first character is the next one.
fn wrong(code: &str) -> String {
    let first = if code.starts_with('7') { "8" } else { "7" };
    format!("{first}{}", &code[1..])
}

#[tokio::test(start_paused = true)]
async fn nobody_is_in_before_the_code_came_back() {
    let site = site(&[]);
    let mut browser = site.browser();
    let answer = browser.enters(ANNA, START).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(
        answer.json,
        json!({ "success": true, "step": "code", "codeExpiresInSeconds": 600 })
    );
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), [COOKIE]);
    assert!(site.rows().await.is_empty());
    {
        let mails = site.postbox.mails.lock().unwrap();
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].0, ANNA);
    }

    let code = site.postbox.code();
    let answer = tries(&mut browser, &code, at(60)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json["redirect"], "/portfolio/confidential/");
    assert!(browser.cookies.contains_key("__Host-lastseen"));
    assert!(!browser.cookies.contains_key(COOKIE), "cleared");
    let rows = site.rows().await;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].email.as_str(), rows[0].start), (ANNA, at(60)));
    assert_eq!(
        browser.beats(json!(null), at(61)).await.status,
        StatusCode::OK
    );
}

#[tokio::test(start_paused = true)]
async fn a_form_goes_to_the_code_form_and_then_the_way_back() {
    let site = site(&[]);
    let mut browser = site.browser();
    let form = "email=anna%40example.com&redirect=%2Fportfolio%2Fconfidential%2Ffigures%2F";
    let answer = posts(&mut browser, form, START).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let gate = "/access/?redirect=%2Fportfolio%2Fconfidential%2Ffigures%2F";
    assert_eq!(answer.location.unwrap(), format!("{gate}&step=code#code"));

    let form =
        |code: &str| format!("code={code}&redirect=%2Fportfolio%2Fconfidential%2Ffigures%2F");
    let code = site.postbox.code();
    let answer = posts(&mut browser, &form(&wrong(&code)), at(5)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(
        answer.location.unwrap(),
        format!("{gate}&error=wrong-code#wrong-code")
    );
    let typed = code.to_lowercase().replace('-', "+");
    let answer = posts(&mut browser, &form(&typed), at(10)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.location.unwrap(), "/portfolio/confidential/figures/");
    assert_eq!(site.rows().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn five_wrong_tries_burn_a_code() {
    let site = site(&[]);
    let mut browser = site.browser();
    browser.enters(ANNA, START).await;
    let code = site.postbox.code();
    for second in 1..=4 {
        refused(
            &tries(&mut browser, &wrong(&code), at(second)).await,
            "wrong-code",
        );
    }
    // What cannot be a code counts like any other.
    refused(&tries(&mut browser, "?", at(5)).await, "wrong-code");
    for second in 6..8 {
        refused(
            &tries(&mut browser, &code, at(second)).await,
            "code-expired",
        );
    }
    assert!(site.rows().await.is_empty());

    browser.enters(ANNA, at(10)).await;
    let answer = tries(&mut browser, &site.postbox.code(), at(11)).await;
    assert_eq!(answer.status, StatusCode::OK, "a new code is a new start");
}

#[tokio::test(start_paused = true)]
async fn the_fifth_try_may_still_be_the_right_one() {
    let site = site(&[]);
    let mut browser = site.browser();
    browser.enters(ANNA, START).await;
    let code = site.postbox.code();
    for second in 1..=4 {
        tries(&mut browser, &wrong(&code), at(second)).await;
    }
    assert_eq!(
        tries(&mut browser, &code, at(5)).await.status,
        StatusCode::OK
    );
}

#[tokio::test(start_paused = true)]
async fn a_code_lets_in_once_even_for_who_kept_its_cookie() {
    let site = site(&[]);
    let mut browser = site.browser();
    browser.enters(ANNA, START).await;
    let mut copy = browser.clone();
    let code = site.postbox.code();
    assert_eq!(
        tries(&mut browser, &code, at(1)).await.status,
        StatusCode::OK
    );
    refused(&tries(&mut copy, &code, at(2)).await, "code-expired");
    assert_eq!(site.rows().await.len(), 1);
}

/// Lets all tries be counted before the first is compared, as may happen among many sandboxes.
struct AllAtOnce {
    inner: MemoryCodes,
    counted: Barrier,
}

#[async_trait]
impl CodeStore for AllAtOnce {
    async fn begin(
        &self,
        id: &ChallengeId,
        hash: &CodeHash,
        now: Timestamp,
    ) -> Result<(), CodeStoreError> {
        self.inner.begin(id, hash, now).await
    }
    async fn count_try(
        &self,
        id: &ChallengeId,
        now: Timestamp,
    ) -> Result<Option<CodeHash>, CodeStoreError> {
        let hash = self.inner.count_try(id, now).await;
        self.counted.wait().await;
        hash
    }
    async fn win(&self, id: &ChallengeId) -> Result<bool, CodeStoreError> {
        self.inner.win(id).await
    }
}

#[tokio::test(start_paused = true)]
async fn of_right_codes_at_once_exactly_one_gets_in() {
    let mut site = site(&[]);
    site.app.codes = Some(Arc::new(Codes {
        store: Box::new(AllAtOnce {
            inner: MemoryCodes::default(),
            counted: Barrier::new(7),
        }),
        mailer: Box::new(site.postbox.clone()),
    }));
    let site = Arc::new(site);
    let mut browser = site.browser();
    browser.enters(ANNA, START).await;
    let code = site.postbox.code();
    let sealed = browser.cookies[COOKIE].clone();
    let mut all = JoinSet::new();
    for _ in 0..7 {
        let (site, code, sealed) = (Arc::clone(&site), code.clone(), sealed.clone());
        all.spawn(async move {
            let mut browser = site.browser();
            browser.cookies.insert(COOKIE.to_owned(), sealed);
            let answer = tries(&mut browser, &code, at(1)).await;
            answer.json["code"].as_str().unwrap_or("in").to_owned()
        });
    }
    let mut led = all.join_all().await;
    led.sort();
    // Five were compared, and two came too late for that.
    assert_eq!(led[..6], ["code-expired"; 6]);
    assert_eq!(led[6], "in");
    assert_eq!(site.rows().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_code_lives_ten_minutes() {
    let site = site(&[]);
    for (age, status) in [(599, StatusCode::OK), (600, StatusCode::FORBIDDEN)] {
        let mut browser = site.browser();
        browser.enters(ANNA, START).await;
        let answer = tries(&mut browser, &site.postbox.code(), at(age)).await;
        assert_eq!(answer.status, status, "{age}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_is_worth_nothing_in_another_browser() {
    let site = site(&[]);
    let (mut anna, mut stranger) = (site.browser(), site.browser());
    anna.enters(ANNA, START).await;
    let annas = site.postbox.code();
    refused(&tries(&mut stranger, &annas, at(1)).await, "code-expired");
    stranger.enters("eve@example.com", at(2)).await;
    refused(&tries(&mut stranger, &annas, at(3)).await, "wrong-code");
    let answer = tries(&mut anna, &annas, at(4)).await;
    assert_eq!(
        answer.status,
        StatusCode::OK,
        "and nobody else's tries count"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cookie_of_another_purpose_or_site_is_no_challenge() {
    let (here, elsewhere) = (
        site(&[("FLOOD_LIMITS", "on")]),
        site(&[("SITE_AUDIENCE", "www.example.org")]),
    );
    let mut browser = elsewhere.browser();
    browser.enters(ANNA, START).await;
    let code = elsewhere.postbox.code();
    let mut moved = here.browser();
    moved.cookies = browser.cookies.clone();
    refused(&tries(&mut moved, &code, at(1)).await, "code-expired");

    let mut session = here.browser();
    session.enters(ANNA, START).await;
    tries(&mut session, &here.postbox.code(), at(1)).await;
    let token = session.cookies["__Host-lastseen"].clone();
    let mut swapped = here.browser();
    swapped.cookies.insert(COOKIE.to_owned(), token);
    refused(&tries(&mut swapped, &code, at(2)).await, "code-expired");

    // And no challenge is a session.
    let mut other = here.browser();
    other.enters(ANNA, at(200)).await;
    let sealed = other.cookies.remove(COOKIE).unwrap();
    other.cookies.insert("__Host-lastseen".to_owned(), sealed);
    let answer = other.beats(json!(null), at(201)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json["reason"], "invalid");
}

/// Everything of an answer that a stranger can see, with lengths for what is random.
fn seen(answer: &Answer) -> (StatusCode, String, Vec<(String, String)>, Option<String>) {
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| {
            let value = value.to_str().unwrap();
            let shown = match value.split_once('=') {
                Some((cookie, rest)) if name == SET_COOKIE => {
                    let (sealed, attributes) = rest.split_once(';').unwrap();
                    format!("{cookie}, {} characters, {attributes}", sealed.len())
                }
                _ => value.to_owned(),
            };
            (name.to_string(), shown)
        })
        .collect();
    (
        answer.status,
        answer.json.to_string(),
        headers,
        answer.location.clone(),
    )
}

#[tokio::test(start_paused = true)]
async fn allowed_denied_and_unknown_addresses_look_the_same() {
    let site = site(&[
        ("ALLOWED_EMAILS", "@example.com,ben@example.org"),
        ("DENIED_EMAILS", "eve@example.com"),
    ]);
    site.postbox.delay.store(400, Ordering::SeqCst);
    let mut all = Vec::new();
    for email in [
        ANNA,
        "ben@example.org",
        "eve@example.com",
        "stranger.with.a.long.address@somewhere-else.example",
    ] {
        for is_form in [false, true] {
            let mut browser = site.browser();
            let begun = Instant::now();
            let answer = if is_form {
                let form = format!("email={}", email.replace('@', "%40"));
                posts(&mut browser, &form, START).await
            } else {
                browser.enters(email, START).await
            };
            all.push((is_form, seen(&answer), begun.elapsed()));
            refused(&tries(&mut browser, "7777-7777", at(1)).await, "wrong-code");
        }
    }
    assert_eq!(site.postbox.count(), 4, "two addresses, twice each");
    for (is_form, seen, took) in &all {
        assert_eq!(seen, &all[usize::from(*is_form)].1);
        assert_eq!(*took, Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn the_mail_servers_trouble_is_the_owners_and_not_a_strangers_to_see() {
    let site = site(&[("DENIED_EMAILS", "eve@example.com")]);
    site.postbox.is_down.store(true, Ordering::SeqCst);
    let denied = site.browser().enters("eve@example.com", START).await;
    let begun = Instant::now();
    let allowed = site.browser().enters(ANNA, START).await;
    assert_eq!(seen(&allowed), seen(&denied));
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    assert_eq!(site.postbox.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_code_does_not_help_who_was_denied_since() {
    let before = site(&[]);
    let mut browser = before.browser();
    browser.enters(ANNA, START).await;
    let code = before.postbox.code();
    let mut after = site(&[("DENIED_EMAILS", ANNA)]);
    after.app.codes = before.app.codes.clone();
    let mut denied = after.browser();
    denied.cookies = browser.cookies.clone();
    refused(&tries(&mut denied, &code, at(1)).await, "wrong-code");
    assert!(after.rows().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_mail_is_sent_for_what_is_no_address_or_without_the_passcode() {
    let site = site(&[("ACCESS_PASSCODE", "open sesame")]);
    let mut browser = site.browser();
    let answer = browser.enters("nobody", START).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json["code"], "invalid-email");
    let answer = browser.enters(ANNA, START).await;
    refused(&answer, "wrong-passcode");
    assert_eq!(site.postbox.count(), 0);

    let form = "email=anna%40example.com&passcode=open+sesame";
    let answer = posts(&mut browser, form, START).await;
    assert!(answer.location.unwrap().ends_with("#code"));
    // The passcode was shown with the first step; the second needs none.
    let answer = tries(&mut browser, &site.postbox.code(), at(1)).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn no_cookie_and_no_address_of_a_page_holds_the_email_or_the_code() {
    let site = site(&[]);
    let mut browser = site.browser();
    let answer = posts(&mut browser, "email=anna%40example.com", START).await;
    let code = site.postbox.code();
    let mut answers = vec![answer];
    for (second, code) in [(1, wrong(&code)), (2, code.clone())] {
        answers.push(posts(&mut browser, &format!("code={code}"), at(second)).await);
    }
    let shown = format!("{answers:?}");
    for secret in ["anna", "example.com", &code, &code.replace('-', "")] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_without_codes_lets_nobody_in_who_needs_one() {
    let mut site = site(&[]);
    site.app.codes = None;
    let mut browser = site.browser();
    let answer = browser.enters(ANNA, START).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let answer = tries(&mut browser, "7777-7777", START).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(site.rows().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn where_codes_are_off_a_code_changes_nothing() {
    let site = Site::new(&[]);
    let mut browser = site.browser();
    let form = "email=anna%40example.com&code=7777-7777";
    let answer = posts(&mut browser, form, START).await;
    assert_eq!(answer.location.unwrap(), "/portfolio/confidential/");
    assert!(!browser.cookies.contains_key(COOKIE));
}

#[tokio::test(start_paused = true)]
async fn a_used_code_is_gone_when_the_visit_cannot_be_recorded() {
    let site = site(&[]);
    let mut browser = site.browser();
    browser.enters(ANNA, START).await;
    site.store_is_down(true);
    let code = site.postbox.code();
    let answer = tries(&mut browser, &code, at(1)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!browser.cookies.contains_key("__Host-lastseen"));
    site.store_is_down(false);
    refused(&tries(&mut browser, &code, at(2)).await, "code-expired");
}
