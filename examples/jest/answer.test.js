/** One server for the tests of a file, on Node: `npx jest`. */
const { startServer } = require("@httpserver/httpserver");

let server;

beforeAll(async () => {
  server = await startServer({ root: "fixtures", fixture: true });
});

afterEach(() => server.reset());
afterAll(() => server.stop());

test("the client reads the answer", async () => {
  const response = await fetch(`${server.url}/answer.json`);
  expect(await response.json()).toEqual({ answer: 42 });
});

test("the client tries again after a 503", async () => {
  await server.fault("GET /answer.json status=503 times=1");
  let response = await fetch(`${server.url}/answer.json`);
  if (response.status === 503) response = await fetch(`${server.url}/answer.json`);
  expect(await response.json()).toEqual({ answer: 42 });
  expect((await server.requests()).map(({ status }) => status)).toEqual([503, 200]);
});
