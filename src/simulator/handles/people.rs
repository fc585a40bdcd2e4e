//! The people on the phone: callers and callees, and their scripts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::simulator::handles::instance::Simulator;
use crate::simulator::handles::person_on_call::{self, PersonOnCall};
use crate::simulator::people::person::Person;
use crate::simulator::people::plan::{FaxManner, Machine, Manner, NumberPlan, PersonKind};
use crate::simulator::people::script::{Occasion, Step};
use crate::simulator::record::journal::WaitTimeout;
use crate::simulator::verdict::expected::Expected;
use crate::simulator::verdict::interactions::{self, Matcher};
use crate::simulator::world::shared::Shared;

/// The time before each digit of a person who is neither slow nor fast.
const QUARTER: Duration = Duration::from_millis(250);

/// A simulated person with a script: steps that the person takes on a call, in order.
///
/// A step that waits for something (`when_…`, `after_…`) holds back the steps after it until that has happened. Prefer
/// such steps to [`waits`](Self::waits), because they hold at any speed and on a busy machine. After the last step the
/// person stays on the line until the program hangs up.
///
/// Used as [`Caller`] and as [`Callee`].
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::simulator::Simulator;
/// use signalwire_relay::{Client, Collect, tts};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulator::builder().virtual_time().start()?;
/// let client = Client::builder().simulator(&sim).contexts(["default"]).connect()?;
/// client.on_call(|call| {
///     call.answer()?;
///     let pin = call.prompt(tts("Your PIN, please."), Collect::digits(4))?.wait(None)?;
///     call.play(tts(format!("Your PIN has {} digits.", pin.digits().unwrap_or_default().len())))?.wait(None)?;
///     call.hangup()?;
///     Ok(())
/// });
///
/// let ann = sim
///     .caller("+15551230000")
///     .calls("+15559990000")
///     .when_asked_for_digits()
///     .presses("4711")
///     .after_hearing("4 digits")
///     .hangs_up()
///     .dials();
/// ann.wait_ended(Duration::from_secs(60))?;
/// assert!(ann.heard().iter().any(|text| text == "Your PIN has 4 digits."));
/// # Ok(()) }
/// ```
pub struct Persona<R: Role> {
    shared: Arc<Shared>,
    number: String,
    role: R,
}

/// A person who is about to call the program. Made by [`Simulator::caller`](crate::simulator::Simulator::caller).
pub type Caller = Persona<CallerRole>;

/// A person whom the program may call. Made by [`Simulator::callee`](crate::simulator::Simulator::callee).
///
/// Settings and steps take effect at once, for calls that are made from then on.
pub type Callee = Persona<CalleeRole>;

/// The difference between callers and callees. For internal use.
pub trait Role: private::Sealed + Sized {}

/// The role of a [`Caller`].
#[derive(Debug)]
pub struct CallerRole {
    to: String,
    context: String,
    kind: PersonKind,
    script: Vec<Step>,
    patience: Option<Duration>,
    expected: Vec<Expected>,
}

/// The role of a [`Callee`].
#[derive(Debug)]
pub struct CalleeRole {
    /// `true` if the callee stands for every number that is not set up.
    unlisted: bool,
}

impl Role for CallerRole {}
impl Role for CalleeRole {}

mod private {
    use super::{CalleeRole, CallerRole, Expected, PersonKind, Persona, Step};

    /// The place where a script is kept.
    pub trait Sealed {
        fn add(person: &mut Persona<Self>, step: Step)
        where
            Self: super::Role;

        /// Changes the plan of the number at the far end.
        fn kind(person: &mut Persona<Self>, change: impl FnOnce(&mut PersonKind))
        where
            Self: super::Role;

        fn expect(person: &mut Persona<Self>, expected: Expected)
        where
            Self: super::Role;
    }

    impl Sealed for CallerRole {
        fn add(person: &mut Persona<Self>, step: Step) {
            person.role.script.push(step);
        }

        fn kind(person: &mut Persona<Self>, change: impl FnOnce(&mut PersonKind)) {
            change(&mut person.role.kind);
        }

        fn expect(person: &mut Persona<Self>, expected: Expected) {
            person.role.expected.push(expected);
        }
    }

    impl Sealed for CalleeRole {
        fn add(person: &mut Persona<Self>, step: Step) {
            person.plan(|plan| plan.script.push(step));
        }

