//! Times the start of Lambda functions, from spawning the program to its first answer:
//!
//! ```sh
//! cold-start ROUNDS PROGRAM EVENT [PROGRAM EVENT…]
//! ```
//!
//! Every round starts each program once, beginning with another one than the round before, so that
//! load hits all alike; a first round only warms the page cache. For each start one line: the
//! program's number, microseconds, peak memory in KiB and the answer, separated by tabs.
//!
//! It plays the two routes of the Runtime API that matter. Where `NOCODB_URL` is not set it plays
//! `NocoDB` too, which functions connect to before their first request, and answers at once. Where
//! `SSM_ANSWERS` is set it plays SSM as well, which answers just that.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The event for the function that was started last, until it has taken it.
type Next = Arc<Mutex<Option<String>>>;
/// When a function posted something, where, and what.
type Post = (Instant, String, String);

const SSM_ANSWERS: &str = "SSM_ANSWERS";
const STARTS_WITHIN: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [rounds, starts @ ..] = arguments.as_slice() else {
        return Err("usage: cold-start ROUNDS PROGRAM EVENT [PROGRAM EVENT…]".into());
    };
    let starts: Vec<_> = starts.chunks_exact(2).collect();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let (next, (sender, posts)) = (Next::default(), mpsc::channel());
    let handed_out = Arc::clone(&next);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (next, posts) = (Arc::clone(&handed_out), sender.clone());
            // A function that is killed resets its connections: nothing to report.
            thread::spawn(move || serve(&stream, &next, &posts));
        }
    });
    for round in 0..=rounds.parse()? {
        for turn in 0..starts.len() {
            let number = (round + turn) % starts.len();
            *next.lock().unwrap_or_else(PoisonError::into_inner) = Some(starts[number][1].clone());
            let line = start(&starts[number][0], &address, &posts)?;
            if round > 0 {
                println!("{number}\t{line}");
            }
        }
    }
    Ok(())
}

fn start(program: &str, api: &str, posts: &Receiver<Post>) -> Result<String, Box<dyn Error>> {
    let mut command = Command::new(program);
    command
        .env("AWS_LAMBDA_RUNTIME_API", api)
        .env("AWS_LAMBDA_FUNCTION_NAME", "benchmark")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if env::var_os("NOCODB_URL").is_none() {
        command.env("NOCODB_URL", format!("http://{api}"));
    }
    if env::var_os(SSM_ANSWERS).is_some() {
        command.env("AWS_ENDPOINT_URL", format!("http://{api}"));
    }
    let begun = Instant::now();
    let mut child = command
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let post = posts.recv_timeout(STARTS_WITHIN);
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()));
    child.kill()?;
    let output = child.wait_with_output()?;
    match post {
        Ok((arrived, path, answer)) if path.ends_with("/response") => {
            let status = status?;
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = peak.unwrap_or_default().trim().trim_end_matches(" kB");
            Ok(format!(
                "{}\t{kib}\t{answer}",
                (arrived - begun).as_micros()
            ))
        }
        _ => Err(format!("{program} did not answer: {post:?} {output:?}").into()),
    }
}

/// One connection of a function.
fn serve(mut stream: &TcpStream, next: &Next, posts: &Sender<Post>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let parameters = env::var(SSM_ANSWERS).unwrap_or_default();
    loop {
        let (mut path, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if path.is_empty() {
                line.split(' ')
                    .nth(1)
                    .unwrap_or_default()
                    .clone_into(&mut path);
            } else if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or_default();
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        io::Read::read_exact(&mut reader, &mut body)?;
        if path.contains("/runtime/") && !path.ends_with("/next") {
            let _ = posts.send((
                Instant::now(),
                path,
                String::from_utf8_lossy(&body).into_owned(),
            ));
            // Never acknowledged: it would ask for another event, which is the next function's.
        } else if !path.ends_with("/next") {
            // NocoDB is asked for its health.
            let content = if path == "/" { &parameters } else { "" };
            let length = content.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{content}");
            stream.write_all(answer.as_bytes())?;
        } else if let Some(event) = next.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // In one piece, as a service would send it. The deadline is far away.
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 lambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: 32503680000000\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:local:0:function:benchmark\r\n\r\n{event}",
                event.len()
            );
            stream.write_all(answer.as_bytes())?;
        }
    }
}
