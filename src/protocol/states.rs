//! Strings of the wire from known but open sets.

wire_enum! {
    /// State of a call. The states come in this order; any of them but the last may be skipped.
    #[doc(alias = "CALL_STATES")]
    pub enum CallState (default Created) {
        /// The service knows the call; nothing rings yet.
        Created = "created" as "CALL_STATE_CREATED",
        /// The far end is ringing, or an inbound call waits for an answer.
        Ringing = "ringing" as "CALL_STATE_RINGING",
        /// The call is answered: the parties can hear each other.
        Answered = "answered" as "CALL_STATE_ANSWERED",
        /// The call is being ended.
        Ending = "ending" as "CALL_STATE_ENDING",
        /// The call has ended.
        Ended = "ended" as "CALL_STATE_ENDED",
    }
}

impl CallState {
    /// The order of the states. An unknown state ranks lowest, so it never replaces a known one.
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
    /// Direction of a call or a message.
    pub enum Direction (default Inbound) {
        /// From outside to this client.
        Inbound = "inbound",
        /// From this client to outside.
        Outbound = "outbound",
    }
}

wire_enum! {
    /// Reason for the end of a call. Read in any case, with or without underscores.
    pub enum EndReason (default Hangup) folded {
        /// One of the parties hung up.
        Hangup = "hangup" as "END_REASON_HANGUP",
        /// The caller gave up before an answer.
        Cancel = "cancel" as "END_REASON_CANCEL",
        /// The line is busy.
        Busy = "busy" as "END_REASON_BUSY",
        /// There was no answer.
        NoAnswer = "noAnswer" as "END_REASON_NO_ANSWER",
        /// The callee declined the call.
        Decline = "decline" as "END_REASON_DECLINE",
        /// The call failed.
        Error = "error" as "END_REASON_ERROR",
        /// An inbound caller hung up before the call was dealt with. Only received.
        Abandoned = "abandoned" as "END_REASON_ABANDONED",
        /// The call reached its longest duration. Only received.
        MaxDuration = "max_duration" as "END_REASON_MAX_DURATION",
        /// The address does not exist. Only received.
        NotFound = "not_found" as "END_REASON_NOT_FOUND",
    }
}

