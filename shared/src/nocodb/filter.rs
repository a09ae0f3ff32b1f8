//! Conditions on rows, and how they are written so that a value stays a value.

use jiff::{Timestamp, tz::TimeZone};

use super::{Error, RecordId};

/// The longest filter sent, in bytes as they stand in the URL. Node refuses requests whose head
/// exceeds 16 KiB, and proxies before it take 8.
const MAX_ENCODED: usize = 6 * 1024;

/// A condition on rows.
///
/// Values are quoted so that none can change the query's meaning. The server's parser knows no
/// escapes (a backslash before a quote stays in the value; measured and read, 0.265.1 and 0.301.3),
/// so four kinds of text cannot be put and make the call fail with [`Error::InvalidInput`] instead
/// of being sent: text with **both** `'` and `"`; text ending in a backslash, which would swallow
/// the quote after it; text with a NUL, which reaches SQL unescaped; and the empty text, which the
/// server reads as no condition at all or as several others, depending on the column (ask for
/// [`blank`](Self::blank)). Everything else, line breaks included, finds exactly the rows that hold
/// it, letter case and all.
///
/// Columns are named by title, which is quoted the same way. A column that does not exist is
/// [`Error::Refused`].
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Is {
        field: String,
        op: &'static str,
    },
    Compare {
        field: String,
        op: &'static str,
        value: String,
    },
    Time {
        field: String,
        op: &'static str,
        at: Timestamp,
    },
    OneOf {
        field: String,
        ids: Vec<RecordId>,
    },
    Group {
        or: bool,
        members: Vec<Node>,
    },
}

impl Filter {
    /// The column holds this text or number, exactly. Not for dates: on those, the server reads
    /// `eq` as the whole day and words like `today` as a date.
    #[must_use]
    pub fn eq(field: impl Into<String>, value: impl Into<String>) -> Self {
        Self::compare(field, "eq", value)
    }

    /// The column holds anything else, or nothing. Not for dates either.
    #[must_use]
    pub fn neq(field: impl Into<String>, value: impl Into<String>) -> Self {
        Self::compare(field, "neq", value)
    }

    /// The column's text ends so, whatever the case of its letters. In `end`, `%` and `_` stand for
    /// any text and any letter: look at what comes back.
    #[must_use]
    pub fn ends_with(field: impl Into<String>, end: &str) -> Self {
        Self::compare(field, "like", format!("%{end}"))
    }

    /// The column holds one of these. Without any, the call is refused.
    #[must_use]
    pub fn is_in<V: Into<String>>(
        field: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let field = field.into();
        let members = values
            .into_iter()
            .map(|value| Self::eq(field.clone(), value).0)
            .collect();
        Self(Node::Group { or: true, members })
    }

    /// The column, which has to hold keys, holds one of these: shorter than [`is_in`](Self::is_in),
    /// since an id has nothing in it that would have to be quoted. Without any, the call is refused.
    #[must_use]
    pub fn ids(field: impl Into<String>, ids: &[RecordId]) -> Self {
        Self(Node::OneOf {
            field: field.into(),
            ids: ids.to_vec(),
        })
    }

    /// The column holds nothing, or an empty text.
    #[must_use]
    pub fn blank(field: impl Into<String>) -> Self {
        Self(Node::Is {
            field: field.into(),
            op: "blank",
        })
    }

    /// The column holds something.
    #[must_use]
    pub fn not_blank(field: impl Into<String>) -> Self {
        Self(Node::Is {
            field: field.into(),
            op: "notblank",
        })
    }

    /// The number is greater.
    #[must_use]
    pub fn gt(field: impl Into<String>, value: i64) -> Self {
        Self::compare(field, "gt", value.to_string())
    }

    /// The number is greater or equal.
    #[must_use]
    pub fn ge(field: impl Into<String>, value: i64) -> Self {
        Self::compare(field, "ge", value.to_string())
    }

    /// The number is less.
    #[must_use]
    pub fn lt(field: impl Into<String>, value: i64) -> Self {
        Self::compare(field, "lt", value.to_string())
    }

    /// The number is less or equal.
    #[must_use]
    pub fn le(field: impl Into<String>, value: i64) -> Self {
        Self::compare(field, "le", value.to_string())
    }

    /// The date and time is this one or later. Fractions of a second are cut off, as they are from
    /// what is stored.
    ///
    /// This and [`before`](Self::before) are the only two comparisons of time, because on SQLite
    /// `gt` means the same as `ge`, and `le` the same as `lt` (measured, 0.265.1 and 0.301.3).
    #[must_use]
    pub fn at_or_after(field: impl Into<String>, at: Timestamp) -> Self {
        Self(Node::Time {
            field: field.into(),
            op: "ge",
            at,
        })
    }

