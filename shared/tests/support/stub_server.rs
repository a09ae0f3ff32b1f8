//! An HTTP server that answers from a script, wrongly if so wished.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// What happens to one connection.
#[derive(Clone)]
pub(crate) enum Act {
    /// Reads the request, writes this, closes.
    Say(Vec<u8>),
    /// Reads the request, writes this, and closes a moment later without having announced it.
    SayThenDie(Vec<u8>),
    /// Closes with the request unread, which resets the connection.
    Reset,
    /// Reads the request and says nothing.
    Hang,
}

pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Say(format!("HTTP/1.1 {status} X\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}").into())
}

pub(crate) struct Stub {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    died: Arc<Notify>,
}

impl Stub {
    /// One act per connection; the last one is repeated.
    pub(crate) async fn start(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let died = Arc::new(Notify::new());
        let (seen, dying) = (Arc::clone(&requests), Arc::clone(&died));
        tokio::spawn(async move {
            let mut script = script.into_iter();
            let mut act = script.next().unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(
                    stream,
                    act.clone(),
                    Arc::clone(&seen),
                    Arc::clone(&dying),
                ));
                act = script.next().unwrap_or(act);
            }
        });
        Self {
            url,
            requests,
            died,
        }
    }

    /// Waits until an [`Act::SayThenDie`] is over and the client has had time to notice.
    pub(crate) async fn died(&self) {
        self.died.notified().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    /// The requests so far, as they came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, act: Act, seen: Arc<Mutex<Vec<String>>>, died: Arc<Notify>) {
    if matches!(act, Act::Reset) {
        stream.readable().await.unwrap();
        seen.lock().unwrap().push("(not read)".into());
        return;
    }
    let mut request = Vec::new();
    while !complete(&request) {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => request.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    seen.lock()
        .unwrap()
        .push(String::from_utf8(request).unwrap());
    match act {
        Act::Say(text) => {
            // The client may well stop reading half-way: that is some tests' point.
            let _ = stream.write_all(&text).await;
            let _ = stream.shutdown().await;
        }
        Act::SayThenDie(text) => {
            stream.write_all(&text).await.unwrap();
            // Long enough for the client to put the connection aside as a good one.
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(stream);
            died.notify_one();
        }
        Act::Hang => tokio::time::sleep(Duration::from_mins(1)).await,
        Act::Reset => unreachable!(),
    }
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    body.len() >= length
}
