/** Signatures of requests to an object store, held against the examples of AWS's own documentation. */
import { expect, test } from "bun:test";
import { encodePath, encodeQuery, Signer } from "../../../../src/handlers/uploads/s3/signature.ts";

const KEYS = { accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };
const TIME_MS = Date.UTC(2013, 4, 24);
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** "Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference. */
test.each([
  [
    "GET of an object",
    { method: "GET", path: "/test.txt", lines: [["Range", "bytes=0-9"]], sha256: EMPTY },
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  ],
  [
    "PUT of an object",
    {
      method: "PUT",
      path: encodePath("/test$file.text"),
      lines: [
        ["Date", "Fri, 24 May 2013 00:00:00 GMT"],
        ["X-Amz-Storage-Class", "REDUCED_REDUNDANCY"],
      ],
      sha256: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
    },
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  ],
  [
    "GET of a bucket's state",
    { method: "GET", path: "/", query: [["lifecycle", ""]], lines: [], sha256: EMPTY },
    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
  ],
  [
    "GET of a list",
    {
      method: "GET",
      path: "/",
      query: [
        ["prefix", "J"],
        ["max-keys", "2"],
      ],
      lines: [],
      sha256: EMPTY,
    },
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
  ],
] as const)("%s", (_, request, signature) => {
  const signer = new Signer({ ...KEYS, sessionToken: null }, "us-east-1");
  const lines = signer.sign({ authority: "examplebucket.s3.amazonaws.com", query: [], ...request }, TIME_MS);
  const authorization = lines.find(([name]) => name === "Authorization")?.[1];
  expect(authorization).toEndWith(`, Signature=${signature}`);
  expect(authorization).toStartWith(
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=",
  );
});

test("a session's token is sent, and signed; the secret key is not sent", () => {
  const signer = new Signer({ ...KEYS, sessionToken: "TOKEN" }, "us-east-1");
  const request = { method: "GET", authority: "s3.test", path: "/", query: [], lines: [], sha256: EMPTY };
  const lines = signer.sign(request, TIME_MS);
  expect(lines).toContainEqual(["X-Amz-Security-Token", "TOKEN"]);
  expect(lines.find(([name]) => name === "Authorization")?.[1]).toContain("x-amz-security-token");
  expect(JSON.stringify(lines)).not.toContain(KEYS.secretKey);
});

test("the key of a day is not that of the next", () => {
  const signer = new Signer({ ...KEYS, sessionToken: null }, "us-east-1");
  const request = { method: "GET", authority: "s3.test", path: "/", query: [], lines: [], sha256: EMPTY };
  const at = (ms: number) => JSON.stringify(signer.sign(request, ms));
  const first = at(TIME_MS);
  expect(at(TIME_MS + 86_400_000)).not.toBe(first);
  expect(at(TIME_MS)).toBe(first);
});

test("paths and queries have one spelling", () => {
  expect(encodePath("/bucket/a b/é!'()*~-._&+")).toBe("/bucket/a%20b/%C3%A9%21%27%28%29%2A~-._%26%2B");
  expect(
    encodeQuery([
      ["uploads", ""],
      ["a", "b/c d"],
    ]),
  ).toBe("a=b%2Fc%20d&uploads=");
});
