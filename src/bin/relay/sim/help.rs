//! The text of `relay sim --help` after the flags.

pub const TEXT: &str = r#"Output:
  The first line of stdout is a JSON object: url, host, ca_file, pid, project, token,
  any_credentials, and environment: the variables that lead a program to it. It is written when
  connections are accepted and the script is in effect. After it, one line of JSON answers each line
  of stdin, in order: {"ok":true,...} or {"ok":false,"error":"what was expected"}. Everything else
  is written to stderr.

End:
  The command quit; Ctrl-C or SIGTERM (a second one ends the process at once); --max-life; the end
  of stdin if stdin is a pipe, a socket or a terminal (Ctrl-D); a closed stdout. The end of a file
  or of /dev/null does not end the simulator: with `< /dev/null &` it runs until a signal.
  Exit status: 0 after any of these, 1 for a bad script or a file or port that cannot be used,
  2 for bad flags, 3 with --strict after violations.

Script:
  Every part is optional. A step without a value is a word, one with a value an object with one key.
  {
    "callers": [
      {"from": "+15551230000", "to": "+15559990000", "context": "office",
       "gives_up_after": 30, "is": "person",
       "does": [{"after_hearing": "Welcome"}, {"presses": "1#"}, "when_asked_to_speak",
                {"says": "Sales"}, "hangs_up"]}
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
    "texts": [{"from": "+15551230000", "to": "+15559990000", "body": "Hello",
               "context": "office", "media": ["https://example.com/photo.jpg"]}],
    "faults": [{"refuse_next": {"method": "calling.play", "code": 500, "message": "try later"}}],
    "credentials": {"project": "p", "token": "t"}
  }
  Callers call at once, and wait while no client has subscribed to their context (default:
  "default"). Steps wait for what they name. Seconds are simulated seconds.
  is            a caller: person, silent, fax; a callee: these, or machine
  when_called   answers, answers_after (seconds), is_busy, does_not_answer, declines,
                does_not_exist; rings, until a command answers or declines
  does          when_asked_for_digits, when_asked_to_speak, when_asked_to_pay, when_put_through,
                after_the_beep, hangs_up; with a text: after_hearing, while_hearing, says; with
                digits: presses; with seconds: waits
  outcome       delivers; with a reason: undelivered, fails

Commands (a line each on stdin):
  {"call": CALLER}  {"callee": CALLEE}  {"message": MESSAGE}  {"text": TEXT}    as in a script
  {"script": SCRIPT}                         without credentials
  {"press": {"who": W, "keys": "1#"}}  {"say": {"who": W, "text": "Hello"}}
  {"answer": {"who": W}}  {"decline": {"who": W}}  {"busy": {"who": W}}     a call that rings
  {"hang_up": {"who": W}}                    W: a call's ID or a phone number. If a number has
                                             several calls, all of them are steered, and a wait
                                             is for the latest
  {"inject": FAULT}
  {"person": {"who": W}}                     their calls, and what they heard
  calls  sessions  violations  transcript  texts_sent  journal
  {"journal": {"method": M, "from": SEQUENCE, "last": N}}
  {"wait_connected": {"clients": 1, "seconds": 10}}      real seconds; default: 10
  {"wait_request": {"method": M, "seconds": 10}}         returns each request once, in order
  {"wait_event": {"event_type": T, "seconds": 10}}       the same for events
  {"wait_answered": {"who": W}}  {"wait_heard": {"who": W, "text": T}}
  {"wait_ended": {"who": W}}                 W may call, or be called, later
  quit

Faults:
  drop_link  stop_listening  listen_again  forget_sessions  refuse_all_credentials
  accept_credentials
  with true or false: freeze_link  ignore_pings  end_calls_abruptly
    finish_recordings_before_ended
  with a method: drop_link_after_request  drop_link_before_request  stop_refusing  hold_replies
    release_replies  never_answer  answer_again  events_before_reply
  with an event type: resend_last_event  redeliver_last_event
  {"refuse_next": {"method": M, "code": 500, "message": T}}  {"refuse_always": {...}}
  {"refuse_credentials": TIMES}  {"ask_to_reconnect": {"restart": false}}
  {"push_event": {"event_type": T, "params": {...}}}  {"push_raw": "text"}
  {"push_binary": [1, 2]}
  Or an object with one of these names in "fault", such as
  {"fault": "latency", "ms": 50, "jitter_ms": 20}:
    lines: latency  bandwidth  slices  stall  freeze  unanswered_pings  refuse_connections  flap
    frames: lose  delay  repeat  redeliver  reorder  refuse
    connecting: silence  garbage  cut_at  reset_at  drip  http  refuse_credentials  refuse_resume
    once: reset  cut  close  disconnect  forget_sessions  pings  malformed  large_frame  fragments
      unknown_call  again
  with "on" (a method or event type), "only" (requests, replies, events), "direction", "next" (so
  many times), "probability", "after_ms" and "lasting_ms". remove_faults ends all of them. The
  documentation of the module `simulator` has their keys."#;
