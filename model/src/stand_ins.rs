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
