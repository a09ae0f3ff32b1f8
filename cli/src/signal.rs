//! When the process is asked to stop.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};

/// Listens from now on, so that nothing ends the process by itself any more.
#[cfg(unix)]
pub(crate) fn stop() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    })
}

/// Listens from now on, so that nothing ends the process by itself any more.
#[cfg(not(unix))]
pub(crate) fn stop() -> io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

/// The same, and when the terminal is closed: for what would leave something behind.
#[cfg(unix)]
pub(crate) fn stop_or_hangup() -> io::Result<impl Future<Output = ()>> {
    let stop = stop()?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! { () = stop => {}, _ = hangup.recv() => {} }
    })
}

/// The same; such a system says no more.
#[cfg(not(unix))]
pub(crate) fn stop_or_hangup() -> io::Result<impl Future<Output = ()>> {
    stop()
}
