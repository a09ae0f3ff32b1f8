#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

/// The server's grammar (`nocodb-sdk`, `lib/parser/queryFilter`, the same in 0.265.1 and 0.301.3),
/// written down a second time as far as it concerns what is sent, so that a filter can be read as
/// the server reads it.
mod server {
    #[derive(Debug, Clone, PartialEq)]
    pub(super) enum Tree {
        Clause {
            field: String,
            op: String,
            arguments: Vec<String>,
        },
        Group(Vec<(Option<String>, Tree)>),
    }

    #[derive(Debug, Clone, PartialEq)]
    enum Token {
        Open,
        Close,
        Comma,
        Bare(String),
        Quoted(String),
    }

    /// `/'((?:\\'|[^'])+)'/`: a backslash before the quote takes the quote along, unless no other
    /// one closes.
    fn closing(text: &str, quote: char) -> Option<usize> {
        let (mut escaped, mut last) = (false, None);
        for (index, c) in text.char_indices() {
            if c == quote {
                if !escaped {
                    return Some(index);
                }
                last = Some(index);
            }
            escaped = c == '\\';
        }
        last
    }

    fn tokens(mut text: &str) -> Option<Vec<Token>> {
        let mut tokens = Vec::new();
        while let Some(c) = text.chars().next() {
            let length = match c {
                ' ' | '\t' | '\n' | '\r' => 1,
                '(' | ')' | ',' => {
                    tokens.push(
                        [Token::Open, Token::Close, Token::Comma]
                            [usize::from(c == ')') + 2 * usize::from(c == ',')]
                        .clone(),
                    );
                    1
                }
                '\'' | '"' => {
                    let value = &text[1..][..closing(&text[1..], c)?];
                    tokens.push(Token::Quoted(value.to_owned()));
                    value.len() + 2
                }
                _ => {
                    let length = text.find(['(', ')', '\'', '"', ',']).unwrap_or(text.len());
                    tokens.push(Token::Bare(text[..length].to_owned()));
                    length
                }
            };
            text = &text[length..];
        }
        Some(tokens)
    }

    /// `paren (operator paren)*`
    fn clauses(tokens: &mut std::vec::IntoIter<Token>) -> Option<Vec<(Option<String>, Tree)>> {
        let mut found = vec![(None, paren(tokens)?)];
        while let Some(Token::Bare(op)) = tokens.as_slice().first().cloned() {
            tokens.next();
            found.push((Some(op), paren(tokens)?));
        }
        Some(found)
    }

    fn paren(tokens: &mut std::vec::IntoIter<Token>) -> Option<Tree> {
        (tokens.next()? == Token::Open).then_some(())?;
        let tree = if tokens.as_slice().first() == Some(&Token::Open) {
            Tree::Group(clauses(tokens)?)
        } else {
            let (Token::Quoted(field), Token::Comma, Token::Bare(op)) =
                (tokens.next()?, tokens.next()?, tokens.next()?)
            else {
                return None;
            };
            let mut arguments = Vec::new();
            while tokens.as_slice().first() == Some(&Token::Comma) {
                tokens.next();
                match tokens.next()? {
                    Token::Bare(value) | Token::Quoted(value) => arguments.push(value),
                    _ => return None,
                }
            }
            Tree::Clause {
                field,
                op,
                arguments,
            }
        };
        (tokens.next()? == Token::Close).then_some(tree)
    }

    pub(super) fn read(text: &str) -> Option<Tree> {
        let mut tokens = tokens(text)?.into_iter();
        let tree = paren(&mut tokens)?;
        tokens.next().is_none().then_some(tree)
    }
}

use server::Tree;

/// What the filter means, without any notation in between.
fn meaning(node: &Node) -> Tree {
    let clause = |field: &String, op: &str, arguments: Vec<String>| Tree::Clause {
        field: field.clone(),
        op: op.into(),
        arguments,
    };
    match node {
        Node::Is { field, op } => clause(field, op, vec![]),
        Node::Compare { field, op, value } => clause(field, op, vec![value.clone()]),
        Node::Time { field, op, at } => clause(field, op, vec!["exactDate".into(), seconds(*at)]),
        Node::OneOf { field, ids } => {
            clause(field, "in", ids.iter().map(ToString::to_string).collect())
        }
        Node::Group { members, .. } if members.len() == 1 => meaning(&members[0]),
        Node::Group { or, members } => Tree::Group(
            members
                .iter()
                .enumerate()
                .map(|(index, member)| {
                    (
                        (index > 0).then(|| if *or { "~or" } else { "~and" }.into()),
                        meaning(member),
                    )
                })
                .collect(),
        ),
    }
}