wire_enum! {
    /// Side that ended a call.
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
    /// The reason in the words of a message.
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

/// # Reason of a failed dial or connect
impl crate::error::Error {
    /// Returns why a dial or a connect failed: busy, no answer, declined, not found and so on. `None` for other errors,
    /// and if the service did not report a reason.
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

/// Compares two texts without regard to case and underscores.
pub(crate) fn folded_eq(left: &str, right: &str) -> bool {
    let fold = |text: &str| text.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect::<Vec<_>>();
    fold(left) == fold(right)
}

wire_enum! {
    /// State of a bridge between two calls.
    pub enum ConnectState {
        /// The far end is being called.
        Connecting = "connecting" as "CONNECT_STATE_CONNECTING",
        /// The two calls hear each other.
        Connected = "connected" as "CONNECT_STATE_CONNECTED",
        /// The bridge has ended; each of the calls may still be live.
        Disconnected = "disconnected" as "CONNECT_STATE_DISCONNECTED",
        /// No destination could be reached.
        Failed = "failed" as "CONNECT_STATE_FAILED",
    }
}

wire_enum! {
    /// State of a dial.
    pub enum DialState {
        /// Devices are being called.
        Dialing = "dialing",
        /// One of the devices answered.
        Answered = "answered",
        /// None of the devices answered.
        Failed = "failed",
    }
}

wire_enum! {
    /// State of a message.
    pub enum MessageState (default Queued) {
        /// The service has accepted the message.
        Queued = "queued" as "MESSAGE_STATE_QUEUED",
        /// The message is being sent.
        Initiated = "initiated" as "MESSAGE_STATE_INITIATED",
        /// The carrier has accepted the message.
        Sent = "sent" as "MESSAGE_STATE_SENT",
        /// The message was delivered.
        Delivered = "delivered" as "MESSAGE_STATE_DELIVERED",
        /// The carrier could not deliver the message.
        Undelivered = "undelivered" as "MESSAGE_STATE_UNDELIVERED",
        /// The message could not be sent.
        Failed = "failed" as "MESSAGE_STATE_FAILED",
        /// The message was received: it is inbound.
        Received = "received" as "MESSAGE_STATE_RECEIVED",
    }
}

impl MessageState {
    /// Final states of an outbound message.
    #[doc(alias = "MESSAGE_TERMINAL_STATES")]
    pub const TERMINAL: &'static [Self] = &[Self::Delivered, Self::Undelivered, Self::Failed];

    /// `true` if the state is the final one of an outbound message: delivered, undelivered or failed.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        Self::TERMINAL.contains(self)
    }

    /// The order of the states. An unknown state ranks lowest, so it never replaces a known one.
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
    /// State of a playback.
    pub enum PlayState {
        /// The media are being played.
        Playing = "playing" as "PLAY_STATE_PLAYING",
        /// The playback is paused.
        Paused = "paused" as "PLAY_STATE_PAUSED",
        /// The playback has ended, or was stopped.
        Finished = "finished" as "PLAY_STATE_FINISHED",
        /// The media could not be played.
        Error = "error" as "PLAY_STATE_ERROR",
    }
}

wire_enum! {
    /// State of a recording.
    pub enum RecordState {
        /// The recording is in progress.
        Recording = "recording" as "RECORD_STATE_RECORDING",
        /// The recording is paused.
        Paused = "paused" as "RECORD_STATE_PAUSED",
        /// The recording has ended and is stored.
        Finished = "finished" as "RECORD_STATE_FINISHED",
        /// Nothing was said within the initial timeout.
        NoInput = "no_input" as "RECORD_STATE_NO_INPUT",
        /// The recording failed.
        Error = "error",
    }
}

wire_enum! {
    /// State of a collect, where the service reports one beside the result.
    pub enum CollectState {
        /// The collect continues.
        Collecting = "collecting",
        /// The collect has ended.
        Finished = "finished",
        /// The collect failed.
        Error = "error",
        /// There was no input within the timeout.
        NoInput = "no_input",
        /// The input matches nothing that was requested.
        NoMatch = "no_match",
    }
}

wire_enum! {
    /// Kind of a fax event.
    pub enum FaxKind {
        /// A page was sent or received.
        Page = "page",
        /// The fax has ended; the event says whether it succeeded.
        Finished = "finished",
        /// The fax failed.
        Error = "error",
    }
}

wire_enum! {
    /// State of a tap.
    pub enum TapState {
        /// Audio is being copied.
        Tapping = "tapping",
        /// The tap has ended.
        Finished = "finished",
        /// The tap failed.
        Error = "error",
    }
}

wire_enum! {
    /// State of a media stream.
    pub enum StreamState {
        /// Audio is being sent.
        Streaming = "streaming",
        /// The stream has ended.
        Finished = "finished",
        /// The stream failed.
        Error = "error",
    }
}

wire_enum! {
    /// State of sent DTMF digits.
    pub enum SendDigitsState {
        /// All digits were sent.
        Finished = "finished",
        /// The digits could not be sent.
        Error = "error",
    }
}

wire_enum! {
    /// State of a SIP REFER.
    pub enum ReferState {
        /// The SIP endpoint is processing the REFER.
        InProgress = "inProgress",
        /// The call was transferred.
        Success = "success",
        /// The REFER was cancelled.
        Cancel = "cancel",
        /// The target is busy.
        Busy = "busy",
        /// The target does not answer.
        NoAnswer = "noAnswer",
        /// The REFER failed.
        Error = "error",
    }
}

wire_enum! {
    /// State of a payment, where the service reports one; newer versions only send a result.
    pub enum PayState {
        /// The payment is in progress.
        Processing = "processing",
        /// The payment succeeded.
        Completed = "completed",
        /// The payment has ended.
        Finished = "finished",
        /// The payment failed.
        Failed = "failed",
        /// The payment failed.
        Error = "error",
        /// The payment was cancelled.
        Canceled = "canceled",
    }
}

wire_enum! {
    /// Result of a payment.
    pub enum PayResult {
        /// Paid, or a token was issued.
        Success = "success",
        /// The caller used up the attempts.
        TooManyFailedAttempts = "too-many-failed-attempts",
        /// The payment connector failed.
        ConnectorError = "payment-connector-error",
        /// The caller pressed `*`.
        CallerInterrupted = "caller-interrupted-with-star",
        /// The program stopped the payment.
        Stopped = "relay-pay-stop",
        /// The caller hung up.
        CallerHungUp = "caller-hung-up",
        /// The parameters of the payment are invalid.
        ValidationError = "validation-error",
        /// The service failed.
        InternalError = "internal-error",
    }
}

wire_enum! {
    /// Kind of a queue event.
    pub enum QueueStatus {
        /// The call entered the queue.
        Enqueue = "enqueue",
        /// The call was taken out of the queue to be connected.
        Dequeue = "dequeue",
        /// The call left the queue.
        Leave = "leave",
        /// A report of position, size and times.
        Stats = "stats",
    }
}

wire_enum! {
    /// State of an echo.
    pub enum EchoState {
        /// The caller hears itself.
        Echoing = "echoing",
        /// The echo has ended.
        Finished = "finished",
        /// The echo failed.
        Error = "error",
    }
}

wire_enum! {
    /// State of a transcription.
    pub enum TranscribeState {
        /// The transcription is in progress.
        Transcribing = "transcribing",
        /// The transcription has ended and is stored.
        Finished = "finished",
        /// The transcription failed.
        Error = "error",
    }
}

wire_enum! {
    /// Whether a call is on hold.
    pub enum HoldState {
        /// The call is on hold.
        Hold = "hold",
        /// The call is no longer on hold.
        Unhold = "unhold",
    }
}

wire_enum! {
    /// End of an AI session.
    pub enum AiState {
        /// The session has ended.
        Finished = "finished",
        /// The session failed.
        Error = "error",
    }
}

wire_enum! {
    /// Kind of a conference event.
    pub enum ConferenceStatus {
        /// The conference started.
        Start = "conference-start",
        /// The conference ended.
        End = "conference-end",
        /// A participant entered.
        ParticipantJoin = "participant-join",
        /// A participant left.
        ParticipantLeave = "participant-leave",
        /// A participant was muted.
        ParticipantMute = "participant-mute",
        /// A participant was unmuted.
        ParticipantUnmute = "participant-unmute",
        /// A participant was put on hold.
        ParticipantHold = "participant-hold",
        /// A participant was resumed from hold.
        ParticipantUnhold = "participant-unhold",
        /// The settings of a participant changed.
        ParticipantModify = "participant-modify",
        /// A participant started to speak.
        SpeechStart = "participant-speech-start",
        /// A participant stopped speaking.
        SpeechStop = "participant-speech-stop",
        /// Line quality of a participant.
        CallQuality = "participant-call-quality",
        /// An announcement has ended.
        AnnouncementEnd = "announcement-end",
        /// An announcement failed.
        AnnouncementFail = "announcement-fail",
        /// A recording started.
        RecordStart = "record-start",
        /// The recording was paused.
        RecordPause = "record-pause",
        /// The recording was resumed.
        RecordResume = "record-resume",
        /// The recording has ended.
        RecordStop = "record-stop",
        /// A bot entered.
        BotJoin = "bot-join",
        /// A bot left.
        BotLeave = "bot-leave",
    }
}

wire_enum! {
    /// Reason for the end of a conference.
    pub enum ConferenceEndReason {
        /// The conference was ended through the API.
        ViaApi = "conference-ended-via-api",
        /// The last participant was removed.
        LastKicked = "last-participant-kicked",
        /// The last participant left.
        LastLeft = "last-participant-left",
        /// A participant that ends the conference by leaving was removed.
        EnderKicked = "participant-with-end-conference-on-exit-kicked",
        /// A participant that ends the conference by leaving left.
        EnderLeft = "participant-with-end-conference-on-exit-left",
    }
}

wire_enum! {
    /// Kind of a room event.
    pub enum RoomStatus {
        /// The call takes part in the room.
        Joined = "joined",
        /// The room could not be joined.
        Failed = "failed",
        /// The call has left the room.
        Leave = "leave",
        /// Joining the room was cancelled.
        Cancel = "cancel",
        /// The room is locked.
        Locked = "locked",
    }
}

wire_enum! {
    /// State of a call in a room, in the terms of the Python SDK. The service's present terms, in the `join_status` of
    /// the event, are others (`joined`, `failed`, `leave`, `cancel`, `locked`), so no field has this type.
    pub enum RoomState {
        /// The call is joining.
        Joining = "joining" as "ROOM_STATE_JOINING",
        /// The call has joined.
        Join = "join" as "ROOM_STATE_JOIN",
        /// The call is leaving.
        Leaving = "leaving" as "ROOM_STATE_LEAVING",
        /// The call has left.
        Leave = "leave" as "ROOM_STATE_LEAVE",
    }
}

wire_enum! {
    /// Step of a payment.
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
        /// All data are entered; the connector is processing them.
        Processing = "payment-processing",
        /// The connector accepted the payment.
        Completed = "payment-completed",
        /// The connector rejected the payment.
        Failed = "payment-failed",
        /// The payment was cancelled.
        Canceled = "payment-canceled",
    }
}

