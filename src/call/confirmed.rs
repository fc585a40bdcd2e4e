//! Commands that the service confirms by an event, such as hold and noise reduction.

/// Implements [`Operation`](super::Operation) for a command that is complete when an event of its type confirms it.
macro_rules! confirmed {
    ($name:ty, $event:ty, $confirms:expr) => {
        impl crate::call::operation::sealed::Sealed for $name {}

        impl crate::call::Operation for $name {
            type Event = $event;
            type Outcome = $event;
            type Memo = ();
            const METHOD: &'static str = Self::METHOD;
            const NEEDS_CALL_ONLY: bool = false;
            const BY_KIND: bool = true;

            fn fields(&self) -> &crate::protocol::fields::Fields {
                &self.fields
            }

            fn concerns(event: &$event, _memo: &(), _in_doubt: bool) -> bool {
                let confirms: fn(&$event) -> bool = $confirms;
                confirms(event)
            }

            fn judge(_event: &$event, _memo: &mut ()) -> crate::call::Meaning {
                crate::call::Meaning::Final
            }

            fn outcome(event: &$event, _memo: &()) -> crate::error::Result<$event> {
                Ok(event.clone())
            }

            fn doubt_limit(_memo: &()) -> Option<std::time::Duration> {
                Some(crate::call::connect::CONFIRMATION)
            }
        }
    };
}

pub(super) use confirmed;
