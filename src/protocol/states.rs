//! The strings of the wire that come from a known but open set.

wire_enum! {
    /// What a call is doing. The states come in this order; any of them but the last may be skipped.
    #[doc(alias = "CALL_STATES")]
    pub enum CallState (default Created) {
        /// The service knows the call, and nothing rings yet.
        Created = "created" as "CALL_STATE_CREATED",
        /// It rings.
        Ringing = "ringing" as "CALL_STATE_RINGING",
        /// Somebody answered: there is audio.
        Answered = "answered" as "CALL_STATE_ANSWERED",
        /// It is being hung up.
        Ending = "ending" as "CALL_STATE_ENDING",
        /// It is over.
        Ended = "ended" as "CALL_STATE_ENDED",
    }
}

impl CallState {
    /// How far the call has come; a state that is not known has come nowhere, so it never replaces a known one.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Created | Self::Other(_) => 0,
            Self::Ringing => 1,
            Self::Answered => 2,
            Self::Ending => 3,
            Self::Ended => 4,
        }
    }
}

wire_enum! {
    /// Who called whom.
    pub enum Direction (default Inbound) {
        /// From outside to us.
        Inbound = "inbound",
        /// From us to outside.
        Outbound = "outbound",
    }
}

wire_enum! {
    /// Why a call ended, or why it is to be ended. Read in any case, with or without underscores.
    pub enum EndReason (default Hangup) folded {
        /// Somebody hung up.
        Hangup = "hangup" as "END_REASON_HANGUP",
        /// The caller gave up before an answer.
        Cancel = "cancel" as "END_REASON_CANCEL",
        /// The line is busy.
        Busy = "busy" as "END_REASON_BUSY",
        /// Nobody answered.
        NoAnswer = "noAnswer" as "END_REASON_NO_ANSWER",
        /// The callee refused.
        Decline = "decline" as "END_REASON_DECLINE",
        /// Something failed.
        Error = "error" as "END_REASON_ERROR",
        /// An inbound caller left before anybody dealt with the call; only received.
        Abandoned = "abandoned" as "END_REASON_ABANDONED",
        /// The call lasted as long as it may; only received.
        MaxDuration = "max_duration" as "END_REASON_MAX_DURATION",
        /// There is nobody at that address; only received.
        NotFound = "not_found" as "END_REASON_NOT_FOUND",
    }
}

wire_enum! {
    /// Which side ended a call.
    #[doc(alias = "end_source")]
    pub enum EndSource {
        /// The far end, or the caller of an inbound call.
        Inbound = "inbound",
        /// The program or the service on its side.
        Outbound = "outbound",
        /// Neither side.
        Neither = "none",
    }
}

impl EndReason {
    /// The reason as it reads in a message.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Hangup => "hung up",
            Self::Cancel => "cancelled",
            Self::Busy => "busy",
            Self::NoAnswer => "no answer",
            Self::Decline => "declined",
            Self::Error => "the call failed",
            Self::Abandoned => "abandoned",
            Self::MaxDuration => "its longest duration has passed",
            Self::NotFound => "not found",
            Self::Other(text) => text,
        }
    }
}

impl crate::error::Error {
    /// Why a dial or a connect failed: busy, no answer, declined, not found and so on. `None` for other errors, and if
    /// the service did not report a reason.
    ///
    /// A dial that this client ended has a reason, too: `NoAnswer` at the limit of the dial (`is_timeout` is `true`
    /// then) and `Cancel` when it was cancelled.
    ///
    /// ```no_run
    /// # use signalwire_relay::{Client, EndReason, phone};
    /// # fn show(client: &Client) {
    /// match client.dial(phone("+15552222222").from("+15551111111")).map_err(|error| error.end_reason()) {
    ///     Ok(call) => println!("answered by {}", call.to_number()),
    ///     Err(Some(EndReason::Busy | EndReason::NoAnswer)) => println!("try again later"),
    ///     Err(reason) => println!("not reached: {reason:?}"),
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn end_reason(&self) -> Option<EndReason> {
        self.end_reason_text().map(EndReason::from)
    }
}

/// Whether two texts are the same but for case and underscores.
pub(crate) fn folded_eq(left: &str, right: &str) -> bool {
    let fold = |text: &str| text.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect::<Vec<_>>();
    fold(left) == fold(right)
}