wire_enum! {
    /// Mistake in the data that were entered for a payment.
    pub enum PayFault {
        /// Nothing, or too little, was entered within the timeout.
        Timeout = "timeout",
        /// No card has that number.
        CardNumber = "invalid-card-number",
        /// The brand of the card is not accepted.
        CardType = "invalid-card-type",
        /// The date is invalid, or has passed.
        Date = "invalid-date",
        /// The security code is invalid.
        SecurityCode = "invalid-security-code",
        /// The postal code is invalid.
        PostalCode = "invalid-postal-code",
        /// No bank has that routing number.
        RoutingNumber = "invalid-bank-routing-number",
        /// No account has that number.
        AccountNumber = "invalid-bank-account-number",
        /// The two entries differ.
        Mismatch = "input-matching-failed",
        /// Another payment is in progress.
        InProgress = "session-in-progress",
        /// The card was declined.
        Declined = "card-declined",
    }
}

wire_enum! {
    /// Kind of a device.
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
        /// A WebSocket for the audio.
        Stream = "stream",
        /// A tap's RTP target.
        Rtp = "rtp",
        /// A tap's WebSocket target.
        Ws = "ws",
    }
}

wire_enum! {
    /// File format of a recording.
    pub enum RecordFormat {
        /// MP3. The service's default.
        Mp3 = "mp3",
        /// WAV.
        Wav = "wav",
        /// MP4.
        Mp4 = "mp4",
    }
}

