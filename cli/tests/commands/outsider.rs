//! What an owner gets wrong, and what must not come of it: a page that is open, or a secret that is served.

use crate::place::Place;

/// Every command that reads settings stops alike.
#[test]
fn a_misspelt_setting_stops_every_command_and_names_the_right_one() {
    for (given, name) in [
        ("PROTECTED_PREFIX", "PROTECTED_PREFIXES"),
        ("ALLOWED_EMAIL", "ALLOWED_EMAILS"),
    ] {
        for command in [
            &["serve"][..],
            &["files"],
            &["sessions"],
            &["visitors"],
            &["setup"],
            &["demo"],
            &["notify", "--test"],
            &["keys", "edge"],
            &["admin", "link"],
        ] {
            let place = Place::new().with_site().set(given, "/investors");
            let ran = place.run(command);
            assert_eq!(
                (ran.code, ran.err.lines().count()),
                (1, 1),
                "{command:?}: {ran:?}"
            );
            assert!(
                ran.err.starts_with(&format!("lastseen: {name}: ")),
                "{ran:?}"
            );
            assert!(ran.err.contains(given), "{ran:?}");
            assert!(!place.path("data").exists(), "{command:?}");
        }
        let place = Place::new().with_site().set(given, "/investors");
        let ran = place.run(&["doctor"]);
        assert_eq!(ran.code, 1);
        let wrong = ran.marked('\u{2717}');
        assert!(
            wrong
                .iter()
                .any(|line| line.contains(given) && line.contains(name)),
            "{ran:?}"
        );
    }
}

/// The report was at `/investors/q3/`, and the prefix meant for it was none.
#[test]
fn a_site_on_which_nothing_would_be_closed_is_not_served() {
    for (settings, name, part) in [
        (
            &[("DEFAULT_REDIRECT", "/investors/q3/")][..],
            "DEFAULT_REDIRECT",
            "open to everybody",
        ),
        (&[], "PROTECTED_PREFIXES", "`/portfolio/confidential`"),
        (
            &[("PROTECTED_PREFIXES", "/investor")],
            "PROTECTED_PREFIXES",
            "`/investor`",
        ),
        (
            &[("PROTECTED_PREFIXES", "/investors,/empty")],
            "PROTECTED_PREFIXES",
            "`/empty`",
        ),
        (
            &[("PROTECTED_PREFIXES", "/investors/*")],
            "PROTECTED_PREFIXES",
            "write `/investors`",
        ),
    ] {
        let place = Place::new();
        place.write("static/access/index.html", "<form></form>");
        place.write("static/lastseen.js", "");
        place.write("static/investors/q3/index.html", "");
        std::fs::create_dir(place.path("static/empty")).unwrap();
        let place = settings
            .iter()
            .fold(place, |place, (name, value)| place.set(name, *value));
        let ran = place.run(&["serve"]);
        assert_eq!((ran.code, ran.err.lines().count()), (1, 1), "{ran:?}");
        assert!(
            ran.err.starts_with(&format!("lastseen: {name}: ")),
            "{ran:?}"
        );
        assert!(ran.err.contains(part), "{ran:?}");
        let doctor = place.run(&["doctor"]);
        assert_eq!(doctor.code, 1, "{doctor:?}");
        let wrong = doctor.marked('\u{2717}').join("\n");
        assert!(wrong.contains(name) && wrong.contains(part), "{doctor:?}");
    }
}

#[test]
fn data_below_the_site_stops_the_start_and_is_never_listed() {
    for (folder, database) in [
        (".", None),
        ("./", None),
        ("static/..", None),
        ("static", Some("static/lastseen.db")),
        ("static", Some("static/data/lastseen.db")),
        ("static", Some("data/../static/x.db")),
    ] {
        let place = Place::new().with_site().set("STATIC_DIR", folder);
        let place = match database {
            Some(path) => place.set("DATABASE_PATH", path),
            None => place,
        };
        for command in ["serve", "files"] {
            let ran = place.run(&[command]);
            assert_eq!((ran.code, ran.err.lines().count()), (1, 1), "{ran:?}");
            assert!(
                ran.err.contains("STATIC_DIR") && ran.err.contains("DATABASE_PATH"),
                "{ran:?}"
            );
            assert_eq!(ran.out, "", "{command} {folder}");
        }
        let doctor = place.run(&["doctor"]);
        let wrong = doctor.marked('\u{2717}').join("\n");
        assert!(
            wrong.contains("STATIC_DIR") && doctor.code == 1,
            "{doctor:?}"
        );
        assert!(!place.path("static/data").exists() && !place.path("data").exists());
    }
}

#[cfg(unix)]
#[test]
fn files_that_lead_elsewhere_or_are_protected_elsewhere_are_left_out() {
    let place = Place::new().with_site();
    place.write("data/admin-token", "secret");
    place.write("elsewhere.txt", "x");
    place.write("static/lastseen.env", "ADMIN_TOKEN=x");
    let protected = place.path("static/portfolio/confidential/index.html");
    for (target, name) in [
        (place.path("data/admin-token"), "static/token.txt"),
        (place.path("data"), "static/backup"),
        (place.path("elsewhere.txt"), "static/elsewhere.txt"),
        (protected, "static/open.html"),
    ] {
        std::os::unix::fs::symlink(target, place.path(name)).unwrap();
    }
    std::fs::hard_link(
        place.path("data/admin-token"),
        place.path("static/hard.txt"),
    )
    .unwrap();
    let ran = place.run(&["files"]);
    let names: Vec<String> = ran
        .out
        .lines()
        .map(|line| {
            let file: serde_json::Value = serde_json::from_str(line).unwrap();
            let is_kept = file["crossOriginResourcePolicy"] == "same-origin";
            assert_eq!(is_kept, file["cacheControl"] == "no-store", "{line}");
            file["name"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(
        names,
        [
            "access/index.html",
            "admin/index.html",
            "lastseen.js",
            "portfolio/confidential/index.html"
        ]
    );
    for name in [
        "token.txt",
        "hard.txt",
        "elsewhere.txt",
        "open.html",
        "lastseen.env",
    ] {
        assert!(ran.err.contains(name), "{name}: {ran:?}");
    }
}
