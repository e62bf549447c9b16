// What holds of any server that has the page. Of the one that PAGE_URL names (with PAGE_TOKEN, if its
// control wants one, and PAGE_CIRCUIT for a circuit to try it with), or else of mock.mjs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Mock, many } from './mock.mjs';
import { ANSWERS, card, live, open, seenWithinASecond, shut, until } from './support.mjs';

let url = process.env.PAGE_URL, token = process.env.PAGE_TOKEN, mock = null;
before(async () => {
  if (url) return;
  token = 'secret';
  mock = await new Mock({ circuits: many(6), token }).start();
  url = mock.url;
});
after(async () => { await shut(); await mock?.stop(); });

const base = () => url.replace(/\/?$/, '/');
const headers = () => ({ 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) });
async function control(action, body) {
  const answer = await fetch(`${base()}control/${action}`, { method: 'POST', headers: headers(), body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}
async function closedOne() {
  const { circuits } = await (await fetch(`${base()}circuits`)).json();
  const wanted = process.env.PAGE_CIRCUIT, found = circuits.find(c => wanted ? c.name === wanted : c.state === 'closed' && c.mode === 'normal');
  assert.ok(found, 'there is a circuit to try it with');
  return found.name;
}
async function withOpen(test) {
  const opened = await open(url, { quiet: ANSWERS });
  try {
    await live(opened.page);
    await test(opened.page);
    await opened.quiet();
  } finally { await opened.context.close(); }
}

test('the page comes with a strict policy, and lives under it', () => withOpen(async page => {
  const answer = await fetch(url), policy = answer.headers.get('content-security-policy');
  await answer.text();
  for (const part of ["default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"]) assert.ok(policy.includes(part), `${part} in ${policy}`);
  assert.ok(!policy.includes('unsafe'), policy);
  const { circuits } = await (await fetch(`${base()}circuits`)).json();
  await until('every circuit is there', async () => {
    const [, n] = /(\d+)\D*$/.exec((await page.locator('#headline').textContent()).replace(/^\d+ of /, '')) || [];
    return Number(n ?? 1) >= circuits.length;
  });
}));

test('a trip is seen within a second', () => withOpen(async page => {
  const name = await closedOne();
  const trip = async () => { await control('trip', { name, reason: 'the test of the page', for: '30s' }); return name; };
  const undo = async () => {
    await control('reset', { name, reason: 'the test of the page is over' });
    await until('it is closed again', async () => await card(page, name).count() === 0);
  };
  await seenWithinASecond(page, trip, undo);
  await page.locator('#log li', { hasText: name }).first().waitFor();
}));

test('force open for a time, and release, by its dialogs', () => withOpen(async page => {
  const name = await closedOne();
  await until('the page knows whether there is control', async () => await page.locator('#unlock').isVisible() || await page.locator('#configure').isVisible());
  if (await page.locator('#unlock').isVisible()) {
    await page.locator('#unlock').click();
    await page.locator('#ask input').fill(token);
    await page.keyboard.press('Enter');
  }
  await page.locator('#configure').waitFor();
  await page.evaluate(name => { location.hash = new URLSearchParams({ circuit: name }); }, name);
  await page.locator('#details .settings tr').first().waitFor();
  const act = async (button, fill) => {
    await page.locator('#details .buttons button', { hasText: button }).click();
    await fill?.();
    await page.locator('#act .field', { hasText: 'Reason' }).locator('input').fill('the test of the page');
    await page.locator('#act button.act').click();
    await page.locator('#act').waitFor({ state: 'hidden' });
  };
  await act('Force open', () => page.locator('#act select').selectOption('10m'));
  await page.locator('#details .state', { hasText: 'Forced open' }).waitFor();
  assert.match(await page.locator('#details .facts').innerText(), /Released in\s+(10 min 00|9 min 5\d) s/);
  await page.locator('#details .history li', { hasText: 'forced open' }).first().waitFor();
  await card(page, name).waitFor();
  await act('Release');
  await page.locator('#details .state', { hasText: 'Closed' }).waitFor();
}));
