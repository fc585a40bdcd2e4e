"""Drives the reference SDK, Python's `signalwire-sdk`, through one scenario of `run`.

    python_sdk.py SCENARIO

What it sees goes to stdout, one JSON object a line; what it is told comes on stdin, one word a line. The SDK is used
as its users use it: host, credentials and the authority's certificate come from the environment variables that it
reads itself (SIGNALWIRE_SPACE, SIGNALWIRE_PROJECT_ID, SIGNALWIRE_API_TOKEN, SIGNALWIRE_RELAY_CA_FILE).
"""

import asyncio
import json
import os
import sys
import traceback

# The SDK logs to stdout, which is for `tell` alone.
TOLD = sys.stdout
sys.stdout = sys.stderr

from signalwire.relay import RelayClient
from signalwire.relay.client import RelayError

OUR_NUMBER = "+15559990000"
LIMIT = 25.0


def tell(**facts):
    """One thing that was seen."""
    print(json.dumps(facts), file=TOLD, flush=True)


async def told(word):
    """Waits until `run` says this word."""
    while True:
        line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        if not line:
            raise SystemExit("stdin ended while waiting for " + word)
        if line.strip() == word:
            return


def phone(number, timeout=20):
    return {"type": "phone", "params": {"to_number": number, "from_number": OUR_NUMBER, "timeout": timeout}}


async def online(client):
    """Waits until the client, which `run()` connects, has authenticated."""
    for _ in range(200):
        if client.relay_protocol:
            return
        await asyncio.sleep(0.05)
    raise SystemExit("the client did not come online")


async def inbound(client, calls):
    call = await calls.get()
    tell(offered=call.state, caller=call.device.get("params", {}).get("from_number"))
    await call.answer()
    await call.wait_for_answered(LIMIT)
    tell(answered=call.state)

    playing = await call.play_tts("Welcome to the office")
    tell(played=(await playing.wait(LIMIT)).params["state"])

    prompt = await call.prompt_tts(
        "Enter your number, then the hash key", {"digits": {"max": 4, "terminators": "#", "digit_timeout": 3}}
    )
    result = (await prompt.wait(LIMIT)).params["result"]
    tell(digits=result["params"]["digits"], terminator=result["params"].get("terminator"))

    recording = await call.record({"beep": True, "format": "wav", "direction": "speak"})
    await told("stop recording")
    await recording.stop()
    ended = await recording.wait(LIMIT)
    tell(recorded=ended.params["state"], recording_has_url=bool(ended.url or ended.params.get("record", {}).get("url")))

    connected = asyncio.ensure_future(
        call.wait_for("calling.call.connect", lambda event: event.params["connect_state"] == "connected", LIMIT)
    )
    await call.connect([[phone("+15552222222")]])
    peer = (await connected).params["peer"]
    tell(connected=bool(peer["call_id"]))
    ended = await call.wait_for_ended(LIMIT)
    tell(ended=ended.params["end_reason"])


async def detect(client, calls):
    for number, key in (("+15553333331", "person"), ("+15553333332", "machine")):
        call = await client.dial([[phone(number)]], dial_timeout=LIMIT)
        verdicts = []

        def heard(event, verdicts=verdicts):
            verdicts.append(event.params.get("detect", {}).get("params", {}).get("event"))

        call.on("calling.call.detect", heard)
        detecting = await call.detect_answering_machine(detect_message_end=True, timeout=20)
        first = await detecting.wait(LIMIT)
        tell(**{key: first.params["detect"]["params"]["event"]})
        if key == "machine":
            # The action is over with the first verdict; the beep is seen by listeners alone.
            for _ in range(200):
                if "READY" in verdicts:
                    break
                await asyncio.sleep(0.05)
            tell(beep="READY" in verdicts)
        await call.hangup()
        await call.wait_for_ended(LIMIT)


async def dial_won(client, calls):
    call = await client.dial([[phone("+15552220002")]], dial_timeout=LIMIT)
    tell(single=call.state, single_to=call.device["params"]["to_number"])
    await call.hangup()
    tell(single_ended=(await call.wait_for_ended(LIMIT)).params["end_reason"])
    call = await client.dial([[phone("+15552220003"), phone("+15552220004")]], dial_timeout=LIMIT)
    tell(parallel=call.state, parallel_to=call.device["params"]["to_number"])
    await call.hangup()
    tell(parallel_ended=(await call.wait_for_ended(LIMIT)).params["end_reason"])


async def dial_serial(client, calls):
    call = await client.dial([[phone("+15552220001")], [phone("+15552220002")]], dial_timeout=LIMIT)
    tell(serial=call.state, serial_to=call.device["params"]["to_number"])
    await call.hangup()
    await call.wait_for_ended(LIMIT)


async def dial_lost(client, calls):
    for number, key in (("+15552220001", "busy"), ("+15552220005", "declined"), ("+15552220006", "no_such_number")):
        try:
            await client.dial([[phone(number)]], dial_timeout=LIMIT)
            tell(**{key: "answered"})
        except RelayError as error:
            tell(**{key: "failed" if "failed" in str(error) else str(error)})


