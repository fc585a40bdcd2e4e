//! A logger that keeps every record.

use std::sync::Mutex;

use log::{Log, Metadata, Record};

use super::log_to;

/// Keeps every record.
#[derive(Default)]
pub struct Capture {
    records: Mutex<Vec<(String, String)>>,
}

impl Capture {
    pub fn install() -> &'static Self {
        let capture: &'static Self = Box::leak(Box::default());
        log_to(capture);
        capture
    }

    pub fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.records.lock().unwrap())
    }
}

impl Log for Capture {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{} {:?} {:?}", record.args(), record.module_path(), record.file());
        self.records.lock().unwrap().push((record.target().to_owned(), line));
    }

    fn flush(&self) {}
}
