//! The arguments that setters do not accept.

/// The arguments that go past their setters, by row: their values are none that the setter takes, so that they are sent
/// as they are, under their names. A row that is not listed sends every argument through its setter.
pub const PAST_SETTERS: &[(&str, &str)] = &[("call.ai_hold.falsy", "timeout")];
