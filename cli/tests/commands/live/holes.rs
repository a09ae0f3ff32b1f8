//! Gates that look closed and are not.

use super::*;

/// A page that a gate let through, as it should be served.
fn figures() -> Act {
    Act::Say("HTTP/1.1 200 OK\r\nconnection: close\r\ncache-control: no-store\r\ncontent-length: 7\r\n\r\nfigures".to_owned())
}

fn is_for(head: &str, file: &str) -> bool {
    head.starts_with(&format!("GET {PAGE}{file} "))
}

#[tokio::test]
async fn a_gate_with_a_hole_is_found_out() {
    type Ask = fn(String) -> Act;
    let cases: [(&str, Ask); 6] = [
        (
            "/portfolio/confidential/index.html is answered with 200, and not",
            |head| {
                if is_for(&head, "index.html") {
                    figures()
                } else {
                    Act::Pass(head)
                }
            },
        ),
        (
            "/portfolio/confidential/lastseen-doctor.svg is answered with 404, and not",
            |head| {
                if is_for(&head, "lastseen-doctor.svg") {
                    let none = "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0";
                    Act::Say(format!("{none}\r\n\r\n"))
                } else {
                    Act::Pass(head)
                }
            },
        ),
        ("asked for by no navigation, http", |head| {
            if is_for(&head, "") && header(&head, "sec-fetch-mode").is_none() {
                figures()
            } else {
                Act::Pass(head)
            }
        }),
        ("with a forged session, http", |head| {
            let cookie = header(&head, "cookie").unwrap_or_default();
            if is_for(&head, "") && cookie.contains("lastseen=") {
                figures()
            } else {
                Act::Pass(head)
            }
        }),
        ("(to /access/ and to /elsewhere/), and not", |head| {
            if is_for(&head, "") && header(&head, "cookie").is_none() {
                let both = "location: /access/\r\nlocation: /elsewhere/\r\ncontent-length: 0";
                Act::Say(format!(
                    "HTTP/1.1 302 Found\r\nconnection: close\r\n{both}\r\n\r\n"
                ))
            } else {
                Act::Pass(head)
            }
        }),
        ("more than one Location", |head| {
            if head.starts_with("GET /api/session-refresh ") {
                let both = "location: /access/\r\nlocation: /access/\r\ncontent-length: 0";
                Act::Say(format!(
                    "HTTP/1.1 302 Found\r\nconnection: close\r\n{both}\r\n\r\n"
                ))
            } else {
                Act::Pass(head)
            }
        }),
    ];
    let place = laptop();
    let serving = Serving::start(&place);
    for (part, ask) in cases {
        let url = proxy(&serving.url, ask, |head| head);
        only_wrong(&doctor(&place, &url), part);
        assert_eq!(rows(sqlite(&place).as_ref()).await, 0, "{part}");
    }
}

#[test]
fn a_page_that_is_a_file_or_a_bare_folder_is_looked_around_too() {
    for (page, file) in [
        ("/portfolio/confidential/index.html", "index.html"),
        ("/portfolio/confidential", ""),
    ] {
        let place = laptop().set("DEFAULT_REDIRECT", page);
        let serving = Serving::start(&place);
        let ran = doctor(&place, &serving.url);
        let around = ran
            .out
            .contains("/portfolio/confidential/ every file needs");
        // `serve` sends a bare folder on to the one with a slash.
        assert_eq!(
            (around, ran.marked('✗').is_empty()),
            (true, !file.is_empty()),
            "{ran:?}"
        );
    }
}
