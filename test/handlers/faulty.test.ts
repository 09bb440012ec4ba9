/** Which requests get a fault, and the faults that are in the answer itself. */
import { describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FaultRules } from "../../src/handlers/fault-rules.ts";
import { FaultyHandler } from "../../src/handlers/faulty.ts";
import { jsonAnswer, type Room } from "../../src/handlers/reserved.ts";
import { type FaultRule, parseFaultRule } from "../../src/http/fault.ts";
import type { Request } from "../../src/http/message.ts";
import { FakeSource, respondWith, ScriptedHandler } from "../support/conversation.ts";
import { answerOf, contentOf, type Fields, makeRequest, makeSite, responseTo, type Site } from "../support/site.ts";

const ROOM: Room = {
  methods: ["GET"],
  bodyBytesMax: 0,
  isOpen: false,
  hasParts: false,
  guard: null,
  respond: () => jsonAnswer(200, "a room"),
};

/** A site with `/a.txt` of eleven bytes and `/large.bin` of 100,000, and the rules over it. */
function faultySite(...rules: readonly string[]): Site & { readonly faulty: FaultyHandler; isDraining: boolean } {
  const site = makeSite({}, { rooms: new Map([["info", ROOM]]) });
  writeFileSync(join(site.root, "a.txt"), "hello there");
  writeFileSync(join(site.root, "large.bin"), Buffer.alloc(100_000, "x"));
  const kept = new FaultRules();
  for (const text of rules) kept.add(parseFaultRule(text) as FaultRule);
  const faulty = new FaultyHandler(
    site.handler,
    kept,
    ({ peer }) => peer === "127.0.0.1",
    () => made.isDraining,
  );
  const made = Object.assign(site, { faulty, isDraining: false });
  return made;
}

async function ask(site: ReturnType<typeof faultySite>, line: string, fields: Fields = {}) {
  const request = makeRequest(line, fields);
  return { request, ...answerOf(await responseTo(site.faulty, request)) };
}

describe("a request gets a fault", () => {
  test("by a rule, as often as it says", async () => {
    using site = faultySite("GET /a.txt reset times=1");
    expect((await ask(site, "GET /a.txt")).request.fault?.kind).toBe("reset");
    expect((await ask(site, "GET /a.txt")).request.fault).toBeNull();
  });

  test("by its own field, which no rule counts", async () => {
    using site = faultySite("GET /a.txt reset times=1");
    expect((await ask(site, "GET /a.txt", { "X-Fixture": "fault=hang" })).request.fault?.kind).toBe("hang");
    expect((await ask(site, "GET /a.txt")).request.fault?.kind).toBe("reset");
  });

  test("not by the field of somebody who may not order one, who is told so", async () => {
    using site = faultySite();
    const request = { ...makeRequest("GET /a.txt", { "X-Fixture": "fault=hang" }), peer: "192.0.2.1" };
    expect(answerOf(await responseTo(site.faulty, request)).status).toBe(403);
    expect(request.fault).toBeNull();
  });

  test("also when it is refused", async () => {
    using site = faultySite("* /** truncate");
    for (const line of ["GET /missing", "GET /.hidden", "DELETE /a.txt", "GET /upload", "GET /../a"]) {
      expect((await ask(site, line)).request.fault?.kind).toBe("truncate");
    }
  });

  test("by its decoded path", async () => {
    using site = faultySite("GET /a.txt reset");
    expect((await ask(site, "GET /%61.txt?x=1")).request.fault?.kind).toBe("reset");
  });

  test("never when it is for the server's own rooms, whatever it says and however it is refused", async () => {
    using site = faultySite("* /** status status=500");
    const fields = { "X-Fixture": "status=500" };
    const answers = [
      await ask(site, "GET /__server/info", fields),
      await ask(site, "GET /__server/info", { ...fields, Host: "elsewhere.test" }),
      await ask(site, "GET /__server/none", fields),
      await ask(site, "GET /__server", { "X-Fixture": "nonsense" }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 403, 404, 404]);
    expect(answers.map(({ request }) => request.fault)).toEqual([null, null, null, null]);
  });

  test("not when the server stops", async () => {
    using site = faultySite("* /** reset");
    site.isDraining = true;
    expect((await ask(site, "GET /a.txt", { "X-Fixture": "fault=hang" })).request.fault).toBeNull();
  });

  test("or 400 with the column where its field cannot be read", async () => {
    using site = faultySite();
    const { status, text } = await ask(site, "GET /a.txt", { "X-Fixture": "fault=reset, after=ten" });
    expect(status).toBe(400);
    expect(text).toContain("X-Fixture: column 14 (after): expected bytes");
  });
});

