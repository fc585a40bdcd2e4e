//! The two macros of the crate. Both turn a table into a type; behaviour is written in plain code beside them.

/// An open set of strings: the known values, and `Other` for values that the service adds later.
///
/// ```text
/// wire_enum! {
///     /// What a call is doing.
///     pub enum CallState (default Created) {
///         /// The service knows the call.
///         Created = "created" as "CALL_STATE_CREATED",
///     }
/// }
/// ```
///
/// `(default X)` adds `Default`. `folded` after it reads any case, with or without underscores. `as` is the constant of
/// the reference, by which the search of the documentation finds the variant.
macro_rules! wire_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident $((default $default:ident))? $($reading:ident)? {
            $( $(#[$variant_meta:meta])* $variant:ident = $text:literal $(as $alias:literal)? ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        ///
        /// The set is open: a value that is not listed here is `Other`, with its text.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[$variant_meta])*
                #[doc = concat!("\n\nOn the wire: `", $text, "`.")]
                $(#[doc(alias = $alias)])?
                $variant,
            )+
            /// A value that this version does not know.
            Other(Box<str>),
        }

        impl $name {
            /// Every value that is known, in the order of the documentation.
            pub const ALL: &'static [Self] = &[ $( Self::$variant ),+ ];

            /// The text on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )+
                    _ => wire_enum!(@miss text $($reading)?),
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::from(text.as_str())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                match value {
                    $name::Other(text) => text.into(),
                    known => known.as_str().to_owned(),
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::convert::Infallible;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(Self::from(text))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, text: &str) -> bool {
                self.as_str() == text
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, text: &&str) -> bool {
                self.as_str() == *text
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            /// Accepts any JSON. A value that is no string becomes `Other` without text.
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = $crate::protocol::object::Text::deserialize(deserializer)?;
                Ok(Self::from(text.0.as_deref().unwrap_or_default()))
            }
        }

        $(
            impl Default for $name {
                fn default() -> Self {
                    Self::$default
                }
            }
        )?
    };

    (@miss $input:ident) => { Self::Other($input.into()) };
    (@miss $input:ident folded) => {{
        let same = |known: &&Self| $crate::protocol::states::folded_eq(known.as_str(), $input);
        Self::ALL.iter().find(same).cloned().unwrap_or_else(|| Self::Other($input.into()))
    }};
}

