// A server that speaks as the admin routers do, with circuits that do as a test tells them. It is not
// the server's test: what the real one sends is checked in tests/admin. Run alone, it serves a demo:
//
//   node tests/page/mock.mjs [PORT] [CIRCUITS]

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';

const PAGE = new URL('../../src/admin/page.html', import.meta.url);

const hashOf = (page, tag) => {
  const inner = page.match(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`))[1];
  return `'sha256-${createHash('sha256').update(inner).digest('base64')}'`;
};

export const policyOf = page => [
  "default-src 'none'", `script-src ${hashOf(page, 'script')}`, `style-src ${hashOf(page, 'style')}`, "connect-src 'self'", 'img-src data:', "base-uri 'none'",
  "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
].join('; ');

const secondsOf = text => { const [, n, unit] = /^([\d.]+)(ms|s|m|h|d)$/.exec(text) || []; return n && Number(n) * { ms: .001, s: 1, m: 60, h: 3600, d: 86400 }[unit]; };

// The words of src/machine/types.rs and src/circuit/describe.rs.
const CAUSES = { manual: 'by hand', probe_failed: 'a probe failed', wait_over: 'the wait is over, the next call is a probe', recovered: 'the probes succeeded', force_expired: 'the time is over for which it was forced open' };
const failed = ({ failures, calls }, threshold) => `${failures} of ${calls} calls failed (${Math.floor(failures / calls * 1000) / 10} %, threshold ${threshold * 100} %)`;
const time = seconds => `${Math.ceil(seconds * 10) / 10} s`;
const STATES = { open: 'open', half_open: 'half-open', closed: 'closed' };
function deed({ from, to, mode_before, mode }) {
  if (mode === 'forced_open') return 'is forced open';
  if (mode !== mode_before) return { normal: 'is back to normal', disabled: 'is disabled', shadow: 'is in shadow' }[mode];
  return to === 'open' && from !== 'closed' ? 'opened again' : { open: 'opened', half_open: 'is half-open', closed: 'closed' }[to];
}
const told = by => by ? ` (by ${by.who || 'somebody'}${by.why ? `: ${by.why}` : ''})` : '';
const inShadow = mode => mode === 'shadow' ? ' (shadow: nothing is rejected)' : '';

export class Mock {
  // `again: false` is a server that does not tell it yet.
  constructor({ circuits = {}, control = true, token = null, viewToken = null, port = 0, skew = 0, again = true } = {}) {
    Object.assign(this, { control, token, viewToken, port, skew, again, boot: randomBytes(4).toString('hex'), id: 0, streams: new Set(), circuits: new Map(), log: [], asked: [], opened: 0, traffic: true, silent: false });
    for (const [name, of] of Object.entries(circuits)) this.add(name, of);
  }

  // By the server's clock, which is not the browser's.
  now() { return Date.now() + this.skew; }
  at(ms = this.now()) { return new Date(ms).toISOString(); }

  add(name, of = {}) {
    this.circuits.set(name, {
      name, tags: of.tags || {}, state: 'closed', mode: 'normal', era: 0, since: this.now() - 60_000, outage: null, until: null, attempt: 0, by: null, cause: null, again: null, left: null, version: 1,
      settings: { failure_rate: '0.5', minimum_calls: '20', open_for: '5s', permits: '1' }, rate: of.rate ?? .02, load: of.load ?? 20,
      totals: [0, 0, 0, 0], history: new Map(), changed: true, ramp: 1, shed: 0,
    });
    return this;
  }

  // What the window holds, in the server's words for it.
  windowOf(c) {
    const recent = [...c.history].filter(([s]) => s * 1000 > this.now() - 12_000).map(([, v]) => v);
    const [success, failure, slow] = [0, 1, 2].map(i => recent.reduce((sum, v) => sum + v[i], 0));
    return { calls: success + failure, failures: failure, slow };
  }
  json(c) {
    const now = this.now(), window = c.state === 'closed' ? this.windowOf(c) : c.left;
    const causes = this.again ? { cause: c.cause, again: c.again } : { cause: c.again || c.cause };
    return {
      name: c.name, tags: c.tags, named: true, state: c.state, mode: c.mode, era: c.era, in_state_seconds: (now - c.since) / 1000,
      outage_seconds: c.outage === null ? null : (now - c.outage) / 1000, remaining_seconds: c.until === null ? null : Math.max(0, c.until - now) / 1000, attempt: c.attempt, by: c.by, ...causes,
      failure_rate: window.calls >= 20 ? window.failures / window.calls : null, failure_rate_threshold: Number(c.settings.failure_rate), slow_call_rate: null, slow_call_rate_threshold: null, rates_of: c.state === 'closed' ? 'now' : 'trip',
      window, minimum_calls: 20, consecutive_failures: 0, consecutive_failures_threshold: null, ramp_share: c.ramp, shed_share: c.shed,
      probes: c.state === 'half_open' ? { in_flight: 1, permits: 1, successes_needed: 2, failures_allowed: 0 } : null,
      totals: { success: c.totals[0], failure: c.totals[1], ignored: 0, abandoned: 0, rejected: c.totals[3], slow: c.totals[2], stale: 0, shadowed: 0, vetoed: 0, rejected_by: { open: c.totals[3], half_open_full: 0, forced_open: 0, ramping: 0, shedding: c.shed ? 1 : 0 } },
      parts: c.parts ?? null, fleet: c.fleet ?? null, settings_version: c.version, line: this.line(c, window),
    };
  }
  line(c, window) {
    const now = this.now(), left = c.until === null ? '' : c.mode === 'forced_open' ? `, for ${time((c.until - now) / 1000)} more` : c.until > now ? `, next probe in ${time((c.until - now) / 1000)}` : ', the next call is a probe';
    const why = c.state === 'closed' ? `; ${window.failures} of ${window.calls} calls failed` : `${c.state === 'half_open' ? ', 1 of 1 probes in flight' : left}; opened: ${(c.again || c.cause).text}`;
    return `${c.name}: ${c.mode === 'forced_open' ? 'forced open' : c.mode === 'disabled' ? 'disabled' : STATES[c.state]} for ${time((now - c.since) / 1000)}${why}${inShadow(c.mode)}`;
  }

  // What a person or the traffic does to a circuit, told to all streams at once.
  change(name, to, { cause = 'manual', by = null, mode, until = null, numbers = {}, text = CAUSES[cause] } = {}) {
    const c = this.circuits.get(name), from = c.state, now = this.now(), leaves = from === 'closed' && to !== 'closed';
    const did = { from, to, mode_before: c.mode, mode: mode ?? c.mode }, isMode = did.mode !== did.mode_before || did.mode === 'forced_open';
    if (leaves) c.left = { ...this.windowOf(c), ...numbers };
    if (to === 'closed') Object.assign(c, { outage: null, attempt: 0, cause: null, again: null });
    if (leaves) Object.assign(c, { outage: now, cause: { label: cause, text }, again: null });
    else if (to === 'open') c.again = { label: cause, text };
    if (to === 'open' && !isMode) c.attempt++;
    Object.assign(c, { state: to, mode: did.mode, era: c.era + 1, since: now, by, until, ramp: 1, shed: 0, changed: true });
    const seconds = until && (until - now) / 1000, breaks = until && !isMode, wait = breaks ? `, next probe in ${time(seconds)}` : until ? `, for ${time(seconds)}` : '';
    return this.tell({
      circuit: name, tags: c.tags, era: c.era, kind: isMode ? 'mode' : to === 'open' ? 'opened' : to, ...did, cause, calls: null, failures: null, slow: null, ...(leaves ? c.left : {}),
      threshold: cause === 'failure_rate' ? Number(c.settings.failure_rate) : null, attempt: c.attempt, open_for_seconds: seconds, next_probe: breaks ? this.at(until) : null, vetoed: null, by,
      text: `circuit \`${name}\` ${deed(did)}: ${text}${wait}${inShadow(c.mode)}${told(by)}`,
    });
  }
  // It stays closed, in the same era: 0 ends it.
  sheds(name, share, { calls, failures } = { calls: 100, failures: 80 }) {
    const c = this.circuits.get(name), began = !c.shed && share, ended = c.shed && !share, base = { from: 'closed', to: 'closed', mode_before: c.mode, mode: c.mode };
    Object.assign(c, { shed: share, changed: true });
    if (!began && !ended) return;
    this.tell({
      circuit: name, tags: c.tags, era: c.era, kind: began ? 'sheds' : 'sheds_no_more', ...base, cause: began ? 'shed_began' : 'shed_ended', calls: began ? calls : null, failures: began ? failures : null, slow: began ? 0 : null,
      threshold: null, attempt: 0, open_for_seconds: null, next_probe: null, vetoed: null, by: null,
      text: `circuit \`${name}\` ${began ? `sheds calls (${Math.floor(share * 1000) / 10} % at first): ${failures} of ${calls} calls failed` : 'sheds no more calls: there is nothing to shed any more'}${inShadow(c.mode)}`,
    });
  }
  trip(name, seconds = 5, numbers = { calls: 20, failures: 14, slow: 0 }) {
    return this.change(name, 'open', { cause: 'failure_rate', until: this.now() + seconds * 1000, numbers, text: failed(numbers, .5) });
  }
  // A probe goes out and fails.
  fail(name, seconds = 5) {
    this.change(name, 'half_open', { cause: 'wait_over' });
    return this.change(name, 'open', { cause: 'probe_failed', until: this.now() + seconds * 1000 });
  }
  set(name, settings, by) {
    const c = this.circuits.get(name), changes = Object.entries(settings).map(([setting, after]) => ({ setting, before: String(c.settings[setting]), after: String(after) }));
    Object.assign(c.settings, settings);
    c.version++;
    this.tell({ circuit: name, tags: c.tags, era: c.era, kind: 'settings', by, changes, version: c.version, text: `circuit \`${name}\`: ${changes.map(it => `\`${it.setting}\` ${it.before} -> ${it.after}`).join(', ')}${told(by)}` });
  }
  tell(event) {
    const all = { id: ++this.id, at: this.at(), ...event };
    this.log.push(all);
    if (this.log.length > 300) this.log.shift();
    this.send(`event: event\nid: ${this.boot}.${all.id}\ndata: ${JSON.stringify(all)}\n\n`);
    return all;
  }

  // One second of traffic, and what every stream is told of it.
  second() {
    const second = Math.floor(this.now() / 1000), calls = [], changed = [];
    for (const c of this.circuits.values()) {
      if (this.traffic) {
        const load = Math.round(c.load * (.75 + .25 * Math.sin(second / 20 + c.name.length) + Math.random() * .4)), rejects = c.mode === 'forced_open' || c.mode === 'normal' && c.state === 'open';
        const admitted = rejects ? 0 : c.state === 'half_open' ? 1 : load, failure = Math.round(admitted * c.rate * Math.random() * 2), success = admitted - failure;
        this.count(c, second, [success, failure, Math.random() < .3 ? Math.round(success * .08) : 0, load - admitted], calls);
      }
      if (c.changed || this.traffic) changed.push(this.json(c));
      c.changed = false;
    }
    if (!this.silent) this.send(`event: update\ndata: ${JSON.stringify({ now: this.at(), circuits: changed, calls, gone: [] })}\n\n`);
  }
  count(c, second, counts, calls = []) {
    const there = c.history.get(second) || [0, 0, 0, 0, 0];
    counts.forEach((n, i) => { there[i] += n; c.totals[i] += n; });
    there[4] = c.mode === 'forced_open' ? 3 : { closed: 0, open: 1, half_open: 2 }[c.state];
    c.history.set(second, there);
    c.history.delete(second - 300);
    if (counts.some(Boolean)) calls.push([c.name, ...counts]);
  }
  list(withHistory) {
    const to = Math.floor(this.now() / 1000);
    const circuits = [...this.circuits.values()].sort((a, b) => a.name < b.name ? -1 : 1).map(c => withHistory
      ? { ...this.json(c), history: { to, samples: [...c.history].filter(([s]) => s <= to).map(([s, v]) => [to - s, ...v]) } } : this.json(c));
    return { now: this.at(), boot: this.boot, ...(this.watchedFor ? { watched: [[to - this.watchedFor, to]] } : {}), circuits };
  }
  send(text) { for (const stream of this.streams) stream.write(text); }

  async start() {
    this.server = http.createServer((request, answer) => this.answer(request, answer));
    await new Promise((done, failed) => this.server.once('error', failed).listen(this.port, '127.0.0.1', done));
    this.port = this.server.address().port;
    this.timer = setInterval(() => this.second(), 1000);
    this.keepAlive = setInterval(() => this.send(':\n\n'), 10_000);
    return this;
  }
  get url() { return `http://127.0.0.1:${this.port}/admin/`; }
  async stop() {
    clearInterval(this.timer);
    clearInterval(this.keepAlive);
    this.server.closeAllConnections();
    if (this.server.listening) await new Promise(done => this.server.close(done));
  }

  answer(request, answer) {
    const url = new URL(request.url, 'http://mock'), path = url.pathname.replace(/^\/admin\/?/, '');
    this.asked.push(request.url);
    const say = (status, body, headers = {}) => { answer.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers }); answer.end(JSON.stringify(body)); };
    const isControl = path === 'control' || path.startsWith('control/'), token = isControl ? this.token : path && this.viewToken;
    if (!url.pathname.startsWith('/admin')) return say(404, { error: 'not here' });
    if (isControl && !this.control) return say(404, { error: 'not found' });
    if (token && request.headers.authorization !== `Bearer ${token}`) return say(401, { error: 'a token is asked for' });
    if (path === '') {
      const page = readFileSync(PAGE, 'utf8');
      answer.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policyOf(page), 'Cache-Control': 'no-store' });
      return answer.end(page);
    }
    if (path === 'circuits') return say(200, this.list(false));
    if (path === 'events') return say(200, { now: this.at(), boot: this.boot, events: this.log });
    if (path === 'stream') return this.stream(request, answer, say);
    if (path === 'control') return say(200, { control: true });
    const name = url.searchParams.get('name'), c = this.circuits.get(name);
    if (path === 'circuit') return c ? say(200, { ...this.json(c), settings: c.settings, events: this.log.filter(e => e.circuit === name) }) : say(404, { error: `no circuit is named ${name}` });
    if (!path.startsWith('control/') || request.method !== 'POST') return say(404, { error: 'not found' });
    let body = '';
    request.on('data', chunk => { body += chunk; }).on('end', () => this.act(path.slice(8), JSON.parse(body), say));
  }
  stream(request, answer, say) {
    if (this.refuse) return say(this.refuse, { error: 'too many streams' }, { 'Retry-After': '1' });
    this.opened++;
    answer.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    const [boot, id] = (request.headers['last-event-id'] || '').split('.');
    answer.write('retry: 1000\n\n');
    if (boot && boot !== this.boot) answer.write('event: reset\ndata: {"why":"it is of another run of the service, or older than what is kept"}\n\n');
    answer.write(`event: circuits\ndata: ${JSON.stringify(this.list(true))}\n\n`);
    if (boot === this.boot) for (const e of this.log.filter(e => e.id > Number(id))) answer.write(`event: event\nid: ${this.boot}.${e.id}\ndata: ${JSON.stringify(e)}\n\n`);
    this.streams.add(answer);
    answer.on('close', () => this.streams.delete(answer));
  }
  act(action, body, say) {
    this.last = { action, body };
    if (!body.reason?.trim()) return say(400, { error: 'a reason is asked for', field: 'reason' });
    if (action === 'plan' && body.configuration.defaults?.count_window) return say(200, { diff: ['payments: `count_window` cannot be changed while it lives'], version: 7, refused: true });
    if (action === 'plan') return say(200, { diff: ['payments: failure_rate 0.5 -> 0.6'], version: 7 });
    if (action === 'apply') return say(200, { diff: [], version: 8 });
    const c = this.circuits.get(body.name), by = { who: body.by || 'somebody', why: body.reason };
    if (!c) return say(404, { error: 'no such circuit' });
    const length = body.for && secondsOf(body.for);
    if (body.for && !length) return say(422, { error: 'that is not a time', field: 'for', allowed: 'a time such as 30s' });
    const until = length ? this.now() + length * 1000 : null;
    if (action === 'force-open') this.change(c.name, 'open', { mode: 'forced_open', by, until });
    else if (action === 'release') this.change(c.name, 'closed', { mode: 'normal', by });
    else if (action === 'trip') this.change(c.name, 'open', { by, until: until ?? this.now() + 5000 });
    else if (action === 'reset') this.change(c.name, 'closed', { by, mode: c.mode === 'forced_open' ? 'normal' : c.mode });
    else if (action === 'mode') this.change(c.name, 'closed', { by, mode: body.mode });
    else if (action === 'settings') {
      if (body.version !== c.version) return say(409, { error: 'the settings have changed', version: c.version, circuit: this.json(c) });
      if (body.settings.failure_rate > 1) return say(422, { error: 'failure_rate is too large', field: 'failure_rate', allowed: 'a share above 0, up to 1' });
      this.set(c.name, body.settings, by);
    } else return say(404, { error: 'not found' });
    return say(200, { ...this.json(c), ...this.heard });
  }
}

