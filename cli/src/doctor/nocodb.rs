//! The table in NocoDB: the way there, the token, the base, and each column.

use std::time::Duration;

use shared::nocodb::{Client, Error, Field, TableSchema};
use shared::settings::NocoDbSettings;
use shared::store::columns::TABLE;
use shared::store::nocodb_store::NocoDbStore;

use super::cells;
use super::finding::Finding;
use crate::setup::columns::{self, State};
use crate::setup::connection::{Trouble, connect};
use crate::terminal::printable;

/// Somebody waits at a terminal.
const PATIENCE: Duration = Duration::from_secs(10);
/// `serve` starts meanwhile.
const AT_START: Duration = Duration::from_secs(5);

pub(super) async fn check(settings: &NocoDbSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(trouble) = walk(settings, &mut findings).await {
        findings.push(Finding::wrong(trouble.to_string()));
    }
    findings
}

/// From the server to the rows; what fails makes the rest unknowable.
async fn walk(settings: &NocoDbSettings, findings: &mut Vec<Finding>) -> Result<(), Trouble> {
    let client = connect(settings, PATIENCE)?;
    client.health().await?;
    findings.push(Finding::good(format!("NocoDB answers at {}", settings.url)));
    let tables = client
        .tables(&settings.base)
        .await
        .map_err(|error| match error {
            Error::TableNotFound => Trouble {
                problem: format!(
                    "there is no base {}, or the token does not see it",
                    settings.base
                ),
                cure: "set NOCODB_BASE_ID; unset, `lastseen setup` lists the bases the token sees",
            },
            error => error.into(),
        })?;
    findings.push(Finding::good(format!(
        "NocoDB accepts the token, and has the base {}",
        settings.base
    )));
    let Some(id) = &settings.table else {
        let mut titled = tables.iter().filter(|table| table.title == TABLE);
        findings.extend(titled.next().map(|table| {
            Finding::mind(format!(
                "there is a table {TABLE} — set NOCODB_TABLE_ID={}",
                table.id
            ))
        }));
        return Ok(());
    };
    let table = client.table_schema(&settings.base, id).await.map_err(|error| match error {
        Error::TableNotFound => Trouble {
            problem: format!("the base has no table {id}"),
            cure: "unset NOCODB_TABLE_ID and run `lastseen setup`, which finds or makes the table and prints its id",
        },
        error => error.into(),
    })?;
    findings.push(Finding::good(format!(
        "table {} ({id})",
        printable(&table.title)
    )));
    findings.extend(about_columns(&table));
    findings.push(about_rows(&client, settings, id).await);
    // Where they cannot be listed, the line before or a column says why.
    if let Ok(store) = NocoDbStore::connect(settings, None, None) {
        findings.extend(cells::check(&store).await.unwrap_or_default());
    }
    Ok(())
}

fn about_columns(table: &TableSchema) -> Vec<Finding> {
    let mut findings: Vec<Finding> = columns::missing_key(&table.fields)
        .map(|problem| Finding::wrong(format!("table: {problem}")))
        .into_iter()
        .collect();
    for (column, state) in columns::check(&table.fields) {
        let title = column.title;
        findings.push(
            match (&state, columns::problem(&column, &state), column.without) {
                (State::Present, ..) => Finding::good(format!("column {title}")),
                (_, Some(problem), _) => Finding::wrong(format!("column {problem}")),
                (_, None, Some(off)) => Finding::mind(format!(
                    "column {title} is missing: {off} — `lastseen setup` adds it"
                )),
                (_, None, None) => Finding::wrong(format!(
                    "column {title} is missing: nobody can be let in — `lastseen setup` adds it"
                )),
            },
        );
    }
    findings
}

/// Reading rows is another right than reading the table's columns. Writing them is not tried: that
/// would leave a trace.
async fn about_rows(client: &Client, settings: &NocoDbSettings, id: &str) -> Finding {
    let counted = match client.table(&settings.base, id) {
        Ok(table) => table.count(None).await,
        Err(error) => Err(error),
    };
    match counted {
        Ok(1) => Finding::good("rows can be read: 1 visit"),
        Ok(count) => Finding::good(format!("rows can be read: {count} visits")),
        Err(error) => Finding::wrong(format!("rows cannot be read: {}", Trouble::from(error))),
    }
}

/// What `serve` says when it starts.
pub(super) async fn warnings(settings: &NocoDbSettings) -> Vec<String> {
    let problem = match tokio::time::timeout(AT_START, fields(settings)).await {
        Ok(Ok(fields)) => return warnings_about(&fields),
        Ok(Err(trouble)) => trouble.problem,
        Err(_) => format!(
            "NocoDB did not answer within {} seconds",
            AT_START.as_secs()
        ),
    };
    vec![format!(
        "nobody can be let in for now: {problem}; `lastseen doctor` says what to do"
    )]
}

async fn fields(settings: &NocoDbSettings) -> Result<Vec<Field>, Trouble> {
    let client = connect(settings, AT_START)?;
    Ok(client
        .table_schema(
            &settings.base,
            settings.table.as_deref().unwrap_or_default(),
        )
        .await?
        .fields)
}

fn warnings_about(fields: &[Field]) -> Vec<String> {
    let of_key = columns::missing_key(fields).map(|problem| format!("the table: {problem}"));
    let of_columns = columns::check(fields)
        .into_iter()
        .filter_map(|(column, state)| {
            let off = column.without.unwrap_or("nobody can be let in");
            match (&state, columns::problem(&column, &state)) {
                (State::Present, _) => None,
                (_, Some(problem)) => Some(format!("the table's column {problem}")),
                (_, None) => Some(format!(
                    "the table lacks the column {}: {off}; `lastseen setup` adds it",
                    column.title
                )),
            }
        });
    of_key.into_iter().chain(of_columns).collect()
}

#[cfg(test)]
mod tests {
    use shared::store::columns::ALL;

    use super::*;

    fn field(title: &str, kind: &str) -> Field {
        Field {
            id: String::new(),
            title: title.to_owned(),
            kind: kind.to_owned(),
        }
    }

    #[test]
    fn the_start_warns_of_each_missing_column_with_what_that_turns_off() {
        let mut fields = vec![field("Id", "ID")];
        fields.extend(ALL.iter().map(|column| field(column.title, column.kind)));
        assert!(warnings_about(&fields).is_empty());
        fields.retain(|field| !matches!(field.title.as_str(), "sessionEndTime" | "endReason"));
        let warnings = warnings_about(&fields);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings[0].contains("sessionEndTime: nobody can be let in"),
            "{warnings:?}"
        );
        assert!(
            warnings[1].contains("endReason: endings do not reach other browsers"),
            "{warnings:?}"
        );
    }
}
