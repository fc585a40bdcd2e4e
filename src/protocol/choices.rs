//! Strings of the wire that a program chooses from.

wire_enum! {
    /// Side of a call that a media stream carries.
    pub enum Track {
        /// Audio of the party on the call. The service's default.
        Inbound = "inbound_track",
        /// Audio that the party on the call hears.
        Outbound = "outbound_track",
        /// Both sides.
        Both = "both_tracks",
    }
}

wire_enum! {
    /// HTTP method of a status callback.
    pub enum HttpMethod {
        /// GET.
        Get = "GET",
        /// POST; the service's default.
        Post = "POST",
    }
}

wire_enum! {
    /// Way in which the data of a payment are entered.
    pub enum PayInput {
        /// By DTMF digits. The service's default, and the only way that it supports.
        Dtmf = "dtmf",
        /// By voice.
        Voice = "voice",
    }
}

wire_enum! {
    /// Means of payment.
    pub enum PaymentMethod {
        /// A card; the service's default.
        CreditCard = "credit-card",
        /// A bank account; only received.
        AchDebit = "ach-debit",
    }
}

wire_enum! {
    /// Kind of token that a payment yields.
    pub enum TokenType {
        /// Valid for one charge.
        OneTime = "one-time",
        /// Valid for several charges. The service's default.
        Reusable = "reusable",
    }
}

wire_enum! {
    /// Brand of payment cards.
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
    /// Kind of bank account. Reserved: the service does not debit bank accounts.
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
    /// Times at which a conference plays a beep.
    pub enum ConferenceBeep {
        /// When a participant enters or leaves. The service's default.
        Always = "true",
        /// Never.
        Never = "false",
        /// When a participant enters.
        OnEnter = "onEnter",
        /// When a participant leaves.
        OnExit = "onExit",
    }
}

wire_enum! {
    /// Recording of a conference.
    pub enum ConferenceRecord {
        /// Not recorded. The service's default.
        Never = "do-not-record",
        /// Recorded from the start.
        FromStart = "record-from-start",
    }
}

wire_enum! {
    /// Trimming of silence at the start and the end of a conference's recording.
    pub enum ConferenceTrim {
        /// Trimmed. The service's default.
        TrimSilence = "trim-silence",
        /// Not trimmed.
        Keep = "do-not-trim",
    }
}

wire_enum! {
    /// Region in which a conference is mixed.
    pub enum ConferenceRegion {
        /// Chosen by the service. The service's default.
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
    /// Events for which the status callback of a conference is called.
    pub enum ConferenceCallback {
        /// The conference started.
        Start = "start",
        /// The conference ended.
        End = "end",
        /// A participant entered.
        Join = "join",
        /// A participant left.
        Leave = "leave",
        /// A participant was muted or unmuted.
        Mute = "mute",
        /// A participant was put on hold or resumed.
        Hold = "hold",
        /// The settings of a participant changed.
        Modify = "modify",
        /// A participant started or stopped speaking.
        Speaker = "speaker",
        /// An announcement ended.
        Announcement = "announcement",
    }
}

wire_enum! {
    /// Events for which the status callback of a conference's recording is called.
    pub enum RecordingCallback {
        /// The recording started.
        InProgress = "in-progress",
        /// The recording is stored. The service's default.
        Completed = "completed",
        /// There is no recording.
        Absent = "absent",
    }
}

wire_enum! {
    /// Format of the status callbacks of a conference.
    pub enum CallbackFormat {
        /// As RELAY events; the service's default.
        Relay = "relay",
        /// As compatible XML applications expect them.
        Cxml = "cxml",
        /// As LaML applications expect them.
        Laml = "laml",
    }
}

wire_enum! {
    /// Read permission of the recording of a conference.
    pub enum ConferenceAcl {
        /// The project.
        Private = "private",
        /// All who have the URL.
        PublicRead = "public-read",
    }
}

wire_enum! {
    /// Role in which a message is added to an AI session.
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
    /// Side whose speech is transcribed or translated.
    pub enum CallSide {
        /// The party on this call.
        Local = "local-caller",
        /// The far end of the call's bridge.
        Remote = "remote-caller",
    }
}

wire_enum! {
    /// Mode of a live translation.
    pub enum TranslationMode {
        /// Utterance by utterance.
        Classic = "classic",
        /// During the utterance.
        Realtime = "realtime",
    }
}
