//! What a browser reports: a cumulative snapshot, read leniently and bounded.

use serde_json::{Map, Value};

use percent_encoding::percent_decode_str;

use crate::session::{PageFigures, Pages, bounded};
use crate::site_path::SitePath;

/// In bytes; longer paths are not pages of a site but attempts to fill the table.
const MAX_PATH_LENGTH: usize = 300;
/// Above any session lifetime, so that arithmetic on it cannot overflow.
const MAX_SECONDS: u64 = 400 * 86_400;

/// A snapshot as read. Every member is optional: an empty body counts as "looking now".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The row id the figures belong to.
    pub session: Option<String>,
    /// Active seconds of the whole session.
    pub active_seconds: Option<u64>,
    /// Seconds since the visitor's last sign of life, which the idle deadline counts from.
    pub inactive_seconds: Option<u64>,
    /// Seconds since the visitor last looked.
    pub seen_seconds_ago: Option<u64>,
    /// The path of the page in front of the visitor.
    pub page: Option<String>,
    /// Figures by page.
    pub pages: Pages,
    /// Sent while leaving the page: its answer sets and clears no cookie.
    pub leaving: bool,
}

/// A member of the snapshot has the wrong type.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}")]
pub struct InvalidSnapshot {
    /// The member's name.
    pub field: &'static str,
    /// What it should have been.
    pub expected: &'static str,
}

impl Snapshot {
    /// Reads the members of a JSON object or of a form (whose values are all text).
    ///
    /// Numbers are rounded down and brought into range: negative ones to 0, scroll to 100. Paths
    /// that are none or too long, and all but the most read pages (see [`bounded`]), are left out, as are
    /// members this version does not know.
    ///
    /// # Errors
    /// [`InvalidSnapshot`] names the first member of a wrong type.
    pub fn read(fields: &Map<String, Value>) -> Result<Self, InvalidSnapshot> {
        Ok(Self {
            session: session_id(fields)?,
            active_seconds: seconds(fields, "activeSeconds")?,
            inactive_seconds: seconds(fields, "inactiveSeconds")?,
            seen_seconds_ago: seconds(fields, "seenSecondsAgo")?,
            page: text(fields, "page")?
                .map(page_name)
                .filter(|name| is_page_path(name)),
            pages: pages(fields)?,
            leaving: flag(fields, "leaving")?.unwrap_or(false),
        })
    }

    /// Whether the figures belong to this row. A snapshot that names no session is taken to (older
    /// pages' scripts name none).
    #[must_use]
    pub fn belongs_to(&self, record: &str) -> bool {
        self.session
            .as_deref()
            .is_none_or(|session| session == record)
    }
}

fn present<'a>(fields: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    fields
        .get(field)
        .filter(|value| !value.is_null() && value.as_str() != Some(""))
}

fn text<'a>(
    fields: &'a Map<String, Value>,
    field: &'static str,
) -> Result<Option<&'a str>, InvalidSnapshot> {
    present(fields, field)
        .map(|value| {
            value.as_str().ok_or(InvalidSnapshot {
                field,
                expected: "text",
            })
        })
        .transpose()
}

fn session_id(fields: &Map<String, Value>) -> Result<Option<String>, InvalidSnapshot> {
    const FIELD: &str = "session";
    present(fields, FIELD)
        .map(|value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(InvalidSnapshot {
                field: FIELD,
                expected: "a row id",
            }),
        })
        .transpose()
}

fn seconds(
    fields: &Map<String, Value>,
    field: &'static str,
) -> Result<Option<u64>, InvalidSnapshot> {
    present(fields, field)
        .map(|value| {
            whole(value).ok_or(InvalidSnapshot {
                field,
                expected: "a number of seconds",
            })
        })
        .transpose()
}

/// A JSON number, or a form's text that is one, rounded down into 0 to [`MAX_SECONDS`].
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to a range that f64 holds exactly"
)]
fn whole(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    (!number.is_nan()).then(|| number.clamp(0.0, MAX_SECONDS as f64) as u64)
}

