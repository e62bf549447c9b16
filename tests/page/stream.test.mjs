// How the page lives with its stream: what breaks off, lags, cannot be read or is started anew is told, and nothing of it is kept.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Mock, many } from './mock.mjs';
import { ANSWERS, card, headline, live, shut, soon, until, withPage } from './support.mjs';

after(shut);

const few = { mock: { circuits: many(12) } };

test('a countdown goes by the server\'s clock, and stands still when nothing is heard', withPage({ mock: { circuits: many(3), skew: 3_600_000 } }, async ({ mock, page }) => {
  mock.trip('search', 20);
  const left = async () => parseFloat(await card(page, 'search').locator('.next b').textContent());
  await until('it counts down from 20', async () => await left() <= 20);
  mock.silent = true;
  await page.locator('#link[data-is=stale]').waitFor();
  await page.waitForTimeout(500);
  const frozen = await left();
  await page.waitForTimeout(1500);
  assert.equal(await left(), frozen);
}));

const told = (page, name) => card(page, name).locator('canvas').getAttribute('aria-label');

test('a server whose clock is set back is followed', withPage(few, async ({ mock, page }) => {
  mock.trip('tax', 3600);
  await until('calls are told', async () => /[1-9]\d* rejected/.test(await told(page, 'tax')));
  mock.skew -= 600_000;
  await page.waitForTimeout(3000);
  await live(page);
  const before = await told(page, 'tax');
  await until('calls go on', async () => await told(page, 'tax') !== before);
  await until('and nothing is wrong', () => page.locator('#trouble').isHidden());
}));

test('calls of a time that nobody watched are told as unknown', withPage({ ...few, before: mock => { mock.watchedFor = 10; } }, async ({ mock, page }) => {
  mock.trip('tax', 3600);
  await until('it says how many seconds are known', async () => /^Calls of the last 5 minutes, of which 1\d seconds are known: /.test(await told(page, 'tax')));
}));

test('a server that is silent is called stale, and live again when it speaks', withPage(few, async ({ mock, page }) => {
  mock.silent = true;
  await page.locator('#link[data-is=stale]').waitFor();
  assert.match(await page.locator('#trouble').innerText(), /Stale since \d\d:\d\d:\d\d/);
  assert.ok(await page.evaluate(() => document.body.classList.contains('stale')));
  mock.silent = false;
  await live(page);
  await until('the line about it is gone', () => page.locator('#trouble').isHidden());
}));

test('a server that is started anew is shown within three seconds', withPage({ ...few, quiet: ANSWERS }, async ({ mock, page }) => {
  mock.trip('tax', 60);
  await card(page, 'tax').waitFor();
  const { port } = mock;
  let second = mock;
  try {
    await soon('a new server was shown', 3000, async n => {
      await second.stop();
      await page.locator('#link[data-is=waiting]').waitFor();
      assert.match(await page.locator('#trouble').innerText(), /Stale since/);
      await page.waitForTimeout(2500);
      second = await new Mock({ port, circuits: { mail: {}, ...Object.fromEntries(['reborn', 'again', 'anew'].slice(0, n + 1).map(name => [name, {}])) } }).start();
      const start = Date.now();
      await until('the new circuits are there', async () => await headline(page) === `All ${n + 2} circuits let calls through`);
      return Date.now() - start;
    });
    assert.equal(await page.locator('.card').count(), 0, 'what the old one said is gone');
    await page.locator('#log li.gap', { hasText: 'started anew' }).first().waitFor();
    // Ids begin anew, too, and what they name comes above.
    second.trip('mail', 60);
    await page.locator('#log li', { hasText: '`mail` opened' }).waitFor();
    assert.match(await page.locator('#log li').allInnerTexts().then(all => all.join('|')), /mail.*started anew.*tax/s);
    // At once, with a circuit of the same name whose eras have begun anew.
    await second.stop();
    const third = await new Mock({ port, circuits: { mail: {} } }).start();
    third.silent = true;
    try { await until('the third is there', async () => await headline(page) === 'The only circuit lets calls through'); } finally { await third.stop(); }
  } finally { await second.stop(); }
}));

test('after a break of the connection nothing is missed and nothing is twice', withPage({ ...few, quiet: ANSWERS }, async ({ mock, page }) => {
  mock.trip('tax', 60);
  await page.locator('#log li', { hasText: '`tax` opened' }).waitFor();
  mock.refuse = 503;
  for (const stream of mock.streams) stream.destroy();
  await page.locator('#link[data-is=waiting]').waitFor();
  await until('the reason is told', async () => /too many streams/.test(await page.locator('#trouble').innerText()));
  mock.trip('mail', 60);
  mock.refuse = null;
  await live(page);
  await card(page, 'mail').waitFor();
  await page.locator('#log li', { hasText: '`mail` opened' }).waitFor();
  assert.equal(await page.locator('#log li', { hasText: '`tax` opened' }).count(), 1);
  assert.equal(await page.locator('#log li.gap').count(), 0);
}));