        fn kind(person: &mut Persona<Self>, change: impl FnOnce(&mut PersonKind)) {
            person.plan(|plan| change(&mut plan.kind));
        }

        fn expect(person: &mut Persona<Self>, expected: Expected) {
            // An expectation of all unlisted callees is met once, by any of them.
            let expected = if person.role.unlisted { expected } else { expected.with(person.number()) };
            person.shared.expected.lock().add(expected);
        }
    }
}

/// # People
impl Simulator {
    /// Creates a caller with this number or SIP address. The call begins with [`dials`](Caller::dials).
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// let ann = sim
    ///     .caller("+15551230000")
    ///     .calls("+15559990000")
    ///     .after_hearing("welcome")
    ///     .hangs_up()
    ///     .dials();
    /// assert_eq!(ann.number(), "+15551230000");
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    #[must_use]
    pub fn caller(&self, number: impl Into<String>) -> Caller {
        Caller::new(Arc::clone(&self.shared), number.into())
    }

    /// Returns the callee at a number or SIP address. A callee without settings is a human who answers.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// sim.callee("+15552222222").is_busy();
    /// let bob = sim.callee("+15553333333").answers().is_machine("You have reached Bob", true);
    /// assert!(bob.said_over_greeting().is_empty());
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn callee(&self, number: impl Into<String>) -> Callee {
        Callee::new(Arc::clone(&self.shared), number.into(), false)
    }

    /// Returns the callee for every number that [`callee`](Self::callee) has not named and that has not been called
    /// yet. Settings and steps apply to all of these numbers. Their calls are found under the numbers themselves:
    /// methods that read or control the calls of this callee find none.
    ///
    /// ```
    /// # let sim = signalwire_relay::simulator::Simulator::start()?;
    /// sim.callee("+15552222222").answers();
    /// sim.unlisted_callee().does_not_exist(); // every other number
    /// # Ok::<(), signalwire_relay::Error>(())
    /// ```
    pub fn unlisted_callee(&self) -> Callee {
        Callee::new(Arc::clone(&self.shared), String::new(), true)
    }
}

/// # Steps of a script
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::simulator::Simulator;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulator::start()?;
/// let ann = sim
///     .caller("+15551230000")
///     .after_hearing("welcome")
///     .when_asked_for_digits()
///     .presses_slowly("4711#", Duration::from_millis(500))
///     .while_hearing("our opening hours") // interrupts the prompt
///     .says("An agent, please")
///     .when_put_through()
///     .waits(Duration::from_secs(20))
///     .hangs_up();
/// let mumbler = sim.caller("+15551230001").when_asked_to_speak().says_unclearly("mumble");
/// let payer = sim.caller("+15551230002").when_asked_to_pay().presses("4242424242424242#");
/// let fax = sim.caller("+15551230003").is_fax().fax_pages(3).fax_fails_after(2, "line noise");
/// let bob = sim.callee("+15552222222").after_the_beep().says("Hello, this is Bob");
/// # drop((ann, mumbler, payer, fax, bob));
/// # Ok(()) }
/// ```
impl<R: Role> Persona<R> {
    /// Waits until the program asks for digits and its prompt, if it plays one, has been heard to the end.
    ///
    /// Each request for digits counts once, so the same step again waits for the next one. A request for digits or speech
    /// counts here and for [`when_asked_to_speak`](Self::when_asked_to_speak).
    #[must_use = "the next steps are methods of the returned value"]
    pub fn when_asked_for_digits(self) -> Self {
        self.step(Step::When(Occasion::AskedForDigits))
    }

    /// Waits until the program asks for speech and its prompt, if it plays one, has been heard to the end.
    #[must_use = "the next steps are methods of the returned value"]
    pub fn when_asked_to_speak(self) -> Self {
        self.step(Step::When(Occasion::AskedToSpeak))
    }

    /// Waits until the program's payment asks a question: for the card number, the expiration date, the security code,
    /// the postal code, or for one of these again.
    ///
    /// Each question counts once, and digits that are pressed early also reach the later questions. Both
    /// `.presses("4242424242424242#").when_asked_to_pay().presses("1299")` and one long `presses` work.
    #[must_use = "the next steps are methods of the returned value"]
    pub fn when_asked_to_pay(self) -> Self {
        self.step(Step::When(Occasion::AskedToPay))
    }

