// The live page, in a real browser. Against the server of mock.mjs.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { many, scene } from './mock.mjs';
import { ANSWERS, card, headline, live, seenWithinASecond, shut, until, withPage } from './support.mjs';

after(shut);

const few = { mock: { circuits: many(12) } };
const strangest = {
  markup: '<img src=x onerror="alert(1)"><script>alert(2)</script>',
  turned: 'paid\u202Egnp.exe',
  lines: 'first\nsecond',
  long: 'ü'.repeat(128),
  proto: '__proto__',
  constructor_: 'constructor',
  blank: ' ',
  quoted: '"\'`&amp;%2e%2e/../?name=x#',
};

test('a trip is seen within a second, large, with its cause and its countdown', withPage(few, async ({ mock, page }) => {
  await until('the headline is calm', async () => await headline(page) === 'All 12 circuits let calls through');
  await seenWithinASecond(page, n => { mock.trip(['tax', 'mail', 'auth'][n], 30); return ['tax', 'mail', 'auth'][n]; }, n => mock.change(['tax', 'mail', 'auth'][n], 'closed', { cause: 'recovered' }));
  // By its event alone, before the next update: nothing but the machine is slow then.
  mock.silent = true;
  mock.trip('search', 30);
  await card(page, 'search').waitFor();
  const text = await card(page, 'search').innerText();
  assert.match(text, /Open\s+for/);
  assert.match(text, /70 % at trip, threshold 50 %/);
  assert.match(text, /14 of 20 calls failed/);
  assert.match(text, /next probe in\s*(2\d|30) s/);
  await until('the headline says so', async () => await headline(page) === '1 of 12 circuits rejects calls');
  await until('and the title', async () => await page.title() === '(1) Circuits');
  await page.locator('#log li', { hasText: 'circuit `search` opened' }).waitFor();
  await page.locator('#speak', { hasText: 'search: open.' }).waitFor();
}));

