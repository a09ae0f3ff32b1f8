//! `lastseen doctor --url`, against a real `lastseen serve`: healthy, and broken in each way that is
//! looked for, mostly by a proxy in between. Whatever happens, no row is left.

use shared::store::Store;
use shared::timestamp::Timestamp;

use crate::place::{Place, Ran};
use crate::tables::{Base, REQUIRED, all};
use crate::visits::{sqlite, visit};

mod front;
mod holes;
mod rows;
mod sent;

use front::{Act, Serving, header, page, proxy, with, without};

const KEYS: &str = "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OTHER_KEYS: &str = "a:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const SECRET: &str = "an-edge-secret-of-over-32-characters";
const PAGE: &str = "/portfolio/confidential/";
const GATE: &str =
    r#"<form method="post" action="/api/verify-temp-access"><input name="email"></form>"#;

/// A folder with a site that has everything.
fn with_pages(place: Place) -> Place {
    place.write("static/access/index.html", GATE);
    let script = include_str!("../../../static/lastseen.js");
    place.write("static/lastseen.js", script);
    place.write("static/portfolio/confidential/index.html", "figures");
    place.set("PORT", "0").set("SESSION_KEYS", KEYS)
}

fn laptop() -> Place {
    with_pages(Place::new())
}

fn doctor(place: &Place, url: &str) -> Ran {
    place.run(&["doctor", "--url", url])
}

async fn rows(store: &dyn Store) -> usize {
    store
        .list(&shared::store::Listing::of(None), None)
        .await
        .unwrap()
        .sessions
        .len()
}

/// The one thing that is wrong is named, with its cure.
#[track_caller]
fn only_wrong(ran: &Ran, part: &str) {
    let wrong = ran.marked('✗');
    // The last line explains the marks.
    assert_eq!((ran.code, wrong.len()), (1, 2), "{part}: {ran:?}");
    let is_named = wrong[0].contains(part) && wrong[0].contains(" — ");
    assert!(is_named, "{part}: {ran:?}");
}

#[tokio::test]
async fn a_healthy_site_gets_a_tick_for_everything_and_keeps_no_row() {
    let place = laptop();
    let serving = Serving::start(&place);
    let ran = doctor(&place, &serving.url);
    assert_eq!(
        (ran.code, ran.marked('✗'), ran.marked('!')),
        (0, vec![], vec![]),
        "{ran:?}"
    );
    let good = ran.marked('✓').join("\n");
    for part in [
        "answers",
        "gate page: ",
        "headers that protect it",
        "needs a session: the gate, and the way back",
        "/portfolio/confidential/ every file needs a session, whoever asks",
        "3 other spellings of /portfolio/confidential/ open nothing",
        "/lastseen.js, the same as this version's",
        "the API answers at ",
        "the API refuses other sites",
        "the API knows a session",
        "opens with a session",
        "a heartbeat arrives",
        "a log-out ends the session",
        "the visit's row is deleted",
    ] {
        assert!(good.contains(part), "{part}: {ran:?}");
    }
    assert_eq!(rows(sqlite(&place).as_ref()).await, 0);
    assert!(!ran.out.contains("AAAA") && !ran.out.contains('\u{1b}'));
}

#[tokio::test]
async fn each_part_that_is_missing_is_named() {
    type Break = fn(&Place);
    let cases: [(&str, Break); 4] = [
        ("/access/ is answered with 404", |place| {
            std::fs::remove_file(place.path("static/access/index.html")).unwrap();
        }),
        (
            "has no form that posts to /api/verify-temp-access",
            |place| {
                place.write("static/access/index.html", "<form></form>");
            },
        ),
        ("/lastseen.js is answered with 404", |place| {
            std::fs::remove_file(place.path("static/lastseen.js")).unwrap();
        }),
        ("is answered with 404 to somebody with a session", |place| {
            // Where nothing at all were below the prefix, nothing would be served.
            let folder = place.path("static/portfolio/confidential");
            std::fs::rename(folder.join("index.html"), folder.join("a.html")).unwrap();
        }),
    ];
    for (part, break_it) in cases {
        let place = laptop();
        break_it(&place);
        let serving = Serving::start(&place);
        only_wrong(&doctor(&place, &serving.url), part);
        assert_eq!(rows(sqlite(&place).as_ref()).await, 0, "{part}");
    }
}

