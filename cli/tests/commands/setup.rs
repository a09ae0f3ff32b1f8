//! `lastseen setup`, on a real NocoDB.

use shared::app::open_store;
use shared::session::EndReason;
use shared::settings::{StoreSettings, Variables};

use crate::place::{Place, Ran};
use crate::tables::{Base, OPTIONAL, REQUIRED, all, server, token};
use crate::visits::{START, visit};

fn owned(columns: &[(&str, &str)]) -> Vec<(String, String)> {
    columns
        .iter()
        .map(|(title, kind)| ((*title).to_owned(), (*kind).to_owned()))
        .collect()
}

/// What the last line says to put into the environment.
fn table_id(ran: &Ran) -> &str {
    ran.out
        .lines()
        .last()
        .and_then(|line| line.strip_prefix("NOCODB_TABLE_ID="))
        .unwrap()
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn setup_makes_the_table_and_a_second_run_changes_nothing() {
    let base = Base::new("setup new").await;
    let place = base.place();
    let first = place.run(&["setup"]);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(
        first.out.starts_with("+ made the table emailAccess ("),
        "{first:?}"
    );
    let schema = base.schema(table_id(&first)).await;
    assert_eq!(schema.title, "emailAccess");
    assert_eq!(base.columns(&schema.id).await, owned(&all()));

    let second = place.run(&["setup"]);
    assert!(second.out.contains("nothing to change"), "{second:?}");
    assert_eq!((second.code, table_id(&second)), (0, table_id(&first)));
    assert_eq!(base.schema(&schema.id).await, schema);
    assert_eq!(base.client.tables(&base.id).await.unwrap().len(), 1);
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_visit_fits_the_table_that_setup_makes() {
    let base = Base::new("setup visit").await;
    let ran = base.place().run(&["setup"]);
    assert_eq!(
        recorded(&base, table_id(&ran)).await,
        ("logout".to_owned(), 30, 85)
    );
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn setup_adds_what_a_table_lacks_and_leaves_the_rest() {
    let base = Base::new("setup complete").await;
    let mut columns = vec![("notes", "LongText")];
    columns.extend(REQUIRED);
    columns.push(OPTIONAL[2]);
    let table = base.table("emailAccess", &columns).await;
    let ran = base.place().run(&["setup"]);
    assert_eq!((ran.code, table_id(&ran)), (0, table.as_str()));
    let added = [
        "endReason (SingleLineText)",
        "endedAt (DateTime)",
        "currentPage (SingleLineText)",
        "pages (JSON)",
        "consentVersion (SingleLineText)",
    ];
    assert_eq!(
        ran.marked('+'),
        added.map(|name| format!("added the column {name}")),
        "{ran:?}"
    );
    columns.extend([
        OPTIONAL[0],
        OPTIONAL[1],
        OPTIONAL[3],
        OPTIONAL[4],
        OPTIONAL[5],
    ]);
    assert_eq!(base.columns(&table).await, owned(&columns));
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn setup_completes_the_table_that_is_set_whatever_its_name() {
    let base = Base::new("setup by id").await;
    let other = base.table("emailAccess", &REQUIRED).await;
    let table = base.table("Data room", &REQUIRED).await;
    let ran = base.place().set("NOCODB_TABLE_ID", &table).run(&["setup"]);
    assert!(
        ran.out.starts_with("✓ found the table Data room ("),
        "{ran:?}"
    );
    assert_eq!(table_id(&ran), table);
    assert_eq!(base.columns(&table).await, owned(&all()));
    assert_eq!(base.columns(&other).await, owned(&REQUIRED));
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_column_of_a_wrong_type_is_named_and_nothing_changes() {
    let base = Base::new("setup wrong").await;
    let columns = [
        REQUIRED[0],
        REQUIRED[1],
        ("sessionEndTime", "Date"),
        ("pages", "Number"),
        ("EndReason", "SingleLineText"),
    ];
    let table = base.table("emailAccess", &columns).await;
    let ran = base.place().run(&["setup"]);
    assert_eq!((ran.code, ran.marked('+')), (1, vec![]));
    for words in [
        "lastseen: the table emailAccess cannot be used as it is; nothing was changed:",
        "sessionEndTime has the type Date instead of DateTime",
        "pages has the type Number instead of JSON",
        "EndReason must be spelt endReason",
    ] {
        assert!(ran.err.contains(words), "{words}: {ran:?}");
    }
    assert_eq!(base.columns(&table).await, owned(&columns));
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_column_of_a_type_that_is_as_good_is_taken_and_holds_a_visit() {
    let base = Base::new("setup as good").await;
    for (email, reason, active) in [
        ("SingleLineText", "LongText", "Decimal"),
        ("LongText", "SingleLineText", "Duration"),
    ] {
        let columns = [
            ("emailOfAccessor", email),
            REQUIRED[1],
            REQUIRED[2],
            ("endReason", reason),
            ("activeSeconds", active),
        ];
        let table = base.table(&format!("with {email}"), &columns).await;
        let ran = base.place().set("NOCODB_TABLE_ID", &table).run(&["setup"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(recorded(&base, &table).await, ("logout".to_owned(), 30, 85));
    }
}

/// A minute's visit through the program's own store: the reason, the active seconds and the scroll
/// that came back.
async fn recorded(base: &Base, table: &str) -> (String, u64, u8) {
    let url = std::env::var("NOCODB_TEST_URL").unwrap();
    let settings = [
        ("NOCODB_URL", url.as_str()),
        ("NOCODB_API_TOKEN", &token()),
        ("NOCODB_BASE_ID", &base.id),
        ("NOCODB_TABLE_ID", table),
    ];
    let variables: Variables = owned(&settings).into_iter().collect();
    let store = open_store(&StoreSettings::read(&variables).unwrap(), None).unwrap();
    let id = visit(
        store.as_ref(),
        "ann@example.com",
        START,
        60,
        Some(EndReason::Logout),
    )
    .await;
    let session = store.get(&id).await.unwrap();
    assert_eq!(
        (session.email.as_str(), session.duration_seconds()),
        ("ann@example.com", 60)
    );
    let scroll = session.pages["/portfolio/confidential/"].scroll;
    (
        session.end_reason.unwrap().to_string(),
        session.active_seconds.unwrap(),
        scroll,
    )
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let base = Base::new("setup dry").await;
    let ran = base.place().run(&["setup", "--dry-run"]);
    assert!(
        ran.out
            .starts_with("+ would make the table emailAccess in the base "),
        "{ran:?}"
    );
    assert!(base.client.tables(&base.id).await.unwrap().is_empty());
    let table = base.table("emailAccess", &REQUIRED).await;
    let ran = base.place().run(&["setup", "--dry-run"]);
    assert_eq!(ran.marked('+').len(), OPTIONAL.len(), "{ran:?}");
    assert_eq!(base.columns(&table).await, owned(&REQUIRED));
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn without_a_base_setup_lists_those_the_token_sees() {
    let base = Base::new("setup \u{1b}[2J list").await;
    let ran = server().run(&["setup"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .starts_with("lastseen: NOCODB_BASE_ID: is missing; set it to"),
        "{ran:?}"
    );
    assert!(
        ran.err
            .lines()
            .any(|line| line.trim().starts_with(&base.id)),
        "{ran:?}"
    );
    assert!(!ran.err.contains('\u{1b}'), "{ran:?}");
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn what_cannot_be_reached_or_found_is_named_with_its_cure() {
    let base = Base::new("setup wrong ways").await;
    for (name, value, words) in [
        ("NOCODB_API_TOKEN", "se-cret", "set NOCODB_API_TOKEN"),
        ("NOCODB_BASE_ID", "pnowhere", "check NOCODB_BASE_ID"),
        (
            "NOCODB_TABLE_ID",
            "mnowhere",
            "check NOCODB_BASE_ID and NOCODB_TABLE_ID",
        ),
        ("NOCODB_URL", "http://127.0.0.1:1", "check NOCODB_URL"),
        ("NOCODB_URL", "nowhere", "NOCODB_URL: is not an address"),
        ("NOCODB_BASE_ID", "a/b", "NOCODB_BASE_ID: must be"),
    ] {
        let ran = base.place().set(name, value).run(&["setup"]);
        assert!(
            ran.err.starts_with("lastseen: ") && ran.err.contains(words),
            "{name}: {ran:?}"
        );
        assert_eq!(
            (ran.code, ran.err.lines().count(), ran.out.as_str()),
            (1, 1, ""),
            "{ran:?}"
        );
        assert!(
            !ran.err.contains("se-cret") && !ran.err.contains(&token()),
            "{ran:?}"
        );
    }
}

#[test]
fn setup_without_a_nocodb_says_what_it_needs() {
    let ran = Place::new().run(&["setup"]);
    assert!(
        ran.err.starts_with("lastseen: NOCODB_URL: is missing"),
        "{ran:?}"
    );
    assert_eq!(ran.code, 1);
}
