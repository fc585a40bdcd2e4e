// The page of `relay sim --web`. The server holds the state: the page loads a snapshot, then follows the changes, and
// sends commands. Nothing is kept here but which phone is shown and whether it is heard.
'use strict';

const byId = (id) => document.getElementById(id);
const make = (name, className, text) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

// Values that outlive a reload, where the browser keeps any.
const kept = {
  get(key) { try { return sessionStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { sessionStorage.setItem(key, value); } catch { /* It is asked for again. */ } },
};

const lists = ['talk', 'log', 'rows'];
let state = { about: {}, phones: [], calls: [], talk: [], log: [], rows: [], faults: [], expected: [], connected: 0, violations: 0 };
let selected = kept.get('phone') || '+15551230000';
let muted = kept.get('muted') === 'yes';

// Commands.

async function post(command) {
  const response = await fetch('command', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(command),
  });
  const answer = await response.json();
  if (!answer.ok) throw new Error(answer.error);
  return answer;
}

// Sends commands one after the other, and shows what went wrong.
async function send(...commands) {
  try {
    for (const command of commands) await post(command);
    return true;
  } catch (error) {
    toast(error instanceof TypeError ? 'The simulator does not answer.' : error.message);
    return false;
  }
}

let toasted;
function toast(text) {
  const box = byId('toast');
  box.textContent = text;
  box.hidden = false;
  clearTimeout(toasted);
  toasted = setTimeout(() => { box.hidden = true; }, 6000);
}

// Calls.

// The call that a phone is on: the latest, but one that rings first.
function callOf(number) {
  const calls = state.calls.filter((call) => call.number === number);
  return calls.find(rings) || calls[calls.length - 1];
}
const rings = (call) => !call.inbound && (call.state === 'created' || call.state === 'ringing');
const talks = (call) => Boolean(call) && call.state === 'answered';

function told(call) {
  if (!call) return 'Idle';
  if (rings(call)) return `${call.program || 'The program'} is calling`;
  if (call.state === 'created' || call.state === 'ringing') return state.connected ? `Calling ${call.program}` : 'Waiting for a program';
  if (call.state === 'ending') return 'Ending';
  const peer = state.calls.find((other) => other.id === call.connected_to);
  const parts = ['On a call'];
  if (peer) parts[0] = `With ${peer.number}`;
  if (call.conference) parts.push(`conference ${call.conference}`);
  if (call.queue) parts.push(`queue ${call.queue}`);
  if (call.held) parts.push('on hold');
  return parts.join(' · ');
}

