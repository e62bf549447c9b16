// Calls the `main` of a module of WebAssembly. The module is given nothing: one that asks for a clock cannot even begin.
import { readFileSync } from "node:fs";

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), {});
const code = instance.exports.main(0, 0);
if (code !== 0) throw new Error(`main has ended with ${code}`);
console.log("main has ended well");