    /// Waits until the person has heard a text that contains `text` to its end. Case is ignored.
    ///
    /// Texts that were heard earlier count, unless an earlier step has used them.
    #[must_use = "the next steps are methods of the returned value"]
    pub fn after_hearing(self, text: impl Into<String>) -> Self {
        self.step(Step::AfterHearing(text.into().to_lowercase()))
    }

    /// Waits until a text that contains `text` begins, for example to interrupt a prompt.
    #[must_use = "the next steps are methods of the returned value"]
    pub fn while_hearing(self, text: impl Into<String>) -> Self {
        self.step(Step::WhileHearing(text.into().to_lowercase()))
    }

    /// Waits until the program records, with or without a beep.
    #[must_use = "the next steps are methods of the returned value"]
    pub fn after_the_beep(self) -> Self {
        self.step(Step::When(Occasion::Recorded))
    }

    /// Waits until the program has connected the call to another person, or until another member is in the call's
    /// conference.
    #[must_use = "the next steps are methods of the returned value"]
    pub fn when_put_through(self) -> Self {
        self.step(Step::WhenPutThrough)
    }

    /// Does nothing for a span of simulated time.
    #[must_use = "the next steps are methods of the returned value"]
    pub fn waits(self, span: Duration) -> Self {
        self.step(Step::Waits(span))
    }

    /// Presses digits, one every 0.25 s: `0`-`9`, `*`, `#`, `A`-`D`.
    pub fn presses(self, keys: impl Into<String>) -> Self {
        self.step(Step::Presses(keys.into(), QUARTER))
    }

    /// Presses digits, with this simulated time before each.
    pub fn presses_slowly(self, keys: impl Into<String>, before_each: Duration) -> Self {
        self.step(Step::Presses(keys.into(), before_each))
    }

    /// Says a text, at 12 characters per second.
    pub fn says(self, text: impl Into<String>) -> Self {
        self.step(Step::Says(text.into()))
    }

    /// Says a text that is not recognized: a `collect` has the result `no_match`.
    pub fn says_unclearly(self, text: impl Into<String>) -> Self {
        self.step(Step::Mumbles(text.into()))
    }

    /// Hangs up.
    pub fn hangs_up(self) -> Self {
        self.step(Step::HangsUp)
    }

    /// Sets the number of pages that a fax machine sends and accepts. Default: 2. Without effect for others.
    pub fn fax_pages(self, pages: u32) -> Self {
        self.fax_manner(|fax| fax.pages = pages)
    }

    /// Lets the fax machine fail after this number of pages, for this reason. Without effect for others.
    pub fn fax_fails_after(self, pages: u32, why: impl Into<String>) -> Self {
        self.fax_manner(|fax| fax.fails = Some((pages, why.into())))
    }

    fn fax_manner(mut self, change: impl FnOnce(&mut FaxManner)) -> Self {
        R::kind(&mut self, |kind| {
            if let PersonKind::Fax(fax) = kind {
                change(fax);
            }
        });
        self
    }

    /// Expects this interaction with the person at least once: with a caller on the next call, with a callee on any
    /// call. It is checked with the other [expectations](crate::simulator::Simulator::expect).
    pub fn expects(mut self, wanted: Matcher) -> Self {
        R::expect(&mut self, Expected::at_least_once(wanted));
        self
    }

    /// Expects that this interaction with the person does not happen.
    pub fn expects_never(mut self, wanted: Matcher) -> Self {
        R::expect(&mut self, Expected::never(wanted));
        self
    }

    /// Expects that the person hears a text that contains `text`. A machine hears nothing during its greeting.
    ///
    /// ```
    /// use signalwire_relay::simulator::Simulator;
    /// use signalwire_relay::simulator::interactions::recorded;
    /// use signalwire_relay::{Client, phone, tts};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sim = Simulator::builder().virtual_time().start()?;
    /// let client = Client::builder().simulator(&sim).connect()?;
    /// sim.callee("+15552222222").expects_to_hear("order is ready").expects_never(recorded());
    ///
    /// let call = client.dial(phone("+15552222222").from("+15551111111"))?;
    /// call.play(tts("Your order is ready."))?.wait(None)?;
    /// call.hangup()?;
    /// sim.verify()?;
    /// # Ok(()) }
    /// ```
    pub fn expects_to_hear(self, text: impl Into<String>) -> Self {
        self.expects(interactions::heard(text))
    }

