//! The connections of `lastseen serve`: how many there may be, how long they may take, and whose they
//! are.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;

use crate::finish::finished;

/// As many as there are at least, also where a process may open fewer files than that takes.
const FEWEST_CONNECTIONS: usize = 400;
/// Enough for 10,000 browsers: each is connected for seconds in three minutes. If all sent their bodies
/// slowly, that would take 400 MB (measured). One more is not refused: it waits in the system's queue
/// until another ends.
const MOST_CONNECTIONS: usize = 4000;
/// Each may hold a socket and a file.
const FILES_EACH: usize = 2;
/// What else the process has open: databases, connections to NocoDB, its log. It leaves 400 connections
/// where 1024 files are allowed, as on many systems.
const OTHER_FILES: usize = 224;
/// From the first wait for a request until the last of its headers. A connection that is kept open
/// between requests waits for the next one no longer either.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
/// What a request may take before its body: `431` above it. Less than the longest address that hyper
/// takes, whose `414` a cache might keep.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// What is read ahead, and what of an answer waits to be sent. Times the connections, it bounds the
/// memory.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// How long the other side may take none of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests under way may take once the process is asked to stop: longer than the store and
/// the queue behind it take to give up then, one after the other.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);
/// Between attempts where the system gives no connection, which lasts as long as others hold on.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How many wait for room; systems hold fewer where they are set up so. For whom it has no place, the
/// way in is lost, and found again only after seconds, and then after twice as many.
const WAITING: u32 = 4096;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Listens on `HOST:PORT`.
pub(crate) async fn listen(address: &str) -> io::Result<TcpListener> {
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in lookup_host(address).await? {
        result = listen_on(address);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of the last run may still be ending. On Windows it would let two programs listen.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Answers until `stop` resolves, and then finishes what is under way.
pub(crate) async fn serve<Answer>(
    listener: TcpListener,
    respond: impl Fn(Request<Incoming>) -> Answer + Clone + Send + 'static,
    stop: impl Future<Output = ()>,
) where
    Answer: Future<Output = Response> + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_BUFFER_BYTES);
    let most = most_connections(allowed_files());
    let slots = Arc::new(Semaphore::new(most));
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, peer, slot) = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = &mut stop => break,
        };
        // Taken until the connection has ended and what came by it is finished.
        let slot = Arc::new(slot);
        let (respond, room, place) = (respond.clone(), slots.clone(), slot.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            add_peer(request.headers_mut(), peer.ip());
            let (answer, place) = (respond(request), place.clone());
            let answer = finished(async move {
                let answer = answer.await;
                drop(place);
                answer
            });
            let room = room.clone();
            async move {
                let answer = answer.await;
                Ok::<_, Infallible>(part_if_many(answer, room.available_permits(), most))
            }
        });
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_TIMEOUT));
        let connection = http.serve_connection(TokioIo::new(Box::pin(stream)), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // What goes wrong here is the other side's doing, and theirs to notice.
            let _ = connection.await;
            drop(slot);
        });
    }
    drop(listener);
    // A browser keeps its connection open; it is not waited for longer than any answer takes. Once
    // every place is free, requests whose clients went away are finished, too.
    let all = async {
        connections.shutdown().await;
        let places = u32::try_from(most).unwrap_or(u32::MAX);
        // Nobody closes the semaphore.
        drop(slots.acquire_many(places).await);
    };
    let _ = tokio::time::timeout(STOP_TIMEOUT, all).await;
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // Nobody closes the semaphore.
    let slot = slots.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, slot),
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
}

/// How many files the process may open, after it has been allowed as many as it can be.
fn allowed_files() -> usize {
    let most = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_default();
    usize::try_from(most).unwrap_or(usize::MAX)
}

fn most_connections(files: usize) -> usize {
    let room = files.saturating_sub(OTHER_FILES) / FILES_EACH;
    room.clamp(FEWEST_CONNECTIONS, MOST_CONNECTIONS)
}

/// Keeps a connection for another request only while half of the room is free: whoever comes does not
/// wait for somebody who is done.
fn part_if_many(mut answer: Response, free: usize, most: usize) -> Response {
    if free < most / 2 {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
    }
    answer
}

/// Adds the sender's address as the last one in `X-Forwarded-For`, as any proxy does: the entry from
/// the right is the only one that the sender did not write.
///
/// All are put into one header, so that whoever reads only the first of several is not deceived.
fn add_peer(headers: &mut HeaderMap, peer: IpAddr) {
    let mut entries: Vec<&[u8]> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    // A socket that speaks both protocols shows IPv4 addresses as IPv6 ones.
    let peer = peer.to_canonical().to_string();
    entries.push(peer.as_bytes());
    // Bytes that came in a header fit into one.
    if let Ok(list) = HeaderValue::from_bytes(&entries.join(&b", "[..])) {
        headers.insert(FORWARDED_FOR, list);
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn there_are_as_many_connections_as_there_may_be_files_for() {
        for (files, expected) in [
            (0, 400),
            (256, 400),
            (1024, 400),
            (4096, 1936),
            (20_000, 4000),
            (usize::MAX, 4000),
        ] {
            assert_eq!(most_connections(files), expected, "{files} files");
        }
    }

    #[test]
    fn connections_are_kept_until_half_of_them_are_taken() {
        for (free, is_kept) in [(400, true), (200, true), (199, false), (0, false)] {
            let answer = part_if_many(Response::new(Body::empty()), free, 400);
            assert_eq!(
                !answer.headers().contains_key(CONNECTION),
                is_kept,
                "{free}"
            );
        }
    }

    #[test]
    fn the_sender_is_the_last_of_those_a_request_was_forwarded_for() {
        for (sent, peer, expected) in [
            (&[][..], "192.0.2.7", "192.0.2.7"),
            (&["203.0.113.9"], "192.0.2.7", "203.0.113.9, 192.0.2.7"),
            (
                &["127.0.0.1, 203.0.113.9", "10.0.0.1"],
                "192.0.2.7",
                "127.0.0.1, 203.0.113.9, 10.0.0.1, 192.0.2.7",
            ),
            (&[""], "192.0.2.7", ", 192.0.2.7"),
            (&[], "2001:db8::7", "2001:db8::7"),
            (&[], "::ffff:192.0.2.7", "192.0.2.7"),
        ] {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
            }
            add_peer(&mut headers, peer.parse().unwrap());
            let all: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
            assert_eq!(all, [expected], "{sent:?}");
        }
    }

    #[test]
    fn what_is_no_text_stays_in_front_of_the_sender() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, HeaderValue::from_bytes(b"\xff\t").unwrap());
        add_peer(&mut headers, "192.0.2.7".parse().unwrap());
        assert_eq!(headers[FORWARDED_FOR].as_bytes(), b"\xff\t, 192.0.2.7");
    }
}