/// Reads a yes-or-no member, in JSON or as a form's text.
///
/// # Errors
/// [`InvalidSnapshot`] for anything but true and false.
pub fn flag(
    fields: &Map<String, Value>,
    field: &'static str,
) -> Result<Option<bool>, InvalidSnapshot> {
    present(fields, field)
        .map(|value| match value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(InvalidSnapshot {
                field,
                expected: "true or false",
            }),
        })
        .transpose()
}

fn pages(fields: &Map<String, Value>) -> Result<Pages, InvalidSnapshot> {
    const WRONG: InvalidSnapshot = InvalidSnapshot {
        field: "pages",
        expected: "an object of {\"seconds\":…,\"scroll\":…} by path",
    };
    let Some(value) = present(fields, "pages") else {
        return Ok(Pages::new());
    };
    let by_path = value.as_object().ok_or(WRONG)?;
    let mut pages = Pages::new();
    for (path, figures) in by_path {
        let name = page_name(path);
        if !is_page_path(&name) {
            continue;
        }
        let figures = figures.as_object().ok_or(WRONG)?;
        let number = |name: &str| present(figures, name).map_or(Some(0), whole).ok_or(WRONG);
        let scroll = u8::try_from(number("scroll")?.min(100)).unwrap_or(100);
        // Several spellings of one page are one page.
        let page: &mut PageFigures = pages.entry(name).or_default();
        page.seconds = page
            .seconds
            .saturating_add(number("seconds")?)
            .min(MAX_SECONDS);
        page.scroll = page.scroll.max(scroll);
    }
    Ok(bounded(pages))
}

/// The one name of a page: its path, decoded and normalised, a folder's instead of its `index.html`, and
/// the route where a fragment follows. `lastseen.js` spells pages the same way.
#[must_use]
pub fn page_name(spelled: &str) -> String {
    let (path, route) = spelled
        .find('#')
        .map_or((spelled, ""), |at| spelled.split_at(at));
    let Some(path) = SitePath::normalise(path) else {
        return spelled.to_owned();
    };
    let path = path.as_str();
    let folder = ["index.html", "index.htm"].iter().find_map(|index| {
        path.strip_suffix(index)
            .filter(|folder| folder.ends_with('/'))
    });
    let route = percent_decode_str(route).decode_utf8();
    format!("{}{}", folder.unwrap_or(path), route.unwrap_or_default())
}

