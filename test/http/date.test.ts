import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EPOCH_SECONDS_MAX, encodeImfDate, IMF_DATE_BYTES, imfDate, parseHttpDate } from "../../src/http/date.ts";

const NOW = Date.UTC(2026, 2, 15, 10, 30, 15) / 1000;
const EXAMPLE = 784_111_777; // the RFC's own: 1994-11-06T08:49:37Z

const anyTime = fc.integer({ min: 0, max: EPOCH_SECONDS_MAX });

describe("an HTTP-date is written as IMF-fixdate", () => {
  const cases: [number, string][] = [
    [EXAMPLE, "Sun, 06 Nov 1994 08:49:37 GMT"],
    [0, "Thu, 01 Jan 1970 00:00:00 GMT"],
    [951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"],
    [4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"],
    [4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"],
    [EPOCH_SECONDS_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"],
    [EXAMPLE + 0.999, "Sun, 06 Nov 1994 08:49:37 GMT"],
    [-1, "Thu, 01 Jan 1970 00:00:00 GMT"],
    [EPOCH_SECONDS_MAX + 1, "Fri, 31 Dec 9999 23:59:59 GMT"],
    [Number.POSITIVE_INFINITY, "Fri, 31 Dec 9999 23:59:59 GMT"],
  ];
  for (const [time, text] of cases) test(`${time} is ${text}`, () => expect(imfDate(time)).toBe(text));

  test("it is what the engine's own calendar says", () => {
    fc.assert(fc.property(anyTime, (time) => imfDate(time) === new Date(time * 1000).toUTCString()));
  });

  test("it goes into a buffer at the offset asked, 29 bytes and no more", () => {
    const into = new Uint8Array(40).fill(0x23);
    expect(encodeImfDate(EXAMPLE, into, 5)).toBe(5 + IMF_DATE_BYTES);
    expect(new TextDecoder().decode(into)).toBe("#####Sun, 06 Nov 1994 08:49:37 GMT######");
  });
});

describe("all three forms are read", () => {
  const cases: [string, number][] = [
    ["Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE],
    ["Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE],
    ["Sun Nov  6 08:49:37 1994", EXAMPLE],
    ["Sun Nov 06 08:49:37 1994", EXAMPLE],
    ["Wed Nov 16 08:49:37 1994", EXAMPLE + 10 * 86_400],
    ["Wednesday, 16-Nov-94 08:49:37 GMT", EXAMPLE + 10 * 86_400],
    ["Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
    ["Fri, 31 Dec 9999 23:59:59 GMT", EPOCH_SECONDS_MAX],
    ["Thu, 31 Dec 1998 23:59:60 GMT", 915_148_800], // a leap second
    ["Mon, 06 Nov 1994 08:49:37 GMT", EXAMPLE], // another day's name
    ["Fri, 01 Jan 1960 00:00:00 GMT", 0],
    ["Sat, 01 Jan 0000 00:00:00 GMT", 0],
  ];
  for (const [text, time] of cases) test(text, () => expect(parseHttpDate(text, NOW)).toBe(time));

  test("what was written is read back", () => {
    fc.assert(fc.property(anyTime, (time) => parseHttpDate(imfDate(time), NOW) === time));
  });

  test("the other two forms of a time say the same", () => {
    fc.assert(
      fc.property(fc.integer({ min: NOW - 40 * 31_556_952, max: NOW + 40 * 31_556_952 }), (time) => {
        const [, day = "", month = "", year = "", clock = ""] = imfDate(time).split(" ");
        const asctime = `Sun ${month} ${String(Number(day)).padStart(2)} ${clock} ${year}`;
        const rfc850 = `Saturday, ${day}-${month}-${year.slice(2)} ${clock} GMT`;
        return parseHttpDate(asctime, NOW) === time && parseHttpDate(rfc850, NOW) === time;
      }),
    );
  });
});

describe("a two-digit year is never more than 50 years ahead", () => {
  const cases: [string, number, string][] = [
    ["Sunday, 06-Nov-94 08:49:37 GMT", 2026, "1994"],
    ["Sunday, 06-Nov-27 08:49:37 GMT", 2026, "2027"],
    ["Sunday, 06-Nov-75 08:49:37 GMT", 2026, "2075"],
    ["Sunday, 06-Nov-77 08:49:37 GMT", 2026, "1977"],
    ["Saturday, 29-Feb-00 00:00:00 GMT", 2026, "2000"],
    ["Sunday, 01-Jan-76 00:00:00 GMT", 2026, "2076"], // 49 years and some months
    ["Sunday, 31-Dec-76 00:00:00 GMT", 2026, "1976"], // 50 years and some months
    ["Sunday, 06-Nov-10 08:49:37 GMT", 2080, "2110"],
    ["Sunday, 06-Nov-50 08:49:37 GMT", 2080, "2050"],
  ];
  for (const [text, nowYear, year] of cases) {
    test(`${text}, read in ${nowYear}, is ${year}`, () => {
      const time = parseHttpDate(text, Date.UTC(nowYear, 2, 15) / 1000);
      expect(imfDate(time).split(" ")[3]).toBe(year);
    });
  }
});

describe("no date is", () => {
  const cases = [
    "",
    "0",
    "GMT",
    ",",
    "1994-11-06T08:49:37Z",
    "784111777",
    "sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 gmt",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun,  6 Nov 1994 08:49:37 GMT",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun 06 Nov 1994 08:49:37 GMT",
    "Sun, 06-Nov-1994 08:49:37 GMT",
    "Sun, 06 Nov 94 08:49:37 GMT",
    "Sun, 06 Nov 1994 8:49:37 GMT",
    "Sun, 06 Nov 1994 08:49 GMT",
    "Sun, 06 Nov 1994 08.49.37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:00 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 31 Nov 1994 08:49:37 GMT",
    "Sun, 32 Dec 1994 08:49:37 GMT",
    "Tue, 29 Feb 2023 08:49:37 GMT",
    "Tue, 29 Feb 2100 08:49:37 GMT",
    "Sun, +6 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 -8:49:37 GMT",
    "Sun, 06 Foo 1994 08:49:37 GMT",
    "Foo, 06 Nov 1994 08:49:37 GMT",
    " Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT ",
    "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994\t08:49:37 GMT",
    "Sun, 06-Nov-94 08:49:37 GMT",
    "Sunday, 06 Nov 94 08:49:37 GMT",
    "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sunday, 31-Nov-94 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37",
    "Sunday,06-Nov-94 08:49:37 GMT",
    "Funday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov 6 08:49:37 1994",
    "Sun Nov  6 08:49:37 94",
    "Sun Nov  6 08:49:37 1994 GMT",
    "Sun Nov 31 08:49:37 1994",
    "Sun Nov  0 08:49:37 1994",
    "Sun Nov  6 08:49:37 199４",
  ];
  for (const text of cases) test(JSON.stringify(text), () => expect(parseHttpDate(text, NOW)).toBe(-1));

  test("in which one byte is neither a letter, a digit nor its mark", () => {
    for (const text of [
      "Sun, 06 Nov 1994 08:49:37 GMT",
      "Sunday, 06-Nov-94 08:49:37 GMT",
      "Sun Nov 16 08:49:37 1994",
    ]) {
      const changed = [...text].map((_, at) => `${text.slice(0, at)}#${text.slice(at + 1)}`);
      expect(changed.filter((other) => parseHttpDate(other, NOW) !== -1)).toEqual([]);
    }
  });

  test("after the last day of its month", () => {
    for (let month = 0; month < 12; month++) {
      const last = Date.UTC(1995, month + 1, 0) / 1000;
      const text = imfDate(last);
      expect(parseHttpDate(text, NOW)).toBe(last);
      const day = Number(text.slice(5, 7));
      expect(parseHttpDate(text.replace(` ${day} `, ` ${day + 1} `), NOW)).toBe(-1);
    }
  });

  test("and nothing else makes it throw or give anything but a whole number", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 250 }), (noise, cut) => {
        const text = `Sunday, 06-Nov-94 08:49:37 GMT`.slice(0, cut % 31) + noise;
        const time = parseHttpDate(text, NOW);
        return Number.isInteger(time) && time >= -1;
      }),
    );
  });
});
