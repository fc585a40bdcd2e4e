//! Durations as the wire has them: numbers of seconds.

use std::time::Duration;

use serde_json::Value;

/// Returns the seconds, as a whole number if there is no fraction.
pub(crate) fn seconds(span: Duration) -> Value {
    if span.subsec_nanos() == 0 { Value::from(span.as_secs()) } else { Value::from(span.as_secs_f64()) }
}

/// Returns whole seconds, rounded up, so that a short time does not become zero.
pub(crate) fn whole_seconds(span: Duration) -> Value {
    let up = u64::from(span.subsec_nanos() > 0);
    Value::from(span.as_secs().saturating_add(up))
}

/// Returns whole milliseconds, rounded up.
pub(crate) fn milliseconds(span: Duration) -> Value {
    let millis = span.as_nanos().div_ceil(1_000_000);
    Value::from(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seconds_are_whole_where_they_can_be() {
        assert_eq!(seconds(Duration::from_secs(5)), json!(5));
        assert_eq!(seconds(Duration::from_millis(2500)), json!(2.5));
        assert_eq!(seconds(Duration::ZERO), json!(0));
    }

    #[test]
    fn whole_seconds_round_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), json!(1));
        assert_eq!(whole_seconds(Duration::from_secs(30)), json!(30));
        assert_eq!(whole_seconds(Duration::MAX), json!(u64::MAX));
    }
}
