// The pictures of the page for the README: BLESS=1 .ci/page makes them anew.
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Mock, many, scene } from './mock.mjs';
import { card, live, open, shut } from './support.mjs';

for (const colorScheme of ['light', 'dark']) {
  const mock = await new Mock({ circuits: many(48) }).start();
  await scene(mock);
  const { page, context } = await open(mock.url, { context: { viewport: { width: 1440, height: 880 }, deviceScaleFactor: 1, colorScheme } });
  await live(page);
  await card(page, 'payments').waitFor();
  await page.waitForTimeout(1500);
  const path = fileURLToPath(new URL(`${colorScheme}.png`, import.meta.url));
  await page.screenshot({ path });
  console.log(`${path}: ${Math.round(statSync(path).size / 1024)} KiB`);
  await context.close();
  await mock.stop();
}
await shut();
