//! Text messages, and their outcomes.

use crate::simulator::handles::instance::Simulator;
use crate::simulator::world::numbers::{Outlook, Outlooks, Text};

/// # Text messages
impl Simulator {
    /// Returns the settings for text messages to a number. Default: they are delivered.
    pub fn number(&self, number: impl Into<String>) -> TextDestination<'_> {
        TextDestination { sim: self, number: number.into(), more: false }
    }

    /// Sends the program a text message in the context `default`, and returns the message's ID. The message waits while
    /// no client is subscribed.
    pub fn texts(&self, from: &str, to: &str, body: &str) -> String {
        self.texts_in("default", from, to, body)
    }

    /// Sends the program a text message in another context, and returns the message's ID.
    pub fn texts_in(&self, context: &str, from: &str, to: &str, body: &str) -> String {
        self.shared.with(|world| world.text_in(context, from, to, body, &[]))
    }

    /// Sends the program an MMS in a context: a body and the URLs of its media. Returns the message's ID.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// let photo = "https://files.example.com/photo.jpg";
    /// let id = sim.texts_with_media("default", "+15551230000", "+15559990000", "Look at this", [photo]);
    /// assert!(id.starts_with("msg-"));
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn texts_with_media<M: Into<String>>(
        &self,
        context: &str,
        from: &str,
        to: &str,
        body: &str,
        media: impl IntoIterator<Item = M>,
    ) -> String {
        let media: Vec<String> = media.into_iter().map(Into::into).collect();
        self.shared.with(|world| world.text_in(context, from, to, body, &media))
    }

    /// Returns the text messages that programs sent and that were accepted, in order; the first 50,000 of them.
    #[must_use]
    pub fn texts_sent(&self) -> Vec<Text> {
        self.shared.with(|world| world.numbers.texts_sent().to_vec())
    }
}

/// The outcomes of text messages to one number. Made by [`Simulator::number`].
///
/// Each setting replaces the previous one; [`then`](Self::then) adds to it instead. The last one applies to all further
/// messages.
///
/// ```
/// # let sim = signalwire_relay::simulator::Simulator::start()?;
/// sim.number("+15552222222").undelivered("30003").then().delivers();
/// sim.number("+15553333333").fails("blocked by the carrier");
/// # Ok::<(), signalwire_relay::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TextDestination<'a> {
    sim: &'a Simulator,
    number: String,
    more: bool,
}

impl TextDestination<'_> {
    /// Delivers the messages.
    pub fn delivers(self) -> Self {
        self.set(Outlook::Delivered)
    }

    /// Reports the messages as sent and then as undelivered, with this reason: a text of the carrier, or an error
    /// code.
    pub fn undelivered(self, reason: &str) -> Self {
        self.set(Outlook::Undelivered(reason.to_owned()))
    }

    /// Reports the messages as failed, with this reason.
    pub fn fails(self, reason: &str) -> Self {
        self.set(Outlook::Failed(reason.to_owned()))
    }

    /// Rejects the request to send, with this code and this message.
    pub fn refuses(self, code: i64, message: &str) -> Self {
        self.set(Outlook::Refused(code, message.to_owned()))
    }

    /// Makes the following setting apply to the next message.
    #[must_use = "the next outcome is a method of the returned value"]
    pub fn then(mut self) -> Self {
        self.more = true;
        self
    }

    fn set(mut self, outlook: Outlook) -> Self {
        let more = std::mem::take(&mut self.more);
        self.sim.shared.with(|world| {
            let outlooks: &mut Outlooks = world.numbers.outlooks(&self.number);
            if !more {
                outlooks.clear();
            }
            outlooks.add(outlook);
        });
        self
    }
}