#[tokio::test]
async fn what_stands_in_front_and_breaks_something_is_found_out() {
    type Ask = fn(String) -> Act;
    type Answer = fn(String) -> String;
    let cases: [(&str, Ask, Answer); 9] = [
        (
            "is answered with 200, and not with the way to the gate",
            |head| {
                let is_page = head.starts_with(&format!("GET {PAGE} "));
                if is_page && header(&head, "cookie").is_none() {
                    page("figures")
                } else {
                    Act::Pass(head)
                }
            },
            |head| head,
        ),
        (
            "//portfolio/confidential/ is answered with 200: written like that",
            |head| {
                if head.starts_with("GET //") {
                    page("figures")
                } else {
                    Act::Pass(head)
                }
            },
            |head| head,
        ),
        ("is not served as JavaScript", Act::Pass, |head| {
            head.replace("text/javascript", "text/plain")
        }),
        (
            "lets any site's scripts read its answers",
            Act::Pass,
            |head| with(&head, "access-control-allow-origin: *"),
        ),
        (
            "answers another site's post with 401",
            |head| Act::Pass(without(&head, &["origin", "sec-fetch-site"])),
            |head| head,
        ),
        (
            "the API sees no cookie",
            |head| Act::Pass(without(&head, &["cookie"])),
            |head| head,
        ),
        ("comes without the cookie lastseen", Act::Pass, |head| {
            without(&head, &["set-cookie"])
        }),
        (
            "the API does not know the site's host",
            |head| Act::Pass(with(&without(&head, &["host"]), "host: api.internal")),
            |head| head,
        ),
        (
            "a copy could be shown to somebody else",
            Act::Pass,
            |head| {
                if head.contains("text/html") {
                    without(&head, &["cache-control"])
                } else {
                    head
                }
            },
        ),
    ];
    let place = laptop();
    let serving = Serving::start(&place);
    for (part, ask, answer) in cases {
        let url = proxy(&serving.url, ask, answer);
        only_wrong(&doctor(&place, &url), part);
        assert_eq!(rows(sqlite(&place).as_ref()).await, 0, "{part}");
    }
}

#[test]
fn what_only_deserves_a_look_fails_nothing() {
    type Answer = fn(String) -> String;
    let cases: [(&str, Answer); 5] = [
        ("X-Content-Type-Options", |head| {
            without(&head, &["x-content-type-options"])
        }),
        ("frame-ancestors", |head| {
            without(&head, &["content-security-policy"])
        }),
        ("Referrer-Policy", |head| {
            without(&head, &["referrer-policy"])
        }),
        ("do not find back from the gate", |head| {
            head.replace("?redirect=", "?r=")
        }),
        ("is not that of this version", |head| head),
    ];
    let place = laptop();
    let serving = Serving::start(&place);
    for (part, answer) in cases {
        if part.ends_with("version") {
            place.write("static/lastseen.js", "// mine");
        }
        let ran = doctor(&place, &proxy(&serving.url, Act::Pass, answer));
        let minds = ran.marked('!');
        // The last line explains the marks only where something is wrong.
        assert_eq!((ran.code, minds.len()), (0, 1), "{part}: {ran:?}");
        assert!(minds[0].contains(part), "{part}: {ran:?}");
    }
}