wire_enum! {
    /// How far a bridge between two calls has come.
    pub enum ConnectState {
        /// The other side is being called.
        Connecting = "connecting" as "CONNECT_STATE_CONNECTING",
        /// The two calls hear each other.
        Connected = "connected" as "CONNECT_STATE_CONNECTED",
        /// The bridge is gone; each call may still be up.
        Disconnected = "disconnected" as "CONNECT_STATE_DISCONNECTED",
        /// Nobody could be reached.
        Failed = "failed" as "CONNECT_STATE_FAILED",
    }
}

wire_enum! {
    /// How far an outbound dial has come.
    pub enum DialState {
        /// Devices are being called.
        Dialing = "dialing",
        /// One of them answered.
        Answered = "answered",
        /// None of them answered.
        Failed = "failed",
    }
}

wire_enum! {
    /// Where a message is on its way.
    pub enum MessageState (default Queued) {
        /// Accepted by the service.
        Queued = "queued" as "MESSAGE_STATE_QUEUED",
        /// Being sent.
        Initiated = "initiated" as "MESSAGE_STATE_INITIATED",
        /// Handed to the carrier.
        Sent = "sent" as "MESSAGE_STATE_SENT",
        /// Arrived.
        Delivered = "delivered" as "MESSAGE_STATE_DELIVERED",
        /// The carrier could not deliver it.
        Undelivered = "undelivered" as "MESSAGE_STATE_UNDELIVERED",
        /// It could not be sent.
        Failed = "failed" as "MESSAGE_STATE_FAILED",
        /// An inbound message.
        Received = "received" as "MESSAGE_STATE_RECEIVED",
    }
}

impl MessageState {
    /// The states after which an outbound message has no other.
    #[doc(alias = "MESSAGE_TERMINAL_STATES")]
    pub const TERMINAL: &'static [Self] = &[Self::Delivered, Self::Undelivered, Self::Failed];

    /// Whether this is the end of an outbound message: delivered, undelivered or failed.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        Self::TERMINAL.contains(self)
    }

    /// How far the message has come. A state that is not known has come nowhere: it replaces no known one.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Queued | Self::Other(_) => 0,
            Self::Initiated => 1,
            Self::Sent | Self::Received => 2,
            Self::Delivered | Self::Undelivered | Self::Failed => 3,
        }
    }
}

wire_enum! {
    /// What a playback is doing.
    pub enum PlayState {
        /// It is heard.
        Playing = "playing" as "PLAY_STATE_PLAYING",
        /// It is held.
        Paused = "paused" as "PLAY_STATE_PAUSED",
        /// It is over, by its end or by being stopped.
        Finished = "finished" as "PLAY_STATE_FINISHED",
        /// It could not be played.
        Error = "error" as "PLAY_STATE_ERROR",
    }
}

wire_enum! {
    /// What a recording is doing.
    pub enum RecordState {
        /// It is being recorded.
        Recording = "recording" as "RECORD_STATE_RECORDING",
        /// It is held.
        Paused = "paused" as "RECORD_STATE_PAUSED",
        /// It is over, and stored.
        Finished = "finished" as "RECORD_STATE_FINISHED",
        /// Nothing was said in time.
        NoInput = "no_input" as "RECORD_STATE_NO_INPUT",
        /// It failed.
        Error = "error",
    }
}

wire_enum! {
    /// What a collect is doing, where the service says so beside the result.
    pub enum CollectState {
        /// More may come.
        Collecting = "collecting",
        /// It is over.
        Finished = "finished",
        /// It failed.
        Error = "error",
        /// Nothing was pressed or said in time.
        NoInput = "no_input",
        /// What came fits nothing that was asked for.
        NoMatch = "no_match",
    }
}

wire_enum! {
    /// What happened to a fax.
    pub enum FaxKind {
        /// One page is through.
        Page = "page",
        /// It is over; whether it succeeded is in the event.
        Finished = "finished",
        /// It failed.
        Error = "error",
    }
}

wire_enum! {
    /// What a tap is doing.
    pub enum TapState {
        /// Audio is being copied.
        Tapping = "tapping",
        /// It is over.
        Finished = "finished",
        /// It failed.
        Error = "error",
    }
}

wire_enum! {
    /// What a media stream is doing.
    pub enum StreamState {
        /// Audio is being sent.
        Streaming = "streaming",
        /// It is over.
        Finished = "finished",
        /// It failed.
        Error = "error",
    }
}

wire_enum! {
    /// What became of digits that were sent.
    pub enum SendDigitsState {
        /// All were sent.
        Finished = "finished",
        /// They could not be sent.
        Error = "error",
    }
}

