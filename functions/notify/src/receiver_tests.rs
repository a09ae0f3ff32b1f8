#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Instant;

use shared::settings::Variables;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::message::test_message;

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A receiver that gives these answers one after the other, and the last one for ever. An empty one
/// closes the connection.
struct Local {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Local {
    async fn answering(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (known, answers) = (Arc::clone(&asked), answers.to_vec());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                // The client sends one that fits into what is read, head and body.
                while !String::from_utf8_lossy(&request).contains("\"data\"") {
                    let read = stream.read(&mut buffer).await.unwrap();
                    if read == 0 {
                        break;
                    }
                    request.extend_from_slice(&buffer[..read]);
                }
                let index = {
                    let mut known = known.lock().unwrap();
                    known.push(String::from_utf8_lossy(&request).into_owned());
                    known.len() - 1
                };
                let answer = answers.get(index).or(answers.last()).unwrap();
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, asked }
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn receiver(&self) -> Receiver {
        receiver(&self.url)
    }
}

fn receiver(url: &str) -> Receiver {
    let variables: Variables = [
        ("NOTIFY_URL", url),
        ("NOTIFY_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
    .collect();
    let settings = NotifySettings::read(&variables).unwrap().unwrap();
    Receiver {
        pauses: [Duration::from_millis(20), Duration::from_millis(20)],
        ..Receiver::new(settings).unwrap()
    }
}

fn message() -> Message {
    test_message(Timestamp::from_unix(1_767_323_045))
}

#[tokio::test]
async fn a_message_is_posted_with_its_id_its_moment_and_a_signature() {
    let local = Local::answering(&[OK]).await;
    local.receiver().deliver(&message()).await.unwrap();
    let asked = local.asked.lock().unwrap().concat().to_lowercase();
    assert!(
        asked.starts_with("post /secret-path http/1.1\r\n"),
        "{asked}"
    );
    for header in [
        "content-type: application/json\r\n",
        "webhook-id: test-1767323045\r\n",
        "webhook-timestamp: ",
        "webhook-signature: v1,",
    ] {
        assert!(asked.contains(header), "{header} in {asked}");
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_three_times() {
    for answer in [
        "",
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n",
    ] {
        let local = Local::answering(&[answer]).await;
        let error = local.receiver().deliver(&message()).await.unwrap_err();
        assert_eq!(local.count(), 3, "{error}");
        let local = Local::answering(&[answer, OK]).await;
        local.receiver().deliver(&message()).await.unwrap();
        assert_eq!(local.count(), 2);
        let ids = local.asked.lock().unwrap().clone();
        let id = |asked: &str| asked.contains("webhook-id: test-1767323045\r\n");
        assert!(ids.iter().all(|asked| id(asked)), "the same id each time");
    }
}

#[tokio::test]
async fn what_will_not_pass_and_redirects_are_final() {
    let elsewhere = Local::answering(&[OK]).await;
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url
    );
    let redirect: &'static str = redirect.leak();
    for (answer, status) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "404"),
        (
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
            "400",
        ),
        (redirect, "307"),
    ] {
        let local = Local::answering(&[answer]).await;
        let error = local.receiver().deliver(&message()).await.unwrap_err();
        assert_eq!(local.count(), 1);
        let told = format!("{error} {error:?}");
        assert!(
            told.contains(status) && !told.contains("secret-path"),
            "{told}"
        );
    }
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn a_receiver_is_left_alone_for_as_long_as_it_asks_within_bounds() {
    let wish = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    let local = Local::answering(&[wish, OK]).await;
    let started = Instant::now();
    local.receiver().deliver(&message()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));

    let wish = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n";
    let local = Local::answering(&[wish, OK]).await;
    let (receiver, message) = (local.receiver(), message());
    let delivered = tokio::time::timeout(Duration::from_secs(5), receiver.deliver(&message));
    let error = delivered.await.unwrap().unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_hours(1)));
    assert_eq!(local.count(), 1);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_not_read() {
    let endless = "HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\nand so on";
    let local = Local::answering(&[endless]).await;
    let (receiver, message) = (local.receiver(), message());
    tokio::time::timeout(Duration::from_secs(5), receiver.deliver(&message))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn nobody_there_is_an_error_without_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = receiver(&format!("http://{address}/secret-path?key=pa55"))
        .deliver(&message())
        .await
        .unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(
        told.starts_with("NOTIFY_URL: the receiver could not be reached: "),
        "{told}"
    );
    assert!(
        !told.contains("secret-path") && !told.contains("pa55"),
        "{told}"
    );
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    // Connections wait in the listener's queue, and nobody takes them.
    let receiver = receiver(&url);
    tokio::time::pause();
    let error = receiver.deliver(&message()).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Unreachable(_)), "{error}");
}
