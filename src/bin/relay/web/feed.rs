//! The state of the page and its changes. Each change has an ID from which a page can continue after an interruption.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

/// Number of changes that are kept for returning pages.
const CHANGES_KEPT: usize = 2_000;

/// Number of entries of a list that are kept for a page that is loaded again.
const ENTRIES_KEPT: usize = 2_000;

/// A change: values that are replaced, and entries that are added to lists.
#[derive(Debug, Default)]
pub struct Change {
    set: Map<String, Value>,
    add: Map<String, Value>,
}

impl Change {
    /// Replaces a value.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.set.insert(key.to_owned(), value.into());
    }

    /// Adds an entry to the end of a list.
    pub fn add(&mut self, key: &str, entry: Value) {
        match self.add.entry(key).or_insert_with(|| json!([])) {
            Value::Array(entries) => entries.push(entry),
            other => *other = json!([entry]),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty()
    }
}

/// The state of the page, and its latest changes.
pub struct Feed {
    /// ID of this run, because the IDs of other runs mean other changes.
    run: String,
    shown: Mutex<Shown>,
    bell: Condvar,
}

/// The state of the page with its latest changes, behind a lock.
#[derive(Default)]
struct Shown {
    state: Map<String, Value>,
    /// The number of the latest change.
    last: u64,
    changes: VecDeque<String>,
    closed: bool,
}

/// The result for a page that has seen all changes up to some ID.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// These changes, each with its ID.
    Changes(Vec<(String, String)>),
    /// Nothing yet.
    Nothing,
    /// The ID is too old, or from another run: the page must request the whole state.
    Stale,
    /// The feed is closed.
    Closed,
}

impl Feed {
    pub fn new(run: String) -> Self {
        Self { run, shown: Mutex::default(), bell: Condvar::new() }
    }

    /// Makes a change, and wakes the waiting requests. An empty change is ignored.
    pub fn make(&self, change: Change) {
        if change.is_empty() {
            return;
        }
        let mut shown = self.shown();
        let told = json!({"set": change.set, "add": change.add}).to_string();
        for (key, entries) in change.add {
            let list = shown.state.entry(key).or_insert_with(|| json!([]));
            if let (Value::Array(list), Value::Array(entries)) = (list, entries) {
                list.extend(entries);
                let surplus = list.len().saturating_sub(ENTRIES_KEPT);
                list.drain(..surplus);
            }
        }
        shown.state.extend(change.set);
        shown.last += 1;
        shown.changes.push_back(told);
        if shown.changes.len() > CHANGES_KEPT {
            shown.changes.pop_front();
        }
        drop(shown);
        self.bell.notify_all();
    }

    /// Returns the whole state, with the ID of the latest change in it.
    pub fn snapshot(&self) -> Value {
        let shown = self.shown();
        json!({"last": self.id(shown.last), "state": shown.state})
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.shown().state.get(key).cloned()
    }

    /// Returns the changes after an ID, and blocks for at most `patience` until there is one.
    pub fn after(&self, id: &str, patience: Duration) -> News {
        let Some(seen) = id.strip_prefix(&self.run).and_then(|rest| rest.strip_prefix('-')?.parse::<u64>().ok()) else {
            return News::Stale;
        };
        let shown = self.shown();
        let waited = self.bell.wait_timeout_while(shown, patience, |shown| !shown.closed && seen == shown.last);
        let (shown, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let first = shown.last + 1 - shown.changes.len() as u64;
        if shown.closed {
            return News::Closed;
        }
        if seen > shown.last || seen + 1 < first {
            return News::Stale;
        }
        let missed = usize::try_from(shown.last - seen).unwrap_or(usize::MAX);
        if missed == 0 {
            return News::Nothing;
        }
        let skip = shown.changes.len() - missed;
        let changes = shown.changes.iter().skip(skip).zip(seen + 1..);
        News::Changes(changes.map(|(change, number)| (self.id(number), change.clone())).collect())
    }

    /// Ends all waits.
    pub fn close(&self) {
        self.shown().closed = true;
        self.bell.notify_all();
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn added(number: usize) -> Change {
        let mut change = Change::default();
        change.add("list", json!(number));
        change.set("latest", number);
        change
    }

    #[test]
    fn a_page_goes_on_behind_the_last_change_that_it_saw() {
        let feed = Feed::new("run".into());
        assert_eq!(feed.after("run-0", Duration::ZERO), News::Nothing);
        (1..=3).for_each(|number| feed.make(added(number)));
        feed.make(Change::default());
        assert_eq!(feed.snapshot(), json!({"last": "run-3", "state": {"list": [1, 2, 3], "latest": 3}}));
        let News::Changes(news) = feed.after("run-1", LONG) else { panic!("there are two changes") };
        let ids: Vec<&str> = news.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["run-2", "run-3"]);
        assert_eq!(news[0].1, json!({"set": {"latest": 2}, "add": {"list": [2]}}).to_string());
        assert_eq!(feed.after("run-3", Duration::ZERO), News::Nothing);
    }

    #[test]
    fn an_id_of_another_run_or_of_long_ago_needs_the_whole_state() {
        let feed = Feed::new("run".into());
        (0..CHANGES_KEPT + 5).for_each(|number| feed.make(added(number)));
        for id in ["other-1", "run", "run-", "run-x", "run-4", "run-999999", "", "run--1"] {
            assert_eq!(feed.after(id, Duration::ZERO), News::Stale, "{id}");
        }
        assert!(matches!(feed.after("run-5", Duration::ZERO), News::Changes(all) if all.len() == CHANGES_KEPT));
        let kept = feed.snapshot()["state"]["list"].as_array().map(Vec::len);
        assert_eq!(kept, Some(ENTRIES_KEPT));
    }

    #[test]
    fn a_wait_ends_with_the_next_change_and_when_the_feed_closes() {
        let feed = Feed::new("run".into());
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| feed.after("run-0", LONG));
            feed.make(added(1));
            assert!(matches!(waiting.join(), Ok(News::Changes(all)) if all.len() == 1));
            let waiting = threads.spawn(|| feed.after("run-1", LONG));
            feed.close();
            assert!(matches!(waiting.join(), Ok(News::Closed)));
        });
    }
}