wire_enum! {
    /// How far a SIP REFER has come.
    pub enum ReferState {
        /// The other side is working on it.
        InProgress = "inProgress",
        /// It was transferred.
        Success = "success",
        /// It was given up.
        Cancel = "cancel",
        /// The target is busy.
        Busy = "busy",
        /// The target does not answer.
        NoAnswer = "noAnswer",
        /// It failed.
        Error = "error",
    }
}

wire_enum! {
    /// What a payment is doing, where the service says so; newer versions only send a result.
    pub enum PayState {
        /// It is under way.
        Processing = "processing",
        /// It succeeded.
        Completed = "completed",
        /// It is over.
        Finished = "finished",
        /// It failed.
        Failed = "failed",
        /// It failed.
        Error = "error",
        /// It was given up.
        Canceled = "canceled",
    }
}

wire_enum! {
    /// How a payment ended.
    pub enum PayResult {
        /// Paid, or a token was issued.
        Success = "success",
        /// The caller used up the attempts.
        TooManyFailedAttempts = "too-many-failed-attempts",
        /// The payment connector failed.
        ConnectorError = "payment-connector-error",
        /// The caller pressed `*`.
        CallerInterrupted = "caller-interrupted-with-star",
        /// It was stopped by us.
        Stopped = "relay-pay-stop",
        /// The caller hung up.
        CallerHungUp = "caller-hung-up",
        /// What was asked for cannot be.
        ValidationError = "validation-error",
        /// The service failed.
        InternalError = "internal-error",
    }
}

wire_enum! {
    /// What happened to a call in a queue.
    pub enum QueueStatus {
        /// It entered.
        Enqueue = "enqueue",
        /// It was taken out by somebody who deals with it.
        Dequeue = "dequeue",
        /// It left.
        Leave = "leave",
        /// Only a report.
        Stats = "stats",
    }
}

wire_enum! {
    /// What an echo is doing.
    pub enum EchoState {
        /// The caller hears itself.
        Echoing = "echoing",
        /// It is over.
        Finished = "finished",
        /// It failed.
        Error = "error",
    }
}

wire_enum! {
    /// What a transcription is doing.
    pub enum TranscribeState {
        /// It is being written.
        Transcribing = "transcribing",
        /// It is over, and stored.
        Finished = "finished",
        /// It failed.
        Error = "error",
    }
}

wire_enum! {
    /// Whether a call is on hold.
    pub enum HoldState {
        /// It is.
        Hold = "hold",
        /// It is not any more.
        Unhold = "unhold",
    }
}

wire_enum! {
    /// How an AI session ended.
    pub enum AiState {
        /// It is over.
        Finished = "finished",
        /// It failed.
        Error = "error",
    }
}

wire_enum! {
    /// What happened in a conference.
    pub enum ConferenceStatus {
        /// It began.
        Start = "conference-start",
        /// It is over.
        End = "conference-end",
        /// Somebody came.
        ParticipantJoin = "participant-join",
        /// Somebody left.
        ParticipantLeave = "participant-leave",
        /// Somebody was muted.
        ParticipantMute = "participant-mute",
        /// Somebody may be heard again.
        ParticipantUnmute = "participant-unmute",
        /// Somebody was put on hold.
        ParticipantHold = "participant-hold",
        /// Somebody is back from hold.
        ParticipantUnhold = "participant-unhold",
        /// Somebody's part changed.
        ParticipantModify = "participant-modify",
        /// Somebody began to speak.
        SpeechStart = "participant-speech-start",
        /// Somebody stopped speaking.
        SpeechStop = "participant-speech-stop",
        /// Figures on somebody's line.
        CallQuality = "participant-call-quality",
        /// An announcement is over.
        AnnouncementEnd = "announcement-end",
        /// An announcement failed.
        AnnouncementFail = "announcement-fail",
        /// A recording began.
        RecordStart = "record-start",
        /// The recording is held.
        RecordPause = "record-pause",
        /// The recording goes on.
        RecordResume = "record-resume",
        /// The recording is over.
        RecordStop = "record-stop",
        /// A bot came.
        BotJoin = "bot-join",
        /// A bot left.
        BotLeave = "bot-leave",
    }
}

wire_enum! {
    /// Why a conference ended.
    pub enum ConferenceEndReason {
        /// Somebody ended it through the API.
        ViaApi = "conference-ended-via-api",
        /// The last one was thrown out.
        LastKicked = "last-participant-kicked",
        /// The last one left.
        LastLeft = "last-participant-left",
        /// One whose leaving ends it was thrown out.
        EnderKicked = "participant-with-end-conference-on-exit-kicked",
        /// One whose leaving ends it left.
        EnderLeft = "participant-with-end-conference-on-exit-left",
    }
}