fn cannot_be_put(value: &str) -> bool {
    let both_quotes = value.contains('\'') && value.contains('"');
    value.is_empty() || value.ends_with('\\') || value.contains('\0') || both_quotes
}

/// Text made of what the grammar is made of, and any other text.
fn nasty() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "'",
        "\"",
        "\\",
        "\\'",
        "\\\"",
        "(",
        ")",
        ",",
        "~or",
        "~and",
        "~not",
        "''",
        "\"\"",
        "`",
        "%",
        "_",
        "%27",
        "\n",
        "\r",
        "\t",
        " ",
        "\0",
        "eq",
        "null",
        "exactDate",
        "a@b.c",
        "é",
        "😀",
        ")~or('x',neq,'y",
        "\"),(\"",
    ]);
    prop_oneof![
        prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat()),
        any::<String>()
    ]
}

fn filters() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        (nasty(), nasty()).prop_map(|(field, value)| Filter::eq(field, value)),
        (nasty(), nasty()).prop_map(|(field, value)| Filter::neq(field, value)),
        (nasty(), any::<i64>()).prop_map(|(field, value)| Filter::le(field, value)),
        (nasty(), 0..4_000_000_000_i64)
            .prop_map(|(field, s)| Filter::before(field, Timestamp::from_second(s).unwrap())),
        nasty().prop_map(Filter::not_blank),
        (nasty(), prop::collection::vec(nasty(), 0..4))
            .prop_map(|(field, values)| Filter::is_in(field, values)),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
            (inner.clone(), inner).prop_map(|(a, b)| a.or(b)),
        ]
    })
}

proptest! {
    #[test]
    fn the_server_reads_every_filter_that_is_sent_as_it_was_meant(filter in filters()) {
        if let Ok(text) = filter.render() {
            prop_assert_eq!(server::read(&text), Some(meaning(&filter.0)), "{}", text);
        }
    }

    #[test]
    fn a_value_is_one_clause_or_it_is_refused(value in nasty()) {
        match Filter::eq("email", value.clone()).render() {
            Ok(text) => prop_assert_eq!(
                server::read(&text),
                Some(Tree::Clause { field: "email".into(), op: "eq".into(), arguments: vec![value] })
            ),
            Err(Error::InvalidInput { what, .. }) => prop_assert!(what == "email" && cannot_be_put(&value), "{:?}", value),
            Err(other) => prop_assert!(false, "{:?}", other),
        }
    }
}

#[test]
fn filters_are_written_like_this() {
    let at: Timestamp = "2026-01-02T05:04:05.678+02:00".parse().unwrap();
    for (filter, expected) in [
        (Filter::eq("email", "a@b.c"), "('email',eq,'a@b.c')"),
        (
            Filter::eq("email", "o'brien@b.c"),
            "('email',eq,\"o'brien@b.c\")",
        ),
        (Filter::neq("it's", "x"), "(\"it's\",neq,'x')"),
        (Filter::blank("endReason"), "('endReason',blank)"),
        (Filter::ge("n", -5), "('n',ge,'-5')"),
        (
            Filter::at_or_after("at", at),
            "('at',ge,exactDate,'2026-01-02 03:04:05+00:00')",
        ),
        (
            Filter::before("at", at),
            "('at',lt,exactDate,'2026-01-02 03:04:05+00:00')",
        ),
        (
            Filter::blank("a").and(Filter::blank("b")),
            "(('a',blank)~and('b',blank))",
        ),
        (
            Filter::blank("a").or(Filter::is_in("b", ["1"])),
            "(('a',blank)~or('b',eq,'1'))",
        ),
        (
            Filter::is_in("b", ["1", "2"]),
            "(('b',eq,'1')~or('b',eq,'2'))",
        ),
    ] {
        assert_eq!(filter.render().unwrap(), expected);
    }
}

#[test]
fn what_cannot_be_put_is_refused_by_the_columns_name_and_not_by_its_value() {
    for value in ["", "both ' and \" secret", "secret\\", "sec\0ret", "\\"] {
        let filter = Filter::blank("a").or(Filter::eq("email", value));
        match filter.render() {
            Err(error @ Error::InvalidInput { .. }) => {
                assert!(
                    error.to_string().starts_with("email ")
                        && !error.to_string().contains("secret"),
                    "{error}"
                );
            }
            other => panic!("{value:?}: {other:?}"),
        }
    }
    for filter in [
        Filter::eq("", "x"),
        Filter::is_in("a", [""; 0]),
        Filter::eq("a", "é".repeat(2000)),
    ] {
        assert!(matches!(filter.render(), Err(Error::InvalidInput { .. })));
    }
}
