use std::collections::HashMap;

use super::*;

fn protected(prefixes: &[&str]) -> ProtectedPaths {
    let prefixes: Vec<String> = prefixes.iter().map(|text| (*text).to_owned()).collect();
    ProtectedPaths::new(&prefixes, "/access/").unwrap()
}

fn path(text: &str) -> SitePath {
    SitePath::normalise(text).unwrap()
}

/// A folder with these files, and `deck/` protected in it.
fn site(files: &[&str]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for file in files {
        let file = home.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "x").unwrap();
    }
    home
}

/// Stands in for a file system that takes these spellings for those names (APFS, NTFS): Linux has none
/// that can be had without privileges.
struct Folding {
    spellings: HashMap<&'static str, &'static str>,
    /// Whether real paths are spelt as they were asked for, as `realpath` does on some systems.
    keeps_spelling: bool,
}

impl Folding {
    fn folded(&self, path: &Path) -> PathBuf {
        path.components()
            .map(|component| {
                let name = component.as_os_str();
                let spelt = name.to_str().and_then(|name| self.spellings.get(name));
                spelt.map_or_else(|| PathBuf::from(name), PathBuf::from)
            })
            .collect()
    }
}

impl FileSystem for Folding {
    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        let real = Machine.real(&self.folded(path))?;
        Ok(if self.keeps_spelling {
            path.to_owned()
        } else {
            real
        })
    }

    fn is_same(&self, a: &Path, b: &Path) -> bool {
        Machine.is_same(&self.folded(a), &self.folded(b))
    }
}

#[test]
fn spellings_that_only_the_file_system_folds_open_nothing_that_is_closed() {
    let home = site(&["caf\u{e9}/q3.html", "open.html"]);
    let root = fs::canonicalize(home.path()).unwrap();
    for keeps_spelling in [false, true] {
        let system = Folding {
            spellings: [
                ("cafe\u{301}", "caf\u{e9}"),
                ("CAF~1", "caf\u{e9}"),
                ("\u{ff43}af\u{e9}", "caf\u{e9}"),
                ("Q3~1.HTM", "q3.html"),
                ("OPEN~1.HTM", "open.html"),
            ]
            .into(),
            keeps_spelling,
        };
        let folder = Folder::open_in(Arc::new(system), &root, Vec::new()).unwrap();
        let closed = protected(&["/caf\u{e9}"]);
        for asked in [
            "/caf\u{e9}/q3.html",
            "/cafe\u{301}/q3.html",
            "/CAF~1/q3.html",
            "/\u{ff43}af\u{e9}/Q3~1.HTM",
        ] {
            match folder.place(&closed, &path(asked)) {
                Place::Served(seen_as) => assert!(closed.contain(&seen_as), "{asked}"),
                Place::Nowhere(why) => panic!("{asked}: {why}"),
            }
        }
        // A prefix that is a file is known by another name, too.
        let closed = protected(&["/open.html"]);
        let place = folder.place(&closed, &path("/OPEN~1.HTM"));
        assert!(matches!(place, Place::Served(seen_as) if closed.contain(&seen_as)));
    }
}