    /// The date and time is earlier than this one. Fractions of a second are cut off.
    #[must_use]
    pub fn before(field: impl Into<String>, at: Timestamp) -> Self {
        Self(Node::Time {
            field: field.into(),
            op: "lt",
            at,
        })
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.join(false, other)
    }

    /// At least one holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.join(true, other)
    }

    fn compare(field: impl Into<String>, op: &'static str, value: impl Into<String>) -> Self {
        Self(Node::Compare {
            field: field.into(),
            op,
            value: value.into(),
        })
    }

    fn join(self, or: bool, other: Self) -> Self {
        Self(Node::Group {
            or,
            members: vec![self.0, other.0],
        })
    }

    /// The text for `where=`, not yet percent-encoded.
    ///
    /// # Errors
    /// [`Error::InvalidInput`], naming the column, for what cannot be put; and for a filter that would not fit into a URL.
    pub(super) fn render(&self) -> Result<String, Error> {
        let mut text = String::new();
        self.0.render(&mut text)?;
        if form_urlencoded::byte_serialize(text.as_bytes())
            .map(str::len)
            .sum::<usize>()
            > MAX_ENCODED
        {
            return Err(Error::invalid("the filter", "is too long for a URL"));
        }
        Ok(text)
    }
}

impl Node {
    fn render(&self, out: &mut String) -> Result<(), Error> {
        match self {
            Self::Is { field, op } => push(out, &["(", &title(field)?, ",", op, ")"]),
            Self::Compare { field, op, value } => {
                push(
                    out,
                    &[
                        "(",
                        &title(field)?,
                        ",",
                        op,
                        ",",
                        &quoted(field, value)?,
                        ")",
                    ],
                );
            }
            Self::Time { field, op, at } => push(
                out,
                &[
                    "(",
                    &title(field)?,
                    ",",
                    op,
                    ",exactDate,'",
                    &seconds(*at),
                    "')",
                ],
            ),
            Self::OneOf { ids, .. } if ids.is_empty() => {
                return Err(Error::invalid("the list of values", "is empty"));
            }
            Self::OneOf { field, ids } => {
                let ids: Vec<&str> = ids.iter().map(RecordId::as_str).collect();
                push(out, &["(", &title(field)?, ",in,", &ids.join(","), ")"]);
            }
            Self::Group { members, .. } if members.is_empty() => {
                return Err(Error::invalid("the list of values", "is empty"));
            }
            // Not in parentheses of its own: the server forgets the operator before `((…))` and
            // takes ~and (measured, 0.265.1 and 0.301.3).
            Self::Group { members, .. } if members.len() == 1 => members[0].render(out)?,
            Self::Group { or, members } => {
                push(out, &["("]);
                for (index, member) in members.iter().enumerate() {
                    push(
                        out,
                        &[if index == 0 {
                            ""
                        } else if *or {
                            "~or"
                        } else {
                            "~and"
                        }],
                    );
                    member.render(out)?;
                }
                push(out, &[")"]);
            }
        }
        Ok(())
    }
}

fn push(out: &mut String, parts: &[&str]) {
    out.extend(parts.iter().copied());
}

fn title(field: &str) -> Result<String, Error> {
    quoted("a column's title", field)
}

/// The value between quotes that it does not hold itself. The server takes it from there as it is.
fn quoted(field: &str, value: &str) -> Result<String, Error> {
    let quote = match (value.contains('\''), value.contains('"')) {
        (false, _) => '\'',
        (true, false) => '"',
        (true, true) => {
            return Err(Error::invalid(
                field,
                "cannot be compared with text that has both kinds of quotes",
            ));
        }
    };
    if value.is_empty() {
        return Err(Error::invalid(
            field,
            "cannot be compared with an empty text",
        ));
    }
    if value.ends_with('\\') || value.contains('\0') {
        return Err(Error::invalid(
            field,
            "cannot be compared with text that ends in a backslash or has a NUL",
        ));
    }
    Ok(format!("{quote}{value}{quote}"))
}

/// `2026-01-02 03:04:05+00:00`, the form that the server itself stores. With a `Z` 0.265.1 compares
/// texts, and 03:04:05 of a day is "not after" 03:04:05Z of the same day.
fn seconds(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d %H:%M:%S+00:00")
        .to_string()
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
