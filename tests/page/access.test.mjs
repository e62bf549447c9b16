// What axe-core finds, in each shape of the page: nothing. It has to be let in past the policy.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { many, scene } from './mock.mjs';
import { card, shut, until, withPage } from './support.mjs';

after(shut);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function isAccessible(page) {
  await page.evaluate(axe);
  // A card that is fading in has its colours only at the end.
  await until('nothing fades any more', () => page.evaluate(() => document.getAnimations().every(it => it.playState !== 'running' || it.effect.getComputedTiming().endTime === Infinity)));
  const { violations, passes } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  assert.deepEqual(violations.map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => `${n.html.slice(0, 120)} ${n.any[0]?.message ?? ''}`).join(' | ')}`), []);
  assert.ok(passes.length > 20, 'axe has looked at the page');
}
const looked = (context, then, options = {}) => withPage({ mock: { circuits: many(40) }, before: scene, ...options, context: { bypassCSP: true, ...context } }, async all => {
  await then?.(all);
  await isAccessible(all.page);
});
const cardsAreThere = ({ page }) => card(page, 'mail').waitFor();

test('no finding in the light', looked({}, cardsAreThere));
test('no finding in the dark', looked({ colorScheme: 'dark' }, cardsAreThere));
test('no finding with more contrast', looked({ contrast: 'more' }, cardsAreThere));
test('no finding with forced colours', looked({ forcedColors: 'active' }, cardsAreThere));
test('no finding on a small screen, in groups', looked({ viewport: { width: 320, height: 640 } }, async ({ page }) => { await page.locator('#group').selectOption('tier'); }));
test('no finding where there is nothing', looked({}, ({ page }) => page.locator('#nothing', { hasText: 'no circuits yet' }).waitFor(), { mock: { circuits: {} }, before: null }));
test('no finding where nothing matches', looked({}, async ({ page }) => { await page.locator('#filter').fill('nobody'); await page.locator('#nothing', { hasText: 'matches' }).waitFor(); }));
test('no finding with 500 circuits, grouped', looked({}, async ({ page }) => { await page.locator('#group').selectOption('region'); await page.mouse.wheel(0, 4000); }, { mock: { circuits: many(500) } }));
for (const colorScheme of ['light', 'dark']) {
  test(`no finding in the details, ${colorScheme}`, looked({ colorScheme }, async ({ page }) => { await card(page, 'mail').locator('h3 button').click(); await page.locator('#details .settings tr').first().waitFor(); }));
  test(`no finding in a dialog, ${colorScheme}`, looked({ colorScheme }, async ({ page }) => { await card(page, 'search').locator('button', { hasText: 'Force open' }).click(); await page.locator('#act button.act').click(); }));
}
test('no finding in the settings', looked({}, async ({ page }) => {
  await card(page, 'search').locator('h3 button').click();
  await page.locator('#details button', { hasText: 'Change settings' }).click();
  await page.locator('#act .settings input').first().fill('0.7');
}));
test('no finding when what is shown is old', looked({}, async ({ mock, page }) => { mock.silent = true; await page.locator('#link[data-is=stale]').waitFor(); }));
test('no finding where a token is asked for', looked({}, ({ page }) => page.locator('#ask[open]').waitFor(), { mock: { circuits: many(3), viewToken: 'secret' }, before: null, live: false, quiet: [/^error: Failed to load/] }));
