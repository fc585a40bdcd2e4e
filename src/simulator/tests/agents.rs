//! AI agents, observers, live transcription and translation.

use serde_json::{Value, json};

use super::{LONG, no_violations, on_the_phone};

#[test]
fn an_agent_greets_answers_is_held_and_stopped() {
    let (sim, ann, mut client, call) =
        on_the_phone(|sim| sim.caller("+15551230000").after_hearing("welcome").says("hello"));
    for (method, more) in [
        ("calling.ai_message", json!({"message_text": "x"})),
        ("calling.ai_hold", json!({})),
        ("calling.ai_unhold", json!({})),
        ("calling.ai.stop", json!({"control_id": "a"})),
    ] {
        assert_eq!(client.refused(&call, method, more), 404);
    }
    assert_eq!(client.refused(&call, "calling.ai", json!({"control_id": "b"})), 400);
    assert_eq!(sim.take_violations().len(), 1, "there never was an agent to stop");
    let agent = json!({"control_id": "a", "prompt": {"text": "be kind"}, "params": {"static_greeting": "Welcome!"},
        "post_prompt_auth_password": "canary"});
    client.on(&call, "calling.ai", agent.clone());
    client.about(&call, "calling.ai.start");
    assert_eq!(client.about(&call, "calling.ai.response")["response"], "Welcome!");
    client.about(&call, "calling.ai.begin_speaking");
    assert_eq!(client.about(&call, "calling.ai.response_utterance")["utterance"], "Welcome!");
    assert_eq!(client.about(&call, "calling.ai.completion")["type"], "normal");
    client.about(&call, "calling.ai.user_speaking");
    assert_eq!(client.about(&call, "calling.ai.speech_detect")["text"], "hello");
    assert_eq!(client.about(&call, "calling.ai.response")["response"], "You said: hello");
    assert_eq!(client.refused(&call, "calling.amazon_bedrock", json!({})), 409);

    client.on(&call, "calling.ai_message", json!({"role": "assistant", "message_text": "One more thing"}));
    ann.wait_heard("One more thing", LONG).expect("the message");
    client.on(&call, "calling.ai_hold", json!({"timeout": "5m", "prompt": "One moment"}));
    ann.wait_heard("One moment", LONG).expect("the prompt");
    assert_eq!(client.refused(&call, "calling.ai_hold", json!({})), 409);
    client.on(&call, "calling.ai_unhold", json!({"prompt": "Here I am"}));
    ann.wait_heard("Here I am", LONG).expect("the prompt");
    assert_eq!(client.refused(&call, "calling.ai_unhold", json!({})), 409);
    client.on(&call, "calling.ai.stop", json!({"control_id": "a"}));
    assert!(client.about(&call, "calling.ai.stop")["end_time"].is_u64());
    let last = client.about(&call, "calling.call.ai");
    assert_eq!((&last["control_id"], &last["state"]), (&json!("a"), &json!("finished")));
    assert!(!sim.journal().to_string().contains("canary"));
    no_violations(&sim);
}

#[test]
fn a_bedrock_agent_ends_with_its_call() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    client.on(&call, "calling.amazon_bedrock", json!({"prompt": {"text": "be kind"}}));
    ann.wait_heard("how can I help", LONG).expect("the greeting");
    ann.hang_up();
    client.about(&call, "calling.ai.stop");
    client.state(&call, "ended");
    assert!(sim.journal().events("calling.call.ai").is_empty());
    no_violations(&sim);
}

