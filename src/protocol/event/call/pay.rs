//! Progress of a payment.

use std::fmt;

use crate::protocol::choices::{CardType, PaymentMethod};
use crate::protocol::event::{Event, RawEvent, TypedEvent};
use crate::protocol::object::{Object, text_of};
use crate::protocol::states::{EventName, PayFault, PayResult, PayState, PayStep};

/// A payment progressed or ended. `Debug` shows nothing of what was entered or issued.
#[derive(Clone)]
#[non_exhaustive]
pub struct PayEvent {
    /// Control ID of the operation.
    pub control_id: String,
    /// State that the event reports. Only older servers send it.
    pub state: Option<PayState>,
    /// Result of the payment. `None` while it is in progress.
    pub result: Option<PayResult>,
    /// Step of the payment.
    #[doc(alias = "for")]
    pub step: Option<PayStep>,
    /// Number of the attempt.
    pub attempt: i64,
    /// Mistake in the last attempt.
    #[doc(alias = "error_type")]
    pub fault: Option<PayFault>,
    /// Mistake that ended the payment.
    pub payment_error: Option<PayFault>,
    /// Code of the mistake that ended the payment, from `700` to `706`.
    pub payment_error_code: String,
    /// The payment connector's own code, at the end.
    pub payment_connector_error_code: String,
    /// The payment connector's own message, at the end.
    pub payment_connector_error_message: String,
    /// Token that the connector issued, at the end.
    pub payment_token: String,
    /// The connector's ID of the charge, at the end.
    pub payment_confirmation_code: String,
    /// Means of payment.
    pub payment_method: Option<PaymentMethod>,
    /// The card's number, of which only the last digits are shown.
    #[doc(alias = "payment_card_number")]
    pub card_number: String,
    /// The card's brand.
    #[doc(alias = "payment_card_type")]
    pub card_type: Option<CardType>,
    /// The postal code that was entered.
    #[doc(alias = "payment_card_postal_code")]
    pub postal_code: String,
    /// The card's expiration date, as it was entered so far, or at the end.
    #[doc(alias = "payment_card_expiration_date")]
    pub expiration_date: String,
    /// The card's security code, masked.
    #[doc(alias = "payment_card_security_code")]
    pub security_code: String,
    /// URL that receives the status callbacks too.
    pub status_url: String,
    /// HTTP method of the status callback.
    pub status_url_method: String,
    /// The whole event, as it arrived.
    pub raw: RawEvent,
}

impl PayEvent {
    pub(in crate::protocol::event) fn read(raw: RawEvent, payload: &Object<'_>) -> Self {
        let either = |first, second| {
            let text = payload.string(first);
            if text.is_empty() { payload.string(second) } else { text }
        };
        // A result that is no string counts too, because it ends the payment. Its content is not shown.
        let result = payload.get("result").map(text_of);
        Self {
            control_id: payload.string("control_id"),
            state: payload.optional_state("state"),
            result: result
                .filter(|text| text.as_deref() != Some(""))
                .map(|text| PayResult::from(text.as_deref().unwrap_or_default())),
            step: payload.optional_state("for"),
            attempt: payload.integer("attempt"),
            fault: payload.optional_state("error_type"),
            payment_error: payload.optional_state("payment_error"),
            payment_error_code: payload.code("payment_error_code"),
            payment_connector_error_code: payload.code("payment_connector_error_code"),
            payment_connector_error_message: payload.string("payment_connector_error_message"),
            payment_token: payload.string("payment_token"),
            payment_confirmation_code: payload.code("payment_confirmation_code"),
            payment_method: payload.optional_state("payment_method"),
            card_number: payload.code("payment_card_number"),
            card_type: payload.optional_state("payment_card_type"),
            postal_code: payload.code("payment_card_postal_code"),
            expiration_date: either("payment_card_expiration_date", "expiration_date"),
            security_code: either("payment_card_security_code", "security_code"),
            status_url: payload.string("status_url"),
            status_url_method: payload.string("status_url_method"),
            raw,
        }
    }

    /// `true` if the payment has ended: it has a result, or a final state of older servers.
    #[must_use]
    pub fn is_end(&self) -> bool {
        let states = [PayState::Finished, PayState::Error, PayState::Completed, PayState::Failed, PayState::Canceled];
        self.result.is_some() || self.state.as_ref().is_some_and(|state| states.contains(state))
    }

    /// `true` if the payment succeeded.
    #[must_use]
    #[doc(alias = "success")]
    pub fn is_success(&self) -> bool {
        match &self.result {
            Some(result) => *result == PayResult::Success,
            None => self.state == Some(PayState::Completed),
        }
    }
}

impl TypedEvent for PayEvent {
    const NAME: EventName = EventName::Pay;

    fn from_event(event: &Event) -> Option<&Self> {
        if let Event::Pay(event) = event { Some(event) } else { None }
    }
}

impl fmt::Debug for PayEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayEvent")
            .field("control_id", &self.control_id)
            .field("state", &self.state)
            .field("result", &self.result)
            .finish_non_exhaustive()
    }
}
