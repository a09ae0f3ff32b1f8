//! What the client makes of servers and networks that fail.

use std::time::{Duration, Instant};

use serde_json::json;
use shared::nocodb::{
    Client, Config, Connections, Error, Filter, Query, RecordId, Retry, Table, Unreachable,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::stub::{Act, Stub, answer};

const ROW: &str = r#"{"records":[{"id":7,"fields":{"email":"lovelace@example.com"}}]}"#;

fn config(url: &str) -> Config {
    let mut config = Config::new(url.parse().unwrap(), "tok-secret".to_owned().into());
    config.attempt_timeout = Duration::from_secs(5);
    config.total_deadline = Duration::from_secs(20);
    config.max_body_bytes = 64 * 1024;
    config.retry = Retry {
        retries: 2,
        base: Duration::from_millis(5),
        max: Duration::from_millis(10),
    };
    config
}

fn table(url: &str) -> Table {
    Client::new(config(url)).unwrap().table("p1", "m1").unwrap()
}

/// For servers that say nothing: the only ones on whom patience is wasted.
fn impatient(url: &str) -> Table {
    let mut config = config(url);
    config.attempt_timeout = Duration::from_millis(500);
    Client::new(config).unwrap().table("p1", "m1").unwrap()
}

fn id() -> RecordId {
    7.into()
}

/// A way to fail, what the error then says, and how many attempts are made of an update and of a
/// create.
fn failures() -> Vec<(Act, &'static str, usize, usize)> {
    let html = "<!doctype html><title>Sign in lovelace@example.com</title>";
    let unauthorized = r#"{"error":"ERR_AUTHENTICATION_REQUIRED","message":"x"}"#;
    let no_token = "NocoDB does not accept the API token for this request";
    let not_json = "NocoDB's answer could not be read: it is not JSON";
    let wrong_shape = "NocoDB's answer could not be read: it is not of the expected form";
    let too_large = "NocoDB's answer could not be read: it is too large";
    let broke = "NocoDB could not be reached: the connection broke";
    let silent = "NocoDB could not be reached: no answer in time";
    let limited = "NocoDB limits the rate of requests";
    let limited_long = "NocoDB limits the rate of requests; it asks to wait 30 s";
    let cut_off = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"records\":[";
    let redirect = "Location: http://127.0.0.1:1/steal\r\n";
    vec![
        (answer(401, "", unauthorized), no_token, 1, 1),
        (
            answer(502, "", html),
            "NocoDB answered with HTTP status 502",
            3,
            1,
        ),
        (answer(200, "", html), not_json, 1, 1),
        (answer(200, "", ""), not_json, 1, 1),
        (
            answer(200, "", r#"{"hello":"lovelace@example.com"}"#),
            wrong_shape,
            1,
            1,
        ),
        (answer(200, "", r#"{"records":[]}"#), wrong_shape, 1, 1),
        (
            answer(200, "", r#"{"records":[{"id":"lovelace@example.com"}]}"#),
            wrong_shape,
            1,
            1,
        ),
        (answer(200, "", &" ".repeat(100_000)), too_large, 1, 1),
        (Act::Reset, broke, 3, 1),
        (Act::Say(cut_off.into()), broke, 3, 1),
        (Act::Say(b"SSH-2.0-x\r\n\r\n".into()), broke, 3, 1),
        (Act::Hang, silent, 3, 1),
        (
            answer(302, redirect, ""),
            "NocoDB answered with HTTP status 302",
            1,
            1,
        ),
        (answer(429, "", ""), limited, 3, 3),
        (answer(429, "Retry-After: 30\r\n", ""), limited_long, 1, 1),
    ]
}

#[tokio::test]
async fn each_failure_has_its_meaning_and_is_repeated_only_where_that_is_safe() {
    for (act, says, updates, creates) in failures() {
        let table = if matches!(act, Act::Hang) {
            impatient
        } else {
            table
        };
        for (attempts, create) in [(updates, false), (creates, true)] {
            let stub = Stub::start(vec![act.clone()]).await;
            let table = table(&stub.url);
            let fields = json!({ "email": "lovelace@example.com" });
            let error = if create {
                table.create(&fields).await.unwrap_err()
            } else {
                table.update(&id(), &fields).await.unwrap_err()
            };
            assert_eq!(error.to_string(), says, "create: {create}");
            assert_eq!(stub.requests().len(), attempts, "{says}, create: {create}");
            assert_discreet(&error);
        }
        // Here the address is in the URL, which the transport likes to quote.
        let stub = Stub::start(vec![act]).await;
        let query = Query::new().filter(Filter::eq("email", "lovelace@example.com"));
        if let Err(error) = table(&stub.url).list(&query).await {
            assert_discreet(&error);
        }
    }
}

fn assert_discreet(error: &Error) {
    let mut causes = vec![format!("{error} {error:?}")];
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        causes.push(format!("{error} {error:?}"));
        cause = error.source();
    }
    let text = causes.concat();
    assert!(
        !text.contains("lovelace") && !text.contains("tok-secret"),
        "{text}"
    );
}

#[tokio::test]
async fn a_refused_connection_is_named_as_such_and_tried_again_even_for_a_create() {
    // Port 1 is nobody's. The pauses show the retries, of which nobody else can know.
    let mut config = config("http://127.0.0.1:1");
    config.retry = Retry {
        retries: 40,
        base: Duration::from_millis(10),
        max: Duration::from_millis(10),
    };
    let table = Client::new(config).unwrap().table("p1", "m1").unwrap();
    let start = Instant::now();
    let error = table.create(&json!({ "n": 1 })).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unreachable {
                how: Unreachable::Connect,
                source: Some(_)
            }
        ),
        "{error:?}"
    );
    assert!(
        start.elapsed() > Duration::from_millis(40),
        "forty pauses of 5 ms on average"
    );
}

#[tokio::test]
async fn a_call_recovers_when_the_next_attempt_succeeds() {
    for act in [
        answer(503, "", ""),
        Act::Reset,
        Act::Hang,
        answer(429, "Retry-After: 0\r\n", ""),
    ] {
        let stub = Stub::start(vec![act, answer(200, "", ROW)]).await;
        assert_eq!(
            impatient(&stub.url)
                .update(&id(), &json!({ "n": 1 }))
                .await
                .unwrap()
                .id,
            id()
        );
        assert_eq!(stub.requests().len(), 2);
    }
}

#[tokio::test]
async fn retry_after_is_waited_for_when_the_deadline_allows() {
    let stub = Stub::start(vec![
        answer(429, "Retry-After: 1\r\n", ""),
        answer(200, "", ROW),
    ])
    .await;
    let start = Instant::now();
    table(&stub.url).create(&json!({ "n": 1 })).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_at_the_total_deadline() {
    let stub = Stub::start(vec![Act::Hang]).await;
    let mut config = config(&stub.url);
    config.attempt_timeout = Duration::from_mins(1);
    config.total_deadline = Duration::from_millis(300);
    let start = Instant::now();
    let error = Client::new(config)
        .unwrap()
        .table("p1", "m1")
        .unwrap()
        .get(&id())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Unreachable {
                how: Unreachable::Timeout,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_connection_that_died_while_idle_does_not_cost_a_create() {
    let alive = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{ROW}",
        ROW.len()
    );
    let stub = Stub::start(vec![Act::SayThenDie(alive.into()), answer(200, "", ROW)]).await;
    let table = table(&stub.url);
    table.create(&json!({ "n": 1 })).await.unwrap();
    stub.died().await;
    table.create(&json!({ "n": 2 })).await.unwrap();
    assert_eq!(stub.requests().len(), 2);
}

#[tokio::test]
async fn requests_look_as_the_server_expects_them() {
    let stub = Stub::start(vec![answer(200, "", ROW)]).await;
    let table = Client::new(config(&format!("{}/nocodb/", stub.url)))
        .unwrap()
        .table("p1", "m1")
        .unwrap();
    table.update(&id(), &json!({ "n": 1 })).await.unwrap();
    table
        .list(
            &Query::new()
                .filter(Filter::eq("email", "a+b&c=d@x.y"))
                .descending("Id")
                .fields(["email"]),
        )
        .await
        .unwrap();
    let [patch, list] = stub.requests().try_into().unwrap();
    assert!(
        patch.starts_with("PATCH /nocodb/api/v3/data/p1/m1/records HTTP/1.1\r\n"),
        "{patch}"
    );
    assert!(
        patch.contains("\r\nxc-token: tok-secret\r\n")
            && patch.contains("\r\ncontent-type: application/json\r\n"),
        "{patch}"
    );
    assert!(patch.ends_with(r#"{"id":"7","fields":{"n":1}}"#), "{patch}");
    assert!(list.starts_with("GET /nocodb/api/v3/data/p1/m1/records?pageSize=100&where=%28%27email%27%2Ceq%2C%27a%2Bb%26c%3Dd%40x.y%27%29&sort="), "{list}");
}

#[tokio::test]
async fn what_cannot_be_put_is_not_sent() {
    let stub = Stub::start(vec![answer(200, "", ROW)]).await;
    let table = table(&stub.url);
    let none: [&str; 0] = [];
    for error in [
        table.create(&json!(["flat"])).await.unwrap_err(),
        table.create("text").await.unwrap_err(),
        table.update_many(&[(id(), 5)]).await.unwrap_err(),
        table
            .list(&Query::new().filter(Filter::eq("email", "x\\")))
            .await
            .unwrap_err(),
        table
            .count(Some(&Filter::is_in("email", none)))
            .await
            .unwrap_err(),
        table.list(&Query::new().fields(["a,b"])).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
    }
    assert_eq!(stub.requests().len(), 0);
}

/// A table over connections of its own, one of which is being opened.
async fn opening(listener: &TcpListener) -> Table {
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Connections::new().unwrap();
    let address = url.parse().unwrap();
    let open = connections.open(&address);
    let opened = timeout(Duration::from_secs(1), open).await;
    assert!(opened.is_ok(), "nobody waits for the answer");
    let mut config = config(&url);
    config.connections = Some(connections);
    Client::new(config).unwrap().table("p1", "m1").unwrap()
}

/// What a table's row is read as, on a connection that stays open.
async fn say_row(stream: &mut TcpStream) {
    let row = r#"{"id":7,"fields":{}}"#;
    let length = row.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{row}");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn request_on(stream: &mut TcpStream) -> String {
    let mut request = vec![0; 4096];
    let length = stream.read(&mut request).await.unwrap();
    String::from_utf8_lossy(&request[..length]).into_owned()
}

#[tokio::test]
async fn the_first_call_takes_the_connection_that_is_being_opened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let table = opening(&listener).await;
    let call = tokio::spawn(async move { table.get(&id()).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    let opened = request_on(&mut stream).await;
    assert!(opened.starts_with("HEAD /favicon.ico "), "{opened}");
    assert!(!opened.contains("xc-token"), "{opened}");
    let another = timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(another.is_err(), "the call opened one of its own");
    let nothing = "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n";
    stream.write_all(nothing.as_bytes()).await.unwrap();
    let called = request_on(&mut stream).await;
    assert!(called.starts_with("GET "), "{called}");
    say_row(&mut stream).await;
    assert!(call.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_connection_that_cannot_be_opened_ahead_keeps_no_call_from_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let table = opening(&listener).await;
    let call = tokio::spawn(async move { table.get(&id()).await });
    let (_silent, _) = listener.accept().await.unwrap();
    // After two seconds the call goes its own way.
    let another = timeout(Duration::from_secs(4), listener.accept()).await;
    let (mut stream, _) = another.unwrap().unwrap();
    assert!(request_on(&mut stream).await.starts_with("GET "));
    say_row(&mut stream).await;
    assert!(call.await.unwrap().is_ok());
}
