//! Creating a client.

use super::{Builder, Client};
use crate::error::Result;

/// # Connecting
impl Client {
    /// Returns a builder for a client. [`Builder::connect`] connects it.
    ///
    /// ```no_run
    /// use signalwire_relay::Client;
    ///
    /// # fn main() -> signalwire_relay::Result<()> {
    /// let client = Client::builder().project("project id").token("API token").contexts(["default"]).connect()?;
    /// # Ok(()) }
    /// ```
    #[doc(alias = "RelayClient")]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Connects with the settings of the environment: `Client::builder().connect()`. Blocks as [`Builder::connect`].
    ///
    /// # Errors
    ///
    /// The same as for [`Builder::connect`].
    pub fn from_env() -> Result<Self> {
        Self::builder().connect()
    }
}
