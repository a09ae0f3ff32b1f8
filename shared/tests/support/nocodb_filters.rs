//! What filters find on a real NocoDB.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;
use shared::nocodb::Filter;

use crate::place::{Place, fill, found, place};

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn every_nasty_email_finds_exactly_its_own_row() {
    let nasty = [
        "a@b.c",
        "A@b.c",
        "o'brien@b.c",
        "\"quoted\"@b.c",
        "a,b@b.c",
        "a(b)@b.c",
        "a)~or(email,neq,x",
        "x')~or('email',neq,'x",
        "'",
        "\"",
        "~or(email,notblank)",
        "~not",
        "~and",
        "%",
        "_",
        "a%40b.c",
        "%27",
        "%00",
        "a+b@b.c",
        "a b@b.c",
        " lead@b.c",
        "trail@b.c ",
        "new\nline@b.c",
        "cr\r@b.c",
        "tab\t@b.c",
        "back\\slash@b.c",
        "back\\'quote@b.c",
        "back\\\"quote@b.c",
        "null",
        "NULL",
        "true",
        "0",
        "007",
        "7",
        "1e3",
        "blank",
        "eq",
        "today",
        "exactDate",
        "ÅB@b.c",
        "A\u{30a}B@b.c",
        "日本@b.c",
        "😀@b.c",
        "a@b.c\u{a0}",
        "\u{200b}@b.c",
        "&x=1",
        "#x",
        "?",
        "??",
        ":field",
        "$1",
        "${x}",
        "`tick`",
        "[1]",
        "{}",
        "@x",
        "''",
        "\"\"",
        ",",
        "a,",
        ",a",
        "1,2",
        " ",
        "--",
        "/*",
        "a;b",
        "undefined",
        "\u{1}",
    ];
    let Place { table, .. } = place("nasty").await;
    for email in nasty {
        let row = table
            .create(&json!({ "email": email, "note": email }))
            .await
            .unwrap();
        assert_eq!(row.fields["email"], email);
    }
    for email in nasty {
        for field in ["email", "note"] {
            assert_eq!(
                found(&table, Filter::eq(field, email)).await,
                [email],
                "{field}"
            );
            assert_eq!(
                table.count(Some(&Filter::neq(field, email))).await.unwrap() + 1,
                nasty.len() as u64,
                "{field} {email:?}"
            );
        }
        let two = found(
            &table,
            Filter::eq("email", email).or(Filter::eq("note", "a@b.c")),
        )
        .await;
        assert_eq!(
            two.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            BTreeSet::from([email, "a@b.c"])
        );
        let none = Filter::eq("email", email).and(Filter::eq("note", "nobody"));
        assert_eq!(table.count(Some(&none)).await.unwrap(), 0, "{email:?}");
    }
    let some = &nasty[..20];
    assert_eq!(
        found(&table, Filter::is_in("email", some.iter().copied())).await,
        some
    );
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn conditions_combine_as_they_nest() {
    let Place { table, .. } = place("combined").await;
    fill(
        &table,
        &[
            json!({ "n": 0 }),
            json!({ "n": 1, "note": "x" }),
            json!({ "n": 2, "note": "" }),
            json!({ "n": 3, "note": "y" }),
            json!({}),
        ],
    )
    .await;
    let n = |n: i64| Filter::eq("n", n.to_string());
    for (filter, expected) in [
        (Filter::blank("note"), "024"),
        (Filter::not_blank("note"), "13"),
        (Filter::gt("n", 1), "23"),
        (Filter::ge("n", 1), "123"),
        (Filter::lt("n", 1), "0"),
        (Filter::le("n", 1), "01"),
        (Filter::neq("n", "1"), "0234"),
        (Filter::is_in("n", ["0"]).or(n(3)), "03"),
        (n(0).or(Filter::is_in("n", ["3"])), "03"),
        (n(0).or(n(1)).and(Filter::not_blank("note")), "1"),
        (Filter::not_blank("note").and(n(0).or(n(1))), "1"),
        (n(0).or(n(1).and(Filter::not_blank("note"))), "01"),
        (n(0).and(n(1)).or(n(2).and(Filter::blank("note"))), "2"),
        (
            n(0).and(n(1))
                .or(n(2))
                .or(n(3).and(Filter::eq("note", "y"))),
            "23",
        ),
    ] {
        assert_eq!(
            found(&table, filter.clone()).await.concat(),
            expected,
            "{filter:?}"
        );
    }
}

#[tokio::test]
#[ignore = "needs a real NocoDB"]
async fn times_compare_to_the_second() {
    let Place { table, .. } = place("times").await;
    let times = [
        "2026-01-01T23:59:59Z",
        "2026-01-02T03:04:04.999Z",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.900Z",
        "2026-01-02T03:04:06Z",
        "2026-01-03T00:00:00Z",
    ];
    let mut rows: Vec<_> = times.iter().map(|at| json!({ "at": at })).collect();
    rows.push(json!({}));
    fill(&table, &rows).await;
    for at in [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.7Z",
        "2026-01-02T05:04:05+02:00",
    ] {
        let at: Timestamp = at.parse().unwrap();
        assert_eq!(
            found(&table, Filter::at_or_after("at", at)).await.concat(),
            "2345",
            "{at}"
        );
        assert_eq!(
            found(&table, Filter::before("at", at)).await.concat(),
            "01",
            "{at}"
        );
    }
}