#[test]
fn a_sidecar_is_attached_asked_and_detached() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    assert_eq!(client.refused(&call, "calling.ai_sidecar.status", json!({})), 404);
    client.on(&call, "calling.ai_sidecar", json!({}));
    assert_eq!(client.refused(&call, "calling.ai_sidecar", json!({})), 409);
    client.on(&call, "calling.ai_sidecar.status", json!({}));
    client.on(&call, "calling.ai_sidecar.poke", json!({"text": "well?"}));
    let ask_id = client.on(&call, "calling.ai_sidecar.ask", json!({"text": "why?"}))["ask_id"].clone();
    for kind in ["start", "insight", "ask_request", "ask_answer"] {
        let event = client.about(&call, "calling.ai.sidecar")["sidecar_event"].clone();
        assert_eq!(event["type"], kind);
        assert_eq!(event["ask_id"] == ask_id, kind.starts_with("ask"), "{event}");
    }
    client.on(&call, "calling.ai_sidecar.stop", json!({}));
    assert_eq!(client.about(&call, "calling.ai.sidecar")["sidecar_event"]["type"], "stop");
    client.on(&call, "calling.ai_sidecar", json!({}));
    client.about(&call, "calling.ai.sidecar");
    ann.hang_up();
    assert_eq!(client.about(&call, "calling.ai.sidecar")["sidecar_event"]["type"], "final");
    no_violations(&sim);
}

#[test]
fn what_is_said_is_transcribed_live() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    assert_eq!(client.refused(&call, "calling.live_transcribe", json!({"action": "stop"})), 404);
    let start = json!({"action": {"start": {"lang": "en-GB", "live_events": true, "direction": ["remote-caller"]}}});
    client.on(&call, "calling.live_transcribe", start.clone());
    assert_eq!(client.refused(&call, "calling.live_transcribe", start), 409);
    ann.say("I want a refund");
    let event = client.about(&call, "calling.ai.transcribe.utterance");
    assert_eq!(
        (&event["utterance"]["content"], &event["utterance"]["lang"]),
        (&json!("I want a refund"), &json!("en-GB"))
    );
    assert_eq!(event["channel_data"]["caller_id_number"], "+15551230000");
    client.on(&call, "calling.live_transcribe", json!({"action": {"summarize": {}}}));
    let event = client.about(&call, "calling.ai.transcribe.live_summarize");
    assert_eq!(event["conversation_log"][0]["role"], "remote-caller");
    client.on(&call, "calling.live_transcribe", json!({"action": "stop"}));
    let event = client.about(&call, "calling.ai.transcribe.conversation_log");
    assert_eq!(event["metrics"]["total_utterances"], 1);
    for bad in
        [json!("go"), json!({"start": {}, "stop": {}}), json!({"inject": {"message": "x"}}), json!({"action": "start"})]
    {
        assert_eq!(client.refused(&call, "calling.live_transcribe", json!({"action": bad})), 400);
    }
    no_violations(&sim);
}

#[test]
fn what_is_said_is_translated_live() {
    let (sim, ann, mut client, call) = on_the_phone(|sim| sim.caller("+15551230000"));
    let settings = json!({"from_lang": "en-US", "to_lang": "es-ES", "live_events": true, "ai_summary": true});
    client.on(&call, "calling.live_translate", json!({"action": {"start": settings}}));
    ann.say("hello");
    let event = client.about(&call, "calling.ai.translate.transcript_delta");
    assert_eq!(event["output_utterance"], json!({"language": "es-ES", "delta": "[es-ES] hello"}));
    let inject = json!({"inject": {"message": "Please hold", "direction": "remote-caller"}});
    client.on(&call, "calling.live_translate", json!({"action": inject}));
    ann.wait_heard("Please hold", LONG).expect("what was injected");
    client.on(&call, "calling.live_translate", json!({"action": "summarize"}));
    client.about(&call, "calling.ai.translate.live_summary");
    ann.hang_up();
    let event = client.about(&call, "calling.ai.translate.conversation_log");
    assert_eq!(event["secondary_conversation_log"][0]["content"], "[es-ES] hello");
    assert_eq!(
        (&event["primary_conversation_summary"], &event["call_info"]["call_id"]),
        (&json!("1 utterances"), &call["call_id"])
    );
    assert_ne!(event["translate_data"]["remote-caller"], Value::Null);
    client.state(&call, "ended");
    no_violations(&sim);
}