    fn step(mut self, step: Step) -> Self {
        R::add(&mut self, step);
        self
    }

    /// The number or address of this person.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }
}

/// # Calling
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::Client;
/// use signalwire_relay::simulator::Simulator;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulator::builder().virtual_time().start()?;
/// let client = Client::builder().simulator(&sim).contexts(["office"]).connect()?;
/// client.on_call(|call| {
///     call.wait_for_ended(None)?; // and never answers
///     Ok(())
/// });
/// let ann = sim
///     .caller("+15551230000")
///     .calls("+15559990000")
///     .context("office")
///     .gives_up_after(Duration::from_secs(20))
///     .dials();
/// ann.wait_ended(Duration::from_secs(60))?;
/// assert!(!ann.was_answered());
/// # Ok(()) }
/// ```
impl Caller {
    pub(crate) fn new(shared: Arc<Shared>, number: String) -> Self {
        let role = CallerRole {
            to: "+15559990000".into(),
            context: "default".into(),
            kind: PersonKind::Person,
            script: Vec::new(),
            patience: None,
            expected: Vec::new(),
        };
        Self { shared, number, role }
    }

    /// Sets the number of the program that the caller calls. Default: `+15559990000`.
    #[must_use = "the call begins with `dials()`"]
    pub fn calls(mut self, number: impl Into<String>) -> Self {
        self.role.to = number.into();
        self
    }

    /// Sets the context that the number belongs to. Default: `default`.
    #[must_use = "the call begins with `dials()`"]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.role.context = context.into();
        self
    }

    /// Sets the time after which the caller hangs up while it rings, in simulated time. Default: no limit.
    #[must_use = "the call begins with `dials()`"]
    pub fn gives_up_after(mut self, span: Duration) -> Self {
        self.role.patience = Some(span);
        self
    }

    /// Says nothing, so that a detector gets no result.
    #[must_use = "the call begins with `dials()`"]
    pub fn is_silent(mut self) -> Self {
        self.role.kind = PersonKind::Silent;
        self
    }

    /// Behaves as a fax machine: it sends the pages of a `calling.receive_fax`, and receives those of a
    /// `calling.send_fax`.
    #[must_use = "the call begins with `dials()`"]
    pub fn is_fax(mut self) -> Self {
        self.role.kind = PersonKind::Fax(FaxManner::default());
        self
    }

    /// Dials. The call is offered to a client that subscribed to the context, and waits while there is none.
    pub fn dials(self) -> PersonOnCall {
        let CallerRole { to, context, kind, script, patience, expected } = self.role;
        let mut person = Person::new(&self.number, kind, script);
        person.handles = 1;
        let number = self.number;
        let (person, call_id) = self.shared.with(|world| {
            let (person, call_id) = world.call_in(&number, &to, &context, person);
            if let Some(patience) = patience {
                let id = call_id.clone();
                world.after(patience, move |world| world.gives_up(&id));
            }
            (person, call_id)
        });
        let mut book = self.shared.expected.lock();
        for expected in expected {
            book.add(expected.with(&number).on_call(&call_id));
        }
        drop(book);
        PersonOnCall::new(self.shared, person, call_id, number)
    }
}

/// # Being called
///
/// ```
/// use std::time::Duration;
/// use signalwire_relay::simulator::Simulator;
/// use signalwire_relay::{Client, EndReason, phone};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulator::builder().virtual_time().start()?;
/// sim.callee("+15552220001").is_busy();
/// sim.callee("+15552220002").does_not_answer();
/// sim.callee("+15552220003").declines();
/// let bob = sim
///     .callee("+15552220004")
///     .answers_after(Duration::from_secs(6))
///     .is_machine("You have reached Bob", true)
///     .greeting_lasts(Duration::from_secs(4))
///     .beeps_after(Duration::from_secs(1))
///     .takes_messages_of(Duration::from_secs(60));
///
/// let client = Client::builder().simulator(&sim).connect()?;
/// let dial = |number: &str| client.dial(phone(number).from("+15551111111"));
/// assert_eq!(dial("+15552220001").unwrap_err().end_reason(), Some(EndReason::Busy));
/// assert_eq!(dial("+15552220002").unwrap_err().end_reason(), Some(EndReason::NoAnswer));
/// assert_eq!(dial("+15552220003").unwrap_err().end_reason(), Some(EndReason::Decline));
/// dial("+15552220004")?.hangup()?;
/// assert_eq!(bob.times_called(), 1);
/// # Ok(()) }
/// ```
impl Callee {
    pub(crate) fn new(shared: Arc<Shared>, number: String, unlisted: bool) -> Self {
        Self { shared, number, role: CalleeRole { unlisted } }
    }