test('after a failed probe, how the outage began stays, and how it opened last is told beside it', withPage(few, async ({ mock, page }) => {
  const { last, why } = Object.fromEntries(['last', 'why'].map(part => [part, card(page, 'search').locator(`.${part}`)]));
  const both = async () => /14 of 20 calls failed/.test(await why.textContent()) && await last.isVisible() && await last.textContent() === 'last: a probe failed';
  mock.trip('search', 30);
  await card(page, 'search').waitFor();
  assert.ok(await last.isHidden(), 'it has opened but once');
  // By its event alone, and then by what the server says.
  mock.silent = true;
  mock.fail('search', 30);
  await until('both, by the event', both);
  mock.silent = false;
  mock.circuits.get('search').again.text = 'the probes timed out';
  await until('what the server says', async () => await last.textContent() === 'last: the probes timed out');
  assert.match(await why.textContent(), /14 of 20 calls failed/);
  await card(page, 'search').locator('button', { hasText: 'Details' }).click();
  const fact = name => page.locator('#details .facts div').filter({ has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd').textContent();
  assert.match(await fact('Opened'), /^14 of 20 calls failed/);
  assert.equal(await fact('Opened again'), 'the probes timed out');
}));

test('what is around a breaker is one line of its details, and says what is wrong', withPage(few, async ({ mock, page }) => {
  const fact = page.locator('#details .facts div').filter({ has: page.locator('dt', { hasText: /^Around it$/ }) }).locator('dd');
  const show = parts => { const c = mock.circuits.get('search'); c.parts = parts; c.changed = true; };
  mock.trip('search', 30);
  await card(page, 'search').waitFor();
  await card(page, 'search').locator('button', { hasText: 'Details' }).click();
  assert.equal(await fact.count(), 0, 'of a circuit that is just a breaker');
  const parts = { call_timeout_seconds: .8, timed_out: { call: 3, probe: 0, caller: 1 }, bulkhead: { places: 20, taken: 20, waiting: 3, rejected: 7 },
    fallbacks: [{ kind: 'cached', cause: 'half_open_full', answered: 41, failed: 2 }], hidden_failures: 0, retries: { retried: 5, exhausted: 1 },
    queue: { entries: 1, bytes: 912, oldest_seconds: 4.1, kept: 40, refused: 2, delivered: 39, dead: 0 }, unused: [] };
  show(parts);
  await until('the parts', async () => await fact.count() === 1);
  assert.equal(await fact.textContent(), 'bulkhead 20 of 20, 3 waiting, 7 rejected; 1 call kept for later, the oldest for 4.1 s, 2 refused; calls limited to 0.8 s; 4 cut off; 41 answered by cached (half open full), 2 failed as well; 5 repeated');
  show({ ...parts, bulkhead: null, fallbacks: [], retries: null, queue: null, timed_out: null, call_timeout_seconds: null, hidden_failures: 9, misplaced_calls: 2, unused: ['<b>bulkhead'] });
  await until('what is wrong', async () => /wrong/.test(await fact.textContent()));
  assert.equal(await fact.textContent(), 'wrong: 9 failures hidden by a fallback inside the breaker; wrong: 2 calls met a queue inside the breaker; wrong: nothing keeps to the setting <b>bulkhead');
}));

test('a circuit that sheds is shown as one that refuses a share, and no longer once that is over', withPage(few, async ({ mock, page }) => {
  await until('the headline is calm', async () => await headline(page) === 'All 12 circuits let calls through');
  mock.sheds('search', .604);
  await card(page, 'search').waitFor();
  const text = async () => (await card(page, 'search').innerText()).replace(/\s+/g, ' ');
  assert.match(await text(), /^Shedding search refuses 60 %/);
  assert.match(await text(), /[\d.,]+ of [\d.,]+ calls? failed/);
  await until('the headline says so', async () => await headline(page) === '1 of 12 circuits rejects a share of the calls');
  assert.equal(await page.locator('#attention-title').textContent(), 'Rejecting a share of the calls');
  await until('and the title', async () => await page.title() === '(1) Circuits');
  await page.locator('#log li[data-kind=half_open]', { hasText: 'circuit `search` sheds calls (60.4 % at first): 80 of 100 calls failed' }).waitFor();
  await page.locator('#speak', { hasText: 'search: shedding.' }).waitFor();
  // At the edge the share comes and goes, and nothing jumps.
  mock.sheds('search', 0);
  await page.locator('#log li[data-kind=closed]', { hasText: 'sheds no more calls' }).waitFor();
  await until('the share', async () => /refuses 0 %/.test(await text()));
  mock.sheds('search', .25);
  await until('the share again', async () => /refuses 25 %/.test(await text()));
  await card(page, 'search').locator('button', { hasText: 'Details' }).click();
  const fact = page.locator('#details .facts div').filter({ has: page.locator('dt', { hasText: /^Refuses$/ }) }).locator('dd');
  assert.equal(await fact.textContent(), '25 %');
  await page.keyboard.press('Escape');
  // One that is open refuses more than a share.
  mock.trip('tax', 30);
  await until('both', async () => await headline(page) === '2 of 12 circuits reject calls');
  mock.change('tax', 'closed', { cause: 'recovered' });
  mock.sheds('search', 0);
  mock.traffic = false;
  await until('it is over', async () => await headline(page) === 'All 12 circuits let calls through');
  await card(page, 'search').waitFor({ state: 'hidden' });
}));

test('in shadow nothing is refused, so nobody is alarmed', withPage(few, async ({ mock, page }) => {
  mock.change('search', 'closed', { mode: 'shadow' });
  mock.sheds('search', .604);
  await page.locator('#log li[data-kind=passive]', { hasText: 'sheds calls' }).waitFor();
  await page.getByRole('button', { name: 'search', exact: true }).click();
  const fact = page.locator('#details .facts div').filter({ has: page.locator('dt', { hasText: /^Would refuse$/ }) }).locator('dd');
  await until('the share', async () => await fact.count() === 1 && await fact.textContent() === '60 %');
  assert.equal(await headline(page), 'All 12 circuits let calls through');
  assert.ok(await card(page, 'search').isHidden());
}));

const FLEET = { attached: true, since_seconds: 7, why: null, stamp: { era: 3, nonce: 9 }, state: 'closed', forced: false, cause: null, who: null, attempt: 0, contributors: 48, agreeing: 3, window: { calls: 0, failures: 0, slow: 0 }, consecutive_failures: 0, seats: 0, mismatch: false, refused: 0 };

test('with whom a circuit is shared is one line of its details, and so is why it is alone', withPage(few, async ({ mock, page }) => {
  const fact = name => page.locator('#details .facts div').filter({ has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd');
  const line = fact('Fleet'), show = fleet => { const c = mock.circuits.get('search'); c.fleet = fleet; c.changed = true; };
  mock.trip('search', 30);
  await card(page, 'search').waitFor();
  await card(page, 'search').locator('button', { hasText: 'Details' }).click();
  assert.equal(await line.count(), 0, 'of a circuit that is not shared');
  const reads = words => until(words, async () => await line.count() === 1 && await line.textContent() === words);
  show(FLEET);
  await reads('shared, 48 instances have calls, 3 of them see it fail');
  show({ ...FLEET, contributors: 1, agreeing: 1, state: 'half_open', cause: '<b>62 of 120', who: 'ops', seats: 1, mismatch: true, refused: 2 });
  await reads('shared, 1 instance has calls, 1 of them sees it fail; the fleet is half-open: <b>62 of 120 (by ops); 1 seat for probes; wrong: other instances have other settings; wrong: 2 answers of the store refused');
  show({ ...FLEET, attached: false, why: 'timed_out', since_seconds: 7200 });
  await until('alone', async () => /^alone for .*: timed out$/.test(await line.textContent()));
  show({ ...FLEET, attached: false, why: 'off' });
  await reads('not shared: turned off');
  // A break that is over is not the end of it.
  Object.assign(mock.circuits.get('search'), { until: mock.now() - 1 });
  show({ ...FLEET, state: 'open' });
  await until('no promise', async () => await fact('Next probe in').textContent() === 'as the fleet decides');
}));

test('what is done to a shared circuit says to how many it is done', withPage(few, async ({ mock, page }) => {
  const c = mock.circuits.get('search'), dialog = page.locator('#act'), will = dialog.locator('.will');
  mock.trip('search', 30);
  Object.assign(c, { fleet: FLEET, changed: true });
  await card(page, 'search').waitFor();
  const open = async name => { await card(page, 'search').locator('button', { hasText: name }).first().click(); await dialog.waitFor(); };
  const where = dialog.locator('label', { hasText: /^Where/ }).locator('select');
  const send = async () => { await dialog.locator('label', { hasText: /^Reason/ }).locator('input').fill('a test'); await dialog.locator('button[type=submit]').click(); };
  await until('it is known to be shared', async () => { await open('Force open'); const is = /On all instances of its fleet\.$/.test(await will.textContent()); if (!is) await dialog.locator('button', { hasText: 'Cancel' }).click(); return is; });
  await where.selectOption('here');
  assert.match(await will.textContent(), /On this instance only\.$/);
  mock.heard = { heard: null, only_here: null };
  await send();
  await until('sent', () => mock.last?.action === 'force-open');
  assert.equal(mock.last.body.here, true);
  await dialog.waitFor({ state: 'hidden' });
  // For all, and none of them could be told.
  mock.heard = { heard: null, only_here: 'not_reached' };
  await open('Release');
  await send();
  await until('told so', async () => /on this instance only.*not reached/.test(await dialog.locator('.wrong').textContent()));
  assert.equal(mock.last.body.here, undefined);
}));

test('a button stays the same while numbers and states change: no click is lost, and the focus is kept', withPage(few, async ({ mock, page }) => {
  mock.trip('search', 30);
  const shown = card(page, 'search'), numbers = () => shown.locator('figcaption').textContent();
  const button = of => of.locator('button', { hasText: /^Force open/ });
  await button(shown).waitFor();
  const later = async () => { const before = await numbers(); await until('other numbers', async () => await numbers() !== before); };
  // A slow hand: what the server says arrives between the press and the release.
  const press = async (of, meanwhile) => {
    await button(of).hover();
    await page.mouse.down();
    await meanwhile();
    await page.mouse.up();
    await page.locator('#act h2', { hasText: 'Force open' }).waitFor();
    await page.locator('#act button', { hasText: 'Cancel' }).click();
    await page.locator('#act').waitFor({ state: 'hidden' });
  };
  const focused = of => button(of).evaluate(it => it === document.activeElement);
  await press(shown, later);
  assert.ok(await focused(shown), 'back on the button, when the dialog is closed');
  await later();
  assert.ok(await focused(shown), 'and still there');
  const details = page.locator('#details');
  await shown.locator('button', { hasText: 'Details' }).click();
  await press(details, later);
  mock.change('search', 'half_open', {});
  await details.locator('.state', { hasText: 'Half-open' }).waitFor();
  assert.ok(await focused(details), 'in another state, too');
  // Other buttons are offered now, and some of those that were.
  mock.change('search', 'closed', {});
  await details.locator('.state', { hasText: 'Closed' }).waitFor();
  assert.ok(await focused(details), 'among other buttons, too');
  await details.locator('.buttons button', { hasText: /^Trip/ }).waitFor();
  assert.deepEqual((await details.locator('.buttons button').allTextContents()).map(words => words.split(' ')[0]), ['Force', 'Trip', 'Reset', 'Change', 'Change']);
}));

test('what is selected to be copied stays selected, and a list that is read does not move', withPage(few, async ({ mock, page }) => {
  const details = page.locator('#details'), facts = details.locator('.facts'), history = details.locator('.history');
  mock.trip('search', 300);
  for (let i = 0; i < 30; i++) mock.fail('search', 300);
  await card(page, 'search').locator('button', { hasText: 'Details' }).click();
  await until('its events', async () => await history.locator('li').count() === 61);
  const select = part => part.evaluate(it => getSelection().selectAllChildren(it)), selected = () => page.evaluate(() => String(getSelection()));
  await select(facts.locator('div', { has: page.locator('dt', { hasText: /^Opened$/ }) }).locator('dd'));
  const cause = await selected(), before = await facts.textContent();
  assert.match(cause, /^14 of 20 calls failed/);
  await until('other facts', async () => await facts.textContent() !== before);
  assert.equal(await selected(), cause);
  // An event that is read, while others come.
  const first = history.locator('li').last();
  await first.evaluate(it => { it.parentNode.scrollTop = it.parentNode.scrollHeight / 2; });
  const read = await history.evaluateHandle(list => [...list.children].find(li => li.getBoundingClientRect().top > list.getBoundingClientRect().top));
  const top = () => read.evaluate(li => Math.round(li.getBoundingClientRect().top - li.parentNode.getBoundingClientRect().top)), was = await top();
  await select(read);
  const words = await selected();
  mock.fail('search', 300);
  await until('more events', async () => await history.locator('li').count() === 63);
  assert.equal(await selected(), words);
  await until('it is where it was', async () => Math.abs(await top() - was) < 2);
  // What is selected of the settings, too.
  const setting = name => details.locator('.settings tr', { has: page.locator('th', { hasText: name }) }).locator('bdi');
  await select(setting('open_for'));
  mock.set('search', { failure_rate: '0.7' });
  mock.circuits.get('search').changed = true;
  await until('another setting', async () => await setting('failure_rate').textContent() === '0.7');
  assert.equal(await selected(), '5s');
}));

test('the focus stays with its circuit, be that a row or a card, and never comes to another', withPage({ mock: { circuits: many(60) } }, async ({ mock, page }) => {
  const at = () => page.evaluate(() => document.activeElement.closest('.card, #rows tr')?.querySelector('bdi').textContent);
  const row = name => page.locator('#rows').getByRole('button', { name, exact: true }), stays = name => until(`the focus is at ${name}`, async () => await at() === name);
  const closes = async name => { mock.change(name, 'closed', { cause: 'recovered' }); await row(name).waitFor(); };
  const trips = async name => { mock.trip(name, 300); await card(page, name).waitFor(); };
  // A place beside it is free, so the cards do not grow, and the row's node is used for the next at the end.
  await trips('search');
  await row('mail').focus();
  await trips('mail');
  await stays('mail');
  await closes('mail');
  await stays('mail');
  await trips('mail');
  await card(page, 'mail').locator('button', { hasText: 'Force open' }).focus();
  await closes('mail');
  await stays('mail');
  // Meanwhile a dialog is open, which the browser leaves for the node where it was opened.
  await page.keyboard.press('Enter');
  await page.locator('#details .settings tr').first().waitFor();
  await trips('mail');
  await page.keyboard.press('Escape');
  await stays('mail');
  await card(page, 'mail').locator('button', { hasText: 'Force open' }).click();
  await closes('mail');
  await page.keyboard.press('Escape');
  await stays('mail');
}));

// The server answers what is asked of it when the test says so.
function slowly(mock) {
  const act = mock.act.bind(mock), held = [];
  mock.act = (...all) => held.push(() => act(...all));
  return { hold: answer => held.push(answer), asked: () => held.length, answer: () => held.shift()() };
}

test('an answer that comes late leaves the dialog that is open by then as it is', withPage(few, async ({ mock, page }) => {
  const server = slowly(mock), act = page.locator('#act'), reset = name => card(page, name).locator('button', { hasText: 'Reset' }).click();
  for (const name of ['tax', 'mail']) { mock.trip(name, 300); await card(page, name).waitFor(); }
  await reset('tax');
  await page.keyboard.type('the first');
  await page.keyboard.press('Enter');
  await until('it is asked', server.asked);
  await page.keyboard.press('Escape');
  await reset('mail');
  await page.keyboard.type('the sec');
  server.answer();
  await page.locator('#speak', { hasText: 'Done: reset tax.' }).waitFor();
  await page.keyboard.type('ond');
  await page.keyboard.press('Enter');
  await until('it is asked again', server.asked);
  server.answer();
  await act.waitFor({ state: 'hidden' });
  assert.deepEqual(mock.last.body, { name: 'mail', reason: 'the second' });
}));

test('what is refused after its dialog was left is told in the log', withPage({ ...few, quiet: ANSWERS }, async ({ mock, page }) => {
  const server = slowly(mock), told = words => page.locator('#log li.gap', { hasText: words }).waitFor();
  mock.trip('tax', 300);
  await card(page, 'tax').locator('button', { hasText: 'Reset' }).click();
  await page.keyboard.type('because');
  const leave = async () => {
    await page.keyboard.press('Enter');
    await until('it is asked', server.asked);
    await page.keyboard.press('Escape');
  };
  await leave();
  mock.circuits.delete('tax');
  server.answer();
  await told(/^\S+ Reset of “tax”: .*no such circuit/);
  await page.locator('#configure').click();
  await page.locator('#act textarea').fill('{"defaults":{}}');
  await page.locator('#act input').fill('because');
  mock.act = (action, body, say) => server.hold(() => say(422, { error: 'nothing is said in it' }));
  await leave();
  server.answer();
  await told(/^\S+ Configuration: .*nothing is said in it/);
}));

test('what is applied is what was planned, whatever is typed meanwhile', withPage(few, async ({ mock, page }) => {
  const server = slowly(mock), source = page.locator('#act textarea'), go = page.locator('#act button.act');
  await page.locator('#configure').click();
  await source.fill('{"defaults":{"failure_rate":0.6}}');
  await page.locator('#act input').fill('because');
  for (const press of ['Plan', 'Apply']) {
    await go.filter({ hasText: press }).click();
    await until('it is asked', server.asked);
    await source.focus();
    await page.keyboard.press('Control+Home');
    for (const key of ['ArrowRight', 'Delete', ' ']) await page.keyboard.press(key);
    server.answer();
    await (press === 'Plan' ? go.filter({ hasText: 'Apply' }) : page.locator('#act[open]')).waitFor({ state: press === 'Plan' ? 'visible' : 'hidden' });
    assert.deepEqual(mock.last, { action: press.toLowerCase(), body: { configuration: { defaults: { failure_rate: .6 } }, reason: 'because', ...(press === 'Apply' ? { version: 7 } : {}) } });
  }
}));

test('nothing moves under a hand that presses, and not for long', withPage(few, async ({ mock, page }) => {
  const told = n => until('it is told', async () => await page.title() === `(${n}) Circuits`);
  mock.trip('tax', 300);
  await card(page, 'tax').locator('button', { hasText: 'Reset' }).hover();
  // A machine that does much else may be slower than a press may last: then it is pressed again.
  await until('what was pressed is what is clicked', async () => {
    await page.mouse.down();
    mock.trip('auth', 300);
    await told(2);
    await page.mouse.up();
    const is = await page.locator('#act').evaluate(act => act.open && act.querySelector('h2').textContent);
    if (is === 'Reset: tax') return true;
    mock.change('auth', 'closed', { cause: 'recovered' });
    await card(page, 'auth').waitFor({ state: 'detached' });
    await told(1);
    return false;
  });
  await card(page, 'auth').waitFor();
  await page.locator('#act button', { hasText: 'Cancel' }).click();
  // One that is never let go.
  await page.mouse.down();
  mock.trip('mail', 300);
  await card(page, 'mail').waitFor();
}));

test('settings that are loaded anew under a hand that types keep what it types, and the focus', withPage({ ...few, quiet: ANSWERS }, async ({ mock, page }) => {
  const input = name => page.locator(`#act input[aria-label=${name}]`), wrong = page.locator('#act .wrong');
  await page.getByRole('button', { name: 'tax', exact: true }).click();
  await page.locator('#details .buttons button', { hasText: 'Change settings' }).click();
  await input('failure_rate').waitFor();
  await page.locator('#act .field', { hasText: 'Reason' }).locator('input').fill('because');
  await input('failure_rate').fill('0.7');
  Object.assign(mock.circuits.get('tax'), { version: 2 }).settings.open_for = '9s';
  await page.keyboard.press('Enter');
  await wrong.filter({ hasText: 'Somebody has changed the settings meanwhile' }).waitFor();
  await until('what holds now is there', async () => await input('open_for').inputValue() === '9s');
  await page.keyboard.type('5');
  assert.equal(await input('failure_rate').inputValue(), '0.75');
  await page.keyboard.press('Enter');
  await page.locator('#act').waitFor({ state: 'hidden' });
  assert.deepEqual(mock.last.body, { name: 'tax', reason: 'because', settings: { failure_rate: .75 }, version: 2 });
}));

test('an older server, which tells only how it opened last, is shown as it was', withPage({ mock: { circuits: many(12), again: false } }, async ({ mock, page }) => {
  const why = card(page, 'search').locator('.why');
  mock.trip('search', 30);
  await until('its cause', async () => /14 of 20 calls failed/.test(await why.textContent()));
  mock.silent = true;
  mock.fail('search', 30);
  await until('the new one, by the event', async () => await why.textContent() === 'a probe failed');
  mock.silent = false;
  await page.waitForTimeout(1200);
  assert.equal(await why.textContent(), 'a probe failed');
  assert.ok(await card(page, 'search').locator('.last').isHidden());
}));

test('names are text, whatever is in them', withPage({ mock: { circuits: Object.fromEntries(Object.values(strangest).map(name => [name, { tags: { [name]: name } }])) } }, async ({ mock, page }) => {
  // Once as rows, once as cards, once as details, once in a dialog, once as groups.
  await until('all are there', async () => await page.locator('#rows tr').count() === Object.keys(strangest).length);
  const shown = await page.locator('#rows .name button').allTextContents();
  for (const text of ['__proto__', 'constructor', 'paid‹U+202E›gnp.exe', 'first␊second', strangest.markup, strangest.long, strangest.quoted, '“ ”']) assert.ok(shown.includes(text), `${text} among ${shown}`);
  for (const name of Object.values(strangest)) mock.trip(name, 60);
  await until('each has a card', async () => await page.locator('.card').count() === 8);
  assert.equal(await page.locator('.card bdi').count() > 0, true);
  for (const key of ['markup', 'proto', 'constructor_', 'quoted']) {
    await page.evaluate(name => { location.hash = new URLSearchParams({ circuit: name }); }, strangest[key]);
    await page.locator('#details .settings tr').first().waitFor();
    await page.locator('#details .buttons button').first().click();
    await page.locator('#act input').last().waitFor();
    await page.locator('#act button', { hasText: 'Cancel' }).click();
    await page.locator('#details button', { hasText: 'Close' }).click();
  }
  await page.locator('#group').selectOption({ index: 3 });
  assert.equal(await page.locator('img, #rows script, .card script').count(), 0);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the window');
  assert.equal(await page.evaluate(() => ({}).tags), undefined);
}));

test('force open and release with the keyboard alone; each dialog says what it will do', withPage(few, async ({ mock, page }) => {
  const press = keys => page.keyboard.press(keys);
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  await press('/');
  await page.keyboard.type('inventory');
  await until('one is left', async () => await page.locator('#rows tr').count() === 1);
  for (let i = 0; i < 12 && await focused() !== 'inventory'; i++) await press('Tab');
  assert.equal(await focused(), 'inventory');
  await press('Enter');
  await page.locator('#details button', { hasText: 'Force open' }).waitFor();
  for (let i = 0; i < 12 && !/^Force open/.test(await focused()); i++) await press('Tab');
  await press('Enter');
  const will = page.locator('#act .will');
  assert.match(await will.textContent(), /Rejects all calls of “inventory” from now on, until somebody releases it\. It does not recover by itself\./);
  await press('ArrowDown');
  await press('ArrowDown');
  await until('it says for how long', async () => /for 1 min\. Then closes it, cleared/.test(await will.textContent()));
  await press('Tab');
  await press('Enter');
  await page.waitForTimeout(100);
  assert.equal(mock.last, undefined, 'nothing is done without a reason');
  await page.keyboard.type('INC-7');
  await press('Tab');
  await page.keyboard.type('kim');
  await press('Enter');
  await until('the server was told', () => mock.last);
  assert.deepEqual(mock.last, { action: 'force-open', body: { name: 'inventory', reason: 'INC-7', by: 'kim', for: '1m' } });
  await page.locator('#details .state', { hasText: 'Forced open' }).waitFor();
  assert.match(await page.locator('#details').innerText(), /By kim: INC-7/);
  await press('Escape');
  await until('the focus is on the page again', () => page.evaluate(() => !document.querySelector('dialog[open]')));
  for (let i = 0; i < 30 && !/^Release/.test(await focused()); i++) await press('Tab');
  await press('Enter');
  assert.match(await will.textContent(), /Ends forced open of “inventory”/);
  await page.keyboard.type('over');
  await press('Enter');
  await until('it is released', () => mock.circuits.get('inventory').mode === 'normal');
  await until('and so it is shown', async () => await page.locator('.card').count() === 0);
}));

test('each kind of control asks for what the server wants', withPage({ ...few, quiet: ANSWERS }, async ({ mock, page }) => {
  const act = async (name, fill) => {
    await page.locator('#details .buttons button', { hasText: name }).click();
    await page.locator('#act .field', { hasText: 'Reason' }).locator('input').fill('because');
    await fill?.();
    await page.locator('#act button.act').click();
  };
  const done = () => page.locator('#act').waitFor({ state: 'hidden' });
  await page.locator('#rows button', { hasText: 'tax' }).click();
  await act('Trip', () => page.locator('#act select').selectOption('5m'));
  await done();
  assert.deepEqual(mock.last.body, { name: 'tax', reason: 'because', for: '5m' });
  await act('Reset');
  await done();
  assert.equal(mock.last.action, 'reset');
  await act('Change mode', async () => assert.match(await page.locator('#act .will').textContent(), /only reports/));
  await done();
  assert.deepEqual(mock.last.body, { name: 'tax', reason: 'because', mode: 'shadow' });
  await act('Force open', async () => {
    await page.locator('#act select').selectOption('other');
    await page.locator('#act input').first().fill('soon');
  });
  await page.locator('#act .wrong', { hasText: 'Field: for. Allowed: a time such as 30s.' }).waitFor();
  await page.locator('#act button', { hasText: 'Cancel' }).click();
  // Two people at once: the second is told, sees what the first has done, and does not lose what was typed.
  await act('Change settings', async () => {
    await page.locator('#act input[aria-label=failure_rate]').fill('1.5');
    mock.circuits.get('tax').version = 2;
    mock.circuits.get('tax').settings.open_for = '9s';
    assert.match(await page.locator('#act .will').textContent(), /Changes failure_rate of “tax”/);
  });
  await page.locator('#act .wrong', { hasText: 'Somebody has changed the settings meanwhile' }).waitFor();
  await until('what holds now is there', async () => await page.locator('#act input[aria-label=open_for]').inputValue() === '9s');
  assert.equal(await page.locator('#act input[aria-label=failure_rate]').inputValue(), '1.5');
  await page.locator('#act button.act').click();
  await page.locator('#act .wrong', { hasText: 'Allowed: a share above 0, up to 1.' }).waitFor();
  await page.locator('#act input[aria-label=failure_rate]').fill('0.6');
  await page.locator('#act button.act').click();
  await done();
  assert.deepEqual(mock.last.body, { name: 'tax', reason: 'because', settings: { failure_rate: .6 }, version: 2 });
  await page.locator('#details .settings', { hasText: '0.6' }).waitFor();
  await page.locator('#details button', { hasText: 'Close' }).click();
  await page.locator('#configure').click();
  await page.locator('#act textarea').fill('{"defaults":{"count_window":500}}');
  await page.locator('#act input').fill('because');
  await page.locator('#act button', { hasText: 'Plan' }).click();
  await page.locator('#act .will', { hasText: 'It would be refused' }).waitFor();
  assert.equal(await page.locator('#act button', { hasText: 'Apply' }).count(), 0);
  await page.locator('#act textarea').fill('{"defaults":{"failure_rate":0.6}}');
  await page.locator('#act button', { hasText: 'Plan' }).click();
  await page.locator('#act .diff', { hasText: 'failure_rate 0.5 -> 0.6' }).waitFor();
  await page.locator('#act button', { hasText: 'Apply' }).click();
  await done();
  assert.deepEqual(mock.last, { action: 'apply', body: { configuration: { defaults: { failure_rate: .6 } }, reason: 'because', version: 7 } });
}));

test('there is no control where it is not mounted', withPage({ mock: { circuits: many(12), control: false }, before: mock => mock.trip('tax', 60), quiet: ANSWERS }, async ({ page }) => {
  await card(page, 'tax').waitFor();
  await card(page, 'tax').locator('button', { hasText: 'Details' }).click();
  await page.locator('#details .settings tr').first().waitFor();
  for (const name of [/^Force open/, /^Reset/, /^Trip/, /^Change/, /^Configuration/, /^Unlock/]) assert.equal(await page.locator('button:visible', { hasText: name }).count(), 0, String(name));
}));

test('a token is asked for, kept in memory only, and sent', withPage({ mock: { circuits: many(12), token: 'secret', viewToken: 'secret' }, live: false, quiet: ANSWERS }, async ({ page }) => {
  const give = async token => { await page.locator('#ask input').fill(token); await page.locator('#ask button', { hasText: 'Use it' }).click(); };
  await page.locator('#ask[open]').waitFor();
  await give('wrong');
  await page.locator('#ask[open]').waitFor();
  await give('secret');
  await live(page);
  await page.locator('#configure').waitFor();
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length), 0);
  assert.ok(!(await page.evaluate(() => location.href)).includes('secret'));
}));

test('where only control wants a token, nobody is asked for one who only looks', withPage({ mock: { circuits: many(12), token: 'secret' }, quiet: ANSWERS }, async ({ mock, page }) => {
  await page.locator('#unlock').waitFor();
  assert.equal(await page.locator('dialog[open]').count(), 0);
  await page.locator('#unlock').click();
  await page.locator('#ask input').fill('secret');
  await page.keyboard.press('Enter');
  await page.locator('#configure').waitFor();
  // It is taken back while a dialog is open: asked for again, and then done.
  await page.locator('#rows button', { hasText: 'tax' }).click();
  await page.locator('#details button', { hasText: 'Force open' }).click();
  await page.locator('#act input:visible').first().fill('because');
  mock.token = 'another';
  await page.locator('#act button.act').click();
  await page.locator('#ask input').fill('another');
  await page.keyboard.press('Enter');
  await until('it is done', () => mock.circuits.get('tax').mode === 'forced_open');
}));

test('filter, sort and group; what is chosen is in the address', withPage({ mock: { circuits: many(40) } }, async ({ mock, page }) => {
  const names = () => page.locator('#rows .name button').allTextContents();
  await page.locator('#filter').fill('tier=critical tenant');
  await until('what does not match is gone', async () => (await names()).length === 10);
  assert.match(await page.locator('#all-title').textContent(), /^10 circuits match$/);
  await page.locator('#filter').fill('');
  await page.locator('#group').selectOption('tier');
  await until('there are three groups', async () => await page.locator('#rows .group').count() >= 1);
  assert.match(await page.locator('#rows .group').first().textContent(), /^tier: batch\s+13 circuits$/);
  mock.trip('search', 60);
  await until('the group says what is above', async () => /^tier: standard\s+13 circuits, 1 rejects calls \(1 shown above\)/.test(await page.locator('#rows .group').first().textContent()));
  await page.locator('#group').selectOption('');
  await page.locator('#columns button', { hasText: 'Circuit' }).click();
  assert.equal(await page.locator('#columns th[aria-sort=ascending]').textContent(), 'Circuit');
  await page.locator('.tally[data-kind=open]').click();
  await until('only what is open', async () => await page.locator('.card').count() === 1 && await page.locator('#rows tr').count() === 0);
  await page.reload();
  await live(page);
  await until('it is as it was', async () => await page.locator('.tally[data-kind=open]').getAttribute('aria-pressed') === 'true' && await page.locator('#sort').inputValue() === 'name');
}));

test('500 circuits: what is drawn is what is seen, and no frame does much', withPage({ mock: { circuits: many(500) } }, async ({ mock, page }) => {
  for (let i = 100; i < 400; i++) mock.trip(`tenant-${i}`, 60);
  await until('the cards are there', async () => await page.locator('.card').count() === 9);
  await page.evaluate(() => { spied.frames = []; spied.longest = 0; });
  const nodes = () => page.evaluate(() => document.querySelectorAll('*').length);
  const most = [];
  for (let i = 0; i < 10; i++) {
    await page.mouse.wheel(0, i % 4 === 3 ? -3000 : 2500);
    await page.waitForTimeout(400);
    most.push(await page.locator('#rows tr').count());
    assert.ok(most.at(-1) <= Math.ceil(800 / 44) + 9, `${most.at(-1)} rows are drawn`);
  }
  assert.ok(Math.max(...most) > 10, 'rows are drawn at all');
  const count = await nodes(), frames = await page.evaluate(() => spied.frames), longest = await page.evaluate(() => spied.longest);
  console.log(`500 circuits: ${count} nodes, at most ${Math.max(...most)} rows and ${Math.max(...frames)} pictures a frame; the longest frame took ${longest.toFixed(1)} ms`);
  assert.ok(count < 3000, `${count} nodes`);
  assert.ok(Math.max(...frames) <= 12, `${Math.max(...frames)} pictures in a frame`);
  assert.ok(frames.reduce((a, b) => a + b, 0) > 20, 'pictures are drawn at all');
  assert.equal(await page.locator('#table').getAttribute('aria-rowcount'), '492');
  // By keyboard, to a row that was not drawn.
  await page.evaluate(() => scrollTo(0, 0));
  await page.locator('#rows tr[aria-rowindex="2"] button').focus();
  await page.keyboard.press('End');
  assert.equal(await page.evaluate(() => document.activeElement.closest('tr').getAttribute('aria-rowindex')), '492');
  // A storm is told in one sentence.
  await until('one sentence', async () => /^\d+ circuits changed: /.test(await page.locator('#speak').textContent()));
}));

test('the picture shows what was counted', withPage({ mock: { circuits: { one: { load: 0 } } }, quiet: [...ANSWERS, /willReadFrequently/] }, async ({ mock, page }) => {
  mock.traffic = false;
  const second = Math.floor(mock.now() / 1000);
  for (let i = 0; i < 300; i++) mock.count(mock.circuits.get('one'), second - i, [10, 5, 2, i < 100 ? 15 : 0]);
  mock.trip('one', 60);
  for (const stream of mock.streams) stream.destroy();
  const label = page.locator('.card canvas');
  await until('its sums', async () => {
    const [, success, slow, failed, rejected] = /: ([\d,]+) succeeded, ([\d,]+) slow, ([\d,]+) failed, ([\d,]+) rejected/.exec(await label.getAttribute('aria-label') || '') || [];
    const near = (text, n) => text && Math.abs(Number(text.replace(',', '')) - n) <= n * .05;
    return near(success, 3000) && near(slow, 600) && near(failed, 1500) && near(rejected, 1500);
  });
  // Nothing but the colours of the legend, in their order from below: success, slow, failure, rejected.
  const look = () => page.evaluate(() => {
    const canvas = document.querySelector('.card canvas'), pen = canvas.getContext('2d'), x = Math.round(canvas.width * .9), seen = [];
    for (let y = canvas.height - 14; y >= 0; y--) {
      const [r, g, b, a] = pen.getImageData(x, y, 1, 1).data, colour = a > 200 ? `#${[r, g, b].map(v => v.toString(16).padStart(2, '0')).join('')}` : null;
      if (colour && colour !== seen.at(-1)) seen.push(colour);
    }
    const style = getComputedStyle(document.documentElement);
    return { seen, wanted: ['success', 'slow', 'failure', 'rejected'].map(k => style.getPropertyValue(`--call-${k}`).trim()) };
  });
  // It may be drawn a frame later than its words.
  let column;
  await until('its colours', async () => { column = await look(); return column.wanted.every(colour => column.seen.includes(colour)); });
  assert.deepEqual(column.seen.filter(colour => column.wanted.includes(colour)), column.wanted);
}));

for (const [what, of] of Object.entries({ 'at 320 px': { viewport: { width: 320, height: 640 } }, 'at 200 %': { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 }, 'in the middle': { viewport: { width: 800, height: 600 } } }))
  test(`nothing is cut off ${what}`, withPage({ mock: { circuits: many(30) }, before: scene, context: of }, async ({ page }) => {
    await page.locator('.card').first().waitFor();
    const wide = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(await wide() <= 0, `the page is ${await wide()} px too wide`);
    await page.locator('#rows tr').first().scrollIntoViewIfNeeded();
    const cut = await page.evaluate(() => [...document.querySelectorAll('#rows tr, .card')].flatMap(box => [...box.querySelectorAll('td, th, button, canvas, b')]
      .filter(part => part.checkVisibility() && part.getBoundingClientRect().right > box.getBoundingClientRect().right + 1).map(part => part.outerHTML.slice(0, 100))));
    assert.deepEqual(cut, []);
    await page.locator('.card .foot button').first().click();
    assert.ok(await page.locator('#act').evaluate(d => d.scrollWidth <= d.clientWidth && d.getBoundingClientRect().right <= innerWidth));
    await page.locator('#act button.act').scrollIntoViewIfNeeded();
    await page.keyboard.press('Escape');
    await page.locator('.card h3 button').first().click();
    await page.locator('#details .settings tr').first().waitFor();
    assert.ok(await page.locator('#details').evaluate(d => d.scrollWidth <= d.clientWidth));
  }));