#[tokio::test]
async fn settings_that_are_not_the_sites_are_told_apart() {
    let place = laptop();
    let serving = Serving::start(&place);
    for (name, value, part) in [
        (
            "SESSION_KEYS",
            OTHER_KEYS,
            "the API does not accept the session",
        ),
        (
            "SITE_AUDIENCE",
            "other.example",
            "the API does not accept the session",
        ),
        (
            "PROTECTED_PREFIXES",
            "/elsewhere",
            "/elsewhere/ is answered with 404",
        ),
        ("GATE_PATH", "nonsense", "GATE_PATH: "),
    ] {
        let doctors = laptop()
            .set(
                "DATABASE_PATH",
                place.path("data/lastseen.db").display().to_string(),
            )
            .set(name, value);
        let ran = doctor(&doctors, &serving.url);
        let wrong = ran.marked('✗').join("\n");
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(wrong.contains(part), "{name}: {ran:?}");
        assert_eq!(rows(sqlite(&place).as_ref()).await, 0, "{name}");
    }
}

#[tokio::test]
async fn in_another_store_than_the_sites_no_visitors_row_is_touched() {
    let place = laptop();
    let doctors = laptop();
    drop(sqlite(&doctors));
    let serving = Serving::start(&place);
    only_wrong(
        &doctor(&doctors, &serving.url),
        "does not find the session's row",
    );

    // Rows of the very ids that the doctor's own will have.
    let theirs = sqlite(&place);
    for name in ["ann", "bob", "cid", "dan"] {
        let email = format!("{name}@example.com");
        visit(
            theirs.as_ref(),
            &email,
            Timestamp::now().minus(60),
            30,
            None,
        )
        .await;
    }
    let before = theirs
        .list(&shared::store::Listing::of(None), None)
        .await
        .unwrap();
    only_wrong(
        &doctor(&doctors, &serving.url),
        "does not find the session's row",
    );
    assert_eq!(
        theirs
            .list(&shared::store::Listing::of(None), None)
            .await
            .unwrap(),
        before
    );
    assert_eq!(rows(sqlite(&doctors).as_ref()).await, 0);
}

#[test]
fn a_store_that_is_down_is_said() {
    let down = |place: Place| {
        place
            .set("NOCODB_URL", "http://127.0.0.1:1")
            .set("NOCODB_API_TOKEN", "se-cret")
            .set("NOCODB_BASE_ID", "p1")
            .set("NOCODB_TABLE_ID", "m1")
    };
    let place = down(laptop());
    let serving = Serving::start(&place);
    let ran = doctor(&place, &serving.url);
    only_wrong(&ran, "a visit cannot be recorded: ");
    assert!(!ran.out.contains("se-cret"), "{ran:?}");
}

#[tokio::test]
async fn an_api_that_is_closed_around_the_site_is_asked_through_it() {
    let place = laptop().set("EDGE_SECRET", SECRET);
    let serving = Serving::start(&place);
    let passes = |secret: &'static str| {
        move |head: String| Act::Pass(with(&head, &format!("x-lastseen-edge: {secret}")))
    };
    let good = proxy(&serving.url, passes(SECRET), |head| head);
    let ran = place.run(&["doctor", "--url", &good, "--api", &serving.url]);
    assert_eq!((ran.code, ran.marked('✗')), (0, vec![]), "{ran:?}");
    assert!(ran.out.contains("✓ around the site, http://"), "{ran:?}");
    assert_eq!(rows(sqlite(&place).as_ref()).await, 0);

    let wrong = proxy(
        &serving.url,
        passes("another-secret-of-over-32-characters"),
        |head| head,
    );
    let ran = doctor(&place, &wrong);
    let part = "is answered with 403 (not-through-the-site) — what stands in front sends another";
    assert!(ran.marked('✗')[0].contains(part), "{ran:?}");
    assert_eq!((ran.code, rows(sqlite(&place).as_ref()).await), (1, 0));

    let open = laptop();
    let open = Serving::start(&open);
    let ran = place.run(&["doctor", "--url", &good, "--api", &open.url]);
    only_wrong(
        &ran,
        "is answered with 200, and not with 403 (not-through-the-site)",
    );
    let ran = place.run(&["doctor", "--url", &good, "--api", "http://127.0.0.1:1"]);
    assert_eq!((ran.code, ran.marked('!').len()), (0, 1), "{ran:?}");
}