wire_enum! {
    /// Side of a call: what the party on the call hears, says, or both.
    pub enum AudioDirection {
        /// Audio that the party on the call hears.
        Listen = "listen",
        /// Audio of the party on the call.
        Speak = "speak",
        /// Both sides.
        Both = "both",
    }
}

wire_enum! {
    /// Gender of a voice, where no voice is set.
    pub enum Gender {
        /// The service's default.
        Female = "female",
        /// Male.
        Male = "male",
    }
}

wire_enum! {
    /// Audio or video codec.
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
    /// Encryption of the media of a SIP leg.
    pub enum Encryption {
        /// Not encrypted.
        Forbidden = "forbidden",
        /// Encrypted. The call fails if the far end does not support that.
        Mandatory = "mandatory",
        /// Encrypted if the far end supports it.
        Optional = "optional",
    }
}

wire_enum! {
    /// Kind of a detector.
    pub enum DetectKind {
        /// A human or an answering machine.
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
        /// CED, the tone of a receiving fax machine. The service's default.
        Ced = "CED",
        /// CNG, the tone of a calling fax machine.
        Cng = "CNG",
    }
}

wire_enum! {
    /// Content of a recording for the time of a pause.
    pub enum PauseBehavior {
        /// The pause is left out. The service's default.
        Skip = "skip",
        /// The pause is recorded as silence.
        Silence = "silence",
    }
}

