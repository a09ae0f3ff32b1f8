//! `lastseen keys rotate` and `keys edge`: on the file that `serve` keeps, as a filter, and what
//! they refuse.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use crate::place::{Place, Ran};

const OLD: &str = "old:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const NEW: &str = "new:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const FILE: &str = "data/session-keys";

fn with_file(keys: &str) -> Place {
    let place = Place::new();
    place.write(FILE, &format!("{keys}\n"));
    place
}

fn in_file(place: &Place) -> String {
    fs::read_to_string(place.path(FILE)).unwrap()
}

fn age(place: &Place, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    let file = fs::File::options().write(true).open(place.path(FILE));
    file.unwrap().set_modified(then).unwrap();
}

fn piped(place: &Place, arguments: &[&str], keys: &str) -> Ran {
    let mut child = place
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(keys.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap().into()
}

#[test]
fn the_file_of_serve_is_rotated_in_one_go_and_the_old_key_retired_two_days_later() {
    let place = with_file(OLD);
    let ran = place.run(&["keys", "rotate"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    assert!(ran.err.contains("Restart `lastseen serve` now"), "{ran:?}");
    assert!(ran.err.contains("--step retire"), "{ran:?}");
    let rotated = in_file(&place);
    let (signing, verifying) = rotated.trim().split_once(',').unwrap();
    assert_eq!(verifying, OLD);
    assert!(!ran.err.contains(signing.split_once(':').unwrap().1));

    let too_early = place.run(&["keys", "rotate", "--step", "retire"]);
    assert_eq!(too_early.code, 1, "{too_early:?}");
    assert!(too_early.err.starts_with("lastseen: retire: "));
    assert_eq!(in_file(&place), rotated);

    age(&place, 2 * 86_400 + 1);
    let ran = place.run(&["keys", "rotate", "--step", "retire"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(in_file(&place), format!("{signing}\n"));
}

#[test]
fn a_longer_session_lifetime_keeps_the_old_key_longer() {
    let place = with_file(&format!("{NEW},{OLD}")).set("SESSION_LIFETIME_SECONDS", "864000");
    age(&place, 2 * 86_400 + 1);
    let ran = place.run(&["keys", "rotate", "--step", "retire"]);
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_the_rewritten_file_and_nothing_is_left_beside_it() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = with_file(OLD);
    let file = place.path("elsewhere");
    fs::rename(place.path(FILE), &file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    symlink(&file, place.path(FILE)).unwrap();
    assert_eq!(place.run(&["keys", "rotate"]).code, 0);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(fs::symlink_metadata(place.path(FILE)).unwrap().is_symlink());
    assert_eq!(fs::read_dir(place.path("data")).unwrap().count(), 1);
}

#[test]
fn as_a_filter_it_prints_the_keys_of_each_step_and_nothing_else() {
    let place = Place::new();
    let rotate = |step: &[&str], keys: &str| {
        let arguments = [&["keys", "rotate", "--stdin", "--step"], step].concat();
        let ran = piped(&place, &arguments, keys);
        assert_eq!((ran.code, ran.out.lines().count()), (0, 1), "{ran:?}");
        assert!(
            !ran.err.contains("AAAA") && !ran.err.contains("AQEB"),
            "{ran:?}"
        );
        ran.out.trim().to_owned()
    };
    let published = rotate(&["publish"], &format!("{OLD}\n"));
    let (first, second) = published.split_once(',').unwrap();
    assert_eq!(first, OLD);
    let signing = rotate(&["sign"], &published);
    assert_eq!(signing, format!("{second},{OLD}"));
    let since = ["retire", "--since", "2026-01-02T03:04:05Z"];
    assert_eq!(rotate(&since, &signing), second);
    assert!(!place.path("data").exists());
}

#[test]
fn keys_in_the_environment_are_printed_and_the_file_is_left_alone() {
    let place = with_file(NEW).set("SESSION_KEYS", OLD);
    let ran = place.run(&["keys", "rotate", "--step", "publish"]);
    assert!(ran.out.starts_with(&format!("{OLD},")), "{ran:?}");
    assert_eq!(in_file(&place), format!("{NEW}\n"));
}

#[test]
fn what_would_log_people_out_is_refused_in_one_line_and_changes_nothing() {
    let both = format!("{NEW},{OLD}");
    for (keys, arguments, line) in [
        (OLD, &["--step", "sign"][..], "sign: two keys are needed"),
        (OLD, &["--step", "retire"], "retire: there is one key"),
        (&both, &[], "publish: there are 2 keys"),
        (&both, &["--step", "publish"], "publish: there are 2 keys"),
        (
            &both,
            &["--step", "retire"],
            "retire: the first key has been signing since",
        ),
        (
            "nonsense",
            &[],
            "data/session-keys: key 1: write it as kid:base64",
        ),
        ("", &[], "data/session-keys: key 1: write it as kid:base64"),
    ] {
        let place = with_file(keys);
        let ran = place.run(&[&["keys", "rotate"], arguments].concat());
        assert_eq!((ran.code, ran.err.lines().count()), (1, 1), "{ran:?}");
        assert!(ran.err.contains(line), "{line}: {ran:?}");
        assert_eq!(in_file(&place), format!("{keys}\n"));
    }
    for (keys, arguments, line) in [
        (
            OLD,
            &["keys", "rotate", "--stdin"][..],
            "say which, as --step",
        ),
        (
            &both,
            &["keys", "rotate", "--stdin", "--step", "retire"],
            "say since when",
        ),
        (
            "",
            &["keys", "rotate", "--stdin", "--step", "publish"],
            "SESSION_KEYS: key 1",
        ),
    ] {
        let ran = piped(&Place::new(), arguments, keys);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
        assert!(ran.err.contains(line), "{line}: {ran:?}");
    }
}

#[test]
fn without_keys_it_says_where_it_looked() {
    let ran = Place::new().run(&["keys", "rotate"]);
    assert!(
        ran.err
            .contains("SESSION_KEYS is not set, and data/session-keys"),
        "{ran:?}"
    );
    let in_ssm = Place::new().set("SESSION_KEYS_PARAMETER", "/site/session-keys");
    let ran = in_ssm.run(&["keys", "rotate", "--step", "publish"]);
    assert!(ran.err.contains("--stdin"), "{ran:?}");
}

#[test]
fn the_edge_is_told_the_keys_and_the_site_it_guards() {
    let site = || Place::new().set("SITE_AUDIENCE", "www.example.com");
    let ran = piped(
        &site(),
        &["keys", "edge", "--stdin"],
        &format!("{NEW},{OLD}\n"),
    );
    assert_eq!(
        ran.out,
        concat!(
            r#"{"audience":"www.example.com","fresh":60,"gate":"/access/","keys":{"#,
            r#""new":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=","#,
            r#""old":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},"lifetime":86400,"#,
            r#""prefixes":["/portfolio/confidential"]}"#,
            "\n"
        ),
        "{ran:?}"
    );
    let recall = [
        "keys",
        "edge",
        "--stdin",
        "--not-before",
        "2026-01-02T03:04:05Z",
    ];
    let ran = piped(&site(), &recall, OLD);
    assert!(ran.out.contains(r#""notBefore":1767323045"#), "{ran:?}");
    let ran = piped(&site(), &["keys", "edge", "--not-before", "now"], OLD);
    assert!(ran.code != 0 && ran.out.is_empty(), "{ran:?}");
    let ran = Place::new().set("SESSION_KEYS", OLD).run(&["keys", "edge"]);
    assert!(ran.err.starts_with("lastseen: SITE_AUDIENCE: "), "{ran:?}");
    let long = format!("/{}", "a".repeat(1000));
    let ran = piped(
        &site().set("PROTECTED_PREFIXES", long),
        &["keys", "edge", "--stdin"],
        OLD,
    );
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.err.starts_with("lastseen: PROTECTED_PREFIXES: "),
        "{ran:?}"
    );
}