#[test]
fn a_site_that_does_not_answer_is_asked_once() {
    let ran = doctor(&laptop(), "http://127.0.0.1:1");
    only_wrong(&ran, "http://127.0.0.1:1/ could not be reached: ");
    assert!(ran.marked('✓').is_empty(), "{ran:?}");
    for arguments in [
        &["doctor", "--url", "www.example.com"][..],
        &["doctor", "--url", "http://127.0.0.1/access/"],
        &["doctor", "--api", "http://127.0.0.1"],
    ] {
        assert_eq!(laptop().run(arguments).code, 2, "{arguments:?}");
    }
    let ran = doctor(
        &laptop().set("SSL_CERT_FILE", "nowhere.pem"),
        "https://127.0.0.1:1",
    );
    assert!(
        ran.err
            .starts_with("lastseen: SSL_CERT_FILE: nowhere.pem: "),
        "{ran:?}"
    );
}

#[test]
fn without_the_sites_settings_the_rest_is_checked_and_nothing_made() {
    let place = laptop();
    let serving = Serving::start(&place);
    let elsewhere = Place::new();
    let ran = doctor(&elsewhere, &serving.url);
    assert_eq!((ran.code, ran.marked('!').len()), (0, 1), "{ran:?}");
    let line = "no visit was tried: set NOCODB_URL and what belongs to it, SESSION_KEYS as";
    assert!(ran.marked('!')[0].starts_with(line), "{ran:?}");
    assert!(!elsewhere.path("data").exists());
}

#[tokio::test]
async fn whoever_may_come_in_is_who_comes() {
    for (allowed, denied, is_tried) in [
        ("@b.example", "", true),
        ("ann@b.example", "", true),
        ("ann@b.example", "@b.example", false),
    ] {
        let place = laptop()
            .set("ALLOWED_EMAILS", allowed)
            .set("DENIED_EMAILS", denied);
        let serving = Serving::start(&place);
        let store = sqlite(&place);
        let now = Timestamp::now();
        let ann = visit(store.as_ref(), "ann@b.example", now, 0, None).await;
        let ran = doctor(&place, &serving.url);
        assert_eq!((ran.code, ran.marked('✗')), (0, vec![]), "{ran:?}");
        let tried = ran.out.contains("✓ the visit's row is deleted");
        assert_eq!(tried, is_tried, "{ran:?}");
        assert!(!ran.out.contains("ann@"), "{ran:?}");
        // Their own visit goes on, though the doctor logged out in their name.
        assert_eq!(store.get(&ann).await.unwrap().end_reason, None);
        assert_eq!(rows(store.as_ref()).await, 1);
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_deleted_is_named() {
    let place = laptop();
    drop(sqlite(&place));
    let database = rusqlite::Connection::open(place.path("data/lastseen.db")).unwrap();
    let keep =
        "CREATE TRIGGER keep BEFORE DELETE ON emailAccess BEGIN SELECT RAISE(ABORT, 'kept'); END";
    database.execute_batch(keep).unwrap();
    let serving = Serving::start(&place);
    let ran = doctor(&place, &serving.url);
    only_wrong(&ran, "the visit's row 1 could not be deleted: SQLite: kept");
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_visit_in_nocodb_leaves_no_row() {
    let base = Base::new("doctor live").await;
    for (title, columns, minds) in [("all", all(), 0), ("required", REQUIRED.to_vec(), 1)] {
        let table = base.table(title, &columns).await;
        let place = with_pages(base.place()).set("NOCODB_TABLE_ID", &table);
        let serving = Serving::start(&place);
        let ran = doctor(&place, &serving.url);
        let found = (ran.code, ran.marked('✗'), ran.marked('!').len());
        assert_eq!(found, (0, vec![], minds), "{ran:?}");
        assert!(ran.out.contains("✓ the visit's row is deleted"), "{ran:?}");
        assert_eq!(rows(base.store(&table).as_ref()).await, 0);
    }
}