#[cfg(unix)]
#[test]
fn a_link_is_what_it_leads_to() {
    use std::os::unix::fs::symlink;
    let home = site(&[
        "site/deck/q3.pdf",
        "site/deck/index.html",
        "site/open/a.html",
        "site/.git/config",
        "site/lastseen.env",
        "data/lastseen.db",
        "elsewhere.txt",
    ]);
    let at = |name: &str| home.path().join(name);
    for (target, name) in [
        (at("site/deck/q3.pdf"), "site/open/q3.pdf"),
        (at("site/deck"), "site/open/again"),
        (at("elsewhere.txt"), "site/open/elsewhere.txt"),
        (at("data"), "site/open/data"),
        (at("site/.git/config"), "site/open/config.txt"),
        (at("site/lastseen.env"), "site/open/settings.txt"),
        (at("site/open/a.html"), "site/open/b.html"),
        (at("site/open"), "site/deck/open"),
        (at("nowhere"), "site/open/broken"),
    ] {
        symlink(target, at(name)).unwrap();
    }
    fs::hard_link(at("data/lastseen.db"), at("site/open/copy.bin")).unwrap();
    let private = vec![at("data/lastseen.db"), at("data/lastseen.db-wal")];
    let folder = Folder::open(&at("site"), private).unwrap();
    let closed = protected(&["/deck"]);
    let seen_as = |asked: &str| match folder.place(&closed, &path(asked)) {
        Place::Served(seen_as) => Ok(seen_as.as_str().to_owned()),
        Place::Nowhere(why) => Err(why),
    };
    for (asked, expected) in [
        ("/open/a.html", Ok("/open/a.html")),
        ("/open/b.html", Ok("/open/b.html")),
        ("/deck/q3.pdf", Ok("/deck/q3.pdf")),
        ("/open/q3.pdf", Ok("/deck/q3.pdf")),
        ("/open/again/q3.pdf", Ok("/deck/q3.pdf")),
        ("/open/again/", Ok("/deck/index.html")),
        ("/open/again", Ok("/deck/index.html")),
        // What was asked for is closed, whatever it leads to.
        ("/deck/open/a.html", Ok("/deck/open/a.html")),
        ("/open/elsewhere.txt", Err(OUTSIDE)),
        ("/open/data/lastseen.db", Err(PRIVATE)),
        ("/open/copy.bin", Err(PRIVATE)),
        ("/open/config.txt", Err(HIDDEN)),
        ("/open/settings.txt", Err(HIDDEN)),
        ("/lastseen.env", Err(HIDDEN)),
        ("/.git/config", Err(HIDDEN)),
        ("/open/broken", Err(MISSING)),
        ("/open/none", Err(MISSING)),
    ] {
        assert_eq!(seen_as(asked), expected.map(str::to_owned), "{asked}");
    }
    // What SQLite makes later is known as soon as it is there.
    fs::write(at("data/lastseen.db-wal"), "x").unwrap();
    fs::hard_link(at("data/lastseen.db-wal"), at("site/open/wal.bin")).unwrap();
    assert_eq!(seen_as("/open/wal.bin"), Err(PRIVATE));
}

#[cfg(unix)]
#[test]
fn data_below_the_site_is_found_by_its_real_path() {
    use std::os::unix::fs::symlink;
    let home = site(&["site/index.html", "data/lastseen.db"]);
    let at = |name: &str| home.path().join(name);
    symlink(at("site"), at("link")).unwrap();
    symlink(at("site/db"), at("db")).unwrap();
    fs::create_dir(at("site/db")).unwrap();
    for (folder, file, is_refused) in [
        ("site", "data/lastseen.db", false),
        ("site", "site2/lastseen.db", false),
        ("link", "data/lastseen.db", false),
        (".", "data/lastseen.db", true),
        ("site", "site/lastseen.db", true),
        ("site", "site/not/there/yet/lastseen.db", true),
        ("link", "site/lastseen.db", true),
        ("site", "link/lastseen.db", true),
        ("site", "db/lastseen.db", true),
        ("site/../site", "./data/../link/x.db", true),
        ("site", "none/../site/x.db", true),
        ("site", "site/../data/x.db", false),
        ("site", "link/../x.db", false),
    ] {
        let opened = Folder::open(&at(folder), vec![at(file)]);
        let line = opened.err();
        assert_eq!(line.is_some(), is_refused, "{folder} {file}");
        if let Some(line) = line {
            assert!(
                line.contains("DATABASE_PATH") && line.contains("STATIC_DIR"),
                "{line}"
            );
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
    let system = Folding {
        spellings: [("SITE", "site")].into(),
        keeps_spelling: true,
    };
    let opened = Folder::open_in(
        Arc::new(system),
        &at("site"),
        vec![at("SITE/data/lastseen.db")],
    );
    assert!(opened.is_err(), "another case of the folder's name");
}

#[test]
fn a_prefix_has_something_below_it_or_not() {
    let home = site(&["Deck/a.html", "only.pdf", "full/of/folders/x"]);
    fs::create_dir_all(home.path().join("empty/folder")).unwrap();
    let folder = Folder::open(home.path(), Vec::new()).unwrap();
    for (prefix, expected) in [
        ("/", true),
        ("/deck", true),
        ("/Deck", true),
        ("/full", true),
        ("/only.pdf", true),
        ("/empty", false),
        ("/decks", false),
        ("/deck/b", false),
    ] {
        assert_eq!(folder.has(prefix), expected, "{prefix}");
    }
}