wire_enum! {
    /// What became of a call in a room.
    pub enum RoomStatus {
        /// The call takes part in the room.
        Joined = "joined",
        /// The room could not be joined.
        Failed = "failed",
        /// The call has left the room.
        Leave = "leave",
        /// Joining was given up.
        Cancel = "cancel",
        /// The room is locked.
        Locked = "locked",
    }
}

wire_enum! {
    /// What a call does in a room, in the words of the reference. The service's present words, in the `join_status` of
    /// the event, are others (`joined`, `failed`, `leave`, `cancel`, `locked`), so no field has this type.
    pub enum RoomState {
        /// It is about to join.
        Joining = "joining" as "ROOM_STATE_JOINING",
        /// It joined.
        Join = "join" as "ROOM_STATE_JOIN",
        /// It is about to leave.
        Leaving = "leaving" as "ROOM_STATE_LEAVING",
        /// It left.
        Leave = "leave" as "ROOM_STATE_LEAVE",
    }
}

wire_enum! {
    /// What a payment is asking for, or has come to.
    pub enum PayStep {
        /// The card's number.
        CardNumber = "payment-card-number",
        /// The card's expiration date.
        ExpirationDate = "expiration-date",
        /// The card's security code.
        SecurityCode = "security-code",
        /// The caller's postal code.
        PostalCode = "postal-code",
        /// The bank's routing number.
        RoutingNumber = "bank-routing-number",
        /// The bank account's number.
        AccountNumber = "bank-account-number",
        /// All was entered, and the connector is asked.
        Processing = "payment-processing",
        /// The connector accepted it.
        Completed = "payment-completed",
        /// The connector refused it.
        Failed = "payment-failed",
        /// It was given up.
        Canceled = "payment-canceled",
    }
}

wire_enum! {
    /// What was wrong with what was entered for a payment.
    pub enum PayFault {
        /// Nothing, or not enough, came in time.
        Timeout = "timeout",
        /// No card has that number.
        CardNumber = "invalid-card-number",
        /// A card of a brand that is not taken.
        CardType = "invalid-card-type",
        /// No such date, or it is past.
        Date = "invalid-date",
        /// No such security code.
        SecurityCode = "invalid-security-code",
        /// No such postal code.
        PostalCode = "invalid-postal-code",
        /// No bank has that routing number.
        RoutingNumber = "invalid-bank-routing-number",
        /// No account has that number.
        AccountNumber = "invalid-bank-account-number",
        /// It was entered twice, differently.
        Mismatch = "input-matching-failed",
        /// A payment is under way already.
        InProgress = "session-in-progress",
        /// The card was declined.
        Declined = "card-declined",
    }
}

wire_enum! {
    /// What kind of endpoint a device is.
    pub enum DeviceKind {
        /// A telephone number.
        Phone = "phone",
        /// A SIP endpoint.
        Sip = "sip",
        /// A browser or app.
        WebRtc = "webrtc",
        /// A resource of the project, by its address.
        Fabric = "fabric",
        /// An Agora channel.
        Agora = "agora",
        /// A call that exists.
        Call = "call",
        /// A queue of calls.
        Queue = "queue",
        /// A WebSocket that takes the audio.
        Stream = "stream",
        /// A tap's RTP target.
        Rtp = "rtp",
        /// A tap's WebSocket target.
        Ws = "ws",
    }
}

wire_enum! {
    /// The file format of a recording.
    pub enum RecordFormat {
        /// MP3; the service's default.
        Mp3 = "mp3",
        /// WAV.
        Wav = "wav",
        /// MP4.
        Mp4 = "mp4",
    }
}

wire_enum! {
    /// Which side of a call: what it hears, what it says, or both.
    pub enum AudioDirection {
        /// What the party on the call hears.
        Listen = "listen",
        /// What the party on the call says.
        Speak = "speak",
        /// Both.
        Both = "both",
    }
}

wire_enum! {
    /// A voice's gender, where no voice is named.
    pub enum Gender {
        /// The service's default.
        Female = "female",
        /// Male.
        Male = "male",
    }
}

