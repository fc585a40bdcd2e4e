//! What the sources name and the model has no use for.

pub(crate) mod protocol {
    pub(crate) mod frame {
        #[derive(Clone, Debug)]
        pub(crate) struct Reply(pub(crate) u128);

        #[derive(Clone, Debug)]
        pub(crate) struct WireError;
    }
}

pub(crate) mod secret {
    #[derive(Default)]
    pub(crate) struct Secrets;

    impl Secrets {
        pub(crate) fn clean(&self, text: &str) -> String {
            text.to_owned()
        }
    }
}

/// The queue before the encoder, and the rule that a generation that is over takes nothing.
pub(crate) mod transport {
    use std::collections::VecDeque;

    use crate::locks::Mutex;

    pub(crate) struct WriteHalf;

    pub(crate) struct Socket;

    pub(crate) struct Prepared(u64);

    impl Prepared {
        pub(crate) fn generation(&self) -> u64 {
            self.0
        }
    }

    #[derive(Default)]
    pub(crate) struct Writer(Mutex<Wire>);

    #[derive(Default)]
    struct Wire {
        generation: Option<u64>,
        open: bool,
        queue: VecDeque<(u128, String)>,
    }

    impl Writer {
        pub(crate) fn prepare(&self, generation: u64) -> Prepared {
            *self.0.lock() = Wire { generation: Some(generation), ..Wire::default() };
            Prepared(generation)
        }

        /// Gives back what it does not take.
        pub(crate) fn open(
            &self,
            generation: u64,
            _half: WriteHalf,
            _socket: Socket,
            first: Vec<(u128, String)>,
        ) -> Result<(), Vec<(u128, String)>> {
            let mut wire = self.0.lock();
            if wire.generation != Some(generation) {
                return Err(first);
            }
            for waits in first.into_iter().rev() {
                wire.queue.push_front(waits);
            }
            wire.open = true;
            Ok(())
        }

        pub(crate) fn close(&self, generation: u64) -> Vec<(u128, String)> {
            let mut wire = self.0.lock();
            if wire.generation != Some(generation) {
                return Vec::new();
            }
            std::mem::take(&mut *wire).queue.into()
        }

        /// The text comes back when this generation is over.
        pub(crate) fn send(&self, generation: u64, id: u128, text: String) -> Result<(), String> {
            let mut wire = self.0.lock();
            if wire.generation != Some(generation) {
                return Err(text);
            }
            wire.queue.push_back((id, text));
            Ok(())
        }

        pub(crate) fn withdraw(&self, generation: u64, id: u128) -> bool {
            let mut wire = self.0.lock();
            let before = wire.queue.len();
            if wire.generation == Some(generation) {
                wire.queue.retain(|(queued, _)| *queued != id);
            }
            wire.queue.len() < before
        }

        /// What goes to the encoder next.
        pub(crate) fn encode(&self) -> Option<(u128, String)> {
            let mut wire = self.0.lock();
            if wire.open { wire.queue.pop_front() } else { None }
        }
    }
}
