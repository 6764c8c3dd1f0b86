// PostgreSQL with TimescaleDB in one process (WebAssembly), for tests: `server.mjs FOLDER PORT`, started by timescale.sh.
// In memory: what it holds ends with it. One connection at a time is served, others wait for it to end.
import { PGlite } from '@electric-sql/pglite';
import { timescaledb } from '@electric-sql/pglite/timescaledb';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';

const [, , , port] = process.argv;
// Node.js 18 has none.
globalThis.CustomEvent ??= class extends Event {
  constructor(type, options) {
    super(type, options);
    this.detail = options?.detail;
  }
};
// PGlite's own defaults are others than a server's.
const BEGINNING = [
  'ROLLBACK', 'DISCARD ALL', 'SET search_path = "$user", public', 'SET client_min_messages = notice', 'SET enable_seqscan = on',
];
// A client's question whether the server speaks TLS or GSSAPI.
const ENCRYPTION = [80877103, 80877104];
// Messages that are to be answered now: sync, query, flush, password. PGlite answers whatever it is given as if one of them were its end.
const ENDS = Buffer.from('SQHp');
const text = new TextEncoder();

/** A simple query, as bytes of the protocol. */
function simple(sql) {
  const body = text.encode(sql);
  const message = new Uint8Array(body.length + 6);
  message[0] = 'Q'.charCodeAt(0);
  new DataView(message.buffer).setInt32(1, body.length + 5);
  message.set(body, 5);
  return message;
}

/** Length of the first message, or 0 while a part of it is on its way. Only the first of a connection has no type. */
function first(bytes, hasType) {
  const at = hasType ? 1 : 0;
  if (bytes.length < at + 4) return 0;
  const length = at + bytes.readInt32BE(at);
  return bytes.length < length ? 0 : length;
}

/**
 * The database as the socket server sees it. All connections share one session, so each begins with an empty one: otherwise
 * locks, settings and prepared statements of the last one would still be there. And what TCP cut into pieces is put together.
 */
class Sessions {
  constructor(db) {
    this.db = db;
    this.waitReady = db.waitReady;
    this.last = Promise.resolve();
  }

  runExclusive(work) {
    return this.db.runExclusive(async () => {
      for (const sql of BEGINNING) await this.db.execProtocolRaw(simple(sql));
      this.rest = new Uint8Array();
      this.isStarted = false;
      return work();
    });
  }

  execProtocolRaw(bytes) {
    this.last = this.last.catch(() => {}).then(() => this.answer(bytes));
    return this.last;
  }

  async answer(bytes) {
    let left = Buffer.concat([this.rest, bytes]);
    let asked = [];
    const answers = [];
    for (let length; (length = first(left, this.isStarted)) > 0; left = left.subarray(length)) {
      const message = left.subarray(0, length);
      if (!this.isStarted && ENCRYPTION.includes(message.readInt32BE(4))) {
        answers.push(Buffer.from('N'));
        continue;
      }
      const isFirst = !this.isStarted;
      this.isStarted = true;
      // The client's good-bye: the one session goes on.
      if (!isFirst && message[0] === 'X'.charCodeAt(0)) continue;
      asked.push(message);
      if (isFirst || ENDS.includes(message[0])) {
        // A copy: the next answer is written over this one.
        answers.push(Buffer.from(await this.db.execProtocolRaw(new Uint8Array(Buffer.concat(asked)))));
        asked = [];
      }
    }
    this.rest = Buffer.concat([...asked, left]);
    return Buffer.concat(answers);
  }
}

const db = await PGlite.create({ extensions: { timescaledb } });
await db.exec('CREATE EXTENSION timescaledb');
const server = new PGLiteSocketServer({ db: new Sessions(db), host: '127.0.0.1', port: Number(port) });
server.addEventListener('error', (event) => console.error(event.detail));
await server.start();
console.log(`serves at 127.0.0.1:${port}`);
