//! Signals: the first one ends the operation, the second one the process.

use std::sync::atomic::{AtomicBool, Ordering};

static CAME: AtomicBool = AtomicBool::new(false);

/// `true` after the first signal.
pub fn came() -> bool {
    CAME.load(Ordering::SeqCst)
}

/// Runs `first` at the first SIGINT or SIGTERM, on its own thread. The second one ends the process.
#[cfg(unix)]
pub fn watch(first: impl Fn() + Send + 'static) -> Result<(), String> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let refused = |error| format!("signals cannot be watched: {error}");
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(refused)?;
    // Each signal gets its own thread, so that the second is seen while the first is handled.
    let thread = std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut first = Some(first);
        for signal in signals.forever() {
            let Some(first) = first.take() else { std::process::exit(128 + signal) };
            CAME.store(true, Ordering::SeqCst);
            let _ends_with_the_process = std::thread::Builder::new().name("signal".into()).spawn(first);
        }
    });
    thread.map(drop).map_err(refused)
}

/// Runs `first` at the first Ctrl-C. The second one ends the process.
#[cfg(windows)]
pub fn watch(first: impl Fn() + Send + 'static) -> Result<(), String> {
    use std::sync::{Mutex, PoisonError};

    let first = Mutex::new(Some(first));
    let handler = move || {
        CAME.store(true, Ordering::SeqCst);
        let taken = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        match taken {
            Some(first) => drop(std::thread::Builder::new().name("signal".into()).spawn(first)),
            None => std::process::exit(130),
        }
    };
    ctrlc::set_handler(handler).map_err(|error| format!("Ctrl-C cannot be watched: {error}"))
}

#[cfg(not(any(unix, windows)))]
pub fn watch(_first: impl Fn() + Send + 'static) -> Result<(), String> {
    Ok(())
}
