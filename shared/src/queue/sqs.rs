//! A queue on AWS: SQS, which keeps what it has taken on several machines.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry};
use futures_util::future::join_all;
use tokio::sync::OnceCell;

use super::{Board, Entry, LONGEST_DELAY_SECONDS, Notice, Queue, QueueError, Taken, Waiting};
use crate::aws;
use crate::causes::in_one_line;
use crate::settings::Variables;
use crate::timestamp::Timestamp;

/// A request that takes longer has failed; a visitor may wait for it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Messages in one request; SQS takes no more.
const BATCH: usize = 10;
/// Requests at once: an answer takes some milliseconds, nearly all of them on the way.
const AT_ONCE: usize = 8;
/// Asking so long asks all machines that hold messages; an answer at once may come from few of them.
const WAIT_SECONDS: i32 = 1;
/// Who takes a message has it so long: longer than the function runs.
const VISIBILITY_SECONDS: i32 = 120;

/// See the module. Connects when it is used for the first time: most sandboxes never do.
pub struct SqsQueue {
    variables: Variables,
    url: String,
    client: OnceCell<Client>,
}

impl SqsQueue {
    /// The queue at this address, with what Lambda puts into the environment.
    #[must_use]
    pub fn new(variables: &Variables, url: &str) -> Self {
        Self {
            variables: variables.clone(),
            url: url.to_owned(),
            client: OnceCell::new(),
        }
    }

    async fn client(&self) -> &Client {
        let make = async || Client::new(&aws::config(&self.variables, "AWS_ENDPOINT_URL_SQS"));
        self.client.get_or_init(make).await
    }

    async fn receive(&self, wait_seconds: i32) -> Result<Vec<Taken>, QueueError> {
        let receive = self.client().await.receive_message();
        let receive = receive
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(wait_seconds)
            .visibility_timeout(VISIBILITY_SECONDS);
        let answer = in_time(receive.send()).await?;
        let mut taken = Vec::new();
        for message in answer.messages.unwrap_or_default() {
            let (Some(body), Some(receipt)) = (message.body, message.receipt_handle) else {
                continue;
            };
            if let Ok(entry) = Entry::parse(&body) {
                taken.push(Taken { entry, receipt });
            } else {
                // Goes to the dead-letter queue after some more of these.
                tracing::error!("a message of the queue is no entry");
            }
        }
        Ok(taken)
    }

    async fn delete(&self, receipts: &[String]) -> Result<(), QueueError> {
        let mut entries = Vec::with_capacity(receipts.len());
        for (number, receipt) in receipts.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .receipt_handle(receipt);
            entries.push(entry.build().map_err(failed)?);
        }
        let delete = self.client().await.delete_message_batch();
        let delete = delete.queue_url(&self.url).set_entries(Some(entries));
        let answer = in_time(delete.send()).await?;
        all_taken(answer.failed.len())
    }

    async fn send(&self, waiting: &[Waiting], delay: i32) -> Result<(), QueueError> {
        let mut entries = Vec::with_capacity(waiting.len());
        for (number, one) in waiting.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .message_body(one.entry.to_json())
                .delay_seconds(delay);
            entries.push(entry.build().map_err(failed)?);
        }
        let send = self.client().await.send_message_batch();
        let send = send.queue_url(&self.url).set_entries(Some(entries));
        let answer = in_time(send.send()).await?;
        all_taken(answer.failed.len())
    }
}

/// A second queue as a board: messages are looked at and never taken, and go by themselves after some
/// minutes.
#[async_trait]
impl Board for SqsQueue {
    async fn post(&self, notice: &Notice) -> Result<(), QueueError> {
        let body = serde_json::to_string(notice).map_err(failed)?;
        let send = self.client().await.send_message();
        let send = send.queue_url(&self.url).message_body(body);
        in_time(send.send()).await.map(drop)
    }

    async fn read(&self) -> Result<Option<Notice>, QueueError> {
        let look = self.client().await.receive_message();
        let look = look
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .visibility_timeout(0);
        let answer = in_time(look.send()).await?;
        let bodies = answer.messages.unwrap_or_default();
        let bodies = bodies.iter().filter_map(|message| message.body.as_deref());
        let notices = bodies.filter_map(|body| serde_json::from_str::<Notice>(body).ok());
        Ok(notices.max_by_key(|notice| notice.until))
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn push(&self, entry: &Entry, due: Timestamp, now: Timestamp) -> Result<(), QueueError> {
        let send = self.client().await.send_message();
        let send = send
            .queue_url(&self.url)
            .message_body(entry.to_json())
            .delay_seconds(delay(due, now));
        in_time(send.send()).await.map(drop)
    }

    async fn take(&self, most: usize, _: Timestamp) -> Result<Vec<Taken>, QueueError> {
        let mut taken = self.receive(WAIT_SECONDS).await?;
        if taken.is_empty() {
            return Ok(taken);
        }
        while taken.len() < most {
            let requests = (most - taken.len()).div_ceil(BATCH).min(AT_ONCE);
            let round = join_all((0..requests).map(|_| self.receive(0))).await;
            let before = taken.len();
            for some in round {
                match some {
                    Ok(some) => taken.extend(some),
                    // What was taken so far can be written all the same.
                    Err(error) => tracing::warn!(
                        error = error.to_string(),
                        "some messages could not be received"
                    ),
                }
            }
            if taken.len() == before {
                break;
            }
        }
        Ok(taken)
    }

    async fn done(&self, receipts: &[String]) -> Result<(), QueueError> {
        let batches: Vec<_> = receipts.chunks(BATCH).collect();
        let mut result = Ok(());
        for some in batches.chunks(AT_ONCE) {
            let deleted = join_all(some.iter().map(|batch| self.delete(batch))).await;
            result = deleted.into_iter().fold(result, Result::and);
        }
        result
    }

    /// As new messages, each session's as one: they are kept for two weeks from now, and have not been
    /// received too often. Should this be cut off, the old ones come again beside them.
    async fn put_back(
        &self,
        waiting: &[Waiting],
        due: Timestamp,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        for some in waiting.chunks(BATCH) {
            self.send(some, delay(due, now)).await?;
            let receipts: Vec<_> = some.iter().flat_map(|one| one.receipts.clone()).collect();
            self.done(&receipts).await?;
        }
        Ok(())
    }

    /// SQS counts how often a message was received, and moves it to the dead-letter queue by itself.
    async fn refuse(&self, _: &[String], _: Timestamp) -> Result<(), QueueError> {
        Ok(())
    }
}

fn delay(due: Timestamp, now: Timestamp) -> i32 {
    i32::try_from(due.since(now).min(LONGEST_DELAY_SECONDS)).unwrap_or(0)
}

async fn in_time<T, E: std::error::Error + 'static>(
    request: impl Future<Output = Result<T, E>>,
) -> Result<T, QueueError> {
    match tokio::time::timeout(TIMEOUT, request).await {
        Ok(answer) => answer.map_err(failed),
        Err(_) => Err(QueueError("SQS did not answer in time".to_owned())),
    }
}

fn failed(error: impl std::error::Error + 'static) -> QueueError {
    QueueError(format!("SQS: {}", in_one_line(&error)))
}

fn all_taken(failures: usize) -> Result<(), QueueError> {
    match failures {
        0 => Ok(()),
        count => Err(QueueError(format!("SQS: {count} of a batch failed"))),
    }
}