    fn plan<A>(&self, job: impl FnOnce(&mut NumberPlan) -> A) -> A {
        self.shared.with(|world| {
            let numbers = &mut world.numbers;
            job(if self.role.unlisted { numbers.unlisted() } else { numbers.plan_or_new(&self.number) })
        })
    }

    fn manner(self, manner: Manner) -> Self {
        self.plan(|plan| plan.manner = manner);
        self
    }

    fn kind(self, kind: PersonKind) -> Self {
        self.plan(|plan| plan.kind = kind);
        self
    }

    /// Makes the settings and steps so far apply to one call only, the next, and those that follow to the calls after it.
    ///
    /// ```
    /// use signalwire_relay::simulator::Simulator;
    /// use signalwire_relay::{Client, EndReason, phone};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sim = Simulator::builder().virtual_time().start()?;
    /// let client = Client::builder().simulator(&sim).connect()?;
    /// sim.callee("+15552222222").is_busy().then().answers().says("Hello again.");
    ///
    /// let bob = phone("+15552222222").from("+15551111111");
    /// assert_eq!(client.dial(bob.clone()).unwrap_err().end_reason(), Some(EndReason::Busy));
    /// client.dial(bob)?.hangup()?;
    /// # Ok(()) }
    /// ```
    #[must_use = "what the calls after it meet comes with the value returned"]
    pub fn then(self) -> Self {
        self.plan(NumberPlan::then);
        self
    }

    /// Answers after 2 s of simulated time. This is the default of every number.
    pub fn answers(self) -> Self {
        self.answers_after(Duration::from_secs(2))
    }

    /// Answers after a span of simulated time.
    pub fn answers_after(self, span: Duration) -> Self {
        self.manner(Manner::Answers(span))
    }

    /// Rejects calls as busy.
    pub fn is_busy(self) -> Self {
        self.manner(Manner::Busy)
    }

    /// Lets the telephone ring without an answer.
    pub fn does_not_answer(self) -> Self {
        self.manner(Manner::NoAnswer)
    }

