//! What `--help` says.

pub const TEXT: &str = r#"A RELAY service on this machine, with people who call, are called, press keys, speak and text.

USAGE
  cargo run --example simulator -- [FLAGS]

FLAGS
  --listen ADDR         address and port to listen on; 127.0.0.1:0, a free port, when not given
  --tls                 wss:// instead of ws://, with an authority of its own
  --ca-out FILE         writes the certificate of that authority to FILE (PEM), for clients to trust
  --script FILE         who calls, who is called, what fails: JSON, see below
  --speed N             simulated seconds in one second; 1 is real time. What people, calls and operations take is
                        divided by N. A client's own deadlines (request timeouts, back-off, pings) run in its own
                        process on the real clock and do not scale: at a high speed they are as long as ever, at a
                        speed below 1 they may come too early.
  --seed N              the same ids in every run that does the same in the same order
  --max-life SECONDS    ends after so many real seconds, whatever happens
  --journal FILE        writes every frame to FILE as a line of JSON, without secrets
  --watch               for people: what happens in words instead of JSON on stdout
  --project ID, --token TOKEN
                        the only credentials that are let in; any are when neither is given
  --allow-unknown-fields
                        no violation when a client sends fields that the service is not known to take; such requests
                        are carried out in any case
  --strict              exit status 3 when a client violated the protocol
  --help                this

OUTPUT
  The first line of stdout is a JSON object: url, host, ca_file, pid, project, token, any_credentials. It is written
  when connections are accepted and the script is set. After that one line of JSON answers each line of stdin, in order:
  {"ok":true,...} or {"ok":false,"error":"what was expected"}. Everything else is on stderr, violations at the end too.

END
  By the command quit; Ctrl-C or SIGTERM (a second one ends it at once); --max-life; the end of stdin when that is a
  pipe, a socket (whoever gave commands is gone) or a terminal (Ctrl-D); a closed stdout. The end of a file or of /dev/null
  is none: with `< /dev/null &` it runs until it is told otherwise.
  Exit status: 0 after any of these, 1 for bad flags or a bad script, 3 with --strict after violations.

SCRIPT
  Every part may be left out. What takes nothing is a word, what takes something an object with one key.
  {
    "callers": [
      {"from": "+15551230000", "to": "+15559990000", "context": "office", "gives_up_after": 30, "is": "person",
       "does": [{"after_hearing": "Welcome"}, {"presses": "1#"}, "when_asked_to_speak", {"says": "Sales"}, "hangs_up"]}
    ],
    "callees": [
      {"number": "+15552220001", "when_called": "is_busy"},
      {"number": "+15552220002", "when_called": {"answers_after": 4},
       "is": {"machine": {"greeting": "You have reached Bob", "beep": true}}}
    ],
    "messages": [
      {"to": "+15552220003", "outcome": {"undelivered": "handset unreachable"}},
      {"to": "+15552220004", "outcome": {"fails": "blocked"}}
    ],
    "texts": [{"from": "+15551230000", "to": "+15559990000", "body": "Hello", "context": "office",
               "media": ["https://example.com/photo.jpg"]}],
    "faults": [{"fail": {"method": "calling.play", "code": 500, "message": "try later"}}],
    "credentials": {"project": "p", "token": "t"}
  }
  Callers call at once, and wait while no client has subscribed to their context ("default" when none is given).
  is          of a caller: person, silent, fax; of a callee: these, or machine
  when_called answers, answers_after (seconds), is_busy, does_not_answer, declines, does_not_exist
  does        when_asked_for_digits, when_asked_to_speak, when_asked_to_pay, when_put_through, after_the_beep, hangs_up;
              with a text: after_hearing, while_hearing, says; with keys: presses; with seconds: waits
  outcome     delivers; with a reason: undelivered, fails
  Steps wait for what they name. Steps for a callee who has some are added to them. Seconds here are simulated ones.

COMMANDS
  {"call": CALLER}  {"callee": CALLEE}  {"message": MESSAGE}  {"text": TEXT}     as in a script
  {"script": SCRIPT}                                       without credentials
  {"press": {"who": W, "keys": "1#"}}  {"say": {"who": W, "text": "Hello"}}  {"hang_up": {"who": W}}
                                                           W: the id of a call, or a number; of several calls of
                                                           a number the latest is waited for, all are steered
  {"inject": FAULT}
  {"person": {"who": W}}                                   their calls, what they heard
  calls  sessions  violations  transcript  texts_sent  journal
  {"journal": {"method": M, "from": SEQUENCE, "last": N}}
  {"wait_connected": {"clients": 1, "seconds": 10}}        real seconds; 10 when not given
  {"wait_request": {"method": M, "seconds": 10}}           each request is given once, in order
  {"wait_event": {"event_type": T, "seconds": 10}}         the same for events
  {"wait_answered": {"who": W}}  {"wait_heard": {"who": W, "text": T}}  {"wait_ended": {"who": W}}
                                                           also for whoever has not called, or been called, yet
  quit

FAULTS
  drop_link  stop_listening  listen_again  forget_sessions  refuse_all_credentials  accept_credentials
  with true or false: freeze_link  ignore_pings  end_calls_abruptly  finish_recordings_before_ended
  with a method: drop_link_after_request  drop_link_before_request  fail_no_more  hold_replies  release_replies
                 never_answer  answer_again  events_before_reply
  with an event type: resend_last_event  redeliver_last_event
  {"fail": {"method": M, "code": 500, "message": T}}  {"fail_always": {...}}
  {"refuse_credentials": TIMES}  {"ask_to_reconnect": {"restart": false}}
  {"push_event": {"event_type": T, "params": {...}}}  {"push_raw": "text"}  {"push_binary": [1, 2]}
  Or an object with the name of one of these in "fault", such as {"fault": "latency", "ms": 50, "jitter_ms": 20}:
    lines: latency  bandwidth  slices  stall  freeze  unanswered_pings  refuse_connections  flap
    frames: lose  delay  repeat  redeliver  reorder  refuse
    connecting: silence  garbage  cut_at  reset_at  drip  http  refuse_credentials  refuse_resume
    once: reset  cut  close  disconnect  forget_sessions  pings  malformed  large_frame  fragments  unknown_call  again
  with "on" (a method or event type), "only" (requests, replies, events), "direction", "next" (so many times),
  "probability", "after_ms" and "lasting_ms"; remove_faults ends them all. The page of the module `simulator` has their
  keys.
"#;
