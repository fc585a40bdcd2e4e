//! The names of the reference API, and what they are here.
//!
//! The crate does what the relay module of SignalWire's Python SDK does. This page has a line for every public name of
//! that module: what takes parameters there takes a set of parameters here, whose setters have the names of the
//! parameters unless a line says otherwise. The search of this documentation also finds the names that differ.
//!
//! What differs in behaviour: every method blocks, and ends; a handler is a plain closure, on a thread of its own kind;
//! waiting is [`Action::wait`](crate::Action::wait) with an optional timeout, whose result is an error where the
//! reference gives an empty event; times are [`Duration`](std::time::Duration)s.
//!
//! # Client
//!
//! | reference | here |
//! |---|---|
//! | `RelayClient` | [`Client`](crate::Client), put together by a [`Builder`](crate::Builder) |
//! | `RelayClient.__init__` | [`Client::builder`](crate::Client::builder) and [`Builder::connect`](crate::Builder::connect) |
//! | `RelayClient.__init__(project)` | [`Builder::project`](crate::Builder::project) |
//! | `RelayClient.__init__(token)` | [`Builder::token`](crate::Builder::token) |
//! | `RelayClient.__init__(jwt_token)` | [`Builder::jwt`](crate::Builder::jwt) |
//! | `RelayClient.__init__(host)` | [`Builder::host`](crate::Builder::host) |
//! | `RelayClient.__init__(contexts)` | [`Builder::contexts`](crate::Builder::contexts) |
//! | `RelayClient.__init__(max_active_calls)` | [`Builder::max_active_calls`](crate::Builder::max_active_calls) |
//! | `RelayClient.project` | [`Client::project`](crate::Client::project) |
//! | `RelayClient.token` | not readable: a secret; set by [`Builder::token`](crate::Builder::token) |
//! | `RelayClient.jwt_token` | not readable: a secret; set by [`Builder::jwt`](crate::Builder::jwt) |
//! | `RelayClient.host` | [`Client::host`](crate::Client::host) |
//! | `RelayClient.contexts` | [`Client::contexts`](crate::Client::contexts) |
//! | `RelayClient.relay_protocol` | [`Client::protocol`](crate::Client::protocol) |
//! | `RelayClient.__del__` | dropping the last clone of the [`Client`](crate::Client) |
//! | `RelayClient.__aenter__` | [`Builder::connect`](crate::Builder::connect) |
//! | `RelayClient.__aexit__` | dropping the last clone of the [`Client`](crate::Client), or [`Client::disconnect`](crate::Client::disconnect) |
//! | `RelayClient.on_call` | [`Client::on_call`](crate::Client::on_call); or pull: [`Client::next_call`](crate::Client::next_call), [`Client::calls`](crate::Client::calls) |
//! | `RelayClient.on_message` | [`Client::on_message`](crate::Client::on_message); or pull: [`Client::next_message`](crate::Client::next_message), [`Client::messages`](crate::Client::messages) |
//! | `RelayClient.connect` | [`Builder::connect`](crate::Builder::connect): a client is connected from the beginning |
//! | `RelayClient.disconnect` | [`Client::disconnect`](crate::Client::disconnect), [`Client::shutdown`](crate::Client::shutdown) |
//! | `RelayClient.execute` | [`Client::execute`](crate::Client::execute) |
//! | `RelayClient.dial` | [`Client::dial`](crate::Client::dial), [`Client::start_dial`](crate::Client::start_dial) |
//! | `RelayClient.dial(devices)` | [`Dial::new`](crate::Dial::new) of [`Devices`](crate::devices::Devices) |
//! | `RelayClient.dial(tag)` | [`Dial::tag`](crate::Dial::tag) |
//! | `RelayClient.dial(max_duration)` | [`Dial::max_duration`](crate::Dial::max_duration) |
//! | `RelayClient.dial(dial_timeout)` | [`Dial::limit`](crate::Dial::limit), [`Builder::dial_timeout`](crate::Builder::dial_timeout) |
//! | `RelayClient.send_message` | [`Client::send_message`](crate::Client::send_message) |
//! | `RelayClient.send_message(to_number)` | [`sms`](crate::sms) |
//! | `RelayClient.send_message(from_number)` | [`Sms::from`](crate::params::Sms::from) |
//! | `RelayClient.send_message(context)` | [`Sms::context`](crate::params::Sms::context) |
//! | `RelayClient.send_message(body)` | [`Sms::body`](crate::params::Sms::body) |
//! | `RelayClient.send_message(media)` | [`Sms::media`](crate::params::Sms::media) |
//! | `RelayClient.send_message(tags)` | [`Sms::tags`](crate::params::Sms::tags) |
//! | `RelayClient.send_message(region)` | [`Sms::region`](crate::params::Sms::region) |
//! | `RelayClient.send_message(on_completed)` | [`Message::on_completed`](crate::Message::on_completed) |
//! | `RelayClient.receive` | [`Client::receive`](crate::Client::receive) |
//! | `RelayClient.unreceive` | [`Client::unreceive`](crate::Client::unreceive) |
//! | `RelayClient.run` | [`Client::run`](crate::Client::run) |
//! | `CallHandler` | a closure that takes a [`Call`](crate::Call) and returns a [`HandlerResult`](crate::HandlerResult) |
//! | `MessageHandler` | a closure that takes a [`Message`](crate::Message) and returns a [`HandlerResult`](crate::HandlerResult) |
//! | `RelayError` | [`Error`](crate::Error) |
//! | `RelayError.code` | [`Error::code`](crate::Error::code) |
//! | `RelayError.message` | [`Error::server_message`](crate::Error::server_message) |
//! | `logger` | the targets `signalwire_relay` and below of the `log` crate |
//!
//! # Call
//!
//! | reference | here |
//! |---|---|
//! | `Call` | [`Call`](crate::Call) |
//! | `Call.__init__` | made by the client: [`Client::on_call`](crate::Client::on_call), [`Client::dial`](crate::Client::dial) |
//! | `Call.call_id` | [`Call::id`](crate::Call::id) |
//! | `Call.node_id` | [`Call::node_id`](crate::Call::node_id) |
//! | `Call.project_id` | [`Call::project_id`](crate::Call::project_id) |
//! | `Call.context` | [`Call::context`](crate::Call::context) |
//! | `Call.tag` | [`Call::tag`](crate::Call::tag) |
//! | `Call.direction` | [`Call::direction`](crate::Call::direction) |
//! | `Call.device` | [`Call::device`](crate::Call::device) |
//! | `Call.state` | [`Call::state`](crate::Call::state) |
//! | `Call.segment_id` | [`Call::segment_id`](crate::Call::segment_id) |
//! | `Call.__repr__` | `Debug` of [`Call`](crate::Call) |
//! | `EventHandler` | a closure that takes an [`Event`](crate::Event) |
//! | `Call.on` | [`Call::on`](crate::Call::on), [`Call::on_any`](crate::Call::on_any), [`Call::events`](crate::Call::events); taken away by [`Listener::remove`](crate::events::Listener::remove) |
//! | `Call.wait_for` | [`Call::wait_for`](crate::Call::wait_for) |
//! | `Call.wait_for_ended` | [`Call::wait_for_ended`](crate::Call::wait_for_ended) |
//! | `Call.wait_for_answered` | [`Call::wait_for_answered`](crate::Call::wait_for_answered) |
//! | `Call.wait_for_ringing` | [`Call::wait_for_ringing`](crate::Call::wait_for_ringing) |
//! | `Call.wait_for_ending` | [`Call::wait_for_ending`](crate::Call::wait_for_ending) |
//! | `Call.answer` | [`Call::answer`](crate::Call::answer), [`Call::answer_with`](crate::Call::answer_with) |
//! | `Call.answer(**kwargs)` | [`Answer::extra`](crate::params::Answer::extra) |
//! | `Call.hangup` | [`Call::hangup`](crate::Call::hangup), [`Call::hangup_with`](crate::Call::hangup_with) |
//! | `Call.hangup(reason)` | [`Hangup::reason`](crate::params::Hangup::reason), for [`Call::hangup_with`](crate::Call::hangup_with) |
//! | `Call.pass_` | [`Call::pass`](crate::Call::pass) |
//! | `Call.play` | [`Call::play`](crate::Call::play) |
//! | `Call.play(media)` | [`Play::new`](crate::Play::new) of a [`Playlist`](crate::media::Playlist) |
//! | `Call.play(volume)` | [`Play::volume`](crate::Play::volume) |
//! | `Call.play(direction)` | [`Play::direction`](crate::Play::direction) |
//! | `Call.play(loop)` | [`Play::loops`](crate::Play::loops) |
//! | `Call.play(control_id)` | [`Play::control_id`](crate::Play::control_id) |
//! | `Call.play(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.play(**kwargs)` | [`Play::extra`](crate::Play::extra) |
//! | `Call.play_tts` | [`Call::play_tts`](crate::Call::play_tts) |
//! | `Call.play_tts(text)` | [`tts`](crate::tts) |
//! | `Call.play_tts(language)` | [`Tts::language`](crate::media::Tts::language) |
//! | `Call.play_tts(gender)` | [`Tts::gender`](crate::media::Tts::gender) |
//! | `Call.play_tts(voice)` | [`Tts::voice`](crate::media::Tts::voice) |
//! | `Call.play_tts(volume)` | [`Play::volume`](crate::Play::volume), with [`Call::play`](crate::Call::play) |
//! | `Call.play_tts(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.play_audio` | [`Call::play_audio`](crate::Call::play_audio) |
//! | `Call.play_audio(url)` | [`audio`](crate::audio) |
//! | `Call.play_audio(volume)` | [`Play::volume`](crate::Play::volume), with [`Call::play`](crate::Call::play) |
//! | `Call.play_audio(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.play_silence` | [`Call::play_silence`](crate::Call::play_silence) |
//! | `Call.play_silence(duration)` | [`silence`](crate::silence) |
//! | `Call.play_silence(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.play_ringtone` | [`Call::play_ringtone`](crate::Call::play_ringtone) |
//! | `Call.play_ringtone(name)` | [`ringtone`](crate::media::ringtone) |
//! | `Call.play_ringtone(duration)` | [`Ringtone::duration`](crate::media::Ringtone::duration) |
//! | `Call.play_ringtone(volume)` | [`Play::volume`](crate::Play::volume), with [`Call::play`](crate::Call::play) |
//! | `Call.play_ringtone(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.detect` | [`Call::detect`](crate::Call::detect) |
//! | `Call.detect(detect)` | [`machine`](crate::machine), [`fax_tone`](crate::params::fax_tone), [`digit_detector`](crate::params::digit_detector), [`Detect::raw`](crate::Detect::raw) |
//! | `Call.detect(timeout)` | [`Detect::timeout`](crate::Detect::timeout) |
//! | `Call.detect(control_id)` | [`Detect::control_id`](crate::Detect::control_id) |
//! | `Call.detect(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.detect(**kwargs)` | [`Detect::extra`](crate::Detect::extra) |
//! | `Call.detect_answering_machine` | [`Call::detect_answering_machine`](crate::Call::detect_answering_machine) |
//! | `Call.detect_answering_machine(initial_timeout)` | [`Machine::initial_timeout`](crate::params::Machine::initial_timeout) |
//! | `Call.detect_answering_machine(end_silence_timeout)` | [`Machine::end_silence_timeout`](crate::params::Machine::end_silence_timeout) |
//! | `Call.detect_answering_machine(machine_voice_threshold)` | [`Machine::machine_voice_threshold`](crate::params::Machine::machine_voice_threshold) |
//! | `Call.detect_answering_machine(machine_words_threshold)` | [`Machine::machine_words_threshold`](crate::params::Machine::machine_words_threshold) |
//! | `Call.detect_answering_machine(detect_interruptions)` | [`Machine::detect_interruptions`](crate::params::Machine::detect_interruptions) |
//! | `Call.detect_answering_machine(detect_message_end)` | [`Machine::detect_message_end`](crate::params::Machine::detect_message_end) |
//! | `Call.detect_answering_machine(timeout)` | [`Machine::timeout`](crate::params::Machine::timeout) |
//! | `Call.detect_answering_machine(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.detect_fax` | [`Call::detect_fax`](crate::Call::detect_fax) |
//! | `Call.detect_fax(tone)` | [`FaxDetector::tone`](crate::params::FaxDetector::tone) |
//! | `Call.detect_fax(timeout)` | [`FaxDetector::timeout`](crate::params::FaxDetector::timeout) |
//! | `Call.detect_fax(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.detect_digit` | [`Call::detect_digit`](crate::Call::detect_digit) |
//! | `Call.detect_digit(digits)` | [`DigitDetector::digits`](crate::params::DigitDetector::digits) |
//! | `Call.detect_digit(timeout)` | [`DigitDetector::timeout`](crate::params::DigitDetector::timeout) |
//! | `Call.detect_digit(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.record` | [`Call::record`](crate::Call::record) |
//! | `Call.record(audio)` | the setters of [`Record`](crate::Record) |
//! | `Call.record(control_id)` | [`Record::control_id`](crate::Record::control_id) |
//! | `Call.record(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.record(**kwargs)` | [`Record::extra`](crate::Record::extra) |
//! | `Call.collect` | [`Call::collect`](crate::Call::collect) |
//! | `Call.collect(digits)` | [`Collect::digits`](crate::Collect::digits), [`Collect::or_digits`](crate::Collect::or_digits) |
//! | `Call.collect(speech)` | [`Collect::speech`](crate::Collect::speech), [`Collect::or_speech`](crate::Collect::or_speech) |
//! | `Call.collect(initial_timeout)` | [`Collect::initial_timeout`](crate::Collect::initial_timeout) |
//! | `Call.collect(partial_results)` | [`Collect::partial_results`](crate::Collect::partial_results) |
//! | `Call.collect(continuous)` | [`Collect::continuous`](crate::Collect::continuous) |
//! | `Call.collect(send_start_of_input)` | [`Collect::send_start_of_input`](crate::Collect::send_start_of_input) |
//! | `Call.collect(start_input_timers)` | [`Collect::start_input_timers`](crate::Collect::start_input_timers) |
//! | `Call.collect(control_id)` | [`Collect::control_id`](crate::Collect::control_id) |
//! | `Call.collect(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.collect(**kwargs)` | [`Collect::extra`](crate::Collect::extra) |
//! | `Call.play_and_collect` | [`Call::prompt`](crate::Call::prompt), [`Call::play_and_collect`](crate::Call::play_and_collect) |
//! | `Call.play_and_collect(media)` | [`Prompt::new`](crate::params::Prompt::new) of a [`Playlist`](crate::media::Playlist) |
//! | `Call.play_and_collect(collect)` | [`Collect`](crate::Collect) |
//! | `Call.play_and_collect(volume)` | [`Prompt::volume`](crate::params::Prompt::volume) |
//! | `Call.play_and_collect(control_id)` | [`Prompt::control_id`](crate::params::Prompt::control_id) |
//! | `Call.play_and_collect(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.play_and_collect(**kwargs)` | [`Prompt::extra`](crate::params::Prompt::extra) |
//! | `Call.prompt_tts` | [`Call::prompt_tts`](crate::Call::prompt_tts) |
//! | `Call.prompt_tts(text)` | [`tts`](crate::tts) |
//! | `Call.prompt_tts(collect)` | [`Collect`](crate::Collect) |
//! | `Call.prompt_tts(language)` | [`Tts::language`](crate::media::Tts::language) |
//! | `Call.prompt_tts(gender)` | [`Tts::gender`](crate::media::Tts::gender) |
//! | `Call.prompt_tts(voice)` | [`Tts::voice`](crate::media::Tts::voice) |
//! | `Call.prompt_tts(volume)` | [`Prompt::volume`](crate::params::Prompt::volume), with [`Call::prompt`](crate::Call::prompt) |
//! | `Call.prompt_tts(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.prompt_audio` | [`Call::prompt_audio`](crate::Call::prompt_audio) |
//! | `Call.prompt_audio(url)` | [`audio`](crate::audio) |
//! | `Call.prompt_audio(collect)` | [`Collect`](crate::Collect) |
//! | `Call.prompt_audio(volume)` | [`Prompt::volume`](crate::params::Prompt::volume), with [`Call::prompt`](crate::Call::prompt) |
//! | `Call.prompt_audio(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.connect` | [`Call::connect`](crate::Call::connect) |
//! | `Call.connect(devices)` | [`Connect::new`](crate::Connect::new) of [`Devices`](crate::devices::Devices) |
//! | `Call.connect(ringback)` | [`Connect::ringback`](crate::Connect::ringback) |
//! | `Call.connect(tag)` | [`Connect::tag`](crate::Connect::tag) |
//! | `Call.connect(max_duration)` | [`Connect::max_duration`](crate::Connect::max_duration) |
//! | `Call.connect(max_price_per_minute)` | [`Connect::max_price_per_minute`](crate::Connect::max_price_per_minute) |
//! | `Call.connect(status_url)` | [`Connect::status_url`](crate::Connect::status_url) |
//! | `Call.connect(**kwargs)` | [`Connect::extra`](crate::Connect::extra) |
//! | `Call.disconnect` | [`Call::disconnect`](crate::Call::disconnect), [`Call::disconnect_with`](crate::Call::disconnect_with) |
//! | `Call.send_digits` | [`Call::send_digits`](crate::Call::send_digits) |
//! | `Call.send_digits(digits)` | [`SendDigits::new`](crate::params::SendDigits::new) |
//! | `Call.send_digits(control_id)` | [`SendDigits::control_id`](crate::params::SendDigits::control_id) |
//! | `Call.bind_digit` | [`Call::bind_digit`](crate::Call::bind_digit) |
//! | `Call.bind_digit(digits)` | [`BindDigit::new`](crate::params::BindDigit::new) |
//! | `Call.bind_digit(bind_method)` | [`BindDigit::new`](crate::params::BindDigit::new) |
//! | `Call.bind_digit(bind_params)` | [`BindDigit::params`](crate::params::BindDigit::params) |
//! | `Call.bind_digit(realm)` | [`BindDigit::realm`](crate::params::BindDigit::realm) |
//! | `Call.bind_digit(max_triggers)` | [`BindDigit::max_triggers`](crate::params::BindDigit::max_triggers) |
//! | `Call.bind_digit(**kwargs)` | [`BindDigit::extra`](crate::params::BindDigit::extra) |
//! | `Call.clear_digit_bindings` | [`Call::clear_digit_bindings`](crate::Call::clear_digit_bindings), [`Call::clear_digit_bindings_with`](crate::Call::clear_digit_bindings_with) |
//! | `Call.clear_digit_bindings(realm)` | [`ClearDigitBindings::realm`](crate::params::ClearDigitBindings::realm) |
//! | `Call.clear_digit_bindings(**kwargs)` | [`ClearDigitBindings::extra`](crate::params::ClearDigitBindings::extra) |
//! | `Call.refer` | [`Call::refer`](crate::Call::refer) |
//! | `Call.refer(device)` | [`Refer::new`](crate::params::Refer::new) of [`sip`](crate::sip) |
//! | `Call.refer(status_url)` | [`Refer::status_url`](crate::params::Refer::status_url) |
//! | `Call.refer(**kwargs)` | [`Refer::extra`](crate::params::Refer::extra) |
//! | `Call.transfer` | [`Call::transfer`](crate::Call::transfer) |
//! | `Call.transfer(dest)` | [`Transfer::new`](crate::params::Transfer::new) |
//! | `Call.transfer(**kwargs)` | [`Transfer::extra`](crate::params::Transfer::extra) |
//! | `Call.hold` | [`Call::hold`](crate::Call::hold) |
//! | `Call.unhold` | [`Call::unhold`](crate::Call::unhold) |
//! | `Call.pay` | [`Call::pay`](crate::Call::pay) |
//! | `Call.pay(payment_connector_url)` | [`Pay::new`](crate::params::Pay::new) |
//! | `Call.pay(control_id)` | [`Pay::control_id`](crate::params::Pay::control_id) |
//! | `Call.pay(input_method)` | [`Pay::input`](crate::params::Pay::input) |
//! | `Call.pay(status_url)` | [`Pay::status_url`](crate::params::Pay::status_url) |
//! | `Call.pay(payment_method)` | [`Pay::payment_method`](crate::params::Pay::payment_method) |
//! | `Call.pay(timeout)` | [`Pay::timeout`](crate::params::Pay::timeout) |
//! | `Call.pay(max_attempts)` | [`Pay::max_attempts`](crate::params::Pay::max_attempts) |
//! | `Call.pay(security_code)` | [`Pay::security_code`](crate::params::Pay::security_code) |
//! | `Call.pay(postal_code)` | [`Pay::postal_code`](crate::params::Pay::postal_code) |
//! | `Call.pay(min_postal_code_length)` | [`Pay::min_postal_code_length`](crate::params::Pay::min_postal_code_length) |
//! | `Call.pay(token_type)` | [`Pay::token_type`](crate::params::Pay::token_type) |
//! | `Call.pay(charge_amount)` | [`Pay::charge_amount`](crate::params::Pay::charge_amount) |
//! | `Call.pay(currency)` | [`Pay::currency`](crate::params::Pay::currency) |
//! | `Call.pay(language)` | [`Pay::language`](crate::params::Pay::language) |
//! | `Call.pay(voice)` | [`Pay::voice`](crate::params::Pay::voice) |
//! | `Call.pay(description)` | [`Pay::description`](crate::params::Pay::description) |
//! | `Call.pay(valid_card_types)` | [`Pay::valid_card_types`](crate::params::Pay::valid_card_types) |
//! | `Call.pay(parameters)` | [`Pay::parameter`](crate::params::Pay::parameter) |
//! | `Call.pay(prompts)` | [`Pay::prompt`](crate::params::Pay::prompt) |
//! | `Call.pay(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.pay(**kwargs)` | [`Pay::extra`](crate::params::Pay::extra) |
//! | `Call.send_fax` | [`Call::send_fax`](crate::Call::send_fax) |
//! | `Call.send_fax(document)` | [`SendFax::new`](crate::params::SendFax::new) |
//! | `Call.send_fax(identity)` | [`SendFax::identity`](crate::params::SendFax::identity) |
//! | `Call.send_fax(header_info)` | [`SendFax::header_info`](crate::params::SendFax::header_info) |
//! | `Call.send_fax(control_id)` | [`SendFax::control_id`](crate::params::SendFax::control_id) |
//! | `Call.send_fax(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.send_fax(**kwargs)` | [`SendFax::extra`](crate::params::SendFax::extra) |
//! | `Call.receive_fax` | [`Call::receive_fax`](crate::Call::receive_fax) |
//! | `Call.receive_fax(control_id)` | [`ReceiveFax::control_id`](crate::params::ReceiveFax::control_id) |
//! | `Call.receive_fax(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.receive_fax(**kwargs)` | [`ReceiveFax::extra`](crate::params::ReceiveFax::extra) |
//! | `Call.tap` | [`Call::tap`](crate::Call::tap) |
//! | `Call.tap(tap)` | [`Tap::direction`](crate::params::Tap::direction) |
//! | `Call.tap(device)` | [`rtp`](crate::devices::rtp), [`ws`](crate::devices::ws), [`TapDevice::raw`](crate::devices::TapDevice::raw) |
//! | `Call.tap(control_id)` | [`Tap::control_id`](crate::params::Tap::control_id) |
//! | `Call.tap(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.tap(**kwargs)` | [`Tap::extra`](crate::params::Tap::extra) |
//! | `Call.stream` | [`Call::stream`](crate::Call::stream) |
//! | `Call.stream(url)` | [`Stream::new`](crate::params::Stream::new) |
//! | `Call.stream(name)` | [`Stream::name`](crate::params::Stream::name) |
//! | `Call.stream(codec)` | [`Stream::codec`](crate::params::Stream::codec) |
//! | `Call.stream(track)` | [`Stream::track`](crate::params::Stream::track) |
//! | `Call.stream(status_url)` | [`Stream::status_url`](crate::params::Stream::status_url) |
//! | `Call.stream(status_url_method)` | [`Stream::status_url_method`](crate::params::Stream::status_url_method) |
//! | `Call.stream(authorization_bearer_token)` | [`Stream::authorization_bearer_token`](crate::params::Stream::authorization_bearer_token) |
//! | `Call.stream(custom_parameters)` | [`Stream::custom_parameters`](crate::params::Stream::custom_parameters) |
//! | `Call.stream(control_id)` | [`Stream::control_id`](crate::params::Stream::control_id) |
//! | `Call.stream(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.stream(**kwargs)` | [`Stream::extra`](crate::params::Stream::extra) |
//! | `Call.transcribe` | [`Call::transcribe`](crate::Call::transcribe) |
//! | `Call.transcribe(control_id)` | [`Transcribe::control_id`](crate::params::Transcribe::control_id) |
//! | `Call.transcribe(status_url)` | [`Transcribe::status_url`](crate::params::Transcribe::status_url) |
//! | `Call.transcribe(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.transcribe(**kwargs)` | [`Transcribe::extra`](crate::params::Transcribe::extra) |
//! | `Call.live_transcribe` | [`Call::live_transcribe`](crate::Call::live_transcribe) |
//! | `Call.live_transcribe(action)` | [`LiveTranscription`](crate::params::LiveTranscription), [`LiveSummary`](crate::params::LiveSummary), [`LiveTranscribe::stop`](crate::params::LiveTranscribe::stop), [`LiveTranscribe::raw`](crate::params::LiveTranscribe::raw) |
//! | `Call.live_transcribe(**kwargs)` | [`LiveTranscribe::extra`](crate::params::LiveTranscribe::extra) |
//! | `Call.live_translate` | [`Call::live_translate`](crate::Call::live_translate) |
//! | `Call.live_translate(action)` | [`LiveTranslation`](crate::params::LiveTranslation), [`LiveSummary`](crate::params::LiveSummary), [`LiveTranslate::stop`](crate::params::LiveTranslate::stop), [`LiveTranslate::inject`](crate::params::LiveTranslate::inject), [`LiveTranslate::raw`](crate::params::LiveTranslate::raw) |
//! | `Call.live_translate(status_url)` | [`LiveTranslate::status_url`](crate::params::LiveTranslate::status_url) |
//! | `Call.live_translate(**kwargs)` | [`LiveTranslate::extra`](crate::params::LiveTranslate::extra) |
//! | `Call.join_conference` | [`Call::join_conference`](crate::Call::join_conference) |
//! | `Call.join_conference(name)` | [`JoinConference::new`](crate::params::JoinConference::new) |
//! | `Call.join_conference(muted)` | [`JoinConference::muted`](crate::params::JoinConference::muted) |
//! | `Call.join_conference(beep)` | [`JoinConference::beep`](crate::params::JoinConference::beep) |
//! | `Call.join_conference(start_on_enter)` | [`JoinConference::start_on_enter`](crate::params::JoinConference::start_on_enter) |
//! | `Call.join_conference(end_on_exit)` | [`JoinConference::end_on_exit`](crate::params::JoinConference::end_on_exit) |
//! | `Call.join_conference(wait_url)` | [`JoinConference::wait_url`](crate::params::JoinConference::wait_url) |
//! | `Call.join_conference(max_participants)` | [`JoinConference::max_participants`](crate::params::JoinConference::max_participants) |
//! | `Call.join_conference(record)` | [`JoinConference::record`](crate::params::JoinConference::record) |
//! | `Call.join_conference(region)` | [`JoinConference::region`](crate::params::JoinConference::region) |
//! | `Call.join_conference(trim)` | [`JoinConference::trim`](crate::params::JoinConference::trim) |
//! | `Call.join_conference(coach)` | [`JoinConference::coach`](crate::params::JoinConference::coach) |
//! | `Call.join_conference(status_callback)` | [`JoinConference::status_callback`](crate::params::JoinConference::status_callback) |
//! | `Call.join_conference(status_callback_event)` | [`JoinConference::status_callback_event`](crate::params::JoinConference::status_callback_event) |
//! | `Call.join_conference(status_callback_event_type)` | [`JoinConference::status_callback_event_type`](crate::params::JoinConference::status_callback_event_type) |
//! | `Call.join_conference(status_callback_method)` | [`JoinConference::status_callback_method`](crate::params::JoinConference::status_callback_method) |
//! | `Call.join_conference(recording_status_callback)` | [`JoinConference::recording_status_callback`](crate::params::JoinConference::recording_status_callback) |
//! | `Call.join_conference(recording_status_callback_event)` | [`JoinConference::recording_status_callback_event`](crate::params::JoinConference::recording_status_callback_event) |
//! | `Call.join_conference(recording_status_callback_event_type)` | [`JoinConference::recording_status_callback_event_type`](crate::params::JoinConference::recording_status_callback_event_type) |
//! | `Call.join_conference(recording_status_callback_method)` | [`JoinConference::recording_status_callback_method`](crate::params::JoinConference::recording_status_callback_method) |
//! | `Call.join_conference(stream_obj)` | [`JoinConference::stream`](crate::params::JoinConference::stream) |
//! | `Call.join_conference(**kwargs)` | [`JoinConference::extra`](crate::params::JoinConference::extra) |
//! | `Call.leave_conference` | [`Call::leave_conference`](crate::Call::leave_conference) |
//! | `Call.leave_conference(conference_id)` | [`LeaveConference::new`](crate::params::LeaveConference::new) |
//! | `Call.leave_conference(**kwargs)` | [`LeaveConference::extra`](crate::params::LeaveConference::extra) |
//! | `Call.join_room` | [`Call::join_room`](crate::Call::join_room) |
//! | `Call.join_room(name)` | [`JoinRoom::new`](crate::params::JoinRoom::new) |
//! | `Call.join_room(status_url)` | [`JoinRoom::status_url`](crate::params::JoinRoom::status_url) |
//! | `Call.join_room(**kwargs)` | [`JoinRoom::extra`](crate::params::JoinRoom::extra) |
//! | `Call.leave_room` | [`Call::leave_room`](crate::Call::leave_room), [`Call::leave_room_with`](crate::Call::leave_room_with) |
//! | `Call.leave_room(**kwargs)` | [`LeaveRoom::extra`](crate::params::LeaveRoom::extra) |
//! | `Call.queue_enter` | [`Call::queue_enter`](crate::Call::queue_enter) |
//! | `Call.queue_enter(queue_name)` | [`QueueEnter::new`](crate::params::QueueEnter::new) |
//! | `Call.queue_enter(control_id)` | [`QueueEnter::control_id`](crate::params::QueueEnter::control_id) |
//! | `Call.queue_enter(status_url)` | [`QueueEnter::status_url`](crate::params::QueueEnter::status_url) |
//! | `Call.queue_enter(**kwargs)` | [`QueueEnter::extra`](crate::params::QueueEnter::extra) |
//! | `Call.queue_leave` | [`Call::queue_leave`](crate::Call::queue_leave) |
//! | `Call.queue_leave(queue_name)` | [`QueueLeave::new`](crate::params::QueueLeave::new) |
//! | `Call.queue_leave(control_id)` | [`QueueLeave::control_id`](crate::params::QueueLeave::control_id) |
//! | `Call.queue_leave(queue_id)` | [`QueueLeave::queue_id`](crate::params::QueueLeave::queue_id) |
//! | `Call.queue_leave(status_url)` | [`QueueLeave::status_url`](crate::params::QueueLeave::status_url) |
//! | `Call.queue_leave(**kwargs)` | [`QueueLeave::extra`](crate::params::QueueLeave::extra) |
//! | `Call.denoise` | [`Call::denoise`](crate::Call::denoise) |
//! | `Call.denoise_stop` | [`Call::denoise_stop`](crate::Call::denoise_stop) |
//! | `Call.echo` | [`Call::echo`](crate::Call::echo), [`Call::echo_with`](crate::Call::echo_with) |
//! | `Call.echo(timeout)` | [`Echo::timeout`](crate::params::Echo::timeout) |
//! | `Call.echo(status_url)` | [`Echo::status_url`](crate::params::Echo::status_url) |
//! | `Call.echo(**kwargs)` | [`Echo::extra`](crate::params::Echo::extra) |
//! | `Call.user_event` | [`Call::user_event`](crate::Call::user_event) |
//! | `Call.user_event(event)` | [`UserEvent::event`](crate::params::UserEvent::event) |
//! | `Call.user_event(**kwargs)` | [`UserEvent::extra`](crate::params::UserEvent::extra) |
//! | `Call.ai` | [`Call::ai`](crate::Call::ai) |
//! | `Call.ai(control_id)` | [`Ai::control_id`](crate::params::Ai::control_id) |
//! | `Call.ai(agent)` | [`Ai::agent`](crate::params::Ai::agent) |
//! | `Call.ai(prompt)` | [`Ai::prompt`](crate::params::Ai::prompt) |
//! | `Call.ai(post_prompt)` | [`Ai::post_prompt`](crate::params::Ai::post_prompt) |
//! | `Call.ai(post_prompt_url)` | [`Ai::post_prompt_url`](crate::params::Ai::post_prompt_url) |
//! | `Call.ai(post_prompt_auth_user)` | [`Ai::post_prompt_auth_user`](crate::params::Ai::post_prompt_auth_user) |
//! | `Call.ai(post_prompt_auth_password)` | [`Ai::post_prompt_auth_password`](crate::params::Ai::post_prompt_auth_password) |
//! | `Call.ai(global_data)` | [`Ai::global_data`](crate::params::Ai::global_data) |
//! | `Call.ai(pronounce)` | [`Ai::pronounce`](crate::params::Ai::pronounce) |
//! | `Call.ai(hints)` | [`Ai::hints`](crate::params::Ai::hints) |
//! | `Call.ai(languages)` | [`Ai::languages`](crate::params::Ai::languages) |
//! | `Call.ai(SWAIG)` | [`Ai::swaig`](crate::params::Ai::swaig) |
//! | `Call.ai(ai_params)` | [`Ai::ai_params`](crate::params::Ai::ai_params) |
//! | `Call.ai(on_completed)` | [`Action::on_completed`](crate::Action::on_completed) |
//! | `Call.ai(**kwargs)` | [`Ai::extra`](crate::params::Ai::extra) |
//! | `Call.amazon_bedrock` | [`Call::amazon_bedrock`](crate::Call::amazon_bedrock) |
//! | `Call.amazon_bedrock(prompt)` | [`AmazonBedrock::prompt`](crate::params::AmazonBedrock::prompt) |
//! | `Call.amazon_bedrock(SWAIG)` | [`AmazonBedrock::swaig`](crate::params::AmazonBedrock::swaig) |
//! | `Call.amazon_bedrock(ai_params)` | [`AmazonBedrock::ai_params`](crate::params::AmazonBedrock::ai_params) |
//! | `Call.amazon_bedrock(global_data)` | [`AmazonBedrock::global_data`](crate::params::AmazonBedrock::global_data) |
//! | `Call.amazon_bedrock(post_prompt)` | [`AmazonBedrock::post_prompt`](crate::params::AmazonBedrock::post_prompt) |
//! | `Call.amazon_bedrock(post_prompt_url)` | [`AmazonBedrock::post_prompt_url`](crate::params::AmazonBedrock::post_prompt_url) |
//! | `Call.amazon_bedrock(**kwargs)` | [`AmazonBedrock::extra`](crate::params::AmazonBedrock::extra) |
//! | `Call.ai_message` | [`Call::ai_message`](crate::Call::ai_message) |
//! | `Call.ai_message(message_text)` | [`AiMessage::message_text`](crate::params::AiMessage::message_text) |
//! | `Call.ai_message(role)` | [`AiMessage::role`](crate::params::AiMessage::role) |
//! | `Call.ai_message(reset)` | [`AiMessage::reset`](crate::params::AiMessage::reset) |
//! | `Call.ai_message(global_data)` | [`AiMessage::global_data`](crate::params::AiMessage::global_data) |
//! | `Call.ai_message(**kwargs)` | [`AiMessage::extra`](crate::params::AiMessage::extra) |
//! | `Call.ai_hold` | [`Call::ai_hold`](crate::Call::ai_hold), [`Call::ai_hold_with`](crate::Call::ai_hold_with) |
//! | `Call.ai_hold(timeout)` | [`AiHold::timeout`](crate::params::AiHold::timeout) |
//! | `Call.ai_hold(prompt)` | [`AiHold::prompt`](crate::params::AiHold::prompt) |
//! | `Call.ai_hold(**kwargs)` | [`AiHold::extra`](crate::params::AiHold::extra) |
//! | `Call.ai_unhold` | [`Call::ai_unhold`](crate::Call::ai_unhold), [`Call::ai_unhold_with`](crate::Call::ai_unhold_with) |
//! | `Call.ai_unhold(prompt)` | [`AiUnhold::prompt`](crate::params::AiUnhold::prompt) |
//! | `Call.ai_unhold(**kwargs)` | [`AiUnhold::extra`](crate::params::AiUnhold::extra) |
//!
//! # Actions
//!
//! | reference | here |
//! |---|---|
//! | `Action` | [`Action`](crate::Action) |
//! | `Action.__init__` | made by the verbs of [`Call`](crate::Call) |
//! | `Action.call` | [`Action::call`](crate::Action::call) |
//! | `Action.control_id` | [`Action::control_id`](crate::Action::control_id) |
//! | `Action.result` | [`Action::result`](crate::Action::result) |
//! | `Action.completed` | [`Action::is_done`](crate::Action::is_done) |
//! | `Action.is_done` | [`Action::is_done`](crate::Action::is_done) |
//! | `Action.wait` | [`Action::wait`](crate::Action::wait) |
//! | `PlayAction` | [`PlayAction`](crate::actions::PlayAction) |
//! | `PlayAction.stop` | [`Action::stop`](crate::Action::stop) |
//! | `PlayAction.pause` | [`Action::pause`](crate::Action::pause) |
//! | `PlayAction.resume` | [`Action::resume`](crate::Action::resume) |
//! | `PlayAction.volume` | [`Action::volume`](crate::Action::volume) |
//! | `RecordAction` | [`RecordAction`](crate::actions::RecordAction) |
//! | `RecordAction.stop` | [`Action::stop`](crate::Action::stop) |
//! | `RecordAction.pause` | [`Action::pause`](crate::Action::pause), [`Action::pause_with`](crate::Action::pause_with) |
//! | `RecordAction.resume` | [`Action::resume`](crate::Action::resume) |
//! | `DetectAction` | [`DetectAction`](crate::actions::DetectAction) |
//! | `DetectAction.stop` | [`Action::stop`](crate::Action::stop) |
//! | `CollectAction` | [`CollectAction`](crate::actions::CollectAction) |
//! | `CollectAction.stop` | [`Action::stop`](crate::Action::stop) |
//! | `CollectAction.pause` | [`Action::pause`](crate::Action::pause) |
//! | `CollectAction.resume` | [`Action::resume`](crate::Action::resume) |
//! | `CollectAction.volume` | [`Action::volume`](crate::Action::volume) |
//! | `CollectAction.start_input_timers` | [`Action::start_input_timers`](crate::Action::start_input_timers) |
//! | `StandaloneCollectAction` | [`StandaloneCollectAction`](crate::actions::StandaloneCollectAction) |
//! | `StandaloneCollectAction.stop` | [`Action::stop`](crate::Action::stop) |
//! | `StandaloneCollectAction.start_input_timers` | [`Action::start_input_timers`](crate::Action::start_input_timers) |
//! | `FaxAction` | [`SendFaxAction`](crate::actions::SendFaxAction), [`ReceiveFaxAction`](crate::actions::ReceiveFaxAction) |
//! | `FaxAction.stop` | [`Action::stop`](crate::Action::stop) |
//! | `TapAction` | [`TapAction`](crate::actions::TapAction) |
//! | `TapAction.stop` | [`Action::stop`](crate::Action::stop) |
//! | `StreamAction` | [`StreamAction`](crate::actions::StreamAction) |
//! | `StreamAction.stop` | [`Action::stop`](crate::Action::stop) |
//! | `PayAction` | [`PayAction`](crate::actions::PayAction) |
//! | `PayAction.stop` | [`Action::stop`](crate::Action::stop) |
//! | `TranscribeAction` | [`TranscribeAction`](crate::actions::TranscribeAction) |
//! | `TranscribeAction.stop` | [`Action::stop`](crate::Action::stop) |
//! | `AIAction` | [`AiAction`](crate::actions::AiAction) |
//! | `AIAction.stop` | [`Action::stop`](crate::Action::stop) |
//!
//! # Message
//!
//! | reference | here |
//! |---|---|
//! | `Message` | [`Message`](crate::Message) |
//! | `Message.__init__` | made by the client: [`Client::send_message`](crate::Client::send_message), [`Client::on_message`](crate::Client::on_message) |
//! | `Message.message_id` | [`Message::id`](crate::Message::id) |
//! | `Message.context` | [`Message::context`](crate::Message::context) |
//! | `Message.direction` | [`Message::direction`](crate::Message::direction) |
//! | `Message.from_number` | [`Message::from_number`](crate::Message::from_number) |
//! | `Message.to_number` | [`Message::to_number`](crate::Message::to_number) |
//! | `Message.body` | [`Message::body`](crate::Message::body) |
//! | `Message.media` | [`Message::media`](crate::Message::media) |
//! | `Message.segments` | [`Message::segments`](crate::Message::segments) |
//! | `Message.state` | [`Message::state`](crate::Message::state) |
//! | `Message.reason` | [`Message::reason`](crate::Message::reason) |
//! | `Message.tags` | [`Message::tags`](crate::Message::tags) |
//! | `Message.is_done` | [`Message::is_done`](crate::Message::is_done) |
//! | `Message.result` | [`Message::result`](crate::Message::result) |
//! | `Message.on` | [`Message::on`](crate::Message::on) |
//! | `Message.wait` | [`Message::wait`](crate::Message::wait) |
//! | `Message.__repr__` | `Debug` of [`Message`](crate::Message) |
//!
//! # Events
//!
//! | reference | here |
//! |---|---|
//! | `RelayEvent` | [`Event`](crate::Event), and [`RawEvent`](crate::events::RawEvent) for what is common to all |
//! | `RelayEvent.event_type` | [`Event::name`](crate::Event::name) |
//! | `RelayEvent.params` | [`RawEvent::value`](crate::events::RawEvent::value), [`RawEvent::json`](crate::events::RawEvent::json) |
//! | `RelayEvent.call_id` | [`Event::call_id`](crate::Event::call_id) |
//! | `RelayEvent.timestamp` | [`Event::timestamp`](crate::Event::timestamp) |
//! | `RelayEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `parse_event` | [`parse_event`](crate::events::parse_event) |
//! | `EVENT_CLASS_MAP` | [`constants::EVENT_TYPES`](crate::constants::EVENT_TYPES) |
//! | `CallStateEvent` | [`CallStateEvent`](crate::events::CallStateEvent) |
//! | `CallStateEvent.call_state` | [`CallStateEvent::state`](crate::events::CallStateEvent#structfield.state) |
//! | `CallStateEvent.end_reason` | [`CallStateEvent::end_reason`](crate::events::CallStateEvent#structfield.end_reason) |
//! | `CallStateEvent.direction` | [`CallStateEvent::direction`](crate::events::CallStateEvent#structfield.direction) |
//! | `CallStateEvent.device` | [`CallStateEvent::device`](crate::events::CallStateEvent#structfield.device) |
//! | `CallStateEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `CallStateEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `CallReceiveEvent` | [`CallReceiveEvent`](crate::events::CallReceiveEvent) |
//! | `CallReceiveEvent.call_state` | [`CallReceiveEvent::state`](crate::events::CallReceiveEvent#structfield.state) |
//! | `CallReceiveEvent.direction` | [`CallReceiveEvent::direction`](crate::events::CallReceiveEvent#structfield.direction) |
//! | `CallReceiveEvent.device` | [`CallReceiveEvent::device`](crate::events::CallReceiveEvent#structfield.device) |
//! | `CallReceiveEvent.node_id` | [`CallReceiveEvent::node_id`](crate::events::CallReceiveEvent#structfield.node_id) |
//! | `CallReceiveEvent.project_id` | [`CallReceiveEvent::project_id`](crate::events::CallReceiveEvent#structfield.project_id) |
//! | `CallReceiveEvent.context` | [`CallReceiveEvent::context`](crate::events::CallReceiveEvent#structfield.context) |
//! | `CallReceiveEvent.segment_id` | [`CallReceiveEvent::segment_id`](crate::events::CallReceiveEvent#structfield.segment_id) |
//! | `CallReceiveEvent.tag` | [`CallReceiveEvent::tag`](crate::events::CallReceiveEvent#structfield.tag) |
//! | `CallReceiveEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `CallReceiveEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `DialEvent` | [`DialEvent`](crate::events::DialEvent) |
//! | `DialEvent.tag` | [`DialEvent::tag`](crate::events::DialEvent#structfield.tag) |
//! | `DialEvent.dial_state` | [`DialEvent::state`](crate::events::DialEvent#structfield.state) |
//! | `DialEvent.call` | [`DialEvent::call`](crate::events::DialEvent#structfield.call) |
//! | `DialEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `DialEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `ConnectEvent` | [`ConnectEvent`](crate::events::ConnectEvent) |
//! | `ConnectEvent.connect_state` | [`ConnectEvent::state`](crate::events::ConnectEvent#structfield.state) |
//! | `ConnectEvent.peer` | [`ConnectEvent::peer`](crate::events::ConnectEvent#structfield.peer) |
//! | `ConnectEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `ConnectEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `ReferEvent` | [`ReferEvent`](crate::events::ReferEvent) |
//! | `ReferEvent.state` | [`ReferEvent::state`](crate::events::ReferEvent#structfield.state) |
//! | `ReferEvent.sip_refer_to` | [`ReferEvent::sip_refer_to`](crate::events::ReferEvent#structfield.sip_refer_to) |
//! | `ReferEvent.sip_refer_response_code` | [`ReferEvent::sip_refer_response_code`](crate::events::ReferEvent#structfield.sip_refer_response_code) |
//! | `ReferEvent.sip_notify_response_code` | [`ReferEvent::sip_notify_response_code`](crate::events::ReferEvent#structfield.sip_notify_response_code) |
//! | `ReferEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `ReferEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `HoldEvent` | [`HoldEvent`](crate::events::HoldEvent) |
//! | `HoldEvent.state` | [`HoldEvent::state`](crate::events::HoldEvent#structfield.state) |
//! | `HoldEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `HoldEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `PlayEvent` | [`PlayEvent`](crate::events::PlayEvent) |
//! | `PlayEvent.control_id` | [`PlayEvent::control_id`](crate::events::PlayEvent#structfield.control_id) |
//! | `PlayEvent.state` | [`PlayEvent::state`](crate::events::PlayEvent#structfield.state) |
//! | `PlayEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `PlayEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `RecordEvent` | [`RecordEvent`](crate::events::RecordEvent) |
//! | `RecordEvent.control_id` | [`RecordEvent::control_id`](crate::events::RecordEvent#structfield.control_id) |
//! | `RecordEvent.state` | [`RecordEvent::state`](crate::events::RecordEvent#structfield.state) |
//! | `RecordEvent.url` | [`RecordEvent::url`](crate::events::RecordEvent#structfield.url) |
//! | `RecordEvent.duration` | [`RecordEvent::duration`](crate::events::RecordEvent#structfield.duration) |
//! | `RecordEvent.size` | [`RecordEvent::size`](crate::events::RecordEvent#structfield.size) |
//! | `RecordEvent.record` | [`RecordEvent::format`](crate::events::RecordEvent#structfield.format), [`RecordEvent::is_stereo`](crate::events::RecordEvent#structfield.is_stereo), [`RecordEvent::direction`](crate::events::RecordEvent#structfield.direction) |
//! | `RecordEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `RecordEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `CollectEvent` | [`CollectEvent`](crate::events::CollectEvent) |
//! | `CollectEvent.control_id` | [`CollectEvent::control_id`](crate::events::CollectEvent#structfield.control_id) |
//! | `CollectEvent.state` | [`CollectEvent::state`](crate::events::CollectEvent#structfield.state) |
//! | `CollectEvent.result` | [`CollectEvent::result`](crate::events::CollectEvent#structfield.result), [`CollectEvent::digits`](crate::events::CollectEvent::digits), [`CollectEvent::speech`](crate::events::CollectEvent::speech) |
//! | `CollectEvent.final` | [`CollectEvent::is_final`](crate::events::CollectEvent#structfield.is_final) |
//! | `CollectEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `CollectEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `DetectEvent` | [`DetectEvent`](crate::events::DetectEvent) |
//! | `DetectEvent.control_id` | [`DetectEvent::control_id`](crate::events::DetectEvent#structfield.control_id) |
//! | `DetectEvent.detect` | [`DetectEvent::kind`](crate::events::DetectEvent#structfield.kind), [`DetectEvent::heard`](crate::events::DetectEvent#structfield.heard) |
//! | `DetectEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `DetectEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `FaxEvent` | [`FaxEvent`](crate::events::FaxEvent) |
//! | `FaxEvent.control_id` | [`FaxEvent::control_id`](crate::events::FaxEvent#structfield.control_id) |
//! | `FaxEvent.fax` | [`FaxEvent::kind`](crate::events::FaxEvent#structfield.kind) and the fields after it |
//! | `FaxEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `FaxEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `TapEvent` | [`TapEvent`](crate::events::TapEvent) |
//! | `TapEvent.control_id` | [`TapEvent::control_id`](crate::events::TapEvent#structfield.control_id) |
//! | `TapEvent.state` | [`TapEvent::state`](crate::events::TapEvent#structfield.state) |
//! | `TapEvent.tap` | [`TapEvent::direction`](crate::events::TapEvent#structfield.direction) |
//! | `TapEvent.device` | [`TapEvent::device`](crate::events::TapEvent#structfield.device) |
//! | `TapEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `TapEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `StreamEvent` | [`StreamEvent`](crate::events::StreamEvent) |
//! | `StreamEvent.control_id` | [`StreamEvent::control_id`](crate::events::StreamEvent#structfield.control_id) |
//! | `StreamEvent.state` | [`StreamEvent::state`](crate::events::StreamEvent#structfield.state) |
//! | `StreamEvent.url` | [`StreamEvent::url`](crate::events::StreamEvent#structfield.url) |
//! | `StreamEvent.name` | [`StreamEvent::name`](crate::events::StreamEvent#structfield.name) |
//! | `StreamEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `StreamEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `SendDigitsEvent` | [`SendDigitsEvent`](crate::events::SendDigitsEvent) |
//! | `SendDigitsEvent.control_id` | [`SendDigitsEvent::control_id`](crate::events::SendDigitsEvent#structfield.control_id) |
//! | `SendDigitsEvent.state` | [`SendDigitsEvent::state`](crate::events::SendDigitsEvent#structfield.state) |
//! | `SendDigitsEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `SendDigitsEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `DenoiseEvent` | [`DenoiseEvent`](crate::events::DenoiseEvent) |
//! | `DenoiseEvent.denoised` | [`DenoiseEvent::denoised`](crate::events::DenoiseEvent#structfield.denoised) |
//! | `DenoiseEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `DenoiseEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `PayEvent` | [`PayEvent`](crate::events::PayEvent) |
//! | `PayEvent.control_id` | [`PayEvent::control_id`](crate::events::PayEvent#structfield.control_id) |
//! | `PayEvent.state` | [`PayEvent::state`](crate::events::PayEvent#structfield.state) |
//! | `PayEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `PayEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `QueueEvent` | [`QueueEvent`](crate::events::QueueEvent) |
//! | `QueueEvent.control_id` | [`QueueEvent::control_id`](crate::events::QueueEvent#structfield.control_id) |
//! | `QueueEvent.status` | [`QueueEvent::status`](crate::events::QueueEvent#structfield.status) |
//! | `QueueEvent.queue_id` | [`QueueEvent::queue_id`](crate::events::QueueEvent#structfield.queue_id) |
//! | `QueueEvent.queue_name` | [`QueueEvent::queue_name`](crate::events::QueueEvent#structfield.queue_name) |
//! | `QueueEvent.position` | [`QueueEvent::position`](crate::events::QueueEvent#structfield.position) |
//! | `QueueEvent.size` | [`QueueEvent::size`](crate::events::QueueEvent#structfield.size) |
//! | `QueueEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `QueueEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `EchoEvent` | [`EchoEvent`](crate::events::EchoEvent) |
//! | `EchoEvent.state` | [`EchoEvent::state`](crate::events::EchoEvent#structfield.state) |
//! | `EchoEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `EchoEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `TranscribeEvent` | [`TranscribeEvent`](crate::events::TranscribeEvent) |
//! | `TranscribeEvent.control_id` | [`TranscribeEvent::control_id`](crate::events::TranscribeEvent#structfield.control_id) |
//! | `TranscribeEvent.state` | [`TranscribeEvent::state`](crate::events::TranscribeEvent#structfield.state) |
//! | `TranscribeEvent.url` | [`TranscribeEvent::url`](crate::events::TranscribeEvent#structfield.url) |
//! | `TranscribeEvent.recording_id` | [`TranscribeEvent::recording_id`](crate::events::TranscribeEvent#structfield.recording_id) |
//! | `TranscribeEvent.duration` | [`TranscribeEvent::duration`](crate::events::TranscribeEvent#structfield.duration) |
//! | `TranscribeEvent.size` | [`TranscribeEvent::size`](crate::events::TranscribeEvent#structfield.size) |
//! | `TranscribeEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `TranscribeEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `ConferenceEvent` | [`ConferenceEvent`](crate::events::ConferenceEvent) |
//! | `ConferenceEvent.conference_id` | [`ConferenceEvent::conference_id`](crate::events::ConferenceEvent#structfield.conference_id) |
//! | `ConferenceEvent.name` | [`ConferenceEvent::name`](crate::events::ConferenceEvent#structfield.name) |
//! | `ConferenceEvent.status` | [`ConferenceEvent::status`](crate::events::ConferenceEvent#structfield.status) |
//! | `ConferenceEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `ConferenceEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `CallingErrorEvent` | [`CallingErrorEvent`](crate::events::CallingErrorEvent) |
//! | `CallingErrorEvent.code` | [`CallingErrorEvent::code`](crate::events::CallingErrorEvent#structfield.code) |
//! | `CallingErrorEvent.message` | [`CallingErrorEvent::message`](crate::events::CallingErrorEvent#structfield.message) |
//! | `CallingErrorEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `CallingErrorEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `MessageReceiveEvent` | [`MessageReceiveEvent`](crate::events::MessageReceiveEvent) |
//! | `MessageReceiveEvent.message_id` | [`MessageReceiveEvent::message_id`](crate::events::MessageReceiveEvent#structfield.message_id) |
//! | `MessageReceiveEvent.context` | [`MessageReceiveEvent::context`](crate::events::MessageReceiveEvent#structfield.context) |
//! | `MessageReceiveEvent.direction` | [`MessageReceiveEvent::direction`](crate::events::MessageReceiveEvent#structfield.direction) |
//! | `MessageReceiveEvent.from_number` | [`MessageReceiveEvent::from_number`](crate::events::MessageReceiveEvent#structfield.from_number) |
//! | `MessageReceiveEvent.to_number` | [`MessageReceiveEvent::to_number`](crate::events::MessageReceiveEvent#structfield.to_number) |
//! | `MessageReceiveEvent.body` | [`MessageReceiveEvent::body`](crate::events::MessageReceiveEvent#structfield.body) |
//! | `MessageReceiveEvent.media` | [`MessageReceiveEvent::media`](crate::events::MessageReceiveEvent#structfield.media) |
//! | `MessageReceiveEvent.segments` | [`MessageReceiveEvent::segments`](crate::events::MessageReceiveEvent#structfield.segments) |
//! | `MessageReceiveEvent.message_state` | [`MessageReceiveEvent::state`](crate::events::MessageReceiveEvent#structfield.state) |
//! | `MessageReceiveEvent.tags` | [`MessageReceiveEvent::tags`](crate::events::MessageReceiveEvent#structfield.tags) |
//! | `MessageReceiveEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `MessageReceiveEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//! | `MessageStateEvent` | [`MessageStateEvent`](crate::events::MessageStateEvent) |
//! | `MessageStateEvent.message_id` | [`MessageStateEvent::message_id`](crate::events::MessageStateEvent#structfield.message_id) |
//! | `MessageStateEvent.context` | [`MessageStateEvent::context`](crate::events::MessageStateEvent#structfield.context) |
//! | `MessageStateEvent.direction` | [`MessageStateEvent::direction`](crate::events::MessageStateEvent#structfield.direction) |
//! | `MessageStateEvent.from_number` | [`MessageStateEvent::from_number`](crate::events::MessageStateEvent#structfield.from_number) |
//! | `MessageStateEvent.to_number` | [`MessageStateEvent::to_number`](crate::events::MessageStateEvent#structfield.to_number) |
//! | `MessageStateEvent.body` | [`MessageStateEvent::body`](crate::events::MessageStateEvent#structfield.body) |
//! | `MessageStateEvent.media` | [`MessageStateEvent::media`](crate::events::MessageStateEvent#structfield.media) |
//! | `MessageStateEvent.segments` | [`MessageStateEvent::segments`](crate::events::MessageStateEvent#structfield.segments) |
//! | `MessageStateEvent.message_state` | [`MessageStateEvent::state`](crate::events::MessageStateEvent#structfield.state) |
//! | `MessageStateEvent.reason` | [`MessageStateEvent::reason`](crate::events::MessageStateEvent#structfield.reason) |
//! | `MessageStateEvent.tags` | [`MessageStateEvent::tags`](crate::events::MessageStateEvent#structfield.tags) |
//! | `MessageStateEvent.__init__` | [`parse_event`](crate::events::parse_event) |
//! | `MessageStateEvent.from_payload` | [`parse_event`](crate::events::parse_event) |
//!
//! # Constants
//!
//! | reference | here |
//! |---|---|
//! | `PROTOCOL_VERSION` | [`constants::PROTOCOL_VERSION`](crate::constants::PROTOCOL_VERSION) |
//! | `AGENT_STRING` | [`constants::AGENT`](crate::constants::AGENT), which is another; [`Builder::agent`](crate::Builder::agent) |
//! | `DEFAULT_RELAY_HOST` | [`DEFAULT_HOST`](crate::connection::DEFAULT_HOST) |
//! | `METHOD_SIGNALWIRE_CONNECT` | [`constants::METHOD_SIGNALWIRE_CONNECT`](crate::constants::METHOD_SIGNALWIRE_CONNECT) |
//! | `METHOD_SIGNALWIRE_EVENT` | [`constants::METHOD_SIGNALWIRE_EVENT`](crate::constants::METHOD_SIGNALWIRE_EVENT) |
//! | `METHOD_SIGNALWIRE_PING` | [`constants::METHOD_SIGNALWIRE_PING`](crate::constants::METHOD_SIGNALWIRE_PING) |
//! | `METHOD_SIGNALWIRE_DISCONNECT` | [`constants::METHOD_SIGNALWIRE_DISCONNECT`](crate::constants::METHOD_SIGNALWIRE_DISCONNECT) |
//! | `METHOD_SIGNALWIRE_RECEIVE` | [`constants::METHOD_SIGNALWIRE_RECEIVE`](crate::constants::METHOD_SIGNALWIRE_RECEIVE) |
//! | `METHOD_SIGNALWIRE_UNRECEIVE` | [`constants::METHOD_SIGNALWIRE_UNRECEIVE`](crate::constants::METHOD_SIGNALWIRE_UNRECEIVE) |
//! | `RECONNECT_MIN_DELAY` | [`constants::RECONNECT_MIN_DELAY`](crate::constants::RECONNECT_MIN_DELAY), [`Tuning::reconnect_delay`](crate::connection::Tuning::reconnect_delay) |
//! | `RECONNECT_MAX_DELAY` | [`constants::RECONNECT_MAX_DELAY`](crate::constants::RECONNECT_MAX_DELAY), [`Tuning::reconnect_delay`](crate::connection::Tuning::reconnect_delay) |
//! | `RECONNECT_BACKOFF_FACTOR` | [`constants::RECONNECT_BACKOFF_FACTOR`](crate::constants::RECONNECT_BACKOFF_FACTOR) |
//! | `RECONNECT_MAX_AUTH_ATTEMPTS` | [`constants::RECONNECT_MAX_AUTH_ATTEMPTS`](crate::constants::RECONNECT_MAX_AUTH_ATTEMPTS) |
//! | `CALL_STATES` | [`constants::CALL_STATES`](crate::constants::CALL_STATES) |
//! | `MESSAGE_TERMINAL_STATES` | [`constants::MESSAGE_TERMINAL_STATES`](crate::constants::MESSAGE_TERMINAL_STATES), [`MessageState::is_terminal`](crate::MessageState::is_terminal) |
//! | `CALL_STATE_CREATED` | [`CallState::Created`](crate::CallState::Created) |
//! | `CALL_STATE_RINGING` | [`CallState::Ringing`](crate::CallState::Ringing) |
//! | `CALL_STATE_ANSWERED` | [`CallState::Answered`](crate::CallState::Answered) |
//! | `CALL_STATE_ENDING` | [`CallState::Ending`](crate::CallState::Ending) |
//! | `CALL_STATE_ENDED` | [`CallState::Ended`](crate::CallState::Ended) |
//! | `END_REASON_HANGUP` | [`EndReason::Hangup`](crate::EndReason::Hangup) |
//! | `END_REASON_CANCEL` | [`EndReason::Cancel`](crate::EndReason::Cancel) |
//! | `END_REASON_BUSY` | [`EndReason::Busy`](crate::EndReason::Busy) |
//! | `END_REASON_NO_ANSWER` | [`EndReason::NoAnswer`](crate::EndReason::NoAnswer) |
//! | `END_REASON_DECLINE` | [`EndReason::Decline`](crate::EndReason::Decline) |
//! | `END_REASON_ERROR` | [`EndReason::Error`](crate::EndReason::Error) |
//! | `END_REASON_ABANDONED` | [`EndReason::Abandoned`](crate::EndReason::Abandoned) |
//! | `END_REASON_MAX_DURATION` | [`EndReason::MaxDuration`](crate::EndReason::MaxDuration) |
//! | `END_REASON_NOT_FOUND` | [`EndReason::NotFound`](crate::EndReason::NotFound) |
//! | `CONNECT_STATE_CONNECTING` | [`ConnectState::Connecting`](crate::states::ConnectState::Connecting) |
//! | `CONNECT_STATE_CONNECTED` | [`ConnectState::Connected`](crate::states::ConnectState::Connected) |
//! | `CONNECT_STATE_DISCONNECTED` | [`ConnectState::Disconnected`](crate::states::ConnectState::Disconnected) |
//! | `CONNECT_STATE_FAILED` | [`ConnectState::Failed`](crate::states::ConnectState::Failed) |
//! | `MESSAGE_STATE_QUEUED` | [`MessageState::Queued`](crate::MessageState::Queued) |
//! | `MESSAGE_STATE_INITIATED` | [`MessageState::Initiated`](crate::MessageState::Initiated) |
//! | `MESSAGE_STATE_SENT` | [`MessageState::Sent`](crate::MessageState::Sent) |
//! | `MESSAGE_STATE_DELIVERED` | [`MessageState::Delivered`](crate::MessageState::Delivered) |
//! | `MESSAGE_STATE_UNDELIVERED` | [`MessageState::Undelivered`](crate::MessageState::Undelivered) |
//! | `MESSAGE_STATE_FAILED` | [`MessageState::Failed`](crate::MessageState::Failed) |
//! | `MESSAGE_STATE_RECEIVED` | [`MessageState::Received`](crate::MessageState::Received) |
//! | `PLAY_STATE_PLAYING` | [`PlayState::Playing`](crate::states::PlayState::Playing) |
//! | `PLAY_STATE_PAUSED` | [`PlayState::Paused`](crate::states::PlayState::Paused) |
//! | `PLAY_STATE_FINISHED` | [`PlayState::Finished`](crate::states::PlayState::Finished) |
//! | `PLAY_STATE_ERROR` | [`PlayState::Error`](crate::states::PlayState::Error) |
//! | `RECORD_STATE_RECORDING` | [`RecordState::Recording`](crate::states::RecordState::Recording) |
//! | `RECORD_STATE_PAUSED` | [`RecordState::Paused`](crate::states::RecordState::Paused) |
//! | `RECORD_STATE_FINISHED` | [`RecordState::Finished`](crate::states::RecordState::Finished) |
//! | `RECORD_STATE_NO_INPUT` | [`RecordState::NoInput`](crate::states::RecordState::NoInput) |
//! | `ROOM_STATE_JOINING` | [`RoomState::Joining`](crate::states::RoomState::Joining) |
//! | `ROOM_STATE_JOIN` | [`RoomState::Join`](crate::states::RoomState::Join) |
//! | `ROOM_STATE_LEAVING` | [`RoomState::Leaving`](crate::states::RoomState::Leaving) |
//! | `ROOM_STATE_LEAVE` | [`RoomState::Leave`](crate::states::RoomState::Leave) |
//! | `DETECT_TYPE_MACHINE` | [`DetectKind::Machine`](crate::choices::DetectKind::Machine) |
//! | `DETECT_TYPE_FAX` | [`DetectKind::Fax`](crate::choices::DetectKind::Fax) |
//! | `DETECT_TYPE_DIGIT` | [`DetectKind::Digit`](crate::choices::DetectKind::Digit) |
//! | `EVENT_CALL_STATE` | [`EventName::CallState`](crate::events::EventName::CallState) |
//! | `EVENT_CALL_RECEIVE` | [`EventName::CallReceive`](crate::events::EventName::CallReceive) |
//! | `EVENT_CALL_DIAL` | [`EventName::Dial`](crate::events::EventName::Dial) |
//! | `EVENT_CALL_CONNECT` | [`EventName::Connect`](crate::events::EventName::Connect) |
//! | `EVENT_CALL_PLAY` | [`EventName::Play`](crate::events::EventName::Play) |
//! | `EVENT_CALL_RECORD` | [`EventName::Record`](crate::events::EventName::Record) |
//! | `EVENT_CALL_COLLECT` | [`EventName::Collect`](crate::events::EventName::Collect) |
//! | `EVENT_CALL_DETECT` | [`EventName::Detect`](crate::events::EventName::Detect) |
//! | `EVENT_CALL_FAX` | [`EventName::Fax`](crate::events::EventName::Fax) |
//! | `EVENT_CALL_TAP` | [`EventName::Tap`](crate::events::EventName::Tap) |
//! | `EVENT_CALL_STREAM` | [`EventName::Stream`](crate::events::EventName::Stream) |
//! | `EVENT_CALL_SEND_DIGITS` | [`EventName::SendDigits`](crate::events::EventName::SendDigits) |
//! | `EVENT_CALL_REFER` | [`EventName::Refer`](crate::events::EventName::Refer) |
//! | `EVENT_CALL_DENOISE` | [`EventName::Denoise`](crate::events::EventName::Denoise) |
//! | `EVENT_CALL_PAY` | [`EventName::Pay`](crate::events::EventName::Pay) |
//! | `EVENT_CALL_QUEUE` | [`EventName::Queue`](crate::events::EventName::Queue) |
//! | `EVENT_CALL_ECHO` | [`EventName::Echo`](crate::events::EventName::Echo) |
//! | `EVENT_CALL_TRANSCRIBE` | [`EventName::Transcribe`](crate::events::EventName::Transcribe) |
//! | `EVENT_CONFERENCE` | [`EventName::Conference`](crate::events::EventName::Conference) |
//! | `EVENT_CALLING_ERROR` | [`EventName::CallingError`](crate::events::EventName::CallingError) |
//! | `EVENT_MESSAGING_RECEIVE` | [`EventName::MessageReceive`](crate::events::EventName::MessageReceive) |
//! | `EVENT_MESSAGING_STATE` | [`EventName::MessageState`](crate::events::EventName::MessageState) |
//! | `EVENT_AUTHORIZATION_STATE` | [`EventName::AuthorizationState`](crate::events::EventName::AuthorizationState) |
//! | `__all__` | the names at the top of the crate |
