//! Challenges in DynamoDB, which updates on a condition: many sandboxes count the same tries, and
//! one of them lets in. (NocoDB cannot: its PATCH knows no condition.)

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use super::{ChallengeId, CodeHash, CodeStore, CodeStoreError, LIFETIME_SECONDS, MAX_TRIES};
use crate::aws;
use crate::causes::in_one_line;
use crate::clock::SLACK_SECONDS;
use crate::settings::Variables;
use crate::timestamp::Timestamp;

/// For one request and the SDK's own repetitions; the visit still has to be recorded after two of
/// them. A try that was counted twice, and a win that was reported late, both err on the side of
/// asking for a new code.
const TIMEOUT: Duration = Duration::from_secs(2);

const ID: &str = "challengeId";
const HASH: &str = "codeHash";
/// Seconds since 1970, as DynamoDB's time to live wants them. That deletes within days and not on
/// time, so the condition asks for it too.
const EXPIRES: &str = "expiresAt";
const TRIES: &str = "tries";

/// The table that `CODES_TABLE` names.
pub struct DynamoCodes {
    client: Client,
    table: String,
}

impl DynamoCodes {
    /// A client for this table. Nothing is asked of it yet.
    #[must_use]
    pub fn new(variables: &Variables, table: &str) -> Self {
        Self {
            client: Client::new(&aws::config(variables, "AWS_ENDPOINT_URL_DYNAMODB")),
            table: table.to_owned(),
        }
    }
}

#[async_trait]
impl CodeStore for DynamoCodes {
    async fn begin(
        &self,
        id: &ChallengeId,
        hash: &CodeHash,
        now: Timestamp,
    ) -> Result<(), CodeStoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(ID, text(id))
            .item(HASH, AttributeValue::B(Blob::new(hash.as_bytes())))
            .item(EXPIRES, number(now.plus(LIFETIME_SECONDS).as_unix()))
            .item(TRIES, number(0))
            .send();
        ask(request).await.map(|_| ())
    }

    async fn count_try(
        &self,
        id: &ChallengeId,
        now: Timestamp,
    ) -> Result<Option<CodeHash>, CodeStoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(ID, text(id))
            .update_expression("ADD #tries :one")
            .condition_expression(
                "attribute_exists(#id) AND #expires > :now AND #expires <= :latest AND #tries < :most",
            )
            .expression_attribute_names("#id", ID)
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_names("#tries", TRIES)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":now", number(now.as_unix()))
            // None lives longer: what seems to was made before a clock was set back.
            .expression_attribute_values(
                ":latest",
                number(now.plus(LIFETIME_SECONDS + SLACK_SECONDS).as_unix()),
            )
            .expression_attribute_values(":most", number(MAX_TRIES.into()))
            .return_values(ReturnValue::AllNew)
            .send();
        let Some(counted) = ask(request).await? else {
            return Ok(None);
        };
        let hash = counted
            .attributes
            .as_ref()
            .and_then(|row| row.get(HASH)?.as_b().ok());
        Ok(hash.map(|hash| CodeHash::from_bytes(hash.as_ref().to_vec())))
    }

    async fn win(&self, id: &ChallengeId) -> Result<bool, CodeStoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(ID, text(id))
            .condition_expression("attribute_exists(#id)")
            .expression_attribute_names("#id", ID)
            .send();
        Ok(ask(request).await?.is_some())
    }
}

fn text(id: &ChallengeId) -> AttributeValue {
    AttributeValue::S(id.to_text())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Waits for the answer; `None` where the condition did not hold.
async fn ask<Answer, Refusal>(
    request: impl Future<Output = Result<Answer, SdkError<Refusal>>>,
) -> Result<Option<Answer>, CodeStoreError>
where
    Refusal: ProvideErrorMetadata + Error + 'static,
{
    let answer = tokio::time::timeout(TIMEOUT, request)
        .await
        .map_err(|_| CodeStoreError::Timeout)?;
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(None),
        Err(error) => Err(CodeStoreError::Failed(in_one_line(&error))),
    }
}