async def dial_timeout(client, calls):
    try:
        await client.dial([[phone("+15552220003", timeout=2)]], dial_timeout=LIMIT)
        tell(service_gave_up="answered")
    except RelayError as error:
        tell(service_gave_up="failed" if "failed" in str(error) else str(error))
    try:
        await client.dial([[phone("+15552220003", timeout=60)]], dial_timeout=2)
        tell(client_gave_up="answered")
    except RelayError as error:
        tell(client_gave_up="timed out" if "timed out" in str(error) else str(error))


async def texts(client, calls):
    text = await client.received.get()
    tell(text_in=text.body, text_from=text.from_number, text_context=text.context)
    for number, key in (("+15554440001", "delivered"), ("+15554440002", "undelivered"), ("+15554440003", "failed")):
        sent = await client.send_message(to_number=number, from_number=OUR_NUMBER, body="Hello there")
        end = await sent.wait(LIMIT)
        tell(**{key: end.params["message_state"], key + "_reason": end.params.get("reason")})


async def resume(client, calls):
    call = await calls.get()
    await call.answer()
    protocol = client.relay_protocol
    tell(answered=True)
    await told("dropped")
    # Sent while the link is down: the SDK queues it and sends it after the reconnect.
    playing = await call.play_tts("Are you still there")
    tell(same_session=client.relay_protocol == protocol, played_after=(await playing.wait(LIMIT)).params["state"])
    await call.hangup()
    tell(ended=(await call.wait_for_ended(LIMIT)).params["end_reason"])
    # The sessions are forgotten and the link drops again: the next caller reaches a new session.
    again = await calls.get()
    tell(new_session=client.relay_protocol != protocol)
    await again.answer()
    await again.wait_for_answered(LIMIT)
    await again.hangup()
    tell(answered_in_new_session=(await again.wait_for_ended(LIMIT)).params["end_reason"])


async def lost(client, calls):
    call = await calls.get()
    await call.answer()
    await call.wait_for_answered(LIMIT)
    protocol = client.relay_protocol
    tell(answered=True)
    await told("back")
    try:
        tell(told=(await call.wait_for_ended(6)).params["end_reason"])
    except asyncio.TimeoutError:
        tell(told="nothing within 6 s")
    tell(new_session=client.relay_protocol != protocol)
    try:
        await call.hangup()
        tell(hangup="returns")
    except RelayError as error:
        tell(hangup=f"raises {error.code} {error.message}")


async def disconnect(client, calls):
    call = await calls.get()
    await call.answer()
    await call.wait_for_answered(LIMIT)
    protocol = client.relay_protocol
    tell(answered=True)
    await told("asked")
    playing = await call.play_tts("Back again")
    tell(same_session=client.relay_protocol == protocol, played_after=(await playing.wait(LIMIT)).params["state"])
    await call.hangup()
    await call.wait_for_ended(LIMIT)
    tell(ready_for_restart=True)
    again = await calls.get()
    tell(new_session=client.relay_protocol != protocol)
    await again.answer()
    await again.wait_for_answered(LIMIT)
    await again.hangup()
    await again.wait_for_ended(LIMIT)
    tell(answered_after_restart=True)


async def draining(client, calls):
    call = await calls.get()
    await call.answer()
    await call.wait_for_answered(LIMIT)
    tell(answered=True)
    await told("asked")
    try:
        playing = await call.play_tts("Are you there")
        end = await playing.wait(8)
        tell(told=end.params.get("state") or "the call is gone")
    except RelayError as error:
        tell(told=str(error))
    except asyncio.TimeoutError:
        tell(told="nothing: the end of the play fell into the gap")
    await told("back")


async def untrusted(client, calls):
    """Connecting is all."""


def refused():
    try:
        RelayClient(contexts=["office"]).run()
        tell(refused="run() returned")
    except RelayError as error:
        tell(refused=error.code, words=error.message)


async def drive(scenario):
    client = RelayClient(contexts=["office"])
    calls = asyncio.Queue()
    client.received = asyncio.Queue()

    @client.on_call
    async def on_call(call):
        await calls.put(call)

    @client.on_message
    async def on_message(message):
        await client.received.put(message)

    # What `run()` does, in a loop that this program shares with it.
    running = asyncio.ensure_future(client._run_forever())
    await online(client)
    tell(online=True)
    await scenario(client, calls)
    await client.disconnect()
    running.cancel()
    tell(done=True)


SCENARIOS = {
    "inbound": inbound,
    "detect": detect,
    "dial_won": dial_won,
    "dial_serial": dial_serial,
    "dial_lost": dial_lost,
    "dial_timeout": dial_timeout,
    "texts": texts,
    "resume": resume,
    "lost": lost,
    "disconnect": disconnect,
    "draining": draining,
    "untrusted": untrusted,
}

async def scene(name):
    try:
        await asyncio.wait_for(drive(SCENARIOS[name]), 100)
    except Exception as error:
        traceback.print_exc()
        tell(error=f"{type(error).__name__}: {error}")
        # The SDK takes no notice of a cancelled task, so the loop would not end.
        os._exit(1)


if __name__ == "__main__":
    if sys.argv[1] == "refused":
        refused()
    else:
        asyncio.run(scene(sys.argv[1]))