test('details outlive that their circuit goes and comes again, and a break of the connection', withPage({ ...few, quiet: ANSWERS }, async ({ mock, page }) => {
  const details = page.locator('#details'), wrong = details.locator('.wrong'), c = mock.circuits.get('search');
  const sound = () => until('nothing is wrong', async () => await wrong.textContent() === '' && await details.locator('.buttons button').count() === 5);
  await page.getByRole('button', { name: 'search', exact: true }).click();
  await sound();
  mock.circuits.delete('search');
  mock.send(`event: update\ndata: ${JSON.stringify({ now: mock.at(), circuits: [], calls: [], gone: ['search'] })}\n\n`);
  await wrong.filter({ hasText: 'This circuit is not there (any more).' }).waitFor();
  mock.circuits.set('search', c);
  await sound();
  // What was asked for when the connection broke has failed, though nothing has changed since.
  mock.circuits.delete('search');
  mock.send(`event: event\nid: ${mock.boot}.900\ndata: ${JSON.stringify({ id: 900, at: mock.at(), circuit: 'search', era: 1, from: 'closed', to: 'open', mode: 'normal', cause: 'manual', kind: 'opened', text: 'circuit `search` opened' })}\n\n`);
  await wrong.filter({ hasText: 'no circuit is named' }).waitFor();
  Object.assign(c, { state: 'open', era: 1, left: mock.windowOf(c), cause: { label: 'manual', text: 'by hand' } });
  mock.circuits.set('search', c);
  for (const stream of mock.streams) stream.destroy();
  await sound();
}));

test('what cannot be read is told, and what can be is shown', withPage({ ...few, quiet: [/could not be read/] }, async ({ mock, page }) => {
  mock.send('event: update\ndata: {"now":"' + mock.at() + '","circuits":[{"name":7},{"state":"open"}],"calls":[[1]],"gone":[]}\n\n');
  await page.locator('#trouble', { hasText: '2 messages of the server could not be read' }).waitFor();
  mock.trip('tax', 30);
  await card(page, 'tax').waitFor();
  const before = mock.opened;
  mock.send('event: update\ndata: {"now":\n\n');
  await until('everything is asked for again', () => mock.opened > before);
  await until('and the line about it is gone', () => page.locator('#trouble').isHidden());
}));

test('half an event at the end of a stream is none', withPage({ ...few, quiet: ANSWERS }, async ({ mock, page }) => {
  const event = { id: 900, at: mock.at(), circuit: 'tax', tags: {}, era: 9, kind: 'opened', to: 'open', mode: 'normal', cause: 'manual', text: 'never told' };
  mock.silent = true;
  mock.send(`event: event\nid: ${mock.boot}.900\ndata: ${JSON.stringify(event)}\n`);
  await page.waitForTimeout(200);
  for (const stream of mock.streams) stream.end();
  mock.silent = false;
  await until('it has connected again', () => mock.opened > 1);
  await live(page);
  assert.equal(await page.locator('#log li', { hasText: 'never told' }).count(), 0);
  assert.equal(await page.locator('.card').count(), 0);
}));

test('events that were missed, and a stream that lags, are told', withPage(few, async ({ mock, page }) => {
  mock.trip('tax', 60);
  await page.locator('#log li', { hasText: '`tax` opened' }).waitFor();
  mock.send('event: reset\ndata: {"why":"older than what is kept"}\n\n');
  await page.locator('#log li.gap', { hasText: 'missed' }).waitFor();
  mock.send('event: lagged\ndata: {"lost":1200}\n\n');
  await page.locator('#log li.gap', { hasText: 'too slow for 1,200 events' }).waitFor();
  const second = mock.second.bind(mock), past = [];
  // From now on each update comes five seconds late.
  const send = mock.send.bind(mock);
  mock.send = text => { past.push(text); if (past.length > 5) send(past.shift()); else send(text.replace(/"now":"[^"]*"/, `"now":"${mock.at(mock.now() - 5000)}"`)); };
  second();
  await page.locator('#link', { hasText: 'behind' }).waitFor();
  await page.locator('#trouble', { hasText: 'The stream lags' }).waitFor();
}));

test('a hidden page holds no stream, and has all of it when it is seen again', withPage(few, async ({ mock, page }) => {
  const hide = yes => page.evaluate(yes => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => yes });
    document.dispatchEvent(new Event('visibilitychange'));
  }, yes);
  assert.equal(mock.streams.size, 1);
  await hide(true);
  await until('the stream is closed', () => mock.streams.size === 0);
  mock.trip('tax', 60);
  await hide(false);
  await card(page, 'tax').waitFor();
  await page.locator('#log li', { hasText: '`tax` opened' }).waitFor();
  assert.equal(mock.streams.size, 1);
}));

test('the heap stays flat over hours', withPage({ mock: { circuits: many(60) } }, async ({ mock, page, context }) => {
  clearInterval(mock.timer);
  const session = await context.newCDPSession(page);
  const used = async () => {
    await session.send('HeapProfiler.collectGarbage');
    return (await session.send('Runtime.getHeapUsage')).usedSize;
  };
  const names = [...mock.circuits.keys()];
  const run = async seconds => {
    for (let i = 0; i < seconds; i++) {
      mock.skew += 1000;
      if (i % 5 === 0) mock.trip(names[i % names.length], 2); else if (i % 5 === 2) mock.change(names[(i - 2) % names.length], 'closed', { cause: 'recovered' });
      mock.second();
      await new Promise(done => setTimeout(done, 3));
    }
    await page.waitForTimeout(700);
  };
  await run(320);
  const before = await used(), nodes = await page.evaluate(() => document.querySelectorAll('*').length);
  await run(500);
  const grown = await used() - before, more = await page.evaluate(() => document.querySelectorAll('*').length) - nodes;
  console.log(`the heap has grown by ${Math.round(grown / 1024)} KiB from ${Math.round(before / 1024)} KiB in 500 s of traffic and 200 events`);
  assert.ok(grown < 600_000, `${grown} bytes`);
  assert.ok(Math.abs(more) < 300, `${more} nodes more`);
  assert.ok(await page.locator('#log li').count() <= 150);
}));
