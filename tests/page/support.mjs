// What the tests share: a browser, a page that is watched for whatever it should not do, and waiting.
import assert from 'node:assert/strict';
import { accessSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { Mock } from './mock.mjs';

const there = path => { try { accessSync(path); return true; } catch { return false; } };
const browserPath = () => process.env.BROWSER_PATH ||
  ['google-chrome', 'chromium', 'chromium-browser'].flatMap(name => (process.env.PATH || '').split(':').map(dir => `${dir}/${name}`)).find(there);

// How long a test waits for what has to come. Only what never comes takes so long: how soon it has to come, a test says itself.
const LONG = 30_000;

let browser = null;
// As root, Chromium has no sandbox to run in. What it shows is ours.
export async function launch() {
  browser ??= await chromium.launch({ executablePath: browserPath(), args: ['--no-sandbox', '--enable-precise-memory-info', '--js-flags=--expose-gc'] });
  return browser;
}
export async function shut() {
  await browser?.close();
  browser = null;
}

// In the page, before its script: what the policy has refused, what each frame has drawn, how long frames were.
function spy() {
  window.spied = { refused: [], frames: [], longest: 0, draws: 0 };
  addEventListener('securitypolicyviolation', event => spied.refused.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  const clear = CanvasRenderingContext2D.prototype.clearRect;
  CanvasRenderingContext2D.prototype.clearRect = function (...all) { spied.draws++; return clear.apply(this, all); };
  const ask = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = draw => ask(time => {
    const before = spied.draws, start = performance.now();
    draw(time);
    spied.frames.push(spied.draws - before);
    spied.longest = Math.max(spied.longest, performance.now() - start);
  });
}

// A page that has to be quiet: nothing on the console, nothing refused by the policy, nothing asked of
// another origin. `quiet()` says so; the end of a test asks for it.
export async function open(url, { context: of = {}, address = '', quiet: expected = [] } = {}) {
  const context = await (await launch()).newContext({ viewport: { width: 1280, height: 800 }, ...of });
  const strangers = [], noise = [], origin = new URL(url).origin;
  await context.route('**/*', route => {
    if (new URL(route.request().url()).origin === origin) return route.continue();
    strangers.push(route.request().url());
    return route.abort();
  });
  const page = await context.newPage();
  page.on('console', message => noise.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', error => noise.push(`error: ${error.stack}`));
  page.on('dialog', dialog => { noise.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.setDefaultTimeout(LONG);
  await page.addInitScript(spy);
  await page.goto(url + address);
  const quiet = async () => {
    assert.deepEqual(noise.filter(line => !expected.some(is => is.test(line))), [], 'the console has to stay empty');
    assert.deepEqual(await page.evaluate(() => spied.refused), [], 'the policy has to refuse nothing');
    assert.deepEqual(strangers, [], 'no other origin is asked');
  };
  return { page, context, noise, quiet };
}

// Runs a test with a server and a page, and closes both whatever happens.
export function withPage(options, test) {
  return async () => {
    const mock = await new Mock(options.mock).start();
    await options.before?.(mock);
    const opened = await open(mock.url, options);
    try {
      if (options.live !== false) await live(opened.page);
      await test({ mock, ...opened });
      await opened.quiet();
    } finally {
      await opened.context.close();
      await mock.stop();
    }
  };
}

// The browser says on the console which answers were not 2xx. Where a test wants such an answer, that is no noise.
export const ANSWERS = [/^error: Failed to load resource/];

export const live = page => page.locator('#link[data-is=live]').waitFor();
export const card = (page, name) => page.locator('.card').filter({ has: page.locator('h3', { hasText: name }) });

// Until it holds; says what it was if it never does.
export async function until(what, holds, within = LONG) {
  const end = Date.now() + within;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > end) assert.fail(`not within ${within} ms: ${what}`);
    await new Promise(done => setTimeout(done, 20));
  }
}
// Does it until it took less than so long. On a machine that does much else, one of three may do: what is late by
// itself is late each time. `once` returns how long it took.
export async function soon(what, limit, once) {
  const took = [];
  for (let n = 0; n < 3 && !(took.at(-1) < limit); n++) took.push(await once(n));
  console.log(`${what} after ${took.join(', ')} ms`);
  assert.ok(took.at(-1) < limit, `${took} ms`);
}
// Trips a circuit, whose name `trip` returns, until the page has shown one within a second.
export function seenWithinASecond(page, trip, undo) {
  return soon('a trip was seen', 1000, async n => {
    const start = Date.now(), name = await trip(n);
    await page.locator(`.card[data-kind=open]:has(h3 bdi:text-is(${JSON.stringify(name)}))`).waitFor();
    const took = Date.now() - start;
    await undo(n);
    return took;
  });
}
export const headline = page => page.locator('#headline').textContent();
