// Drives the SDK for Node.js, `@signalwire/realtime-api`, through one scenario of `run`.
//
//     node js_sdk.mjs SCENARIO
//
// What it sees goes to stdout, one JSON object a line; what it is told comes on stdin, one word a line. Host and
// credentials are the options every user of the SDK gives; the authority's certificate is Node's NODE_EXTRA_CA_CERTS.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

// The package is installed beside the scratch directory's package.json, not beside this file.
const { SignalWire, Voice } = createRequire(process.env.INTEROP_NODE_ROOT + '/')('@signalwire/realtime-api')

const OUR_NUMBER = '+15559990000'
const LIMIT = 25000

// The SDK logs to the console; stdout is for `tell` alone.
console.log = console.info = console.debug = console.warn = console.error

const tell = (facts) => process.stdout.write(JSON.stringify(facts) + '\n')

/** A queue whose `get` waits. */
class Queue {
  #items = []
  #waiting = []
  put(item) {
    const next = this.#waiting.shift()
    if (next) next(item)
    else this.#items.push(item)
  }
  get(limit = LIMIT) {
    if (this.#items.length) return Promise.resolve(this.#items.shift())
    return within(new Promise((resolve) => this.#waiting.push(resolve)), 'something in a queue', limit)
  }
}

function within(promise, what, limit = LIMIT) {
  const late = sleep(limit, null, { ref: false }).then(() => {
    throw new Error(`waited ${limit} ms for ${what}`)
  })
  return Promise.race([promise, late])
}

const words = new Queue()
createInterface({ input: process.stdin }).on('line', (line) => words.put(line.trim()))

async function told(word) {
  while ((await words.get(90000)) !== word);
}

const phone = (to, timeout = 20) => ({ to, from: OUR_NUMBER, timeout })

/** The state a call ended in; to be asked for before it ends. */
function ended(call) {
  return new Promise((resolve) => {
    call.listen({ onStateChanged: (now) => now.state === 'ended' && resolve(now._payload?.end_reason ?? 'ended') })
  })
}

const why = (error) => error?.message ?? error?.dialState ?? error?.state ?? String(error)

async function inbound(client, calls) {
  const call = await calls.get()
  tell({ offered: call.state, caller: call.from })
  await within(call.answer(), 'the answer')
  tell({ answered: call.state })
  const over = ended(call)

  const played = await within(call.playTTS({ text: 'Welcome to the office' }).onEnded(), 'the end of play')
  tell({ played: played.state })

  const prompt = await within(
    call
      .promptTTS({
        text: 'Enter your number, then the hash key',
        digits: { max: 4, terminators: '#', digitTimeout: 3 },
      })
      .onEnded(),
    'the end of the prompt'
  )
  tell({ digits: prompt.digits, terminator: prompt.terminator })

  const recording = await within(
    call.recordAudio({ beep: true, format: 'wav', direction: 'speak' }).onStarted(),
    'the start of the recording'
  )
  await told('stop recording')
  const kept = recording.ended()
  await within(recording.stop(), 'the reply to stop')
  await within(kept, 'the end of the recording')
  tell({ recorded: recording.state, recording_has_url: Boolean(recording.url) })

  const peer = await within(call.connectPhone(phone('+15552222222')), 'the connection')
  tell({ connected: Boolean(peer) })
  tell({ ended: await within(over, 'the end') })
}

async function detect(client) {
  for (const [to, key] of [
    ['+15553333331', 'person'],
    ['+15553333332', 'machine'],
  ]) {
    const call = await within(client.voice.dialPhone(phone(to)), 'the dial')
    const over = ended(call)
    const verdicts = new Queue()
    const seen = []
    const detecting = call.detectAnsweringMachine({
      detectMessageEnd: true,
      timeout: 20,
      listen: {
        onUpdated: (now) => {
          seen.push(now.detect.params.event)
          verdicts.put(now.detect.params.event)
        },
      },
    })
    await within(detecting.onStarted(), 'the start of detect')
    tell({ [key]: await verdicts.get() })
    if (key === 'machine') {
      while (!seen.includes('READY')) await verdicts.get()
      tell({ beep: true })
    }
    await within(call.hangup(), 'the hangup')
    await within(over, 'the end')
  }
}

async function dial_won(client) {
  let call = await within(client.voice.dialPhone(phone('+15552220002')), 'the dial')
  tell({ single: call.state ?? 'nothing', single_to: call.to })
  const over = ended(call)
  await within(call.hangup(), 'the hangup')
  tell({ single_ended: await within(over, 'the end') })
  const devices = new Voice.DeviceBuilder().add([
    Voice.DeviceBuilder.Phone(phone('+15552220003')),
    Voice.DeviceBuilder.Phone(phone('+15552220004')),
  ])
  call = await within(client.voice.dial({ devices, region: undefined }), 'the dial of two')
  tell({ parallel: call.state ?? 'nothing', parallel_to: call.to })
  tell({ parallel_ended: await within(call.hangup(), 'the hangup', 6000).then(() => 'ended', () => 'never returns') })
}

async function dial_serial(client) {
  const devices = new Voice.DeviceBuilder()
    .add(Voice.DeviceBuilder.Phone(phone('+15552220001')))
    .add(Voice.DeviceBuilder.Phone(phone('+15552220002')))
  const dial = client.voice.dial({ devices, region: undefined })
  const call = await within(dial, 'the dial', 12000).catch(() => null)
  tell({ serial: call ? call.state : 'never returns', serial_to: call ? call.to : null })
  if (call) await within(call.hangup(), 'the hangup')
}

async function dial_lost(client) {
  for (const [to, key] of [
    ['+15552220001', 'busy'],
    ['+15552220005', 'declined'],
    ['+15552220006', 'no_such_number'],
  ]) {
    const outcome = await within(client.voice.dialPhone(phone(to)), 'the dial').then(
      () => 'answered',
      (error) => error.dialState ?? why(error)
    )
    tell({ [key]: outcome })
  }
}

async function dial_timeout(client) {
  const outcome = await within(client.voice.dialPhone(phone('+15552220003', 2)), 'the dial').then(
    () => 'answered',
    (error) => error.dialState ?? why(error)
  )
  tell({ service_gave_up: outcome })
  tell({ client_gave_up: null })
}

async function texts(client, calls, messages, updates) {
  const text = await messages.get()
  tell({ text_in: text.body, text_from: text.from, text_context: text.context })
  for (const [to, key] of [
    ['+15554440001', 'delivered'],
    ['+15554440002', 'undelivered'],
    ['+15554440003', 'failed'],
  ]) {
    const { messageId } = await client.messaging.send({ context: 'office', from: OUR_NUMBER, to, body: 'Hello there' })
    let now
    do now = await updates.get()
    while (now.id !== messageId || !['delivered', 'undelivered', 'failed'].includes(now.state))
    tell({ [key]: now.state, [key + '_reason']: now.reason ?? null })
  }
}

const protocolOf = (client) => client._client.store.getState().session.protocol

async function resume(client, calls) {
  const call = await calls.get()
  await within(call.answer(), 'the answer')
  const over = ended(call)
  const protocol = protocolOf(client)
  tell({ answered: true })
  await told('dropped')
  // Sent while the link is down: the SDK queues it and sends it after the reconnect.
  const played = await within(call.playTTS({ text: 'Are you still there' }).onEnded(), 'the end of play')
  tell({ same_session: protocolOf(client) === protocol, played_after: played.state })
  await within(call.hangup(), 'the hangup')
  tell({ ended: await within(over, 'the end') })
  // The sessions are forgotten and the link drops again: the next caller reaches a new session.
  const again = await calls.get(40000)
  tell({ new_session: protocolOf(client) !== protocol })
  await within(again.answer(), 'the second answer')
  const overAgain = ended(again)
  await within(again.hangup(), 'the second hangup')
  tell({ answered_in_new_session: await within(overAgain, 'the second end') })
}

async function lost(client, calls) {
  const call = await calls.get()
  await within(call.answer(), 'the answer')
  const over = ended(call)
  const protocol = protocolOf(client)
  tell({ answered: true })
  await told('back')
  tell({ told: await within(over, 'the end', 6000).catch(() => 'nothing within 6 s') })
  tell({ new_session: protocolOf(client) !== protocol })
  const outcome = await within(call.hangup(), 'its end', 6000).then(
    () => 'returns',
    (error) => (error.code ? `rejects with ${error.code} ${error.message}` : 'never returns')
  )
  tell({ hangup: outcome })
}

async function disconnect(client, calls) {
  const call = await calls.get()
  await within(call.answer(), 'the answer')
  const over = ended(call)
  const protocol = protocolOf(client)
  tell({ answered: true })
  await told('asked')
  const played = await within(call.playTTS({ text: 'Back again' }).onEnded(), 'the end of play')
  tell({ same_session: protocolOf(client) === protocol, played_after: played.state })
  await within(call.hangup(), 'the hangup')
  await within(over, 'the end')
  tell({ ready_for_restart: true })
  const again = await calls.get(40000)
  tell({ new_session: protocolOf(client) !== protocol })
  await within(again.answer(), 'the second answer')
  await within(again.hangup(), 'the second hangup')
  tell({ answered_after_restart: true })
}

async function draining(client, calls) {
  const call = await calls.get()
  await within(call.answer(), 'the answer')
  tell({ answered: true })
  await told('asked')
  const playing = call.playTTS({ text: 'Are you there' })
  const nothing = 'nothing: the end of the play fell into the gap'
  const outcome = await within(playing.onEnded(), 'the end', 8000).then(
    (played) => played.state,
    (error) => (/waited/.test(error?.message) ? nothing : error?.message ?? String(error))
  )
  tell({ told: outcome })
  await told('back')
}

/** Connecting is all. */
async function untrusted() {}

function connect(listen) {
  return SignalWire({
    host: process.env.SIGNALWIRE_SPACE,
    project: process.env.SIGNALWIRE_PROJECT_ID,
    token: process.env.SIGNALWIRE_API_TOKEN,
    logLevel: 'warn',
    listen,
  })
}

async function refused() {
  const told = new Promise((resolve) => {
    connect({ onAuthError: (error) => resolve({ refused: error.code ?? -1, words: error.message }) }).then(
      (client) => sleep(3000).then(() => resolve({ refused: `connected: ${client.authStatus}` })),
      (error) => resolve({ refused: error.code ?? -1, words: error.message })
    )
  })
  tell(await within(told, 'the refusal'))
}

const SCENARIOS = {
  inbound,
  detect,
  dial_won,
  dial_serial,
  dial_lost,
  dial_timeout,
  texts,
  resume,
  lost,
  disconnect,
  draining,
  untrusted,
}

async function drive(scenario) {
  const client = await connect()
  const calls = new Queue()
  const messages = new Queue()
  const updates = new Queue()
  await client.voice.listen({ topics: ['office'], onCallReceived: (call) => calls.put(call) })
  await client.messaging.listen({
    topics: ['office'],
    onMessageReceived: (message) => messages.put(message),
    onMessageUpdated: (message) => updates.put(message),
  })
  tell({ online: true })
  await scenario(client, calls, messages, updates)
  await within(client.disconnect(), 'the disconnect')
  tell({ done: true })
}

const name = process.argv[2]
try {
  await (name === 'refused' ? refused() : drive(SCENARIOS[name]))
  process.exit(0)
} catch (error) {
  process.stderr.write(`${error?.stack ?? String(error)}\n`)
  process.stdout.write(JSON.stringify({ error: why(error) }) + '\n', () => process.exit(1))
}
