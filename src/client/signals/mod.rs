//! The events that stop a program during `Client::run`: signals on Unix, console events on Windows.

mod stop;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use self::unix::Watch;
#[cfg(windows)]
pub(super) use self::windows::Watch;
