// Draws rows of a ladder into an element: a section for each call, with a column for the program, the service and each
// phone. A click on a row shows its frame.
function ladderPage(element) {
  'use strict';
  const make = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const spoken = (took) => took === null || took === undefined ? ''
    : ' · ' + (took < 0.001 ? Math.round(took * 1e6) + ' µs' : took < 1 ? Math.round(took * 1e3) + ' ms' : took.toFixed(1) + ' s');

  element.classList.add('ladder');
  const tools = make('div', 'ladder-tools');
  const call = make('select');
  call.setAttribute('aria-label', 'Call');
  const search = make('input');
  search.type = 'search';
  search.placeholder = 'Filter rows';
  search.setAttribute('aria-label', 'Filter rows');
  const fold = make('button', '', 'Fold all');
  fold.type = 'button';
  tools.append(call, search, fold);
  const problems = make('ul', 'ladder-problems');
  problems.hidden = true;
  const list = make('div');
  element.replaceChildren(tools, problems, list);

  let sections = new Map();
  let titles = {};

  function choices() {
    const chosen = call.value;
    call.replaceChildren(new Option('All calls', ''));
    for (const [key, section] of sections) call.append(new Option(section.title(), key));
    call.value = sections.has(chosen) ? chosen : '';
  }

  function sectionOf(row) {
    const key = row.section === null ? '' : String(row.section);
    let section = sections.get('s' + key);
    if (section) return section;
    const box = make('details', 'ladder-section');
    const summary = make('summary');
    const body = make('div', 'ladder-body');
    const heads = make('div', 'ladder-heads');
    const lives = make('div');
    const rows = make('div');
    body.append(lives, heads, rows);
    box.append(summary, body);
    section = {
      key, box, columns: ['program', 'service'], waiting: [], first: null,
      title() {
        const known = titles[key] || {};
        if (key === '') return 'connection';
        return [this.first ? 'call ' + this.first : '', known.title, known.end ? 'ended: ' + known.end : ''].filter(Boolean).join(' · ');
      },
      place(name) {
        const at = this.columns.indexOf(name), legs = this.columns.length - 2;
        if (at < 2) return at === 0 ? 4 : legs === 0 ? 92 : 46;
        return 46 + 46 * at / (legs + 1);
      },
      drawColumns() {
        heads.replaceChildren(...this.columns.map((name) => {
          const head = make('span', '', name);
          head.style.left = this.place(name) + '%';
          return head;
        }));
        lives.replaceChildren(...this.columns.map((name) => {
          const life = make('div', 'ladder-life');
          life.style.left = this.place(name) + '%';
          return life;
        }));
      },
      // Rows of a folded section wait until it is opened.
      flush() {
        if (!box.open) return;
        const added = this.waiting.splice(0);
        const before = this.columns.length;
        for (const row of added) {
          for (const name of [row.from, row.to]) if (!this.columns.includes(name)) this.columns.push(name);
        }
        if (this.columns.length !== before) {
          this.drawColumns();
          for (const old of rows.querySelectorAll('.ladder-row')) this.lay(old);
        }
        const fresh = document.createDocumentFragment();
        for (const row of added) fresh.append(this.draw(row));
        rows.append(fresh);
        filter(rows);
      },
      draw(row) {
        const line = make('button', 'ladder-row');
        line.type = 'button';
        line.row = row;
        line.setAttribute('aria-expanded', 'false');
        line.setAttribute('aria-label', `${row.at.toFixed(3)} s, ${row.from} to ${row.to}: ${row.text}${spoken(row.took)}`);
        line.append(make('span', 'time', row.at.toFixed(3)));
        this.lay(line);
        return line;
      },
      lay(line) {
        const row = line.row;
        for (const old of line.querySelectorAll('.arrow, .tip, .dot')) old.remove();
        let from = this.place(row.from), to = this.place(row.to);
        if (row.kind === 'gap') { from = 4; to = 92; }
        const text = row.text + spoken(row.took);
        if (from === to) {
          const note = make('span', 'dot ' + (row.kind), text);
          note.style.left = from + '%';
          line.append(note);
          return;
        }
        // What a phone hears may go on beyond its column.
        const leg = row.from !== 'program' && row.to !== 'program' && row.kind !== 'gap';
        const long = text.length * 0.8 > Math.abs(from - to);
        const arrow = make('span', `arrow ${row.kind}${leg ? ' leg' : ''}${leg && long ? ' long' : ''}`, text);
        arrow.title = text;
        arrow.style.left = Math.min(from, to) + '%';
        arrow.style.width = Math.abs(from - to) + '%';
        line.append(arrow);
        if (row.kind !== 'gap') {
          const tip = make('span', `tip ${from < to ? 'right' : 'left'} ${row.kind}`);
          tip.style.left = to + '%';
          line.append(tip);
        }
      },
    };
    section.drawColumns();
    box.addEventListener('toggle', () => section.flush());
    rows.addEventListener('click', (event) => {
      const line = event.target.closest('.ladder-row');
      if (!line) return;
      const shown = line.nextElementSibling;
      if (shown && shown.classList.contains('ladder-frame')) {
        shown.remove();
        line.setAttribute('aria-expanded', 'false');
      } else if (line.row.frame) {
        line.after(make('pre', 'ladder-frame', JSON.stringify(line.row.frame, null, 2)));
        line.setAttribute('aria-expanded', 'true');
      }
    });
    // A page with thousands of calls opens the first ones alone.
    box.open = sections.size < 20;
    sections.set('s' + key, section);
    if (key === '') list.prepend(box); else list.append(box);
    return section;
  }

  function filter(within) {
    const wanted = search.value.toLowerCase();
    for (const line of (within || list).querySelectorAll('.ladder-row')) {
      line.hidden = wanted !== '' && !(line.row.text + ' ' + line.row.from + ' ' + line.row.to).toLowerCase().includes(wanted);
      line.style.display = line.hidden ? 'none' : '';
    }
  }

  call.addEventListener('change', () => {
    for (const [key, section] of sections) {
      section.box.hidden = call.value !== '' && call.value !== key;
      if (call.value === key) section.box.open = true;
      section.flush();
    }
  });
  search.addEventListener('input', () => filter());
  fold.addEventListener('click', () => {
    const open = fold.textContent === 'Fold all';
    for (const section of sections.values()) section.box.open = !open;
    fold.textContent = open ? 'Unfold all' : 'Fold all';
  });

  return {
    // Adds rows at the end.
    append(rows) {
      const touched = new Set();
      for (const row of rows) {
        const section = sectionOf(row);
        if (section.first === null && row.call) section.first = row.call;
        section.waiting.push(row);
        touched.add(section);
      }
      for (const section of touched) {
        section.flush();
        section.box.querySelector('summary').textContent = section.title();
      }
      choices();
    },
    // Gives the sections their titles: {number: {title, end}}.
    name(given) {
      titles = given;
    },
    // Shows what could not be read.
    report(lines) {
      problems.replaceChildren(...lines.map((line) => make('li', '', line)));
      problems.hidden = lines.length === 0;
    },
    clear() {
      sections = new Map();
      list.replaceChildren();
      choices();
    },
  };
}