/// Whether this can be the path of a page: no longer than paths are, and without control characters.
#[must_use]
pub fn is_page_path(path: &str) -> bool {
    path.starts_with('/') && path.len() <= MAX_PATH_LENGTH && !path.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<Snapshot, InvalidSnapshot> {
        Snapshot::read(value.as_object().unwrap())
    }

    #[test]
    fn one_file_has_one_name() {
        let names = [
            ("/x/", "/x/"),
            ("/x//", "/x/"),
            ("/x/index.html", "/x/"),
            ("/x/./y/../index.htm", "/x/"),
            ("/xindex.html", "/xindex.html"),
            ("/%E8%B3%87%E6%96%99/", "/資料/"),
            ("/deck/#/slide/7", "/deck/#/slide/7"),
            ("/deck/index.html#!/caf%C3%A9", "/deck/#!/café"),
            ("/100%25", "/100%"),
        ];
        for (spelled, name) in names {
            assert_eq!(page_name(spelled), name, "{spelled}");
        }
        let both = json!({"pages": {"/x/": {"seconds": 5, "scroll": 90}, "/x/index.html": {"seconds": 7, "scroll": 20}}});
        let page = PageFigures {
            seconds: 12,
            scroll: 90,
        };
        assert_eq!(
            read(&both).unwrap().pages,
            Pages::from([("/x/".to_owned(), page)])
        );
    }

    #[test]
    fn a_whole_snapshot_is_read() {
        let snapshot = read(&json!({
            "session": "42", "activeSeconds": 312, "inactiveSeconds": 3, "seenSecondsAgo": 0, "page": "/portfolio/",
            "pages": {"/portfolio/": {"seconds": 300, "scroll": 85}}, "leaving": true
        }))
        .unwrap();
        assert_eq!(
            snapshot,
            Snapshot {
                session: Some("42".to_owned()),
                active_seconds: Some(312),
                inactive_seconds: Some(3),
                seen_seconds_ago: Some(0),
                page: Some("/portfolio/".to_owned()),
                pages: Pages::from([(
                    "/portfolio/".to_owned(),
                    PageFigures {
                        seconds: 300,
                        scroll: 85
                    }
                )]),
                leaving: true,
            }
        );
    }

    #[test]
    fn nothing_is_also_a_snapshot() {
        assert_eq!(read(&json!({})), Ok(Snapshot::default()));
        assert_eq!(
            read(&json!({"activeSeconds": null, "page": "", "unknown": [1]})),
            Ok(Snapshot::default())
        );
    }

    #[test]
    fn forms_carry_the_same_members_as_text() {
        let snapshot = read(&json!({"session": "7", "activeSeconds": "12.9", "seenSecondsAgo": "1", "leaving": "false"})).unwrap();
        assert_eq!(
            (
                snapshot.active_seconds,
                snapshot.seen_seconds_ago,
                snapshot.leaving
            ),
            (Some(12), Some(1), false)
        );
    }

    #[test]
    fn numbers_are_brought_into_range() {
        let active = |value: Value| {
            read(&json!({"activeSeconds": value}))
                .unwrap()
                .active_seconds
        };
        assert_eq!(active(json!(-5)), Some(0));
        assert_eq!(active(json!(1.9)), Some(1));
        assert_eq!(active(json!(1e300)), Some(MAX_SECONDS));
        assert_eq!(active(json!(u64::MAX)), Some(MAX_SECONDS));
        let page = |scroll: Value| {
            read(&json!({"pages": {"/a": {"scroll": scroll}}}))
                .unwrap()
                .pages["/a"]
        };
        assert_eq!(
            page(json!(400)),
            PageFigures {
                seconds: 0,
                scroll: 100
            }
        );
        assert_eq!(
            page(json!(-1)),
            PageFigures {
                seconds: 0,
                scroll: 0
            }
        );
    }

    #[test]
    fn paths_and_sizes_are_bounded() {
        let long = format!("/{}", "a".repeat(MAX_PATH_LENGTH));
        let wide = format!("/{}", "\u{1f512}".repeat(MAX_PATH_LENGTH / 4));
        for path in ["", "a", "https://example.com/", "/a\nb", &long, &wide] {
            assert_eq!(
                read(&json!({"page": path, "pages": {path: {"seconds": 1}}})),
                Ok(Snapshot::default()),
                "{path}"
            );
        }
        let many: Map<String, Value> = (0..60)
            .map(|n| (format!("/{n}"), json!({"seconds": 1})))
            .collect();
        assert_eq!(read(&json!({"pages": many})).unwrap().pages.len(), 50);
    }

    #[test]
    fn a_wrong_type_is_named() {
        for (value, field) in [
            (json!({"activeSeconds": "soon"}), "activeSeconds"),
            (json!({"inactiveSeconds": true}), "inactiveSeconds"),
            (json!({"seenSecondsAgo": []}), "seenSecondsAgo"),
            (json!({"page": 1}), "page"),
            (json!({"pages": []}), "pages"),
            (json!({"pages": {"/": 5}}), "pages"),
            (json!({"pages": {"/": {"seconds": "x"}}}), "pages"),
            (json!({"leaving": 1}), "leaving"),
            (json!({"session": {}}), "session"),
        ] {
            assert_eq!(read(&value).unwrap_err().field, field);
        }
    }

    #[test]
    fn figures_of_another_session_are_recognised() {
        assert!(read(&json!({"session": 42})).unwrap().belongs_to("42"));
        assert!(read(&json!({})).unwrap().belongs_to("42"));
        assert!(!read(&json!({"session": "41"})).unwrap().belongs_to("42"));
    }
}
