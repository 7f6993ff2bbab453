// Two agents with the official Phoenix client: prints what they see, one JSON object a line.
"use strict";

const { Presence, Socket } = require("phoenix");
const WebSocket = require("ws");

const { WIREPROOF_URL, CLIENT_KEY, PROVIDER_KEY, TASK_TOPIC, PROVIDER_ID } = process.env;
const WAIT_MS = 10000;

const say = (saw, details) => console.log(JSON.stringify({ saw, ...details }));

const within = (what, start) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${what}`)), WAIT_MS);
    start((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });

const open = (apiKey) =>
  within("connection", (done) => {
    const socket = new Socket(`${WIREPROOF_URL}/socket`, { transport: WebSocket, params: { api_key: apiKey } });
    socket.onOpen(() => done(socket));
    socket.connect();
  });

const answer = (push) =>
  within("reply", (done) => {
    for (const status of ["ok", "error"]) push.receive(status, (response) => done({ status, response }));
  });

const next = (channel, event) => within(event, (done) => channel.on(event, done));

async function task(client, provider) {
  const ordered = client.channel(TASK_TOPIC, { since: 0 });
  const carriedOut = provider.channel(TASK_TOPIC);
  say("join", await answer(ordered.join()));
  await answer(carriedOut.join());

  const stranger = client.channel("task:nobodys");
  say("refused join", await answer(stranger.join()));
  stranger.leave();

  const relay = next(carriedOut, "input_stream");
  say("push", await answer(ordered.push("input_stream", { chunk: "héllo 漢", seq: 0 })));
  say("relay", { payload: await relay });
  say("refused push", await answer(ordered.push("input_stream", { chunk: 1, seq: 1 })));
  say("unknown event", await answer(ordered.push("bogus", {})));
  say("binary push", await answer(ordered.push("progress", new Uint8Array([1, 2, 255]).buffer)));

  const told = Promise.all([next(ordered, "task_completed"), next(carriedOut, "task_completed")]);
  say("push", await answer(carriedOut.push("complete", { result: { words: 2 } })));
  for (const payload of await told) say("broadcast", { payload });

  const closed = within("close", (done) => ordered.onClose((payload, ref, joinRef) => done({ ref, joinRef })));
  say("leave", await answer(ordered.leave()));
  say("close", await closed);
}

async function discovery(client, provider) {
  const watching = client.channel("agents:discovery");
  const watched = provider.channel("agents:discovery");
  const presence = new Presence(watching);
  const seen = (kind, hook) => (id, current, changed) => {
    say(kind, { id, current: current ? current.metas.length : 0, changed: changed.metas.length });
    if (id === PROVIDER_ID) hook();
  };
  let onJoin = () => {};
  let onLeave = () => {};
  presence.onJoin(seen("presence join", () => onJoin()));
  presence.onLeave(seen("presence leave", () => onLeave()));

  const synced = within("presence_state", (done) => presence.onSync(() => done()));
  await answer(watching.join());
  await synced;
  say("presence list", { ids: presence.list((id) => id) });

  const joined = within("presence join", (done) => (onJoin = done));
  await answer(watched.join());
  await joined;
  say("presence list", { ids: presence.list((id) => id) });

  const updated = within("presence update", (done) => (onLeave = done));
  say("push", await answer(watched.push("update_metadata", { metadata: { load: 0.5 } })));
  await updated;
  say("presence metas", { metas: presence.list((id, { metas }) => [id, metas]).find(([id]) => id === PROVIDER_ID)[1] });

  const left = within("presence leave", (done) => (onLeave = done));
  await answer(watched.leave());
  await left;
  say("presence list", { ids: presence.list((id) => id) });
}

async function main() {
  const client = await open(CLIENT_KEY);
  const provider = await open(PROVIDER_KEY);
  await task(client, provider);
  await discovery(client, provider);
  say("pong", { isAnswered: (await within("heartbeat reply", (done) => client.ping(done))) >= 0 });
  for (const socket of [client, provider]) await within("disconnect", (done) => socket.disconnect(done));
  say("end", {});
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
