//! The API of a live site, asked by somebody who has no session.

use http::{Method, StatusCode};

use super::super::finding::Finding;
use super::asking::{Answer, Site, send};
use super::pages::{MANY_LOCATIONS, no_answer};

pub(super) const HEARTBEAT: &str = "/api/session-heartbeat";
/// No name ends like this (RFC 2606).
const ELSEWHERE: &str = "https://lastseen-doctor.invalid";
const AROUND: &str = "not-through-the-site";

pub(super) async fn check(site: &Site) -> Vec<Finding> {
    let shown = site.address(HEARTBEAT);
    let answer = match site.get(HEARTBEAT).await {
        Ok(answer) => answer,
        Err(error) => return vec![no_answer(&shown, &error)],
    };
    let is_ours = answer.status == StatusCode::OK && answer.json()["hasSession"] == false;
    if !is_ours {
        return vec![badly_answered(&format!("the API: {shown}"), &answer)];
    }
    let is_kept = !answer
        .header("cache-control")
        .is_some_and(|value| value.contains("no-store"));
    let mut findings = vec![if is_kept {
        Finding::wrong(format!(
            "the API: {shown} comes without Cache-Control: no-store — a cache could answer for it: let nothing in between change that header"
        ))
    } else {
        Finding::good(format!("the API answers at {shown}"))
    }];
    findings.push(
        foreign(site)
            .await
            .unwrap_or_else(|error| no_answer(&shown, &error)),
    );
    findings
}

/// Another site's script may read nothing here, and post nothing.
async fn foreign(site: &Site) -> Result<Finding, String> {
    let from_elsewhere = |method| {
        site.request(method, HEARTBEAT)
            .header("origin", ELSEWHERE)
            .header("sec-fetch-site", "cross-site")
    };
    let preflight = from_elsewhere(Method::OPTIONS)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    for request in [from_elsewhere(Method::GET), preflight] {
        if send(request)
            .await?
            .headers
            .contains_key("access-control-allow-origin")
        {
            return Ok(Finding::wrong(
                "the API lets any site's scripts read its answers (Access-Control-Allow-Origin) — let nothing in between add that header; ALLOWED_ORIGINS names who may",
            ));
        }
    }
    let posted = send(from_elsewhere(Method::POST)).await?;
    Ok(if posted.code().as_deref() == Some("cross-site") {
        Finding::good(
            "the API refuses other sites: no answer is theirs to read, and no post is taken",
        )
    } else {
        Finding::wrong(format!(
            "the API answers another site's post with {}, and not with 403 (cross-site) — let the headers Origin and Sec-Fetch-Site through to it",
            posted.say()
        ))
    })
}

/// The API at its own address: who calls it there must get nothing.
pub(super) async fn around(api: &Site) -> Finding {
    let shown = api.address(HEARTBEAT);
    match api.get(HEARTBEAT).await {
        Ok(answer) if answer.code().as_deref() == Some(AROUND) => {
            Finding::good(format!("around the site, {shown} refuses every call"))
        }
        Ok(answer) => Finding::wrong(format!(
            "around the site, {shown} is answered with {}, and not with 403 ({AROUND}) — set EDGE_SECRET for the API, and let the edge or the proxy send it",
            answer.say()
        )),
        Err(error) => Finding::mind(format!(
            "around the site, {shown} gives no answer ({error}), so it was not seen to refuse — check --api"
        )),
    }
}

/// What of the API is answered as it should not be.
pub(super) fn badly_answered(what: &str, answer: &Answer) -> Finding {
    let (said, cure) = (answer.say(), cure(answer));
    Finding::wrong(format!("{what} is answered with {said} — {cure}"))
}

/// What to do about an answer that the API should not give.
pub(super) fn cure(answer: &Answer) -> &'static str {
    if answer.locations().count() > 1 {
        return MANY_LOCATIONS;
    }
    match (answer.status.as_u16(), answer.code().as_deref()) {
        (_, Some(AROUND)) => {
            "what stands in front sends another secret than EDGE_SECRET of the API, or none: see docs/keys.md"
        }
        (_, Some("cross-site")) => {
            "the API does not know the site's host: let what stands in front send X-Forwarded-Host"
        }
        (_, Some("unavailable")) | (502..=504, _) => {
            "the API runs, but its store or its secrets cannot be reached: look into its log"
        }
        (404 | 405 | 200..=399, _) => "let the site's host pass /api/* and /logout on to the API",
        _ => "look into the log of the API, and of what stands in front of it",
    }
}
