//! `lastseen files`: which files of a site there are for others, and with which headers.

use crate::place::Place;

fn site(files: &[&str]) -> Place {
    let place = Place::new();
    for file in files {
        place.write(&format!("static/{file}"), "x");
    }
    place
}

/// Name, content type and cache header of each.
fn listed(place: &Place) -> Vec<(String, String, String)> {
    let ran = place.run(&["files"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let read = |line: &str| {
        let file: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |member: &str| file[member].as_str().unwrap().to_owned();
        (text("name"), text("contentType"), text("cacheControl"))
    };
    ran.out.lines().map(read).collect()
}

#[test]
fn text_names_its_charset_and_what_is_protected_is_kept_nowhere() {
    let place = site(&[
        "index.html",
        "style.css",
        "logo.svg",
        "data",
        "Deck/a b.html",
        "access/index.html",
    ]);
    let place = place.set("PROTECTED_PREFIXES", "/deck");
    let expected = [
        ("Deck/a b.html", "text/html; charset=utf-8", "no-store"),
        ("access/index.html", "text/html; charset=utf-8", "no-cache"),
        ("data", "application/octet-stream", "no-cache"),
        ("index.html", "text/html; charset=utf-8", "no-cache"),
        ("logo.svg", "image/svg+xml", "no-cache"),
        ("style.css", "text/css; charset=utf-8", "no-cache"),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(listed(&place), expected);
}

#[test]
fn hidden_files_and_those_without_an_address_are_left_out() {
    let place = site(&[
        ".env",
        ".git/config",
        ".well-known/security.txt",
        "a%41.html",
        "index.html",
    ]);
    let names: Vec<String> = listed(&place).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, [".well-known/security.txt", "index.html"]);
    assert!(place.run(&["files"]).err.contains("a%41.html"));
}

#[cfg(unix)]
#[test]
fn a_link_back_up_does_not_go_on_for_ever() {
    let place = site(&["page/index.html"]);
    std::os::unix::fs::symlink(place.path("static"), place.path("static/page/up")).unwrap();
    assert_eq!(listed(&place).len(), 1);
}

#[test]
fn without_the_folder_it_says_so() {
    let ran = Place::new().run(&["files"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("STATIC_DIR"), "{ran:?}");
}