wire_enum! {
    /// An audio or video codec.
    pub enum Codec {
        /// G.711 µ-law.
        Pcmu = "PCMU",
        /// G.711 A-law.
        Pcma = "PCMA",
        /// Opus.
        Opus = "OPUS",
        /// G.729.
        G729 = "G729",
        /// G.722.
        G722 = "G722",
        /// AMR wide band.
        AmrWb = "AMR-WB",
        /// VP8 video.
        Vp8 = "VP8",
        /// H.264 video.
        H264 = "H264",
    }
}

wire_enum! {
    /// Whether a SIP leg's media are encrypted.
    pub enum Encryption {
        /// Never.
        Forbidden = "forbidden",
        /// Always, or no call.
        Mandatory = "mandatory",
        /// Where the other side can.
        Optional = "optional",
    }
}

wire_enum! {
    /// What a detector looks for.
    pub enum DetectKind {
        /// A person or an answering machine.
        Machine = "machine" as "DETECT_TYPE_MACHINE",
        /// A fax tone.
        Fax = "fax" as "DETECT_TYPE_FAX",
        /// Digits.
        Digit = "digit" as "DETECT_TYPE_DIGIT",
    }
}

wire_enum! {
    /// A fax tone.
    pub enum FaxTone {
        /// What a receiving fax sends; the service's default.
        Ced = "CED",
        /// What a calling fax sends.
        Cng = "CNG",
    }
}

wire_enum! {
    /// What becomes of the time that something is paused.
    pub enum PauseBehavior {
        /// It is left out; the service's default.
        Skip = "skip",
        /// It is kept as silence.
        Silence = "silence",
    }
}

wire_enum! {
    /// A model of speech recognition.
    pub enum SpeechModel {
        /// The engine's default.
        Default = "default",
        /// An enhanced model.
        Enhanced = "enhanced",
        /// Enhanced, for telephone audio.
        EnhancedPhoneCall = "enhanced.phone_call",
        /// Enhanced, for the audio of videos.
        EnhancedVideo = "enhanced.video",
    }
}

wire_enum! {
    /// An engine of speech recognition. Choosing one is deprecated by the service.
    pub enum SpeechEngine {
        /// Deepgram.
        Deepgram = "Deepgram",
        /// Google.
        Google = "Google",
        /// Google, second version.
        GoogleV2 = "Google.V2",
    }
}

