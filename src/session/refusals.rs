//! Rejected requests: whether the rejection proves that nothing was done.

/// Requests with an effect outside of their call: a phone rings, a text message is sent, a payment is made, another
/// party hears the call. Repeating one of these does harm, so the outcome is known only if the rejection proves that
/// nothing was done.
const WITH_EFFECT_OUTSIDE: [&str; 10] = [
    "calling.begin",
    "calling.connect",
    "calling.dial",
    "calling.join_conference",
    "calling.leave_conference",
    "calling.pay",
    "calling.queue.enter",
    "calling.queue.leave",
    "calling.refer",
    "calling.transfer",
];

/// The method that sends text messages, which also has an effect outside.
const MESSAGING_SEND: &str = "messaging.send";

/// Returns `true` if the code is a verdict on the request itself, so that the service did nothing.
///
/// Every other code, also an unlisted one, may come from a service that was interrupted during the request, or from a
/// proxy that lost the service.
fn is_verdict(code: Option<i64>) -> bool {
    let Some(code) = code else { return false };
    matches!(
        code,
        400 | 401 | 402 | 403 | 404 | 405 | 409 | 410 | 422 | 429 | -32005..=-32001 | -32602..=-32600
    )
}

/// Returns `true` if a request of this method may have taken effect although the service rejected it with this code.
pub(crate) fn leaves_outcome_open(method: &str, code: Option<i64>) -> bool {
    !is_verdict(code) && (method == MESSAGING_SEND || WITH_EFFECT_OUTSIDE.contains(&method))
}

/// Returns `true` if a request that may be repeated without harm may succeed later: the service was in trouble or
/// overloaded.
pub(crate) fn may_pass(code: Option<i64>) -> bool {
    !is_verdict(code) || matches!(code, Some(429 | -32004 | -32005))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of a service, or of a proxy in front of it, that failed during the request; and unlisted codes.
    const TROUBLE: [i64; 15] = [-32000, -32603, -32700, -32006, -32099, -1, 0, 302, 408, 425, 500, 502, 503, 504, 599];

    /// The codes in [`TROUBLE`], and no code at all.
    fn trouble() -> impl Iterator<Item = Option<i64>> {
        TROUBLE.into_iter().map(Some).chain([None])
    }

    fn verdicts() -> impl Iterator<Item = Option<i64>> {
        VERDICTS.into_iter().map(Some)
    }

    const VERDICTS: [i64; 18] = [
        400, 401, 402, 403, 404, 405, 409, 410, 422, 429, -32001, -32002, -32003, -32004, -32005, -32600, -32601,
        -32602,
    ];

    #[test]
    fn only_a_verdict_proves_that_a_request_with_an_effect_outside_did_nothing() {
        let outside = WITH_EFFECT_OUTSIDE.into_iter().chain([MESSAGING_SEND]);
        for method in outside {
            assert!(trouble().all(|code| leaves_outcome_open(method, code)), "{method}");
            assert!(!verdicts().any(|code| leaves_outcome_open(method, code)), "{method}");
        }
    }

    #[test]
    fn a_refusal_of_a_request_without_an_effect_outside_is_a_refusal() {
        for method in ["calling.play", "calling.answer", "calling.end", "calling.dial.x", "signalwire.receive", ""] {
            assert!(!trouble().chain(verdicts()).any(|code| leaves_outcome_open(method, code)), "{method}");
        }
    }

    #[test]
    fn trouble_and_load_pass_and_verdicts_do_not() {
        assert!(trouble().all(may_pass));
        let passing: Vec<i64> = VERDICTS.into_iter().filter(|code| may_pass(Some(*code))).collect();
        assert_eq!(passing, [429, -32004, -32005]);
    }
}
