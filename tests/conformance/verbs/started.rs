//! Started operations of any kind.

use std::time::Duration;

use serde_json::Value;
use signalwire_relay::params::{Ai, Pay, Prompt, ReceiveFax, SendFax, Stream, Tap, Transcribe};
use signalwire_relay::{Action, Collect, Detect, Play, Record, Result};

use super::args::Args;
use crate::wire::Count;

/// An operation, whatever it is.
pub trait Started: Send {
    /// The reference's class for it.
    fn class(&self) -> &'static str;
    fn control_id(&self) -> &str;
    fn is_done(&self) -> bool;
    /// The type and the payload of the event that it ended with.
    fn result(&self) -> Option<Result<(String, Value)>>;
    /// Waits for the result, at most for `limit`.
    fn wait(&self, limit: Duration) -> Result<(String, Value)>;
    fn count_completions(&self, count: Count);
    /// Calls a method of the action; `None` when it has none that would be the reference's of this name.
    fn command(&self, method: &str, args: Args) -> Option<Result<()>>;
}

macro_rules! started {
    ($( $operation:ident, $class:literal: $($command:ident)*; )*) => { $(
        impl Started for Action<$operation> {
            fn class(&self) -> &'static str {
                $class
            }

            fn control_id(&self) -> &str {
                self.control_id()
            }

            fn is_done(&self) -> bool {
                self.is_done()
            }

            fn result(&self) -> Option<Result<(String, Value)>> {
                Some(self.result()?.map(|event| (event.raw.name().to_string(), event.raw.value())))
            }

            fn wait(&self, limit: Duration) -> Result<(String, Value)> {
                self.wait(limit).map(|event| (event.raw.name().to_string(), event.raw.value()))
            }

            fn count_completions(&self, count: Count) {
                self.on_completed(move |_| count.add());
            }

            #[allow(unused_mut, unused_variables)]
            fn command(&self, method: &str, mut args: Args) -> Option<Result<()>> {
                $( if method == stringify!($command) {
                    let sent = started!(@ $command self args);
                    args.done();
                    return Some(sent);
                } )*
                None
            }
        }
    )* };
    (@ stop $action:ident $args:ident) => { $action.stop() };
    (@ pause $action:ident $args:ident) => {
        match $args.text("behavior") {
            Some(behavior) => $action.pause_with(behavior),
            None => $action.pause(),
        }
    };
    (@ resume $action:ident $args:ident) => { $action.resume() };
    (@ volume $action:ident $args:ident) => { $action.volume($args.number("volume").expect("a volume")) };
    (@ start_input_timers $action:ident $args:ident) => { $action.start_input_timers() };
}

started! {
    Play, "PlayAction": stop pause resume volume;
    Record, "RecordAction": stop pause resume;
    Detect, "DetectAction": stop;
    Prompt, "CollectAction": stop pause resume volume start_input_timers;
    Collect, "StandaloneCollectAction": stop start_input_timers;
    SendFax, "FaxAction": stop;
    ReceiveFax, "FaxAction": stop;
    Tap, "TapAction": stop;
    Stream, "StreamAction": stop;
    Pay, "PayAction": stop;
    Transcribe, "TranscribeAction": stop;
    Ai, "AIAction": stop;
}