export const NAMES = ['payments', 'search', 'inventory', 'mail', 'database', 'recommendations', 'auth', 'geocoding', 'exchange-rates', 'images', 'tax', 'shipping'];
export function many(n) {
  const tiers = ['critical', 'standard', 'batch'], regions = ['eu', 'us', 'ap'];
  return Object.fromEntries(Array.from({ length: n }, (_, i) => [i < NAMES.length ? NAMES[i] : `tenant-${String(i).padStart(3, '0')}`, { tags: { tier: tiers[i % 3], region: regions[i % 7 % 3] }, load: 5 + i * 7 % 40, rate: i % 11 === 3 ? .2 : .02 }]));
}
// Five minutes as they might have been: three outages, two of them still on, each after ten bad seconds.
const OUTAGES = { payments: [62, 0], search: [21, 0], mail: [215, 150] }, PROBES = { payments: [51, 30], search: [], mail: [184] };
export function past(mock) {
  const now = Math.floor(mock.now() / 1000);
  for (const c of mock.circuits.values()) for (let s = now - 299; s < now; s++) {
    const age = now - s, [from, to] = OUTAGES[c.name] || [0, 0], out = age < from && age >= to, before = age >= from && age < from + 9 && from > 0, probe = out && PROBES[c.name].includes(age) ? 1 : 0;
    const load = Math.round(c.load * (.8 + .25 * Math.sin(s / 17 + c.name.length) + Math.abs(Math.sin(s * 12.9898)) * .3)), failure = before ? Math.round(load * .6) : Math.round(load * c.rate * Math.abs(Math.sin(s * 78.233)) * 2);
    const { state, mode } = c;
    c.mode = 'normal';
    c.state = probe ? 'half_open' : out ? 'open' : 'closed';
    mock.count(c, s, out ? [0, probe, 0, load - probe] : [load - failure, failure, s % 9 === 0 ? Math.round(load * .3) : 0, 0]);
    Object.assign(c, { state, mode });
  }
}
// What led there, at its time.
function story(mock) {
  const now = mock.now(), kim = why => ({ who: 'kim', why });
  const ago = (age, act) => { mock.now = () => now - age * 1000; act(); };
  const probes = name => () => mock.change(name, 'half_open', { cause: 'wait_over' }), fails = (name, seconds) => () => mock.change(name, 'open', { cause: 'probe_failed', until: mock.now() + seconds * 1000 });
  try {
    ago(1830, () => mock.set('images', { failure_rate: '0.3' }, kim('it trips too late')));
    ago(1810, () => mock.change('images', 'closed', { mode: 'shadow', by: kim('new thresholds on trial') }));
    ago(215, () => mock.trip('mail', 30, { calls: 272, failures: 137, slow: 9 }));
    ago(185, probes('mail'));
    ago(184, fails('mail', 30));
    ago(154, probes('mail'));
    ago(150, () => mock.change('mail', 'closed', { cause: 'recovered' }));
    ago(62, () => mock.trip('payments', 10, { calls: 55, failures: 28, slow: 2 }));
    ago(52, probes('payments'));
    ago(51, fails('payments', 20));
    ago(31, probes('payments'));
    ago(30, fails('payments', 40));
    ago(21, () => mock.trip('search', 20, { calls: 131, failures: 66, slow: 4 }));
    ago(12, () => mock.change('mail', 'open', { mode: 'forced_open', by: kim('INC-2041: the provider asked us to stop'), until: mock.now() + 600_000 }));
    ago(1, probes('search'));
  } finally { delete mock.now; }
}
export async function scene(mock) {
  Object.assign(mock.circuits.get('payments').settings, { open_for: '10s' });
  Object.assign(mock.circuits.get('mail').settings, { open_for: '30s' });
  Object.assign(mock.circuits.get('search').settings, { open_for: '20s' });
  past(mock);
  story(mock);
  mock.circuits.get('payments').rate = .5;
}

if (process.argv[1] && import.meta.url === new URL(`file://${process.argv[1]}`).href) {
  const mock = await new Mock({ port: Number(process.argv[2]) || 8080, circuits: many(Number(process.argv[3]) || 48) }).start();
  await scene(mock);
  console.log(mock.url);
}
