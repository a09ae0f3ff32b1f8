//! What a doctor meets: a real `lastseen serve`, and a proxy in front that breaks something.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::place::Place;

/// A running `lastseen serve`. Gone when dropped.
pub(super) struct Serving {
    child: Child,
    pub(super) url: String,
}

impl Serving {
    pub(super) fn start(place: &Place) -> Self {
        let mut child = place
            .command(&["serve"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some((_, url)) = line.split_once("listening on ") {
                break url.to_owned();
            }
        };
        // Whoever stops reading would stop the server.
        std::thread::spawn(move || lines.count());
        Self { child, url }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a proxy does with a request.
pub(super) enum Act {
    /// Passes it on with this head.
    Pass(String),
    /// Answers it with this.
    Say(String),
    /// Says nothing.
    Hang,
}

/// A proxy in front of a server, as broken as a test wants it: it changes the head of each request,
/// and that of each answer.
pub(super) fn proxy(
    upstream: &str,
    ask: impl Fn(String) -> Act + Send + Sync + 'static,
    answer: impl Fn(String) -> String + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let upstream = upstream.trim_start_matches("http://").to_owned();
    let (ask, answer) = (Arc::new(ask), Arc::new(answer));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (ask, answer, upstream) = (ask.clone(), answer.clone(), upstream.clone());
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let (head, body) = read(&mut stream);
                match ask(head) {
                    Act::Hang => std::thread::sleep(Duration::from_mins(1)),
                    Act::Say(said) => stream.write_all(said.as_bytes()).unwrap(),
                    Act::Pass(head) => {
                        let mut there = TcpStream::connect(upstream).unwrap();
                        let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
                        there
                            .write_all(format!("{head}\r\n\r\n").as_bytes())
                            .unwrap();
                        there.write_all(&body).unwrap();
                        let (head, body) = read(&mut there);
                        let head = format!("{}\r\n\r\n", answer(head));
                        stream.write_all(head.as_bytes()).unwrap();
                        stream.write_all(&body).unwrap();
                    }
                }
            });
        }
    });
    url
}

/// One message: its head, and the body as `Content-Length` tells it.
fn read(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut message = Vec::new();
    let mut byte = [0];
    while !message.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        message.extend(byte);
    }
    let head = String::from_utf8(message).unwrap().trim_end().to_owned();
    let length = header(&head, "content-length").map_or(0, |value| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// A head without these headers.
pub(super) fn without(head: &str, names: &[&str]) -> String {
    let is_wanted = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        !names
            .iter()
            .any(|unwanted| name.eq_ignore_ascii_case(unwanted))
    };
    head.lines()
        .filter(is_wanted)
        .collect::<Vec<_>>()
        .join("\r\n")
}

pub(super) fn with(head: &str, line: &str) -> String {
    format!("{head}\r\n{line}")
}

pub(super) fn page(text: &str) -> Act {
    Act::Say(format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    ))
}