    /// Rings until the test answers or declines the call by hand, with
    /// [`PersonOnCall::answer`](crate::simulator::PersonOnCall::answer) or
    /// [`decline`](crate::simulator::PersonOnCall::decline). A call that is neither ends with `noAnswer` after the
    /// ringing time of the dial. Default of that time: 30 s.
    ///
    /// ```
    /// use std::time::Duration;
    /// use signalwire_relay::simulator::Simulator;
    /// use signalwire_relay::{Client, phone};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sim = Simulator::start()?;
    /// sim.callee("+15552222222").rings();
    /// let client = Client::builder().simulator(&sim).connect()?;
    ///
    /// let dialing = client.start_dial(phone("+15552222222").from("+15551111111"))?;
    /// sim.wait_for_event("calling.call.state", Duration::from_secs(10))?;
    /// let ringing = sim.person_on(&sim.calls()[0].call_id).expect("a call rings");
    /// assert!(ringing.answer());
    /// dialing.wait(None)?.hangup()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rings(self) -> Self {
        self.manner(Manner::NoAnswer)
    }

    /// Declines the call.
    pub fn declines(self) -> Self {
        self.manner(Manner::Declines)
    }

    /// Rejects calls to the number as not found.
    pub fn does_not_exist(self) -> Self {
        self.manner(Manner::NotFound)
    }

    /// Answers as a human, who says hello, which a detector hears. This is the default.
    pub fn is_person(self) -> Self {
        self.kind(PersonKind::Person)
    }

    /// Answers as an answering machine: it plays its greeting, at 12 characters per second, and then beeps if `beeps`
    /// is set.
    ///
    /// The greeting begins with the program's first operation on the call, or 0.25 s of real time after the answer,
    /// whichever is first, so that the program has time to react at a high speed.
    ///
    /// [`said_over_greeting`](Self::said_over_greeting) returns the texts that the program says during the greeting.
    pub fn is_machine(self, greeting: impl Into<String>, beep: bool) -> Self {
        self.kind(PersonKind::Machine(Machine::new(greeting.into(), beep)))
    }

    /// Sets the length of an answering machine's greeting, in simulated time. Default: by its text. Without effect for
    /// others.
    ///
    /// A greeting without a beep that ends before a detector recognizes an answering machine (after 1.25 s by default)
    /// is taken for a human.
    pub fn greeting_lasts(self, span: Duration) -> Self {
        self.machine(|machine| machine.lasts = span)
    }

    /// Sets the silence of an answering machine between its greeting and the beep. Default: none. Texts that the
    /// program says in that time are lost, as during the greeting.
    pub fn beeps_after(self, silence: Duration) -> Self {
        self.machine(|machine| machine.pause = silence)
    }

    /// Sets the time for which an answering machine records after the beep before it hangs up. Default: no limit.
    pub fn takes_messages_of(self, span: Duration) -> Self {
        self.machine(|machine| machine.listens = Some(span))
    }

    fn machine(self, change: impl FnOnce(&mut Machine)) -> Self {
        self.plan(|plan| {
            if let PersonKind::Machine(machine) = &mut plan.kind {
                change(machine);
            }
        });
        self
    }

    /// Answers as a fax machine.
    pub fn is_fax(self) -> Self {
        self.kind(PersonKind::Fax(FaxManner::default()))
    }

    /// Answers and says nothing.
    pub fn is_silent(self) -> Self {
        self.kind(PersonKind::Silent)
    }

    /// Returns the texts that the program began to say during an answering machine's greeting, on all calls so far.
    /// The machine has not recorded them.
    #[must_use]
    pub fn said_over_greeting(&self) -> Vec<String> {
        self.plan(|plan| plan.said_over_greeting.clone())
    }

    /// Returns the texts that the person heard, the URLs of audio files, and the words of connected people, on all
    /// calls so far. Each text is in the list from its beginning, even if it was cut off later: see
    /// [`heard_to_the_end`](Self::heard_to_the_end).
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        self.plan(|plan| plan.heard.clone())
    }

    /// Returns what the person heard from beginning to end, on all calls so far, as
    /// [`PersonOnCall::heard_to_the_end`](crate::simulator::PersonOnCall::heard_to_the_end).
    #[must_use]
    pub fn heard_to_the_end(&self) -> Vec<String> {
        self.plan(|plan| plan.heard_out.clone())
    }

    /// The digits that the person received, on all calls so far.
    #[must_use]
    pub fn digits_heard(&self) -> String {
        self.plan(|plan| plan.digits_heard.clone())
    }

    /// The URLs of the documents that the fax machine received completely, on all calls so far.
    #[must_use]
    pub fn faxes_received(&self) -> Vec<String> {
        self.plan(|plan| plan.faxes.clone())
    }

    /// The number of times that the person was called.
    #[must_use]
    pub fn times_called(&self) -> usize {
        self.plan(|plan| plan.times_called)
    }

    /// Hangs up every call that the person is on, at once.
    pub fn hang_up(&self) {
        self.shared
            .with(|world| world.numbers.people_at(&self.number).into_iter().for_each(|person| world.hang_up(person)));
    }

    /// Presses digits on every call that the person is on, all at once. Digits that no operation waits for are lost.
    pub fn press(&self, keys: &str) {
        self.shared.with(|world| {
            world.numbers.people_at(&self.number).into_iter().for_each(|person| world.press(person, keys));
        });
    }

    /// Begins to say a text on every call that the person is on.
    pub fn say(&self, text: &str) {
        self.shared.with(|world| {
            for person in world.numbers.people_at(&self.number) {
                world.say(person, text.to_owned(), true);
            }
        });
    }

    /// Blocks until the person has heard a text that contains `text`, on any call, for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If `timeout` has passed.
    pub fn wait_heard(&self, text: &str, timeout: Duration) -> Result<(), WaitTimeout> {
        let wanted = text.to_lowercase();
        person_on_call::wait(&self.shared, timeout, &format!("{text:?} to {}", self.number), |world| {
            let plan = world.numbers.plan(&self.number)?;
            plan.heard.iter().any(|heard| heard.to_lowercase().contains(&wanted)).then_some(())
        })
    }
}

impl<R: Role> fmt::Debug for Persona<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persona").field("number", &self.number).finish_non_exhaustive()
    }
}
