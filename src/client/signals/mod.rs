//! What asks a program to stop, while `Client::run` runs: signals on Unix, the events of its console on Windows.

mod stop;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use self::unix::Watch;
#[cfg(windows)]
pub(super) use self::windows::Watch;
