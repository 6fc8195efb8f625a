// Sends the messages of a lane file with the npm package node-hl7-client, one at a time, and prints the MSA segment
// of each answer. Bytes travel as latin1, so that ISO-2022-JP stays as it is.
// usage: node send.mjs PORT FILE    NODE_HL7_DIR = the folder whose node_modules holds the package
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const module = path.join(process.env.NODE_HL7_DIR, 'node_modules/node-hl7-client/lib/esm/index.mjs');
const { Client, Message } = await import(pathToFileURL(module));
const [port, file] = process.argv.slice(2);
const start = 'MSH|^~\\&|';
const messages = fs.readFileSync(file, 'latin1').split(start).filter((text) => text).map((text) => start + text.replace(/[\r\n]+$/, ''));

const client = new Client({ host: '127.0.0.1' });
let answered;
const connection = client.createConnection({ port: Number(port), encoding: 'latin1', waitAck: true }, async (answer) => {
  const text = answer.getMessage().toString();
  console.log(text.split('\r').find((segment) => segment.startsWith('MSA')) ?? 'no MSA');
  answered();
});
await new Promise((ready) => connection.on('connect', ready));
for (const text of messages) {
  const next = new Promise((done) => { answered = done; });
  await connection.sendMessage(new Message({ text }));
  await next;
}
await client.closeAll?.();
process.exit(0);
