//! The strings of the wire that a program chooses from when it starts something.

wire_enum! {
    /// Which side of a call a media stream carries.
    pub enum Track {
        /// What comes in from the party on the call; the service's default.
        Inbound = "inbound_track",
        /// What goes out to it.
        Outbound = "outbound_track",
        /// Both.
        Both = "both_tracks",
    }
}

wire_enum! {
    /// How a webhook is called.
    pub enum HttpMethod {
        /// GET.
        Get = "GET",
        /// POST; the service's default.
        Post = "POST",
    }
}

wire_enum! {
    /// How the data of a payment are entered.
    pub enum PayInput {
        /// With keys; the service's default, and the only one that works.
        Dtmf = "dtmf",
        /// By voice.
        Voice = "voice",
    }
}

wire_enum! {
    /// What is paid with.
    pub enum PaymentMethod {
        /// A card; the service's default.
        CreditCard = "credit-card",
        /// A bank account; only received.
        AchDebit = "ach-debit",
    }
}

wire_enum! {
    /// What kind of token a payment yields.
    pub enum TokenType {
        /// One that is good for one charge.
        OneTime = "one-time",
        /// One that is good for several; the service's default.
        Reusable = "reusable",
    }
}

wire_enum! {
    /// A brand of payment cards.
    pub enum CardType {
        /// Visa.
        Visa = "visa",
        /// Mastercard.
        Mastercard = "mastercard",
        /// American Express.
        Amex = "amex",
        /// Maestro.
        Maestro = "maestro",
        /// Discover.
        Discover = "discover",
        /// JCB.
        Jcb = "jcb",
        /// Diners Club.
        DinersClub = "diners-club",
    }
}

wire_enum! {
    /// A kind of bank account. Reserved: the service does not debit bank accounts.
    pub enum BankAccountType {
        /// A person's current account.
        ConsumerChecking = "consumer-checking",
        /// A person's savings account.
        ConsumerSavings = "consumer-savings",
        /// A company's current account.
        CommercialChecking = "commercial-checking",
    }
}

wire_enum! {
    /// When a conference beeps.
    pub enum ConferenceBeep {
        /// When somebody comes and when somebody leaves; the service's default.
        Always = "true",
        /// Never.
        Never = "false",
        /// When somebody comes.
        OnEnter = "onEnter",
        /// When somebody leaves.
        OnExit = "onExit",
    }
}

wire_enum! {
    /// Whether a conference is recorded.
    pub enum ConferenceRecord {
        /// It is not; the service's default.
        Never = "do-not-record",
        /// From its start.
        FromStart = "record-from-start",
    }
}

wire_enum! {
    /// Whether silence at the beginning and the end of a conference's recording is cut off.
    pub enum ConferenceTrim {
        /// It is; the service's default.
        TrimSilence = "trim-silence",
        /// It is kept.
        Keep = "do-not-trim",
    }
}

wire_enum! {
    /// Where a conference is mixed.
    pub enum ConferenceRegion {
        /// Wherever it is best; the service's default.
        Global = "global",
        /// In the United States.
        Us = "us",
        /// In the European Union.
        Eu = "eu",
        /// In Switzerland.
        Ch = "ch",
    }
}

wire_enum! {
    /// What the webhook of a conference is told about.
    pub enum ConferenceCallback {
        /// It began.
        Start = "start",
        /// It ended.
        End = "end",
        /// Somebody came.
        Join = "join",
        /// Somebody left.
        Leave = "leave",
        /// Somebody was muted, or is no more.
        Mute = "mute",
        /// Somebody was put on hold, or is back.
        Hold = "hold",
        /// Somebody's part changed.
        Modify = "modify",
        /// Somebody began or stopped to speak.
        Speaker = "speaker",
        /// An announcement ended.
        Announcement = "announcement",
    }
}

wire_enum! {
    /// What the webhook of a conference's recording is told about.
    pub enum RecordingCallback {
        /// It began.
        InProgress = "in-progress",
        /// It is stored; the service's default.
        Completed = "completed",
        /// There is none.
        Absent = "absent",
    }
}

wire_enum! {
    /// The form in which a webhook of a conference is told.
    pub enum CallbackFormat {
        /// As RELAY events; the service's default.
        Relay = "relay",
        /// As compatible XML applications expect it.
        Cxml = "cxml",
        /// As LaML applications expect it.
        Laml = "laml",
    }
}

wire_enum! {
    /// Who may read the recording of a conference.
    pub enum ConferenceAcl {
        /// The project.
        Private = "private",
        /// Whoever knows its URL.
        PublicRead = "public-read",
    }
}

wire_enum! {
    /// In whose name a message is put into an AI session.
    pub enum AiRole {
        /// As an instruction to the AI.
        System = "system",
        /// As if the caller had said it.
        User = "user",
        /// As if the AI had said it.
        Assistant = "assistant",
    }
}

wire_enum! {
    /// Whose speech is transcribed or translated.
    pub enum CallSide {
        /// The party on this call.
        Local = "local-caller",
        /// The other side of its bridge.
        Remote = "remote-caller",
    }
}

wire_enum! {
    /// How live translation works.
    pub enum TranslationMode {
        /// Utterance by utterance.
        Classic = "classic",
        /// While one speaks.
        Realtime = "realtime",
    }
}