/// A set of parameters: a thin struct around the JSON that will be sent. Each setter writes its value at once at its
/// place on the wire, so "never given" is the absence of the key and needs no `Option`.
///
/// ```text
/// params! {
///     /// What to record and when to stop.
///     pub struct Record("calling.record") new ["record.audio"] {
///         in "record.audio":
///         /// Beep before recording starts.
///         beep: bool,
///         top:
///         /// Names this recording instead of a generated id.
///         control_id: NonEmpty,
///         /// How often.
///         loops: u32 as "loop",
///     }
/// }
/// ```
///
/// `new` is for sets where nothing is required: it adds `new()` and `Default`; the objects listed after it are sent
/// even when they stay empty. `keeps name: Type` before the brace adds a field that is never sent. The kinds:
///
/// | kind | setter takes | on the wire |
/// |---|---|---|
/// | `bool`, `u32` | the value | the value |
/// | `f64` | the value | the value; a request with a number that is not finite is rejected |
/// | `String` | `impl Into<String>` | the string, also an empty one |
/// | `NonEmpty` | `impl Into<String>` | the string; an empty one means "not given" |
/// | `NonZero` | `u32` | the number; 0 means "not given" |
/// | `Seconds` | `Duration` | seconds, whole where they are |
/// | `WholeSeconds` | `Duration` | seconds, rounded up |
/// | `Milliseconds` | `Duration` | milliseconds, rounded up |
/// | `Strings` | an iterator of strings | an array |
/// | `NonEmptyStrings` | an iterator of strings | an array; an empty one means "not given" |
/// | `Playlist` | `impl Into<Playlist>` | an array of media |
/// | `Words` | an iterator of strings | one string, with spaces between them |
/// | `TextOfNumber` | `u32` | the number as a string |
/// | `TextOfFlag` | `bool` | `"true"` or `"false"` |
/// | `TextOfSeconds` | `Duration` | seconds, rounded up, as a string |
/// | `Json` | `impl Into<serde_json::Value>` | as it is |
/// | any other name | `impl Into<Name>`, a `wire_enum!` | its text |
macro_rules! params {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(($method:literal))? $(new [$($always:literal),*])? $(keeps $kept:ident: $kept_type:ty)?
        { $($body:tt)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[must_use]
        pub struct $name {
            pub(crate) fields: $crate::protocol::fields::Fields,
            $( pub(crate) $kept: Option<$kept_type>, )?
        }

        impl $name {
            $(
                /// The method that takes these parameters.
                pub const METHOD: &'static str = $method;
            )?

            pub(crate) fn of(fields: $crate::protocol::fields::Fields) -> Self {
                Self { fields, $( $kept: None )? }
            }

            params!(@body "" $($body)*);

            /// Adds a parameter that this version has no setter for, or replaces one that it has. `key` is sent after
            /// the named parameters.
            #[doc(alias = "kwargs")]
            pub fn extra(mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
                self.fields.extra(key.into(), value.into());
                self
            }
        }

        $(
            impl $name {
                /// Makes an empty set of parameters: the service's defaults apply.
                pub fn new() -> Self {
                    Self::of($crate::protocol::fields::Fields::with_objects(&[$($always),*]))
                }
            }

            impl Default for $name {
                fn default() -> Self {
                    Self::new()
                }
            }
        )?
    };

    (@body $at:literal) => {};
    (@body $at:literal top: $($rest:tt)*) => { params!(@body "" $($rest)*); };
    (@body $at:literal in $group:literal: $($rest:tt)*) => { params!(@body $group $($rest)*); };
    (@body $at:literal $(#[$meta:meta])* $field:ident: $kind:ident as $wire:literal, $($rest:tt)*) => {
        params!(@setter [$(#[$meta])*] $field $at $wire $kind);
        params!(@body $at $($rest)*);
    };
    (@body $at:literal $(#[$meta:meta])* $field:ident: $kind:ident, $($rest:tt)*) => {
        params!(@setter [$(#[$meta])*] $field $at (stringify!($field)) $kind);
        params!(@body $at $($rest)*);
    };

    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt bool) => {
        params!(@write [$($meta)*] $field $at $wire, value: bool => serde_json::Value::from(value));
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt u32) => {
        params!(@write [$($meta)*] $field $at $wire, value: u32 => serde_json::Value::from(value));
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt f64) => {
        $($meta)*
        pub fn $field(mut self, value: f64) -> Self {
            self.fields.set_number($at, $wire, value);
            self
        }
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt String) => {
        params!(@write [$($meta)*] $field $at $wire, value: impl Into<String> => {
            serde_json::Value::String(value.into())
        });
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt NonEmpty) => {
        params!(@write [$($meta)*] $field $at $wire, value: impl Into<String> => {
            $crate::protocol::fields::unless_empty(value.into())
        });
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt NonZero) => {
        params!(@write [$($meta)*] $field $at $wire, value: u32 => {
            if value == 0 { serde_json::Value::Null } else { serde_json::Value::from(value) }
        });
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt Seconds) => {
        params!(@write [$($meta)*] $field $at $wire, value: std::time::Duration => {
            $crate::protocol::units::seconds(value)
        });
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt WholeSeconds) => {
        params!(@write [$($meta)*] $field $at $wire, value: std::time::Duration => {
            $crate::protocol::units::whole_seconds(value)
        });
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt Milliseconds) => {
        params!(@write [$($meta)*] $field $at $wire, value: std::time::Duration => {
            $crate::protocol::units::milliseconds(value)
        });
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt Strings) => {
        params!(@write [$($meta)*] $field $at $wire, value: impl IntoIterator<Item = impl Into<String>> => {
            $crate::protocol::fields::strings(value)
        });
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt NonEmptyStrings) => {
        params!(@write [$($meta)*] $field $at $wire, value: impl IntoIterator<Item = impl Into<String>> => {
            $crate::protocol::fields::strings_unless_empty(value)
        });
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt Playlist) => {
        $($meta)*
        pub fn $field(mut self, value: impl Into<$crate::protocol::media::Playlist>) -> Self {
            self.fields.set_json($at, $wire, value.into().to_text());
            self
        }
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt Words) => {
        params!(@write [$($meta)*] $field $at $wire, value: impl IntoIterator<Item = impl Into<String>> => {
            $crate::protocol::fields::words(value)
        });
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt TextOfNumber) => {
        params!(@write [$($meta)*] $field $at $wire, value: u32 => serde_json::Value::String(value.to_string()));
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt TextOfFlag) => {
        params!(@write [$($meta)*] $field $at $wire, value: bool => serde_json::Value::String(value.to_string()));
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt TextOfSeconds) => {
        params!(@write [$($meta)*] $field $at $wire, value: std::time::Duration => {
            serde_json::Value::String($crate::protocol::units::whole_seconds(value).to_string())
        });
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt Json) => {
        params!(@write [$($meta)*] $field $at $wire, value: impl Into<serde_json::Value> => value.into());
    };
    (@setter [$($meta:tt)*] $field:ident $at:literal $wire:tt $set:ident) => {
        params!(@write [$($meta)*] $field $at $wire, value: impl Into<$set> => {
            serde_json::Value::from(String::from(value.into()))
        });
    };

    (@write [$($meta:tt)*] $field:ident $at:literal $wire:tt, $value:ident: $type:ty => $json:expr) => {
        $($meta)*
        pub fn $field(mut self, $value: $type) -> Self {
            self.fields.set($at, $wire, $json);
            self
        }
    };
}