wire_enum! {
    /// The types of events.
    pub enum EventName {
        /// A call is in a new state.
        CallState = "calling.call.state" as "EVENT_CALL_STATE",
        /// A call came in.
        CallReceive = "calling.call.receive" as "EVENT_CALL_RECEIVE",
        /// A dial went on or ended.
        Dial = "calling.call.dial" as "EVENT_CALL_DIAL",
        /// A bridge went on or ended.
        Connect = "calling.call.connect" as "EVENT_CALL_CONNECT",
        /// A playback went on or ended.
        Play = "calling.call.play" as "EVENT_CALL_PLAY",
        /// A recording went on or ended.
        Record = "calling.call.record" as "EVENT_CALL_RECORD",
        /// Something was pressed or said.
        Collect = "calling.call.collect" as "EVENT_CALL_COLLECT",
        /// A detector heard something.
        Detect = "calling.call.detect" as "EVENT_CALL_DETECT",
        /// A fax went on or ended.
        Fax = "calling.call.fax" as "EVENT_CALL_FAX",
        /// A tap started or ended.
        Tap = "calling.call.tap" as "EVENT_CALL_TAP",
        /// A media stream started or ended.
        Stream = "calling.call.stream" as "EVENT_CALL_STREAM",
        /// Digits were sent.
        SendDigits = "calling.call.send_digits" as "EVENT_CALL_SEND_DIGITS",
        /// A SIP REFER went on or ended.
        Refer = "calling.call.refer" as "EVENT_CALL_REFER",
        /// Noise reduction was switched.
        Denoise = "calling.call.denoise" as "EVENT_CALL_DENOISE",
        /// A payment went on or ended.
        Pay = "calling.call.pay" as "EVENT_CALL_PAY",
        /// Something about a queue.
        Queue = "calling.call.queue" as "EVENT_CALL_QUEUE",
        /// An echo started or ended.
        Echo = "calling.call.echo" as "EVENT_CALL_ECHO",
        /// A transcription started or ended.
        Transcribe = "calling.call.transcribe" as "EVENT_CALL_TRANSCRIBE",
        /// Hold was switched.
        Hold = "calling.call.hold",
        /// An AI session ended.
        Ai = "calling.call.ai",
        /// Something about a conference.
        Conference = "calling.conference" as "EVENT_CONFERENCE",
        /// Something failed that no request waits for.
        CallingError = "calling.error" as "EVENT_CALLING_ERROR",
        /// A message came in.
        MessageReceive = "messaging.receive" as "EVENT_MESSAGING_RECEIVE",
        /// A message is in a new state.
        MessageState = "messaging.state" as "EVENT_MESSAGING_STATE",
        /// The key for resuming the session; never reaches a program.
        AuthorizationState = "signalwire.authorization.state" as "EVENT_AUTHORIZATION_STATE",
        /// The call's part in a room changed.
        Room = "calling.call.room",
        /// An event that an application defined.
        UserEvent = "calling.user_event",
        /// An AI session started.
        AiStart = "calling.ai.start",
        /// The caller began to speak to the AI.
        AiUserSpeaking = "calling.ai.user_speaking",
        /// The AI began to speak.
        AiBeginSpeaking = "calling.ai.begin_speaking",
        /// The AI's model completed a turn.
        AiCompletion = "calling.ai.completion",
        /// What the AI answers.
        AiResponse = "calling.ai.response",
        /// One utterance of the AI's answer.
        AiResponseUtterance = "calling.ai.response_utterance",
        /// Speech was recognised.
        AiSpeechDetect = "calling.ai.speech_detect",
        /// Speech was recognised in part.
        AiPartialResult = "calling.ai.partial_result",
        /// The AI warns.
        AiWarning = "calling.ai.warning",
        /// The caller spoke over the AI, which let it pass.
        AiTransparentBarge = "calling.ai.transparent_barge",
        /// An AI session is about to end.
        AiStop = "calling.ai.stop",
        /// The summary after an AI session.
        AiPostPrompt = "calling.ai.post_prompt",
        /// The AI called a function.
        AiSwaig = "calling.ai.swaig",
        /// A function told the AI to do something.
        AiSwaigAction = "calling.ai.swaig_action",
        /// Something about an AI beside the call.
        AiSidecar = "calling.ai.sidecar",
        /// An utterance was transcribed.
        AiTranscribeUtterance = "calling.ai.transcribe.utterance",
        /// A summary of what was transcribed so far.
        AiTranscribeLiveSummarize = "calling.ai.transcribe.live_summarize",
        /// All that was transcribed.
        AiTranscribeConversationLog = "calling.ai.transcribe.conversation_log",
        /// Something was translated.
        AiTranslateTranscriptDelta = "calling.ai.translate.transcript_delta",
        /// A summary of what was translated so far.
        AiTranslateLiveSummary = "calling.ai.translate.live_summary",
        /// All that was translated.
        AiTranslateConversationLog = "calling.ai.translate.conversation_log",
        /// A task sent to a context by the project's other services.
        RelayTasks = "queuing.relay.tasks",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_are_variants_and_the_others_stay() {
        assert_eq!(CallState::from("answered"), CallState::Answered);
        assert_eq!("melting".parse(), Ok(CallState::Other("melting".into())));
        assert_eq!(CallState::from("Answered").as_str(), "Answered");
        assert!(CallState::Ringing == "ringing" && CallState::default() == *"created");
        assert_eq!(CallState::ALL.iter().map(CallState::rank).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(format!("{:>8}", PlayState::Paused), "  paused");
    }

    #[test]
    fn end_reasons_are_folded() {
        for (text, reason) in [
            ("noAnswer", EndReason::NoAnswer),
            ("no_answer", EndReason::NoAnswer),
            ("NOANSWER", EndReason::NoAnswer),
            ("maxDuration", EndReason::MaxDuration),
            ("max_duration", EndReason::MaxDuration),
            ("notFound", EndReason::NotFound),
            ("Odd_Reason", EndReason::Other("Odd_Reason".into())),
        ] {
            assert_eq!(EndReason::from(text), reason);
        }
        assert_eq!(EndReason::from("maxDuration").as_str(), "max_duration");
    }

    #[test]
    fn any_json_can_be_read() {
        let states: Vec<MessageState> =
            serde_json::from_str(r#"["sent", null, 5, {"a": [1]}, "x"]"#).expect("tolerant");
        let other = |text: &str| MessageState::Other(text.into());
        assert_eq!(states, [MessageState::Sent, other(""), other(""), other(""), other("x")]);
        assert_eq!(serde_json::to_string(&MessageState::Sent).ok().as_deref(), Some("\"sent\""));
        assert!(MessageState::Failed.is_terminal() && !MessageState::Received.is_terminal());
    }
}