describe("the fault", () => {
  test("status replaces the answer, and the connection persists", async () => {
    using site = faultySite("GET /a.txt status=503 retry-after=5s");
    const { status, fields, response } = await ask(site, "GET /a.txt");
    expect([status, fields["retry-after"], response.close]).toEqual([503, "5", false]);
  });

  for (const kind of ["status=500", "reset-request"]) {
    test(`${kind} stores nothing of an upload`, async () => {
      using site = faultySite(`POST /upload ${kind}`);
      const content = Buffer.from("{}");
      const request = makeRequest(
        "POST /upload",
        { "Content-Type": "application/json", "Content-Length": "2" },
        content,
      );
      const { status } = answerOf(await responseTo(site.faulty, request));
      expect(status).toBe(kind === "reset-request" ? 400 : 500);
      expect(readdirSync(site.uploads)).toEqual([]);
    });
  }

  test("last ends the connection with the answer, and changes nothing else", async () => {
    using site = faultySite("GET /a.txt last");
    const { response, text } = await ask(site, "GET /a.txt");
    expect([response.status, response.close, text]).toEqual([200, true, "hello there"]);
  });

  test("bad-length says one byte more than there is, or as many as wanted", async () => {
    using site = faultySite("GET /a.txt bad-length times=1", "GET /** bad-length length=3");
    const plain = answerOf(await responseTo(site.handler, makeRequest("GET /a.txt")));
    const first = await ask(site, "GET /a.txt");
    expect<Fields>({ ...first.fields, "content-length": "11" }).toEqual({ ...plain.fields });
    expect([first.fields["content-length"], first.text, first.response.close]).toEqual(["12", "hello there", true]);
    const second = await ask(site, "GET /large.bin");
    expect([second.fields["content-length"], second.content.length, second.response.close]).toEqual([
      "3",
      100_000,
      true,
    ]);
  });

  const chunked: readonly [after: number, bytes: string][] = [
    [0, "no chunk\r\n"],
    [1, "1\r\nh\r\nno chunk\r\n"],
    [11, "b\r\nhello there\r\nno chunk\r\n"],
    [1000, "b\r\nhello there\r\nno chunk\r\n"],
  ];
  for (const [after, bytes] of chunked) {
    test(`bad-chunk after ${after} bytes sends ${JSON.stringify(bytes)}`, async () => {
      using site = faultySite(`GET /a.txt bad-chunk after=${after}`);
      const { fields, text, response } = await ask(site, "GET /a.txt");
      expect([fields["transfer-encoding"], fields["content-length"], response.close]).toEqual([
        "chunked",
        undefined,
        true,
      ]);
      expect(text).toBe(bytes);
      // However it is read.
      for (let limit = 1; limit < 5; limit++) expect(Buffer.from(contentOf(response, limit)).toString()).toBe(bytes);
    });
  }

  test("bad-chunk reads a large file in its slices, and closes it once", async () => {
    using site = faultySite("GET /large.bin bad-chunk after=90000");
    const { text } = await ask(site, "GET /large.bin");
    expect(text).toBe(`15f90\r\n${"x".repeat(90_000)}\r\nno chunk\r\n`);
  });

  test("in the framing closes what it reads from, once", async () => {
    const source = new FakeSource(10);
    const inner = new ScriptedHandler();
    inner.respond = () => respondWith(200, source);
    const rules = new FaultRules();
    rules.add(parseFaultRule("* /** bad-chunk after=3") as FaultRule);
    const { text } = answerOf(
      await responseTo(
        new FaultyHandler(
          inner,
          rules,
          () => true,
          () => false,
        ),
        makeRequest("GET /"),
      ),
    );
    expect([text, source.closes]).toEqual(["3\r\nabc\r\nno chunk\r\n", 1]);
  });

  test("in the framing is also in a refusal", async () => {
    using site = faultySite("GET /** bad-length");
    const { status, fields, content } = await ask(site, "GET /.hidden");
    expect([status, Number(fields["content-length"])]).toEqual([404, content.length + 1]);
  });

  test("in the framing does not happen when it is pardoned while the answer is made", async () => {
    using site = faultySite("POST /upload last");
    const fields = { "Content-Type": "application/json", "Content-Length": "2" };
    const request = makeRequest("POST /upload", fields, Buffer.from("{}"));
    expect(site.faulty.admit(request)).toBeNull();
    const response = site.faulty.respond(request);
    request.fault = null;
    expect((await response).close).toBe(false);
  });

  test("in the framing is also in what the conversation itself answers", () => {
    using site = faultySite();
    const request: Request = { ...makeRequest("GET /a.txt"), fault: null };
    expect(site.faulty.failure(408, "Late.", request).close).toBe(false);
    request.fault = (parseFaultRule("GET / last") as FaultRule).fault;
    expect(site.faulty.failure(408, "Late.", request).close).toBe(true);
    expect(site.faulty.failure(400, "Bad.", null).status).toBe(400);
  });
});
