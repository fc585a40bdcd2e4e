//! Arguments by name, and their conversion to arguments of setters.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};
use signalwire_relay::devices::Devices;
use signalwire_relay::media::{Media, Playlist};
use signalwire_relay::params::{AiPrompt, Swaig};

use super::ai::{prompt, swaig};
use super::objects::{device, medium};
use crate::json::members;

/// The way of passing nested JSON: through builders as far as they exist, or as raw JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Typed,
    Raw,
}

thread_local! {
    /// The arguments that bypassed their setters since the list was last taken.
    static UNFIT: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes that an argument goes past its setter, which does not take this value.
pub fn unfit(name: &str) {
    UNFIT.with_borrow_mut(|unfit| unfit.insert(name.to_owned()));
}

/// The arguments that went past their setters on this thread since the last call.
pub fn take_unfit() -> BTreeSet<String> {
    UNFIT.take()
}

/// Arguments by name. Each is taken once, and none may be left.
pub struct Args {
    given: Map<String, Value>,
    extra: Map<String, Value>,
    pub way: Way,
}

impl Args {
    pub fn new(args: &Value, extra: &Value, way: Way) -> Self {
        let mut given = members(args);
        given.retain(|_, value| !value.is_null());
        Self { given, extra: members(extra), way }
    }

    /// The members of an object within; what is `null` there is a value.
    pub fn within(object: &Value, way: Way) -> Self {
        Self { given: members(object), extra: Map::new(), way }
    }

    pub fn json(&mut self, name: &str) -> Option<Value> {
        self.given.remove(name)
    }

    /// A value as a setter takes it. One that the setter does not take is sent as it is, under its name.
    fn fit<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = self.json(name)?;
        let fitting = read(&value);
        if fitting.is_none() {
            unfit(name);
            self.extra.insert(name.to_owned(), value);
        }
        fitting
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        self.fit(name, |value| value.as_str().map(str::to_owned))
    }

    pub fn number(&mut self, name: &str) -> Option<f64> {
        self.fit(name, Value::as_f64)
    }

    pub fn whole(&mut self, name: &str) -> Option<u32> {
        let whole = |number: &f64| number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number);
        self.fit(name, |value| value.as_f64().filter(whole).map(|number| number as u32))
    }

    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.fit(name, Value::as_bool)
    }

    pub fn seconds(&mut self, name: &str) -> Option<Duration> {
        self.fit(name, |value| Duration::try_from_secs_f64(value.as_f64()?).ok())
    }

    pub fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        self.fit(name, |value| value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect())
    }

    pub fn milliseconds(&mut self, name: &str) -> Option<Duration> {
        self.whole(name).map(|number| Duration::from_millis(number.into()))
    }

    pub fn array(&mut self, name: &str) -> Option<Vec<Value>> {
        self.fit(name, |value| value.as_array().cloned())
    }

    /// The items that a setter takes one by one; an empty array is sent as it is.
    pub fn items(&mut self, name: &str) -> Option<Vec<Value>> {
        self.fit(name, |value| value.as_array().filter(|items| !items.is_empty()).cloned())
    }

    /// Words with a space between any two.
    pub fn words(&mut self, name: &str) -> Option<Vec<String>> {
        self.fit(name, |value| {
            let text = value.as_str()?;
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            (words.join(" ") == text).then_some(words)
        })
    }

    /// A whole number in a string, when it is written as a setter would write it.
    pub fn whole_in_text(&mut self, name: &str) -> Option<u32> {
        self.fit(name, in_text)
    }

    pub fn seconds_in_text(&mut self, name: &str) -> Option<Duration> {
        self.fit(name, |value| Some(Duration::from_secs(in_text::<u32>(value)?.into())))
    }

    pub fn flag_in_text(&mut self, name: &str) -> Option<bool> {
        self.fit(name, in_text)
    }

    /// A prompt for an AI: its parts one by one, or JSON as it is.
    pub fn instructions(&mut self, name: &str) -> Option<AiPrompt> {
        let way = self.way;
        self.fit(name, |json| prompt(json, way))
    }

    /// The functions of an AI: part by part, or as raw JSON.
    pub fn functions(&mut self, name: &str) -> Option<Swaig> {
        let way = self.way;
        self.fit(name, |json| swaig(json, way))
    }

    pub fn media(&mut self, name: &str) -> Option<Playlist> {
        let (items, way) = (self.json(name)?, self.way);
        let items = items.as_array().unwrap_or_else(|| panic!("{name}: {items} is no array"));
        Some(items.iter().map(|item| medium(item, way)).collect::<Vec<Media>>().into())
    }

    pub fn devices(&mut self, name: &str) -> Option<Devices> {
        let (groups, way) = (self.json(name)?, self.way);
        let group = |group: &Value| {
            let devices = group.as_array().unwrap_or_else(|| panic!("{name}: {group} is no group"));
            Devices::at_once(devices.iter().map(|json| device(json, way)))
        };
        let groups = groups.as_array().unwrap_or_else(|| panic!("{name}: {groups} is no array"));
        Some(Devices::in_order(groups.iter().map(group)))
    }

    pub fn is_raw(&self) -> bool {
        self.way == Way::Raw
    }

    /// Whether nothing is left, so that the short form of a method will do.
    pub fn is_done(&self) -> bool {
        self.given.is_empty() && self.extra.is_empty()
    }

    /// The remaining arguments.
    pub fn rest(self) -> impl Iterator<Item = (String, Value)> {
        self.given.into_iter().chain(self.extra)
    }

    /// The arguments that no method names.
    pub fn open(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.extra)
    }

    /// Every argument has been taken, and there are no others beside them.
    pub fn done(self) {
        assert!(self.given.is_empty(), "arguments that the method does not have: {:?}", self.given);
        assert!(self.extra.is_empty(), "open arguments of a method that takes none: {:?}", self.extra);
    }
}

fn in_text<T: std::str::FromStr + ToString>(value: &Value) -> Option<T> {
    let text = value.as_str()?;
    text.parse::<T>().ok().filter(|parsed| parsed.to_string() == text)
}

/// Sets what is given: `"name": kind => setter`, where the kind is a method of [`Args`].
macro_rules! set {
    ($set:expr, $args:expr) => { $set };
    ($set:expr, $args:expr $(, $name:literal: $kind:ident => $setter:ident)+ $(,)?) => {{
        let mut set = $set;
        $( if let Some(value) = $args.$kind($name) { set = set.$setter(value); } )+
        set
    }};
}

/// As `set!`, for the set that a method sends: what is open goes into `extra`, and nothing may be left.
macro_rules! all {
    ($set:expr, $args:ident $($rest:tt)*) => {{
        let mut args: crate::verbs::Args = $args;
        let mut set = set!($set, args $($rest)*);
        for (key, value) in args.open() {
            set = set.extra(key, value);
        }
        args.done();
        set
    }};
}

/// As `set!`, for an object within: what no setter takes goes into `extra`.
macro_rules! rest {
    ($set:expr, $args:ident $($rest:tt)*) => {{
        let mut set = set!($set, $args $($rest)*);
        for (key, value) in $args.rest() {
            set = set.extra(key, value);
        }
        set
    }};
}