wire_enum! {
    /// Model of speech recognition.
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
    /// Engine of speech recognition. The service has deprecated this choice.
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
    /// Type of an event.
    pub enum EventName {
        /// The state of a call changed.
        CallState = "calling.call.state" as "EVENT_CALL_STATE",
        /// An inbound call arrived.
        CallReceive = "calling.call.receive" as "EVENT_CALL_RECEIVE",
        /// A dial progressed or ended.
        Dial = "calling.call.dial" as "EVENT_CALL_DIAL",
        /// A bridge progressed or ended.
        Connect = "calling.call.connect" as "EVENT_CALL_CONNECT",
        /// A playback progressed or ended.
        Play = "calling.call.play" as "EVENT_CALL_PLAY",
        /// A recording progressed or ended.
        Record = "calling.call.record" as "EVENT_CALL_RECORD",
        /// The caller gave input.
        Collect = "calling.call.collect" as "EVENT_CALL_COLLECT",
        /// A detector heard something.
        Detect = "calling.call.detect" as "EVENT_CALL_DETECT",
        /// A fax progressed or ended.
        Fax = "calling.call.fax" as "EVENT_CALL_FAX",
        /// A tap started or ended.
        Tap = "calling.call.tap" as "EVENT_CALL_TAP",
        /// A media stream started or ended.
        Stream = "calling.call.stream" as "EVENT_CALL_STREAM",
        /// Digits were sent.
        SendDigits = "calling.call.send_digits" as "EVENT_CALL_SEND_DIGITS",
        /// A SIP REFER progressed or ended.
        Refer = "calling.call.refer" as "EVENT_CALL_REFER",
        /// Noise reduction was switched on or off.
        Denoise = "calling.call.denoise" as "EVENT_CALL_DENOISE",
        /// A payment progressed or ended.
        Pay = "calling.call.pay" as "EVENT_CALL_PAY",
        /// The place of a call in a queue changed.
        Queue = "calling.call.queue" as "EVENT_CALL_QUEUE",
        /// An echo started or ended.
        Echo = "calling.call.echo" as "EVENT_CALL_ECHO",
        /// A transcription started or ended.
        Transcribe = "calling.call.transcribe" as "EVENT_CALL_TRANSCRIBE",
        /// A call was put on hold or resumed.
        Hold = "calling.call.hold",
        /// An AI session ended.
        Ai = "calling.call.ai",
        /// A conference or a participant changed.
        Conference = "calling.conference" as "EVENT_CONFERENCE",
        /// An error that belongs to no pending request.
        CallingError = "calling.error" as "EVENT_CALLING_ERROR",
        /// An inbound message arrived.
        MessageReceive = "messaging.receive" as "EVENT_MESSAGING_RECEIVE",
        /// The state of a message changed.
        MessageState = "messaging.state" as "EVENT_MESSAGING_STATE",
        /// The key for resuming the session. Never delivered to a program.
        AuthorizationState = "signalwire.authorization.state" as "EVENT_AUTHORIZATION_STATE",
        /// The call joined or left a room.
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
        /// Response of the AI.
        AiResponse = "calling.ai.response",
        /// One utterance of the AI's response.
        AiResponseUtterance = "calling.ai.response_utterance",
        /// Speech was recognised.
        AiSpeechDetect = "calling.ai.speech_detect",
        /// Speech was recognised in part.
        AiPartialResult = "calling.ai.partial_result",
        /// Warning of the AI.
        AiWarning = "calling.ai.warning",
        /// The caller spoke over the AI without interrupting.
        AiTransparentBarge = "calling.ai.transparent_barge",
        /// An AI session is about to end.
        AiStop = "calling.ai.stop",
        /// The summary after an AI session.
        AiPostPrompt = "calling.ai.post_prompt",
        /// The AI called a function.
        AiSwaig = "calling.ai.swaig",
        /// Action that a function requested of the AI.
        AiSwaigAction = "calling.ai.swaig_action",
        /// Report of an AI beside the call.
        AiSidecar = "calling.ai.sidecar",
        /// An utterance was transcribed.
        AiTranscribeUtterance = "calling.ai.transcribe.utterance",
        /// A summary of what was transcribed so far.
        AiTranscribeLiveSummarize = "calling.ai.transcribe.live_summarize",
        /// The whole transcription.
        AiTranscribeConversationLog = "calling.ai.transcribe.conversation_log",
        /// Something was translated.
        AiTranslateTranscriptDelta = "calling.ai.translate.transcript_delta",
        /// A summary of what was translated so far.
        AiTranslateLiveSummary = "calling.ai.translate.live_summary",
        /// The whole translation.
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