function lasted(call) {
  if (!talks(call) || !call.since) return '';
  const seconds = Math.max(0, Math.floor((Date.now() - call.since) / 1000));
  return ` · ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

function select(number) {
  if (number === selected) return;
  hush();
  selected = number;
  kept.set('phone', number);
  drawTalk();
  draw();
}

// Sound: the words by the browser's speech synthesis, files as they are, tones by its oscillators.

let player;
function hear(entry, bubble) {
  if (muted || entry.number !== selected) return;
  if (/^https?:\/\//.test(entry.text)) {
    player = new Audio(entry.text);
    player.play().catch(() => toast(`The browser cannot play ${entry.text}`));
    return;
  }
  if (!('speechSynthesis' in window)) return;
  // Marks of SSML are not spoken.
  const words = new SpeechSynthesisUtterance(entry.text.replace(/<[^>]*>/g, ' '));
  words.pitch = entry.from ? 1.35 : 1;
  words.onstart = () => bubble.classList.add('speaking');
  words.onend = words.onerror = (event) => {
    bubble.classList.remove('speaking');
    if (event.error === 'not-allowed') toast('The browser speaks after a click on the page.');
  };
  speechSynthesis.speak(words);
}

function hush() {
  if ('speechSynthesis' in window) speechSynthesis.cancel();
  if (player) player.pause();
  player = undefined;
}

let audio;
function tone(frequencies, seconds, volume = 0.06) {
  if (muted || !window.AudioContext) return;
  audio = audio || new AudioContext();
  if (audio.state !== 'running') return void audio.resume().catch(() => {});
  const gain = audio.createGain();
  gain.gain.value = volume;
  gain.connect(audio.destination);
  for (const frequency of frequencies) {
    const source = audio.createOscillator();
    source.frequency.value = frequency;
    source.connect(gain);
    source.start();
    source.stop(audio.currentTime + seconds);
  }
}

const keys = ['123', '456', '789', '*0#'].join('');
const letters = { 2: 'ABC', 3: 'DEF', 4: 'GHI', 5: 'JKL', 6: 'MNO', 7: 'PQRS', 8: 'TUV', 9: 'WXYZ', 0: '+' };
const tones = (key) => [[697, 770, 852, 941][Math.floor(keys.indexOf(key) / 3)], [1209, 1336, 1477][keys.indexOf(key) % 3]];

setInterval(() => {
  const call = callOf(selected);
  if (!call || talks(call)) return;
  if (rings(call)) tone([440, 480], 1.2);
  else if (call.state !== 'ending') tone([425], 1, 0.02);
}, 3000);

// The phone.

function bubble(entry) {
  const own = entry.from === entry.number;
  const kind = entry.kind;
  const item = make('li', `${kind}${own ? ' own' : ''}${kind === 'heard' && entry.from ? ' person' : ''}`);
  const from = kind === 'heard' ? entry.from || 'Program'
    : kind === 'texted' ? (own ? 'Text message' : 'Text message from the program')
    : kind === 'digits' ? 'The program pressed'
    : '';
  if (from) item.append(make('span', 'from', from));
  if (kind === 'spoke') item.append(make('span', 'hidden', 'You said: '));
  if (kind === 'pressed') item.append(make('span', 'hidden', 'You pressed: '));
  item.append(/^https?:\/\//.test(entry.text) && kind === 'heard' ? `♪ ${entry.text}` : entry.text);
  return item;
}

const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 60;
const toEnd = (box) => { box.scrollTop = box.scrollHeight; };

function addTalk(entries, live) {
  const box = byId('talk');
  for (const entry of entries) {
    if (entry.number !== selected || entry.kind === 'asked') continue;
    // Digits that follow each other are one number.
    const last = box.lastElementChild;
    if (entry.kind === 'pressed' && last && last.classList.contains('pressed')) {
      last.lastChild.textContent += entry.text;
    } else {
      const item = bubble(entry);
      box.append(item);
      if (live && entry.kind === 'heard') hear(entry, item);
    }
    if (live && entry.kind === 'digits') for (const key of entry.text) if (keys.includes(key)) tone(tones(key), 0.12);
  }
  while (box.children.length > 400) box.firstElementChild.remove();
  toEnd(box);
}

function drawTalk() {
  byId('talk').replaceChildren();
  addTalk(state.talk, false);
}

// What the program waits for on the phone that is shown.
function asked() {
  const call = callOf(selected);
  if (!talks(call)) return '';
  for (const entry of state.talk.toReversed()) {
    if (entry.number !== selected || entry.kind === 'pressed') continue;
    return entry.kind === 'asked' ? entry.text : '';
  }
  return '';
}

function drawPhone() {
  const call = callOf(selected);
  const ringing = Boolean(call) && rings(call), on = talks(call);
  byId('number').textContent = selected;
  const label = byId('state');
  const text = told(call) + lasted(call);
  if (label.textContent !== text) label.textContent = text;
  label.className = `state${ringing ? ' ringing' : on ? ' live' : ''}`;
  document.querySelector('.handset').classList.toggle('ringing', ringing);
  const show = (id, visible) => {
    const button = byId(id);
    // The button that was pressed goes: its focus passes to what takes its place.
    const had = document.activeElement === button && !visible;
    button.hidden = !visible;
    return had;
  };
  const moved = [show('call', !call), show('answer', ringing), show('decline', ringing), show('busy', ringing),
    show('hangup', Boolean(call) && !ringing)].some(Boolean);
  if (moved) byId(ringing ? 'answer' : call ? 'hangup' : 'call').focus();
  byId('speak').disabled = !on;
  for (const button of byId('keypad').children) button.disabled = !on;
  const waits = asked();
  byId('asks').hidden = !waits;
  byId('asks').textContent = waits === 'digits' ? 'The program waits for digits' : 'The program waits for words';
}

function press(key) {
  const call = callOf(selected);
  if (!talks(call)) return;
  // A prompt stops at the first digit.
  if (asked()) hush();
  tone(tones(key), 0.15);
  const button = [...byId('keypad').children].find((one) => one.dataset.key === key);
  button.classList.add('lit');
  setTimeout(() => button.classList.remove('lit'), 150);
  send({ press: { who: call.id, keys: key } });
}

function startCall(number) {
  return send({ call: {
    from: number, to: byId('to').value.trim(), context: byId('context').value.trim() || 'default', is: byId('is').value,
  } });
}

for (const key of keys) {
  const button = make('button', '', key);
  button.type = 'button';
  button.dataset.key = key;
  button.append(make('small', '', letters[key] || ''));
  button.setAttribute('aria-label', key === '*' ? 'star' : key === '#' ? 'hash' : key);
  button.addEventListener('click', () => press(key));
  byId('keypad').append(button);
}
document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, select, textarea');
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1 || !keys.includes(event.key)) return;
  event.preventDefault();
  press(event.key);
});

byId('call').addEventListener('click', () => startCall(selected));
for (const [id, order] of [['answer', 'answer'], ['decline', 'decline'], ['busy', 'busy'], ['hangup', 'hang_up']]) {
  byId(id).addEventListener('click', () => {
    const call = callOf(selected);
    if (id === 'hangup') hush();
    if (call) send({ [order]: { who: call.id } });
  });
}
byId('words').addEventListener('submit', async (event) => {
  event.preventDefault();
  const call = callOf(selected), words = byId('say').value.trim();
  if (!words) return;
  if (!talks(call)) return void toast('Nobody hears it: the phone is not on a call. "Text" sends it as a text message.');
  if (asked()) hush();
  if (await send({ say: { who: call.id, text: words } })) byId('say').value = '';
});
byId('text').addEventListener('click', async () => {
  const words = byId('say').value.trim();
  if (!words) return void byId('say').focus();
  const text = { from: selected, to: byId('to').value.trim(), context: byId('context').value.trim() || 'default', body: words };
  if (!await send({ text })) return;
  byId('say').value = '';
  if (!state.connected) toast('The text message waits for a program.');
});

// All phones.

const manners = [
  ['', 'As the script says'], ['rings', 'Rings here'], ['answers', 'Answers after 2 s'], ['is_busy', 'Is busy'],
  ['declines', 'Declines'], ['does_not_answer', 'Does not answer'], ['does_not_exist', 'Does not exist'],
  ['machine', 'Answering machine'],
];
const tiles = new Map();

function tileOf(number) {
  const known = tiles.get(number);
  if (known) return known;
  const item = make('li');
  const pick = make('button', 'pick');
  pick.type = 'button';
  const status = make('span');
  pick.append(make('b', '', number), status);
  pick.addEventListener('click', () => select(number));
  const tools = make('div', 'tools');
  const button = (text, className, act) => {
    const made = make('button', className, text);
    made.type = 'button';
    made.setAttribute('aria-label', `${text}: ${number}`);
    made.addEventListener('click', act);
    tools.append(made);
    return made;
  };
  const on = (order) => () => { const call = callOf(number); if (call) send({ [order]: { who: call.id } }); };
  const call = button('Call', '', () => startCall(number));
  const answer = button('Answer', 'go', () => { select(number); on('answer')(); });
  const decline = button('Decline', 'stop', on('decline'));
  const hangup = button('Hang up', 'stop', on('hang_up'));
  const manner = make('select');
  manner.setAttribute('aria-label', `When the program calls ${number}`);
  for (const [value, text] of manners) manner.append(new Option(text, value));
  manner.addEventListener('change', () => { if (manner.value) send({ phone: { number, when_called: manner.value } }); });
  const remove = button('Remove', 'quiet', () => send({ remove_phone: { number } }));
  tools.insertBefore(manner, remove);
  item.append(pick, tools);
  const tile = { item, pick, status, call, answer, decline, hangup, manner, remove };
  tiles.set(number, tile);
  return tile;
}

function drawPhones() {
  const list = byId('phones');
  const numbers = state.phones.map((phone) => phone.number);
  if (numbers.length && !numbers.includes(selected)) { selected = numbers[0]; drawTalk(); }
  for (const [number, tile] of tiles) {
    if (!numbers.includes(number)) { tile.item.remove(); tiles.delete(number); }
  }
  for (const phone of state.phones) {
    const tile = tileOf(phone.number), call = callOf(phone.number);
    if (!tile.item.isConnected) list.append(tile.item);
    const ringing = Boolean(call) && rings(call);
    tile.item.classList.toggle('selected', phone.number === selected);
    tile.item.classList.toggle('ringing', ringing);
    tile.pick.setAttribute('aria-pressed', String(phone.number === selected));
    tile.status.textContent = told(call);
    tile.call.hidden = Boolean(call);
    tile.answer.hidden = tile.decline.hidden = !ringing;
    tile.hangup.hidden = !call || ringing;
    tile.remove.hidden = Boolean(call) || state.phones.length < 2;
    tile.manner.hidden = Boolean(call);
    if (document.activeElement !== tile.manner) tile.manner.value = phone.when_called || '';
    tile.manner.options[0].textContent = 'Rings, or as the script says';
  }
}

byId('add').addEventListener('submit', async (event) => {
  event.preventDefault();
  const number = byId('new-number').value.trim() || fresh();
  if (await send({ phone: { number, when_called: 'rings' } })) {
    byId('new-number').value = '';
    select(number);
  }
});
function fresh() {
  for (let n = 1; ; n++) {
    const number = `+1555000${String(n).padStart(4, '0')}`;
    if (!state.phones.some((phone) => phone.number === number)) return number;
  }
}

// The ladder.

const ladder = ladderPage(byId('ladder'));
byId('ladder-head').append(document.querySelector('.ladder-tools'));
let titles = {};
let drawn = 0;
function addRows(rows) {
  const box = byId('ladder'), follow = atEnd(box);
  // A browser gets slow with more.
  if (drawn + rows.length > 6000) { ladder.clear(); drawn = 0; rows = state.rows.slice(-1000); }
  drawn += rows.length;
  for (const row of rows) {
    if (row.section === null) continue;
    const title = titles[row.section] = titles[row.section] || { title: '', end: null };
    for (const leg of [row.from, row.to]) {
      if (leg !== 'program' && leg !== 'service' && !title.title.split(' + ').includes(leg)) {
        title.title = title.title ? `${title.title} + ${leg}` : leg;
      }
    }
  }
  ladder.name(titles);
  ladder.append(rows);
  if (follow) toEnd(box);
}

// The log.

function addLog(lines) {
  const box = byId('log'), follow = atEnd(box);
  for (const line of lines) {
    const item = make('li', line.kind);
    item.append(make('time', '', line.at.toFixed(2)), make('span', '', line.text));
    box.append(item);
  }
  while (box.children.length > 2000) box.firstElementChild.remove();
  if (follow) toEnd(box);
}

function drawExpected() {
  const box = byId('expected');
  box.hidden = state.expected.length === 0;
  const words = { open: 'not yet', met: 'met', kept: 'kept so far', violated: 'violated' };
  box.replaceChildren(...state.expected.map((one) => {
    const item = make('li', one.state, one.text);
    item.append(make('span', 'hidden', `: ${words[one.state]}`));
    return item;
  }));
}

byId('expect').addEventListener('submit', async (event) => {
  event.preventDefault();
  const what = byId('what').value, words = byId('expected-words').value.trim();
  const expect = { what, never: byId('never').checked };
  if (words) expect[['dialled', 'texted', 'answered', 'recorded', 'hung_up'].includes(what) ? 'with' : 'words'] = words;
  if (await send({ expect })) byId('expected-words').value = '';
});
byId('forget').addEventListener('click', () => send({ forget_expectations: {} }));
for (const button of document.querySelectorAll('[data-show]')) {
  button.addEventListener('click', () => {
    byId('log').classList.toggle('bad-only', button.dataset.show === 'bad');
    for (const other of document.querySelectorAll('[data-show]')) other.setAttribute('aria-pressed', String(other === button));
    toEnd(byId('log'));
  });
}

// Faults.

const once = {
  drop: [{ fault: 'cut' }],
  lose: [{ fault: 'forget_sessions' }, { fault: 'cut' }],
  disconnect: [{ fault: 'disconnect', restart: false, closes: true }],
};
const switches = {
  freeze: { fault: 'freeze' },
  pings: { fault: 'unanswered_pings' },
  repeat: { fault: 'repeat', copies: 1, only: 'events' },
};
const activeAs = (name) => state.faults.find((one) => one.id !== null && one.fault.fault === name);
for (const button of document.querySelectorAll('[data-fault]')) {
  const name = button.dataset.fault;
  button.addEventListener('click', () => {
    if (once[name]) return void send(...once[name].map((fault) => ({ fault })));
    const active = activeAs(switches[name].fault);
    send(active ? { mend: { id: active.id } } : { fault: switches[name] });
  });
}
byId('delay').addEventListener('submit', (event) => {
  event.preventDefault();
  send({ fault: { fault: 'latency', ms: Number(byId('ms').value) } });
});
byId('refuse').addEventListener('submit', (event) => {
  event.preventDefault();
  const fault = { fault: 'refuse', on: byId('method').value.trim(), code: Number(byId('code').value), message: 'rejected by hand' };
  if (byId('once').checked) fault.next = 1;
  send({ fault });
});
byId('mend').addEventListener('click', () => send({ mend_all: {} }));
byId('methods').append(...['calling.answer', 'calling.play', 'calling.play_and_collect', 'calling.collect', 'calling.connect',
  'calling.dial', 'calling.end', 'calling.record', 'calling.detect', 'calling.join_conference', 'calling.queue.enter',
  'messaging.send', 'signalwire.connect'].map((method) => new Option(method)));

function drawFaults() {
  for (const [name, fault] of Object.entries(switches)) {
    document.querySelector(`[data-fault="${name}"]`).setAttribute('aria-pressed', String(Boolean(activeAs(fault.fault))));
  }
  byId('active').replaceChildren(...state.faults.map(({ id, fault }) => {
    const { fault: name, ...more } = fault;
    const item = make('li', '', [name, ...Object.entries(more).map(([key, value]) => `${key} ${value}`)].join(' · '));
    if (id !== null) {
      const mend = make('button', 'mend', '×');
      mend.type = 'button';
      mend.setAttribute('aria-label', `Remove the fault ${name}`);
      mend.addEventListener('click', () => send({ mend: { id } }));
      item.append(mend);
    }
    return item;
  }));
  byId('mend').hidden = state.faults.length === 0;
}

// The head of the page.

function drawHead() {
  const { about, connected, violations } = state;
  byId('link').classList.toggle('on', connected > 0);
  const text = connected === 0 ? 'No program is connected' : connected === 1 ? '1 program is connected' : `${connected} programs are connected`;
  const label = byId('link').querySelector('.text');
  if (label.textContent !== text) label.textContent = text;
  byId('violations').hidden = !violations;
  byId('violations').textContent = violations === 1 ? '1 violation' : `${violations} violations`;
  byId('address').textContent = about.url || '';
  byId('environment').textContent = about.export ? `${about.export}\nrelay listen` : '';
  const empty = state.rows.length === 0;
  byId('empty').hidden = !empty || connected > 0;
  byId('ladder').hidden = empty;
  document.querySelector('.ladder-tools').hidden = empty;
  byId('first').hidden = !(empty && connected > 0);
}

byId('copy').addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText(state.about.export);
    byId('copy').textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren(byId('environment'));
  }
});
function drawSound() {
  byId('sound').setAttribute('aria-pressed', String(!muted));
  byId('sound').textContent = muted ? 'Sound off' : 'Sound on';
}
byId('sound').addEventListener('click', () => {
  muted = !muted;
  kept.set('muted', muted ? 'yes' : 'no');
  if (muted) hush();
  drawSound();
});

function drawTitle() {
  const ringing = state.calls.find(rings);
  const title = ringing ? `${ringing.number} rings · relay sim` : 'relay sim';
  if (document.title !== title) document.title = title;
}

function draw() {
  drawTitle();
  drawHead();
  drawPhones();
  drawPhone();
}
setInterval(drawPhone, 1000);

// The state, from the server.

function apply(change) {
  const { set, add } = change;
  const rang = new Set(state.calls.filter(rings).map((call) => call.id));
  for (const [key, value] of Object.entries(set)) state[key] = value;
  for (const key of lists) if (add[key]) state[key] = state[key].concat(add[key]).slice(-2000);
  for (const call of add.hush || []) if (state.talk.findLast((one) => one.number === selected && one.call)?.call === call) hush();
  // A call that begins to ring is shown, unless somebody is busy with another phone.
  const ringing = state.calls.find((call) => rings(call) && !rang.has(call.id));
  if (ringing && !callOf(selected) && !byId('say').value) select(ringing.number);
  else if (add.talk) addTalk(add.talk, true);
  if (add.log) addLog(add.log);
  draw();
  if (add.rows) addRows(add.rows);
  if (set.faults) drawFaults();
  if (set.expected) drawExpected();
}

let source, later;
function again() {
  clearTimeout(later);
  later = setTimeout(load, 1000);
}

async function load() {
  if (source) source.close();
  let snapshot;
  try {
    const response = await fetch('snapshot');
    if (!response.ok) throw new Error(response.statusText);
    snapshot = await response.json();
  } catch {
    byId('away').hidden = false;
    return again();
  }
  Object.assign(state, snapshot.state);
  byId('away').hidden = true;
  byId('log').replaceChildren();
  ladder.clear();
  titles = {};
  drawn = 0;
  draw();
  drawTalk();
  addRows(state.rows);
  addLog(state.log);
  drawFaults();
  drawExpected();
  for (const id of ['ladder', 'log', 'talk']) toEnd(byId(id));
  document.documentElement.dataset.ready = 'yes';

  source = new EventSource(`events?after=${encodeURIComponent(snapshot.last)}`);
  source.onmessage = (event) => { byId('away').hidden = true; apply(JSON.parse(event.data)); };
  source.onopen = () => { byId('away').hidden = true; };
  source.addEventListener('stale', load);
  source.addEventListener('end', () => { source.close(); byId('away').hidden = false; again(); });
  source.onerror = () => {
    // The browser connects again by itself, unless the answer was no event stream.
    if (source.readyState === EventSource.CLOSED) { byId('away').hidden = false; again(); }
    else setTimeout(() => { if (source.readyState !== EventSource.OPEN) byId('away').hidden = false; }, 1500);
  };
}

drawSound();
load();
